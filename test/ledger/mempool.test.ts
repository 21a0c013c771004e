import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex, ZERO_HASH } from "../../src/crypto/bytes.ts";
import type { LaneHead } from "../../src/ledger/batch.ts";
import { createMempool, MEMPOOL_LIMITS, type Mempool } from "../../src/ledger/mempool.ts";
import type { Batch, Hash } from "../../src/ledger/types.ts";
import { orderBatches } from "../../src/ledger/validity.ts";
import { LIMITS } from "../../src/limits.ts";
import { batchOf, hasher, hashOf, laneOf, putOf } from "../golden/fixtures.ts";

const FRESH: LaneHead = { seq: 0, id: ZERO_HASH };
const [ann, bob, eve] = [hashOf(0xa1), hashOf(0xb2), hashOf(0xe5)];
const orderSeed = hashOf(0x50);

const headOf = (batch: Batch): LaneHead => ({ seq: batch.laneSeq, id: batch.id });

const fill = (pool: Mempool, batches: readonly Batch[]): void => {
  for (const batch of batches) expect(pool.add(batch, FRESH)).toBeUndefined();
};

type Heads = Readonly<Record<string, LaneHead>>;

const selectFrom = (
  pool: Mempool,
  rest: {
    readonly heads?: Heads;
    readonly includable?: (batch: Batch) => boolean;
    readonly batchesMax?: number;
    readonly bytesMax?: number;
    readonly eventsMax?: number;
    readonly checkUnitsOf?: (batch: Batch) => number;
    readonly checkUnitsMax?: number;
    readonly byEffort?: boolean;
  } = {},
): readonly Batch[] => {
  const { heads = {}, includable = () => true, ...limits } = rest;
  return pool.select({
    hasher,
    orderSeed,
    laneHead: (actor) => heads[toHex(actor)] ?? FRESH,
    includable,
    ...limits,
  });
};

const at = (lane: readonly Batch[], i: number): Batch => {
  const batch = lane[i];
  if (batch === undefined) throw new Error(`no batch ${i}`);
  return batch;
};

const sizeOf = (batches: readonly Batch[]): number =>
  batches.reduce((sum, batch) => sum + batch.bytes.length, 0);

const countOf = (batches: readonly Batch[], actor: Hash): number =>
  batches.filter((batch) => toHex(batch.actor) === toHex(actor)).length;

describe("mempool: a block's events", () => {
  const of = (actor: Hash, events: number): Batch =>
    batchOf({ actor, events: Array.from({ length: events }, (_, i) => putOf(i)) });

  it("are never more than the limit, and exactly the limit where they fit", () => {
    const pool = createMempool();
    fill(pool, [of(ann, 3), of(bob, 2)]);
    expect(selectFrom(pool, { eventsMax: 5 })).toHaveLength(2);
    expect(selectFrom(pool, { eventsMax: 4 })).toHaveLength(1);
    expect(selectFrom(pool, { eventsMax: 1 })).toEqual([]);
  });

  it("that do not fit are passed over for a smaller batch of another lane", () => {
    const pool = createMempool();
    fill(pool, [of(ann, 3), of(bob, 2)]);
    expect(selectFrom(pool, { eventsMax: 2 }).map((batch) => batch.actor)).toEqual([bob]);
  });
});

describe("mempool: the checks of a block", () => {
  const names = Array.from({ length: LIMITS.mempoolMisfitsMax + 8 }, (_, i) => hashOf(i + 1));
  const isCheap = (batch: Batch): boolean => toHex(batch.actor) === toHex(ann);
  const units = { checkUnitsOf: (batch: Batch) => (isCheap(batch) ? 0 : 16), checkUnitsMax: 48 };
  const flooded = (): Mempool => {
    const pool = createMempool();
    fill(
      pool,
      names.map((actor) => batchOf({ actor })),
    );
    fill(pool, laneOf(ann, 3));
    return pool;
  };

  it.each([false, true])("are never more than the limit, with work asked for: %s", (byEffort) => {
    const chosen = selectFrom(flooded(), { ...units, byEffort });
    expect(chosen.filter((batch) => !isCheap(batch))).toHaveLength(3);
    const none = selectFrom(flooded(), { ...units, checkUnitsMax: 15, byEffort });
    expect(none.every(isCheap)).toBe(true);
  });

  it.each([false, true])("keep nothing out that asks for none: %s", (byEffort) => {
    const chosen = selectFrom(flooded(), { ...units, byEffort });
    expect(countOf(chosen, ann)).toBe(3);
  });

  it("that wait are in the next blocks, each in its turn", () => {
    const pool = flooded();
    const seen = new Set<string>();
    const heads: Record<string, LaneHead> = {};
    const blocks = Math.ceil(names.length / 3);
    for (let i = 0; i < blocks; i++) {
      for (const batch of selectFrom(pool, { ...units, heads })) {
        seen.add(toHex(batch.actor));
        heads[toHex(batch.actor)] = headOf(batch);
        pool.onFinalized(batch.actor, headOf(batch));
      }
    }
    expect(seen.size).toBe(names.length + 1);
  });
});

describe("mempool: the checks that validators ask for", () => {
  const [gus, hal] = [hashOf(0x67), hashOf(0x68)];
  const unitsOf = (batch: Batch): number => {
    const name = toHex(batch.actor);
    if (name === toHex(eve)) return LIMITS.workPartCheckUnits;
    return name === toHex(bob) ? LIMITS.caSignatureCheckUnits : LIMITS.batchCheckUnitsMax;
  };
  const actors = (batches: readonly Batch[]): readonly string[] => [
    ...new Set(batches.map(({ actor }) => toHex(actor))),
  ];

  it.each([false, true])(
    "leave room to other validators, and to clients, with work asked for: %s",
    (byEffort) => {
      const pool = createMempool();
      for (const actor of [gus, hal]) {
        for (const batch of laneOf(actor, 6)) expect(pool.add(batch, FRESH, true)).toBeUndefined();
      }
      for (const batch of laneOf(eve, 3)) expect(pool.add(batch, FRESH, true)).toBeUndefined();
      fill(pool, laneOf(bob, 3));
      const heads: Record<string, LaneHead> = {};
      const blocks = [1, 2, 3].map(() => {
        const chosen = selectFrom(pool, { checkUnitsOf: unitsOf, byEffort, heads });
        for (const batch of chosen) {
          heads[toHex(batch.actor)] = headOf(batch);
          pool.onFinalized(batch.actor, headOf(batch));
        }
        return chosen;
      });
      expect(actors(blocks.flat()).toSorted()).toEqual([gus, hal, bob, eve].map(toHex).toSorted());
    },
  );

  it("are no more than half of a block's in their first turns", () => {
    const pool = createMempool();
    fill(pool, [batchOf({ actor: ann })]);
    for (const actor of [gus, hal]) {
      expect(pool.add(batchOf({ actor }), FRESH, true)).toBeUndefined();
    }
    const chosen = selectFrom(pool, { checkUnitsOf: () => LIMITS.batchCheckUnitsMax });
    expect(chosen).toHaveLength(2);
    expect(countOf(chosen, ann)).toBe(1);
  });
});

describe("mempool: holding", () => {
  it("finds batches by id and by digest, and takes one id once", () => {
    const pool = createMempool();
    const batch = batchOf({ actor: ann });
    fill(pool, [batch, batch]);
    const again = { ...batch, digest: hashOf(1) };
    expect(pool.add(again, FRESH)).toBeUndefined();
    expect(pool.getById(batch.id)).toBe(batch);
    expect(pool.getByDigest(batch.digest)).toBe(batch);
    expect(pool.has(batch.digest)).toBe(true);
    expect(pool.has(again.digest)).toBe(false);
    expect([pool.count, pool.bytes]).toEqual([1, batch.bytes.length]);
  });

  it("refuses a place that is committed", () => {
    const pool = createMempool();
    const lane = laneOf(ann, 2);
    const head = headOf(at(lane, 0));
    expect(pool.add(at(lane, 0), head)?.code).toBe("batch.lane-replay");
    expect(pool.add(at(lane, 1), head)).toBeUndefined();
  });

  it("refuses another batch for a held place, and neighbours that do not agree", () => {
    const pool = createMempool();
    const [lane, fork] = [laneOf(ann, 4), laneOf(ann, 4, { salt: 1 })];
    fill(pool, [at(lane, 0), at(lane, 2)]);
    expect(pool.add(at(fork, 0), FRESH)?.code).toBe("batch.lane-fork");
    // Place 2 of the fork names another batch 1; place 2 of a third chain is not what batch 3 names.
    expect(pool.add(at(fork, 1), FRESH)?.code).toBe("batch.lane-fork");
    const third = batchOf({
      actor: ann,
      laneSeq: 2,
      prevBatchId: at(lane, 0).id,
      events: [putOf(9)],
    });
    expect(pool.add(third, FRESH)?.code).toBe("batch.lane-fork");
    expect(pool.add(at(fork, 3), FRESH)?.code).toBe("batch.lane-fork");
    fill(pool, [at(lane, 1), at(lane, 3)]);
    expect(pool.count).toBe(4);
  });

  it("refuses what does not follow the finalized head", () => {
    const pool = createMempool();
    const next = batchOf({ actor: ann, laneSeq: 8, prevBatchId: hashOf(1) });
    expect(pool.add(next, { seq: 7, id: hashOf(2) })?.code).toBe("batch.lane-fork");
    expect(pool.add(next, { seq: 7, id: hashOf(1) })).toBeUndefined();
  });

  it("says where an author goes on", () => {
    const pool = createMempool();
    const lane = laneOf(ann, 4);
    expect(pool.laneTail(ann, FRESH)).toEqual(FRESH);
    fill(pool, [at(lane, 0), at(lane, 1), at(lane, 3)]);
    expect(pool.laneTail(ann, FRESH)).toEqual(headOf(at(lane, 1)));
    fill(pool, [at(lane, 2)]);
    expect(pool.laneTail(ann, FRESH)).toEqual(headOf(at(lane, 3)));
    const beyond = { seq: 9, id: hashOf(1) };
    expect(pool.laneTail(ann, beyond)).toEqual(beyond);
  });
});

describe("mempool: another envelope", () => {
  const again = (batch: Batch): Batch => {
    const bytes = new Uint8Array([...batch.bytes, 1, 2, 3]);
    return { ...batch, bytes, digest: hasher.ht("batch/digest", bytes) };
  };

  it("stands where the one before stood, is counted as it is, and leaves with its reference", () => {
    const pool = createMempool();
    const lane = laneOf(ann, 4);
    const [first, third] = [at(lane, 0), at(lane, 2)];
    for (const batch of [first, at(lane, 1), third]) pool.add(batch, FRESH, false, 2);
    const [newFirst, newThird] = [again(first), again(third)];
    pool.replace(newFirst);
    pool.replace(again(at(lane, 3)));
    expect(pool.count).toBe(3);
    expect(pool.bytes).toBe(sizeOf([newFirst, at(lane, 1), third]));
    expect(pool.getById(first.id)).toBe(newFirst);
    expect(pool.getByDigest(newFirst.digest)).toBe(newFirst);
    expect(pool.has(first.digest)).toBe(false);
    expect(selectFrom(pool)).toContain(newFirst);
    const behind = createMempool();
    behind.add(third, FRESH);
    behind.replace(newThird);
    expect(behind.gapBytes).toBe(newThird.bytes.length);
    expect(pool.expire(1_000_000, Number.MAX_SAFE_INTEGER, () => 0)).toContain(newFirst);
    expect(behind.expire(1_000_000, Number.MAX_SAFE_INTEGER, () => 0)).toEqual([newThird]);
    expect([pool.bytes, behind.bytes, behind.gapBytes, pool.count]).toEqual([0, 0, 0, 0]);
  });
});

describe("mempool: bounds", () => {
  const size = batchOf({ actor: ann }).bytes.length;

  it("is bounded in all, to the byte", () => {
    const shares = { ...MEMPOOL_LIMITS, gapBytesMax: 0, reserveBytes: 0 };
    const pool = createMempool({ ...shares, bytesMax: 2 * size });
    fill(pool, [batchOf({ actor: ann }), batchOf({ actor: bob })]);
    expect(pool.add(batchOf({ actor: eve }), FRESH)?.code).toBe("node.overloaded");
    const tight = createMempool({ ...shares, bytesMax: size - 1 });
    expect(tight.add(batchOf({ actor: ann }), FRESH)?.code).toBe("node.overloaded");
    expect([tight.count, tight.bytes]).toEqual([0, 0]);
  });

  it("is bounded by lane, in bytes and in batches", () => {
    const lane = laneOf(ann, 3);
    for (const limits of [{ laneBytesMax: 2 * size }, { laneBatchesMax: 2 }]) {
      const pool = createMempool({ ...MEMPOOL_LIMITS, ...limits });
      fill(pool, [at(lane, 0), at(lane, 1)]);
      expect(pool.add(at(lane, 2), FRESH)?.code).toBe("node.overloaded");
      fill(pool, [batchOf({ actor: bob })]);
      expect(pool.onFinalized(ann, headOf(at(lane, 0)))).toEqual([]);
      expect(pool.add(at(lane, 2), headOf(at(lane, 0)))).toBeUndefined();
    }
    const narrow = createMempool({ ...MEMPOOL_LIMITS, laneBytesMax: size - 1 });
    expect(narrow.add(at(lane, 0), FRESH)?.code).toBe("node.overloaded");
  });

  it("is bounded behind gaps, by lane and in all, to the byte", () => {
    const limits = { laneGapBytesMax: 2 * size, gapBytesMax: 3 * size };
    const pool = createMempool({ ...MEMPOOL_LIMITS, ...limits });
    const [a, b] = [laneOf(ann, 6), laneOf(bob, 4)];
    fill(pool, [at(a, 2), at(a, 4)]);
    expect(pool.add(at(a, 5), FRESH)?.code).toBe("batch.lane-gap");
    fill(pool, [at(b, 1)]);
    expect(pool.gapBytes).toBe(3 * size);
    expect(pool.add(at(b, 2), FRESH)?.code).toBe("node.overloaded");
    // What closes a gap is behind none, and what follows it is so no more.
    fill(pool, [at(a, 0), at(a, 1)]);
    expect(pool.gapBytes).toBe(2 * size);
    fill(pool, [at(b, 2), at(a, 3)]);
    expect(pool.gapBytes).toBe(2 * size);
    fill(pool, [at(a, 5)]);
    expect([pool.count, pool.gapBytes]).toEqual([8, 2 * size]);
  });

  it("keeps the rest free for what can be included, whatever stands behind gaps", () => {
    const limits = { bytesMax: 5 * size, gapBytesMax: 2 * size, reserveBytes: size };
    const pool = createMempool({ ...MEMPOOL_LIMITS, ...limits });
    const lane = laneOf(ann, 8);
    fill(pool, [at(lane, 5), at(lane, 6)]);
    expect(pool.add(at(lane, 7), FRESH)?.code).toBe("node.overloaded");
    fill(pool, [...laneOf(bob, 2)]);
    expect(pool.add(batchOf({ actor: eve }), FRESH)?.code).toBe("node.overloaded");
    // The reserve is a validator's, and no more of it than one lane's share.
    const own = laneOf(eve, 2);
    expect(pool.add(at(own, 0), FRESH, true)).toBeUndefined();
    expect(pool.bytes).toBe(5 * size);
    expect(pool.add(at(own, 1), FRESH, true)?.code).toBe("node.overloaded");
    const narrow = createMempool({ ...MEMPOOL_LIMITS, ...limits, reserveLaneBytes: size });
    fill(narrow, laneOf(bob, 2));
    expect(narrow.add(at(own, 0), FRESH, true)).toBeUndefined();
    expect(narrow.add(at(own, 1), FRESH, true)?.code).toBe("node.overloaded");
  });

  it("gives a validator's lane the first turn while it is short", () => {
    const pool = createMempool();
    fill(pool, [...laneOf(ann, 3), ...laneOf(bob, 3)]);
    for (const batch of laneOf(eve, 2)) expect(pool.add(batch, FRESH, true)).toBeUndefined();
    expect(selectFrom(pool, { batchesMax: 1 }).map((batch) => batch.actor)).toEqual([eve]);
    expect(selectFrom(pool)).toHaveLength(8);
    const long = createMempool({ ...MEMPOOL_LIMITS, reserveLaneBytes: size });
    fill(long, laneOf(ann, 1));
    for (const batch of laneOf(eve, 2)) expect(long.add(batch, FRESH, true)).toBeUndefined();
    expect(selectFrom(long, { batchesMax: 1 }).map((batch) => batch.actor)).toEqual([ann]);
  });

  it("is bounded ahead of the head", () => {
    const pool = createMempool({ ...MEMPOOL_LIMITS, laneAheadMax: 3 });
    const lane = laneOf(ann, 4);
    fill(pool, [at(lane, 2)]);
    expect(pool.add(at(lane, 3), FRESH)?.code).toBe("batch.lane-gap");
  });
});

describe("mempool: selection", () => {
  it("continues each lane from the ancestor chain, in canonical order", () => {
    const pool = createMempool();
    const lanes = [ann, bob, eve].map((actor) => laneOf(actor, 3));
    fill(pool, lanes.flat());
    expect(selectFrom(pool)).toEqual(orderBatches(hasher, orderSeed, lanes.flat()));
    const heads = { [toHex(ann)]: headOf(at(lanes[0] ?? [], 1)) };
    const rest = lanes.flat().filter((batch) => batch.actor !== ann || batch.laneSeq > 2);
    expect(selectFrom(pool, { heads })).toEqual(orderBatches(hasher, orderSeed, rest));
  });

  it("stops a lane at a gap, at a fork of the ancestor chain, and at what may not be included", () => {
    const pool = createMempool();
    const lane = laneOf(ann, 4);
    fill(pool, [at(lane, 0), at(lane, 2), at(lane, 3)]);
    expect(selectFrom(pool)).toEqual([at(lane, 0)]);
    expect(selectFrom(pool, { heads: { [toHex(ann)]: { seq: 1, id: hashOf(1) } } })).toEqual([]);
    fill(pool, [at(lane, 1)]);
    const includable = (batch: Batch) => batch.laneSeq !== 2;
    expect(selectFrom(pool, { includable })).toEqual([at(lane, 0)]);
    const fork = { [toHex(ann)]: { seq: 1, id: hashOf(1) } };
    expect(selectFrom(pool, { heads: fork })).toEqual([]);
  });

  it("knows whether there is work", () => {
    const pool = createMempool();
    const head = (value: LaneHead, yes = true) => ({
      laneHead: () => value,
      includable: () => yes,
    });
    expect(pool.hasWork(head(FRESH))).toBe(false);
    const lane = laneOf(ann, 2);
    fill(pool, [at(lane, 1)]);
    expect(pool.hasWork(head(FRESH))).toBe(false);
    fill(pool, [at(lane, 0)]);
    expect(pool.hasWork(head(FRESH))).toBe(true);
    expect(pool.hasWork(head(FRESH, false))).toBe(false);
    expect(pool.hasWork(head(headOf(at(lane, 0))))).toBe(true);
    expect(pool.hasWork(head(headOf(at(lane, 1))))).toBe(false);
  });

  it("fills a block to the batch and to the byte", () => {
    const pool = createMempool();
    const lane = laneOf(ann, 10);
    fill(pool, lane);
    expect(selectFrom(pool, { batchesMax: 4 })).toEqual(lane.slice(0, 4));
    const three = sizeOf(lane.slice(0, 3));
    expect(selectFrom(pool, { bytesMax: three })).toEqual(lane.slice(0, 3));
    expect(selectFrom(pool, { bytesMax: three - 1 })).toEqual(lane.slice(0, 2));
    expect(selectFrom(pool, { batchesMax: 0 })).toEqual([]);
  });

  it("does not let a big lane starve a small one", () => {
    const pool = createMempool();
    fill(pool, laneOf(ann, 60));
    fill(pool, laneOf(bob, 2));
    const chosen = selectFrom(pool, { batchesMax: 6 });
    expect([countOf(chosen, ann), countOf(chosen, bob)]).toEqual([4, 2]);
  });

  it("takes turns over successive proposals", () => {
    const pool = createMempool();
    const actors = [1, 2, 3, 4, 5].map(hashOf);
    for (const actor of actors) fill(pool, laneOf(actor, 10));
    const served = new Map<string, number>();
    let heads: Heads = {};
    for (let proposal = 0; proposal < 10; proposal++) {
      const chosen = selectFrom(pool, { heads, batchesMax: 2 });
      expect(chosen.length).toBe(2);
      for (const batch of chosen) {
        const key = toHex(batch.actor);
        served.set(key, (served.get(key) ?? 0) + 1);
        heads = { ...heads, [key]: headOf(batch) };
      }
    }
    expect([...served.values()]).toEqual([4, 4, 4, 4, 4]);
  });

  it("goes past a batch that does not fit, and serves it first next time", () => {
    const pool = createMempool();
    const big = batchOf({ actor: ann, events: [putOf(1, 50_000)] });
    const small = laneOf(bob, 1);
    const other = laneOf(eve, 3);
    fill(pool, [at(small, 0), big, ...other]);
    const room = big.bytes.length + 100;
    const first = selectFrom(pool, { bytesMax: room });
    expect(first).not.toContain(big);
    expect(first.length).toBe(4);
    const heads: Heads = {
      [toHex(bob)]: headOf(at(small, 0)),
      [toHex(eve)]: headOf(at(other, 0)),
    };
    expect(selectFrom(pool, { bytesMax: room, heads })).toEqual([big]);
  });

  it("passes over a bounded number of batches that do not fit", () => {
    const pool = createMempool();
    const lanes = Array.from({ length: 100 }, (_, i) => hashOf(i + 1));
    for (const actor of lanes) fill(pool, [batchOf({ actor, events: [putOf(1, 5000)] })]);
    let asked = 0;
    const includable = () => {
      asked += 1;
      return true;
    };
    expect(selectFrom(pool, { bytesMax: 4000, includable })).toEqual([]);
    expect(asked).toBe(LIMITS.mempoolMisfitsMax);
  });

  it("looks only at lanes whose next batch is held", () => {
    const pool = createMempool();
    for (let i = 1; i <= 50; i++) fill(pool, laneOf(hashOf(i), 1, { laneSeq: 2 }));
    fill(pool, laneOf(ann, 3));
    let asked = 0;
    const laneHead = () => {
      asked += 1;
      return FRESH;
    };
    const args = { hasher, orderSeed, laneHead, includable: () => true };
    expect(pool.select(args).length).toBe(3);
    expect(asked).toBe(1);
  });
});

describe("mempool: finalization", () => {
  it("drops everything at or below the head", () => {
    const pool = createMempool();
    const lane = laneOf(ann, 4);
    fill(pool, lane);
    expect(pool.onFinalized(ann, headOf(at(lane, 1)))).toEqual([]);
    expect(pool.count).toBe(2);
    expect(pool.bytes).toBe(sizeOf(lane.slice(2)));
    expect(pool.has(at(lane, 0).digest)).toBe(false);
    expect(pool.onFinalized(ann, headOf(at(lane, 0)))).toEqual([]);
    expect(pool.onFinalized(bob, headOf(at(lane, 0)))).toEqual([]);
    expect(pool.onFinalized(ann, headOf(at(lane, 3)))).toEqual([]);
    expect([pool.count, pool.bytes]).toEqual([0, 0]);
  });

  it("returns what lost its place, and what followed it", () => {
    const pool = createMempool();
    const [lane, fork] = [laneOf(ann, 4), laneOf(ann, 4, { salt: 1 })];
    fill(pool, lane);
    expect(pool.onFinalized(ann, headOf(at(fork, 0)))).toEqual(lane);
    expect([pool.count, pool.bytes]).toEqual([0, 0]);
    expect(pool.add(at(fork, 1), headOf(at(fork, 0)))).toBeUndefined();
  });

  it("keeps what may still follow after a gap", () => {
    const pool = createMempool();
    const lane = laneOf(ann, 5);
    fill(pool, [at(lane, 3), at(lane, 4)]);
    expect(pool.onFinalized(ann, headOf(at(lane, 1)))).toEqual([]);
    expect(pool.count).toBe(2);
    expect(pool.onFinalized(ann, headOf(at(lane, 2)))).toEqual([]);
    const heads = { [toHex(ann)]: headOf(at(lane, 2)) };
    expect(selectFrom(pool, { heads })).toEqual(lane.slice(3));
  });

  it("takes a head that jumped far without walking there", () => {
    const pool = createMempool();
    fill(pool, laneOf(ann, 2));
    expect(pool.onFinalized(ann, { seq: 2 ** 52, id: hashOf(1) })).toEqual([]);
    expect(pool.count).toBe(0);
  });
});

describe("mempool: expiry", () => {
  const far = LIMITS.batchAgeBlocksMax + 17;
  const late = LIMITS.batchAgeMsMax + 1;

  it("drops and returns expired batches and those that follow them", () => {
    const pool = createMempool();
    const old = laneOf(ann, 2);
    const young = laneOf(ann, 2, { laneSeq: 3, prevBatchId: at(old, 1).id, refHeight: 160 });
    const other = laneOf(bob, 1, { refHeight: 160 });
    fill(pool, [...old, ...young, ...other]);
    expect(pool.expire(far, late - 1, () => 0)).toEqual([]);
    expect(pool.expire(far, late, () => undefined)).toEqual([]);
    const dropped = pool.expire(far, late, () => 0);
    expect(new Set(dropped)).toEqual(new Set([...old, ...young]));
    expect(dropped.length).toBe(4);
    expect(pool.count).toBe(1);
    expect(pool.bytes).toBe(sizeOf(other));
    expect(selectFrom(pool)).toEqual(other);
    // The author starts again from the head with newer references.
    fill(pool, laneOf(ann, 2, { refHeight: 160, salt: 1 }));
  });

  it("leaves what stands before the expired batch, and lets the author go on from there", () => {
    const pool = createMempool();
    const young = laneOf(ann, 2, { refHeight: 160 });
    const [old] = laneOf(ann, 1, { laneSeq: 3, prevBatchId: at(young, 1).id });
    if (old === undefined) throw new Error("no batch");
    fill(pool, [...young, old]);
    expect(pool.laneTail(ann, FRESH)).toEqual(headOf(old));
    expect(pool.expire(far, late, () => 0)).toEqual([old]);
    expect(pool.laneTail(ann, FRESH)).toEqual(headOf(at(young, 1)));
    expect(selectFrom(pool)).toEqual(young);
  });

  it("asks once for the time of a reference that many share", () => {
    const pool = createMempool();
    for (let i = 1; i <= 20; i++) fill(pool, laneOf(hashOf(i), 2));
    let asked = 0;
    pool.expire(far, 1, () => {
      asked += 1;
      return 0;
    });
    expect(asked).toBe(1);
  });
});

/**
 * The pool against a plain list: after any run of operations the same batches are held, the sums agree,
 * and a selection is a set of lanes that continue their heads.
 */
describe("mempool: model", () => {
  type Step =
    | { readonly kind: "add"; readonly lane: number; readonly chain: number; readonly seq: number }
    | {
        readonly kind: "finalize";
        readonly lane: number;
        readonly chain: number;
        readonly by: number;
      }
    | { readonly kind: "expire" }
    | { readonly kind: "select"; readonly max: number };

  const lane = fc.nat({ max: 2 });
  const chain = fc.nat({ max: 1 });
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("add" as const),
        lane,
        chain,
        seq: fc.nat({ max: 5 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("finalize" as const),
        lane,
        chain,
        by: fc.nat({ max: 3 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("expire" as const) }) },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant("select" as const), max: fc.nat({ max: 6 }) }),
    },
  );
  const actors = [ann, bob, eve];
  // Two chains a lane that part after place 2; even places refer to an old block.
  const chains = actors.map((actor) => {
    const first = [] as Batch[];
    for (let i = 0; i < 6; i++) {
      const [next] = laneOf(actor, 1, {
        laneSeq: i + 1,
        prevBatchId: first[i - 1]?.id ?? ZERO_HASH,
        refHeight: i % 2 === 0 ? 0 : 160,
      });
      if (next !== undefined) first.push(next);
    }
    const tail = laneOf(actor, 4, { laneSeq: 3, prevBatchId: at(first, 1).id, salt: 1 });
    return [first, [...first.slice(0, 2), ...tail]];
  });

  it("holds, drops and selects as the list does", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const pool = createMempool({ ...MEMPOOL_LIMITS, laneBatchesMax: 4, laneAheadMax: 5 });
        const heads = actors.map(() => FRESH);
        let held: Batch[] = [];
        const headFor = (actor: Hash) => heads[actors.indexOf(actor)] ?? FRESH;
        for (const one of steps) {
          if (one.kind === "add") {
            const batch = at(chains[one.lane]?.[one.chain] ?? [], one.seq);
            const failure = pool.add(batch, headFor(batch.actor));
            if (failure === undefined && !held.includes(batch)) held.push(batch);
          } else if (one.kind === "finalize") {
            const list = chains[one.lane]?.[one.chain] ?? [];
            const head = heads[one.lane] ?? FRESH;
            const next = list[Math.min(head.seq + one.by, 6) - 1];
            const onChain = head.seq === 0 || list[head.seq - 1]?.id === head.id;
            if (next === undefined || !onChain) continue;
            heads[one.lane] = headOf(next);
            const lost = pool.onFinalized(next.actor, headOf(next));
            for (const batch of lost) expect(held).toContain(batch);
            held = held.filter((b) => b.actor !== next.actor || b.laneSeq > next.laneSeq);
            held = held.filter((b) => !lost.includes(b));
          } else if (one.kind === "expire") {
            const dropped = pool.expire(200, 1e9, () => 0);
            expect(held).toEqual(expect.arrayContaining([...dropped]));
            held = held.filter((b) => !dropped.includes(b));
            expect(held.every((b) => b.refHeight !== 0)).toBe(true);
          } else {
            checkSelection(pool, held, headFor, one.max);
          }
          expect(pool.count).toBe(held.length);
          expect(pool.bytes).toBe(sizeOf(held));
          expect(pool.gapBytes).toBe(sizeOf(behindGaps(held, headFor)));
          for (const batch of held) expect(pool.getById(batch.id)).toBe(batch);
        }
      }),
      { numRuns: 300 },
    );
  });

  /** Batches of which a place between the head and them is not held. */
  const behindGaps = (held: readonly Batch[], headFor: (actor: Hash) => LaneHead): Batch[] =>
    held.filter((batch) => {
      const seqs = new Set(held.filter((b) => b.actor === batch.actor).map((b) => b.laneSeq));
      for (let seq = headFor(batch.actor).seq + 1; seq < batch.laneSeq; seq++) {
        if (!seqs.has(seq)) return true;
      }
      return false;
    });

  /** Everything that follows a head without a gap is offered, as far as there is room. */
  const checkSelection = (
    pool: Mempool,
    held: readonly Batch[],
    headFor: (actor: Hash) => LaneHead,
    max: number,
  ): void => {
    const possible: Batch[] = [];
    for (const actor of actors) {
      let head = headFor(actor);
      for (;;) {
        const next = held.find(
          (b) =>
            b.actor === actor &&
            b.laneSeq === head.seq + 1 &&
            toHex(b.prevBatchId) === toHex(head.id),
        );
        if (next === undefined) break;
        possible.push(next);
        head = headOf(next);
      }
    }
    const args = { laneHead: headFor, includable: () => true };
    expect(pool.hasWork(args)).toBe(possible.length > 0);
    const all = pool.select({ hasher, orderSeed, ...args });
    expect(all).toEqual(orderBatches(hasher, orderSeed, possible));
    const some = pool.select({ hasher, orderSeed, ...args, batchesMax: max });
    expect(some.length).toBe(Math.min(max, possible.length));
    for (const batch of some) {
      const before = some.find((b) => b.actor === batch.actor && b.laneSeq === batch.laneSeq - 1);
      expect(before !== undefined || headFor(batch.actor).seq + 1 === batch.laneSeq).toBe(true);
    }
  };
});
