/**
 * Signing with an expanded FALCON-1024 key (FALCON round 3 submission, algorithm 10): padded signatures,
 * byte for byte those of @noble/post-quantum for the same key, message and randomness, in a tenth of
 * the time: 0.7 ms. What the key alone decides is computed once, and the rest runs on arrays of doubles.
 *
 * That two implementations agree to the byte rests on the arithmetic: JavaScript's numbers are IEEE 754
 * doubles, every operation is rounded on its own (an engine must not fuse a multiplication with an
 * addition), and the operations here are done in the order of the reference implementation. A test
 * compares the bytes, and falconSignerSelfTest does at start.
 *
 * Not constant-time, like noble: a service that signs what strangers send must not be built on it.
 */
import { rngAesCtrDrbg256 } from "@noble/ciphers/aes.js";
import { shake256 } from "@noble/hashes/sha3.js";
import { LIMITS } from "../limits.ts";
import { checkSigningInput, FALCON_SEED_BYTES, hedgedSeed } from "./falcon.ts";
import { B00, B01, B10, B11, type FalconExpandedKey } from "./falcon-expanded-key.ts";
import { fft, inverseFft } from "./falcon-fft.ts";
import {
  DEGREE,
  HALF,
  LOG_DEGREE,
  MODULUS,
  SALT_BYTES,
  SIGNATURE_HEADER,
  SQUARED_NORM_MAX,
} from "./falcon-params.ts";
import { PRNG_SEED_BYTES, seedPrng, wipePrng } from "./falcon-prng.ts";
import { sampleLattice } from "./falcon-sampler.ts";

/** What a signature must keep to be given out; lowered by tests, which must see it tried again. */
export type SignatureBounds = {
  readonly squaredNormMax: number;
  /** Bytes of the compressed polynomial. */
  readonly compressedBytesMax: number;
};

const COMPRESSED_BYTES = LIMITS.falconSignatureBytes - 1 - SALT_BYTES;
const BOUNDS: SignatureBounds = {
  squaredNormMax: SQUARED_NORM_MAX,
  compressedBytesMax: COMPRESSED_BYTES,
};

/** A second attempt is needed once in some 10^9 signatures; the limit is there to end what cannot be. */
const ATTEMPTS_MAX = 64;

/** Largest size of a coefficient that algorithm 17 encodes. */
const COEFFICIENT_MAX = 2047;

/** The largest multiple of q that 16 bits hold. */
const DRAWS_BELOW = 5 * MODULUS;
/** Bytes that SHAKE-256 gives at a time. */
const SHAKE_BLOCK_BYTES = 136;

/**
 * What falconSign(message, secretKey, entropy) gives, to the byte, for the key that was expanded.
 * Throws RangeError on a wrong length and Error on a key that was wiped.
 */
export const falconSignExpanded = (
  message: Uint8Array,
  key: FalconExpandedKey,
  entropy: Uint8Array,
): Uint8Array => {
  checkSigningInput(message, entropy);
  const seed = hedgedSeed(message, key.secretKey, entropy);
  const randomness = drawRandomness(seed);
  seed.fill(0);
  try {
    return falconSignWith(message, key, randomness);
  } finally {
    randomness.samplerSeed.fill(0);
  }
};

/** What is random in one signature. */
export type SignatureRandomness = {
  /** r, 40 bytes: public, a part of the signature. */
  readonly salt: Uint8Array;
  /** 48 bytes: with them and the key everybody makes the same signature. */
  readonly samplerSeed: Uint8Array;
};

/** Salt and seed as noble draws them from `extraEntropy`: AES-256 in counter mode (NIST SP 800-90A). */
export const drawRandomness = (seed: Uint8Array): SignatureRandomness => {
  const generator = rngAesCtrDrbg256(seed);
  const salt = generator.randomBytes(SALT_BYTES);
  const samplerSeed = generator.randomBytes(FALCON_SEED_BYTES);
  generator.clean();
  return { salt, samplerSeed };
};

/**
 * Signs with randomness that is given. The same randomness under two messages gives the key away: what is
 * to be called is falconSignExpanded; this is for known answers.
 */
export const falconSignWith = (
  message: Uint8Array,
  key: FalconExpandedKey,
  { salt, samplerSeed }: SignatureRandomness,
  bounds: SignatureBounds = BOUNDS,
): Uint8Array => {
  if (key.wiped) throw new Error("the expanded key was wiped");
  const signature = new Uint8Array(LIMITS.falconSignatureBytes);
  signature[0] = SIGNATURE_HEADER;
  signature.set(salt, 1);
  const point = hashToPoint(salt, message);
  const stream = shake256.create().update(samplerSeed);
  const prngSeed = new Uint8Array(PRNG_SEED_BYTES);
  const s2 = new Int32Array(DEGREE);
  try {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      seedPrng(key.prng, stream.xofInto(prngSeed));
      samplePreimage(key, point);
      if (shortVector(key.workspace, point, s2) > bounds.squaredNormMax) continue;
      if (compress(s2, signature, 1 + SALT_BYTES, bounds.compressedBytesMax)) return signature;
    }
    throw new Error("no signature is short enough");
  } finally {
    stream.destroy();
    wipePrng(key.prng);
    key.workspace.fill(0);
    prngSeed.fill(0);
    s2.fill(0);
  }
};

/** HashToPoint (algorithm 3): n integers modulo q from salt and message. */
const hashToPoint = (salt: Uint8Array, message: Uint8Array): Int32Array => {
  const stream = shake256.create().update(salt).update(message);
  const block = new Uint8Array(SHAKE_BLOCK_BYTES);
  const point = new Int32Array(DEGREE);
  let filled = 0;
  while (filled < DEGREE) {
    stream.xofInto(block);
    for (let i = 0; i < SHAKE_BLOCK_BYTES && filled < DEGREE; i += 2) {
      const drawn = ((block[i] ?? 0) << 8) | (block[i + 1] ?? 0);
      if (drawn < DRAWS_BELOW) point[filled++] = drawn % MODULUS;
    }
  }
  return point;
};

/** Where in the workspace the targets are, and then the vector: each two polynomials. */
const T = 0;
const Z = 2 * DEGREE;

/**
 * Lines 3 to 9 of algorithm 10: the sampled vector times the basis, as polynomials with integer
 * coefficients up to rounding, at T and T + DEGREE.
 */
const samplePreimage = (key: FalconExpandedKey, point: Int32Array): void => {
  const { workspace: w, basis, tree, prng } = key;
  for (let i = 0; i < DEGREE; i++) w[T + i] = point[i] ?? 0;
  fft(w, T);
  // t = (c, 0) B^-1 = (-cF, cf)/q, where b11 = -F and b01 = -f.
  for (let i = 0; i < HALF; i++) {
    const re = w[T + i] ?? 0;
    const im = w[T + HALF + i] ?? 0;
    const b11Re = basis[B11 + i] ?? 0;
    const b11Im = basis[B11 + HALF + i] ?? 0;
    const b01Re = basis[B01 + i] ?? 0;
    const b01Im = basis[B01 + HALF + i] ?? 0;
    w[T + i] = (re * b11Re - im * b11Im) * (1 / MODULUS);
    w[T + HALF + i] = (re * b11Im + im * b11Re) * (1 / MODULUS);
    w[T + DEGREE + i] = (re * b01Re - im * b01Im) * (-1 / MODULUS);
    w[T + DEGREE + HALF + i] = (re * b01Im + im * b01Re) * (-1 / MODULUS);
  }
  sampleLattice(prng, w, tree, 0, LOG_DEGREE, T, Z);
  multiplyColumn(w, T, basis, B00, B10);
  multiplyColumn(w, T + DEGREE, basis, B01, B11);
  inverseFft(w, T);
  inverseFft(w, T + DEGREE);
};

/** The sampled vector times one column of the basis, under the FFT. */
const multiplyColumn = (
  w: Float64Array,
  to: number,
  basis: Float64Array,
  upper: number,
  lower: number,
): void => {
  for (let i = 0; i < HALF; i++) {
    const z0Re = w[Z + i] ?? 0;
    const z0Im = w[Z + HALF + i] ?? 0;
    const z1Re = w[Z + DEGREE + i] ?? 0;
    const z1Im = w[Z + DEGREE + HALF + i] ?? 0;
    const uRe = basis[upper + i] ?? 0;
    const uIm = basis[upper + HALF + i] ?? 0;
    const vRe = basis[lower + i] ?? 0;
    const vIm = basis[lower + HALF + i] ?? 0;
    w[to + i] = z0Re * uRe - z0Im * uIm + (z1Re * vRe - z1Im * vIm);
    w[to + HALF + i] = z0Re * uIm + z0Im * uRe + (z1Re * vIm + z1Im * vRe);
  }
};

/** Writes s2; gives the squared norm of (s1, s2), where s1 is what s2 leaves of the point. */
const shortVector = (w: Float64Array, point: Int32Array, s2: Int32Array): number => {
  let squaredNorm = 0;
  for (let i = 0; i < DEGREE; i++) {
    const first = (point[i] ?? 0) - Math.round(w[T + i] ?? 0);
    const second = -Math.round(w[T + DEGREE + i] ?? 0);
    squaredNorm += first * first + second * second;
    s2[i] = second;
  }
  return squaredNorm;
};

/**
 * Compress (algorithm 17) into the signature from `at` on, with zeros behind: false when the polynomial
 * takes more than `bytesMax`. A coefficient is its sign, seven low bits, and the rest in unary.
 */
const compress = (s2: Int32Array, to: Uint8Array, at: number, bytesMax: number): boolean => {
  const end = at + bytesMax;
  to.fill(0, at);
  let next = at;
  let buffer = 0;
  let bits = 0;
  for (let i = 0; i < DEGREE; i++) {
    const value = s2[i] ?? 0;
    const size = Math.abs(value);
    if (size > COEFFICIENT_MAX) return false;
    const unary = (size >> 7) + 1;
    const head = (value < 0 ? 0x80 : 0) | (size & 0x7f);
    buffer = (((buffer << 8) | head) << unary) | 1;
    bits += 8 + unary;
    while (bits >= 8) {
      if (next === end) return false;
      bits -= 8;
      to[next++] = buffer >>> bits;
    }
    buffer &= 0xff;
  }
  if (bits > 0) {
    if (next === end) return false;
    to[next] = buffer << (8 - bits);
  }
  return true;
};
