/** DER: one form of everything, and readers that take no other. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  DerReader,
  der,
  derInteger,
  derTime,
  derUnsigned,
  fromPem,
  oid,
  pemOf,
  readTime,
} from "../../src/ca/der.ts";
import { toHex } from "../../src/crypto/bytes.ts";
import { DecodeError } from "../../src/crypto/codec.ts";

describe("DER", () => {
  it("writes times as the calendar has them, and reads only what it writes", () => {
    const last = Date.UTC(9999, 11, 31, 23, 59, 59) / 1000;
    fc.assert(
      fc.property(fc.integer({ min: 0, max: last }), (seconds) => {
        const bytes = derTime(seconds);
        const digits = new Date(seconds * 1000).toISOString().replace(/[-:T]|\.000/g, "");
        const year = Number(digits.slice(0, 4));
        const text = Buffer.from(bytes.subarray(2)).toString();
        expect(text).toBe(year < 2050 ? digits.slice(2) : digits);
        expect(readTime(new DerReader(bytes))).toBe(seconds);
      }),
    );
    expect(() => derTime(last + 1)).toThrow(RangeError);
    expect(() => derTime(-1)).toThrow(RangeError);
  });

  it.each([
    ["a 13th month", "170d3235313330313030303030305a"],
    ["a 30th of February", "170d3235303233303030303030305a"],
    ["an hour of 24", "170d3235303130313234303030305a"],
    ["GeneralizedTime before 2050", "180f32303235303130313030303030305a"],
    ["no seconds", "170b323530313031303030305a"],
    ["a zone", "17113235303130313030303030302b30313030"],
  ])("refuses a time with %s", (_what, hex) => {
    expect(() => readTime(new DerReader(Buffer.from(hex, "hex")))).toThrow(DecodeError);
  });

  it.each([
    ["an indefinite length", "30800000"],
    ["a length that could be shorter", "308101ff"],
    ["a long length that could be shorter", "308200ff"],
    ["a length over 64 KiB", "3083010000"],
    ["a tag of several bytes", "1f8101"],
    ["less than it says", "3005ff"],
    ["nothing", ""],
  ])("refuses an element with %s", (_what, hex) => {
    expect(() => new DerReader(Buffer.from(hex, "hex")).next()).toThrow(DecodeError);
  });

  it("gives back any content, at every length of the length", () => {
    for (const length of [0, 1, 127, 128, 255, 256, 65_535]) {
      const content = new Uint8Array(length).fill(7);
      const reader = new DerReader(der(0x04, content));
      expect(reader.next(0x04).content.length).toBe(length);
      expect(reader.done).toBe(true);
    }
    expect(() => der(0x04, new Uint8Array(65_536))).toThrow(RangeError);
  });

  it("reads integers in their shortest form only", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 160n }), (value) => {
        const hex = value.toString(16);
        const bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), "0"), "hex");
        const content = new DerReader(derInteger(bytes)).next(0x02).content;
        expect(BigInt(`0x${toHex(derUnsigned(content))}`)).toBe(value);
      }),
    );
    for (const bad of [[], [0x80], [0, 0x7f], [0, 0]]) {
      expect(() => derUnsigned(Uint8Array.from(bad))).toThrow(DecodeError);
    }
  });

  it("encodes identifiers as the standards print them", () => {
    expect(toHex(oid("1.2.840.113549.1.1.11"))).toBe("06092a864886f70d01010b");
    expect(toHex(oid("2.5.29.17"))).toBe("0603551d11");
  });
});

describe("PEM", () => {
  it("gives back what was written, and refuses two blocks or broken base64", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => {
        const text = `Subject: x\n${pemOf("X", bytes)}`;
        expect(Buffer.from(fromPem(text, ["X"]) ?? [1])).toEqual(Buffer.from(bytes));
        expect(fromPem(text + text, ["X"])).toBeUndefined();
        expect(fromPem(text, ["Y"])).toBeUndefined();
      }),
    );
    expect(fromPem("-----BEGIN X-----\nQQ\n-----END X-----\n", ["X"])).toBeUndefined();
    expect(fromPem("-----BEGIN X-----\nQ?==\n-----END X-----\n", ["X"])).toBeUndefined();
  });
});
