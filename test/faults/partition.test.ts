/**
 * Four validators on four hosts with real IPv6 addresses, from four configuration files: links that are
 * cut, a network in halves, and peers that come over IPv4.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "smol-toml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectAllThere, expectSameChain, expectWholeLog, readNode } from "./support/audit.ts";
import { pause, SHORT, until } from "./support/clock.ts";
import { Load } from "./support/load.ts";
import { makeFolder, Network, type NetworkNode } from "./support/network.ts";
import { killAll, nexus } from "./support/processes.ts";
import { sandboxProblem, skipUnlessCi } from "./support/sandbox.ts";
import { API_PORT, type Host, QUIC_PORT, Wires } from "./support/wires.ts";

const IPV4_EXIT = 1;
const CUT_MS = SHORT ? 4_000 : 20_000;

const problem = await sandboxProblem("networks");
const folder = makeFolder();
let wires: Wires;
let network: Network;
let load: Load;

const start = (node: NetworkNode, host: Host): void => {
  node.start({ prefix: host.sandbox.prefix, endpoint: host.api });
};

const parts = (): readonly [NetworkNode, NetworkNode, NetworkNode, NetworkNode] => {
  const [a, b, c, d] = network.nodes;
  if (a === undefined || b === undefined || c === undefined || d === undefined) {
    throw new Error("four nodes");
  }
  return [a, b, c, d];
};

beforeAll(async () => {
  if (problem !== undefined) return;
  wires = await Wires.open(4, folder.path);
  network = await Network.create({
    dir: join(folder.path, "net"),
    listen: (i) => `[${wires.hosts[i]?.ipv6}]:${QUIC_PORT}`,
    api: () => ({ host: "::1", port: API_PORT }),
  });
});
afterAll(async () => {
  killAll();
  await wires?.close();
  folder.remove();
});

describe("four hosts", () => {
  it("form one network from four configuration files", async (context) => {
    skipUnlessCi(context, problem);
    for (const [i, node] of network.nodes.entries()) {
      const { listen } = parse(readFileSync(node.config, "utf8"));
      expect(listen).toBe(`[fd00:7e77::${i + 1}]:${QUIC_PORT}`);
      const host = wires.hosts[i];
      if (host !== undefined) start(node, host);
    }
    await network.healthy();
    load = await Load.open(network, 2);
    await load.write("hosts", "first");
  });

  it("take no datagram and no request over IPv4", async (context) => {
    skipUnlessCi(context, problem);
    const [first] = wires.hosts;
    if (first === undefined) throw new Error("no host");
    // The same question over IPv6 shows that the silence is that of an open port.
    expect(await wires.probe(1, "udp6", first.ipv6, QUIC_PORT)).toBe("silent");
    expect(await wires.probe(1, "udp4", first.ipv4, QUIC_PORT)).toBe("refused");
    const sockets = await first.sandbox.shell(
      "tail -n +2 /proc/net/udp /proc/net/tcp | grep : ||:",
    );
    expect(sockets).toBe("");
    await network.healthy();
  });

  it("refuse an IPv4 address in the configuration, and one that is dressed as IPv6", async (context) => {
    skipUnlessCi(context, problem);
    const [a] = parts();
    for (const listen of ["10.77.0.1:4441", "[::ffff:10.77.0.1]:4441"]) {
      const refused = await nexus(["start", "--config", a.config, "--listen", listen]);
      expect(refused.stderr, listen).toContain("transport.ipv4");
      expect(refused.code, listen).toBe(IPV4_EXIT);
    }
  });
});

describe("a cut link", () => {
  it("leaves three that go on and one that stands; healed, it catches up and votes", async (context) => {
    skipUnlessCi(context, problem);
    const [a, b, c, d] = parts();
    load.start(4);
    await load.served();
    await wires.setLink(3, "down");
    await network.stands([d], CUT_MS);
    await network.progress(b, 5);
    const before = await until("it answers", () => d.status());
    await wires.setLink(3, "up");
    await network.healthy();
    const after = await until("it answers", () => d.status());
    expect(after.finalHeight).toBeGreaterThan(before.finalHeight + 4);
    await load.stop();
    // Without a, the other three need every vote.
    await wires.setLink(0, "down");
    await network.progress(c, 3);
    await wires.setLink(0, "up");
    await network.healthy([a, b, c, d]);
  });
});

describe("a network in halves", () => {
  it("stands on both sides, and goes on when they meet again", async (context) => {
    skipUnlessCi(context, problem);
    const [a] = parts();
    await Promise.all([wires.plugInto(2, 1), wires.plugInto(3, 1)]);
    await network.stands(network.nodes, CUT_MS);
    await Promise.all([wires.plugInto(2, 0), wires.plugInto(3, 0)]);
    await network.progress(a, 3);
    await network.healthy();
    await load.write("halves", "after");
  });
});

describe("all links cut", () => {
  it("stand still and go on together", async (context) => {
    skipUnlessCi(context, problem);
    const [a] = parts();
    await Promise.all([0, 1, 2, 3].map((i) => wires.setLink(i, "down")));
    await network.stands(network.nodes, 2_000);
    await pause(1_000);
    await Promise.all([0, 1, 2, 3].map((i) => wires.setLink(i, "up")));
    await network.progress(a, 3);
    await network.healthy();
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
