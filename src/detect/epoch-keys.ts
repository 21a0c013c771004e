/**
 * Quarantine on a chain with keys of epochs: statements of an epoch were signed with the key that the validator
 * had in it, which evidence shows and whose hash is kept here. The keys themselves would be 1.8 KB an epoch of
 * each validator for as long as evidence is taken.
 *
 * Further rows: tag 3, id -> the hashes of its keys by the first epoch that each is for, ascending; the newest
 * `epochKeyHistoryMax`. Evidence of an epoch before the oldest of so many is refused.
 */
import { equalBytes, toHex } from "../crypto/bytes.ts";
import type { Hasher } from "../crypto/hash.ts";
import { field, type Json } from "../ledger/event-schema.ts";
import {
  type Apply,
  defineProjection,
  listen,
  own,
  type Projection,
  type ProjectionRead,
  type ProjectionTx,
} from "../ledger/projection.ts";
import { type EpochKeysRegistered, epochKeysRegistered } from "../ledger/projections/epoch-keys.ts";
import { validatorRegistered } from "../ledger/projections/stake/events.ts";
import { defineRow, hashPart, keyOf, tagPart } from "../ledger/row.ts";
import type { Hash } from "../ledger/types.ts";
import { LIMITS } from "../limits.ts";
import { type EvidenceWithKey, evidenceWithKey } from "./events.ts";
import {
  applyEvidence,
  decideEvidenceBy,
  formatRow,
  onValidator,
  quarantine,
  writeGenesis,
} from "./projection.ts";

const HISTORY_TAG = 3;

const historyRow = defineRow(
  field.list(
    "keys",
    LIMITS.epochKeyHistoryMax,
    field.record("key", [field.u64("epoch"), field.hash("keyHash")]),
  ),
);
type Known = ReturnType<typeof historyRow.decode>["keys"][number];

const historyKey = (id: Hash): Uint8Array => keyOf(tagPart(HISTORY_TAG), hashPart(id));

const historyOf = (read: ProjectionRead, id: Hash): readonly Known[] => {
  const row = read.get(historyKey(id));
  return row === undefined ? [] : historyRow.decode(row).keys;
};

const hashOf = (hasher: Hasher, publicKey: Uint8Array): Hash => hasher.ht("id", publicKey);

/** The key that evidence shows, if it is the one that the validator had in the epoch. */
const keyOfEpoch = (
  read: ProjectionRead,
  { validator, epoch, publicKey }: EvidenceWithKey,
  ofValidator: Uint8Array,
  hasher: Hasher,
): Uint8Array | undefined => {
  const known = historyOf(read, validator);
  const had = known.findLast((one) => one.epoch <= epoch);
  // What was before the oldest of a full list is not known any more.
  if (had === undefined && known.length >= LIMITS.epochKeyHistoryMax) return undefined;
  const isIt =
    had === undefined
      ? equalBytes(publicKey, ofValidator)
      : equalBytes(hashOf(hasher, publicKey), had.keyHash);
  return isIt ? publicKey : undefined;
};

const remember = (tx: ProjectionTx, id: Hash, keys: readonly Known[]): void => {
  const byEpoch = new Map(historyOf(tx, id).map((one) => [one.epoch, one]));
  // One that was not used yet may be replaced.
  for (const one of keys) byEpoch.set(one.epoch, one);
  const all = [...byEpoch.values()].sort((a, b) => a.epoch - b.epoch);
  tx.put(historyKey(id), historyRow.encode({ keys: all.slice(-LIMITS.epochKeyHistoryMax) }));
};

const onKeys: Apply<EpochKeysRegistered> = (tx, { keys }, { actor, hasher }) => {
  const hashed = keys.map(({ epoch, publicKey }) => {
    return { epoch, keyHash: hashOf(hasher, publicKey) };
  });
  remember(tx, actor, hashed);
};

/** As `formatRow`, and the rows that only such a chain has. */
export const formatWithKeys = (key: Uint8Array, value: Uint8Array): Json =>
  key[0] === HISTORY_TAG
    ? {
        validator: toHex(key.subarray(1)),
        keys: historyRow
          .decode(value)
          .keys.map(({ epoch, keyHash }) => ({ epoch, keyHash: toHex(keyHash) })),
      }
    : formatRow(key, value);

export const quarantineOfEpochKeys: Projection = defineProjection({
  ...quarantine,
  owns: [own(evidenceWithKey, { decide: decideEvidenceBy(keyOfEpoch), apply: applyEvidence })],
  listens: [listen(validatorRegistered, onValidator), listen(epochKeysRegistered, onKeys)],
  genesis: (tx, genesis, context) => {
    writeGenesis(tx, genesis, context);
    for (const [i, { id }] of genesis.validators.entries()) {
      const publicKey = genesis.provers[i]?.epochKey;
      if (publicKey === undefined) throw new RangeError("a validator has no key of epoch 0");
      remember(tx, id, [{ epoch: 0, keyHash: hashOf(context.hasher, publicKey) }]);
    }
  },
  format: formatWithKeys,
});
