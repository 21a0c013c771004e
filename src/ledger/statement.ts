/**
 * Statements, votes, certificates and evidence: their bytes (docs/protocol.md, "Statements, votes,
 * certificates") and which two statements of one validator contradict each other.
 *
 * Statements are compared, never signatures: FALCON is randomised, so one statement has many signatures.
 */
import { compareBytes, equalBytes, isZero, toHex, ZERO_HASH } from "../crypto/bytes.ts";
import { DecodeError, Reader, utf8, Writer } from "../crypto/codec.ts";
import type { Hasher } from "../crypto/hash.ts";
import { fail, ok, type Result } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Certificate, Statement, StatementKind, Vote } from "./types.ts";
import { bitmapBytes, bitmapOf, signersOf } from "./validator-set.ts";

const DOMAIN = utf8("tetrad-statement");

const KINDS: readonly StatementKind[] = ["notarize", "nullify", "finalize"];

/** 1 notarize, 2 nullify, 3 finalize. */
export const kindNumber = (kind: StatementKind): number => KINDS.indexOf(kind) + 1;

/** The kind with this number, if there is one. */
export const kindOf = (number: number): StatementKind | undefined => KINDS[number - 1];

const STATEMENT_BYTES = 8 + 8 + 1 + 32;

export const VOTE_BYTES: number = STATEMENT_BYTES + 2 + LIMITS.falconSignatureBytes;

/** What the validator signs: 97 bytes, fixed width, bound to the chain. */
export const statementBytes = (hasher: Hasher, statement: Statement): Uint8Array => {
  const writer = new Writer(97).raw(DOMAIN).hash(hasher.chainHash);
  writeStatement(writer, statement);
  return writer.finish();
};

/** A string that two statements share exactly when they say the same: keys maps. */
export const statementKey = (statement: Statement): string =>
  `${statement.epoch}/${statement.view}/${statement.kind}/${toHex(statement.hash)}`;

export const sameStatement = (a: Statement, b: Statement): boolean =>
  a.epoch === b.epoch && a.view === b.view && a.kind === b.kind && equalBytes(a.hash, b.hash);

export const notarize = (epoch: number, view: number, hash: Uint8Array): Statement => ({
  epoch,
  view,
  kind: "notarize",
  hash,
});
export const nullify = (epoch: number, view: number): Statement => ({
  epoch,
  view,
  kind: "nullify",
  hash: ZERO_HASH,
});
export const finalize = (epoch: number, view: number, hash: Uint8Array): Statement => ({
  epoch,
  view,
  kind: "finalize",
  hash,
});

export type ConflictKind =
  | "double-notarize"
  | "double-finalize"
  | "notarize-finalize"
  | "nullify-finalize";

/**
 * Whether one validator may never make both statements, and which rule they break. Two statements of
 * one epoch and view conflict as {N h1, N h2}, {F h1, F h2}, {N h1, F h2} with h1 other than h2, and
 * {S, F}. {N, S} is legal: a validator that notarized may still give the view up.
 */
export const conflict = (a: Statement, b: Statement): ConflictKind | undefined => {
  if (a.epoch !== b.epoch || a.view !== b.view) return undefined;
  if (a.kind === "nullify" || b.kind === "nullify") {
    return a.kind === "finalize" || b.kind === "finalize" ? "nullify-finalize" : undefined;
  }
  if (equalBytes(a.hash, b.hash)) return undefined;
  if (a.kind !== b.kind) return "notarize-finalize";
  return a.kind === "notarize" ? "double-notarize" : "double-finalize";
};

/** Two conflicting votes of one signer, in the order of their statements' bytes. */
export type Evidence = {
  readonly kind: ConflictKind;
  readonly first: Vote;
  readonly second: Vote;
};

/** Evidence from two votes in any order; undefined when they are not of one signer or do not conflict. */
export const evidenceOf = (a: Vote, b: Vote): Evidence | undefined => {
  const kind = conflict(a.statement, b.statement);
  if (kind === undefined || a.signer !== b.signer) return undefined;
  return compareStatements(a.statement, b.statement) < 0
    ? { kind, first: a, second: b }
    : { kind, first: b, second: a };
};

/** Evidence is unique by (signer, epoch, view, kind of conflict), never by signature bytes. */
export const evidenceKey = (evidence: Evidence): string => {
  const { statement, signer } = evidence.first;
  return `${statement.epoch}/${statement.view}/${signer}/${evidence.kind}`;
};

export const encodeVote = (vote: Vote): Uint8Array => {
  const writer = new Writer(VOTE_BYTES);
  writeVote(writer, vote);
  return writer.finish();
};

/** Code: encoding.malformed. The signature is a view into `bytes`. */
export const decodeVote = (bytes: Uint8Array): Result<Vote> => decodeWith(bytes, readVote);

/** Two votes, the smaller statement first. */
export const encodeEvidence = (evidence: Evidence): Uint8Array => {
  const writer = new Writer(2 * VOTE_BYTES);
  writeVote(writer, evidence.first);
  writeVote(writer, evidence.second);
  return writer.finish();
};

/**
 * Codes: encoding.malformed (also for votes in the wrong order), evidence.invalid (the votes are of two
 * signers or do not conflict). Signatures are not checked here.
 */
export const decodeEvidence = (bytes: Uint8Array): Result<Evidence> => {
  const pair = decodeWith(bytes, (reader) => ({ a: readVote(reader), b: readVote(reader) }));
  if (!pair.ok) return pair;
  const { a, b } = pair.value;
  const evidence = evidenceOf(a, b);
  if (evidence === undefined) return fail("evidence.invalid", "the votes do not conflict");
  if (evidence.first !== a) return fail("encoding.malformed", "votes of evidence out of order");
  return ok(evidence);
};

/** A certificate as it was decoded: the encoding states how many validators its bitmap covers. */
export type SizedCertificate = Certificate & { readonly setSize: number };

/** Throws RangeError for signers that are not ascending members of a set of that size. */
export const encodeCertificate = (certificate: Certificate, setSize: number): Uint8Array => {
  const signatures = certificate.signers.length * LIMITS.falconSignatureBytes;
  const writer = new Writer(STATEMENT_BYTES + 2 + bitmapBytes(setSize) + signatures);
  writeCertificate(writer, certificate, setSize);
  return writer.finish();
};

/** Code: encoding.malformed. The signatures are views into `bytes`. */
export const decodeCertificate = (bytes: Uint8Array): Result<SizedCertificate> =>
  decodeWith(bytes, readCertificate);

export const writeVote = (writer: Writer, vote: Vote): void => {
  writeStatement(writer, vote.statement);
  writer.u16(vote.signer).fixed(vote.signature, LIMITS.falconSignatureBytes);
};

/** Throws DecodeError. For messages that hold a vote. */
export const readVote = (reader: Reader): Vote => ({
  statement: readStatement(reader),
  signer: reader.u16(),
  signature: reader.fixed(LIMITS.falconSignatureBytes),
});

export const writeCertificate = (
  writer: Writer,
  certificate: Certificate,
  setSize: number,
): void => {
  const { statement, signers, signatures } = certificate;
  if (signers.length !== signatures.length) throw new RangeError("one signature a signer");
  if (signers.some((signer, i) => i > 0 && signer <= (signers[i - 1] ?? 0))) {
    throw new RangeError("signers must ascend");
  }
  writeStatement(writer, statement);
  writer.u16(setSize).raw(bitmapOf(signers, setSize));
  for (const signature of signatures) writer.fixed(signature, LIMITS.falconSignatureBytes);
};

/** Throws DecodeError. For messages that hold a certificate. */
export const readCertificate = (reader: Reader): SizedCertificate => {
  const statement = readStatement(reader);
  const at = reader.offset;
  const setSize = reader.u16();
  if (setSize === 0 || setSize > LIMITS.validatorsMax) {
    throw new DecodeError("limit", at, `a set of ${setSize} validators`);
  }
  const signers = signersOf(reader.fixed(bitmapBytes(setSize)), setSize);
  if (signers === undefined) throw new DecodeError("tag", at, "bitmap is not canonical");
  const signatures = signers.map(() => reader.fixed(LIMITS.falconSignatureBytes));
  return { statement, signers, signatures, setSize };
};

export const writeStatement = (writer: Writer, statement: Statement): void => {
  if (statement.kind === "nullify" && !isZero(statement.hash)) {
    throw new RangeError("a nullify statement has no hash");
  }
  writer
    .u64(statement.epoch)
    .u64(statement.view)
    .u8(kindNumber(statement.kind))
    .hash(statement.hash);
};

/** Throws DecodeError. */
export const readStatement = (reader: Reader): Statement => {
  const epoch = reader.u64();
  const view = reader.u64();
  const at = reader.offset;
  const kind = kindOf(reader.u8());
  if (kind === undefined) throw new DecodeError("tag", at, "not a kind of statement");
  const hash = reader.hash();
  if (kind === "nullify" && !isZero(hash)) throw new DecodeError("tag", at, "nullify with a hash");
  return { epoch, view, kind, hash };
};

function compareStatements(a: Statement, b: Statement): number {
  return kindNumber(a.kind) - kindNumber(b.kind) || compareBytes(a.hash, b.hash);
}

function decodeWith<T>(bytes: Uint8Array, read: (reader: Reader) => T): Result<T> {
  try {
    const reader = new Reader(bytes);
    const value = read(reader);
    reader.end();
    return ok(value);
  } catch (error) {
    if (error instanceof DecodeError) return fail("encoding.malformed", error.message);
    throw error;
  }
}
