/** What was proven, in the words of the command and the page: of keys that have a form, and of any others. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { describe as fieldsOf, sentencesOf } from "../../src/cli/proof/describe.ts";
import { toHex } from "../../src/crypto/bytes.ts";
import { recordKey } from "../../src/ledger/projections/records.ts";
import { LIMITS } from "../../src/limits.ts";
import { World } from "../ledger/verify/support.ts";

const world = new World();

const absence = (key: Uint8Array): { readonly sentence: string; readonly key: string } => {
  const { result } = world.verify(world.rowsOf("records", [key]));
  if (!result.ok) throw new Error(result.detail);
  const named = fieldsOf(result.value).find(([name]) => name === "key");
  return { sentence: sentencesOf(result.value).join(), key: String(named?.[1]) };
};

describe("a proof that a row is not there", () => {
  it("names the key as people type it", () => {
    const { sentence, key } = absence(recordKey("notes", "third"));
    expect(sentence).toMatch(/^records had no row under key notes\/third after height \d+\.$/);
    expect(key).toBe("notes/third");
  });

  it("names a key in hex that no record can have", () => {
    const key = Uint8Array.of(1, 2, 3);
    expect(absence(key)).toMatchObject({ key: "010203" });
    expect(absence(key).sentence).toContain("under key 010203 after");
  });

  it("says of any key one that it is not another's", () => {
    const names = new Map<string, string>();
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 24 });
    const text = fc.tuple(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }));
    const keys = fc.oneof(
      bytes,
      text.map(([topic, key]) => recordKey(topic, key)),
    );
    fc.assert(
      fc.property(keys, (key) => {
        fc.pre(key.length <= LIMITS.rowKeyBytesMax);
        const name = absence(key).key;
        const hex = toHex(key);
        expect(names.get(name) ?? hex).toBe(hex);
        names.set(name, hex);
      }),
      { numRuns: 60 },
    );
  });
});
