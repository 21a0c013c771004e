/**
 * The liability of stake against an account of its own: of each part what it was before anybody was slashed, as a
 * fraction, and of each validator which fault costs how much. Whatever is done in whatever order, a part has lost
 * the most that any fault costs that it is liable for, not more than rounding beyond that, and is not withdrawn
 * while evidence of a fault that it is liable for is still taken.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import {
  epochRowAt,
  type Standing,
  storedRows,
  totalsOf,
} from "../../../src/ledger/projections/stake/rows.ts";
import { settled } from "../../../src/ledger/projections/stake/slashing.ts";
import {
  workSharesCommitted,
  workSharesProven,
} from "../../../src/ledger/projections/work-events.ts";
import type { EncodedEvent } from "../../../src/ledger/types.ts";
import { LIMITS } from "../../../src/limits.ts";
import { codesOf, idOf, type TestBatch } from "../execution-support.ts";
import { noncesOf, openedOf, rootOf } from "../projections/claims-support.ts";
import {
  bond,
  PARAMETERS as DEV,
  delegate,
  equivocation,
  grant,
  jail,
  leave,
  rejoin,
  unbond,
  withdraw,
} from "./support.ts";
import { WorkChain } from "./work-chain.ts";

const NAMES = ["v0", "v1", "v2", "v3"];
const HEX: ReadonlyMap<string, string> = new Map(
  [...NAMES, "root"].map((name) => [name, toHex(idOf(name))]),
);
const hexOf = (name: string): string => HEX.get(name) ?? "";
const WHOLE = 10_000n;
/** Less than everything, so that a part can be liable for something more afterwards. */
const COSTS = { forgeryBps: 4_000n, correlationFactor: 1n } as const;
const PARAMETERS = { ...DEV, ...COSTS };
const BONDED = "bonded";

/** What a group of parts was before anything was taken: `n / d`. */
type Fraction = { readonly n: bigint; readonly d: bigint };

const gcd = (a: bigint, b: bigint): bigint => (b === 0n ? a : gcd(b, a % b));

const fraction = (n: bigint, d: bigint): Fraction => {
  const common = gcd(n, d);
  return { n: n / common, d: d / common };
};

const plus = (a: Fraction, b: Fraction): Fraction => fraction(a.n * b.d + b.n * a.d, a.d * b.d);

/** A chain whose blocks come when a test says so. */
class TimedChain extends WorkChain {
  #lateMs = 0;

  wait(ms: number): void {
    this.#lateMs += ms;
  }

  override input(batches: readonly TestBatch[], height = this.height + 1) {
    const input = super.input(batches, height);
    const { header } = input;
    return { ...input, header: { ...header, timeMs: header.timeMs + this.#lateMs } };
  }

  get timeMs(): number {
    return this.inputs.at(-1)?.header.timeMs ?? this.from.timeMs;
  }

  settledStanding(name: string): Standing | undefined {
    const standing = this.standing(name);
    return standing && settled(storedRows(this.store.read), standing).standing;
  }

  free(name: string): bigint {
    const row = storedRows(this.store.read).get(Uint8Array.of(2, ...idOf(name)));
    return row === undefined ? 0n : Buffer.from(row).readBigUInt64BE();
  }
}

/** By holder and last epoch. Parts of one group are liable for the same faults, and are free at the same time. */
const groupsOf = (standing: Standing | undefined): Map<string, bigint> => {
  const groups = new Map<string, bigint>();
  const add = (key: string, amount: bigint) => groups.set(key, (groups.get(key) ?? 0n) + amount);
  for (const { holder, amount } of standing?.bonds ?? []) add(`${toHex(holder)} ${BONDED}`, amount);
  for (const { holder, amount, lastEpoch } of standing?.leaving ?? []) {
    add(`${toHex(holder)} ${lastEpoch}`, amount);
  }
  return groups;
};

const lastEpochOf = (key: string): number => {
  const of = key.split(" ")[1];
  return of === BONDED ? Number.POSITIVE_INFINITY : Number(of);
};

/** The account of one run. */
class Account {
  readonly chain = new TimedChain(COSTS);
  /** By validator, by group. */
  readonly #whole = new Map(
    NAMES.map((name) => [
      name,
      new Map([[`${hexOf(name)} ${BONDED}`, { n: 100n, d: 1n } as Fraction]]),
    ]),
  );
  /** By epoch: who held how much power, and who was caught. */
  readonly #powers = new Map<number, ReadonlyMap<string, bigint>>();
  readonly #culprits = new Map<number, Set<string>>();
  readonly #endsMs = new Map<number, number>();
  /** By validator: epochs of forgeries that are over. */
  readonly #forged = new Map<string, number>();
  readonly #newForgeries = new Map<string, number>();
  /** By validator: the latest last epoch of what was withdrawn. */
  readonly #withdrawn = new Map<string, number>();
  readonly seen = { slashed: 0, untouched: 0, withdrawn: 0, several: 0 };

  constructor() {
    for (const epoch of [0, 1]) this.#notePowers(epoch);
  }

  #notePowers(epoch: number): void {
    const members = epochRowAt(this.chain.store.read, epoch)?.members ?? [];
    this.#powers.set(epoch, new Map(members.map(({ id, power }) => [toHex(id), power])));
  }

  #groups(name: string): Map<string, Fraction> {
    const groups = this.#whole.get(name);
    if (groups === undefined) throw new Error("no such validator");
    return groups;
  }

  #add(name: string, key: string, part: Fraction): void {
    const groups = this.#groups(name);
    groups.set(key, plus(groups.get(key) ?? { n: 0n, d: 1n }, part));
  }

  /** The most that any fault costs that a part is liable for. */
  #rate(name: string, lastEpoch: number): bigint {
    let most = 0n;
    const raise = (epoch: number, bps: bigint) => {
      if (epoch <= lastEpoch && bps > most) most = bps;
    };
    for (const [epoch, culprits] of this.#culprits) {
      if (!culprits.has(name)) continue;
      const powers = this.#powers.get(epoch) ?? new Map<string, bigint>();
      let [together, total] = [0n, 0n];
      for (const [id, power] of powers) {
        total += power;
        if ([...culprits].some((culprit) => hexOf(culprit) === id)) together += power;
      }
      const { correlationFactor, equivocationBps } = PARAMETERS;
      const share = (correlationFactor * together * WHOLE + total - 1n) / total;
      raise(epoch, share > WHOLE ? WHOLE : share < equivocationBps ? equivocationBps : share);
    }
    const forged = this.#forged.get(name);
    if (forged !== undefined) raise(forged, COSTS.forgeryBps);
    return most;
  }

  move(by: string, name: string, amount: bigint, kind: "in" | "out"): void {
    const key = `${hexOf(by)} ${BONDED}`;
    const before = groupsOf(this.chain.settledStanding(name)).get(key) ?? 0n;
    const { newestEpoch } = totalsOf(storedRows(this.chain.store.read));
    const own = by === name;
    const event = kind === "out" ? unbond(name, amount) : (own ? bond : delegate)(name, amount);
    if (this.chain.write(by, event) !== "accepted") return;
    if (kind === "in") return this.#add(name, key, { n: amount, d: 1n });
    // What leaves takes its part of what was there before anything was taken along.
    const whole = this.#groups(name).get(key) ?? { n: 0n, d: 1n };
    const { n, d } = whole;
    this.#groups(name).set(key, fraction(n * (before - amount), d * before));
    this.#add(name, `${hexOf(by)} ${newestEpoch}`, fraction(n * amount, d * before));
  }

  takeOut(by: string, name: string): void {
    const before = this.chain.free(by);
    const mine = (groups: ReadonlyMap<string, unknown>) =>
      [...groups.keys()].filter((key) => key.startsWith(hexOf(by)));
    const had = mine(groupsOf(this.chain.settledStanding(name)));
    if (this.chain.write(by, withdraw(name)) !== "accepted") return;
    const kept = new Set(mine(groupsOf(this.chain.settledStanding(name))));
    let most: Fraction = { n: 0n, d: 1n };
    for (const key of had.filter((one) => !kept.has(one))) {
      const { n, d } = this.#groups(name).get(key) ?? { n: 0n, d: 1n };
      const rate = this.#rate(name, lastEpochOf(key));
      most = plus(most, { n: n * (WHOLE - rate), d: d * WHOLE });
      this.#groups(name).delete(key);
      const latest = Math.max(this.#withdrawn.get(name) ?? 0, lastEpochOf(key));
      this.#withdrawn.set(name, latest);
    }
    expect((this.chain.free(by) - before) * most.d).toBeLessThanOrEqual(most.n);
    this.seen.withdrawn += 1;
  }

  accuse(by: string, name: string, epoch: number, view: number): void {
    if (this.chain.write(by, equivocation(name, epoch, view)) !== "accepted") return;
    const endMs = this.#endsMs.get(epoch);
    const late = endMs !== undefined && this.chain.timeMs - endMs > PARAMETERS.evidenceMs;
    if (late || this.#powers.get(epoch)?.has(hexOf(name)) !== true) return;
    // Whoever withdrew something that stood behind this epoch has got away with it.
    expect(this.#withdrawn.get(name) ?? -1).toBeLessThan(epoch);
    this.#culprits.set(epoch, (this.#culprits.get(epoch) ?? new Set()).add(name));
  }

  forge(name: string): void {
    const { chain } = this;
    const nonces = noncesOf(chain, { by: name, count: 1, empty: [0] });
    const { number: epoch } = chain.epoch;
    const committed = workSharesCommitted.encode({ epoch, ...rootOf(nonces) });
    if (chain.write(name, committed) !== "accepted") return;
    const at = chain.height;
    chain.passChallenge();
    const shares = openedOf(nonces, chain.beaconAt(at + LIMITS.challengeDelayHeights), 0);
    const code = chain.write(name, workSharesProven.encode({ epoch, part: 0, shares }));
    expect(code).toBe("work.shares");
    if (!this.#forged.has(name) && !this.#newForgeries.has(name)) {
      this.#newForgeries.set(name, epoch);
    }
  }

  end(by: string, event: EncodedEvent | undefined, ms: number): void {
    const { number: epoch } = this.chain.epoch;
    this.chain.wait(ms);
    const batches = event === undefined ? [] : [{ by, events: [event] }];
    codesOf(this.chain.run(this.chain.input(batches), { boundary: true }));
    this.#endsMs.set(epoch, this.chain.timeMs);
    this.#notePowers(epoch + 2);
    for (const [name, forged] of this.#newForgeries) this.#forged.set(name, forged);
    this.#newForgeries.clear();
  }

  /** Each group has lost what it is liable for, and no more than its roundings beyond. */
  check(): void {
    for (const name of NAMES) {
      const standing = this.chain.settledStanding(name);
      const has = groupsOf(standing);
      const known = this.#groups(name);
      expect([...has.keys()].filter((key) => !known.has(key))).toEqual([]);
      const rates = new Set<bigint>();
      for (const [key, { n, d }] of known) {
        const rate = this.#rate(name, lastEpochOf(key));
        if (n > 0n) rates.add(rate);
        const left = (has.get(key) ?? 0n) * WHOLE * d;
        const owed = n * (WHOLE - rate);
        if (left > owed || (rate === 0n && left !== owed)) throw new Error(`${name} keeps ${key}`);
        // A part is at most rounded up for each raise of each epoch: by 1, and by 1 of 10,000 of it.
        const raises = 32n * BigInt(1 + LIMITS.stakeLeavingPerHolderMax);
        if (left + raises * (WHOLE * d + n) < owed) throw new Error(`${name} lost more of ${key}`);
        if (rate > 0n && n > 0n) this.seen.slashed += 1;
        if (rate === 0n && standing?.tombstoned === true && left > 0n) this.seen.untouched += 1;
      }
      rates.delete(0n);
      if (rates.size > 1) this.seen.several += 1;
    }
    const { chain } = this;
    const { granted, slashed } = totalsOf(storedRows(chain.store.read));
    let held = 0n;
    for (const name of NAMES) {
      for (const amount of groupsOf(chain.standing(name)).values()) held += amount;
      held += chain.free(name);
    }
    expect(held + chain.free("root") + slashed).toBe(granted);
  }
}

const name = fc.constantFrom(...NAMES);
const amount = fc.bigInt({ min: 1n, max: 60n });

/** What one step does with a run. Votes that conflict are mostly of epochs that are not long over. */
const step: fc.Arbitrary<(account: Account) => void> = fc.oneof(
  fc.tuple(name, amount).map(
    ([of, n]) =>
      (on: Account) =>
        on.move(of, of, n, "in"),
  ),
  fc.tuple(name, amount).map(
    ([of, n]) =>
      (on: Account) =>
        on.move("root", of, n, "in"),
  ),
  fc.tuple(name, amount).map(
    ([of, n]) =>
      (on: Account) =>
        on.move(of, of, n, "out"),
  ),
  fc.tuple(name, amount).map(
    ([of, n]) =>
      (on: Account) =>
        on.move("root", of, n, "out"),
  ),
  name.map((of) => (on: Account) => on.move(of, of, 100n, "out")),
  name.map((of) => (on: Account) => on.takeOut(of, of)),
  name.map((of) => (on: Account) => on.takeOut("root", of)),
  name.map((of) => (on: Account) => {
    for (const ms of [0, 30_500, 30_500]) on.end(of, undefined, ms);
    on.takeOut(of, of);
    on.takeOut("root", of);
  }),
  name.map((of) => (on: Account) => on.forge(of)),
  fc
    .tuple(name, amount, fc.shuffledSubarray(["now", "before", "forge"], { minLength: 2 }))
    .map(([of, n, faults]) => (on: Account) => {
      on.move(of, of, n, "out");
      for (const ms of [0, 9_000]) on.end(of, undefined, ms);
      const { number: epoch } = on.chain.epoch;
      for (const fault of faults) {
        if (fault === "forge") on.forge(of);
        else on.accuse("v0", of, fault === "now" ? epoch : Math.max(0, epoch - 2), 9);
      }
    }),
  ...[0, 1].map(() =>
    fc.tuple(name, name, fc.nat({ max: 4 }), fc.nat({ max: 2 })).map(
      ([by, of, back, view]) =>
        (on: Account) =>
          on.accuse(by, of, Math.max(0, on.chain.epoch.number + 1 - back), view + 1),
    ),
  ),
  fc.tuple(name, fc.constantFrom(leave, rejoin, jail)).map(([of, make]) => (on: Account) => {
    on.chain.write(make === jail ? "root" : of, make(of));
  }),
  ...[0, 1, 2].map(() =>
    fc.tuple(name, fc.option(amount, { nil: undefined }), fc.constantFrom(0, 0, 9_000, 30_000)).map(
      ([of, n, ms]) =>
        (on: Account) =>
          on.end("root", n === undefined ? n : grant(of, n), ms),
    ),
  ),
);

describe("liability", () => {
  it("is what stood behind a fault, once, whatever else is done before and after", () => {
    const seen = { slashed: 0, untouched: 0, withdrawn: 0, several: 0 };
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 50 }), (steps) => {
        const account = new Account();
        const { chain } = account;
        for (const of of [...NAMES, "root"]) chain.write("root", grant(of, 1_000n));
        for (const one of steps) {
          one(account);
          account.check();
        }
        for (const key of ["slashed", "untouched", "withdrawn", "several"] as const) {
          seen[key] += account.seen[key];
        }
      }),
      { numRuns: 25 },
    );
    expect(seen.slashed).toBeGreaterThan(1_000);
    expect(seen.untouched).toBeGreaterThan(50);
    expect(seen.withdrawn).toBeGreaterThan(8);
    expect(seen.several).toBeGreaterThan(40);
  }, 60_000);
});
