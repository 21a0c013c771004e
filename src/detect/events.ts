/** Events of detection. Payload encodings are part of the protocol. */
import { defineEvent, type EventValue, field } from "../ledger/event-schema.ts";
import { defineUpcaster } from "../ledger/registry.ts";
import { type Evidence, kindNumber, kindOf } from "../ledger/statement.ts";
import type { EncodedEvent, Hash, Statement } from "../ledger/types.ts";
import { LIMITS } from "../limits.ts";

const vote = [
  /** 1 notarize, 2 nullify, 3 finalize. */
  field.u8("kind"),
  field.hash("hash"),
  field.fixed("signature", LIMITS.falconSignatureBytes),
] as const;

/**
 * Two statements that one validator signed and may never both make (docs/protocol.md, "Statements").
 * The smaller statement first, by kind and then hash, so that one pair has one form.
 */
const evidence = [
  field.hash("validator"),
  field.u64("epoch"),
  field.u64("view"),
  field.record("first", vote),
  field.record("second", vote),
] as const;

export const evidenceCommitted = defineEvent({
  type: "detect.evidence.committed",
  version: 1,
  fields: evidence,
});
export type EvidenceCommitted = EventValue<typeof evidenceCommitted>;

/** On a chain with keys of epochs: with the key that the validator had in the epoch. */
export const evidenceWithKey = defineEvent({
  type: "detect.evidence.committed",
  version: 2,
  fields: [...evidence, field.fixed("publicKey", LIMITS.falconPublicKeyBytes)],
});
export type EvidenceWithKey = EventValue<typeof evidenceWithKey>;

/** For who reads events of any chain; none has both versions. */
export const evidenceUpcaster = defineUpcaster(evidenceCommitted, evidenceWithKey, (value) => ({
  ...value,
  publicKey: new Uint8Array(LIMITS.falconPublicKeyBytes),
}));

const payloadOf = ({ first, second }: Evidence, validator: Hash): EvidenceCommitted => {
  const { epoch, view } = first.statement;
  const fieldsOf = ({ statement, signature }: Evidence["first"]) => ({
    kind: kindNumber(statement.kind),
    hash: statement.hash,
    signature,
  });
  return { validator, epoch, view, first: fieldsOf(first), second: fieldsOf(second) };
};

/** The event that reports evidence against a validator, by its id. */
export const evidenceEvent = (evidence: Evidence, validator: Hash): EncodedEvent =>
  evidenceCommitted.encode(payloadOf(evidence, validator));

/** The same on a chain with keys of epochs. */
export const evidenceWithKeyEvent = (
  evidence: Evidence,
  validator: Hash,
  publicKey: Uint8Array,
): EncodedEvent => evidenceWithKey.encode({ ...payloadOf(evidence, validator), publicKey });

/** One of the two statements; undefined when its kind is none or a nullify has a hash. */
export const statementOf = (
  value: EvidenceCommitted,
  which: "first" | "second",
): Statement | undefined => {
  const { kind, hash } = value[which];
  const name = kindOf(kind);
  if (name === undefined) return undefined;
  if (name === "nullify" && hash.some((byte) => byte !== 0)) return undefined;
  return { epoch: value.epoch, view: value.view, kind: name, hash };
};
