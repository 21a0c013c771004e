/**
 * Polynomials of FALCON under the FFT (round 3 submission, sections 3.6 and 3.7), in arrays of doubles.
 *
 * A polynomial of degree n takes n doubles from an offset: n/2 real parts, then n/2 imaginary parts, at
 * the roots in bit-reversed order, so that splitting it is a matter of neighbours. The order of the
 * operations is part of what these functions do: another order rounds otherwise, and then another
 * implementation makes another signature of the same randomness.
 */
import { DEGREE, HALF, ROOTS } from "./falcon-params.ts";

/** Transforms the polynomial of full degree at `at`, in place. */
export const fft = (w: Float64Array, at: number): void => {
  for (let groups = 1, span = HALF / 2; span >= 1; groups *= 2, span /= 2) {
    for (let group = 0; group < groups; group++) {
      const rootRe = ROOTS[4 * groups + 2 * group] ?? 0;
      const rootIm = ROOTS[4 * groups + 2 * group + 1] ?? 0;
      const start = at + 2 * group * span;
      for (let i = start; i < start + span; i++) {
        const aRe = w[i] ?? 0;
        const aIm = w[i + HALF] ?? 0;
        const bRe = w[i + span] ?? 0;
        const bIm = w[i + span + HALF] ?? 0;
        const re = bRe * rootRe - bIm * rootIm;
        const im = bRe * rootIm + bIm * rootRe;
        w[i] = aRe + re;
        w[i + HALF] = aIm + im;
        w[i + span] = aRe - re;
        w[i + span + HALF] = aIm - im;
      }
    }
  }
};

/** The inverse of `fft`, in place. */
export const inverseFft = (w: Float64Array, at: number): void => {
  for (let groups = HALF / 2, span = 1; groups >= 1; groups /= 2, span *= 2) {
    for (let group = 0; group < groups; group++) {
      const rootRe = ROOTS[4 * groups + 2 * group] ?? 0;
      const rootIm = ROOTS[4 * groups + 2 * group + 1] ?? 0;
      const start = at + 2 * group * span;
      for (let i = start; i < start + span; i++) {
        const aRe = w[i] ?? 0;
        const aIm = w[i + HALF] ?? 0;
        const bRe = w[i + span] ?? 0;
        const bIm = w[i + span + HALF] ?? 0;
        const re = aRe - bRe;
        const im = aIm - bIm;
        w[i] = aRe + bRe;
        w[i + HALF] = aIm + bIm;
        w[i + span] = re * rootRe + im * rootIm;
        w[i + span + HALF] = im * rootRe - re * rootIm;
      }
    }
  }
  // A power of two: the multiplication is exact.
  for (let i = at; i < at + DEGREE; i++) w[i] = (w[i] ?? 0) * (1 / HALF);
};

/** splitfft (algorithm 1): f of degree n >= 4 at `from` into its halves at `even` and `odd`. */
export const splitFft = (
  w: Float64Array,
  n: number,
  from: number,
  even: number,
  odd: number,
): void => {
  const half = n >> 1;
  const quarter = n >> 2;
  for (let i = 0; i < quarter; i++) {
    const rootRe = ROOTS[2 * (half + i)] ?? 0;
    const rootIm = ROOTS[2 * (half + i) + 1] ?? 0;
    const at = from + 2 * i;
    const aRe = w[at] ?? 0;
    const aIm = w[at + half] ?? 0;
    const bRe = w[at + 1] ?? 0;
    const bIm = w[at + 1 + half] ?? 0;
    const re = aRe - bRe;
    const im = aIm - bIm;
    w[even + i] = (aRe + bRe) * 0.5;
    w[even + i + quarter] = (aIm + bIm) * 0.5;
    w[odd + i] = (re * rootRe + im * rootIm) * 0.5;
    w[odd + i + quarter] = (im * rootRe - re * rootIm) * 0.5;
  }
};

/** mergefft (algorithm 2): the halves at `even` and `odd` into a polynomial of degree n >= 4 at `to`. */
export const mergeFft = (
  w: Float64Array,
  n: number,
  even: number,
  odd: number,
  to: number,
): void => {
  const half = n >> 1;
  const quarter = n >> 2;
  for (let i = 0; i < quarter; i++) {
    const rootRe = ROOTS[2 * (half + i)] ?? 0;
    const rootIm = ROOTS[2 * (half + i) + 1] ?? 0;
    const aRe = w[even + i] ?? 0;
    const aIm = w[even + i + quarter] ?? 0;
    const bRe = w[odd + i] ?? 0;
    const bIm = w[odd + i + quarter] ?? 0;
    const re = bRe * rootRe - bIm * rootIm;
    const im = bRe * rootIm + bIm * rootRe;
    const at = to + 2 * i;
    w[at] = aRe + re;
    w[at + half] = aIm + im;
    w[at + 1] = aRe - re;
    w[at + 1 + half] = aIm - im;
  }
};
