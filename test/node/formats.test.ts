import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "../../src/crypto/bytes.ts";
import { utf8 } from "../../src/crypto/codec.ts";
import { recordPut } from "../../src/ledger/projections/events.ts";
import { recordKey } from "../../src/ledger/projections/records.ts";
import { FORMATS, REGISTRY } from "../../src/node/formats.ts";
import { PROJECTIONS } from "../../src/node/product.ts";

describe("formats for people", () => {
  it("know every projection of the product", () => {
    expect(FORMATS.projections).toEqual(PROJECTIONS.map((projection) => projection.name));
    for (const name of FORMATS.projections) expect(FORMATS.prefix(name, undefined).ok).toBe(true);
  });

  it("give back the key that they show, of records and of ids", () => {
    const topic = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,20}$/);
    const key = fc.string({ minLength: 1, unit: "grapheme" });
    fc.assert(
      fc.property(topic, key, fc.uint8Array({ minLength: 32, maxLength: 32 }), (t, k, id) => {
        const record = recordKey(t, k);
        const text = FORMATS.keyText("records", record);
        expect(text).toBe(`${t}/${k}`);
        expect(FORMATS.keyBytes("records", text)).toEqual({ ok: true, value: record });
        for (const name of ["actors", "validators", "assets", "quarantine"]) {
          const parsed = FORMATS.keyBytes(name, toHex(id));
          expect(parsed.ok && FORMATS.keyText(name, parsed.value)).toBe(toHex(id));
        }
      }),
    );
  });

  it("give back the keys of certificates and of the CT log", () => {
    const id = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(toHex);
    const index = fc.nat(Number.MAX_SAFE_INTEGER).map(String);
    const name = fc.stringMatching(/^[a-z0-9]{1,9}(\.[a-z0-9]{1,9}){0,3}$/);
    const serial = fc
      .uint8Array({ minLength: 1, maxLength: 20 })
      .map((b) => toHex(b).toUpperCase());
    const certificates = fc.oneof(
      id,
      id.map((text) => `issuer/${text}`),
      index.map((text) => `request/${text}`),
      fc.tuple(id, serial).map(([issuer, text]) => `serial/${issuer}/${text}`),
      fc
        .tuple(fc.oneof(name, fc.constant("2001:db8::1")), id)
        .map((two) => `name/${two.join("/")}`),
    );
    const ct = fc.oneof(id, index, fc.constant("tree"));
    const gives = (projection: string, text: string): void => {
      const parsed = FORMATS.keyBytes(projection, text);
      expect(parsed.ok && FORMATS.keyText(projection, parsed.value)).toBe(text);
    };
    fc.assert(fc.property(certificates, (text) => gives("certificates", text)));
    fc.assert(fc.property(ct, (text) => gives("ct", text)));
  });

  it.each([
    ["certificates", "x"],
    ["certificates", "issuer/00"],
    ["certificates", `issuer/${"0".repeat(64)}/x`],
    ["certificates", "request/-1"],
    ["certificates", "request/9007199254740993"],
    ["certificates", `serial/${"0".repeat(64)}/0a`],
    ["certificates", `name/A b/${"0".repeat(64)}`],
    ["certificates", `name/${"a".repeat(254)}/${"0".repeat(64)}`],
    ["ct", "01"],
    ["ct", "roots"],
  ])("refuse the key of %s %s", (projection, text) => {
    expect(FORMATS.keyBytes(projection, text)).toMatchObject({ code: "http.bad-parameter" });
  });

  it.each(["", "x", "/x", "x/", "AB".repeat(32), "00", `${"0".repeat(63)}g`])(
    "refuse the id %s",
    (text) => {
      expect(FORMATS.keyBytes("actors", text)).toMatchObject({
        ok: false,
        code: "http.bad-parameter",
      });
    },
  );

  it("show a payload as JSON that makes the same payload", () => {
    const event = recordPut.encode({ topic: "t", key: "k", body: utf8("body") });
    const json = FORMATS.event(event);
    expect(json).toEqual({ topic: "t", key: "k", body: "Ym9keQ==" });
    const again = recordPut.fromJson(json);
    expect(again.ok && recordPut.encode(again.value).bytes).toEqual(event.bytes);
  });

  it("show nothing for a type or version that they do not know, or a payload that does not fit", () => {
    const event = recordPut.encode({ topic: "t", key: "k", body: utf8("body") });
    expect(FORMATS.event({ ...event, type: "other.type" })).toBeUndefined();
    expect(FORMATS.event({ ...event, version: 9 })).toBeUndefined();
    expect(FORMATS.event({ ...event, payload: utf8("junk") })).toBeUndefined();
  });

  it("list groups of records only", () => {
    expect(FORMATS.prefix("records", "notes").ok).toBe(true);
    expect(FORMATS.prefix("actors", "notes")).toMatchObject({ code: "http.bad-parameter" });
  });

  it("have every event type that a projection owns", () => {
    for (const projection of PROJECTIONS) {
      for (const { definition } of projection.owns) {
        expect(REGISTRY.get(definition.type, definition.version)).toBe(definition);
      }
    }
  });
});
