/**
 * The solver of equihash-solver.ts with its loops in WebAssembly (wasm-solver-code.ts): the same solutions in the
 * same order, in less than half of the time.
 */
import { EQUIHASH_ROWS, ROWS_PER_HASH, sha512Rows } from "./equihash.ts";
import {
  BUCKETS,
  createEquihashSolver,
  type EquihashSolver,
  fillRows,
  LEVELS,
  ROW_WORDS,
  SLOTS,
  solutionOf,
} from "./equihash-solver.ts";
import { PLACES, solverModule } from "./wasm-solver-code.ts";

const CHALLENGE_BYTES = 32;
const GROUPS = Math.ceil(EQUIHASH_ROWS / ROWS_PER_HASH);
const ROOM = BUCKETS * SLOTS;

export type ChallengeSolver = EquihashSolver & {
  /** As `solve`, for the rows of a challenge of 32 bytes (`sha512Rows`). Throws RangeError for another length. */
  solveChallenge(challenge: Uint8Array): Uint32Array[];
};

/** What is taken of the WebAssembly of Node and of browsers: neither has types here. */
type Instance = { readonly exports: Readonly<Record<string, unknown>> };
type Api = {
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (module: object) => Instance;
};

type Exports = {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly group: (group: number) => void;
  readonly last: (bucket: number) => void;
  readonly pairs: readonly ((bucket: number) => void)[];
};

let compiled: object | undefined;

const start = (): Exports | undefined => {
  const api = (globalThis as { readonly WebAssembly?: Api }).WebAssembly;
  if (api === undefined) return undefined;
  try {
    compiled ??= new api.Module(solverModule());
    const { exports } = new api.Instance(compiled);
    return {
      ...(exports as unknown as Exports),
      pairs: Array.from({ length: LEVELS }, (_, i) => exports[`pair${i}`] as Exports["last"]),
    };
  } catch {
    // A page may forbid it, and an old browser not know it: JavaScript does the same.
    return undefined;
  }
};

/** With WebAssembly; undefined where it does not load. One solver serves one run after the other, in nine MiB. */
export const createWasmSolver = (): ChallengeSolver | undefined => {
  const code = start();
  if (code === undefined) return undefined;
  const { buffer } = code.memory;
  const words = (place: number, length: number): Int32Array =>
    new Int32Array(buffer, place, length);
  const leaves = words(PLACES.leaves, ROOM);
  const parents = Array.from({ length: LEVELS }, (_, i) =>
    words(PLACES.parents + i * ROOM * 4, ROOM),
  );
  const sizes = [words(PLACES.sizes0, BUCKETS), words(PLACES.sizes1, BUCKETS)] as const;
  const first = { words: words(PLACES.table0, ROOM * ROW_WORDS), sizes: sizes[0] };
  const count = words(PLACES.count, 1);
  const challengeAt = new DataView(buffer, PLACES.challenge, CHALLENGE_BYTES);

  const solutions = (): Uint32Array[] => {
    for (const [level, pair] of code.pairs.entries()) {
      (sizes[(level + 1) % 2] as Int32Array).fill(0);
      for (let bucket = 0; bucket < BUCKETS; bucket++) pair(bucket);
    }
    count[0] = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) code.last(bucket);
    const pairs = words(PLACES.pairs, 2 * (count[0] as number));
    const found: Uint32Array[] = [];
    for (let at = 0; at < pairs.length; at += 2) {
      const [left, right] = [pairs[at] as number, pairs[at + 1] as number];
      const indices = solutionOf(leaves, parents, left, right);
      if (indices !== undefined) found.push(indices);
    }
    return found;
  };
  return {
    solve(rows) {
      fillRows(rows, first, leaves);
      return solutions();
    },
    solveChallenge(challenge) {
      if (challenge.length !== CHALLENGE_BYTES) throw new RangeError("a challenge of 32 bytes");
      const given = new DataView(challenge.buffer, challenge.byteOffset, CHALLENGE_BYTES);
      for (let at = 0; at < CHALLENGE_BYTES; at += 8) {
        challengeAt.setBigUint64(at, given.getBigUint64(at), true);
      }
      sizes[0].fill(0);
      for (let group = 0; group < GROUPS; group++) code.group(group);
      return solutions();
    },
  };
};

/** With WebAssembly where it loads, else in JavaScript. */
export const createChallengeSolver = (): ChallengeSolver => {
  const fast = createWasmSolver();
  if (fast !== undefined) return fast;
  const { solve } = createEquihashSolver();
  return { solve, solveChallenge: (challenge) => solve(sha512Rows(challenge)) };
};
