/**
 * The TLS certificate of a node: self-signed, P-256, bound to the chain by its pin in the genesis and by
 * nothing else.
 *
 * P-256 because BoringSSL offers ecdsa_secp256r1_sha256 everywhere; Ed25519 it must be told to accept.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";
import { TetradError } from "../errors.ts";
import { keyPemOf, pemOf, signCertificate, spkiPinOf } from "./x509.ts";

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
  const { nodeId, notBeforeMs, notAfterMs } = options;
  const certificate = signCertificate(
    { subject: nodeId, issuer: nodeId, publicKey, notBeforeMs, notAfterMs, isAuthority: false },
    privateKey,
  );
  return {
    certPem: pemOf("CERTIFICATE", certificate),
    keyPem: keyPemOf(privateKey),
    spkiPin: spkiPinOf(publicKey),
  };
};

export { spkiPinOf };
