/**
 * Measurements by turns: every job once a round, so that load from elsewhere meets all of them, and no job begins
 * that the time left would not hold. What is over is reported, however far the last round came.
 */
import { percentile, type Report } from "../report.ts";

/** Samples of one figure; those of all rounds together make a row. */
export type Reading = {
  readonly name: string;
  readonly what: string;
  readonly unit: string;
  /** Part of the samples below the value of the row; half: their median. */
  readonly part: number;
  readonly values: readonly number[];
};

export type Job = {
  readonly text: string;
  run(): Promise<readonly Reading[]>;
};

export type RoundsOptions = {
  readonly rounds: number;
  readonly budgetMs: number;
  readonly nowMs: () => number;
  /** How often the rounds say where they are. */
  readonly progress: (text: string) => void;
};

/** Of a job that has not run yet. */
const JOB_MS = 3_000;

/** The value in the middle, or between the two there. */
const median = (values: readonly number[]): number => {
  const upper = percentile(
    values.map((value) => -value),
    0.5,
  );
  return (percentile(values, 0.5) - upper) / 2;
};

const rowOf = (report: Report, { name, what, unit, part, values }: Reading): void => {
  const value = part === 0.5 ? median(values) : percentile(values, part);
  report.row(name, what, value, unit, values.length);
};

const minutes = (ms: number): string => `${(ms / 60_000).toFixed(1)} min`;

/** False when the time did not hold all rounds. */
export const runRounds = async (
  report: Report,
  jobs: readonly Job[],
  { rounds, budgetMs, nowMs, progress }: RoundsOptions,
): Promise<boolean> => {
  const found = new Map<string, Reading>();
  const took = new Map<Job, number>();
  const fromMs = nowMs();
  let done = 0;
  const all = rounds * jobs.length;
  const isOver = (job: Job): boolean => nowMs() - fromMs + (took.get(job) ?? JOB_MS) > budgetMs;
  const runJob = async (job: Job, round: number): Promise<void> => {
    const startMs = nowMs();
    const left = (nowMs() - fromMs) * (all / Math.max(1, done) - 1);
    const about = done === 0 ? "" : `, about ${minutes(left)} left`;
    progress(`round ${round} of ${rounds}, ${++done} of ${all}: ${job.text}${about}`);
    try {
      for (const reading of await job.run()) {
        const key = `${reading.name}\n${reading.what}`;
        const values = [...(found.get(key)?.values ?? []), ...reading.values];
        found.set(key, { ...reading, values });
      }
    } catch (error) {
      report.note(`${job.text}: ${error instanceof Error ? error.message : String(error)}`);
    }
    took.set(job, nowMs() - startMs);
  };
  let isWhole = true;
  for (let round = 1; round <= rounds && isWhole; round++) {
    for (const job of jobs) {
      isWhole = !isOver(job);
      if (!isWhole) break;
      await runJob(job, round);
    }
  }
  for (const reading of found.values()) rowOf(report, reading);
  if (!isWhole) report.note(`the time was over after ${done} of ${all} measurements`);
  return isWhole;
};
