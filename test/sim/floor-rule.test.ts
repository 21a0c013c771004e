/** The oracle's floor rule and the product's, two programs of one rule of docs/protocol.md, over the same histories. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { FinalEvent } from "../../sim/checkers/final-log.ts";
import { StakeFold } from "../../sim/checkers/stake-fold.ts";
import type { Member } from "../../sim/checkers/types.ts";
import { toHex } from "../../src/crypto/bytes.ts";
import { Writer } from "../../src/crypto/codec.ts";
import { STAKE_PROFILES } from "../../src/proofs/stake/parameters.ts";
import { nextSnapshot, snapshotOf } from "../../src/proofs/stake/power.ts";

const IDS = Array.from({ length: 6 }, (_, i) => new Uint8Array(32).fill(i + 1));
const NAMES = IDS.map(toHex);
const EPOCHS = 6;
const parameters = { ...STAKE_PROFILES.production, stakePerSpaceUnit: 1n, stakePerWorkUnit: 1n };

type Change = {
  readonly who: number;
  /** Shares that it has proven in the epoch. */
  readonly units: number;
  readonly bonded: bigint;
  /** Of 100 of what it has then. */
  readonly unbondedOf100: bigint;
  readonly moves: "leaves" | "comes back" | "stays";
};

const weight = fc.oneof(fc.constant(0n), fc.bigInt(1n, 400n));
const change: fc.Arbitrary<Change> = fc.record({
  who: fc.nat(IDS.length - 1),
  units: fc.nat(600),
  bonded: fc.oneof(fc.constant(0n), fc.bigInt(1n, 300n)),
  unbondedOf100: fc.constantFrom(0n, 0n, 0n, 40n, 100n),
  moves: fc.constantFrom("leaves", "comes back", "stays", "stays", "stays"),
});
const history = fc.record({
  weights: fc
    .array(weight, { minLength: IDS.length, maxLength: IDS.length })
    .filter((all) => all.some((one) => one > 0n)),
  epochs: fc.array(fc.array(change, { maxLength: 6 }), { minLength: EPOCHS, maxLength: EPOCHS }),
});

const memberOf = (weightOf: bigint, index: number): Member => {
  const id = IDS[index] ?? new Uint8Array(32);
  const base = { index, slot: index, publicKey: id, weight: weightOf };
  return { ...base, idHex: toHex(id) };
};

const about = (id: Uint8Array, type: string, amount?: bigint): FinalEvent => {
  const writer = new Writer(40).hash(id);
  if (amount !== undefined) writer.u64big(amount);
  return { height: 1, type, payload: writer.finish(), actor: toHex(id), refusedWith: "" };
};

const shares = (id: Uint8Array, epoch: number, count: number): readonly FinalEvent[] => {
  const committed = new Writer(44).u64(epoch).u32(count).hash(new Uint8Array(32)).finish();
  const proven = new Writer(8).u64(epoch).finish();
  const base = { height: 1, actor: toHex(id), refusedWith: "" };
  return [
    { ...base, type: "work.shares.committed", payload: committed },
    { ...base, type: "work.shares.proven", payload: proven },
  ];
};

type Holder = { stake: bigint; left: boolean; units: bigint };

/** One epoch's changes as events of the log, and in what the test knows of everybody. */
const eventsOf = (holders: readonly Holder[], changes: readonly Change[], epoch: number) => {
  const events: FinalEvent[] = [];
  for (const { who, units, bonded, unbondedOf100, moves } of changes) {
    const [id, holder] = [IDS[who], holders[who]];
    if (id === undefined || holder === undefined) continue;
    events.push(...shares(id, epoch, units));
    if (BigInt(units) > holder.units) holder.units = BigInt(units);
    holder.stake += bonded;
    events.push(about(id, "stake.bonded", bonded));
    const unbonded = (holder.stake * unbondedOf100) / 100n;
    holder.stake -= unbonded;
    events.push(about(id, "stake.unbonded", unbonded));
    if (moves === "stays") continue;
    holder.left = moves === "leaves";
    events.push(about(id, holder.left ? "validator.left" : "validator.rejoined"));
  }
  return events;
};

describe("the sets that follow from who leaves, bonds, unbonds and shows its proofs", () => {
  it("are the same to the oracle as to the product", () => {
    const seen = { kept: 0, newcomers: 0, earned: 0, last: 0 };
    fc.assert(
      fc.property(history, ({ weights, epochs }) => {
        const fold = new StakeFold(
          {
            ...{ chainId: "floor", genesisHash: new Uint8Array(32), genesisTimeMs: 0 },
            ...{ mark: () => undefined, report: () => undefined, verify: () => true },
          },
          {
            ...{ windowTurns: 1, votedBpsMin: 0, stakePerUnit: 1n },
            claims: { shares: { scryptN: 16, difficulty: 1, triesPerUnit: 1 } },
          },
          weights.map(memberOf),
          () => undefined,
        );
        const holders = weights.map((stake): Holder => ({ stake, left: false, units: 0n }));
        let last = snapshotOf(weights.map((power, i) => ({ id: NAMES[i] ?? "", power })));
        for (const [epoch, changes] of epochs.entries()) {
          const at = { height: 1, epoch, view: 1, parentView: 0, timeMs: 0 };
          fold.block({ ...at, nextSet: undefined, events: eventsOf(holders, changes, epoch) });
          fold.block({ ...at, nextSet: "the boundary", events: [] });
          const candidates = holders.map(({ stake, left, units }, i) => ({
            ...{ id: NAMES[i] ?? "", stake, spaceUnits: stake, workUnits: units },
            ...{ timeOk: true, eligible: !left },
          }));
          const stake = holders.reduce((sum, one) => sum + (one.left ? 0n : one.stake), 0n);
          const next = nextSnapshot(parameters, last, candidates);
          const { powers, total } = next.total === 0n ? last : next;
          expect(fold.sets.get(epoch + 2)).toEqual({ powers, degraded: next.degraded, stake });
          const isNew = powers.some(({ id }) => last.powers.every((one) => one.id !== id));
          if (next.total === 0n) seen.last += 1;
          else if (!next.degraded) seen.earned += 1;
          else if (isNew) seen.newcomers += 1;
          else seen.kept += 1;
          last = { powers, total };
          for (const holder of holders) holder.units = 0n;
        }
      }),
      { numRuns: 400 },
    );
    for (const [name, times] of Object.entries(seen)) expect(times, name).toBeGreaterThan(5);
  });
});
