/** The key pairs that tests share are what the key generation makes of their seeds. */
import { writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { toHex } from "../../src/crypto/bytes.ts";
import { type FalconKeyPair, falconPublicKey } from "../../src/crypto/falcon.ts";
import { KEPT_KEYS, KEPT_KEYS_FILE, keptKeys, madeKeys } from "../crypto/kept-keys.ts";

const numbers = Array.from({ length: KEPT_KEYS }, (_, i) => i + 1);
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
const hex = ({ publicKey, secretKey }: FalconKeyPair): readonly string[] => [
  toHex(publicKey),
  toHex(secretKey),
];

if (process.env["UPDATE_GOLDEN"] !== undefined) {
  const made = numbers.map(madeKeys).map(({ publicKey, secretKey }) => ({
    publicKey: base64(publicKey),
    secretKey: base64(secretKey),
  }));
  writeFileSync(KEPT_KEYS_FILE, `${JSON.stringify(made, null, 2)}\n`);
}

describe("kept FALCON keys", () => {
  it("are whole pairs, each another one", () => {
    for (const n of numbers) {
      const { publicKey, secretKey } = keptKeys(n);
      expect(toHex(falconPublicKey(secretKey))).toBe(toHex(publicKey));
    }
    expect(new Set(numbers.map((n) => toHex(keptKeys(n).publicKey))).size).toBe(KEPT_KEYS);
  });

  // The others take a second each; `npm run golden` makes them all.
  it.each([1, KEPT_KEYS])("are what is made from the seed: number %i", (n) => {
    expect(hex(keptKeys(n))).toEqual(hex(madeKeys(n)));
  });

  it("are the caller's own", () => {
    keptKeys(1).secretKey.fill(0);
    expect(keptKeys(1).secretKey.some((byte) => byte !== 0)).toBe(true);
  });
});
