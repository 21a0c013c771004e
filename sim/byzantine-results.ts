/**
 * The file in which the Byzantine matrix keeps what it has run, one JSON object a line, so that a run that was
 * stopped goes on where it was; and the table that is made of it.
 */
import type { ByzantineCase } from "./byzantine.ts";
import type { CaseResult, CaseVerdict } from "./byzantine-judge.ts";

export type ByzantineRow = {
  readonly name: string;
  readonly seed: number;
  readonly n: number;
  readonly weights: "equal" | "unequal";
  readonly kind: string;
  readonly share: "under" | "over";
  /** Of the code that was run. */
  readonly commit: string;
  readonly verdict: CaseVerdict;
  readonly why: string;
  readonly virtualMs: number;
  readonly heights: number;
  readonly wallMs: number;
};

export const rowOf = (
  { n, weights, kind, share, scenario }: ByzantineCase,
  { verdict, why, result }: CaseResult,
  { commit, wallMs }: { readonly commit: string; readonly wallMs: number },
): ByzantineRow => ({
  ...{ name: scenario.name, seed: scenario.seed, n, weights, kind, share, commit, verdict, why },
  ...{ virtualMs: result.virtualMs, heights: result.finalHeight, wallMs: Math.round(wallMs) },
});

export const rowLine = (row: ByzantineRow): string => `${JSON.stringify(row)}\n`;

const TEXTS = ["name", "weights", "kind", "share", "commit", "verdict", "why"] as const;
const NUMBERS = ["seed", "n", "virtualMs", "heights", "wallMs"] as const;

const isRow = (value: unknown): value is ByzantineRow => {
  if (typeof value !== "object" || value === null) return false;
  const fields = value as Readonly<Record<string, unknown>>;
  return (
    TEXTS.every((name) => typeof fields[name] === "string") &&
    NUMBERS.every((name) => typeof fields[name] === "number")
  );
};

const parsed = (line: string): unknown => {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
};

/** The rows of a results file. Throws RangeError with the line's number where one is not a row. */
export const readRows = (text: string): ByzantineRow[] => {
  const rows: ByzantineRow[] = [];
  const lines = text.split("\n");
  for (const [i, line] of lines.entries()) {
    if (line === "") continue;
    const row = parsed(line);
    if (isRow(row)) rows.push(row);
    // A process that was killed leaves half a line at the end: that run is run again.
    else if (i < lines.length - 1) throw new RangeError(`line ${i + 1} is not a result`);
  }
  return rows;
};

/** What identifies a run: a name, a seed, and the code. */
export const runKey = (name: string, seed: number, commit: string): string =>
  `${name} ${seed} ${commit}`;

/**
 * The runs that need not be run again. One that failed is none of them: it has to fail again, or a failed night
 * that is run again would end well because nothing was left to run. Nor is one of a tree with changes that no commit
 * names: the next such tree may be another.
 */
export const settledKeys = (
  rows: readonly ByzantineRow[],
  keyOf: (row: ByzantineRow) => string,
): ReadonlySet<string> =>
  new Set(
    rows
      .filter(({ verdict, commit }) => verdict !== "FAILED" && !commit.endsWith("-changed"))
      .map(keyOf),
  );

/** The last row of each run, in the order in which they ended: what was run again counts once. */
export const latestRows = (rows: readonly ByzantineRow[]): ByzantineRow[] => {
  const latest = new Map<string, ByzantineRow>();
  for (const row of rows) {
    const key = runKey(row.name, row.seed, row.commit);
    latest.delete(key);
    latest.set(key, row);
  }
  return [...latest.values()];
};

const HEADS = [
  "n",
  "weight",
  "adversary",
  "runs",
  "seeds",
  "virtual s",
  "heights",
  "verdict",
  "wall s",
];

const seconds = (ms: number): string => (ms / 1000).toFixed(ms < 100_000 ? 1 : 0);
const total = (rows: readonly ByzantineRow[], of: (row: ByzantineRow) => number): number =>
  rows.reduce((sum, row) => sum + of(row), 0);

/** "holds", or where runs differ "halted 2, forked 1". */
const verdictsOf = (rows: readonly ByzantineRow[]): string => {
  const counts = new Map<string, number>();
  for (const { verdict } of rows) counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
  if (counts.size === 1) return rows[0]?.verdict ?? "";
  return [...counts].map(([verdict, count]) => `${verdict} ${count}`).join(", ");
};

const lineOf = (name: string, rows: readonly ByzantineRow[]): string[] => {
  const [first] = rows;
  const seeds = new Set(rows.map(({ seed }) => seed)).size;
  return [
    String(first?.n ?? ""),
    first?.share === "over" ? "≥ 1/3" : "< 1/3",
    name,
    String(rows.length),
    String(seeds),
    seconds(total(rows, ({ virtualMs }) => virtualMs)),
    String(total(rows, ({ heights }) => heights)),
    verdictsOf(rows),
    seconds(total(rows, ({ wallMs }) => wallMs)),
  ];
};

/** Groups rows, small networks first, each group in the order in which its first row came. */
const grouped = (
  rows: readonly ByzantineRow[],
  keyOf: (row: ByzantineRow) => string,
): ByzantineRow[][] => {
  const groups = new Map<string, ByzantineRow[]>();
  const sorted = [...rows].sort((a, b) => a.n - b.n || (a.share > b.share ? -1 : 1));
  for (const row of sorted) {
    const key = `${row.n} ${row.share} ${keyOf(row)}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  return [...groups.values()];
};

/** Aligned, and a table of Markdown at the same time. */
const markdown = (lines: readonly (readonly string[])[]): string => {
  const all = [HEADS, ...lines];
  const widths = HEADS.map((_, at) => Math.max(...all.map((line) => line[at]?.length ?? 0)));
  const show = (line: readonly string[]): string =>
    `| ${line.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(" | ")} |`;
  const rule = `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`;
  return [show(HEADS), rule, ...lines.map(show)].join("\n");
};

/** A line a size, share of the weight and kind of adversary. */
export const kindsTable = (rows: readonly ByzantineRow[]): string =>
  markdown(grouped(rows, ({ kind }) => kind).map((group) => lineOf(group[0]?.kind ?? "", group)));

/** A line a size and share of the weight. */
export const sizesTable = (rows: readonly ByzantineRow[]): string =>
  markdown(
    grouped(rows, () => "").map((group) => {
      const kinds = new Set(group.map(({ kind }) => kind)).size;
      return lineOf(kinds === 1 ? (group[0]?.kind ?? "") : `${kinds} kinds`, group);
    }),
  );
