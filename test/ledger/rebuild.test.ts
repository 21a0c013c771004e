import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ZERO_HASH } from "../../src/crypto/bytes.ts";
import { utf8 } from "../../src/crypto/codec.ts";
import type { Result } from "../../src/errors.ts";
import {
  batchIndexKey,
  batchKey,
  executionKey,
  logBatchKey,
  rowKey,
} from "../../src/ledger/keys.ts";
import { encodeLogBatch } from "../../src/ledger/log-batch.ts";
import { defineProjection, own } from "../../src/ledger/projection.ts";
import { actorRevoked, recordPut } from "../../src/ledger/projections/events.ts";
import { records } from "../../src/ledger/projections/records.ts";
import {
  type RebuildReport,
  rebuildPending,
  rebuildProjections,
  runRebuild,
} from "../../src/ledger/rebuild.ts";
import { encodeBatchLocation } from "../../src/ledger/records.ts";
import { createMemoryStore } from "../../src/ledger/store/memory.ts";
import { LIMITS } from "../../src/limits.ts";
import { ALL_PROJECTIONS, genesis, idOf, runnerOptions, TestChain } from "./execution-support.ts";
import { answer } from "./rebuild-support.ts";

const chainOf = (blocks: number, perBlock = 5): TestChain => {
  const chain = new TestChain();
  for (let b = 0; b < blocks; b++) {
    const events = Array.from({ length: perBlock }, (_, i) =>
      recordPut.encode({ topic: "t", key: `k${(b * i) % 7}`, body: utf8(`${b}/${i}`) }),
    );
    if (b % 3 === 2) chain.block();
    else chain.block({ by: "clerk", events }, { by: "reader", events: events.slice(0, 1) });
  }
  return chain;
};

const rebuildOf = (chain: TestChain, runner = runnerOptions()) =>
  rebuildProjections({ runner, genesis, read: chain.store.read });

describe("rebuild", () => {
  it("makes the same bytes again and tells its progress", () => {
    const chain = chainOf(20);
    const before = chain.store.dump();
    const seen: [number, number][] = [];
    const rebuild = rebuildProjections({
      runner: runnerOptions(),
      genesis,
      read: chain.store.read,
      onProgress: (done, total) => seen.push([done, total]),
    });
    expect(answer(chain.store, rebuild)).toEqual({
      ok: true,
      value: { height: 20, events: chain.roots.logSize },
    });
    expect(chain.store.dump()).toEqual(before);
    expect(seen).toHaveLength(20);
    expect(seen.at(-1)).toEqual([chain.roots.logSize, chain.roots.logSize]);
    expect(rebuildPending(chain.store.read)).toBe(false);
  });

  it("restores rows that were damaged, lost or added", () => {
    const chain = chainOf(8);
    const before = chain.store.dump();
    chain.store.apply([
      { type: "put", key: rowKey("actors", idOf("clerk")), value: utf8("damaged") },
      { type: "del", key: rowKey("actors", idOf("root")) },
      { type: "put", key: rowKey("records", utf8("made up")), value: utf8("xxxxxxxxx") },
    ]);
    expect(answer(chain.store, rebuildOf(chain))?.ok).toBe(true);
    expect(chain.store.dump()).toEqual(before);
  });

  it("may be stopped anywhere, is then pending, and ends the same when it is run again", () => {
    const intact = chainOf(6);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 25 }), (requests) => {
        const chain = chainOf(6);
        let left = requests;
        const result = answer(chain.store, rebuildOf(chain), () => left-- === 0);
        // Requests 0 and 1 are the search for the last height and the mark itself.
        if (result === undefined) expect(rebuildPending(chain.store.read)).toBe(requests > 1);
        expect(answer(chain.store, rebuildOf(chain))?.ok).toBe(true);
        expect(chain.store.dump()).toEqual(intact.store.dump());
      }),
      { numRuns: 30 },
    );
  });

  it("names the first projection that comes out differently, and the height", () => {
    const chain = chainOf(8);
    const other = defineProjection({
      ...records,
      owns: [
        own(recordPut, {
          apply: (tx, { key }, { height }) => tx.put(utf8(key), Uint8Array.of(height)),
        }),
      ],
    });
    const projections = ALL_PROJECTIONS.map((one) => (one === records ? other : one));
    expect(answer(chain.store, rebuildOf(chain, runnerOptions(projections)))).toMatchObject({
      ok: false,
      code: "state.mismatch",
      data: { height: 1, projection: "records" },
    });
    expect(rebuildPending(chain.store.read)).toBe(true);
  });

  it("names a projection of another schema version or one that is new or gone", () => {
    const newer = defineProjection({ ...records, schemaVersion: 2 });
    const extra = defineProjection({ name: "extra", schemaVersion: 1, owns: [] });
    const changes = [
      [ALL_PROJECTIONS.map((one) => (one === records ? newer : one)), "records"],
      [[...ALL_PROJECTIONS, extra], "extra"],
      [ALL_PROJECTIONS.filter((one) => one.name !== "assets"), "quarantine"],
    ] as const;
    for (const [projections, projection] of changes) {
      const chain = chainOf(3);
      expect(answer(chain.store, rebuildOf(chain, runnerOptions(projections)))).toMatchObject({
        code: "state.mismatch",
        data: { height: 0, projection },
      });
    }
  });

  it("names the log where a recorded outcome or the effects of an event were changed", () => {
    const chain = chainOf(8);
    const record = chain.store.read(logBatchKey(0))?.slice() ?? new Uint8Array();
    // The last byte is of the effects of the batch's last event.
    record[record.length - 1] = (record.at(-1) ?? 0) ^ 1;
    chain.store.apply([{ type: "put", key: logBatchKey(0), value: record }]);
    expect(answer(chain.store, rebuildOf(chain))).toMatchObject({
      code: "state.mismatch",
      data: { height: 1, projection: "log", index: 4 },
    });
    const refused = chainOf(8);
    const entry = refused.executions[0]?.entries.find(({ outcome }) => outcome.kind === "refused");
    const digest = refused.inputs[0]?.batches[1]?.digest ?? new Uint8Array();
    if (entry === undefined) throw new Error("nothing was refused");
    const value = encodeLogBatch(digest, [{ ...entry, outcome: { kind: "accepted" } }]);
    refused.store.apply([{ type: "put", key: logBatchKey(entry.index), value }]);
    expect(answer(refused.store, rebuildOf(refused))).toMatchObject({
      code: "state.mismatch",
      data: { height: 1, projection: "log", index: 5 },
    });
  });

  it("refuses a batch whose bytes were changed", () => {
    const chain = chainOf(8);
    const batch = chain.inputs[0]?.batches[0];
    const bytes = batch?.bytes.slice() ?? new Uint8Array();
    // Of the body of an event: it still decodes, and means another record.
    const at = bytes.length - 1 - 4 - LIMITS.falconSignatureBytes - 1 - 1;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    const key = batchKey(batch?.digest ?? new Uint8Array());
    chain.store.apply([{ type: "put", key, value: bytes }]);
    expect(answer(chain.store, rebuildOf(chain))).toMatchObject({
      code: "store.corrupt",
      data: { index: 0 },
    });
  });

  it.each([
    ["a record of the log", () => logBatchKey(5)],
    ["an execution record", () => executionKey(3)],
    ["a batch", (chain: TestChain) => batchKey(chain.inputs[0]?.batches[1]?.digest ?? ZERO_HASH)],
  ])("reports %s that is missing", (_what, keyOf) => {
    const chain = chainOf(8);
    chain.store.apply([{ type: "del", key: keyOf(chain) }]);
    expect(answer(chain.store, rebuildOf(chain))).toMatchObject({ code: "store.corrupt" });
  });

  it("reports a batch without a location or with another, and a store that was never executed", () => {
    const chain = chainOf(2);
    const batchId = chain.executions[0]?.entries[0]?.batchId ?? new Uint8Array(32);
    const key = batchIndexKey(batchId);
    const elsewhere = { height: 1, firstIndex: 1, count: 5, actor: idOf("clerk") };
    chain.store.apply([{ type: "put", key, value: encodeBatchLocation(elsewhere) }]);
    const corrupt = { code: "store.corrupt", data: { index: 0 } };
    expect(answer(chain.store, rebuildOf(chain))).toMatchObject(corrupt);
    chain.store.apply([{ type: "del", key }]);
    expect(answer(chain.store, rebuildOf(chain))).toMatchObject(corrupt);
    const empty = chainOf(0);
    empty.store.rows.clear();
    expect(answer(empty.store, rebuildOf(empty))).toMatchObject({ code: "store.corrupt" });
    expect(rebuildPending(empty.store.read)).toBe(false);
  });
});

describe("runRebuild", () => {
  const rebuilt = (store: ReturnType<typeof createMemoryStore>): Promise<Result<RebuildReport>> =>
    new Promise((resolve) => runRebuild(store, { runner: runnerOptions(), genesis }, resolve));

  it("rebuilds a store that answers later", async () => {
    const chain = chainOf(10);
    chain.block({ by: "root", events: [actorRevoked.encode({ actor: idOf("clerk") })] });
    const store = createMemoryStore();
    const ops = chain.store.dump().map(([key, value]) => ({
      type: "put" as const,
      key: new Uint8Array(Buffer.from(key, "hex")),
      value: new Uint8Array(Buffer.from(value, "hex")),
    }));
    await new Promise((resolve) => store.write(ops, { sync: true }, resolve));
    const value = { height: 11, events: chain.roots.logSize };
    expect(await rebuilt(store)).toEqual({ ok: true, value });
    for (const { key, value: bytes } of ops) expect(store.get(key)).toEqual(bytes);
  });

  it("rebuilds a store that answers at once, however many heights there are", () => {
    const chain = chainOf(2000, 1);
    const before = chain.store.dump();
    let result: Result<RebuildReport> | undefined;
    const inMemory = createMemoryStore();
    const ops = before.map(([key, value]) => ({
      type: "put" as const,
      key: new Uint8Array(Buffer.from(key, "hex")),
      value: new Uint8Array(Buffer.from(value, "hex")),
    }));
    inMemory.write(ops, { sync: true }, () => {});
    const sorted = ops.toSorted((a, b) => Buffer.compare(a.key, b.key));
    const deleted = new Set<string>();
    runRebuild(
      {
        ...inMemory,
        write: (list, options, done) => {
          for (const op of list) if (op.type === "del") deleted.add(Buffer.from(op.key).toString());
          inMemory.write(list, options, () => {});
          done();
        },
        range: ({ gte, lt, limit, reverse }, done) => {
          const inside = sorted.filter(
            ({ key }) =>
              Buffer.compare(key, gte) >= 0 &&
              Buffer.compare(key, lt) < 0 &&
              !deleted.has(Buffer.from(key).toString()),
          );
          if (reverse === true) inside.reverse();
          done(
            undefined,
            inside.slice(0, limit).map(({ key, value }) => [key, value] as const),
          );
        },
      },
      { runner: runnerOptions(), genesis },
      (outcome) => {
        result = outcome;
      },
    );
    expect(result).toMatchObject({ ok: true, value: { height: 2000 } });
  });

  it.each([
    ["full", "store.full"],
    ["corrupt", "store.corrupt"],
    ["io", "store.io"],
    ["closed", "store.io"],
  ] as const)("passes on a disk that is %s", async (code, expected) => {
    const chain = chainOf(1);
    const store = createMemoryStore();
    const ops = chain.store.dump().map(([key, value]) => ({
      type: "put" as const,
      key: new Uint8Array(Buffer.from(key, "hex")),
      value: new Uint8Array(Buffer.from(value, "hex")),
    }));
    await new Promise((resolve) => store.write(ops, { sync: true }, resolve));
    const result = await rebuilt({
      ...store,
      write: (_ops, _options, done) => done({ code, detail: "no" }),
    });
    expect(result).toMatchObject({ ok: false, code: expected });
  });
});
