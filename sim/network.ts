/** Builds the simulated network of a scenario: hosts, links, disks, nodes, adversaries, checkers. */
import { toHex } from "../src/crypto/bytes.ts";
import type { AuditRules } from "../src/ledger/audit/chain.ts";
import { genesisPoint, leaderSource } from "../src/ledger/chain-point.ts";
import { firstValidators } from "../src/ledger/genesis.ts";
import type { LedgerHandle } from "../src/ledger/handle.ts";
import type { StoreOp } from "../src/ledger/ports.ts";
import { createLeaderSchedule, leaderOf } from "../src/ledger/validator-set.ts";
import { checkpointMessages, checkpointPolicyOf } from "../src/ledger/verify/checkpoint.ts";
import type { Cosignature } from "../src/ledger/wire.ts";
import { corruptTransport } from "./adversary/index.ts";
import { Atlas } from "./atlas.ts";
import type { CheckerFactory } from "./checkers/types.ts";
import { startClaims } from "./claims.ts";
import { SimEpochKeys } from "./epoch-keys.ts";
import { markOfDisk } from "./faults.ts";
import { createChain, type SimChain, type StakeRun } from "./genesis.ts";
import { SimNet } from "./net.ts";
import { type Boot, createHosts, type NodeWiring, SimNode } from "./node.ts";
import { Observer, plainStatus } from "./observe.ts";
import { Prng } from "./prng.ts";
import { refusalMark } from "./refusals.ts";
import { RowMemory } from "./row-memory.ts";
import {
  type AdversarySpec,
  faultySlots,
  type Scenario,
  slotOwners,
  stakeFault,
} from "./scenario.ts";
import { createSharedRows, OWN_ROWS } from "./shared-rows.ts";
import {
  checkpointKeysOf,
  checkpointSignaturesOf,
  type KeyPair,
  type SignatureScheme,
} from "./signer.ts";
import type { SimSector } from "./space.ts";
import type { RowFiles } from "./spill-file.ts";
import { World } from "./world.ts";

/** How the code under test is set up for a chain: what `init` writes, and how a process starts. */
export type System = {
  /** The contents of a new key's vote store. */
  readonly freshVotes: (slot: number) => readonly StoreOp[];
  readonly boot: Boot;
  /** The rules of the chain with an executor that nobody else has, to replay a log by (replay.ts). */
  readonly rules: () => AuditRules;
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
  /** Of the rows of all disks. To be closed at the end: nothing of them can be read any more then. */
  readonly memory: RowMemory;
  readonly rules: System["rules"];
  /** Starts a second process with this node's key on a copy of its disks. */
  startTwin(node: number): boolean;
};

export type NetworkOptions = {
  /** `shares`: whether the scheme may remember what it has signed, for all nodes. */
  readonly createScheme: (scenario: Scenario, shares: boolean) => SignatureScheme;
  readonly createSystem: SystemFactory;
  readonly checkers?: readonly CheckerFactory[];
  /** A chain whose validators change; else they are those of the genesis for ever. */
  readonly stake?: StakeRun;
  /** Whether nodes share what is equal (docs/simulation.md); where it is not said, the seed decides. */
  readonly shares?: boolean;
  /** Bytes that rows of the disks may take of memory before they go to a file (docs/simulation.md). */
  readonly rowMemoryBytes?: number;
  /** Where rows go then; without it all of them stay in memory. */
  readonly rowFiles?: RowFiles;
};

/** One seed in so many shares nothing. */
const UNSHARED_EVERY = 8;

/** Whether the nodes of a run share what is equal, where nobody has said so. */
export const sharesByDefault = (seed: number): boolean =>
  new Prng(seed, "shares").below(UNSHARED_EVERY) > 0;

const LOGS_KEPT = 400;
/** Where an envelope names its actor: behind version and chain. */
const BATCH_ACTOR_AT = 2 + 32;

/** A checkpoint with the signatures of one validator, of whatever it says. */
const cosign = (
  chain: SimChain,
  scheme: SignatureScheme,
  key: KeyPair,
  index: number,
  claim: Pick<Cosignature, "size" | "root" | "timeS">,
): Cosignature => {
  const { origin, members } = checkpointPolicyOf({
    chainId: chain.genesis.chainId,
    validators: firstValidators(chain.genesis),
  });
  const member = members[index];
  if (member === undefined) throw new RangeError(`no validator ${index}`);
  const messages = checkpointMessages(member, { origin, ...claim }, claim.timeS);
  const bare = checkpointSignaturesOf(checkpointKeysOf(key.publicKey), messages);
  return { ...claim, ...bare, falcon: scheme.sign(key, messages.falcon) };
};

export const createNetwork = (scenario: Scenario, options: NetworkOptions): SimNetwork => {
  // Files are refused for the same reason (scenario-shape.ts); this is for scenarios that come from elsewhere.
  const { stake } = options;
  const fault = stake === undefined ? undefined : stakeFault(scenario, stake.joining);
  if (fault !== undefined) throw new RangeError(fault);
  const world = new World(scenario.seed, scenario.healMs * 1000);
  const shares = options.shares ?? sharesByDefault(scenario.seed);
  const scheme = options.createScheme(scenario, shares);
  const chain = createChain(scenario, scheme, stake);
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
    raising: (slot, other) => observer.connected(slot, other),
    refused: (from, to, trafficClass, bytes) => {
      observer.refused(from, to, trafficClass, bytes);
    },
    delivered: (from, to, _class, bytes) => {
      observer.delivered(from, to, bytes);
    },
  });
  const adversarial = new Set(scenario.adversaries.map(({ node }) => node));
  /** By slot of an adversary: what the replica there has signed itself. */
  const signedBy = new Map<number, Set<string>>();
  const isAdversarial = (slot: number): boolean => adversarial.has(owners[slot] ?? slot);
  const signTap = (slot: number, message: Uint8Array, signature: Uint8Array): void => {
    observer.signed(slot, message, signature);
  };
  const replicaSigned = (slot: number, message: Uint8Array, signature: Uint8Array): void => {
    if (isAdversarial(slot)) {
      const known = signedBy.get(slot) ?? new Set();
      signedBy.set(slot, known.add(Buffer.from(message).toString("latin1")));
    }
    if (slot >= scenario.n) observer.mark("twin signed");
    signTap(slot, message, signature);
  };
  const censors = new Map<number, AdversarySpec>();
  for (const spec of scenario.adversaries)
    if (spec.strategy === "censor") censors.set(spec.node, spec);
  const isVictim = (batch: Uint8Array): boolean => {
    const victim = chain.clientIds[0];
    return victim !== undefined && Buffer.from(batch).indexOf(victim) === BATCH_ACTOR_AT;
  };
  /** What clients see of a censor: it never answers the one whose batches it leaves out. */
  const censoring = (slot: number, handle: LedgerHandle): LedgerHandle => {
    const spec = censors.get(owners[slot] ?? slot);
    if (spec === undefined) return handle;
    return {
      ...handle,
      submit: (bytes, stage, done) => {
        const isActive = world.nowMs >= spec.fromMs && world.nowMs < spec.untilMs;
        if (!isActive || !isVictim(bytes)) return handle.submit(bytes, stage, done);
        observer.mark("adversary censor");
        return () => undefined;
      },
    };
  };
  const hosts = createHosts(world, owners.length, (what) => observer.mark(what));
  const watch = (slot: number, handle: LedgerHandle): void => {
    let shown: string | undefined;
    handle.onExecuted(() => {
      const status = plainStatus(handle.status());
      atlas.reached(status.finalHeight, status.epoch);
      world.trace.add(
        world.nowUs,
        "executed",
        slot,
        status.executedHeight,
        undefined,
        status.logRoot,
      );
      observer.each((checker) => checker.status?.(slot, status));
      const held = nodes[slot]?.epochKeys?.held;
      if (held !== undefined) {
        observer.each((checker) => checker.keysHeld?.(slot, status.epoch, held));
      }
      const note = handle.checkpoint()?.note;
      if (note === undefined || note === shown) return;
      shown = note;
      observer.each((checker) => checker.served?.(slot, note));
    });
  };
  const claim = (slot: number, handle: LedgerHandle): void => {
    const parts = scenario.proofs ?? [];
    const owner = owners[slot] ?? slot;
    const [self, other] = [chain.ids[owner], chain.ids[(owner + 1) % scenario.n]];
    if (self === undefined || other === undefined) return;
    if (!parts.includes("time") && !parts.includes("shares")) return;
    const { hasher, genesis } = chain;
    const liar = scenario.adversaries.find(
      ({ node, strategy }) => node === owner && strategy === "false-claims",
    );
    startClaims({
      ...{ handle, hasher, self, other, slot: owner, epochMs: scenario.epochMs },
      time: genesis.proofs.time,
      shares: parts.includes("shares") ? (genesis.proofs.work?.shares ?? null) : null,
      falsely: () => liar !== undefined && world.nowMs >= liar.fromMs && world.nowMs < liar.untilMs,
      mark: (name) => observer.mark(name),
    });
  };
  const liars = scenario.adversaries.map(({ node }) => toHex(chain.ids[node] ?? new Uint8Array(0)));
  const memory = new RowMemory(options.rowFiles, options.rowMemoryBytes);
  const sectors: SimSector[] = [];
  const machineOf = (slot: number): SimEpochKeys => {
    const owner = owners[slot] ?? slot;
    const isFirst = (chain.indexOfSlot[owner] ?? -1) >= 0;
    return new SimEpochKeys(scheme, slot, isFirst ? chain.epochKeys[owner] : undefined);
  };
  const wiring: NodeWiring = {
    world,
    net,
    scheme,
    diskKnobs: scenario.knobs.disk,
    rows: shares ? createSharedRows() : OWN_ROWS,
    memory,
    signerKnobs: scenario.knobs.signer,
    boot: (ports, slot, incarnation) => censoring(slot, system.boot(ports, slot, incarnation)),
    diskTap: {
      durable: (slot, disk, puts) => {
        observer.durable(slot, disk, puts);
      },
      lost: (slot, disk) => {
        if (disk === "data") atlas.loses(slot);
        observer.each((checker) => checker.diskLost?.(slot, disk));
      },
      spoiled: (slot, disk) => {
        if (disk === "data") atlas.loses(slot);
      },
      happened: (what) => {
        observer.mark(what);
        const fault = markOfDisk(what);
        if (fault !== undefined) observer.mark(fault);
      },
    },
    signTap: replicaSigned,
    verifyTap: (slot, message, together) => {
      observer.verified(slot, message, together);
    },
    proving: (slot, timers) => {
      const { beacon, space } = chain.genesis.proofs;
      if (beacon === null) return {};
      const owner = owners[slot] ?? slot;
      const revealer = chain.ivrfKeys.revealer(owner, timers);
      if (space === null) return { revealer };
      const sector = chain.space.port(owner, timers, (name) => observer.mark(name));
      sectors[slot] = sector;
      return { revealer, sectors: sector };
    },
    epochKeys: (slot) => (chain.genesis.proofs.epochKeys === true ? machineOf(slot) : undefined),
    // Liars keep their sessions with each other.
    heedsQuarantine: (slot) => !isAdversarial(slot),
    timerSet: (slot, delayMs) => observer.timer(slot, delayMs),
    wrapTransport: (slot, transport) => {
      const owner = owners[slot] ?? slot;
      const specs = scenario.adversaries.filter((adversary) => adversary.node === owner);
      const key = chain.keys[owner];
      const host = hosts[slot];
      if (specs.length === 0 || key === undefined || host === undefined) return transport;
      const self = chain.indexOfSlot[owner] ?? 0;
      const { hasher, set, hash, genesis } = chain;
      const source = leaderSource(genesis, hash, () => genesisPoint(hasher, hash, genesis));
      const schedule = createLeaderSchedule(hasher, source, set);
      const mark = (name: string): void => observer.mark(name);
      return corruptTransport(
        {
          host,
          self,
          identity: key,
          key: () => nodes[slot]?.epochKeys?.inUse ?? key,
          followsSets: genesis.proofs.epochKeys === true,
          scheme,
          signTap,
          hasher,
          set,
          genesis,
          ids: chain.ids.map(toHex),
          leaderOf: (view) => leaderOf(schedule, view),
          healMs: scenario.healMs,
          beaconAt: (height) => nodes[slot]?.handle?.point(height)?.beacon,
          mark,
          signedByReplica: (message) =>
            signedBy.get(slot)?.has(Buffer.from(message).toString("latin1")) === true,
          redial: () => net.redial(slot),
          // A gossiped batch is its envelope behind the type byte.
          isVictim: (frame) => isVictim(frame.subarray(1)),
          cosign: (claim) => cosign(chain, scheme, key, self, claim),
        },
        specs,
        transport,
      );
    },
    booted: (slot, incarnation, lost, handle) => {
      observer.booted(slot, incarnation, lost);
      watch(slot, handle);
      claim(slot, handle);
      const sector = sectors[slot];
      if (sector === undefined) return;
      chain.space.keep(owners[slot] ?? slot, handle, sector, (name) => observer.mark(name));
    },
    failed: (slot, error) => {
      failures.push({ slot, error });
      world.stop();
    },
    log: (slot, level, message, fields) => {
      if (level === "debug") return;
      const refused = observer.honest(slot) ? refusalMark(fields, liars) : undefined;
      if (refused !== undefined) observer.mark(refused);
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
    setOf: (epoch) => observer.sets.at(epoch),
    untrusted: faultySlots(scenario),
    keep: scenario.atlas === "keep",
    heightOf,
    unsure: () => nodes.filter(({ data }) => data.isUnsure).map(({ slot }) => slot),
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
  // Not by the status, which reads rows: to ask must change nothing.
  observer.standing = (slot) => {
    const network = nodes[slot]?.handle?.network(0);
    return network && { epoch: network.set.epoch, view: network.view };
  };
  /** Twins by the node that they copy: a slot is given away once. */
  const idle = new Set([...owners.keys()].filter((slot) => slot >= scenario.n));
  const startTwin = (original: number): boolean => {
    const slot = [...idle].find((candidate) => owners[candidate] === original);
    const twin = slot === undefined ? undefined : nodes[slot];
    const source = nodes[original];
    if (slot !== undefined) idle.delete(slot);
    if (twin === undefined || source === undefined) return false;
    twin.data.copyFrom(source.data);
    twin.votes.copyFrom(source.votes);
    twin.start();
    return true;
  };
  for (const { strategy, node, fromMs } of scenario.adversaries) {
    if (strategy === "twins") world.at(Math.max(fromMs, 1) * 1000, () => void startTwin(node));
  }
  const parts = { world, scenario, chain, scheme, net, nodes, observer, atlas };
  return { ...parts, failures, logs, memory, rules: system.rules, startTwin };
};
