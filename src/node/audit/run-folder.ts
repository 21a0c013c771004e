/** One audit of a data folder from beginning to end, for the command, the benchmark and tests. */
import { TetradError } from "../../errors.ts";
import type { AuditRules } from "../../ledger/audit/chain.ts";
import { NO_COUNTS, type SavedAudit } from "../../ledger/audit/saved.ts";
import type { Logger, Store } from "../../ledger/ports.ts";
import type { NodeVerifier } from "../signing/types.ts";
import { Auditor } from "./auditor.ts";
import { corruptFinding, Findings, FolderAudit } from "./folder.ts";
import { type AuditReport, reportOf } from "./report.ts";
import { openSnapshot, type Snapshot } from "./snapshot.ts";

export type FolderAuditOptions = {
  readonly rules: AuditRules;
  /** The folder of the store, with LevelDB's files. Nothing in it is changed. */
  readonly db: string;
  /** What people call it. */
  readonly name: string;
  /** A folder for the copy that is read, on the same file system if possible; must not be there. */
  readonly work: string;
  readonly scratch: Store;
  readonly saved?: SavedAudit | undefined;
  readonly signaturesFrom: number;
  readonly verifier: NodeVerifier;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly nowMs: () => number;
  readonly onProgress?: (done: number, total: number) => void;
};

/**
 * Audits a folder. Throws TetradError for what could not be verified: folder.locked, folder.foreign,
 * folder.format, audit.unverified, store.full, store.io.
 */
export const auditFolder = async (options: FolderAuditOptions): Promise<AuditReport> => {
  const { rules, db, name, work, scratch, saved, logger, signal, nowMs } = options;
  const startedMs = nowMs();
  let snapshot: Snapshot | undefined;
  const before = saved?.counts ?? NO_COUNTS;
  const { verifier, signaturesFrom } = options;
  let folder: FolderAudit | undefined;
  const auditor = await Auditor.open(
    {
      rules,
      scratch,
      verifier,
      signaturesFrom,
      inspect: (step) => folder?.inspect(step),
      onStep: ({ height }) => options.onProgress?.(height, folder?.tip.height ?? height),
    },
    saved,
  );
  const report = (findings: Findings): AuditReport =>
    reportOf(
      auditor,
      { source: name, genesisHash: rules.genesisHash },
      { seconds: (nowMs() - startedMs) / 1000, eventsBefore: before.events },
      { list: findings.sorted(), total: findings.total },
    );
  const early = new Findings();
  try {
    try {
      snapshot = await openSnapshot(db, work, logger);
      refuseTorn(snapshot, name);
      folder = await FolderAudit.open({ rules, scratch, name }, snapshot);
    } catch (error) {
      early.add(corruptFinding(error, undefined));
      return report(early);
    }
    await folder.recheck(auditor.height, signal);
    if (folder.findings.total === 0) await folder.run(auditor, signal);
    if (folder.findings.total === 0) await auditor.finish();
    return report(folder.findings);
  } finally {
    await snapshot?.close();
  }
};

/** A last write that is cut off may be a power cut's, and is repaired by a start. */
const refuseTorn = ({ check }: Snapshot, name: string): void => {
  const { torn } = check;
  if (torn === undefined) return;
  throw new TetradError(
    "audit.unverified",
    `${name}: ${torn.file} is cut off at byte ${torn.at}, as a power cut leaves it: start and stop the node, then audit`,
  );
};
