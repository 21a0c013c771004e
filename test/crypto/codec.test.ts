/** The writer and the texts by hand against what the platform's own encoders give. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DecodeError, Reader, utf8, Writer } from "../../src/crypto/codec.ts";

const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 200 }),
  fc.string({ maxLength: 200 }),
  // Lone surrogates among them.
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 80 })
    .map((units) => String.fromCharCode(...units)),
);

describe("texts", () => {
  it("are encoded as TextEncoder does it, whatever their length", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(utf8(text)).toEqual(new Uint8Array(new TextEncoder().encode(text)));
      }),
    );
  });

  it("are decoded as TextDecoder does it, and refused where it refuses", () => {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    const anyBytes = fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      anyText.map((text) => new TextEncoder().encode(text)),
    );
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        const read = (): string => new Reader(new Writer().bytes(bytes).finish()).string(4096);
        let expected: string | undefined;
        try {
          expected = decoder.decode(bytes);
        } catch {
          expect(read).toThrow(DecodeError);
          return;
        }
        expect(read()).toBe(expected);
      }),
    );
  });
});

describe("Writer", () => {
  it("writes integers as a DataView does, big-endian", () => {
    const u64 = fc.maxSafeNat();
    const big = fc.bigInt(0n, 0xffff_ffff_ffff_ffffn);
    const parts = fc.tuple(
      fc.integer({ min: 0, max: 0xff }),
      fc.integer({ min: 0, max: 0xffff }),
      fc.integer({ min: 0, max: 0xffff_ffff }),
      u64,
      big,
    );
    fc.assert(
      fc.property(parts, ([a, b, c, d, e]) => {
        const bytes = new Writer().u8(a).u16(b).u32(c).u64(d).u64big(e).finish();
        const view = new DataView(new ArrayBuffer(23));
        view.setUint8(0, a);
        view.setUint16(1, b);
        view.setUint32(3, c);
        view.setBigUint64(7, BigInt(d));
        view.setBigUint64(15, e);
        expect(bytes).toEqual(new Uint8Array(view.buffer));
      }),
    );
  });

  it("gives bytes of its own that later writers leave alone, also of writers within writers", () => {
    const anyParts = fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 8 });
    fc.assert(
      fc.property(anyParts, anyParts, (first, second) => {
        const outer = new Writer(8);
        const all: Uint8Array[] = [];
        for (const part of first) {
          outer.bytes(part);
          const inner = new Writer(4);
          for (const other of second) inner.raw(other);
          all.push(inner.finish());
        }
        const bytes = outer.finish();
        new Writer().raw(new Uint8Array(5000).fill(7)).finish();
        const reader = new Reader(bytes);
        for (const part of first) expect(reader.bytes(3000)).toEqual(part);
        reader.end();
        const joined = Uint8Array.from(second.flatMap((part) => [...part]));
        for (const inner of all) expect(inner).toEqual(joined);
      }),
    );
  });

  it("gives long bytes that fill it to the last one, and nobody else writes into them", () => {
    const length = 20_000;
    const whole = new Writer(length).raw(new Uint8Array(length).fill(7)).finish();
    const longer = new Writer(length).raw(new Uint8Array(length + 1).fill(8)).finish();
    new Writer(length).raw(new Uint8Array(length - 1).fill(9)).finish();
    new Writer().raw(new Uint8Array(300).fill(9)).finish();
    expect(whole).toEqual(new Uint8Array(length).fill(7));
    expect(longer).toEqual(new Uint8Array(length + 1).fill(8));
  });

  it("cannot be used after it is finished", () => {
    const writer = new Writer().u8(1);
    writer.finish();
    expect(() => writer.finish()).toThrow("finished");
    expect(() => writer.u8(2)).toThrow("finished");
  });
});
