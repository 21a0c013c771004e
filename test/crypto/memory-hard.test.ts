/** scrypt and Argon2id against the vectors of their RFCs, and the two implementations against each other. */
import { argon2Sync, scryptSync } from "node:crypto";
import { argon2id } from "@noble/hashes/argon2.js";
import { scrypt } from "@noble/hashes/scrypt.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "../../src/crypto/bytes.ts";
import { argon2id32, scrypt32 } from "../../src/crypto/memory-hard.ts";
import { LIMITS } from "../../src/limits.ts";

const filled = (byte: number, length: number): Uint8Array => new Uint8Array(length).fill(byte);
const bytes = fc.uint8Array({ minLength: 8, maxLength: 80 });

describe("scrypt", () => {
  // RFC 7914, section 12: the first vector, the only one with r = p = 1.
  const vector =
    "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442" +
    "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906";

  it("of both implementations gives the vector of RFC 7914", () => {
    const empty = new Uint8Array(0);
    expect(toHex(scryptSync(empty, empty, 64, { N: 16, r: 1, p: 1 }))).toBe(vector);
    expect(toHex(scrypt(empty, empty, { N: 16, r: 1, p: 1, dkLen: 64 }))).toBe(vector);
    // 32 bytes are the first half: the last step is PBKDF2, block by block.
    expect(toHex(scrypt32(empty, empty, 16))).toBe(vector.slice(0, 64));
  });

  it("is that of noble for every input", () => {
    fc.assert(
      fc.property(bytes, bytes, fc.integer({ min: 1, max: 10 }), (password, salt, log) => {
        const N = 2 ** log;
        const ours = scrypt32(password, salt, N);
        expect(toHex(ours)).toBe(toHex(scrypt(password, salt, { N, r: 1, p: 1, dkLen: 32 })));
      }),
      { numRuns: 40 },
    );
  });

  it("has memory for the greatest N of a chain", () => {
    const [, most] = LIMITS.workScryptN;
    expect(scrypt32(filled(1, 8), filled(2, 8), most)).toHaveLength(32);
    expect(() => scrypt32(filled(1, 8), filled(2, 8), 2 * most)).toThrow();
    expect(() => scrypt32(filled(1, 8), filled(2, 8), 1000)).toThrow();
  });
});

describe("Argon2id", () => {
  // RFC 9106, section 5.3.
  const vector = "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659";

  it("of both implementations gives the vector of RFC 9106", () => {
    const message = filled(1, 32);
    const salt = filled(2, 16);
    const secret = filled(3, 8);
    const data = filled(4, 12);
    const options = { t: 3, m: 32, p: 4, key: secret, personalization: data, dkLen: 32 };
    expect(toHex(argon2id(message, salt, options))).toBe(vector);
    if (typeof argon2Sync !== "function") return;
    const native = argon2Sync("argon2id", {
      message,
      nonce: salt,
      secret,
      associatedData: data,
      passes: 3,
      memory: 32,
      parallelism: 4,
      tagLength: 32,
    });
    expect(toHex(native)).toBe(vector);
  });

  it("is that of noble for every input", () => {
    fc.assert(
      fc.property(bytes, bytes, fc.integer({ min: 8, max: 100 }), (message, salt, m) => {
        const ours = argon2id32(message, salt, m);
        expect(toHex(ours)).toBe(toHex(argon2id(message, salt, { t: 1, m, p: 1, dkLen: 32 })));
      }),
      { numRuns: 25 },
    );
  });
});
