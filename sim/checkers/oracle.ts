/**
 * The oracle's own arithmetic: hashing, Merkle trees, quorums and readers, written from docs/protocol.md
 * and not from the code that it judges.
 */
import { createHash, hash } from "node:crypto";

type Slicing = { hexSlice(this: Uint8Array, from: number, to: number): string };

/** Node has it, and its types leave it out. */
const slices = (value: object): value is Slicing =>
  "hexSlice" in value && typeof value.hexSlice === "function";

const buffers: object = Buffer.prototype;
if (!slices(buffers)) throw new TypeError("this Node has no hexSlice");

/** Native and without the Buffer that `toString` would need: checkers name everything by its hash. */
const { hexSlice } = buffers;

export const hex = (bytes: Uint8Array): string => hexSlice.call(bytes, 0, bytes.length);

export const sha256 = (...parts: readonly Uint8Array[]): Uint8Array => {
  const [only = new Uint8Array(0)] = parts;
  return hash("sha256", parts.length === 1 ? only : Buffer.concat(parts), "buffer");
};

const prefixes = new Map<string, Uint8Array>();

/** Ht(tag, m) = SHA256(SHA256("hm/v1/" + tag) || SHA256(chainId) || m). */
export const taggedHash = (
  chainId: string,
  tag: string,
  ...parts: readonly Uint8Array[]
): Uint8Array => {
  const name = `${tag} ${chainId}`;
  let prefix = prefixes.get(name);
  if (prefix === undefined) {
    const tagHash = createHash("sha256").update(`hm/v1/${tag}`, "utf8").digest();
    const chainHash = createHash("sha256").update(chainId, "utf8").digest();
    prefix = Buffer.concat([tagHash, chainHash]);
    prefixes.set(name, prefix);
  }
  return sha256(prefix, ...parts);
};

/** More than two thirds: the least weight w with 3w > 2W, found without the formula of the protocol. */
export const isQuorum = (weight: bigint, total: bigint): boolean => weight * 3n > total * 2n;

/** RFC 6962 section 2.1: the tree head over leaf data, by the recursive definition. */
export const rfc6962Root = (leaves: readonly Uint8Array[]): Uint8Array => {
  if (leaves.length === 0) return sha256();
  return subtree(leaves.map((leaf) => sha256(Uint8Array.of(0), leaf)));
};

const subtree = (hashes: readonly Uint8Array[]): Uint8Array => {
  const only = hashes[0];
  if (only === undefined) throw new RangeError("no leaves");
  if (hashes.length === 1) return only;
  let split = 1;
  while (split * 2 < hashes.length) split *= 2;
  return sha256(Uint8Array.of(1), subtree(hashes.slice(0, split)), subtree(hashes.slice(split)));
};

/** Reads big-endian fields; any read past the end gives `undefined` for the whole record. */
export class Cursor {
  // No Buffer: to make one costs more than most records have numbers.
  readonly #bytes: Uint8Array;
  #at: number;
  #ok = true;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get at(): number {
    return this.#at;
  }

  get ok(): boolean {
    return this.#ok;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  #move(count: number): number {
    const at = this.#at;
    if (count > this.#bytes.length - at) {
      this.#ok = false;
      return -1;
    }
    this.#at += count;
    return at;
  }

  #byte(at: number): number {
    return this.#bytes[at] ?? 0;
  }

  #word(at: number): number {
    const low = (this.#byte(at + 1) << 16) | (this.#byte(at + 2) << 8) | this.#byte(at + 3);
    return this.#byte(at) * 0x100_0000 + low;
  }

  u8(): number {
    const at = this.#move(1);
    return at < 0 ? 0 : this.#byte(at);
  }

  u16(): number {
    const at = this.#move(2);
    return at < 0 ? 0 : (this.#byte(at) << 8) | this.#byte(at + 1);
  }

  u32(): number {
    const at = this.#move(4);
    return at < 0 ? 0 : this.#word(at);
  }

  u64(): number {
    const at = this.#move(8);
    return at < 0 ? 0 : this.#word(at) * 0x1_0000_0000 + this.#word(at + 4);
  }

  take(count: number): Uint8Array {
    const at = this.#move(count);
    return at < 0 ? new Uint8Array(0) : this.#bytes.subarray(at, at + count);
  }

  sized(): Uint8Array {
    return this.take(this.u32());
  }
}
