/**
 * The library of scenarios: halts and splits that random seeds do not find, each a file named for what it
 * shows, with what must be true at the end. They run in CI as regression, together with `found/`: the
 * scenarios that have broken something once, named for what was wrong.
 */
import { readdirSync, readFileSync } from "node:fs";
import type { Scenario } from "../scenario.ts";
import { parseScenario } from "../scenario-shape.ts";

const read = (file: URL): Scenario => {
  try {
    return parseScenario(readFileSync(file, "utf8"));
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw new RangeError(`${file.pathname}: ${detail}`);
  }
};

const readFolder = (folder: URL): Scenario[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name) => read(new URL(name, folder)));

export const BANK: readonly Scenario[] = [
  ...readFolder(new URL("./", import.meta.url)),
  ...readFolder(new URL("./found/", import.meta.url)),
];

export const bankScenario = (name: string): Scenario | undefined =>
  BANK.find((entry) => entry.name === name);
