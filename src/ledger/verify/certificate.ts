/**
 * Checking certificates against the set of their epoch. Pure and browser-safe: nodes, auditors and
 * clients use the same code, and each brings its own verifier of signatures.
 */
import type { Hasher } from "../../crypto/hash.ts";
import { type Failure, fail } from "../../errors.ts";
import type { VerifyJob } from "../ports.ts";
import { statementBytes } from "../statement.ts";
import type { Certificate, ValidatorSet } from "../types.ts";
import { weightOf } from "../validator-set.ts";

/**
 * All that can be refused before a signature is verified: epoch, size of the bitmap, distinct ascending
 * members, weight. Codes: certificate.wrong-epoch, encoding.malformed, certificate.duplicate-signer,
 * consensus.unknown-signer, certificate.sub-quorum.
 */
export const checkCertificateShape = (
  set: ValidatorSet,
  certificate: Certificate & { readonly setSize?: number },
): Failure | undefined => {
  const { statement, signers, signatures, setSize } = certificate;
  if (statement.epoch !== set.epoch) {
    return fail("certificate.wrong-epoch", `epoch ${statement.epoch}, the set is ${set.epoch}`);
  }
  if (setSize !== undefined && setSize !== set.validators.length) {
    return fail("encoding.malformed", `bitmap over ${setSize} of ${set.validators.length}`);
  }
  if (signers.length !== signatures.length) {
    return fail("encoding.malformed", `${signers.length} signers, ${signatures.length} signatures`);
  }
  let previous = -1;
  for (const signer of new Set(signers)) {
    if (set.validators[signer] === undefined) {
      return fail("consensus.unknown-signer", `signer ${signer} is not in the set`);
    }
    if (signer < previous) return fail("encoding.malformed", "signers must ascend");
    previous = signer;
  }
  if (new Set(signers).size !== signers.length) {
    return fail("certificate.duplicate-signer", "a signer is counted twice");
  }
  const weight = weightOf(set, signers);
  if (weight < set.quorum) {
    return fail("certificate.sub-quorum", `weight ${weight}, quorum ${set.quorum}`);
  }
  return undefined;
};

/** One job a signer, in order; the certificate is valid when its shape is and all jobs are. */
export const certificateJobs = (
  hasher: Hasher,
  set: ValidatorSet,
  certificate: Certificate,
): VerifyJob[] => {
  const message = statementBytes(hasher, certificate.statement);
  const jobs: VerifyJob[] = [];
  for (const [i, signer] of certificate.signers.entries()) {
    const publicKey = set.validators[signer]?.publicKey;
    const signature = certificate.signatures[i];
    // Only a certificate whose shape was not checked can get here: a job that fails, not one fewer.
    const absent = publicKey === undefined || signature === undefined;
    const empty = new Uint8Array(0);
    jobs.push(
      absent ? { message, signature: empty, publicKey: empty } : { message, signature, publicKey },
    );
  }
  return jobs;
};
