/** What two members hold for each other's connections for bulk: the certificates in a grant, and how both are called. */
import { X509Certificate } from "node:crypto";
import { equalBytes } from "../../crypto/bytes.ts";
import { fail, ok, type Result } from "../../errors.ts";
import type { PeerId } from "../../ledger/ports.ts";
import type { LeafKey } from "../authority.ts";
import type { QuicIdentity } from "../quic-endpoint.ts";
import { pemOf, spkiOf } from "../x509.ts";
import type { BulkGrant } from "./notes.ts";

/** Digits of the id: a label of DNS has at most 63 characters. */
const ID_DIGITS = 40;

/** What the listener of a member has its certificate made out to. */
export const serverNameOf = (id: PeerId): string => `${id.slice(0, ID_DIGITS)}.bulk.tetrad.invalid`;

export type Granted = { readonly authorityPem: string; readonly identity: QuicIdentity };

const isNow = ({ validFromDate, validToDate }: X509Certificate, nowMs: number): boolean =>
  validFromDate.getTime() <= nowMs && nowMs <= validToDate.getTime();

/** Node reads PEM as well, and passes over what stands behind a certificate; the QUIC libraries would throw at both. */
const isDerOf = ({ raw }: X509Certificate, bytes: Uint8Array): boolean => equalBytes(raw, bytes);

/**
 * What a grant gives, held against the key that was shown for it. TLS would refuse the same later; here it has a
 * name. Code: bulk.certificate. `nowMs` is wall time.
 */
export const openGrant = (grant: BulkGrant, key: LeafKey, nowMs: number): Result<Granted> => {
  try {
    const authority = new X509Certificate(grant.authority);
    const leaf = new X509Certificate(grant.certificate);
    if (!isDerOf(authority, grant.authority) || !isDerOf(leaf, grant.certificate)) {
      return fail("bulk.certificate", "not the DER of one certificate");
    }
    if (!authority.ca || !authority.verify(authority.publicKey)) {
      return fail("bulk.certificate", "not the certificate of an authority");
    }
    if (!isNow(authority, nowMs) || !isNow(leaf, nowMs)) {
      return fail("bulk.certificate", "a certificate that does not hold now");
    }
    if (!leaf.verify(authority.publicKey)) {
      return fail("bulk.certificate", "not certified by the authority of the grant");
    }
    if (!equalBytes(spkiOf(leaf.publicKey), key.publicKey)) {
      return fail("bulk.certificate", "a certificate over another key");
    }
    return ok({
      authorityPem: pemOf("CERTIFICATE", grant.authority),
      identity: { keyPem: key.keyPem, certPem: pemOf("CERTIFICATE", grant.certificate) },
    });
  } catch {
    return fail("bulk.certificate", "not a certificate");
  }
};
