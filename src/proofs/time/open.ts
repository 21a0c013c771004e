/**
 * Opens leaves of a finished run. An opening is the tree walked from the root, left before right, in which a
 * subtree without an opened leaf is its label and an opened leaf is what it took in:
 *
 *     walk(node)  nothing             where the subtree lies behind the last leaf
 *                 label(32)           where no opened leaf is in it
 *                 u8 0 | u8 1 hash(32)  for an opened leaf: nothing, or what it took in
 *                 walk(left) walk(right)  else
 *
 * So a label that several paths share is written once, left siblings come before the leaves that depend on
 * them, and there is one encoding of a set of openings.
 *
 *     proof of elapsed time:  u16 version = 1   u32 count   absorbed root(32)   walk(root)
 *     proof of a block:       u16 version = 1   u32 count   absorbed root(32)   u64 height   u64 leaf
 *                             hash(32)   u32 index   u8 n × path(32)   walk(root)
 */
import { isZero } from "../../crypto/bytes.ts";
import { Writer } from "../../crypto/codec.ts";
import { fail, ok, type Result } from "../../errors.ts";
import { absorbedPath } from "./absorbed.ts";
import { depthOf } from "./labels.ts";
import { recompute, type TimeRun } from "./run.ts";
import { type AbsorbedRoot, type Challenges, challengedLeaves } from "./statement.ts";

export const TIME_PROOF_VERSION = 1;

/** Opened leaves of a walk: those of `leaves` (ascending) at `low` to `high`. */
type Span = { readonly low: number; readonly high: number };

/** The first place in an ascending list whose value is at least `value`, between low and high. */
export const lowerBound = (list: readonly number[], value: number, { low, high }: Span): number => {
  let from = low;
  let to = high;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((list[middle] ?? value) < value) from = middle + 1;
    else to = middle;
  }
  return from;
};

type LabelOf = (level: number, index: number) => Uint8Array;

/** Writes the walk; hands back control each time that a kept subtree was computed again. */
const walk = function* (
  run: TimeRun,
  leaves: readonly number[],
  out: Writer,
): Generator<void, void, void> {
  const total = run.leaves();
  const depth = depthOf(total);
  const kept = Math.min(run.keptFrom, depth);
  const visit = function* (
    level: number,
    index: number,
    span: Span,
    labelOf: LabelOf,
  ): Generator<void, void, void> {
    const first = index * 2 ** level;
    if (first >= total) return;
    if (span.low === span.high) {
      out.hash(labelOf(level, index));
    } else if (level === 0) {
      const taken = run.takenIn(index);
      if (isZero(taken)) out.u8(0);
      else out.u8(1).hash(taken);
    } else {
      const below = level === kept ? recompute(run, index) : labelOf;
      if (level === kept) yield;
      const middle = lowerBound(leaves, first + 2 ** (level - 1), span);
      yield* visit(level - 1, 2 * index, { low: span.low, high: middle }, below);
      yield* visit(level - 1, 2 * index + 1, { low: middle, high: span.high }, below);
    }
  };
  yield* visit(depth, 0, { low: 0, high: leaves.length }, run.label);
};

const head = (absorbed: AbsorbedRoot): Writer =>
  new Writer(64 * 1024).u16(TIME_PROOF_VERSION).u32(absorbed.count).hash(absorbed.root);

/**
 * Answers a seed: the proof that the leaves of the committed run were computed. `seed` is a beacon value from
 * after the commitment, or selfSeed. A generator, because a long run computes 2^s leaves for each opened one:
 * it yields between those, and returns the proof.
 */
export const openRun = function* (
  run: TimeRun,
  seed: Uint8Array,
  challenges: Challenges,
): Generator<void, Uint8Array, void> {
  const { commitment, absorbed } = run.finish();
  const leaves = challengedLeaves(run.hasher, commitment, seed, challenges);
  const out = head(absorbed);
  yield* walk(run, leaves, out);
  return out.finish();
};

/** The proof that the run took in block `height`. Code: time.block-unknown. */
export const openBlock = (run: TimeRun, height: number): Result<Uint8Array> => {
  const { absorbed } = run.finish();
  const list = run.absorbed();
  const index = list.findIndex((entry) => entry.height === height);
  const entry = list[index];
  if (entry === undefined) return fail("time.block-unknown", `block ${height} was not taken in`);
  const path = absorbedPath(run.hasher, list, index);
  const out = head(absorbed).u64(entry.height).u64(entry.leaf).hash(entry.hash).u32(index);
  out.u8(path.length);
  for (const hash of path) out.hash(hash);
  for (const _ of walk(run, [entry.leaf], out));
  return ok(out.finish());
};
