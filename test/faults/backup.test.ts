/**
 * A node is backed up while the network works, restored into a new folder and started with the keys that it
 * used last. It catches up, loses nothing that was acknowledged, and its key contradicts itself nowhere.
 */
import { existsSync, renameSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  expectAllThere,
  expectHonestSigners,
  expectSameChain,
  expectWholeLog,
  readNode,
} from "./support/audit.ts";
import { Load } from "./support/load.ts";
import { makeFolder, Network, type NetworkNode } from "./support/network.ts";
import { killAll, nexus } from "./support/processes.ts";
import { VoteRecorder } from "./support/vote-recorder.ts";

const folder = makeFolder();
let network: Network;
let load: Load;
let recorder: VoteRecorder;
let d: NetworkNode;

beforeAll(async () => {
  network = await Network.create({ dir: join(folder.path, "net") });
  d = network.node("d");
  recorder = new VoteRecorder(network, join(folder.path, "votes"));
  await network.start();
  load = await Load.open(network, 4);
});
afterAll(() => {
  killAll();
  folder.remove();
});

const file = (name: string): string => join(folder.path, `${name}.tetrad`);

describe("backups under load", () => {
  it("are made of a running node, one after the other, and the network goes on", async () => {
    load.start(8);
    await network.progress(d, 5);
    for (const name of ["first", "second"]) {
      const made = await nexus(["backup", "--config", d.config, "--to", file(name)]);
      expect(made.code, made.stderr).toBe(0);
      await network.progress(d, 5);
    }
    await load.stop();
    expect(load.failure).toBeUndefined();
    await network.healthy();
  });

  it("are restored to a node that has all and contradicts nothing", async () => {
    await d.process.stop();
    const restored = join(folder.path, "restored");
    const genesis = join(network.dir, "genesis.json");
    const done = await nexus(["restore", file("first"), "--to", restored, "--genesis", genesis]);
    expect(done.code, done.stderr).toBe(0);
    expect(existsSync(join(restored, "keys"))).toBe(false);
    const old = join(folder.path, "old");
    renameSync(d.folder, old);
    renameSync(restored, d.folder);
    renameSync(join(old, "keys"), join(d.folder, "keys"));
    d.start();
    await network.healthy();
    load.start(8);
    await network.progress(d, 5);
    await load.stop();
    await network.healthy();
    await network.holds(load.acknowledged);
    await network.stop();
    const nodes = await Promise.all(network.nodes.map(readNode));
    expectSameChain(nodes);
    for (const node of nodes) {
      expectWholeLog(node);
      expectAllThere(node, load.acknowledged);
    }
    expect(load.acknowledged.length).toBeGreaterThan(20);
    expectHonestSigners(nodes, recorder.finish());
  });
});
