import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { utf8 } from "../../../src/crypto/codec.ts";
import type { Result } from "../../../src/errors.ts";
import { encodeEvent } from "../../../src/ledger/event.ts";
import { batchKey, logBatchKey } from "../../../src/ledger/keys.ts";
import { addEntries, readBatchOf, readLogBatches } from "../../../src/ledger/log-batch.ts";
import type { StoreFailure } from "../../../src/ledger/ports.ts";
import { actorRevoked, recordPut } from "../../../src/ledger/projections/events.ts";
import { rebuildProjections } from "../../../src/ledger/rebuild.ts";
import { LogReader } from "../../../src/ledger/replica/log-reader.ts";
import type { EncodedEvent, LogEntry } from "../../../src/ledger/types.ts";
import { LIMITS } from "../../../src/limits.ts";
import {
  genesis,
  hasher,
  idOf,
  runnerOptions,
  type TestBatch,
  TestChain,
} from "../execution-support.ts";
import { answer, rangeOf } from "../rebuild-support.ts";

const put = (key: string, bytes = 1): EncodedEvent =>
  recordPut.encode({ topic: "t", key, body: new Uint8Array(bytes) });

/** A reader on the store of a chain that answers at once, and the batches that it read, in hex. */
const readerOf = (chain: TestChain) => {
  const batches: string[] = [];
  const state = { failure: undefined as StoreFailure | undefined, records: 0 };
  const prefix = toHex(utf8("d/"));
  const log = new LogReader(hasher, {
    get: (key) => {
      const text = toHex(key);
      if (text.startsWith(prefix)) batches.push(text.slice(prefix.length));
      return chain.store.read(key);
    },
    range: (range, done) => {
      const rows = rangeOf(chain.store, range);
      state.records += rows.length;
      done(state.failure, state.failure === undefined ? rows : []);
    },
  });
  const page = (from: number, to: number): Result<readonly LogEntry[]> => {
    let result: Result<readonly LogEntry[]> | undefined;
    log.page(from, to, (one) => {
      expect(result).toBeUndefined();
      result = one;
    });
    if (result === undefined) throw new Error("not answered");
    return result;
  };
  return { page, batches, state };
};

const entriesOf = (chain: TestChain): LogEntry[] =>
  chain.executions.flatMap(({ entries }) => [...entries]);

const someEvent = fc.oneof(
  fc.nat(5).map((n) => put(`k${n}`, n)),
  fc.constant(encodeEvent("no.such.type", 1, utf8("x"))),
  fc.constant(actorRevoked.encode({ actor: idOf("warden") })),
);
const someBatch: fc.Arbitrary<TestBatch> = fc.record({
  by: fc.constantFrom("clerk", "reader", "warden", "stranger"),
  events: fc.array(someEvent, { minLength: 1, maxLength: 5 }),
});
const someBlocks = fc.array(fc.array(someBatch, { maxLength: 4 }), { minLength: 1, maxLength: 5 });

describe("every way to read the log", () => {
  it("gives the entries that execution gave, for every from and limit", () => {
    const outcomes = new Set<string>();
    fc.assert(
      fc.property(someBlocks, (blocks) => {
        const chain = new TestChain();
        const before = blocks.map((batches) => {
          const { roots } = chain;
          chain.block(...batches);
          return roots;
        });
        const entries = entriesOf(chain);
        for (const { outcome } of entries) outcomes.add(outcome.kind);
        const { page } = readerOf(chain);
        for (let from = 0; from <= entries.length; from++) {
          for (let to = from; to <= entries.length; to++) {
            const fresh = to % 3 === 0 ? readerOf(chain).page : page;
            expect(fresh(from, to)).toEqual({ ok: true, value: entries.slice(from, to) });
          }
        }
        for (const [at, { roots, entries: gave }] of chain.executions.entries()) {
          const stored: LogEntry[] = [];
          for (const record of readLogBatches(chain.store.read, roots)) {
            const batch = readBatchOf(chain.store.read, hasher, record);
            addEntries(record, batch, record.firstIndex, record.count, stored);
          }
          expect(stored).toEqual(gave);
          const [input, previous] = [chain.inputs[at], before[at]];
          if (input === undefined || previous === undefined) throw new Error("a block too few");
          const again = chain.executor.executeBlock(input, chain.store.read, previous);
          expect(again).toEqual({ ops: [], roots, entries: gave });
        }
        const dump = chain.store.dump();
        const { read } = chain.store;
        const rebuild = rebuildProjections({ runner: runnerOptions(), genesis, read });
        expect(answer(chain.store, rebuild)).toMatchObject({ ok: true });
        expect(chain.store.dump()).toEqual(dump);
      }),
      { numRuns: 40 },
    );
    expect([...outcomes].sort()).toEqual(["accepted", "refused"]);
  });
});

/** Batches of these sizes, one a block. */
const chainOf = (...sizes: readonly number[]): TestChain => {
  const chain = new TestChain();
  for (const size of sizes) {
    chain.block({ by: "clerk", events: Array.from({ length: size }, (_, i) => put(`${i}`)) });
  }
  return chain;
};

const digestsOf = (chain: TestChain): string[] =>
  chain.inputs.flatMap(({ batches }) => batches.map(({ digest }) => toHex(digest)));

describe("a page", () => {
  it("reads the batches of its entries and no others, each once", () => {
    const chain = chainOf(3, 1, 4, 2);
    const digests = digestsOf(chain);
    const read = (from: number, to: number) => {
      const { page, batches, state } = readerOf(chain);
      expect(page(from, to)).toEqual({ ok: true, value: entriesOf(chain).slice(from, to) });
      expect(state.records).toBe(batches.length);
      return batches;
    };
    expect(read(0, 3)).toEqual(digests.slice(0, 1));
    expect(read(1, 2)).toEqual(digests.slice(0, 1));
    expect(read(2, 4)).toEqual(digests.slice(0, 2));
    expect(read(3, 5)).toEqual(digests.slice(1, 3));
    expect(read(0, 10)).toEqual(digests);
    expect(read(9, 10)).toEqual(digests.slice(3));
  });

  it("of nothing reads nothing", () => {
    const chain = chainOf(2);
    const { page, state } = readerOf(chain);
    state.failure = { code: "io", detail: "no" };
    expect(page(2, 2)).toEqual({ ok: true, value: [] });
    expect(page(5, 2)).toEqual({ ok: true, value: [] });
  });

  it("does not read a batch again that the one before ended in, nor keep more than a block's", () => {
    const size = 18 * 55 * 1024;
    const chain = new TestChain();
    for (let n = 0; n < 6; n++) {
      const events = Array.from({ length: 18 }, (_, i) => put(`${n}/${i}`, 55 * 1024));
      chain.block({ by: "clerk", events });
    }
    expect(6 * size).toBeGreaterThan(LIMITS.blockBytesMax);
    const { page, batches } = readerOf(chain);
    const digests = digestsOf(chain);
    for (let from = 0; from < 6 * 18; from += 5) {
      const value = entriesOf(chain).slice(from, from + 5);
      expect(page(from, Math.min(from + 5, 6 * 18))).toEqual({ ok: true, value });
    }
    expect(batches).toEqual(digests);
    // The last four are kept; what is used again is kept longer than what is not.
    page(6 * 18 - 1, 6 * 18);
    page(2 * 18, 2 * 18 + 1);
    expect(batches).toHaveLength(6);
    page(0, 1);
    expect(batches).toHaveLength(7);
    page(2 * 18, 2 * 18 + 1);
    expect(batches).toHaveLength(7);
    page(3 * 18, 3 * 18 + 1);
    expect(batches.at(-1)).toBe(digests[3]);
  });

  it.each([
    ["io", "store.io"],
    ["corrupt", "store.corrupt"],
    ["closed", "store.io"],
  ] as const)("passes on a disk that is %s", (code, expected) => {
    const { page, state } = readerOf(chainOf(2));
    state.failure = { code, detail: "no" };
    expect(page(0, 1)).toMatchObject({ ok: false, code: expected });
  });
});

describe("a damaged log", () => {
  const corrupt = (index: number) => ({ ok: false, code: "store.corrupt", data: { index } });

  it("is refused with the index of the entry that cannot be told", () => {
    const damaged = (key: Uint8Array, value?: Uint8Array) => {
      const chain = chainOf(3, 1, 4);
      chain.store.apply([value === undefined ? { type: "del", key } : { type: "put", key, value }]);
      return readerOf(chain).page;
    };
    for (const value of [undefined, new Uint8Array(100)]) {
      expect(damaged(logBatchKey(0), value)(1, 5)).toMatchObject(corrupt(value ? 0 : 1));
      expect(damaged(logBatchKey(3), value)(1, 5)).toMatchObject(corrupt(3));
      expect(damaged(logBatchKey(3), value)(4, 5)).toMatchObject({ ok: true });
      expect(damaged(logBatchKey(4), value)(1, 5)).toMatchObject(corrupt(4));
      expect(damaged(logBatchKey(4), value)(5, 6)).toMatchObject(corrupt(value ? 4 : 5));
    }
    // What stood in an earlier version under this key: a leaf, which begins with one byte of version.
    const leaf = new Uint8Array(200).fill(1, 0, 1);
    expect(damaged(logBatchKey(0), leaf)(0, 1)).toMatchObject(corrupt(0));
    expect(damaged(new Uint8Array([...logBatchKey(0), 0]), leaf)(1, 2)).toMatchObject(corrupt(1));
    const beyond = new Uint8Array([...utf8("e/"), 0, 0, 0, 0, 0, 0, 0, 1]);
    expect(damaged(beyond, leaf)(1, 2)).toMatchObject(corrupt(1));
  });

  it("is refused where a batch is missing, and is read beside it", () => {
    const chain = chainOf(3, 1, 4);
    const digest = chain.inputs[1]?.batches[0]?.digest ?? new Uint8Array(32);
    chain.store.apply([{ type: "del", key: batchKey(digest) }]);
    const { page } = readerOf(chain);
    expect(page(0, 4)).toMatchObject(corrupt(3));
    expect(page(3, 4)).toMatchObject(corrupt(3));
    expect(page(0, 3)).toMatchObject({ ok: true });
    expect(page(4, 8)).toMatchObject({ ok: true });
  });
});
