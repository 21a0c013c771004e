/**
 * Commitments that their authors have shown to be false, on a chain with stake (stake/forgery.ts takes their stake).
 * Who is meant has signed the commitment and its opening: paths lead to what was committed to, and what
 * stands there is not what must. A wrong path shows nothing: a damaged disk makes them.
 *
 * Rows of the projection whose commitment it is:
 *
 *     tag 14 -> u8 1, where the chain asks for stake and `forgeryBps` is not 0
 *     tag 15, id -> u64 epoch, of the first such opening
 */
import { toHex } from "../../crypto/bytes.ts";
import { field, type Json } from "../event-schema.ts";
import type { Genesis } from "../genesis.ts";
import type { EventContext, ProjectionTx, Refusal } from "../projection.ts";
import type { ReadStore } from "../records.ts";
import { defineRow, hashPart, keyOf, readRow, tagPart } from "../row.ts";
import type { Hash } from "../types.ts";

const NOTED = tagPart(14);
const FORGED = tagPart(15);

const notedRow = defineRow(field.u8("noted"));
export const forgedRow = defineRow(field.u64("epoch"));

export const forgedKey = (id: Hash): Uint8Array => keyOf(FORGED, hashPart(id));

/** Part of the genesis rows of a projection with commitments. */
export const noteForgeries = (tx: ProjectionTx, { proofs }: Pick<Genesis, "proofs">): void => {
  if ((proofs.stake?.forgeryBps ?? 0n) > 0n) tx.put(NOTED, notedRow.encode({ noted: 1 }));
};

/** After a refusal: remembers whose commitment was false. Once is enough: who is caught is ended. */
export const noteForgery = (
  tx: ProjectionTx,
  { actor, epoch }: EventContext,
  { forged }: Refusal,
): void => {
  if (forged !== true || tx.get(NOTED) === undefined || tx.get(forgedKey(actor)) !== undefined) {
    return;
  }
  tx.put(forgedKey(actor), forgedRow.encode({ epoch: epoch.number }));
};

/** In which epoch a validator opened a false commitment of this projection. Throws "store.corrupt". */
export const forgedAt = (read: ReadStore, projection: string, id: Hash): number | undefined => {
  const row = readRow(read, projection, forgedKey(id));
  return row === undefined ? undefined : forgedRow.decode(row.value).epoch;
};

/** These rows for people; undefined for another one. */
export const forgeryJson = (key: Uint8Array, value: Uint8Array): Json | undefined => {
  if (key[0] === NOTED[0]) return notedRow.toJson(notedRow.decode(value));
  if (key[0] !== FORGED[0]) return undefined;
  const { epoch } = forgedRow.decode(value);
  return { validator: toHex(key.subarray(1)), forgedInEpoch: epoch };
};
