/**
 * An authority that lives as long as a process: it certifies the keys of an endpoint whose driver can trust
 * only authorities, and those of the peers that may dial it. Its own certificate reaches a peer through a
 * session that is authenticated otherwise, so trust in it is trust in that session. Keys stay in memory.
 */
import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { fail, ok, type Result } from "../errors.ts";
import type { QuicIdentity } from "./quic-endpoint.ts";
import { keyPemOf, pemOf, signCertificate, spkiOf } from "./x509.ts";

/** Longer than any session is meant to last, and than clocks of peers may differ. */
const LIFETIME_MS = 30 * 24 * 3600 * 1000;
const BACKDATE_MS = 24 * 3600 * 1000;

const P256_SPKI_BYTES = 91;

export type LeafOptions = {
  /** The common name: who holds the key. */
  readonly subject: string;
  /** What a client that dials the holder asks for. */
  readonly serverName?: string;
};

/** A fresh P-256 key: what a peer certifies is `publicKey`, DER. */
export type LeafKey = { readonly keyPem: string; readonly publicKey: Uint8Array };

export const createLeafKey = (): LeafKey => {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { keyPem: keyPemOf(privateKey), publicKey: spkiOf(publicKey) };
};

export type Authority = {
  readonly certificate: Uint8Array;
  readonly certPem: string;
  /** A key and its certificate, for this process. */
  identity(options: LeafOptions): QuicIdentity;
  /** A certificate over a key of somebody else, DER; key.invalid for what is no P-256 key. */
  certify(publicKey: Uint8Array, options: LeafOptions): Result<Uint8Array>;
};

/** `nowMs` is wall time; the authority and what it signs hold for so long from then, 30 days if nothing is said. */
export const createAuthority = (
  name: string,
  nowMs: number,
  lifetimeMs: number = LIFETIME_MS,
): Authority => {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const dates = { notBeforeMs: nowMs - BACKDATE_MS, notAfterMs: nowMs + lifetimeMs };
  const certificate = signCertificate(
    { subject: name, issuer: name, publicKey, ...dates, isAuthority: true },
    privateKey,
  );
  const certify = (spki: Uint8Array, options: LeafOptions): Result<Uint8Array> => {
    if (spki.length !== P256_SPKI_BYTES) return fail("key.invalid", "not a P-256 key");
    try {
      const key = createPublicKey({ key: Buffer.from(spki), type: "spki", format: "der" });
      if (key.asymmetricKeyDetails?.namedCurve === "prime256v1") {
        const shape = { ...options, issuer: name, publicKey: key, ...dates, isAuthority: false };
        return ok(signCertificate(shape, privateKey));
      }
    } catch {
      // Not a key at all: the same answer.
    }
    return fail("key.invalid", "not a P-256 key");
  };
  return {
    certificate,
    certPem: pemOf("CERTIFICATE", certificate),
    identity: (options) => {
      const leaf = createLeafKey();
      const certified = certify(leaf.publicKey, options);
      if (!certified.ok) throw new RangeError(certified.detail);
      return { keyPem: leaf.keyPem, certPem: pemOf("CERTIFICATE", certified.value) };
    },
    certify,
  };
};
