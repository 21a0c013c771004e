import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KEYS } from "../../src/ledger/projections/stake/rows.ts";
import { stakeKeys } from "../../src/node/stake/row-keys.ts";

const id = fc.uint8Array({ minLength: 32, maxLength: 32 });

const key: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.constantFrom(KEYS.parameters, KEYS.totals, KEYS.candidates),
  id.map(KEYS.account),
  id.map(KEYS.identity),
  id.map(KEYS.standing),
  fc.nat().map(KEYS.epoch),
);

describe("names of rows of stake", () => {
  it("are read back as the key that they are of", () => {
    fc.assert(
      fc.property(key, (one) => {
        expect(stakeKeys.parse(stakeKeys.text(one))).toEqual({ ok: true, value: one });
      }),
    );
  });

  it("are refused where they are none, whatever they are", () => {
    const texts = fc.oneof(
      fc.string(),
      fc.constantFrom("epoch/", "epoch/01", "epoch/9007199254740993", "standing", "taken/0", "x/"),
      id.map((bytes) => `standing/${Buffer.from(bytes).toString("hex").toUpperCase()}x`),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const parsed = stakeKeys.parse(text);
        if (parsed.ok) expect(stakeKeys.text(parsed.value)).toBe(text);
        else expect(parsed.code).toBe("http.bad-parameter");
      }),
    );
  });

  it("show what is taken, which nobody asks for by name", () => {
    expect(stakeKeys.text(KEYS.taken(1, new Uint8Array(32)))).toBe(`taken/01${"00".repeat(32)}`);
    expect(stakeKeys.group("epoch")).toEqual(Uint8Array.of(7));
    expect(stakeKeys.group("nothing")).toBeUndefined();
  });
});
