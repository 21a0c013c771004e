/** Proofs of space: what is right is taken, and everything else is refused with its code. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { createHasher } from "../../../src/crypto/hash.ts";
import type { Result } from "../../../src/errors.ts";
import { LIMITS } from "../../../src/limits.ts";
import { makeAdmission } from "../../../src/proofs/space/admission.ts";
import { admissionNodes, epochChallenges } from "../../../src/proofs/space/challenges.ts";
import { makeOpenings } from "../../../src/proofs/space/openings.ts";
import {
  admissionBytes,
  checkSpaceParameters,
  deadline,
  profileOf,
  SPACE_PROFILE_NAMES,
  SPACE_PROFILES,
  type SpaceParameters,
} from "../../../src/proofs/space/parameters.ts";
import {
  challengesOf,
  decodeSpaceProof,
  encodeSpaceProof,
  type SpaceChallenge,
  type SpaceProof,
  verifySpaceProof,
} from "../../../src/proofs/space/proof.ts";
import { sectorId } from "../../../src/proofs/space/statement.ts";
import { bytes, type MemorySector, memorySector, SMALL, source } from "./support.ts";

const CHAIN = "chain-a";
const one = memorySector(CHAIN, source(0));
const two = memorySector(CHAIN, source(1));

const prove = (challenge: SpaceChallenge, sectors: readonly MemorySector[]): SpaceProof => {
  const [first = one] = sectors;
  const { hasher, hashes, graph, reader, statement } = first;
  const statements = sectors.map((sector) => sector.statement);
  const openings =
    challenge.kind === "admission"
      ? makeAdmission(
          ...([hashes, graph, reader, SMALL.layers] as const),
          admissionNodes(hasher, SMALL, statement, challenge.seed),
        )
      : makeOpenings(
          hashes,
          sectors.map((sector) => sector.reader.stored),
          challengesOf(hasher, SMALL, challenge, statements),
        );
  return { chainId: CHAIN, challenge, sectors: statements, openings };
};

const PROOFS: readonly SpaceProof[] = [
  prove({ kind: "admission", seed: bytes(11) }, [one]),
  prove({ kind: "epoch", seed: bytes(12) }, [one, two]),
  prove({ kind: "block", seed: bytes(13) }, [one, two]),
  prove({ kind: "event", seed: bytes(14), laneId: bytes(15), laneSeq: 16 }, [two]),
];
const cases = PROOFS.map((proof) => [proof.challenge.kind, proof] as const);

/** What a proof says of itself: whoever knows the chain holds it against what the chain says. */
const claimOf = ({ chainId, challenge, sectors }: SpaceProof): string =>
  JSON.stringify([
    chainId,
    Object.values(challenge).map((value) => (value instanceof Uint8Array ? toHex(value) : value)),
    sectors.map((statement) => toHex(sectorId(createHasher(chainId), statement))),
  ]);

const checked = (encoded: Uint8Array): Result<SpaceProof> => {
  const proof = decodeSpaceProof(encoded);
  if (!proof.ok) return proof;
  const verified = verifySpaceProof(SMALL, proof.value);
  return verified.ok ? proof : verified;
};

describe("a proof of space", () => {
  it.each(cases)("of kind %s is right, and read as it was written", (_, proof) => {
    expect(verifySpaceProof(SMALL, proof).ok).toBe(true);
    expect(decodeSpaceProof(encodeSpaceProof(proof))).toEqual({ ok: true, value: proof });
  });

  it.each(cases)(
    "of kind %s is refused, or of another claim, with any byte changed",
    (_, proof) => {
      const encoded = encodeSpaceProof(proof);
      const claim = claimOf(proof);
      const head = encoded.length - proof.openings.length;
      // All bytes before the openings; of long openings every fifth, which no field's length divides.
      const step = proof.openings.length > 10_000 ? 5 : 1;
      for (let at = 0; at < encoded.length; at += at < head ? 1 : step) {
        const changed = encoded.slice();
        changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
        const found = checked(changed);
        if (found.ok) expect(claimOf(found.value)).not.toBe(claim);
      }
      // Of the openings themselves no byte may change.
      const flip = fc.tuple(
        fc.integer({ min: head, max: encoded.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
      );
      fc.assert(
        fc.property(flip, ([at, bits]) => {
          const changed = encoded.slice();
          changed[at] = (changed[at] ?? 0) ^ bits;
          expect(checked(changed).ok).toBe(false);
        }),
      );
    },
  );

  it.each(cases)("of kind %s is refused at any other length", (_, proof) => {
    const encoded = encodeSpaceProof(proof);
    for (let length = 0; length < encoded.length; length += 17) {
      expect(checked(encoded.subarray(0, length))).toMatchObject({ code: "space.proof-shape" });
    }
    const longer = new Uint8Array(encoded.length + 1);
    longer.set(encoded);
    expect(checked(longer)).toMatchObject({ code: "space.proof-shape" });
    for (const openings of [proof.openings.subarray(1), new Uint8Array(0)]) {
      const cut = verifySpaceProof(SMALL, { ...proof, openings });
      expect(cut).toMatchObject({ code: "space.proof-shape" });
    }
  });

  it("of another chain, seed, validator or sector is refused", () => {
    const [admission, epoch, block] = PROOFS;
    for (const proof of [admission, epoch, block]) {
      if (proof === undefined) throw new Error("no proof");
      const { challenge, sectors } = proof;
      const others: SpaceProof[] = [
        { ...proof, chainId: "chain-b" },
        { ...proof, challenge: { ...challenge, seed: bytes(99) } as SpaceChallenge },
        { ...proof, sectors: sectors.map((s) => ({ ...s, validatorId: bytes(8) })) },
        { ...proof, sectors: sectors.map((s) => ({ ...s, commRl: bytes(8) })) },
      ];
      for (const other of others) {
        const found = verifySpaceProof(SMALL, other);
        expect(found).toMatchObject({ ok: false });
        if (!found.ok) expect(found.code).toMatch(/^space\.proof-(path|label)$/);
      }
    }
  });

  it("of sectors of two validators, out of order, twice, none, or another shape is refused", () => {
    const epoch = PROOFS[1];
    if (epoch === undefined) throw new Error("no proof");
    const [a, b] = epoch.sectors;
    if (a === undefined || b === undefined) throw new Error("no sectors");
    const foreign = { ...b, validatorId: bytes(1) };
    for (const sectors of [[b, a], [a, a], [a, foreign], [], [a, { ...b, lgNodes: 9 }]]) {
      const found = verifySpaceProof(SMALL, { ...epoch, sectors });
      expect(found).toMatchObject({ ok: false, code: "space.proof-shape" });
    }
    const admission = PROOFS[0];
    if (admission === undefined) throw new Error("no proof");
    const both = verifySpaceProof(SMALL, { ...admission, sectors: [a, b] });
    expect(both).toMatchObject({ ok: false, code: "space.proof-shape" });
  });

  it("is refused, and no exception, whatever the bytes are", () => {
    const head = encodeSpaceProof({ ...(PROOFS[1] ?? (PROOFS[0] as SpaceProof)) });
    const random = fc.uint8Array({ maxLength: 600 });
    fc.assert(
      fc.property(random, fc.nat(200), (tail, kept) => {
        const mixed = new Uint8Array([...head.subarray(0, kept), ...tail]);
        expect(checked(mixed)).toMatchObject({ ok: false });
      }),
    );
  });

  it("takes as many sectors as the limit says, and not one more", () => {
    const [, epoch] = PROOFS;
    if (epoch === undefined) throw new Error("no proof");
    const [statement] = epoch.sectors;
    if (statement === undefined) throw new Error("no sector");
    const many = (count: number): SpaceProof => ({
      ...epoch,
      sectors: Array.from({ length: count }, (_, sectorNo) => ({ ...statement, sectorNo })),
    });
    const at = decodeSpaceProof(encodeSpaceProof(many(LIMITS.spaceSectorsMax)));
    expect(at.ok).toBe(true);
    const past = decodeSpaceProof(encodeSpaceProof(many(LIMITS.spaceSectorsMax + 1)));
    expect(past).toMatchObject({ ok: false, code: "space.proof-shape" });
  });

  it("takes openings up to their limit, and not one byte more", () => {
    const of = (length: number) =>
      decodeSpaceProof(
        encodeSpaceProof({ ...(PROOFS[0] as SpaceProof), openings: new Uint8Array(length) }),
      );
    expect(of(LIMITS.spaceProofBytesMax).ok).toBe(true);
    expect(of(LIMITS.spaceProofBytesMax + 1)).toMatchObject({ code: "space.proof-shape" });
  });
});

describe("an admission", () => {
  const seed = bytes(11);
  const judged = (cheat: MemorySector): Result<number> =>
    verifySpaceProof(SMALL, prove({ kind: "admission", seed }, [cheat]));

  it("of labels that do not follow from the graph is refused by its label", () => {
    for (let layer = 0; layer < SMALL.layers; layer++) {
      const cheat = memorySector(CHAIN, source(0), (labels) => labels[layer]?.fill(1));
      expect(judged(cheat)).toMatchObject({ code: "space.proof-label" });
    }
  });

  it("of labels that are those of another validator is refused", () => {
    const lent = memorySector(CHAIN, source(0, 8));
    const stolen = { ...lent, statement: { ...lent.statement, validatorId: bytes(7) } };
    expect(judged(stolen)).toMatchObject({ code: "space.proof-label" });
  });

  it("of something else stored than what was made is refused by its path", () => {
    const other = memorySector(CHAIN, source(5));
    const swapped = {
      ...one,
      statement: { ...one.statement, commRl: other.statement.commRl },
      reader: { ...one.reader, stored: other.reader.stored },
    };
    expect(judged(swapped)).toMatchObject({ code: "space.proof-path" });
  });

  it("asks for nodes that have parents, all over the sector, by a seed nobody can choose", () => {
    const many = { ...SMALL, admissionChallenges: 4000 };
    const nodes = admissionNodes(one.hasher, many, one.statement, seed);
    expect(Math.min(...nodes)).toBe(1);
    expect(Math.max(...nodes)).toBe(255);
    expect(new Set(nodes).size).toBe(255);
    const others = admissionNodes(one.hasher, many, one.statement, bytes(12));
    expect(others).not.toEqual(nodes);
    const changed = { ...one.statement, commC: bytes(1) };
    expect(admissionNodes(one.hasher, many, changed, seed)).not.toEqual(nodes);
  });
});

describe("the challenges of an epoch", () => {
  it("miss a deleted share as often as independent draws do", () => {
    const passes = (share: number, openings: number): number => {
      const gone = share * 256;
      const parameters = { ...SMALL, epochOpenings: openings };
      let passed = 0;
      for (let seed = 0; seed < 1000; seed++) {
        const digest = bytes(0);
        new DataView(digest.buffer).setUint32(0, seed);
        const drawn = epochChallenges(one.hasher, parameters, bytes(7), 1, digest);
        if (drawn.every(({ node }) => node >= gone)) passed += 1;
      }
      return passed / 1000;
    };
    // (1 - share)^openings, within three standard deviations of a thousand draws.
    expect(Math.abs(passes(0.25, 4) - 0.75 ** 4)).toBeLessThan(0.045);
    expect(Math.abs(passes(0.25, 16) - 0.75 ** 16)).toBeLessThan(0.01);
    expect(passes(0.25, 64)).toBe(0);
  });

  it("open every sector, and at least so many nodes of a validator", () => {
    for (const sectors of [1, 2, 3, 40]) {
      const drawn = epochChallenges(one.hasher, SMALL, bytes(7), sectors, bytes(1));
      expect(drawn).toHaveLength(Math.max(5, 2 * sectors));
      const counts = new Map<number, number>();
      for (const { sector } of drawn) counts.set(sector, (counts.get(sector) ?? 0) + 1);
      expect(counts.size).toBe(sectors);
      expect(Math.min(...counts.values())).toBeGreaterThanOrEqual(2);
    }
  });
});

describe("the parameters", () => {
  it.each(SPACE_PROFILE_NAMES)("of the profile %s are in range", (name) => {
    expect(checkSpaceParameters(SPACE_PROFILES[name]).ok).toBe(true);
    const { lgNodes, layers } = SPACE_PROFILES[name];
    expect(profileOf(lgNodes, layers)).toBe(name);
  });

  it("are taken at their limits and not past them", () => {
    const { spaceLgNodes, spaceLayers, spaceOpeningsMax, spaceResponseMs } = LIMITS;
    const ranges: [keyof SpaceParameters, readonly [number, number]][] = [
      ["lgNodes", spaceLgNodes],
      ["layers", spaceLayers],
      ["sectorOpenings", [1, spaceOpeningsMax]],
      ["epochOpenings", [1, spaceOpeningsMax]],
      // What fits the proof section of a block, and the slot of a batch.
      ["blockOpenings", [1, 113]],
      ["eventOpenings", [1, 14]],
      ["admissionChallenges", [1, 700]],
      ["responseMs", spaceResponseMs],
    ];
    for (const [name, [min, max]] of ranges) {
      const given = (value: number) => checkSpaceParameters({ ...SMALL, [name]: value });
      expect([name, given(min).ok, given(max).ok]).toEqual([name, true, true]);
      for (const value of [min - 1, max + 1, 1.5, Number.NaN]) {
        if (name === "admissionChallenges" && value === max + 1) continue;
        expect(given(value)).toMatchObject({ ok: false, code: "space.parameters" });
      }
    }
    const many = { ...SMALL, admissionChallenges: spaceOpeningsMax + 1 };
    expect(checkSpaceParameters(many)).toMatchObject({ code: "space.parameters" });
  });

  it("whose admission proof would be over the limit are refused", () => {
    const { default: large } = SPACE_PROFILES;
    const each = admissionBytes(large.lgNodes, large.layers, 1);
    const most = Math.floor(LIMITS.spaceProofBytesMax / each);
    const given = (admissionChallenges: number) =>
      checkSpaceParameters({ ...large, admissionChallenges });
    expect(given(most).ok).toBe(true);
    expect(given(most + 1)).toMatchObject({ code: "space.parameters" });
  });

  it("keep to the deadline in the profiles that are meant to, and in no other", () => {
    const of = SPACE_PROFILE_NAMES.map((name) => deadline(SPACE_PROFILES[name]));
    expect(of.map(({ isKept }) => isKept)).toEqual([false, false, true, true]);
    // (layers - 1) * nodes * 300 ns, and a tenth of it.
    expect(of.map(({ regenerationMs }) => regenerationMs)).toEqual([3, 196, 100_663, 3_221_225]);
    expect(of.map(({ responseMsMax }) => responseMsMax)).toEqual([0, 19, 10_066, 322_122]);
    const kept = { ...SPACE_PROFILES.default, responseMs: 10_066 };
    expect(deadline(kept).isKept).toBe(true);
    expect(deadline({ ...kept, responseMs: 10_067 }).isKept).toBe(false);
  });
});
