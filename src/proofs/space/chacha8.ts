/**
 * ChaCha with 8 rounds as a stream of 64-bit numbers, as the Rust crate rand_chacha gives it from a 32-byte
 * seed: key = seed, a 64-bit block counter from 0, stream 0 (D. J. Bernstein, "ChaCha, a variant of
 * Salsa20"). It draws the parents of the depth-robust graph and nothing secret.
 */

const BLOCK_WORDS = 16;
const DOUBLE_ROUNDS = 4;
/** "expand 32-byte k" in little-endian words. */
const CONSTANTS = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574] as const;

const quarter = (x: Int32Array, a: number, b: number, c: number, d: number): void => {
  let xa = x[a] ?? 0;
  let xb = x[b] ?? 0;
  let xc = x[c] ?? 0;
  let xd = x[d] ?? 0;
  xa = (xa + xb) | 0;
  xd ^= xa;
  xd = (xd << 16) | (xd >>> 16);
  xc = (xc + xd) | 0;
  xb ^= xc;
  xb = (xb << 12) | (xb >>> 20);
  xa = (xa + xb) | 0;
  xd ^= xa;
  xd = (xd << 8) | (xd >>> 24);
  xc = (xc + xd) | 0;
  xb ^= xc;
  xb = (xb << 7) | (xb >>> 25);
  x[a] = xa;
  x[b] = xb;
  x[c] = xc;
  x[d] = xd;
};

/**
 * Writes the first blocks of the stream, 16 words each and little-endian, into `out`. `key` is the seed as
 * eight little-endian words; `out` has a multiple of 16 words; `state` is scratch of 16.
 */
export const chacha8 = (key: Uint32Array, out: Uint32Array, state: Int32Array): void => {
  for (let block = 0; block * BLOCK_WORDS < out.length; block++) {
    state.set(CONSTANTS, 0);
    state.set(key, 4);
    state.fill(0, 12);
    state[12] = block;
    for (let round = 0; round < DOUBLE_ROUNDS; round++) {
      quarter(state, 0, 4, 8, 12);
      quarter(state, 1, 5, 9, 13);
      quarter(state, 2, 6, 10, 14);
      quarter(state, 3, 7, 11, 15);
      quarter(state, 0, 5, 10, 15);
      quarter(state, 1, 6, 11, 12);
      quarter(state, 2, 7, 8, 13);
      quarter(state, 3, 4, 9, 14);
    }
    const at = block * BLOCK_WORDS;
    for (let i = 0; i < 4; i++) out[at + i] = (state[i] ?? 0) + (CONSTANTS[i] ?? 0);
    for (let i = 0; i < 8; i++) out[at + 4 + i] = (state[4 + i] ?? 0) + (key[i] ?? 0);
    out[at + 12] = (state[12] ?? 0) + block;
    for (let i = 13; i < BLOCK_WORDS; i++) out[at + i] = state[i] ?? 0;
  }
};

/** x mod n for whole numbers below 2^53; a division and a correction cost less than the operator here. */
const reduce = (x: number, n: number): number => {
  const rest = x - Math.floor(x / n) * n;
  if (rest < 0) return rest + n;
  return rest >= n ? rest - n : rest;
};

/** The 64-bit number high·2^32 + low, modulo n < 2^36. */
export const mod64 = (high: number, low: number, n: number): number => {
  const first = reduce(reduce(high, n) * 0x1_0000 + (low >>> 16), n);
  return reduce(first * 0x1_0000 + (low & 0xffff), n);
};
