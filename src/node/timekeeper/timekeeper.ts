/**
 * A timekeeper as the rest of a program sees it: a run that goes on in a worker thread, takes in block hashes,
 * and answers challenges when it is finished.
 */
import { Worker } from "node:worker_threads";
import { type ErrorCode, TetradError } from "../../errors.ts";
import type { Challenges, TimeCommitment } from "../../proofs/time/statement.ts";
import { workerEnv, workerUrl } from "../signing/worker.ts";
import type { FromWorker, OpenedRun, ToWorker, WorkerStart } from "./messages.ts";

export type TimekeeperEvents = {
  onReady(leaves: number, cutBytes: number): void;
  onProgress(leaves: number, absorbed: number): void;
  /** Opened leaves whose surroundings are computed again. */
  onOpening(done: number): void;
};

export type Timekeeper = {
  /** A final block: its hash goes into the next leaf. A height that does not follow the last is passed over. */
  absorb(height: number, hash: Uint8Array): void;
  /** Percent of the time in which the thread computes, 1 to 100. */
  setDuty(duty: number): void;
  /** Ends the run at the leaf where it is. */
  finish(): void;
  /** The commitment once the run is finished; rejects when the thread fails or is stopped before. */
  readonly finished: Promise<TimeCommitment & { readonly absorbed: number }>;
  /** Answers a seed, or without one the seed that follows from the commitment; and shows blocks. */
  open(
    seed: Uint8Array | undefined,
    challenges: Challenges,
    blocks: readonly number[] | "ends",
  ): Promise<OpenedRun>;
  /** Keeps what there is, and ends the thread. */
  stop(): Promise<void>;
};

type Waiter<T> = {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: Error): void;
};

const createWaiter = <T>(): Waiter<T> => {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  // Whoever does not wait for it has not asked; the failure reaches those who do.
  promise.catch(() => {});
  return { promise, resolve, reject };
};

/** Starts the thread on a state file that is there (state-file.ts). */
export const startTimekeeper = (start: WorkerStart, events: TimekeeperEvents): Timekeeper => {
  const worker = new Worker(workerUrl("time-worker", import.meta.url), {
    name: "timekeeper",
    env: workerEnv(),
    workerData: start,
  });
  const finished = createWaiter<TimeCommitment & { absorbed: number }>();
  const ended = createWaiter<void>();
  let opened: Waiter<OpenedRun> | undefined;
  let lastHeight = -1;
  let failure: TetradError | undefined;
  const failed = (code: ErrorCode, detail: string): void => {
    failure ??= new TetradError(code, detail);
  };
  const send = (message: ToWorker): void => worker.postMessage(message);
  worker.on("message", (message: FromWorker) => {
    if (message.kind === "ready") events.onReady(message.leaves, message.cutBytes);
    else if (message.kind === "progress") events.onProgress(message.leaves, message.absorbed);
    else if (message.kind === "opening") events.onOpening(message.done);
    else if (message.kind === "opened") opened?.resolve(message);
    else if (message.kind === "finished") finished.resolve(message);
    else if (message.kind === "failed") failed(message.code, message.detail);
  });
  worker.on("error", (error) =>
    failed("internal", error instanceof Error ? error.message : String(error)),
  );
  worker.on("exit", () => {
    const reason = failure ?? new TetradError("node.stopping", "the timekeeper was stopped");
    finished.reject(reason);
    opened?.reject(reason);
    ended.resolve();
  });
  return {
    absorb(height, hash) {
      if (height <= lastHeight) return;
      lastHeight = height;
      send({ kind: "block", height, hash });
    },
    setDuty: (duty) => send({ kind: "duty", duty }),
    finish: () => send({ kind: "finish" }),
    finished: finished.promise,
    open(seed, challenges, blocks) {
      opened = createWaiter<OpenedRun>();
      send({ kind: "open", seed, challenges, blocks });
      return opened.promise;
    },
    async stop() {
      send({ kind: "stop" });
      await ended.promise;
    },
  };
};
