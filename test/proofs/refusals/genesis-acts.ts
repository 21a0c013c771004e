/** A genesis whose parameters show nothing, by the least that they can: read without the mark, and with it. */
import { expect } from "vitest";
import { type GenesisParameters, parseGenesis } from "../../../src/ledger/genesis.ts";
import type { GenesisProofs } from "../../../src/ledger/genesis-proofs.ts";
import { SPACE_PROFILES } from "../../../src/proofs/space/parameters.ts";
import { TIME_PROFILES } from "../../../src/proofs/time/parameters.ts";
import { WORK_PROFILES } from "../../../src/proofs/work/parameters.ts";
import { askingGenesis } from "../../ledger/asking-genesis.ts";
import type { Act, Seen } from "./act.ts";

const TAKEN = "taken";

type Asking = Partial<GenesisProofs> & { readonly times?: Partial<GenesisParameters> };

const read = ({ times, ...proofs }: Asking, insecure: boolean): string => {
  const parsed = parseGenesis(askingGenesis(proofs, insecure, times));
  return parsed.ok ? TAKEN : parsed.code;
};

/** The last parameters that need no mark, and the first ones that do: who marks these may have them. */
const unmarked = (enough: Asking, weak: Asking): Seen => {
  expect([read(enough, false), read(enough, true), read(weak, true)]).toEqual(Array(3).fill(TAKEN));
  return { genesis: read(weak, false) };
};

const space = (changes: Partial<GenesisProofs["space"]>) => ({
  space: { ...SPACE_PROFILES.default, ...changes },
});

const idle = (idleMs: number): Asking => ({
  ...space({}),
  times: { idleMs, messageDelayMs: 2_000, precisionMs: 500 },
});

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
  "space/validator/missing/mark": () =>
    unmarked(space({ responseMs: 10_066 }), space({ responseMs: 10_067 })),
  "space/validator/missing/mark/admission": () =>
    unmarked(space({ admissionChallenges: 176 }), space({ admissionChallenges: 175 })),
  "space/validator/missing/mark/epoch": () =>
    unmarked(space({ epochOpenings: 64 }), space({ epochOpenings: 63 })),
  "space/validator/missing/mark/block": () =>
    unmarked(space({ blockOpenings: 8 }), space({ blockOpenings: 7 })),
  "space/validator/missing/mark/times": () => unmarked(idle(7_500), idle(7_501)),
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
