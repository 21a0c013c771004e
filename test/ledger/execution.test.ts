import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "../../src/crypto/bytes.ts";
import { utf8 } from "../../src/crypto/codec.ts";
import { TetradError } from "../../src/errors.ts";
import { encodeEvent } from "../../src/ledger/event.ts";
import { defineEvent, field } from "../../src/ledger/event-schema.ts";
import { createExecutor } from "../../src/ledger/execution.ts";
import { logBatchKey, nodePrefix, tileKey } from "../../src/ledger/keys.ts";
import { decodeLeaf, encodeLeaf, hashLeaf, isRefusalCode } from "../../src/ledger/leaf.ts";
import { leafHash, logRoot } from "../../src/ledger/log-tree.ts";
import { defineProjection, own, type Projection, refuse } from "../../src/ledger/projection.ts";
import { actorPermissions, actors } from "../../src/ledger/projections/actors.ts";
import { actorRegistered, actorRevoked, recordPut } from "../../src/ledger/projections/events.ts";
import { recordAt } from "../../src/ledger/projections/records.ts";
import {
  decodeBatchLocation,
  decodeExecutionRecord,
  readBatchLocation,
  readExecution,
} from "../../src/ledger/records.ts";
import { createRegistry } from "../../src/ledger/registry.ts";
import { readRow } from "../../src/ledger/row.ts";
import { stateRoot } from "../../src/ledger/state-tree.ts";
import type { EncodedEvent } from "../../src/ledger/types.ts";
import { LIMITS } from "../../src/limits.ts";
import {
  ALL_PROJECTIONS,
  codesOf,
  genesis,
  hasher,
  idOf,
  keyOf,
  MapStore,
  runnerOptions,
  TestChain,
  testVerify,
} from "./execution-support.ts";

const put = (topic: string, key: string, body: string): EncodedEvent =>
  recordPut.encode({ topic, key, body: utf8(body) });

describe("execution", () => {
  it("gives the same bytes for the same blocks, on caches and without them", () => {
    const warm = new TestChain();
    const cold = new TestChain();
    for (let height = 1; height <= 12; height++) {
      const events = Array.from({ length: 40 }, (_, i) =>
        put("log", `k${(height * i) % 17}`, `${height}/${i}`),
      );
      const input = warm.input([
        { by: "clerk", events },
        { by: "root", events: events.slice(0, 3) },
      ]);
      cold.executor.dropCaches();
      const [a, b] = [warm.run(input), cold.run(input)];
      expect(b.ops).toEqual(a.ops);
      expect(b.roots).toEqual(a.roots);
      expect(b.entries).toEqual(a.entries);
    }
    expect(cold.store.dump()).toEqual(warm.store.dump());
  });

  it("stores leaves, tiles, rows, nodes, batch locations and a record that agree", () => {
    const chain = new TestChain();
    chain.block();
    const input = chain.input([
      { by: "clerk", events: [put("a", "k", "1"), put("a", "k", "2")] },
      { by: "reader", events: [put("a", "k", "3")] },
    ]);
    const execution = chain.run(input);
    expect(codesOf(execution)).toEqual(["accepted", "accepted", "event.forbidden"]);
    const { read } = chain.store;
    expect(readExecution(read, 2)).toEqual(execution.roots);
    expect(readExecution(read, 3)).toBeUndefined();
    expect(execution.roots).toMatchObject({ height: 2, firstIndex: 0, count: 3, logSize: 3 });
    expect(execution.roots.timeMs).toBe(input.header.timeMs);
    const second = input.batches[1];
    expect(second && readBatchLocation(read, second.id)).toEqual({
      height: 2,
      firstIndex: 2,
      count: 1,
      actor: idOf("reader"),
    });
    const leaves = execution.entries.map(encodeLeaf);
    for (const [index, leaf] of leaves.entries()) {
      expect(decodeLeaf(leaf)).toEqual({ ok: true, value: execution.entries[index] });
    }
    // One row a batch, whatever the number of its events.
    const log = [0, 1, 2].map((index) => read(logBatchKey(index)) !== undefined);
    expect(log).toEqual([true, false, true]);
    expect(read(tileKey(0, 0))).toEqual(new Uint8Array(Buffer.concat(leaves.map(leafHash))));
    expect(logRoot(read, 3)).toEqual(execution.roots.logRoot);
    for (const { name, root } of execution.roots.projections) {
      expect(stateRoot(hasher, nodePrefix(name), read)).toEqual(root);
    }
    expect(recordAt(read, "a", "k")).toMatchObject({ origin: 1, height: 2, body: utf8("2") });
  });

  it("gives no writes for a height that the store has recorded, and the same answer", () => {
    const chain = new TestChain();
    const before = chain.roots;
    const input = chain.input([{ by: "clerk", events: [put("a", "k", "1")] }]);
    const first = chain.run(input);
    const again = chain.executor.executeBlock(input, chain.store.read, before);
    expect(again.ops).toEqual([]);
    expect(again.roots).toEqual(first.roots);
    expect(again.entries).toEqual(first.entries);
    const restarted = createExecutor(runnerOptions());
    expect(restarted.executeBlock(input, chain.store.read, before).ops).toEqual([]);
  });

  it("executes again from the store when its writes were lost", () => {
    const [chain, model] = [new TestChain(), new TestChain()];
    const events = Array.from({ length: 300 }, (_, i) => put("t", `${i}`, "x"));
    const first = chain.input([{ by: "clerk", events }]);
    chain.run(first);
    model.run(first);
    const lost = chain.input([{ by: "clerk", events: [put("t", "lost", "y")] }]);
    chain.executor.executeBlock(lost, chain.store.read, chain.roots);
    expect(chain.run(lost)).toEqual(model.run(lost));
    expect(chain.store.dump()).toEqual(model.store.dump());
  });

  it("refuses what it does not know or may not be written, each with its code", () => {
    const chain = new TestChain();
    const unknownVersion = encodeEvent("record.put", 2, new Uint8Array());
    const events = [
      encodeEvent("no.such.type", 1, new Uint8Array()),
      unknownVersion,
      encodeEvent("record.put", 1, utf8("not a payload")),
      put("a", "k", "1"),
    ];
    expect(codesOf(chain.block({ by: "stranger", events }))).toEqual([
      "event.unknown-type",
      "event.unknown-type",
      "event.bad-payload",
      "event.unknown-actor",
    ]);
    const revoke = actorRevoked.encode({ actor: idOf("clerk") });
    expect(codesOf(chain.block({ by: "clerk", events: [revoke] }))).toEqual(["event.forbidden"]);
    expect(codesOf(chain.block({ by: "root", events: [revoke] }))).toEqual(["accepted"]);
    expect(codesOf(chain.block({ by: "clerk", events }))[3]).toBe("event.forbidden");
  });

  it("lets a change of permissions count from the next event of the same batch on", () => {
    const chain = new TestChain();
    const events = [
      put("a", "k", "1"),
      actorRevoked.encode({ actor: idOf("warden") }),
      put("a", "k", "2"),
    ];
    expect(codesOf(chain.block({ by: "warden", events }))).toEqual([
      "accepted",
      "accepted",
      "event.forbidden",
    ]);
    expect(recordAt(chain.store.read, "a", "k")?.body).toEqual(utf8("1"));
  });

  it("commits to the writes of an accepted event, and to none of a refused one", () => {
    const chain = new TestChain();
    const { entries } = chain.block(
      { by: "clerk", events: [put("a", "k", "1"), put("a", "k", "1"), put("a", "k", "2")] },
      { by: "reader", events: [put("a", "k", "1")] },
    );
    const hashes = entries.map((entry) => toHex(entry.effectsHash));
    expect(hashes[1]).toBe(hashes[0]);
    expect(hashes[2]).not.toBe(hashes[0]);
    expect(hashes[3]).toBe(toHex(hasher.ht("effects")));
  });

  it("keeps what an owner's refusal leaves behind, and the refusal", () => {
    const key = utf8("tries");
    const counted: Projection = defineProjection({
      name: "counted",
      schemaVersion: 1,
      owns: [
        own(defineEvent({ type: "counted.try", version: 1, fields: [field.bool("right")] }), {
          decide: (read, { right }) => {
            if (read.get(key) !== undefined) return refuse("counted.over", "one try");
            return right ? undefined : refuse("counted.wrong", "a wrong try");
          },
          apply: () => undefined,
          refused: (tx, _, { actor }, { code }) => {
            if (code === "counted.wrong") tx.put(key, actor);
          },
        }),
      ],
    });
    const definition = counted.owns[0]?.definition;
    const tried = (right: boolean) => definition?.encode({ right }) ?? put("a", "k", "not there");
    const chain = new TestChain(runnerOptions([...ALL_PROJECTIONS, counted]));
    const events = [tried(true), tried(false), tried(true)];
    const execution = chain.block({ by: "root", events });
    expect(codesOf(execution)).toEqual(["accepted", "counted.wrong", "counted.over"]);
    const none = toHex(hasher.ht("effects"));
    const hashes = execution.entries.map((entry) => toHex(entry.effectsHash) === none);
    expect(hashes).toEqual([true, false, true]);
    expect(readRow(chain.store.read, "counted", key)).toEqual({ origin: 1, value: idOf("root") });
  });

  it("keeps the roots of a block without events", () => {
    const chain = new TestChain();
    chain.block({ by: "clerk", events: [put("a", "k", "1")] });
    const before = chain.roots;
    const { roots, ops } = chain.block();
    expect(roots).toMatchObject({
      height: 2,
      firstIndex: 1,
      count: 0,
      logSize: before.logSize,
      logRoot: before.logRoot,
      stateRoot: before.stateRoot,
      projections: before.projections,
    });
    expect(ops).toHaveLength(1);
  });

  it("refuses a height that does not follow, and roots of other projections", () => {
    const chain = new TestChain();
    const input = chain.input([], 2);
    expect(() => chain.executor.executeBlock(input, chain.store.read, chain.roots)).toThrow(
      RangeError,
    );
    const fewer = { ...chain.roots, projections: chain.roots.projections.slice(1) };
    const next = chain.input([]);
    expect(() => chain.executor.executeBlock(next, chain.store.read, fewer)).toThrow(TetradError);
  });

  it("reports log tiles that do not give the recorded root", () => {
    const chain = new TestChain();
    chain.block({ by: "clerk", events: [put("a", "k", "1")] });
    chain.store.apply([{ type: "put", key: tileKey(0, 0), value: new Uint8Array(32) }]);
    const restarted = createExecutor(runnerOptions());
    expect(() => restarted.executeBlock(chain.input([]), chain.store.read, chain.roots)).toThrow(
      "log tiles",
    );
  });
});

const shout = defineEvent({ type: "test.shout", version: 1, fields: [field.u32("count")] });

/** A projection that breaks its contract in the way that the event asks for. */
const broken = defineProjection({
  name: "broken",
  schemaVersion: 1,
  owns: [
    own(shout, {
      decide: (_read, { count }) => {
        if (count === 1) throw new Error("a bug in decide");
        return count === 2 ? refuse("Not A Code", "") : undefined;
      },
      apply: (tx, { count }) => {
        const key = Uint8Array.of(1);
        if (count === 3) throw new Error("a bug in apply");
        if (count === 4) tx.put(new Uint8Array(LIMITS.rowKeyBytesMax + 1), key);
        if (count === 5) tx.put(key, new Uint8Array(LIMITS.rowValueBytesMax + 1));
        if (count === 6) tx.put(new Uint8Array(0), key);
        if (count === 7) tx.put(new Uint8Array(LIMITS.rowKeyBytesMax), key);
        if (count === 8) tx.put(key, new Uint8Array(LIMITS.rowValueBytesMax));
        if (count < 100) return;
        for (let i = 0; i < count - 100; i++) tx.put(Uint8Array.of(2, i), key);
      },
    }),
  ],
});

describe("a projection that breaks its contract", () => {
  const projections = [actors, broken];
  const chain = () => new TestChain({ ...runnerOptions(projections) });
  const event = (count: number) => ({ by: "root", events: [shout.encode({ count })] });

  it.each([1, 2, 3, 4, 5, 6, 100 + LIMITS.rowWritesPerEventMax + 1])(
    "halts the replica, naming itself (%i)",
    (count) => {
      const one = chain();
      const input = one.input([event(count)]);
      const run = () => one.run(input);
      expect(run).toThrow(TetradError);
      try {
        run();
      } catch (error) {
        expect(error).toMatchObject({
          code: "internal",
          data: { projection: "broken", type: "test.shout", height: 1, index: 0 },
        });
      }
      // Nothing of the failed block stays behind in the executor.
      const next = one.input([event(7)]);
      expect(one.run(next)).toEqual(chain().run(next));
    },
  );

  it.each([7, 8, 100 + LIMITS.rowWritesPerEventMax])("passes at the limits (%i)", (count) => {
    expect(codesOf(chain().block(event(count)))).toEqual(["accepted"]);
  });

  it("is not called for a store that fails: that failure passes as it is", () => {
    const one = chain();
    const failing = () => {
      throw new TetradError("store.corrupt", "a damaged file");
    };
    const input = one.input([event(0)]);
    expect(() => one.executor.executeBlock(input, failing, one.roots)).toThrow("a damaged file");
  });
});

describe("createExecutor", () => {
  const options = runnerOptions([actors]);
  it("refuses projections and registries that do not fit", () => {
    const other = defineProjection({ ...broken, name: "other" });
    const wrong =
      (projections: readonly (typeof actors)[], registry = options.registry) =>
      () =>
        createExecutor({ ...options, projections, registry });
    expect(wrong([actors, actors])).toThrow("share a name");
    const both = createRegistry([shout, ...actors.owns.map((one) => one.definition)]);
    expect(wrong([actors, broken, other], both)).toThrow("two owners");
    expect(wrong([actors], both)).toThrow("no projection owns test.shout");
    expect(wrong([actors, broken])).toThrow("not the newest");
    const deaf = defineProjection({
      ...broken,
      owns: [],
      listens: [{ type: "nobody.said.it", apply: () => {} }],
    });
    expect(wrong([actors, deaf])).toThrow("which is listened to");
    expect(() =>
      createExecutor({
        ...options,
        permissions: { ...actorPermissions, projection: "nowhere" },
        verifySignature: testVerify,
      }),
    ).toThrow("no projection nowhere");
  });
});

describe("leaf", () => {
  const fields = {
    index: 2 ** 53 - 1,
    height: 7,
    batchId: new Uint8Array(32).fill(1),
    position: 1023,
    outcome: { kind: "accepted" },
    effectsHash: new Uint8Array(32).fill(2),
  } as const;
  const largest = encodeEvent(
    "record.put",
    1,
    new Uint8Array(LIMITS.eventBytesMax - 8 - "record.put".length),
  );
  const code = `event.${"x".repeat(LIMITS.refusalCodeBytesMax - 6)}`;

  it("holds the largest event with the longest code within the limit", () => {
    const outcome = { kind: "refused", code } as const;
    const leaf = encodeLeaf({ ...fields, outcome, event: largest });
    expect(leaf.length).toBeLessThanOrEqual(LIMITS.leafBytesMax);
    expect(hashLeaf({ ...fields, outcome, event: largest })).toEqual(leafHash(leaf));
    const decoded = decodeLeaf(leaf);
    expect(decoded.ok && decoded.value.outcome).toEqual({ kind: "refused", code });
    expect(decoded.ok && decoded.value.event.bytes).toEqual(largest.bytes);
  });

  it("is never longer than a bundle entry may be", () => {
    const event = { bytes: new Uint8Array(LIMITS.leafBytesMax - 88) };
    expect(encodeLeaf({ ...fields, event }).length).toBe(LIMITS.leafBytesMax);
    const longer = { bytes: new Uint8Array(LIMITS.leafBytesMax - 87) };
    expect(() => encodeLeaf({ ...fields, event: longer })).toThrow(RangeError);
    expect(() => hashLeaf({ ...fields, event: longer })).toThrow(RangeError);
    const decoded = decodeLeaf(new Uint8Array(LIMITS.leafBytesMax + 1).fill(1));
    expect(decoded).toMatchObject({ ok: false, code: "encoding.malformed" });
  });

  it("has one encoding: every other version, outcome or code is refused", () => {
    const bytes = encodeLeaf({ ...fields, event: put("a", "k", "1") });
    const changed = (at: number, value: number) => {
      const copy = bytes.slice();
      copy[at] = value;
      return decodeLeaf(copy);
    };
    expect(decodeLeaf(bytes).ok).toBe(true);
    expect(changed(0, 2)).toMatchObject({ code: "encoding.version" });
    // Refused without a code, and an outcome that there is none of.
    expect(changed(53, 1)).toMatchObject({ code: "encoding.malformed" });
    expect(changed(53, 2)).toMatchObject({ code: "encoding.malformed" });
    const refused = encodeLeaf({
      ...fields,
      outcome: { kind: "refused", code: "event.conflict" },
      event: put("a", "k", "1"),
    });
    refused[53] = 0;
    expect(decodeLeaf(refused)).toMatchObject({ code: "encoding.malformed" });
  });

  it("survives any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const decoded = decodeLeaf(bytes);
        if (decoded.ok) expect(encodeLeaf(decoded.value)).toEqual(bytes);
      }),
    );
    const bytes = encodeLeaf({ ...fields, event: put("a", "k", "1") });
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const copy = bytes.slice();
        copy[at] = (copy[at] ?? 0) ^ flip;
        const decoded = decodeLeaf(copy);
        if (decoded.ok) expect(encodeLeaf(decoded.value)).toEqual(copy);
      }),
    );
  });

  it("knows which texts are codes", () => {
    expect(isRefusalCode(code)).toBe(true);
    for (const wrong of [`${code}x`, "", "conflict", "event.", "Event.x", "event.é", "a..b"]) {
      expect(isRefusalCode(wrong)).toBe(false);
    }
  });
});

describe("execution records", () => {
  it("survive any bytes", () => {
    const store = new MapStore();
    const { roots } = createExecutor(runnerOptions()).executeGenesis(genesis);
    expect(store.read(logBatchKey(0))).toBeUndefined();
    expect(roots.height).toBe(0);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        for (const decode of [decodeExecutionRecord, decodeBatchLocation]) {
          const decoded = decode(bytes);
          if (!decoded.ok) expect(decoded.code).toMatch(/^encoding\./);
        }
      }),
    );
  });

  it("name the height when they are damaged", () => {
    const chain = new TestChain();
    chain.block();
    for (const [key, value] of chain.store.rows) {
      if (key.startsWith(Buffer.from("x/").toString("hex"))) {
        chain.store.rows.set(key, value.subarray(0, 20));
      }
    }
    expect(() => readExecution(chain.store.read, 1)).toThrow("height 1");
  });
});

describe("registered actors", () => {
  it("may write from the block after, with the permissions that they were given", () => {
    const chain = new TestChain();
    const event = actorRegistered.encode({
      publicKey: keyOf("new"),
      name: "new",
      permissions: ["record.*"],
    });
    expect(codesOf(chain.block({ by: "warden", events: [event] }))).toEqual(["accepted"]);
    expect(codesOf(chain.block({ by: "new", events: [put("a", "b", "c"), event] }))).toEqual([
      "accepted",
      "event.forbidden",
    ]);
  });
});
