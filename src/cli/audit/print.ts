/** What an audit prints: the report, its findings, and the one line of an error. */
import { TetradError } from "../../errors.ts";
import type { Finding } from "../../ledger/audit/finding.ts";
import type { AuditReport } from "../../node/audit/report.ts";
import type { CliContext } from "../context.ts";
import { formatFields, formatJson, formatNdjson, formatTable, paint } from "../output.ts";

export const mismatchError = (report: AuditReport): TetradError => {
  const [first] = report.findings;
  const more = report.findingsTotal > 1 ? ` (and ${report.findingsTotal - 1} more)` : "";
  const detail =
    first === undefined
      ? "the audit has found what it does not list"
      : `${placeOf(first)}: ${first.detail}${more}`;
  return new TetradError("audit.mismatch", detail);
};

/** "height 7, row of records, key notes/a". */
export const placeOf = (finding: Finding): string => {
  const { height, subject, projection, key, batch, index } = finding;
  return [
    height === undefined ? undefined : `height ${height}`,
    projection === undefined ? subject : `${subject} of ${projection}`,
    key === undefined || key === batch ? undefined : `key ${key}`,
    batch === undefined ? undefined : `batch ${batch}`,
    index === undefined ? undefined : `event ${index}`,
  ]
    .filter((part) => part !== undefined)
    .join(", ");
};

export const printReport = (context: CliContext, report: AuditReport): void => {
  const { terminal, format } = context;
  if (format === "json") return terminal.out(formatJson(report));
  if (format === "ndjson") return terminal.out(formatNdjson(report));
  const { counts } = report;
  const clean = report.result === "clean";
  const fields: [string, string | number][] = [
    ["result", paint(terminal.colorOut, clean ? "green" : "red", report.result)],
    ["source", report.source],
    ["genesis", report.genesisHash],
    ["height", report.height],
    ["block", report.blockHash],
    ["log", `${report.logSize} events, root ${report.logRoot}`],
    ["state root", report.stateRoot],
    [
      "checked",
      `${counts.blocks} blocks, ${counts.certificates} certificates, ${counts.batches} batches, ` +
        `${counts.events} events, ${counts.signatures} signatures`,
    ],
    ["scope", scopeOf(report)],
    ["time", `${report.seconds.toFixed(1)} s, ${Math.round(report.eventsPerSecond)} events/s`],
  ];
  // The result is painted here; everything else that is printed comes through the table's own escaping.
  const [[, result] = ["", ""], ...rest] = fields;
  terminal.out(`${paint(terminal.colorOut, "bold", "result    ")}  ${result}\n`);
  terminal.out(formatFields(rest, terminal.colorOut));
  if (clean) return;
  const rows = report.findings.map((finding) => ({
    height: finding.height,
    what: finding.subject,
    projection: finding.projection,
    key: finding.key,
    batch: finding.batch?.slice(0, 16),
    event: finding.index,
    code: finding.code,
    detail: finding.detail,
  }));
  const columns = ["height", "what", "projection", "key", "batch", "event", "code", "detail"];
  const used = columns.filter((column) =>
    rows.some((row) => row[column as keyof typeof row] !== undefined),
  );
  terminal.out(`\n${formatTable(used, rows, terminal.colorOut)}`);
};

const scopeOf = ({ signaturesFrom, resumedFrom }: AuditReport): string => {
  const signatures =
    signaturesFrom > 1
      ? `signatures from height ${signaturesFrom} on only`
      : "everything from the genesis";
  return resumedFrom > 0 ? `${signatures}, up to ${resumedFrom} in earlier runs` : signatures;
};
