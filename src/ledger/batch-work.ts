/**
 * What a chain asks a batch to carry, and whether it does: the one predicate of admission, of a proposer's
 * choice and of every vote. A chain that asks for no proofs refuses every slot.
 *
 * The work of a batch is for its id and the beacon of its reference height, of an effort that the price of
 * that height asks for. Both follow from the block that the batch names by its hash. So a verdict holds on
 * every branch on which the reference does, is kept by the digest, and no rise of the price in between
 * refuses an honest batch. The price is old by as much as a reference may be: docs/proofs.md says what
 * that gives away.
 */
import type { Hasher } from "../crypto/hash.ts";
import { type Failure, fail, ok, type Result } from "../errors.ts";
import {
  batchUnits,
  nextPrice,
  type Puzzle,
  precheckWork,
  requiredEffort,
  type WorkParameters,
  type WorkSubject,
} from "../proofs/work/index.ts";
import type { SealedBatch } from "./batch.ts";
import { SLOT_VERSION, SPACE_SLOT, slotOf, WORK_SLOT } from "./batch-proofs.ts";
import type { GenesisProofs } from "./genesis-proofs.ts";
import type { Batch, Hash, ProofSlot } from "./types.ts";

/** What the work of a batch is held against, of its reference height. */
export type WorkTerms = {
  readonly beacon: Hash;
  /** As src/proofs/work/price.ts has it: 65536 is a whole effort. */
  readonly price: bigint;
};

/** One proof on its way to being checked: all that `verifyWork` takes beside the chain. */
export type WorkCheck = {
  readonly puzzle: Puzzle;
  readonly subject: WorkSubject;
  readonly proof: Uint8Array;
  readonly required: number;
};

/** Of the work of a batch: that it is good, or what is wrong. Undefined: it was not tried. */
export type WorkVerdict = "good" | Failure;

/** Which proofs a chain asks of a batch. */
export type AskedProofs = Pick<GenesisProofs, "work" | "space">;

/**
 * Whether the slots are of the kinds that the chain asks for, and work is among them where it asks for that.
 * Codes: batch.proofs-unsupported, work.missing.
 */
export const checkSlots = (
  asked: AskedProofs,
  slots: readonly ProofSlot[],
): Failure | undefined => {
  for (const { kind, version } of slots) {
    const isAsked =
      (kind === WORK_SLOT && asked.work !== null) || (kind === SPACE_SLOT && asked.space !== null);
    if (!isAsked || version !== SLOT_VERSION) {
      const detail = `the chain asks for no proof of kind ${kind}, version ${version}`;
      return fail("batch.proofs-unsupported", detail, { kind, version });
    }
  }
  return asked.work !== null && slotOf(slots, WORK_SLOT) === undefined
    ? fail("work.missing", "the chain asks for work, and the batch carries none")
    : undefined;
};

/**
 * The predicate. `workVerdict` is of this batch's digest and was reached with the terms of its reference.
 * Codes: those of `checkSlots`, node.not-ready (the work was not tried; data.field is "work"), and what the
 * verdict says (work.malformed, work.insufficient, work.effort, work.solution).
 */
export const checkProofs = (
  asked: AskedProofs,
  batch: Pick<Batch, "proofs" | "digest">,
  workVerdict: (digest: Hash) => WorkVerdict | undefined,
): Failure | undefined => checkSlots(asked, batch.proofs) ?? checkWorked(asked, batch, workVerdict);

/** The part of it that takes a verdict: of a batch that has passed `checkSlots`. */
export const checkWorked = (
  asked: AskedProofs,
  { digest }: Pick<Batch, "digest">,
  workVerdict: (digest: Hash) => WorkVerdict | undefined,
): Failure | undefined => {
  if (asked.work === null) return undefined;
  const verdict = workVerdict(digest);
  if (verdict === undefined) {
    return fail("node.not-ready", "the work has not been tried", { field: "work" });
  }
  return verdict === "good" ? undefined : verdict;
};

/** Of a batch: the fields that its work is about. */
export type WorkedBatch = Pick<SealedBatch, "actor" | "id" | "eventCount" | "eventBytes">;

export const workedBatch = (batch: Pick<Batch, "actor" | "id" | "events">): WorkedBatch => ({
  actor: batch.actor,
  id: batch.id,
  eventCount: batch.events.length,
  eventBytes: batch.events.reduce((sum, { bytes }) => sum + bytes.length, 0),
});

/** What an author has to work for. */
export const workSubject = (batch: WorkedBatch, terms: WorkTerms): WorkSubject => ({
  beacon: terms.beacon,
  actor: batch.actor,
  batchId: batch.id,
});

/** The least effort that the terms leave to a batch. */
export const effortOf = (
  { price: rule }: Pick<WorkParameters, "price">,
  { price }: Pick<WorkTerms, "price">,
  { eventCount, eventBytes }: Pick<WorkedBatch, "eventCount" | "eventBytes">,
): number => requiredEffort(rule, price, batchUnits(eventCount, eventBytes));

/**
 * What is left to check of a batch's work after all that costs next to nothing: one job of a verifier.
 * Codes: work.missing, work.malformed, work.insufficient, work.effort.
 */
export const openWorkCheck = (
  hasher: Hasher,
  work: WorkParameters,
  batch: WorkedBatch,
  slots: readonly ProofSlot[],
  terms: WorkTerms,
): Result<WorkCheck> => {
  const proof = slotOf(slots, WORK_SLOT)?.bytes;
  if (proof === undefined) return fail("work.missing", "the batch carries no work");
  const { puzzle } = work;
  const subject = workSubject(batch, terms);
  const required = effortOf(work, terms, batch);
  const wrong = precheckWork(hasher, puzzle, subject, proof, required);
  return wrong ?? ok({ puzzle, subject, proof, required });
};

/** The slot of a finished proof. */
export const workSlot = (proof: Uint8Array): ProofSlot => ({
  kind: WORK_SLOT,
  version: SLOT_VERSION,
  bytes: proof,
});

/** The price after a block of these batches. */
export const priceAfter = (
  { price: rule }: Pick<WorkParameters, "price">,
  price: bigint,
  batches: readonly Pick<Batch, "actor" | "id" | "events">[],
): bigint => {
  let units = 0n;
  for (const batch of batches) {
    const { eventCount, eventBytes } = workedBatch(batch);
    units += batchUnits(eventCount, eventBytes);
  }
  return nextPrice(rule, price, units);
};
