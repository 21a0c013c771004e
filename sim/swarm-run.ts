/**
 * Many seeds on several threads for as long as there is time. A thread that dies or hangs is a failure of
 * the seed that it had, and is replaced.
 */
import { Worker } from "node:worker_threads";
import type { Scenario } from "./scenario.ts";
import type { Outcome } from "./simulate.ts";
import { randomScenario } from "./swarm.ts";

export type Task = { readonly seed: number; readonly twice: boolean };

/** What a run of a seed gave; the scenario only where it failed. */
export type SeedResult = {
  readonly seed: number;
  readonly outcome: Outcome;
  readonly id: string;
  readonly detail: string;
  readonly virtualMs: number;
  /** Null of a run that had no end, or whose thread has died: nobody has counted them. */
  readonly steps: number | null;
  readonly marks: readonly (readonly [name: string, times: number])[];
  readonly scenario: Scenario | undefined;
};

export type SwarmOptions = {
  /** The first seed; the others follow one by one. */
  readonly from: number;
  /** No new seed is begun after so many milliseconds, nor more than `seeds` of them; for ever without both. */
  readonly budgetMs?: number;
  readonly seeds?: number;
  /** Threads: `threadsOf` says how many are of use. */
  readonly workers: number;
  /** Every so many seeds one is run twice, and its traces compared (I17); 0 for never. */
  readonly twiceEvery: number;
  /** A run that takes longer than this hangs. */
  readonly runMsMax: number;
  /** Absolute path of a module with checkers of your own. */
  readonly own?: string | undefined;
  readonly signal: AbortSignal;
  readonly nowMs: () => number;
  readonly onResult: (result: SeedResult) => void;
};

/** Workers stand beside this file: `.ts` in a checkout, `.js` in the package. */
const ENTRY = new URL(
  `./swarm-worker.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`,
  import.meta.url,
);

/** As many threads as were asked for, but none without a core or a seed of its own. At least one. */
export const threadsOf = (asked: number, cores: number, seeds?: number): number =>
  Math.max(1, Math.min(asked, cores, seeds ?? asked));

const failed = (seed: number, outcome: SeedResult["outcome"], detail: string): SeedResult => ({
  ...{ seed, outcome, detail, virtualMs: 0, steps: null, marks: [] },
  id: outcome === "crash" ? "exception" : "L0",
  scenario: randomScenario(seed),
});

/**
 * Runs seeds until the budget is spent or the signal comes; then resolves with the next seed. Rejects with what
 * `onResult` throws.
 */
export const runSwarm = async (options: SwarmOptions): Promise<number> => {
  const { nowMs, onResult } = options;
  const broken = new AbortController();
  const signal = AbortSignal.any([options.signal, broken.signal]);
  const startMs = nowMs();
  const lastSeed = options.from + (options.seeds ?? Number.MAX_SAFE_INTEGER - options.from) - 1;
  let next = options.from;
  const over = (): boolean =>
    signal.aborted || next > lastSeed || nowMs() - startMs >= (options.budgetMs ?? Infinity);

  /** One thread from its start to its end: true when it is to be replaced. */
  const live = (): Promise<boolean> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(ENTRY, { workerData: { own: options.own } });
      let seed: number | undefined;
      let ready = false;
      let watchdog: NodeJS.Timeout | undefined;
      let reason = "";
      const onAbort = (): void => void worker.terminate();
      const hand = (): void => {
        clearTimeout(watchdog);
        seed = undefined;
        if (over()) {
          void worker.terminate();
          return;
        }
        seed = next;
        next += 1;
        const twice = options.twiceEvery > 0 && seed % options.twiceEvery === 0;
        worker.postMessage({ seed, twice } satisfies Task);
        watchdog = setTimeout(() => {
          reason = `no end within ${options.runMsMax} ms`;
          void worker.terminate();
        }, options.runMsMax);
      };
      /** Nobody would catch what is thrown in an event: all threads end with it. */
      const told = (result: SeedResult): void => {
        try {
          onResult(result);
        } catch (error) {
          reject(error);
          broken.abort();
        }
      };
      worker.on("message", (message: SeedResult | "ready") => {
        ready = true;
        if (message !== "ready") told(message);
        hand();
      });
      worker.on("error", (error: unknown) => {
        reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
      });
      worker.on("exit", (code) => {
        clearTimeout(watchdog);
        signal.removeEventListener("abort", onAbort);
        if (!ready && !signal.aborted) {
          reject(new Error(`a worker has not started: ${reason || `exit code ${code}`}`));
          return;
        }
        if (seed !== undefined && !signal.aborted) {
          const hangs = reason.startsWith("no end");
          told(failed(seed, hangs ? "liveness" : "crash", reason || `exit code ${code}`));
        }
        resolve(!over());
      });
      signal.addEventListener("abort", onAbort, { once: true });
      if (signal.aborted) onAbort();
    });

  const lane = async (): Promise<void> => {
    while (!over() && (await live()));
  };
  const lanes = Math.min(options.workers, options.seeds ?? options.workers);
  await Promise.all(Array.from({ length: lanes }, lane));
  return next;
};
