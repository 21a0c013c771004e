/** One thread of a swarm: runs the scenario of each seed that it is told, and answers what came out. */
import { parentPort, workerData } from "node:worker_threads";
import { loadOwn } from "./own.ts";
import type { Scenario } from "./scenario.ts";
import { type Outcome, simulate, simulateTwice } from "./simulate.ts";
import { randomScenario } from "./swarm.ts";
import { SYSTEM } from "./system.ts";

export type Task = { readonly seed: number; readonly twice: boolean };

/** What a run of a seed gave; the scenario only where it failed. */
export type SeedResult = {
  readonly seed: number;
  readonly outcome: Outcome;
  readonly id: string;
  readonly detail: string;
  readonly virtualMs: number;
  readonly steps: number;
  readonly marks: readonly string[];
  readonly scenario: Scenario | undefined;
};

const run = async (port: NonNullable<typeof parentPort>): Promise<void> => {
  const { own } = workerData as { readonly own: string | undefined };
  const options = { ...SYSTEM, ...(await loadOwn(own)) };
  port.on("message", ({ seed, twice }: Task) => {
    const scenario = randomScenario(seed);
    const result = twice ? simulateTwice(scenario, options) : simulate(scenario, options);
    const { outcome, violation, virtualMs, steps, marks } = result;
    const answer: SeedResult = {
      ...{ seed, outcome, virtualMs, steps },
      id: violation?.id ?? "",
      detail: violation?.detail ?? "",
      marks: [...marks.keys()],
      scenario: outcome === "ok" ? undefined : scenario,
    };
    port.postMessage(answer);
  });
  port.postMessage("ready");
};

if (parentPort !== null) await run(parentPort);
