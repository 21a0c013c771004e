/**
 * Following the sets of validators from what one trusts to the newest, with proofs and asking nobody's leave: the
 * light client of a chain whose validators change (docs/protocol.md, "Following the sets").
 *
 * A step is a proof bundle: it leads, boundary by boundary, from the trusted set to a header of a later epoch, and
 * every set on the way is named by a header that more than two thirds of the set before it have made final. The
 * last step also proves the rows of the members of its set, with the keys that sign checkpoints. Nobody who serves
 * or keeps steps is trusted: what is not signed is refused, with the step and the check that failed.
 */
import { equalBytes, toHex } from "../crypto/bytes.ts";
import { createHasher, type Hasher } from "../crypto/hash.ts";
import { type Failure, fail, ok, type Result, TetradError } from "../errors.ts";
import { decodeHeader } from "../ledger/block.ts";
import { identityRow, KEYS, STAKE } from "../ledger/projections/stake/rows.ts";
import { VALIDATORS } from "../ledger/projections/validators.ts";
import type { ValidatorSet } from "../ledger/types.ts";
import { type Bundle, decodeBundle, parseBundle } from "../ledger/verify/bundle.ts";
import { type CheckpointPolicy, checkpointPolicyOf } from "../ledger/verify/checkpoint.ts";
import { decodeSet } from "../ledger/verify/links.ts";
import type { Proven, ProvenHeader } from "../ledger/verify/proven.ts";
import { type Checkpoint, checkpointOfTrust, type Trust } from "../ledger/verify/trust.ts";
import { LIMITS } from "../limits.ts";
import { schemaVersionOf } from "../node/formats.ts";
import { KeptSteps, linesOfSets, type SetStep } from "./kept-steps.ts";
import type { VerifySignature } from "./prover.ts";
import { type AsksNode, endEpochOf, stepFailure, takeStep, tooManySteps } from "./set-step.ts";

/** Who signs the checkpoints of an epoch. */
export type PolicyOfEpoch = {
  readonly epoch: number;
  readonly policy: CheckpointPolicy;
  /** The newest of that epoch that its members were proven by. */
  readonly header: ProvenHeader;
  /** Height of the epoch's last block, once a step has led on from it. */
  readonly endHeight?: number;
};

/** The set that was reached, and who signs its checkpoints. */
export type FollowedSet = {
  readonly set: ValidatorSet;
  readonly policy: CheckpointPolicy;
  /** Of the sets whose members were proven on the way, the newest first, and this one is the first. */
  readonly policies: readonly PolicyOfEpoch[];
  readonly header: ProvenHeader;
  /** What may be trusted from now on: never an older block than what was trusted. */
  readonly checkpoint: Checkpoint;
  readonly steps: readonly SetStep[];
  /**
   * What was verified, in order and joined where it is old (kept-steps.ts): all that somebody else needs to follow.
   * Before it, as they were, steps that were passed over: who trusts an older set needs them. Empty where nobody wanted
   * it kept.
   */
  readonly bundles: readonly Bundle[];
};

/**
 * The proven keys of a set's members. Codes: proof.version, proof.invalid for a member without a row, cli.usage on a
 * chain whose sets are fixed.
 */
const policyOf = (
  chainId: string,
  set: ValidatorSet,
  { claim }: Proven,
  isFixed: boolean,
): Result<CheckpointPolicy | undefined> => {
  if (claim.kind === "no-event") return ok(undefined);
  if (isFixed && claim.kind === "rows" && claim.projection === VALIDATORS) {
    // Those rows have no keys for checkpoints: such a chain has them in its genesis and nowhere else.
    const detail = "the validators of this chain are those of its genesis for good";
    return fail("cli.usage", `${detail}: trust the genesis, which has the keys for checkpoints`);
  }
  if (claim.kind !== "rows" || claim.projection !== STAKE) {
    const what = claim.kind === "rows" ? `rows of ${claim.projection}` : claim.kind;
    return fail("proof.invalid", `members: it proves ${what}, not who is in the set`);
  }
  if (claim.schemaVersion !== schemaVersionOf(STAKE)) {
    const detail = `rows of ${STAKE} in schema version ${claim.schemaVersion}`;
    return fail(
      "proof.version",
      `members: ${detail}; this program knows ${schemaVersionOf(STAKE)}`,
    );
  }
  const rows = new Map(claim.rows.map(({ key, value }) => [toHex(key), value]));
  const validators = [];
  for (const validator of set.validators) {
    const value = rows.get(toHex(KEYS.identity(validator.id)));
    if (value === undefined) {
      const id = toHex(validator.id).slice(0, 12);
      return fail("proof.invalid", `members: the keys of member ${id}… are not proven`);
    }
    const { name, ed25519Key, mlDsa44Key } = identityRow.decode(value);
    validators.push({ ...validator, name, ed25519Key, mlDsa44Key });
  }
  return ok(checkpointPolicyOf({ chainId, validators }));
};

/** Height of the last block of an epoch that a verified bundle leads on from. */
const endOf = (hasher: Hasher, { links }: Bundle, epoch: number): number | undefined => {
  for (const link of links.slice(0, -1)) {
    const header = decodeHeader(hasher, link.header);
    if (header.ok && header.value.epoch === epoch) return header.value.height;
  }
  return undefined;
};

/**
 * Walks along the sets, step by step: pure, but for what has been walked. Its caller brings the steps from a node
 * or a file, and asks `trust` where the next one has to begin.
 */
export class SetWalk {
  readonly #verify: VerifySignature;
  #trust: Trust;
  #reached: Omit<FollowedSet, "steps" | "bundles" | "policies"> | undefined;
  #policies: readonly PolicyOfEpoch[] = [];
  /** Undefined where bundles are dropped once they are verified: then no walk takes more memory than its last step. */
  readonly #kept: KeptSteps | undefined;
  readonly #dropped: SetStep[] = [];
  #taken = 0;

  constructor(trust: Trust, verify: VerifySignature, keepsBundles = true) {
    this.#trust = trust;
    this.#verify = verify;
    this.#kept = keepsBundles ? new KeptSteps() : undefined;
  }

  /** What the next step is verified against. */
  get trust(): Trust {
    return this.#trust;
  }

  /** Undefined before a step has proven the members of its set. */
  get reached(): FollowedSet | undefined {
    const reached = this.#reached;
    if (reached === undefined) return undefined;
    const policies = this.#policies;
    const { all } = this.#kept ?? { all: [] };
    const steps =
      this.#kept === undefined ? [...this.#dropped] : all.flatMap(({ step }) => step ?? []);
    return { ...reached, policies, steps, bundles: all.map(({ bundle }) => bundle) };
  }

  /** Keeps a step that leads to no more than what is trusted, unverified. Code: proof.too-long. */
  pass(bundle: Bundle): Result<true> {
    this.#taken += 1;
    const kept = this.#kept?.push({ step: undefined, bundle }) ?? ok(true);
    return kept.ok ? kept : stepFailure(this.#taken, this.#trust.epoch, kept);
  }

  /**
   * Takes a step; true when it proves the members of the set that it reaches. Codes: those of verifyBundle,
   * proof.invalid for a step that leads nowhere or leaves a member out, proof.version, proof.too-long for more
   * than can be kept, cli.usage on a chain whose sets are fixed.
   */
  take(bundle: Bundle): Result<boolean> {
    const number = this.#taken + 1;
    const from = this.#trust.epoch;
    const wrong = (failure: Failure): Failure => stepFailure(number, from, failure);
    const step = takeStep(bundle, this.#trust, this.#verify, number);
    if (!step.ok) return step;
    const { proven, trust } = step.value;
    const { header, checkpoint } = proven;
    const end = bundle.links.at(-1);
    const hasher = createHasher(bundle.chainId);
    const set = decodeSet(hasher, end?.set ?? new Uint8Array(0));
    if (!set.ok) return wrong(set);
    const { claim } = bundle;
    const isFixed = claim.kind === "rows" && claim.projections.every(({ name }) => name !== STAKE);
    const policy = policyOf(bundle.chainId, set.value, proven, isFixed);
    if (!policy.ok) return wrong(policy);
    const members = policy.value?.members.length ?? 0;
    const { length: links } = bundle.links;
    // What only tells again who is in the set that was reached is nothing that others need.
    if (header.epoch > from || this.#reached === undefined) {
      const { epoch: to, height } = header;
      const taken = { from, to, height, links, members };
      const kept = this.#kept?.push({ step: taken, bundle });
      if (kept === undefined) this.#dropped.push(taken);
      else if (!kept.ok) return wrong(kept);
      this.#taken = number;
    }
    const before = checkpointOfTrust(this.#trust);
    // A step that was kept when the epoch was younger proves who is in its set; trust does not go back by it.
    const isOlder = header.epoch === from && before !== undefined && header.height < before.height;
    if (!isOlder) this.#trust = trust;
    this.#leave(from, endOf(hasher, bundle, from));
    if (policy.value === undefined) return ok(false);
    const newest = isOlder ? before : checkpoint;
    this.#reached = { set: set.value, policy: policy.value, header, checkpoint: newest };
    this.#add({ epoch: header.epoch, policy: policy.value, header });
    return ok(true);
  }

  #leave(epoch: number, endHeight: number | undefined): void {
    if (endHeight === undefined) return;
    this.#policies = this.#policies.map((one) =>
      one.epoch === epoch ? { ...one, endHeight } : one,
    );
  }

  #add(policy: PolicyOfEpoch): void {
    const before = this.#policies.filter(({ epoch }) => epoch !== policy.epoch);
    this.#policies = [policy, ...before].slice(0, LIMITS.setPoliciesMax);
  }
}

/**
 * Follows the sets as a node tells them, to the newest that it proves. At most `answersMax` answers, of at
 * most LIMITS.clientAnswerBytesMax each. Throws what a step is refused with, and what the node answers with.
 */
export const followSets = async (
  client: AsksNode,
  walk: SetWalk,
  signal: AbortSignal,
  answersMax: number = LIMITS.setStepsMax,
): Promise<FollowedSet> => {
  for (let answers = 0; answers < answersMax; answers++) {
    const query = { proof: "true", trustedEpoch: walk.trust.epoch };
    const answer = await client.get("/v1/validators", query, signal);
    const bundle = decodeBundle(answer);
    if (!bundle.ok) throw TetradError.from(bundle);
    const isEnd = walk.take(bundle.value);
    if (!isEnd.ok) throw TetradError.from(isEnd);
    const { reached } = walk;
    if (isEnd.value && reached !== undefined) return reached;
  }
  throw tooManySteps(answersMax);
};

/**
 * Whether who trusts this has no use of the step: it ends at an older set, or at that set without proving its members.
 * Of another chain nothing is passed over, so that it is refused.
 */
const isPassed = (bundle: Bundle, trust: Trust): boolean => {
  const end = endEpochOf(bundle);
  if (end === undefined || bundle.chainId !== trust.chainId) return false;
  if (!equalBytes(bundle.genesisHash, trust.genesisHash)) return false;
  return end < trust.epoch || (end === trust.epoch && bundle.claim.kind === "no-event");
};

/**
 * Follows the sets as a file has them, which may be anybody's. Steps to what is trusted already are passed over at its
 * beginning: who keeps a newer checkpoint has the same file still. Codes: those of a
 * step, proof.malformed with the line that is none,
 * proof.unanchored for a file that ends before what is trusted, proof.too-long.
 */
export const followFile = (text: string, walk: SetWalk): Result<FollowedSet> => {
  const lines = linesOfSets(text);
  if (!lines.ok) return lines;
  const { trust } = walk;
  let end: number | undefined;
  let passes = true;
  for (const [i, line] of lines.value.entries()) {
    const bundle = parseBundle(line);
    if (!bundle.ok) return stepFailure(i + 1, walk.trust.epoch, bundle);
    // After a step that was taken, one that leads back is of no use to anybody.
    passes &&= isPassed(bundle.value, trust);
    const taken = passes ? walk.pass(bundle.value) : walk.take(bundle.value);
    if (!taken.ok) return taken;
    end = endEpochOf(bundle.value);
  }
  const { reached } = walk;
  if (reached !== undefined) return ok(reached);
  if (end !== undefined && end < trust.epoch) {
    const detail = `the steps end at the set of epoch ${end}, and that of epoch ${trust.epoch} is trusted`;
    return fail("proof.unanchored", detail, { next: "trust an older set, or name a new file" });
  }
  return fail("proof.invalid", "the steps end before one that proves who is in the set");
};
