import { describe, expect, it } from "vitest";
import { createTerminal, type Terminal } from "../../src/cli/output.ts";
import { createProgress } from "../../src/cli/progress.ts";

const setUp = (live: boolean, columns = 100) => {
  let text = "";
  let now = 0;
  const terminal: Terminal = {
    ...createTerminal({}, false),
    live,
    columns: () => columns,
    err: (piece) => {
      text += piece;
    },
  };
  const progress = createProgress(terminal, "rebuilding", "events", () => now);
  const at = (ms: number, done: number): void => {
    now = ms;
    progress.update(done, 1000);
  };
  return { progress, at, text: () => text };
};

describe("progress", () => {
  it("redraws one line on a terminal, with rate and time left", () => {
    const { progress, at, text } = setUp(true);
    at(1_000, 250);
    at(1_010, 260);
    at(2_000, 500);
    progress.end();
    expect(text()).toContain(
      "rebuilding [######..................] 250/1000 events, 250/s, 3 s left",
    );
    expect(text()).not.toContain("260/1000");
    expect(text().endsWith("500/1000 events, 250/s, 2 s left\n")).toBe(true);
  });

  it.each([
    [60, "rebuilding [###..........] 250/1000 events, 250/s, 3 s left"],
    [50, "rebuilding 250/1000 events, 250/s, 3 s left"],
    [30, "rebuilding 250/1000 events, …"],
  ])(
    "keeps to one line of a terminal of %i columns, which it could not redraw else",
    (columns, line) => {
      const { at, text } = setUp(true, columns);
      at(1_000, 250);
      expect(text()).toBe(`\r\x1b[2K${line}`);
      expect(line.length).toBeLessThan(columns);
    },
  );

  it("ends with a full bar where all is done, whatever was said last", () => {
    const { progress, at, text } = setUp(true);
    at(1_000, 900);
    progress.end(true);
    expect(text().split("\r").at(-1)).toContain("[########################] 1000/1000 events");
    expect(text().endsWith("/s\n")).toBe(true);
  });

  it("prints a plain line every ten seconds elsewhere", () => {
    const { progress, at, text } = setUp(false);
    for (let second = 1; second <= 25; second++) at(second * 1_000, second * 40);
    progress.end();
    expect(text().split("\n").slice(0, -1)).toHaveLength(3);
    expect(text()).not.toContain("\x1b");
  });
});
