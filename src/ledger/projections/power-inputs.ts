/**
 * What the proofs give a validator's voting power (docs/proofs.md, Stake): readers over the rows of the
 * projections that keep the proofs, called once for each candidate of a next set.
 *
 * The set of epoch e + 2 is decided by the state just before the boundary block of epoch e (R9). `epoch` is
 * that e, the one that ends: everything that its events have shown is in the rows, and nothing later is.
 * Sets 0 and 1 are those of the genesis, so a reader is first asked about epoch 0.
 *
 * A reader is a pure function of the rows. It is asked only where the chain asks for its proof; a part that
 * the chain does not ask for bounds nobody's power. `id` is that of any candidate, with or without rows.
 * Throws "store.corrupt" for rows that do not decode.
 */
import type { GenesisProofs } from "../genesis-proofs.ts";
import type { ReadStore } from "../records.ts";
import type { Hash } from "../types.ts";
import { forgedAt } from "./forgeries.ts";
import { SPACE, sectorUnitsAt } from "./space/index.ts";
import { timeProvenAt } from "./time.ts";
import { WORK, workProvenAt } from "./work.ts";

/** Whole units, 0 for who has shown nothing; undefined: this proof bounds nobody yet. */
export type UnitsReader = (read: ReadStore, id: Hash, epoch: number) => bigint | undefined;

/** Whether the time proofs of a validator are there; false takes all its power. */
export type TimeReader = (read: ReadStore, id: Hash, epoch: number) => boolean;

/** Sectors that are admitted and whose openings of the epoch, or of the one before it, came in time. */
export const spaceUnitsAt: UnitsReader = sectorUnitsAt;

/** Shares whose opening was accepted in the epoch. */
export const workUnitsAt: UnitsReader = workProvenAt;

/** Whether a run of its own, or one that it shares, was proven in the epoch. */
export const timeOkAt: TimeReader = timeProvenAt;

/** The first epoch in which a validator opened a commitment of its own that is false; undefined for everybody else. */
export const forgeryEpochAt = (
  read: ReadStore,
  proofs: GenesisProofs,
  id: Hash,
): number | undefined => {
  const ofWork = proofs.work === null ? undefined : forgedAt(read, WORK, id);
  const ofSpace = proofs.space === null ? undefined : forgedAt(read, SPACE, id);
  // More of its stake stood behind the earlier one.
  if (ofWork === undefined || ofSpace === undefined) return ofWork ?? ofSpace;
  return Math.min(ofWork, ofSpace);
};
