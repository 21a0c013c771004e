/**
 * The CheckpointSigner port over node:crypto. A signature of ML-DSA-44 takes about 0.6 ms and now and then
 * several; with a callback node:crypto works in the threads of libuv, so the event loop waits for none.
 */
import { createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { concatBytes, fromHex } from "../../crypto/bytes.ts";
import type { CheckpointSigner } from "../../ledger/ports.ts";
import { LIMITS } from "../../limits.ts";
import type { CheckpointKeyPairs } from "../keys/checkpoint-keys.ts";

/** SubjectPublicKeyInfo before a raw key (RFC 8410, 4 and RFC 9881, 4). */
const ED25519_SPKI = fromHex("302a300506032b6570032100");
const ML_DSA_44_SPKI = fromHex("30820532300b06096086480165030403110382052100");

/** Undefined for bytes that are no public key. */
const publicKeyOf = (prefix: Uint8Array, raw: Uint8Array): KeyObject | undefined => {
  try {
    const key = Buffer.from(concatBytes(prefix, raw));
    return createPublicKey({ key, format: "der", type: "spki" });
  } catch {
    return undefined;
  }
};

const signBytes = (message: Uint8Array, key: KeyObject): Promise<Uint8Array> =>
  new Promise((resolve, reject) => {
    sign(null, message, key, (error, signature) => {
      if (error === null) resolve(Uint8Array.from(signature));
      else reject(error);
    });
  });

const verifyBytes = (
  signature: Uint8Array,
  message: Uint8Array,
  key: KeyObject | undefined,
): Promise<boolean> =>
  new Promise((resolve) => {
    if (key === undefined) return resolve(false);
    verify(null, message, key, signature, (error, valid) => resolve(error === null && valid));
  });

export type CheckpointSignerOptions = {
  readonly keys: CheckpointKeyPairs;
  /** Told when a signature cannot be made: the checkpoint goes without this node. */
  readonly onFailure: (error: unknown) => void;
};

export const createCheckpointSigner = ({
  keys,
  onFailure,
}: CheckpointSignerOptions): CheckpointSigner => {
  /** Keys are those of the genesis, so there are few; by the raw key as text. */
  const known = new Map<string, KeyObject | undefined>();
  const keyOf = (prefix: Uint8Array, raw: Uint8Array): KeyObject | undefined => {
    const name = Buffer.from(raw).toString("latin1");
    if (!known.has(name)) {
      if (known.size >= 2 * LIMITS.validatorsMax) known.clear();
      known.set(name, publicKeyOf(prefix, raw));
    }
    return known.get(name);
  };
  return {
    sign({ ed25519, mlDsa44 }, done) {
      Promise.all([signBytes(ed25519, keys.ed25519), signBytes(mlDsa44, keys.mlDsa44)])
        .then(([first, second]) => ({ ed25519: first, mlDsa44: second }))
        .then(done, onFailure);
    },
    verify({ ed25519Key, mlDsa44Key }, messages, signatures, done) {
      const { ed25519, mlDsa44 } = signatures;
      const keys = [keyOf(ED25519_SPKI, ed25519Key), keyOf(ML_DSA_44_SPKI, mlDsa44Key)] as const;
      Promise.all([
        verifyBytes(ed25519, messages.ed25519, keys[0]),
        verifyBytes(mlDsa44, messages.mlDsa44, keys[1]),
      ])
        .then(([first, second]) => first && second)
        .then(done, onFailure);
    },
  };
};
