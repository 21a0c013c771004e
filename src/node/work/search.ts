/** The searches for proofs of work and for shares, in threads of their own, with progress and an end. */
import { fromHex } from "../../crypto/bytes.ts";
import {
  NONCE_PREFIX_BYTES,
  type Puzzle,
  type ShareParameters,
  type ShareSubject,
  type WorkSubject,
} from "../../proofs/work/index.ts";
import { randomHex } from "../real-ports.ts";
import type { SlotOrder, ThreadMessage, ThreadTask } from "./protocol.ts";
import { runThreads } from "./threads.ts";

type SearchOptions = {
  readonly chainId: string;
  /** 1 or more; each takes a core, and nine MiB for Equihash. */
  readonly threads: number;
  readonly signal?: AbortSignal | undefined;
};

export type ProofSearch = SearchOptions & {
  readonly puzzle: Puzzle;
  readonly subject: WorkSubject;
  readonly effort: number;
  /** Runs so far, of all threads; a run is one nonce. */
  onProgress?(runs: number): void;
};

/** Searches until a proof is found. Rejects with the signal's reason when that comes first. */
export const searchProof = (
  options: ProofSearch,
): Promise<{ readonly proof: Uint8Array; readonly runs: number }> => {
  const { chainId, puzzle, subject, effort, threads, signal } = options;
  let runs = 0;
  return runThreads<ThreadMessage, { proof: Uint8Array; runs: number }>({
    count: threads,
    reusable: true,
    signal,
    dataOf: (): ThreadTask => {
      const prefix = fromHex(randomHex(2 * NONCE_PREFIX_BYTES));
      return { kind: "proof", chainId, puzzle, subject, effort, prefix };
    },
    onMessage(message, _, end) {
      if (message.type === "tried") {
        runs += message.tries;
        options.onProgress?.(runs);
      } else if (message.type === "proof") end({ proof: message.proof, runs });
    },
  });
};

export type ShareSearch = SearchOptions & {
  readonly parameters: ShareParameters;
  readonly subject: ShareSubject;
  /** Percent of the time in which each thread computes, asked for each share. */
  duty?(): number;
  /** Nonces of the first slots that are filled already. */
  readonly filled?: readonly number[];
  /** The next slot is filled: called in order of the slots. */
  onShare?(slot: number, nonce: number): void;
  /** Ends after so many shares … */
  readonly count: number;
  /** … or as soon as this says so, with what there is. */
  readonly until?: AbortSignal | undefined;
  onProgress?(shares: number, tries: number): void;
};

export type FoundShares = {
  /** Of slots 0, 1, 2 … without a gap; empty when no slot was filled in time. */
  readonly nonces: readonly number[];
  readonly tries: number;
};

/**
 * Fills slots, which are given out in order. With several threads, what is filled behind a slot that is not
 * filled when time is up is lost.
 */
export const searchShares = async (options: ShareSearch): Promise<FoundShares> => {
  const { chainId, parameters, subject, threads, count, signal, until } = options;
  const nonces: number[] = [...(options.filled ?? [])];
  if (nonces.length >= count) return { nonces, tries: 0 };
  const filled = new Map<number, number>();
  let tries = 0;
  let next = nonces.length;
  const order = (): SlotOrder => ({ slot: next++, duty: options.duty?.() ?? 100 });
  const ends = [signal, until].filter((one) => one !== undefined);
  /** Moves what follows without a gap to the list. */
  const advance = (): void => {
    for (let nonce = filled.get(nonces.length); nonce !== undefined; ) {
      filled.delete(nonces.length);
      options.onShare?.(nonces.length, nonce);
      nonces.push(nonce);
      nonce = filled.get(nonces.length);
    }
  };
  try {
    return await runThreads<ThreadMessage, FoundShares>({
      count: Math.min(threads, count),
      signal: AbortSignal.any(ends),
      dataOf: (): ThreadTask => ({ kind: "shares", chainId, parameters, subject }),
      onMessage(message, worker, end) {
        if (message.type === "ready") worker.postMessage(order());
        else if (message.type === "tried") {
          tries += message.tries;
          options.onProgress?.(nonces.length, tries);
        } else if (message.type === "share") {
          filled.set(message.slot, message.nonce);
          advance();
          if (nonces.length >= count) end({ nonces: nonces.slice(0, count), tries });
          else worker.postMessage(order());
        }
      },
    });
  } catch (error) {
    if (until === undefined || error !== until.reason) throw error;
    return { nonces, tries };
  }
};
