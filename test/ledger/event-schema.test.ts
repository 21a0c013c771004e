import fc from "fast-check";
import { describe, expect, expectTypeOf, it } from "vitest";
import { utf8, Writer } from "../../src/crypto/codec.ts";
import {
  defineEvent,
  type EventValue,
  field,
  LINE_TEXT,
  NAME_TEXT,
} from "../../src/ledger/event-schema.ts";
import { everyField, hashOf, recordPut } from "../golden/fixtures.ts";

type Every = EventValue<typeof everyField>;

const text = (bytesMax: number) =>
  fc.string({ unit: "grapheme", maxLength: bytesMax }).filter((s) => utf8(s).length <= bytesMax);

const everyValue: fc.Arbitrary<Every> = fc.record(
  {
    a: fc.integer({ min: 0, max: 0xff }),
    b: fc.integer({ min: 0, max: 0xffff }),
    c: fc.integer({ min: 0, max: 0xffff_ffff }),
    d: fc.maxSafeNat(),
    e: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    f: fc.boolean(),
    g: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    h: fc.uint8Array({ minLength: 3, maxLength: 3 }),
    i: fc.uint8Array({ maxLength: 16 }),
    j: text(16),
    k: fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 4 }),
    l: fc.array(
      fc.record(
        { name: text(8), count: fc.integer({ min: 0, max: 255 }) },
        { noNullPrototype: true },
      ),
      { maxLength: 3 },
    ),
  },
  { noNullPrototype: true },
);

const codeOf = (payload: Uint8Array, definition = everyField): string => {
  const result = definition.decode(payload);
  expect(definition.check(payload)).toEqual(result.ok ? undefined : result);
  return result.ok ? "ok" : result.code;
};

describe("checking without a value", () => {
  it("refuses what decoding refuses, in the same words", () => {
    const damaged = fc
      .tuple(everyValue, fc.nat(), fc.nat({ max: 255 }), fc.boolean())
      .map(([value, at, byte, cut]) => {
        const payload = everyField.encode(value).payload.slice();
        if (cut) return payload.subarray(0, at % (payload.length + 1));
        payload[at % payload.length] = byte;
        return payload;
      });
    fc.assert(
      fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 80 })), (payload) => {
        codeOf(payload);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("event schemas", () => {
  it("infer the type of the value", () => {
    expectTypeOf<EventValue<typeof recordPut>>().toEqualTypeOf<{
      readonly topic: string;
      readonly key: string;
      readonly body: Uint8Array;
    }>();
    expectTypeOf<Every["e"]>().toEqualTypeOf<bigint>();
    expectTypeOf<Every["l"]>().toEqualTypeOf<
      readonly { readonly name: string; readonly count: number }[]
    >();
  });

  it("give back the value, from bytes and from JSON", () => {
    fc.assert(
      fc.property(everyValue, (value) => {
        const event = everyField.encode(value);
        expect(everyField.decode(event.payload)).toEqual({ ok: true, value });
        const json: unknown = JSON.parse(JSON.stringify(everyField.toJson(value)));
        expect(everyField.fromJson(json)).toEqual({ ok: true, value });
      }),
    );
  });

  it("never throw on bytes, and accept only canonical ones", () => {
    const near = everyValue.chain((value) => {
      const { payload } = everyField.encode(value);
      return fc
        .tuple(fc.nat({ max: payload.length - 1 }), fc.integer({ min: 1, max: 255 }))
        .map(([at, bits]) => {
          const copy = payload.slice();
          copy[at] = (copy[at] ?? 0) ^ bits;
          return copy;
        });
    });
    fc.assert(
      fc.property(fc.oneof(near, fc.uint8Array({ maxLength: 200 })), (payload) => {
        const decoded = everyField.decode(payload);
        if (!decoded.ok) {
          expect(decoded.code).toBe("batch.bad-payload");
          return;
        }
        expect(everyField.encode(decoded.value).payload).toEqual(payload);
      }),
      { numRuns: 500 },
    );
  });

  it("refuse trailing bytes and truncation", () => {
    const { payload } = recordPut.encode({ topic: "a", key: "b", body: hashOf(1) });
    expect(codeOf(Uint8Array.of(...payload, 0), recordPut as never)).toBe("batch.bad-payload");
    for (let length = 0; length < payload.length; length++) {
      expect(recordPut.decode(payload.subarray(0, length)).ok).toBe(false);
    }
  });

  it("enforce each limit when writing and when reading", () => {
    const short = defineEvent({
      type: "test.short",
      version: 1,
      fields: [
        field.string("name", 2, NAME_TEXT),
        field.bytes("data", 2),
        field.list("items", 2, field.u8("item")),
      ],
    });
    const at = { name: "ab", data: Uint8Array.of(1, 2), items: [1, 2] };
    expect(short.decode(short.encode(at).payload).ok).toBe(true);
    const past = [
      { ...at, name: "abc" },
      { ...at, name: "A" },
      { ...at, name: "" },
      { ...at, data: Uint8Array.of(1, 2, 3) },
      { ...at, items: [1, 2, 3] },
      { ...at, items: [256] },
    ];
    for (const value of past) expect(() => short.encode(value)).toThrow(RangeError);
    const raw = (name: string, data: Uint8Array, items: readonly number[]): Uint8Array => {
      const writer = new Writer().string(name).bytes(data).u32(items.length);
      for (const item of items) writer.u8(item);
      return writer.finish();
    };
    for (const { name, data, items } of past.slice(0, 5)) {
      expect(codeOf(raw(name, data, items), short as never)).toBe("batch.bad-payload");
    }
  });

  it("refuse a list that claims more items than bytes follow", () => {
    const big = defineEvent({
      type: "test.big",
      version: 1,
      fields: [field.list("items", 0xffff_ffff, field.record("item", [field.hash("id")]))],
    });
    const result = big.decode(new Writer().u32(0xffff_ffff).finish());
    expect(result.ok ? "" : result.detail).toContain("do not fit");
  });

  it("refuse text that is not UTF-8 or has no UTF-8 form", () => {
    expect(() => recordPut.encode({ topic: "a", key: "\ud800", body: hashOf(1) })).toThrow(
      RangeError,
    );
    const writer = new Writer().string("a").bytes(Uint8Array.of(0xc0, 0x80)).bytes(hashOf(1));
    expect(codeOf(writer.finish(), recordPut as never)).toBe("batch.bad-payload");
  });

  it("refuse a boolean other than 0 and 1", () => {
    const flag = defineEvent({ type: "test.flag", version: 1, fields: [field.bool("on")] });
    expect(flag.decode(Uint8Array.of(2)).ok).toBe(false);
  });

  it.each<[string, unknown]>([
    ["not an object", 1],
    ["a list", []],
    ["nothing", null],
    ["a missing key", { topic: "a", key: "b" }],
    ["an unknown key", { topic: "a", key: "b", body: "", more: 1 }],
    ["a prototype", JSON.parse('{"topic":"a","key":"b","body":"","__proto__":{}}')],
    ["a number for text", { topic: 1, key: "b", body: "" }],
    ["text outside its class", { topic: "A!", key: "b", body: "" }],
    ["base64 without padding", { topic: "a", key: "b", body: "AA" }],
    ["base64 of another alphabet", { topic: "a", key: "b", body: "__-_" }],
    ["base64 that is not canonical", { topic: "a", key: "b", body: "AB==" }],
    ["only padding", { topic: "a", key: "b", body: "====" }],
    ["too much base64", { topic: "a", key: "b", body: "A".repeat(80_000) }],
  ])("refuse JSON with %s", (_what, json) => {
    const result = recordPut.fromJson(json);
    expect(result.ok ? "ok" : result.code).toBe("batch.bad-payload");
  });

  it.each<[string, unknown]>([
    ["a", 256],
    ["a", 1.5],
    ["a", -1],
    ["d", 2 ** 53],
    ["e", "01"],
    ["e", 1],
    ["e", "18446744073709551616"],
    ["f", 1],
    ["g", "00"],
    ["g", "G".repeat(64)],
    ["h", "0A0B0C"],
    ["k", [1, 2, 3, 4, 5]],
    ["k", "1"],
    ["l", [{ name: "x" }]],
  ])("refuse JSON with a wrong %s: %j", (key, value) => {
    const good = everyField.toJson({
      a: 1,
      b: 1,
      c: 1,
      d: 1,
      e: 1n,
      f: true,
      g: hashOf(1),
      h: Uint8Array.of(1, 2, 3),
      i: new Uint8Array(0),
      j: "",
      k: [],
      l: [],
    });
    expect(everyField.fromJson(good).ok).toBe(true);
    expect(everyField.fromJson({ ...good, [key]: value }).ok).toBe(false);
  });

  it("refuse JSON of an event over the size limit", () => {
    const body = Buffer.alloc(56 * 1024).toString("base64");
    expect(recordPut.fromJson({ topic: "a", key: "b", body }).ok).toBe(true);
    const two = defineEvent({
      type: "test.two",
      version: 1,
      fields: [field.bytes("a", 56 * 1024), field.bytes("b", 56 * 1024)],
    });
    expect(two.fromJson({ a: body, b: body }).ok).toBe(false);
  });

  it("write base64 as everybody does", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (body) => {
        const { body: base64 } = recordPut.toJson({ topic: "a", key: "b", body });
        expect(base64).toBe(Buffer.from(body).toString("base64"));
      }),
    );
  });

  it("tell control characters from text", () => {
    expect(LINE_TEXT.test("Grüße, Welt")).toBe(true);
    for (const bad of ["a\nb", "\u0000", "\u0085", "\u007f"])
      expect(LINE_TEXT.test(bad)).toBe(false);
  });

  it("refuse definitions with bad names", () => {
    const make = (name: string) => () =>
      defineEvent({ type: "test.names", version: 1, fields: [field.u8(name)] });
    for (const name of ["", "A", "a-b", "__proto__", "1a"]) expect(make(name)).toThrow(RangeError);
    const twice = [field.u8("a"), field.u16("a")];
    expect(() => defineEvent({ type: "test.names", version: 1, fields: twice })).toThrow(
      RangeError,
    );
    expect(() => defineEvent({ type: "names", version: 1, fields: [] })).toThrow(RangeError);
    expect(() => defineEvent({ type: "test.names", version: 0, fields: [] })).toThrow(RangeError);
  });
});
