import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex, toHex } from "../../../src/crypto/bytes.ts";
import { rowPrefix } from "../../../src/ledger/keys.ts";
import { stake } from "../../../src/ledger/projections/stake/projection.ts";
import { rebuildProjections } from "../../../src/ledger/rebuild.ts";
import { decodeRow, GENESIS_ORIGIN } from "../../../src/ledger/row.ts";
import type { EncodedEvent } from "../../../src/ledger/types.ts";
import { idOf } from "../execution-support.ts";
import { answer } from "../rebuild-support.ts";
import {
  bond,
  delegate,
  equivocation,
  genesisWith,
  grant,
  jail,
  leave,
  PARAMETERS,
  register,
  rejoin,
  StakeChain,
  stakeOptions,
  unbond,
  withdraw,
} from "./support.ts";

const PEOPLE = ["root", "ann", "bob", "cat", "v0", "v1", "v2", "v3", "w0", "w1"];
const VALIDATORS = ["v0", "v1", "v2", "v3", "w0", "w1"];

const amount = fc.bigInt({ min: 0n, max: 2_000n });
const validator = fc.constantFrom(...VALIDATORS);

type Written = { readonly by: string; readonly event: EncodedEvent };

/** Who acts for each validator; w0 and w1 have to register first. */
const OWNER: Readonly<Record<string, string>> = { w0: "ann", w1: "bob" };

/** Mostly by whom it is accepted of. */
const about = (make: (name: string, n: bigint) => EncodedEvent, by?: string) =>
  fc
    .tuple(validator, amount, fc.constantFrom(...PEOPLE), fc.nat({ max: 3 }))
    .map(([name, n, other, dice]): Written => {
      const usual = by ?? OWNER[name] ?? name;
      return { by: dice === 0 ? other : usual, event: make(name, n) };
    });

const written: fc.Arbitrary<Written> = fc.oneof(
  about((name, n) => grant(OWNER[name] ?? name, n), "root"),
  about((_, n) => grant("cat", n), "root"),
  about(bond),
  about(delegate, "cat"),
  about(unbond),
  about(unbond, "cat"),
  about(withdraw),
  about(leave),
  about(rejoin),
  about((name) => jail(name), "root"),
  fc
    .constantFrom("w0", "w1")
    .map((name) => ({ by: OWNER[name] ?? "", event: register(name, OWNER[name] ?? "") })),
  fc
    .tuple(validator, fc.nat({ max: 5 }), fc.nat({ max: 3 }))
    .map(([name, epoch, view]) => ({ by: "v1", event: equivocation(name, epoch, view + 1) })),
);

type Step = {
  readonly written: Written;
  readonly boundary: boolean;
  readonly stepMs: number;
  /** Views without a block before this one. */
  readonly views: number;
};

/** Turns are counted over so few that some are jailed for them. */
const short = genesisWith({ windowBlocks: 4 });

const step: fc.Arbitrary<Step> = fc.record({
  written,
  boundary: fc.boolean(),
  stepMs: fc.constantFrom(1, 1_000, PARAMETERS.unbondingMs),
  views: fc.constantFrom(0, 0, 1, 2, 30),
});

const run = (chain: StakeChain, { written: { by, event }, boundary, stepMs, views }: Step) =>
  chain.next([{ by, events: [event] }], boundary, stepMs, { views });

describe("stake", () => {
  it("is conserved: granted is free, bonded, leaving or slashed, after every event", () => {
    let [accepted, slashed] = [0, 0];
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 60 }), (steps) => {
        const chain = new StakeChain(short);
        for (const one of steps) {
          const execution = run(chain, one);
          accepted += execution.entries.filter(({ outcome }) => outcome.kind === "accepted").length;
          const books = chain.books(PEOPLE);
          const sum = books.free + books.bonded + books.leaving + books.slashed;
          expect(sum).toBe(books.granted);
          if (books.slashed > 0n) slashed += 1;
        }
      }),
      { numRuns: 60 },
    );
    expect(accepted).toBeGreaterThan(300);
    expect(slashed).toBeGreaterThan(100);
  });

  it("gives no set a power that is not somebody's stake, nor one to who was away or ended", () => {
    let degraded = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 60 }), (steps) => {
        const chain = new StakeChain(short);
        for (const one of steps) {
          const standings = VALIDATORS.map((name) => ({ name, standing: chain.standing(name) }));
          const { epoch } = chain;
          run(chain, one);
          if (!one.boundary) continue;
          const row = chain.row(epoch + 2);
          const before = chain.row(epoch + 1);
          if (row === undefined || before === undefined) throw new Error("no row");
          // By hand, from what stood before the boundary block: what everybody who may go on has bonded.
          const able = standings.flatMap(({ name, standing }) => {
            if (standing === undefined || standing.left || standing.jailed || standing.tombstoned) {
              return [];
            }
            const bonded = standing.bonds.reduce((sum, bond) => sum + bond.amount, 0n);
            return [{ id: toHex(idOf(name)), bonded }];
          });
          const earned = able.reduce((sum, { bonded }) => sum + bonded, 0n);
          expect(row.stake).toBe(earned);
          // This chain asks for stake alone, which nobody loses without leaving it: only an empty set is degraded.
          expect(row.degraded).toBe(earned === 0n);
          if (row.degraded) degraded += 1;
          const old = new Map(before.members.map(({ id, power }) => [toHex(id), power]));
          const wanted = able
            .map(({ id, bonded }) => ({ id, power: bonded }))
            .filter(({ power }) => power > 0n)
            .sort((a, b) => (a.id < b.id ? -1 : 1));
          const got = row.members.map(({ id, power }) => ({ id: toHex(id), power }));
          const all = [...old].map(([id, power]) => ({ id, power }));
          expect(got).toEqual(wanted.length === 0 ? all : wanted);
          expect(row.total).toBe(got.reduce((sum, { power }) => sum + power, 0n));
        }
      }),
      { numRuns: 60 },
    );
    expect(degraded).toBeGreaterThan(0);
  });

  it("keeps rows of no more epochs than stake may be leaving for", () => {
    const chain = new StakeChain(short);
    chain.end(40, PARAMETERS.unbondingMs / 4);
    const prefix = `${toHex(rowPrefix("stake"))}07`;
    const rows = [...chain.store.rows.keys()].filter((key) => key.startsWith(prefix));
    expect(rows.length).toBeLessThanOrEqual(8);
    expect(chain.row(chain.epoch + 1)).toBeDefined();
    expect(chain.row(chain.epoch - 4)).toBeDefined();
  });
});

describe("rows of stake", () => {
  it("are the same on a replica that starts anew before every block, after a rebuild, and can be shown", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 25 }), (steps) => {
        const one = new StakeChain(short);
        const other = new StakeChain(short);
        for (const each of steps) {
          run(one, each);
          other.executor.dropCaches();
          run(other, each);
        }
        const before = one.store.dump();
        expect(other.store.dump()).toEqual(before);
        const rebuild = rebuildProjections({
          runner: stakeOptions(short),
          genesis: short,
          read: one.store.read,
        });
        const expected = { height: one.height, events: one.roots.logSize };
        expect(answer(one.store, rebuild)).toEqual({ ok: true, value: expected });
        expect(one.store.dump()).toEqual(before);
        const prefix = toHex(rowPrefix("stake"));
        for (const [key, value] of one.store.rows) {
          if (!key.startsWith(prefix)) continue;
          const row = decodeRow(value);
          expect(row.origin < one.roots.logSize || row.origin === GENESIS_ORIGIN).toBe(true);
          const shown = stake.format?.(fromHex(key.slice(prefix.length)), row.value);
          expect(JSON.parse(JSON.stringify(shown))).toEqual(shown);
        }
      }),
      { numRuns: 25 },
    );
  });
});
