/** The thread that makes the trees of iVRF keys, one after the other, until it is ended. */
import { parentPort } from "node:worker_threads";
import { createHasher } from "../../crypto/hash.ts";
import { ivrfCaps } from "../../proofs/beacon/ivrf.ts";
import type { TreeAsk } from "./make-key.ts";

const port = parentPort;
if (port === null) throw new Error("this file is the entry of a worker thread");
port.on("message", ({ chainId, secret, depth }: TreeAsk) => {
  const caps = ivrfCaps(createHasher(chainId), secret, depth);
  secret.fill(0);
  port.postMessage(caps, [caps.buffer as ArrayBuffer]);
});
