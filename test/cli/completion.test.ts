/** The completion of each shell, in that shell where it is installed. */
import { execFileSync, spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { describe, expect, it } from "vitest";
import { completionScript } from "../../src/cli/completion.ts";
import { describedProgram } from "../../src/cli/reference.ts";

const names = { projections: ["actors", "records"], nodes: ["a", "b"] };
const program = describedProgram();
const script = completionScript("bash", program, names);

const has = (shell: string): boolean => spawnSync(shell, ["--version"]).error === undefined;

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
    expect(offered("sim", "sw")).toEqual(["swarm"]);
    expect(offered("sim", "shrink", "--ru")).toEqual(["--runs"]);
    expect(offered("tail", "--fr")).toEqual(["--from"]);
    expect(offered("tail", "--ap")).toEqual(["--api"]);
    expect(offered("ls", "")).toEqual(["actors", "records"]);
    expect(offered("-o", "nd")).toEqual(["ndjson"]);
    expect(offered("append", "--wait", "p")).toEqual(["projected"]);
    expect(offered("-o", "json", "get", "rec")).toEqual(["records"]);
    expect(offered("start", "--config", "et")).toEqual(["etc"]);
    expect(offered("no-such-verb-at-all")).toEqual([]);
  });

  it("offers the nodes of a development network, and files where a verb takes one", () => {
    expect(offered("dev", "kill", "")).toEqual(["a", "b"]);
    expect(offered("dev", "start", "b")).toEqual(["b"]);
    expect(offered("proof", "verify", "et")).toEqual(["etc"]);
    expect(offered("restore", "et")).toEqual(["etc"]);
    expect(offered("status", "et")).toEqual([]);
  });

  it("has every verb in the scripts of zsh and fish", () => {
    for (const shell of ["zsh", "fish"] as const) {
      const text = completionScript(shell, program, names);
      for (const one of program.commands) expect(text).toContain(one.name());
      expect(text).toContain("records");
    }
    expect(completionScript("zsh", program, names)).toMatch(/^#compdef nexus\n/);
  });

  it.skipIf(!has("fish"))("offers the same in fish", () => {
    const text = completionScript("fish", program, names);
    const offers = (line: string): string[] => {
      const code = `${text}\ncomplete -C ${JSON.stringify(line)}`;
      const out = execFileSync("fish", ["--no-config", "-c", code], { cwd: "/" }).toString();
      return out.split("\n").flatMap((one) => one.split("\t")[0] || []);
    };
    expect(offers("nexus stat")).toEqual(["status"]);
    expect(offers("nexus dev ")).toEqual(["kill", "start"]);
    expect(offers("nexus dev kill ")).toEqual(["a", "b"]);
    expect(offers("nexus proof ")).toEqual(["get", "verify"]);
    expect(offers("nexus ls ")).toEqual(["actors", "records"]);
    expect(offers("nexus -o nd")).toEqual(["ndjson"]);
    expect(offers("nexus -o json get rec")).toEqual(["records"]);
    expect(offers("nexus append --wait p")).toEqual(["projected"]);
    expect(offers("nexus tail --fr")).toEqual(["--from"]);
    expect(offers("nexus start --config et")).toEqual(["etc/"]);
    expect(offers("nexus proof verify et")).toEqual(["etc/"]);
    expect(offers("nexus status et")).toEqual([]);
  });

  it.skipIf(!has("zsh"))("is taken by zsh, whose completion system calls it", () => {
    const text = completionScript("zsh", program, names);
    const code = `${text}\nprint -r -- "$_comps[nexus]"; whence -w _nexus`;
    const out = execFileSync("zsh", ["-f", "-c", code], { cwd: "/", env: { HOME: tmpdir() } });
    expect(out.toString()).toBe("_bash_complete -F _nexus\n_nexus: function\n");
  });
});
