/** Starts the worker threads of this folder: the same way from the checkout and from the built package. */
import { getCompileCacheDir } from "node:module";
import { dirname } from "node:path";
import { Worker } from "node:worker_threads";

/**
 * Address of a worker's entry file next to `base`: Node runs `.ts` in the checkout, and the package holds
 * the `.js` that tsc wrote. The compiler rewrites the extensions of imports, but not those in strings.
 */
export const workerUrl = (entry: string, base: string): URL =>
  new URL(`./${entry}.${base.endsWith(".ts") ? "ts" : "js"}`, base);

/**
 * All that a thread sees of the environment: where compiled code is kept, if bin/nexus.js keeps it. A passphrase
 * is none of its business. Without the cache a thread strips the types of everything it imports anew, a quarter
 * of a second of one core, and a node starts five.
 */
export const workerEnv = (): NodeJS.ProcessEnv => {
  const folder = getCompileCacheDir();
  // What is given is the folder of this version of Node within it.
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: dirname(folder) };
};

/**
 * Signing allocates much that lives for a moment. Without a bound the young generation of a thread grows
 * to some 150 MB; with this one to half of that, at the same CPU time.
 */
const LIMITS_OF_THREAD = { maxYoungGenerationSizeMb: 32 };

/**
 * A worker without the environment of the process: a passphrase in it is none of the worker's business.
 * `onEnd` is called once when the worker is gone, with the reason unless `stop` was called before.
 */
export const startWorker = (
  entry: string,
  name: string,
  onMessage: (message: unknown) => void,
  onEnd: (reason: string | undefined) => void,
  workerData?: string,
): { readonly worker: Worker; stop(): Promise<void> } => {
  const worker = new Worker(workerUrl(entry, import.meta.url), {
    name,
    env: workerEnv(),
    workerData,
    resourceLimits: LIMITS_OF_THREAD,
  });
  let reason: string | undefined;
  let stopping = false;
  worker.on("message", onMessage);
  worker.on("messageerror", (error) => {
    reason ??= `a message could not be read: ${error.message}`;
    void worker.terminate();
  });
  worker.on("error", (error: unknown) => {
    reason ??= error instanceof Error ? error.message : String(error);
  });
  worker.on("exit", (code) => {
    onEnd(stopping ? undefined : (reason ?? `it ended with code ${code}`));
  });
  return {
    worker,
    async stop() {
      stopping = true;
      await worker.terminate();
    },
  };
};
