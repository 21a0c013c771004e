/** What a simulated chain asks for of the four proofs: the same code as everywhere, with small numbers. */
import type { Genesis } from "../src/ledger/genesis.ts";
import { NO_PROOFS, NO_PROVER, WITHOUT_PROOFS } from "../src/ledger/genesis-proofs.ts";
import type { Hash, ValidatorSet } from "../src/ledger/types.ts";
import { STAKE_PROFILES } from "../src/proofs/stake/parameters.ts";
import { PRICE_ONE, WORK_PROFILES, type WorkParameters } from "../src/proofs/work/index.ts";
import type { WorkTerms } from "./checkers/types.ts";
import { SIM_BEACON_DEPTH } from "./ivrf-keys.ts";
import type { ProofPart } from "./scenario.ts";

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

/** What a genesis says of proofs. A scenario that asks for none is of format 1, as ever. */
export const genesisParts = (
  { validators }: ValidatorSet,
  asked: {
    readonly parts?: readonly ProofPart[] | undefined;
    readonly withStake: boolean;
    rootOf(id: Hash): Hash;
  },
): Pick<Genesis, "format" | "proofs" | "provers"> => {
  const { parts = [], withStake } = asked;
  if (parts.length === 0 && !withStake) return { format: 1, ...WITHOUT_PROOFS };
  const beacon = parts.length === 0 ? null : { depth: SIM_BEACON_DEPTH };
  const work = parts.includes("work") ? SIM_WORK : null;
  const stake = withStake ? STAKE_PROFILES.dev : null;
  return {
    format: 2,
    proofs: { ...NO_PROOFS, beacon, work, stake },
    provers: validators.map(({ id }) =>
      beacon === null ? NO_PROVER : { ...NO_PROVER, ivrfRoot: asked.rootOf(id) },
    ),
  };
};

/** For the checkers, which take nothing from the code that they judge. */
export const workTermsOf = ({ proofs }: Genesis): WorkTerms | undefined => {
  const { work } = proofs;
  if (work === null || work.puzzle.kind !== "argon2id") return undefined;
  return { memoryKiB: work.puzzle.memoryKiB, ...work.price };
};
