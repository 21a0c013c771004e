/**
 * The chain of trust of a proof bundle: from a trusted set of validators, epoch by epoch, to the header that
 * a claim is about. Pure and browser-safe.
 *
 * What this trusts: the hash of one validator set. What it proves, once every signature job holds: of each
 * link, validators of more than two thirds of the set's weight have signed that its header is final.
 */
import { equalBytes, isZero, toHex } from "../../crypto/bytes.ts";
import { DecodeError, Reader, Writer } from "../../crypto/codec.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { fail, ok, type Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { decodeHeader } from "../block.ts";
import type { VerifyJob } from "../ports.ts";
import { decodeCertificate } from "../statement.ts";
import type { Certificate, Hash, Header, Validator, ValidatorSet } from "../types.ts";
import { createValidatorSet, weightOf } from "../validator-set.ts";
import type { ProofLink } from "./bundle.ts";
import { certificateJobs, checkCertificateShape } from "./certificate.ts";

/** A link that was checked, but for its signatures. */
export type CheckedLink = {
  readonly set: ValidatorSet;
  readonly header: Header;
  readonly hash: Hash;
  readonly certificate: Certificate;
  readonly weight: bigint;
  readonly jobs: readonly VerifyJob[];
};

/** The encoding that a set's hash is over: what `decodeSet` reads. */
export const encodeSet = (set: ValidatorSet): Uint8Array => {
  const { epoch, validators } = set;
  const writer = new Writer(10 + validators.length * (44 + LIMITS.falconPublicKeyBytes));
  writer.u64(epoch).u16(validators.length);
  for (const one of validators) writer.hash(one.id).bytes(one.publicKey).u64big(one.weight);
  return writer.finish();
};

const NO_HASH = new Uint8Array(32);

/**
 * Reads the encoding that a set's hash is over (docs/protocol.md, "Validator set and leaders"). The names,
 * addresses and TLS pins that a set has elsewhere are not covered by its hash and are empty here.
 * Code: proof.malformed.
 */
export const decodeSet = (hasher: Hasher, bytes: Uint8Array): Result<ValidatorSet> => {
  try {
    const reader = new Reader(bytes);
    const epoch = reader.u64();
    const validators: Validator[] = [];
    for (let left = reader.u16(); left > 0; left--) {
      const id = reader.hash();
      const publicKey = reader.bytes(LIMITS.falconPublicKeyBytes);
      const weight = reader.u64big();
      validators.push({ id, name: "", publicKey, weight, tlsPin: NO_HASH, address: "" });
    }
    reader.end();
    // On a chain with keys of epochs ids are of other keys; what holds a set to its id is its hash.
    const set = createValidatorSet(hasher, epoch, validators, { rotates: true });
    // Another order of the same validators would have another hash: it must not pass for this one.
    if (!equalBytes(set.hash, hasher.ht("set", bytes))) {
      return fail("proof.malformed", "the validators of a set are not in order");
    }
    return ok(set);
  } catch (error) {
    if (error instanceof DecodeError || error instanceof RangeError) {
      return fail("proof.malformed", `validator set: ${error.message}`);
    }
    throw error;
  }
};

/** One link on its own: set, header and certificate fit together. The set is not anchored here. */
export const checkLink = (hasher: Hasher, link: ProofLink): Result<CheckedLink> => {
  const set = decodeSet(hasher, link.set);
  if (!set.ok) return set;
  const header = decodeHeader(hasher, link.header);
  if (!header.ok) return fail("proof.invalid", `header: ${header.detail}`);
  const hash = hasher.ht("header", link.header);
  const certificate = decodeCertificate(link.certificate);
  if (!certificate.ok) return fail("proof.malformed", `certificate: ${certificate.detail}`);
  const { statement, signers } = certificate.value;
  const where = `height ${header.value.height}`;
  if (header.value.epoch !== set.value.epoch) {
    return fail("proof.invalid", `${where}: of epoch ${header.value.epoch}, the set of another`);
  }
  if (statement.kind !== "finalize" || !equalBytes(statement.hash, hash)) {
    return fail("proof.invalid", `${where}: the certificate does not make this header final`);
  }
  if (statement.view < header.value.view) {
    return fail("proof.invalid", `${where}: final in a view before it was proposed`);
  }
  const wrong = checkCertificateShape(set.value, certificate.value);
  if (wrong !== undefined) return fail("proof.invalid", `${where}: ${wrong.detail}`);
  return ok({
    set: set.value,
    header: header.value,
    hash,
    certificate: certificate.value,
    weight: weightOf(set.value, signers),
    jobs: certificateJobs(hasher, set.value, certificate.value),
  });
};

/** Whether `link` may stand before the link of the next set: it is a boundary that names this set. */
export const checkBoundary = (link: CheckedLink, next: CheckedLink): Result<true> => {
  if (next.set.epoch !== link.set.epoch + 1) {
    return fail("proof.invalid", `epoch ${next.set.epoch} follows epoch ${link.set.epoch}`);
  }
  if (isZero(link.header.nextSetHash)) {
    return fail("proof.invalid", `height ${link.header.height} is no boundary of its epoch`);
  }
  if (!equalBytes(link.header.nextSetHash, next.set.hash)) {
    const detail = `the boundary of epoch ${link.set.epoch} names another set than is shown`;
    return fail("proof.invalid", `${detail} (${toHex(next.set.hash).slice(0, 12)}…)`);
  }
  if (next.header.height <= link.header.height || next.header.timeMs <= link.header.timeMs) {
    return fail("proof.invalid", `epoch ${next.set.epoch} does not come after its predecessor`);
  }
  return ok(true);
};
