/** Which batches that wait are hosted anew as an epoch begins, how many at once, and how often peers are told. */
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { fail, ok } from "../../../src/errors.ts";
import { HostAnew } from "../../../src/ledger/replica/host-anew.ts";
import type { Batch } from "../../../src/ledger/types.ts";
import { LIMITS } from "../../../src/limits.ts";
import { batchOf, hasher, hashOf } from "../../golden/fixtures.ts";

const [ann, self] = [hashOf(0xa1), hashOf(0x5e)];

/** Bytes that begin with 1 are of a host that counts. */
const hostedBytes = ({ bytes }: Batch): Uint8Array => Uint8Array.of(1, ...bytes.subarray(1));

const rigOf = (batches: readonly Batch[], canHost = true) => {
  const held = new Map(batches.map((batch) => [toHex(batch.id), batch]));
  const byBytes = (bytes: Uint8Array): Batch => {
    const last = batches.find(
      (batch) => toHex(batch.bytes.subarray(1)) === toHex(bytes.subarray(1)),
    );
    if (last === undefined) throw new Error("no batch");
    return { ...last, bytes, digest: hasher.ht("batch/digest", bytes) };
  };
  const told: Batch[] = [];
  const again: Batch[] = [];
  const time = { ms: 0 };
  const pool = new HostAnew({
    space: {
      hasLostHost: ({ bytes }) => bytes[0] !== 1,
      hostAnew: (batch) => (canHost ? ok(hostedBytes(batch)) : fail("space.no-host", "no sector")),
      isOwn: ({ actor }) => actor === self,
      withoutHost: ({ bytes }) => ok(Uint8Array.of(2, ...bytes.subarray(1))),
    },
    mempool: {
      getById: (id) => held.get(toHex(id)),
      replace: (batch) => void held.set(toHex(batch.id), batch),
    },
    own: () => [...held.values()],
    reopened: (bytes) => ok(byBytes(bytes)),
    tell: (batch) => void told.push(batch),
    tellAgain: (batch) => void again.push(batch),
    nowMs: () => time.ms,
  });
  return { pool, held, told, again, time };
};

const laneOfBytes = (count: number, actor = ann): Batch[] =>
  Array.from({ length: count }, (_, i) => {
    const batch = batchOf({ actor, laneSeq: i + 1 });
    return { ...batch, bytes: Uint8Array.of(0, i >> 8, i & 0xff) };
  });

describe("batches without a host", () => {
  it("are hosted anew once an epoch, up to the limit at an append, and peers are told twice", () => {
    const batches = laneOfBytes(3);
    const { pool, held, told, again, time } = rigOf(batches);
    expect(pool.pump(0)).toEqual([]);
    expect(told.map(({ bytes }) => bytes[0])).toEqual([1, 1, 1]);
    expect([...held.values()].every(({ bytes }) => bytes[0] === 1)).toBe(true);
    pool.pump(0);
    expect(told).toHaveLength(3);
    // One is final by then, and what peers took for known they take now.
    held.delete(toHex(batches[1]?.id ?? ann));
    time.ms = LIMITS.gossipAgainMs;
    pool.pump(0);
    expect(again).toEqual([]);
    time.ms += 1;
    pool.pump(1);
    expect(again.map(({ laneSeq }) => laneSeq)).toEqual([1, 3]);
    time.ms *= 3;
    pool.pump(1);
    expect([told.length, again.length]).toEqual([3, 2]);
  });

  it("wait for the next append past the limit, the first that came first", () => {
    const { pool, told, again, time } = rigOf(laneOfBytes(LIMITS.hostedAnewMax + 1));
    pool.pump(7);
    expect(told).toHaveLength(LIMITS.hostedAnewMax);
    expect(told[0]?.laneSeq).toBe(1);
    pool.pump(7);
    expect(told).toHaveLength(LIMITS.hostedAnewMax + 1);
    expect(told.at(-1)?.laneSeq).toBe(LIMITS.hostedAnewMax + 1);
    time.ms = LIMITS.gossipAgainMs + 1;
    pool.pump(7);
    expect(again).toHaveLength(LIMITS.hostedAnewMax);
    pool.pump(7);
    expect(again).toHaveLength(LIMITS.hostedAnewMax + 1);
  });

  it("are left where they are final or hosted by now, and looked at again in the next epoch", () => {
    const { pool, held, told } = rigOf(laneOfBytes(2));
    for (const batch of held.values())
      held.set(toHex(batch.id), { ...batch, bytes: hostedBytes(batch) });
    expect(pool.pump(1)).toEqual([]);
    expect(told).toEqual([]);
    for (const batch of held.values()) {
      held.set(toHex(batch.id), { ...batch, bytes: Uint8Array.of(0, ...batch.bytes.subarray(1)) });
    }
    pool.pump(1);
    expect(told).toEqual([]);
    pool.pump(2);
    expect(told).toHaveLength(2);
  });

  it("go to other nodes where this one cannot host: those of clients by them, its own as it wrote them", () => {
    const clients = rigOf(laneOfBytes(1), false);
    expect(clients.pool.pump(1)).toMatchObject([{ failure: { code: "space.no-host" } }]);
    expect(clients.told).toEqual([]);
    const own = rigOf(laneOfBytes(1, self), false);
    expect(own.pool.pump(1)).toEqual([]);
    expect(own.told.map(({ bytes }) => bytes[0])).toEqual([2]);
    expect([...own.held.values()].map(({ bytes }) => bytes[0])).toEqual([2]);
    // In the next epoch nothing else can be said of it.
    expect(own.pool.pump(2)).toEqual([]);
    expect([own.told.length, own.again.length]).toEqual([1, 1]);
  });
});
