/** Events of elapsed time (docs/proofs.md, Time). Payload encodings are part of the protocol. */
import { LIMITS } from "../../limits.ts";
import { defineEvent, type EventValue, field } from "../event-schema.ts";

/** A timekeeper commits to its run of the running epoch. Members ascend, without repeats or itself. */
export const timeRunCommitted = defineEvent({
  type: "time.run.committed",
  version: 1,
  fields: [
    field.u64("epoch"),
    field.u64("leaves"),
    field.hash("phi"),
    field.list("members", LIMITS.timeMembersMax, field.hash("member")),
  ],
});
export type TimeRunCommitted = EventValue<typeof timeRunCommitted>;

/** It answers some of the challenges (src/proofs/time/parts.ts); the proof is that of open.ts. */
export const timeRunProven = defineEvent({
  type: "time.run.proven",
  version: 1,
  fields: [
    field.u64("epoch"),
    field.u8("part"),
    field.bytes("proof", LIMITS.timePartBytesMax + 64),
  ],
  checkUnits: LIMITS.timePartCheckUnits,
});
export type TimeRunProven = EventValue<typeof timeRunProven>;

/** A member says that it shares a proven run. */
export const timeRunShared = defineEvent({
  type: "time.run.shared",
  version: 1,
  fields: [field.hash("timekeeper"), field.u64("epoch")],
});
export type TimeRunShared = EventValue<typeof timeRunShared>;
