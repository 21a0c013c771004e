/** The openings of an epoch: part by part, all of them within the time for an answer. */
import { LIMITS } from "../../../limits.ts";
import { epochChallengeCount, epochChallenges } from "../../../proofs/space/challenges.ts";
import { verifyOpenings } from "../../../proofs/space/openings.ts";
import { openingBytes } from "../../../proofs/space/parameters.ts";
import { spaceHashesOf } from "../../../proofs/space/tree.ts";
import {
  type Apply,
  type Decide,
  type EventContext,
  type ProjectionRead,
  type Refusal,
  refuse,
} from "../../projection.ts";
import { isRefusal, partRange } from "./checks.ts";
import type { WindowProven } from "./events.ts";
import { type ProverRow, parametersOf, proverOf, putProver, sectorOf, sectorsIn } from "./rows.ts";

const doneIn = ({ windowEpoch, windowDone }: ProverRow, epoch: number): number =>
  windowEpoch === epoch ? windowDone : 0;

/** Whether this epoch can be answered now. Codes: space.stale. */
const untimely = (
  read: ProjectionRead,
  claimed: number,
  { epoch, timeMs }: EventContext,
): Refusal | undefined => {
  if (claimed !== epoch.number || claimed === 0) {
    return refuse("space.stale", `openings of epoch ${claimed} in epoch ${epoch.number}`);
  }
  const late = timeMs - epoch.startMs - parametersOf(read).responseMs;
  return late > 0 ? refuse("space.stale", `${late} ms after the last moment`) : undefined;
};

/**
 * Codes: space.stale, space.sector-unknown (nothing is asked of this validator), space.seed-pending,
 * space.part, event.invalid, and those of the proof.
 */
export const decideWindow: Decide<WindowProven> = (read, value, context) => {
  const { actor, epoch, hasher } = context;
  const wrong = untimely(read, value.epoch, context);
  if (wrong !== undefined) return wrong;
  const prover = proverOf(read, actor);
  const entries = sectorsIn(prover, epoch.number);
  if (entries.length === 0) {
    return refuse("space.sector-unknown", "this validator has no sector in the epoch");
  }
  const seed = context.beaconAt(epoch.firstHeight);
  if (seed === undefined) {
    return refuse("space.seed-pending", "the first block of the epoch is not final yet");
  }
  const parameters = parametersOf(read);
  const { lgNodes } = parameters;
  const total = epochChallengeCount(parameters, entries.length);
  const done = doneIn(prover, epoch.number);
  const sizes = { bytes: openingBytes(lgNodes), most: LIMITS.spacePartOpeningsMax };
  const range = partRange(value, context, { done, total, ...sizes });
  if (isRefusal(range)) return range;
  const asked = epochChallenges(hasher, parameters, actor, entries.length, seed, range);
  const known = new Map<number, { readonly commRl: Uint8Array } | undefined>();
  for (const { sector } of asked) {
    const number = entries[sector]?.number;
    if (!known.has(sector) && number !== undefined)
      known.set(sector, sectorOf(read, actor, number));
  }
  const roots = entries.map((_, i) => known.get(i));
  const checked = verifyOpenings(spaceHashesOf(hasher), lgNodes, roots, asked, value.openings);
  return checked.ok ? undefined : refuse(checked.code, checked.detail);
};

export const applyWindow: Apply<WindowProven> = (tx, value, { actor, epoch }) => {
  const parameters = parametersOf(tx);
  const prover = proverOf(tx, actor);
  const count = value.openings.length / openingBytes(parameters.lgNodes);
  const windowDone = doneIn(prover, epoch.number) + count;
  const total = epochChallengeCount(parameters, sectorsIn(prover, epoch.number).length);
  const row = { ...prover, windowEpoch: epoch.number, windowDone };
  const whole = {
    provenEpoch: epoch.number,
    proven: prover.proven + 1,
    missed: prover.missed + epoch.number - prover.provenEpoch - 1,
  };
  putProver(tx, actor, windowDone < total ? row : { ...row, ...whole }, epoch.number);
};
