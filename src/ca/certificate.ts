/**
 * Certificates (X.509 v3, RFC 5280) of this issuer: the one shape that it signs, and a reader of it.
 *
 * A certificate's body follows from the issuer, the request, the serial number and the first second of
 * validity, so replicas do not judge a body: they make it again and compare the bytes.
 */
import { concatBytes, equalBytes } from "../crypto/bytes.ts";
import { DecodeError, utf8 } from "../crypto/codec.ts";
import { fail, ok, type Result } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import {
  CaRefusal,
  DerReader,
  der,
  derBitString,
  derBits,
  derFlag,
  derInteger,
  derTime,
  derUnsigned,
  derWhole,
  readTime,
  TAG,
} from "./der.ts";
import { namesValue, readNames, type SubjectName } from "./names.ts";
import { EXTENSION_OID, OID, SIGNATURE_OID } from "./oids.ts";
import { keyIdOf, readSubjectKey, type SubjectKey } from "./subject-key.ts";

/** What a certificate may be used for. */
export const PROFILES = {
  server: [OID.serverAuth],
  client: [OID.clientAuth],
  peer: [OID.serverAuth, OID.clientAuth],
} as const satisfies Record<string, readonly Uint8Array[]>;

export type Profile = keyof typeof PROFILES;

export const isProfile = (name: string): name is Profile => Object.hasOwn(PROFILES, name);

export type Certificate = {
  /** TBSCertificate, whole: what the signature is over. */
  readonly body: Uint8Array;
  /** Big-endian, without leading zeros. */
  readonly serial: Uint8Array;
  readonly issuer: Uint8Array;
  readonly notBeforeS: number;
  readonly notAfterS: number;
  readonly subject: Uint8Array;
  readonly subjectKey: SubjectKey;
  /** Empty in a certificate of an issuer. */
  readonly names: readonly SubjectName[];
  /** r and s of ECDSA over P-256, 32 bytes each. */
  readonly signature: Uint8Array;
};

const ALGORITHM = der(TAG.sequence, SIGNATURE_OID["ecdsa-sha256"]);
const VERSION_3 = der(TAG.context0, der(TAG.integer, Uint8Array.of(2)));
const TRUE = der(TAG.boolean, Uint8Array.of(0xff));

const extension = (identifier: Uint8Array, critical: boolean, value: Uint8Array): Uint8Array =>
  critical
    ? der(TAG.sequence, identifier, TRUE, der(TAG.octetString, value))
    : der(TAG.sequence, identifier, der(TAG.octetString, value));

type BodyFields = {
  readonly serial: Uint8Array;
  readonly issuer: Uint8Array;
  readonly notBeforeS: number;
  readonly notAfterS: number;
  readonly subject: Uint8Array;
  readonly subjectKey: SubjectKey;
  readonly extensions: readonly Uint8Array[];
};

const bodyOf = (fields: BodyFields): Uint8Array =>
  der(
    TAG.sequence,
    VERSION_3,
    derInteger(fields.serial),
    ALGORITHM,
    fields.issuer,
    der(TAG.sequence, derTime(fields.notBeforeS), derTime(fields.notAfterS)),
    fields.subject,
    fields.subjectKey.spki,
    der(TAG.context3, der(TAG.sequence, ...fields.extensions)),
  );

const keyId = (key: SubjectKey): Uint8Array =>
  extension(EXTENSION_OID.subjectKeyIdentifier, false, der(TAG.octetString, keyIdOf(key)));

const EMPTY_NAME = der(TAG.sequence);
/** digitalSignature: bit 0, seven unused. keyCertSign and cRLSign: bits 5 and 6, one unused. */
const SIGNS = der(TAG.bitString, Uint8Array.of(7, 0x80));
const SIGNS_CERTIFICATES = der(TAG.bitString, Uint8Array.of(1, 0x06));
const CA_WITHOUT_SUBORDINATES = der(TAG.sequence, TRUE, der(TAG.integer, Uint8Array.of(0)));

export type LeafFields = {
  /** The issuer's certificate. */
  readonly issuer: Pick<Certificate, "subject" | "subjectKey">;
  readonly subjectKey: SubjectKey;
  readonly names: readonly SubjectName[];
  readonly profile: Profile;
  readonly serial: Uint8Array;
  readonly notBeforeS: number;
  readonly notAfterS: number;
};

/**
 * The body of an end-entity certificate. The subject is empty and so SubjectAltName critical (RFC 5280,
 * 4.2.1.6).
 */
export const leafBody = (fields: LeafFields): Uint8Array => {
  const authority = der(TAG.sequence, der(TAG.keyId, keyIdOf(fields.issuer.subjectKey)));
  return bodyOf({
    ...fields,
    issuer: fields.issuer.subject,
    subject: EMPTY_NAME,
    extensions: [
      extension(EXTENSION_OID.basicConstraints, true, der(TAG.sequence)),
      extension(EXTENSION_OID.keyUsage, true, SIGNS),
      extension(
        EXTENSION_OID.extendedKeyUsage,
        false,
        der(TAG.sequence, ...PROFILES[fields.profile]),
      ),
      keyId(fields.subjectKey),
      extension(EXTENSION_OID.authorityKeyIdentifier, false, authority),
      extension(EXTENSION_OID.subjectAltName, true, namesValue(fields.names)),
    ],
  });
};

export type RootFields = Omit<BodyFields, "issuer" | "extensions">;

/** The body of an issuer's own certificate: self-signed, without CAs below it. */
export const rootBody = (fields: RootFields): Uint8Array =>
  bodyOf({
    ...fields,
    issuer: fields.subject,
    extensions: [
      extension(EXTENSION_OID.basicConstraints, true, CA_WITHOUT_SUBORDINATES),
      extension(EXTENSION_OID.keyUsage, true, SIGNS_CERTIFICATES),
      keyId(fields.subjectKey),
    ],
  });

const attribute = (identifier: Uint8Array, text: string): Uint8Array =>
  der(TAG.set, der(TAG.sequence, identifier, der(TAG.utf8String, utf8(text))));

/** The distinguished name of an issuer that `nexus` makes. It says that it is for development. */
export const developmentName = (unit: string): Uint8Array =>
  der(
    TAG.sequence,
    attribute(OID.organizationName, "Tetrad"),
    attribute(OID.organizationalUnitName, unit),
    attribute(OID.commonName, "Development CA"),
  );

/** Body and signature (r and s, 32 bytes each) as a certificate. */
export const sealCertificate = (body: Uint8Array, signature: Uint8Array): Uint8Array => {
  const parts = der(
    TAG.sequence,
    derInteger(signature.subarray(0, 32)),
    derInteger(signature.subarray(32)),
  );
  return der(TAG.sequence, body, ALGORITHM, derBitString(parts));
};

/** Reads a certificate of the shapes above. Code: ca.certificate-invalid. */
export const parseCertificate = (bytes: Uint8Array): Result<Certificate> => {
  if (bytes.length > LIMITS.caCertificateBytesMax) {
    return fail("ca.certificate-invalid", `${bytes.length} bytes are over the limit`);
  }
  try {
    return ok(readCertificate(bytes));
  } catch (error) {
    if (error instanceof CaRefusal || error instanceof DecodeError) {
      return fail("ca.certificate-invalid", error.message);
    }
    throw error;
  }
};

const expect = (element: Uint8Array, wanted: Uint8Array, what: string): void => {
  if (!equalBytes(element, wanted)) throw new CaRefusal("ca.certificate-invalid", what);
};

const readCertificate = (bytes: Uint8Array): Certificate => {
  const parts = new DerReader(derWhole(bytes, TAG.sequence).content);
  const { whole: body, content } = parts.next(TAG.sequence);
  expect(parts.next(TAG.sequence).whole, ALGORITHM, "not signed with ECDSA and SHA-256");
  const signature = readSignature(derBits(parts.next(TAG.bitString).content));
  parts.end();

  const fields = new DerReader(content);
  expect(fields.next(TAG.context0).whole, VERSION_3, "not version 3");
  const serial = derUnsigned(fields.next(TAG.integer).content);
  if (serial.length > LIMITS.caSerialBytesMax || (serial.length === 1 && serial[0] === 0)) {
    throw new CaRefusal("ca.certificate-invalid", "the serial number is 0 or too long");
  }
  expect(fields.next(TAG.sequence).whole, ALGORITHM, "two signature algorithms");
  const issuer = fields.next(TAG.sequence).whole;
  const validity = fields.enter(TAG.sequence);
  const notBeforeS = readTime(validity);
  const notAfterS = readTime(validity);
  validity.end();
  const subject = fields.next(TAG.sequence).whole;
  const subjectKey = readSubjectKey(fields.next(TAG.sequence).whole);
  const names = readCertificateNames(fields.enter(TAG.context3));
  fields.end();
  return { body, serial, issuer, notBeforeS, notAfterS, subject, subjectKey, names, signature };
};

/** The names of SubjectAltName; the other extensions are compared as bytes by who judges. */
const readCertificateNames = (outer: DerReader): readonly SubjectName[] => {
  const extensions = outer.enter(TAG.sequence);
  outer.end();
  let names: readonly SubjectName[] = [];
  while (!extensions.done) {
    const one = extensions.enter(TAG.sequence);
    const identifier = one.next(TAG.oid).whole;
    derFlag(one);
    const value = one.next(TAG.octetString).content;
    one.end();
    if (equalBytes(identifier, EXTENSION_OID.subjectAltName)) names = readNames(value);
  }
  return names;
};

const scalar = (reader: DerReader): Uint8Array => {
  const bytes = derUnsigned(reader.next(TAG.integer).content);
  if (bytes.length > 32) throw new DecodeError("range", 0, "signature out of range");
  return concatBytes(new Uint8Array(32 - bytes.length), bytes);
};

/** Ecdsa-Sig-Value (RFC 3279, 2.2.3) as r and s, 32 bytes each. */
export const readSignature = (bytes: Uint8Array): Uint8Array => {
  const outer = new DerReader(bytes);
  const parts = outer.enter(TAG.sequence);
  outer.end();
  const signature = concatBytes(scalar(parts), scalar(parts));
  parts.end();
  return signature;
};
