/**
 * The DER (ITU-T X.690) and X.509 (RFC 5280) that the transport's own certificates are written in: two fixed
 * shapes, so no ASN.1 library. What reads certificates of others is node:crypto.
 */
import { createHash, type KeyObject, randomBytes, sign } from "node:crypto";
import { concatBytes, fromHex } from "../crypto/bytes.ts";
import { utf8 } from "../crypto/codec.ts";

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
  dnsName: 0x82,
  version: 0xa0,
  extensions: 0xa3,
} as const;

/** Object identifiers, encoded with tag and length. */
const OID = {
  ecdsaWithSha256: fromHex("06082a8648ce3d040302"),
  commonName: fromHex("0603550403"),
  subjectAltName: fromHex("0603551d11"),
  basicConstraints: fromHex("0603551d13"),
  keyUsage: fromHex("0603551d0f"),
  extendedKeyUsage: fromHex("0603551d25"),
  serverAuth: fromHex("06082b06010505070301"),
  clientAuth: fromHex("06082b06010505070302"),
} as const;

const derLength = (length: number): Uint8Array => {
  if (length < 0x80) return Uint8Array.of(length);
  if (length < 0x100) return Uint8Array.of(0x81, length);
  return Uint8Array.of(0x82, length >>> 8, length & 0xff);
};

const der = (tag: number, ...parts: readonly Uint8Array[]): Uint8Array => {
  const content = concatBytes(...parts);
  return concatBytes(Uint8Array.of(tag), derLength(content.length), content);
};

/** UTCTime through 2049, GeneralizedTime from 2050 on (RFC 5280, 4.1.2.5). */
const derTime = (ms: number): Uint8Array => {
  const digits = new Date(ms).toISOString().replace(/[-:T]/g, "").slice(0, 14);
  return Number(digits.slice(0, 4)) < 2050
    ? der(TAG.utcTime, utf8(`${digits.slice(2)}Z`))
    : der(TAG.generalizedTime, utf8(`${digits}Z`));
};

const critical = Uint8Array.of(TAG.boolean, 1, 0xff);

const extension = (oid: Uint8Array, value: Uint8Array, isCritical: boolean): Uint8Array =>
  der(TAG.sequence, oid, ...(isCritical ? [critical] : []), der(TAG.octetString, value));

/** One byte of a bit string with so many unused bits at its end. */
const usageBits = (unused: number, bits: number): Uint8Array =>
  der(TAG.bitString, Uint8Array.of(unused, bits));

/** A leaf signs handshakes (digitalSignature, bit 0); an authority signs certificates (keyCertSign, bit 5). */
const extensionsOf = (shape: CertificateShape): Uint8Array =>
  der(
    TAG.extensions,
    der(
      TAG.sequence,
      ...(shape.isAuthority
        ? [
            extension(OID.basicConstraints, der(TAG.sequence, critical), true),
            extension(OID.keyUsage, usageBits(2, 0x04), true),
          ]
        : [
            extension(OID.basicConstraints, der(TAG.sequence), true),
            extension(OID.keyUsage, usageBits(7, 0x80), true),
            extension(
              OID.extendedKeyUsage,
              der(TAG.sequence, OID.serverAuth, OID.clientAuth),
              false,
            ),
          ]),
      ...(shape.serverName === undefined
        ? []
        : [
            extension(
              OID.subjectAltName,
              der(TAG.sequence, der(TAG.dnsName, utf8(shape.serverName))),
              false,
            ),
          ]),
    ),
  );

export const spkiOf = (publicKey: KeyObject): Uint8Array =>
  publicKey.export({ type: "spki", format: "der" });

export const spkiPinOf = (publicKey: KeyObject): Uint8Array =>
  createHash("sha256").update(spkiOf(publicKey)).digest();

export const pemOf = (label: string, bytes: Uint8Array): string => {
  const lines = Buffer.from(bytes)
    .toString("base64")
    .replace(/(.{64})(?=.)/g, "$1\n");
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
};

export const keyPemOf = (key: KeyObject): string =>
  key.export({ type: "pkcs8", format: "pem" }).toString();

const nameOf = (commonName: string): Uint8Array =>
  der(
    TAG.sequence,
    der(TAG.set, der(TAG.sequence, OID.commonName, der(TAG.utf8String, utf8(commonName)))),
  );

export type CertificateShape = {
  readonly subject: string;
  readonly issuer: string;
  readonly publicKey: KeyObject;
  /** First and last instant of validity, milliseconds since the Unix epoch, cut to seconds. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly isAuthority: boolean;
  /** A DNS name that a client may ask for. */
  readonly serverName?: string;
};

/** A certificate over the key, signed with the issuer's P-256 key; DER. Its serial is drawn at random. */
export const signCertificate = (shape: CertificateShape, issuerKey: KeyObject): Uint8Array => {
  const serial = randomBytes(16);
  // A positive, non-zero integer in its shortest form: the first byte between 0x40 and 0x7f.
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  const algorithm = der(TAG.sequence, OID.ecdsaWithSha256);
  const body = der(
    TAG.sequence,
    der(TAG.version, Uint8Array.of(TAG.integer, 1, 2)),
    der(TAG.integer, serial),
    algorithm,
    nameOf(shape.issuer),
    der(TAG.sequence, derTime(shape.notBeforeMs), derTime(shape.notAfterMs)),
    nameOf(shape.subject),
    spkiOf(shape.publicKey),
    extensionsOf(shape),
  );
  const signature = sign("sha256", body, issuerKey);
  return der(TAG.sequence, body, algorithm, der(TAG.bitString, Uint8Array.of(0), signature));
};
