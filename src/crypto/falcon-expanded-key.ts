/**
 * A FALCON-1024 secret key expanded for signing: what a signature needs and what only the key decides,
 * computed once (FALCON round 3 submission, sections 3.8.2 and 3.8.3). The submission's secret key is the
 * same: its algorithm 4 ends with the basis under the FFT and the normalised tree.
 *
 * About 180 KB a key. Whoever expands a key wipes it: `wipeFalconKey`.
 */
import { fft } from "./falcon-fft.ts";
import { decodeFalconKey, type FalconPolynomials, wipePolynomials } from "./falcon-key.ts";
import {
  DEGREE,
  HALF,
  INVERSE_SIGMA,
  LOG_DEGREE,
  MODULUS,
  ROOTS,
  SIGMA_MAX,
  SIGMA_MIN,
} from "./falcon-params.ts";
import { createPrng, type FalconPrng, wipePrng } from "./falcon-prng.ts";
import { sampleLength, treeLength } from "./falcon-sampler.ts";

/** Offsets in the basis B = [[g, -f], [G, -F]]. */
export const B00 = 0;
export const B01 = DEGREE;
export const B10 = 2 * DEGREE;
export const B11 = 3 * DEGREE;

export type FalconExpandedKey = {
  /** The bytes that it was made from: they are part of the hash that the randomness comes from. */
  readonly secretKey: Uint8Array;
  /** b00, b01, b10 and b11 under the FFT. */
  readonly basis: Float64Array;
  /** The tree of algorithm 9; its leaves hold 1/σ', normalised (algorithm 4, lines 6 to 8). */
  readonly tree: Float64Array;
  /** What signing works in: empty between two signatures. */
  readonly workspace: Float64Array;
  readonly prng: FalconPrng;
  /** Whether it was wiped: it signs no more. */
  wiped: boolean;
};

/** Two target polynomials, then what the sampler needs. */
const WORKSPACE_LENGTH = 2 * DEGREE + sampleLength(LOG_DEGREE);

/**
 * Expands a secret key, in 0.6 ms (20 in a process that has just started). Throws RangeError on a wrong
 * length and Error on bytes that are no
 * secret key.
 */
export const expandFalconKey = (secretKey: Uint8Array): FalconExpandedKey => {
  const polynomials = decodeFalconKey(secretKey);
  const key: FalconExpandedKey = {
    secretKey: Uint8Array.from(secretKey),
    basis: new Float64Array(4 * DEGREE),
    tree: new Float64Array(treeLength(LOG_DEGREE)),
    workspace: new Float64Array(WORKSPACE_LENGTH),
    prng: createPrng(),
    wiped: false,
  };
  try {
    fillBasis(key.basis, polynomials);
    checkDeterminant(key.basis);
    const w = key.workspace;
    fillGram(w, key.basis);
    fillTree(key.tree, 0, LOG_DEGREE, w, { g00: 0, g01: HALF, g11: 3 * HALF, free: 4 * HALF });
    return key;
  } catch (error) {
    wipeFalconKey(key);
    throw error;
  } finally {
    key.workspace.fill(0);
    wipePolynomials(polynomials);
  }
};

/** Overwrites the key; signing with it throws from then on. Copies that a runtime made stay its own. */
export const wipeFalconKey = (key: FalconExpandedKey): void => {
  key.wiped = true;
  key.secretKey.fill(0);
  key.basis.fill(0);
  key.tree.fill(0);
  key.workspace.fill(0);
  wipePrng(key.prng);
};

const fillBasis = (basis: Float64Array, { f, g, bigF, bigG }: FalconPolynomials): void => {
  for (let i = 0; i < DEGREE; i++) {
    basis[B00 + i] = g[i] ?? 0;
    basis[B01 + i] = -(f[i] ?? 0);
    basis[B10 + i] = bigG[i] ?? 0;
    basis[B11 + i] = -(bigF[i] ?? 0);
  }
  for (const at of [B00, B01, B10, B11]) fft(basis, at);
};

/**
 * The determinant of B is fG - gF = q. G is made modulo q only, so bytes that are no key may get this
 * far; with them the sampler would look for a short signature for ever.
 */
const checkDeterminant = (b: Float64Array): void => {
  for (let re = 0; re < HALF; re++) {
    const im = re + HALF;
    const at = (offset: number): number => b[offset] ?? 0;
    const real =
      at(B00 + re) * at(B11 + re) -
      at(B00 + im) * at(B11 + im) -
      (at(B01 + re) * at(B10 + re) - at(B01 + im) * at(B10 + im));
    const imaginary =
      at(B00 + re) * at(B11 + im) +
      at(B00 + im) * at(B11 + re) -
      (at(B01 + re) * at(B10 + im) + at(B01 + im) * at(B10 + re));
    // Rounding is some 10^-9 away from it; another integer polynomial is not.
    if (!(Math.abs(real - MODULUS) < 0.25 && Math.abs(imaginary) < 0.25)) {
      throw new Error("secret key that solves no NTRU equation");
    }
  }
};

/** The Gram matrix B B*: g00 and g11, which are real, and g01 between them. */
const fillGram = (w: Float64Array, b: Float64Array): void => {
  for (let i = 0; i < HALF; i++) {
    const aRe = b[B00 + i] ?? 0;
    const aIm = b[B00 + HALF + i] ?? 0;
    const bRe = b[B01 + i] ?? 0;
    const bIm = b[B01 + HALF + i] ?? 0;
    const cRe = b[B10 + i] ?? 0;
    const cIm = b[B10 + HALF + i] ?? 0;
    const dRe = b[B11 + i] ?? 0;
    const dIm = b[B11 + HALF + i] ?? 0;
    w[i] = aRe * aRe + aIm * aIm + bRe * bRe + bIm * bIm;
    w[HALF + i] = aRe * cRe + aIm * cIm + (bRe * dRe + bIm * dIm);
    w[2 * HALF + i] = aIm * cRe - aRe * cIm + (bIm * dRe - bRe * dIm);
    w[3 * HALF + i] = cRe * cRe + cIm * cIm + dRe * dRe + dIm * dIm;
  }
};

/** Offsets of a Gram matrix: n/2 doubles of g00, n of g01, n/2 of g11; and of room for five times n/2. */
type Gram = {
  readonly g00: number;
  readonly g01: number;
  readonly g11: number;
  readonly free: number;
};

/** ffLDL* (algorithm 9) of a self-adjoint matrix of degree 2^logn: writes the subtree at `node`. */
const fillTree = (
  tree: Float64Array,
  node: number,
  logn: number,
  w: Float64Array,
  { g00, g01, g11, free }: Gram,
): void => {
  const n = 1 << logn;
  const half = n >> 1;
  const d11 = free;
  // LDL* (algorithm 8): l = g10/g00 and d11 = g11 - l l* g00; d00 is g00.
  for (let i = 0; i < half; i++) {
    const re = w[g01 + i] ?? 0;
    const im = w[g01 + half + i] ?? 0;
    const inverse = 1 / (w[g00 + i] ?? 0);
    const muRe = re * inverse;
    const muIm = im * inverse;
    tree[node + i] = muRe;
    tree[node + half + i] = -muIm;
    w[d11 + i] = (w[g11 + i] ?? 0) - (muRe * re + muIm * im);
  }
  if (logn === 1) {
    tree[node + 2] = leafOf(w[g00] ?? 0);
    tree[node + 3] = leafOf(w[d11] ?? 0);
    return;
  }
  const even = free + half;
  const odd = even + half / 2;
  const inner = { g00: even, g01: odd, g11: even, free: odd + half };
  const left = node + n;
  splitSelfAdjoint(w, n, g00, even, odd);
  fillTree(tree, left, logn - 1, w, inner);
  splitSelfAdjoint(w, n, d11, even, odd);
  fillTree(tree, left + treeLength(logn - 1), logn - 1, w, inner);
};

/** splitfft of a polynomial whose values are all real: the even half is real, too. */
const splitSelfAdjoint = (
  w: Float64Array,
  n: number,
  from: number,
  even: number,
  odd: number,
): void => {
  const half = n >> 1;
  const quarter = n >> 2;
  for (let i = 0; i < quarter; i++) {
    const a = w[from + 2 * i] ?? 0;
    const b = w[from + 2 * i + 1] ?? 0;
    const difference = a - b;
    w[even + i] = (a + b) * 0.5;
    w[odd + i] = (ROOTS[2 * (half + i)] ?? 0) * difference * 0.5;
    w[odd + quarter + i] = -(ROOTS[2 * (half + i) + 1] ?? 0) * difference * 0.5;
  }
};

/** 1/σ' of a leaf. Bounds on σ' are what the sampler's proof needs: no key of the scheme breaks them. */
const leafOf = (value: number): number => {
  const leaf = Math.sqrt(value) * INVERSE_SIGMA;
  const sigma = 1 / leaf;
  if (!(sigma >= SIGMA_MIN && sigma <= SIGMA_MAX)) {
    throw new Error("secret key whose tree has a leaf out of bounds");
  }
  return leaf;
};
