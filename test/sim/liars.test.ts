/** Ways of lying about work and space: what each makes is what the rule refuses, and only that. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  falseSlots,
  type SlotPowers,
  WORK_WAYS,
  type WorkWay,
} from "../../sim/adversary/false-slots.ts";
import { overThird } from "../../sim/byzantine.ts";
import { Prng } from "../../sim/prng.ts";
import { SIM_WORK } from "../../sim/proofs.ts";
import { bankScenario } from "../../sim/scenarios/index.ts";
import { simulate } from "../../sim/simulate.ts";
import { SIM_SPACE } from "../../sim/space.ts";
import { inReach, mostInReach } from "../../sim/space-liars.ts";
import { runOptionsOf } from "../../sim/stake.ts";
import { SYSTEM } from "../../sim/system.ts";
import { createHasher, sha256 } from "../../src/crypto/hash.ts";
import { buildBatch, decodeBatch, sealBatch } from "../../src/ledger/batch.ts";
import { slotOf, WORK_SLOT } from "../../src/ledger/batch-proofs.ts";
import { workedBatch, workSlot, workSubject } from "../../src/ledger/batch-work.ts";
import { encodeEvent } from "../../src/ledger/event.ts";
import type { Batch } from "../../src/ledger/types.ts";
import {
  createWorkSearch,
  encodeWorkProof,
  NONCE_PREFIX_BYTES,
  verifyWork,
} from "../../src/proofs/work/index.ts";

const hasher = createHasher("liars-test");
const { puzzle } = SIM_WORK;
/** So high that noise passes once in 400 times. */
const EFFORT = 400;
/** What a batch of the simulator costs: one proof in three that is made at random would do. */
const SMALL_EFFORT = 3;
const REFERENCE = 32;
const beaconAt = (height: number): Uint8Array => sha256(Uint8Array.of(height));
const ACTORS = [1, 2].map((byte) => new Uint8Array(32).fill(byte));

const workFor = (
  batch: Parameters<typeof workedBatch>[0],
  random: Prng,
  effort: number,
): Uint8Array => {
  const subject = workSubject(workedBatch(batch), { beacon: beaconAt(REFERENCE), price: 0n });
  const prefix = random.bytes(NONCE_PREFIX_BYTES);
  const search = createWorkSearch(hasher, puzzle, subject, effort, prefix);
  for (let counter = 0; ; counter++) {
    const proof = search.attempt(counter);
    if (proof !== undefined) return encodeWorkProof(puzzle, proof);
  }
};

const batchOf = (
  actor: number,
  laneSeq: number,
  random: Prng,
  { refHeight = REFERENCE, effort = EFFORT } = {},
): Batch => {
  const unsigned = buildBatch(hasher, {
    actor: ACTORS[actor] ?? new Uint8Array(32),
    laneSeq,
    prevBatchId: new Uint8Array(32),
    refHeight,
    refHash: new Uint8Array(32),
    events: [encodeEvent("record.put", 1, random.bytes(40))],
  });
  const signature = random.bytes(1280);
  signature[0] = 0x3a;
  const proofs = [workSlot(workFor(unsigned, random, effort))];
  const decoded = decodeBatch(hasher, sealBatch(hasher, unsigned, signature, proofs).bytes);
  if (!decoded.ok) throw new Error(decoded.detail);
  return decoded.value;
};

const judge = (
  batch: Batch,
  way: WorkWay,
  known: readonly Batch[],
  random: Prng,
  effort = EFFORT,
): string => {
  const powers: SlotPowers = { hasher, random, beaconAt, puzzle };
  const slots = falseSlots(powers, way, batch, known);
  if (slots === undefined) return "nothing to make it of";
  const proof = slotOf(slots, WORK_SLOT)?.bytes;
  if (proof === undefined) return "work.missing";
  const subject = workSubject(workedBatch(batch), { beacon: beaconAt(REFERENCE), price: 0n });
  const verdict = verifyWork(hasher, puzzle, subject, proof, effort);
  return verdict.ok ? "ok" : verdict.code;
};

describe("false work", () => {
  const random = new Prng(1, "liars");
  const [batch, sibling, other] = [
    batchOf(0, 1, random),
    batchOf(0, 2, random),
    batchOf(1, 1, random),
  ];
  const codes: Readonly<Record<WorkWay, string>> = {
    ...{ omitted: "work.missing", understated: "work.insufficient", forged: "work.effort" },
    ...{ borrowed: "work.effort", replayed: "work.effort" },
    ...{ stale: "work.effort", ground: "work.effort" },
  };

  it.each(WORK_WAYS)("that is %s is refused", (way) => {
    const known = [batch, sibling, other];
    const found = Array.from({ length: 6 }, () => judge(batch, way, known, random));
    expect(found).toEqual(new Array(6).fill(codes[way]));
  });

  it.each(WORK_WAYS)("that is %s never does by chance where work is cheap", (way) => {
    for (let i = 0; i < 40; i++) {
      const effort = SMALL_EFFORT;
      const [cheap, before, foreign] = [
        batchOf(0, 1, random, { effort }),
        batchOf(0, 2, random, { effort }),
        batchOf(1, 1, random, { effort }),
      ];
      const found = judge(cheap, way, [cheap, before, foreign], random, effort);
      // Somebody else's work that would do for this batch too is not handed on.
      const isAny = way === "borrowed" || way === "replayed";
      expect(isAny ? [codes[way], "nothing to make it of"] : [codes[way]]).toContain(found);
    }
  });

  it("that states less is of nothing where as little as can be is stated", () => {
    const least = batchOf(0, 1, random, { effort: 1 });
    expect(judge(least, "understated", [], random, 1)).toBe("nothing to make it of");
  });

  it("is of nothing where there is no older beacon and no other batch", () => {
    const first = batchOf(0, 1, random, { refHeight: 0 });
    expect(judge(first, "stale", [], random)).toBe("nothing to make it of");
    for (const way of ["borrowed", "replayed"] as const) {
      expect(judge(batch, way, [batch], random)).toBe("nothing to make it of");
    }
  });

  it("would be good work if it were of what it says: for the older beacon, and of an effort of 1", () => {
    const powers: SlotPowers = { hasher, random, beaconAt, puzzle };
    const proofOf = (way: WorkWay): Uint8Array =>
      slotOf(falseSlots(powers, way, batch, []) ?? [], WORK_SLOT)?.bytes ?? new Uint8Array(0);
    const worked = workedBatch(batch);
    const before = workSubject(worked, { beacon: beaconAt(REFERENCE - 16), price: 0n });
    expect(verifyWork(hasher, puzzle, before, proofOf("stale"), EFFORT).ok).toBe(true);
    const least = proofOf("ground").slice();
    least.set(Uint8Array.of(0, 0, 0, 1));
    const subject = workSubject(worked, { beacon: beaconAt(REFERENCE), price: 0n });
    const verdict = verifyWork(hasher, puzzle, subject, least, 1);
    if (!verdict.ok) throw new Error(verdict.detail);
    // Its hash is one of 400, and it is only worth 1.
    expect(BigInt(verdict.value.word) * BigInt(EFFORT)).toBeLessThan(2n ** 32n);
  });
});

describe("space", () => {
  it("that is within a grinder's reach is one node in eight, and never the first", () => {
    const nodes = 2 ** SIM_SPACE.lgNodes;
    fc.assert(
      fc.property(fc.integer({ min: 1, max: nodes - 1 }), (node) => {
        const had = inReach({ sector: 0, node }).node;
        expect(had % 8).toBe(0);
        expect(had).toBeGreaterThanOrEqual(8);
        expect(had).toBeLessThan(nodes);
        expect(Math.abs(had - node)).toBeLessThan(8);
      }),
    );
  });

  it("is shown of the sector whose challenge asks for the fewest nodes that are gone", () => {
    const challenge = fc.array(fc.integer({ min: 1, max: 255 }), { minLength: 1, maxLength: 12 });
    const gone = (nodes: readonly number[]): number =>
      nodes.filter((node) => node < 8 || node % 8 !== 0).length;
    fc.assert(
      fc.property(fc.array(challenge, { minLength: 1, maxLength: 5 }), (challenges) => {
        const best = mostInReach(challenges);
        expect(gone(challenges[best?.at ?? -1] ?? [])).toBe(best?.lacking);
        for (const other of challenges) {
          expect(gone(other)).toBeGreaterThanOrEqual(best?.lacking ?? Infinity);
        }
      }),
    );
    expect(mostInReach([])).toBeUndefined();
    expect(mostInReach([[9], [8, 16]])).toEqual({ at: 1, lacking: 0 });
  });

  it.each(["space-answered-late", "space-challenges-ground"])(
    "costs nobody its power in %s without its liar",
    (name) => {
      const known = bankScenario(name);
      if (known === undefined) throw new RangeError("no such scenario");
      const asked = { ...known, adversaries: [], expect: { ...known.expect, marks: [] } };
      const { outcome, marks } = simulate(asked, runOptionsOf(asked, SYSTEM));
      expect(outcome).toBe("ok");
      expect(marks.get("epoch answered")).toBeGreaterThan(0);
      expect(
        [...marks.keys()].filter((mark) => /lost (?:its|for)|left the|jailed|liar/.test(mark)),
      ).toEqual([]);
    },
    300_000,
  );
});

describe("claims of time of which half was never computed", () => {
  it("are not answered where all that is asked for was computed, so that none is taken by chance", () => {
    // In this one the challenge asks for eight leaves of the half that was computed.
    const drawn = overThird(4, 2, 2, "false-claims");
    const healMs = 6_000;
    const faults = drawn.faults.map((fault) => ({ ...fault, untilMs: healMs }));
    const { marks, violation } = simulate({ ...drawn, healMs, faults }, SYSTEM);
    expect(violation?.detail).toBeUndefined();
    expect(marks.get("claim skipped")).toBeGreaterThan(0);
    expect(marks.get("false time refused")).toBe(1);
  }, 120_000);
});
