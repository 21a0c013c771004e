/** Signing with P-256: the published nonces, and so the same signature for ever. */
import { createPublicKey, verify } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { signP256, verifyP256 } from "../../src/ca/p256.ts";
import { fromHex, toHex } from "../../src/crypto/bytes.ts";
import { utf8 } from "../../src/crypto/codec.ts";
import { issuerSigner } from "../../src/node/ca/issuer-signer.ts";
import { issuerPrivateKey, KEYS } from "./support.ts";

/** RFC 6979, A.2.5, SHA-256. */
const SECRET = fromHex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");
const VECTORS = [
  [
    "sample",
    "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
    "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
  ],
  [
    "test",
    "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367",
    "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
  ],
] as const;

describe("signatures", () => {
  it.each(VECTORS)("of RFC 6979 for %s", (message, r, s) => {
    expect(toHex(signP256(utf8(message), SECRET))).toBe(r + s);
  });

  it("are verified by OpenSSL and by replicas, and are the same each time", async () => {
    const signer = issuerSigner(issuerPrivateKey);
    const key = createPublicKey({ key: Buffer.from(signer.spki), format: "der", type: "spki" });
    const bytes = fc.uint8Array({ maxLength: 400 });
    await fc.assert(
      fc.asyncProperty(bytes, async (body) => {
        const signature = await signer.sign(body);
        expect(await issuerSigner(issuerPrivateKey).sign(body)).toEqual(signature);
        expect(verify("sha256", body, { key, dsaEncoding: "ieee-p1363" }, signature)).toBe(true);
        expect(verifyP256(signature, body, signer.spki.subarray(-65))).toBe(true);
      }),
      { numRuns: 25 },
    );
  });

  it("are not made with keys of another curve", () => {
    expect(() => issuerSigner(KEYS.p384())).toThrow(RangeError);
    expect(() => issuerSigner(KEYS.ed25519())).toThrow(RangeError);
  });
});
