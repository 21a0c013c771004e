/**
 * The thread that holds a node's secret key and signs, one message after the other. The key arrives once,
 * in the first message, and is expanded once; it is never part of an answer, of an error or of a log line.
 */
import { type MessagePort, parentPort } from "node:worker_threads";
import { equalBytes } from "../../crypto/bytes.ts";
import { falconPublicKey } from "../../crypto/falcon.ts";
import { type CheckedSigner, createCheckedSigner } from "./checked-signer.ts";
import { selectVerifier } from "./select-verifier.ts";
import type { SignerRequest, SignerResponse } from "./signer-protocol.ts";
import { threadCpuMs } from "./thread-cpu.ts";

type StartRequest = Extract<SignerRequest, { type: "start" }>;

const serve = (port: MessagePort): void => {
  let signer: CheckedSigner | undefined;

  const answer = (response: SignerResponse, transfer: readonly ArrayBuffer[] = []): void => {
    port.postMessage(response, transfer);
  };
  const fail = (error: unknown): void => {
    answer({ type: "failed", detail: error instanceof Error ? error.message : "unknown" });
  };
  const onFault = (detail: string): void => answer({ type: "fault", detail });

  /** Proves that the key can do its work before the node relies on it. */
  const start = async ({ publicKey, secretKey }: StartRequest): Promise<void> => {
    try {
      if (!equalBytes(falconPublicKey(secretKey), publicKey)) {
        throw new Error("the public key does not belong to the secret key");
      }
      const { verifier } = await selectVerifier({ onFault });
      signer = createCheckedSigner({ secretKey, publicKey, verifier, onFault });
      signer.sign(new Uint8Array(32));
    } finally {
      secretKey.fill(0);
    }
    answer({ type: "ready", implementation: signer.implementation(), cpuMs: threadCpuMs() });
  };
  const sign = (message: Uint8Array): void => {
    if (signer === undefined) throw new Error("there is no key yet");
    const signature = signer.sign(message);
    const implementation = signer.implementation();
    answer({ type: "signed", signature, implementation, cpuMs: threadCpuMs() }, [signature.buffer]);
  };

  port.on("message", (request: SignerRequest) => {
    try {
      if (request.type === "start") start(request).catch(fail);
      else if (request.type === "sign") sign(request.message);
      else {
        signer?.wipe();
        answer({ type: "stopped" });
      }
    } catch (error) {
      fail(error);
    }
  });
};

if (parentPort !== null) serve(parentPort);
