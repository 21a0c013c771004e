/** Computes a delay in a thread of its own, which an abort ends. */
import { Worker } from "node:worker_threads";
import { TetradError } from "../../errors.ts";
import type { DelayParameters } from "../../proofs/time/delay.ts";
import { workerEnv, workerUrl } from "../signing/worker.ts";

/** What the worker is started with. */
export type DelayStart = {
  readonly chainId: string;
  readonly seed: Uint8Array;
  /** Within the limits (checkDelayParameters). */
  readonly parameters: DelayParameters;
  /** Percent of the time in which the thread computes, 1 to 100. */
  readonly duty: number;
};

export type DelayFromWorker =
  | { readonly kind: "progress"; readonly done: number }
  | { readonly kind: "computed"; readonly checkpoints: Uint8Array };

/** The checkpoints in one piece. Rejects with node.stopping when it is aborted, and with internal. */
export const runDelay = (
  start: DelayStart,
  signal: AbortSignal,
  onProgress: (done: number) => void,
): Promise<Uint8Array> => {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const worker = new Worker(workerUrl("delay-worker", import.meta.url), {
    name: "delay",
    env: workerEnv(),
    workerData: start,
  });
  const stop = (): void => void worker.terminate();
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  worker.on("message", (message: DelayFromWorker) => {
    if (message.kind === "progress") onProgress(message.done);
    else resolve(new Uint8Array(message.checkpoints));
  });
  worker.on("error", (error) => {
    reject(new TetradError("internal", error instanceof Error ? error.message : String(error)));
  });
  worker.on("exit", () => {
    signal.removeEventListener("abort", stop);
    reject(new TetradError("node.stopping", "the delay was stopped before its end"));
  });
  return promise;
};
