/**
 * The key space of the main store: which part of the product keeps what, under which key. Every key is
 * two bytes of area, "x/", and then fixed-width parts, so that no area reaches into another and numbers
 * sort as numbers. Integers are u64, big-endian.
 *
 *     area  rest                      value                                        written by
 *     b/    block hash (32)           block: header and body                       append
 *     h/    height                    block hash of the final block                append
 *     v/    height                    point of the final height (chain-point.ts); only  append
 *                                     where the genesis is of format 2
 *     d/    batch digest (32)         batch envelope as received                   append
 *     o/    height, block hash (32)   nothing: written for a vote and not final    consensus
 *     p/    validator id (32)         two votes that contradict each other and are     consensus
 *                                     not in the log yet (evidence-box.ts)
 *     l/    actor (32)                lane head: u64 laneSeq, batch id             append
 *     c/    epoch, view, u8 kind      certificate                                  consensus
 *     f/    height                    epoch, view of the height's own finalization append
 *     s/    epoch                     validator set of the epoch                   append
 *     w/    height                    u64 price of work after the height (price-store.ts), append
 *                                     where the chain asks for work
 *     e/    index of its first event  what came of a batch (log-batch.ts)          execution
 *     t/    u8 level, index           tile of the log tree (log-tree.ts)           execution
 *     i/    batch id (32)             where the batch was executed (records.ts)    execution
 *     x/    height                    execution record (records.ts)                execution
 *     r/    name, "/", row key        row: u64 origin, value (row.ts)              execution
 *     n/    name, "/", path           node of a projection's tree (state-tree.ts)  execution
 *     m/    name                      single facts of the store                    all
 *
 * A projection's name has no "/", so the rows of one projection are one range.
 */
import { utf8 } from "../crypto/codec.ts";
import { tileKey } from "./log-tree.ts";

export type KeyArea =
  | "b"
  | "h"
  | "v"
  | "d"
  | "o"
  | "p"
  | "l"
  | "c"
  | "f"
  | "s"
  | "w"
  | "e"
  | "t"
  | "i"
  | "x"
  | "r"
  | "n"
  | "m";

/** Keys gte..lt: everything that has the prefix. */
export type KeyRange = { readonly gte: Uint8Array; readonly lt: Uint8Array };

const SLASH = 0x2f;

const areaKey = (area: KeyArea, restBytes: number): Uint8Array => {
  const key = new Uint8Array(2 + restBytes);
  key[0] = area.charCodeAt(0);
  key[1] = SLASH;
  return key;
};

const setU64 = (key: Uint8Array, at: number, value: number): void => {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is not a u64`);
  // Byte by byte: to make a DataView costs more than the key.
  setU32(key, at, Math.floor(value / 0x1_0000_0000));
  setU32(key, at + 4, value % 0x1_0000_0000);
};

const setU32 = (key: Uint8Array, at: number, word: number): void => {
  key[at] = word >>> 24;
  key[at + 1] = word >>> 16;
  key[at + 2] = word >>> 8;
  key[at + 3] = word;
};

const hashKey = (area: KeyArea, hash: Uint8Array): Uint8Array => {
  if (hash.length !== 32) throw new RangeError(`a hash has 32 bytes, not ${hash.length}`);
  const key = areaKey(area, 32);
  key.set(hash, 2);
  return key;
};

const numberKey = (area: KeyArea, value: number): Uint8Array => {
  const key = areaKey(area, 8);
  setU64(key, 2, value);
  return key;
};

export const blockKey = (hash: Uint8Array): Uint8Array => hashKey("b", hash);
export const heightKey = (height: number): Uint8Array => numberKey("h", height);
export const pointKey = (height: number): Uint8Array => numberKey("v", height);
export const batchKey = (digest: Uint8Array): Uint8Array => hashKey("d", digest);
export const openKey = (height: number, hash: Uint8Array): Uint8Array => {
  if (hash.length !== 32) throw new RangeError(`a hash has 32 bytes, not ${hash.length}`);
  const key = areaKey("o", 40);
  setU64(key, 2, height);
  key.set(hash, 10);
  return key;
};
export const evidenceKey = (culprit: Uint8Array): Uint8Array => hashKey("p", culprit);
export const laneKey = (actor: Uint8Array): Uint8Array => hashKey("l", actor);
/** Where the finalization certificate of exactly this height is; absent if only a descendant has one. */
export const finalizationKey = (height: number): Uint8Array => numberKey("f", height);
/** The price of work that the blocks up to this height give. */
export const priceKey = (height: number): Uint8Array => numberKey("w", height);
export const validatorSetKey = (epoch: number): Uint8Array => numberKey("s", epoch);
/** What came of the batch whose first event has this index. */
export const logBatchKey = (firstIndex: number): Uint8Array => numberKey("e", firstIndex);
export const batchIndexKey = (batchId: Uint8Array): Uint8Array => hashKey("i", batchId);
export const executionKey = (height: number): Uint8Array => numberKey("x", height);
export { tileKey };

/** The index in a key of `logBatchKey`; undefined for a key that is none. */
export const firstIndexOf = (key: Uint8Array): number | undefined => {
  if (key.length !== 10) return undefined;
  const view = new DataView(key.buffer, key.byteOffset);
  const index = view.getUint32(2) * 0x1_0000_0000 + view.getUint32(6);
  return Number.isSafeInteger(index) ? index : undefined;
};

/** `kind` is the statement kind's number: 1 notarize, 2 nullify, 3 finalize. */
export const certificateKey = (epoch: number, view: number, kind: number): Uint8Array => {
  const key = areaKey("c", 17);
  setU64(key, 2, epoch);
  setU64(key, 10, view);
  key[18] = kind;
  return key;
};

export const metaKey = (name: string): Uint8Array => {
  const text = utf8(name);
  const key = areaKey("m", text.length);
  key.set(text, 2);
  return key;
};

/** A node has some ten projections, and asks for their prefixes with every row. Beyond this many none is kept. */
const PREFIXES_KEPT = 256;
const prefixes = new Map<string, Uint8Array>();

const namePrefix = (area: "r" | "n", projection: string): Uint8Array => {
  const memo = area + projection;
  const known = prefixes.get(memo);
  if (known !== undefined) return known;
  const name = utf8(projection);
  if (name.length === 0 || name.includes(SLASH)) {
    throw new RangeError(`"${projection}" cannot name a projection`);
  }
  const key = areaKey(area, name.length + 1);
  key.set(name, 2);
  key[key.length - 1] = SLASH;
  if (prefixes.size < PREFIXES_KEPT) prefixes.set(memo, key);
  return key;
};

/** What stands before the key of every row of a projection. Nobody writes into it. */
export const rowPrefix = (projection: string): Uint8Array => namePrefix("r", projection);

/** What stands before the key of every tree node of a projection. Nobody writes into it. */
export const nodePrefix = (projection: string): Uint8Array => namePrefix("n", projection);

export const rowKey = (projection: string, key: Uint8Array): Uint8Array =>
  joinKeys(rowPrefix(projection), key);

/** Two byte strings, one after the other, in a new array. */
export const joinKeys = (first: Uint8Array, second: Uint8Array): Uint8Array => {
  const joined = new Uint8Array(first.length + second.length);
  joined.set(first);
  joined.set(second, first.length);
  return joined;
};

/** All keys that begin with the prefix; throws RangeError for a prefix of 0xff only or an empty one. */
export const rangeOfPrefix = (prefix: Uint8Array): KeyRange => {
  let end = prefix.length;
  while (end > 0 && prefix[end - 1] === 0xff) end -= 1;
  if (end === 0) throw new RangeError("no key is above this prefix");
  const lt = prefix.slice(0, end);
  lt[end - 1] = (lt[end - 1] ?? 0) + 1;
  return { gte: prefix, lt };
};

export const rangeOfArea = (area: KeyArea): KeyRange => rangeOfPrefix(areaKey(area, 0));
