/** Openings from the sectors in a folder: right ones, from files that stay open for a moment and no longer. */
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createHasher } from "../../src/crypto/hash.ts";
import type { ParsedGenesis } from "../../src/ledger/genesis.ts";
import { layerPaths, makeLayersFolder } from "../../src/node/space/files.ts";
import { makeSector } from "../../src/node/space/make-sector.ts";
import { openSectorFiles, type SectorFiles } from "../../src/node/space/sector-files.ts";
import { verifyOpenings } from "../../src/proofs/space/openings.ts";
import { SPACE_PROFILES } from "../../src/proofs/space/parameters.ts";
import { groupOffset } from "../../src/proofs/space/sector-header.ts";
import type { SectorStatement } from "../../src/proofs/space/statement.ts";
import { GROUP_BYTES, spaceHashesOf } from "../../src/proofs/space/tree.ts";

const CHAIN = "sector-files";
const LOOK_MS = 2_000;
const hasher = createHasher(CHAIN);
const { lgNodes, layers } = SPACE_PROFILES.dev;
const bytes = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);
const COUNT = 3;

let made = "";
let folder = "";
let nowMs = 0;
let files: SectorFiles;
const statements: SectorStatement[] = [];

const nameOf = (sectorNo: number): string => `${sectorNo}.sector`;

beforeAll(() => {
  made = mkdtempSync(join(tmpdir(), "tetrad-sectors-"));
  for (let sectorNo = 0; sectorNo < COUNT; sectorNo++) {
    const file = join(made, nameOf(sectorNo));
    makeLayersFolder(layerPaths(file).folder);
    const source = { validatorId: bytes(2), sectorNo, beacon: bytes(4), lgNodes, layers };
    const statement = { ...source, commC: bytes(0), commRl: bytes(0) };
    const job = { chainId: CHAIN, genesisHash: bytes(1), statement };
    statements.push(makeSector(file, job, () => {}).statement);
  }
});
afterAll(() => rmSync(made, { recursive: true }));

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tetrad-sector-files-"));
  for (let i = 0; i < COUNT; i++) copyFileSync(join(made, nameOf(i)), join(folder, nameOf(i)));
  nowMs = 0;
  const chain = { genesis: { chainId: CHAIN }, hasher } as ParsedGenesis;
  files = openSectorFiles(folder, chain, () => nowMs);
  return async () => {
    await files.close();
    rmSync(folder, { recursive: true });
  };
});

/** Files of the folder that this process has open. */
const openFiles = (): string[] =>
  readdirSync("/proc/self/fd")
    .flatMap((fd) => {
      try {
        return [readlinkSync(`/proc/self/fd/${fd}`)];
      } catch {
        return [];
      }
    })
    .filter((path) => path.startsWith(folder))
    .map((path) => path.slice(folder.length + 1).replace(/ \(deleted\)$/, ""))
    .sort();

type Asked = readonly { readonly sector: number; readonly node: number }[];

/** Whether what comes is right; undefined where nothing comes. */
const opens = (challenges: Asked, sectors = statements): boolean | undefined => {
  const openings = files.open({ sectors, challenges });
  if (openings === undefined) return undefined;
  return verifyOpenings(spaceHashesOf(hasher), lgNodes, sectors, challenges, openings).ok;
};

const damage = (sectorNo: number): void => {
  const file = join(folder, nameOf(sectorNo));
  const whole = readFileSync(file);
  // In place, as a disk does it: the first group of nodes.
  whole.fill(0xff, groupOffset(0), groupOffset(0) + GROUP_BYTES);
  writeFileSync(file, whole);
};

describe("openings from a folder of sectors", () => {
  it("are right, and open those files that a challenge names, once", () => {
    expect(opens([{ sector: 0, node: 5 }])).toBe(true);
    expect(openFiles()).toEqual([nameOf(0)]);
    for (let node = 0; node < 40; node++) expect(opens([{ sector: 0, node }])).toBe(true);
    expect(openFiles()).toEqual([nameOf(0)]);
    // A sector before and after those that are asked for has no part in it.
    const asked = [7, 9, 7].map((node) => ({ sector: 1, node }));
    expect(opens(asked)).toBe(true);
    expect(openFiles()).toEqual([nameOf(0), nameOf(1)]);
    rmSync(join(folder, nameOf(2)));
    nowMs += LOOK_MS;
    expect(opens(asked)).toBe(true);
    expect(opens([{ sector: 2, node: 1 }])).toBeUndefined();
  });

  it("come from no file that is closed: all are, at the next look and at the end", async () => {
    expect(opens([0, 1, 2].map((sector) => ({ sector, node: 3 })))).toBe(true);
    expect(openFiles()).toEqual([0, 1, 2].map(nameOf));
    nowMs += LOOK_MS;
    files.list();
    expect(openFiles()).toEqual([]);
    expect(opens([{ sector: 1, node: 3 }])).toBe(true);
    await files.close();
    expect(openFiles()).toEqual([]);
  });

  it("are none of a sector that is damaged while it is open, and right again once it is whole", () => {
    expect(opens([{ sector: 1, node: 3 }])).toBe(true);
    damage(1);
    expect(opens([{ sector: 1, node: 3 }])).toBeUndefined();
    expect(openFiles()).toEqual([]);
    expect(opens([{ sector: 0, node: 3 }])).toBe(true);
    // Another file of that name is seen at once, because the one that was not right was closed.
    rmSync(join(folder, nameOf(1)));
    copyFileSync(join(made, nameOf(1)), join(folder, nameOf(1)));
    expect(opens([{ sector: 1, node: 3 }])).toBe(true);
  });

  it("of more sectors than stay open are right too", () => {
    const many = Array.from({ length: 24 }, (_, i) => statements[i % COUNT] as SectorStatement);
    const asked = many.map((_, sector) => ({ sector, node: sector }));
    expect(opens(asked, many)).toBe(true);
    expect(opens(asked, many)).toBe(true);
    expect(openFiles()).toEqual([0, 1, 2].map(nameOf));
  });
});
