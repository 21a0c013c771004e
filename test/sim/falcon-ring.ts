/**
 * Real FALCON-1024 as the signature scheme of a simulated world: production's signer, which checks itself
 * and each signature, and the verifier that a node would choose on this computer. The randomness of a
 * signature comes from the seed of the world, so that a run can be repeated; nothing else is other than in
 * production.
 */

import { Prng } from "../../sim/prng.ts";
import type { KeyPair, SignatureScheme } from "../../sim/signer.ts";
import { toHex } from "../../src/crypto/bytes.ts";
import { FALCON_SEED_BYTES, type FalconVerifier, falconKeygen } from "../../src/crypto/falcon.ts";
import { falconSignExpanded } from "../../src/crypto/falcon-sign.ts";
import { createHasher } from "../../src/crypto/hash.ts";
import { type CheckedSigner, createCheckedSigner } from "../../src/node/signing/checked-signer.ts";

/** Key pairs by name: making one takes a second, and worlds of one test may as well share them. */
const made = new Map<string, ReturnType<typeof falconKeygen>>();

const keysOf = (name: string): ReturnType<typeof falconKeygen> => {
  const known = made.get(name);
  if (known !== undefined) return known;
  const half = (part: number) =>
    createHasher("falcon-ring").ht("key", new TextEncoder().encode(`${part} ${name}`));
  const seed = Uint8Array.from([...half(0), ...half(1)]).slice(0, FALCON_SEED_BYTES);
  const keys = falconKeygen(seed);
  made.set(name, keys);
  return keys;
};

export type FalconRing = SignatureScheme & {
  readonly signed: number;
  readonly verified: number;
  /** Messages that were signed more than once, and whether their signatures were ever the same bytes. */
  readonly signedAgain: { readonly times: number; readonly equal: number };
};

export const createFalconRing = (seed: number, verifier: FalconVerifier): FalconRing => {
  const random = new Prng(seed, "falcon/entropy");
  const signers: CheckedSigner[] = [];
  const first = new Map<string, string>();
  const counts = { signed: 0, verified: 0, times: 0, equal: 0 };
  return {
    get signed() {
      return counts.signed;
    },
    get verified() {
      return counts.verified;
    },
    get signedAgain() {
      return counts;
    },
    createKey(name): KeyPair {
      const { publicKey, secretKey } = keysOf(name);
      let ready = false;
      const signer = createCheckedSigner({
        secretKey,
        publicKey,
        verifier,
        onFault: (detail) => {
          throw new Error(detail);
        },
        signExpanded: (message, key, entropy, ...rest) => {
          // The self-test signs with what it knows the signature of; what a signer draws is replaced.
          const drawn = ready ? random.bytes(FALCON_SEED_BYTES) : entropy;
          return falconSignExpanded(message, key, drawn, ...rest);
        },
      });
      ready = true;
      signers.push(signer);
      return { publicKey, serial: signers.length };
    },
    sign({ serial }, message) {
      const signer = signers[serial - 1];
      if (signer === undefined) throw new RangeError("no such key");
      counts.signed += 1;
      const signature = signer.sign(message);
      const id = `${serial} ${toHex(message)}`;
      const before = first.get(id);
      const now = toHex(signature);
      if (before === undefined) first.set(id, now);
      else {
        counts.times += 1;
        if (before === now) counts.equal += 1;
      }
      return signature;
    },
    verify({ publicKey, message, signature }) {
      counts.verified += 1;
      return verifier.verify(signature, message, publicKey);
    },
  };
};
