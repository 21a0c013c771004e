/**
 * Seeded random numbers: xoshiro128** over 32-bit words, seeded by splitmix32. Every subsystem draws
 * from a stream of its own, named, so that removing a network fault does not change what the disks do:
 * that is what lets a failing scenario shrink.
 */

const rotl = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits));

/** One step of splitmix32 over an explicit counter: returns a well-mixed 32-bit integer. */
const mix32 = (counter: number): number => {
  let z = counter | 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
};

/** FNV-1a of a name: only spreads stream names over seeds. */
const hashName = (name: string): number => {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) {
    hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  }
  return hash >>> 0;
};

export class Prng {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  /** `seed` is any non-negative safe integer; both its halves count. */
  constructor(seed: number, stream: string) {
    const low = seed >>> 0;
    const high = Math.floor(seed / 0x1_0000_0000) >>> 0;
    const base = mix32(low ^ mix32(high ^ hashName(stream)));
    this.#a = mix32(base + 0x9e3779b9);
    this.#b = mix32(base + 0x3c6ef372);
    this.#c = mix32(base + 0xdaa66d2b);
    // The all-zero state is a fixed point of xoshiro; the low bit keeps clear of it.
    this.#d = mix32(base + 0x78dde6e4) | 1;
  }

  /** Uniform 32-bit integer. */
  u32(): number {
    const result = Math.imul(rotl(Math.imul(this.#b, 5), 7), 9) >>> 0;
    const t = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= t;
    this.#d = rotl(this.#d, 11);
    return result;
  }

  /** Uniform in 0..bound-1; bound is at least 1. The bias of the multiply is below 2^-20 here. */
  below(bound: number): number {
    return Math.floor((this.u32() / 0x1_0000_0000) * bound);
  }

  /** Uniform integer in low..high, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** True with this probability in parts per million. */
  ppm(parts: number): boolean {
    return parts > 0 && this.below(1_000_000) < parts;
  }

  /** Exponentially distributed integer with this mean. */
  exponential(mean: number): number {
    if (mean <= 0) return 0;
    return Math.round(-Math.log(1 - this.u32() / 0x1_0000_0000) * mean);
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new RangeError("pick from no items");
    return item;
  }

  /** A random subset, each item with this probability in ppm, in the order given. */
  subset<T>(items: readonly T[], parts: number): T[] {
    return items.filter(() => this.ppm(parts));
  }

  /** A new array in random order. */
  shuffle<T>(items: readonly T[]): T[] {
    const out = [...items];
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const a = out[i] as T;
      out[i] = out[j] as T;
      out[j] = a;
    }
    return out;
  }

  bytes(length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (let i = 0; i < length; i += 4) {
      const word = this.u32();
      for (let j = 0; j < 4 && i + j < length; j++) out[i + j] = (word >>> (8 * j)) & 0xff;
    }
    return out;
  }
}
