/**
 * Quarantine: validators that were proven to have made two statements that contradict each other. The
 * proof is two signatures, so nothing here rests on an opinion, and there is no way back: a key that has
 * signed both may do it again.
 *
 * Rows: tag 0, id -> key of a validator (from the genesis, or registered; keys never change)
 *       tag 1, id -> since when it is quarantined, by which evidence, and how often it was caught
 *       tag 2, id, epoch, view, u8 conflict -> nothing: that this evidence is known
 *
 * Evidence is unique by validator, epoch, view and kind of conflict, never by signature bytes: FALCON is
 * randomised, and the same fault would count as often as somebody signs it.
 */
import { compareBytes, toHex } from "../crypto/bytes.ts";
import type { Hasher } from "../crypto/hash.ts";
import { field, type Json } from "../ledger/event-schema.ts";
import {
  type Apply,
  type Decide,
  defineProjection,
  listen,
  own,
  type Projection,
  type ProjectionRead,
  type ProjectionTx,
  refuse,
} from "../ledger/projection.ts";
import {
  type ValidatorRegistered,
  validatorRegistered,
} from "../ledger/projections/stake/events.ts";
import type { ReadStore } from "../ledger/records.ts";
import { defineRow, hashPart, KeyReader, keyOf, readRow, tagPart, u64Part } from "../ledger/row.ts";
import {
  type ConflictKind,
  conflict,
  type Evidence,
  kindNumber,
  statementBytes,
} from "../ledger/statement.ts";
import type { Hash, Statement } from "../ledger/types.ts";
import { LIMITS } from "../limits.ts";
import { type EvidenceCommitted, evidenceCommitted, statementOf } from "./events.ts";

const NAME = "quarantine";
const KEY = tagPart(0);
const CULPRIT = tagPart(1);
const KNOWN = tagPart(2);

/** Numbered for row keys: append only. */
const CONFLICTS: readonly ConflictKind[] = [
  "double-notarize",
  "double-finalize",
  "notarize-finalize",
  "nullify-finalize",
];

const ownKeyOf = (id: Hash): Uint8Array => keyOf(KEY, hashPart(id));

const keyRow = defineRow(field.bytes("publicKey", LIMITS.falconPublicKeyBytes));

const culpritRow = defineRow(
  field.u64("sinceHeight"),
  field.u64("sinceMs"),
  /** Index of the event with the first evidence. */
  field.u64("evidenceIndex"),
  field.u8("conflict"),
  /** Different faults that were proven. */
  field.u32("count"),
);

export type Quarantine = ReturnType<typeof culpritRow.decode>;

/** What `quarantinePrefix` lists: one row a culprit. */
export const quarantinePrefix: Uint8Array = CULPRIT;

type Case = { readonly first: Statement; readonly second: Statement; readonly conflict: number };

/** The two statements, where they contradict each other and stand in order. */
const caseOf = (value: EvidenceCommitted): Case | undefined => {
  const first = statementOf(value, "first");
  const second = statementOf(value, "second");
  if (first === undefined || second === undefined) return undefined;
  const kind = conflict(first, second);
  const order =
    kindNumber(first.kind) - kindNumber(second.kind) || compareBytes(first.hash, second.hash);
  if (kind === undefined || order >= 0) return undefined;
  return { first, second, conflict: CONFLICTS.indexOf(kind) };
};

const knownKey = (
  { validator, epoch, view }: Pick<EvidenceCommitted, "validator" | "epoch" | "view">,
  kind: number,
): Uint8Array => keyOf(KNOWN, hashPart(validator), u64Part(epoch), u64Part(view), tagPart(kind));

/** Why the signatures of evidence cannot count, and else the key that they must be of. */
type KeyOfFault<T> = (
  read: ProjectionRead,
  value: T,
  ofValidator: Uint8Array,
  hasher: Hasher,
) => Uint8Array | undefined;

/** Evidence, whose statements were signed with the key that `keyOf` names. */
export const decideEvidenceBy =
  <T extends EvidenceCommitted>(keyOf: KeyOfFault<T>): Decide<T> =>
  (read, value, context) => {
    // Else one batch could make every replica check thousands of signatures for the price of one.
    if (context.position >= LIMITS.evidencePositionsMax) {
      return refuse("event.invalid", "evidence stands in the first places of a batch");
    }
    const found = caseOf(value);
    if (found === undefined) {
      return refuse("evidence.invalid", "not two conflicting statements in order");
    }
    const stored = read.get(ownKeyOf(value.validator));
    if (stored === undefined) return refuse("evidence.invalid", "not a validator of this chain");
    // Before the signatures, which cost far more: a known fault is refused cheaply.
    if (read.get(knownKey(value, found.conflict)) !== undefined) {
      return refuse("evidence.known", "this fault is in the log already");
    }
    const publicKey = keyOf(read, value, keyRow.decode(stored).publicKey, context.hasher);
    if (publicKey === undefined) {
      return refuse("evidence.invalid", "the key is not the one that it had in that epoch");
    }
    const signedBy = (statement: Statement, signature: Uint8Array): boolean =>
      context.verifySignature(signature, statementBytes(context.hasher, statement), publicKey);
    if (!signedBy(found.first, value.first.signature)) {
      return refuse("evidence.invalid", "the first signature does not verify");
    }
    if (!signedBy(found.second, value.second.signature)) {
      return refuse("evidence.invalid", "the second signature does not verify");
    }
    return undefined;
  };

const decideEvidence = decideEvidenceBy<EvidenceCommitted>((_, __, ofValidator) => ofValidator);

export const applyEvidence: Apply<EvidenceCommitted> = (tx, value, { height, timeMs, index }) => {
  const found = caseOf(value);
  if (found === undefined) throw new RangeError("accepted evidence without a conflict");
  tx.put(knownKey(value, found.conflict), new Uint8Array(0));
  const key = keyOf(CULPRIT, hashPart(value.validator));
  const stored = tx.get(key);
  const before =
    stored === undefined
      ? { sinceHeight: height, sinceMs: timeMs, evidenceIndex: index, count: 0 }
      : culpritRow.decode(stored);
  const first = stored === undefined ? found.conflict : culpritRow.decode(stored).conflict;
  tx.put(key, culpritRow.encode({ ...before, conflict: first, count: before.count + 1 }));
};

export const writeGenesis: NonNullable<Projection["genesis"]> = (tx: ProjectionTx, genesis) => {
  for (const { id, publicKey } of genesis.validators) {
    tx.put(ownKeyOf(id), keyRow.encode({ publicKey }));
  }
};

export const formatRow = (key: Uint8Array, value: Uint8Array): Json => {
  const reader = new KeyReader(key);
  const tag = reader.tag();
  const validator = toHex(reader.hash());
  if (tag === 0) return { validator, publicKey: toHex(keyRow.decode(value).publicKey) };
  if (tag === 2) {
    const fault = { epoch: reader.u64(), view: reader.u64() };
    return { validator, ...fault, conflict: CONFLICTS[reader.tag()] ?? null };
  }
  const row = culpritRow.decode(value);
  return { validator, ...row, conflict: CONFLICTS[row.conflict] ?? null };
};

export const quarantine: Projection = defineProjection({
  name: NAME,
  schemaVersion: 1,
  owns: [own(evidenceCommitted, { decide: decideEvidence, apply: applyEvidence })],
  genesis: writeGenesis,
  format: formatRow,
});

/** The key of a validator that joins, so that evidence against it can be checked. */
export const onValidator: Apply<ValidatorRegistered> = (tx, { publicKey }, { hasher }) => {
  tx.put(ownKeyOf(hasher.ht("id", publicKey)), keyRow.encode({ publicKey }));
};

/** Quarantine on a chain on which validators join. */
export const quarantineOfStake: Projection = defineProjection({
  ...quarantine,
  listens: [listen(validatorRegistered, onValidator)],
});

/** Since when and why a validator is quarantined; undefined when it is not. Throws "store.corrupt". */
export const quarantineOf = (read: ReadStore, validatorId: Hash): Quarantine | undefined => {
  const row = readRow(read, NAME, keyOf(CULPRIT, hashPart(validatorId)));
  return row === undefined ? undefined : culpritRow.decode(row.value);
};

export const isQuarantined = (read: ReadStore, validatorId: Hash): boolean =>
  quarantineOf(read, validatorId) !== undefined;

/** Whether this fault is in the log. Throws "store.corrupt". */
export const isFaultKnown = (
  read: ReadStore,
  validator: Hash,
  { kind, first: { statement } }: Evidence,
): boolean => {
  const key = knownKey({ validator, ...statement }, CONFLICTS.indexOf(kind));
  return readRow(read, NAME, key) !== undefined;
};
