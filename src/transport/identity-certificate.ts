/**
 * The TLS certificate of a node: self-signed, P-256, bound to the chain by its pin in the genesis and by
 * nothing else. The encoding is RFC 5280 in DER, written out here because one fixed shape of certificate
 * needs no ASN.1 library.
 *
 * P-256 because BoringSSL offers ecdsa_secp256r1_sha256 everywhere; Ed25519 it must be told to accept.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from "node:crypto";
import { concatBytes, fromHex } from "../crypto/bytes.ts";
import { utf8 } from "../crypto/codec.ts";
import { TetradError } from "../errors.ts";

export type IdentityCertificate = {
  readonly certPem: string;
  readonly keyPem: string;
  /** SHA-256 of the SubjectPublicKeyInfo: what the genesis pins. */
  readonly spkiPin: Uint8Array;
};

export type IdentityCertificateOptions = {
  /** 64 lower-case hex digits of the node id: the subject's common name. */
  readonly nodeId: string;
  /** First and last instant of validity, milliseconds since the Unix epoch, cut to seconds. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** The P-256 key to certify, PKCS#8 PEM; a fresh one where none is given. */
  readonly keyPem?: string;
};

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
  version: 0xa0,
  extensions: 0xa3,
} as const;

/** Object identifiers, encoded with tag and length. */
const OID = {
  ecdsaWithSha256: fromHex("06082a8648ce3d040302"),
  commonName: fromHex("0603550403"),
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

const extensions = (): Uint8Array =>
  der(
    TAG.extensions,
    der(
      TAG.sequence,
      der(TAG.sequence, OID.basicConstraints, critical, der(TAG.octetString, der(TAG.sequence))),
      // digitalSignature is bit 0: one byte with seven unused bits.
      der(
        TAG.sequence,
        OID.keyUsage,
        critical,
        der(TAG.octetString, der(TAG.bitString, Uint8Array.of(7, 0x80))),
      ),
      der(
        TAG.sequence,
        OID.extendedKeyUsage,
        der(TAG.octetString, der(TAG.sequence, OID.serverAuth, OID.clientAuth)),
      ),
    ),
  );

const spkiOf = (publicKey: KeyObject): Uint8Array =>
  publicKey.export({ type: "spki", format: "der" });

const spkiPinOf = (publicKey: KeyObject): Uint8Array =>
  createHash("sha256").update(spkiOf(publicKey)).digest();

const pem = (label: string, bytes: Uint8Array): string => {
  const lines = Buffer.from(bytes)
    .toString("base64")
    .replace(/(.{64})(?=.)/g, "$1\n");
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
};

const keyPairOf = (
  keyPem: string | undefined,
): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } => {
  if (keyPem === undefined) return generateKeyPairSync("ec", { namedCurve: "P-256" });
  try {
    const privateKey = createPrivateKey(keyPem);
    if (privateKey.asymmetricKeyDetails?.namedCurve === "prime256v1") {
      return { publicKey: createPublicKey(privateKey), privateKey };
    }
  } catch {}
  throw new TetradError("key.invalid", "the TLS key is not a P-256 key in PEM");
};

/**
 * Makes the certificate over a key, a fresh one unless one is given. Throws key.invalid for a key of
 * another kind, config.invalid for an id that is not 64 hex digits or dates that are out of order.
 */
export const createIdentityCertificate = (
  options: IdentityCertificateOptions,
): IdentityCertificate => {
  if (!/^[0-9a-f]{64}$/.test(options.nodeId)) {
    throw new TetradError("config.invalid", "a node id is 64 lower-case hex digits");
  }
  if (!(options.notBeforeMs < options.notAfterMs)) {
    throw new TetradError("config.invalid", "the certificate would end before it begins");
  }
  const { publicKey, privateKey } = keyPairOf(options.keyPem);
  const serial = randomBytes(16);
  // A positive, non-zero integer in its shortest form: the first byte between 0x40 and 0x7f.
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  const algorithm = der(TAG.sequence, OID.ecdsaWithSha256);
  const name = der(
    TAG.sequence,
    der(TAG.set, der(TAG.sequence, OID.commonName, der(TAG.utf8String, utf8(options.nodeId)))),
  );
  const body = der(
    TAG.sequence,
    der(TAG.version, Uint8Array.of(TAG.integer, 1, 2)),
    der(TAG.integer, serial),
    algorithm,
    name,
    der(TAG.sequence, derTime(options.notBeforeMs), derTime(options.notAfterMs)),
    name,
    spkiOf(publicKey),
    extensions(),
  );
  const signature = sign("sha256", body, privateKey);
  const certificate = der(
    TAG.sequence,
    body,
    algorithm,
    der(TAG.bitString, Uint8Array.of(0), signature),
  );
  return {
    certPem: pem("CERTIFICATE", certificate),
    keyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    spkiPin: spkiPinOf(publicKey),
  };
};

export { spkiPinOf };
