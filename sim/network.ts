/** Builds the simulated network of a scenario: hosts, links, disks, nodes, adversaries, checkers. */
import { toHex } from "../src/crypto/bytes.ts";
import type { LedgerHandle } from "../src/ledger/handle.ts";
import type { StoreOp } from "../src/ledger/ports.ts";
import { createLeaderSchedule, leaderOf } from "../src/ledger/validator-set.ts";
import { corruptTransport } from "./adversary/index.ts";
import { Atlas } from "./atlas.ts";
import type { CheckerFactory, Put } from "./checkers/types.ts";
import { createChain, type SimChain } from "./genesis.ts";
import { SimNet } from "./net.ts";
import { type Boot, createHosts, type NodeWiring, SimNode } from "./node.ts";
import { Observer, plainStatus } from "./observe.ts";
import { faultySlots, type Scenario } from "./scenario.ts";
import type { SignatureScheme } from "./signer.ts";
import { World } from "./world.ts";

/** How the code under test is set up for a chain: what `init` writes, and how a process starts. */
export type System = {
  /** The contents of a new key's vote store. */
  readonly freshVotes: (slot: number) => readonly StoreOp[];
  readonly boot: Boot;
};
export type SystemFactory = (chain: SimChain, scheme: SignatureScheme) => System;

export type Failure = { readonly slot: number; readonly error: unknown };
export type LogLine = {
  readonly atMs: number;
  readonly slot: number;
  readonly level: string;
  readonly text: string;
};

export type SimNetwork = {
  readonly world: World;
  readonly scenario: Scenario;
  readonly chain: SimChain;
  readonly scheme: SignatureScheme;
  readonly net: SimNet;
  readonly nodes: readonly SimNode[];
  readonly observer: Observer;
  readonly atlas: Atlas;
  readonly failures: Failure[];
  readonly logs: LogLine[];
  /** Starts a second process with this node's key on a copy of its disks. */
  startTwin(node: number): void;
};

export type NetworkOptions = {
  readonly createScheme: (scenario: Scenario) => SignatureScheme;
  readonly createSystem: SystemFactory;
  readonly checkers?: readonly CheckerFactory[];
};

const LOGS_KEPT = 400;

const putsOf = (ops: readonly StoreOp[]): Put[] => ops.filter((op) => op.type === "put");

/** Slots: one a validator, then one a twin, each with the validator whose key it has. */
const slotOwners = (scenario: Scenario): number[] => {
  const owners = Array.from({ length: scenario.n }, (_, slot) => slot);
  for (const fault of scenario.faults) if (fault.kind === "twin") owners.push(fault.node);
  return owners;
};

export const createNetwork = (scenario: Scenario, options: NetworkOptions): SimNetwork => {
  const world = new World(scenario.seed);
  const scheme = options.createScheme(scenario);
  const chain = createChain(scenario, scheme);
  const system = options.createSystem(chain, scheme);
  const owners = slotOwners(scenario);
  const observer = new Observer(world, scenario, chain, scheme, owners, options.checkers);
  const failures: Failure[] = [];
  const logs: LogLine[] = [];
  const net = new SimNet(world, owners.length, scenario.knobs.net, {
    sent: (from, to, trafficClass, bytes) => {
      observer.sent(from, to, trafficClass, bytes);
    },
    happened: (what) => observer.mark(what),
    delivered: (from, to, _class, bytes) => {
      observer.delivered(from, to, bytes);
    },
  });
  const signTap = (slot: number, message: Uint8Array, signature: Uint8Array): void => {
    observer.signed(slot, message, signature);
  };
  const hosts = createHosts(world, owners.length);
  const watch = (slot: number, handle: LedgerHandle): void => {
    handle.onExecuted(() => {
      const status = plainStatus(handle.status());
      atlas.reached(status.finalHeight);
      world.trace.add(
        world.nowUs,
        "executed",
        slot,
        status.executedHeight,
        undefined,
        status.logRoot,
      );
      observer.each((checker) => checker.status?.(slot, status));
    });
  };
  const wiring: NodeWiring = {
    world,
    net,
    scheme,
    diskKnobs: scenario.knobs.disk,
    signerKnobs: scenario.knobs.signer,
    boot: system.boot,
    diskTap: {
      durable: (slot, disk, ops) => {
        observer.durable(slot, disk, putsOf(ops));
      },
      lost: (slot, disk) => {
        if (disk === "data") atlas.hasLost(slot);
        observer.each((checker) => checker.diskLost?.(slot, disk));
      },
      happened: (what) => observer.mark(what),
    },
    signTap,
    wrapTransport: (slot, transport) => {
      const specs = scenario.adversaries.filter((adversary) => adversary.node === slot);
      const key = chain.keys[slot];
      const host = hosts[slot];
      if (specs.length === 0 || key === undefined || host === undefined) return transport;
      const self = chain.indexOfSlot[slot] ?? 0;
      const { hasher, set, hash } = chain;
      const schedule = createLeaderSchedule(hasher, hash, set);
      const mark = (name: string): void => observer.mark(name);
      return corruptTransport(
        {
          host,
          self,
          key,
          scheme,
          signTap,
          hasher,
          set,
          ids: chain.ids.map(toHex),
          leaderOf: (view) => leaderOf(schedule, view),
          healMs: scenario.healMs,
          mark,
        },
        specs,
        transport,
      );
    },
    booted: (slot, incarnation, lost, handle) => {
      observer.booted(slot, incarnation, lost);
      watch(slot, handle);
    },
    failed: (slot, error) => {
      failures.push({ slot, error });
      world.stop();
    },
    log: (slot, level, message, fields) => {
      if (level === "debug") return;
      const text = `${message} ${fields === undefined ? "" : JSON.stringify(fields)}`.trimEnd();
      world.trace.add(world.nowUs, "log", slot, -1, undefined, text);
      if (logs.length >= LOGS_KEPT) logs.shift();
      logs.push({ atMs: world.nowMs, slot, level, text });
    },
    happened: (what) => observer.mark(what),
    counted: (_slot, name) => observer.mark(`metric ${name}`),
  };
  const heightOf = (slot: number): number | undefined => {
    const node = nodes[slot];
    if (node === undefined || node.data.isDamaged || node.data.isUnsure) return undefined;
    return node.handle?.status().executedHeight;
  };
  const atlas = new Atlas({
    weights: scenario.weights,
    untrusted: faultySlots(scenario),
    keep: scenario.atlas === "keep",
    heightOf,
    happened: (what) => observer.mark(what),
  });
  const nodes: SimNode[] = hosts.map((host, slot) => {
    const owner = owners[slot] ?? slot;
    const key = chain.keys[owner];
    const id = chain.ids[owner];
    if (key === undefined || id === undefined) throw new RangeError(`no key for slot ${slot}`);
    net.addSlot(host, toHex(id));
    const node = new SimNode(slot, host, key, wiring);
    if (slot < scenario.n) node.votes.seed(system.freshVotes(slot));
    return node;
  });
  let nextTwin = scenario.n;
  const startTwin = (original: number): void => {
    const twin = nodes[nextTwin];
    const source = nodes[original];
    nextTwin += 1;
    if (twin === undefined || source === undefined) return;
    twin.data.copyFrom(source.data);
    twin.votes.copyFrom(source.votes);
    twin.start();
  };
  return { world, scenario, chain, scheme, net, nodes, observer, atlas, failures, logs, startTwin };
};
