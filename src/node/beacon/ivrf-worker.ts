/** The thread that makes the tree of one iVRF key, and ends. */
import { parentPort, workerData } from "node:worker_threads";
import { createHasher } from "../../crypto/hash.ts";
import { ivrfTree } from "../../proofs/beacon/ivrf.ts";
import type { TreeStart } from "./make-key.ts";

const port = parentPort;
if (port === null) throw new Error("this file is the entry of a worker thread");
const { chainId, secret, depth } = workerData as TreeStart;
const nodes = ivrfTree(createHasher(chainId), secret, depth);
secret.fill(0);
port.postMessage(nodes, [nodes.buffer as ArrayBuffer]);
