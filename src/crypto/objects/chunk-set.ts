/** Which chunks of an object are there: a bit each, the first chunk in the highest bit of the first byte. Pure. */

export class ChunkSet {
  readonly size: number;
  readonly #bits: Uint8Array;
  #count = 0;

  /** None of `size` chunks. */
  constructor(size: number) {
    this.size = size;
    this.#bits = new Uint8Array(Math.ceil(size / 8));
  }

  static full(size: number): ChunkSet {
    const set = new ChunkSet(size);
    for (let i = 0; i < size; i++) set.add(i);
    return set;
  }

  /** Undefined for bytes that are no set of `size`: another length, or bits behind the last chunk. */
  static decode(size: number, bytes: Uint8Array): ChunkSet | undefined {
    const set = new ChunkSet(size);
    if (bytes.length !== set.#bits.length) return undefined;
    const spare = 8 * bytes.length - size;
    if (spare > 0 && ((bytes.at(-1) ?? 0) & ((1 << spare) - 1)) !== 0) return undefined;
    for (let i = 0; i < size; i++) {
      if (((bytes[i >> 3] ?? 0) & (0x80 >> (i & 7))) !== 0) set.add(i);
    }
    return set;
  }

  encode(): Uint8Array {
    return this.#bits.slice();
  }

  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count === this.size;
  }

  has(index: number): boolean {
    return ((this.#bits[index >> 3] ?? 0) & (0x80 >> (index & 7))) !== 0;
  }

  /** False when it was there, or is no chunk. */
  add(index: number): boolean {
    if (index < 0 || index >= this.size || this.has(index)) return false;
    this.#bits[index >> 3] = (this.#bits[index >> 3] ?? 0) | (0x80 >> (index & 7));
    this.#count += 1;
    return true;
  }

  delete(index: number): boolean {
    if (index < 0 || index >= this.size || !this.has(index)) return false;
    this.#bits[index >> 3] = (this.#bits[index >> 3] ?? 0) & ~(0x80 >> (index & 7));
    this.#count -= 1;
    return true;
  }
}
