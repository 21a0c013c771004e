import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareBytes, toHex } from "../../src/crypto/bytes.ts";
import { DecodeError, utf8 } from "../../src/crypto/codec.ts";
import { defineEvent, field } from "../../src/ledger/event-schema.ts";
import * as keys from "../../src/ledger/keys.ts";
import {
  defineProjection,
  listen,
  listenTo,
  own,
  type Projection,
} from "../../src/ledger/projection.ts";
import { actors } from "../../src/ledger/projections/actors.ts";
import { recordPut } from "../../src/ledger/projections/events.ts";
import { records } from "../../src/ledger/projections/records.ts";
import {
  decodeRow,
  encodeRow,
  hashPart,
  KeyReader,
  keyOf,
  keyOfTexts,
  readRow,
  tagPart,
  textPart,
  u64Part,
} from "../../src/ledger/row.ts";
import { LIMITS } from "../../src/limits.ts";
import { seatLeft, seats, seatTaken } from "./example-projection.ts";
import { codesOf, genesis, idOf, runnerOptions, TestChain } from "./execution-support.ts";
import { projectionContract } from "./projection-contract.ts";

const taken = (room: string, seat: number) => seatTaken.encode({ room, seat });
const left = (room: string, seat: number) => seatLeft.encode({ room, seat });

describe("docs/projections.md", () => {
  const page = readFileSync(new URL("../../docs/projections.md", import.meta.url), "utf8");

  it("shows the example as it is", () => {
    const source = readFileSync(new URL("./example-projection.ts", import.meta.url), "utf8");
    const [, shown] = /```ts\n([\s\S]*?)```/.exec(page) ?? [];
    expect(shown).toBe(source);
  });

  it("states the limits as they are", () => {
    expect(page).toContain(`1 to ${LIMITS.rowKeyBytesMax} bytes`);
    expect(page).toContain(`at most ${LIMITS.rowValueBytesMax / 1024} KiB`);
    expect(page).toContain(`at most ${LIMITS.rowWritesPerEventMax} writes`);
  });

  it("has an example that does what the page says", () => {
    const chain = new TestChain(runnerOptions([actors, seats]));
    const execution = chain.block(
      { by: "root", events: [taken("hall", 1), taken("hall", 1), left("hall", 2)] },
      { by: "clerk", events: [taken("hall", 2)] },
    );
    expect(codesOf(execution)).toEqual([
      "accepted",
      "event.conflict",
      "event.conflict",
      "event.forbidden",
    ]);
    const key = keyOf(textPart("hall"), u64Part(1));
    const row = readRow(chain.store.read, "seats", key);
    expect(row?.origin).toBe(0);
    expect(seats.format?.(key, row?.value ?? new Uint8Array())).toEqual({
      room: "hall",
      seat: 1,
      actor: toHex(idOf("root")),
      sinceMs: genesis.timeMs + 250,
    });
    chain.block({ by: "root", events: [left("hall", 1)] });
    expect(readRow(chain.store.read, "seats", key)).toBeUndefined();
  });
});

projectionContract({
  projection: seats,
  projections: [actors, seats],
  events: fc.record({
    by: fc.constantFrom("root", "clerk"),
    event: fc
      .tuple(fc.constantFrom("hall", "attic"), fc.nat(2), fc.boolean())
      .map(([room, seat, leaving]) => (leaving ? left(room, seat) : taken(room, seat))),
  }),
});

describe("defineProjection", () => {
  const event = defineEvent({ type: "test.happened", version: 1, fields: [field.u8("n")] });
  const base = { name: "test", schemaVersion: 1, owns: [] };

  it("refuses malformed names, versions and types named twice", () => {
    for (const name of ["", "Test", "a/b", "a-", "1a", "a".repeat(LIMITS.nameBytesMax + 1)]) {
      expect(() => defineProjection({ ...base, name })).toThrow(RangeError);
    }
    for (const schemaVersion of [0, 0x1_0000, 1.5]) {
      expect(() => defineProjection({ ...base, schemaVersion })).toThrow(RangeError);
    }
    const apply = () => {};
    const owns = [own(event, { apply })];
    expect(() => defineProjection({ ...base, owns: [...owns, ...owns] })).toThrow("twice");
    expect(() => defineProjection({ ...base, owns, listens: [listen(event, apply)] })).toThrow(
      "twice",
    );
    expect(defineProjection({ ...base, name: "a-b-2", owns }).listens).toEqual([]);
  });

  it("tells listeners of accepted events, after the owner, in the order of registration", () => {
    const heard: string[] = [];
    const listener = (name: string): Projection =>
      defineProjection({
        name,
        schemaVersion: 1,
        owns: [],
        listens: [
          listen(recordPut, (tx, { key }, { index }) => {
            heard.push(`${name} ${index} ${key}`);
            tx.put(utf8(key), Uint8Array.of(1));
          }),
        ],
      });
    const byName = defineProjection({
      name: "by-name",
      schemaVersion: 1,
      owns: [],
      listens: [listenTo("record.put", (_tx, value) => heard.push(`by-name ${typeof value}`))],
    });
    const projections = [listener("first"), actors, records, listener("second"), byName];
    const chain = new TestChain(runnerOptions(projections));
    const put = (key: string) => recordPut.encode({ topic: "t", key, body: utf8("") });
    chain.block({ by: "reader", events: [put("no")] }, { by: "clerk", events: [put("yes")] });
    expect(heard).toEqual(["first 1 yes", "second 1 yes", "by-name object"]);
    expect(readRow(chain.store.read, "second", utf8("yes"))?.origin).toBe(1);
    // A listener cannot make up for a missing permission to write: rows come from `apply` only.
    expect(readRow(chain.store.read, "first", utf8("no"))).toBeUndefined();
  });

  it("lets later reads of a block see earlier writes and deletions", () => {
    const seen: (string | undefined)[] = [];
    const key = utf8("k");
    const step = defineProjection({
      name: "step",
      schemaVersion: 1,
      owns: [
        own(event, {
          decide: (read) => {
            seen.push(read.get(key)?.join());
            return undefined;
          },
          apply: (tx, { n }) => {
            if (n === 0) tx.del(key);
            else tx.put(key, Uint8Array.of(n));
            seen.push(tx.get(key)?.join());
          },
        }),
      ],
    });
    const chain = new TestChain(runnerOptions([actors, step]));
    const events = [1, 2, 0, 3].map((n) => event.encode({ n }));
    chain.block({ by: "root", events });
    chain.block({ by: "root", events: [event.encode({ n: 0 })] });
    expect(seen).toEqual([
      undefined,
      "1",
      "1",
      "2",
      "2",
      undefined,
      undefined,
      "3",
      "3",
      undefined,
    ]);
    expect(readRow(chain.store.read, "step", key)).toBeUndefined();
  });
});

describe("row keys", () => {
  const text = fc.string({ unit: "binary", maxLength: 6 }).filter((one) => one.isWellFormed());
  const number = fc.maxSafeNat();

  it("come apart into what they were made of", () => {
    fc.assert(
      fc.property(
        text,
        number,
        fc.nat(255),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        (t, n, tag, hash) => {
          const reader = new KeyReader(
            keyOf(tagPart(tag), textPart(t), hashPart(hash), u64Part(n)),
          );
          expect([reader.tag(), reader.text(), reader.hash(), reader.u64()]).toEqual([
            tag,
            t,
            hash,
            n,
          ]);
          expect(() => reader.end()).not.toThrow();
        },
      ),
    );
  });

  it("are the same of texts in one array", () => {
    const any = fc.oneof(text, fc.string({ maxLength: 300 }));
    fc.assert(
      fc.property(fc.array(any, { minLength: 1, maxLength: 3 }), (texts) => {
        expect(keyOfTexts(...texts)).toEqual(keyOf(...texts.map(textPart)));
      }),
    );
  });

  it("sort like their parts, and differ where these do", () => {
    const order = (a: string, b: string) => compareBytes(utf8(a), utf8(b));
    fc.assert(
      fc.property(text, number, text, number, (t1, n1, t2, n2) => {
        const by = compareBytes(keyOf(textPart(t1), u64Part(n1)), keyOf(textPart(t2), u64Part(n2)));
        expect(Math.sign(by)).toBe(Math.sign(order(t1, t2)) || Math.sign(n1 - n2));
        const two = compareBytes(
          keyOf(textPart(t1), textPart(t2)),
          keyOf(textPart(t2), textPart(t1)),
        );
        expect(Math.sign(two)).toBe(Math.sign(order(t1, t2)));
      }),
    );
  });

  it("refuse parts that are none, and bytes that are no parts", () => {
    expect(() => u64Part(-1)).toThrow(RangeError);
    expect(() => u64Part(2 ** 53)).toThrow(RangeError);
    expect(() => tagPart(256)).toThrow(RangeError);
    expect(() => hashPart(new Uint8Array(31))).toThrow(RangeError);
    expect(() => new KeyReader(new Uint8Array(7)).u64()).toThrow(DecodeError);
    expect(() => new KeyReader(new Uint8Array(8).fill(255)).u64()).toThrow(DecodeError);
    expect(() => new KeyReader(Uint8Array.of(65)).text()).toThrow(DecodeError);
    expect(() => new KeyReader(Uint8Array.of(0, 7)).text()).toThrow(DecodeError);
    expect(() => new KeyReader(Uint8Array.of(0xff, 0, 0)).text()).toThrow(DecodeError);
    expect(() => new KeyReader(Uint8Array.of(1)).end()).toThrow(DecodeError);
  });
});

describe("stored rows", () => {
  it("remember their origin", () => {
    const value = utf8("value");
    expect(decodeRow(encodeRow(2 ** 40 + 3, value))).toEqual({ origin: 2 ** 40 + 3, value });
    expect(() => decodeRow(new Uint8Array(7))).toThrow(DecodeError);
    expect(() => readRow(() => new Uint8Array(7), "records", value)).toThrow("without an origin");
  });
});

describe("the key space", () => {
  const hash = new Uint8Array(32).fill(0xff);
  it("keeps areas apart and numbers in order", () => {
    const all = [
      keys.blockKey(hash),
      keys.heightKey(1),
      keys.pointKey(1),
      keys.batchKey(hash),
      keys.laneKey(hash),
      keys.certificateKey(1, 2, 3),
      keys.validatorSetKey(1),
      keys.logBatchKey(1),
      keys.tileKey(0, 1),
      keys.batchIndexKey(hash),
      keys.executionKey(1),
      keys.rowKey("records", hash),
      keys.nodePrefix("records"),
      keys.metaKey("name"),
    ];
    const areas = ["b", "h", "v", "d", "l", "c", "s", "e", "t", "i", "x", "r", "n", "m"] as const;
    for (const [at, area] of areas.entries()) {
      const { gte, lt } = keys.rangeOfArea(area);
      for (const [other, key] of all.entries()) {
        const inside = compareBytes(key, gte) >= 0 && compareBytes(key, lt) < 0;
        expect(inside).toBe(at === other);
      }
    }
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (a, b) => {
        expect(Math.sign(compareBytes(keys.logBatchKey(a), keys.logBatchKey(b)))).toBe(
          Math.sign(a - b),
        );
      }),
    );
  });

  it("has ranges of exactly what begins with a prefix", () => {
    const some = fc.uint8Array({ minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(some, some, (prefix, key) => {
        fc.pre(prefix.some((byte) => byte !== 0xff));
        const { gte, lt } = keys.rangeOfPrefix(prefix);
        const inside = compareBytes(key, gte) >= 0 && compareBytes(key, lt) < 0;
        expect(inside).toBe(toHex(key).startsWith(toHex(prefix)));
      }),
    );
    expect(() => keys.rangeOfPrefix(Uint8Array.of(0xff))).toThrow(RangeError);
    expect(() => keys.rowPrefix("a/b")).toThrow(RangeError);
    expect(() => keys.logBatchKey(-1)).toThrow(RangeError);
    expect(() => keys.blockKey(new Uint8Array(31))).toThrow(RangeError);
  });
});
