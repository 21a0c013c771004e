/** What people see of the work that a batch costs: nothing in the first second, then a bar. */
import type { WorkOptions } from "../../client/work.ts";
import { realClock } from "../../node/real-ports.ts";
import type { Terminal } from "../output.ts";
import { createProgress, type Progress } from "../progress.ts";

const QUIET_MS = 1_000;

/** A search begins anew when its count does. The bar is of the mean: one search in three is longer. */
export const workMeter = (
  terminal: Terminal,
  nowMs: () => number = realClock.monotonicMs,
): { readonly options: WorkOptions; end(): void } => {
  let beganMs = 0;
  let before = Number.POSITIVE_INFINITY;
  let progress: Progress | undefined;
  const end = (): void => {
    progress?.end();
    progress = undefined;
    before = Number.POSITIVE_INFINITY;
  };
  const onProgress = (runs: number, expected: number): void => {
    if (runs <= before) {
      end();
      beganMs = nowMs();
    }
    before = runs;
    if (nowMs() - beganMs < QUIET_MS) return;
    progress ??= createProgress(terminal, "work", "tries", nowMs, runs);
    progress.update(runs, Math.max(runs, Math.ceil(expected)));
  };
  return { options: { onProgress }, end };
};
