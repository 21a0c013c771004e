/** The thread that computes a delay (src/proofs/time/delay.ts): some checkpoints at a time, and rests between. */
import { performance } from "node:perf_hooks";
import { setTimeout as pause } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { createHasher } from "../../crypto/hash.ts";
import { computeDelay } from "../../proofs/time/delay.ts";
import type { DelayFromWorker, DelayStart } from "./delay.ts";

const SLICE_MS = 20;

const port = parentPort;
if (port === null) throw new Error("this file is the entry of a worker thread");
const send = (message: DelayFromWorker): void => port.postMessage(message);

const { chainId, seed, parameters, duty } = workerData as DelayStart;
const done: Uint8Array[] = [];
let began = performance.now();
for (const checkpoint of computeDelay(createHasher(chainId), seed, parameters)) {
  done.push(checkpoint);
  const spent = performance.now() - began;
  if (spent < SLICE_MS) continue;
  send({ kind: "progress", done: done.length });
  if (duty < 100) await pause(spent * (100 / duty - 1));
  began = performance.now();
}
send({ kind: "computed", checkpoints: Buffer.concat(done) });
