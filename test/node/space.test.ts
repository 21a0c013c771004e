/** Making sectors on disk: what is interrupted goes on, what is damaged is made again, and what is found. */
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkSector, isDamaged } from "../../src/node/space/check-sector.ts";
import { layerPaths, makeLayersFolder } from "../../src/node/space/files.ts";
import { makeSector } from "../../src/node/space/make-sector.ts";
import { openSector } from "../../src/node/space/open-sector.ts";
import { proveSpace } from "../../src/node/space/prove.ts";
import { type SealOptions, sealNeeds, sealSector } from "../../src/node/space/seal.ts";
import { SPACE_PROFILES } from "../../src/proofs/space/parameters.ts";
import { type SpaceProof, verifySpaceProof } from "../../src/proofs/space/proof.ts";
import {
  encodeSectorHeader,
  HEADER_BYTES,
  type SectorHeader,
} from "../../src/proofs/space/sector-header.ts";

const bytes = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tetrad-space-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Two parts a layer, so that one can be whole and the next not. */
const JOB: SectorHeader = {
  ...{ chainId: "chain-a", genesisHash: bytes(1) },
  statement: {
    ...{ validatorId: bytes(2), sectorNo: 3, beacon: bytes(4), lgNodes: 15, layers: 2 },
    ...{ commC: bytes(0), commRl: bytes(0) },
  },
};
const PARTS = 2 * (JOB.statement.layers + 2);

/** As a process that is killed after so many parts; undefined for one that is not. */
const make = (file: string, parts?: number): { header?: SectorHeader; found: number } => {
  makeLayersFolder(layerPaths(file).folder);
  let seen = 0;
  let found = 0;
  try {
    const header = makeSector(file, JOB, (progress) => {
      found = progress.found;
      seen += 1;
      if (seen === parts) throw new Error("killed");
    });
    return { header, found };
  } catch (error) {
    if ((error as Error).message !== "killed") throw error;
    return { found };
  }
};

describe("a sector that is made", () => {
  it("is the same after every interruption, from what was there", () => {
    const whole = make(join(folder, "whole"));
    expect(whole.found).toBe(0);
    const wanted = readFileSync(join(folder, "whole"));
    const file = join(folder, "again");
    for (let parts = 1; parts < PARTS; parts += 3) {
      expect(make(file, parts).header).toBeUndefined();
      expect(existsSync(file)).toBe(false);
      const again = make(file);
      expect(again.found).toBe(parts * 2 ** 14 * 32);
      expect(again.header).toEqual(whole.header);
      expect(readFileSync(file).equals(wanted)).toBe(true);
      for (const path of [file, layerPaths(file).folder]) rmSync(path, { recursive: true });
    }
  });

  it("takes nothing over that is not what was written", () => {
    const whole = make(join(folder, "whole")).header;
    const spoil: ((file: string) => void)[] = [
      (file) => truncateSync(layerPaths(file).layer(1), 100),
      (file) => truncateSync(layerPaths(file).parents, 2 ** 14 * 56 + 5),
      (file) => truncateSync(layerPaths(file).journal, 41),
      (file) => appendFileSync(layerPaths(file).journal, "rubbish"),
      (file) => {
        const path = layerPaths(file).layer(2);
        const labels = readFileSync(path);
        labels[40] = (labels[40] ?? 0) ^ 1;
        writeFileSync(path, labels);
      },
    ];
    for (const [i, damage] of spoil.entries()) {
      const file = join(folder, `spoilt-${i}`);
      make(file, 5);
      damage(file);
      expect(make(file).header).toEqual(whole);
    }
  });

  it("leaves a sector, its layers and nothing else, all for the owner only", () => {
    const file = join(folder, "one");
    make(file);
    expect(readdirSync(folder).sort()).toEqual(["one", "one.layers"]);
    const layers = layerPaths(file).folder;
    expect(readdirSync(layers).sort()).toEqual(["layer-01", "layer-02", "tree-c"]);
    expect(statSync(layers).mode & 0o777).toBe(0o700);
    for (const path of [file, ...readdirSync(layers).map((name) => join(layers, name))]) {
      expect(statSync(path).mode & 0o777, path).toBe(0o600);
    }
  });
});

describe("sealing", () => {
  const { lgNodes, layers } = SPACE_PROFILES.dev;
  const options = (name: string, change: Partial<SealOptions> = {}): SealOptions => ({
    ...{ file: join(folder, name), chainId: "chain-a", genesisHash: bytes(1) },
    source: { validatorId: bytes(2), sectorNo: 0, beacon: bytes(4), lgNodes, layers },
    signal: new AbortController().signal,
    onProgress: () => {},
    ...change,
  });

  it("makes in a thread what it says, once, and refuses another sector in its place", async () => {
    const made = await sealSector(options("a"));
    const before = statSync(join(folder, "a")).mtimeMs;
    expect(await sealSector(options("a"))).toEqual(made);
    expect(statSync(join(folder, "a")).mtimeMs).toBe(before);
    const { source } = options("a");
    for (const other of [
      options("a", { chainId: "chain-b" }),
      options("a", { source: { ...source, sectorNo: 1 } }),
      options("a", { source: { ...source, beacon: bytes(5) } }),
    ]) {
      await expect(sealSector(other)).rejects.toMatchObject({ code: "space.conflict" });
    }
  });

  it("refuses a sector that is being made by a process that lives, and goes on after a dead one", async () => {
    const paths = layerPaths(join(folder, "b"));
    makeLayersFolder(paths.folder);
    // The process that started this one.
    writeFileSync(paths.lock, `${process.ppid}\n`);
    await expect(sealSector(options("b"))).rejects.toMatchObject({ code: "space.conflict" });
    writeFileSync(paths.lock, "4194303999\n");
    await sealSector(options("b"));
    expect(existsSync(paths.lock)).toBe(false);
  });

  it("refuses what another sector's making has begun", async () => {
    const paths = layerPaths(join(folder, "c"));
    makeLayersFolder(paths.folder);
    writeFileSync(paths.job, encodeSectorHeader(JOB));
    await expect(sealSector(options("c"))).rejects.toMatchObject({ code: "space.conflict" });
  });

  it("ends when it is told to, and goes on later", async () => {
    const controller = new AbortController();
    const onProgress = (): void => controller.abort(new Error("enough"));
    const stopped = sealSector(options("d", { signal: controller.signal, onProgress }));
    await expect(stopped).rejects.toThrow("enough");
    const header = await sealSector(options("d"));
    expect(header).toEqual(await sealSector(options("e")));
  });

  it("refuses a sector for which there is no room before it writes anything", async () => {
    const { lgNodes: lg } = SPACE_PROFILES.production;
    const { source } = options("f");
    const large = options("f", { source: { ...source, lgNodes: lg, layers: 11 } });
    await expect(sealSector(large)).rejects.toMatchObject({
      code: expect.stringMatching(/^(space\.memory|store\.full)$/),
    });
    expect(readdirSync(folder)).toEqual([]);
    expect(sealNeeds(lg, 11).memoryBytes).toBeGreaterThan(64 * 2 ** 30);
  });

  it("makes sectors that answer every kind of challenge, and none where a node is damaged", async () => {
    const file = join(folder, "g");
    await sealSector(options("g"));
    const opened = openSector(file);
    const seed = bytes(9);
    for (const kind of ["admission", "epoch", "block"] as const) {
      const proof = proveSpace([opened], { kind, seed });
      expect(verifySpaceProof(SPACE_PROFILES.dev, proof).ok).toBe(true);
    }
    expect(isDamaged(await checkSector(opened, new AbortController().signal, () => {}))).toBe(
      false,
    );
    opened.close();
    truncateSync(file, 4096 + 1000 * 32);
    const cut = openSector(file);
    expect(() => proveSpace([cut], { kind: "epoch", seed })).toThrow(
      expect.objectContaining({ code: "space.damaged" }),
    );
    const report = await checkSector(cut, new AbortController().signal, () => {});
    expect(report.missingBytes).toBeGreaterThan(0);
    // The rows are gone too: nothing can be told apart.
    expect(report.unprovable).toEqual([{ from: 0, to: 4095 }]);
    cut.close();
    rmSync(layerPaths(file).layer(2));
    const without = openSector(file);
    expect(() => proveSpace([without], { kind: "admission", seed })).toThrow(
      expect.objectContaining({ code: "space.layers" }),
    );
    without.close();
  });
});

describe("a sector of the profile test", () => {
  it("is sealed, checked and opened as any other, and a damaged part of it is found", async () => {
    const { lgNodes, layers } = SPACE_PROFILES.test;
    const file = join(folder, "t");
    const header = await sealSector({
      ...{ file, chainId: "chain-a", genesisHash: bytes(1) },
      source: { validatorId: bytes(2), sectorNo: 0, beacon: bytes(4), lgNodes, layers },
      signal: new AbortController().signal,
      onProgress: () => {},
    });
    const check = async () => {
      const opened = openSector(file);
      try {
        return await checkSector(opened, new AbortController().signal, () => {});
      } finally {
        opened.close();
      }
    };
    const seed = bytes(9);
    const prove = (kind: "admission" | "epoch" | "block"): SpaceProof => {
      const opened = openSector(file);
      try {
        return proveSpace([opened], { kind, seed });
      } finally {
        opened.close();
      }
    };
    expect(isDamaged(await check())).toBe(false);
    for (const kind of ["admission", "epoch", "block"] as const) {
      const proof = prove(kind);
      expect(proof.sectors).toEqual([header.statement]);
      expect(verifySpaceProof(SPACE_PROFILES.test, proof).ok).toBe(true);
      // The numbers of another profile take nothing of it.
      expect(verifySpaceProof(SPACE_PROFILES.dev, proof).ok).toBe(false);
    }
    // A fifth of the nodes: what is left passes an epoch of 16 openings with three in a hundred.
    const first = 20_000;
    const damaged = Math.floor(2 ** lgNodes / 5);
    const stored = readFileSync(file);
    stored.fill(0, HEADER_BYTES + first * 32, HEADER_BYTES + (first + damaged) * 32);
    writeFileSync(file, stored);
    const report = await check();
    expect(isDamaged(report)).toBe(true);
    expect(report.nodes).toEqual([
      { from: first - (first % 64), to: 64 * Math.ceil((first + damaged) / 64) - 1 },
    ]);
    expect(() => prove("epoch")).toThrow(expect.objectContaining({ code: "space.damaged" }));
  }, 120_000);
});
