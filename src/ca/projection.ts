/**
 * Issuers, requests and certificates.
 *
 * Rows: tag 0, issuer id              -> who may issue with it, and its certificate
 *       tag 1, issuer id, u64 request -> a request that waits for its issuer
 *       tag 2, u64 request            -> what became of a request
 *       tag 3, fingerprint            -> a certificate; the fingerprint is the SHA-256 of its DER
 *       tag 4, issuer id, serial      -> the fingerprint
 *       tag 5, sortable name, fingerprint -> nothing: names of a domain stand together
 *       tag 6, issuer id              -> how many requests wait
 *       tag 6, issuer id, actor       -> how many of them are this actor's
 *
 * Nobody signs here: an issuer signs beforehand, and every replica checks the signature.
 */
import { equalBytes, toHex } from "../crypto/bytes.ts";
import { sha256 } from "../crypto/hash.ts";
import type { Failure } from "../errors.ts";
import { field, type Json, NAME_TEXT } from "../ledger/event-schema.ts";
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
} from "../ledger/projection.ts";
import {
  defineRow,
  hashPart,
  KeyReader,
  keyOf,
  tagPart,
  textPart,
  u64Part,
} from "../ledger/row.ts";
import type { Hash } from "../ledger/types.ts";
import { LIMITS } from "../limits.ts";
import { type Certificate, parseCertificate } from "./certificate.ts";
import { pemOf } from "./der.ts";
import {
  type CertificateDenied,
  type CertificateIssued,
  type CertificateRequested,
  certificateDenied,
  certificateIssued,
  certificateRequested,
  type IssuerCreated,
  issuerCreated,
} from "./events.ts";
import { plainName, sortableName } from "./names.ts";
import { checkIssued, checkRequest, checkRoot, issuerIdOf, serialText } from "./rules.ts";

export const CERTIFICATES = "certificates";

const TAGS = { issuer: 0, pending: 1, settled: 2, certificate: 3, serial: 4, name: 5, count: 6 };

const issuerRow = defineRow(
  field.hash("actor"),
  field.string("name", LIMITS.nameBytesMax, NAME_TEXT),
  field.u64("createdMs"),
  field.bytes("certificate", LIMITS.caCertificateBytesMax),
);

const pendingRow = defineRow(
  field.hash("actor"),
  field.u64("requestedMs"),
  field.string("profile", LIMITS.caProfileBytesMax, NAME_TEXT),
  field.u32("lifetimeSeconds"),
  field.bytes("csr", LIMITS.caCsrBytesMax),
);

/** An empty code means issued; then the fingerprint is that of the certificate, else it is zero. */
const settledRow = defineRow(
  field.hash("issuer"),
  field.hash("fingerprint"),
  field.string("code", LIMITS.refusalCodeBytesMax),
);

const certificateRow = defineRow(
  field.hash("issuer"),
  /** Who asked for it. */
  field.hash("actor"),
  field.u64("request"),
  /** Index of the event that issued it. */
  field.u64("event"),
  field.u64("issuedMs"),
  field.string("profile", LIMITS.caProfileBytesMax, NAME_TEXT),
  field.bytes("certificate", LIMITS.caCertificateBytesMax),
);

const countRow = defineRow(field.u32("pending"));
const serialRow = defineRow(field.hash("fingerprint"));

export type IssuerRow = ReturnType<typeof issuerRow.decode>;
export type PendingRow = ReturnType<typeof pendingRow.decode>;
export type SettledRow = ReturnType<typeof settledRow.decode>;
export type CertificateRow = ReturnType<typeof certificateRow.decode>;

export const issuerKey = (issuer: Hash): Uint8Array =>
  keyOf(tagPart(TAGS.issuer), hashPart(issuer));
export const pendingPrefix = (issuer: Hash): Uint8Array =>
  keyOf(tagPart(TAGS.pending), hashPart(issuer));
export const pendingKey = (issuer: Hash, request: number): Uint8Array =>
  keyOf(pendingPrefix(issuer), u64Part(request));
export const settledKey = (request: number): Uint8Array =>
  keyOf(tagPart(TAGS.settled), u64Part(request));
export const certificateKey = (fingerprint: Hash): Uint8Array =>
  keyOf(tagPart(TAGS.certificate), hashPart(fingerprint));
export const serialKey = (issuer: Hash, serial: string): Uint8Array =>
  keyOf(tagPart(TAGS.serial), hashPart(issuer), textPart(serial));
export const nameKey = (name: string, fingerprint: Hash): Uint8Array =>
  keyOf(tagPart(TAGS.name), textPart(sortableName(name)), hashPart(fingerprint));
const countKey = (issuer: Hash): Uint8Array => keyOf(tagPart(TAGS.count), hashPart(issuer));
const actorCountKey = (issuer: Hash, actor: Hash): Uint8Array =>
  keyOf(countKey(issuer), hashPart(actor));

/** What lists of certificates, of issuers, and of the names of a domain begin with. */
export const certificatesPrefix: Uint8Array = tagPart(TAGS.certificate);
export const issuersPrefix: Uint8Array = tagPart(TAGS.issuer);
export const domainPrefix = (domain: string): Uint8Array => {
  const part = textPart(sortableName(domain));
  // Without the two bytes that end the part, so that names below the domain begin with it as well.
  return keyOf(tagPart(TAGS.name), part.subarray(0, part.length - 2));
};

export const decodeIssuer = (value: Uint8Array): IssuerRow => issuerRow.decode(value);
export const decodePending = (value: Uint8Array): PendingRow => pendingRow.decode(value);
export const decodeSettled = (value: Uint8Array): SettledRow => settledRow.decode(value);
export const decodeCertificate = (value: Uint8Array): CertificateRow =>
  certificateRow.decode(value);

/** Index of the request whose pending row has this key. */
export const requestOfKey = (key: Uint8Array): number => {
  const reader = new KeyReader(key);
  reader.tag();
  reader.hash();
  return reader.u64();
};

const refuseWith = ({ code, detail }: Failure): Refusal => refuse(code, detail);

/** A stored certificate was checked before it was stored. */
const stored = (bytes: Uint8Array): Certificate => {
  const parsed = parseCertificate(bytes);
  if (!parsed.ok) throw new RangeError(`a stored certificate does not parse: ${parsed.detail}`);
  return parsed.value;
};

const pendingCount = (read: ProjectionRead, key: Uint8Array): number => {
  const row = read.get(key);
  return row === undefined ? 0 : countRow.decode(row).pending;
};

/** Checks of signatures cost what a hundred other events cost: only the first places of a batch have them. */
const tooFarBack = (context: EventContext): Refusal | undefined =>
  context.position < LIMITS.caSignaturePositionsMax
    ? undefined
    : refuse("event.invalid", "certificates stand in the first places of a batch");

const decideIssuer: Decide<IssuerCreated> = (read, { certificate }, context) => {
  const back = tooFarBack(context);
  if (back !== undefined) return back;
  const root = checkRoot(certificate, context.timeMs);
  if (!root.ok) return refuseWith(root);
  const known = read.get(issuerKey(issuerIdOf(root.value)));
  return known === undefined
    ? undefined
    : refuse("event.conflict", "an issuer with this key is registered");
};

const applyIssuer: Apply<IssuerCreated> = (tx, { name, certificate }, { actor, timeMs }) => {
  const row = { actor, name, createdMs: timeMs, certificate };
  tx.put(issuerKey(issuerIdOf(stored(certificate))), issuerRow.encode(row));
};

const decideRequest: Decide<CertificateRequested> = (read, value, { actor }) => {
  if (read.get(issuerKey(value.issuer)) === undefined) {
    return refuse("ca.issuer-unknown", "no issuer has this id");
  }
  const request = checkRequest(value);
  if (!request.ok) return refuseWith(request);
  if (pendingCount(read, countKey(value.issuer)) >= LIMITS.caPendingMax) {
    return refuse("ca.queue-full", "too many requests wait for this issuer");
  }
  // One actor must not shut out the others while the issuer is down.
  return pendingCount(read, actorCountKey(value.issuer, actor)) < LIMITS.caPendingPerActorMax
    ? undefined
    : refuse("ca.queue-full", "too many requests of this actor wait for this issuer");
};

/** `actor` is who asked. */
const count = (tx: ProjectionTx, issuer: Hash, actor: Hash, change: number): void => {
  for (const key of [countKey(issuer), actorCountKey(issuer, actor)]) {
    tx.put(key, countRow.encode({ pending: pendingCount(tx, key) + change }));
  }
};

const applyRequest: Apply<CertificateRequested> = (tx, value, { actor, timeMs, index }) => {
  const { profile, lifetimeSeconds, csr } = value;
  const row = { actor, requestedMs: timeMs, profile, lifetimeSeconds, csr };
  tx.put(pendingKey(value.issuer, index), pendingRow.encode(row));
  count(tx, value.issuer, actor, 1);
};

/** What both ways to settle a request need: the issuer is the actor's own, the request waits for it. */
const decideSettling = (
  read: ProjectionRead,
  { issuer, request }: { readonly issuer: Hash; readonly request: number },
  actor: Hash,
): Refusal | undefined => {
  const row = read.get(issuerKey(issuer));
  if (row === undefined) return refuse("ca.issuer-unknown", "no issuer has this id");
  if (!equalBytes(issuerRow.decode(row).actor, actor)) {
    return refuse("ca.issuer-foreign", "the issuer is another actor's");
  }
  if (read.get(pendingKey(issuer, request)) !== undefined) return undefined;
  return read.get(settledKey(request)) === undefined
    ? refuse("ca.request-unknown", "no such request for this issuer")
    : refuse("ca.request-settled", "the request has its answer already");
};

const must = (bytes: Uint8Array | undefined): Uint8Array => {
  if (bytes === undefined) throw new RangeError("a row that was decided on is gone");
  return bytes;
};

const decideIssued: Decide<CertificateIssued> = (read, value, context) => {
  const refusal = tooFarBack(context) ?? decideSettling(read, value, context.actor);
  if (refusal !== undefined) return refusal;
  const issuer = stored(issuerRow.decode(must(read.get(issuerKey(value.issuer)))).certificate);
  const terms = pendingRow.decode(must(read.get(pendingKey(value.issuer, value.request))));
  const certificate = parseCertificate(value.certificate);
  if (!certificate.ok) return refuseWith(certificate);
  // Before the signature, which costs far more.
  const serial = serialKey(value.issuer, serialText(certificate.value.serial));
  if (read.get(serial) !== undefined) return refuse("ca.serial-used", "the serial is not unique");
  const { requestedMs } = terms;
  const found = checkIssued(value.certificate, { issuer, terms, requestedMs });
  return found.ok ? undefined : refuseWith(found);
};

const applyIssued: Apply<CertificateIssued> = (tx, value, { timeMs, index }) => {
  const { issuer, request, certificate } = value;
  const waiting = pendingKey(issuer, request);
  const { actor, profile } = pendingRow.decode(must(tx.get(waiting)));
  const { names, serial } = stored(certificate);
  const fingerprint = sha256(certificate);
  tx.del(waiting);
  count(tx, issuer, actor, -1);
  tx.put(settledKey(request), settledRow.encode({ issuer, fingerprint, code: "" }));
  const row = { issuer, actor, request, event: index, issuedMs: timeMs, profile, certificate };
  tx.put(certificateKey(fingerprint), certificateRow.encode(row));
  tx.put(serialKey(issuer, serialText(serial)), serialRow.encode({ fingerprint }));
  for (const { text } of names) tx.put(nameKey(text, fingerprint), new Uint8Array(0));
};

const applyDenied: Apply<CertificateDenied> = (tx, { issuer, request, code }) => {
  const waiting = pendingKey(issuer, request);
  const { actor } = pendingRow.decode(must(tx.get(waiting)));
  tx.del(waiting);
  count(tx, issuer, actor, -1);
  tx.put(settledKey(request), settledRow.encode({ issuer, fingerprint: new Uint8Array(32), code }));
};

/** A certificate as people and programs want it. */
export const certificateJson = (bytes: Uint8Array): { readonly [key: string]: Json } => {
  const { names, serial, notBeforeS, notAfterS, subjectKey } = stored(bytes);
  return {
    fingerprint: toHex(sha256(bytes)),
    serial: serialText(serial),
    names: names.map((name) => name.text),
    notBeforeMs: notBeforeS * 1000,
    notAfterMs: notAfterS * 1000,
    key: subjectKey.kind === "rsa" ? `rsa-${subjectKey.bits}` : subjectKey.kind,
  };
};

const countKeyBytes = countKey(new Uint8Array(32)).length;

const formatRow = (key: Uint8Array, value: Uint8Array): Json => {
  const reader = new KeyReader(key);
  const tag = reader.tag();
  if (tag === TAGS.issuer) {
    const { actor, name, createdMs, certificate } = issuerRow.decode(value);
    const { notBeforeS, notAfterS } = stored(certificate);
    const times = { createdMs, notBeforeMs: notBeforeS * 1000, notAfterMs: notAfterS * 1000 };
    const pem = pemOf("CERTIFICATE", certificate);
    return { issuer: toHex(reader.hash()), name, actor: toHex(actor), ...times, pem };
  }
  if (tag === TAGS.pending) {
    const row = { issuer: toHex(reader.hash()), request: reader.u64() };
    const { actor, requestedMs, profile, lifetimeSeconds } = pendingRow.decode(value);
    return { ...row, actor: toHex(actor), requestedMs, profile, lifetimeSeconds };
  }
  if (tag === TAGS.settled) {
    const { issuer, fingerprint, code } = settledRow.decode(value);
    const outcome = code === "" ? { fingerprint: toHex(fingerprint) } : { code };
    return { request: reader.u64(), issuer: toHex(issuer), ...outcome };
  }
  if (tag === TAGS.certificate) {
    const row = certificateRow.decode(value);
    return {
      ...certificateJson(row.certificate),
      issuer: toHex(row.issuer),
      actor: toHex(row.actor),
      profile: row.profile,
      request: row.request,
      event: row.event,
      issuedMs: row.issuedMs,
      pem: pemOf("CERTIFICATE", row.certificate),
    };
  }
  if (tag === TAGS.serial) {
    const issuer = toHex(reader.hash());
    const { fingerprint } = serialRow.decode(value);
    return { serial: reader.text(), issuer, fingerprint: toHex(fingerprint) };
  }
  if (tag === TAGS.name) {
    const name = plainName(reader.text());
    return { name, fingerprint: toHex(reader.hash()) };
  }
  const issuer = toHex(reader.hash());
  const whose = key.length > countKeyBytes ? { actor: toHex(reader.hash()) } : {};
  return { issuer, ...whose, ...countRow.decode(value) };
};

export const certificates: Projection = defineProjection({
  name: CERTIFICATES,
  schemaVersion: 1,
  owns: [
    own(issuerCreated, { decide: decideIssuer, apply: applyIssuer }),
    own(certificateRequested, {
      resource: ({ issuer, profile }) => `ca/${toHex(issuer)}/${profile}`,
      decide: decideRequest,
      apply: applyRequest,
    }),
    own(certificateIssued, { decide: decideIssued, apply: applyIssued }),
    own(certificateDenied, {
      decide: (read, value, { actor }) => decideSettling(read, value, actor),
      apply: applyDenied,
    }),
  ],
  format: formatRow,
});
