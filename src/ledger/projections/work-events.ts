/** Events of shares of work (docs/proofs.md, Work). Payload encodings are part of the protocol. */
import { LIMITS } from "../../limits.ts";
import { defineEvent, type EventValue, field } from "../event-schema.ts";

/** A validator commits to the shares that it has found in the running epoch. */
export const workSharesCommitted = defineEvent({
  type: "work.shares.committed",
  version: 1,
  fields: [field.u64("epoch"), field.u32("count"), field.hash("root")],
});
export type WorkSharesCommitted = EventValue<typeof workSharesCommitted>;

/** It opens some of those that are drawn (src/proofs/work/share-opening.ts). */
export const workSharesProven = defineEvent({
  type: "work.shares.proven",
  version: 1,
  fields: [field.u64("epoch"), field.u8("part"), field.bytes("shares", LIMITS.workPartBytesMax)],
  checkUnits: LIMITS.workPartCheckUnits,
});
export type WorkSharesProven = EventValue<typeof workSharesProven>;
