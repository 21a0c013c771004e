/**
 * How near validators are to each other (docs/proofs.md, Network location): bounds on round-trip times, signed by
 * those who took them. A replica checks signatures, membership, limits and sums; it has no clock and measures
 * nothing. Nobody's power follows from these rows.
 *
 *     tag 0                    -> what the chain asks for
 *     tag 1, id, u64 epoch     -> the certificate of an epoch, as far as it has come
 *     tag 2, id                -> the epochs of which there are rows, the newest last
 */
import { compareBytes, equalBytes, toHex } from "../../crypto/bytes.ts";
import { LIMITS } from "../../limits.ts";
import type { LocationParameters } from "../../proofs/location/parameters.ts";
import { receiptMessage } from "../../proofs/location/receipt.ts";
import { field, type Json } from "../event-schema.ts";
import type { Genesis } from "../genesis.ts";
import {
  type Apply,
  type Decide,
  defineProjection,
  type EventContext,
  own,
  type Projection,
  type ProjectionRead,
  type ProjectionTx,
  type Refusal,
  refuse,
} from "../projection.ts";
import { defineRow, hashPart, KeyReader, keyOf, tagPart, u64Part } from "../row.ts";
import type { Hash, ValidatorSet } from "../types.ts";
import { indexOf } from "../validator-set.ts";
import { type ZoneCertified, zoneCertified } from "./zone-events.ts";

export const ZONES = "zones";
const ASKED = tagPart(0);

/** Prefix of the rows of certificates. */
export const certificatesPrefix: Uint8Array = tagPart(1);
const EPOCHS = tagPart(2);

const askedRow = defineRow(
  field.u8("rounds"),
  field.u8("labels"),
  field.list(
    "zones",
    LIMITS.locationZones[1],
    field.record("zone", [
      field.string("name", LIMITS.nameBytesMax),
      field.u32("rttMaxUs"),
    ] as const),
  ),
);

const OPEN = 0;
const CERTIFIED = 1;
const FAILED = 2;
const STATES = ["open", "certified", "failed"] as const;

const certificateRow = defineRow(
  field.u8("state"),
  field.u64("sector"),
  field.string("zone", LIMITS.nameBytesMax),
  field.u64("height"),
  field.list(
    "bounds",
    LIMITS.validatorsMax,
    field.record("bound", [field.hash("witness"), field.u32("rttUs")] as const),
  ),
);
export type ZoneCertificate = ReturnType<typeof certificateRow.decode>;

const epochsRow = defineRow(field.list("epochs", LIMITS.locationEpochsKept, field.u64("epoch")));

/** Key of the certificate of a validator and an epoch. */
export const certificateKey = (id: Hash, epoch: number): Uint8Array =>
  keyOf(certificatesPrefix, hashPart(id), u64Part(epoch));
const epochsKey = (id: Hash): Uint8Array => keyOf(EPOCHS, hashPart(id));

/** The certificate in a row. Throws DecodeError. */
export const certificateOf = (row: Uint8Array): ZoneCertificate => certificateRow.decode(row);

export const isOpen = ({ state }: Pick<ZoneCertificate, "state">): boolean => state === OPEN;

const askedBy = (read: ProjectionRead): LocationParameters => {
  const row = read.get(ASKED);
  if (row === undefined) throw new RangeError("the chain asks for no location");
  return askedRow.decode(row);
};

const heldOf = (read: ProjectionRead, id: Hash, epoch: number): ZoneCertificate | undefined => {
  const row = read.get(certificateKey(id, epoch));
  return row === undefined ? undefined : certificateRow.decode(row);
};

/** Whether witnesses hold more than a third of the power: then one of them is honest, if that much is at all. */
export const isMoreThanThird = (
  set: ValidatorSet,
  witnesses: Iterable<{ readonly witness: Hash }>,
): boolean => {
  let weight = 0n;
  for (const { witness } of witnesses) {
    weight += set.validators[indexOf(set, witness) ?? -1]?.weight ?? 0n;
  }
  return 3n * weight > set.totalWeight;
};

/** Whether this is the part that is due. Codes: location.failed, location.repeated, location.part. */
const outOfTurn = (
  held: ZoneCertificate | undefined,
  { epoch, zone, sector, from }: ZoneCertified,
): Refusal | undefined => {
  if (held?.state === FAILED) {
    return refuse("location.failed", `a receipt of epoch ${epoch} was false`);
  }
  if (held?.state === CERTIFIED) {
    return refuse("location.repeated", `epoch ${epoch} is certified`);
  }
  const done = held?.bounds.length ?? 0;
  const isSame = held === undefined || (held.zone === zone && held.sector === sector);
  if (isSame && from === done) return undefined;
  return refuse("location.part", `receipt ${from} is not the next one, ${done}, of this zone`);
};

/** Codes: event.invalid, location.own-receipt, location.not-member, location.too-far. */
const wrongReceipt = (
  value: ZoneCertified,
  before: Hash | undefined,
  rttMaxUs: number,
  set: ValidatorSet,
  actor: Hash,
): Refusal | undefined => {
  let last = before;
  for (const { witness, rttUs } of value.receipts) {
    if (last !== undefined && compareBytes(last, witness) >= 0) {
      return refuse("event.invalid", "witnesses ascend, without repeats");
    }
    last = witness;
    if (equalBytes(witness, actor)) return refuse("location.own-receipt", "its own receipt");
    if (indexOf(set, witness) === undefined) {
      return refuse("location.not-member", `${toHex(witness)} is not in the set of the epoch`);
    }
    if (rttUs > rttMaxUs) {
      return refuse("location.too-far", `${rttUs} us where ${value.zone} allows ${rttMaxUs}`);
    }
  }
  return undefined;
};

/** Signatures last, and the first that is false ends it. Code: location.receipt-invalid. */
const forgedReceipt = (
  { epoch, sector, receipts }: ZoneCertified,
  set: ValidatorSet,
  { actor, hasher, verifySignature }: EventContext,
): Refusal | undefined => {
  for (const { witness, rttUs, rounds, signature } of receipts) {
    const key = set.validators[indexOf(set, witness) ?? -1]?.publicKey ?? new Uint8Array(0);
    const claim = { epoch, prover: actor, witness, sector, rttUs, rounds };
    if (!verifySignature(signature, receiptMessage(hasher, claim), key)) {
      return refuse("location.receipt-invalid", `the receipt of ${toHex(witness)}`);
    }
  }
  return undefined;
};

/**
 * Codes: event.invalid, location.stale, location.zone-unknown, location.not-member, location.failed,
 * location.repeated, location.part, location.own-receipt, location.too-far, location.too-few,
 * location.receipt-invalid.
 */
const decideCertified: Decide<ZoneCertified> = (read, value, context) => {
  const { actor, epoch, position } = context;
  // Before anything is hashed: what one batch can cost is bounded by its first places.
  if (position >= LIMITS.locationPositionsMax) {
    return refuse("event.invalid", "receipts stand in the first place of a batch");
  }
  if (value.epoch !== epoch.number) {
    return refuse("location.stale", `receipts of epoch ${value.epoch} in epoch ${epoch.number}`);
  }
  const zone = askedBy(read).zones.find(({ name }) => name === value.zone);
  if (zone === undefined) return refuse("location.zone-unknown", `no zone ${value.zone}`);
  const set = context.validatorSet();
  if (indexOf(set, actor) === undefined) {
    return refuse("location.not-member", "the prover is not in the set of the epoch");
  }
  const held = heldOf(read, actor, epoch.number);
  const turn = outOfTurn(held, value);
  if (turn !== undefined) return turn;
  const bounds = held?.bounds ?? [];
  const wrong = wrongReceipt(value, bounds.at(-1)?.witness, zone.rttMaxUs, set, actor);
  if (wrong !== undefined) return wrong;
  // Every part but the last is full: what a certificate costs is what it must have.
  const isFull = value.receipts.length === LIMITS.locationReceiptsMax;
  if (!isFull && !isMoreThanThird(set, [...bounds, ...value.receipts])) {
    return refuse("location.too-few", "the witnesses hold no more than a third of the power");
  }
  return forgedReceipt(value, set, context);
};

const put = (tx: ProjectionTx, { actor, epoch }: EventContext, row: ZoneCertificate): void => {
  tx.put(certificateKey(actor, epoch.number), certificateRow.encode(row));
  const stored = tx.get(epochsKey(actor));
  const known = stored === undefined ? [] : epochsRow.decode(stored).epochs;
  if (known.includes(epoch.number)) return;
  const epochs = [...known, epoch.number];
  for (const old of epochs.splice(0, epochs.length - LIMITS.locationEpochsKept)) {
    tx.del(certificateKey(actor, old));
  }
  tx.put(epochsKey(actor), epochsRow.encode({ epochs }));
};

const applyCertified: Apply<ZoneCertified> = (tx, value, context) => {
  const { sector, zone, receipts } = value;
  const held = heldOf(tx, context.actor, context.epoch.number);
  const added = receipts.map(({ witness, rttUs }) => ({ witness, rttUs }));
  const bounds = [...(held?.bounds ?? []), ...added];
  const isDone = isMoreThanThird(context.validatorSet(), bounds);
  const state = isDone ? CERTIFIED : OPEN;
  put(tx, context, { state, sector, zone, height: context.height, bounds });
};

const writeGenesis = (tx: ProjectionTx, { proofs }: Genesis): void => {
  if (proofs.location !== undefined) tx.put(ASKED, askedRow.encode(proofs.location));
};

const format = (key: Uint8Array, value: Uint8Array): Json => {
  const reader = new KeyReader(key);
  const tag = reader.tag();
  if (tag === ASKED[0]) return askedRow.toJson(askedRow.decode(value));
  const validator = toHex(reader.hash());
  if (tag === EPOCHS[0]) return { validator, epochs: epochsRow.decode(value).epochs };
  const { state, sector, zone, height, bounds } = certificateRow.decode(value);
  return {
    ...{ validator, epoch: reader.u64(), state: STATES[state] ?? "failed", zone, sector, height },
    bounds: bounds.map(({ witness, rttUs }) => ({ witness: toHex(witness), rttUs })),
  };
};

export const zones: Projection = defineProjection({
  name: ZONES,
  schemaVersion: 1,
  owns: [
    own(zoneCertified, {
      decide: decideCertified,
      apply: applyCertified,
      // One false receipt ends the epoch for who showed it: nobody has replicas check signatures for nothing twice.
      refused: (tx, { sector, zone }, context, { code }) => {
        if (code !== "location.receipt-invalid") return;
        put(tx, context, { state: FAILED, sector, zone, height: context.height, bounds: [] });
      },
    }),
  ],
  genesis: writeGenesis,
  format,
});
