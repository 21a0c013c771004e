import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { utf8 } from "../../src/crypto/codec.ts";
import { TetradError } from "../../src/errors.ts";
import { batchKey, logBatchKey } from "../../src/ledger/keys.ts";
import {
  addEntries,
  decodeLogBatch,
  differingIndex,
  encodeLogBatch,
  type LogBatch,
  readBatchOf,
  readLogBatch,
  readLogBatches,
} from "../../src/ledger/log-batch.ts";
import { recordPut } from "../../src/ledger/projections/events.ts";
import type { LogEntry, Outcome } from "../../src/ledger/types.ts";
import { LIMITS } from "../../src/limits.ts";
import { hasher, sealed, TestChain } from "./execution-support.ts";

const hashOf = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const digest = hashOf(7);
const event = recordPut.encode({ topic: "t", key: "k", body: utf8("v") });
const longest = `event.${"x".repeat(LIMITS.refusalCodeBytesMax - 6)}`;

const entriesOf = (outcomes: readonly Outcome[]): LogEntry[] =>
  outcomes.map((outcome, position) => ({
    index: 100 + position,
    height: 9,
    batchId: hashOf(5),
    position,
    outcome,
    effectsHash: hashOf(position & 0xff),
    event,
  }));

const accepted: Outcome = { kind: "accepted" };
const refused = (code: string): Outcome => ({ kind: "refused", code });

/** What the call throws, which must be corruption that names the index. */
const corruptAt = (call: () => unknown): unknown => {
  try {
    call();
  } catch (error) {
    if (!(error instanceof TetradError)) throw error;
    expect(error.code).toBe("store.corrupt");
    expect(error.message).toContain(`log entry ${String(error.data["index"])} `);
    return error.data["index"];
  }
  throw new Error("nothing was thrown");
};

describe("the record of a batch", () => {
  it("holds what came of each event", () => {
    const entries = entriesOf([accepted, refused("event.conflict"), accepted]);
    const record = decodeLogBatch(100, encodeLogBatch(digest, entries));
    expect(record).toEqual({
      ok: true,
      value: {
        firstIndex: 100,
        height: 9,
        batchId: hashOf(5),
        digest,
        count: 3,
        outcomes: entries.map(({ outcome }) => outcome),
        effects: new Uint8Array(Buffer.concat(entries.map(({ effectsHash }) => effectsHash))),
      },
    });
  });

  it("holds the largest batch with the longest codes, and no larger one", () => {
    const most = entriesOf(Array.from({ length: LIMITS.batchEventsMax }, () => refused(longest)));
    const bytes = encodeLogBatch(digest, most);
    expect(bytes.length).toBe(78 + LIMITS.batchEventsMax * (1 + longest.length + 32));
    expect(decodeLogBatch(100, bytes)).toMatchObject({ ok: true, value: { count: most.length } });
    const more = encodeLogBatch(digest, entriesOf([...most.map(() => accepted), accepted]));
    expect(decodeLogBatch(100, more)).toMatchObject({ code: "encoding.malformed" });
    expect(() => encodeLogBatch(digest, [])).toThrow(RangeError);
  });

  it("has one encoding: another version, count, code or length is refused", () => {
    const bytes = encodeLogBatch(digest, entriesOf([accepted, refused("event.conflict")]));
    const changed = (at: number, value: number) => {
      const copy = bytes.slice();
      copy[at] = value;
      return decodeLogBatch(100, copy);
    };
    expect(changed(1, 2)).toMatchObject({ code: "encoding.version" });
    for (const count of [0, 1, 3]) {
      expect(changed(77, count)).toMatchObject({ code: "encoding.malformed" });
    }
    expect(changed(80, 0x45)).toMatchObject({ code: "encoding.malformed" });
    for (const wrong of [bytes.subarray(0, -1), new Uint8Array([...bytes, 0]), new Uint8Array()]) {
      expect(decodeLogBatch(100, wrong)).toMatchObject({ code: "encoding.malformed" });
    }
  });

  it("survives any bytes", () => {
    const some = encodeLogBatch(digest, entriesOf([accepted, refused("a.b"), accepted]));
    const again = (bytes: Uint8Array): void => {
      const record = decodeLogBatch(100, bytes);
      if (!record.ok) {
        expect(record.code).toMatch(/^encoding\./);
        return;
      }
      const { height, batchId, outcomes, effects } = record.value;
      const entries = entriesOf(outcomes).map((entry, at) => ({
        ...entry,
        height,
        batchId,
        effectsHash: effects.subarray(32 * at, 32 * at + 32),
      }));
      expect(encodeLogBatch(record.value.digest, entries)).toEqual(bytes);
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), again));
    fc.assert(
      fc.property(fc.nat(some.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const copy = some.slice();
        copy[at] = (copy[at] ?? 0) ^ flip;
        again(copy);
      }),
    );
  });
});

/** Two heights: 3 and 2 events in two batches, then 4 in one. */
const written = (): TestChain => {
  const chain = new TestChain();
  const puts = (count: number) => Array.from({ length: count }, () => event);
  chain.block({ by: "clerk", events: puts(3) }, { by: "reader", events: puts(2) });
  chain.block({ by: "clerk", events: puts(4) });
  return chain;
};

describe("reading records", () => {
  it("gives those of a height, in order", () => {
    const { store, executions } = written();
    for (const { roots, entries } of executions) {
      const records = readLogBatches(store.read, roots);
      const read: LogEntry[] = [];
      for (const record of records) {
        const batch = readBatchOf(store.read, hasher, record);
        addEntries(record, batch, record.firstIndex, record.count, read);
      }
      expect(read).toEqual(entries);
      expect(differingIndex(records, entries)).toBeUndefined();
    }
  });

  it("refuses one that is missing, damaged, of another height, or too long", () => {
    const { store } = written();
    const { read } = store;
    const height = { height: 1, firstIndex: 0, count: 5 };
    expect(corruptAt(() => readLogBatch(read, 1))).toBe(1);
    expect(corruptAt(() => readLogBatches(read, { ...height, height: 2 }))).toBe(0);
    expect(corruptAt(() => readLogBatches(read, { ...height, count: 4 }))).toBe(3);
    expect(corruptAt(() => readLogBatches(read, { ...height, count: 6 }))).toBe(5);
    store.apply([{ type: "put", key: logBatchKey(3), value: new Uint8Array(9) }]);
    expect(corruptAt(() => readLogBatches(read, height))).toBe(3);
    store.apply([{ type: "del", key: logBatchKey(3) }]);
    expect(corruptAt(() => readLogBatches(read, height))).toBe(3);
  });

  it("refuses a batch that is missing, damaged, or another", () => {
    const { store, inputs } = written();
    const record = readLogBatch(store.read, 3);
    const other = sealed("root", [event, event], 77);
    const wrong: Partial<LogBatch>[] = [
      { digest: other.digest },
      { batchId: other.id },
      { count: 3 },
      { digest: inputs[1]?.batches[0]?.digest ?? digest },
    ];
    for (const change of wrong) {
      const changed = { ...record, ...change };
      expect(corruptAt(() => readBatchOf(store.read, hasher, changed))).toBe(3);
      if (change.digest !== undefined) continue;
      const batch = inputs[0]?.batches[1];
      if (batch === undefined) throw new Error("no second batch");
      expect(corruptAt(() => addEntries(changed, batch, 3, 1, []))).toBe(3);
    }
    // Another batch, whole and signed, under the digest of this one.
    store.apply([{ type: "put", key: batchKey(record.digest), value: other.bytes }]);
    expect(corruptAt(() => readBatchOf(store.read, hasher, record))).toBe(3);
    store.apply([{ type: "put", key: batchKey(record.digest), value: other.bytes.slice(1) }]);
    expect(corruptAt(() => readBatchOf(store.read, hasher, record))).toBe(3);
  });

  it("finds the first entry that came out differently", () => {
    const { store, executions } = written();
    const entries = executions[0]?.entries ?? [];
    const records = readLogBatches(store.read, { height: 1, firstIndex: 0, count: 5 });
    const but = (at: number, change: Partial<LogEntry>): LogEntry[] =>
      entries.map((entry, i) => (i === at ? { ...entry, ...change } : entry));
    expect(differingIndex(records, but(4, { effectsHash: hashOf(1) }))).toBe(4);
    expect(differingIndex(records, but(3, { outcome: accepted }))).toBe(3);
    expect(differingIndex(records, but(1, { outcome: refused("event.conflict") }))).toBe(1);
  });
});

describe("a height that is executed again", () => {
  it("gives the entries that it gave, from its own batches and no others", () => {
    const chain = new TestChain();
    const before = chain.roots;
    const batches = [
      { by: "clerk", events: [event, event] },
      { by: "reader", events: [event] },
    ];
    const input = chain.input(batches);
    const first = chain.run(input);
    const again = (list: typeof input.batches) =>
      chain.executor.executeBlock({ ...input, batches: list }, chain.store.read, before);
    expect(again(input.batches)).toEqual({ ...first, ops: [] });
    const [one, two] = input.batches;
    if (one === undefined || two === undefined) throw new Error("two batches");
    expect(corruptAt(() => again([one]))).toBe(2);
    expect(corruptAt(() => again([two, one]))).toBe(0);
    expect(corruptAt(() => again([one, two, sealed("clerk", [event], 9)]))).toBe(3);
    expect(corruptAt(() => again([one, sealed("clerk", [event], 9)]))).toBe(2);
  });

  it("cannot be stored with a batch without events, which no block can hold", () => {
    const chain = new TestChain();
    const batch = { ...sealed("clerk", [event], 1), events: [] };
    const input = { ...chain.input([]), batches: [batch] };
    expect(() => chain.executor.executeBlock(input, chain.store.read, chain.roots)).toThrow(
      RangeError,
    );
  });
});
