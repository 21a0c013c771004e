/** What an audit comes to. */
import { toHex } from "../../crypto/bytes.ts";
import type { Finding } from "../../ledger/audit/finding.ts";
import type { AuditCounts } from "../../ledger/audit/saved.ts";
import type { Auditor } from "./auditor.ts";

export type AuditReport = {
  readonly result: "clean" | "mismatch";
  readonly source: string;
  readonly genesisHash: string;
  /** Signatures were checked from this height on; 1 for all. */
  readonly signaturesFrom: number;
  /** Where an earlier, interrupted audit was gone on from; 0 for the genesis. */
  readonly resumedFrom: number;
  /** The last height that was checked without a finding. */
  readonly height: number;
  readonly blockHash: string;
  readonly logSize: number;
  readonly logRoot: string;
  readonly stateRoot: string;
  /** Over all runs of a resumed audit. */
  readonly counts: AuditCounts;
  /** Of this run. */
  readonly seconds: number;
  readonly eventsPerSecond: number;
  /** All findings; `findings` lists the first. */
  readonly findingsTotal: number;
  readonly findings: readonly Finding[];
};

export const reportOf = (
  auditor: Auditor,
  fixed: { readonly source: string; readonly genesisHash: Uint8Array },
  run: { readonly seconds: number; readonly eventsBefore: number },
  findings: { readonly list: readonly Finding[]; readonly total: number },
): AuditReport => {
  const { record, counts, position } = auditor;
  const { seconds, eventsBefore } = run;
  return {
    result: findings.total === 0 ? "clean" : "mismatch",
    source: fixed.source,
    genesisHash: toHex(fixed.genesisHash),
    signaturesFrom: auditor.signaturesFrom,
    resumedFrom: auditor.startHeight,
    height: auditor.height,
    blockHash: toHex(position.parent.hash),
    logSize: record.logSize,
    logRoot: toHex(record.logRoot),
    stateRoot: toHex(record.stateRoot),
    counts,
    seconds,
    eventsPerSecond: seconds > 0 ? (counts.events - eventsBefore) / seconds : 0,
    findingsTotal: findings.total,
    findings: findings.list,
  };
};
