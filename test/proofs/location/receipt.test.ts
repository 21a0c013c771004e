import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { createHasher } from "../../../src/crypto/hash.ts";
import {
  boundUs,
  countedRounds,
  receiptMessage,
  roundsHash,
} from "../../../src/proofs/location/receipt.ts";
import { witnessChallenges } from "../../../src/proofs/space/challenges.ts";

const hash = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const hasher = createHasher("places-1");

describe("the bound of a receipt", () => {
  it("is the time within which half of the rounds were answered", () => {
    expect(boundUs(8, [9, 1, 5, 7, 3, 8, 2, 6])).toBe(5);
    expect(boundUs(1, [4])).toBe(4);
    // Rounds without an answer took longer than any other.
    expect(boundUs(8, [9, 1, 5, 7])).toBe(9);
    expect(boundUs(8, [9, 1, 5])).toBeUndefined();
    expect(boundUs(3, [2, 1])).toBe(2);
  });

  it("is none that fewer than half of the rounds were answered within", () => {
    const rounds = fc.integer({ min: 1, max: 64 });
    const times = fc.array(fc.integer({ min: 1, max: 100 }), { maxLength: 64 });
    fc.assert(
      fc.property(rounds, times, (count, all) => {
        const answered = all.slice(0, count);
        const bound = boundUs(count, answered);
        const half = countedRounds(count);
        if (bound === undefined) {
          expect(answered.length).toBeLessThan(half);
          return;
        }
        expect(answered.filter((us) => us <= bound).length).toBeGreaterThanOrEqual(half);
        expect(answered.filter((us) => us < bound).length).toBeLessThan(half);
      }),
    );
  });

  it("cannot be had by who answers less than half of the rounds from nearby", () => {
    const near = [100, 100, 100];
    expect(boundUs(8, [...near, 90_000, 90_000, 90_000, 90_000, 90_000])).toBe(90_000);
  });
});

describe("what a witness signs", () => {
  const claim = {
    ...{ epoch: 3, prover: hash(1), witness: hash(2), sector: 4, rttUs: 5 },
    rounds: roundsHash(hasher, [hash(6)]),
  };

  it("is another message where anything of it, or the chain, is another", () => {
    const messages = [
      claim,
      { ...claim, epoch: 4 },
      { ...claim, prover: hash(2) },
      { ...claim, witness: hash(1) },
      { ...claim, sector: 5 },
      { ...claim, rttUs: 4 },
      { ...claim, rounds: roundsHash(hasher, [hash(7)]) },
    ].map((one) => toHex(receiptMessage(hasher, one)));
    messages.push(toHex(receiptMessage(createHasher("places-2"), claim)));
    expect(new Set(messages).size).toBe(messages.length);
  });
});

describe("the labels that a witness asks for", () => {
  const statement = {
    ...{ validatorId: hash(1), sectorNo: 0, beacon: hash(2), lgNodes: 12, layers: 4 },
    ...{ commC: hash(3), commRl: hash(4) },
  };
  const asked = (change: object = {}, question: object = {}): string =>
    witnessChallenges(
      hasher,
      8,
      { ...statement, ...change },
      { ...{ witness: hash(5), epoch: 1, challenge: hash(6) }, ...question },
    )
      .map(({ node }) => node)
      .join(" ");

  it("follow from challenge, sector, witness and epoch", () => {
    const all = [
      asked(),
      asked({ commRl: hash(9) }),
      asked({ validatorId: hash(9) }),
      asked({}, { witness: hash(9) }),
      asked({}, { epoch: 2 }),
      asked({}, { challenge: hash(9) }),
    ];
    expect(new Set(all).size).toBe(all.length);
    expect(asked()).toBe(asked());
  });

  it("are nodes of the sector that have parents", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (challenge) => {
        for (const node of asked({}, { challenge }).split(" ").map(Number)) {
          expect(node).toBeGreaterThan(0);
          expect(node).toBeLessThan(4096);
        }
      }),
    );
  });
});
