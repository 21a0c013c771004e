/** A thread that signs, and works for, what the benchmark sends later: as clients do. */
import { randomBytes } from "node:crypto";
import { parentPort } from "node:worker_threads";
import type { WorkTask } from "../../src/client/work.ts";
import { toHex } from "../../src/crypto/bytes.ts";
import { FALCON_SEED_BYTES } from "../../src/crypto/falcon.ts";
import { expandFalconKey, type FalconExpandedKey } from "../../src/crypto/falcon-expanded-key.ts";
import { falconSignExpanded } from "../../src/crypto/falcon-sign.ts";
import { createHasher } from "../../src/crypto/hash.ts";
import {
  createWorkSearch,
  encodeWorkProof,
  NONCE_PREFIX_BYTES,
} from "../../src/proofs/work/index.ts";

export type SignJob = {
  readonly at: number;
  readonly message: Uint8Array;
  readonly secretKey: Uint8Array;
  /** What the chain asks for besides. */
  readonly work?: WorkTask | undefined;
};
export type SignedJob = {
  readonly at: number;
  readonly signature: Uint8Array;
  readonly proof: Uint8Array | undefined;
};

const workFor = ({ chainId, puzzle, subject, effort }: WorkTask): Uint8Array => {
  const prefix = randomBytes(NONCE_PREFIX_BYTES);
  const search = createWorkSearch(createHasher(chainId), puzzle, subject, effort, prefix);
  for (let counter = 0; ; counter++) {
    const proof = search.attempt(counter);
    if (proof !== undefined) return encodeWorkProof(puzzle, proof);
  }
};

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
  const signed = jobs.map(({ at, message, secretKey, work }): SignedJob => {
    const signature = falconSignExpanded(
      message,
      expand(secretKey),
      randomBytes(FALCON_SEED_BYTES),
    );
    return { at, signature, proof: work === undefined ? undefined : workFor(work) };
  });
  port.postMessage(signed);
});
