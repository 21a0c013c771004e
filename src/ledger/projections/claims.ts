/**
 * What proofs of time and shares of work have in common on the chain. In an epoch a validator commits to what it
 * has done, a beacon of `challengeDelayHeights` later says what it must show of it, and it answers in parts.
 *
 *     committed in its own epoch, once   ->  open  ->  every part accepted  ->  proven
 *                                                 ->  one part refused as false  ->  failed, for good
 *
 * A claim may be answered until the end of the epoch after its own, and counts for the epoch in which it is
 * proven: once. An author has one try, so the chain checks at most one false part of a claim, whoever writes.
 */
import { LIMITS } from "../../limits.ts";
import { field } from "../event-schema.ts";
import { type EventContext, type Refusal, refuse } from "../projection.ts";
import type { Hash } from "../types.ts";

/** Fields of a row that holds a claim. */
export const claimFields = [
  field.u64("epoch"),
  /** Of that epoch. */
  field.hash("seed"),
  field.u64("committedHeight"),
  /** Bit i: part i is accepted. */
  field.u32("parts"),
  field.u8("state"),
  /** In which epoch it was proven or failed; 0 while it is open. */
  field.u64("settledEpoch"),
  /** Why it failed. */
  field.string("fault", LIMITS.refusalCodeBytesMax),
] as const;

export type Claim = {
  readonly epoch: number;
  readonly seed: Hash;
  readonly committedHeight: number;
  readonly parts: number;
  readonly state: number;
  readonly settledEpoch: number;
  readonly fault: string;
};

export const OPEN = 0;
export const PROVEN = 1;
export const FAILED = 2;

const STATES = ["open", "proven", "failed"] as const;

/** The states as people read them. */
export const stateName = (state: number): (typeof STATES)[number] => STATES[state] ?? "failed";

/** How many parts of a claim are accepted. */
export const partsAccepted = ({ parts }: Pick<Claim, "parts">): number => {
  let count = 0;
  for (let bits = parts; bits > 0; bits = Math.floor(bits / 2)) count += bits % 2;
  return count;
};

/** What refusals of one proof are called. */
export type ClaimCodes = {
  readonly unknown: string;
  readonly stale: string;
  readonly early: string;
  readonly repeated: string;
  readonly failed: string;
  /** Those that end a claim. */
  readonly fatal: readonly string[];
};

/** Claims that an author may still have to do with: of this epoch and the one before. */
export const CLAIMS_KEPT = 2;

export const newClaim = ({ epoch, height }: EventContext): Claim => ({
  epoch: epoch.number,
  seed: epoch.seed,
  committedHeight: height,
  parts: 0,
  state: OPEN,
  settledEpoch: 0,
  fault: "",
});

/** The list with a claim in place of that of its epoch; those that no answer can reach any more are left out. */
export const withClaim = <C extends Claim>(claims: readonly C[], claim: C, now: number): C[] => [
  ...claims.filter(({ epoch }) => epoch !== claim.epoch && epoch + 1 >= now),
  claim,
];

export const claimOf = <C extends Claim>(claims: readonly C[], epoch: number): C | undefined =>
  claims.find((claim) => claim.epoch === epoch);

/** Whether a claim may be made: of the running epoch, and none is there. */
export const decideClaim = (
  codes: ClaimCodes,
  claims: readonly Claim[],
  epoch: number,
  context: EventContext,
): Refusal | undefined => {
  const running = context.epoch.number;
  if (epoch !== running) {
    return refuse(codes.stale, `epoch ${epoch} is not the running one, ${running}`);
  }
  return claimOf(claims, epoch) === undefined
    ? undefined
    : refuse(codes.repeated, `a commitment for epoch ${epoch} is there`);
};

/** The height whose beacon challenges a claim. */
export const challengeHeight = ({ committedHeight }: Pick<Claim, "committedHeight">): number =>
  committedHeight + LIMITS.challengeDelayHeights;

/** What a part answers, or why nobody looks at it. */
export type Answerable<C extends Claim> =
  | { readonly claim: C; readonly challenge: Hash; readonly refusal?: never }
  | { readonly refusal: Refusal };

/** The cheap checks of an answer: all that can be said without a hash of it. */
export const decideAnswer = <C extends Claim>(
  codes: ClaimCodes,
  claims: readonly C[],
  answer: { readonly epoch: number; readonly part: number },
  partsOf: (claim: C) => number,
  context: EventContext,
): Answerable<C> => {
  const no = (code: string, detail: string) => ({ refusal: refuse(code, detail) });
  const { epoch, part } = answer;
  const claim = claimOf(claims, epoch);
  if (claim === undefined) return no(codes.unknown, `no commitment for epoch ${epoch}`);
  if (claim.state === FAILED) return no(codes.failed, `the claim of epoch ${epoch} has failed`);
  if (part >= partsOf(claim)) return no("event.invalid", `there are ${partsOf(claim)} parts`);
  if (((claim.parts >>> part) & 1) === 1) return no(codes.repeated, `part ${part} is there`);
  if (epoch + 1 < context.epoch.number) return no(codes.stale, `epoch ${epoch} is over`);
  const height = challengeHeight(claim);
  if (height >= context.height) return no(codes.early, `height ${height} draws the challenge`);
  const challenge = context.beaconAt(height);
  if (challenge === undefined) return no(codes.stale, `the challenge of ${height} is forgotten`);
  return { claim, challenge };
};

/** A claim with one part more, proven where that was the last. */
export const withPart = <C extends Claim>(
  claim: C,
  part: number,
  parts: number,
  now: number,
): C => {
  const done = (claim.parts | (1 << part)) >>> 0;
  const all = done === 2 ** parts - 1;
  return { ...claim, parts: done, ...(all ? { state: PROVEN, settledEpoch: now } : {}) };
};

/** What a refusal makes of a claim: one false part ends it. Undefined where it stays as it is. */
export const afterRefusal = <C extends Claim>(
  codes: ClaimCodes,
  claim: C | undefined,
  code: string,
  now: number,
): C | undefined =>
  claim?.state === OPEN && codes.fatal.includes(code)
    ? { ...claim, state: FAILED, settledEpoch: now, fault: code }
    : undefined;

/** Whether a claim was proven in that epoch, of which it then counts. */
export const countsFor = (claim: Claim, epoch: number): boolean =>
  claim.state === PROVEN && claim.settledEpoch === epoch;

/** What an author has to answer. */
export type Answer<C extends Claim> = {
  readonly claim: C;
  readonly part: number;
  readonly challenge: Hash;
};

/** What is to be answered on a state of this height: parts of open claims that the chain still takes. */
export const answersDue = <C extends Claim>(
  claims: readonly C[],
  partsOf: (claim: C) => number,
  at: { readonly epoch: number; readonly height: number },
  beaconAt: (height: number) => Hash | undefined,
): readonly Answer<C>[] =>
  claims.flatMap((claim) => {
    const drawn = challengeHeight(claim);
    if (claim.state !== OPEN || claim.epoch + 1 < at.epoch || drawn > at.height) return [];
    const challenge = beaconAt(drawn);
    if (challenge === undefined) return [];
    return Array.from({ length: partsOf(claim) }, (_, part) => part)
      .filter((part) => ((claim.parts >>> part) & 1) === 0)
      .map((part) => ({ claim, part, challenge }));
  });
