/** Which scenarios a verb of the simulator is about, and with which checkers. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import {
  BANK,
  bankScenario,
  loadOwn,
  type Own,
  parseScenario,
  type RunName,
  randomScenario,
  SCENARIO_LIMITS,
  type Scenario,
} from "../../../sim/index.ts";
import { TetradError } from "../../errors.ts";
import type { CliContext } from "../context.ts";

export type Named = { readonly name: RunName; readonly scenario: Scenario };

export type Chosen = { readonly seed?: number; readonly with?: string };

const readScenario = (path: string, given: string): Scenario => {
  const bytes = statSync(path).size;
  // A character has at most four bytes; the reader counts characters.
  if (bytes > SCENARIO_LIMITS.fileCharactersMax * 4) {
    throw new TetradError("sim.scenario", `${given}: ${bytes} bytes are no scenario`);
  }
  try {
    return parseScenario(readFileSync(path, "utf8"));
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw new TetradError("sim.scenario", `${given}: ${detail}`);
  }
};

/** Edits from one word to another (Levenshtein). */
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
};

/** The nearest of some names, where one is near. */
export const nearest = (word: string, names: readonly string[]): string | undefined => {
  const [best] = names
    .map((name) => ({ name, far: distance(word, name) }))
    .sort((a, b) => a.far - b.far);
  const near = best !== undefined && best.far <= Math.max(2, Math.floor(word.length / 3));
  return near ? best.name : undefined;
};

const libraryScenario = (given: string): Named => {
  const scenario = bankScenario(given);
  if (scenario !== undefined) return { name: { kind: "bank", value: given }, scenario };
  const meant = nearest(
    given,
    BANK.map(({ name }) => name),
  );
  const hint = meant === undefined ? "`nexus sim list` has their names" : `did you mean ${meant}?`;
  throw new TetradError(
    "sim.scenario",
    `no file and no scenario of the library is called ${given} — ${hint}`,
  );
};

/** The scenario that an argument names: a file, or one of the library. */
export const namedScenario = (context: CliContext, given: string): Named => {
  const path = resolve(context.cwd, given);
  const isFile = existsSync(path) && statSync(path).isFile();
  if (!isFile && !given.endsWith(".json")) return libraryScenario(given);
  if (!isFile) throw new TetradError("sim.scenario", `there is no file ${given}`);
  return { name: { kind: "file", value: given }, scenario: readScenario(path, given) };
};

export const seedScenario = (seed: number): Named => ({
  name: { kind: "seed", value: String(seed) },
  scenario: randomScenario(seed),
});

/** The one scenario of a verb that takes one: an argument or a seed, not both. */
export const oneScenario = (
  context: CliContext,
  options: Chosen,
  given: string | undefined,
): Named => {
  if ((given === undefined) === (options.seed === undefined)) {
    throw new TetradError(
      "cli.usage",
      "name one scenario: a file, a name of the library, or --seed",
    );
  }
  if (given !== undefined) return namedScenario(context, given);
  return seedScenario(options.seed ?? 0);
};

/** Absolute path of the module of --with. */
export const ownPath = (context: CliContext, options: Chosen): string | undefined => {
  if (options.with === undefined) return undefined;
  const path = resolve(context.cwd, options.with);
  if (!existsSync(path)) throw new TetradError("sim.module", `there is no file ${options.with}`);
  return path;
};

/** Node's words for a file that it took for CommonJS, which do not say what to do in a folder of one's own. */
const moduleHint = (detail: string): string =>
  /outside a module|Unexpected token 'export'/.test(detail)
    ? ' — say that the folder holds modules with "npm pkg set type=module", or name the file .mts'
    : "";

export const ownChecks = async (context: CliContext, options: Chosen): Promise<Own> => {
  const path = ownPath(context, options);
  try {
    return await loadOwn(path);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw new TetradError("sim.module", `${options.with}: ${detail}${moduleHint(detail)}`);
  }
};
