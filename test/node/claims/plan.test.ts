/** When work for an epoch ends, and what is answered: real figures, and the bounds of all. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { answersDue, type Claim } from "../../../src/ledger/projections/claims.ts";
import { LIMITS } from "../../../src/limits.ts";
import { isLate, pacedDuty, workEndsMs } from "../../../src/node/claims/plan.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

const endOf = (epochMs: number, blockMs: number, answerMs = 0): number =>
  workEndsMs({ startMs: 0 }, { epochMs, blockMs, answerMs });

describe("the end of work for an epoch", () => {
  it.each([
    ["ten minutes, a block a second", 10 * MINUTE, SECOND, 582 * SECOND],
    ["ten minutes, idle with a block in ten seconds", 10 * MINUTE, 10 * SECOND, 420 * SECOND],
    ["an hour, a block a second", HOUR, SECOND, 3_582 * SECOND],
    ["an epoch of five blocks", 5 * SECOND, SECOND, 1_250],
  ])("%s", (_, epochMs, blockMs, ends) => {
    expect(endOf(epochMs, blockMs)).toBe(ends);
  });

  it("leaves room to make the answer", () => {
    expect(endOf(HOUR, SECOND, 24 * SECOND)).toBe(3_558 * SECOND);
  });

  it("is within the epoch, a quarter of it at least", () => {
    const ms = fc.integer({ min: 4, max: 366 * 24 * HOUR });
    fc.assert(
      fc.property(ms, ms, ms, (epochMs, blockMs, answerMs) => {
        const ends = endOf(epochMs, blockMs, answerMs);
        expect(ends).toBeGreaterThanOrEqual(Math.floor(epochMs / 4));
        expect(ends).toBeLessThanOrEqual(epochMs);
      }),
    );
  });
});

describe("the pace", () => {
  it("spreads small work over a tenth of the epoch, and takes what is given for large work", () => {
    expect(pacedDuty(500, 10 * MINUTE, 25)).toBe(1);
    expect(pacedDuty(6_000, 10 * MINUTE, 25)).toBe(10);
    expect(pacedDuty(85 * MINUTE, HOUR, 25)).toBe(25);
    expect(pacedDuty(0, HOUR, 25)).toBe(1);
    expect(pacedDuty(HOUR, HOUR, 100)).toBe(100);
  });
});

describe("work that should be over", () => {
  it("is so from three tenths of the epoch on", () => {
    const at = (ms: number): boolean => isLate({ startMs: 5 }, 10 * MINUTE, 5 + ms);
    expect([at(0), at(3 * MINUTE - 1), at(3 * MINUTE)]).toEqual([false, false, true]);
  });
});

describe("answers", () => {
  const claim = (epoch: number, more: Partial<Claim> = {}): Claim => ({
    ...{ epoch, seed: new Uint8Array(32), committedHeight: 20 },
    ...{ parts: 0, state: 0, settledEpoch: 0, fault: "" },
    ...more,
  });
  const due = (claims: readonly Claim[], epoch: number, height: number) =>
    answersDue(
      claims,
      () => 3,
      { epoch, height },
      () => new Uint8Array(32),
    ).map((answer) => [answer.claim.epoch, answer.part]);

  it("are due from the height that draws the challenge, to the end of the next epoch", () => {
    const drawn = 20 + LIMITS.challengeDelayHeights;
    expect(due([claim(4)], 4, drawn - 1)).toEqual([]);
    const all = [
      [4, 0],
      [4, 1],
      [4, 2],
    ];
    expect(due([claim(4)], 4, drawn)).toEqual(all);
    expect(due([claim(4)], 5, drawn)).toEqual(all);
    expect(due([claim(4)], 6, drawn)).toEqual([]);
  });

  it("are those that are not there yet, of claims that are open", () => {
    expect(due([claim(4, { parts: 0b101 })], 4, 99)).toEqual([[4, 1]]);
    expect(due([claim(4, { state: 1 }), claim(3, { state: 2 })], 4, 99)).toEqual([]);
  });
});
