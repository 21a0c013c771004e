/**
 * The failing scenarios that a swarm keeps: by commit and invariant, of each a few with the least work. A
 * folder KEEP/COMMIT/INVARIANT holds them as seed-N.json, which `nexus sim run` takes; failures.json beside
 * them says what was found.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { plainScenario, type Scenario } from "../../../sim/index.ts";
import { formatJson } from "../output.ts";
import { fileName } from "./files.ts";

export type Kept = {
  readonly seed: number;
  readonly invariant: string;
  readonly outcome: string;
  readonly detail: string;
  readonly virtualMs: number;
  /** Work of the run: what it costs to see it again. */
  readonly steps: number;
  readonly file: string;
};

/** The list with one more, of each invariant at most `max`, those with the least work. */
export const keepShortest = (list: readonly Kept[], one: Kept, max: number): readonly Kept[] => {
  const others = list.filter(
    ({ seed, invariant }) => invariant !== one.invariant || seed !== one.seed,
  );
  const same = [...others.filter(({ invariant }) => invariant === one.invariant), one]
    .sort((a, b) => a.steps - b.steps || a.seed - b.seed)
    .slice(0, max);
  return [...others.filter(({ invariant }) => invariant !== one.invariant), ...same].sort((a, b) =>
    a.invariant < b.invariant ? -1 : a.invariant > b.invariant ? 1 : a.steps - b.steps,
  );
};

const isKept = (value: unknown): value is Kept => {
  if (typeof value !== "object" || value === null) return false;
  const { seed, invariant, steps, file } = value as Partial<Kept>;
  return (
    Number.isSafeInteger(seed) &&
    typeof invariant === "string" &&
    Number.isFinite(steps) &&
    typeof file === "string" &&
    /^\w[\w-]*(\.\w[\w-]*)*\/seed-\d+\.json$/.test(file)
  );
};

/** What an earlier swarm on the same commit has kept; nothing where its list cannot be read. */
const readList = (path: string): Kept[] => {
  if (!existsSync(path)) return [];
  try {
    const json: unknown = JSON.parse(readFileSync(path, "utf8"));
    return Array.isArray(json) ? json.filter(isKept) : [];
  } catch {
    return [];
  }
};

export type Keeper = {
  readonly folder: string;
  list(): readonly Kept[];
  keep(one: Omit<Kept, "file">, scenario: Scenario): void;
};

/** Nothing is written before there is a failure to keep. */
export const openKeeper = (folder: string, max: number): Keeper => {
  const index = join(folder, "failures.json");
  let list: readonly Kept[] = readList(index);
  return {
    folder,
    list: () => list,
    keep(one, scenario) {
      const file = `${fileName(one.invariant)}/seed-${one.seed}.json`;
      const next = keepShortest(list, { ...one, file }, max);
      const isIn = next.some((item) => item.file === file);
      if (isIn) {
        mkdirSync(join(folder, fileName(one.invariant)), { recursive: true });
        writeFileSync(join(folder, file), formatJson(plainScenario(scenario)));
      }
      for (const old of list) {
        if (!next.some((item) => item.file === old.file))
          rmSync(join(folder, old.file), { force: true });
      }
      list = next;
      if (!isIn) return;
      // Whole or not at all: the process may be killed at any time.
      writeFileSync(`${index}.new`, formatJson(list));
      renameSync(`${index}.new`, index);
    },
  };
};
