/** However much a liar signs, nobody is accused for what the oracle had to forget, and nobody gets away with more. */
import { describe, expect, it } from "vitest";
import { ByHonesty } from "../../sim/checkers/by-honesty.ts";
import { chainContiguous } from "../../sim/checkers/chain.ts";
import { FINALIZE, NOTARIZE, NULLIFY } from "../../sim/checkers/decode.ts";
import { evidenceSound } from "../../sim/checkers/evidence.ts";
import { finalNotarized } from "../../sim/checkers/final-notarized.ts";
import { votesGrounded } from "../../sim/checkers/grounds.ts";
import { turnsOf } from "../../sim/checkers/leaders.ts";
import { shownIsFinal } from "../../sim/checkers/reads.ts";
import type { CheckerFactory } from "../../sim/checkers/types.ts";
import {
  CHAIN,
  createRig,
  dumpOf,
  GENESIS,
  hashOf,
  MEMBERS,
  proposalFrame,
  type Rig,
  say,
} from "./rig.ts";
import { HASH_A, statusWith } from "./support.ts";

const HASH_B = "bb".repeat(32);
/** What makes the oracle forget: more than any of its maps holds. */
const FLOOD = 30_000;
const LIAR = 3;
/** A quorum with the liar, and not without. */
const TWO = [0, 1];

const flood = (rig: Rig): void => {
  for (let i = 0; i < FLOOD; i++) {
    const view = 1_000 + ((i * 7_919) % 1_000_003);
    const kind = [NOTARIZE, NULLIFY, FINALIZE][i % 3] ?? NULLIFY;
    say(rig, LIAR, { view, kind, ...(kind === NULLIFY ? {} : { hash: HASH_B }) });
  }
};

/** The rest of a run, after the liar has said its part, or has not, and signed a lot else. */
const flooded = (
  factory: CheckerFactory,
  part: (rig: Rig) => void,
  rest: (rig: Rig) => void,
): { readonly withIt: readonly string[]; readonly without: readonly string[] } => {
  const run = (says: boolean): readonly string[] => {
    const rig = createRig(factory);
    if (says) part(rig);
    flood(rig);
    rest(rig);
    return rig.found;
  };
  return { withIt: run(true), without: run(false) };
};

const sayBoth = (rig: Rig, view: number, kind: number, hash?: string): void => {
  for (const slot of TWO) say(rig, slot, { view, kind, ...(hash === undefined ? {} : { hash }) });
};

const turns = turnsOf({ chainId: CHAIN, genesisHash: GENESIS, members: MEMBERS }, 0, GENESIS);
const leader = (view: number): number => turns[(view - 1) % turns.length] ?? 0;

describe("a liar that signs more than can be remembered", () => {
  it("still counts in the quorum that skipped a view (I5)", () => {
    const found = flooded(
      chainContiguous,
      (rig) => say(rig, LIAR, { view: 1, kind: NULLIFY }),
      (rig) => {
        sayBoth(rig, 1, NULLIFY);
        const block = { view: 2, height: 1 };
        rig.checker.sent?.(0, 1, "consensus", proposalFrame(block));
        rig.checker.status?.(0, statusWith({ finalHeight: 1, finalHash: hashOf(block) }));
      },
    );
    expect(found).toEqual({ withIt: [], without: ["I5"] });
  });

  it("still counts in the notarization of what becomes final (I6)", () => {
    const found = flooded(
      finalNotarized,
      (rig) => say(rig, LIAR, { view: 1, kind: NOTARIZE, hash: HASH_A }),
      (rig) => {
        sayBoth(rig, 1, NOTARIZE, HASH_A);
        for (const slot of [0, 1, 2]) say(rig, slot, { view: 1, kind: FINALIZE, hash: HASH_A });
      },
    );
    expect(found).toEqual({ withIt: [], without: ["I6"] });
  });

  it("still counts in the quorum by which something is final (I15)", () => {
    const block = { view: 1, height: 1 };
    const found = flooded(
      shownIsFinal,
      (rig) => say(rig, LIAR, { view: 1, kind: FINALIZE, hash: hashOf(block) }),
      (rig) => {
        rig.checker.sent?.(0, 1, "consensus", proposalFrame(block));
        sayBoth(rig, 1, FINALIZE, hashOf(block));
        rig.checker.status?.(
          0,
          statusWith({ finalHeight: 1, executedHeight: 1, finalHash: hashOf(block) }),
        );
      },
    );
    expect(found).toEqual({ withIt: [], without: ["I15"] });
  });

  it("still counts in the notarization that a vote stands on (I22)", () => {
    const parent = { view: 1, height: 1, proposer: leader(1) };
    const found = flooded(
      votesGrounded,
      (rig) => say(rig, LIAR, { view: 1, kind: NOTARIZE, hash: hashOf(parent) }),
      (rig) => {
        sayBoth(rig, 1, NOTARIZE, hashOf(parent));
        const child = {
          ...{ view: 2, height: 2, parentView: 1, parent: hashOf(parent) },
          proposer: leader(2),
        };
        rig.checker.sent?.(0, 1, "consensus", proposalFrame(child));
        say(rig, 0, { view: 2, kind: NOTARIZE, hash: hashOf(child) });
      },
    );
    expect(found).toEqual({ withIt: [], without: ["I22"] });
  });

  it("is guilty of what it said before and after (I12)", () => {
    const found = flooded(
      evidenceSound,
      (rig) => say(rig, LIAR, { view: 1, kind: NOTARIZE, hash: HASH_A }),
      (rig) => {
        say(rig, LIAR, { view: 1, kind: NOTARIZE, hash: HASH_B });
        const key = Buffer.concat([
          Uint8Array.of(1),
          Buffer.from(MEMBERS[LIAR]?.idHex ?? "", "hex"),
        ]);
        rig.checker.end?.([dumpOf([], { quarantine: [{ key, value: new Uint8Array(0) }] })]);
      },
    );
    expect(found).toEqual({ withIt: [], without: ["I12"] });
  });
});

describe("an honest node's statements of long ago", () => {
  it("accuse nobody when they are forgotten", () => {
    const rig = createRig(chainContiguous);
    for (const slot of [0, 1, 2]) say(rig, slot, { view: 1, kind: NULLIFY });
    for (let view = 2; view < 2 + FLOOD; view++) say(rig, 0, { view, kind: NULLIFY });
    const block = { view: 2, height: 1 };
    rig.checker.sent?.(0, 1, "consensus", proposalFrame(block));
    rig.checker.status?.(0, statusWith({ finalHeight: 1, finalHash: hashOf(block) }));
    expect(rig.found).toEqual([]);
  });
});

describe("what is kept of liars and of honest nodes", () => {
  const signed = (
    kept: ByHonesty<{ epoch: number; view: number }>,
    view: number,
    isHonest: boolean,
  ) => kept.signed(`${view}`, { epoch: 0, view }, isHonest, () => ({ epoch: 0, view }));

  it("is so many of each, and no more", () => {
    const kept = new ByHonesty<{ epoch: number; view: number }>(4);
    for (let view = 1; view <= 5; view++) signed(kept, view, true);
    expect([1, 2, 5].map((view) => kept.get(`${view}`)?.view)).toEqual([undefined, 2, 5]);
    expect([1, 2].map((view) => kept.hasForgotten({ epoch: 0, view }))).toEqual([true, false]);
    // Near, from 5 on: the five of honest nodes stay.
    for (let view = 6; view <= 10; view++) signed(kept, view, false);
    expect([2, 5, 6, 7, 10].map((view) => kept.get(`${view}`)?.view)).toEqual([
      2,
      5,
      undefined,
      7,
      10,
    ]);
    for (let i = 0; i <= 8_192; i++) signed(kept, 10_000 + i, false);
    expect([2, 7, 10_000, 10_001].map((view) => kept.get(`${view}`)?.view)).toEqual([
      2,
      7,
      undefined,
      10_001,
    ]);
    expect(kept.hasForgotten({ epoch: 0, view: 2 })).toBe(false);
  });

  it("is one entry, which becomes an honest one with the first honest signature", () => {
    const kept = new ByHonesty<{ epoch: number; view: number }>(2);
    const own = signed(kept, 1, false);
    expect(signed(kept, 1, true)).toBe(own);
    for (let view = 2; view <= 9; view++) signed(kept, view, false);
    expect(kept.get("1")).toBe(own);
    expect(signed(kept, 1, false)).toBe(own);
  });

  it("becomes near when it is signed again near the front, and is forgotten as what is near", () => {
    const kept = new ByHonesty<{ epoch: number; view: number }>(4);
    const own = signed(kept, 1_000, false);
    for (let i = 1; i < 8_192; i++) signed(kept, 10_000 + i, false);
    for (let view = 2; view <= 999; view++) signed(kept, view, true);
    expect(signed(kept, 1_000, false)).toBe(own);
    for (let i = 0; i < 5; i++) signed(kept, 20_000 + i, false);
    expect(kept.get("1000")).toBe(own);
    // It made room among what is far, and takes a place among the four that are near.
    expect([10_004, 10_005].map((view) => kept.get(`${view}`)?.view)).toEqual([undefined, 10_005]);
    for (let view = 1_001; view <= 1_004; view++) signed(kept, view, false);
    expect(kept.get("1000")).toBeUndefined();
  });

  it("is near up to 512 views away in the newest epoch, and from the start of the next", () => {
    const places = [
      { epoch: 1, view: 488, near: true },
      { epoch: 1, view: 487, near: false },
      { epoch: 1, view: 1_512, near: true },
      { epoch: 1, view: 1_513, near: false },
      { epoch: 2, view: 512, near: true },
      { epoch: 2, view: 513, near: false },
      { epoch: 0, view: 20, near: true },
      { epoch: 3, view: 1, near: false },
    ];
    for (const { near, ...place } of places) {
      const kept = new ByHonesty<{ epoch: number; view: number }>(20_000);
      for (const at of [
        { epoch: 0, view: 5 },
        { epoch: 1, view: 1_000 },
      ]) {
        kept.signed(`${at.epoch}/${at.view}`, at, true, () => at);
      }
      kept.signed("it", place, false, () => place);
      for (let view = 100_000; view <= 100_000 + 8_192; view++) signed(kept, view, false);
      expect([place, kept.get("it") !== undefined]).toEqual([place, near]);
    }
  });
});
