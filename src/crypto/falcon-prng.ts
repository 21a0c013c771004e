/**
 * The random bytes of FALCON's sampler: ChaCha20 (RFC 8439) over eight blocks at a time, as the reference
 * implementation lays them out, 32-bit word by word of all eight. The order in which bytes are taken is
 * part of the signature's bytes, and so is what is thrown away at the end of a buffer.
 */

/** Bytes of a seed: 32 of key, 16 of nonce, 8 of counter. */
export const PRNG_SEED_BYTES = 56;

const LANES = 8;
const WORDS = 16 * LANES;
const BUFFER_BYTES = 4 * WORDS;
/** "expand 32-byte k" */
const CONSTANTS = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574] as const;

export type FalconPrng = {
  /** What is handed out, from `at` on. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  at: number;
  /** The state before and after the rounds; word j of block i at 8j + i. */
  readonly start: Int32Array;
  readonly mixed: Int32Array;
  /** The last two words of the nonce, then the block counter that is added into them. */
  readonly counter: Int32Array;
};

/** A generator that has no seed yet. */
export const createPrng = (): FalconPrng => {
  const bytes = new Uint8Array(BUFFER_BYTES);
  return {
    bytes,
    view: new DataView(bytes.buffer),
    at: BUFFER_BYTES,
    start: new Int32Array(WORDS),
    mixed: new Int32Array(WORDS),
    counter: new Int32Array(4),
  };
};

/** Overwrites everything in the generator: it needs a seed before its next use. */
export const wipePrng = (prng: FalconPrng): void => {
  prng.bytes.fill(0);
  prng.start.fill(0);
  prng.mixed.fill(0);
  prng.counter.fill(0);
  prng.at = BUFFER_BYTES;
};

/** Sets key, nonce and counter. Bytes that are still in the buffer are handed out first. */
export const seedPrng = (prng: FalconPrng, seed: Uint8Array): void => {
  const view = new DataView(seed.buffer, seed.byteOffset, PRNG_SEED_BYTES);
  for (const [j, constant] of CONSTANTS.entries()) setWord(prng.start, j, constant);
  for (let j = 0; j < 10; j++) setWord(prng.start, j + 4, view.getInt32(4 * j, true));
  for (let j = 0; j < 4; j++) prng.counter[j] = view.getInt32(4 * (10 + j), true);
};

const setWord = (state: Int32Array, word: number, value: number): void => {
  state.fill(value, word * LANES, (word + 1) * LANES);
};

/** Makes sure that `count` bytes can be read at `prng.at`; fewer that are left are dropped. */
export const ensureBytes = (prng: FalconPrng, count: number): void => {
  if (BUFFER_BYTES - prng.at < count) refill(prng);
};

const refill = (prng: FalconPrng): void => {
  const { start, mixed, counter, view } = prng;
  for (let lane = 0; lane < LANES; lane++) {
    const low = counter[2] ?? 0;
    const high = counter[3] ?? 0;
    start[14 * LANES + lane] = (counter[0] ?? 0) ^ low;
    start[15 * LANES + lane] = (counter[1] ?? 0) ^ high;
    counter[2] = low + 1;
    if (counter[2] === 0) counter[3] = high + 1;
  }
  mixed.set(start);
  for (let round = 0; round < 10; round++) {
    quarterRounds(mixed, 0, 4, 8, 12);
    quarterRounds(mixed, 1, 5, 9, 13);
    quarterRounds(mixed, 2, 6, 10, 14);
    quarterRounds(mixed, 3, 7, 11, 15);
    quarterRounds(mixed, 0, 5, 10, 15);
    quarterRounds(mixed, 1, 6, 11, 12);
    quarterRounds(mixed, 2, 7, 8, 13);
    quarterRounds(mixed, 3, 4, 9, 14);
  }
  for (let i = 0; i < WORDS; i++) view.setInt32(4 * i, (mixed[i] ?? 0) + (start[i] ?? 0), true);
  prng.at = 0;
};

/** One quarter round (RFC 8439, section 2.1) of each of the eight blocks. */
const quarterRounds = (x: Int32Array, wa: number, wb: number, wc: number, wd: number): void => {
  for (let lane = 0; lane < LANES; lane++) {
    const ia = wa * LANES + lane;
    const ib = wb * LANES + lane;
    const ic = wc * LANES + lane;
    const id = wd * LANES + lane;
    let a = x[ia] ?? 0;
    let b = x[ib] ?? 0;
    let c = x[ic] ?? 0;
    let d = x[id] ?? 0;
    a = (a + b) | 0;
    d ^= a;
    d = (d << 16) | (d >>> 16);
    c = (c + d) | 0;
    b ^= c;
    b = (b << 12) | (b >>> 20);
    a = (a + b) | 0;
    d ^= a;
    d = (d << 8) | (d >>> 24);
    c = (c + d) | 0;
    b ^= c;
    b = (b << 7) | (b >>> 25);
    x[ia] = a;
    x[ib] = b;
    x[ic] = c;
    x[id] = d;
  }
};
