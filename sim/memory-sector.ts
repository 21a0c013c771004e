/** Sectors in memory, made by the functions that make them on disk: for simulated validators, and for tests. */
import { createHasher, type Hasher } from "../src/crypto/hash.ts";
import { type AdmissionReader, graphOf } from "../src/proofs/space/admission.ts";
import type { Graph } from "../src/proofs/space/graph.ts";
import { createLabeller, createLayer, layerBytes } from "../src/proofs/space/labels.ts";
import { NODE_BYTES, nodesOf, PARENTS } from "../src/proofs/space/parameters.ts";
import {
  replicaId,
  type SectorSource,
  type SectorStatement,
} from "../src/proofs/space/statement.ts";
import {
  createSpaceHashes,
  fillRows,
  GROUP_BYTES,
  GROUP_NODES,
  groupRoot,
  keptNodes,
  keptPosition,
  rootOfRows,
  type SpaceHashes,
  type TreeReader,
} from "../src/proofs/space/tree.ts";

/** The labels of all layers of a graph, the lowest first. */
export const labelsOf = (graph: Graph, replica: Uint8Array, layers: number): Uint8Array[] => {
  const nodes = nodesOf(graph.lgNodes);
  const parents = new Uint32Array(nodes * PARENTS);
  for (let v = 0; v < nodes; v++) graph.parents(v, parents, v * PARENTS);
  const label = createLabeller(replica);
  const made = Array.from({ length: layers }, () => createLayer(graph.lgNodes));
  made.forEach((current, i) => {
    label({ layer: i + 1, from: 0, to: nodes, parents, current, below: made[i - 1] });
  });
  return made.map((layer) => layerBytes(layer, 0, nodes));
};

/** The kept rows over leaves, and a reader of the tree. */
export const treeOf = (
  hashes: SpaceHashes,
  lgNodes: number,
  leaves: Uint8Array,
): { readonly rows: Uint8Array; readonly reader: TreeReader } => {
  const rows = new Uint8Array(keptNodes(lgNodes) * NODE_BYTES);
  const group = (i: number): Uint8Array => leaves.subarray(i * GROUP_BYTES, (i + 1) * GROUP_BYTES);
  for (let i = 0; i < nodesOf(lgNodes) / GROUP_NODES; i++) {
    groupRoot(hashes, group(i), rows, i * NODE_BYTES);
  }
  fillRows(hashes, lgNodes, rows);
  const row = (level: number, index: number): Uint8Array => {
    const at = keptPosition(lgNodes, level, index) * NODE_BYTES;
    return rows.slice(at, at + NODE_BYTES);
  };
  return { rows, reader: { lgNodes, group, row } };
};

export type MemorySector = {
  readonly hasher: Hasher;
  readonly hashes: SpaceHashes;
  readonly graph: Graph;
  readonly statement: SectorStatement;
  readonly stored: Uint8Array;
  readonly rows: Uint8Array;
  readonly reader: AdmissionReader;
};

/** `change`: what a cheater does to the labels before committing to them. */
export const memorySector = (
  chainId: string,
  source: SectorSource,
  change: (labels: readonly Uint8Array[]) => void = () => {},
): MemorySector => {
  const { lgNodes, layers } = source;
  const hasher = createHasher(chainId);
  const hashes = createSpaceHashes(hasher);
  const graph = graphOf(lgNodes, layers);
  const labels = labelsOf(graph, replicaId(hasher, source), layers);
  change(labels);
  const columns = new Uint8Array(nodesOf(lgNodes) * NODE_BYTES);
  for (let at = 0; at < columns.length; at += NODE_BYTES) hashes.column(labels, at, columns, at);
  const stored = labels.at(-1) ?? new Uint8Array(0);
  const treeC = treeOf(hashes, lgNodes, columns);
  const treeR = treeOf(hashes, lgNodes, stored);
  const column = (v: number): Uint8Array => {
    const out = new Uint8Array(layers * NODE_BYTES);
    labels.forEach((layer, i) => {
      out.set(layer.subarray(v * NODE_BYTES, (v + 1) * NODE_BYTES), i * NODE_BYTES);
    });
    return out;
  };
  return {
    ...{ hasher, hashes, graph, stored, rows: treeR.rows },
    statement: { ...source, commC: rootOfRows(treeC.rows), commRl: rootOfRows(treeR.rows) },
    reader: { columns: treeC.reader, column, stored: treeR.reader },
  };
};
