/** A thread that signs what the benchmark sends later: with the signer that clients use. */
import { randomBytes } from "node:crypto";
import { parentPort } from "node:worker_threads";
import { toHex } from "../../src/crypto/bytes.ts";
import { FALCON_SEED_BYTES } from "../../src/crypto/falcon.ts";
import { expandFalconKey, type FalconExpandedKey } from "../../src/crypto/falcon-expanded-key.ts";
import { falconSignExpanded } from "../../src/crypto/falcon-sign.ts";

export type SignJob = {
  readonly at: number;
  readonly message: Uint8Array;
  readonly secretKey: Uint8Array;
};
export type SignedJob = { readonly at: number; readonly signature: Uint8Array };

/** One a lane; a benchmark has few. The nodes verify what comes of them. */
const expanded = new Map<string, FalconExpandedKey>();
const expand = (secretKey: Uint8Array): FalconExpandedKey => {
  const name = toHex(secretKey);
  let key = expanded.get(name);
  if (key === undefined) {
    key = expandFalconKey(secretKey);
    expanded.set(name, key);
  }
  return key;
};

const port = parentPort;
port?.on("message", (jobs: readonly SignJob[]) => {
  const signed = jobs.map(({ at, message, secretKey }): SignedJob => {
    const signature = falconSignExpanded(
      message,
      expand(secretKey),
      randomBytes(FALCON_SEED_BYTES),
    );
    return { at, signature };
  });
  port.postMessage(signed);
});
