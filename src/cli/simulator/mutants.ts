/** `nexus sim mutants`: the bug bank, which is a script of the source tree. */
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { TetradError } from "../../errors.ts";
import type { CliContext } from "../context.ts";
import { packageRoot } from "./code.ts";
import { nearest } from "./load.ts";

type MutantOptions = { readonly types?: boolean };

type Mutant = {
  readonly mutant: string;
  readonly state: "caught" | "missed";
  /** The invariant that broke; absent for one that was missed. */
  readonly by?: string;
  /** Where it broke, or why the mutant was missed. */
  readonly found: string;
  readonly runs: number;
  readonly seconds: number;
};

/** What the script tells of one mutant with `-o json`. */
export const mutantOf = (line: string): Mutant | undefined => {
  if (!line.startsWith("{")) return undefined;
  const told = JSON.parse(line) as {
    readonly name: string;
    readonly by?: string;
    readonly run?: string;
    readonly tried?: number;
    readonly seconds?: number;
    readonly failure?: string;
  };
  const { name: mutant, by, run = "", tried: runs = 0, seconds = 0, failure } = told;
  const cost = { runs, seconds: Math.round(seconds * 10) / 10 };
  if (failure !== undefined) return { mutant, state: "missed", found: failure, ...cost };
  return { mutant, state: "caught", ...(by === undefined ? {} : { by }), found: run, ...cost };
};

export const simMutants = async (
  context: CliContext,
  options: MutantOptions,
  ...names: readonly string[]
): Promise<void> => {
  const root = packageRoot();
  const script = join(root, "scripts", "mutants.mjs");
  if (!existsSync(script) || !existsSync(join(root, "sim", "mutants"))) {
    throw new TetradError("sim.source", "there are no mutants beside this program", {
      next: "run it in a checkout of the source",
    });
  }
  const known = readdirSync(join(root, "sim", "mutants"))
    .filter((file) => file.endsWith(".patch"))
    .map((file) => file.slice(0, -".patch".length));
  for (const name of names) {
    if (known.includes(name)) continue;
    const meant = nearest(name, known);
    const hint = meant === undefined ? "" : ` \u2014 did you mean ${meant}?`;
    throw new TetradError("cli.usage", `there is no mutant ${name}${hint}`);
  }
  const args = [script, "-o", "json", ...names, ...(options.types === false ? ["--no-types"] : [])];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
  const onAbort = (): void => void child.kill("SIGTERM");
  context.signal.addEventListener("abort", onAbort, { once: true });
  const found: Mutant[] = [];
  let rest = "";
  child.stdout.setEncoding("utf8");
  child.stdout.on("data", (piece: string) => {
    const lines = (rest + piece).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const mutant = mutantOf(line);
      if (mutant !== undefined) found.push(mutant);
    }
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  context.signal.removeEventListener("abort", onAbort);
  const columns = ["mutant", "state", "by", "found", "runs", "seconds"];
  const rows = found.map((one) => ({
    ...one,
    by: one.by ?? "",
    runs: String(one.runs),
    seconds: one.seconds.toFixed(1),
  }));
  // Also where somebody has interrupted it: the whole bank takes long.
  context.printList(found, columns, rows);
  context.signal.throwIfAborted();
  if (code !== 0) {
    const missed = found.filter(({ state }) => state === "missed").map(({ mutant }) => mutant);
    throw new TetradError("sim.survived", missed.join(", ") || `the script ended with ${code}`);
  }
};
