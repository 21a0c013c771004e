/**
 * Four validators on four hosts, two of which have no route to each other: one of the two says that it cannot be
 * dialled. They vote together through relays, through another when one is killed, and directly again when there
 * is a route.
 */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectAllThere, expectSameChain, expectWholeLog, readNode } from "./support/audit.ts";
import { until } from "./support/clock.ts";
import { Load } from "./support/load.ts";
import { makeFolder, NAMES, Network, type NetworkNode } from "./support/network.ts";
import { killAll, nexus } from "./support/processes.ts";
import { sandboxProblem, skipUnlessCi } from "./support/sandbox.ts";
import { API_PORT, type Host, QUIC_PORT, Wires } from "./support/wires.ts";

const problem = await sandboxProblem("networks");
const folder = makeFolder();
let wires: Wires;
let network: Network;
let load: Load;

const start = (node: NetworkNode): void => {
  const host = hostOf(node);
  node.start({ prefix: host.sandbox.prefix, endpoint: host.api });
};

const hostOf = (node: NetworkNode): Host => {
  const host = wires.hosts[NAMES.indexOf(node.name)];
  if (host === undefined) throw new Error(`no host of ${node.name}`);
  return host;
};

const parts = (): readonly [NetworkNode, NetworkNode, NetworkNode, NetworkNode] => {
  const [a, b, c, d] = network.nodes;
  if (a === undefined || b === undefined || c === undefined || d === undefined) {
    throw new Error("four nodes");
  }
  return [a, b, c, d];
};

/** No way from one host to the other: what is sent is refused on the spot. */
const setRoute = (from: NetworkNode, to: NetworkNode, state: "open" | "shut"): Promise<string> =>
  hostOf(from).sandbox.shell(
    `ip -6 route ${state === "shut" ? "add" : "del"} unreachable ${hostOf(to).ipv6}/128`,
  );

type PeerRow = {
  readonly name: string;
  readonly state: string;
  readonly via: string | null;
  readonly id: string;
};

/** What `nexus peers` says on the host of a node; undefined while it gives no answer. */
const peersOf = async (node: NetworkNode): Promise<readonly PeerRow[] | undefined> => {
  const asked = ["peers", "--api", `http://[::1]:${API_PORT}`, "-o", "json"];
  const said = await nexus(asked, hostOf(node).sandbox.prefix);
  if (said.code !== 0) return undefined;
  const read: unknown = JSON.parse(said.stdout);
  return (Array.isArray(read) ? read : undefined) as readonly PeerRow[] | undefined;
};

/** The name of the relay between two nodes, "direct", or undefined where there is no session. */
const viaBetween = async (from: NetworkNode, to: NetworkNode): Promise<string | undefined> => {
  const rows = await peersOf(from);
  const row = rows?.find(({ name }) => name === to.name);
  if (row?.state !== "up") return undefined;
  if (row.via === null) return "direct";
  return rows?.find(({ id }) => id === row.via)?.name;
};

beforeAll(async () => {
  if (problem !== undefined) return;
  wires = await Wires.open(4, folder.path);
  network = await Network.create({
    dir: join(folder.path, "net"),
    listen: (i) => `[${wires.hosts[i]?.ipv6}]:${QUIC_PORT}`,
    api: () => ({ host: "::1", port: API_PORT }),
  });
  const [a, b, c, d] = parts();
  for (const relay of [b, c]) appendFileSync(relay.config, "relay = true\n");
  appendFileSync(d.config, "reachable = false\n");
  await setRoute(a, d, "shut");
  await setRoute(d, a, "shut");
});
afterAll(async () => {
  killAll();
  await wires?.close();
  folder.remove();
});

describe("two validators without a route between them", () => {
  it("have a session through a relay, and the chain goes on", async (context) => {
    skipUnlessCi(context, problem);
    const [a, , , d] = parts();
    for (const node of network.nodes) start(node);
    await network.healthy();
    load = await Load.open(network, 2);
    await load.write("relayed", "first");
    await until("a reaches d through a relay", async () =>
      ["b", "c"].includes((await viaBetween(a, d)) ?? ""),
    );
    await until("and d reaches a", async () => ["b", "c"].includes((await viaBetween(d, a)) ?? ""));
    const table = await nexus(
      ["peers", "--api", `http://[::1]:${API_PORT}`],
      hostOf(a).sandbox.prefix,
    );
    expect(table.stdout).toMatch(/^NAME .*\bVIA\b/m);
    expect(table.stdout).toMatch(/^b .*\bdirect\b/m);
    expect(table.stdout).toMatch(/^d .*\b[bc]\b/m);
  });

  it("go on through the other relay when theirs is killed: three of four need every vote", async (context) => {
    skipUnlessCi(context, problem);
    const [a, b, c, d] = parts();
    load.start(4);
    await load.served();
    const first = await viaBetween(a, d);
    const [killed, other] = first === "b" ? [b, c] : [c, b];
    await killed.kill();
    await until(
      "a reaches d through the other relay",
      async () =>
        (await viaBetween(a, d)) === other.name && (await viaBetween(d, a)) === other.name,
      { limitMs: 90_000, explain: network.explain },
    );
    await network.progress(a, 3);
    await network.progress(d, 3);
    start(killed);
    await network.healthy();
    await load.stop();
  });

  it("go back to the direct way when there is one, and lose no session by it", async (context) => {
    skipUnlessCi(context, problem);
    const [a, , , d] = parts();
    await setRoute(a, d, "open");
    await setRoute(d, a, "open");
    await until(
      "both send directly",
      async () => (await viaBetween(a, d)) === "direct" && (await viaBetween(d, a)) === "direct",
      { limitMs: 120_000, explain: network.explain },
    );
    const changes = a.printed.split("\n").filter((line) => line.includes("path changed"));
    expect(changes.some((line) => line.includes("better"))).toBe(true);
    await network.progress(a, 3);
    await load.write("relayed", "last");
  });

  it("leave one chain with everything that was acknowledged", async (context) => {
    skipUnlessCi(context, problem);
    await network.holds(load.acknowledged);
    expect(await network.stop()).toEqual([0, 0, 0, 0]);
    const nodes = await Promise.all(network.nodes.map(readNode));
    expectSameChain(nodes);
    for (const node of nodes) {
      expectWholeLog(node);
      expectAllThere(node, load.acknowledged);
    }
  });
});
