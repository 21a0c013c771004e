/** What the simulator could do at most: its queue with nothing in it, and its network between nodes that do nothing. */

import { CALM_NET } from "../../sim/links.ts";
import { SimNet } from "../../sim/net.ts";
import { createHosts } from "../../sim/node.ts";
import { World } from "../../sim/world.ts";
import { sha256 } from "../../src/crypto/hash.ts";
import type { Report } from "../report.ts";

const SECONDS = 2;

const cpuS = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

/** Calls until so much CPU is spent; gives what was. */
const spend = (step: () => void): number => {
  const from = cpuS();
  for (;;) {
    step();
    const spent = cpuS() - from;
    if (spent >= SECONDS) return spent;
  }
};

/** Timers that set themselves again: tasks a CPU second. */
export const measureQueue = (report: Report): void => {
  const world = new World(1);
  const random = world.stream("bench");
  for (let i = 0; i < 64; i++) {
    const again = (): void => void world.after(1 + random.below(1_000), again);
    again();
  }
  const spent = spend(() => world.runUntil(world.nowUs + 50_000));
  report.row("ceiling", "tasks of an empty world", world.steps / spent, "/s", world.steps);
};

export const measureHash = (report: Report): void => {
  const bytes = new Uint8Array(97);
  let count = 0;
  const spent = spend(() => {
    for (let i = 0; i < 10_000; i++) sha256(bytes);
    count += 10_000;
  });
  report.row("ceiling", "SHA-256 of 97 bytes", count / spent, "/s", count);
};

export type Traffic = {
  readonly n: number;
  readonly latencyMinUs: number;
  readonly latencyMeanUs: number;
  /** Of all nodes together, a virtual second. */
  readonly framesPerSecond: number;
  readonly frameBytes: number;
};

/** Virtual seconds a CPU second of a network that carries this between nodes without replicas. */
export const measureEmptyNodes = (report: Report, what: string, traffic: Traffic): void => {
  const { n, latencyMinUs, latencyMeanUs, framesPerSecond, frameBytes } = traffic;
  const world = new World(1);
  const net = new SimNet(world, n, { ...CALM_NET, latencyMinUs, latencyMeanUs });
  const frame = new Uint8Array(Math.max(1, Math.round(frameBytes)));
  const periodUs = (n * (n - 1) * 1e6) / framesPerSecond;
  for (const host of createHosts(world, n)) {
    net.addSlot(host, String(host.slot));
    const transport = net.transport(host.slot, host.boot());
    const nothing = (): void => undefined;
    transport.start({ peerUp: nothing, peerDown: nothing, frame: nothing });
    const send = (): void => {
      for (const peer of transport.peers()) transport.send(peer, "consensus", frame);
      world.after(periodUs, send);
    };
    world.after((periodUs * host.slot) / n, send);
  }
  world.runUntil(2e6);
  const from = world.nowUs;
  const spent = spend(() => world.runUntil(world.nowUs + 1e6));
  const virtualS = (world.nowUs - from) / 1e6;
  report.row("ceiling", `${what}the same frames, no replicas`, virtualS / spent, "x", virtualS);
};
