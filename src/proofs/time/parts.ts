/**
 * A proof on the chain comes in parts, an event each, because an event has 60 KiB and a bounded cost. A part
 * answers some of the challenges, for all of which the same commitment stands, so each is checked by itself.
 */
import { LIMITS } from "../../limits.ts";
import type { TimeParameters } from "./parameters.ts";
import type { Challenges } from "./statement.ts";

/** The most bytes of one opened leaf: a flag, what it took in, and its path. */
const openingBytes = (parameters: TimeParameters): number => 33 + 32 * parameters.leavesLog2Max;

/** How many challenges a part answers: as many as bytes and hashes allow. */
const perPart = (parameters: TimeParameters): number => {
  const byBytes = Math.floor(LIMITS.timePartBytesMax / openingBytes(parameters));
  const byCost = Math.floor(LIMITS.timePartBlocksMax / parameters.tailBlocks);
  return Math.max(1, Math.min(byBytes, byCost));
};

/** Parts of a proof under these parameters, at most LIMITS.proofPartsMax. */
export const timeParts = (parameters: TimeParameters): number =>
  Math.ceil(parameters.challenges / perPart(parameters));

/** The challenges that a part answers; parts are numbered from 0. */
export const timePart = (parameters: TimeParameters, part: number): Challenges => {
  const each = perPart(parameters);
  return { from: part * each, to: Math.min(parameters.challenges, (part + 1) * each) };
};
