import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TetradError } from "../../src/errors.ts";
import { LIMITS } from "../../src/limits.ts";
import {
  decodeCursor,
  decodeIndexCursor,
  encodeCursor,
  encodeIndexCursor,
} from "../../src/node/api/cursor.ts";

const isBad = (run: () => unknown): boolean => {
  try {
    run();
    return false;
  } catch (error) {
    return error instanceof TetradError && error.code === "http.bad-cursor";
  }
};

describe("cursors", () => {
  it("give the position back to the list they were made for, and to no other", () => {
    const position = fc.uint8Array({ maxLength: 512 });
    fc.assert(
      fc.property(fc.string(), fc.string(), position, (list, other, bytes) => {
        const text = encodeCursor(list, bytes);
        expect(decodeCursor(list, text)).toEqual(bytes);
        if (other !== list) expect(isBad(() => decodeCursor(other, text))).toBe(true);
      }),
    );
  });

  it("are refused when any character is changed", () => {
    const index = fc.nat({ max: Number.MAX_SAFE_INTEGER });
    fc.assert(
      fc.property(index, fc.nat(), fc.constantFrom(..."AB_-z9"), (value, at, character) => {
        const text = encodeIndexCursor("events/", value);
        expect(decodeIndexCursor("events/", text)).toBe(value);
        const i = at % text.length;
        const changed = text.slice(0, i) + character + text.slice(i + 1);
        if (changed !== text) expect(isBad(() => decodeIndexCursor("events/", changed))).toBe(true);
      }),
    );
  });

  it("refuse arbitrary text without a crash", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(isBad(() => decodeCursor("l", text))).toBe(true);
      }),
    );
    expect(isBad(() => decodeCursor("l", "A".repeat(2_000_000)))).toBe(true);
  });

  it("have a position of at most cursorBytesMax, which the longest key of a row is", () => {
    expect(LIMITS.cursorBytesMax).toBeGreaterThanOrEqual(LIMITS.rowKeyBytesMax);
    const longest = new Uint8Array(LIMITS.cursorBytesMax).fill(0xff);
    expect(decodeCursor("l", encodeCursor("l", longest))).toEqual(longest);
    const longer = encodeCursor("l", new Uint8Array(LIMITS.cursorBytesMax + 1));
    expect(isBad(() => decodeCursor("l", longer))).toBe(true);
  });

  it("refuse a position that is no index", () => {
    const text = encodeCursor("events/", new TextEncoder().encode("01"));
    expect(isBad(() => decodeIndexCursor("events/", text))).toBe(true);
  });
});
