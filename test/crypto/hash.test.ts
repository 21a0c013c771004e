import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes, toHex } from "../../src/crypto/bytes.ts";
import { utf8 } from "../../src/crypto/codec.ts";
import { createHasher, sha256 } from "../../src/crypto/hash.ts";

describe("sha256", () => {
  it("has the FIPS 180-4 example value", () => {
    expect(toHex(sha256(utf8("abc")))).toBe(
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
  });

  it("agrees with an implementation in plain JavaScript", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(toHex(sha256(bytes))).toBe(toHex(nobleSha256(bytes)));
      }),
    );
  });

  it("gives a plain Uint8Array, whose slices are copies", () => {
    const hash = sha256(utf8("abc"));
    const copy = hash.slice();
    copy.fill(0);
    expect(Object.getPrototypeOf(hash)).toBe(Uint8Array.prototype);
    expect(hash[0]).toBe(0xba);
  });
});

describe("tagged hash", () => {
  it("is the construction of the protocol page", () => {
    const { ht, chainHash } = createHasher("dev");
    const prefix = concatBytes(sha256(utf8("hm/v1/header")), sha256(utf8("dev")));
    expect(toHex(chainHash)).toBe(toHex(sha256(utf8("dev"))));
    expect(toHex(ht("header", utf8("a"), utf8("b")))).toBe(
      toHex(sha256(concatBytes(prefix, utf8("ab")))),
    );
  });

  it("is the same whatever was hashed before, for parts of every size", () => {
    const { ht, chainHash } = createHasher("dev");
    const prefix = concatBytes(sha256(utf8("hm/v1/t")), chainHash);
    for (const size of [0, 5, 5000, 1, 200_000, 64, 900, 131_008, 131_009, 3]) {
      const parts = [new Uint8Array(size).fill(size % 251), utf8("end")];
      expect(toHex(ht("t", ...parts))).toBe(toHex(nobleSha256(concatBytes(prefix, ...parts))));
    }
  });

  it("differs by tag and by chain", () => {
    const values = ["dev", "dev2"].flatMap((chain) =>
      ["a", "b"].map((tag) => toHex(createHasher(chain).ht(tag, utf8("x")))),
    );
    expect(new Set(values).size).toBe(4);
  });
});
