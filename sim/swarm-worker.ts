/** One thread of a swarm: runs the scenario of each seed that it is told, and answers what came out. */
import { parentPort, workerData } from "node:worker_threads";
import { runOptions } from "./options.ts";
import { loadOwn } from "./own.ts";
import { simulate } from "./simulate.ts";
import { randomScenario } from "./swarm.ts";
import type { SeedResult, Task } from "./swarm-run.ts";
import { simulateTwice } from "./twice.ts";

const run = async (port: NonNullable<typeof parentPort>): Promise<void> => {
  const { own } = workerData as { readonly own: string | undefined };
  // Whoever looks into a seed that has failed runs it again. Who made a fork possible is a part of what was found.
  const options = { ...runOptions(await loadOwn(own)), explains: "forks" as const };
  port.on("message", ({ seed, twice }: Task) => {
    const scenario = randomScenario(seed);
    const result = twice ? simulateTwice(scenario, options) : simulate(scenario, options);
    const { outcome, violation, fork, virtualMs, steps, marks } = result;
    const answer: SeedResult = {
      ...{ seed, outcome, virtualMs, steps },
      id: violation?.id ?? "",
      detail: [violation?.detail ?? "", ...(fork?.causes ?? [])].join("\n"),
      marks: [...marks],
      scenario: outcome === "ok" ? undefined : scenario,
    };
    port.postMessage(answer);
  });
  port.postMessage("ready");
};

if (parentPort !== null) await run(parentPort);
