/**
 * The audit of a chain: takes the genesis and the final blocks in order, and believes nothing else. Every
 * block goes through the validity predicate that validators vote by, every certificate through the check
 * that nodes make, and every event through the same execution; what comes out is compared with what later
 * headers state. No rule has a second copy here.
 *
 * A block without a certificate of its own is final by the next descendant that has one: its hash is in
 * that descendant's chain of parents. The boundary block of an epoch must have its own, because the set
 * that signs after it follows from it.
 *
 * Pure: signatures are checked by the caller (`jobs`), who also makes the writes that `step` gives before
 * it asks for the next height. The store it works on is the audit's own scratch, never the audited one.
 */
import { equalBytes, isZero, toHex, ZERO_HASH } from "../../crypto/bytes.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { type Failure, fail, TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { verifyWork } from "../../proofs/work/index.ts";
import { batchSigningMessage, type LaneHead } from "../batch.ts";
import { openWorkCheck, type WorkVerdict, workedBatch } from "../batch-work.ts";
import { genesisPoint, keepsPoints, leaderSource, pointOp, pointsOfRun } from "../chain-point.ts";
import type { Executor } from "../execution.ts";
import type { Genesis } from "../genesis.ts";
import type { StoreOp, VerifyJob } from "../ports.ts";
import { actorKeyAt } from "../projections/actors.ts";
import { beaconKeysAt } from "../projections/beacon.ts";
import { type ExecutionRecord, type ReadStore, readExecution } from "../records.ts";
import type { EventRegistry } from "../registry.ts";
import { appendOps, BlockStore, genesisOps, validatorSetOp } from "../replica/block-store.ts";
import { priceOps } from "../replica/price-store.ts";
import { finalTerms } from "../replica/work-terms.ts";
import { spaceFacts } from "../space-openings.ts";
import type { Batch, Block, ExecutionRoots, Hash, ValidatorSet } from "../types.ts";
import { createLeaderSchedule } from "../validator-set.ts";
import {
  type EpochSnapshot,
  genesisParent,
  type ParentBlock,
  parentOf,
  validateBlock,
} from "../validity.ts";
import { certificateJobs, checkCertificateShape } from "../verify/certificate.ts";
import {
  bad,
  type Checked,
  type Finding,
  type FindingSubject,
  findingOf,
  good,
} from "./finding.ts";
import type { OpenedItem } from "./item.ts";

/** The rules of the product, as a node has them. */
export type AuditRules = {
  readonly genesis: Genesis;
  readonly genesisHash: Hash;
  readonly hasher: Hasher;
  readonly registry: EventRegistry;
  readonly executor: Executor;
  readonly nextSet: (read: ReadStore, epoch: number) => ValidatorSet;
};

/** Where an audit stands: what it needs to go on besides the scratch store. */
export type AuditPosition = {
  readonly parent: ParentBlock;
  /** Ledger time that the running epoch began at, milliseconds. */
  readonly epochStartMs: number;
  /** The highest height that a certificate of its own has made final; 0 for the genesis. */
  readonly certifiedHeight: number;
  /** Epoch and view of that certificate. */
  readonly certifiedEpoch: number;
  readonly certifiedView: number;
};

export type AuditJobs = {
  readonly jobs: readonly VerifyJob[];
  /** False while a key or a set is not known yet: ask again when the heights below are done. */
  readonly complete: boolean;
};

export type AuditStep = {
  readonly height: number;
  readonly record: ExecutionRecord;
  /** The writes of this height, for the scratch store. */
  readonly ops: readonly StoreOp[];
  readonly position: AuditPosition;
};

const TIMES_KEPT = 2 * (LIMITS.batchAgeBlocksCap / LIMITS.gridHeights);
const EMPTY = new Uint8Array(0);

/** The writes of height 0, and where the audit begins. Two writes: the sets are read from the rows. */
export const auditGenesis = (
  rules: AuditRules,
): { readonly ops: readonly StoreOp[]; readonly record: ExecutionRecord } => {
  const { genesis, genesisHash, hasher, executor } = rules;
  const execution = executor.executeGenesis(genesis);
  const point = keepsPoints(genesis) ? genesisPoint(hasher, genesisHash, genesis) : undefined;
  return {
    ops: [...execution.ops, ...genesisOps(genesisHash, genesis.timeMs, [], point)],
    record: execution.roots,
  };
};

/** The sets of the first two epochs; `read` sees what `auditGenesis` gave. */
export const auditGenesisSets = (rules: AuditRules, read: ReadStore): StoreOp[] =>
  [0, 1].map((epoch) => validatorSetOp(rules.nextSet(read, epoch)));

export const genesisPosition = ({ genesis, genesisHash }: AuditRules): AuditPosition => ({
  parent: genesisParent(genesisHash, genesis.timeMs, 0),
  epochStartMs: genesis.timeMs,
  certifiedHeight: 0,
  certifiedEpoch: 0,
  certifiedView: 0,
});

export class ChainAudit {
  readonly #rules: AuditRules;
  readonly #read: ReadStore;
  readonly #store: BlockStore;
  readonly #times = new Map<number, number>();
  #position: AuditPosition;
  #record: ExecutionRecord;
  #snapshot: EpochSnapshot | undefined;

  /** `read` is the scratch store's get; it has all that the heights up to the position gave. */
  constructor(rules: AuditRules, read: ReadStore, position: AuditPosition) {
    this.#rules = rules;
    this.#read = read;
    this.#store = new BlockStore(read, rules.hasher);
    this.#position = position;
    const record = readExecution(read, position.parent.height);
    if (record === undefined) {
      throw new TetradError("store.corrupt", "the audit's own state has no record of its height");
    }
    this.#record = record;
  }

  get position(): AuditPosition {
    return this.#position;
  }

  get height(): number {
    return this.#position.parent.height;
  }

  /** What executing the last height gave. */
  get record(): ExecutionRecord {
    return this.#record;
  }

  /** The signatures of a height: one of each batch in order, then those of the certificate. */
  jobs(item: OpenedItem): AuditJobs {
    const jobs: VerifyJob[] = [];
    let complete = true;
    for (const { actor, id, signature } of item.batches) {
      const key = actorKeyAt(this.#read, actor);
      const message = batchSigningMessage(this.#rules.hasher, id);
      if (key === undefined) complete = false;
      jobs.push({ message, signature, publicKey: key?.publicKey ?? EMPTY });
    }
    const { certificate } = item;
    if (certificate === undefined) return { jobs, complete };
    const set = this.#store.validatorSet(item.block.header.epoch);
    if (set === undefined) return { jobs, complete: false };
    // A certificate that is refused by its shape is not worth a signature check.
    if (checkCertificateShape(set, certificate) !== undefined) return { jobs, complete };
    jobs.push(...certificateJobs(this.#rules.hasher, set, certificate));
    return { jobs, complete };
  }

  /**
   * Checks and executes the next height. `valid` are the verdicts on its jobs; undefined to take the
   * signatures as good, which the caller must say in its report. Throws what execution throws.
   */
  step(item: OpenedItem, valid: readonly boolean[] | undefined): Checked<AuditStep> {
    const { block, batches, height } = item;
    const snapshot = this.#epoch();
    if (!snapshot.ok) return snapshot;
    // Before the header's own words are believed in so far as to say which height is wrong.
    const refused = this.#checkCertificate(item, snapshot.value.set, valid);
    if (refused !== undefined) return bad(findingOf(refused, height, "certificate"));
    const failure = this.#validate(item, snapshot.value, valid);
    if (failure !== undefined) return bad(this.#finding(failure, item));
    const { header } = block;
    const { executor, nextSet } = this.#rules;
    const execution = executor.executeBlock({ header, batches }, this.#read, this.#record);
    const ops = [...execution.ops, ...appendOps(block, batches), ...this.#pointOps(block)];
    ops.push(...priceOps(this.#read, this.#rules.genesis.proofs.work, [{ block, batches }]));
    const boundary = !isZero(header.nextSetHash);
    // The state before a boundary block decides the set after the next (R9), so before its own writes.
    if (boundary) ops.push(validatorSetOp(nextSet(this.#read, header.epoch + 2)));
    const { certificate } = item;
    const before = this.#position;
    this.#record = execution.roots;
    this.#position = {
      parent: parentOf(block),
      epochStartMs: boundary ? header.timeMs : before.epochStartMs,
      certifiedHeight: certificate === undefined ? before.certifiedHeight : height,
      certifiedEpoch: certificate?.statement.epoch ?? before.certifiedEpoch,
      certifiedView: certificate?.statement.view ?? before.certifiedView,
    };
    return good({ height, record: execution.roots, ops, position: this.#position });
  }

  /**
   * Roots are stated some heights later, so a wrong one is of one of the heights between the last root that
   * was found right and the one that is stated.
   */
  #finding(failure: Failure, { block, height }: OpenedItem): Finding {
    if (failure.code !== "block.wrong-root") {
      return findingOf(failure, height, subjectOf(failure));
    }
    const { executedHeight } = block.header;
    const right = this.#position.parent.executedHeight;
    const first = Math.min(right + 1, executedHeight);
    const where =
      first < executedHeight ? `heights ${first} to ${executedHeight}` : `height ${executedHeight}`;
    const detail =
      `${failure.detail}: the header of height ${height}, which a quorum has signed if its certificate ` +
      `holds, states another than executing ${where} gives`;
    return findingOf({ ...failure, detail }, first, subjectOf(failure));
  }

  /** The epoch of the next block. A new one begins behind a boundary block, which must be final itself. */
  #epoch(): Checked<EpochSnapshot> {
    const { parent, epochStartMs, certifiedHeight } = this.#position;
    const epoch = parent.boundary ? parent.epoch + 1 : parent.epoch;
    if (this.#snapshot?.set.epoch === epoch) return good(this.#snapshot);
    if (parent.boundary && certifiedHeight < parent.height) {
      const detail = "the last block of an epoch has no finalization certificate of its own";
      const failure = fail("certificate.sub-quorum", detail);
      return bad(findingOf(failure, parent.height, "certificate"));
    }
    const { hasher, genesis } = this.#rules;
    const set = this.#store.validatorSet(epoch);
    const next = this.#store.validatorSet(epoch + 1);
    if (set === undefined || next === undefined) {
      throw new TetradError("internal", `the sets of epoch ${epoch} have not been worked out`);
    }
    this.#snapshot = {
      set,
      schedule: createLeaderSchedule(hasher, this.#leaderSource(), set),
      epochStartMs,
      epochMs: genesis.parameters.epochMs,
      nextSetHash: next.hash,
    };
    return good(this.#snapshot);
  }

  #validate(
    { block, batches }: OpenedItem,
    epoch: EpochSnapshot,
    valid: readonly boolean[] | undefined,
  ): Failure | undefined {
    const { hasher, registry } = this.#rules;
    const verdicts = new Map(
      batches.map(({ digest }, i) => [toHex(digest), valid === undefined || valid[i] === true]),
    );
    return validateBlock({
      hasher,
      registry,
      block,
      parent: this.#position.parent,
      epoch,
      batches,
      laneHead: (actor): LaneHead => this.#store.laneHead(actor) ?? { seq: 0, id: ZERO_HASH },
      proofs: this.#rules.genesis.proofs,
      hashAt: (height) => this.#store.hashAt(height),
      beaconAt: (height) => this.#beaconAt(height),
      timeAt: (height) => this.#timeAt(height),
      ivrfKeys: (validator) => beaconKeysAt(this.#read, validator),
      actorKeyAt: (actor) => actorKeyAt(this.#read, actor),
      rootsAt: (height) => this.#rootsAt(height),
      sameBatchVerdict: (digest) => verdicts.get(toHex(digest)),
      asked: this.#rules.genesis.proofs,
      workVerdict: (digest) => this.#workVerdict(batches, digest),
      space: spaceFacts(this.#rules.genesis.proofs.space, this.#read, epoch.set),
    });
  }

  #beaconAt(height: number): Hash | undefined {
    const { proofs } = this.#rules.genesis;
    return proofs.beacon === null ? undefined : this.#store.point(height)?.beacon;
  }

  #pointOps(block: Block): StoreOp[] {
    const { hasher, genesis } = this.#rules;
    if (!keepsPoints(genesis)) return [];
    const [point] = pointsOfRun(hasher, genesis.proofs, this.#read, [block]);
    return point === undefined ? [] : [pointOp(block.header.height, point)];
  }

  /** What the leaders of the next block's epoch are drawn from. */
  #leaderSource(): Hash {
    const { genesis, genesisHash } = this.#rules;
    return leaderSource(genesis, genesisHash, () => this.#store.point(this.height));
  }

  /** In this turn, and always: a check costs less than executing what it paid for. */
  #workVerdict(batches: readonly Batch[], digest: Hash): WorkVerdict | undefined {
    const { hasher, genesis } = this.#rules;
    const { work } = genesis.proofs;
    const batch = batches.find((one) => equalBytes(one.digest, digest));
    if (work === null || batch === undefined) return undefined;
    const terms = finalTerms({ options: this.#rules, read: this.#read }, batch.refHeight);
    if (terms === undefined) return undefined;
    const check = openWorkCheck(hasher, work, workedBatch(batch), batch.proofs, terms);
    if (!check.ok) return check;
    const { subject, proof, required } = check.value;
    const verified = verifyWork(hasher, work.puzzle, subject, proof, required);
    return verified.ok ? "good" : verified;
  }

  #rootsAt(height: number): ExecutionRoots | undefined {
    return height === this.#record.height ? this.#record : readExecution(this.#read, height);
  }

  #timeAt(height: number): number | undefined {
    if (height === 0) return this.#rules.genesis.timeMs;
    const known = this.#times.get(height);
    if (known !== undefined) return known;
    const timeMs = readExecution(this.#read, height)?.timeMs;
    if (timeMs === undefined) return undefined;
    if (this.#times.size >= TIMES_KEPT) this.#times.clear();
    this.#times.set(height, timeMs);
    return timeMs;
  }

  #checkCertificate(
    { block, batches, certificate }: OpenedItem,
    set: ValidatorSet,
    valid: readonly boolean[] | undefined,
  ): Failure | undefined {
    if (certificate === undefined) return undefined;
    const { kind, hash, view } = certificate.statement;
    if (kind !== "finalize" || !equalBytes(hash, block.hash) || view < block.header.view) {
      return fail("sync.mismatch", "the certificate is not a finalization of this block");
    }
    const shape = checkCertificateShape(set, certificate);
    if (shape !== undefined || valid === undefined) return shape;
    const verdicts = valid.slice(batches.length);
    const all = verdicts.length === certificate.signers.length && !verdicts.includes(false);
    return all ? undefined : fail("certificate.signature", "a signature does not verify");
  }
}

const subjectOf = (failure: Failure): FindingSubject => {
  if (failure.code === "block.batch-invalid") return "batch";
  if (failure.code === "block.wrong-root") {
    return failure.data?.["field"] === "stateRoot" ? "state" : "log";
  }
  return failure.code === "block.next-set" ? "validator set" : "header";
};
