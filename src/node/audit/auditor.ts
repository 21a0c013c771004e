/**
 * Drives an audit: reads ahead from a source, has all signatures checked by a pool while the heights
 * before are executed, and makes the writes of each height in the scratch store, with the place to go on
 * from in the same write.
 */
import { equalBytes, toHex } from "../../crypto/bytes.ts";
import { sha256 } from "../../crypto/hash.ts";
import { fail, TetradError } from "../../errors.ts";
import {
  type AuditPosition,
  type AuditRules,
  type AuditStep,
  auditGenesis,
  auditGenesisSets,
  ChainAudit,
  genesisPosition,
} from "../../ledger/audit/chain.ts";
import { type Checked, type Finding, findingOf } from "../../ledger/audit/finding.ts";
import { type AuditItem, itemBytes, type OpenedItem, openItem } from "../../ledger/audit/item.ts";
import {
  type AuditCounts,
  decodeSaved,
  NO_COUNTS,
  SAVED_KEY,
  type SavedAudit,
  savedOp,
} from "../../ledger/audit/saved.ts";
import { nodePrefix } from "../../ledger/keys.ts";
import type { Store, StoreOp, VerifyJob } from "../../ledger/ports.ts";
import { type ExecutionRecord, readExecution } from "../../ledger/records.ts";
import { BlockStore } from "../../ledger/replica/block-store.ts";
import { stateRoot as rootOfTree } from "../../ledger/state-tree.ts";
import { encodeCertificate } from "../../ledger/statement.ts";
import { LIMITS } from "../../limits.ts";
import type { NodeVerifier } from "../signing/types.ts";
import { VERSION } from "../version.ts";
import { createRecentNames, type RecentNames } from "./recent-names.ts";
import { type StatedRoots, tellProjection } from "./tell-projection.ts";

/** Where blocks come from. Nothing that it gives is believed. */
export type AuditSource = {
  /** Of people's: a folder or an address. */
  readonly name: string;
  /**
   * Neighbouring final heights from `from` on, at least one where there is one, else none. Throws
   * store.corrupt where what should be there is missing or damaged, and what the way to it throws.
   */
  read(from: number, signal: AbortSignal): Promise<readonly AuditItem[]>;
  /** The roots of the projections as the source states them after a height; throws as `read`. */
  rootsAt(height: number, signal: AbortSignal): Promise<StatedRoots | undefined>;
};

export type AuditorOptions = {
  readonly rules: AuditRules;
  /** Empty, or left by an audit of the same chain. */
  readonly scratch: Store;
  readonly verifier: NodeVerifier;
  /** Signatures of lower heights are taken as good; 1 to check all. */
  readonly signaturesFrom: number;
  /** Looks at a height before it counts: for comparing with what a folder stores. */
  readonly inspect?: (step: AuditStep) => Finding | undefined;
  readonly onStep?: (auditor: Auditor) => void;
};

type Ahead = {
  readonly opened: Checked<OpenedItem>;
  readonly bytes: number;
  /** Under way; undefined while a key was not known. */
  verdicts: Promise<readonly boolean[]> | undefined;
};

export const writeOps = (store: Store, ops: readonly StoreOp[], sync = false): Promise<void> =>
  new Promise((resolve, reject) => {
    store.write(ops, { sync }, (failure) => {
      if (failure === undefined) return resolve();
      const code = failure.code === "full" ? "store.full" : "store.io";
      reject(new TetradError(code, `the audit's own state cannot be written: ${failure.detail}`));
    });
  });

export class Auditor {
  readonly #options: AuditorOptions;
  readonly #chain: ChainAudit;
  /**
   * Names of certificates whose signatures were checked, which the rows of a folder need no second check of:
   * of as many heights as a folder keeps all certificates of. Of older heights it has few, checked twice.
   * Empty where nothing is compared.
   */
  readonly checkedCertificates: RecentNames = createRecentNames(LIMITS.certificateWindowHeights);
  readonly startHeight: number;
  #counts: AuditCounts;
  readonly #signaturesFrom: number;

  private constructor(options: AuditorOptions, saved: SavedAudit | undefined) {
    const { rules, scratch } = options;
    const position = saved?.position ?? genesisPosition(rules);
    this.#options = options;
    this.#chain = new ChainAudit(rules, (key) => scratch.get(key), position);
    this.#counts = saved?.counts ?? NO_COUNTS;
    this.#signaturesFrom = saved?.signaturesFrom ?? options.signaturesFrom;
    this.startHeight = position.parent.height;
  }

  /** Begins at the genesis, or where `saved` says (readSaved). */
  static async open(options: AuditorOptions, saved?: SavedAudit): Promise<Auditor> {
    if (saved === undefined) {
      const { rules, scratch } = options;
      await writeOps(scratch, auditGenesis(rules).ops);
      await writeOps(
        scratch,
        auditGenesisSets(rules, (key) => scratch.get(key)),
      );
    }
    return new Auditor(options, saved);
  }

  get height(): number {
    return this.#chain.height;
  }

  get position(): AuditPosition {
    return this.#chain.position;
  }

  /** What executing the last height gave. */
  get record(): ExecutionRecord {
    return this.#chain.record;
  }

  get counts(): AuditCounts {
    return this.#counts;
  }

  get signaturesFrom(): number {
    return this.#signaturesFrom;
  }

  /**
   * Goes on to height `to`, or to the end of the source. The first finding ends it; undefined when there
   * is none. Throws what the source and the scratch store throw, and the reason of `signal`.
   */
  async advance(
    source: AuditSource,
    to: number,
    signal: AbortSignal,
  ): Promise<Finding | undefined> {
    const ahead: Ahead[] = [];
    let bytes = 0;
    let next = this.height + 1;
    let ended = false;
    let reading: Promise<readonly AuditItem[]> | undefined;
    let failed: { readonly error: unknown } | undefined;
    const startReading = (): void => {
      if (reading !== undefined || ended || next > to) return;
      if (ahead.length >= LIMITS.auditAheadBlocksMax || bytes >= LIMITS.auditAheadBytesMax) return;
      reading = source.read(next, signal);
      // It is awaited below; a rejection before that is no unhandled one.
      reading.catch(() => {});
    };
    const take = async (): Promise<void> => {
      const items = await reading?.catch((error: unknown): readonly AuditItem[] => {
        // What was read before it is looked at first: a lower height may be wrong, too.
        failed = { error };
        return [];
      });
      reading = undefined;
      if (items === undefined) return;
      ended = items.length === 0;
      for (const item of items) {
        if (next > to || ended) break;
        const opened = openItem(this.#options.rules.hasher, next, item);
        const size = itemBytes(item);
        ahead.push({ opened, bytes: size, verdicts: undefined });
        bytes += size;
        next += 1;
        ended = !opened.ok;
      }
      for (const entry of ahead) this.#begin(entry, false);
    };
    for (;;) {
      signal.throwIfAborted();
      startReading();
      if (ahead.length === 0) {
        if (failed !== undefined) throw failed.error;
        if (reading === undefined) return undefined;
        await take();
        continue;
      }
      const first = ahead.shift();
      if (first === undefined) continue;
      bytes -= first.bytes;
      const finding = await this.#one(first, source, signal);
      if (finding !== undefined) return finding;
      if (ahead.length < LIMITS.auditAheadBlocksMax / 2 && reading !== undefined) await take();
    }
  }

  /** Marks the state as one that has come to its end without a finding; durable. */
  async finish(): Promise<void> {
    if (this.height === 0) return;
    await writeOps(this.#options.scratch, [this.#saved(true)], true);
  }

  #begin(entry: Ahead, now: boolean): void {
    const { opened } = entry;
    if (!opened.ok || entry.verdicts !== undefined) return;
    if (opened.value.height < this.#signaturesFrom) return;
    const { jobs, complete } = this.#chain.jobs(opened.value);
    if (complete || now) entry.verdicts = this.verify(jobs);
  }

  /** The verdicts of the pool. */
  verify(jobs: readonly VerifyJob[]): Promise<readonly boolean[]> {
    if (jobs.length === 0) return Promise.resolve([]);
    return new Promise((resolve) => this.#options.verifier.verify(jobs, "sync", resolve));
  }

  async #one(entry: Ahead, source: AuditSource, signal: AbortSignal): Promise<Finding | undefined> {
    const { opened } = entry;
    if (!opened.ok) return opened.finding;
    this.#begin(entry, true);
    const valid = await entry.verdicts;
    const item = opened.value;
    let step: Checked<AuditStep>;
    try {
      step = this.#chain.step(item, valid);
    } catch (error) {
      throw ownError(error, item.height);
    }
    if (!step.ok) {
      const { executedHeight: height, stateRoot } = item.block.header;
      if (step.finding.subject !== "state") return step.finding;
      return this.tellProjection(step.finding, { height, stateRoot }, source, signal);
    }
    const finding = this.#options.inspect?.(step.value);
    if (finding !== undefined) return finding;
    this.#count(item, valid);
    await writeOps(this.#options.scratch, [...step.value.ops, this.#saved(false)]);
    this.#options.onStep?.(this);
    return undefined;
  }

  /** Names the projection that a wrong state root is of, by what the source states of them. */
  tellProjection(
    finding: Finding,
    place: { readonly height: number; readonly stateRoot: Uint8Array },
    source: AuditSource,
    signal: AbortSignal,
  ): Promise<Finding> {
    const { rules, scratch } = this.#options;
    return tellProjection(finding, place, {
      hasher: rules.hasher,
      own: (height) => readExecution((key) => scratch.get(key), height),
      stated: (height) => source.rootsAt(height, signal),
    });
  }

  #count({ batches, certificate }: OpenedItem, valid: readonly boolean[] | undefined): void {
    const before = this.#counts;
    const compared = this.#options.inspect !== undefined;
    if (compared && certificate !== undefined && valid !== undefined) {
      const bytes = encodeCertificate(certificate, certificate.setSize);
      this.checkedCertificates.add(certificateName(bytes));
    }
    this.#counts = {
      blocks: before.blocks + 1,
      batches: before.batches + batches.length,
      events: before.events + this.#chain.record.count,
      certificates: before.certificates + (certificate === undefined ? 0 : 1),
      signatures: before.signatures + (valid?.length ?? 0),
    };
  }

  #saved(finished: boolean): StoreOp {
    const { genesisHash } = this.#options.rules;
    return savedOp(
      { genesisHash, version: VERSION, signaturesFrom: this.#signaturesFrom, finished },
      this.#chain.position,
      this.#chain.record,
      this.#counts,
    );
  }
}

/** A name for the bytes of a certificate; SHA-256 in hex. */
export const certificateName = (bytes: Uint8Array): string => toHex(sha256(bytes));

/** What goes wrong in the audit's own execution says nothing of the source. */
const ownError = (error: unknown, height: number): unknown =>
  error instanceof TetradError && error.code === "store.corrupt"
    ? new TetradError("audit.unverified", `the audit's own state is damaged: ${error.message}`, {
        height,
      })
    : error;

/**
 * What an earlier audit has left in a scratch store, after checking that it is whole: of this chain and
 * this version of the rules, with rows, trees and records that give the roots that it states. Undefined,
 * with why, when it cannot be gone on from.
 */
export const readSaved = (
  rules: AuditRules,
  scratch: Store,
): { readonly saved?: SavedAudit; readonly why?: string } => {
  const bytes = scratch.get(SAVED_KEY);
  if (bytes === undefined) return { why: "nothing is saved" };
  const decoded = decodeSaved(bytes);
  if (!decoded.ok) return { why: `the saved state does not decode: ${decoded.detail}` };
  const saved = decoded.value;
  if (!equalBytes(saved.genesisHash, rules.genesisHash)) return { why: "it is of another chain" };
  if (saved.version !== VERSION) return { why: `it is of version ${saved.version}` };
  const { parent } = saved.position;
  const read = (key: Uint8Array): Uint8Array | undefined => scratch.get(key);
  const record = readExecution(read, parent.height);
  const hash = new BlockStore(read, rules.hasher).hashAt(parent.height);
  const fits =
    record !== undefined &&
    hash !== undefined &&
    equalBytes(hash, parent.hash) &&
    record.logSize === saved.logSize &&
    equalBytes(record.logRoot, saved.logRoot) &&
    equalBytes(record.stateRoot, saved.stateRoot) &&
    record.projections.every(({ name, root }) =>
      equalBytes(rootOfTree(rules.hasher, nodePrefix(name), read), root),
    );
  return fits ? { saved } : { why: "its rows do not give the roots that it states" };
};

/** Heights at the end that no certificate covers; undefined when the last one is final. */
export const unfinal = (auditor: Auditor): Finding | undefined => {
  const { certifiedHeight } = auditor.position;
  if (certifiedHeight === auditor.height) return undefined;
  const detail = `heights ${certifiedHeight + 1} to ${auditor.height} have no certificate, nor has a descendant`;
  return findingOf(fail("certificate.sub-quorum", detail), certifiedHeight + 1, "certificate");
};
