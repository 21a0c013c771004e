/** Object identifiers of certificates and certification requests, encoded once. */
import { oid } from "./der.ts";

export const OID = {
  rsaEncryption: oid("1.2.840.113549.1.1.1"),
  ecPublicKey: oid("1.2.840.10045.2.1"),
  ed25519: oid("1.3.101.112"),
  prime256v1: oid("1.2.840.10045.3.1.7"),
  secp384r1: oid("1.3.132.0.34"),
  organizationName: oid("2.5.4.10"),
  organizationalUnitName: oid("2.5.4.11"),
  commonName: oid("2.5.4.3"),
  serverAuth: oid("1.3.6.1.5.5.7.3.1"),
  clientAuth: oid("1.3.6.1.5.5.7.3.2"),
} as const;

/** Signature algorithms that are taken; what is not here, SHA-1 and MD5 among it, is refused. */
export const SIGNATURE_OID = {
  "ecdsa-sha256": oid("1.2.840.10045.4.3.2"),
  "ecdsa-sha384": oid("1.2.840.10045.4.3.3"),
  "ecdsa-sha512": oid("1.2.840.10045.4.3.4"),
  "rsa-sha256": oid("1.2.840.113549.1.1.11"),
  "rsa-sha384": oid("1.2.840.113549.1.1.12"),
  "rsa-sha512": oid("1.2.840.113549.1.1.13"),
  ed25519: OID.ed25519,
} as const;

export const EXTENSION_OID = {
  subjectKeyIdentifier: oid("2.5.29.14"),
  keyUsage: oid("2.5.29.15"),
  subjectAltName: oid("2.5.29.17"),
  basicConstraints: oid("2.5.29.19"),
  authorityKeyIdentifier: oid("2.5.29.35"),
  extendedKeyUsage: oid("2.5.29.37"),
} as const;

/** PKCS#9: the extensions that a certification request asks for. */
export const EXTENSION_REQUEST: Uint8Array = oid("1.2.840.113549.1.9.14");
