import { stripVTControlCharacters } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nodeLine } from "../../src/cli/dev/display.ts";
import {
  byMeaning,
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
import { eventLine } from "../../src/cli/verbs/tail.ts";
import { widthOf } from "../../src/cli/width.ts";
import type { StatusJson } from "../../src/client/api.ts";
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

  it("colours a pipe when FORCE_COLOR says so and nothing else says no", () => {
    const colored = (env: Record<string, string>, flag = true): boolean =>
      createTerminal(env, flag).colorOut;
    expect(colored({ FORCE_COLOR: "1" })).toBe(true);
    expect(colored({ FORCE_COLOR: "0" })).toBe(false);
    expect(colored({ FORCE_COLOR: "" })).toBe(false);
    expect(colored({ FORCE_COLOR: "1", NO_COLOR: "1" })).toBe(false);
    expect(colored({ FORCE_COLOR: "1" }, false)).toBe(false);
  });

  it("colours words by what they mean, in the columns that say so, and keeps the widths", () => {
    const rows = [
      { name: "ok", state: "ok" },
      { name: "b", state: "fail" },
      { name: "c", state: "refused: event.conflict" },
    ];
    const table = formatTable(["name", "state"], rows, true, byMeaning("state"));
    const lines = table.split("\n");
    expect(lines[1]).toBe("ok    \x1b[32mok\x1b[39m");
    expect(lines[2]).toBe("b     \x1b[31mfail\x1b[39m");
    expect(lines[3]).toContain("\x1b[31mrefused");
    const bare = stripVTControlCharacters(table);
    expect(bare).toBe(formatTable(["name", "state"], rows, false, byMeaning("state")));
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

  it("gives the next step that the error itself has before that of its code", () => {
    const data = { next: "name a new folder with --to\u001b" };
    const { text } = explainError(new TetradError("folder.foreign", "why", data), terminal());
    expect(text).toBe("error folder.foreign: why\n  → name a new folder with --to\\u{1b}\n");
    // The message says which path, file or folder, and which mode: nothing else may contradict it.
    expect(explainError(new TetradError("key.modes", "why"), terminal()).text).not.toContain("→");
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
    expect(short("日本語", 6)).toBe("日本語");
    expect(short("日本語x", 6)).toBe("日本…");
    // Never a half of a surrogate pair, nor a letter without its mark.
    for (let cells = 1; cells < 9; cells++) {
      for (const text of [
        "😀😀😀😀😀",
        "e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301",
      ]) {
        const cut = short(text, cells);
        expect(cut.isWellFormed()).toBe(true);
        expect(cut).toMatch(/^(😀|e\u0301)*…$/u);
        expect(widthOf(cut)).toBeLessThanOrEqual(cells);
      }
    }
  });

  it("aligns by the cells of a terminal", () => {
    expect(["abc", "日本", "ｱ", "é", "e\u0301", "😀", "☀\ufe0f", "한글", ""].map(widthOf)).toEqual([
      3, 4, 1, 1, 1, 2, 2, 4, 0,
    ]);
    const rows = [
      { key: "日本", n: 1 },
      { key: "abcde", n: 22 },
    ];
    expect(formatTable(["key", "n"], rows, false)).toBe("KEY     N\n日本    1\nabcde  22\n");
  });

  it("lines up a node that is down, and events of any type", () => {
    const down = { name: "b", api: "x", status: undefined, starting: false, eventsPerSecond: 0 };
    const status = { voting: "asking", leader: "", finalHeight: 1, viewTimeMs: 1, peers: [] };
    const up = { ...down, name: "a", status: status as unknown as StatusJson };
    const [first, second] = [up, down].map((view) => nodeLine(view, new Map(), false));
    expect(second?.indexOf("down")).toBe(first?.indexOf("asking"));
    expect(nodeLine({ ...down, starting: true }, new Map(), false)).toBe("b     starting");
    const widths = { type: 10, outcome: 2 };
    const event = { index: 1, height: 1, batchId: "", position: 0, version: 1, payload: "" };
    const line = (type: string): string =>
      eventLine({ ...event, type, outcome: { kind: "accepted" } }, terminal(), widths);
    line("asset.host.registered");
    expect(line("record.put").indexOf("ok")).toBe(line("asset.host.registered").indexOf("ok"));
  });

  it("keeps an event to one line of a terminal, and says as much as ever in a pipe", () => {
    const payload = "ab".repeat(100);
    const event = { index: 1, height: 1, batchId: "", position: 0, version: 1, payload };
    const put = { ...event, type: "record.put", outcome: { kind: "accepted" as const } };
    const line = (columns: number, outIsTerminal: boolean): string =>
      eventLine(
        put,
        { ...terminal(), outIsTerminal, columns: () => columns },
        { type: 10, outcome: 2 },
      );
    for (const columns of [60, 80, 100]) expect(line(columns, true)).toHaveLength(columns);
    expect(line(60, false)).toHaveLength(line(500, true).length);
    expect(line(10, true)).toContain('"abababab');
  });

  it("has headings of words, and says yes or no", () => {
    const rows = [{ schemaVersion: 1, isOpen: true, RTTMs: false }];
    expect(formatTable(["schemaVersion", "isOpen", "RTTMs"], rows, false)).toBe(
      "SCHEMA_VERSION  IS_OPEN  RTTMS\n             1  yes      no\n",
    );
  });
});
