/**
 * The rows of one projection while one block is executed: reads fall through to the store, writes stay
 * here until the block is done. Also notes each event's writes, which its effects hash commits to.
 */
import { byteText } from "../crypto/bytes.ts";
import { utf8 } from "../crypto/codec.ts";
import { type Hasher, ScratchViews, sha256Into, tagPrefix } from "../crypto/hash.ts";
import { TetradError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { rowPrefix } from "./keys.ts";
import type { StoreOp } from "./ports.ts";
import type { ProjectionRead, ProjectionTx } from "./projection.ts";
import type { ReadStore } from "./records.ts";
import { checkRow, decodeRow, encodeRow } from "./row.ts";
import { slabBytes } from "./slab.ts";

const EFFECTS_BYTES = 4096;

/** Growing list of the writes of one event, in the encoding that the effects hash is over. */
export class EffectsLog {
  readonly #prefixLength: number;
  /** Begins with the prefix of the hash, so that it is hashed where it lies. */
  #scratch: ScratchViews;
  #buffer: Uint8Array;
  #length: number;
  #writes = 0;

  constructor(hasher: Hasher) {
    const prefix = tagPrefix("effects", hasher.chainHash);
    this.#scratch = new ScratchViews(prefix.length + EFFECTS_BYTES);
    this.#buffer = this.#scratch.bytes;
    this.#buffer.set(prefix);
    this.#prefixLength = prefix.length;
    this.#length = prefix.length;
  }

  get writes(): number {
    return this.#writes;
  }

  /** Writes Ht("effects", all writes so far) to `target` from `at` on. */
  hashInto(target: Uint8Array, at: number): void {
    sha256Into(this.#scratch.first(this.#length), target, at);
  }

  reset(): void {
    this.#length = this.#prefixLength;
    this.#writes = 0;
  }

  /** u32 length || projection   u32 length || key   u8 kind (0 delete, 1 put)   u32 length || value */
  add(projection: Uint8Array, key: Uint8Array, value: Uint8Array | undefined): void {
    const valueLength = value?.length ?? 0;
    this.#reserve(13 + projection.length + key.length + valueLength);
    this.#bytes(projection, projection.length);
    this.#bytes(key, key.length);
    this.#buffer[this.#length] = value === undefined ? 0 : 1;
    this.#length += 1;
    this.#bytes(value, valueLength);
    this.#writes += 1;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#buffer.length) return;
    const grown = new ScratchViews(Math.max(needed, 2 * this.#buffer.length));
    grown.bytes.set(this.#buffer.subarray(0, this.#length));
    this.#scratch = grown;
    this.#buffer = grown.bytes;
  }

  #bytes(bytes: Uint8Array | undefined, length: number): void {
    const at = this.#length;
    const buffer = this.#buffer;
    buffer[at] = length >>> 24;
    buffer[at + 1] = length >>> 16;
    buffer[at + 2] = length >>> 8;
    buffer[at + 3] = length;
    if (bytes !== undefined) buffer.set(bytes, at + 4);
    this.#length = at + 4 + length;
  }
}

/** `stored` is the row as it will be stored; undefined when there is none. */
type Row = {
  readonly storeKey: Uint8Array;
  stored: Uint8Array | undefined;
  changed: boolean;
};

export class Overlay {
  /** For `decide`: the same rows without a way to change them. */
  readonly reader: ProjectionRead;
  readonly tx: ProjectionTx;
  readonly #read: ReadStore;
  readonly #prefix: Uint8Array;
  readonly #name: Uint8Array;
  readonly #effects: EffectsLog | undefined;
  readonly #rows = new Map<string, Row>();
  #changes = 0;
  #origin: number | undefined;

  /** Without `effects` (genesis) writes are neither noted nor bounded in number. */
  constructor(name: string, read: ReadStore, effects: EffectsLog | undefined) {
    this.#read = read;
    this.#prefix = rowPrefix(name);
    this.#name = utf8(name);
    this.#effects = effects;
    const get = (key: Uint8Array): Uint8Array | undefined => {
      const stored = this.#row(key).stored;
      return stored === undefined ? undefined : decodeRow(stored).value;
    };
    this.reader = { get };
    this.tx = {
      get,
      put: (key, value) => this.#write(key, value),
      del: (key) => this.#write(key, undefined),
    };
  }

  /** Rows that were written; a number that grows whenever one is. */
  get changes(): number {
    return this.#changes;
  }

  /** Writes are allowed from here to `close` and belong to this event (or to GENESIS_ORIGIN). */
  open(origin: number): void {
    this.#origin = origin;
  }

  close(): void {
    this.#origin = undefined;
  }

  /** The row with its origin, as stored. */
  stored(key: Uint8Array): Uint8Array | undefined {
    return this.#row(key).stored;
  }

  /** Bytes of a stored key before the row's own. */
  get prefixBytes(): number {
    return this.#prefix.length;
  }

  /** What stores every row that was written, in the order of the first touch. */
  changed(): StoreOp[] {
    const changes: StoreOp[] = [];
    this.#rows.forEach(({ storeKey: key, stored: value, changed }) => {
      if (!changed) return;
      changes.push(value === undefined ? { type: "del", key } : { type: "put", key, value });
    });
    return changes;
  }

  #storeKey(key: Uint8Array): Uint8Array {
    const { length } = this.#prefix;
    const storeKey = slabBytes(length + key.length);
    storeKey.set(this.#prefix);
    storeKey.set(key, length);
    return storeKey;
  }

  #row(key: Uint8Array): Row {
    const text = byteText(key);
    const known = this.#rows.get(text);
    if (known !== undefined) return known;
    const storeKey = this.#storeKey(key);
    const row: Row = { storeKey, stored: this.#read(storeKey), changed: false };
    this.#rows.set(text, row);
    return row;
  }

  /** A row that is about to be overwritten: its old value is not read. */
  #target(key: Uint8Array): Row {
    const text = byteText(key);
    const known = this.#rows.get(text);
    if (known !== undefined) return known;
    const row: Row = { storeKey: this.#storeKey(key), stored: undefined, changed: true };
    this.#rows.set(text, row);
    return row;
  }

  #write(key: Uint8Array, value: Uint8Array | undefined): void {
    if (this.#origin === undefined) throw new TetradError("internal", "write outside of apply");
    checkRow(key, value);
    const row = this.#target(key);
    row.stored = value === undefined ? undefined : encodeRow(this.#origin, value);
    row.changed = true;
    this.#changes += 1;
    if (this.#effects === undefined) return;
    this.#effects.add(this.#name, key, value);
    if (this.#effects.writes > LIMITS.rowWritesPerEventMax) {
      throw new RangeError(`more than ${LIMITS.rowWritesPerEventMax} row writes by one event`);
    }
  }
}
