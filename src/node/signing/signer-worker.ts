/**
 * The thread that holds a node's secret key and signs, one message after the other. The key arrives once,
 * in the first message; it is never part of an answer, of an error or of a log line.
 */
import { randomBytes } from "node:crypto";
import { type MessagePort, parentPort } from "node:worker_threads";
import { equalBytes } from "../../crypto/bytes.ts";
import {
  FALCON_SEED_BYTES,
  falconPublicKey,
  falconSign,
  falconVerify,
} from "../../crypto/falcon.ts";
import type { SignerRequest, SignerResponse } from "./signer-protocol.ts";
import { threadCpuMs } from "./thread-cpu.ts";

const serve = (port: MessagePort): void => {
  let secretKey = new Uint8Array(0);

  const answer = (response: SignerResponse, transfer: readonly ArrayBuffer[] = []): void => {
    port.postMessage(response, transfer);
  };
  const sign = (message: Uint8Array): Uint8Array<ArrayBuffer> =>
    Uint8Array.from(falconSign(message, secretKey, randomBytes(FALCON_SEED_BYTES)));

  /** Proves that the key can do its work before the node relies on it. */
  const start = (publicKey: Uint8Array): void => {
    if (!equalBytes(falconPublicKey(secretKey), publicKey)) {
      throw new Error("the public key does not belong to the secret key");
    }
    const message = new Uint8Array(32);
    if (!falconVerify(sign(message), message, publicKey)) {
      throw new Error("a first signature does not verify");
    }
    answer({ type: "ready", cpuMs: threadCpuMs() });
  };

  port.on("message", (request: SignerRequest) => {
    try {
      if (request.type === "start") {
        secretKey = Uint8Array.from(request.secretKey);
        request.secretKey.fill(0);
        start(request.publicKey);
      } else if (request.type === "sign") {
        const signature = sign(request.message);
        answer({ type: "signed", signature, cpuMs: threadCpuMs() }, [signature.buffer]);
      } else {
        secretKey.fill(0);
        answer({ type: "stopped" });
      }
    } catch (error) {
      answer({ type: "failed", detail: error instanceof Error ? error.message : "unknown" });
    }
  });
};

if (parentPort !== null) serve(parentPort);
