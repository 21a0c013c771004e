/**
 * The bank of directed scenarios: halts and splits that random seeds do not find, each named for what it
 * shows, with what must be true at the end. They run in CI as regression, together with `found/`: the
 * scenarios that have broken something once, named for what was wrong.
 */
import { readdirSync, readFileSync } from "node:fs";
import type { Scenario } from "../scenario.ts";
import { parseScenario } from "../scenario-shape.ts";
import { CONSENSUS_SCENARIOS } from "./consensus.ts";
import { OPERATIONS_SCENARIOS } from "./operations.ts";

const FOUND_FOLDER = new URL("./found/", import.meta.url);

const found: readonly Scenario[] = readdirSync(FOUND_FOLDER)
  .filter((name) => name.endsWith(".json"))
  .sort()
  .map((name) => parseScenario(readFileSync(new URL(name, FOUND_FOLDER), "utf8")));

export const BANK: readonly Scenario[] = [
  ...CONSENSUS_SCENARIOS,
  ...OPERATIONS_SCENARIOS,
  ...found,
];

export const bankScenario = (name: string): Scenario | undefined =>
  BANK.find((entry) => entry.name === name);
