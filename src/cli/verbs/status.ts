/** `nexus status`: how the nodes are. All of a development network, or the one that --api names. */
import { ApiClient, type StatusJson } from "../../client/api.ts";
import { TetradError } from "../../errors.ts";
import type { CliContext } from "../context.ts";
import { formatJson, formatNdjson, formatTable, printable, type Row, short } from "../output.ts";

type Answer = {
  readonly name: string;
  readonly api: string;
  readonly status: StatusJson | undefined;
};

/** The addresses to ask: one when it was named, else every node of the development network. */
const targets = (
  context: CliContext,
): readonly { readonly name: string; readonly api: string }[] => {
  const named = context.options.api ?? context.env["NEXUS_API"];
  const nodes = context.dev()?.nodes ?? [];
  if ((named !== undefined && named !== "") || nodes.length === 0) {
    return [{ name: "-", api: context.apiUrl() }];
  }
  return nodes.map((node) => ({ name: node.name, api: `http://${node.api}` }));
};

/** A node that takes longer to say how it is hangs. */
const ANSWER_MS = 3_000;

export const status = async (context: CliContext): Promise<void> => {
  const answers = await Promise.all(
    targets(context).map(async ({ name, api }): Promise<Answer> => {
      try {
        return {
          name,
          api,
          status: await new ApiClient(api).statusWithin(ANSWER_MS, context.signal),
        };
      } catch (error) {
        if (error instanceof TetradError && error.code === "cli.unreachable") {
          return { name, api, status: undefined };
        }
        throw error;
      }
    }),
  );
  print(context, answers);
  if (answers.every((answer) => answer.status === undefined)) {
    const where = answers.map((answer) => answer.api).join(", ");
    throw new TetradError("cli.unreachable", `no node answers at ${where}`);
  }
  context.suggest("nexus ls records", "nexus tail");
};

const print = (context: CliContext, answers: readonly Answer[]): void => {
  const { terminal } = context;
  const values = answers.map(({ name, api, status: value }) => value ?? { name, api, down: true });
  if (context.format === "json") terminal.out(formatJson(values));
  else if (context.format === "ndjson")
    for (const value of values) terminal.out(formatNdjson(value));
  else {
    const names = new Map(answers.map((answer) => [answer.status?.nodeId, answer.status?.name]));
    const columns = [
      "node",
      "api",
      "voting",
      "height",
      "view",
      "leader",
      "peers",
      "events",
      "waiting",
      "view_ms",
      "state",
    ];
    const rows = answers.map((answer) => rowOf(answer, names));
    terminal.out(formatTable(columns, rows, terminal.colorOut));
    for (const { status: value } of answers) {
      for (const problem of value?.problems ?? []) {
        context.note(printable(`${value?.name}: ${problem.code}: ${problem.detail}`));
      }
    }
  }
};

const rowOf = (
  { name, api, status: value }: Answer,
  names: ReadonlyMap<string | undefined, string | undefined>,
): Row => {
  if (value === undefined) return { node: name, api, voting: "down" };
  return {
    node: value.name,
    api,
    voting: value.voting,
    height: value.finalHeight,
    view: value.view,
    leader: names.get(value.leader) ?? short(value.leader, 9),
    peers: value.peers.length,
    events: value.logSize,
    waiting: value.mempoolBatches,
    view_ms: Math.round(value.viewTimeMs),
    state: short(value.stateRoot, 9),
  };
};
