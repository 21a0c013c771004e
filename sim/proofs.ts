/** What a simulated chain asks for of the four proofs: the same code as everywhere, with small numbers. */
import type { Hasher } from "../src/crypto/hash.ts";
import type { Genesis } from "../src/ledger/genesis.ts";
import { NO_PROOFS, WITHOUT_PROOFS } from "../src/ledger/genesis-proofs.ts";
import type { Validator } from "../src/ledger/types.ts";
import { PRICE_ONE, WORK_PROFILES, type WorkParameters } from "../src/proofs/work/index.ts";
import type { WorkTerms } from "./checkers/types.ts";
import type { ProofPart } from "./scenario.ts";

/** Heights of one iVRF key: more than any run has. */
const DEPTH = 16;

/**
 * Argon2id of 8 KiB: a try costs microseconds. A batch of the usual clients has some 1,200 units, so that it
 * costs an effort of 3 to begin with, and two of them in a block make the next ones dearer.
 */
export const SIM_WORK: WorkParameters = {
  ...WORK_PROFILES.test,
  price: {
    priceMin: PRICE_ONE,
    priceMax: 64n * PRICE_ONE,
    priceStart: 2n * PRICE_ONE,
    pricedUnits: 1024n,
    targetUnits: 1500n,
  },
};

export const genesisParts = (
  hasher: Hasher,
  validators: readonly Validator[],
  parts: readonly ProofPart[] = [],
): Pick<Genesis, "format" | "proofs" | "provers"> => {
  if (parts.length === 0) return { format: 1, ...WITHOUT_PROOFS };
  const work = parts.includes("work") ? SIM_WORK : null;
  return {
    format: 2,
    proofs: { ...NO_PROOFS, beacon: { depth: DEPTH }, work },
    provers: validators.map(({ publicKey }) => ({
      ivrfRoot: hasher.ht("sim/ivrf", publicKey),
      sectors: [],
    })),
  };
};

/** For the checkers, which take nothing from the code that they judge. */
export const workTermsOf = ({ proofs }: Genesis): WorkTerms | undefined => {
  const { work } = proofs;
  if (work === null || work.puzzle.kind !== "argon2id") return undefined;
  return { memoryKiB: work.puzzle.memoryKiB, ...work.price };
};
