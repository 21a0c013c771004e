/** What a genesis must say of itself where its parameters make a proof show nothing. */
import { describe, expect, it } from "vitest";
import { parseGenesis } from "../../src/ledger/genesis.ts";
import type { GenesisProofs } from "../../src/ledger/genesis-proofs.ts";
import { SPACE_PROFILES } from "../../src/proofs/space/parameters.ts";
import { TIME_PROFILES } from "../../src/proofs/time/parameters.ts";
import { WORK_PROFILES } from "../../src/proofs/work/parameters.ts";
import { askingGenesis } from "./asking-genesis.ts";

const parsed = (proofs: Partial<GenesisProofs>, insecure: boolean) =>
  parseGenesis(askingGenesis(proofs, insecure));

const space = SPACE_PROFILES.default;

const WEAK: readonly [string, Partial<GenesisProofs>, RegExp][] = [
  ["space dev", { space: SPACE_PROFILES.dev }, /proofs\.space: .*30000 ms/],
  ["space test", { space: SPACE_PROFILES.test }, /proofs\.space: .*5000 ms.*19 ms/],
  ["a millisecond more than a tenth", { space: { ...space, responseMs: 10_067 } }, /10066 ms/],
  ["time dev", { time: TIME_PROFILES.dev }, /proofs\.time: /],
  ["work dev", { work: WORK_PROFILES.dev }, /proofs\.work: /],
  ["work test", { work: WORK_PROFILES.test }, /proofs\.work: /],
];

describe("a genesis that is not marked insecure", () => {
  it.each(WEAK)("is refused with parameters that show nothing: %s", (_, proofs, words) => {
    expect(parsed(proofs, false)).toMatchObject({
      ...{ ok: false, code: "config.genesis", data: { path: "insecure" } },
      detail: expect.stringMatching(words),
    });
    // The same numbers are taken by who says what they are worth.
    expect(parsed(proofs, true).ok).toBe(true);
  });

  it("is taken with those of `default` and `production`, and with none", () => {
    for (const profile of ["default", "production"] as const) {
      const proofs = {
        space: SPACE_PROFILES[profile],
        time: TIME_PROFILES[profile],
        work: WORK_PROFILES[profile],
      };
      expect(parsed(proofs, false)).toMatchObject({ ok: true });
    }
    expect(parsed({ space: { ...space, responseMs: 10_066 } }, false).ok).toBe(true);
    expect(parsed({}, false).ok).toBe(true);
  });

  it("is told of every part that is weak", () => {
    const all = {
      space: SPACE_PROFILES.dev,
      time: TIME_PROFILES.dev,
      work: WORK_PROFILES.dev,
    };
    const result = parsed(all, false);
    expect(result.ok ? "" : result.detail).toMatch(/proofs\.work.*proofs\.space.*proofs\.time/);
  });
});
