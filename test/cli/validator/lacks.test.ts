/** What `nexus validator status` says is missing of a validator's power. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type ChainFacts,
  type ClaimFacts,
  lacksOf,
  type ProofFacts,
  type Standing,
} from "../../../src/cli/validator/lacks.ts";

const chain: ChainFacts = {
  ...{ epoch: 10, height: 500, ivrfHeights: 1024 },
  ...{ stakePerSpaceUnit: 1000n, stakePerWorkUnit: 100n },
};
const whole: Standing = {
  ...{ name: "d", state: "active", stake: 1000n, power: 1000n, nextPower: 1000n },
  ...{ jailedUntilMs: 0, keyEpoch: 9 },
};
const waiting: Standing = { ...whole, state: "waiting", power: 0n, nextPower: 0n };
const claim = (countsForEpoch: number | null, more: Partial<ClaimFacts> = {}): ClaimFacts => ({
  ...{ epoch: countsForEpoch ?? 9, state: countsForEpoch === null ? "open" : "proven" },
  ...{ units: 10, countsForEpoch, fault: null },
  ...more,
});
const sector = (number: number, fromEpoch: number | null, endEpoch: number) => ({
  ...{ number, fromEpoch, endEpoch },
});
const all: Required<ProofFacts> = {
  space: { provenEpoch: 10, sectors: [sector(0, 0, 8760)] },
  work: [claim(9)],
  time: [claim(10)],
  beacon: [{ firstHeight: 1, usableFromEpoch: 0 }],
};

/** Each as "proof: what". */
const said = (one: Standing, facts: ProofFacts = all): string[] =>
  lacksOf(one, chain, facts).map(({ proof, what }) => `${proof}: ${what}`);

describe("what a validator lacks", () => {
  it("is nothing where it has all its stake as power", () => {
    expect(said(whole)).toEqual([]);
    // Proofs of this epoch that are still to come take nothing from who has them of the last one.
    expect(said(whole, { ...all, time: [claim(9), claim(null, { epoch: 10 })] })).toEqual([]);
  });

  it("is told from when on it counts where nothing is missing any more", () => {
    expect(said({ ...waiting, nextPower: 1000n })).toEqual([
      "none: nothing is missing now: it has all its power from epoch 11 on",
    ]);
    expect(said(waiting)).toEqual([
      "none: nothing is missing now: it has all its power from epoch 12 on",
    ]);
  });

  it("is time, where no run was proven of late", () => {
    expect(said(waiting, { ...all, time: [claim(8)] })).toEqual([
      expect.stringMatching(/^time: no run was proven in epoch 10 or the one before.*of epoch 8/),
    ]);
    const failed = claim(null, { state: "failed", fault: "time.proof-invalid" });
    expect(said(waiting, { ...all, time: [failed] })[0]).toContain(
      "of epoch 9, is failed (time.proof-invalid)",
    );
    expect(said(waiting, { ...all, time: [] })[0]).toContain("nothing was committed to");
  });

  it("is work, where shares are missing or too few", () => {
    expect(said(waiting, { ...all, work: [] })).toEqual([
      expect.stringMatching(/^work: no shares/),
    ]);
    const few = { ...all, work: [claim(9, { units: 9 })] };
    expect(said({ ...whole, power: 900n, nextPower: 900n }, few)).toEqual([
      "work: 9 units were proven, 10 are needed for a stake of 1000",
    ]);
    expect(said({ ...whole, power: 900n, nextPower: 900n, stake: 901n }, few)).toHaveLength(1);
  });

  it("is space: none, over, coming, unanswered, or too little", () => {
    const space = (...sectors: ReturnType<typeof sector>[]): ProofFacts => ({
      ...all,
      space: { provenEpoch: 10, sectors },
    });
    expect(said(waiting, { ...all, space: null })).toEqual(["space: no sector is committed to"]);
    expect(said(waiting, space(sector(0, 0, 1)))).toEqual([
      "space: sector 0 counts no more: it lapsed, came to its end or was given back",
    ]);
    // Given back in this epoch: it is asked for until it ends, and counts for nothing after.
    expect(said(waiting, space(sector(0, 0, 10)))[0]).toContain("sector 0 counts no more");
    // Before it was admitted: nothing more comes of it.
    expect(said(waiting, space(sector(0, 11, 10)))[0]).toContain("sector 0 counts no more");
    expect(said(waiting, space(sector(0, 0, 1), sector(1, null, 11)))).toEqual([
      "space: sector 1 is committed to and counts from a later epoch",
    ]);
    expect(said(waiting, space(sector(1, 11, 8770)))[0]).toContain("counts from a later epoch");
    const late = { ...all, space: { provenEpoch: 8, sectors: [sector(0, 0, 8760)] } };
    expect(said(waiting, late)).toEqual([
      "space: sector 0: the last epoch that was answered is 8, this is 10",
    ]);
    const half = { ...whole, stake: 1500n };
    expect(said(half)).toContain("space: 1 sector counts, 2 are needed for a stake of 1500");
  });

  it("is stake, before all else, where it may hold no power", () => {
    for (const [state, words] of [
      ["ended", "contradicts itself"],
      ["left", "it has left"],
      ["jailed", "in jail until 1970-01-01T00:00:09.000Z"],
    ] as const) {
      const found = said({ ...waiting, state, jailedUntilMs: 9_000 }, { ...all, time: [] });
      expect(found).toEqual([expect.stringMatching(/^stake: /)]);
      expect(found[0]).toContain(words);
    }
    expect(said({ ...waiting, stake: 0n })).toEqual(["stake: no stake is bonded to it"]);
  });

  it("is besides what it needs to lead and to guard what it has signed", () => {
    expect(said(whole, { ...all, beacon: [] })).toEqual([
      expect.stringMatching(/^beacon: no iVRF/),
    ]);
    const covers = (firstHeight: number, usableFromEpoch: number): boolean =>
      said(whole, { ...all, beacon: [{ firstHeight, usableFromEpoch }] }).length === 0;
    expect([covers(501, 10), covers(502, 10), covers(501, 11)]).toEqual([true, false, false]);
    expect([covers(501 - 1023, 10), covers(501 - 1024, 10)]).toEqual([true, false]);
    const [coming] = lacksOf(whole, chain, {
      ...all,
      beacon: [{ firstHeight: 400, usableFromEpoch: 11 }],
    });
    expect(coming?.todo).toContain("from epoch 11");
    expect(said({ ...whole, keyEpoch: null })).toEqual([expect.stringMatching(/^keys: /)]);
    expect(said({ ...whole, keyEpoch: undefined })).toEqual([]);
  });

  it("says nothing of a proof that the chain does not ask for", () => {
    expect(said(waiting, {})).toEqual([expect.stringMatching(/^none: /)]);
    expect(said({ ...waiting, keyEpoch: undefined }, { space: null })).toHaveLength(1);
  });

  it("is something whenever power is less than stake, and every line says what to do", () => {
    const amount = fc.bigInt({ min: 0n, max: 3000n });
    fc.assert(
      fc.property(amount, amount, amount, fc.nat(12), (stake, power, nextPower, proven) => {
        const one = { ...whole, stake, power, nextPower };
        const lacks = lacksOf(one, chain, { ...all, space: { provenEpoch: proven, sectors: [] } });
        if (power < stake || nextPower < stake) expect(lacks.length).toBeGreaterThan(0);
        for (const { what, todo } of lacks) expect(what.length * todo.length).toBeGreaterThan(0);
      }),
    );
  });
});
