import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex, ZERO_HASH } from "../../../src/crypto/bytes.ts";
import { genesisHash } from "../../../src/ledger/genesis.ts";
import { createScheduleOf, turnsUpTo } from "../../../src/ledger/projections/stake/downtime.ts";
import {
  downRow,
  epochRow,
  KEYS,
  storedRows,
  turnsRow,
} from "../../../src/ledger/projections/stake/rows.ts";
import { createLeaderSchedule, leaderOf } from "../../../src/ledger/validator-set.ts";
import { LIMITS } from "../../../src/limits.ts";
import { hasher, idOf } from "../execution-support.ts";
import { bond, EPOCH_MS, genesisWith, jail, PARAMETERS, rejoin, StakeChain } from "./support.ts";

/** v0 leads once in ten views, v1 twice, v2 three times, v3 four times. */
const GENESIS = genesisWith({ windowBlocks: 4 });
const VIEWS = 40;

const nameOf = (id: Uint8Array): string =>
  ["v0", "v1", "v2", "v3"].find((name) => toHex(idOf(name)) === toHex(id)) ?? "";

/** The leader of a view of the running epoch, by the rules of consensus. */
const leaderAt = (chain: StakeChain) => {
  const set = chain.set(chain.epoch);
  const schedule = createLeaderSchedule(hasher, genesisHash(hasher, GENESIS), set);
  return (view: number): string =>
    nameOf(set.validators[leaderOf(schedule, view)]?.id ?? ZERO_HASH);
};

/** An epoch of so many views in which these bring no block. The last view of it is somebody else's. */
const epochWithout = (chain: StakeChain, away: readonly string[], views = VIEWS): void => {
  const leader = leaderAt(chain);
  let passed = 0;
  for (let view = chain.view + 1; ; view++) {
    if (away.includes(leader(view))) passed += 1;
    else {
      const isLast = view >= views;
      chain.next([], isLast, isLast ? EPOCH_MS : 10, { views: passed });
      if (isLast) return;
      passed = 0;
    }
  }
};

const rows = (chain: StakeChain) => storedRows(chain.store.read);
const down = (chain: StakeChain): string[] => {
  const row = rows(chain).get(KEYS.down);
  return row === undefined ? [] : downRow.decode(row).ids.map(nameOf).sort();
};
const turns = (chain: StakeChain) => {
  const row = rows(chain).get(KEYS.turns);
  const members = row === undefined ? [] : turnsRow.decode(row).members;
  return Object.fromEntries(members.map(({ id, turns, missed }) => [nameOf(id), [turns, missed]]));
};
const isJailed = (chain: StakeChain, name: string): boolean =>
  chain.standing(name)?.jailed ?? false;

describe("who misses its turns", () => {
  it("is jailed when its epoch ends, is in no set that is decided later, and loses no stake", () => {
    const chain = new StakeChain(GENESIS);
    epochWithout(chain, ["v1"]);
    expect(isJailed(chain, "v1")).toBe(true);
    expect(chain.standing("v1")?.jailedUntilMs).toBe(chain.timeMs + PARAMETERS.downtimeJailMs);
    expect(down(chain)).toEqual(["v1"]);
    // Decided just before the block that jailed it.
    expect(Object.keys(chain.powers(2))).toContain("v1");
    chain.end();
    expect(Object.keys(chain.powers(3))).not.toContain("v1");
    expect(chain.row(3)?.degraded).toBe(false);
    expect(chain.books([])).toMatchObject({ bonded: 10_000n, slashed: 0n });
  });

  it("comes back by its own word once its time is over, with nothing held against it", () => {
    const chain = new StakeChain(GENESIS);
    epochWithout(chain, ["v1"]);
    expect(chain.codes(["v1", rejoin("v1")])).toEqual(["stake.jailed"]);
    epochWithout(chain, ["v1"]);
    chain.next([], false, PARAMETERS.downtimeJailMs);
    expect(chain.codes(["v1", rejoin("v1")])).toEqual(["accepted"]);
    expect(isJailed(chain, "v1")).toBe(false);
    chain.end();
    expect(down(chain)).toEqual([]);
    expect(Object.keys(chain.powers(4))).toContain("v1");
    epochWithout(chain, []);
    expect(isJailed(chain, "v1")).toBe(false);
  });

  it("is left alone for half of its turns, and not for more", () => {
    const leader = leaderAt(new StakeChain(GENESIS));
    const own = Array.from({ length: VIEWS }, (_, i) => i + 1).filter((v) => leader(v) === "v0");
    expect(own).toHaveLength(4);
    for (const count of [2, 3]) {
      const chain = new StakeChain(GENESIS);
      const missed = own.slice(0, count);
      let passed = 0;
      for (let view = 1; view <= VIEWS; view++) {
        if (missed.includes(view)) passed += 1;
        else {
          chain.next([], view === VIEWS, 10, { views: passed });
          passed = 0;
        }
      }
      expect(isJailed(chain, "v0"), `${count} of 4`).toBe(count > 2);
    }
  });

  it("is judged over as many turns as the chain asks for, in however many epochs they come", () => {
    const chain = new StakeChain(GENESIS);
    for (const [epoch, wanted] of [
      [1, 1],
      [2, 2],
      [3, 3],
    ] as const) {
      epochWithout(chain, ["v0"], 10);
      expect(isJailed(chain, "v0"), `epoch ${epoch}`).toBe(false);
      expect(turns(chain)["v0"]).toEqual([wanted, wanted]);
    }
    // The others had enough turns in the second epoch at the latest, and began anew.
    expect(turns(chain)["v3"]).toBeUndefined();
    epochWithout(chain, ["v0"], 10);
    expect(isJailed(chain, "v0")).toBe(true);
  });

  it("has missed nothing in views in which a block was proposed again", () => {
    const chain = new StakeChain(GENESIS);
    for (let left = 10; left > 0; left--) chain.next([], left === 1, 10, { again: 9 });
    expect(down(chain)).toEqual([]);
    expect(rows(chain).get(KEYS.down)).toBeUndefined();
  });

  it("stays where those who are down hold more than a quarter together", () => {
    const chain = new StakeChain(GENESIS);
    epochWithout(chain, ["v2"]);
    expect(down(chain)).toEqual([]);
    epochWithout(chain, ["v0", "v1"]);
    expect(down(chain)).toEqual([]);
    expect([0, 1, 2, 3].some((i) => isJailed(chain, `v${i}`))).toBe(false);
  });

  it("stays where others in jail for it hold what a quarter leaves, until they are back", () => {
    const chain = new StakeChain(GENESIS);
    epochWithout(chain, ["v1"]);
    // v0 alone is no tenth, and with v1 more than a quarter.
    epochWithout(chain, ["v0", "v1"]);
    expect(down(chain)).toEqual(["v1"]);
    epochWithout(chain, ["v0"]);
    expect(isJailed(chain, "v0")).toBe(false);
    chain.next([], false, PARAMETERS.downtimeJailMs);
    expect(chain.codes(["v1", rejoin("v1")])).toEqual(["accepted"]);
    epochWithout(chain, ["v0"]);
    expect(down(chain)).toEqual(["v0"]);
  });

  it("is not counted where the chain asks for no turns, of which no row speaks then", () => {
    const chain = new StakeChain(genesisWith({ windowBlocks: 1, votedBpsMin: 0n }));
    epochWithout(chain, ["v1"]);
    expect(rows(chain).get(KEYS.turns)).toBeUndefined();
    expect(isJailed(chain, "v1")).toBe(false);
  });

  it("is not jailed again while it is, and is none of the counted once it left the set", () => {
    const chain = new StakeChain(GENESIS);
    chain.codes(["root", jail("v1")]);
    epochWithout(chain, ["v1"]);
    expect(down(chain)).toEqual([]);
    expect(turns(chain)["v1"]).toBeUndefined();
  });

  it("is written of for so many views between two blocks and not for those before them", () => {
    const counted = (views: number): number => {
      const chain = new StakeChain(GENESIS);
      chain.next([], false, 10, { views });
      return Object.values(turns(chain)).reduce((sum, [, missed]) => sum + (missed ?? 0), 0);
    };
    const most = LIMITS.stakeViewsCountedMax;
    expect([most - 1, most, most + 1].map(counted)).toEqual([most - 1, most, most]);
  });

  it("writes nothing as long as nobody is passed over", () => {
    const chain = new StakeChain(GENESIS);
    for (let left = 5; left > 0; left--) chain.next([]);
    expect(rows(chain).get(KEYS.turns)).toBeUndefined();
    chain.codes(["v0", bond("v0", 1n)]);
    expect(rows(chain).get(KEYS.turns)).toBeUndefined();
  });
});

describe("turns", () => {
  const schedule = createLeaderSchedule(hasher, ZERO_HASH, new StakeChain(GENESIS).set(0));

  it("are counted as by looking at every view", () => {
    fc.assert(
      fc.property(fc.nat({ max: 200 }), (last) => {
        const wanted = [0, 0, 0, 0];
        for (let view = 1; view <= last; view++) {
          const leader = leaderOf(schedule, view);
          wanted[leader] = (wanted[leader] ?? 0) + 1;
        }
        expect(turnsUpTo(schedule, 4, last)).toEqual(wanted);
      }),
    );
  });

  it("follow from seed and set, whatever was asked before", () => {
    const chain = new StakeChain(GENESIS);
    const row = rows(chain).get(KEYS.epoch(0));
    if (row === undefined) throw new Error("no row");
    const more = epochRow.encode({
      ...epochRow.decode(row),
      members: epochRow.decode(row).members.map((one, i) => ({ ...one, power: BigInt(9 - i) })),
    });
    const seeds = [ZERO_HASH, genesisHash(hasher, GENESIS)];
    const asked = seeds.flatMap((seed) =>
      [0, 1].flatMap((epoch) => [row, more].map((of) => ({ epoch, seed, of }))),
    );
    const keeping = createScheduleOf(hasher, undefined);
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...asked), { maxLength: 8 }), (list) => {
        for (const { epoch, seed, of } of list) {
          const fresh = createScheduleOf(hasher, undefined)(epoch, seed, of);
          expect(keeping(epoch, seed, of)).toEqual(fresh);
        }
      }),
    );
  });
});
