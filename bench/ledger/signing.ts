/** Threads that sign batches before anything is timed. */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { SignedJob, SignJob } from "./sign-worker.ts";

/** Jobs a message: large enough to hide the hand-over, small enough to share evenly. */
const JOBS_PER_MESSAGE = 8;

export class SigningPool {
  readonly #workers: readonly Worker[];

  constructor(threads = availableParallelism()) {
    this.#workers = Array.from(
      { length: threads },
      () => new Worker(new URL("./sign-worker.ts", import.meta.url)),
    );
  }

  get threads(): number {
    return this.#workers.length;
  }

  /**
   * Signatures, and proofs of work where they are asked for, in the order of the jobs. `onDone` is told how many
   * are there.
   */
  sign(
    jobs: readonly Omit<SignJob, "at">[],
    onDone?: (count: number) => void,
  ): Promise<readonly SignedJob[]> {
    const signatures: SignedJob[] = new Array(jobs.length);
    let next = 0;
    let left = jobs.length;
    if (left === 0) return Promise.resolve(signatures);
    return new Promise((resolve, reject) => {
      const give = (worker: Worker): void => {
        const part = jobs
          .slice(next, next + JOBS_PER_MESSAGE)
          .map((job, i) => ({ ...job, at: next + i }));
        next += part.length;
        if (part.length > 0) worker.postMessage(part);
      };
      for (const worker of this.#workers) {
        worker.removeAllListeners("message");
        worker.removeAllListeners("error");
        worker.once("error", reject);
        worker.on("message", (signed: readonly SignedJob[]) => {
          for (const job of signed) signatures[job.at] = job;
          left -= signed.length;
          onDone?.(jobs.length - left);
          if (left === 0) resolve(signatures);
          else give(worker);
        });
        give(worker);
      }
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}
