/** I18: how far the time of final blocks may be from the true time, before and after the heal. */
import { describe, expect, it } from "vitest";
import { blockTime } from "../../sim/checkers/block-time.ts";
import { createRig, type Rig } from "./rig.ts";
import { statusWith } from "./support.ts";

const START_MS = 1_000_000;
const WINDOW_MS = 600_000;
const HEALED_MS = 10_000;

const begin = (healed: boolean): Rig => {
  const rig = createRig(blockTime);
  rig.nowUs = START_MS * 1_000;
  if (healed) rig.checker.healed?.(rig.nowUs, [0, 1, 2]);
  return rig;
};

const show = (rig: Rig, finalHeight: number, finalTimeMs: number): void =>
  rig.checker.status?.(0, statusWith({ finalHeight, finalTimeMs }));

/** Height 20 is of so much before the newest that was seen at least ten below it. */
const lag = (byMs: number, healed: boolean, skipped: boolean): string[] => {
  const rig = begin(healed);
  const below = skipped ? 9 : 10;
  show(rig, below, 1);
  rig.nowUs += 10_000_000;
  // Too near: it may have been proposed before this one was final.
  show(rig, 11, 2);
  rig.nowUs += 10_000_000;
  show(rig, 20, START_MS - byMs);
  return rig.found;
};

describe("the time of final blocks", () => {
  it.each([
    ["", false],
    [" where a height was never the newest", true],
  ])("may not lag, by a little after the heal and by much before%s", (_where, skipped) => {
    expect(lag(WINDOW_MS, false, skipped)).toEqual([]);
    expect(lag(WINDOW_MS + 1, false, skipped)).toEqual(["I18"]);
    expect(lag(HEALED_MS, true, skipped)).toEqual([]);
    expect(lag(HEALED_MS + 1, true, skipped)).toEqual(["I18"]);
  });

  it("may lag where no more blocks than may be open wait for it", () => {
    const rig = begin(true);
    for (let height = 1; height <= 10; height++) {
      rig.nowUs += 60_000_000;
      show(rig, height, height);
    }
    expect(rig.found).toEqual([]);
    rig.nowUs += 60_000_000;
    show(rig, 11, 11);
    expect(rig.found).toEqual(["I18"]);
  });

  it("may not be ahead, by a little after the heal and by much before", () => {
    const ahead = (byMs: number, healed: boolean): string[] => {
      const rig = begin(healed);
      show(rig, 1, START_MS);
      show(rig, 11, START_MS + byMs);
      return rig.found;
    };
    expect(ahead(WINDOW_MS, false)).toEqual([]);
    expect(ahead(WINDOW_MS + 1, false)).toEqual(["I18"]);
    expect(ahead(HEALED_MS, true)).toEqual([]);
    expect(ahead(HEALED_MS + 1, true)).toEqual(["I18"]);
  });
});
