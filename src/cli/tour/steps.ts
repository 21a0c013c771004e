/**
 * The steps of the tour. Each runs commands that people would type, and then looks for itself, through the
 * API of every node, whether what it claims is so; a step whose claim does not hold throws tour.failed.
 */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ApiClient, type StatusJson } from "../../client/api.ts";
import { TetradError } from "../../errors.ts";
import { sleep } from "../../node/real-ports.ts";
import { askStatus } from "../ask.ts";
import type { DevNode } from "../dev/record.ts";
import { forgeBatch } from "./forge.ts";
import type { TourNetwork } from "./network.ts";
import { proveEvent } from "./proof-step.ts";
import { notShown, type Stage } from "./stage.ts";

/** What the steps hand on to those after them. */
export type Tour = {
  readonly stage: Stage;
  readonly network: TourNetwork;
  /** Makes the names of this tour's records its own. */
  readonly id: string;
  /** Index of the event that the tour has written. */
  index: number;
  /** The node that was killed. */
  killed: DevNode | undefined;
};

export type Step = {
  readonly name: string;
  readonly title: string;
  readonly run: (tour: Tour) => Promise<string>;
};

const apiOf = (node: DevNode): string => `http://${node.api}`;

const signalOf = (tour: Tour): AbortSignal => tour.stage.context.signal;

const statusOf = async (tour: Tour, node: DevNode): Promise<StatusJson | undefined> => {
  const asked = await askStatus(apiOf(node), signalOf(tour));
  return typeof asked === "object" && asked.chainId === tour.network.record.chainId
    ? asked
    : undefined;
};

const LOOK_MS = 200;

/** Looks until the answer is there; undefined when the time is over. */
const until = async <T>(
  tour: Tour,
  limitMs: number,
  look: () => Promise<T | undefined>,
): Promise<T | undefined> => {
  const endMs = Date.now() + limitMs;
  for (;;) {
    signalOf(tour).throwIfAborted();
    const found = await look();
    if (found !== undefined || Date.now() > endMs) return found;
    await sleep(LOOK_MS);
  }
};

/** The text of a record on one node; undefined where it is not there. */
const recordText = async (tour: Tour, node: DevNode, key: string): Promise<string | undefined> => {
  try {
    const path = `/v1/projections/records/${encodeURIComponent(key)}`;
    const row = await new ApiClient(apiOf(node)).get(path, {}, signalOf(tour));
    return (row["value"] as { readonly text?: string }).text;
  } catch (error) {
    if (error instanceof TetradError && error.code === "http.not-found") return undefined;
    throw error;
  }
};

/** Waits until each of the nodes has the record; throws when one has not. */
const onEach = async (
  tour: Tour,
  nodes: readonly DevNode[],
  key: string,
  text: string,
): Promise<void> => {
  for (const node of nodes) {
    const found = await until(tour, 10_000, async () => {
      const there = await recordText(tour, node, key);
      return there === text ? there : undefined;
    });
    if (found === undefined) throw notShown(`node ${node.name} does not have ${key}`);
  }
};

const survey: Step = {
  name: "network",
  title: "Four validators, four processes, one log",
  async run(tour) {
    const { stage, network } = tour;
    const { nodes } = network.record;
    await stage.succeeds(["status"]);
    const statuses = await Promise.all(nodes.map((node) => statusOf(tour, node)));
    const voting = statuses.filter((one) => one?.voting === "yes").length;
    const chains = new Set(statuses.map((one) => one?.genesisHash));
    if (voting !== nodes.length || chains.size !== 1) {
      throw notShown(`${voting} of ${nodes.length} nodes vote, on ${chains.size} chain(s)`);
    }
    return `${voting} of ${nodes.length} nodes vote on chain ${network.record.chainId}`;
  },
};

const append: Step = {
  name: "append",
  title: "Append a record: it is signed here, agreed by the validators, and then on each of them",
  async run(tour) {
    const { stage, network, id } = tour;
    const key = `tour/${id}`;
    const text = "written by the tour";
    const ran = await stage.succeeds(["append", key, text]);
    const index = /^ *(\d+) +record\.put +accepted/m.exec(ran.stdout)?.[1];
    if (index === undefined) throw notShown("the record was not accepted");
    tour.index = Number(index);
    const { nodes } = network.record;
    const last = nodes.at(-1) ?? notThere();
    await onEach(tour, nodes, key, text);
    await stage.succeeds(["get", "records", key, "--api", apiOf(last)]);
    return `event ${index} has the same words on all ${nodes.length} nodes`;
  },
};

const prove: Step = {
  name: "prove",
  title: "Prove that record to somebody who has only the genesis, and asks no node",
  run: (tour) => proveEvent(tour.stage, tour.index, tour.id),
};

const notThere = (): never => {
  throw notShown("the network has no nodes");
};

/** Heights that must become final without the node that led. */
const HEIGHTS = 3;

const kill: Step = {
  name: "kill the leader",
  title: "Kill the leader with kill -9: the others agree on the next one and go on",
  async run(tour) {
    const { stage, network, id } = tour;
    const { nodes } = network.record;
    const statuses = await Promise.all(nodes.map((node) => statusOf(tour, node)));
    const leader = statuses.find((one) => one !== undefined)?.leader;
    const at = statuses.findIndex((one) => one?.nodeId === leader);
    const victim = nodes[at] ?? nodes[0] ?? notThere();
    const rest = nodes.filter((node) => node !== victim);
    const witness = rest[0] ?? notThere();
    await stage.succeeds(["dev", "kill", victim.name, "--hold", "120"], { linesMax: 3 });
    tour.killed = victim;
    if ((await statusOf(tour, victim)) !== undefined)
      throw notShown(`${victim.name} answers still`);
    const before = await statusOf(tour, witness);
    if (before === undefined) throw notShown(`${witness.name} does not answer`);
    const text = `${victim.name} is down`;
    const key = `tour/${id}-down`;
    await stage.succeeds(["append", key, text, "--api", apiOf(witness)]);
    await onEach(tour, rest, key, text);
    const { height, over } = await watchHeights(tour, witness, before.finalHeight);
    return (
      `node ${victim.name} is dead, heights went from ${before.finalHeight} to ${height}, and ` +
      `${over === 1 ? "1 view without a block was" : `${over} views without a block were`} passed over`
    );
  },
};

/** The view of the block of a height, and how many views between its parent's and its own had no block. */
const viewsOf = async (
  tour: Tour,
  node: DevNode,
  height: number,
): Promise<{ readonly view: number; readonly empty: number }> => {
  const path = `/v1/blocks/${height}`;
  const block = await new ApiClient(apiOf(node)).get(path, {}, signalOf(tour));
  const { view, parentView } = block["header"] as Readonly<Record<"view" | "parentView", number>>;
  // Views begin anew with an epoch.
  return { view, empty: Math.max(0, view - parentView - 1) };
};

/**
 * Shows heights of one node as they become final, each with the view of its block, until the dead node's turn
 * to lead has been passed over.
 */
const watchHeights = async (
  tour: Tour,
  node: DevNode,
  from: number,
): Promise<{ readonly height: number; readonly over: number }> => {
  const { stage } = tour;
  stage.say(`  heights as node ${node.name} sees them:`);
  let height = from;
  let over = 0;
  const isReached = await until(tour, 30_000, async () => {
    const final = (await statusOf(tour, node))?.finalHeight ?? height;
    while (height < final) {
      height += 1;
      const { view, empty } = await viewsOf(tour, node, height);
      stage.say(`    height ${height}  view ${view}${empty > 0 ? `  ${empty} passed over` : ""}`);
      over += empty;
    }
    return (height >= from + HEIGHTS && over > 0) || undefined;
  });
  if (isReached === undefined) {
    throw notShown(
      height === from
        ? `heights stand still at ${height}`
        : `heights went on to ${height}, and no view was passed over`,
    );
  }
  return { height, over };
};

const forge: Step = {
  name: "forge",
  title: "Forge a batch: the operator's signature under words that the operator has not signed",
  async run(tour) {
    const { stage, network, id } = tour;
    const alive = network.record.nodes.filter((node) => node !== tour.killed);
    const target = alive[0] ?? notThere();
    const key = `tour/${id}-forged`;
    const words = { signed: "pay 1", claimed: "pay 9" };
    const client = new ApiClient(apiOf(target));
    const bytes = await forgeBatch(stage.context, network.dir, client, key, words);
    const file = join(network.dir, `forged-${id}.batch`);
    writeFileSync(file, bytes, { mode: 0o600 });
    try {
      stage.say(
        `  signed were "${words.signed}", the batch says "${words.claimed}", hashes made anew:`,
      );
      const ran = await stage.nexus(["append", "--batch", file, "--api", apiOf(target)]);
      if (ran.code !== 2 || !ran.stderr.includes("batch.signature")) {
        throw notShown(`the forged batch was not refused for its signature (exit ${ran.code})`);
      }
    } finally {
      rmSync(file, { force: true });
    }
    for (const node of alive) {
      if ((await recordText(tour, node, key)) !== undefined) {
        throw notShown(`node ${node.name} has taken the forged record`);
      }
    }
    return "refused with batch.signature, exit code 2; no node has the words";
  },
};

const restart: Step = {
  name: "restart",
  title: "Start the killed node again: it fetches what it has missed, checks it, and votes",
  async run(tour) {
    const { stage, network, id } = tour;
    const victim = tour.killed ?? notThere();
    const other = network.record.nodes.find((node) => node !== victim) ?? notThere();
    await stage.succeeds(["dev", "start", victim.name], { linesMax: 3 });
    const caughtUp = await until(tour, 45_000, async () => {
      const [mine, theirs] = await Promise.all([statusOf(tour, victim), statusOf(tour, other)]);
      if (mine?.voting !== "yes" || mine.executedHeight !== theirs?.executedHeight)
        return undefined;
      return mine.stateRoot === theirs.stateRoot ? mine : "different";
    });
    if (caughtUp === undefined) throw notShown(`node ${victim.name} has not caught up`);
    if (caughtUp === "different") throw notShown("the roots of two nodes differ");
    await onEach(tour, [victim], `tour/${id}-down`, `${victim.name} is down`);
    await stage.succeeds(["get", "records", `tour/${id}-down`, "--api", apiOf(victim)]);
    await stage.succeeds(["status"]);
    tour.killed = undefined;
    return `node ${victim.name} votes at height ${caughtUp.executedHeight}, with the others' state root`;
  },
};

const audit: Step = {
  name: "audit",
  title: "Audit it all from the genesis, trusting no node: every signature, tree and root again",
  async run(tour) {
    const { stage, network } = tour;
    const node = network.record.nodes[0] ?? notThere();
    const genesis = join(network.dir, "genesis.json");
    const height = (await statusOf(tour, node))?.executedHeight ?? 0;
    const args = ["audit", "--api", apiOf(node), "--genesis", genesis];
    const ran = await stage.succeeds(args);
    const audited = Number(/^height +(\d+)/m.exec(ran.stdout)?.[1] ?? Number.NaN);
    if (!/^result +clean/m.test(ran.stdout) || !(audited >= height)) {
      throw notShown(`the audit is not clean up to height ${height}`);
    }
    return `clean up to height ${audited}; the audit asked one node and believed it nothing`;
  },
};

export const STEPS: readonly Step[] = [survey, append, prove, kill, forge, restart, audit];
