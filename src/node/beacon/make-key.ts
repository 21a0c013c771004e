/** Makes an iVRF key: small trees at once, larger ones in a thread, since they take longer than a turn may. */
import { Worker } from "node:worker_threads";
import type { Hasher } from "../../crypto/hash.ts";
import { TetradError } from "../../errors.ts";
import { createIvrfKey, type IvrfKey, ivrfKeyOf, ivrfKeySecret } from "../../proofs/beacon/ivrf.ts";
import { workerUrl } from "../signing/worker.ts";

/** What the worker is started with. */
export type TreeStart = {
  readonly chainId: string;
  readonly secret: Uint8Array;
  readonly depth: number;
};

/** Up to this depth a tree takes under 10 ms of one core. */
const INLINE_DEPTH_MAX = 10;

/** The key of a node's secret whose first index is this height. Rejects with "internal". */
export const makeIvrfKey = async (
  hasher: Hasher,
  master: Uint8Array,
  firstHeight: number,
  depth: number,
): Promise<IvrfKey> => {
  const secret = ivrfKeySecret(hasher, master, firstHeight);
  if (depth <= INLINE_DEPTH_MAX) return createIvrfKey(hasher, secret, depth);
  const nodes = await treeInThread({ chainId: hasher.chainId, secret, depth });
  return ivrfKeyOf(hasher, secret, depth, nodes);
};

const treeInThread = (start: TreeStart): Promise<Uint8Array> => {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const worker = new Worker(workerUrl("ivrf-worker", import.meta.url), {
    name: "ivrf",
    env: {},
    workerData: start,
  });
  worker.on("message", (nodes: Uint8Array) => resolve(nodes));
  worker.on("error", (error) => {
    reject(new TetradError("internal", error instanceof Error ? error.message : String(error)));
  });
  worker.on("exit", () => reject(new TetradError("internal", "no tree of the iVRF key was made")));
  return promise;
};
