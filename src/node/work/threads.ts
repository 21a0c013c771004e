/**
 * Threads that search together: the first result, an error or the caller's signal ends them all. One that has
 * found a proof is kept for a while: what it has compiled makes the next search two to three times as fast, and a
 * program that writes one batch writes others.
 */
import { Worker } from "node:worker_threads";
import { TetradError } from "../../errors.ts";
import { workerEnv, workerUrl } from "../signing/worker.ts";

export type ThreadOptions<M, T> = {
  readonly count: number;
  /** The thread that gives the result then waits for another task, and may be kept. */
  readonly reusable?: boolean;
  /** What each thread is given, by its number. */
  dataOf(thread: number): unknown;
  /** Each message of a thread; `end` with the result stops everything. */
  onMessage(message: M, worker: Worker, end: (result: T) => void): void;
  readonly signal?: AbortSignal | undefined;
};

/** How long a thread is kept that nobody asks, milliseconds; it keeps no process from ending. */
const SPARE_MS = 30_000;

let spare: { readonly worker: Worker; readonly timer: NodeJS.Timeout } | undefined;

const dropSpare = (): void => {
  if (spare === undefined) return;
  const { worker, timer } = spare;
  clearTimeout(timer);
  spare = undefined;
  void worker.terminate();
};

/** Those of a search; Node has listeners of its own on a worker, without which no message arrives. */
const forgetListeners = (worker: Worker): void => {
  for (const event of ["message", "error", "exit"]) worker.removeAllListeners(event);
};

/** Keeps a thread that waits for a task; the one before it goes. */
const keepSpare = (worker: Worker): void => {
  dropSpare();
  forgetListeners(worker);
  const drop = (): void => {
    if (spare?.worker === worker) dropSpare();
  };
  worker.on("error", drop);
  worker.on("exit", drop);
  worker.unref();
  const timer = setTimeout(drop, SPARE_MS);
  timer.unref();
  spare = { worker, timer };
};

const takeSpare = (task: unknown): Worker | undefined => {
  if (spare === undefined) return undefined;
  const { worker, timer } = spare;
  spare = undefined;
  clearTimeout(timer);
  forgetListeners(worker);
  worker.ref();
  worker.postMessage(task);
  return worker;
};

/**
 * Runs `count` threads of work-thread.ts without the environment of the process. Rejects with the signal's
 * reason, or with `internal` when a thread fails.
 */
export const runThreads = async <M, T>(options: ThreadOptions<M, T>): Promise<T> => {
  const { count, reusable = false, dataOf, onMessage, signal } = options;
  signal?.throwIfAborted();
  const url = workerUrl("work-thread", import.meta.url);
  const workers = Array.from({ length: count }, (_, i) => {
    const task = dataOf(i);
    const kept = reusable ? takeSpare(task) : undefined;
    return kept ?? new Worker(url, { name: `work-${i}`, env: workerEnv(), workerData: task });
  });
  let finder: Worker | undefined;
  let onAbort: (() => void) | undefined;
  let isOver = false;
  try {
    return await new Promise<T>((resolve, reject) => {
      const end = (result: T): void => {
        isOver = true;
        resolve(result);
      };
      onAbort = () => {
        isOver = true;
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      for (const worker of workers) {
        worker.on("message", (message: M) => {
          // What the others still say is of no interest: who waits has the result, and its counts.
          if (isOver) return;
          onMessage(message, worker, (result) => {
            finder = worker;
            end(result);
          });
        });
        worker.on("error", (error) => reject(new TetradError("internal", String(error))));
        worker.on("exit", (code) => {
          reject(new TetradError("internal", `a thread ended with code ${code}`));
        });
      }
    });
  } finally {
    if (onAbort !== undefined) signal?.removeEventListener("abort", onAbort);
    const others = workers.filter((worker) => !reusable || worker !== finder);
    await Promise.all(others.map((worker) => worker.terminate()));
    if (reusable && finder !== undefined) keepSpare(finder);
  }
};
