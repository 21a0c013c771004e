import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex as hex, toHex } from "../../src/crypto/bytes.ts";
import { utf8 } from "../../src/crypto/codec.ts";
import { rowKey } from "../../src/ledger/keys.ts";
import { actorAt, actorKeyAt, actors, mayWrite } from "../../src/ledger/projections/actors.ts";
import { actorRegistered, actorRevoked, recordPut } from "../../src/ledger/projections/events.ts";
import {
  anyCovers,
  canonical,
  covers,
  isCanonical,
  isPermission,
} from "../../src/ledger/projections/permissions.ts";
import {
  recordAt,
  recordKey,
  records,
  recordTopicPrefix,
} from "../../src/ledger/projections/records.ts";
import {
  nextValidatorSet,
  validatorAt,
  validators,
} from "../../src/ledger/projections/validators.ts";
import { createValidatorSet } from "../../src/ledger/validator-set.ts";
import { LIMITS } from "../../src/limits.ts";
import {
  ALL_PROJECTIONS,
  codesOf,
  genesis,
  hasher,
  idOf,
  keyOf,
  runnerOptions,
  TestChain,
  VALIDATOR_NAMES,
} from "./execution-support.ts";
import { projectionContract } from "./projection-contract.ts";

const register = (name: string, ...permissions: string[]) =>
  actorRegistered.encode({ publicKey: keyOf(name), name, permissions });
const revoke = (name: string) => actorRevoked.encode({ actor: idOf(name) });

describe("permissions", () => {
  it("match exactly, by area, or everything", () => {
    expect(covers("record.put", "record.put")).toBe(true);
    expect(covers("record.*", "record.put")).toBe(true);
    expect(covers("detect.*", "detect.evidence.committed")).toBe(true);
    expect(covers("detect.*", "detect.evidence.*")).toBe(true);
    expect(covers("*", "detect.*")).toBe(true);
    expect(covers("record.*", "records.put")).toBe(false);
    expect(covers("record.*", "record")).toBe(false);
    expect(covers("record.put", "record.*")).toBe(false);
    expect(covers("detect.evidence.*", "detect.*")).toBe(false);
    expect(covers("record.*", "*")).toBe(false);
    expect(anyCovers([], "record.put")).toBe(false);
  });

  it("are patterns, in one order", () => {
    for (const good of ["*", "record.put", "record.*", "a.b.c.d", "a.b.c.*"]) {
      expect(isPermission(good)).toBe(true);
    }
    const long = `${"a".repeat(LIMITS.eventTypeBytesMax - 2)}.*`;
    expect(isPermission(long)).toBe(true);
    for (const bad of [
      "",
      "record",
      "record.",
      "*.put",
      "a.b.c.d.*",
      "Record.put",
      "a..b",
      `a${long}`,
    ]) {
      expect(isPermission(bad)).toBe(false);
    }
    expect(isCanonical(["*", "a.b"])).toBe(true);
    expect(isCanonical(["a.b", "a.b"])).toBe(false);
    expect(isCanonical(["b.b", "a.b"])).toBe(false);
    expect(canonical(["b.b", "a.b", "b.b"])).toEqual(["a.b", "b.b"]);
  });

  it("never cover more by going through another pattern", () => {
    const word = fc.constantFrom("a", "b", "ab");
    const pattern = fc
      .tuple(fc.array(word, { minLength: 1, maxLength: 3 }), fc.constantFrom("*", "a", "b"))
      .map(([words, last]) => [...words, last].join("."));
    fc.assert(
      fc.property(pattern, pattern, pattern, (x, y, z) => {
        if (covers(x, y) && covers(y, z)) expect(covers(x, z)).toBe(true);
        if (covers(x, y) && covers(y, x)) expect(x).toBe(y);
      }),
    );
  });
});

describe("actors", () => {
  it("has the genesis actors, and every validator with the right to report evidence", () => {
    const { store } = new TestChain();
    expect(actorAt(store.read, idOf("clerk"))).toMatchObject({
      name: "clerk",
      registeredHeight: 0,
      revokedHeight: 0,
    });
    for (const name of VALIDATOR_NAMES) {
      expect(actorAt(store.read, idOf(name))?.permissions).toEqual(["detect.evidence.*"]);
    }
    expect(actorKeyAt(store.read, idOf("root"))).toEqual({
      publicKey: keyOf("root"),
      registeredHeight: 0,
    });
    expect(actorKeyAt(store.read, idOf("stranger"))).toBeUndefined();
  });

  it("joins the permissions of a validator that is also an actor", () => {
    const [first] = genesis.validators;
    const twice = {
      ...genesis,
      actors: [{ id: idOf("v0"), name: "both", publicKey: keyOf("v0"), permissions: ["record.*"] }],
    };
    expect(first?.name).toBe("v0");
    const { store } = new TestChain(runnerOptions(), twice);
    expect(actorAt(store.read, idOf("v0"))).toMatchObject({
      name: "both",
      permissions: ["detect.evidence.*", "record.*"],
    });
  });

  it("registers, and refuses each wrong registration with its code", () => {
    const chain = new TestChain();
    const tooWide = register("n2", "asset.host.*");
    const execution = chain.block({
      by: "warden",
      events: [
        register("n1", "record.put"),
        register("n1"),
        register("root", "record.put"),
        tooWide,
        register("n3", "*"),
        register("n4", "record.put", "record.get"),
        register("n5", "record.put", "record.put"),
        register("n6", "not a pattern"),
        register("n7"),
      ],
    });
    expect(codesOf(execution)).toEqual([
      "accepted",
      "event.conflict",
      "event.conflict",
      "event.forbidden",
      "event.forbidden",
      "event.invalid",
      "event.invalid",
      "event.invalid",
      "accepted",
    ]);
    expect(actorAt(chain.store.read, idOf("n1"))).toMatchObject({
      name: "n1",
      permissions: ["record.put"],
      registeredHeight: 1,
    });
    expect(codesOf(chain.block({ by: "clerk", events: [register("n8")] }))).toEqual([
      "event.forbidden",
    ]);
  });

  it("revokes for good, and nobody who holds more", () => {
    const chain = new TestChain();
    chain.block({ by: "root", events: [register("n1", "record.put")] });
    const execution = chain.block({
      by: "warden",
      events: [revoke("root"), revoke("stranger"), revoke("n1"), revoke("n1"), register("n1")],
    });
    expect(codesOf(execution)).toEqual([
      "event.forbidden",
      "event.conflict",
      "accepted",
      "event.conflict",
      "event.conflict",
    ]);
    const actor = actorAt(chain.store.read, idOf("n1"));
    expect(actor && mayWrite(actor, "record.put")).toBe(false);
    expect(actor?.revokedHeight).toBe(2);
    // What it signed before must still verify.
    expect(actorKeyAt(chain.store.read, idOf("n1"))?.registeredHeight).toBe(1);
  });

  it("agrees with a naive model over any history", () => {
    const names = ["root", "warden", "clerk", "n1", "n2", "n3"];
    const name = fc.constantFrom(...names);
    const patterns = fc.subarray(["*", "actor.*", "record.*", "record.put"]);
    const step = fc.record({ by: name, kind: fc.constantFrom("add", "end"), who: name, patterns });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const chain = new TestChain();
        const model = new Map<string, { patterns: readonly string[]; revoked: boolean }>();
        for (const { name: who, permissions } of genesis.actors) {
          model.set(who, { patterns: permissions, revoked: false });
        }
        const allows = (held: readonly string[], wanted: string): boolean =>
          held.some((one) => {
            if (one === "*" || one === wanted) return true;
            return one.endsWith(".*") && wanted.startsWith(one.slice(0, one.length - 1));
          });
        for (const { by, kind, who, patterns: granted } of steps) {
          const type = kind === "add" ? "actor.registered" : "actor.revoked";
          const author = model.get(by);
          const target = model.get(who);
          let expected = "accepted";
          if (author === undefined) expected = "event.unknown-actor";
          else if (author.revoked || !allows(author.patterns, type)) expected = "event.forbidden";
          else if (kind === "add") {
            if (granted.some((one) => !allows(author.patterns, one))) expected = "event.forbidden";
            else if (target !== undefined) expected = "event.conflict";
            else model.set(who, { patterns: granted, revoked: false });
          } else if (target === undefined || target.revoked) expected = "event.conflict";
          else if (target.patterns.some((one) => !allows(author.patterns, one))) {
            expected = "event.forbidden";
          } else model.set(who, { ...target, revoked: true });
          const event = kind === "add" ? register(who, ...granted) : revoke(who);
          expect(codesOf(chain.block({ by, events: [event] }))).toEqual([expected]);
        }
        for (const one of names) {
          const row = actorAt(chain.store.read, idOf(one));
          const known = model.get(one);
          expect(row?.permissions).toEqual(known?.patterns);
          expect(row === undefined ? undefined : row.revokedHeight > 0).toBe(known?.revoked);
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe("validators", () => {
  it("gives the genesis set at every epoch, whatever order the genesis lists it in", () => {
    const shuffled = { ...genesis, validators: [...genesis.validators].reverse() };
    // A set has no keys for checkpoints: they sign nothing that consensus knows.
    const members = genesis.validators.map(
      ({ ed25519Key: _e, mlDsa44Key: _m, ...member }) => member,
    );
    for (const from of [genesis, shuffled]) {
      const { store } = new TestChain(runnerOptions(), from);
      expect(nextValidatorSet(hasher, 3, store.read)).toEqual(
        createValidatorSet(hasher, 3, members),
      );
    }
    expect(validatorAt(new TestChain().store.read, idOf("clerk"))).toBeUndefined();
  });

  it("reports rows that are not there", () => {
    const { store } = new TestChain();
    store.apply([{ type: "del", key: rowKey("validators", new Uint8Array([1, ...idOf("v2")])) }]);
    expect(() => nextValidatorSet(hasher, 1, store.read)).toThrow("has no row");
    store.rows.clear();
    expect(() => nextValidatorSet(hasher, 1, store.read)).toThrow("no list");
  });
});

describe("records", () => {
  const topic = fc.constantFrom("a", "b", "a.b");
  const key = fc.constantFrom("x", "y", "é/x", " ");

  it("keeps the last write of each topic and key, like a map", () => {
    const write = fc.record({ topic, key, body: fc.uint8Array({ maxLength: 40 }) });
    fc.assert(
      fc.property(
        fc.array(fc.array(write, { minLength: 1, maxLength: 8 }), { maxLength: 6 }),
        (blocks) => {
          const chain = new TestChain();
          const model = new Map<string, { body: Uint8Array; height: number; origin: number }>();
          let index = 0;
          for (const [at, writes] of blocks.entries()) {
            chain.block({ by: "clerk", events: writes.map((one) => recordPut.encode(one)) });
            for (const one of writes) {
              const known = { body: one.body, height: at + 1, origin: index };
              model.set(JSON.stringify([one.topic, one.key]), known);
              index += 1;
            }
          }
          for (const [name, expected] of model) {
            const [inTopic, named] = JSON.parse(name) as [string, string];
            expect(recordAt(chain.store.read, inTopic, named)).toMatchObject(expected);
          }
          const rows = [...chain.store.rows.keys()].filter((one) =>
            one.startsWith(toHex(utf8("r/records/"))),
          );
          expect(rows).toHaveLength(model.size);
        },
      ),
      { numRuns: 40 },
    );
  });

  it("takes the largest record, and lists a topic by prefix", () => {
    const chain = new TestChain();
    const largest = {
      topic: "t".repeat(LIMITS.recordTopicBytesMax),
      key: "é".repeat(LIMITS.recordKeyBytesMax / 2),
      body: new Uint8Array(LIMITS.recordBodyBytesMax),
    };
    const execution = chain.block({ by: "clerk", events: [recordPut.encode(largest)] });
    expect(codesOf(execution)).toEqual(["accepted"]);
    expect(recordAt(chain.store.read, largest.topic, largest.key)?.body).toEqual(largest.body);
    const over = { ...largest, body: new Uint8Array(LIMITS.recordBodyBytesMax + 1) };
    expect(() => recordPut.encode(over)).toThrow(RangeError);
    expect(() => recordPut.encode({ ...largest, key: "" })).toThrow(RangeError);
    const inTopic = hex(recordKey("a", "x")).startsWith(hex(recordTopicPrefix("a")));
    expect(inTopic).toBe(true);
    expect(hex(recordKey("ab", "x")).startsWith(hex(recordTopicPrefix("a")))).toBe(false);
  });

  it("is shown with its hash, and as text where it is text", () => {
    const chain = new TestChain();
    const bodies = [utf8("hello"), Uint8Array.of(0xff, 0)];
    const events = bodies.map((body, i) => recordPut.encode({ topic: "a", key: `${i}`, body }));
    chain.block({ by: "clerk", events });
    const shown = bodies.map((_, i) => {
      const row = chain.store.read(rowKey("records", recordKey("a", `${i}`)));
      return records.format?.(recordKey("a", `${i}`), row?.subarray(8) ?? new Uint8Array());
    });
    expect(shown[0]).toMatchObject({
      topic: "a",
      key: "0",
      actor: toHex(idOf("clerk")),
      height: 1,
      length: 5,
      text: "hello",
      body: "aGVsbG8=",
      sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    });
    expect(shown[1]).toMatchObject({ text: null, length: 2, body: "/wA=" });
  });
});

const anyone = fc.constantFrom("root", "warden", "clerk", "stranger", "n1");

projectionContract({
  projection: actors,
  projections: ALL_PROJECTIONS,
  events: fc.record({
    by: anyone,
    event: fc.oneof(
      anyone.map((name) => register(name, "record.put")),
      anyone.map((name) => revoke(name)),
    ),
  }),
});

projectionContract({
  projection: records,
  projections: ALL_PROJECTIONS,
  events: fc.record({
    by: anyone,
    event: fc
      .record({
        topic: fc.constantFrom("a", "b"),
        key: fc.constantFrom("x", "y", "z"),
        body: fc.uint8Array({ maxLength: 30 }),
      })
      .map((value) => recordPut.encode(value)),
  }),
});

projectionContract({
  projection: validators,
  projections: ALL_PROJECTIONS,
  events: fc.record({ by: anyone, event: anyone.map((name) => revoke(name)) }),
  runs: 5,
});
