/**
 * The audit of a data folder: the chain from its genesis, on the way what the folder keeps of each height,
 * and at the end every row of it against what came out.
 */
import { setImmediate } from "node:timers/promises";
import { equalBytes, toHex } from "../../crypto/bytes.ts";
import { fail, TetradError } from "../../errors.ts";
import type { AuditRules, AuditStep } from "../../ledger/audit/chain.ts";
import { type Finding, findingOf } from "../../ledger/audit/finding.ts";
import { type AuditItem, openItem, readItem, readItems } from "../../ledger/audit/item.ts";
import {
  compareHeight,
  describeDifference,
  EXECUTED_AREAS,
  FINAL_AREAS,
  indexOfDifference,
  judgeRow,
  OWN_AREAS,
  type RowDifference,
  type StoredContext,
  subjectOfArea,
} from "../../ledger/audit/stored.ts";
import {
  certificateKey,
  firstIndexOf,
  type KeyArea,
  logBatchKey,
  metaKey,
  rangeOfArea,
} from "../../ledger/keys.ts";
import { openLogBatch } from "../../ledger/log-batch.ts";
import type { Store, StoreOp, VerifyJob } from "../../ledger/ports.ts";
import { readExecution } from "../../ledger/records.ts";
import {
  BlockStore,
  epochOp,
  STORE_FORMAT,
  type Tip,
  tipOp,
} from "../../ledger/replica/block-store.ts";
import { LIMITS } from "../../limits.ts";
import { FORMATS } from "../formats.ts";
import { type Auditor, type AuditSource, certificateName, unfinal } from "./auditor.ts";
import { differences, gapsBetween, readRange, rowsOf } from "./compare.ts";

const RECHECKED_IN_A_TURN = 64;

/** Collects findings up to the limit and counts the rest. */
export class Findings {
  readonly list: Finding[] = [];
  total = 0;

  add(finding: Finding | undefined): void {
    if (finding === undefined) return;
    this.total += 1;
    if (this.list.length < LIMITS.auditFindingsMax) this.list.push(finding);
  }

  /** Lowest height first; what has none comes last. */
  sorted(): readonly Finding[] {
    const at = ({ height }: Finding): number => height ?? Number.MAX_SAFE_INTEGER;
    return this.list.toSorted((a, b) => at(a) - at(b));
  }
}

const keyText = (projection: string, key: Uint8Array): string => {
  try {
    return FORMATS.keyText(projection, key);
  } catch {
    return toHex(key);
  }
};

/** A damaged or missing part as a finding; other errors go on. */
export const corruptFinding = (error: unknown, height: number | undefined): Finding => {
  if (!(error instanceof TetradError) || error.code !== "store.corrupt") throw error;
  const { file, height: named } = error.data;
  const failure = fail("store.corrupt", error.message);
  const at = typeof named === "number" ? named : height;
  return findingOf(failure, at, typeof file === "string" ? "file" : "block");
};

export class FolderAudit {
  readonly findings = new Findings();
  readonly tip: Tip;
  /** Of the highest execution record; what is derived is as of then. */
  readonly executedHeight: number;
  readonly source: AuditSource;
  readonly #store: Store;
  readonly #blocks: BlockStore;
  readonly #rules: AuditRules;
  readonly #scratch: Store;

  private constructor(
    fixed: { readonly rules: AuditRules; readonly scratch: Store; readonly name: string },
    store: Store,
    blocks: BlockStore,
    place: { readonly tip: Tip; readonly executedHeight: number },
  ) {
    this.#rules = fixed.rules;
    this.#scratch = fixed.scratch;
    this.#store = store;
    this.#blocks = blocks;
    this.tip = place.tip;
    this.executedHeight = place.executedHeight;
    this.source = {
      name: fixed.name,
      read: (from) => this.#readFrom(from),
      rootsAt: async (height) => readExecution((key) => store.get(key), height)?.projections,
    };
  }

  /**
   * Throws folder.foreign for another chain, folder.format for another format, audit.unverified while a
   * rebuild is not finished, store.corrupt where the folder has no tip.
   */
  static async open(
    fixed: { readonly rules: AuditRules; readonly scratch: Store; readonly name: string },
    { store }: { readonly store: Store },
  ): Promise<FolderAudit> {
    const blocks = new BlockStore((key) => store.get(key), fixed.rules.hasher);
    const genesis = blocks.genesisHash();
    if (genesis !== undefined && !equalBytes(genesis, fixed.rules.genesisHash)) {
      const detail = `${fixed.name} holds the chain ${toHex(genesis).slice(0, 16)}, not this genesis`;
      throw new TetradError("folder.foreign", detail);
    }
    if (genesis !== undefined && blocks.format() !== STORE_FORMAT) {
      const detail = `${fixed.name} is in storage format ${blocks.format()}, this version reads ${STORE_FORMAT}`;
      throw new TetradError("folder.format", detail);
    }
    if (store.get(metaKey("rebuild")) !== undefined) {
      const detail = `${fixed.name}: a rebuild of the projections is not finished: start the node, or nexus rebuild`;
      throw new TetradError("audit.unverified", detail);
    }
    const tip = blocks.tip();
    const range = { ...rangeOfArea("x"), limit: 1, reverse: true };
    const newest = (await readRange(store, range))[0]?.[0];
    const executedHeight = newest === undefined ? undefined : firstIndexOf(newest);
    if (tip === undefined || genesis === undefined || executedHeight === undefined) {
      throw new TetradError("store.corrupt", "the folder has no genesis, tip or execution record");
    }
    return new FolderAudit(fixed, store, blocks, { tip, executedHeight });
  }

  /** For the auditor: what the folder keeps of a height, as it is executed. */
  inspect(step: AuditStep): Finding | undefined {
    if (step.height > this.executedHeight) return undefined;
    const hash = step.position.parent.hash;
    const stored = this.#blocks.hashAt(step.height);
    if (stored === undefined || !equalBytes(stored, hash)) {
      const detail = "the block does not have the hash that its height is stored with";
      return findingOf(fail("state.mismatch", detail), step.height, "height index");
    }
    return compareHeight((key) => this.#store.get(key), step);
  }

  async #readFrom(from: number): Promise<readonly AuditItem[]> {
    return from > this.tip.height ? [] : readItems(this.#blocks, from, this.tip.height);
  }

  /**
   * The heights below where a resumed audit goes on: their blocks and batches are hashed again and must be
   * those that were checked before, so nothing of this folder is believed from the last time. Throws
   * audit.unverified for a folder that is executed to less.
   */
  async recheck(until: number, signal: AbortSignal): Promise<void> {
    const executed = Math.min(this.executedHeight, this.tip.height);
    // What follows from the log is compared where it is executed to, and the audit is past that.
    if (until > executed) {
      const detail =
        `the earlier audit has come to height ${until}, and this folder is executed to ${executed}: ` +
        "audit it from the genesis, with --rebuild or another --state";
      throw new TetradError("audit.unverified", detail);
    }
    const scratch = new BlockStore((key) => this.#scratch.get(key), this.#rules.hasher);
    for (let height = 1; height <= until; height++) {
      // Signals come through the event loop, which reads from this store do not enter.
      if (height % RECHECKED_IN_A_TURN === 0) await setImmediate();
      signal.throwIfAborted();
      const finding = this.#recheckOne(scratch, height);
      if (finding !== undefined) return this.findings.add(finding);
    }
  }

  #recheckOne(scratch: BlockStore, height: number): Finding | undefined {
    try {
      const opened = openItem(this.#rules.hasher, height, readItem(this.#blocks, height));
      if (!opened.ok) return opened.finding;
      const { block, certificate } = opened.value;
      const hash = scratch.hashAt(height);
      if (hash === undefined || !equalBytes(hash, block.hash)) {
        const detail = "the block is another one than the one that was checked before";
        return findingOf(fail("state.mismatch", detail), height, "block");
      }
      // Its signatures are checked with all stored certificates, at the end.
      if (certificate === undefined) return undefined;
      const { statement } = certificate;
      if (statement.kind === "finalize" && equalBytes(statement.hash, hash)) return undefined;
      const detail = "the certificate is not a finalization of this block";
      return findingOf(fail("sync.mismatch", detail), height, "certificate");
    } catch (error) {
      return corruptFinding(error, height);
    }
  }

  /** The whole audit. Findings are in `findings`; throws what could not be verified. */
  async run(auditor: Auditor, signal: AbortSignal): Promise<void> {
    // Derived rows are as of the executed height, so they are compared when the audit stands there.
    const executed = Math.min(this.executedHeight, this.tip.height);
    if (!(await this.#advance(auditor, executed, signal))) return;
    await this.#compareAreas(EXECUTED_AREAS, signal);
    if (!(await this.#advance(auditor, this.tip.height, signal))) return;
    this.findings.add(unfinal(auditor));
    await this.#compareAreas(FINAL_AREAS, signal);
    await this.#judgeAll(auditor, signal);
    await this.#lookForOthers();
  }

  async #advance(auditor: Auditor, to: number, signal: AbortSignal): Promise<boolean> {
    try {
      const finding = await auditor.advance(this.source, to, signal);
      this.findings.add(finding);
      return finding === undefined;
    } catch (error) {
      this.findings.add(corruptFinding(error, auditor.height + 1));
      return false;
    }
  }

  async #compareAreas(areas: readonly KeyArea[], signal: AbortSignal): Promise<void> {
    for (const area of areas) {
      try {
        for await (const difference of differences(this.#store, this.#scratch, area)) {
          signal.throwIfAborted();
          this.findings.add(await this.#describe(difference));
        }
      } catch (error) {
        this.findings.add({
          ...corruptFinding(error, undefined),
          subject: subjectOfArea(area),
        });
      }
    }
  }

  async #describe(difference: RowDifference): Promise<Finding> {
    const index = indexOfDifference(difference);
    const height = index === undefined ? undefined : await this.#heightOf(index);
    return describeDifference(difference, keyText, height);
  }

  /** The height of an event, from the audit's own log; undefined where the log has no such event. */
  async #heightOf(index: number): Promise<number | undefined> {
    const range = { gte: logBatchKey(0), lt: logBatchKey(index + 1), limit: 1, reverse: true };
    const [row] = await readRange(this.#scratch, range);
    const first = row === undefined ? undefined : firstIndexOf(row[0]);
    if (row === undefined || first === undefined) return undefined;
    const record = openLogBatch(first, row[1]);
    return index < first + record.count ? record.height : undefined;
  }

  /** Rows that speak for themselves: hashes, certificates, evidence, facts. */
  async #judgeAll(auditor: Auditor, signal: AbortSignal): Promise<void> {
    const context = this.#context(auditor);
    for (const area of OWN_AREAS) {
      const waiting: Promise<void>[] = [];
      try {
        for await (const [key, value] of rowsOf(this.#store, rangeOfArea(area))) {
          signal.throwIfAborted();
          const known = area === "c" && auditor.checkedCertificates.has(certificateName(value));
          const { finding, jobs = [] } = judgeRow(context, area, key, value);
          this.findings.add(finding);
          if (jobs.length === 0 || known) continue;
          waiting.push(this.#verify(auditor, area, key, jobs));
          if (waiting.length >= LIMITS.auditAheadBlocksMax) await Promise.all(waiting.splice(0));
        }
        await Promise.all(waiting);
      } catch (error) {
        this.findings.add({ ...corruptFinding(error, undefined), subject: subjectOfArea(area) });
      }
    }
    for (const name of context.facts.keys()) {
      const key = Uint8Array.from(Buffer.from(name, "hex"));
      if (this.#has(key)) continue;
      const failure = fail("state.mismatch", "a fact that every folder has is missing");
      this.findings.add(findingOf(failure, undefined, "fact", { key: name }));
    }
    this.findings.add(this.#tipCertificate(auditor));
  }

  #has(key: Uint8Array): boolean {
    try {
      return this.#store.get(key) !== undefined;
    } catch (error) {
      this.findings.add({ ...corruptFinding(error, undefined), subject: "fact" });
      return true;
    }
  }

  async #verify(
    auditor: Auditor,
    area: KeyArea,
    key: Uint8Array,
    jobs: readonly VerifyJob[],
  ): Promise<void> {
    const valid = await auditor.verify(jobs);
    if (!valid.includes(false)) return;
    const code = area === "p" ? "evidence.invalid" : "certificate.signature";
    const failure = fail(code, `a signature in the stored ${subjectOfArea(area)} does not verify`);
    const more = { key: toHex(key.subarray(2)) };
    this.findings.add(findingOf(failure, undefined, subjectOfArea(area), more));
  }

  /** The certificate that the tip names is there: a node starts from it. */
  #tipCertificate(auditor: Auditor): Finding | undefined {
    const { certifiedEpoch, certifiedView, certifiedHeight } = auditor.position;
    if (certifiedHeight === 0) return undefined;
    if (this.#has(certificateKey(certifiedEpoch, certifiedView, 3))) return undefined;
    const failure = fail("state.mismatch", "the certificate of the tip is missing");
    return findingOf(failure, certifiedHeight, "certificate");
  }

  #context(auditor: Auditor): StoredContext {
    const scratch = new BlockStore((key) => this.#scratch.get(key), this.#rules.hasher);
    return {
      hasher: this.#rules.hasher,
      setOf: (epoch) => scratch.validatorSet(epoch),
      hashAt: (height) => scratch.hashAt(height),
      read: (key) => this.#store.get(key),
      tip: {
        epoch: auditor.position.certifiedEpoch,
        view: auditor.position.certifiedView,
        height: auditor.height,
      },
      facts: this.#facts(auditor),
    };
  }

  #facts(auditor: Auditor): ReadonlyMap<string, Uint8Array> {
    const { parent, epochStartMs, certifiedEpoch, certifiedView } = auditor.position;
    const { genesisHash } = this.#rules;
    const { height, hash, timeMs } = parent;
    const boundary = parent.boundary && height > 0;
    const tip = { epoch: certifiedEpoch, view: certifiedView, height, hash, timeMs, boundary };
    const epoch = parent.boundary ? parent.epoch + 1 : parent.epoch;
    const ops: readonly StoreOp[] = [
      tipOp(tip),
      epochOp({ epoch, startMs: epochStartMs }),
      { type: "put", key: metaKey("genesis"), value: genesisHash },
      { type: "put", key: metaKey("format"), value: Uint8Array.of(STORE_FORMAT) },
    ];
    const facts = new Map<string, Uint8Array>();
    for (const op of ops) if (op.type === "put") facts.set(toHex(op.key), op.value);
    return facts;
  }

  async #lookForOthers(): Promise<void> {
    const areas: readonly KeyArea[] = [...EXECUTED_AREAS, ...FINAL_AREAS, ...OWN_AREAS];
    for (const gap of gapsBetween(areas)) {
      for (const [key] of await readRange(this.#store, { ...gap, limit: 8 })) {
        const failure = fail("state.mismatch", "a row that no part of a node writes");
        const more = { key: toHex(key) };
        this.findings.add(findingOf(failure, undefined, "unknown row", more));
      }
    }
  }
}
