/**
 * What a chain decides about work, once, in its genesis. The code is the same for every choice: nothing but
 * these numbers makes a proof cheap or dear.
 */
import { LIMITS } from "../../limits.ts";

/** What has to be found for a batch. */
export type Puzzle =
  /** Memory of nine MiB to find, 32 hashes to check. */
  | { readonly kind: "equihash-96-5" }
  /** As much to check as to try: better against graphics cards, dearer for who checks. */
  | { readonly kind: "argon2id"; readonly memoryKiB: number };

/** How much effort a batch must show, and how that follows the load. */
export type PriceParameters = {
  /** The effort that so many units cost, in 1/65536, at least and at most; and of the first block. */
  readonly priceMin: bigint;
  readonly priceMax: bigint;
  readonly priceStart: bigint;
  /** Units that the price is of. */
  readonly pricedUnits: bigint;
  /** Units of a block at which the price stays as it is. */
  readonly targetUnits: bigint;
};

/** What a validator shows once an epoch. */
export type ShareParameters = {
  /** scrypt's N, with r = p = 1: 128·N bytes of memory for each try. */
  readonly scryptN: number;
  /** Tries that one share takes on average. */
  readonly difficulty: number;
  /** Tries that are one unit of a validator's work. */
  readonly triesPerUnit: number;
};

export type WorkParameters = {
  readonly puzzle: Puzzle;
  readonly price: PriceParameters;
  readonly shares: ShareParameters;
};

/** One whole effort as a price. */
export const PRICE_ONE = 65_536n;

const KIB = 1024n;

const dev: WorkParameters = {
  puzzle: { kind: "equihash-96-5" },
  // The largest batch has 1.5 MiB of units, so every batch of a quiet chain costs an effort of 1.
  price: {
    priceMin: PRICE_ONE,
    priceMax: 64n * PRICE_ONE,
    priceStart: PRICE_ONE,
    pricedUnits: 2048n * KIB,
    targetUnits: 4096n * KIB,
  },
  shares: { scryptN: 8192, difficulty: 8, triesPerUnit: 800 },
};

/** Choices that have a name. A unit of `default` and `production` is 1,000 shares: 3 % of deviation. */
export const WORK_PROFILES = {
  /** For unit tests: every try is a solution, and costs microseconds. Proves nothing. */
  test: {
    ...dev,
    puzzle: { kind: "argon2id", memoryKiB: 8 },
    shares: { scryptN: 16, difficulty: 2, triesPerUnit: 16 },
  },
  dev,
  default: {
    ...dev,
    price: { ...dev.price, priceMax: 4096n * PRICE_ONE, pricedUnits: 256n * KIB },
    shares: { scryptN: 8192, difficulty: 32, triesPerUnit: 32_000 },
  },
  production: {
    ...dev,
    price: {
      ...dev.price,
      priceMin: 4n * PRICE_ONE,
      priceMax: 4096n * PRICE_ONE,
      priceStart: 4n * PRICE_ONE,
      pricedUnits: 64n * KIB,
    },
    shares: { scryptN: 8192, difficulty: 128, triesPerUnit: 128_000 },
  },
} as const satisfies Readonly<Record<string, WorkParameters>>;

export type WorkProfile = keyof typeof WORK_PROFILES;

/** Puzzles that have a name; a genesis may state another memory for the second. */
export const PUZZLES = {
  "equihash-96-5": { kind: "equihash-96-5" },
  argon2id: { kind: "argon2id", memoryKiB: 256 },
} as const satisfies Readonly<Record<string, Puzzle>>;

export type PuzzleName = keyof typeof PUZZLES;

/** What is wrong with parameters, in words for whoever wrote them; undefined where nothing is. */
export const workParameterFault = (parameters: WorkParameters): string | undefined =>
  puzzleFault(parameters.puzzle) ?? priceFault(parameters.price) ?? shareFault(parameters.shares);

const isWithin = (value: number, [min, max]: readonly [number, number]): boolean =>
  Number.isSafeInteger(value) && value >= min && value <= max;

const puzzleFault = (puzzle: Puzzle): string | undefined => {
  const [min, max] = LIMITS.workArgonKiB;
  return puzzle.kind === "argon2id" && !isWithin(puzzle.memoryKiB, LIMITS.workArgonKiB)
    ? `memory of ${puzzle.memoryKiB} KiB is not in ${min}..${max}`
    : undefined;
};

const priceFault = (price: PriceParameters): string | undefined => {
  const { priceMin, priceMax, priceStart, pricedUnits, targetUnits } = price;
  const dearest = BigInt(LIMITS.workEffortMax) * PRICE_ONE;
  if (priceMin < 1n || priceMax > dearest) return `prices are 1 to ${dearest}`;
  if (priceStart < priceMin || priceStart > priceMax) return "the first price is out of bounds";
  const isCount = (units: bigint): boolean => units >= 1n && units <= BigInt(LIMITS.workUnitsMax);
  return isCount(pricedUnits) && isCount(targetUnits)
    ? undefined
    : `units are 1 to ${LIMITS.workUnitsMax}`;
};

const shareFault = (shares: ShareParameters): string | undefined => {
  const { scryptN, difficulty, triesPerUnit } = shares;
  const [min, max] = LIMITS.workScryptN;
  if (!isWithin(scryptN, LIMITS.workScryptN) || !Number.isInteger(Math.log2(scryptN))) {
    return `scrypt's N is a power of two in ${min}..${max}`;
  }
  if (!isWithin(difficulty, [1, LIMITS.workEffortMax])) {
    return `a share takes 1 to ${LIMITS.workEffortMax} tries`;
  }
  return isWithin(triesPerUnit, [1, Number.MAX_SAFE_INTEGER])
    ? undefined
    : "a unit takes at least one try";
};

/** Memory that the tries of a unit fill at least, one after another: some 18 s of a core. */
export const WORK_UNIT_BYTES_MIN: number = 8 * 2 ** 30;

/** Memory of a try at least: 1 MiB by scrypt for shares, and what the named Argon2id takes for batches. */
const WORK_SCRYPT_N_MIN = 8192;
const WORK_ARGON_KIB_MIN = PUZZLES.argon2id.memoryKiB;

/**
 * Why the parameters show no work, in words for whoever chose them; undefined where they do. Prices are not in it:
 * what a batch costs, and from which load on, is for a chain to say.
 */
export const workWeakness = ({ puzzle, shares }: WorkParameters): string | undefined => {
  if (puzzle.kind === "argon2id" && puzzle.memoryKiB < WORK_ARGON_KIB_MIN) {
    return `a try of Argon2id takes ${puzzle.memoryKiB} KiB, and should take ${WORK_ARGON_KIB_MIN} KiB`;
  }
  const { scryptN, triesPerUnit } = shares;
  if (scryptN < WORK_SCRYPT_N_MIN) {
    return `a try for a share has N = ${scryptN}, and should have ${WORK_SCRYPT_N_MIN}`;
  }
  const bytes = 128 * scryptN * triesPerUnit;
  return bytes < WORK_UNIT_BYTES_MIN
    ? `a unit of shares takes ${triesPerUnit} tries, and should take ${WORK_UNIT_BYTES_MIN / (128 * scryptN)}`
    : undefined;
};
