/** What the command prints: a line a run, a verdict a failure, and the command that replays it. */
import { msText } from "./describe.ts";
import type { RunResult } from "./simulate.ts";

/** How a run is named on the command line. */
export type RunName = { readonly kind: "seed" | "bank" | "file"; readonly value: string };

/** A word of a command line: quoted where a shell would cut it. */
export const shellWord = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;

/** What a command that runs a scenario again needs besides it: --with, as it was given. */
export const withWords = (file: string | undefined): string =>
  file === undefined ? "" : ` --with ${shellWord(file)}`;

/** The command that runs it again; `own` is what --with was given. */
export const replayCommand = (name: RunName, own?: string): string => {
  const which = name.kind === "seed" ? `--seed ${name.value}` : shellWord(name.value);
  return `nexus sim run ${which}${withWords(own)}`;
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

/** "liveness L1 at 12.5 s: no new final block within ...": the first line of what was found. */
export const verdictOf = ({ outcome, violation }: RunResult): string => {
  if (violation === undefined) return outcome;
  const [first = ""] = violation.detail.split("\n");
  return `${outcome} ${violation.id} at ${msText(violation.atMs)}: ${first}`;
};

export const verdictLine = (name: RunName, result: RunResult, own?: string): string => {
  const { violation } = result;
  const id = violation?.id ?? "?";
  const firstLine = (violation?.detail ?? "").split("\n")[0];
  const where = `${name.kind} ${name.value}, at ${seconds(violation?.atMs ?? 0)} s`;
  return `FAIL ${result.outcome} ${id} (${where}): ${firstLine}. Replay: ${replayCommand(name, own)}`;
};

/** What machines get of a run; `own` is what --with was given. */
export const runJson = (
  name: RunName,
  result: RunResult,
  own?: string,
): Readonly<Record<string, unknown>> => ({
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
  replay: replayCommand(name, own),
  ...(result.outcome === "ok" ? {} : { scenario: result.scenario }),
});

/** The same as one line. */
export const jsonOf = (name: RunName, result: RunResult, own?: string): string =>
  JSON.stringify(runJson(name, result, own));
