/** `nexus tour`: what the ledger is for, in a minute and a half, on a network that really runs. */
import { TetradError } from "../../errors.ts";
import { randomHex, realClock } from "../../node/real-ports.ts";
import type { CliContext } from "../context.ts";
import { askControl } from "../dev/control.ts";
import { formatJson, formatNdjson, formatTable } from "../output.ts";
import { findNetwork, type TourNetwork } from "../tour/network.ts";
import { Stage } from "../tour/stage.ts";
import { STEPS, type Step, type Tour } from "../tour/steps.ts";

type TourOptions = { readonly yes?: boolean };

type StepReport = {
  readonly step: string;
  readonly shown: boolean;
  /** What was seen, or what was seen instead. */
  readonly found: string;
  readonly commands: readonly string[];
  readonly seconds: number;
};

export const tour = async (context: CliContext, options: TourOptions): Promise<void> => {
  const network = await findNetwork(context);
  try {
    await show(context, options, network);
  } finally {
    await network.stop();
  }
};

const show = async (
  context: CliContext,
  options: TourOptions,
  network: TourNetwork,
): Promise<void> => {
  const person = context.terminal.outIsTerminal && process.stdin.isTTY === true;
  const stage = new Stage(context, network.dir, person && options.yes !== true);
  const state: Tour = { stage, network, id: randomHex(8), index: 0, killed: undefined };
  const where = network.own ? "a network of its own" : `the network in ${network.dir}`;
  stage.say(`A tour of ${STEPS.length} steps on ${where}. Every command is run as you see it,`);
  stage.say(`with --dir ${network.dir}, and every claim is looked up on the nodes.`);
  const reports: StepReport[] = [];
  try {
    for (const [i, step] of STEPS.entries()) {
      const report = await play(state, step, `${i + 1}/${STEPS.length}`);
      reports.push(report);
      if (!report.shown) break;
      if (i + 1 < STEPS.length) await stage.turn();
    }
  } finally {
    await leaveWhole(state);
  }
  conclude(stage, reports);
};

/** Plays one step; what its claim breaks on is its report, everything else is thrown. */
const play = async (state: Tour, step: Step, place: string): Promise<StepReport> => {
  const { stage } = state;
  const startedMs = realClock.monotonicMs();
  stage.title(`${place}  ${step.title}`);
  let shown = true;
  let found: string;
  try {
    found = await step.run(state);
    stage.shown(found);
  } catch (error) {
    if (!(error instanceof TetradError)) throw error;
    shown = false;
    found = error.code === "tour.failed" ? error.message : `${error.code}: ${error.message}`;
    stage.say(`  ${stage.style("red", "✗")} ${found}`);
  }
  const seconds = Math.round((realClock.monotonicMs() - startedMs) / 100) / 10;
  return { step: step.name, shown, found, commands: stage.takeCommands(), seconds };
};

/** A tour that ends early leaves no node down. */
const leaveWhole = async ({ network, killed }: Tour): Promise<void> => {
  if (killed === undefined || network.own) return;
  const request = { action: "start", node: killed.name } as const;
  await askControl(network.dir, request, new AbortController().signal).catch(() => {});
};

const conclude = (stage: Stage, reports: readonly StepReport[]): void => {
  const { terminal, format } = stage.context;
  if (format === "json") terminal.out(formatJson(reports));
  else if (format === "ndjson") for (const one of reports) terminal.out(formatNdjson(one));
  else {
    stage.title("What you have seen");
    const rows = reports.map(({ step, shown, found, seconds }) => ({
      step,
      shown: shown ? "yes" : "fail",
      seconds,
      found,
    }));
    const columns = ["step", "shown", "seconds", "found"];
    terminal.out(
      formatTable(columns, rows, terminal.colorOut, (column, cell) =>
        column !== "shown" ? undefined : cell === "yes" ? "green" : "red",
      ),
    );
  }
  stage.say();
  stage.say("More: README.md, docs/architecture.md (how it works), docs/cli.md (every verb),");
  stage.say("docs/api.md (the same over HTTP), docs/operating.md (a network of your own).");
  const failed = reports.find(({ shown }) => !shown);
  if (failed !== undefined) throw new TetradError("tour.failed", `${failed.step}: ${failed.found}`);
};
