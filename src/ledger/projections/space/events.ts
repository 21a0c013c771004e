/**
 * What a validator says of its sectors (docs/proofs.md, Space). Whose they are is never in a payload: it is
 * the actor that has signed the batch.
 */
import { LIMITS } from "../../../limits.ts";
import { defineEvent, type EventValue, field } from "../../event-schema.ts";

/** A sector, begun from the beacon of `beaconHeight`: a grid height, so that many can share one. */
export const sectorCommitted = defineEvent({
  type: "space.sector.committed",
  version: 1,
  fields: [
    field.u64("number"),
    field.u64("beaconHeight"),
    field.hash("commC"),
    field.hash("commRl"),
  ],
});
export type SectorCommitted = EventValue<typeof sectorCommitted>;

/** A part of the admission of a sector: the challenges from `from` on, as many as the bytes are. */
export const sectorProven = defineEvent({
  type: "space.sector.proven",
  version: 1,
  fields: [
    field.u64("number"),
    field.u32("from"),
    field.bytes("openings", LIMITS.spacePartBytesMax),
  ],
});
export type SectorProven = EventValue<typeof sectorProven>;

/** Gives a sector back: it is asked for until the epoch ends, and not from the next one on. */
export const sectorDropped = defineEvent({
  type: "space.sector.dropped",
  version: 1,
  fields: [field.u64("number")],
});
export type SectorDropped = EventValue<typeof sectorDropped>;

/** A part of the openings of an epoch, over all sectors of the validator. */
export const windowProven = defineEvent({
  type: "space.window.proven",
  version: 1,
  fields: [
    field.u64("epoch"),
    field.u32("from"),
    field.bytes("openings", LIMITS.spacePartBytesMax),
  ],
});
export type WindowProven = EventValue<typeof windowProven>;
