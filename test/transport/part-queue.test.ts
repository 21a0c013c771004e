/** What waits for its reader on the reactor: all of it, in its order, and no more than the limits have. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { REACTOR_LIMITS } from "../../src/limits-driver.ts";
import { PartQueue, UnreadBudget } from "../../src/transport/part-queue.ts";

const { unreadBytesMax, unreadPartsMax } = REACTOR_LIMITS;

describe("parts that wait for their reader", () => {
  it("come out as they went in, and leave the budget as it was", () => {
    const step = fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.constant("shift" as const));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const budget = new UnreadBudget({ unreadBytesMax: 1_200, unreadPartsMax: 60 });
        const queue = new PartQueue(budget);
        const model: Uint8Array[] = [];
        for (const one of steps) {
          if (one === "shift") expect(queue.shift()).toBe(model.shift());
          else {
            expect(queue.push(one)).toBe(true);
            model.push(one);
          }
          expect(queue.isEmpty).toBe(model.length === 0);
          expect(budget.bytes).toBe(model.reduce((sum, part) => sum + part.length, 0));
        }
        queue.clear();
        expect([budget.bytes, queue.isEmpty, queue.shift()]).toEqual([0, true, undefined]);
      }),
    );
  });

  it("have room up to the limit of bytes in all queues together, and not for one more", () => {
    const budget = new UnreadBudget(REACTOR_LIMITS);
    const [one, other] = [new PartQueue(budget), new PartQueue(budget)];
    const half = new Uint8Array(unreadBytesMax / 2);
    expect([one.push(half), other.push(half), budget.bytes]).toEqual([true, true, unreadBytesMax]);
    expect(one.push(Uint8Array.of(1))).toBe(false);
    other.clear();
    expect([budget.isKept, budget.bytes]).toEqual([true, unreadBytesMax / 2 + 1]);
    expect(one.shift()).toBe(half);
    expect(budget.bytes).toBe(1);
  });

  it("have room up to the limit of parts, however small they are", () => {
    const budget = new UnreadBudget(REACTOR_LIMITS);
    const queue = new PartQueue(budget);
    const byte = Uint8Array.of(1);
    for (let i = 0; i < unreadPartsMax; i++) queue.push(byte);
    expect(budget.isKept).toBe(true);
    expect(queue.push(byte)).toBe(false);
    queue.shift();
    expect(budget.isKept).toBe(true);
  });
});
