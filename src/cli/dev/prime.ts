/**
 * Compiles what a node is made of while the keys of a new network are made. On the very first start nothing is
 * in the cache of compiled code, and four validators that start side by side would each strip the types of the
 * same files: eight seconds of one core more than one of them needs. Where all of it is in the cache it costs
 * a thread half a second beside the keys.
 */
import { flushCompileCache, getCompileCacheDir } from "node:module";
import { Worker } from "node:worker_threads";
import { workerEnv, workerUrl } from "../../node/signing/worker.ts";
import { pause } from "../watch.ts";

export type Primer = AsyncDisposable & {
  /** Waits until all of it is in the cache, as long as that may take; not at all once the signal has come. */
  done(signal: AbortSignal): Promise<void>;
};

/** A thread that takes longer is of no use any more: nodes would have loaded everything meanwhile. */
const WAIT_MS_MAX = 10_000;

/** Begins at once. A thread that fails costs time and nothing else; disposing ends it. */
export const primeCompileCache = (): Primer => {
  if (getCompileCacheDir() === undefined) {
    return { done: async () => undefined, [Symbol.asyncDispose]: async () => undefined };
  }
  const { promise, resolve } = Promise.withResolvers<void>();
  const worker = new Worker(workerUrl("prime-worker", import.meta.url), {
    ...{ name: "prime", env: workerEnv(), stdout: true, stderr: true },
  });
  worker.on("error", () => resolve());
  worker.on("exit", () => resolve());
  return {
    async done(signal) {
      await Promise.race([promise, pause(WAIT_MS_MAX, signal)]);
      flushCompileCache();
    },
    async [Symbol.asyncDispose]() {
      await worker.terminate();
    },
  };
};
