/** Proof of space: the rate of sealing on one core, and what proofs cost to make and to verify. */
import { hash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHasher, sha256Into } from "../../src/crypto/hash.ts";
import { layerPaths, makeLayersFolder } from "../../src/node/space/files.ts";
import { makeSector } from "../../src/node/space/make-sector.ts";
import { hasLayers, openSector } from "../../src/node/space/open-sector.ts";
import { parametersOf, proveSpace } from "../../src/node/space/prove.ts";
import { graphOf } from "../../src/proofs/space/admission.ts";
import { createLabeller, createLayer } from "../../src/proofs/space/labels.ts";
import { PARENTS, SPACE_PROFILES } from "../../src/proofs/space/parameters.ts";
import {
  decodeSpaceProof,
  encodeSpaceProof,
  type SpaceChallenge,
  verifySpaceProof,
} from "../../src/proofs/space/proof.ts";
import type { SectorHeader } from "../../src/proofs/space/sector-header.ts";
import { createSpaceHashes } from "../../src/proofs/space/tree.ts";
import type { Report } from "../report.ts";
import type { ProofsOptions } from "./part.ts";

const filled = (value: number): Uint8Array => new Uint8Array(32).fill(value);

/** Seconds of CPU of this process. */
const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

/** Mean microseconds of CPU of a step. */
const microsOf = (count: number, step: (i: number) => void): number => {
  for (let i = 0; i < Math.ceil(count / 10); i++) step(i);
  const from = cpuSeconds();
  for (let i = 0; i < count; i++) step(i);
  return ((cpuSeconds() - from) * 1e6) / count;
};

const measureMachine = (report: Report): void => {
  const long = new Uint8Array(2 ** 20);
  const micros = microsOf(300, () => {
    hash("sha256", long);
  });
  report.row("sha256", "native, 1 MiB: compressions", 16_384 / micros, "M/s", 300);
  const label = new Uint8Array(1248);
  const target = new Uint8Array(32);
  const call = microsOf(300_000, () => sha256Into(label, target, 0));
  report.row("sha256", "1248 bytes, as a label has: 20 compressions", call, "us", 300_000);
  const pair = new Uint8Array(128);
  const node = microsOf(300_000, () => sha256Into(pair, target, 0));
  report.row("sha256", "128 bytes, as a node of a tree has", node, "us", 300_000);
};

/** The steps of sealing, each alone, with layers of 64 MiB: larger than what a core has of cache. */
const measureSteps = (report: Report): void => {
  const lgNodes = 21;
  const nodes = 2 ** lgNodes;
  const count = 2 ** 16;
  const graph = graphOf(lgNodes, 11);
  const parents = new Uint32Array(count * PARENTS);
  const from = nodes - count;
  const draw = microsOf(count, (i) => graph.parents(from + i, parents, i * PARENTS));
  report.row("space", "parents of a node", draw, "us", count);
  const current = createLayer(lgNodes);
  const below = createLayer(lgNodes);
  for (const layer of [current, below]) {
    for (const { words } of layer.parts) for (let i = 0; i < words.length; i += 8) words[i] = i;
  }
  const label = createLabeller(filled(1));
  const run = (layer: number): number => {
    const range = { layer, from, to: nodes, parents, current };
    const each = microsOf(3, () => label({ ...range, below: layer === 1 ? undefined : below }));
    return each / count;
  };
  report.row("space", "label of layer 1", run(1), "us", count);
  report.row("space", "label of a higher layer", run(2), "us", count);
  const hashes = createSpaceHashes(createHasher("bench"));
  const labels = Array.from({ length: 11 }, () => filled(2));
  const target = filled(0);
  const column = microsOf(count, () => hashes.column(labels, 0, target, 0));
  report.row("space", "column of 11 labels", column, "us", count);
};

const jobOf = (lgNodes: number): SectorHeader => ({
  ...{ chainId: "bench", genesisHash: filled(0) },
  statement: {
    ...{ validatorId: filled(1), sectorNo: 0, beacon: filled(2), lgNodes, layers: 11 },
    ...{ commC: filled(0), commRl: filled(0) },
  },
});

const measureSealing = (report: Report, file: string, lgNodes: number): void => {
  makeLayersFolder(layerPaths(file).folder);
  const cpu = cpuSeconds();
  const from = performance.now();
  makeSector(file, jobOf(lgNodes), () => {});
  const seconds = (performance.now() - from) / 1000;
  const mib = 2 ** (lgNodes - 15);
  const what = `sealing ${mib} MiB, 11 layers`;
  report.row("space", `${what}: of a core's time`, mib / (cpuSeconds() - cpu), "MiB/s", 1);
  report.row("space", `${what}: of the clock's`, mib / seconds, "MiB/s", 1);
};

const KINDS: readonly (readonly [SpaceChallenge["kind"], number])[] = [
  ["admission", 5],
  ["epoch", 50],
  ["block", 200],
  ["event", 1000],
];

/** Makes and verifies proofs of every kind from a sector, with a new challenge each time. */
const measureProofs = (report: Report, name: string, file: string): void => {
  const sector = openSector(file);
  const parameters = parametersOf(sector.header.statement);
  for (const [kind, count] of KINDS) {
    if (kind === "admission" && !hasLayers(file)) continue;
    let next = 0;
    const challenge = (): SpaceChallenge => {
      const seed = filled(0);
      new DataView(seed.buffer).setUint32(0, next++);
      return kind === "event" ? { kind, seed, laneId: filled(3), laneSeq: 1 } : { kind, seed };
    };
    const make = microsOf(count, () => {
      proveSpace([sector], challenge());
    });
    const encoded = encodeSpaceProof(proveSpace([sector], challenge()));
    const verify = microsOf(count, () => {
      const proof = decodeSpaceProof(encoded);
      if (!proof.ok || !verifySpaceProof(parameters, proof.value).ok) throw new Error("wrong");
    });
    report.row("space", `${name}, ${kind}: proof`, encoded.length, "bytes", 1);
    report.row("space", `${name}, ${kind}: make, and verify before use`, make / 1000, "ms", count);
    report.row("space", `${name}, ${kind}: read and verify`, verify / 1000, "ms", count);
  }
  sector.close();
};

export const benchSpace = (report: Report, options: ProofsOptions): void => {
  measureMachine(report);
  measureSteps(report);
  if (options.sector !== undefined) {
    measureProofs(report, "the sector given", options.sector);
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), "tetrad-bench-"));
  try {
    const file = join(folder, "test.sector");
    measureSealing(report, file, SPACE_PROFILES.test.lgNodes);
    measureSealing(report, join(folder, "larger.sector"), 19);
    measureProofs(report, "profile test", file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
