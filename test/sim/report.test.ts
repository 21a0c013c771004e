/** Commands that are printed, for a person or a machine, are ones that a shell takes as they stand. */
import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type RunName, replayCommand, runJson, shellWord, verdictLine } from "../../sim/report.ts";
import { scenario } from "../../sim/scenario.ts";
import { simulate } from "../../sim/simulate.ts";
import { SYSTEM } from "../../sim/system.ts";

const FILE: RunName = { kind: "file", value: "my file's.json" };
const REPLAY = "nexus sim run 'my file'\\''s.json' --with 'my own.mjs'";

/** The words that a shell makes of a command. */
const wordsOf = (command: string): readonly string[] =>
  execFileSync("sh", ["-c", `printf '%s\\0' ${command}`])
    .toString()
    .split("\0")
    .slice(0, -1);

describe("the command that runs a scenario again", () => {
  it("names seed or file, and the module, as words of a shell", () => {
    expect(replayCommand({ kind: "seed", value: "7" })).toBe("nexus sim run --seed 7");
    expect(replayCommand({ kind: "bank", value: "all-restart" }, "own.mjs")).toBe(
      "nexus sim run all-restart --with own.mjs",
    );
    expect(replayCommand(FILE, "my own.mjs")).toBe(REPLAY);
    expect(wordsOf(REPLAY).slice(3)).toEqual(["my file's.json", "--with", "my own.mjs"]);
  });

  it("is the same in what machines get, and in the line of a verdict", () => {
    const result = simulate(scenario("brief", { n: 1, healMs: 200 }), SYSTEM);
    expect(runJson(FILE, result, "my own.mjs")["replay"]).toBe(REPLAY);
    expect(verdictLine(FILE, result, "my own.mjs")).toContain(`Replay: ${REPLAY}`);
  });

  it("keeps any word whole", () => {
    const word = fc
      .string({ unit: "binary", minLength: 1, maxLength: 12 })
      .filter((text) => !text.includes("\0") && text.isWellFormed());
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 40 }), (words) => {
        expect(wordsOf(words.map(shellWord).join(" "))).toEqual(words);
      }),
      { numRuns: 10 },
    );
  });
});
