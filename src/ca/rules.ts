/**
 * What is decided about events of certificates, as pure functions of the rows: the projection reads and
 * writes, these judge. The issuing node asks the same functions before it signs.
 */
import { equalBytes, toHex } from "../crypto/bytes.ts";
import { sha256 } from "../crypto/hash.ts";
import { fail, ok, type Result } from "../errors.ts";
import type { Hash } from "../ledger/types.ts";
import { LIMITS } from "../limits.ts";
import {
  type Certificate,
  isProfile,
  leafBody,
  type Profile,
  parseCertificate,
  rootBody,
} from "./certificate.ts";
import { type Csr, parseCsr } from "./csr.ts";
import { verifyP256 } from "./p256.ts";

/** Id of an issuer: SHA-256 of its SubjectPublicKeyInfo. */
export const issuerIdOf = (certificate: Certificate): Hash => sha256(certificate.subjectKey.spki);

/** Seconds of ledger time, which is in milliseconds. */
export const secondsOf = (timeMs: number): number => Math.floor(timeMs / 1000);

/**
 * An issuer's own certificate: of the one shape that rootBody makes, P-256, signed by itself, valid now.
 * Codes: ca.certificate-invalid, ca.certificate-signature, ca.certificate-untimely.
 */
export const checkRoot = (bytes: Uint8Array, timeMs: number): Result<Certificate> => {
  const parsed = parseCertificate(bytes);
  if (!parsed.ok) return parsed;
  const root = parsed.value;
  if (root.subjectKey.kind !== "p256") {
    return fail("ca.certificate-invalid", "an issuer has a P-256 key");
  }
  if (root.subject.length > LIMITS.caIssuerNameBytesMax || root.subject.length <= 2) {
    return fail("ca.certificate-invalid", "the issuer's name is empty or too long");
  }
  if (!equalBytes(root.body, rootBody(root))) {
    return fail("ca.certificate-invalid", "not the body that an issuer's certificate has");
  }
  const nowS = secondsOf(timeMs);
  if (root.notBeforeS > nowS || root.notAfterS <= nowS) {
    return fail("ca.certificate-untimely", "the certificate is not valid at this ledger time");
  }
  return verifyP256(root.signature, root.body, root.subjectKey.key)
    ? ok(root)
    : fail("ca.certificate-signature", "the certificate is not signed by its own key");
};

export type RequestTerms = {
  readonly profile: string;
  readonly lifetimeSeconds: number;
  readonly csr: Uint8Array;
};

export type CheckedRequest = { readonly csr: Csr; readonly profile: Profile };

/** All of a request but for the possession of its key. Codes: ca.profile-unknown, ca.lifetime, of parseCsr. */
export const checkRequest = (terms: RequestTerms): Result<CheckedRequest> => {
  const { profile, lifetimeSeconds } = terms;
  if (!isProfile(profile)) {
    return fail("ca.profile-unknown", `${profile}: there are server, client and peer`);
  }
  const [min, max] = LIMITS.caLifetimeS;
  if (lifetimeSeconds < min || lifetimeSeconds > max) {
    return fail("ca.lifetime", `${lifetimeSeconds} s is not ${min} to ${max} s`);
  }
  const csr = parseCsr(terms.csr);
  return csr.ok ? ok({ csr: csr.value, profile }) : csr;
};

/**
 * First and last second of a certificate that was asked for at a ledger time: it begins a little earlier, for
 * clocks that are behind, and ends with its issuer at the latest. When it is signed does not count, so that
 * whoever signs it a second time signs the same.
 */
export const validityOf = (
  requestedS: number,
  lifetimeSeconds: number,
  issuerNotAfterS: number,
): { readonly notBeforeS: number; readonly notAfterS: number } => ({
  notBeforeS: requestedS - LIMITS.caBackdateS,
  notAfterS: Math.min(requestedS + lifetimeSeconds, issuerNotAfterS),
});

export type Issuance = {
  readonly issuer: Certificate;
  readonly terms: RequestTerms;
  /** Ledger time of the request, milliseconds. */
  readonly requestedMs: number;
};

/**
 * A certificate against what was asked for: its body must be the one that follows from issuer, request and
 * serial, and the issuer's signature over it must verify, which is checked last. The time of the judgement
 * does not count: what is right for a request stays right, and so what an issuer signs is not refused later.
 * Codes: ca.certificate-invalid, ca.certificate-untimely, ca.certificate-signature.
 */
export const checkIssued = (bytes: Uint8Array, issuance: Issuance): Result<Certificate> => {
  const { issuer, terms, requestedMs } = issuance;
  const parsed = parseCertificate(bytes);
  if (!parsed.ok) return parsed;
  const found = parsed.value;
  const request = checkRequest(terms);
  if (!request.ok) return request;
  if (found.serial.length < LIMITS.caSerialBytesMin) {
    return fail("ca.certificate-invalid", `a serial of ${found.serial.length} bytes`);
  }
  const requestedS = secondsOf(requestedMs);
  if (requestedS >= issuer.notAfterS) {
    return fail("ca.certificate-untimely", "the issuer had ended when this was asked for");
  }
  const validity = validityOf(requestedS, terms.lifetimeSeconds, issuer.notAfterS);
  if (found.notBeforeS !== validity.notBeforeS) {
    return fail(
      "ca.certificate-untimely",
      `begins at ${found.notBeforeS}, not as it was asked for`,
    );
  }
  const body = leafBody({
    issuer,
    subjectKey: request.value.csr.subjectKey,
    names: request.value.csr.names,
    profile: request.value.profile,
    serial: found.serial,
    ...validity,
  });
  if (!equalBytes(found.body, body)) {
    return fail("ca.certificate-invalid", "the body is not the one that the request determines");
  }
  return verifyP256(found.signature, body, issuer.subjectKey.key)
    ? ok(found)
    : fail("ca.certificate-signature", "not signed by the issuer's key");
};

/** Serial numbers as people and OpenSSL write them: upper-case hex. */
export const serialText = (serial: Uint8Array): string => toHex(serial).toUpperCase();
