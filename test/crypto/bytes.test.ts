import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { byteText, compareBytes, fromHex, shortAscii, toHex } from "../../src/crypto/bytes.ts";
import { utf8 } from "../../src/crypto/codec.ts";

const bytes = fc.uint8Array({ maxLength: 300 });

describe("texts of bytes", () => {
  it("are hex of two lower-case digits a byte, of any length", () => {
    fc.assert(
      fc.property(bytes, (value) => {
        const hex = [...value].map((byte) => byte.toString(16).padStart(2, "0")).join("");
        expect(toHex(value)).toBe(hex);
        expect(fromHex(hex)).toEqual(value);
      }),
    );
  });

  it("are keys of a map in the order of the bytes", () => {
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        const [left, right] = [byteText(a), byteText(b)];
        expect(left < right ? -1 : left > right ? 1 : 0).toBe(Math.sign(compareBytes(a, b)));
        expect(left).toHaveLength(a.length);
      }),
    );
  });

  it("are read as ASCII from the middle of an array, and not where a byte is none", () => {
    const ascii = fc.string({ unit: "binary-ascii", maxLength: 128 });
    fc.assert(
      fc.property(bytes, ascii, bytes, (before, text, after) => {
        const all = Uint8Array.of(...before, ...utf8(text), ...after);
        expect(shortAscii(all, before.length, text.length)).toBe(text);
      }),
    );
    expect(shortAscii(Uint8Array.of(0x61, 0x80), 0, 2)).toBeUndefined();
    expect(shortAscii(new Uint8Array(200), 0, 129)).toBeUndefined();
  });
});
