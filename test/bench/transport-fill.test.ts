/** Writers of the transport benchmark leave the event loop to timers and messages. */
import { expect, it } from "vitest";
import { fill } from "../../bench/transport/fill.ts";
import type { Pipe } from "../../bench/transport/subject.ts";
import { realClock } from "../../src/node/real-ports.ts";

it("lets timers run while pipes take whatever they are given at once", async () => {
  // As sockets do whose kernel has room: the write is over before the loop has turned.
  const pipe: Pipe = { write: () => Promise.resolve(), onData: () => {} };
  const endMs = realClock.monotonicMs() + 10_000;
  let hasFired = false;
  setTimeout(() => {
    hasFired = true;
  }, 20);
  const isOver = (): boolean => hasFired || realClock.monotonicMs() >= endMs;
  await Promise.all(Array.from({ length: 64 }, () => fill(pipe, isOver)));
  expect(hasFired).toBe(true);
});

it("writes until the time is over, after a byte that says what the stream is for", async () => {
  const lengths: number[] = [];
  const pipe: Pipe = {
    write: async (bytes) => {
      lengths.push(bytes.length);
    },
    onData: () => {},
  };
  const endMs = realClock.monotonicMs() + 20;
  await fill(pipe, () => realClock.monotonicMs() >= endMs);
  expect(lengths[0]).toBe(1);
  expect(lengths.length).toBeGreaterThan(1);
  expect(new Set(lengths.slice(1))).toEqual(new Set([64 * 1024]));
});
