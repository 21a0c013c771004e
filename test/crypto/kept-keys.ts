/**
 * FALCON key pairs for tests, kept in a file: making one takes a second, and every test file would make its own.
 * `npm run golden` writes the file anew.
 */
import { readFileSync } from "node:fs";
import { FALCON_SEED_BYTES, type FalconKeyPair, falconKeygen } from "../../src/crypto/falcon.ts";

export const KEPT_KEYS_FILE: URL = new URL("../vectors/falcon-keys.json", import.meta.url);
/** Pairs in the file: those of the numbers 1 to this. */
export const KEPT_KEYS = 12;

type Kept = { readonly publicKey: string; readonly secretKey: string };
let kept: readonly Kept[] | undefined;

/** The pair of the seed that is 48 times the byte `n`, as it is made. */
export const madeKeys = (n: number): FalconKeyPair =>
  falconKeygen(new Uint8Array(FALCON_SEED_BYTES).fill(n));

/** The same, from the file where it is there. The bytes are the caller's own: to wipe them harms nobody. */
export const keptKeys = (n: number): FalconKeyPair => {
  kept ??= JSON.parse(readFileSync(KEPT_KEYS_FILE, "utf8")) as readonly Kept[];
  const pair = kept[n - 1];
  if (pair === undefined) return madeKeys(n);
  const { publicKey, secretKey } = pair;
  return {
    publicKey: Uint8Array.from(Buffer.from(publicKey, "base64")),
    secretKey: Uint8Array.from(Buffer.from(secretKey, "base64")),
  };
};
