import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FrameParser } from "../../src/transport/framing.ts";
import { SendQueue } from "../../src/transport/send-queue.ts";

describe("SendQueue", () => {
  it("gives the framed stream in slices of any size, taken in steps of any size", () => {
    const step = fc.record({
      push: fc.option(fc.uint8Array({ maxLength: 200 }), { nil: undefined }),
      look: fc.integer({ min: 0, max: 120 }),
      take: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const queue = new SendQueue(1_000_000);
        const parser = new FrameParser(200);
        const pushed: number[][] = [];
        const got: number[][] = [];
        let framesOut = 0;
        const move = (look: number, take: number) => {
          const slice = new Uint8Array(look);
          const count = Math.floor(queue.peek(slice) * take);
          framesOut += queue.consume(count);
          parser.push(slice.subarray(0, count), (payload) => got.push([...payload]) > 0);
        };
        for (const { push, look, take } of steps) {
          if (push !== undefined && queue.push(push)) pushed.push([...push]);
          move(look, take);
        }
        while (!queue.isEmpty) move(64, 1);
        expect(got).toEqual(pushed);
        expect(framesOut).toBe(pushed.length);
        expect(queue.bytes).toBe(0);
      }),
    );
  });

  it("refuses what does not fit and takes it again when there is room", () => {
    const queue = new SendQueue(1000);
    expect(queue.push(new Uint8Array(936))).toBe(true);
    expect(queue.bytes).toBe(1000);
    expect(queue.push(new Uint8Array(0))).toBe(false);
    const slice = new Uint8Array(2000);
    expect(queue.peek(slice)).toBe(940);
    queue.consume(939);
    expect(queue.push(new Uint8Array(0))).toBe(false);
    expect(queue.consume(1)).toBe(1);
    expect(queue.push(new Uint8Array(937))).toBe(false);
    expect(queue.push(new Uint8Array(936))).toBe(true);
  });

  it("bounds the number of tiny frames", () => {
    const queue = new SendQueue(64 * 1024);
    let count = 0;
    while (queue.push(new Uint8Array(0))) count += 1;
    expect(count).toBe(1024);
  });

  it("holds no consumed payload over a long run", () => {
    const queue = new SendQueue(10_000);
    const slice = new Uint8Array(64);
    for (let i = 0; i < 20_000; i++) {
      expect(queue.push(Uint8Array.of(i & 0xff))).toBe(true);
      if (i % 7 !== 0) queue.consume(queue.peek(slice));
      expect(queue.bytes).toBeLessThan(10_000);
    }
  });

  it("does not let more be taken than there is", () => {
    const queue = new SendQueue(1000);
    queue.push(new Uint8Array(1));
    expect(() => queue.consume(6)).toThrow(RangeError);
  });

  it("is empty after clear, also in the middle of a frame", () => {
    const queue = new SendQueue(1000);
    queue.push(new Uint8Array(100));
    queue.consume(7);
    queue.clear();
    expect(queue.isEmpty).toBe(true);
    queue.push(Uint8Array.of(5));
    const slice = new Uint8Array(10);
    expect([...slice.subarray(0, queue.peek(slice))]).toEqual([0, 0, 0, 1, 5]);
  });
});
