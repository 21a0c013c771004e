/** A thread that signs what the benchmark sends later: with the library that clients use. */
import { randomBytes } from "node:crypto";
import { parentPort } from "node:worker_threads";
import { FALCON_SEED_BYTES, falconSign } from "../../src/crypto/falcon.ts";

export type SignJob = {
  readonly at: number;
  readonly message: Uint8Array;
  readonly secretKey: Uint8Array;
};
export type SignedJob = { readonly at: number; readonly signature: Uint8Array };

const port = parentPort;
port?.on("message", (jobs: readonly SignJob[]) => {
  const signed = jobs.map(({ at, message, secretKey }): SignedJob => {
    const signature = falconSign(message, secretKey, randomBytes(FALCON_SEED_BYTES));
    return { at, signature };
  });
  port.postMessage(signed);
});
