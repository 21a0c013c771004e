/**
 * The rows of one projection while one block is executed: reads fall through to the store, writes stay
 * here until the block is done. Also notes each event's writes, which its effects hash commits to.
 */
import { utf8 } from "../crypto/codec.ts";
import { TetradError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { joinKeys, rowPrefix } from "./keys.ts";
import type { ProjectionRead, ProjectionTx } from "./projection.ts";
import type { ReadStore } from "./records.ts";
import { checkRow, decodeRow, encodeRow } from "./row.ts";
import type { StateChange } from "./state-tree.ts";

/** Growing list of the writes of one event, in the encoding that the effects hash is over. */
export class EffectsLog {
  #buffer = new Uint8Array(4096);
  #view = new DataView(this.#buffer.buffer);
  #length = 0;
  #writes = 0;

  get writes(): number {
    return this.#writes;
  }

  /** The bytes so far: valid until the next `reset` or `add`. */
  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  reset(): void {
    this.#length = 0;
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
    const grown = new Uint8Array(Math.max(needed, 2 * this.#buffer.length));
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = grown;
    this.#view = new DataView(grown.buffer);
  }

  #bytes(bytes: Uint8Array | undefined, length: number): void {
    this.#view.setUint32(this.#length, length);
    if (bytes !== undefined) this.#buffer.set(bytes, this.#length + 4);
    this.#length += 4 + length;
  }
}

/** `stored` is the row as it will be stored; undefined when there is none. */
type Row = {
  readonly storeKey: Uint8Array;
  stored: Uint8Array | undefined;
  changed: boolean;
};

/** One code unit a byte: distinct for distinct keys. */
const keyText = (key: Uint8Array): string =>
  String.fromCharCode.apply(null, key as unknown as number[]);

export type RowChange = StateChange & { readonly storeKey: Uint8Array };

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

  /** Every row that was written, in the order of the first touch. */
  changed(): RowChange[] {
    const changes: RowChange[] = [];
    this.#rows.forEach(({ storeKey, stored, changed }) => {
      if (!changed) return;
      changes.push({ storeKey, key: storeKey.subarray(this.#prefix.length), value: stored });
    });
    return changes;
  }

  #row(key: Uint8Array): Row {
    const text = keyText(key);
    const known = this.#rows.get(text);
    if (known !== undefined) return known;
    const storeKey = joinKeys(this.#prefix, key);
    const row: Row = { storeKey, stored: this.#read(storeKey), changed: false };
    this.#rows.set(text, row);
    return row;
  }

  /** A row that is about to be overwritten: its old value is not read. */
  #target(key: Uint8Array): Row {
    const text = keyText(key);
    const known = this.#rows.get(text);
    if (known !== undefined) return known;
    const row: Row = { storeKey: joinKeys(this.#prefix, key), stored: undefined, changed: true };
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
