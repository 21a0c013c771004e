/** `nexus sim mutants`: the bug bank, which is a script of the source tree. */
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { TetradError } from "../../errors.ts";
import type { CliContext } from "../context.ts";
import { packageRoot } from "./code.ts";
import { nearest } from "./load.ts";

type MutantOptions = { readonly types?: boolean };

type Mutant = { readonly mutant: string; readonly state: string; readonly found: string };

/** "caught NAME: by I8 in seed 3, run 1": how the script tells of one mutant. */
export const mutantOf = (line: string): Mutant | undefined => {
  const [, state = "", mutant = "", found = ""] =
    /^(caught|MISSED) ([^:]+): (.*)$/.exec(line) ?? [];
  return mutant === "" ? undefined : { mutant, state: state.toLowerCase(), found };
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
  const args = [script, ...names, ...(options.types === false ? ["--no-types"] : [])];
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
      if (context.format === "table") context.terminal.out(`${line}\n`);
    }
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  context.signal.removeEventListener("abort", onAbort);
  context.signal.throwIfAborted();
  if (context.format !== "table") context.printList(found, [], []);
  if (code !== 0) {
    const missed = found.filter(({ state }) => state === "missed").map(({ mutant }) => mutant);
    throw new TetradError("sim.survived", missed.join(", ") || `the script ended with ${code}`);
  }
};
