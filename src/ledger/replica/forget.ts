/**
 * Which certificates an append forgets: those of every view, skipped or not, up to the finalization that
 * leaves the evidence window. One finalization in every 64 heights stays, for those who catch up, and
 * those of boundaries. A row in the store says how far this has come; it moves with the append's write.
 */
import { DecodeError, Reader, Writer } from "../../crypto/codec.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { decodeHeader, HEADER_BYTES } from "../block.ts";
import { certificateKey, finalizationKey, metaKey } from "../keys.ts";
import type { StoreOp } from "../ports.ts";
import { kindNumber } from "../statement.ts";
import type { StatementKind } from "../types.ts";
import type { BlockStore } from "./block-store.ts";
import type { ReadStore } from "./context.ts";

export const FORGOTTEN_KEY: Uint8Array = metaKey("forgotten");
const KINDS: readonly StatementKind[] = ["notarize", "nullify", "finalize"];
const KINDS_BUT_FINAL: readonly StatementKind[] = ["notarize", "nullify"];
/** Views that an epoch may have opened beyond the one in which its boundary block became final. */
const VIEWS_PAST_BOUNDARY = 64;

export type Forgotten = {
  readonly epoch: number;
  readonly view: number;
  /** The last height whose finalization stays. */
  readonly kept: number;
};

/** u64 epoch, u64 view, u64 kept; undefined for any other bytes. */
export const decodeForgotten = (bytes: Uint8Array): Forgotten | undefined => {
  try {
    const reader = new Reader(bytes);
    const forgotten = { epoch: reader.u64(), view: reader.u64(), kept: reader.u64() };
    reader.end();
    return forgotten;
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
};

const readForgotten = (read: ReadStore): Forgotten => {
  const bytes = read(FORGOTTEN_KEY);
  if (bytes === undefined) return { epoch: 0, view: 0, kept: 0 };
  const forgotten = decodeForgotten(bytes);
  if (forgotten !== undefined) return forgotten;
  throw new TetradError("store.corrupt", "the note of forgotten certificates does not decode");
};

const forgottenOp = ({ epoch, view, kept }: Forgotten): StoreOp => ({
  type: "put",
  key: FORGOTTEN_KEY,
  value: new Writer(24).u64(epoch).u64(view).u64(kept).finish(),
});

const delView = (ops: StoreOp[], epoch: number, view: number, kinds = KINDS): void => {
  for (const kind of kinds) {
    ops.push({ type: "del", key: certificateKey(epoch, view, kindNumber(kind)) });
  }
};

/** The views after `from` and before `to`. */
const delBetween = (ops: StoreOp[], epoch: number, from: number, to: number): void => {
  for (let view = from + 1; view < to; view++) delView(ops, epoch, view);
};

const isBoundary = (store: BlockStore, hasher: Hasher, height: number): boolean => {
  const hash = store.hashAt(height);
  const bytes = hash === undefined ? undefined : store.blockBytes(hash);
  const header =
    bytes === undefined ? undefined : decodeHeader(hasher, bytes.slice(0, HEADER_BYTES));
  return header?.ok === true && header.value.nextSetHash.some((byte) => byte !== 0);
};

const period = (height: number): number => Math.floor(height / LIMITS.certificateKeepEvery);

/** What the append of heights `first` to `last` forgets. */
export const forgetOps = (
  store: BlockStore,
  read: ReadStore,
  hasher: Hasher,
  first: number,
  last: number,
): StoreOp[] => {
  const window = LIMITS.certificateWindowHeights;
  if (last <= window) return [];
  const ops: StoreOp[] = [];
  const before = readForgotten(read);
  let at = before;
  for (let old = Math.max(1, first - window); old <= last - window; old++) {
    const final = store.finalizationAt(old);
    // Final by a descendant alone: its views go with the descendant's.
    if (final === undefined) continue;
    const { epoch, view } = final;
    if (epoch !== at.epoch) {
      delBetween(ops, at.epoch, at.view, at.view + VIEWS_PAST_BOUNDARY + 1);
      at = { ...at, epoch, view: 0 };
    }
    delBetween(ops, epoch, at.view, view);
    const stays = period(old) > period(at.kept) || isBoundary(store, hasher, old);
    delView(ops, epoch, view, stays ? KINDS_BUT_FINAL : KINDS);
    if (!stays) ops.push({ type: "del", key: finalizationKey(old) });
    at = { epoch, view, kept: stays ? old : at.kept };
  }
  if (at !== before) ops.push(forgottenOp(at));
  return ops;
};
