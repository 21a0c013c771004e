/**
 * Makes an iVRF key: small trees at once, larger ones in a thread, since they take longer than a turn may. What a
 * node has made it keeps in a file, so that a start has nothing to make.
 */
import { Worker } from "node:worker_threads";
import type { Hasher } from "../../crypto/hash.ts";
import { TetradError } from "../../errors.ts";
import { createIvrfKey, type IvrfKey, ivrfKeyOf, ivrfKeySecret } from "../../proofs/beacon/ivrf.ts";
import { workerEnv, workerUrl } from "../signing/worker.ts";
import { readCaps, removeEndedCaps, writeCaps } from "./caps-file.ts";

/** What the thread is asked. */
export type TreeAsk = {
  readonly chainId: string;
  readonly secret: Uint8Array;
  readonly depth: number;
};

/** Up to this depth a tree takes under 10 ms of one core. */
const INLINE_DEPTH_MAX = 10;

/** Where a tree is kept. */
export type KeptTrees = {
  readonly folder: string;
  /** Asked when a tree was made: what nobody wants any more is not kept. */
  isWanted(firstHeight: number): boolean;
};

/**
 * The key of a node's secret whose first index is this height; of a larger one the tree comes from where it is
 * kept, and is put there where there is none. Rejects with "internal".
 */
export const makeIvrfKey = async (
  hasher: Hasher,
  master: Uint8Array,
  firstHeight: number,
  depth: number,
  trees?: KeptTrees,
): Promise<IvrfKey> => {
  const secret = ivrfKeySecret(hasher, master, firstHeight);
  if (depth <= INLINE_DEPTH_MAX) return createIvrfKey(hasher, secret, depth);
  const place = trees === undefined ? undefined : { folder: trees.folder, firstHeight };
  const kept = place === undefined ? undefined : readCaps(place, hasher, secret, depth);
  if (kept !== undefined) return ivrfKeyOf(hasher, secret, depth, kept);
  const caps = await treeInThread({ chainId: hasher.chainId, secret, depth });
  if (place !== undefined && trees?.isWanted(firstHeight) === true) {
    writeCaps(place, hasher, secret, caps);
    removeEndedCaps(place, depth);
  }
  return ivrfKeyOf(hasher, secret, depth, caps);
};

type Waiting = {
  resolve(caps: Uint8Array): void;
  reject(error: TetradError): void;
};

/** One thread for all that is asked at once: starting one takes as long as a tree. It ends with the last answer. */
let thread: { readonly worker: Worker; readonly waiting: Waiting[] } | undefined;

const treeInThread = (ask: TreeAsk): Promise<Uint8Array> => {
  thread ??= startThread();
  const { worker, waiting } = thread;
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  waiting.push({ resolve, reject });
  worker.postMessage(ask);
  return promise;
};

const startThread = (): NonNullable<typeof thread> => {
  const waiting: Waiting[] = [];
  const worker = new Worker(workerUrl("ivrf-worker", import.meta.url), {
    name: "ivrf",
    env: workerEnv(),
  });
  const started = { worker, waiting };
  const end = (): void => {
    if (thread === started) thread = undefined;
  };
  const failAll = (detail: string): void => {
    end();
    for (const { reject } of waiting.splice(0)) reject(new TetradError("internal", detail));
  };
  worker.on("message", (caps: Uint8Array) => {
    waiting.shift()?.resolve(caps);
    if (waiting.length > 0) return;
    end();
    void worker.terminate();
  });
  worker.on("error", (error) => failAll(error instanceof Error ? error.message : String(error)));
  worker.on("exit", () => failAll("no tree of the iVRF key was made"));
  return started;
};
