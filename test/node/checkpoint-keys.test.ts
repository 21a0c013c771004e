import { createPublicKey, sign, verify } from "node:crypto";
import { ml_dsa44 } from "@noble/post-quantum/ml-dsa.js";
import { describe, expect, it } from "vitest";
import { toHex } from "../../src/crypto/bytes.ts";
import { sha256 } from "../../src/crypto/hash.ts";
import { LIMITS } from "../../src/limits.ts";
import { deriveCheckpointKeys } from "../../src/node/keys/checkpoint-keys.ts";

const secretOf = (byte: number): Uint8Array =>
  new Uint8Array(LIMITS.falconSecretKeyBytes).fill(byte);

describe("checkpoint keys", () => {
  it("sign what their public halves verify, in other implementations too", () => {
    const keys = deriveCheckpointKeys(secretOf(1));
    const message = Buffer.from("message");
    for (const key of [keys.ed25519, keys.mlDsa44]) {
      const signature = sign(null, message, key);
      expect(verify(null, message, createPublicKey(key), signature)).toBe(true);
    }
    const signature = Uint8Array.from(sign(null, message, keys.mlDsa44));
    expect(ml_dsa44.verify(signature, Uint8Array.from(message), keys.mlDsa44Key)).toBe(true);
  });

  it("follow from the FALCON key, the same in every version, and differ from key to key", () => {
    const one = deriveCheckpointKeys(secretOf(1));
    // A genesis names these keys: a version that derived others would not know its own validator.
    expect(toHex(one.ed25519Key)).toMatchInlineSnapshot(
      `"d73e242a80a416c722251d0733de86a03b3d853ce0789c78a921aff7abed5196"`,
    );
    expect(toHex(sha256(one.mlDsa44Key))).toMatchInlineSnapshot(
      `"25e65984ee74d35ced989c3353012b6ee59cfad80b8b366854499cf698c7c3bd"`,
    );
    const two = deriveCheckpointKeys(secretOf(2));
    expect(two.ed25519Key).not.toEqual(one.ed25519Key);
    expect(two.mlDsa44Key).not.toEqual(one.mlDsa44Key);
    expect(() => deriveCheckpointKeys(secretOf(1).subarray(1))).toThrow(RangeError);
  });
});
