/** Threads that search together: the first result, an error or the caller's signal ends them all. */
import { Worker } from "node:worker_threads";
import { TetradError } from "../../errors.ts";
import { workerEnv, workerUrl } from "../signing/worker.ts";

export type ThreadOptions<M, T> = {
  readonly count: number;
  /** What each thread is given, by its number. */
  dataOf(thread: number): unknown;
  /** Each message of a thread; `end` with the result stops everything. */
  onMessage(message: M, worker: Worker, end: (result: T) => void): void;
  readonly signal?: AbortSignal | undefined;
};

/**
 * Runs `count` threads of work-thread.ts without the environment of the process. Rejects with the signal's
 * reason, or with `internal` when a thread fails.
 */
export const runThreads = async <M, T>(options: ThreadOptions<M, T>): Promise<T> => {
  const { count, dataOf, onMessage, signal } = options;
  signal?.throwIfAborted();
  const url = workerUrl("work-thread", import.meta.url);
  const workers = Array.from(
    { length: count },
    (_, i) => new Worker(url, { name: `work-${i}`, env: workerEnv(), workerData: dataOf(i) }),
  );
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
          if (!isOver) onMessage(message, worker, end);
        });
        worker.on("error", (error) => reject(new TetradError("internal", String(error))));
        worker.on("exit", (code) => {
          reject(new TetradError("internal", `a thread ended with code ${code}`));
        });
      }
    });
  } finally {
    if (onAbort !== undefined) signal?.removeEventListener("abort", onAbort);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
};
