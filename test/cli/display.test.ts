/** What `npm start` draws, on a screen that does with it what a terminal does. */
import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import { Display, type NodeView } from "../../src/cli/dev/display.ts";
import { createTerminal, type Terminal } from "../../src/cli/output.ts";
import { shortPainted, widthOf } from "../../src/cli/width.ts";
import type { StatusJson } from "../../src/client/api.ts";

const ESCAPE = String.fromCharCode(27);
const PIECES = new RegExp(`${ESCAPE}\\[[0-9;]*[A-Za-z]|[\\s\\S]`, "g");
const COLORS = new RegExp(`${ESCAPE}\\[[0-9;]*m`, "g");

/** Rows of a terminal that wraps, knows newlines, returns, and going up and erasing from there. */
const createScreen = (columns: number) => {
  let rows: string[] = [""];
  let [row, column] = [0, 0];
  const put = (letter: string): void => {
    if (column === columns) [row, column] = [row + 1, 0];
    const line = (rows[row] ?? "").padEnd(column);
    rows[row] = line.slice(0, column) + letter + line.slice(column + 1);
    column += 1;
  };
  const write = (text: string): void => {
    for (const [piece] of text.matchAll(PIECES)) {
      if (piece === "\n") [row, column] = [row + 1, 0];
      else if (piece === "\r") column = 0;
      else if (piece.endsWith("A") && piece.length > 1) row -= Number(piece.slice(2, -1));
      else if (piece.endsWith("J") && piece.length > 1) {
        rows = [...rows.slice(0, row), (rows[row] ?? "").slice(0, column)];
      } else if (piece.length === 1) put(piece);
    }
  };
  return { write, shown: () => rows.map((line) => line.trimEnd()).filter((line) => line !== "") };
};

const status = (height: number): StatusJson =>
  ({
    nodeId: "00",
    leader: "00",
    voting: "yes",
    finalHeight: height,
    viewTimeMs: 12,
    peers: [1, 2, 3],
  }) as unknown as StatusJson;

const views = (height: number): NodeView[] =>
  ["a", "b", "c", "d"].map((name, i) => ({
    name,
    api: `[::1]:844${i}`,
    status: status(height),
    starting: false,
    eventsPerSecond: 3,
  }));

const setUp = (columns: number, { live = true, nowMs = (): number => 0 } = {}) => {
  const screen = createScreen(columns);
  const terminal: Terminal = {
    ...createTerminal({}, false),
    live,
    colorErr: true,
    columns: () => columns,
    err: screen.write,
  };
  return { screen, display: new Display(terminal, nowMs) };
};

describe("display", () => {
  it.each([120, 80, 40])("redraws in place on a terminal of %i columns", (columns) => {
    const { screen, display } = setUp(columns);
    for (const height of [1, 2, 3]) display.show(views(height));
    expect(screen.shown()).toHaveLength(4);
    for (const line of screen.shown()) expect(line).toMatch(/^[a-d] .* height {6}3/);
  });

  it("leaves nothing of its lines where the terminal has echoed a ^C", () => {
    const { screen, display } = setUp(80);
    display.show(views(1));
    screen.write("^C");
    display.say(() => screen.write("stopping\n"));
    expect(screen.shown()).toEqual(["stopping"]);
  });
});

describe("the pause between two looks at the nodes", () => {
  it("is a second on a terminal", () => {
    const { display } = setUp(80);
    expect(display.pauseMs).toBe(1_000);
    display.show(views(1));
    expect(display.pauseMs).toBe(1_000);
  });

  it("ends with the next plain lines, which are then shown, and no sooner", () => {
    let nowMs = 5_000;
    const { screen, display } = setUp(200, { live: false, nowMs: () => nowMs });
    expect(display.pauseMs).toBe(1_000);
    display.show(views(1));
    expect(display.pauseMs).toBe(10_000);
    nowMs += 9_999;
    expect(display.pauseMs).toBe(1);
    display.show(views(2));
    expect(screen.shown()).toHaveLength(4);
    nowMs += display.pauseMs;
    display.show(views(3));
    expect(screen.shown()).toHaveLength(8);
    nowMs += 60_000;
    expect(display.pauseMs).toBe(0);
  });
});

describe("shortPainted", () => {
  it("cuts by cells, and ends each colour that it begins", () => {
    const text = "\x1b[1mabc\x1b[22m \x1b[32m日本語\x1b[39m def";
    for (let cells = 2; cells <= 20; cells++) {
      const cut = shortPainted(text, cells);
      expect(widthOf(stripVTControlCharacters(cut))).toBeLessThanOrEqual(cells);
      expect(cut.match(COLORS)).toHaveLength(4);
    }
    expect(stripVTControlCharacters(shortPainted(text, 8))).toBe("abc 日…");
    expect(shortPainted(text, 14)).toBe(text);
  });
});
