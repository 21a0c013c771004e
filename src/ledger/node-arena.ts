/**
 * Memory for many small records under number keys, bounded in bytes: large arrays, cut into cells. A
 * record is a chain of cells, so that it can grow where it lies, nothing is fragmented, and the collector
 * sees one object a thousand cells. When there is no room, the record that came first leaves.
 *
 * What is in it can be read again from the store: losing a record costs a read and nothing else.
 */

/** A cell: the number of the next one of its chain, the length of the record that begins here, content. */
const NEXT = 0;
const LENGTH = 1;
const CONTENT = 2;
const CONTENT_WORDS = 32;
const CELL_WORDS = CONTENT + CONTENT_WORDS;
const CHUNK_BITS = 10;
const CHUNK_CELLS = 2 ** CHUNK_BITS;
const NO_CELL = -1;

/** What one cell takes of the memory that an arena may have. */
export const ARENA_CELL_BYTES: number = 4 * CELL_WORDS;

/** Longer records are not kept. */
export const ARENA_RECORD_BYTES_MAX = 2048;

export class NodeArena {
  readonly #cellsMax: number;
  /** Made as they are needed. */
  #chunks: Int32Array[] = [];
  /** The first cell of each record, in the order in which records came. */
  readonly #heads = new Map<number, number>();
  readonly #scratch = new Int32Array(ARENA_RECORD_BYTES_MAX / 4);
  readonly #bytes = new Uint8Array(this.#scratch.buffer);
  /** Beginnings of the scratch bytes, by length: a view costs as much as copying what is in it. */
  readonly #views: (Uint8Array | undefined)[] = [];
  /** Goes round all records: who leaves next. */
  #hand: MapIterator<number> | undefined;
  /** The first of the chain of cells that were given back. */
  #free = NO_CELL;
  /** Cells that were ever taken; those from here on are new. */
  #taken = 0;

  /** With fewer `bytesMax` than two records of the largest size take, nothing is kept. */
  constructor(bytesMax: number) {
    const cells = Math.floor(bytesMax / ARENA_CELL_BYTES);
    this.#cellsMax = 4 * CONTENT_WORDS * cells < 2 * ARENA_RECORD_BYTES_MAX ? 0 : cells;
  }

  /** Records held now. */
  get size(): number {
    return this.#heads.size;
  }

  /** Bytes that the cells take. */
  get bytes(): number {
    return this.#taken * ARENA_CELL_BYTES;
  }

  clear(): void {
    this.#heads.clear();
    this.#chunks = [];
    this.#hand = undefined;
    this.#free = NO_CELL;
    this.#taken = 0;
  }

  /** The record, good until the next call of any method. */
  get(key: number): Uint8Array | undefined {
    const head = this.#heads.get(key);
    if (head === undefined) return undefined;
    const length = this.#field(head, LENGTH);
    const scratch = this.#scratch;
    const words = Math.ceil(length / 4);
    let cell = head;
    for (let at = 0; at < words; cell = this.#field(cell, NEXT)) {
      const chunk = this.#chunk(cell);
      let from = placeOf(cell) + CONTENT;
      for (const end = Math.min(words, at + CONTENT_WORDS); at < end; at++, from++) {
        scratch[at] = chunk[from] ?? 0;
      }
    }
    return this.#view(length);
  }

  #view(length: number): Uint8Array {
    let view = this.#views[length];
    if (view === undefined) {
      view = this.#bytes.subarray(0, length);
      this.#views[length] = view;
    }
    return view;
  }

  /** Keeps a copy of the record, or forgets the one of the key where it is too long. */
  set(key: number, record: Uint8Array): void {
    const { length } = record;
    const keeps = length > 0 && length <= ARENA_RECORD_BYTES_MAX && this.#cellsMax > 0;
    if (!keeps) return this.delete(key);
    this.#bytes.set(record);
    let head = this.#heads.get(key);
    if (head === undefined) {
      head = this.#take(key);
      this.#heads.set(key, head);
    }
    this.#setField(head, LENGTH, length);
    this.#fill(key, head, Math.ceil(length / 4));
  }

  /** Copies the scratch into the chain that begins at a cell, which becomes as long as it must be. */
  #fill(key: number, head: number, words: number): void {
    const scratch = this.#scratch;
    let cell = head;
    for (let at = 0; ; ) {
      const chunk = this.#chunk(cell);
      let to = placeOf(cell) + CONTENT;
      for (const end = Math.min(words, at + CONTENT_WORDS); at < end; at++, to++) {
        chunk[to] = scratch[at] ?? 0;
      }
      let next = this.#field(cell, NEXT);
      if (at >= words) {
        this.#setField(cell, NEXT, NO_CELL);
        return this.#release(next);
      }
      if (next === NO_CELL) {
        next = this.#take(key);
        this.#setField(cell, NEXT, next);
      }
      cell = next;
    }
  }

  delete(key: number): void {
    const head = this.#heads.get(key);
    if (head === undefined) return;
    this.#heads.delete(key);
    this.#release(head);
  }

  /** Gives back a chain, from a cell to its end. */
  #release(from: number): void {
    for (let cell = from; cell !== NO_CELL; ) {
      const next = this.#field(cell, NEXT);
      this.#setField(cell, NEXT, this.#free);
      this.#free = cell;
      cell = next;
    }
  }

  /** A cell that nobody uses, at the end of its chain; other records than that of `key` leave for it. */
  #take(key: number): number {
    let cell = this.#taken;
    if (this.#free === NO_CELL && cell < this.#cellsMax) {
      this.#taken += 1;
      if (placeOf(cell) === 0) this.#chunks.push(new Int32Array(CHUNK_CELLS * CELL_WORDS));
    } else {
      while (this.#free === NO_CELL) this.#evict(key);
      cell = this.#free;
      this.#free = this.#field(cell, NEXT);
    }
    this.#setField(cell, NEXT, NO_CELL);
    return cell;
  }

  #evict(except: number): void {
    this.#hand ??= this.#heads.keys();
    const { value, done } = this.#hand.next();
    if (done === true) this.#hand = undefined;
    else if (value !== except) this.delete(value);
  }

  #chunk(cell: number): Int32Array {
    const chunk = this.#chunks[cell >>> CHUNK_BITS];
    if (chunk === undefined) throw new RangeError(`no cell ${cell}`);
    return chunk;
  }

  #field(cell: number, field: number): number {
    return this.#chunk(cell)[placeOf(cell) + field] ?? 0;
  }

  #setField(cell: number, field: number, value: number): void {
    this.#chunk(cell)[placeOf(cell) + field] = value;
  }
}

/** Where a cell begins in its chunk, in words. */
const placeOf = (cell: number): number => (cell & (CHUNK_CELLS - 1)) * CELL_WORDS;
