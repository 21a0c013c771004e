/** What a check of work has found, in words: what it shows and what it does not. */
import { type Result, TetradError } from "../../errors.ts";
import type { CliContext } from "../context.ts";
import { formatFields, formatJson, formatNdjson, paint, printable } from "../output.ts";

export type Report = {
  readonly kind: "proof" | "shares";
  readonly result: Result<unknown>;
  readonly fields: readonly (readonly [string, string | number])[];
  readonly shows: readonly string[];
  readonly not: readonly string[];
  /** Options by which the caller could have said what it must be. */
  readonly unknown: readonly string[];
  readonly ms: number;
};

/** Prints the report; throws its failure, so that the exit code is that of the table. */
export const report = (context: CliContext, checked: Report): void => {
  const { terminal, format } = context;
  const { kind, result, fields, shows, not, unknown, ms } = checked;
  if (format !== "table") {
    const value = {
      ok: result.ok,
      kind,
      ...(result.ok ? {} : { code: result.code, detail: result.detail }),
      found: Object.fromEntries(fields),
      shows,
      doesNotShow: not,
      notCompared: unknown,
      ms: Math.round(ms * 1000) / 1000,
    };
    terminal.out(format === "json" ? formatJson(value) : formatNdjson(value));
  }
  if (!result.ok) throw TetradError.from(result);
  if (format !== "table") return;
  terminal.out(`${paint(terminal.colorOut, "green", "ok")}\n`);
  terminal.out(formatFields(fields, terminal.colorOut));
  terminal.out("\n");
  for (const text of shows) terminal.out(`shows:     ${printable(text)}\n`);
  for (const text of not) terminal.out(`shows not: ${printable(text)}\n`);
  if (unknown.length > 0) {
    const whole = `taken from the file, not compared with what you know: ${unknown.join(", ")}`;
    terminal.out(`${printable(whole)}\n`);
  }
  context.note(`checked in ${Math.round(ms * 100) / 100} ms`);
};
