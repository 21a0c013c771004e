/**
 * What a stream costs: our two QUIC drivers beside plain TCP, TLS over TCP and the stream layer that
 * `@matrixai/quic` ships, both ends on this machine over [::1], each end a process, all in one run and by
 * turns, so that load from elsewhere meets all of them. After them, bulk as two nodes move it.
 *
 *   npm run bench -- transport [--quick] [--svg FILE]      (transport/options.ts has the rest)
 */
import { readFileSync, writeFileSync } from "node:fs";
import { realClock } from "../src/node/real-ports.ts";
import { createReport } from "./report.ts";
import { bulkJobs } from "./transport/bulk.ts";
import { setupsAt, subjectJobs } from "./transport/jobs.ts";
import { lossyProblem } from "./transport/lossy.ts";
import { readOptions, type TransportOptions, USAGE } from "./transport/options.ts";
import { parseRows, transportPlot } from "./transport/plot.ts";
import { runRounds } from "./transport/rounds.ts";
import { SUBJECTS } from "./transport/subjects.ts";

const optionsOrUsage = (): TransportOptions | undefined => {
  try {
    return readOptions(
      process.argv.slice(2),
      SUBJECTS.map(({ name }) => name),
    );
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
    process.exitCode = 1;
    return undefined;
  }
};

const main = async (options: TransportOptions): Promise<void> => {
  if (options.svg !== undefined && options.rows !== undefined) {
    writeFileSync(options.svg, transportPlot(parseRows(readFileSync(options.rows, "utf8"))));
    return;
  }
  const report = createReport("transport");
  const parts = new Set(options.parts);
  const problem = parts.has("loss") ? await lossyProblem() : undefined;
  if (problem !== undefined) {
    report.note(`loss is not measured, there can be no network for it here: ${problem}`);
    parts.delete("loss");
  }
  const chosen = SUBJECTS.filter(({ name }) => options.only?.has(name) ?? true);
  const bulk = parts.has("bulk") ? bulkJobs(options) : undefined;
  try {
    const setupOf = setupsAt(realClock.wallMs());
    const jobs = [...subjectJobs({ ...options, parts }, chosen, setupOf), ...(bulk?.jobs ?? [])];
    await runRounds(report, jobs, {
      rounds: options.rounds,
      budgetMs: options.minutes * 60_000,
      nowMs: () => realClock.monotonicMs(),
      progress: (text) => report.note(text),
    });
    if (options.svg !== undefined) writeFileSync(options.svg, transportPlot(report.rows));
  } finally {
    bulk?.close();
  }
};

const options = optionsOrUsage();
if (options !== undefined) {
  await main(options);
  process.exit();
}
