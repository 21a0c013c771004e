/**
 * The validators and what is known of them. Rows: tag 0 -> the ids of all, ascending; tag 1, id -> one
 * validator. The list is a row of its own so that a set is built from point reads.
 *
 * In this version the members and weights are those of the genesis: events that bond, change and remove
 * validators come with stake. Evidence marks a validator here; it takes no weight from it, because a
 * quorum must not change by anything but an epoch's boundary.
 */
import { compareBytes, toHex } from "../../crypto/bytes.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { field } from "../event-schema.ts";
import type { Genesis } from "../genesis.ts";
import {
  type Apply,
  defineProjection,
  listenTo,
  type Projection,
  type ProjectionTx,
} from "../projection.ts";
import type { ReadStore } from "../records.ts";
import { defineRow, hashPart, keyOf, readRow, tagPart } from "../row.ts";
import type { Hash, ValidatorSet } from "../types.ts";
import { createValidatorSet } from "../validator-set.ts";

export const VALIDATORS = "validators";
const LIST = tagPart(0);
const ONE = tagPart(1);

const listRow = defineRow(field.list("ids", LIMITS.validatorsMax, field.hash("id")));

/** misbehavedHeight: where evidence against it was first accepted; 0 for none. */
const validatorRow = defineRow(
  field.string("name", LIMITS.nameBytesMax),
  field.bytes("publicKey", LIMITS.falconPublicKeyBytes),
  field.u64big("weight"),
  field.hash("tlsPin"),
  field.string("address", LIMITS.addressBytesMax),
  field.u64("misbehavedHeight"),
);

export type ValidatorRow = ReturnType<typeof validatorRow.decode>;

/** Where the row of a validator is. */
export const validatorKey = (id: Hash): Uint8Array => keyOf(ONE, hashPart(id));

const writeGenesis = (tx: ProjectionTx, genesis: Genesis): void => {
  const sorted = [...genesis.validators].sort((a, b) => compareBytes(a.id, b.id));
  tx.put(LIST, listRow.encode({ ids: sorted.map((validator) => validator.id) }));
  for (const validator of sorted) {
    tx.put(validatorKey(validator.id), validatorRow.encode({ ...validator, misbehavedHeight: 0 }));
  }
};

/** Marks the validator that the evidence names: the first evidence counts. */
const onEvidence: Apply<unknown> = (tx, value, { height }) => {
  const id = culpritOf(value);
  const stored = tx.get(validatorKey(id));
  if (stored === undefined) return;
  const row = validatorRow.decode(stored);
  if (row.misbehavedHeight !== 0) return;
  tx.put(validatorKey(id), validatorRow.encode({ ...row, misbehavedHeight: height }));
};

function culpritOf(value: unknown): Hash {
  if (typeof value === "object" && value !== null && "validator" in value) {
    if (value.validator instanceof Uint8Array) return value.validator;
  }
  throw new RangeError("evidence names no validator");
}

export const validators: Projection = defineProjection({
  name: VALIDATORS,
  schemaVersion: 1,
  owns: [],
  listens: [listenTo("detect.evidence.committed", onEvidence)],
  genesis: writeGenesis,
  format: (key, value) => {
    if (key.length === 1) return { validators: listRow.decode(value).ids.map(toHex) };
    const { name, weight, tlsPin, address, misbehavedHeight } = validatorRow.decode(value);
    return {
      validator: toHex(key.subarray(1)),
      name,
      weight: weight.toString(),
      tlsPin: toHex(tlsPin),
      address,
      misbehavedHeight: misbehavedHeight === 0 ? null : misbehavedHeight,
    };
  },
});

/** A validator as the store has it. Throws "store.corrupt". */
export const validatorAt = (read: ReadStore, id: Hash): ValidatorRow | undefined => {
  const row = readRow(read, VALIDATORS, validatorKey(id));
  return row === undefined ? undefined : validatorRow.decode(row.value);
};

/**
 * The set of an epoch, a pure function of the rows as they were final at the start of the epoch before
 * (R9): the caller reads from that state. Throws "store.corrupt" when the rows are not there.
 */
export const nextValidatorSet = (hasher: Hasher, epoch: number, read: ReadStore): ValidatorSet => {
  const list = readRow(read, VALIDATORS, LIST);
  if (list === undefined) throw new TetradError("store.corrupt", "no list of validators");
  const members = listRow.decode(list.value).ids.map((id) => {
    const row = validatorAt(read, id);
    if (row === undefined) {
      throw new TetradError("store.corrupt", `validator ${toHex(id)} has no row`);
    }
    const { name, publicKey, weight, tlsPin, address } = row;
    return { id, name, publicKey, weight, tlsPin, address };
  });
  return createValidatorSet(hasher, epoch, members);
};
