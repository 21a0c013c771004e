/**
 * Public keys of subjects: which kinds and sizes get a certificate. Whether the point is on its curve and
 * the requester has the secret half is shown by the request's own signature, not here.
 */
import { equalBytes } from "../crypto/bytes.ts";
import { sha256 } from "../crypto/hash.ts";
import { LIMITS } from "../limits.ts";
import { CaRefusal, DerReader, derBits, derUnsigned, TAG } from "./der.ts";
import { OID } from "./oids.ts";

export type SubjectKey = {
  readonly kind: "rsa" | "p256" | "p384" | "ed25519";
  /** Bits of an RSA modulus; the curve's for the others. */
  readonly bits: number;
  /** SubjectPublicKeyInfo, whole. */
  readonly spki: Uint8Array;
  /** The bits of the key in it. */
  readonly key: Uint8Array;
};

const refuse = (detail: string): CaRefusal => new CaRefusal("ca.key-refused", detail);

/** Reads a SubjectPublicKeyInfo. Throws CaRefusal ca.key-refused and DecodeError. */
export const readSubjectKey = (spki: Uint8Array): SubjectKey => {
  const outer = new DerReader(spki);
  const info = outer.enter(TAG.sequence);
  outer.end();
  const algorithm = info.enter(TAG.sequence);
  const key = derBits(info.next(TAG.bitString).content);
  info.end();
  const name = algorithm.next(TAG.oid).whole;
  if (equalBytes(name, OID.rsaEncryption)) {
    if (algorithm.next(TAG.null).content.length > 0) throw refuse("an RSA key with parameters");
    algorithm.end();
    return { kind: "rsa", bits: rsaBits(key), spki, key };
  }
  if (equalBytes(name, OID.ed25519)) {
    algorithm.end();
    if (key.length !== 32) throw refuse("an Ed25519 key has 32 bytes");
    return { kind: "ed25519", bits: 255, spki, key };
  }
  if (!equalBytes(name, OID.ecPublicKey)) throw refuse("keys are RSA, P-256, P-384 or Ed25519");
  // Explicit parameters, of which only a SEQUENCE could come, name a curve of the requester's own.
  const curve = algorithm.next().whole;
  algorithm.end();
  if (equalBytes(curve, OID.prime256v1))
    return { kind: "p256", bits: 256, spki, key: point(key, 32) };
  if (equalBytes(curve, OID.secp384r1))
    return { kind: "p384", bits: 384, spki, key: point(key, 48) };
  throw refuse("elliptic curves are P-256 and P-384, by name");
};

const point = (key: Uint8Array, fieldBytes: number): Uint8Array => {
  if (key.length !== 1 + 2 * fieldBytes || key[0] !== 4) throw refuse("the point is compressed");
  return key;
};

const RSA_EXPONENT = Uint8Array.of(1, 0, 1);

const rsaBits = (key: Uint8Array): number => {
  const outer = new DerReader(key);
  const parts = outer.enter(TAG.sequence);
  outer.end();
  const modulus = derUnsigned(parts.next(TAG.integer).content);
  const exponent = derUnsigned(parts.next(TAG.integer).content);
  parts.end();
  const bits = 8 * modulus.length - Math.clz32(modulus[0] ?? 0) + 24;
  const [min, max] = LIMITS.caRsaBits;
  if (bits < min || bits > max) throw refuse(`an RSA key of ${bits} bits, not ${min} to ${max}`);
  if ((modulus.at(-1) ?? 0) % 2 === 0) throw refuse("an RSA modulus that is even");
  if (!equalBytes(exponent, RSA_EXPONENT)) throw refuse("an RSA exponent other than 65537");
  return bits;
};

const KEY_ID_BYTES = 20;

/** Key identifier: the leftmost 160 bits of the SHA-256 of the key's bits (RFC 7093, section 2, method 1). */
export const keyIdOf = ({ key }: Pick<SubjectKey, "key">): Uint8Array =>
  sha256(key).slice(0, KEY_ID_BYTES);
