import { expect, it } from "vitest";
import { createTerminal, type Terminal } from "../../src/cli/output.ts";
import { workMeter } from "../../src/cli/work/meter.ts";

const setUp = () => {
  let text = "";
  let now = 0;
  const terminal: Terminal = {
    ...createTerminal({}, false),
    live: true,
    columns: () => 100,
    err: (piece) => {
      text += piece;
    },
  };
  const { options, end } = workMeter(terminal, () => now);
  const at = (ms: number, runs: number): void => {
    now = ms;
    options.onProgress?.(runs, 40);
  };
  return { at, end, text: () => text };
};

it("says nothing of work that takes no longer than a second", () => {
  const { at, end, text } = setUp();
  at(100, 1);
  at(999, 10);
  end();
  expect(text()).toBe("");
});

it("shows tries against their mean after that, and never less than there were", () => {
  const { at, end, text } = setUp();
  at(0, 1);
  at(1_000, 10);
  at(2_000, 20);
  expect(text()).toContain("work [############............] 20/40 tries");
  at(5_000, 60);
  end();
  expect(text()).toContain("60/60 tries");
  expect(text().endsWith("\n")).toBe(true);
});

it("begins anew with the next batch, and is quiet again for a second", () => {
  const { at, end, text } = setUp();
  at(0, 1);
  at(2_000, 20);
  const before = text();
  expect(before).toContain("20/40");
  at(3_000, 1);
  at(3_500, 5);
  end();
  expect(text()).toBe(`${before}${text().slice(before.length)}`);
  expect(text().slice(before.length)).not.toContain("5/40");
});
