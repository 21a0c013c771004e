/** Shrinks with a progress bar, within runs and time. */
import {
  MAX_STEPS,
  type Own,
  type RunResult,
  type Scenario,
  type ShrunkFrom,
  type SimulateOptions,
  shrinkWithin,
  signatureOf,
  simulate,
} from "../../../sim/index.ts";
import { realClock } from "../../node/real-ports.ts";
import type { CliContext } from "../context.ts";
import { createProgress } from "../progress.ts";

export type Smaller = {
  readonly scenario: Scenario;
  /** How that one failed. */
  readonly result: RunResult;
  readonly from: ShrunkFrom;
};

/** A candidate that does much more work than what failed is not smaller: its run is ended, as any is at its limit. */
const STEPS_FACTOR = 3;
const STEPS_LEAST = 200_000;

/** The smallest scenario found that fails as `result` has; undefined where not even its own fails again. */
export const shrinkFailure = (
  context: CliContext,
  result: RunResult,
  own: Own & Pick<SimulateOptions, "maxSteps">,
  limits: { readonly runs: number; readonly ms: number },
): Smaller | undefined => {
  const { scenario, violation } = result;
  if (violation === undefined) return undefined;
  const wanted = signatureOf(violation);
  const { terminal } = context;
  const clock = realClock.monotonicMs;
  const startMs = clock();
  const progress = createProgress(terminal, "shrinking", "runs", clock);
  const maxSteps = Math.min(
    own.maxSteps ?? MAX_STEPS,
    Math.max(STEPS_LEAST, result.steps * STEPS_FACTOR),
  );
  const results = new WeakMap<Scenario, RunResult>();
  const small = shrinkWithin(
    scenario,
    (candidate) => {
      const ended = simulate(candidate, { ...own, maxSteps, explains: false });
      if (ended.violation === undefined || signatureOf(ended.violation) !== wanted)
        return undefined;
      results.set(candidate, ended);
      return ended.violation;
    },
    {
      budget: limits.runs,
      stop: () => clock() - startMs > limits.ms,
      onStep: ({ runs, budget }) => {
        if (context.options.quiet !== true) progress.update(runs, budget);
      },
    },
  );
  if (context.options.quiet !== true) progress.end();
  const { n, faults, adversaries, healMs } = scenario;
  const last = results.get(small.scenario);
  if (last === undefined) return undefined;
  return {
    scenario: small.scenario,
    result: last,
    from: {
      runs: small.runs,
      nodes: n,
      faults: faults.length,
      adversaries: adversaries.length,
      healMs,
    },
  };
};
