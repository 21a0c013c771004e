import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  createTerminal,
  explainError,
  formatFields,
  formatJson,
  formatNdjson,
  formatTable,
  printable,
  short,
  type Terminal,
} from "../../src/cli/output.ts";
import { ERRORS, type ErrorCode, TetradError } from "../../src/errors.ts";

const terminal = (): Terminal => createTerminal({ NO_COLOR: "1" }, true);

describe("output", () => {
  it("aligns tables: numbers to the right, the rest to the left", () => {
    const rows = [
      { name: "a", height: 9 },
      { name: "bbbb", height: 1234 },
    ];
    expect(formatTable(["name", "height"], rows, false)).toBe(
      "NAME  HEIGHT\na          9\nbbbb    1234\n",
    );
    expect(
      formatFields(
        [
          ["k", 1],
          ["long", null],
        ],
        false,
      ),
    ).toBe("k     1\nlong  -\n");
  });

  it("shows control characters instead of obeying them, in every format", () => {
    const hostile = fc.string({ unit: "binary" });
    const obeyed = /(?!\n)\p{Cc}|[\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;
    fc.assert(
      fc.property(hostile, (text) => {
        expect(obeyed.test(printable(text))).toBe(false);
        expect(obeyed.test(formatTable(["a"], [{ a: text }], false))).toBe(false);
        for (const json of [formatJson({ a: text }), formatNdjson([text])]) {
          expect(obeyed.test(json)).toBe(false);
        }
        expect(JSON.parse(formatNdjson(text))).toBe(text);
        expect(formatNdjson(text).split("\n")).toHaveLength(2);
      }),
    );
    expect(printable("\x1b[31mred")).toBe("\\u{1b}[31mred");
  });

  it("colours neither with NO_COLOR nor with --no-color nor on a dumb terminal nor in a pipe", () => {
    for (const made of [
      createTerminal({ NO_COLOR: "1" }, true),
      createTerminal({}, false),
      createTerminal({ TERM: "dumb" }, true),
      createTerminal({}, true),
    ]) {
      // Tests run in a pipe, so even the last one has no colours.
      expect([made.colorOut, made.colorErr]).toEqual([false, false]);
    }
    expect(formatTable(["a"], [], true)).toContain("\x1b[1m");
  });

  it("tells an error with its code, and exits with the code of the table", () => {
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      const told = explainError(new TetradError(code, "why"), terminal());
      expect(told.text).toMatch(new RegExp(`^error ${code.replace(".", "\\.")}: why\n`));
      expect(told.exitCode).toBe(ERRORS[code].exitCode);
    }
    expect(explainError(new TetradError("cli.unreachable", "x"), terminal()).text).toContain(
      "npm start",
    );
    expect(explainError(new Error("bug"), terminal()).exitCode).toBe(70);
  });

  it("sends nobody in a circle", () => {
    const hint = (code: ErrorCode): string =>
      explainError(new TetradError(code, "why"), terminal()).text;
    // `nexus doctor` fails with the same error where the configuration cannot be read.
    expect(hint("config.invalid")).not.toContain("doctor");
    // A folder that is foreign is exactly what --fresh does not delete.
    expect(hint("folder.foreign")).not.toContain("--fresh");
    expect(hint("doctor.failed")).toContain("say what to do");
  });

  it("shortens with an ellipsis", () => {
    expect(short("abcdef", 4)).toBe("abc…");
    expect(short("abcd", 4)).toBe("abcd");
  });
});
