/** What a session that has to wait reads and keeps: the QUIC connection under it is the test's. */
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/limits.ts";
import { CONTROL, framed, HELLO, openScripted } from "./scripted-session.ts";

/** Frames of one byte, which count up. */
const frames = (from: number, count: number): Uint8Array =>
  Buffer.concat(Array.from({ length: count }, (_, i) => framed(Uint8Array.of((from + i) & 0xff))));

/** An accepted session whose user holds it at its hello. */
const open = () => {
  const scripted = openScripted({ ready: (session) => session.hold() });
  return { ...scripted, got: () => scripted.frames.map((bytes) => bytes[0] ?? -1) };
};

describe("a session that is held at its hello", () => {
  it("reads nothing more, and has everything in order when it is let go on", () => {
    const { session, arrive, unread, got, ends, service } = open();
    arrive(CONTROL, Buffer.concat([HELLO, frames(0, 3)]));
    for (let i = 0; i < 5; i++) arrive(CONTROL, frames(3 + i, 1));
    service();
    service();
    expect([session.isUp, got().length, unread()]).toEqual([true, 0, 5]);
    session.release();
    service();
    expect([got(), unread()]).toEqual([[0, 1, 2, 3, 4, 5, 6, 7], 0]);
    expect(ends).toEqual([]);
    session.close("closed", "the test is over");
  });

  it("keeps heldFramesMax frames that came in one piece with the hello", () => {
    const { session, arrive, got, ends, service } = open();
    arrive(CONTROL, Buffer.concat([HELLO, frames(0, LIMITS.heldFramesMax)]));
    service();
    expect(ends).toEqual([]);
    session.release();
    service();
    expect(got()).toEqual(Array.from({ length: LIMITS.heldFramesMax }, (_, i) => i & 0xff));
    session.close("closed", "the test is over");
  });

  it("ends for one more, and has none of them then", () => {
    const { session, arrive, got, ends, service } = open();
    arrive(CONTROL, Buffer.concat([HELLO, frames(0, LIMITS.heldFramesMax + 1)]));
    service();
    expect([ends, session.isUp]).toEqual([["transport.protocol"], false]);
    session.release();
    service();
    expect(got()).toEqual([]);
  });
});
