/** One audit of a node's API from beginning to end. */
import { fromHex, toHex } from "../../crypto/bytes.ts";
import { fail, TetradError } from "../../errors.ts";
import { findingOf } from "../../ledger/audit/finding.ts";
import { NO_COUNTS } from "../../ledger/audit/saved.ts";
import type { Store } from "../../ledger/ports.ts";
import { readExecution } from "../../ledger/records.ts";
import { Auditor, unfinal } from "../../node/audit/auditor.ts";
import { corruptFinding, Findings } from "../../node/audit/folder.ts";
import { type AuditReport, reportOf } from "../../node/audit/report.ts";
import { type ApiSource, type NodeClaim, wrongWord } from "./api-source.ts";
import type { OpenAudit } from "./open.ts";

/** What differs in an answer of the node, as a finding. */
const answerFinding = (error: unknown, height: number): ReturnType<typeof corruptFinding> => ({
  ...corruptFinding(error, height),
  subject: "answer",
});

/** The node must be of the chain that is trusted. Throws folder.foreign. */
export const checkChain = (claim: NodeClaim, name: string, genesisHash: Uint8Array): void => {
  if (claim.genesisHash === toHex(genesisHash)) return;
  const detail = `${name} serves the chain ${claim.genesisHash.slice(0, 12)}, not this genesis`;
  throw new TetradError("folder.foreign", detail);
};

/**
 * Goes on to the final height that the node claims, and compares what it says of its state. Findings are
 * added; false when it could not get to the end because of them. Throws what could not be verified.
 */
export const auditToClaim = async (
  auditor: Auditor,
  source: ApiSource,
  scratch: Store,
  claim: NodeClaim,
  findings: Findings,
  signal: AbortSignal,
): Promise<boolean> => {
  if (claim.finalHeight < auditor.height || claim.executedHeight > claim.finalHeight) {
    const detail =
      `${source.name} says that height ${claim.finalHeight} is final and ${claim.executedHeight} executed; ` +
      `the audit is at ${auditor.height}`;
    throw new TetradError("audit.unverified", detail);
  }
  try {
    const finding = await auditor.advance(source, claim.finalHeight, signal);
    findings.add(finding);
    if (finding !== undefined) return false;
  } catch (error) {
    findings.add(answerFinding(error, auditor.height + 1));
    return false;
  }
  if (auditor.height < claim.finalHeight) {
    const detail = `${source.name} says that height ${claim.finalHeight} is final and serves nothing above ${auditor.height}`;
    throw new TetradError("audit.unverified", detail);
  }
  findings.add(unfinal(auditor));
  const record = readExecution((key) => scratch.get(key), claim.executedHeight);
  const wrong = record === undefined ? undefined : wrongWord(claim, record);
  if (wrong !== undefined) {
    const detail = `the node's status states a ${wrong} that executing its log does not give`;
    const found = findingOf(fail("state.mismatch", detail), claim.executedHeight, "answer");
    const place = { height: claim.executedHeight, stateRoot: fromHex(claim.stateRoot) };
    findings.add(
      wrong === "stateRoot" ? await auditor.tellProjection(found, place, source, signal) : found,
    );
  }
  return findings.total === 0;
};

export const auditApi = async (
  open: OpenAudit,
  source: ApiSource,
  options: {
    readonly signaturesFrom: number;
    readonly signal: AbortSignal;
    readonly nowMs: () => number;
    readonly onProgress: (done: number, total: number) => void;
  },
): Promise<AuditReport> => {
  const { rules, verifier, state } = open;
  const { signal, nowMs, signaturesFrom } = options;
  const startedMs = nowMs();
  const claim = await source.claim(signal);
  checkChain(claim, source.name, rules.genesisHash);
  const total = claim.finalHeight;
  const auditor = await Auditor.open(
    {
      rules,
      scratch: state.scratch,
      verifier,
      signaturesFrom,
      onStep: ({ height }) => options.onProgress(height, total),
    },
    state.saved,
  );
  const findings = new Findings();
  if (await auditToClaim(auditor, source, state.scratch, claim, findings, signal))
    await auditor.finish();
  return reportOf(
    auditor,
    { source: source.name, genesisHash: rules.genesisHash },
    {
      seconds: (nowMs() - startedMs) / 1000,
      eventsBefore: (state.saved?.counts ?? NO_COUNTS).events,
    },
    { list: findings.sorted(), total: findings.total },
  );
};
