/** Effort in the mempool: what is in a proposal sooner, and what a fuller pool still takes. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex, ZERO_HASH } from "../../src/crypto/bytes.ts";
import type { LaneHead } from "../../src/ledger/batch.ts";
import { createMempool, levelOf, MEMPOOL_LIMITS, type Mempool } from "../../src/ledger/mempool.ts";
import type { Batch } from "../../src/ledger/types.ts";
import { LIMITS } from "../../src/limits.ts";
import { batchOf, hasher, hashOf, laneOf, putOf } from "../golden/fixtures.ts";

const FRESH: LaneHead = { seq: 0, id: ZERO_HASH };
const orderSeed = hashOf(0x50);

const select = (pool: Mempool, heads: ReadonlyMap<string, LaneHead>, batchesMax: number) =>
  pool.select({
    ...{ hasher, orderSeed, byEffort: true, includable: () => true, batchesMax },
    laneHead: (actor) => heads.get(toHex(actor)) ?? FRESH,
  });

const single = (number: number): Batch =>
  batchOf({ actor: hashOf(number), events: [putOf(number)] });

describe("levels of work", () => {
  it("are powers of two of what is asked for, up to the limit", () => {
    expect([1, 2, 3, 4, 7, 8, 63, 64].map((times) => levelOf(5 * times, 5))).toEqual([
      0, 1, 1, 2, 2, 3, 5, 6,
    ]);
    expect(levelOf(9, 5)).toBe(0);
    expect(levelOf(LIMITS.workEffortMax, 1)).toBe(LIMITS.mempoolLevelMax);
    expect(levelOf(1, 5)).toBe(0);
  });
});

describe("a proposal of a chain that asks for work", () => {
  it("is half by turns, half by effort", () => {
    const pool = createMempool();
    const cheap = Array.from({ length: 20 }, (_, i) => single(i + 1));
    const dear = Array.from({ length: 3 }, (_, i) => single(i + 101));
    for (const batch of cheap) expect(pool.add(batch, FRESH, false, 0)).toBeUndefined();
    for (const [i, batch] of dear.entries()) {
      expect(pool.add(batch, FRESH, false, i + 1)).toBeUndefined();
    }
    const chosen = new Set(select(pool, new Map(), 6).map(({ id }) => toHex(id)));
    // The three that came first, and the three that paid most.
    expect(chosen).toEqual(new Set([...cheap.slice(0, 3), ...dear].map(({ id }) => toHex(id))));
    const one = select(pool, new Map(), 1);
    expect(one).toHaveLength(1);
  });

  it("keeps the order of a lane, whatever its batches have paid", () => {
    const pool = createMempool();
    const lane = laneOf(hashOf(1), 4);
    for (const [i, batch] of lane.entries()) {
      expect(pool.add(batch, FRESH, false, i)).toBeUndefined();
    }
    for (let i = 2; i < 12; i++) pool.add(single(i), FRESH, false, 1);
    const own = select(pool, new Map(), 10).filter(
      ({ actor }) => toHex(actor) === toHex(hashOf(1)),
    );
    expect(own.map(({ laneSeq }) => laneSeq)).toEqual(own.map((_, i) => i + 1));
  });

  it("leaves nobody out for longer than its turns take, whatever others pay", () => {
    const pool = createMempool();
    const heads = new Map<string, LaneHead>();
    const poor = single(1);
    const rich = Array.from({ length: 5 }, (_, i) => laneOf(hashOf(i + 2), 30));
    for (const lane of rich) for (const batch of lane) pool.add(batch, FRESH, false, 6);
    pool.add(poor, FRESH, false, 0);
    let rounds = 0;
    for (let done = false; !done; rounds++) {
      const chosen = select(pool, heads, 4);
      for (const batch of chosen)
        heads.set(toHex(batch.actor), { seq: batch.laneSeq, id: batch.id });
      done = chosen.includes(poor);
    }
    // Six lanes, two turns a proposal.
    expect(rounds).toBe(3);
  });

  it("has what one by turns has, where all of it fits", () => {
    const held = fc.array(fc.tuple(fc.integer({ min: 1, max: 6 }), fc.nat(8)), { maxLength: 30 });
    fc.assert(
      fc.property(held, (lanes) => {
        const [plain, levelled] = [createMempool(), createMempool()];
        const counts = new Map<number, number>();
        for (const [actor] of lanes) counts.set(actor, (counts.get(actor) ?? 0) + 1);
        let at = 0;
        for (const [actor, count] of counts) {
          for (const batch of laneOf(hashOf(actor), count)) {
            plain.add(batch, FRESH);
            levelled.add(batch, FRESH, false, lanes[at++]?.[1] ?? 0);
          }
        }
        const args = { hasher, orderSeed, laneHead: () => FRESH, includable: () => true };
        expect(levelled.select({ ...args, byEffort: true })).toEqual(plain.select(args));
      }),
      { numRuns: 40 },
    );
  });
});

describe("the floor of the pool", () => {
  const big = (actor: number): Batch => batchOf({ actor: hashOf(actor), events: [putOf(1, 1000)] });
  const size = big(1).bytes.length;
  /** Room for 32 batches of who is no validator. */
  const limits = {
    ...MEMPOOL_LIMITS,
    ...{ bytesMax: 32 * size + 2000, gapBytesMax: 1000, reserveBytes: 1000 },
  };

  it("rises by one each time that half of what was left is full", () => {
    const pool = createMempool(limits);
    const floors: number[] = [];
    for (let i = 1; i <= 32; i++) {
      floors.push(pool.floor);
      expect(pool.add(big(i), FRESH, false, LIMITS.mempoolLevelMax), `${i}`).toBeUndefined();
    }
    expect(floors.slice(0, 17)).toEqual(new Array(17).fill(0));
    expect(floors.slice(17)).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 4]);
    expect(pool.floor).toBe(LIMITS.mempoolLevelMax);
    expect(pool.add(big(33), FRESH, false, LIMITS.mempoolLevelMax)?.code).toBe("node.overloaded");
  });

  it("keeps room from a flood for whoever shows twice its effort, and throws nothing out", () => {
    const pool = createMempool(limits);
    let taken = 0;
    for (let i = 1; i <= 60; i++) if (pool.add(big(i), FRESH, false, 0) === undefined) taken += 1;
    expect(taken).toBe(17);
    const refused = pool.add(big(70), FRESH, false, 0);
    expect(refused).toMatchObject({ code: "node.overloaded", data: { times: 2 } });
    expect(pool.add(big(71), FRESH, false, 1)).toBeUndefined();
    expect(pool.count).toBe(18);
    // A validator's own lane has its reserve, and a chain without work knows no floor.
    expect(pool.add(single(99), FRESH, true, 0)).toBeUndefined();
    expect(pool.add(big(72), FRESH)).toBeUndefined();
  });
});
