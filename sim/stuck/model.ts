/** What is said of a stuck run: sentences that name the cause, and the tables that they are read from. */
import { msText, slotsText } from "../describe.ts";

/** What was seen of one thing, a row each. */
export type StuckTable = {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Rows that there were and are not shown. */
  readonly leftOut: number;
};

export type Stuck = {
  /** Whole sentences: who is up and how much a quorum is comes first, where anything is known. */
  readonly causes: readonly string[];
  readonly tables: readonly StuckTable[];
};

/** Rows of a table, sentences of one kind, and names in one cell: more than that nobody reads. */
export const ROWS_SHOWN = 16;
export const CAUSES_SHOWN = 4;
const NAMES_SHOWN = 12;

/** The first rows of a table, and how many are left out. */
export const tableOf = (
  title: string,
  columns: readonly string[],
  rows: readonly (readonly string[])[],
): StuckTable => ({
  ...{ title, columns },
  rows: rows.slice(0, ROWS_SHOWN),
  leftOut: Math.max(0, rows.length - ROWS_SHOWN),
});

/** "n0 n2-n9", in order; of many the first, and how many more there are. */
export const slotList = (slots: Iterable<number>): string => {
  const all = [...new Set(slots)].sort((a, b) => a - b);
  if (all.length === 0) return "nobody";
  const names = slotsText(all).split(" ");
  const shown = names.slice(0, NAMES_SHOWN).join(" ");
  return names.length > NAMES_SHOWN ? `${shown} and others, ${all.length} in all` : shown;
};

/** "has" of one, "have" of several. */
export const verb = (
  slots: { readonly size: number } | readonly unknown[],
  one: string,
): string => {
  const count = "size" in slots ? slots.size : slots.length;
  const many: Readonly<Record<string, string>> = {
    has: "have",
    is: "are",
    was: "were",
    lacks: "lack",
  };
  return count === 1 ? one : (many[one] ?? one);
};

/** "once", "12 times". */
export const timesText = (count: number): string => (count === 1 ? "once" : `${count} times`);

/** "1 answer", "2 answers". */
export const counted = (count: number, what: string): string =>
  `${count} ${what}${count === 1 ? "" : "s"}`;

/** The time from then to the end of the run. */
export const sinceText = (atUs: number, endUs: number): string =>
  msText(Math.round((endUs - atUs) / 1_000));

/** The same as a moment; "never" for what has not been. */
export const agoText = (atUs: number | undefined, endUs: number): string =>
  atUs === undefined ? "never" : `${sinceText(atUs, endUs)} ago`;

/** Enough of a hash to be found by in the timeline of a run that is read by people. */
export const shortHash = (hash: string): string => hash.slice(0, 8);

const tableLines = ({ title, columns, rows, leftOut }: StuckTable): string[] => {
  const widths = columns.map((name, i) =>
    Math.max(name.length, ...rows.map((row) => (row[i] ?? "").length)),
  );
  const line = (cells: readonly string[]): string =>
    `  ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  ")}`.trimEnd();
  const more = leftOut === 0 ? [] : [`  and ${leftOut} more`];
  return [`${title}:`, line(columns), ...rows.map(line), ...more];
};

/** The same as lines of text, tables aligned. */
export const stuckLines = ({ causes, tables }: Stuck): string[] => [
  ...causes,
  ...tables.flatMap((table) => ["", ...tableLines(table)]),
];
