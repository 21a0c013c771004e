/** What the chain of `nexus dev` asks for. */
import { SPACE_PROFILES } from "../../proofs/space/parameters.ts";
import { STAKE_PROFILES } from "../../proofs/stake/parameters.ts";
import { TIME_PROFILES } from "../../proofs/time/parameters.ts";

/**
 * All of the proofs, as small as they can be: what they cost a laptop that does nothing else is in
 * docs/operating.md. A run of 2^16 leaves takes a tenth of a second, where that of the profile takes two. Nobody is
 * jailed for being down: nodes of a development network are killed to see what happens, and should come back
 * without anybody's command.
 */
export const DEV_PROOFS = {
  space: SPACE_PROFILES.dev,
  stake: { ...STAKE_PROFILES.dev, votedBpsMin: 0n },
  work: "dev",
  time: { ...TIME_PROFILES.dev, leavesLog2Max: 16 },
} as const;

/** Long enough for every proof on a machine that is busy, and short enough for somebody to see an end of one. */
export const DEV_EPOCH_MS = 600_000;
