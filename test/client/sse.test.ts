import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createSseParser, type SseMessage } from "../../src/client/sse.ts";
import { utf8 } from "../../src/crypto/codec.ts";

const parse = (pieces: readonly Uint8Array[]): SseMessage[] => {
  const parser = createSseParser(1 << 20);
  return pieces.flatMap((piece) => [...parser.push(piece)]);
};

describe("event stream parser", () => {
  it("reads fields, comments, ids that stay, and events with names", () => {
    const text =
      ": hi\nretry: 1500\n\nid: 4\ndata: a\ndata: b\n\nevent: checkpoint\ndata:{}\n\ndata\n\nid\ndata: x\n\n";
    expect(parse([utf8(text)])).toEqual([
      { event: "message", data: "a\nb", id: "4" },
      { event: "checkpoint", data: "{}", id: "4" },
      { event: "message", data: "", id: "4" },
      { event: "message", data: "x", id: "" },
    ]);
    const parser = createSseParser(100);
    parser.push(utf8("retry: 1500\n\n"));
    expect(parser.retryMs()).toBe(1500);
  });

  it("gives the same messages however the bytes are cut, with any line ends", () => {
    const line = fc.string({ unit: "grapheme" }).map((text) => text.replaceAll(/[\r\n]/g, ""));
    const messages = fc.array(fc.record({ id: fc.nat(), data: fc.array(line, { minLength: 1 }) }));
    const cuts = fc.array(fc.nat());
    fc.assert(
      fc.property(messages, fc.constantFrom("\n", "\r\n", "\r"), cuts, (sent, end, at) => {
        const bytes = utf8(
          sent
            .map(({ id, data }) =>
              [`id: ${id}`, ...data.map((one) => `data: ${one}`), "", ""].join(end),
            )
            .join("") + end,
        );
        const places = [...new Set(at.map((one) => one % (bytes.length + 1)))].sort(
          (a, b) => a - b,
        );
        const pieces = [0, ...places].map((from, i) =>
          bytes.subarray(from, places[i] ?? bytes.length),
        );
        const whole = parse([bytes, utf8("\n")]);
        expect(parse([...pieces, utf8("\n")])).toEqual(whole);
        expect(whole).toEqual(
          sent.map(({ id, data }) => ({ event: "message", data: data.join("\n"), id: String(id) })),
        );
      }),
    );
  });

  it("takes any bytes in any pieces: it gives messages or refuses, and holds no more than the bound", () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc.constantFrom(...["data:\n", "data", ":", "\r", "\n\n", "id:\0\n", "event: x\n"].map(utf8)),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 200 }), (pieces) => {
        const parser = createSseParser(64);
        try {
          for (const one of pieces) {
            for (const { data } of parser.push(one)) expect(data.length).toBeLessThanOrEqual(65);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
    );
  });

  it("counts lines without anything in them, which are kept as well", () => {
    const parser = createSseParser(100);
    expect(() => parser.push(utf8("data:\n".repeat(101)))).toThrow(RangeError);
    const inPieces = createSseParser(100);
    expect(() => {
      for (let i = 0; i <= 100; i++) inPieces.push(utf8("data\n"));
    }).toThrow(RangeError);
  });

  it("bounds a message, in one line or in many", () => {
    const parser = createSseParser(100);
    parser.push(utf8(`data: ${"x".repeat(90)}`));
    expect(() => parser.push(utf8("x".repeat(20)))).toThrow(RangeError);
    const other = createSseParser(100);
    expect(() => {
      for (let i = 0; i < 20; i++) other.push(utf8("data: 12345678\n"));
    }).toThrow(RangeError);
  });

  it("never crashes otherwise on arbitrary bytes", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array()), (pieces) => {
        expect(() => parse(pieces)).not.toThrow();
      }),
    );
  });
});
