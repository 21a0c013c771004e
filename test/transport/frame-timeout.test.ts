/** How long a frame may take: a peer on a slow link may finish a long one, and who only trickles may not. */
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/limits.ts";
import { Loop, ManualTime } from "../ledger/replica/ports.ts";
import { CONTROL, HELLO, openScripted, SYNC } from "./scripted-session.ts";

const PROGRESS = LIMITS.frameProgressBytes;
const TIMEOUT = LIMITS.frameTimeoutMs;

const headerOf = (bytes: number): Uint8Array => {
  const header = new Uint8Array(4);
  new DataView(header.buffer).setUint32(0, bytes);
  return header;
};

/** A session that is up, with the header of a frame of that length read. */
const begin = (frameBytes: number) => {
  const time = new ManualTime(new Loop(), 0);
  // The handshake is another test's: nobody answers here.
  const scripted = openScripted({ time, limits: { sessionHandshakeTimeoutMs: 86_400_000 } });
  const { arrive, service } = scripted;
  arrive(CONTROL, HELLO);
  service();
  arrive(SYNC, headerOf(frameBytes));
  service();
  const come = (bytes: number): void => {
    arrive(SYNC, new Uint8Array(bytes));
    service();
  };
  return { ...scripted, time, come };
};

describe("a frame", () => {
  it("of 6 MiB over 200 kB/s comes to its end, and nobody is turned away for it", () => {
    const bytes = LIMITS.syncResponseBytesMax;
    const { time, come, frames, ends, session } = begin(bytes);
    for (let left = bytes; left > 0; left -= 20_000) {
      time.advance(100);
      come(Math.min(left, 20_000));
    }
    expect(ends).toEqual([]);
    expect(frames.map((frame) => frame.length)).toEqual([bytes]);
    // Nothing runs on: what is complete is not late any more.
    time.advance(10 * TIMEOUT);
    expect([ends, session.isUp]).toEqual([[], true]);
  });

  it("of which a byte a second comes is late after the time of one that stands still", () => {
    const { time, come, ends } = begin(LIMITS.syncResponseBytesMax);
    let seconds = 0;
    for (; ends.length === 0 && seconds < 1000; seconds++) {
      time.advance(1000);
      come(1);
    }
    expect([ends, seconds]).toEqual([["transport.frame-timeout"], TIMEOUT / 1000]);
  });

  it("has its time anew for every frameProgressBytes, and for not one byte less", () => {
    const slow = begin(LIMITS.syncResponseBytesMax);
    for (let i = 0; i < 10; i++) {
      slow.time.advance(TIMEOUT - 1);
      slow.come(PROGRESS);
    }
    expect(slow.ends).toEqual([]);
    slow.time.advance(TIMEOUT - 1);
    slow.come(PROGRESS - 1);
    expect(slow.ends).toEqual([]);
    slow.time.advance(1);
    expect(slow.ends).toEqual(["transport.frame-timeout"]);
  });

  it("has its own time, whatever came before it", () => {
    const { time, arrive, service, come, ends, frames } = begin(PROGRESS);
    time.advance(TIMEOUT - 1);
    come(PROGRESS);
    arrive(SYNC, headerOf(100));
    service();
    time.advance(TIMEOUT - 1);
    come(99);
    expect([ends, frames.length]).toEqual([[], 1]);
    time.advance(1);
    expect(ends).toEqual(["transport.frame-timeout"]);
  });
});
