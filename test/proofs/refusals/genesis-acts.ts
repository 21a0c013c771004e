/** A genesis whose parameters show nothing, by the least that they can: read without the mark, and with it. */
import { expect } from "vitest";
import { parseGenesis } from "../../../src/ledger/genesis.ts";
import type { GenesisProofs } from "../../../src/ledger/genesis-proofs.ts";
import { SPACE_PROFILES } from "../../../src/proofs/space/parameters.ts";
import { TIME_PROFILES } from "../../../src/proofs/time/parameters.ts";
import { WORK_PROFILES } from "../../../src/proofs/work/parameters.ts";
import { askingGenesis } from "../../ledger/asking-genesis.ts";
import type { Act, Seen } from "./act.ts";

const TAKEN = "taken";

const read = (proofs: Partial<GenesisProofs>, insecure: boolean): string => {
  const parsed = parseGenesis(askingGenesis(proofs, insecure));
  return parsed.ok ? TAKEN : parsed.code;
};

/** The last parameters that need no mark, and the first ones that do: who marks these may have them. */
const unmarked = (enough: Partial<GenesisProofs>, weak: Partial<GenesisProofs>): Seen => {
  expect([read(enough, false), read(enough, true), read(weak, true)]).toEqual(Array(3).fill(TAKEN));
  return { genesis: read(weak, false) };
};

const space = (responseMs: number) => ({ space: { ...SPACE_PROFILES.default, responseMs } });

const time = (changes: Partial<GenesisProofs["time"]>) => ({
  time: { ...TIME_PROFILES.default, ...changes },
});

const shares = (changes: object) => ({
  work: { ...WORK_PROFILES.default, shares: { ...WORK_PROFILES.default.shares, ...changes } },
});

const argon2id = (memoryKiB: number) => ({
  work: { ...WORK_PROFILES.default, puzzle: { kind: "argon2id", memoryKiB } as const },
});

export const GENESIS_ACTS: Readonly<Record<string, Act>> = {
  "space/validator/missing/mark": () => unmarked(space(10_066), space(10_067)),
  "work/validator/missing/mark": () =>
    unmarked(shares({ triesPerUnit: 8_192 }), shares({ triesPerUnit: 8_191 })),
  "work/validator/missing/mark/share": () =>
    unmarked(shares({ scryptN: 8_192 }), shares({ scryptN: 4_096 })),
  "work/validator/missing/mark/batch": () => unmarked(argon2id(256), argon2id(255)),
  "time/validator/missing/mark": () =>
    unmarked(time({ tailBlocks: 258 }), time({ tailBlocks: 257 })),
  "time/validator/missing/mark/opened": () =>
    unmarked(time({ challenges: 64 }), time({ challenges: 63 })),
};
