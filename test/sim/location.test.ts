/** I29: witnesses that state less than the network took, and certificates of what nobody stated. */
import { describe, expect, it } from "vitest";
import { boundsTrue } from "../../sim/checkers/location.ts";
import { taggedHash } from "../../sim/checkers/oracle.ts";
import { encodeLocationMessage } from "../../src/ledger/location-messages.ts";
import { zoneCertified } from "../../src/ledger/projections/zone-events.ts";
import { LIMITS } from "../../src/limits.ts";
import { CHAIN, createRig, dumpOf, MEMBERS, type Rig } from "./rig.ts";

const location = { rounds: 2, zones: new Map([["near", 5_000]]) };
const signature = new Uint8Array(LIMITS.falconSignatureBytes);
const challengeOf = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const of = { epoch: 0, sector: 0 };
const id = (slot: number): Uint8Array => Buffer.from(MEMBERS[slot]?.idHex ?? "", "hex");

const rounds = taggedHash(CHAIN, "loc/rounds", challengeOf(1), challengeOf(2));

type Measured = {
  readonly witness?: number;
  readonly prover?: number;
  readonly times?: readonly number[];
  readonly rttUs?: number;
  readonly told?: Uint8Array;
};

const ask = ({ checker }: Rig, byte: number, { witness = 0, prover = 1 }: Measured = {}): void => {
  const asked = { type: "location-challenge", ...of, challenge: challengeOf(byte) } as const;
  checker.sent?.(witness, prover, "control", encodeLocationMessage(asked));
};

/** `witness` measures `prover` in rounds of such times. */
const probe = (rig: Rig, measured: Measured): void => {
  const { witness = 0, prover = 1, times = [3_000, 9_000] } = measured;
  for (const [i, time] of times.entries()) {
    ask(rig, i + 1, measured);
    rig.nowUs += time;
    const openings = new Uint8Array(32);
    const challenge = challengeOf(i + 1);
    const answer = encodeLocationMessage({ type: "location-answer", challenge, openings });
    rig.checker.delivered?.(prover, witness, answer);
  }
};

/** It states so much. */
const state = (
  { checker }: Rig,
  { witness = 0, prover = 1, rttUs = 3_000, told = rounds }: Measured,
): void => {
  const receipt = { ...of, rttUs, rounds: told, signature };
  const bytes = encodeLocationMessage({ type: "location-receipt", ...receipt });
  checker.sent?.(witness, prover, "control", bytes);
};

const measure = (rig: Rig, measured: Measured): void => {
  probe(rig, measured);
  state(rig, measured);
};

const certify = (
  rig: Rig,
  bounds: readonly { readonly witness: number; readonly rttUs: number }[],
): void => {
  const receipts = bounds.map(({ witness, rttUs }) => ({
    ...{ witness: id(witness), rttUs, rounds, signature },
  }));
  const { type, payload } = zoneCertified.encode({ ...of, zone: "near", from: 0, receipts });
  rig.checker.end?.([dumpOf([{ type, payload }])]);
};

const rigOf = (): Rig => createRig(boundsTrue, { location });

describe("what honest witnesses state", () => {
  it("is not less than half of the rounds took", () => {
    const rig = rigOf();
    measure(rig, {});
    measure(rig, { prover: 2, rttUs: 3_500 });
    expect(rig.found).toEqual([]);
    expect(rig.marks).toContain("place measured");
    measure(rig, { rttUs: 2_999 });
    expect(rig.found).toEqual(["I29"]);
  });

  it("is of the challenges that they sent", () => {
    const rig = rigOf();
    measure(rig, { told: challengeOf(7) });
    expect(rig.found).toEqual(["I29"]);
  });

  it("is of a validator, whichever of two processes with its key is told", () => {
    // Slot 4 runs a twin of slot 1, whose session has ended while the witness signed.
    const twinned = createRig(boundsTrue, {
      location,
      memberOf: (slot) => MEMBERS[slot === 4 ? 1 : slot],
    });
    probe(twinned, {});
    state(twinned, { prover: 4 });
    expect([twinned.found, twinned.marks]).toEqual([[], ["place measured"]]);
    probe(twinned, {});
    state(twinned, { prover: 4, rttUs: 2_999 });
    expect(twinned.found).toEqual(["I29"]);
  });

  it("may be signed when the next measurement has begun, and once", () => {
    const rig = rigOf();
    // Of one that was given up.
    ask(rig, 8);
    probe(rig, {});
    ask(rig, 9);
    state(rig, {});
    expect([rig.found, rig.marks]).toEqual([[], ["place measured"]]);
    state(rig, {});
    expect(rig.found).toEqual(["I29"]);
  });

  it("may be anything by who lies", () => {
    const rig = rigOf();
    measure(rig, { witness: 3, rttUs: 1 });
    expect(rig.found).toEqual([]);
  });
});

describe("certificates", () => {
  it("have bounds that honest witnesses stated of one prover", () => {
    const right = rigOf();
    measure(right, {});
    measure(right, { witness: 2, rttUs: 4_000 });
    certify(right, [
      { witness: 0, rttUs: 3_000 },
      { witness: 2, rttUs: 4_000 },
      { witness: 3, rttUs: 1 },
    ]);
    expect(right.found).toEqual([]);
    expect(right.marks).toContain("n1 certified near");
    const wrong = rigOf();
    measure(wrong, {});
    certify(wrong, [{ witness: 0, rttUs: 2_000 }]);
    expect(wrong.found).toEqual(["I29"]);
  });

  it("have an honest witness, and no bound above that of the zone", () => {
    const liars = rigOf();
    certify(liars, [{ witness: 3, rttUs: 1 }]);
    expect(liars.found).toEqual(["I29"]);
    const far = rigOf();
    measure(far, { rttUs: 5_001 });
    certify(far, [{ witness: 0, rttUs: 5_001 }]);
    expect(far.found).toEqual(["I29"]);
  });

  it("are anything where liars hold more than a third", () => {
    const rig = createRig(boundsTrue, { location, honest: (slot) => slot < 2 });
    certify(rig, [{ witness: 3, rttUs: 1 }]);
    expect(rig.found).toEqual([]);
  });
});
