/**
 * Verification on the calling thread. With WebAssembly a signature takes 0.1 to 0.2 ms, so where there are
 * fewer cores than threads this costs least: no copies, no wake-ups. The work is cut into turns, between
 * which the event loop serves the network, and in each of which consensus goes first.
 */
import type { FalconVerifier } from "../../crypto/falcon.ts";
import { threadCpuMs } from "./thread-cpu.ts";
import type { NodeVerifier } from "./types.ts";
import { VerifyQueue } from "./verify-queue.ts";
import { checkWorkJob, isWorkJob } from "./work-job.ts";

/** Jobs in one turn: about 4 ms of work with either implementation. */
const JOBS_PER_TURN = { "liboqs-wasm": 32, noble: 4 } as const;

/** Reading the CPU clock of a thread costs as much as a fifth of a verification: one turn of these is timed. */
const TURNS_PER_TIMING = 16;

/** Works off a queue on the calling thread: `wake` after each push. */
export const createInlineRunner = (queue: VerifyQueue, falcon: FalconVerifier) => {
  const jobsPerTurn = JOBS_PER_TURN[falcon.name];
  let scheduled = false;
  let closed = false;
  let turns = 0;
  let jobs = 0;
  let timedJobs = 0;
  let timedMs = 0;

  const turn = (): void => {
    scheduled = false;
    if (closed) return;
    const timed = turns % TURNS_PER_TIMING === 0;
    const startMs = timed ? threadCpuMs() : 0;
    const items = queue.take(jobsPerTurn);
    const valid = items.map(({ job }) =>
      isWorkJob(job) ? checkWorkJob(job) : falcon.verify(job.signature, job.message, job.publicKey),
    );
    turns += 1;
    jobs += items.length;
    if (timed) {
      timedMs += threadCpuMs() - startMs;
      timedJobs += items.length;
    }
    // The rest waits for the event loop to go round; scheduled first, because a callback may throw.
    if (queue.waiting > 0) schedule(setImmediate);
    queue.settle(items, valid);
  };
  const schedule = (how: (callback: () => void) => unknown): void => {
    if (scheduled) return;
    scheduled = true;
    how(turn);
  };

  return {
    wake(): void {
      if (queue.waiting > 0) schedule(queueMicrotask);
    },
    /** Estimated from the turns that were timed. */
    cpuMs: (): number => (timedJobs === 0 ? 0 : (timedMs * jobs) / timedJobs),
    close(): void {
      closed = true;
    },
  };
};

/** A Verifier on the calling thread. Answers come from the microtask queue or later, never at once. */
export const createInlineVerifier = (falcon: FalconVerifier): NodeVerifier => {
  const queue = new VerifyQueue();
  const runner = createInlineRunner(queue, falcon);
  return {
    implementation: falcon.name,
    verify(jobs, priority, done) {
      queue.push(jobs, priority, done);
      runner.wake();
    },
    verifyWork(chainId, checks, priority, done) {
      queue.push(
        checks.map((check) => ({ chainId, check })),
        priority,
        done,
      );
      runner.wake();
    },
    pending: () => queue.pending,
    cpuMs: runner.cpuMs,
    async close() {
      runner.close();
    },
  };
};
