import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes, toHex } from "../../src/crypto/bytes.ts";
import { utf8 } from "../../src/crypto/codec.ts";
import { createHasher, sha256, sha512Into, taggedInto, tagPrefix } from "../../src/crypto/hash.ts";

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
  it("is the same where it is written into memory of the caller", () => {
    const { ht, chainHash } = createHasher("dev");
    const into = taggedInto(tagPrefix("header", chainHash));
    const input = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.uint8Array({ minLength: 4000, maxLength: 5000 }),
    );
    fc.assert(
      fc.property(input, fc.nat(), fc.nat({ max: 40 }), (bytes, cut, at) => {
        const from = cut % (bytes.length + 1);
        const target = new Uint8Array(72).fill(1);
        into(bytes, target, at, from);
        expect(target.subarray(at, at + 32)).toEqual(ht("header", bytes.subarray(from)));
        expect([...target.subarray(0, at), ...target.subarray(at + 32)]).toEqual(
          new Array<number>(40).fill(1),
        );
      }),
    );
  });

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

describe("SHA-512", () => {
  it("is that of FIPS 180-4, and leaves what is around it", () => {
    const target = new Uint8Array(66).fill(7);
    sha512Into(utf8("abc"), target, 1);
    // https://csrc.nist.gov/projects/cryptographic-standards-and-guidelines/example-values
    expect(toHex(target.subarray(1, 65))).toBe(
      "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a" +
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    );
    expect([target[0], target[65]]).toEqual([7, 7]);
  });
});
