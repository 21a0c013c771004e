/**
 * Replays traces as they come from the model, whether or not anybody has looked at them: those of the night
 * (scripts/model.mjs). The committed ones are asked more in replay.test.ts.
 */
import { replay } from "./replay.ts";
import { parseModelTrace } from "./trace-format.ts";

export type NamedTrace = { readonly name: string; readonly text: string };

export type ReplayCounts = {
  readonly traces: number;
  readonly steps: number;
  readonly failed: number;
  /** Traces that were replayed up to a step at which core and model part as they may (ReplayResult.cut). */
  readonly cut: number;
};

type Found = { readonly steps: number; readonly isCut: boolean; readonly mismatch?: string };

/** What a core did otherwise than the model, or undefined. A trace that cannot be read is a mismatch as well. */
const mismatchOf = (text: string): Found => {
  try {
    const trace = parseModelTrace(text);
    const { divergence, cut } = replay(trace, { probes: true });
    const steps = cut ?? trace.steps.length;
    const isCut = cut !== undefined;
    if (divergence === undefined) return { steps, isCut };
    const { step, action, node, what, model, core } = divergence;
    const both = `the model ${JSON.stringify(model)}, the core ${JSON.stringify(core)}`;
    return { steps, isCut, mismatch: `step ${step} (${action}), node ${node}, ${what}: ${both}` };
  } catch (error) {
    return { steps: 0, isCut: false, mismatch: `cannot be replayed: ${String(error)}` };
  }
};

/** Replays each trace and tells of those that a core does not follow. */
export const replayTraces = async (
  traces: AsyncIterable<NamedTrace> | Iterable<NamedTrace>,
  onMismatch: (one: NamedTrace & { readonly mismatch: string }) => void,
): Promise<ReplayCounts> => {
  const counts = { traces: 0, steps: 0, failed: 0, cut: 0 };
  for await (const one of traces) {
    const { steps, isCut, mismatch } = mismatchOf(one.text);
    counts.traces += 1;
    if (isCut) counts.cut += 1;
    counts.steps += steps;
    if (mismatch === undefined) continue;
    counts.failed += 1;
    onMismatch({ ...one, mismatch });
  }
  return counts;
};
