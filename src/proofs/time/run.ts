/**
 * A run of a timekeeper as a pure machine: leaves are appended one by one, block hashes go in as they come,
 * and at any leaf the run can be committed and opened.
 *
 * Of the tree only nodes of height s and more are kept, 64 bytes for 2^s leaves; what lies below an opened
 * one is computed again. With s = leavesLog2Max - 17 that is at most 8 MiB, whatever the profile.
 */
import type { Hasher } from "../../crypto/hash.ts";
import { type Absorbed, absorbedRoot, whyNotNext } from "./absorbed.ts";
import { createLabels, depthOf, LABEL_BYTES, type Labels, NOTHING } from "./labels.ts";
import type { TimeParameters } from "./parameters.ts";
import {
  type AbsorbedRoot,
  type TimeCommitment,
  type TimeStatement,
  timeChi,
  timePhi,
} from "./statement.ts";

const KEPT_LEVELS = 17;

/** Labels of one height, in one array that grows. */
type Level = { bytes: Uint8Array; count: number };

const keep = (level: Level, label: Uint8Array): void => {
  const at = level.count * LABEL_BYTES;
  if (at === level.bytes.length) {
    const grown = new Uint8Array(Math.max(64 * LABEL_BYTES, 2 * at));
    grown.set(level.bytes);
    level.bytes = grown;
  }
  level.bytes.set(label, at);
  level.count += 1;
};

const labelAt = (level: Level | undefined, index: number): Uint8Array | undefined =>
  level !== undefined && index < level.count
    ? level.bytes.slice(index * LABEL_BYTES, (index + 1) * LABEL_BYTES)
    : undefined;

export type FinishedRun = {
  readonly commitment: TimeCommitment;
  readonly absorbed: AbsorbedRoot;
};

export type TimeRun = {
  readonly statement: TimeStatement;
  readonly parameters: TimeParameters;
  readonly hasher: Hasher;
  readonly chi: Uint8Array;
  /** Height s of the lowest nodes that are kept. */
  readonly keptFrom: number;
  leaves(): number;
  absorbed(): readonly Absorbed[];
  /**
   * Computes the next leaf, which takes in the block if one is given. Throws RangeError for a block that
   * cannot follow, past the most leaves there may be, and after `finish`.
   */
  append(block?: { readonly height: number; readonly hash: Uint8Array }): void;
  /** Labels of height s from the one at `from` on, in one piece: what `restore` takes. */
  keptLabels(from: number): Uint8Array;
  /** Goes on where another run was, given its kept labels and what it had absorbed. Only on a new run. */
  restore(labels: Uint8Array, absorbed: readonly Absorbed[]): void;
  /** Closes the run; the first call decides. Throws RangeError without a leaf. */
  finish(): FinishedRun;
  /** The label of a node of height s or more of a finished run. Throws RangeError for others. */
  label(level: number, index: number): Uint8Array;
  /** What leaf `index` took in: a block hash, or 32 zero bytes. */
  takenIn(index: number): Uint8Array;
};

export const keptFromOf = (parameters: TimeParameters): number =>
  Math.max(0, parameters.leavesLog2Max - KEPT_LEVELS);

/** Adds a complete subtree to the stack, and joins it with those that it completes. */
const carry = (
  labels: Labels,
  from: { readonly level: number; readonly index: number; readonly label: Uint8Array },
  onNode: (level: number, label: Uint8Array) => void,
): void => {
  let { level, index, label } = from;
  onNode(level, label);
  while (index % 2 === 1) {
    index >>>= 1;
    level += 1;
    label = labels.node(level, index, labels.stack.pop(), label);
    onNode(level, label);
  }
  labels.stack.push(label);
};

/**
 * Labels of the nodes at the right edge that miss a part, by height, the root last: what is on the stack,
 * joined from below with nothing to the right.
 */
const edgeOf = (labels: Labels, leaves: number, depth: number): Map<number, Uint8Array> => {
  const edge = new Map<number, Uint8Array>();
  let place = labels.stack.depth;
  let current: Uint8Array | undefined;
  for (let level = 0; level < depth; level++) {
    const index = Math.floor(leaves / 2 ** level);
    const parent = Math.floor(index / 2);
    if (index % 2 === 1) {
      place -= 1;
      current = labels.node(level + 1, parent, labels.stack.at(place), current ?? NOTHING);
    } else if (current !== undefined) {
      current = labels.node(level + 1, parent, current, NOTHING);
    }
    if (current !== undefined) edge.set(level + 1, current);
  }
  // A power of two of leaves has a complete root, alone on the stack.
  if (current === undefined) edge.set(depth, labels.stack.at(0));
  return edge;
};

/** Begins a run. The parameters must be within the limits (checkTimeParameters). */
export const createTimeRun = (
  hasher: Hasher,
  parameters: TimeParameters,
  statement: TimeStatement,
): TimeRun => {
  const chi = timeChi(hasher, statement);
  const labels = createLabels(hasher, chi, parameters.tailBlocks);
  const keptFrom = keptFromOf(parameters);
  const levels: Level[] = [];
  const absorbed: Absorbed[] = [];
  const byLeaf = new Map<number, Uint8Array>();
  let leaves = 0;
  let edge = new Map<number, Uint8Array>();
  let finished: FinishedRun | undefined;

  const onNode = (level: number, label: Uint8Array): void => {
    if (level < keptFrom) return;
    const kept = levels[level - keptFrom] ?? { bytes: new Uint8Array(0), count: 0 };
    levels[level - keptFrom] = kept;
    keep(kept, label);
  };
  const take = (height: number, leaf: number, hash: Uint8Array): void => {
    const why = whyNotNext(absorbed.at(-1), absorbed.length, height, hash);
    if (why !== undefined) throw new RangeError(why);
    const entry = { height, leaf, hash: hash.slice() };
    absorbed.push(entry);
    byLeaf.set(leaf, entry.hash);
  };
  const labelOf = (level: number, index: number): Uint8Array => {
    const found = labelAt(levels[level - keptFrom], index) ?? edge.get(level);
    if (level < keptFrom || found === undefined) throw new RangeError(`no node ${level}/${index}`);
    return found;
  };
  return {
    statement,
    parameters,
    hasher,
    chi,
    keptFrom,
    leaves: () => leaves,
    absorbed: () => absorbed,
    append(block) {
      if (finished !== undefined) throw new RangeError("the run is finished");
      if (leaves >= 2 ** parameters.leavesLog2Max)
        throw new RangeError("the run is at its longest");
      if (block !== undefined) take(block.height, leaves, block.hash);
      const label = labels.leaf(leaves, block?.hash ?? NOTHING);
      carry(labels, { level: 0, index: leaves, label }, onNode);
      leaves += 1;
    },
    keptLabels(from) {
      const level = levels[0];
      return (level?.bytes ?? NOTHING).slice(from * LABEL_BYTES, (level?.count ?? 0) * LABEL_BYTES);
    },
    restore(bytes, before) {
      if (leaves !== 0) throw new RangeError("only a new run can be restored");
      const count = Math.floor(bytes.length / LABEL_BYTES);
      for (let index = 0; index < count; index++) {
        const label = bytes.slice(index * LABEL_BYTES, (index + 1) * LABEL_BYTES);
        carry(labels, { level: keptFrom, index, label }, onNode);
      }
      leaves = count * 2 ** keptFrom;
      for (const { height, leaf, hash } of before) if (leaf < leaves) take(height, leaf, hash);
    },
    finish() {
      if (finished !== undefined) return finished;
      if (leaves === 0) throw new RangeError("a run has at least one leaf");
      const depth = depthOf(leaves);
      edge = edgeOf(labels, leaves, depth);
      const list = absorbedRoot(hasher, absorbed);
      const root = edge.get(depth) ?? NOTHING;
      const commitment = { leaves, phi: timePhi(hasher, root, leaves, list) };
      finished = { commitment, absorbed: list };
      return finished;
    },
    label: labelOf,
    takenIn: (index) => byLeaf.get(index) ?? NOTHING,
  };
};

/** Labels of all nodes below (and at) the kept one at `block` of a finished run, computed again. */
export const recompute = (
  run: TimeRun,
  block: number,
): ((level: number, index: number) => Uint8Array) => {
  const { keptFrom, parameters, hasher, chi } = run;
  const leaves = run.leaves();
  const labels = createLabels(hasher, chi, parameters.tailBlocks);
  const first = block * 2 ** keptFrom;
  const end = Math.min(leaves, first + 2 ** keptFrom);
  for (let level = depthOf(leaves); level >= keptFrom; level--) {
    const index = Math.floor(first / 2 ** level);
    if (index % 2 === 1) labels.stack.push(run.label(level, index - 1));
  }
  const rows: Uint8Array[][] = Array.from({ length: keptFrom + 1 }, () => []);
  for (let leaf = first; leaf < end; leaf++) {
    let label = labels.leaf(leaf, run.takenIn(leaf));
    let level = 0;
    let index = leaf;
    rows[0]?.push(label);
    while (level < keptFrom && index % 2 === 1) {
      index >>>= 1;
      level += 1;
      label = labels.node(level, index, labels.stack.pop(), label);
      rows[level]?.push(label);
    }
    if (level < keptFrom) labels.stack.push(label);
  }
  fillEdge(labels, rows, { first, end, keptFrom });
  return (level, index) => {
    const label = rows[level]?.[index - Math.floor(first / 2 ** level)];
    if (label === undefined) throw new RangeError(`no node ${level}/${index} in block ${block}`);
    return label;
  };
};

/** Joins what is left in an incomplete block, so that its rows have the nodes at the right edge too. */
const fillEdge = (
  labels: Labels,
  rows: readonly Uint8Array[][],
  at: { readonly first: number; readonly end: number; readonly keptFrom: number },
): void => {
  const { first, end, keptFrom } = at;
  for (let level = 0; level < keptFrom; level++) {
    const row = rows[level] ?? [];
    const above = rows[level + 1] ?? [];
    const width = Math.ceil((end - first) / 2 ** (level + 1));
    if (above.length === width) continue;
    const left = row[2 * above.length] ?? NOTHING;
    const right = row[2 * above.length + 1] ?? NOTHING;
    const index = Math.floor(first / 2 ** (level + 1)) + above.length;
    above.push(labels.node(level + 1, index, left, right));
  }
};
