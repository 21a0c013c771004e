/**
 * What the command prints. Data goes to stdout in the format asked for (-o), everything for people's
 * eyes only (progress, notes, next steps) to stderr, so that a pipe gets data and nothing else.
 * Text from the network never reaches a terminal unescaped: a control character is shown, not obeyed.
 */
import { styleText } from "node:util";
import { TetradError } from "../errors.ts";
import { padEnd, padStart, widthOf } from "./width.ts";

export { short } from "./width.ts";

export type Format = "table" | "json" | "ndjson";
export const FORMATS: readonly Format[] = ["table", "json", "ndjson"];

export type Style = "bold" | "dim" | "green" | "yellow" | "red" | "cyan";

/** The two streams and what they can show; tests give their own. */
export type Terminal = {
  out(text: string): void;
  err(text: string): void;
  /** Colours allowed on stdout and stderr. */
  readonly colorOut: boolean;
  readonly colorErr: boolean;
  /** stderr is a terminal: progress may be redrawn in place. */
  readonly live: boolean;
  readonly outIsTerminal: boolean;
  columns(): number;
};

/**
 * Colours: on for a terminal; off by --no-color, NO_COLOR (no-color.org) and TERM=dumb, in this order before
 * FORCE_COLOR (force-color.org), which colours a pipe as well.
 */
export const createTerminal = (
  env: Readonly<Record<string, string | undefined>>,
  colorFlag: boolean,
): Terminal => {
  const dumb = env["TERM"] === "dumb";
  const wanted = colorFlag && !dumb && (env["NO_COLOR"] ?? "") === "";
  const force = env["FORCE_COLOR"] ?? "";
  const forced = force !== "" && force !== "0";
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    colorOut: wanted && (forced || process.stdout.isTTY === true),
    colorErr: wanted && (forced || process.stderr.isTTY === true),
    live: process.stderr.isTTY === true && !dumb,
    outIsTerminal: process.stdout.isTTY === true,
    columns: () => process.stderr.columns ?? process.stdout.columns ?? 100,
  };
};

export const paint = (allowed: boolean, style: Style, text: string): string =>
  allowed ? styleText(style, text, { validateStream: false }) : text;

/** Control characters and bidirectional overrides as visible escapes. */
export const printable = (text: string): string =>
  text.replace(
    /[\p{Cc}\p{Cf}\u2028\u2029]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );

export type Cell = string | number | boolean | null | undefined;
export type Row = Readonly<Record<string, Cell>>;

const cellText = (cell: Cell): string => {
  if (cell === null || cell === undefined) return "-";
  if (typeof cell === "boolean") return cell ? "yes" : "no";
  return printable(String(cell));
};

/** The heading of a column: the words of its name, which may be one of JSON, apart. */
const titleOf = (column: string): string =>
  column.replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2").toUpperCase();

/** What a cell means, as a colour; undefined leaves it plain. */
export type CellStyle = (column: string, cell: Cell) => Style | undefined;

const plain: CellStyle = () => undefined;

/** Words that say how something is, wherever they stand: good, to be looked at, bad. */
const MEANINGS: ReadonlyMap<string, Style> = new Map<string, Style>([
  ...["ok", "yes", "accepted", "up", "active", "proven"].map((word): [string, Style] => [
    word,
    "green",
  ]),
  ...["warn", "asking", "pending", "dialling", "no answer"].map((word): [string, Style] => [
    word,
    "yellow",
  ]),
  ...["fail", "down", "refused", "halted", "failed"].map((word): [string, Style] => [word, "red"]),
]);

/** Colours cells of the named columns by what they say. */
export const byMeaning =
  (...columns: readonly string[]): CellStyle =>
  (column, cell) => {
    if (!columns.includes(column)) return undefined;
    const text = String(cell);
    return MEANINGS.get(text) ?? (text.startsWith("refused") ? "red" : undefined);
  };

/** The columns of a table: name, and right-aligned when all its cells are numbers. */
export const formatTable = (
  columns: readonly string[],
  rows: readonly Row[],
  color: boolean,
  style: CellStyle = plain,
): string => {
  const texts = rows.map((row) => columns.map((column) => cellText(row[column])));
  const widths = columns.map((column, i) =>
    texts.reduce((most, row) => Math.max(most, widthOf(row[i] ?? "")), widthOf(titleOf(column))),
  );
  const numeric = columns.map(
    (column) => rows.length > 0 && rows.every((row) => typeof row[column] === "number"),
  );
  const last = columns.length - 1;
  const cellOf = (cell: string, i: number): string => {
    if (numeric[i] === true) return padStart(cell, widths[i] ?? 0);
    return i === last ? cell : padEnd(cell, widths[i] ?? 0);
  };
  const line = (row: Row, cells: readonly string[]): string =>
    cells
      .map((cell, i) => {
        const column = columns[i] ?? "";
        const meaning = color ? style(column, row[column]) : undefined;
        const padded = cellOf(cell, i);
        return meaning === undefined ? padded : paint(color, meaning, padded);
      })
      .join("  ")
      .trimEnd();
  const titles = columns.map(titleOf);
  const head = paint(color, "bold", titles.map(cellOf).join("  ").trimEnd());
  return `${[head, ...rows.map((row, i) => line(row, texts[i] ?? []))].join("\n")}\n`;
};

/** Fields of one thing, one a line. */
export const formatFields = (
  fields: readonly (readonly [string, Cell])[],
  color: boolean,
): string => {
  const width = Math.max(0, ...fields.map(([name]) => widthOf(name)));
  return fields
    .map(([name, value]) => `${paint(color, "bold", padEnd(name, width))}  ${cellText(value)}\n`)
    .join("");
};

/** JSON with two spaces; escapes are those of JSON, which leave no control character bare. */
export const formatJson = (value: unknown): string =>
  `${escapeHidden(JSON.stringify(value, null, 2))}\n`;

export const formatNdjson = (value: unknown): string => `${escapeHidden(JSON.stringify(value))}\n`;

/** JSON leaves C1 controls and direction overrides as they are; a terminal may obey them. */
const escapeHidden = (json: string): string =>
  json.replace(
    /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

/** The lines that an error is told in, and the exit code of the table. */
export const explainError = (
  error: unknown,
  terminal: Terminal,
): { readonly text: string; readonly exitCode: number } => {
  const red = (text: string): string => paint(terminal.colorErr, "red", text);
  if (error instanceof TetradError) {
    const own = error.data["next"];
    const next = typeof own === "string" ? printable(own) : nextStep(error.code);
    const hint = next === undefined ? "" : `\n  ${paint(terminal.colorErr, "cyan", "→")} ${next}`;
    return {
      text: `${red("error")} ${error.code}: ${printable(error.message)}${hint}\n`,
      exitCode: error.spec.exitCode,
    };
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { text: `${red("error")} internal: ${text}\n`, exitCode: 70 };
};

/**
 * What to do next, where one answer fits nearly always; where another does, the error has it as `next`. An
 * error whose message says what to change, as config.invalid and key.modes do, has none.
 */
const NEXT_STEPS: Readonly<Record<string, string>> = {
  "cli.unreachable": "start a network with `npm start`, or name a node with --api or NEXUS_API",
  "folder.locked": "stop the other process first; two processes must never sign with one key",
  "folder.foreign": "name another folder with --dir, or another node with --api",
  "store.full": "make room on the disk and start again: nothing acknowledged is lost",
  "http.timeout": "`nexus doctor` says whether enough nodes are up",
  "batch.lane-gap": "an earlier batch of this key is still on its way; run the command again",
  "batch.unknown-actor": "use a registered key (--key); `nexus ls actors` shows who is",
  "votes.missing":
    "only the newest keys/votes of this key may come back, never a backup; see docs/operating.md",
  "votes.foreign-statement": "another machine signs with this key: find it before you start again",
  "doctor.failed": "the lines with an arrow above say what to do",
};

/** What to do next about a code, where one answer fits; undefined where none does. */
export const nextStep = (code: string): string | undefined => NEXT_STEPS[code];
