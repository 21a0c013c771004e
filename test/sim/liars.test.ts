/** Ways of lying about work and space: what each makes is what the rule refuses, and only that. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  falseSlots,
  type SlotPowers,
  WORK_WAYS,
  type WorkWay,
} from "../../sim/adversary/false-slots.ts";
import { Prng } from "../../sim/prng.ts";
import { SIM_WORK } from "../../sim/proofs.ts";
import { bankScenario } from "../../sim/scenarios/index.ts";
import { simulate } from "../../sim/simulate.ts";
import { SIM_SPACE } from "../../sim/space.ts";
import { inReach } from "../../sim/space-liars.ts";
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
const REFERENCE = 32;
const beaconAt = (height: number): Uint8Array => sha256(Uint8Array.of(height));
const ACTORS = [1, 2].map((byte) => new Uint8Array(32).fill(byte));

const workFor = (batch: Parameters<typeof workedBatch>[0], random: Prng): Uint8Array => {
  const subject = workSubject(workedBatch(batch), { beacon: beaconAt(REFERENCE), price: 0n });
  const prefix = random.bytes(NONCE_PREFIX_BYTES);
  const search = createWorkSearch(hasher, puzzle, subject, EFFORT, prefix);
  for (let counter = 0; ; counter++) {
    const proof = search.attempt(counter);
    if (proof !== undefined) return encodeWorkProof(puzzle, proof);
  }
};

const batchOf = (actor: number, laneSeq: number, random: Prng, refHeight = REFERENCE): Batch => {
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
  const proofs = [workSlot(workFor(unsigned, random))];
  const decoded = decodeBatch(hasher, sealBatch(hasher, unsigned, signature, proofs).bytes);
  if (!decoded.ok) throw new Error(decoded.detail);
  return decoded.value;
};

const judge = (batch: Batch, way: WorkWay, known: readonly Batch[], random: Prng): string => {
  const powers: SlotPowers = { hasher, random, beaconAt, puzzle };
  const slots = falseSlots(powers, way, batch, known);
  if (slots === undefined) return "nothing to make it of";
  const proof = slotOf(slots, WORK_SLOT)?.bytes;
  if (proof === undefined) return "work.missing";
  const subject = workSubject(workedBatch(batch), { beacon: beaconAt(REFERENCE), price: 0n });
  const verdict = verifyWork(hasher, puzzle, subject, proof, EFFORT);
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
    // The odds that a hash fits by luck are 1 to 400: more than one of six would say that it is no lie.
    expect(found.filter((code) => code !== codes[way]).length).toBeLessThan(2);
  });

  it("is of nothing where there is no older beacon and no other batch", () => {
    const first = batchOf(0, 1, random, 0);
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

  it("that is shown in time costs nobody its power", () => {
    const late = bankScenario("space-answered-late");
    if (late === undefined) throw new RangeError("no such scenario");
    const asked = { ...late, adversaries: [], expect: { ...late.expect, marks: [] } };
    const { outcome, marks } = simulate(asked, runOptionsOf(asked, SYSTEM));
    expect(outcome).toBe("ok");
    expect(marks.get("epoch answered")).toBeGreaterThan(0);
    for (const mark of ["power lost for want of proofs", "validator left the set"]) {
      expect(marks.has(mark)).toBe(false);
    }
  }, 300_000);
});
