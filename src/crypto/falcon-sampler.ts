/**
 * Sampling of lattice vectors (FALCON round 3 submission, section 3.9): integers from a discrete Gaussian,
 * and with them the recursive sampler over the tree of an expanded key.
 *
 * The base sampler looks at its whole table whatever it draws, as the submission's does. That is as far as
 * it goes: JavaScript promises nothing about time, and nothing here is constant-time.
 */
import { mergeFft, splitFft } from "./falcon-fft.ts";
import { SIGMA_MIN } from "./falcon-params.ts";
import { ensureBytes, type FalconPrng } from "./falcon-prng.ts";

/** The reverse cumulative distribution table of the base sampler, scaled by 2^72 (table 3.1). */
const RCDT = [
  3_024_686_241_123_004_913_666n,
  1_564_742_784_480_091_954_050n,
  636_254_429_462_080_897_535n,
  199_560_484_645_026_482_916n,
  47_667_343_854_657_281_903n,
  8_595_902_006_365_044_063n,
  1_163_297_957_344_668_388n,
  117_656_387_352_093_658n,
  8_867_391_802_663_976n,
  496_969_357_462_633n,
  20_680_885_154_299n,
  638_331_848_991n,
  14_602_316_184n,
  247_426_747n,
  3_104_126n,
  28_824n,
  198n,
  1n,
] as const;

/** Each entry in three limbs of 24 bits, lowest first: differences of limbs fit 32-bit integers. */
const LIMBS: Int32Array = Int32Array.from(
  RCDT.flatMap((entry) =>
    [entry, entry >> 24n, entry >> 48n].map((part) => Number(part & 0xffffffn)),
  ),
);

const LN_2 = Math.LN2;
const LOG2_E = Math.LOG2E;
/** 1/(2σ²) of the base sampler's distribution, σ = 1.8205. */
const INVERSE_TWO_SIGMA_SQUARED = 0.15086504887537272;

/** BaseSampler (algorithm 12): 0 to 18 from nine random bytes. */
const baseSampler = (prng: FalconPrng): number => {
  ensureBytes(prng, 9);
  const at = prng.at;
  const first = prng.view.getInt32(at, true);
  const second = prng.view.getInt32(at + 4, true);
  const last = prng.bytes[at + 8] ?? 0;
  prng.at = at + 9;
  const low = first & 0xffffff;
  const middle = (first >>> 24) | ((second & 0xffff) << 8);
  const high = (second >>> 16) | (last << 16);
  let z = 0;
  for (let i = 0; i < LIMBS.length; i += 3) {
    // Each difference is negative exactly when it borrows from the next.
    let borrow = (low - (LIMBS[i] ?? 0)) >>> 31;
    borrow = (middle - (LIMBS[i + 1] ?? 0) - borrow) >>> 31;
    borrow = (high - (LIMBS[i + 2] ?? 0) - borrow) >>> 31;
    z += borrow;
  }
  return z;
};

/**
 * ccs · e^(-x) for 0 <= x <= ln 2: the polynomial of ApproxExp (algorithm 13), whose integers the
 * reference implementation writes as doubles.
 */
const approximateExp = (x: number, ccs: number): number => {
  const y = -x;
  let z = 2.073772366009083e-9;
  z = z * y + 2.529950637944207e-8;
  z = z * y + 2.756073561604778e-7;
  z = z * y + 2.7555863502191225e-6;
  z = z * y + 2.480156683358538e-5;
  z = z * y + 1.984127392773119e-4;
  z = z * y + 1.388888894063187e-3;
  z = z * y + 8.333333327800835e-3;
  z = z * y + 4.166666666611049e-2;
  z = z * y + 0.16666666666698401;
  z = z * y + 0.5000000000000192;
  z = z * y + 0.9999999999999949;
  return ccs * (1 + z * y);
};

/** BerExp (algorithm 14): true with probability ccs · e^(-x). */
const bernoulliExp = (prng: FalconPrng, x: number, ccs: number): boolean => {
  const quotient = (x * LOG2_E) | 0;
  const scaled = approximateExp(x - quotient * LN_2, ccs) * 2 ** 31;
  // 64 bits of the probability in two words, shifted right by min(quotient, 63).
  let high = scaled | 0;
  let low = ((scaled - high) * 2 ** 32) | 0;
  high = (high << 1) | (low >>> 31);
  low <<= 1;
  const shift = (quotient | ((63 - quotient) >>> 26)) & 63;
  const whole = -(shift >>> 5);
  low ^= whole & (low ^ high);
  high &= ~whole;
  low = (low >>> (shift & 31)) | ((high << (31 - (shift & 31))) << 1);
  high >>>= shift & 31;
  // A random 64-bit number is compared with it byte by byte; the first one mostly decides.
  for (let i = 0; i < 8; i++) {
    ensureBytes(prng, 1);
    const drawn = prng.bytes[prng.at++] ?? 0;
    const wanted = ((i < 4 ? high : low) >>> (24 - 8 * (i & 3))) & 0xff;
    if (drawn !== wanted) return drawn < wanted;
  }
  return false;
};

/** SamplerZ (algorithm 15): an integer around `center`; the leaf of the tree is 1/σ'. */
export const sampleInteger = (prng: FalconPrng, center: number, leaf: number): number => {
  const floor = Math.floor(center);
  const rest = center - floor;
  const scale = leaf * leaf * 0.5;
  const ccs = leaf * SIGMA_MIN;
  for (;;) {
    const base = baseSampler(prng);
    ensureBytes(prng, 1);
    const bit = (prng.bytes[prng.at++] ?? 0) & 1;
    // 1 + base or -base, by the bit.
    const z = ((2 * base + 1) & -bit) - base;
    const distance = z - rest;
    const x = distance * distance * scale - base * base * INVERSE_TWO_SIGMA_SQUARED;
    if (bernoulliExp(prng, x, ccs)) return floor + z;
  }
};

/** Doubles of the tree of a polynomial of degree 2^logn. */
export const treeLength = (logn: number): number => (logn + 1) << logn;

/** Doubles that sampling at degree 2^logn needs behind `z`, the result's own included. */
export const sampleLength = (logn: number): number => 4 << logn;

/**
 * ffSampling (algorithm 11): z close to t, under the FFT. `t` and `z` are offsets of two polynomials of
 * degree 2^logn each, one after the other. A node of the tree is l, then the left subtree, then the right
 * one; where the degree is 2 the subtrees are leaves.
 */
export const sampleLattice = (
  prng: FalconPrng,
  w: Float64Array,
  tree: Float64Array,
  node: number,
  logn: number,
  t: number,
  z: number,
): void => {
  if (logn === 1) {
    sampleLeaves(prng, w, tree, node, t, z);
    return;
  }
  const n = 1 << logn;
  const half = n >> 1;
  const left = node + n;
  const right = left + treeLength(logn - 1);
  const t1 = t + n;
  const z1 = z + n;
  // Behind the result there is room for the results of the halves, and behind those for theirs.
  const inner = z + 2 * n;
  splitFft(w, n, t1, z1, z1 + half);
  sampleLattice(prng, w, tree, right, logn - 1, z1, inner);
  mergeFft(w, n, inner, inner + half, z1);
  // t0' = t0 + (t1 - z1) l
  for (let i = 0; i < half; i++) {
    const re = (w[t1 + i] ?? 0) - (w[z1 + i] ?? 0);
    const im = (w[t1 + half + i] ?? 0) - (w[z1 + half + i] ?? 0);
    const lRe = tree[node + i] ?? 0;
    const lIm = tree[node + half + i] ?? 0;
    w[inner + i] = (w[t + i] ?? 0) + (lRe * re - lIm * im);
    w[inner + half + i] = (w[t + half + i] ?? 0) + (lRe * im + lIm * re);
  }
  splitFft(w, n, inner, z, z + half);
  sampleLattice(prng, w, tree, left, logn - 1, z, inner);
  mergeFft(w, n, inner, inner + half, z);
};

/** The same at degree 2, where a polynomial is one complex number and its halves are real. */
const sampleLeaves = (
  prng: FalconPrng,
  w: Float64Array,
  tree: Float64Array,
  node: number,
  t: number,
  z: number,
): void => {
  const lRe = tree[node] ?? 0;
  const lIm = tree[node + 1] ?? 0;
  const left = tree[node + 2] ?? 0;
  const right = tree[node + 3] ?? 0;
  const t1Re = w[t + 2] ?? 0;
  const t1Im = w[t + 3] ?? 0;
  const z1Re = sampleInteger(prng, t1Re, right);
  const z1Im = sampleInteger(prng, t1Im, right);
  w[z + 2] = z1Re;
  w[z + 3] = z1Im;
  const re = t1Re - z1Re;
  const im = t1Im - z1Im;
  w[z] = sampleInteger(prng, (w[t] ?? 0) + (lRe * re - lIm * im), left);
  w[z + 1] = sampleInteger(prng, (w[t + 1] ?? 0) + (lRe * im + lIm * re), left);
};
