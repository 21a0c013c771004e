import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FrameParser } from "../../src/transport/framing.ts";

const frameOf = (payload: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(4 + payload.length);
  new DataView(bytes.buffer).setUint32(0, payload.length);
  bytes.set(payload, 4);
  return bytes;
};

const joined = (parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

/** Cuts bytes at the given fractions of their length. */
const cut = (bytes: Uint8Array, at: readonly number[]): Uint8Array[] => {
  const places = [...at.map((fraction) => Math.floor(fraction * bytes.length))].sort(
    (a, b) => a - b,
  );
  const pieces: Uint8Array[] = [];
  let from = 0;
  for (const place of [...places, bytes.length]) {
    pieces.push(bytes.subarray(from, place));
    from = place;
  }
  return pieces;
};

const parseAll = (limit: number, pieces: readonly Uint8Array[]) => {
  const parser = new FrameParser(limit);
  const frames: Uint8Array[] = [];
  let failure: unknown;
  for (const piece of pieces) {
    failure = parser.push(piece, (payload) => {
      frames.push(payload);
      return true;
    });
    if (failure !== undefined) break;
  }
  return { parser, frames, failure };
};

describe("FrameParser", () => {
  it("gives the same frames however the stream is cut", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 }),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 40 }),
        (payloads, cuts) => {
          const stream = joined(payloads.map(frameOf));
          const { frames, failure, parser } = parseAll(300, cut(stream, cuts));
          expect(failure).toBeUndefined();
          expect(parser.partial).toBe(false);
          expect(parser.frames).toBe(payloads.length);
          expect(frames.map((frame) => [...frame])).toEqual(payloads.map((frame) => [...frame]));
        },
      ),
    );
  });

  it("gives the same frames byte by byte", () => {
    const payloads = [new Uint8Array(0), Uint8Array.of(1, 2, 3), new Uint8Array(1000).fill(9)];
    const stream = joined(payloads.map(frameOf));
    const pieces = [...stream].map((byte) => Uint8Array.of(byte));
    expect(parseAll(1000, pieces).frames).toEqual(payloads);
  });

  it("takes a frame of the limit and refuses the next length at its header", () => {
    const limit = 1000;
    const taken = parseAll(limit, [frameOf(new Uint8Array(limit))]);
    expect(taken.failure).toBeUndefined();
    expect(taken.frames[0]?.length).toBe(limit);
    const refused = parseAll(limit, [frameOf(new Uint8Array(limit + 1)).subarray(0, 4)]);
    expect(refused.failure).toMatchObject({ ok: false, code: "transport.frame-too-large" });
    expect(refused.parser.heldBytes).toBe(0);
  });

  it("refuses a claim of 4 GiB before it holds a byte, and stays refused", () => {
    const parser = new FrameParser(8 * 1024 * 1024);
    const claim = Uint8Array.of(0xff, 0xff, 0xff, 0xff);
    const never = () => {
      throw new Error("no frame can be complete");
    };
    expect(parser.push(claim.subarray(0, 3), never)).toBeUndefined();
    expect(parser.push(claim.subarray(3), never)).toMatchObject({
      code: "transport.frame-too-large",
    });
    expect(parser.heldBytes).toBe(0);
    expect(parser.push(new Uint8Array(100), never)).toMatchObject({
      code: "transport.frame-too-large",
    });
  });

  it("holds memory for what has arrived, not for what a header claims", () => {
    const parser = new FrameParser(8 * 1024 * 1024);
    const header = frameOf(new Uint8Array(8 * 1024 * 1024)).subarray(0, 4);
    parser.push(header, () => true);
    expect(parser.heldBytes).toBe(0);
    parser.push(new Uint8Array(10), () => true);
    expect(parser.heldBytes).toBeLessThanOrEqual(64 * 1024);
    expect(parser.partial).toBe(true);
  });

  it("assembles a large frame from many pieces", () => {
    const payload = new Uint8Array(3_000_001);
    for (let i = 0; i < payload.length; i++) payload[i] = (i * 7) & 0xff;
    const stream = frameOf(payload);
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < stream.length; at += 1331) pieces.push(stream.subarray(at, at + 1331));
    const { frames } = parseAll(4_000_000, pieces);
    expect(frames.length).toBe(1);
    expect(Buffer.compare(frames[0] ?? new Uint8Array(0), payload)).toBe(0);
  });

  it("never crashes on hostile bytes, and frames it gives are within the limit", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2000 }),
        fc.array(fc.uint8Array({ maxLength: 500 }), { maxLength: 20 }),
        (limit, pieces) => {
          const { frames, parser } = parseAll(limit, pieces);
          const fed = pieces.reduce((sum, piece) => sum + piece.length, 0);
          expect(frames.every((frame) => frame.length <= limit)).toBe(true);
          expect(frames.reduce((sum, frame) => sum + frame.length + 4, 0)).toBeLessThanOrEqual(fed);
          expect(parser.heldBytes).toBeLessThanOrEqual(Math.max(64 * 1024, fed * 2));
        },
      ),
    );
  });

  it("stops when the taker says so", () => {
    const parser = new FrameParser(100);
    const stream = joined([frameOf(Uint8Array.of(1)), frameOf(Uint8Array.of(2))]);
    let frames = 0;
    parser.push(stream, () => {
      frames += 1;
      return false;
    });
    expect(frames).toBe(1);
  });

  it("hands over bytes of its own", () => {
    const stream = frameOf(Uint8Array.of(1, 2, 3));
    const { frames } = parseAll(10, [stream]);
    stream.fill(0);
    expect([...(frames[0] ?? [])]).toEqual([1, 2, 3]);
  });
});
