/**
 * Verification in worker threads: for machines with more cores than busy threads. Jobs are sent in chunks,
 * two of them under way for each thread, so that a thread never waits for its next work and a vote never
 * waits for more than two chunks of lower priority.
 *
 * A thread that dies loses no job: what it had goes back to the queue. When the last one has died the
 * calling thread does the work.
 */
import { nobleVerifier } from "../../crypto/falcon.ts";
import { TetradError } from "../../errors.ts";
import type { Logger } from "../../ledger/ports.ts";
import { createInlineRunner } from "./inline-verifier.ts";
import { threadCpuMs } from "./thread-cpu.ts";
import type { NodeVerifier } from "./types.ts";
import { packJobs, type VerifyResponse } from "./verify-protocol.ts";
import { type QueuedJob, VerifyQueue } from "./verify-queue.ts";
import { isSignatureJob, isWorkJob } from "./work-job.ts";
import { startWorker } from "./worker.ts";

const JOBS_PER_CHUNK = { "liboqs-wasm": 16, noble: 2 } as const;
const CHUNKS_UNDER_WAY = 2;

export type VerifierPoolOptions = {
  readonly logger: Logger;
  /** Threads; 1 if not given. */
  readonly workers?: number;
  /** False to use JavaScript although WebAssembly might work. */
  readonly wasm?: boolean;
  /** Called for each thread that dies; the pool goes on without it. */
  readonly onFailure?: (error: TetradError) => void;
  /** How threads are started; given by tests that end one. */
  readonly start?: typeof startWorker;
};

type Thread = {
  readonly stop: () => Promise<void>;
  readonly post: (items: readonly QueuedJob[]) => void;
  readonly setRef: (busy: boolean) => void;
  readonly underWay: QueuedJob[][];
  implementation: NodeVerifier["implementation"];
  cpuMs: number;
};

/** Starts the threads; resolves when all of them have passed their self-test, rejects if one does not. */
export const createVerifierPool = async (options: VerifierPoolOptions): Promise<NodeVerifier> => {
  const pool = new Pool(options);
  const starting = Array.from({ length: Math.max(1, options.workers ?? 1) }, () => pool.start());
  try {
    await Promise.all(starting);
  } catch (error) {
    await pool.close();
    throw error;
  }
  return pool;
};

class Pool implements NodeVerifier {
  readonly #options: VerifierPoolOptions;
  readonly #queue = new VerifyQueue();
  readonly #threads: Thread[] = [];
  readonly #stopping: (() => Promise<void>)[] = [];
  #fallback: ReturnType<typeof createInlineRunner> | undefined;
  #scheduled = false;
  #closed = false;
  #ownMs = 0;
  #endedMs = 0;

  constructor(options: VerifierPoolOptions) {
    this.#options = options;
  }

  get implementation(): NodeVerifier["implementation"] {
    return this.#threads[0]?.implementation ?? nobleVerifier.name;
  }

  verify(...[jobs, priority, done]: Parameters<NodeVerifier["verify"]>): void {
    this.#push(jobs, priority, done);
  }

  verifyWork(
    ...[chainId, checks, priority, done]: Parameters<NonNullable<NodeVerifier["verifyWork"]>>
  ): void {
    this.#push(
      checks.map((check) => ({ chainId, check })),
      priority,
      done,
    );
  }

  #push(...[jobs, priority, done]: Parameters<VerifyQueue["push"]>): void {
    this.#queue.push(jobs, priority, done);
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    // All calls of one turn share chunks.
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#feed();
    });
  }

  pending(): number {
    return this.#queue.pending;
  }

  /** Includes what the calling thread spends on packing, and the start of the threads. */
  cpuMs(): number {
    const threadsMs = this.#threads.reduce((sum, thread) => sum + thread.cpuMs, 0);
    return this.#ownMs + this.#endedMs + threadsMs + (this.#fallback?.cpuMs() ?? 0);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#fallback?.close();
    await Promise.all(this.#stopping.map((stop) => stop()));
  }

  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      const { worker, stop } = (this.#options.start ?? startWorker)(
        "verify-worker",
        "tetrad-verifier",
        (message) => {
          const response = message as VerifyResponse;
          if (response.type === "ready") this.#ready(thread, response, resolve);
          else if (response.type === "checked") this.#checked(thread, response);
          else this.#warn("signature verification fell back to JavaScript", response.detail);
        },
        (reason) => {
          if (reason === undefined) return;
          const error = new TetradError("internal", `a verifier thread has died: ${reason}`);
          if (this.#threads.includes(thread)) this.#ended(thread, error);
          else reject(error);
        },
        this.#options.wasm === false ? "noble" : "wasm",
      );
      const thread: Thread = {
        stop,
        post(items) {
          const jobs = items.map(({ job }) => job);
          const request = packJobs(jobs.filter(isSignatureJob), jobs.filter(isWorkJob));
          worker.postMessage(request, [request.chunk.buffer]);
        },
        setRef: (busy) => (busy ? worker.ref() : worker.unref()),
        underWay: [],
        implementation: "noble",
        cpuMs: 0,
      };
      this.#stopping.push(stop);
    });
  }

  #ready(
    thread: Thread,
    { implementation, reason }: Extract<VerifyResponse, { type: "ready" }>,
    resolve: () => void,
  ): void {
    thread.implementation = implementation;
    thread.setRef(false);
    this.#threads.push(thread);
    this.#options.logger.log("info", "signature verification thread started", {
      implementation,
      reason,
    });
    resolve();
  }

  #checked(thread: Thread, response: Extract<VerifyResponse, { type: "checked" }>): void {
    thread.cpuMs = response.cpuMs;
    const items = thread.underWay.shift() ?? [];
    if (thread.underWay.length === 0) thread.setRef(false);
    if (this.#closed) return;
    // The thread's next chunk goes out before this one's callbacks take their time.
    this.#feed();
    this.#queue.settle(
      items,
      Array.from(response.valid, (value) => value === 1),
    );
  }

  #ended(thread: Thread, error: TetradError): void {
    this.#threads.splice(this.#threads.indexOf(thread), 1);
    this.#endedMs += thread.cpuMs;
    this.#queue.putBack(thread.underWay.flat());
    this.#options.logger.log("error", error.message, { threadsLeft: this.#threads.length });
    this.#options.onFailure?.(error);
    if (!this.#closed) this.#feed();
  }

  /** Gives waiting jobs to threads with room, the least busy first. */
  #feed(): void {
    if (this.#threads.length === 0) {
      this.#fallback ??= createInlineRunner(this.#queue, nobleVerifier);
      this.#fallback.wake();
      return;
    }
    const startMs = threadCpuMs();
    while (this.#queue.waiting > 0) {
      const thread = this.#threads.reduce((a, b) =>
        b.underWay.length < a.underWay.length ? b : a,
      );
      if (thread.underWay.length >= CHUNKS_UNDER_WAY) break;
      const share = Math.ceil(this.#queue.waiting / this.#threads.length);
      const taken = this.#queue.take(Math.min(share, JOBS_PER_CHUNK[thread.implementation]));
      // In the order of the answer: signatures before work.
      const items = [
        ...taken.filter(({ job }) => isSignatureJob(job)),
        ...taken.filter(({ job }) => isWorkJob(job)),
      ];
      if (thread.underWay.length === 0) thread.setRef(true);
      thread.underWay.push(items);
      thread.post(items);
    }
    this.#ownMs += threadCpuMs() - startMs;
  }

  #warn(message: string, detail: string): void {
    this.#options.logger.log("warn", message, { detail });
  }
}
