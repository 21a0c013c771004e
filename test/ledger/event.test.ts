import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { utf8, Writer } from "../../src/crypto/codec.ts";
import { decodeEvent, encodeEvent, isEventType } from "../../src/ledger/event.ts";
import { LIMITS } from "../../src/limits.ts";

const word = fc.stringMatching(/^[a-z][a-z0-9-]{0,9}$/);
const eventType = fc.array(word, { minLength: 2, maxLength: 4 }).map((words) => words.join("."));

/** Without the checks of encodeEvent. */
const raw = (type: string, version: number, payload: Uint8Array): Uint8Array =>
  new Writer().u16(utf8(type).length).raw(utf8(type)).u16(version).bytes(payload).finish();

const codeOf = (bytes: Uint8Array): string => {
  const result = decodeEvent(bytes);
  return result.ok ? "ok" : result.code;
};

describe("event encoding", () => {
  it("gives back what was encoded", () => {
    fc.assert(
      fc.property(
        eventType,
        fc.integer({ min: 0, max: 0xffff }),
        fc.uint8Array({ maxLength: 300 }),
        (type, version, payload) => {
          const event = encodeEvent(type, version, payload);
          expect(event.bytes).toEqual(raw(type, version, payload));
          expect(decodeEvent(event.bytes)).toEqual({ ok: true, value: event });
        },
      ),
    );
  });

  it("decodes views, not copies", () => {
    const { bytes } = encodeEvent("record.put", 1, Uint8Array.of(1, 2, 3));
    const decoded = decodeEvent(bytes);
    expect(decoded.ok && decoded.value.payload.buffer).toBe(bytes.buffer);
  });

  it("never throws, and accepts only what it would encode", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const decoded = decodeEvent(bytes);
        if (!decoded.ok) return;
        const { type, version, payload } = decoded.value;
        expect(encodeEvent(type, version, payload).bytes).toEqual(bytes);
      }),
    );
  });

  it("refuses every truncation and every longer form", () => {
    const { bytes } = encodeEvent("record.put", 1, Uint8Array.of(1, 2, 3));
    for (let length = 0; length < bytes.length; length++) {
      expect(codeOf(bytes.subarray(0, length))).toBe("encoding.malformed");
    }
    expect(codeOf(Uint8Array.of(...bytes, 0))).toBe("encoding.malformed");
  });

  it("takes an event of the size limit and refuses one byte more", () => {
    const room = LIMITS.eventBytesMax - 8 - "record.put".length;
    const event = encodeEvent("record.put", 1, new Uint8Array(room));
    expect(event.bytes.length).toBe(LIMITS.eventBytesMax);
    expect(codeOf(event.bytes)).toBe("ok");
    expect(() => encodeEvent("record.put", 1, new Uint8Array(room + 1))).toThrow(RangeError);
    expect(codeOf(raw("record.put", 1, new Uint8Array(room + 1)))).toBe("batch.event-too-large");
  });

  it.each([
    "",
    "record",
    "record.",
    ".put",
    "Record.put",
    "record.put.a.b.c",
    "record..put",
    "1record.put",
    "record.-put",
    "record.put\n",
    "rëcord.put",
    `record.${"p".repeat(58)}`,
  ])("refuses the type %j", (type) => {
    expect(isEventType(type)).toBe(false);
    expect(() => encodeEvent(type, 1, new Uint8Array(0))).toThrow(RangeError);
    expect(codeOf(raw(type, 1, new Uint8Array(0)))).toBe("encoding.malformed");
  });

  it("takes a type of 64 characters", () => {
    const type = `record.${"p".repeat(57)}`;
    expect(codeOf(encodeEvent(type, 1, new Uint8Array(0)).bytes)).toBe("ok");
  });

  it("refuses a version that is not a u16", () => {
    expect(() => encodeEvent("record.put", 65_536, new Uint8Array(0))).toThrow(RangeError);
  });
});
