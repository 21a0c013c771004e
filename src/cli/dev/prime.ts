/**
 * Compiles what a node is made of while the keys of a new network are made, where little is in the cache of
 * compiled code: after `npm ci` all of it is there (scripts/warm-cache.mjs), but the folder for temporary files may
 * have been emptied since. Four validators that start side by side would each strip the types of the same files:
 * eight seconds of one core more than one of them needs.
 */
import { readdirSync } from "node:fs";
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

/**
 * Files that a cache has in which a node is. What is in it is not looked at: a cache of another tree is taken for one
 * of this, and costs a slower start.
 */
const CACHED_MIN = 600;

const isCached = (folder: string): boolean => {
  try {
    return readdirSync(folder).length >= CACHED_MIN;
  } catch {
    return false;
  }
};

/** Begins at once. A thread that fails costs time and nothing else; disposing ends it. */
export const primeCompileCache = (): Primer => {
  const folder = getCompileCacheDir();
  if (folder === undefined || isCached(folder)) {
    return { done: async () => undefined, [Symbol.asyncDispose]: async () => undefined };
  }
  // What this process has compiled the thread need not compile again.
  flushCompileCache();
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
