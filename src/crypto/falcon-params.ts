/**
 * The constants of FALCON-1024 (FALCON round 3 submission, table 3.3) and the roots of its FFT.
 *
 * The roots are computed in integers and rounded once: the engine's Math.cos may differ in the last bit
 * from one machine to the next, and one bit is enough to make another signature.
 */

/** Degree n of the ring Z[x]/(x^n + 1), and its logarithm. */
export const DEGREE = 1024;
export const LOG_DEGREE = 10;
/** Complex coefficients of a real polynomial under the FFT: the other half are their conjugates. */
export const HALF = DEGREE / 2;
/** The modulus q. */
export const MODULUS = 12_289;

/** 1/σ, σ_min and σ_max, as the doubles nearest to the values of table 3.3 and section 3.9.1. */
export const INVERSE_SIGMA = 0.005938645309533116;
export const SIGMA_MIN = 1.298280334344292;
export const SIGMA_MAX = 1.8205;

/** ⌊β²⌋: the largest squared norm that a signature may have. */
export const SQUARED_NORM_MAX = 70_265_242;

/** First byte of a secret key and of a padded signature: format, and the logarithm of the degree. */
export const SECRET_KEY_HEADER = 0x5a;
export const SIGNATURE_HEADER = 0x3a;
/** Bytes of the salt r that is hashed before the message. */
export const SALT_BYTES = 40;

/** The index with its lowest ten bits in reverse order. */
export const reverseBits = (index: number): number => {
  let reversed = 0;
  for (let bit = 0; bit < LOG_DEGREE; bit++) reversed = reversed * 2 + ((index >> bit) & 1);
  return reversed;
};

const FRACTION_BITS = 160n;
/** π in fixed point, cut off after 160 binary places. */
const PI = 0x3243f6a8885a308d313198a2e03707344a4093822n;

/** cos and sin of π/n by their series, in fixed point. */
const firstRoot = (): readonly [bigint, bigint] => {
  const angle = PI / BigInt(DEGREE);
  const sums: [bigint, bigint] = [0n, 0n];
  let term = 1n << FRACTION_BITS;
  for (let n = 0; term !== 0n; n++) {
    const signed = n % 4 < 2 ? term : -term;
    if (n % 2 === 0) sums[0] += signed;
    else sums[1] += signed;
    term = ((term * angle) >> FRACTION_BITS) / BigInt(n + 1);
  }
  return sums;
};

/**
 * e^(iπ·reverseBits(k)/n) at 2k (real part) and 2k + 1 (imaginary part): a stage of the FFT reads its
 * roots in order. The error of the fixed point is under 2^-148, so each value is the nearest double.
 */
const computeRoots = (): Float64Array => {
  const [cos, sin] = firstRoot();
  const roots = new Float64Array(2 * DEGREE);
  const scale = 2 ** -Number(FRACTION_BITS);
  let re = 1n << FRACTION_BITS;
  let im = 0n;
  for (let power = 0; power < DEGREE; power++) {
    const at = 2 * reverseBits(power);
    roots[at] = Number(re) * scale;
    roots[at + 1] = Number(im) * scale;
    const next = (re * cos - im * sin) >> FRACTION_BITS;
    im = (re * sin + im * cos) >> FRACTION_BITS;
    re = next;
  }
  return roots;
};

export const ROOTS: Float64Array = computeRoots();
