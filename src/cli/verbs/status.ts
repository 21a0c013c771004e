/** `nexus status`: how the nodes are. All of a development network, or the one that --api names. */
import { ApiClient, type StatusJson } from "../../client/api.ts";
import { TetradError } from "../../errors.ts";
import { type Asked, askStatus, requireChain } from "../ask.ts";
import type { CliContext } from "../context.ts";
import { byMeaning, printable, type Row, short } from "../output.ts";
import { type WatchOptions, watching } from "../watch.ts";

type Target = {
  readonly name: string;
  readonly api: string;
  /** Of the folder that the address is from; undefined for an address that somebody gave. */
  readonly chainId: string | undefined;
};

type Answer = Target & { readonly asked: Asked };

/** The addresses to ask: one when it was named, else every node of the development network. */
const targets = (context: CliContext): readonly Target[] => {
  const known = context.apiIsNamed ? undefined : context.dev();
  if (known === undefined) return [{ name: "-", api: context.apiUrl(), chainId: undefined }];
  const { nodes, chainId } = known;
  return nodes.map((node) => ({ name: node.name, api: `http://${node.api}`, chainId }));
};

export const status = (context: CliContext, options: WatchOptions): Promise<void> =>
  watching(context, options, showStatus);

const showStatus = async (context: CliContext): Promise<void> => {
  const answers = await Promise.all(
    targets(context).map(
      async (target): Promise<Answer> => ({
        ...target,
        asked: await askStatus(target.api, context.signal),
      }),
    ),
  );
  print(context, answers, await namesOf(context, answers));
  for (const { api, chainId, asked } of answers) {
    if (typeof asked === "object") requireChain(api, chainId ?? asked.chainId, asked.chainId);
  }
  if (answers.every(({ asked }) => typeof asked === "string")) {
    const where = answers.map((answer) => answer.api).join(", ");
    throw new TetradError("cli.unreachable", `no node answers at ${where}`);
  }
  context.suggest("nexus ls records", "nexus tail");
};

const jsonOf = ({ name, api, asked }: Answer): unknown =>
  typeof asked === "object" ? asked : { name, api, down: true, reason: asked };

type Named = { readonly id?: unknown; readonly name?: unknown };

/** Names of validators by id: also of those that do not answer or were not asked. */
const namesOf = async (
  context: CliContext,
  answers: readonly Answer[],
): Promise<ReadonlyMap<string, string>> => {
  const statuses = statusesOf(answers);
  const names = new Map(statuses.map(({ nodeId, name }) => [nodeId, name]));
  const isKnown = statuses.every(({ leader }) => names.has(leader));
  const first = answers.find(({ asked }) => typeof asked === "object");
  if (isKnown || first === undefined || context.format !== "table") return names;
  try {
    const body = await new ApiClient(first.api).get("/v1/validators", {}, context.signal);
    const items: unknown = body["items"];
    for (const one of (Array.isArray(items) ? items : []) as readonly (Named | null)[]) {
      names.set(String(one?.id), printable(String(one?.name)));
    }
  } catch (error) {
    // It has answered a moment ago; without the names the ids are shown.
    if (!(error instanceof TetradError)) throw error;
  }
  return names;
};

const statusesOf = (answers: readonly Answer[]): readonly StatusJson[] =>
  answers.flatMap(({ asked }) => (typeof asked === "object" ? [asked] : []));

const print = (
  context: CliContext,
  answers: readonly Answer[],
  names: ReadonlyMap<string, string>,
): void => {
  const statuses = statusesOf(answers);
  const rows = answers.map((answer) => rowOf(answer, names));
  context.printList(answers.map(jsonOf), COLUMNS, rows, byMeaning("voting"));
  if (context.format !== "table") return;
  for (const value of statuses) {
    for (const problem of value.problems) {
      context.note(printable(`${value.name}: ${problem.code}: ${problem.detail}`));
    }
  }
  const degraded = statuses.find(({ stake }) => stake?.degraded === true);
  if (degraded !== undefined) {
    const { epoch } = degraded;
    context.note(
      `epoch ${epoch} is degraded: less than two thirds of the power of those who stay was proven in epoch ${epoch - 2}, and powers of before stay`,
    );
  }
};

const COLUMNS = [
  "node",
  "api",
  "voting",
  "height",
  "epoch",
  "view",
  "leader",
  "peers",
  "events",
  "checkpoint",
  "waiting",
  "view_ms",
  "state",
];

const rowOf = ({ name, api, asked: value }: Answer, names: ReadonlyMap<string, string>): Row => {
  if (typeof value === "string") return { node: name, api, voting: value };
  return {
    node: value.name,
    api,
    voting: value.voting,
    height: value.finalHeight,
    epoch: value.epoch,
    view: value.view,
    leader: names.get(value.leader) ?? short(value.leader, 9),
    peers: value.peers.length,
    events: value.logSize,
    checkpoint: value.checkpoint?.size ?? "-",
    waiting: value.mempoolBatches,
    view_ms: Math.round(value.viewTimeMs),
    state: short(value.stateRoot, 9),
  };
};
