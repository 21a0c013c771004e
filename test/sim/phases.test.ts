/** The second phase: a core that just has a quorum goes on alone, and a run that cannot says why. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Sets, setsOf } from "../../sim/checkers/sets.ts";
import type { Member } from "../../sim/checkers/types.ts";
import { chooseCore } from "../../sim/core.ts";
import { Prng } from "../../sim/prng.ts";
import { scenario } from "../../sim/scenario.ts";
import { simulate } from "../../sim/simulate.ts";
import { createWitness } from "../../sim/stuck.ts";
import { SYSTEM } from "../../sim/system.ts";
import { createRig, type Rig, say, voteFrame } from "./rig.ts";
import { statusWith } from "./support.ts";

const FOREVER = 1_000_000_000;

describe("a core", () => {
  it("is honest, has a quorum, and no node more than the last one that completed it", () => {
    const weights = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(weights, fc.nat(), fc.nat(11), (all, seed, liar) => {
        const node = liar % all.length;
        const adversaries = [{ node, strategy: "silent", fromMs: 0, untilMs: FOREVER } as const];
        const one = scenario("core", { n: all.length, weights: all, adversaries });
        const core = chooseCore(one, new Prng(seed, "core"));
        const total = all.reduce((sum, weight) => sum + weight, 0);
        const honest = total - (all[node] ?? 0);
        if (core === undefined) {
          expect(honest * 3).toBeLessThanOrEqual(total * 2);
          return;
        }
        const weight = core.reduce((sum, slot) => sum + (all[slot] ?? 0), 0);
        expect(core).not.toContain(node);
        expect(weight * 3).toBeGreaterThan(total * 2);
        const most = Math.max(...core.map((slot) => all[slot] ?? 0));
        expect((weight - most) * 3).toBeLessThanOrEqual(total * 2);
      }),
    );
  });

  it("leaves out who had no data taken last, and who lacks it first", () => {
    const taken = (node: number, wipe: boolean) => ({
      ...({ kind: "crash-after-vote", node, view: 3, statement: "finalize", wipe } as const),
      ...{ power: true, atMs: 0, downMs: 300 },
    });
    const coreOf = (wiped: readonly boolean[], seed: number, good: (slot: number) => boolean) => {
      const faults = wiped.map((wipe, node) => taken(node, wipe));
      return chooseCore(scenario("core", { faults }), new Prng(seed, "core"), good);
    };
    for (let seed = 1; seed <= 40; seed++) {
      expect(coreOf([false, true, false, false], seed, () => true)).toEqual([0, 2, 3]);
      expect(coreOf([true, true, true, false], seed, (slot) => slot !== 2)).toEqual([0, 1, 3]);
    }
  });

  it("makes progress, catches up and is audited while everybody else is gone for good", () => {
    const result = simulate(
      scenario("core-goes-on", {
        heal: "core",
        faults: [
          {
            kind: "partition",
            groups: [
              [0, 1],
              [2, 3],
            ],
            atMs: 1_000,
            untilMs: 3_500,
          },
          { kind: "crash", node: 1, power: true, atMs: 3_000, downMs: 60_000 },
        ],
        healMs: 4_000,
        expect: { marks: ["core healed"] },
      }),
      SYSTEM,
    );
    expect(result.violation).toBeUndefined();
    expect(result.healedInMs).toBeLessThan(5_000);
  });
});

describe("a stuck run", () => {
  it("says which votes are missing, and of whom", () => {
    const silent = (node: number, fromMs: number) =>
      ({ node, strategy: "silent", fromMs, untilMs: FOREVER }) as const;
    const result = simulate(
      scenario("stuck", {
        adversaries: [silent(3, 0), silent(2, 1_500)],
        healMs: 2_500,
        expect: { finalWithinMs: 1_000 },
      }),
      SYSTEM,
    );
    expect(result.outcome).toBe("liveness");
    expect(result.report[0]).toMatch(/^why it is stuck: a quorum is 3 of 4/);
    expect(result.report.join("\n")).toContain("n0 lacks what n2 signed");
  });

  describe("of a chain with stake", () => {
    /** Five of ten each; n5 and n6 join later, and n5 has the least id of all. */
    const members = [0, 1, 2, 3, 4, 5, 6].map((slot): Member => {
      const idHex = String(slot === 5 ? 0 : slot + 1).padStart(64, "0");
      const index = slot < 5 ? slot : -1;
      return { index, slot, idHex, publicKey: Uint8Array.of(slot), weight: 10n };
    });
    const explained = (epoch: number, up: readonly number[], show?: (rig: Rig) => void) => {
      const witness = createWitness();
      let sets: Sets | undefined;
      const rig = createRig(
        (context) => {
          sets = setsOf(context);
          return witness.checker(context);
        },
        {
          members,
          memberOf: (slot) => members[slot === 7 ? 0 : slot],
          stake: { windowTurns: 0, votedBpsMin: 0, stakePerUnit: 1n },
        },
      );
      const powers = [5, 0, 1].map((slot) => ({ id: members[slot]?.idHex ?? "", power: 10n }));
      sets?.fold?.sets.set(2, { powers, degraded: false, stake: 30n });
      for (const slot of up) rig.checker.status?.(slot, statusWith({ epoch, view: 3 }));
      show?.(rig);
      return witness.explain(new Set(up));
    };

    it("counts who is in the set, and a twin once", () => {
      expect(explained(0, [0, 1, 2, 3, 7])).toEqual([
        "why it is stuck: a quorum of epoch 0 is 34 of 50; up are n0 n1 n2 n3 n7, 40",
      ]);
      expect(explained(0, [0, 1, 2, 5, 6])).toEqual([
        "why it is stuck: a quorum of epoch 0 is 34 of 50; up are n0 n1 n2 n5 n6, 30",
        "not recoverable because less than a quorum is up",
      ]);
    });

    it("knows signers by their place in the set of the epoch", () => {
      const said = { epoch: 2, view: 3, kind: 1, hash: "ab".repeat(32) };
      const lines = explained(2, [0, 1, 5], (rig) => {
        say(rig, 5, said);
        rig.checker.delivered?.(5, 1, voteFrame(said, 0));
        rig.checker.delivered?.(5, 0, voteFrame({ ...said, epoch: 9 }, 0));
      });
      expect(lines).toEqual([
        "why it is stuck: a quorum of epoch 2 is 21 of 30; up are n0 n1 n5, 30",
        "N(3, abababab) signed by n5: 10, 11 short",
        "  n0 lacks what n5 signed",
      ]);
    });
  });
});
