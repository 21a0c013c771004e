/** Writing as much as a stream takes, without keeping the event loop from everything else. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { realClock } from "../../src/node/real-ports.ts";
import { type Pipe, SINK } from "./subject.ts";

const CHUNK = new Uint8Array(64 * 1024).fill(7);

/**
 * A pipe whose kernel has room takes a write without a turn of the event loop, and with many of them one always has:
 * then no timer and no message of the other end gets through, and nobody says when the warm-up is over. So whoever
 * writes lets the loop turn at least so often.
 */
const TURN_MS = 2;

export const fill = async (pipe: Pipe, isOver: () => boolean): Promise<void> => {
  await pipe.write(Uint8Array.of(SINK));
  let turnedMs = realClock.monotonicMs();
  while (!isOver()) {
    if (realClock.monotonicMs() - turnedMs >= TURN_MS) {
      await nextTurn();
      turnedMs = realClock.monotonicMs();
    }
    await pipe.write(CHUNK);
  }
};
