import { describe, expect, it } from "vitest";
import { certificateIssued, issuerCreated } from "../../src/ca/events.ts";
import { encodeEvent } from "../../src/ledger/event.ts";
import { defineEvent, field } from "../../src/ledger/event-schema.ts";
import { timeRunProven } from "../../src/ledger/projections/time-events.ts";
import { workSharesProven } from "../../src/ledger/projections/work-events.ts";
import { createRegistry, defineUpcaster } from "../../src/ledger/registry.ts";
import { putOf, recordPut } from "../golden/fixtures.ts";

const noteOf = <const F extends readonly ReturnType<typeof field.u32 | typeof field.string>[]>(
  version: number,
  fields: F,
) => defineEvent({ type: "test.note", version, fields });

const v1 = noteOf(1, [field.string("text", 64)]);
const v2 = noteOf(2, [field.string("text", 64), field.u32("length")]);
const v3 = noteOf(3, [field.string("title", 64), field.u32("length")]);

const to2 = defineUpcaster(v1, v2, ({ text }) => ({ text, length: text.length }));
const to3 = defineUpcaster(v2, v3, ({ text, length }) => ({ title: text, length }));

describe("event registry", () => {
  it("finds definitions by type and version", () => {
    const registry = createRegistry([v2, recordPut, v1], [to2]);
    expect(registry.get("test.note", 1)).toBe(v1);
    expect(registry.get("test.note", 3)).toBeUndefined();
    expect(registry.latest("test.note")).toBe(v2);
    expect(registry.definitions).toEqual([recordPut, v1, v2]);
  });

  it("checks events, each failure with its code", () => {
    const registry = createRegistry([recordPut]);
    const codeOf = (type: string, version: number, payload: Uint8Array) =>
      registry.check(encodeEvent(type, version, payload))?.code;
    expect(registry.check(putOf(1))).toBeUndefined();
    expect(codeOf("record.put", 2, putOf(1).payload)).toBe("batch.unknown-event-type");
    expect(codeOf("record.get", 1, putOf(1).payload)).toBe("batch.unknown-event-type");
    expect(codeOf("record.put", 1, new Uint8Array(3))).toBe("batch.bad-payload");
  });

  it("says what the checks of events may take, by their types, and nothing of unknown ones", () => {
    const definitions = [workSharesProven, timeRunProven, issuerCreated, certificateIssued];
    const registry = createRegistry([recordPut, ...definitions]);
    const of = (type: string, version = 1): number => registry.checkUnits([{ type, version }]);
    expect(definitions.map(({ type }) => of(type))).toEqual([16, 5, 2, 2]);
    expect([of("record.put"), of("record.burn"), of("work.shares.proven", 2)]).toEqual([0, 0, 0]);
    expect(registry.checkUnits([...definitions, ...definitions])).toBe(50);
  });

  it("decodes at the author's version and upcasts to the newest through every step", () => {
    const registry = createRegistry([v1, v2, v3], [to3, to2]);
    const old = v1.encode({ text: "abc" });
    expect(registry.decode(old)).toEqual({ ok: true, value: { text: "abc" } });
    const expected = { type: "test.note", version: 3, value: { title: "abc", length: 3 } };
    expect(registry.upcast(old)).toEqual({ ok: true, value: expected });
    const newest = v3.encode({ title: "x", length: 9 });
    expect(registry.upcast(newest)).toEqual({
      ok: true,
      value: { type: "test.note", version: 3, value: { title: "x", length: 9 } },
    });
    expect(registry.upcast(encodeEvent("test.note", 1, new Uint8Array(1))).ok).toBe(false);
  });

  it("refuses registries that could not apply what they admit", () => {
    expect(() => createRegistry([v1, v1])).toThrow("defined twice");
    expect(() => createRegistry([v1, v2])).toThrow("has no upcaster");
    expect(() => createRegistry([v1, v2, v3], [to2])).toThrow("test.note version 2");
    expect(() => createRegistry([v2], [to2])).toThrow("not defined");
    expect(() => createRegistry([v1, v2], [to2, to2])).toThrow("two upcasters");
    expect(() => defineUpcaster(v2, v1, ({ text }) => ({ text }))).toThrow("no upcast");
    const still = { type: "test.note", from: 1, to: 1, upcast: (value: unknown) => value };
    expect(() => createRegistry([v1], [still])).toThrow("does not go forward");
  });
});
