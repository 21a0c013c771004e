/**
 * `verifyBundle`: the one verifier of proof bundles, for the command, the SDK, auditors and the page that
 * verifies itself. Pure and browser-safe.
 *
 * What it trusts: the `Trust` that it is given (trust.ts, with the weak-subjectivity caveat), FALCON-1024
 * and SHA-256, and that less than a third of the weight of each epoch's validators lied. Nothing in the
 * bundle is trusted, nor who served it. What it proves is said in the result, in words and as values; what
 * it does not prove is said there too.
 */
import { equalBytes, toHex } from "../../crypto/bytes.ts";
import { createHasher, type Hasher } from "../../crypto/hash.ts";
import { type Failure, fail, ok, type Result } from "../../errors.ts";
import type { VerifyJob } from "../ports.ts";
import type { Hash } from "../types.ts";
import type { Bundle } from "./bundle.ts";
import {
  checkAuthorship,
  checkInclusion,
  checkProjection,
  checkRange,
  checkRows,
} from "./claims.ts";
import { isoTime } from "./iso-time.ts";
import { type CheckedLink, checkBoundary, checkLink } from "./links.ts";
import type { Proven, ProvenClaim, ProvenHeader } from "./proven.ts";
import { assumptionsOf, statementsOf } from "./statements.ts";
import type { Trust } from "./trust.ts";

/** The steps of a verification, in order. */
export type CheckId =
  | "chain"
  | "set"
  | "epochs"
  | "header"
  | "quorum"
  | "claim"
  | "authorship"
  | "signatures";

export type Check = {
  readonly id: CheckId;
  readonly result: "ok" | "failed" | "not reached" | "not claimed";
  /** What was compared with what, for people. */
  readonly detail: string;
};

export type Verification = {
  readonly checks: readonly Check[];
  readonly result: Result<Proven>;
};

/** All of a verification but its signatures. */
export type Prepared = {
  /** To be verified, in any way; in order. Empty when something else has failed already. */
  readonly jobs: readonly VerifyJob[];
  /** The verification, given one answer a job. */
  conclude(valid: readonly boolean[]): Verification;
};

const ORDER: readonly CheckId[] = [
  "chain",
  "set",
  "epochs",
  "header",
  "quorum",
  "claim",
  "authorship",
  "signatures",
];

/** Collects checks; what comes after a failure was not reached. */
class Report {
  readonly #checks = new Map<CheckId, Check>();
  failure: Failure | undefined;

  /** Takes a step's answer: its value, or undefined when it failed. */
  take<T>(id: CheckId, result: Result<T>, detail: (value: T) => string): T | undefined {
    if (!result.ok) {
      this.failure = result;
      this.#checks.set(id, { id, result: "failed", detail: result.detail });
      return undefined;
    }
    this.#checks.set(id, { id, result: "ok", detail: detail(result.value) });
    return result.value;
  }

  skip(id: CheckId, detail: string): void {
    this.#checks.set(id, { id, result: "not claimed", detail });
  }

  list(): Check[] {
    return ORDER.map((id) => this.#checks.get(id) ?? { id, result: "not reached", detail: "" });
  }
}

/** Verifies a bundle, up to the first signature that is wrong. `verify` checks a FALCON-1024 signature and never throws (crypto/falcon.ts). */
export const verifyBundle = (
  bundle: Bundle,
  trust: Trust,
  verify: (signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array) => boolean,
): Verification => {
  const { jobs, conclude } = prepareBundle(bundle, trust);
  const valid: boolean[] = [];
  // One that fails is enough: a bundle may bring many, and only its maker has paid nothing for them.
  for (const { signature, message, publicKey } of jobs) {
    valid.push(verify(signature, message, publicKey));
    if (valid.at(-1) === false) break;
  }
  return conclude(valid);
};

/**
 * Checks all but the signatures, cheapest first, and gives these as jobs: for who verifies in threads, or
 * asynchronously.
 */
export const prepareBundle = (bundle: Bundle, trust: Trust): Prepared => {
  const report = new Report();
  const found = check(bundle, trust, report);
  if (found === undefined) return { jobs: [], conclude: () => conclude(report, undefined, []) };
  return { jobs: found.jobs, conclude: (valid) => conclude(report, found, valid) };
};

type Found = { readonly proven: Proven; readonly jobs: readonly VerifyJob[] };

const conclude = (
  report: Report,
  found: Found | undefined,
  valid: readonly boolean[],
): Verification => {
  if (found === undefined || report.failure !== undefined) {
    const result = report.failure ?? fail("internal", "a verification without a result");
    return { checks: report.list(), result };
  }
  const { jobs, proven } = found;
  const bad = jobs.findIndex((_, i) => valid[i] !== true);
  const signatures =
    bad < 0
      ? ok(jobs.length)
      : fail("proof.invalid", `signature ${bad + 1} of ${jobs.length} does not verify`);
  report.take("signatures", signatures, (count) => `${count} FALCON-1024 signatures verify`);
  return { checks: report.list(), result: signatures.ok ? ok(proven) : signatures };
};

const shortHex = (hash: Hash): string => `${toHex(hash).slice(0, 16)}…`;

const check = (bundle: Bundle, trust: Trust, report: Report): Found | undefined => {
  const chain = report.take("chain", checkChain(bundle, trust), () => {
    return `${trust.chainId}, genesis ${shortHex(trust.genesisHash)}`;
  });
  if (chain === undefined) return undefined;
  const hasher = createHasher(trust.chainId);
  const links = checkLinks(hasher, bundle, trust, report);
  const last = links?.at(-1);
  if (links === undefined || last === undefined) return undefined;
  const claim = checkClaim(hasher, bundle, last, report);
  if (claim === undefined) return undefined;
  const jobs = [...links.flatMap((link) => link.jobs), ...claim.jobs];
  return { proven: provenOf(trust, last, claim.proven), jobs };
};

const checkChain = (bundle: Bundle, trust: Trust): Result<true> => {
  if (bundle.chainId !== trust.chainId) {
    return fail("proof.untrusted", `the proof is of chain ${bundle.chainId}, not ${trust.chainId}`);
  }
  if (!equalBytes(bundle.genesisHash, trust.genesisHash)) {
    const detail = `the proof is of the genesis ${shortHex(bundle.genesisHash)}`;
    return fail("proof.untrusted", `${detail}, not ${shortHex(trust.genesisHash)}`);
  }
  return ok(true);
};

/** The links from the trusted set on. Those before it prove nothing to who trusts a later set. */
const checkLinks = (
  hasher: Hasher,
  bundle: Bundle,
  trust: Trust,
  report: Report,
): CheckedLink[] | undefined => {
  const anchored = readLinks(hasher, bundle, trust);
  const first = report.take("set", anchored, (links) => {
    const [set] = links;
    return `${set?.set.validators.length} validators of epoch ${trust.epoch}, as ${trust.origin} says`;
  });
  if (first === undefined) return undefined;
  const epochs = report.take("epochs", checkEpochs(first), () =>
    first.length === 1
      ? `none between epoch ${trust.epoch} and the header`
      : `${first.length - 1} ${first.length === 2 ? "boundary" : "boundaries"} from epoch ${trust.epoch} to ${trust.epoch + first.length - 1}`,
  );
  const last = first.at(-1);
  if (epochs === undefined || last === undefined) return undefined;
  const header = report.take("header", checkHeader(last, trust), () => {
    return `height ${last.header.height}, ledger time ${isoTime(last.header.timeMs)}`;
  });
  if (header === undefined) return undefined;
  report.take("quorum", ok(last), ({ certificate, set, weight }) => {
    const count = `${certificate.signers.length} of ${set.validators.length} validators`;
    return `${count}, weight ${weight} of ${set.totalWeight}, ${set.quorum} needed`;
  });
  return first;
};

const readLinks = (hasher: Hasher, bundle: Bundle, trust: Trust): Result<CheckedLink[]> => {
  const links: CheckedLink[] = [];
  for (const [i, encoded] of bundle.links.entries()) {
    const link = checkLink(hasher, encoded);
    if (!link.ok) return link;
    const { epoch } = link.value.set;
    if (i === 0 && epoch > trust.epoch) {
      const detail = `the proof begins at epoch ${epoch}, what is trusted is of epoch ${trust.epoch}`;
      return fail("proof.unanchored", detail);
    }
    links.push(link.value);
  }
  const from = links.findIndex((link) => link.set.epoch === trust.epoch);
  if (from < 0) {
    const detail = `the proof ends before epoch ${trust.epoch}, which is what is trusted`;
    return fail("proof.unanchored", detail);
  }
  const anchored = links.slice(from);
  if (!equalBytes(anchored[0]?.set.hash ?? new Uint8Array(0), trust.setHash)) {
    return fail("proof.invalid", `the set of epoch ${trust.epoch} is not the one that is trusted`);
  }
  return ok(anchored);
};

const checkEpochs = (links: readonly CheckedLink[]): Result<true> => {
  for (const [i, link] of links.entries()) {
    const next = links[i + 1];
    if (next === undefined) continue;
    const boundary = checkBoundary(link, next);
    if (!boundary.ok) return boundary;
  }
  return ok(true);
};

const checkHeader = ({ header, hash }: CheckedLink, { block }: Trust): Result<true> => {
  if (header.height < 1 || header.executedHeight >= header.height) {
    return fail("proof.invalid", "the header commits to a height that is not below its own");
  }
  if (block !== undefined && block.height === header.height && !equalBytes(block.hash, hash)) {
    const detail = `two blocks are final at height ${header.height}: this one and the trusted one`;
    return fail("proof.invalid", `${detail}; the chain has forked`);
  }
  return ok(true);
};

type CheckedClaim = { readonly proven: ProvenClaim; readonly jobs: readonly VerifyJob[] };

const checkClaim = (
  hasher: Hasher,
  { claim }: Bundle,
  { header }: CheckedLink,
  report: Report,
): CheckedClaim | undefined => {
  if (claim.kind === "events") {
    const { logSize } = header;
    const entries = report.take(
      "claim",
      checkInclusion(header, claim),
      (list) => `${list.length} of ${logSize} events of the log, by their paths to its root`,
    );
    if (entries === undefined) return undefined;
    if (claim.batches.length === 0) {
      report.skip("authorship", "no batch is shown");
      const events = entries.map((entry) => ({ ...entry, author: undefined }));
      return { proven: { kind: "events", events }, jobs: [] };
    }
    const authorship = report.take(
      "authorship",
      checkAuthorship(hasher, claim, entries),
      ({ jobs }) =>
        `${jobs.length} signed ${jobs.length === 1 ? "batch" : "batches"}, by the paths to what their actors signed`,
    );
    if (authorship === undefined) return undefined;
    return { proven: { kind: "events", events: authorship.events }, jobs: authorship.jobs };
  }
  report.skip("authorship", "the claim is not about who wrote something");
  if (claim.kind === "range") {
    const entries = report.take("claim", checkRange(header, claim), (list) => {
      return `${list.length} of ${header.logSize} events of the log without a gap, by the last one's path`;
    });
    const events = entries?.map((entry) => ({ ...entry, author: undefined }));
    return events === undefined ? undefined : { proven: { kind: "range", events }, jobs: [] };
  }
  if (claim.kind === "no-event") {
    const { index } = claim;
    const { logSize } = header;
    const absent =
      logSize > index
        ? fail("proof.invalid", `the log has ${logSize} events, so there is an event ${index}`)
        : ok(true);
    const none = report.take("claim", absent, () => `the log ends after ${logSize} events`);
    return none === undefined
      ? undefined
      : { proven: { kind: "no-event", index, logSize }, jobs: [] };
  }
  const root = checkProjection(hasher, header, claim);
  const rows = root.ok ? checkRows(hasher, root.value.root, claim.rows) : root;
  const proven = report.take("claim", rows, (list) => {
    const absent = list.filter(({ value }) => value === undefined).length;
    return `${list.length - absent} rows are there, ${absent} are not, by paths to the state root`;
  });
  if (proven === undefined || !root.ok) return undefined;
  const { name: projection, schemaVersion } = root.value;
  return { proven: { kind: "rows", projection, schemaVersion, rows: proven }, jobs: [] };
};

const provenOf = (trust: Trust, last: CheckedLink, claim: ProvenClaim): Proven => {
  const { header, hash, set, certificate, weight } = last;
  const { chainId, genesisHash } = trust;
  const { height, timeMs, executedHeight, logSize, logRoot, stateRoot } = header;
  const signers = certificate.signers.flatMap((signer) => {
    const one = set.validators[signer];
    if (one === undefined) return [];
    return [{ id: one.id, name: trust.names.get(toHex(one.id)), weight: one.weight }];
  });
  const { epoch, hash: setHash, quorum, totalWeight } = set;
  const proven: ProvenHeader = {
    ...{ height, hash, epoch, timeMs, executedHeight, logSize, logRoot, stateRoot },
    ...{ signers, weight, quorum, totalWeight },
  };
  return {
    chainId,
    genesisHash,
    trust,
    header: proven,
    claim,
    checkpoint: { chainId, genesisHash, epoch, setHash, height, blockHash: hash, timeMs },
    statements: statementsOf(proven, claim),
    assumptions: assumptionsOf(trust, proven, claim),
  };
};
