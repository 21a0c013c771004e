/** The completion of bash, in bash; the other shells' scripts by what stands in them. */
import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { completionScript } from "../../src/cli/completion.ts";
import { describedProgram } from "../../src/cli/reference.ts";

const names = { projections: ["actors", "records"] };
const script = completionScript("bash", describedProgram(), names);

/** What bash offers for a line whose last word is being typed. */
const offered = (...words: readonly string[]): string[] => {
  const line = `COMP_WORDS=(nexus ${words.map((word) => `'${word}'`).join(" ")})
COMP_CWORD=${words.length}
_nexus
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const out = execFileSync("bash", ["--norc", "-uc", `${script}\n${line}`], { cwd: "/" });
  return out
    .toString()
    .split("\n")
    .filter((word) => word !== "");
};

describe("completion", () => {
  it("offers verbs, subverbs, flags, values and projections in bash", () => {
    expect(offered("stat")).toEqual(["status"]);
    expect(offered("")).toEqual(expect.arrayContaining(["dev", "tour", "verify", "explain"]));
    expect(offered("asset", "")).toContain("scan");
    expect(offered("dev", "ki")).toEqual(["kill"]);
    expect(offered("tail", "--fr")).toEqual(["--from"]);
    expect(offered("tail", "--ap")).toEqual(["--api"]);
    expect(offered("ls", "")).toEqual(["actors", "records"]);
    expect(offered("-o", "nd")).toEqual(["ndjson"]);
    expect(offered("append", "--wait", "p")).toEqual(["projected"]);
    expect(offered("-o", "json", "get", "rec")).toEqual(["records"]);
    expect(offered("start", "--config", "et")).toEqual(["etc"]);
    expect(offered("no-such-verb-at-all")).toEqual([]);
  });

  it("has every verb in the scripts of zsh and fish", () => {
    const program = describedProgram();
    for (const shell of ["zsh", "fish"] as const) {
      const text = completionScript(shell, program, names);
      for (const one of program.commands) expect(text).toContain(one.name());
      expect(text).toContain("records");
    }
    expect(completionScript("zsh", program, names)).toMatch(/^#compdef nexus\n/);
  });
});
