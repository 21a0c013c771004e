/** What a genesis must say of itself where its parameters make a proof show nothing. */
import { describe, expect, it } from "vitest";
import { parseGenesis } from "../../src/ledger/genesis.ts";
import type { GenesisProofs } from "../../src/ledger/genesis-proofs.ts";
import { DEFAULT_PARAMETERS } from "../../src/node/make-genesis.ts";
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
  ["fewer challenges", { space: { ...space, admissionChallenges: 175 } }, /admissionChallenges/],
  ["fewer openings of an epoch", { space: { ...space, epochOpenings: 63 } }, /epochOpenings is 63/],
  ["fewer openings of a block", { space: { ...space, blockOpenings: 7 } }, /blockOpenings is 7/],
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

  it("is refused where the times of blocks may be off by more than an answer may take", () => {
    const times = { idleMs: 7_500, messageDelayMs: 2_000, precisionMs: 500 };
    const read = (by: number, insecure = false) =>
      parseGenesis(askingGenesis({ space }, insecure, { ...times, idleMs: times.idleMs + by }));
    expect(read(0).ok).toBe(true);
    expect(read(1)).toMatchObject({
      ...{ ok: false, code: "config.genesis", data: { path: "insecure" } },
      detail: expect.stringMatching(/idleMs.*10001 ms.*10000 ms/),
    });
    expect(read(1, true).ok).toBe(true);
    // A chain that asks for no space may idle as long as it likes.
    expect(parseGenesis(askingGenesis({}, false, { idleMs: 3_600_000 })).ok).toBe(true);
  });

  it("is taken with the times that a genesis has where nobody says more", () => {
    for (const profile of ["default", "production"] as const) {
      const proofs = { space: SPACE_PROFILES[profile] };
      expect(parseGenesis(askingGenesis(proofs, false, DEFAULT_PARAMETERS)).ok).toBe(true);
    }
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
