/** Events of network location (docs/proofs.md). Payload encodings are part of the protocol. */
import { LIMITS } from "../../limits.ts";
import { ZONE_NAME } from "../../proofs/location/parameters.ts";
import { defineEvent, type EventValue, field } from "../event-schema.ts";

const receipt = field.record("receipt", [
  field.hash("witness"),
  field.u32("rttUs"),
  /** Hash of the challenges that the witness drew. */
  field.hash("rounds"),
  field.fixed("signature", LIMITS.falconSignatureBytes),
] as const);

/**
 * A validator shows how near it is: receipts of the running epoch within the bound of a zone, by witnesses in
 * ascending order that hold more than a third of the power together. Where one event does not hold so many, it is
 * full and others follow; `from` counts the receipts that the log has already.
 */
export const zoneCertified = defineEvent({
  type: "location.zone.certified",
  version: 1,
  fields: [
    field.u64("epoch"),
    field.u64("sector"),
    field.string("zone", LIMITS.nameBytesMax, ZONE_NAME),
    field.u32("from"),
    field.list("receipts", LIMITS.locationReceiptsMax, receipt),
  ],
});
export type ZoneCertified = EventValue<typeof zoneCertified>;
export type ShownReceipt = ZoneCertified["receipts"][number];
