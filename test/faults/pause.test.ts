/** Nodes that stand still or are away: progress where a quorum is left, and none where there is not. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectSameChain, expectWholeLog, readNode } from "./support/audit.ts";
import { pause, SHORT, until } from "./support/clock.ts";
import { ask } from "./support/http.ts";
import { Load } from "./support/load.ts";
import { makeFolder, Network, type NetworkNode } from "./support/network.ts";
import { killAll } from "./support/processes.ts";

/** The last one outlives the idle timeout of the sessions. */
const PAUSES_MS = SHORT ? [5_000] : [5_000, 5_000, 20_000];
const PAUSE_MS = 5_000;
const STAND_MS = SHORT ? 5_000 : 15_000;

const folder = makeFolder();
let network: Network;
let load: Load;

beforeAll(async () => {
  network = await Network.create({ dir: join(folder.path, "net") });
  await network.start();
  load = await Load.open(network, 0);
});
afterAll(() => {
  killAll();
  folder.remove();
});

/** The node that leads at this moment, as the others see it, and the others. */
const findLeader = (): Promise<{ leader: NetworkNode; others: NetworkNode[] }> =>
  until("a node leads", async () => {
    const all = await Promise.all(network.nodes.map((node) => node.status()));
    const id = all[0]?.leader;
    const leader = network.nodes[all.findIndex((status) => status?.nodeId === id)];
    if (leader === undefined) return false;
    return { leader, others: network.nodes.filter((node) => node !== leader) };
  });

describe("a leader that is stopped for seconds (SIGSTOP)", () => {
  it("is passed over while it stands still, and catches up when it goes on", async () => {
    for (const [round, pauseMs] of PAUSES_MS.entries()) {
      const { leader, others } = await findLeader();
      const [witness] = others as [NetworkNode];
      const before = await until("the witness answers", () => witness.status());
      leader.process.signal("SIGSTOP");
      const end = Date.now() + pauseMs;
      try {
        // It leads every fourth view, so four more heights go through its turn.
        await network.progress(witness, 4);
        expect(await leader.status()).toBeUndefined();
        await pause(Math.max(0, end - Date.now()));
      } finally {
        leader.process.signal("SIGCONT");
      }
      await network.healthy();
      await load.write("paused", `round-${round}`, [leader]);
      const after = await until("it answers", () => leader.status());
      expect(after.finalHeight).toBeGreaterThanOrEqual(before.finalHeight + 4);
    }
  });

  it("votes again: without it there would be no quorum", async () => {
    const { leader, others } = await findLeader();
    leader.process.signal("SIGSTOP");
    await pause(PAUSE_MS);
    leader.process.signal("SIGCONT");
    await network.healthy();
    const [away, witness] = others as [NetworkNode, NetworkNode];
    away.process.signal("SIGSTOP");
    try {
      await network.progress(witness, 3);
    } finally {
      away.process.signal("SIGCONT");
    }
    await network.healthy();
  });
});

describe("two nodes down", () => {
  it("stop the network: nothing is final, nothing is promised", async () => {
    const up = network.nodes.slice(0, 2);
    const down = network.nodes.slice(2);
    await Promise.all(down.map((node) => node.kill()));
    await network.stands(up, STAND_MS);
    const batch = await load.sign("two-down", "waits");
    const [witness] = up as [NetworkNode];
    const answer = await ask(witness.endpoint, "/v1/batches?wait=committed&waitMs=3000", {
      method: "POST",
      body: batch.bytes,
    });
    expect(answer).toMatchObject({ status: 504, body: { code: "http.timeout" } });

    down[0]?.start();
    await network.progress(witness, 3);
    const done = await load.send(batch, network.nodes.slice(0, 3));
    expect(done.height).toBeGreaterThan(0);
    await network.healthy(network.nodes.slice(0, 3));
  });

  it("leave no fork: the last one back has the same chain", async () => {
    network.nodes[3]?.start();
    await network.healthy();
    expect(await network.stop()).toEqual([0, 0, 0, 0]);
    const nodes = await Promise.all(network.nodes.map(readNode));
    expectSameChain(nodes);
    for (const node of nodes) expectWholeLog(node);
  });
});
