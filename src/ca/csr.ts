/**
 * Certification requests (PKCS#10, RFC 2986) as this issuer takes them: one key, its names in a requested
 * SubjectAltName, and nothing that a certificate would not have. Pure: the signature that proves possession
 * of the key is handed out with what it is over, and checked by whoever issues.
 *
 * The subject is not read: certificates of this issuer have names in SubjectAltName only. Attributes other
 * than the extension request are refused, a challenge password above all: everything here becomes public.
 */
import { equalBytes, toHex } from "../crypto/bytes.ts";
import { DecodeError } from "../crypto/codec.ts";
import { fail, ok, type Result } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { CaRefusal, DerReader, derBits, derFlag, oidName, TAG } from "./der.ts";
import { readNames, type SubjectName } from "./names.ts";
import { EXTENSION_OID, EXTENSION_REQUEST, SIGNATURE_OID } from "./oids.ts";
import { readSubjectKey, type SubjectKey } from "./subject-key.ts";

export type SignatureAlgorithm = keyof typeof SIGNATURE_OID;

export type Csr = {
  /** CertificationRequestInfo, whole: what the signature is over. */
  readonly info: Uint8Array;
  readonly subjectKey: SubjectKey;
  readonly names: readonly SubjectName[];
  readonly algorithm: SignatureAlgorithm;
  readonly signature: Uint8Array;
};

/** Which algorithms a kind of key signs with. */
const FAMILY = { rsa: "rsa-", p256: "ecdsa-", p384: "ecdsa-", ed25519: "ed25519" } as const;

/** Reads a request. Codes: ca.csr-*, ca.key-refused, ca.name-*, ca.names-too-many. */
export const parseCsr = (bytes: Uint8Array): Result<Csr> => {
  if (bytes.length > LIMITS.caCsrBytesMax) {
    return fail("ca.csr-too-large", `${bytes.length} bytes, at most ${LIMITS.caCsrBytesMax}`);
  }
  try {
    return ok(readCsr(bytes));
  } catch (error) {
    if (error instanceof CaRefusal) return fail(error.code, error.message);
    if (error instanceof DecodeError) return fail("ca.csr-malformed", error.message);
    throw error;
  }
};

const readCsr = (bytes: Uint8Array): Csr => {
  const outer = new DerReader(bytes);
  const request = outer.enter(TAG.sequence);
  outer.end();
  const { whole: info, content } = request.next(TAG.sequence);
  const algorithm = readAlgorithm(request.enter(TAG.sequence));
  const signature = derBits(request.next(TAG.bitString).content);
  request.end();

  const fields = new DerReader(content);
  const version = fields.next(TAG.integer).content;
  if (version.length !== 1 || version[0] !== 0) {
    throw new CaRefusal("ca.csr-malformed", "only version 1 of PKCS#10 is known");
  }
  fields.next(TAG.sequence);
  const subjectKey = readSubjectKey(fields.next(TAG.sequence).whole);
  const names = readAttributes(fields.enter(TAG.context0));
  fields.end();
  if (!algorithm.startsWith(FAMILY[subjectKey.kind])) {
    throw new CaRefusal("ca.csr-algorithm", `${algorithm} by a key of kind ${subjectKey.kind}`);
  }
  return { info, subjectKey, names, algorithm, signature };
};

/** RSA has parameters of NULL (RFC 4055, section 5), the others none. */
const readAlgorithm = (reader: DerReader): SignatureAlgorithm => {
  const identifier = reader.next(TAG.oid).whole;
  const name = oidName(SIGNATURE_OID, identifier);
  if (name === undefined) {
    const hex = toHex(identifier.subarray(0, 16));
    throw new CaRefusal(
      "ca.csr-algorithm",
      `signature algorithm ${hex}: taken are SHA-256, SHA-384 and SHA-512 with RSA or ECDSA, and Ed25519`,
    );
  }
  if (name.startsWith("rsa-") && reader.next(TAG.null).content.length > 0) {
    throw new CaRefusal("ca.csr-malformed", "parameters of the signature algorithm");
  }
  reader.end();
  return name;
};

const MISSING = "the request asks for no names: put them in subjectAltName";

const readAttributes = (attributes: DerReader): readonly SubjectName[] => {
  if (attributes.done) throw new CaRefusal("ca.name-missing", MISSING);
  const attribute = attributes.enter(TAG.sequence);
  if (!equalBytes(attribute.next(TAG.oid).whole, EXTENSION_REQUEST) || !attributes.done) {
    throw new CaRefusal(
      "ca.csr-extension",
      "attributes other than one extension request are refused: everything in a request becomes public",
    );
  }
  const values = attribute.enter(TAG.set);
  attribute.end();
  const extensions = values.enter(TAG.sequence);
  values.end();
  return readExtensions(extensions);
};

/** Extensions that a request may name. The profile decides what the certificate has, except for names. */
const ALLOWED: ReadonlySet<string> = new Set([
  "basicConstraints",
  "extendedKeyUsage",
  "keyUsage",
  "subjectAltName",
  "subjectKeyIdentifier",
]);

const readExtensions = (extensions: DerReader): readonly SubjectName[] => {
  let names: readonly SubjectName[] | undefined;
  const seen = new Set<string>();
  while (!extensions.done) {
    const extension = extensions.enter(TAG.sequence);
    const identifier = extension.next(TAG.oid).whole;
    derFlag(extension);
    const value = extension.next(TAG.octetString).content;
    extension.end();
    const name = oidName(EXTENSION_OID, identifier);
    if (name === undefined || !ALLOWED.has(name)) {
      const what = name ?? toHex(identifier.subarray(0, 16));
      throw new CaRefusal("ca.csr-extension", `the request asks for the extension ${what}`);
    }
    if (seen.has(name)) throw new CaRefusal("ca.csr-malformed", `${name} stands there twice`);
    seen.add(name);
    if (name === "basicConstraints") refuseCa(value);
    if (name === "subjectAltName") names = readNames(value);
  }
  if (names === undefined) throw new CaRefusal("ca.name-missing", MISSING);
  return names;
};

const refuseCa = (value: Uint8Array): void => {
  const outer = new DerReader(value);
  const constraints = outer.enter(TAG.sequence);
  outer.end();
  // Some tools write "not a CA" out, which DER leaves away; that is no reason to refuse a request.
  if (constraints.tag === TAG.boolean) {
    const { content } = constraints.next(TAG.boolean);
    if (content.length !== 1 || content[0] !== 0) {
      throw new CaRefusal("ca.csr-extension", "the request asks for a CA certificate");
    }
  }
  constraints.end();
};
