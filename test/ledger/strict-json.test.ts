import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseStrictJson } from "../../src/ledger/strict-json.ts";
import { parseBundle } from "../../src/ledger/verify/bundle.ts";

describe("strict JSON", () => {
  it("is JSON as it is written, whatever strings and spaces are in it", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom("", " ", "\t", "\n  "), (value, indent) => {
        const text = JSON.stringify(value, undefined, indent);
        expect(parseStrictJson(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  it("refuses a repeated key at any depth, in any spelling", () => {
    const key = fc.string({ maxLength: 8 });
    fc.assert(
      fc.property(key, fc.jsonValue(), fc.nat(4), (name, value, depth) => {
        const [one, two] = [JSON.stringify(name), JSON.stringify(value)];
        const spelled = `"${[...name].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`).join("")}"`;
        // A pair of surrogates has another spelling than its first half.
        fc.pre([...name].every((c) => c.length === 1));
        const inner = `{${one}:${two} ,${spelled}\n : 1}`;
        const text = `${'[{"a":'.repeat(depth)}${inner}${"}]".repeat(depth)}`;
        expect(JSON.parse(text)).toBeDefined();
        expect(() => parseStrictJson(text)).toThrow("a key is repeated");
      }),
    );
  });

  it("reads a string of any length, without a stack that grows with it", () => {
    const long = "x".repeat(20_000_000);
    expect(parseStrictJson(`{"a": "${long}"}`)).toHaveProperty("a.length", long.length);
    const refused = { ok: false, code: "proof.malformed" };
    expect(parseBundle(`{"a": "${long}"}`)).toMatchObject(refused);
    expect(parseBundle(`{"${long}": 1}`)).toMatchObject(refused);
    expect(parseBundle(`"${"\\n".repeat(10_000_000)}"`)).toMatchObject(refused);
    expect(parseBundle(`{"a": ${"[".repeat(5_000_000)}${"]".repeat(5_000_000)}}`)).toMatchObject(
      refused,
    );
  });
});
