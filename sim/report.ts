/** What the command prints: a line a run, a verdict a failure, and the command that replays it. */
import type { RunResult } from "./simulate.ts";

/** How a run is named on the command line. */
export type RunName = { readonly kind: "seed" | "bank" | "file"; readonly value: string };

export const replayCommand = (name: RunName): string => {
  if (name.kind === "seed") return `nexus sim run --seed ${name.value}`;
  return `nexus sim run ${name.value}`;
};

const seconds = (ms: number): string => (ms / 1000).toFixed(1);

export const progressLine = (name: RunName, result: RunResult): string => {
  const healed = result.healedInMs === undefined ? "-" : `${result.healedInMs} ms`;
  return (
    `${name.kind} ${name.value}: ${result.outcome}, ${seconds(result.virtualMs)} s virtual, ` +
    `height ${result.finalHeight}, ${result.logSize} events, ${result.acknowledged} batches, ` +
    `healed in ${healed}, ${result.steps} steps, trace ${result.traceHash}`
  );
};

export const verdictLine = (name: RunName, result: RunResult): string => {
  const { violation } = result;
  const id = violation?.id ?? "?";
  const firstLine = (violation?.detail ?? "").split("\n")[0];
  const where = `${name.kind} ${name.value}, at ${seconds(violation?.atMs ?? 0)} s`;
  return `FAIL ${result.outcome} ${id} (${where}): ${firstLine}. Replay: ${replayCommand(name)}`;
};

/** What machines get of a run. */
export const runJson = (name: RunName, result: RunResult): Readonly<Record<string, unknown>> => ({
  run: name,
  outcome: result.outcome,
  violation: result.violation ?? null,
  seed: result.scenario.seed,
  traceHash: result.traceHash,
  steps: result.steps,
  virtualMs: result.virtualMs,
  finalHeight: result.finalHeight,
  logSize: result.logSize,
  acknowledged: result.acknowledged,
  healedInMs: result.healedInMs ?? null,
  network: result.network,
  marks: Object.fromEntries([...result.marks].sort(([a], [b]) => (a < b ? -1 : 1))),
  replay: replayCommand(name),
  ...(result.outcome === "ok" ? {} : { scenario: result.scenario }),
});

/** The same as one line. */
export const jsonOf = (name: RunName, result: RunResult): string =>
  JSON.stringify(runJson(name, result));
