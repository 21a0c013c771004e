/**
 * What validators sign consensus with, epoch by epoch, on a chain that asks for it (docs/stake.md, "Keys of
 * epochs"). A validator has a long-lived key, which its id is the hash of and which it acts with, and keys that
 * it registers ahead of time. In the set of an epoch stands the one with the greatest epoch up to it, so whoever
 * registers nothing goes on with the last one, and a chain never stands still because keys ran out. One that
 * has never registered any has its long-lived key there.
 *
 * What a set has is the same in every state since the epoch three before it began: a key is registered for an
 * epoch at least `epochKeyLeadEpochs` above that of the event's block, and may be replaced until then.
 *
 *     tag 0, id            the epochs of the keys that are kept, ascending; of each validator
 *     tag 1, id, u64 epoch the key
 *
 * Keys that no set needs any more are dropped at the owner's next registration.
 */
import { equalBytes, toHex } from "../../crypto/bytes.ts";
import { Writer } from "../../crypto/codec.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { defineEvent, type EventValue, field, type Json } from "../event-schema.ts";
import type { Genesis } from "../genesis.ts";
import {
  type Apply,
  type Decide,
  defineProjection,
  listen,
  own,
  type Projection,
  type ProjectionRead,
  type ProjectionTx,
  type Refusal,
  refuse,
} from "../projection.ts";
import type { ReadStore } from "../records.ts";
import { defineRow, hashPart, KeyReader, keyOf, readRow, tagPart, u64Part } from "../row.ts";
import type { Hash } from "../types.ts";
import { type ValidatorRegistered, validatorRegistered } from "./stake/events.ts";

const NAME = "epoch-keys";

/**
 * By the validator's own actor: the keys that it will sign with from these epochs on, ascending. `possession` is
 * the new key's signature over `epochKeyMessage`, so that nobody registers a key that is another's.
 */
export const epochKeysRegistered = defineEvent({
  type: "validator.keys.registered",
  version: 1,
  fields: [
    field.list(
      "keys",
      LIMITS.epochKeysPerEventMax,
      field.record("key", [
        field.u64("epoch"),
        field.fixed("publicKey", LIMITS.falconPublicKeyBytes),
        field.fixed("possession", LIMITS.falconSignatureBytes),
      ]),
    ),
  ],
});
export type EpochKeysRegistered = EventValue<typeof epochKeysRegistered>;
export type EpochKeyRegistration = EpochKeysRegistered["keys"][number];

/** Ht("validator/epoch-key", validator(32) || u64 epoch || publicKey(1793)): what a key of an epoch signs. */
export const epochKeyMessage = (
  hasher: Hasher,
  validator: Hash,
  { epoch, publicKey }: Pick<EpochKeyRegistration, "epoch" | "publicKey">,
): Hash => {
  const writer = new Writer(40 + LIMITS.falconPublicKeyBytes).hash(validator).u64(epoch);
  return hasher.ht(
    "validator/epoch-key",
    writer.fixed(publicKey, LIMITS.falconPublicKeyBytes).finish(),
  );
};

/** The one that the running epoch has, the two of epochs that are decided, and those ahead. */
const KEPT_MAX = LIMITS.epochKeysAheadMax + LIMITS.epochKeyLeadEpochs;

const epochsRow = defineRow(field.list("epochs", KEPT_MAX, field.u64("epoch")));
const keyRow = defineRow(field.fixed("publicKey", LIMITS.falconPublicKeyBytes));

const KEYS = {
  epochs: (id: Hash) => keyOf(tagPart(0), hashPart(id)),
  key: (id: Hash, epoch: number) => keyOf(tagPart(1), hashPart(id), u64Part(epoch)),
} as const;

const epochsOf = (read: ProjectionRead, id: Hash): readonly number[] | undefined => {
  const row = read.get(KEYS.epochs(id));
  return row === undefined ? undefined : epochsRow.decode(row).epochs;
};

/** The epochs whose keys may still stand in a set that is not decided, or are of the running one. */
const needed = (epochs: readonly number[], running: number): readonly number[] => {
  const current = epochs.findLast((epoch) => epoch <= running);
  return epochs.filter((epoch) => epoch > running || epoch === current);
};

/** Wrong whatever is registered already; undefined where nothing is. */
const formFault = ({ keys }: EpochKeysRegistered, running: number): Refusal | undefined => {
  if (keys.length === 0) return refuse("event.invalid", "no keys");
  const first = running + LIMITS.epochKeyLeadEpochs;
  const last = running + LIMITS.epochKeysAheadMax;
  for (const [i, { epoch }] of keys.entries()) {
    if (epoch < first || epoch > last) {
      return refuse("event.invalid", `keys are registered for epochs ${first} to ${last}`);
    }
    const before = keys[i - 1];
    if (before !== undefined && before.epoch >= epoch) {
      return refuse("event.invalid", "epochs must ascend");
    }
  }
  return undefined;
};

const decideRegistered: Decide<EpochKeysRegistered> = (read, value, context) => {
  const { actor, hasher, position, epoch } = context;
  // Else one batch could make every replica check thousands of signatures for the price of one.
  if (position >= LIMITS.epochKeyPositionsMax) {
    return refuse("event.invalid", "keys of epochs stand in the first places of a batch");
  }
  const held = epochsOf(read, actor);
  if (held === undefined) return refuse("event.forbidden", "keys of epochs are of validators");
  const wrong = formFault(value, epoch.number);
  if (wrong !== undefined) return wrong;
  const others = held.flatMap((one) => {
    const row = read.get(KEYS.key(actor, one));
    return row === undefined ? [] : [keyRow.decode(row).publicKey];
  });
  for (const { publicKey } of value.keys) {
    // A key of two epochs could not be erased after the first; the long-lived one never is.
    const isOld = others.some((other) => equalBytes(other, publicKey));
    if (isOld || equalBytes(hasher.ht("id", publicKey), actor)) {
      return refuse("event.conflict", "a key of an epoch is for that epoch alone");
    }
    others.push(publicKey);
  }
  const isOwn = value.keys.every((one) =>
    context.verifySignature(one.possession, epochKeyMessage(hasher, actor, one), one.publicKey),
  );
  return isOwn ? undefined : refuse("stake.possession", "a new key has not signed for its epoch");
};

const applyRegistered: Apply<EpochKeysRegistered> = (tx, { keys }, { actor, epoch }) => {
  const held = epochsOf(tx, actor) ?? [];
  const kept = needed(held, epoch.number);
  for (const one of held) if (!kept.includes(one)) tx.del(KEYS.key(actor, one));
  for (const one of keys) {
    tx.put(KEYS.key(actor, one.epoch), keyRow.encode({ publicKey: one.publicKey }));
  }
  const epochs = [...new Set([...kept, ...keys.map((one) => one.epoch)])].sort((a, b) => a - b);
  tx.put(KEYS.epochs(actor), epochsRow.encode({ epochs }));
};

const writeGenesis = (tx: ProjectionTx, { validators, provers }: Genesis): void => {
  for (const [i, { id }] of validators.entries()) {
    const publicKey = provers[i]?.epochKey;
    if (publicKey === undefined)
      throw new RangeError("a validator of the genesis has no epoch key");
    tx.put(KEYS.epochs(id), epochsRow.encode({ epochs: [0] }));
    tx.put(KEYS.key(id, 0), keyRow.encode({ publicKey }));
  }
};

/** A validator that joins signs with its long-lived key until it has registered another. */
const onValidator: Apply<ValidatorRegistered> = (tx, { publicKey }, { hasher }) =>
  tx.put(KEYS.epochs(hasher.ht("id", publicKey)), epochsRow.encode({ epochs: [] }));

const formatRow = (key: Uint8Array, value: Uint8Array): Json => {
  const reader = new KeyReader(key);
  const tag = reader.tag();
  const validator = toHex(reader.hash());
  if (tag === 0) return { validator, epochs: [...epochsRow.decode(value).epochs] };
  return { validator, epoch: reader.u64(), publicKey: toHex(keyRow.decode(value).publicKey) };
};

export const epochKeys: Projection = defineProjection({
  name: NAME,
  schemaVersion: 1,
  owns: [own(epochKeysRegistered, { decide: decideRegistered, apply: applyRegistered })],
  listens: [listen(validatorRegistered, onValidator)],
  genesis: writeGenesis,
  format: formatRow,
});

/** A key that a validator has registered, and the epoch that it is for. */
export type EpochKey = { readonly epoch: number; readonly publicKey: Uint8Array };

/**
 * The keys of a validator that may still count, oldest first; empty for one that has registered none, and
 * on a chain without keys of epochs. Throws "store.corrupt".
 */
export const epochKeysAt = (read: ReadStore, id: Hash): readonly EpochKey[] => {
  const row = readRow(read, NAME, KEYS.epochs(id));
  if (row === undefined) return [];
  return epochsRow.decode(row.value).epochs.map((epoch) => {
    const key = readRow(read, NAME, KEYS.key(id, epoch));
    if (key === undefined) {
      throw new TetradError("store.corrupt", `a key of epoch ${epoch} of ${toHex(id)} is missing`);
    }
    return { epoch, publicKey: keyRow.decode(key.value).publicKey };
  });
};

/**
 * What a validator signs with in an epoch whose set is decided; undefined for one that has only its long-lived
 * key. Of epochs before the running one it is not known any more. Throws "store.corrupt".
 */
export const epochKeyAt = (read: ReadStore, id: Hash, epoch: number): EpochKey | undefined =>
  epochKeysAt(read, id).findLast((one) => one.epoch <= epoch);
