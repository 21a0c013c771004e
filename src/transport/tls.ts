/**
 * Who a peer is: the leaf certificate that it proved to hold in the TLS handshake is pinned by this chain
 * and within its dates. A certificate of another chain is simply not pinned. No authority is trusted, so a
 * certificate's names and issuer are not looked at.
 */
import { createPublicKey, X509Certificate } from "node:crypto";
import { equalBytes, toHex } from "../crypto/bytes.ts";
import { sha256 } from "../crypto/hash.ts";
import { fail, ok, type Result, TetradError } from "../errors.ts";
import type { PeerId } from "../ledger/ports.ts";
import { spkiPinOf } from "./identity-certificate.ts";

export type CertificateFacts = {
  readonly spkiPin: Uint8Array;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
};

/** Reads a certificate, DER or PEM; undefined when it is none or has a key that cannot be read. */
export const readCertificate = (bytes: Uint8Array | string): CertificateFacts | undefined => {
  try {
    const certificate = new X509Certificate(bytes);
    return {
      spkiPin: spkiPinOf(certificate.publicKey),
      notBeforeMs: certificate.validFromDate.getTime(),
      notAfterMs: certificate.validToDate.getTime(),
    };
  } catch {
    return undefined;
  }
};

/**
 * Checks that a node's own certificate can be read and that the key is the certificate's: BoringSSL takes
 * any pair and fails at the first handshake. Throws key.invalid.
 */
export const checkIdentity = (certPem: string, keyPem: string): void => {
  const pin = pinOfCertificate(certPem);
  let keyPin: Uint8Array;
  try {
    keyPin = spkiPinOf(createPublicKey(keyPem));
  } catch (error) {
    throw new TetradError("key.invalid", `the TLS key cannot be read: ${String(error)}`);
  }
  if (!equalBytes(pin, keyPin)) {
    throw new TetradError("key.invalid", "the TLS key is not the certificate's");
  }
};

/** The pin of a node's own certificate. Throws key.invalid when it cannot be read. */
export const pinOfCertificate = (certificate: Uint8Array | string): Uint8Array => {
  const facts = readCertificate(certificate);
  if (facts === undefined) throw new TetradError("key.invalid", "the certificate cannot be read");
  return facts.spkiPin;
};

/** SHA-256 of a certificate as it goes over the wire. Throws key.invalid when it cannot be read. */
export const hashOfCertificate = (certificate: Uint8Array | string): Uint8Array => {
  try {
    return sha256(Uint8Array.from(new X509Certificate(certificate).raw));
  } catch {
    throw new TetradError("key.invalid", "the certificate cannot be read");
  }
};

/** Members of the chain by the hex of their pin. */
export type PinTable = ReadonlyMap<string, PeerId>;

/**
 * Decides whose session this is. `nowMs` is wall time. Codes: transport.no-certificate,
 * transport.peer-unknown (also when another member than the one dialled answers),
 * transport.certificate-expired (also when not yet valid).
 */
export const identifyPeer = (
  chain: readonly Uint8Array[] | null,
  pins: PinTable,
  expected: PeerId | undefined,
  nowMs: number,
): Result<{ readonly id: PeerId; readonly certificateEndMs: number }> => {
  const leaf = chain?.[0];
  if (leaf === undefined) return fail("transport.no-certificate", "the peer showed no certificate");
  const facts = readCertificate(leaf);
  if (facts === undefined) {
    return fail("transport.peer-unknown", "the peer's certificate cannot be read");
  }
  const pin = toHex(facts.spkiPin);
  const peer = pins.get(pin);
  if (peer === undefined) {
    return fail("transport.peer-unknown", "the peer's certificate is not pinned", { pin });
  }
  if (expected !== undefined && peer !== expected) {
    return fail("transport.peer-unknown", "another member answers at this address", { peer });
  }
  if (!(facts.notBeforeMs <= nowMs && nowMs <= facts.notAfterMs)) {
    return fail("transport.certificate-expired", "the peer's certificate is outside its dates", {
      peer,
    });
  }
  return ok({ id: peer, certificateEndMs: facts.notAfterMs });
};
