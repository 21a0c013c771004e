/**
 * Folders that are not what the node left: data that is gone, a vote store that is gone, a second process,
 * a copy. The key never signs a contradiction; where it could, the node refuses and says so.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "smol-toml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectSameChain, expectWholeLog, readNode } from "./support/audit.ts";
import { until } from "./support/clock.ts";
import { statusOf } from "./support/http.ts";
import { Load } from "./support/load.ts";
import { freePorts, makeFolder, Network, type NetworkNode } from "./support/network.ts";
import { killAll, must, NodeProcess, nexus } from "./support/processes.ts";

const CANNOT_VERIFY_EXIT = 3;
const CONFLICT_EXIT = 5;

const folder = makeFolder();
let network: Network;
let load: Load;
let a: NetworkNode;
let b: NetworkNode;
let d: NetworkNode;

beforeAll(async () => {
  network = await Network.create({ dir: join(folder.path, "net") });
  a = network.node("a");
  b = network.node("b");
  d = network.node("d");
  await network.start();
  load = await Load.open(network, 0);
});
afterAll(() => {
  killAll();
  folder.remove();
});

/** With one other node away, the three that are left need every vote. */
const expectVotes = async (away: NetworkNode, witness: NetworkNode): Promise<void> => {
  away.process.signal("SIGSTOP");
  try {
    await network.progress(witness, 3);
  } finally {
    away.process.signal("SIGCONT");
  }
  await network.healthy();
};

describe("a data folder that is gone", () => {
  it("is fetched again from peers, and the node votes again", async () => {
    await load.write("wiped", "before");
    await d.kill();
    rmSync(join(d.folder, "db"), { recursive: true });
    await load.write("wiped", "meanwhile");
    d.start();
    await network.healthy();
    await expectVotes(a, b);
    const [mine, other] = await Promise.all([d.status(), b.status()]);
    expect(mine?.logSize).toBe(other?.logSize);
  });
});

describe("a second process on the folder", () => {
  it("is refused, and the first one does not notice", async () => {
    const second = await nexus(["start", "--config", d.config]);
    expect(second.code, second.stderr).toBe(CONFLICT_EXIT);
    expect(second.stderr).toContain("folder.locked");
    expect(second.stderr).toContain(String(d.process.pid));
    await network.healthy();
  });
});

/** A second host with the same keys: everything but the ports. */
const copyOf = async (node: NetworkNode, name: string): Promise<string> => {
  const home = join(folder.path, name);
  // As a backup would: with the modes, which the node insists on.
  await must(["cp", "-a", node.folder, home]);
  const config = parse(readFileSync(join(home, "node.toml"), "utf8"));
  const port = await freePorts(2);
  const genesis = join(network.dir, "genesis.json");
  const moved = { ...config, listen: `[::1]:${port}`, api: `[::1]:${port + 1}`, genesis };
  writeFileSync(join(home, "node.toml"), stringify(moved));
  return home;
};

const apiOf = (home: string): { host: string; port: number } => {
  const { api } = parse(readFileSync(join(home, "node.toml"), "utf8"));
  return { host: "::1", port: Number(String(api).split("]:")[1]) };
};

describe("a folder put back from an old copy", () => {
  it("refuses to vote: peers know what its key has signed since", async () => {
    await d.process.stop();
    const home = await copyOf(d, "old");
    d.start();
    await network.healthy();
    await network.progress(b, 3);
    await d.process.stop();
    const config = join(home, "node.toml");
    const old = new NodeProcess({ config, logPath: join(folder.path, "old.out") });
    const refused = await until(
      "the old copy has asked its peers",
      async () => {
        if (old.over) throw new Error(`it ended:\n${old.output}`);
        const status = await statusOf(apiOf(home));
        return status?.voting === "asking" ? undefined : status;
      },
      { explain: () => old.output.slice(-3_000) },
    );
    expect(refused.voting).toBe("refused");
    expect(refused.problems.map(({ code }) => code)).toContain("votes.behind");
    expect(old.output).toContain("votes.behind");
    await network.progress(b, 3);
    await old.stop();
    d.start();
    await network.healthy();
  });
});

describe("a vote store that is gone", () => {
  const c = (): NetworkNode => network.node("c");
  const votes = (): string => join(c().folder, "keys", "votes");

  it("keeps the node from voting, which it says; the others go on", async () => {
    await Promise.all([c().process.stop(), d.process.stop()]);
    renameSync(votes(), `${votes()}.kept`);
    const process = c().start();
    const refused = await until(
      "it says that it does not vote",
      async () => {
        const status = await c().status();
        return status?.voting === "refused" ? status : undefined;
      },
      { explain: network.explain },
    );
    expect(refused.problems.map(({ code }) => code)).toContain("votes.missing");
    expect(process.output).toContain("votes.missing");
    // With d away too, a and b cannot agree on anything unless c votes.
    await network.stands([a, b, c()], 5_000);
    const stands = await until("it answers", () => c().status());
    d.start();
    await until(
      "it follows the log without voting",
      async () => {
        const now = await c().status();
        return now !== undefined && now.executedHeight > stands.executedHeight + 2;
      },
      { explain: network.explain },
    );
    expect((await c().status())?.voting).toBe("refused");
  });

  it("with the data gone too: the node fetches the log and does not vote all the same", async () => {
    await c().process.stop();
    rmSync(join(c().folder, "db"), { recursive: true });
    const from = await until("b answers", () => b.status());
    c().start();
    await until(
      "it has all that there was, and what came since",
      async () => ((await c().status())?.executedHeight ?? 0) > from.executedHeight + 2,
      { explain: network.explain },
    );
    const [mine, other] = await Promise.all([c().status(), b.status()]);
    expect(mine?.logSize).toBe(other?.logSize);
    expect(mine?.voting).toBe("refused");
    expect(mine?.problems.map(({ code }) => code)).toContain("votes.missing");
  });

  it("is got over by putting back the store that the key was last used with", async () => {
    await c().process.stop();
    rmSync(votes(), { recursive: true });
    renameSync(`${votes()}.kept`, votes());
    c().start();
    await network.healthy();
    await expectVotes(a, b);
  });
});

describe("the same key in two places at once", () => {
  it("is noticed: one of the two stops or refuses, and the network goes on", async () => {
    await d.process.stop();
    const home = await copyOf(d, "twin");
    const config = join(home, "node.toml");
    // Both begin where the other ended, so neither can know of the other from the past.
    const twin = new NodeProcess({ config, logPath: join(folder.path, "twin.out") });
    const first = d.start();
    const codes = ["votes.foreign-statement", "votes.behind"];
    const noticed = (process: NodeProcess): boolean =>
      codes.some((code) => process.output.includes(code));
    await until(
      "one of the two meets what the other signed",
      () => noticed(twin) || noticed(first),
      {
        explain: async () => `${await network.explain()}\n--- twin\n${twin.output.slice(-3_000)}`,
      },
    );
    for (const process of [twin, first]) {
      if (process.over) expect((await process.ended).code).toBe(CANNOT_VERIFY_EXIT);
    }
    await network.progress(b, 3);
    await Promise.all([twin.stop(), first.stop()]);
  });
});

describe("a copy that votes while the first stands still", () => {
  it("stops the first as soon as it goes on: its key has signed what it has not", async () => {
    const c = network.node("c");
    // d is away, so all that becomes final from here on is signed by c's key.
    expect(d.running).toBe(false);
    await network.healthy([a, b, c]);
    c.process.signal("SIGSTOP");
    const home = await copyOf(c, "copy");
    const config = join(home, "node.toml");
    const copy = new NodeProcess({ config, logPath: join(folder.path, "copy.out") });
    await network.progress(b, 6);
    expect(copy.over, copy.output).toBe(false);
    c.process.signal("SIGCONT");
    const ended = await until(
      "the first one stops",
      () => (c.process.over ? c.process.ended : undefined),
      {
        explain: async () => `${await network.explain()}\n--- copy\n${copy.output.slice(-3_000)}`,
      },
    );
    expect(c.process.output).toContain("votes.foreign-statement");
    expect(ended).toEqual({ code: CANNOT_VERIFY_EXIT, signal: null });
    await copy.stop();
  });
});

describe("afterwards", () => {
  it("all folders hold one chain", async () => {
    await network.stop();
    const nodes = await Promise.all(network.nodes.map(readNode));
    expectSameChain(nodes);
    for (const node of nodes) expectWholeLog(node);
  });
});
