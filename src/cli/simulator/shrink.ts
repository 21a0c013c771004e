/** `nexus sim shrink`: a failing scenario without what the failure does not need. */
import { resolve } from "node:path";
import {
  plainScenario,
  shellWord,
  simulateTwice,
  verdictOf,
  withWords,
} from "../../../sim/index.ts";
import { TetradError } from "../../errors.ts";
import type { CliContext } from "../context.ts";
import { formatJson, printable } from "../output.ts";
import { checkFile, writeNamed } from "./files.ts";
import { type Chosen, oneScenario, ownChecks } from "./load.ts";
import { shrinkFailure } from "./shrinking.ts";

type ShrinkOptions = Chosen & {
  readonly runs: number;
  readonly time?: number;
  readonly out?: string;
};

/** No smaller scenario could be held to fail in the same way. */
const unrepeatable = (verdict: string): TetradError => {
  const why = "what is not the same each time cannot be shrunk — `nexus sim run` reports on it";
  return new TetradError("sim.correctness", `${verdict.replace("correctness ", "")}: ${why}`);
};

export const simShrink = async (
  context: CliContext,
  options: ShrinkOptions,
  given?: string,
): Promise<void> => {
  const { name, scenario } = oneScenario(context, options, given);
  if (options.out !== undefined) checkFile(resolve(context.cwd, options.out));
  const own = await ownChecks(context, options);
  const result = simulateTwice(scenario, own);
  if (result.violation === undefined) {
    throw new TetradError("sim.passes", `${name.kind} ${name.value} passes`);
  }
  if (result.violation.id === "I17") throw unrepeatable(verdictOf(result));
  context.note(printable(verdictOf(result)));
  const limits = { runs: options.runs, ms: options.time ?? Number.MAX_SAFE_INTEGER };
  const small = shrinkFailure(context, result, own, limits);
  if (small === undefined) throw unrepeatable(verdictOf(result));
  const after = small.scenario;
  context.note(
    `${small.from.runs} runs: ${scenario.n} nodes, ${scenario.faults.length} faults, ` +
      `${scenario.adversaries.length} adversaries became ${after.n}, ${after.faults.length}, ` +
      `${after.adversaries.length}; it still fails with ${result.violation.id}`,
  );
  const plain = plainScenario(after);
  if (options.out === undefined) {
    // A scenario is JSON in every format: it is meant for a file.
    if (context.format === "ndjson") context.print(plain, []);
    else context.terminal.out(formatJson(plain));
    return;
  }
  try {
    writeNamed(resolve(context.cwd, options.out), formatJson(plain));
  } catch (error) {
    // What it has cost to find is not lost with the file.
    context.terminal.out(formatJson(plain));
    throw error;
  }
  context.print({ file: options.out, invariant: result.violation.id, ...small.from }, [
    ["file", options.out],
    ["invariant", result.violation.id],
    ["runs", small.from.runs],
  ]);
  const again = shellWord(options.out) + withWords(options.with);
  context.suggest(`nexus sim run ${again}`, `nexus sim explain ${again}`);
};
