/** Stake and power: the gate lemma, the floor rule, and what faults cost. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { quorumOf } from "../../../src/ledger/validator-set.ts";
import {
  STAKE_PROFILES,
  type StakeParameters,
  stakeParameterFault,
  WHOLE_BPS,
} from "../../../src/proofs/stake/parameters.ts";
import {
  type Candidate,
  effectivePower,
  nextSnapshot,
  type Resources,
  type Snapshot,
  snapshotOf,
} from "../../../src/proofs/stake/power.ts";
import {
  type Bond,
  type Fault,
  isDown,
  isEligible,
  release,
  slash,
  slashedBps,
  standingAfter,
} from "../../../src/proofs/stake/slashing.ts";

const { production } = STAKE_PROFILES;

const amount = fc.bigInt(0n, 2n ** 50n);
const units = fc.bigInt(0n, 2n ** 40n);
const parametersOf = fc
  .tuple(fc.bigInt(1n, 2n ** 20n), fc.bigInt(1n, 2n ** 20n))
  .map(([stakePerSpaceUnit, stakePerWorkUnit]) => ({
    ...production,
    stakePerSpaceUnit,
    stakePerWorkUnit,
  }));
const resources: fc.Arbitrary<Resources> = fc.record({
  stake: amount,
  spaceUnits: units,
  workUnits: units,
  timeOk: fc.boolean(),
});

const sum = (values: readonly bigint[]): bigint => values.reduce((all, one) => all + one, 0n);

describe("effective power", () => {
  it("is at most each of the three, and all of one of them", () => {
    fc.assert(
      fc.property(parametersOf, resources, (parameters, one) => {
        const power = effectivePower(parameters, one);
        const bounds = [
          one.stake,
          parameters.stakePerSpaceUnit * one.spaceUnits,
          parameters.stakePerWorkUnit * one.workUnits,
        ];
        expect(bounds.every((bound) => power <= bound)).toBe(true);
        expect(one.timeOk ? bounds.includes(power) : power === 0n).toBe(true);
      }),
    );
    const negative = { stake: -1n, spaceUnits: 1n, workUnits: 1n, timeOk: true };
    expect(() => effectivePower(production, negative)).toThrow(RangeError);
  });

  it("of many identities is at most what their resources together would have (the gate lemma)", () => {
    fc.assert(
      fc.property(parametersOf, fc.array(resources, { maxLength: 12 }), (parameters, sybils) => {
        const held = sum(sybils.map((one) => effectivePower(parameters, one)));
        const whole: Resources = {
          stake: sum(sybils.map(({ stake }) => stake)),
          spaceUnits: sum(sybils.map(({ spaceUnits }) => spaceUnits)),
          workUnits: sum(sybils.map(({ workUnits }) => workUnits)),
          timeOk: true,
        };
        expect(held <= effectivePower(parameters, whole)).toBe(true);
        // So a third of any total needs a third of it in every resource.
        for (const total of [held, held * 2n, held * 3n]) {
          if (held === 0n || 3n * held < total) continue;
          expect(3n * whole.stake >= total).toBe(true);
          expect(3n * parameters.stakePerSpaceUnit * whole.spaceUnits >= total).toBe(true);
          expect(3n * parameters.stakePerWorkUnit * whole.workUnits >= total).toBe(true);
        }
      }),
    );
  });

  it("never grows by a split", () => {
    const part = fc.bigInt(0n, 100n);
    fc.assert(
      fc.property(parametersOf, resources, part, part, part, (parameters, one, a, b, c) => {
        const whole = { ...one, timeOk: true };
        const left = {
          stake: (one.stake * a) / 100n,
          spaceUnits: (one.spaceUnits * b) / 100n,
          workUnits: (one.workUnits * c) / 100n,
          timeOk: true,
        };
        const right = {
          stake: one.stake - left.stake,
          spaceUnits: one.spaceUnits - left.spaceUnits,
          workUnits: one.workUnits - left.workUnits,
          timeOk: true,
        };
        const split = effectivePower(parameters, left) + effectivePower(parameters, right);
        expect(split <= effectivePower(parameters, whole)).toBe(true);
      }),
    );
  });

  it("never falls for more of anything", () => {
    fc.assert(
      fc.property(parametersOf, resources, units, (parameters, one, more) => {
        const power = effectivePower(parameters, one);
        for (const name of ["stake", "spaceUnits", "workUnits"] as const) {
          expect(effectivePower(parameters, { ...one, [name]: one[name] + more }) >= power).toBe(
            true,
          );
        }
      }),
    );
  });
});

const ids = (count: number): string[] => Array.from({ length: count }, (_, i) => `v${i}`);

const candidate = (id: string, change: Partial<Candidate> = {}): Candidate => ({
  ...{ id, stake: 1_000n, spaceUnits: 1n, workUnits: 1n, timeOk: true, eligible: true },
  ...change,
});

const powersOf = ({ powers }: Snapshot): Record<string, bigint> =>
  Object.fromEntries(powers.map(({ id, power }) => [id, power]));

describe("a snapshot", () => {
  it("is in order of ids, without zeros, and says its total", () => {
    const snapshot = snapshotOf([
      { id: "b", power: 2n },
      { id: "c", power: 0n },
      { id: "a", power: 1n },
    ]);
    expect(snapshot).toEqual({
      powers: [
        { id: "a", power: 1n },
        { id: "b", power: 2n },
      ],
      total: 3n,
    });
    const twice = [
      { id: "a", power: 1n },
      { id: "a", power: 1n },
    ];
    expect(() => snapshotOf(twice)).toThrow(RangeError);
  });

  it("has quorums of which any two share more than a third", () => {
    fc.assert(
      fc.property(fc.bigInt(1n, 2n ** 63n - 1n), (total) => {
        const shared = 2n * quorumOf(total) - total;
        expect(3n * shared > total).toBe(true);
        expect(quorumOf(total) <= total).toBe(true);
      }),
    );
  });
});

describe("the floor rule", () => {
  const last = snapshotOf(ids(9).map((id) => ({ id, power: 1_000n })));

  it("lets power follow the proofs down to two thirds, and no further", () => {
    const without = (lost: number) =>
      nextSnapshot(
        production,
        last,
        ids(9).map((id, i) => candidate(id, { timeOk: i >= lost })),
      );
    expect(without(0)).toMatchObject({ degraded: false, total: 9_000n });
    expect(without(3)).toMatchObject({ degraded: false, total: 6_000n });
    expect(without(4)).toMatchObject({ degraded: true, total: 9_000n });
    expect(without(9)).toMatchObject({ degraded: true, total: 9_000n });
    expect(powersOf(without(3))["v0"]).toBeUndefined();
    expect(powersOf(without(4))["v0"]).toBe(1_000n);
  });

  it("keeps nothing for who is jailed or has left, and no more than there is at stake", () => {
    const lost = { timeOk: false };
    const next = nextSnapshot(production, last, [
      ...ids(6).map((id) => candidate(id, lost)),
      candidate("v6", { ...lost, eligible: false }),
      candidate("v7", { ...lost, stake: 10n }),
      candidate("w", lost),
    ]);
    expect(next.degraded).toBe(true);
    expect(next.total).toBe(6_010n);
    const powers = powersOf(next);
    expect(powers["v0"]).toBe(1_000n);
    expect(powers["v7"]).toBe(10n);
    for (const id of ["v6", "v8", "w"]) expect(powers[id]).toBeUndefined();
  });

  it("takes nobody's leaving for a lost proof", () => {
    // As many as may: the others have all their proofs, and nothing is kept for anybody.
    for (const gone of [3, 4, 8]) {
      const next = nextSnapshot(
        production,
        last,
        ids(9).map((id, i) => candidate(id, { eligible: i >= gone })),
      );
      expect(next).toMatchObject({ degraded: false, total: BigInt(9 - gone) * 1_000n });
    }
  });

  it("drops no power that was earned, of who is new or has grown either", () => {
    const three = snapshotOf(["a", "b", "c"].map((id) => ({ id, power: 100n })));
    const unit = { ...production, stakePerSpaceUnit: 1n, stakePerWorkUnit: 1n };
    const has = (id: string, stake: bigint, change: Partial<Candidate> = {}) =>
      candidate(id, { stake, spaceUnits: stake, workUnits: stake, ...change });
    const next = nextSnapshot(unit, three, [
      has("a", 100n, { eligible: false }),
      has("b", 100n, { eligible: false }),
      has("c", 100n, { timeOk: false }),
      has("d", 190n),
    ]);
    expect(next).toMatchObject({ degraded: true, total: 290n });
    expect(powersOf(next)).toEqual({ c: 100n, d: 190n });
    const grown = nextSnapshot(unit, three, [
      has("a", 500n),
      has("b", 100n, { timeOk: false }),
      has("c", 100n, { timeOk: false }),
    ]);
    // What a has beside its 100 stands for nothing that b and c have lost.
    expect(grown.degraded).toBe(true);
    expect(powersOf(grown)).toEqual({ a: 500n, b: 100n, c: 100n });
  });

  it("is degraded where nothing is left at all, which no caller takes for a set", () => {
    const gone = ids(9).map((id) => candidate(id, { eligible: false }));
    expect(nextSnapshot(production, last, gone)).toEqual({ powers: [], total: 0n, degraded: true });
  });

  const candidates = fc.array(
    fc.record({ at: fc.nat(12), one: resources, eligible: fc.boolean() }),
    { maxLength: 12 },
  );
  const before = fc.array(fc.tuple(fc.nat(12), amount), { maxLength: 12 });
  const worlds = fc.tuple(parametersOf, before, candidates).map(([parameters, powers, list]) => {
    const known = new Map(powers.map(([i, power]) => [`v${i}`, power]));
    const unique = new Map(list.map((entry) => [entry.at, entry]));
    const all = [...unique.values()].map(
      ({ at, one, eligible }): Candidate => ({ ...one, id: `v${at}`, eligible }),
    );
    const snapshot = snapshotOf([...known].map(([id, power]) => ({ id, power })));
    return { parameters, known, all, snapshot };
  });
  const lesser = (a: bigint, b: bigint): bigint => (a < b ? a : b);

  it("never gives more power than stake nor less than was earned, whatever has happened", () => {
    let [degraded, grown] = [0, 0];
    fc.assert(
      fc.property(worlds, ({ parameters, known, all, snapshot }) => {
        const next = nextSnapshot(parameters, snapshot, all);
        const got = new Map(next.powers.map(({ id, power }) => [id, power]));
        let [earned, kept, again] = [0n, 0n, 0n];
        for (const one of all) {
          const power = got.get(one.id) ?? 0n;
          const own = one.eligible ? effectivePower(parameters, one) : 0n;
          const could = one.eligible ? lesser(known.get(one.id) ?? 0n, one.stake) : 0n;
          expect(power <= (one.eligible ? one.stake : 0n)).toBe(true);
          expect(power >= own).toBe(true);
          expect(power === own || (next.degraded && power === could)).toBe(true);
          earned += own;
          kept += could;
          again += lesser(power, could);
        }
        expect(next.total >= earned).toBe(true);
        // What is left of the last set's power stands behind the next one, two thirds of it at least.
        expect(3n * again >= 2n * kept).toBe(true);
        if (next.degraded) expect(again).toBe(kept);
        expect(next.total).toBe(sum(next.powers.map(({ power }) => power)));
        expect(next.powers.every(({ id }) => all.some((one) => one.id === id))).toBe(true);
        if (next.degraded && next.total > 0n) degraded += 1;
        if (next.degraded && next.total > kept) grown += 1;
        // The order in which candidates come does not matter.
        expect(nextSnapshot(parameters, snapshot, all.toReversed())).toEqual(next);
      }),
      { numRuns: 500 },
    );
    expect(degraded).toBeGreaterThan(20);
    expect(grown).toBeGreaterThan(10);
  });

  it("brings nobody who would have less than two ninths without it to a third", () => {
    let near = 0;
    fc.assert(
      fc.property(worlds, fc.nat(2 ** 13), ({ parameters, known, all, snapshot }, bad) => {
        const isBad = (id: string): boolean => (bad & (1 << Number(id.slice(1)))) !== 0;
        const next = nextSnapshot(parameters, snapshot, all);
        // The most that everybody could have: what it has earned, or what it had as far as it is at stake.
        let [whole, part] = [0n, 0n];
        for (const one of all) {
          if (!one.eligible) continue;
          const could = lesser(known.get(one.id) ?? 0n, one.stake);
          const own = effectivePower(parameters, one);
          const most = own + could - lesser(own, could);
          whole += most;
          if (isBad(one.id)) part += most;
        }
        if (whole === 0n || 9n * part >= 2n * whole) return;
        if (part > 0n) near += 1;
        const held = sum(next.powers.filter(({ id }) => isBad(id)).map(({ power }) => power));
        expect(3n * held < next.total).toBe(true);
      }),
      { numRuns: 1_000 },
    );
    expect(near).toBeGreaterThan(20);
  });
});

describe("slashing", () => {
  const bond: fc.Arbitrary<Bond> = fc.record({
    bonded: amount,
    delegated: amount,
    unbonding: fc.array(fc.record({ amount, sinceMs: fc.nat(1_000) }), { maxLength: 5 }),
  });

  it("takes what it says, from what is liable, and loses nothing on the way", () => {
    fc.assert(
      fc.property(bond, fc.bigInt(0n, WHOLE_BPS), fc.nat(1_000), (before, bps, faultMs) => {
        const { left, taken } = slash(before, bps, faultMs);
        const all = (one: Bond): bigint =>
          one.bonded + one.delegated + sum(one.unbonding.map((part) => part.amount));
        expect(all(left) + taken).toBe(all(before));
        expect(left.bonded >= 0n && left.delegated >= 0n).toBe(true);
        for (const [i, part] of left.unbonding.entries()) {
          const own = before.unbonding[i];
          expect(part.amount >= 0n).toBe(true);
          if (own !== undefined && own.sinceMs < faultMs) expect(part).toEqual(own);
        }
        const exact = before.bonded * bps;
        expect((before.bonded - left.bonded) * WHOLE_BPS - exact < WHOLE_BPS).toBe(true);
        expect((before.bonded - left.bonded) * WHOLE_BPS >= exact).toBe(true);
        if (bps > 0n && before.bonded > 0n) expect(left.bonded < before.bonded).toBe(true);
        if (bps === WHOLE_BPS) expect(left.bonded).toBe(0n);
      }),
    );
    expect(() => slash({ bonded: 1n, delegated: 0n, unbonding: [] }, 10_001n, 0)).toThrow(
      RangeError,
    );
  });

  it("of equivocation grows with who does it together, up to everything", () => {
    const of = (together: bigint, total: bigint): bigint =>
      slashedBps(production, { kind: "equivocation", together, total });
    expect(of(1n, 1_000n)).toBe(500n);
    expect(of(10n, 100n)).toBe(3_000n);
    expect(of(34n, 100n)).toBe(10_000n);
    expect(of(100n, 100n)).toBe(10_000n);
    // A fork takes more than a third of all power: that costs all of it.
    fc.assert(
      fc.property(fc.bigInt(1n, 2n ** 63n), fc.bigInt(0n, 2n ** 63n), (total, any) => {
        const together = any % (total + 1n);
        const bps = of(together, total);
        expect(bps >= 500n && bps <= WHOLE_BPS).toBe(true);
        if (3n * together >= total) expect(bps).toBe(WHOLE_BPS);
      }),
    );
    expect(() => of(2n, 1n)).toThrow(RangeError);
    expect(() => of(0n, 0n)).toThrow(RangeError);
  });

  it("jails for downtime, and ends a validator for what is malicious", () => {
    const fresh = { jailedUntilMs: 0, tombstoned: false };
    const jailed = standingAfter(production, fresh, { kind: "downtime" }, 1_000);
    expect(jailed).toEqual({ jailedUntilMs: 601_000, tombstoned: false });
    expect(isEligible(jailed, 600_999)).toBe(false);
    expect(isEligible(jailed, 601_000)).toBe(true);
    const longer = { jailedUntilMs: 10 ** 9, tombstoned: false };
    expect(standingAfter(production, longer, { kind: "downtime" }, 0)).toEqual(longer);
    const faults: Fault[] = [
      { kind: "equivocation", together: 1n, total: 3n },
      { kind: "forgery" },
    ];
    for (const fault of faults) {
      const ended = standingAfter(production, fresh, fault, 0);
      expect(isEligible(ended, Number.MAX_SAFE_INTEGER)).toBe(false);
    }
    expect(slashedBps(production, { kind: "downtime" })).toBe(100n);
    expect(slashedBps(production, { kind: "forgery" })).toBe(WHOLE_BPS);
  });

  it("counts downtime over whole windows, half of a window being enough", () => {
    expect(isDown(production, 50, 100)).toBe(false);
    expect(isDown(production, 49, 100)).toBe(true);
    expect(isDown(production, 0, 99)).toBe(false);
  });

  it("reaches stake until it is released, all of it and once", () => {
    const list = fc.array(fc.record({ amount, sinceMs: fc.nat(10 ** 6) }), { maxLength: 6 });
    fc.assert(
      fc.property(list, fc.nat(2 * 10 ** 6), (unbonding, nowMs) => {
        const { dev } = STAKE_PROFILES;
        const { free, left } = release(dev, unbonding, nowMs);
        expect(free + sum(left.map((one) => one.amount))).toBe(
          sum(unbonding.map((one) => one.amount)),
        );
        expect(left.every(({ sinceMs }) => nowMs - sinceMs < dev.unbondingMs)).toBe(true);
        expect(release(dev, left, nowMs).free).toBe(0n);
      }),
    );
  });
});

describe("the parameters", () => {
  it.each(Object.entries<StakeParameters>(STAKE_PROFILES))("of %s are valid", (_, parameters) => {
    expect(stakeParameterFault(parameters)).toBeUndefined();
  });

  it.each<[string, Partial<StakeParameters>]>([
    ["a unit of space that carries nothing", { stakePerSpaceUnit: 0n }],
    ["a unit of work that carries nothing", { stakePerWorkUnit: 0n }],
    ["more than everything", { forgeryBps: 10_001n }],
    ["a negative part", { downtimeBps: -1n }],
    ["a negative factor", { correlationFactor: -1n }],
    ["no window", { windowBlocks: 0 }],
    ["stake that is free before evidence is late", { unbondingMs: production.evidenceMs }],
    ["sets trusted longer than evidence is taken", { trustingMs: production.evidenceMs }],
  ])("are refused with %s", (_, change) => {
    expect(stakeParameterFault({ ...production, ...change })).toBeTypeOf("string");
  });
});
