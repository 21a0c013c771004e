/** Charges that may be for what somebody said who had not shown the member's key. */
import { expect, it } from "vitest";
import { LIMITS } from "../../src/limits.ts";
import { UnprovedFrames } from "../../src/transport/unproved-frames.ts";

const { lateChargeMs } = LIMITS.paths;

const setUp = () => {
  let nowMs = 0;
  const clock = { monotonicMs: () => nowMs, wallMs: () => 0 };
  const frames = new UnprovedFrames(LIMITS.paths, clock);
  const at = (ms: number): void => {
    nowMs = ms;
  };
  return { frames, at };
};

it("are those of another session, for lateChargeMs and no longer", () => {
  const { frames, at } = setUp();
  const [before, now] = [{}, {}];
  expect(frames.isLate(now)).toBe(false);
  frames.heard(before);
  at(lateChargeMs - 1);
  expect(frames.isLate(now)).toBe(true);
  at(lateChargeMs);
  expect(frames.isLate(now)).toBe(false);
});

it("are not those of the session that carries: its peer has shown the key in it", () => {
  const { frames, at } = setUp();
  const [first, carrying] = [{}, {}];
  frames.heard(carrying);
  expect(frames.isLate(carrying)).toBe(false);
  frames.heard(first);
  expect(frames.isLate(carrying)).toBe(true);
  // A later frame counts from when it came.
  at(lateChargeMs - 1);
  frames.heard(first);
  at(lateChargeMs + 1);
  expect(frames.isLate(carrying)).toBe(true);
});
