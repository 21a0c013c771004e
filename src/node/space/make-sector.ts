/**
 * Makes a sector: layer by layer, then the tree over the columns, then the tree over what is stored, and at
 * the end the file under its name. Synchronous and long: it runs in a thread of its own (seal-worker.ts).
 *
 * Memory: two layers, which are twice the sector, a thirty-second part of it for each tree, and some 64 MiB.
 * Every part is on disk with its digest before the next one is made (journal.ts).
 */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { createHasher } from "../../crypto/hash.ts";
import { graphOf } from "../../proofs/space/admission.ts";
import type { Graph } from "../../proofs/space/graph.ts";
import {
  createLabeller,
  createLayer,
  type Labeller,
  type Layer,
  layerBytes,
} from "../../proofs/space/labels.ts";
import { NODE_BYTES, nodesOf, PARENTS } from "../../proofs/space/parameters.ts";
import {
  encodeSectorHeader,
  HEADER_BYTES,
  rowsOffset,
  type SectorHeader,
} from "../../proofs/space/sector-header.ts";
import { replicaId } from "../../proofs/space/statement.ts";
import {
  createSpaceHashes,
  fillRows,
  GROUP_BYTES,
  GROUP_NODES,
  groupRoot,
  keptNodes,
  rootOfRows,
  type SpaceHashes,
} from "../../proofs/space/tree.ts";
import { type LayerPaths, layerPaths, openPrivate, readAt } from "./files.ts";
import { type Journal, openJournal } from "./journal.ts";

/** Nodes of a part: 512 KiB of labels, some 40 ms. */
const PART_NODES_MAX = 2 ** 14;

/** Parents are drawn once and read again for every other layer. */
const PARENTS_STAGE = 0;

/** Records of the journal of a whole sector: the parents, the layers, and two trees. */
export const partsOf = (lgNodes: number, layers: number): number =>
  (layers + 3) * Math.ceil(nodesOf(lgNodes) / PART_NODES_MAX);

export type MakeProgress = {
  /** Bytes of labels and of leaves that are made, of `total`; `found` of them were there already. */
  readonly done: number;
  readonly total: number;
  readonly found: number;
};

type Making = {
  readonly paths: LayerPaths;
  readonly journal: Journal;
  readonly graph: Graph;
  readonly hashes: SpaceHashes;
  readonly label: Labeller;
  readonly nodes: number;
  readonly partNodes: number;
  readonly layers: number;
  /** After each part; whether it was made now or found. */
  onPart(isFound: boolean): void;
};

/** Reads a part into `bytes`, or makes it there and writes it. Gives whether it was found. */
const part = (
  { journal }: Making,
  fd: number,
  stage: number,
  index: number,
  bytes: Uint8Array,
  make: () => void,
): boolean => {
  const at = index * bytes.length;
  if (readAt(fd, bytes, at) === bytes.length && journal.has(stage, index, bytes)) return true;
  // Also where the file is short: what the journal says beyond is not so.
  journal.has(stage, index, NOTHING);
  make();
  writeAll(fd, bytes, at);
  journal.add(stage, index, bytes);
  return false;
};

/** Bytes of no part: a record of them is never there. */
const NOTHING = new Uint8Array(0);

const writeAll = (fd: number, bytes: Uint8Array, at: number): void => {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(fd, bytes, done, bytes.length - done, at + done);
  }
};

const bytesOf = (words: Uint32Array): Uint8Array => new Uint8Array(words.buffer);

const makeLayer = (
  making: Making,
  layer: number,
  current: Layer,
  below: Layer | undefined,
): void => {
  const { paths, graph, label, nodes, partNodes } = making;
  const parents = new Uint32Array(partNodes * PARENTS);
  const parentBytes = bytesOf(parents);
  const parentsFd = openPrivate(paths.parents);
  const fd = openPrivate(paths.layer(layer));
  try {
    for (let from = 0; from < nodes; from += partNodes) {
      const index = from / partNodes;
      if (layer === 1) {
        part(making, parentsFd, PARENTS_STAGE, index, parentBytes, () => {
          for (let i = 0; i < partNodes; i++) graph.parents(from + i, parents, i * PARENTS);
        });
      }
      const bytes = layerBytes(current, from, partNodes);
      const isFound = part(making, fd, layer, index, bytes, () => {
        if (layer > 1) readAt(parentsFd, parentBytes, index * parentBytes.length);
        label({ layer, from, to: from + partNodes, parents, current, below });
      });
      making.onPart(isFound);
    }
    fsyncSync(fd);
  } finally {
    closeSync(parentsFd);
    closeSync(fd);
  }
};

/** The rows of a tree whose leaves `leavesOf` writes, part by part; the roots of groups are kept in a file. */
const makeTree = (
  making: Making,
  stage: number,
  file: string,
  leavesOf: (from: number, leaves: Uint8Array) => void,
): Uint8Array => {
  const { hashes, nodes, partNodes } = making;
  const lgNodes = Math.log2(nodes);
  const rows = new Uint8Array(keptNodes(lgNodes) * NODE_BYTES);
  const leaves = new Uint8Array(partNodes * NODE_BYTES);
  const length = (partNodes / GROUP_NODES) * NODE_BYTES;
  const fd = openPrivate(file);
  try {
    for (let from = 0; from < nodes; from += partNodes) {
      const index = from / partNodes;
      const roots = rows.subarray(index * length, (index + 1) * length);
      const isFound = part(making, fd, stage, index, roots, () => {
        leavesOf(from, leaves);
        for (let i = 0; i < partNodes / GROUP_NODES; i++) {
          const group = leaves.subarray(i * GROUP_BYTES, (i + 1) * GROUP_BYTES);
          groupRoot(hashes, group, roots, i * NODE_BYTES);
        }
      });
      making.onPart(isFound);
    }
    fillRows(hashes, lgNodes, rows);
    writeAll(fd, rows, 0);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  return rows;
};

/** The tree over columns: the layers are read again, a part of each at a time. */
const makeColumnTree = (making: Making, stage: number): Uint8Array => {
  const { paths, hashes, layers, partNodes } = making;
  const files = Array.from({ length: layers }, (_, i) => openSync(paths.layer(i + 1), "r"));
  const labels = files.map(() => new Uint8Array(partNodes * NODE_BYTES));
  try {
    return makeTree(making, stage, paths.treeC, (from, leaves) => {
      for (const [i, fd] of files.entries()) readAt(fd, labels[i] ?? NOTHING, from * NODE_BYTES);
      for (let at = 0; at < leaves.length; at += NODE_BYTES) {
        hashes.column(labels, at, leaves, at);
      }
    });
  } finally {
    for (const fd of files) closeSync(fd);
  }
};

/** Writes the file under another name and moves it: it is whole or not there. */
const writeSector = (
  making: Making,
  file: string,
  header: SectorHeader,
  stored: Layer,
  rows: Uint8Array,
): void => {
  const { nodes, partNodes } = making;
  const temporary = `${file}.new`;
  rmSync(temporary, { force: true });
  const fd = openPrivate(temporary);
  try {
    writeAll(fd, encodeSectorHeader(header), 0);
    for (let from = 0; from < nodes; from += partNodes) {
      writeAll(fd, layerBytes(stored, from, partNodes), HEADER_BYTES + from * NODE_BYTES);
    }
    writeAll(fd, rows, rowsOffset(Math.log2(nodes)));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, file);
  syncFolder(dirname(file));
};

const syncFolder = (folder: string): void => {
  if (process.platform === "win32") return;
  const fd = openSync(folder, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
};

/** Makes the sector of a job, or what is missing of it. Gives its header, with the roots. */
export const makeSector = (
  file: string,
  job: SectorHeader,
  onProgress: (progress: MakeProgress) => void,
): SectorHeader => {
  const { lgNodes, layers } = job.statement;
  const paths = layerPaths(file);
  const hasher = createHasher(job.chainId);
  const nodes = nodesOf(lgNodes);
  const partNodes = Math.min(nodes, PART_NODES_MAX);
  const total = (layers + 2) * nodes * NODE_BYTES;
  let done = 0;
  let found = 0;
  const journal = openJournal(paths.journal);
  const making: Making = {
    ...{ paths, journal, nodes, partNodes, layers },
    graph: graphOf(lgNodes, layers),
    hashes: createSpaceHashes(hasher),
    label: createLabeller(replicaId(hasher, job.statement)),
    onPart(isFound) {
      done += partNodes * NODE_BYTES;
      if (isFound) found += partNodes * NODE_BYTES;
      onProgress({ done, total, found });
    },
  };
  let current = createLayer(lgNodes);
  let below = createLayer(lgNodes);
  for (let layer = 1; layer <= layers; layer++) {
    if (layer > 1) [current, below] = [below, current];
    makeLayer(making, layer, current, layer === 1 ? undefined : below);
  }
  const stored = current;
  const commC = rootOfRows(makeColumnTree(making, layers + 1));
  const rows = makeTree(making, layers + 2, paths.treeR, (from, leaves) => {
    leaves.set(layerBytes(stored, from, partNodes));
  });
  const statement = { ...job.statement, commC, commRl: rootOfRows(rows) };
  const header = { ...job, statement };
  writeSector(making, file, header, stored, rows);
  journal.close();
  for (const path of [paths.journal, paths.parents, paths.treeR]) rmSync(path, { force: true });
  return header;
};
