/**
 * The bank of directed scenarios: halts and splits that random seeds do not find, each named for what it
 * shows, with what must be true at the end. They run in CI as regression.
 */
import type { Scenario } from "../scenario.ts";
import { CONSENSUS_SCENARIOS } from "./consensus.ts";
import { OPERATIONS_SCENARIOS } from "./operations.ts";

export const BANK: readonly Scenario[] = [...CONSENSUS_SCENARIOS, ...OPERATIONS_SCENARIOS];

export const bankScenario = (name: string): Scenario | undefined =>
  BANK.find((entry) => entry.name === name);
