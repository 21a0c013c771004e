/** `nexus sim explain`: the picture of a run, as one page. */
import { resolve } from "node:path";
import {
  PictureCollector,
  picturePage,
  record,
  replayCommand,
  simulateAgain,
  verdictOf,
} from "../../../sim/index.ts";
import { TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import type { CliContext } from "../context.ts";
import { codeVersion } from "./code.ts";
import { checkFile, fileName, writeNamed } from "./files.ts";
import { type Chosen, oneScenario, ownChecks } from "./load.ts";

type ExplainOptions = Chosen & {
  readonly from?: number;
  readonly to?: number;
  readonly out?: string;
};

export const simExplain = async (
  context: CliContext,
  options: ExplainOptions,
  given?: string,
): Promise<void> => {
  const { name, scenario } = oneScenario(context, options, given);
  if ((options.from ?? 0) > (options.to ?? Number.MAX_SAFE_INTEGER)) {
    throw new TetradError("cli.usage", "--from is after --to");
  }
  const file = options.out ?? `${fileName(scenario.name)}.html`;
  checkFile(resolve(context.cwd, file));
  const own = await ownChecks(context, options);
  const collector = new PictureCollector(scenario, {
    fromMs: options.from,
    toMs: options.to,
    messagesMax: LIMITS.simPictureMessagesMax,
    eventsMax: LIMITS.simPictureEventsMax,
  });
  const drawn = record(
    scenario,
    {
      moment: (moment) => collector.moment(moment),
      status: (slot, status, atUs) => collector.status(slot, status, atUs),
    },
    own,
  );
  // What passes alone may still be a failure of two runs that differ.
  const result = drawn.violation === undefined ? simulateAgain(drawn, own) : drawn;
  const data = collector.finish(result, {
    title: scenario.name,
    verdict: verdictOf(result),
    commit: codeVersion(),
    replay: replayCommand(name, options.with),
  });
  writeNamed(resolve(context.cwd, file), await picturePage(data));
  const shown = {
    file,
    outcome: result.outcome,
    invariant: result.violation?.id ?? null,
    messages: data.messages.length,
    messagesLeftOut: data.leftOut.messages,
    fromMs: Math.floor(data.fromUs / 1000),
    toMs: Math.floor(data.untilUs / 1000),
  };
  context.print(shown, Object.entries(shown));
  if (data.leftOut.messages > 0) {
    context.note("messages were left out: --from and --to choose another span");
  }
};
