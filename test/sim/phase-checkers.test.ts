/** I13, I17, L0, L1, L2, L3, L7, L8 and L9 are each shown a history that breaks them, and one that just does not. */
import { describe, expect, it } from "vitest";
import { everyClientAnswered } from "../../sim/checkers/answered.ts";
import { coreIsBare } from "../../sim/checkers/core-alone.ts";
import { haltsWithoutQuorum } from "../../sim/checkers/halts.ts";
import { everybodyLevel, progressMade } from "../../sim/checkers/phases.ts";
import { READ_WITHIN_US, readsAnswered } from "../../sim/checkers/reads-answered.ts";
import { differenceOf } from "../../sim/checkers/repeat.ts";
import { comesToRest } from "../../sim/checkers/rest.ts";
import { nobodyStops } from "../../sim/checkers/stopped.ts";
import type { Checker, Submission } from "../../sim/checkers/types.ts";
import type { NetworkOptions } from "../../sim/network.ts";
import { scenario } from "../../sim/scenario.ts";
import { simulate } from "../../sim/simulate.ts";
import { SYSTEM } from "../../sim/system.ts";
import type { LedgerHandle } from "../../src/ledger/handle.ts";
import { createRig, MEMBERS, type Rig } from "./rig.ts";
import { statusWith } from "./support.ts";

const final = (rig: Rig, slot: number, finalHeight: number): void =>
  rig.checker.status?.(slot, statusWith({ finalHeight }));

const executed = (rig: Rig, slot: number, executedHeight: number): void =>
  rig.checker.status?.(slot, statusWith({ executedHeight }));

/** The product, with handles that do some things in another way. */
const handles = (part: Partial<LedgerHandle>): NetworkOptions => ({
  ...SYSTEM,
  createSystem: (chain, scheme) => {
    const system = SYSTEM.createSystem(chain, scheme);
    return { ...system, boot: (...args) => ({ ...system.boot(...args), ...part }) };
  },
});

const lookAt = (rig: Rig, nowUs: number): void => {
  rig.nowUs = nowUs;
  rig.checker.looked?.();
};

describe("I13, nobody honest stops", () => {
  const health = (slot: number, voting: string, codes: readonly string[], asked = true): Rig => {
    const rig = createRig(nobodyStops, { asked: () => asked });
    const problems = codes.map((code) => ({ code, detail: "of this" }));
    rig.checker.health?.(slot, { voting, problems });
    return rig;
  };

  it("finds a node that halts, and one whose state is another", () => {
    expect(health(0, "halted", ["internal"]).found).toEqual(["I13"]);
    expect(health(0, "halted", []).found).toEqual(["I13"]);
    expect(health(1, "yes", ["state.mismatch"]).found).toEqual(["I13"]);
    expect(health(0, "halted", ["votes.foreign-statement"]).details).toEqual([
      "honest n0 has stopped itself: votes.foreign-statement of this",
    ]);
  });

  it("says nothing of a failed disk, of other problems, or of a node that is not asked", () => {
    expect(health(0, "halted", ["store.io"]).found).toEqual([]);
    expect(health(0, "halted", ["store.full"]).found).toEqual([]);
    expect(health(0, "no", ["votes.behind"]).found).toEqual([]);
    expect(health(0, "halted", ["internal"], false).found).toEqual([]);
  });

  it("finds a store that says it is corrupt on a disk that nobody has damaged", () => {
    expect(health(0, "halted", ["store.corrupt"]).found).toEqual(["I13"]);
  });
});

describe("I17, two runs of one seed", () => {
  const ended = { traceHash: "00ff", steps: 10, virtualMs: 5 };

  it("are alike, or differ in their traces, their tasks or their time", () => {
    expect(differenceOf(ended, { ...ended })).toBeUndefined();
    const { traceHash } = { traceHash: "00fe" };
    expect(differenceOf(ended, { ...ended, traceHash })).toBe("traces 00ff and 00fe of one seed");
    expect(differenceOf(ended, { ...ended, steps: 11 })).toBe("10 and 11 tasks of one seed");
    expect(differenceOf(ended, { ...ended, virtualMs: 6 })).toBe("5 and 6 ms of one seed");
  });
});

describe("L1, progress after the heal", () => {
  const demanded = (heights: readonly number[], slot = 0): Rig => {
    const rig = createRig(progressMade);
    rig.nowUs = 1_000_000;
    final(rig, 0, 7);
    rig.checker.mustPass?.(7, 3_000_000);
    for (const height of heights) final(rig, slot, height);
    return rig;
  };

  it("is missed at the time that it was demanded by, and not before", () => {
    const rig = demanded([7]);
    lookAt(rig, 2_999_999);
    expect(rig.found).toEqual([]);
    lookAt(rig, 3_000_000);
    expect(rig.found).toEqual(["L1"]);
    expect(rig.details).toEqual(["no new final block within 2000 ms after heal (height 7)"]);
  });

  it("is made by one block of an honest node, and not by what a liar shows", () => {
    const made = demanded([8]);
    lookAt(made, 3_000_000);
    lookAt(made, 9_000_000);
    expect(made.found).toEqual([]);
    const lied = demanded([8], 3);
    lookAt(lied, 3_000_000);
    expect(lied.found).toEqual(["L1"]);
  });

  it("is not asked for before the heal", () => {
    const rig = createRig(progressMade);
    lookAt(rig, 1e12);
    expect(rig.found).toEqual([]);
  });
});

describe("L3, everybody catches up", () => {
  const level = (heights: readonly (number | undefined)[]): Rig => {
    const rig = createRig(everybodyLevel);
    rig.checker.mustReach?.(5, 1_000_000);
    for (const [slot, height] of heights.entries()) {
      if (height !== undefined) executed(rig, slot, height);
    }
    return rig;
  };

  it("finds who is behind, and who is down, once the time is over", () => {
    const behind = level([5, 4, 6, 5]);
    lookAt(behind, 999_999);
    expect(behind.found).toEqual([]);
    for (const [slot, height] of [5, 4, 6, 5].entries()) executed(behind, slot, height);
    lookAt(behind, 1_000_000);
    expect(behind.details).toEqual(["n1 is at 4, target 5"]);
    const down = level([5, undefined, 6, 5]);
    lookAt(down, 1_000_000);
    expect(down.details).toEqual(["n1 is down, target 5"]);
  });

  it("is content when all who are asked have been there at one time", () => {
    const rig = level([5, 5, 5, 5]);
    lookAt(rig, 500_000);
    lookAt(rig, 2_000_000);
    expect(rig.found).toEqual([]);
  });

  it("asks whoever has to be level when it looks, be it only since the height was demanded", () => {
    let asked = 3;
    const rig = createRig(everybodyLevel, { asked: (slot) => slot < asked });
    rig.checker.mustReach?.(5, 1_000_000);
    asked = 4;
    for (const [slot, height] of [5, 5, 5, 4].entries()) executed(rig, slot, height);
    lookAt(rig, 999_999);
    expect(rig.found).toEqual([]);
    for (const [slot, height] of [5, 5, 5, 4].entries()) executed(rig, slot, height);
    lookAt(rig, 1_000_000);
    expect(rig.details).toEqual(["n3 is at 4, target 5"]);
  });

  it("forgets who was shown before it looked last", () => {
    const rig = level([5, 4, 5, 5]);
    lookAt(rig, 500_000);
    executed(rig, 1, 5);
    lookAt(rig, 1_000_000);
    expect(rig.details).toEqual(["n0 is down, target 5"]);
  });
});

describe("L7, a core that just has a quorum", () => {
  const heal = (slots: readonly number[], weights = [1n, 1n, 1n, 1n]): Rig => {
    const members = MEMBERS.map((member, i) => ({ ...member, weight: weights[i] ?? 1n }));
    const rig = createRig(coreIsBare, { members });
    rig.checker.coreHealed?.(slots);
    return rig;
  };

  it("has a quorum, none to spare, and no liar", () => {
    expect(heal([0, 1, 2]).found).toEqual([]);
    expect(heal([0, 1]).details).toEqual(["the core weighs 2 of 4, no quorum"]);
    expect(heal([0, 1, 3]).details).toEqual(["n3 is of the core, and lies"]);
    expect(heal([0, 1, 2], [5n, 1n, 5n, 1n]).found).toEqual([]);
    const spare = heal([0, 1, 2], [9n, 9n, 9n, 1n]);
    expect(spare.found).toEqual([]);
    const more = createRig(coreIsBare, { honest: () => true });
    more.checker.coreHealed?.([0, 1, 2, 3]);
    expect(more.details).toEqual(["the core weighs 4 of 4, more than it takes"]);
  });

  it("stays alone", () => {
    const rig = heal([0, 1, 2]);
    rig.checker.booted?.(1, 2, false);
    expect(rig.found).toEqual([]);
    rig.checker.booted?.(3, 2, false);
    expect(rig.found).toEqual(["L7"]);
    const all = createRig(coreIsBare);
    all.checker.booted?.(3, 2, false);
    expect(all.found).toEqual([]);
  });
});

describe("L8, no quorum", () => {
  const during = (fromMs: number, untilMs: number): Rig => {
    const rig = createRig(haltsWithoutQuorum, { haltedMs: [[fromMs, untilMs]] });
    final(rig, 0, 3);
    lookAt(rig, 1_000_000);
    // What was under way when the span began.
    final(rig, 0, 4);
    lookAt(rig, 2_000_000);
    return rig;
  };

  it("finds a block that is final in such a span", () => {
    const rig = during(2_000, 5_000);
    expect(rig.found).toEqual([]);
    final(rig, 1, 5);
    lookAt(rig, 5_000_000);
    expect(rig.details).toEqual(["height 5 without a quorum"]);
  });

  it("says nothing of blocks before and after it, or of what a liar shows", () => {
    const rig = during(2_000, 5_000);
    final(rig, 3, 9);
    lookAt(rig, 5_000_000);
    final(rig, 1, 5);
    lookAt(rig, 5_001_000);
    expect(rig.found).toEqual([]);
  });
});

describe("L2, every client is answered", () => {
  const batch = (batchIdHex: string): Submission => ({
    ...{ actorHex: "aa", laneSeq: 1, batchIdHex },
    ...{ eventCount: 1, bytes: 100 },
  });
  const [first, second] = [batch("01"), batch("02")];
  /** What is found where this is all that happens before the time is over. */
  const foundAfter = (happens: (checker: Checker) => void): readonly string[] => {
    const rig = createRig(everyClientAnswered);
    rig.checker.offered?.(0, first);
    rig.checker.offered?.(1, second);
    rig.checker.mustAnswer?.(5_000_000, () => 0);
    lookAt(rig, 4_999_999);
    expect(rig.found).toEqual([]);
    happens(rig.checker);
    lookAt(rig, 5_000_000);
    expect(new Set(rig.found).size).toBeLessThan(2);
    return rig.details;
  };

  it("finds who has no answer in time, and says what was refused", () => {
    const declined = (checker: Checker): void => {
      checker.acknowledged?.(1, first, 3);
      checker.declined?.(0, second, "batch.gap");
      checker.declined?.(2, second, "batch.gap");
    };
    expect(foundAfter(declined)).toEqual(['1 clients unanswered; [["batch.gap",2]]']);
    expect(foundAfter(() => undefined)).toEqual(["2 clients unanswered; []"]);
  });

  it("takes an answer of any node, and a client that no longer waits", () => {
    const settled = (checker: Checker): void => {
      checker.offered?.(2, first);
      checker.acknowledged?.(2, first, 3);
      checker.gaveUp?.(second);
    };
    expect(foundAfter(settled)).toEqual([]);
  });

  it("finds who waits and has found no node to hand its batch to", () => {
    const rig = createRig(everyClientAnswered);
    rig.checker.mustAnswer?.(5_000_000, () => 1);
    lookAt(rig, 4_000_000);
    lookAt(rig, 5_000_000);
    expect(rig.details).toEqual(["1 clients unanswered; []"]);
  });

  it("demands nothing before it is demanded, nor once all were answered", () => {
    const rig = createRig(everyClientAnswered);
    rig.checker.offered?.(0, first);
    lookAt(rig, 50_000_000);
    rig.checker.mustAnswer?.(60_000_000, () => 0);
    rig.checker.acknowledged?.(0, first, 1);
    lookAt(rig, 55_000_000);
    rig.checker.offered?.(0, second);
    lookAt(rig, 70_000_000);
    expect(rig.found).toEqual([]);
  });

  it("ends a run of which no node answers a client", () => {
    const unheard = handles({ submit: () => () => undefined });
    const one = scenario("unheard", { seed: 1, healMs: 500, expect: { convergeWithinMs: 4_000 } });
    const { outcome, violation } = simulate(one, { ...unheard, checkers: [], explains: false });
    expect([outcome, violation?.id]).toEqual(["liveness", "L2"]);
    expect(violation?.detail).toMatch(/^[1-9] clients unanswered; \[\]$/);
  });
});

describe("L0, a run comes to rest", () => {
  it("may take as many steps as it may, and no more", () => {
    const rig = createRig(comesToRest);
    rig.checker.worked?.(10, 10);
    expect(rig.found).toEqual([]);
    rig.checker.worked?.(11, 10);
    expect(rig.details).toEqual(["more than 11 steps: the nodes are busy for nothing"]);
  });
});

describe("L9, a read is answered", () => {
  it("is given its time, and no more", () => {
    const rig = createRig(readsAnswered);
    rig.checker.unanswered?.(2, 7, READ_WITHIN_US + 6);
    expect(rig.found).toEqual([]);
    rig.checker.unanswered?.(2, 7, READ_WITHIN_US + 7);
    expect(rig.details).toEqual(["a read at n2 is never answered"]);
  });

  it("ends a run whose nodes are asked for their rows in vain", () => {
    const deaf = handles({ rows: () => undefined });
    const one = scenario("deaf", { seed: 1, healMs: 500 });
    const { outcome, violation } = simulate(one, { ...deaf, checkers: [], explains: false });
    expect([outcome, violation?.id]).toEqual(["liveness", "L9"]);
    expect(violation?.detail).toBe("a read at n0 is never answered");
  });
});
