/**
 * The solver's two loops in WebAssembly: SHA-512 of the rows, which a call of a native hash costs four times as
 * much as its one block, and the pairing of a level. Both do exactly what equihash-solver.ts does in JavaScript,
 * in its order, on the same tables.
 *
 * Memory, in bytes: see PLACES. Rows are three words on all levels; words that are zero in all sums of a level are
 * neither written nor read.
 */
import { EQUIHASH_ROWS, ROWS_PER_HASH } from "./equihash.ts";
import { BUCKETS, KEYS, type Key, LEVELS, ROW_WORDS, SLOTS } from "./equihash-solver.ts";
import * as w from "./wasm-code.ts";

const ROOM = BUCKETS * SLOTS;
const NONE = -1;
/** Pairs of the last level that are told: two are expected. */
export const PAIRS_MAX = 4096;

const TABLE_BYTES = ROOM * ROW_WORDS * 4;
const PLACE_BYTES = ROOM * 4;

const placesOf = (sizes: Readonly<Record<string, number>>): Readonly<Record<string, number>> => {
  let at = 0;
  const places = Object.entries(sizes).map(([name, size]): [string, number] => {
    const place = at;
    at += size;
    return [name, place];
  });
  return Object.fromEntries([...places, ["end", at]]);
};

const SIZES = {
  /** The challenge: four words of 64 bits. */
  challenge: 32,
  digest: 64,
  /** How many pairs of the last level are there. */
  count: 32,
  head: BUCKETS * 4,
  next: SLOTS * 4,
  pairs: PAIRS_MAX * 8,
  sizes0: BUCKETS * 4,
  sizes1: BUCKETS * 4,
  table0: TABLE_BYTES,
  table1: TABLE_BYTES,
  leaves: PLACE_BYTES,
  parents: LEVELS * PLACE_BYTES,
} as const;

export const PLACES = placesOf(SIZES) as Readonly<Record<keyof typeof SIZES | "end", number>>;
export const PAGES = Math.ceil(PLACES.end / 65_536);

/** The integer whose power of `exponent` is the largest that is not above the value. */
const rootOf = (value: bigint, exponent: bigint): bigint => {
  // 64 bits of a fraction, and at most three before it.
  let [low, high] = [0n, 1n << 67n];
  while (high - low > 1n) {
    const middle = (low + high) / 2n;
    if (middle ** exponent <= value) low = middle;
    else high = middle;
  }
  return low;
};

const primes = (count: number): bigint[] => {
  const found: bigint[] = [];
  for (let n = 2n; found.length < count; n++) if (found.every((p) => n % p !== 0n)) found.push(n);
  return found;
};

const MASK = (1n << 64n) - 1n;
/** FIPS 180-4, 4.2.3 and 5.3.5: fractional bits of cube roots and of square roots of primes. */
const roundKeys = (): bigint[] => primes(80).map((prime) => rootOf(prime << 192n, 3n) & MASK);
const startOf = (): bigint[] => primes(8).map((prime) => rootOf(prime << 128n, 2n) & MASK);

type Triple = readonly [number, number, number];
const ror = (x: w.Code, bits: number): w.Code => w.rotr64(x, w.i64(BigInt(bits)));
const shr = (x: w.Code, bits: number): w.Code => w.shr64(x, w.i64(BigInt(bits)));
const sigma = (x: w.Code, [a, b, c]: Triple): w.Code =>
  w.xor64(w.xor64(ror(x, a), ror(x, b)), ror(x, c));
const smallSigma = (x: w.Code, [a, b, c]: Triple): w.Code =>
  w.xor64(w.xor64(ror(x, a), ror(x, b)), shr(x, c));

/** Bytes of a 32-bit word in the other order. */
const swapped = (x: w.Code): w.Code =>
  w.or32(
    w.and32(w.rotl32(x, w.i32(8)), w.i32(0x00ff_00ff)),
    w.and32(w.rotl32(x, w.i32(24)), w.i32(0xff00_ff00 | 0)),
  );

/** 32 bytes of challenge, four of the group, and the end that SHA-512 gives 36 bytes (FIPS 180-4, 5.1.2). */
const message = (group: w.Code): w.Code[] => {
  const head = [0, 8, 16, 24].map((at) => w.load64(w.i32(PLACES.challenge), at));
  const fifth = w.or64(w.shl64(w.widen(swapped(group)), w.i64(32n)), w.i64(0x8000_0000n));
  const zeros = Array.from({ length: 10 }, () => w.i64(0n));
  return [...head, fifth, ...zeros, w.i64(36n * 8n)];
};

/** FIPS 180-4, 6.4.2, in locals: 8 of state from `state` on, 16 of the schedule from `schedule` on. */
const compress = (state: number, schedule: number): w.Code[] => {
  const code: w.Code[] = [];
  const keys = roundKeys();
  const word = (i: number): number => schedule + (i % 16);
  for (let i = 0; i < 80; i++) {
    if (i >= 16) {
      const sum = w.add64(
        w.add64(w.get(word(i)), smallSigma(w.get(word(i + 1)), [1, 8, 7])),
        w.add64(w.get(word(i + 9)), smallSigma(w.get(word(i + 14)), [19, 61, 6])),
      );
      code.push(w.set(word(i), sum));
    }
    // The eight names move on by one every round, and no value has to.
    const [a, b, c, d, e, f, g, h] = Array.from(
      { length: 8 },
      (_, k) => state + ((k + 80 - i) % 8),
    ) as [number, number, number, number, number, number, number, number];
    const choice = w.xor64(w.get(g), w.and64(w.get(e), w.xor64(w.get(f), w.get(g))));
    const majority = w.or64(
      w.and64(w.get(a), w.get(b)),
      w.and64(w.get(c), w.or64(w.get(a), w.get(b))),
    );
    const key = w.add64(w.i64(keys[i] as bigint), w.get(word(i)));
    const first = w.add64(w.add64(w.get(h), sigma(w.get(e), [14, 18, 41])), w.add64(choice, key));
    code.push(
      w.set(h, first),
      w.set(d, w.add64(w.get(d), w.get(h))),
      w.set(h, w.add64(w.get(h), w.add64(sigma(w.get(a), [28, 34, 39]), majority))),
    );
  }
  return code;
};

/** group(g): hashes a group and puts its rows into their buckets. */
const group = (): w.WasmFunction => {
  const [number, state, schedule, row, bucket, size, place] = [0, 1, 9, 25, 26, 27, 28];
  const start = startOf();
  const digest = (word: number): w.Code => w.load32(w.i32(PLACES.digest), word * 4);
  const code = [
    ...start.map((value, k) => w.set(state + k, w.i64(value))),
    ...message(w.get(number)).map((value, k) => w.set(schedule + k, value)),
    ...compress(state, schedule),
    ...start.flatMap((value, k) => {
      const sum = w.add64(w.get(state + k), w.i64(value));
      return [
        w.set(state + k, sum),
        w.store32(w.i32(PLACES.digest), w.low32(w.shr64(w.get(state + k), w.i64(32n))), k * 8),
        w.store32(w.i32(PLACES.digest), w.low32(w.get(state + k)), k * 8 + 4),
      ];
    }),
  ];
  for (let r = 0; r < ROWS_PER_HASH; r++) {
    const sizeAt = w.shl32(w.get(bucket), w.i32(2));
    code.push(
      w.set(row, w.add32(w.mul32(w.get(number), w.i32(ROWS_PER_HASH)), w.i32(r))),
      w.set(bucket, w.shr32(digest(3 * r), w.i32(24))),
      w.set(size, w.load32(sizeAt, PLACES.sizes0)),
      w.when(
        w.and32(w.ne32(w.get(size), w.i32(SLOTS)), w.lt32(w.get(row), w.i32(EQUIHASH_ROWS))),
        w.store32(sizeAt, w.add32(w.get(size), w.i32(1)), PLACES.sizes0),
        w.set(place, w.add32(w.mul32(w.get(bucket), w.i32(SLOTS)), w.get(size))),
        w.store32(w.shl32(w.get(place), w.i32(2)), w.get(row), PLACES.leaves),
        w.set(place, w.mul32(w.get(place), w.i32(ROW_WORDS * 4))),
        ...[0, 1, 2].map((k) => w.store32(w.get(place), digest(3 * r + k), PLACES.table0 + 4 * k)),
      ),
    );
  }
  const locals = [...Array.from({ length: 24 }, () => w.I64), w.I32, w.I32, w.I32, w.I32];
  return { name: "group", parameters: 1, locals, body: w.seq(...code) };
};

/**
 * A loop over the rows of a bucket that calls `body` for each earlier row with the same eight bits of the key.
 * Locals: 0 bucket, 1 size, 2 slot, 3 address of the row, 4 address of its chain's head, 5 the other's slot,
 * 6 the other's address; what `body` needs comes after.
 */
const bucketLoop = (level: number, body: readonly w.Code[]): w.Code => {
  const [bucket, size, slot, at, chain, other, second] = [0, 1, 2, 3, 4, 5, 6];
  const { word, shift } = KEYS[level] as Key;
  const [sizes, table] =
    level % 2 === 0 ? [PLACES.sizes0, PLACES.table0] : [PLACES.sizes1, PLACES.table1];
  const rowBytes = w.i32(ROW_WORDS * 4);
  const rest = w.and32(
    w.shr32(w.load32(w.get(at), table + 4 * word), w.i32(shift)),
    w.i32(BUCKETS - 1),
  );
  const base = w.mul32(w.get(bucket), w.i32(SLOTS * ROW_WORDS * 4));
  return w.seq(
    w.fill(w.i32(PLACES.head), w.i32(0xff), w.i32(BUCKETS * 4)),
    w.set(size, w.load32(w.shl32(w.get(bucket), w.i32(2)), sizes)),
    w.set(at, base),
    w.whileTrue(
      w.lt32(w.get(slot), w.get(size)),
      w.set(chain, w.shl32(rest, w.i32(2))),
      w.set(other, w.load32(w.get(chain), PLACES.head)),
      w.store32(w.shl32(w.get(slot), w.i32(2)), w.get(other), PLACES.next),
      w.whileTrue(
        w.ne32(w.get(other), w.i32(NONE)),
        w.set(second, w.add32(base, w.mul32(w.get(other), rowBytes))),
        ...body,
        w.set(other, w.load32(w.shl32(w.get(other), w.i32(2)), PLACES.next)),
      ),
      w.store32(w.get(chain), w.get(slot), PLACES.head),
      w.set(slot, w.add32(w.get(slot), w.i32(1))),
      w.set(at, w.add32(w.get(at), rowBytes)),
    ),
  );
};

/** pairN(bucket): the sums of the pairs of a bucket, in the buckets of the next level. */
const pair = (level: number): w.WasmFunction => {
  const [bucket, slot, at, other, second, toBucket, toSize, place] = [0, 2, 3, 5, 6, 7, 8, 9];
  const [from, to, toSizes] =
    level % 2 === 0
      ? [PLACES.table0, PLACES.table1, PLACES.sizes1]
      : [PLACES.table1, PLACES.table0, PLACES.sizes0];
  const next = KEYS[level + 1] as Key;
  const sum = (word: number): w.Code =>
    w.xor32(w.load32(w.get(at), from + 4 * word), w.load32(w.get(second), from + 4 * word));
  const kept = Array.from({ length: ROW_WORDS - next.word }, (_, k) => next.word + k);
  const sizeAt = w.shl32(w.get(toBucket), w.i32(2));
  const parents = w.or32(
    w.or32(w.shl32(w.get(bucket), w.i32(20)), w.shl32(w.get(other), w.i32(10))),
    w.get(slot),
  );
  const body = [
    w.set(toBucket, w.and32(w.shr32(sum(next.word), w.i32(next.shift + 8)), w.i32(BUCKETS - 1))),
    w.set(toSize, w.load32(sizeAt, toSizes)),
    w.when(
      w.ne32(w.get(toSize), w.i32(SLOTS)),
      w.store32(sizeAt, w.add32(w.get(toSize), w.i32(1)), toSizes),
      w.set(place, w.add32(w.mul32(w.get(toBucket), w.i32(SLOTS)), w.get(toSize))),
      w.store32(w.shl32(w.get(place), w.i32(2)), parents, PLACES.parents + level * PLACE_BYTES),
      w.set(place, w.mul32(w.get(place), w.i32(ROW_WORDS * 4))),
      ...kept.map((word) => w.store32(w.get(place), sum(word), to + 4 * word)),
    ),
  ];
  const locals = Array.from({ length: 9 }, () => w.I32);
  return { name: `pair${level}`, parameters: 1, locals, body: bucketLoop(level, body) };
};

/** last(bucket): adds the pairs of the last level whose 32 bits are equal, and not zero, to those that are told. */
const last = (): w.WasmFunction => {
  const [bucket, slot, at, other, second, count] = [0, 2, 3, 5, 6, 7];
  const word = 4 * (KEYS[LEVELS] as Key).word + PLACES.table0;
  const isEqual = w.eq32(w.load32(w.get(at), word), w.load32(w.get(second), word));
  const isFound = w.and32(isEqual, w.ne32(w.load32(w.get(at), word), w.i32(0)));
  const placeOf = (one: number): w.Code =>
    w.add32(w.mul32(w.get(bucket), w.i32(SLOTS)), w.get(one));
  const address = w.shl32(w.get(count), w.i32(3));
  const body = [
    w.when(
      isFound,
      w.set(count, w.load32(w.i32(PLACES.count))),
      w.when(
        w.lt32(w.get(count), w.i32(PAIRS_MAX)),
        w.store32(address, placeOf(other), PLACES.pairs),
        w.store32(address, placeOf(slot), PLACES.pairs + 4),
        w.store32(w.i32(PLACES.count), w.add32(w.get(count), w.i32(1))),
      ),
    ),
  ];
  const locals = Array.from({ length: 7 }, () => w.I32);
  return { name: "last", parameters: 1, locals, body: bucketLoop(LEVELS, body) };
};

/** The bytes of the module: exports `memory`, `group`, `pair0` to `pair3`, `last`. */
export const solverModule = (): Uint8Array<ArrayBuffer> => {
  const pairs = Array.from({ length: LEVELS }, (_, level) => pair(level));
  return w.wasmModule([group(), ...pairs, last()], PAGES);
};
