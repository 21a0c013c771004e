/** Which parameters a sector is made after: those of the chain, unless a profile is named. */
import { TetradError } from "../../errors.ts";
import {
  profileOf,
  SPACE_PROFILE_NAMES,
  SPACE_PROFILES,
  type SpaceParameters,
  type SpaceProfile,
  sectorBytes,
} from "../../proofs/space/parameters.ts";
import { sizeText } from "./facts.ts";

export type Chosen = {
  readonly parameters: SpaceParameters;
  /** For people: "profile test", or "of the chain" where no profile has sectors of this shape. */
  readonly name: string;
  /** The same in a sentence. */
  readonly sector: string;
  /** Why the chain will not take the sector; undefined where it will. */
  readonly foreign: string | undefined;
};

const wordsOf = (profile: SpaceProfile | undefined): Pick<Chosen, "name" | "sector"> =>
  profile === undefined
    ? { name: "of the chain", sector: "a sector of the chain" }
    : { name: `profile ${profile}`, sector: `a sector of the profile ${profile}` };

const shapeText = ({ lgNodes, layers }: SpaceParameters): string =>
  `${sizeText(sectorBytes(lgNodes))} and ${layers} layers`;

const foreignText = (chain: SpaceParameters | null, profile: SpaceProfile): string => {
  if (chain === null) return "the genesis asks for no space: its chain commits to no sector";
  return (
    `the chain's sectors are of ${shapeText(chain)}, those of the profile ${profile} of ` +
    `${shapeText(SPACE_PROFILES[profile])}: the chain never commits to this one`
  );
};

/** `chain` is what the genesis asks for, `profile` what was named. Throws cli.usage where neither says anything. */
export const chosenParameters = (
  chain: SpaceParameters | null,
  profile: SpaceProfile | undefined,
): Chosen => {
  const own = chain === null ? undefined : profileOf(chain.lgNodes, chain.layers);
  if (chain !== null && (profile === undefined || profile === own)) {
    // The shape may be that of a profile, and the time for an answer another: the chain's own holds.
    return { parameters: chain, ...wordsOf(own), foreign: undefined };
  }
  if (profile === undefined) {
    throw new TetradError("cli.usage", "the genesis asks for no space: no sector is due", {
      next: `to try one out, --profile ${SPACE_PROFILE_NAMES.join(", ")}`,
    });
  }
  const foreign = foreignText(chain, profile);
  return { parameters: SPACE_PROFILES[profile], ...wordsOf(profile), foreign };
};
