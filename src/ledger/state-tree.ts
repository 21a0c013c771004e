/** Root of a projection: sparse Merkle tree over its rows. (Head comment follows with the body.) */
import type { Hasher } from "../crypto/hash.ts";
import type { Result } from "../errors.ts";
import type { StoreOp } from "./ports.ts";

/** Gives the stored value of a key; must see the ops of earlier updates (the caller's overlay). */
export type ReadNode = (key: Uint8Array) => Uint8Array | undefined;

/** `value` undefined deletes the row. */
export type StateChange = { readonly key: Uint8Array; readonly value: Uint8Array | undefined };

export type StateUpdate = { readonly root: Uint8Array; readonly ops: readonly StoreOp[] };

/** Decoded nodes of ONE tree (one prefix, one store), least recently used first out. */
export type StateCache = { readonly maxNodes: number; clear(): void };

/** Full signatures of the functions, for those who code against them. */
export type UpdateStateTree = (
  hasher: Hasher,
  prefix: Uint8Array,
  read: ReadNode,
  changes: readonly StateChange[],
  cache?: StateCache,
) => StateUpdate;
export type StateRoot = (hasher: Hasher, prefix: Uint8Array, read: ReadNode) => Uint8Array;
/** An encoded proof that `key` has its present value, or that it is absent. */
export type ProvePath = (
  hasher: Hasher,
  prefix: Uint8Array,
  read: ReadNode,
  key: Uint8Array,
) => Uint8Array;
/** `value` undefined: the proof must show that the key is absent. */
export type VerifyStateProof = (
  hasher: Hasher,
  root: Uint8Array,
  key: Uint8Array,
  value: Uint8Array | undefined,
  proof: Uint8Array,
) => Result<"present" | "absent">;
