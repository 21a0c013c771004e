import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { equalBytes } from "../../src/crypto/bytes.ts";
import { TetradError } from "../../src/errors.ts";
import type { VerifyJob } from "../../src/ledger/ports.ts";
import { LIMITS } from "../../src/limits.ts";
import { packJobs, unpackJobs } from "../../src/node/signing/verify-protocol.ts";
import { VerifyQueue } from "../../src/node/signing/verify-queue.ts";
import { type CheckJob, isWorkJob } from "../../src/node/signing/work-job.ts";

const lengthOf = (job: CheckJob): number => (isWorkJob(job) ? -1 : job.message.length);

/** A job of the right lengths whose message has the given length: enough for a queue. */
const jobOf = (messageLength: number): VerifyJob => ({
  message: new Uint8Array(messageLength),
  signature: new Uint8Array(LIMITS.falconSignatureBytes),
  publicKey: new Uint8Array(LIMITS.falconPublicKeyBytes),
});
const ONE = jobOf(1);

describe("verify queue", () => {
  type Answer = readonly boolean[];
  const push = (queue: VerifyQueue, count: number, priority: "consensus" | "batch" | "sync") =>
    new Promise<Answer>((resolve) => {
      const list = Array.from({ length: count }, () => ONE);
      queue.push(list, priority, resolve);
    });

  it("takes strictly by priority, oldest first", () => {
    const queue = new VerifyQueue();
    void push(queue, 2, "sync");
    void push(queue, 1, "batch");
    void push(queue, 2, "consensus");
    void push(queue, 1, "batch");
    const seen = queue.take(99).map(({ priority, index }) => `${priority} ${index}`);
    expect(seen).toEqual(["consensus 0", "consensus 1", "batch 0", "batch 0", "sync 0", "sync 1"]);
    expect([queue.waiting, queue.pending]).toEqual([0, 6]);
  });

  it("holds nothing of a job that was taken and answered", async () => {
    setFlagsFromString("--expose-gc");
    const collect: unknown = runInNewContext("gc");
    if (typeof collect !== "function") throw new Error("there is no collector to call");
    const queue = new VerifyQueue();
    const pushOne = (): WeakRef<VerifyJob> => {
      const job = jobOf(1);
      queue.push([job], "batch", () => {});
      return new WeakRef(job);
    };
    const taken = pushOne();
    const waiting = pushOne();
    queue.settle(queue.take(1), [true]);
    // What a WeakRef has given in a turn lives until the next one.
    await setImmediate();
    collect();
    expect([taken.deref() === undefined, waiting.deref() === undefined]).toEqual([true, false]);
    expect(queue.pending).toBe(1);
  });

  it("is bounded for each priority: full at the limit, refused one past it, whole calls only", () => {
    const queue = new VerifyQueue(10);
    const done = (): void => {};
    const list = (count: number) => Array.from({ length: count }, () => ONE);
    queue.push(list(7), "sync", done);
    const overloaded = expect.objectContaining({ code: "node.overloaded" });
    expect(() => queue.push(list(4), "sync", done)).toThrow(overloaded);
    expect(queue.pending).toBe(7);
    queue.push(list(3), "sync", done);
    expect(() => queue.push(list(1), "sync", done)).toThrow(overloaded);
    queue.push(list(10), "consensus", done);
    expect(queue.pending).toBe(20);
    queue.take(11);
    queue.push(list(1), "sync", done);
    expect(queue.pending).toBe(21);
  });

  it("has the limit of the table when nothing else is said", () => {
    const queue = new VerifyQueue();
    const full = new Array<VerifyJob>(LIMITS.verifyJobsPendingMax).fill(ONE);
    queue.push(full, "batch", () => {});
    expect(() => queue.push([ONE], "batch", () => {})).toThrow(TetradError);
  });

  it("gives every call its own answers whatever is taken, put back and settled in between", () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant("push" as const), count: fc.nat({ max: 9 }), at: fc.nat() }),
      fc.record({ do: fc.constant("take" as const), max: fc.integer({ min: 1, max: 7 }) }),
      fc.record({ do: fc.constant("settle" as const), which: fc.nat() }),
      fc.record({ do: fc.constant("putBack" as const), which: fc.nat() }),
    );
    fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const queue = new VerifyQueue();
        const chunks: ReturnType<VerifyQueue["take"]>[] = [];
        const answers = new Map<number, readonly boolean[]>();
        const expected: boolean[][] = [];
        // The truth of a job is the parity of its message's length, so a wrong place shows.
        const settle = (items: ReturnType<VerifyQueue["take"]>): void => {
          queue.settle(
            items,
            items.map(({ job }) => lengthOf(job) % 2 === 1),
          );
        };
        let pushed = 0;
        for (const next of steps) {
          if (next.do === "push") {
            const id = expected.length;
            const parity = Array.from(
              { length: next.count },
              (_, i) => (next.at + i * i) % 3 === 0,
            );
            const list = parity.map((odd) => jobOf(odd ? 1 : 2));
            expected.push(parity);
            pushed += next.count;
            const priority = (["sync", "batch", "consensus"] as const)[next.at % 3] ?? "sync";
            queue.push(list, priority, (valid) => {
              expect(answers.has(id)).toBe(false);
              answers.set(id, valid);
            });
          } else if (next.do === "take") {
            chunks.push(queue.take(next.max));
          } else if (chunks.length > 0) {
            const [chunk] = chunks.splice(next.which % chunks.length, 1);
            if (next.do === "settle") {
              settle(chunk ?? []);
              pushed -= chunk?.length ?? 0;
            } else queue.putBack(chunk ?? []);
          }
          expect(queue.pending).toBe(pushed);
        }
        for (const chunk of chunks) settle(chunk);
        while (queue.waiting > 0) settle(queue.take(5));
        await Promise.resolve();
        expect(expected.map((_, id) => answers.get(id))).toEqual(expected);
        expect(queue.pending).toBe(0);
      }),
    );
  });

  it("puts back in order, before what came later", () => {
    const queue = new VerifyQueue();
    void push(queue, 3, "batch");
    const taken = queue.take(2);
    void push(queue, 1, "batch");
    queue.putBack(taken);
    expect(queue.take(9).map(({ index }) => index)).toEqual([0, 1, 2, 0]);
  });

  it("keeps its order over many times the length at which it moves its items", () => {
    const queue = new VerifyQueue();
    const lengths: number[] = [];
    for (let i = 0; i < 5000; i++) {
      queue.push([jobOf(i)], "sync", () => {});
      if (i % 3 === 2) lengths.push(...queue.take(2).map((item) => lengthOf(item.job)));
    }
    lengths.push(...queue.take(5000).map((item) => lengthOf(item.job)));
    expect(lengths).toEqual(Array.from({ length: 5000 }, (_, i) => i));
  });
});

describe("chunks between threads", () => {
  it("come out as they went in", () => {
    const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
    const job = fc.record({
      message: fc.uint8Array({ maxLength: 300 }),
      signature: bytes(LIMITS.falconSignatureBytes),
      publicKey: bytes(LIMITS.falconPublicKeyBytes),
    });
    fc.assert(
      fc.property(fc.array(job, { maxLength: 5 }), (list) => {
        const unpacked = unpackJobs(packJobs(list));
        expect(unpacked).toHaveLength(list.length);
        for (const [i, { message, signature, publicKey }] of list.entries()) {
          const out = unpacked[i];
          expect(equalBytes(out?.message ?? publicKey, message)).toBe(true);
          expect(equalBytes(out?.signature ?? publicKey, signature)).toBe(true);
          expect(equalBytes(out?.publicKey ?? signature, publicKey)).toBe(true);
        }
      }),
      { numRuns: 30 },
    );
  });
});
