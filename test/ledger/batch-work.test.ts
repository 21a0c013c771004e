/** The one predicate on the work of a batch: what it takes, and each way of not having worked. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createHasher } from "../../src/crypto/hash.ts";
import type { Failure } from "../../src/errors.ts";
import { actorId, type BatchInput, buildBatch, sealBatch } from "../../src/ledger/batch.ts";
import {
  checkProofs,
  checkSlots,
  effortOf,
  openWorkCheck,
  priceAfter,
  type WorkTerms,
  type WorkVerdict,
  workedBatch,
  workSlot,
  workSubject,
} from "../../src/ledger/batch-work.ts";
import { NO_PROOFS } from "../../src/ledger/genesis-proofs.ts";
import type { Batch, ProofSlot } from "../../src/ledger/types.ts";
import {
  batchUnits,
  createWorkSearch,
  encodeWorkProof,
  nextPrice,
  PRICE_ONE,
  unsolved,
  verifyWork,
  WORK_PROFILES,
  type WorkParameters,
} from "../../src/proofs/work/index.ts";
import { batchOf, hasher, hashOf, keyOf, putOf, signatureOf } from "../golden/fixtures.ts";

/** Every event costs an effort of its own, so that there is something to state too low. */
const tight = (parameters: WorkParameters): WorkParameters => ({
  ...parameters,
  price: { ...parameters.price, pricedUnits: 512n, targetUnits: 2048n },
});
const EQUIHASH = tight(WORK_PROFILES.dev);
const ARGON = tight(WORK_PROFILES.test);
const terms: WorkTerms = { beacon: hashOf(0xbe), price: PRICE_ONE };
const actor = actorId(hasher, keyOf(1));
const input = batchOf({ actor, events: [putOf(1), putOf(2)] });

const proofFor = (
  work: WorkParameters,
  batch: Batch,
  { of = terms, effort = effortOf(work, of, workedBatch(batch)), by = hasher } = {},
): Uint8Array => {
  const subject = workSubject(workedBatch(batch), of);
  const search = createWorkSearch(by, work.puzzle, subject, effort, new Uint8Array(12));
  for (let i = 0; ; i++) {
    const proof = search.attempt(i);
    if (proof !== undefined) return encodeWorkProof(work.puzzle, proof);
  }
};

const withProofs = (proofs: readonly ProofSlot[], from: BatchInput = input): Batch =>
  sealBatch(hasher, buildBatch(hasher, from), signatureOf(1), proofs);

/** As a node reaches a verdict: what costs next to nothing, then the solution. */
const verdictOn = (work: WorkParameters, batch: Batch, of = terms): WorkVerdict => {
  const check = openWorkCheck(hasher, work, workedBatch(batch), batch.proofs, of);
  if (!check.ok) return check;
  const { puzzle, subject, proof, required } = check.value;
  return verifyWork(hasher, puzzle, subject, proof, required).ok ? "good" : unsolved(puzzle);
};

const judge = (work: WorkParameters, batch: Batch, of = terms): string | undefined =>
  checkProofs({ work, space: null }, batch, () => verdictOn(work, batch, of))?.code;

describe.each([EQUIHASH, ARGON])("a chain that asks for work by $puzzle.kind", (work) => {
  const proof = proofFor(work, input);

  it("takes a batch with its work", () => {
    expect(judge(work, withProofs([workSlot(proof)]))).toBeUndefined();
  });

  it("refuses one without", () => {
    expect(judge(work, withProofs([]))).toBe("work.missing");
  });

  it("refuses a slot that it does not ask for, whatever else there is", () => {
    const more = { kind: 3, version: 1, bytes: new Uint8Array(1) };
    expect(judge(work, withProofs([workSlot(proof), more]))).toBe("batch.proofs-unsupported");
    const newer = { ...workSlot(proof), version: 2 };
    expect(judge(work, withProofs([newer]))).toBe("batch.proofs-unsupported");
    const space = { kind: 2, version: 1, bytes: new Uint8Array(1) };
    expect(judge(work, withProofs([workSlot(proof), space]))).toBe("batch.proofs-unsupported");
  });

  it("refuses bytes that are no proof", () => {
    expect(judge(work, withProofs([workSlot(proof.slice(1))]))).toBe("work.malformed");
    expect(judge(work, withProofs([workSlot(new Uint8Array(0))]))).toBe("work.malformed");
  });

  it("refuses less effort than the price of the reference asks for", () => {
    const required = effortOf(work, terms, workedBatch(input));
    expect(required).toBeGreaterThan(1);
    const low = proofFor(work, input, { effort: required - 1 });
    expect(judge(work, withProofs([workSlot(low)]))).toBe("work.insufficient");
    expect(judge(work, withProofs([workSlot(proof)]), { ...terms, price: 2n * PRICE_ONE })).toBe(
      "work.insufficient",
    );
  });

  it("refuses work for another beacon, actor, place or chain", () => {
    // High enough that Argon2id, whose odds are one in the effort, refuses all of these.
    const effort = work.puzzle.kind === "argon2id" ? 4096 : 16;
    const refused =
      work.puzzle.kind === "argon2id" ? /^work\.effort$/ : /^work\.(effort|solution)$/;
    const good = proofFor(work, input, { effort });
    expect(judge(work, withProofs([workSlot(good)]))).toBeUndefined();
    const stale = { ...terms, beacon: hashOf(0xbf) };
    expect(judge(work, withProofs([workSlot(good)]), stale)).toMatch(refused);
    const others: Partial<BatchInput>[] = [
      { actor: actorId(hasher, keyOf(2)) },
      { laneSeq: 2 },
      { prevBatchId: hashOf(5) },
      { refHeight: 16 },
      { refHash: hashOf(6) },
      { events: [putOf(1), putOf(3)] },
    ];
    for (const other of others) {
      expect(judge(work, withProofs([workSlot(good)], { ...input, ...other }))).toMatch(refused);
    }
    const abroad = proofFor(work, input, { effort, by: createHasher("another") });
    expect(judge(work, withProofs([workSlot(abroad)]))).toMatch(refused);
  });

  it("says that it is not ready where the work was not tried", () => {
    const failure = checkProofs(
      { work, space: null },
      withProofs([workSlot(proof)]),
      () => undefined,
    );
    expect(failure).toMatchObject({ code: "node.not-ready", data: { field: "work" } });
  });
});

describe("a chain that asks for none", () => {
  const judgeSlots = (proofs: readonly ProofSlot[]): Failure | undefined =>
    checkProofs(NO_PROOFS, withProofs(proofs), () => "good");

  it("takes a batch without, and refuses every slot", () => {
    expect(judgeSlots([])).toBeUndefined();
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 255 }), fc.nat({ max: 0xffff }), (kind, version) => {
        const proofs = [{ kind, version, bytes: new Uint8Array(3) }];
        expect(judgeSlots(proofs)?.code).toBe("batch.proofs-unsupported");
        expect(checkSlots(NO_PROOFS, proofs)?.code).toBe("batch.proofs-unsupported");
      }),
    );
  });
});

describe("the price after a block", () => {
  it("is that of the units of its batches", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 6 }), (counts) => {
        const batches = counts.map((n) =>
          batchOf({ actor, events: new Array(n).fill(putOf(1, 100)) }),
        );
        let units = 0n;
        for (const { events } of batches) {
          units += batchUnits(
            events.length,
            events.reduce((sum, event) => sum + event.bytes.length, 0),
          );
        }
        expect(priceAfter(EQUIHASH, 3n * PRICE_ONE, batches)).toBe(
          nextPrice(EQUIHASH.price, 3n * PRICE_ONE, units),
        );
      }),
    );
  });
});
