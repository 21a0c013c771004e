/**
 * Compiles what a node is made of while the keys of a new network are made. On the very first start nothing is
 * in the cache of compiled code, and four validators that start side by side would each strip the types of the
 * same files: eight seconds of one core more than one of them needs.
 */
import { flushCompileCache, getCompileCacheDir } from "node:module";
import { Worker } from "node:worker_threads";
import { workerEnv, workerUrl } from "../../node/signing/worker.ts";

/** Gives what waits until all of it is in the cache. A thread that fails costs time and nothing else. */
export const primeCompileCache = (): (() => Promise<void>) => {
  if (getCompileCacheDir() === undefined) return async () => undefined;
  const { promise, resolve } = Promise.withResolvers<void>();
  const worker = new Worker(workerUrl("prime-worker", import.meta.url), {
    ...{ name: "prime", env: workerEnv(), stdout: true, stderr: true },
  });
  worker.on("error", () => resolve());
  worker.on("exit", () => resolve());
  return async () => {
    await promise;
    flushCompileCache();
  };
};
