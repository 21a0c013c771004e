import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "../../src/crypto/bytes.ts";
import { merklePath } from "../../src/crypto/merkle.ts";
import { buildBatch, sealBatch } from "../../src/ledger/batch.ts";
import { recordPut } from "../../src/ledger/projections/events.ts";
import { BatchPaths, openStoredBatch, type StoredBatch } from "../../src/ledger/stored-batch.ts";
import type { Batch, Hash } from "../../src/ledger/types.ts";
import { LIMITS } from "../../src/limits.ts";
import { hasher, idOf } from "./execution-support.ts";

const ZERO = new Uint8Array(32);

const batchOf = (count: number, laneSeq = 1): Batch => {
  const unsigned = buildBatch(hasher, {
    ...{ actor: idOf("clerk"), laneSeq, prevBatchId: ZERO, refHeight: 0, refHash: ZERO },
    events: Array.from({ length: count }, (_, i) =>
      recordPut.encode({ topic: "t", key: `${i}`, body: new Uint8Array(i % 7) }),
    ),
  });
  return sealBatch(hasher, unsigned, new Uint8Array(LIMITS.falconSignatureBytes).fill(7));
};

const opened = ({ bytes, digest }: Batch): StoredBatch => {
  const stored = openStoredBatch(hasher, bytes, digest);
  if (!stored.ok) throw new Error(stored.detail);
  return stored.value;
};

const node = (left: Hash, right: Hash): Hash => hasher.ht("event/node", left, right);
const pathOf = ({ events }: Batch, position: number): Hash[] =>
  merklePath(
    events.map(({ bytes }) => hasher.ht("event/leaf", bytes)),
    position,
    node,
  );

describe("a stored batch", () => {
  it("has the events of the batch, and nothing behind them", () => {
    for (const count of [1, 2, 33, LIMITS.batchEventsMax]) {
      const batch = batchOf(count);
      const stored = opened(batch);
      expect([stored.count, stored.id, stored.actor]).toEqual([count, batch.id, batch.actor]);
      expect(stored.signature).toEqual(batch.signature);
      for (const position of new Set([0, count >> 1, count - 1])) {
        expect(stored.event(position)).toEqual(batch.events[position]);
      }
      expect(() => stored.event(count)).toThrow(RangeError);
      expect(() => stored.eventBytes(-1)).toThrow(RangeError);
    }
  });

  it("is refused when any byte is another, or some are missing", () => {
    const batch = batchOf(5);
    fc.assert(
      fc.property(fc.nat(batch.bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
        const bytes = batch.bytes.slice();
        bytes[at] = (bytes[at] ?? 0) ^ by;
        expect(openStoredBatch(hasher, bytes, batch.digest).ok).toBe(false);
        const short = batch.bytes.slice(0, at);
        expect(openStoredBatch(hasher, short, batch.digest).ok).toBe(false);
      }),
    );
  });
});

describe("paths into a batch", () => {
  it("are those of the tree over all of its events, for every size and position", () => {
    const paths = new BatchPaths(hasher);
    for (const count of [1, 2, 31, 32, 33, 63, 64, 65, 96, 97, 250]) {
      const batch = batchOf(count);
      const stored = opened(batch);
      for (let position = 0; position < count; position++) {
        const path = paths.path(toHex(batch.digest), stored, position);
        expect(path).toEqual(pathOf(batch, position));
      }
    }
  });

  it("hash one group of events once the batch is known, and all of them before and when it was forgotten", () => {
    let leaves = 0;
    const counting = {
      ...hasher,
      ht: (tag: string, ...parts: readonly Uint8Array[]) => {
        if (tag === "event/leaf") leaves += 1;
        return hasher.ht(tag, ...parts);
      },
    };
    const paths = new BatchPaths(counting);
    const batch = batchOf(1000);
    const stored = opened(batch);
    const cost = (name: string, position: number): number => {
      leaves = 0;
      expect(paths.path(name, stored, position)).toEqual(pathOf(batch, position));
      return leaves;
    };
    expect(cost("a", 500)).toBe(1000 + 32);
    expect(cost("a", 999)).toBe(1000 % 32);
    // 32 hashes a batch, and room for 4096 of these.
    const one = opened(batchOf(1));
    for (let i = 0; i < 128 * 1024 - 32; i++) paths.path(`${i}`, one, 0);
    expect(cost("a", 1)).toBe(32);
    paths.path("one more", one, 0);
    paths.path("and another", one, 0);
    expect(cost("a", 2)).toBe(32);
    for (let i = 0; i < 128 * 1024; i++) paths.path(`again ${i}`, one, 0);
    expect(cost("a", 3)).toBe(1000 + 32);
  });
});
