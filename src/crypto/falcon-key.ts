/**
 * The bytes of a FALCON-1024 secret key, and the polynomial G that they leave out (FALCON round 3
 * submission, sections 3.11.3 and 3.11.5): f, g and F in the ring, G = gF/f modulo q.
 */
import { LIMITS } from "../limits.ts";
import { DEGREE, MODULUS, reverseBits, SECRET_KEY_HEADER } from "./falcon-params.ts";

/** The four polynomials of a key: f, g, F and G with fG - gF = q. */
export type FalconPolynomials = {
  readonly f: Int8Array;
  readonly g: Int8Array;
  readonly bigF: Int8Array;
  readonly bigG: Int8Array;
};

const SMALL_BITS = 5;
const LARGE_BITS = 8;
/** Coefficients of G fit in eight bits, and -128 is none of them. */
const BIG_G_MAX = 127;
/** 7 is a 2n-th root of unity modulo q: its n-th power is -1. */
const ROOT_OF_UNITY = 7;

/**
 * The polynomials of a secret key. Throws RangeError on a wrong length and Error on bytes that are no
 * secret key: another header, a coefficient of the reserved value, an f without an inverse, a G too large.
 */
export const decodeFalconKey = (secretKey: Uint8Array): FalconPolynomials => {
  if (secretKey.length !== LIMITS.falconSecretKeyBytes) {
    throw new RangeError(
      `secret key must be ${LIMITS.falconSecretKeyBytes} bytes, not ${secretKey.length}`,
    );
  }
  if (secretKey[0] !== SECRET_KEY_HEADER) throw new Error("no FALCON-1024 secret key");
  const smallBytes = (DEGREE * SMALL_BITS) / 8;
  const f = decodeSigned(secretKey, 1, SMALL_BITS);
  const g = decodeSigned(secretKey, 1 + smallBytes, SMALL_BITS);
  const bigF = decodeSigned(secretKey, 1 + 2 * smallBytes, LARGE_BITS);
  return { f, g, bigF, bigG: completeKey(f, g, bigF) };
};

export const wipePolynomials = ({ f, g, bigF, bigG }: FalconPolynomials): void => {
  for (const polynomial of [f, g, bigF, bigG]) polynomial.fill(0);
};

/** n integers of `width` bits in two's complement, highest bit first, from the byte `at` on. */
const decodeSigned = (bytes: Uint8Array, at: number, width: number): Int8Array => {
  const values = new Int8Array(DEGREE);
  let buffer = 0;
  let bits = 0;
  let next = at;
  for (let i = 0; i < DEGREE; i++) {
    while (bits < width) {
      buffer = ((buffer << 8) | (bytes[next++] ?? 0)) & 0xffff;
      bits += 8;
    }
    bits -= width;
    const value = ((buffer >>> bits) << (32 - width)) >> (32 - width);
    // Its opposite has no encoding, so that no key has two.
    if (value === -(1 << (width - 1))) throw new Error("secret key with a reserved coefficient");
    values[i] = value;
  }
  return values;
};

/** G = gF/f modulo q, with coefficients of least size. */
const completeKey = (f: Int8Array, g: Int8Array, bigF: Int8Array): Int8Array => {
  const roots = powers(ROOT_OF_UNITY);
  const product = transform(g, roots);
  const factor = transform(bigF, roots);
  const divisor = transform(f, roots);
  const bigG = new Int8Array(DEGREE);
  try {
    for (let i = 0; i < DEGREE; i++) {
      const inverse = invert(divisor[i] ?? 0);
      if (inverse === 0) throw new Error("secret key whose f has no inverse");
      product[i] = (((product[i] ?? 0) * (factor[i] ?? 0)) % MODULUS) * inverse;
      product[i] = (product[i] ?? 0) % MODULUS;
    }
    transformBack(product, powers(invert(ROOT_OF_UNITY)));
    for (let i = 0; i < DEGREE; i++) {
      const value = product[i] ?? 0;
      const centred = value > MODULUS / 2 ? value - MODULUS : value;
      if (Math.abs(centred) > BIG_G_MAX) throw new Error("secret key whose G is too large");
      bigG[i] = centred;
    }
    return bigG;
  } finally {
    for (const used of [product, factor, divisor]) used.fill(0);
  }
};

/** Powers of a root, in the order in which the stages of the transform use them. */
const powers = (root: number): Int32Array => {
  const table = new Int32Array(DEGREE);
  for (let i = 0, power = 1; i < DEGREE; i++, power = (power * root) % MODULUS) {
    table[reverseBits(i)] = power;
  }
  return table;
};

/** a^(q-2), which is 1/a modulo q, and 0 for 0. */
const invert = (a: number): number => {
  let result = 1;
  for (let bit = 13; bit >= 0; bit--) {
    result = (result * result) % MODULUS;
    if ((((MODULUS - 2) >> bit) & 1) === 1) result = (result * a) % MODULUS;
  }
  return result;
};

/** The values of a polynomial at the odd powers of the root: its number-theoretic transform. */
const transform = (polynomial: Int8Array, roots: Int32Array): Int32Array => {
  const a = Int32Array.from(polynomial, (value) => (value < 0 ? value + MODULUS : value));
  for (let groups = 1, span = DEGREE / 2; span >= 1; groups *= 2, span /= 2) {
    for (let group = 0; group < groups; group++) {
      const root = roots[groups + group] ?? 0;
      const start = 2 * group * span;
      for (let i = start; i < start + span; i++) {
        const left = a[i] ?? 0;
        const right = ((a[i + span] ?? 0) * root) % MODULUS;
        a[i] = (left + right) % MODULUS;
        a[i + span] = (left - right + MODULUS) % MODULUS;
      }
    }
  }
  return a;
};

/** The inverse of `transform`, in place, with the powers of the inverse root. */
const transformBack = (a: Int32Array, roots: Int32Array): void => {
  for (let groups = DEGREE / 2, span = 1; groups >= 1; groups /= 2, span *= 2) {
    for (let group = 0; group < groups; group++) {
      const root = roots[groups + group] ?? 0;
      const start = 2 * group * span;
      for (let i = start; i < start + span; i++) {
        const left = a[i] ?? 0;
        const right = a[i + span] ?? 0;
        a[i] = (left + right) % MODULUS;
        a[i + span] = ((left - right + MODULUS) * root) % MODULUS;
      }
    }
  }
  const scale = invert(DEGREE);
  for (let i = 0; i < DEGREE; i++) a[i] = ((a[i] ?? 0) * scale) % MODULUS;
};
