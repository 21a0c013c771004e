/**
 * The work that a chain asks for with a batch, done where the batch is made. In Node it is searched for in
 * threads; elsewhere on the calling thread, in slices between which everything else has its turn (one try
 * of Equihash takes some 25 to 60 ms, and cannot be cut).
 *
 * What has to be worked for is the node's word: the beacon and the price of the reference that it names.
 * Who trusts a genesis takes puzzle and bounds of the price from there. A lie costs the search that it
 * asks for, at most `effortMax`, and a refusal by whoever knows better; it cannot make a batch say anything.
 */
import { fromHex } from "../crypto/bytes.ts";
import { createHasher } from "../crypto/hash.ts";
import { TetradError } from "../errors.ts";
import type { UnsignedBatch } from "../ledger/batch.ts";
import { workedBatch, workSlot, workSubject } from "../ledger/batch-work.ts";
import type { ProofSlot } from "../ledger/types.ts";
import { LIMITS } from "../limits.ts";
import {
  batchUnits,
  createWorkSearch,
  encodeWorkProof,
  expectedRuns,
  NONCE_PREFIX_BYTES,
  type Puzzle,
  requiredEffort,
  type WorkParameters,
  type WorkSubject,
} from "../proofs/work/index.ts";
import type { WorkJson } from "./api.ts";
import { pause } from "./within.ts";

export type WorkTask = {
  readonly chainId: string;
  readonly puzzle: Puzzle;
  readonly subject: WorkSubject;
  readonly effort: number;
};

/** Searches for the proof of a task. Rejects with the signal's reason. `onRuns`: tries so far. */
export type WorkSearcher = (
  task: WorkTask,
  options: { readonly signal: AbortSignal; onRuns(runs: number): void },
) => Promise<Uint8Array>;

export type WorkOptions = {
  /** Who searches. Default: threads in Node, slices of the calling thread elsewhere. */
  readonly search?: WorkSearcher;
  /** More effort than this is refused with work.too-dear. Default LIMITS.clientWorkEffortMax. */
  readonly effortMax?: number;
  /**
   * How many times the effort that is asked for; more is in sooner where blocks are full. Default: what the node
   * takes now, which is 1 unless its mempool is more than half full, as far as `effortMax` allows.
   */
  readonly times?: number;
  /** Told now and then; `expected` is the mean, and one search in three takes longer. */
  onProgress?(runs: number, expected: number): void;
};

const SLICE_MS = 20;

/** On the calling thread, a slice after the other. */
export const searchInSlices: WorkSearcher = async (task, { signal, onRuns }) => {
  const { chainId, puzzle, subject, effort } = task;
  const prefix = crypto.getRandomValues(new Uint8Array(NONCE_PREFIX_BYTES));
  const search = createWorkSearch(createHasher(chainId), puzzle, subject, effort, prefix);
  let beganMs = performance.now();
  for (let runs = 0; ; runs++) {
    const proof = search.attempt(runs);
    if (proof !== undefined) return encodeWorkProof(puzzle, proof);
    if (performance.now() - beganMs < SLICE_MS) continue;
    onRuns(runs + 1);
    await pause(0, signal);
    signal.throwIfAborted();
    beganMs = performance.now();
  }
};

/** Of src/node/work/search.ts, which a browser has no use for. */
type NodeSearch = {
  searchProof(
    options: WorkTask & {
      readonly threads: number;
      readonly signal: AbortSignal;
      onProgress(runs: number): void;
    },
  ): Promise<{ readonly proof: Uint8Array }>;
};

/**
 * The threads of Node; undefined where there are none. The address is made here, so that a bundler for
 * browsers neither follows it nor complains; in a bundle for Node the file is missing, and slices do.
 */
const nodeSearch = async (): Promise<NodeSearch | undefined> => {
  if (globalThis.process?.versions?.node === undefined) return undefined;
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const address = new URL(`../node/work/search.${extension}`, import.meta.url).href;
  try {
    return (await import(address)) as NodeSearch;
  } catch {
    return undefined;
  }
};

/** Efforts up to this are found before a second thread has begun. */
const ONE_THREAD_EFFORT = 8;
const THREADS_MAX = 4;

/** Half of the cores: who writes events does something else as well. */
export const workThreads = (effort: number, cores: number): number =>
  effort <= ONE_THREAD_EFFORT ? 1 : Math.max(1, Math.min(THREADS_MAX, Math.floor(cores / 2)));

export const searchByDefault: WorkSearcher = async (task, options) => {
  const threaded = await nodeSearch();
  if (threaded === undefined) return searchInSlices(task, options);
  const threads = workThreads(task.effort, navigator.hardwareConcurrency);
  const { signal, onRuns } = options;
  const found = await threaded.searchProof({ ...task, threads, signal, onProgress: onRuns });
  return found.proof;
};

const bad = (detail: string): TetradError => new TetradError("client.bad-answer", detail);

const DECIMAL = /^[1-9][0-9]{0,15}$/;
const HASH = /^[0-9a-f]{64}$/;

const amount = (text: unknown, what: string): bigint => {
  if (typeof text !== "string" || !DECIMAL.test(text)) throw bad(`${what} is no amount`);
  return BigInt(text);
};

/** The puzzle that a node names. Throws client.bad-answer. */
export const puzzleOf = ({ kind, memoryKiB = 0 }: WorkJson["puzzle"]): Puzzle => {
  if (kind === "equihash-96-5") return { kind };
  const [min, max] = LIMITS.workArgonKiB;
  const fits = Number.isInteger(memoryKiB) && memoryKiB >= min && memoryKiB <= max;
  if (kind === "argon2id" && fits) return { kind, memoryKiB };
  throw bad(`${String(kind).slice(0, 32)} is no puzzle of this version`);
};

const timesOf = ({ times = 1 }: WorkJson): number => {
  if (Number.isInteger(times) && times >= 1 && times <= 2 ** LIMITS.mempoolLevelMax) return times;
  throw bad(`${String(times).slice(0, 32)} times the effort is nothing to ask for`);
};

/**
 * What has to be searched for. `known`: what a trusted genesis says, undefined where there is none. Undefined
 * where the chain asks for no work. Throws client.bad-answer, work.too-dear.
 */
export const workTask = (
  chainId: string,
  known: WorkParameters | null | undefined,
  told: WorkJson | null | undefined,
  unsigned: UnsignedBatch,
  { effortMax = LIMITS.clientWorkEffortMax, times }: Pick<WorkOptions, "effortMax" | "times"> = {},
): WorkTask | undefined => {
  if (known === null || (known === undefined && (told === undefined || told === null))) {
    return undefined;
  }
  if (told === undefined || told === null) throw bad("the node does not say what work to do");
  if (!HASH.test(told.beacon)) throw bad("the beacon is no hash");
  const price = amount(told.price, "the price");
  const rule = known?.price;
  if (rule !== undefined && (price < rule.priceMin || price > rule.priceMax)) {
    throw bad(`the price ${price} is not in ${rule.priceMin} to ${rule.priceMax}`);
  }
  const pricedUnits = rule?.pricedUnits ?? amount(told.pricedUnits, "pricedUnits");
  const batch = workedBatch(unsigned);
  const units = batchUnits(batch.eventCount, batch.eventBytes);
  const required = requiredEffort({ pricedUnits }, price, units);
  const wanted = (times ?? 1) * required;
  if (wanted > Math.min(effortMax, LIMITS.workEffortMax)) {
    const detail = `an effort of ${wanted} is asked for, and this client makes ${effortMax}`;
    throw new TetradError("work.too-dear", detail, { effort: wanted, effortMax });
  }
  // What a node makes up of its load costs no more than it may.
  const effort = times === undefined ? Math.min(required * timesOf(told), effortMax) : wanted;
  const subject = workSubject(batch, { beacon: fromHex(told.beacon), price });
  return { chainId, puzzle: known?.puzzle ?? puzzleOf(told.puzzle), subject, effort };
};

/** Searches for what a task asks; the slot of a batch. */
export const doWork = async (
  task: WorkTask,
  { search = searchByDefault, onProgress }: WorkOptions,
  signal: AbortSignal,
): Promise<ProofSlot> => {
  const expected = expectedRuns(task.puzzle, task.effort);
  const proof = await search(task, { signal, onRuns: (runs) => onProgress?.(runs, expected) });
  return workSlot(proof);
};
