/** Events of certificates. Payload encodings are part of the protocol. */
import { defineEvent, type EventValue, field, NAME_TEXT } from "../ledger/event-schema.ts";
import { LIMITS } from "../limits.ts";

/**
 * Registers an issuer by its self-signed certificate. Its id is the SHA-256 of its SubjectPublicKeyInfo.
 * From then on only the actor who registered it can issue with it.
 */
export const issuerCreated = defineEvent({
  type: "ca.issuer.created",
  version: 1,
  fields: [
    field.string("name", LIMITS.nameBytesMax, NAME_TEXT),
    field.bytes("certificate", LIMITS.caCertificateBytesMax),
  ],
  checkUnits: LIMITS.caSignatureCheckUnits,
});
export type IssuerCreated = EventValue<typeof issuerCreated>;

/** Asks an issuer for a certificate. The batch's signature says who asks; the index of the event names it. */
export const certificateRequested = defineEvent({
  type: "ca.certificate.requested",
  version: 1,
  fields: [
    field.hash("issuer"),
    field.string("profile", LIMITS.caProfileBytesMax, NAME_TEXT),
    /** How long the certificate is to be valid from the ledger time of this event; within LIMITS.caLifetimeS. */
    field.u32("lifetimeSeconds"),
    /** PKCS#10, DER. */
    field.bytes("csr", LIMITS.caCsrBytesMax),
  ],
});
export type CertificateRequested = EventValue<typeof certificateRequested>;

/** Settles a request with a certificate, which is an entry of the CT log by that. */
export const certificateIssued = defineEvent({
  type: "ca.certificate.issued",
  version: 1,
  fields: [
    field.hash("issuer"),
    /** Index of the event that asked. */
    field.u64("request"),
    /** X.509, DER. */
    field.bytes("certificate", LIMITS.caCertificateBytesMax),
  ],
  checkUnits: LIMITS.caSignatureCheckUnits,
});
export type CertificateIssued = EventValue<typeof certificateIssued>;

/** Settles a request that the issuer does not sign, with a code of the error table. */
export const certificateDenied = defineEvent({
  type: "ca.certificate.denied",
  version: 1,
  fields: [
    field.hash("issuer"),
    field.u64("request"),
    field.string("code", LIMITS.refusalCodeBytesMax, /^[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)+$/),
  ],
});
export type CertificateDenied = EventValue<typeof certificateDenied>;
