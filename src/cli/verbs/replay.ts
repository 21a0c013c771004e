/** `nexus replay`: the state at a height, made again from the log, and what changed between two heights. */
import { toHex } from "../../crypto/bytes.ts";
import { TetradError } from "../../errors.ts";
import { GENESIS_ORIGIN } from "../../ledger/row.ts";
import type { AuditSource } from "../../node/audit/auditor.ts";
import { FolderAudit } from "../../node/audit/folder.ts";
import { forgetState } from "../../node/audit/forget.ts";
import {
  type Replayed,
  type RowAt,
  type RowChange,
  replay,
  stateRows,
} from "../../node/audit/replay.ts";
import { openSnapshot } from "../../node/audit/snapshot.ts";
import { FORMATS } from "../../node/formats.ts";
import { realClock } from "../../node/real-ports.ts";
import { openApiSource } from "../audit/api-source.ts";
import { type OpenAudit, openAudit, unverified } from "../audit/open.ts";
import { type AuditTarget, auditTarget, type TargetOptions } from "../audit/target.ts";
import type { CliContext } from "../context.ts";
import { formatJson, formatNdjson, formatTable, paint, type Style } from "../output.ts";
import { createProgress } from "../progress.ts";

type ReplayVerbOptions = TargetOptions & {
  readonly to: number;
  readonly from?: number;
  readonly diff?: boolean;
  readonly projection?: string;
};

export const replayVerb = async (
  context: CliContext,
  options: ReplayVerbOptions,
): Promise<void> => {
  const { to, projection } = options;
  const from = options.from ?? Math.max(0, to - 1);
  if (from > to) throw new TetradError("cli.usage", `--from ${from} is above --to ${to}`);
  if (projection !== undefined && !FORMATS.projections.includes(projection)) {
    const known = FORMATS.projections.join(", ");
    throw new TetradError("cli.usage", `no projection "${projection}"; there are ${known}`);
  }
  const target = await auditTarget(context, options);
  const state = `${target.state}-replay`;
  try {
    await run(context, options, { ...target, state }, from);
  } catch (error) {
    throw unverified(error);
  } finally {
    // Not what another replay works in. What cannot be removed now goes with the next one's, or by age.
    await forgetState(state).catch(() => {});
  }
};

const run = async (
  context: CliContext,
  options: ReplayVerbOptions,
  target: AuditTarget,
  from: number,
): Promise<void> => {
  const wanted = { resume: false, finished: false, signaturesFrom: 1 };
  await using open = await openAudit(target, wanted, 0);
  await using closing = new AsyncDisposableStack();
  const { source, height } = await sourceOf(target, open, closing, context.signal);
  const { to } = options;
  if (to > height) {
    throw new TetradError("audit.unverified", `${source.name} ends at height ${height}`);
  }
  const { rules, verifier, state } = open;
  const { monotonicMs } = realClock;
  const progress = createProgress(context.terminal, "replaying", "heights", monotonicMs);
  let replayed: Replayed;
  try {
    replayed = await replay({
      rules,
      source,
      scratch: state.scratch,
      verifier,
      from: options.diff === true ? from : to,
      to,
      signal: context.signal,
      onProgress: (done, total) => progress.update(done, total),
    });
  } finally {
    progress.end();
  }
  const shown = ({ projection }: { readonly projection: string }): boolean =>
    options.projection === undefined || projection === options.projection;
  if (options.diff === true) printDiff(context, replayed, replayed.changes.filter(shown));
  else await printState(context, replayed, open, options.projection);
};

const sourceOf = async (
  target: AuditTarget,
  { rules, state, logger }: OpenAudit,
  closing: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<{ readonly source: AuditSource; readonly height: number }> => {
  if (target.kind === "api") {
    const source = openApiSource(target.place);
    return { source, height: (await source.claim(signal)).finalHeight };
  }
  const snapshot = await openSnapshot(target.place, state.work, logger);
  closing.defer(() => snapshot.close());
  const { scratch } = state;
  const folder = await FolderAudit.open({ rules, scratch, name: target.place }, snapshot);
  return { source: folder.source, height: folder.tip.height };
};

const keyText = (projection: string, key: Uint8Array): string => {
  try {
    return FORMATS.keyText(projection, key);
  } catch {
    // A row of a projection's own bookkeeping.
    return toHex(key);
  }
};

const rowJson = (projection: string, key: Uint8Array, row: RowAt | undefined): unknown =>
  row === undefined ? null : FORMATS.row(projection, key, row.value);

/** Index of the event that last wrote a row; null where it was the genesis, or the row is gone. */
const eventOf = (row: RowAt | undefined): number | null =>
  row === undefined || row.origin === GENESIS_ORIGIN ? null : row.origin;

type Kind = "added" | "removed" | "changed";

const kindOf = ({ before, after }: RowChange): Kind =>
  before === undefined ? "added" : after === undefined ? "removed" : "changed";

const MARKS: Readonly<Record<Kind, readonly [mark: string, style: Style]>> = {
  added: ["+", "green"],
  removed: ["-", "red"],
  changed: ["~", "yellow"],
};

const CELL_MAX = 60;

const printDiff = (
  context: CliContext,
  { from, to }: Replayed,
  changes: readonly RowChange[],
): void => {
  const { terminal, format } = context;
  const items = changes.map((change) => {
    const { projection, key, before, after } = change;
    return {
      kind: kindOf(change),
      projection,
      key: keyText(projection, key),
      before: rowJson(projection, key, before),
      after: rowJson(projection, key, after),
      event: eventOf(after),
    };
  });
  const ends = { from: from.height, to: to.height };
  const roots = { stateRootFrom: toHex(from.stateRoot), stateRootTo: toHex(to.stateRoot) };
  if (format === "json") return terminal.out(formatJson({ ...ends, ...roots, changes: items }));
  if (format === "ndjson") return terminal.out(items.map((item) => formatNdjson(item)).join(""));
  const heads = [`height ${from.height}`, `height ${to.height}`] as const;
  const rows = items.map(({ kind, projection, key, before, after }) => {
    const [left, right] = sides(before, after);
    return { "": MARKS[kind][0], projection, key, [heads[0]]: left, [heads[1]]: right };
  });
  if (rows.length === 0) {
    context.note(`no row differs between heights ${from.height} and ${to.height}`);
    return;
  }
  const columns = ["", "projection", "key", ...heads];
  const [head = "", ...lines] = formatTable(columns, rows, terminal.colorOut).trimEnd().split("\n");
  terminal.out(`${head}\n`);
  for (const [i, line] of lines.entries()) {
    const kind = items[i]?.kind ?? "changed";
    terminal.out(`${paint(terminal.colorOut, MARKS[kind][1], line)}\n`);
  }
};

const isFields = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Both sides of a row; of one that changed only the fields that did. */
const sides = (before: unknown, after: unknown): readonly [string, string] => {
  if (!isFields(before) || !isFields(after)) return [cell(before), cell(after)];
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
    (name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]),
  );
  const pick = (of: Readonly<Record<string, unknown>>): unknown =>
    Object.fromEntries(names.map((name) => [name, of[name]]));
  return names.length === 0
    ? ["same value", "written again"]
    : [cell(pick(before)), cell(pick(after))];
};

const cell = (value: unknown): string => {
  if (value === null) return "-";
  const text = JSON.stringify(value);
  return text.length > CELL_MAX ? `${text.slice(0, CELL_MAX - 1)}…` : text;
};

const printState = async (
  context: CliContext,
  { to }: Replayed,
  open: OpenAudit,
  projection: string | undefined,
): Promise<void> => {
  const { terminal, format } = context;
  const { scratch } = open.state;
  if (projection !== undefined) {
    const items: { key: string; value: unknown; event: number | null }[] = [];
    for await (const { key, row } of stateRows(scratch, projection)) {
      const value = rowJson(projection, key, row);
      items.push({ key: keyText(projection, key), value, event: eventOf(row) });
    }
    if (format === "json")
      return terminal.out(formatJson({ height: to.height, projection, rows: items }));
    if (format === "ndjson") return terminal.out(items.map((item) => formatNdjson(item)).join(""));
    const rows = items.map(({ key, value }) => ({ key, value: cell(value) }));
    return terminal.out(formatTable(["key", "value"], rows, terminal.colorOut));
  }
  const projections: { projection: string; rows: number; root: string }[] = [];
  for (const { name, root } of to.projections) {
    let rows = 0;
    for await (const _ of stateRows(scratch, name)) rows += 1;
    projections.push({ projection: name, rows, root: toHex(root) });
  }
  const { height, logSize } = to;
  const [logRoot, stateRoot] = [toHex(to.logRoot), toHex(to.stateRoot)];
  const value = { height, logSize, logRoot, stateRoot, projections };
  context.print(value, [
    ["height", height],
    ["log", `${logSize} events, root ${logRoot}`],
    ["state root", stateRoot],
  ]);
  if (format !== "table") return;
  terminal.out(`\n${formatTable(["projection", "rows", "root"], projections, terminal.colorOut)}`);
};
