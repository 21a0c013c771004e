/**
 * The admission of a sector: that what is stored was made by the graph. For each challenged node the labels of
 * all its layers are opened, and those of its 14 parents, and the labels of the node must follow from those of
 * the parents; what is stored must be the last of them. Who has made a share e of the labels otherwise passes
 * with probability (1 - e)^challenges.
 *
 * A challenge is, in this order: for the node and for each parent the column of labels (32·layers bytes) and
 * its path (32·lgNodes), then the path of the node in the tree of what is stored. All lengths follow from the
 * parameters.
 */
import { equalBytes } from "../../crypto/bytes.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { fail, ok, type Result } from "../../errors.ts";
import { admissionNodes, type ChallengeRange } from "./challenges.ts";
import { createGraph, type Graph, graphId, parentsOf } from "./graph.ts";
import { labelOf } from "./labels.ts";
import {
  admissionBytes,
  BASE_PARENTS,
  NODE_BYTES,
  PARENTS,
  type SpaceParameters,
} from "./parameters.ts";
import { replicaId, type SectorStatement } from "./statement.ts";
import { isUnderRoot, openLeaf, type SpaceHashes, type TreeReader } from "./tree.ts";

/** What an admission proof is made from: the tree of columns, the columns, and the tree of what is stored. */
export type AdmissionReader = {
  readonly columns: TreeReader;
  /** The labels of one node in layers 1..L: 32·layers bytes. */
  column(v: number): Uint8Array;
  readonly stored: TreeReader;
};

/** Calls `onNode` with the number of challenges that are done. */
export const makeAdmission = (
  hashes: SpaceHashes,
  graph: Graph,
  reader: AdmissionReader,
  layers: number,
  nodes: readonly number[],
  onNode: (done: number) => void = () => {},
): Uint8Array => {
  const proof = new Uint8Array(admissionBytes(graph.lgNodes, layers, nodes.length));
  let at = 0;
  const put = (bytes: Uint8Array): void => {
    proof.set(bytes, at);
    at += bytes.length;
  };
  for (const [i, node] of nodes.entries()) {
    for (const v of [node, ...parentsOf(graph, node)]) {
      put(reader.column(v));
      put(openLeaf(hashes, reader.columns, v).path);
    }
    put(openLeaf(hashes, reader.stored, node).path);
    onNode(i + 1);
  }
  return proof;
};

/** The graph that was used last: a chain has sectors of one shape, and a graph fills tables as it is used. */
let lastGraph: { readonly id: string; readonly graph: Graph } | undefined;

/** The graph of sectors of one shape. */
export const graphOf = (lgNodes: number, layers: number): Graph => {
  const id = `${lgNodes} ${layers}`;
  if (lastGraph?.id !== id) {
    lastGraph = { id, graph: createGraph(graphId(lgNodes, layers), lgNodes) };
  }
  return lastGraph.graph;
};

type Check = {
  readonly hashes: SpaceHashes;
  readonly replica: Uint8Array;
  readonly statement: SectorStatement;
  readonly proof: Uint8Array;
};

const labelIn = (column: Uint8Array, layer: number): Uint8Array =>
  column.subarray((layer - 1) * NODE_BYTES, layer * NODE_BYTES);

/** The column at a place of the proof, when its path leads to the root of columns. */
const openedColumn = (
  { hashes, statement, proof }: Check,
  v: number,
  at: number,
): Uint8Array | undefined => {
  const { layers, lgNodes, commC } = statement;
  const pathAt = at + layers * NODE_BYTES;
  const column = proof.subarray(at, pathAt);
  const leaf = new Uint8Array(NODE_BYTES);
  const labels = Array.from({ length: layers }, (_, i) => labelIn(column, i + 1));
  hashes.column(labels, 0, leaf, 0);
  const path = proof.subarray(pathAt, pathAt + lgNodes * NODE_BYTES);
  return isUnderRoot(hashes, lgNodes, v, { leaf, path }, commC) ? column : undefined;
};

/** The first layer whose label does not follow from the parents' labels; undefined when all do. */
const wrongLayer = (
  { replica, statement }: Check,
  v: number,
  own: Uint8Array,
  parents: readonly Uint8Array[],
): number | undefined => {
  for (let layer = 1; layer <= statement.layers; layer++) {
    const labels = parents
      .slice(0, layer === 1 ? BASE_PARENTS : PARENTS)
      .map((column, i) => labelIn(column, i < BASE_PARENTS ? layer : layer - 1));
    if (!equalBytes(labelOf(replica, layer, v, labels), labelIn(own, layer))) return layer;
  }
  return undefined;
};

const verifyNode = (check: Check, graph: Graph, node: number, from: number): Result<number> => {
  const { layers, lgNodes, commRl } = check.statement;
  const step = NODE_BYTES * (layers + lgNodes);
  const columns: Uint8Array[] = [];
  for (const [i, v] of [node, ...parentsOf(graph, node)].entries()) {
    const column = openedColumn(check, v, from + i * step);
    if (column === undefined) {
      return fail("space.proof-path", `the labels of node ${v} are not in the sector`);
    }
    columns.push(column);
  }
  const [own = new Uint8Array(0), ...parents] = columns;
  const layer = wrongLayer(check, node, own, parents);
  if (layer !== undefined) {
    return fail("space.proof-label", `layer ${layer} of node ${node} is not what its parents give`);
  }
  const at = from + (1 + PARENTS) * step;
  const path = check.proof.subarray(at, at + lgNodes * NODE_BYTES);
  const leaf = labelIn(own, layers);
  if (!isUnderRoot(check.hashes, lgNodes, node, { leaf, path }, commRl)) {
    return fail("space.proof-path", `node ${node} is not stored as it was made`);
  }
  return ok(node);
};

/**
 * Checks an admission proof, or the part of one that answers some of its challenges. `seed` is the beacon that
 * was drawn after the statement was on the chain. Codes: space.proof-shape, space.proof-path,
 * space.proof-label. Gives the number of nodes that were checked.
 */
export const verifyAdmission = (
  hasher: Hasher,
  hashes: SpaceHashes,
  graph: Graph,
  parameters: SpaceParameters,
  statement: SectorStatement,
  seed: Uint8Array,
  proof: Uint8Array,
  range: ChallengeRange = { from: 0, to: parameters.admissionChallenges },
): Result<number> => {
  const { lgNodes, layers } = parameters;
  if (statement.lgNodes !== lgNodes || statement.layers !== layers) {
    return fail("space.proof-shape", "the sector has another shape than the parameters");
  }
  const step = admissionBytes(lgNodes, layers, 1);
  const length = step * (range.to - range.from);
  if (proof.length !== length) {
    return fail("space.proof-shape", `${proof.length} bytes instead of ${length}`);
  }
  const nodes = admissionNodes(hasher, parameters, statement, seed, range);
  return verifyAdmissionNodes(hasher, hashes, graph, statement, nodes, proof);
};

/** Checks the openings of these nodes, whoever has asked for them. Codes: those of `verifyAdmission`. */
export const verifyAdmissionNodes = (
  hasher: Hasher,
  hashes: SpaceHashes,
  graph: Graph,
  statement: SectorStatement,
  nodes: readonly number[],
  proof: Uint8Array,
): Result<number> => {
  const step = admissionBytes(statement.lgNodes, statement.layers, 1);
  const check = { hashes, replica: replicaId(hasher, statement), statement, proof };
  for (const [i, node] of nodes.entries()) {
    const checked = verifyNode(check, graph, node, i * step);
    if (!checked.ok) return checked;
  }
  return ok(nodes.length);
};
