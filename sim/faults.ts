/**
 * Turns the faults of a scenario into tasks of the world. Every lasting fault undoes exactly itself: of several that
 * turn one property, the one that began last holds (overrides.ts), or, where they block, cap or stop, all of them do.
 * The mark `fault KIND` says that it has happened: what the atlas spares, what meets a process that is down, what no
 * frame has felt of what is drawn for each, and what changes nothing leaves none.
 */
import type { Atlas } from "./atlas.ts";
import { cutLeaders } from "./leader-cut.ts";
import type { KnobName } from "./links.ts";
import type { SimNet } from "./net.ts";
import type { SimNode } from "./node.ts";
import type { Observer } from "./observe.ts";
import { startReplay } from "./said-again.ts";
import { type Fault, type FaultKind, type Scenario, slotOwners } from "./scenario.ts";
import type { FrameStatement } from "./statements.ts";
import type { World } from "./world.ts";

export type FaultTarget = {
  readonly world: World;
  readonly net: SimNet;
  readonly nodes: readonly SimNode[];
  readonly scenario: Scenario;
  readonly atlas: Atlas;
  readonly observer: Pick<Observer, "sets">;
  /** False when there is no slot left for it. */
  startTwin(node: number): boolean;
  mark(name: string): void;
  /** The slot of who leads a view, as the oracle has it; undefined where it does not know. */
  leaderOf(epoch: number, view: number): number | undefined;
};

/** It lasts until its end is called, and has happened when a frame has felt it. */
type Unfelt = { readonly end: () => void };

/** What became of a fault that was due: it lasts until its end is called, is over, waits, or changed nothing. */
type Begun = (() => void) | Unfelt | "over" | "armed" | "spared";

const happens = (did: boolean): Begun => (did ? "over" : "spared");

/** Faults of disks that wait for a write or read have happened when that has failed: by the disk's own mark. */
const FIRED: ReadonlyMap<string, FaultKind> = new Map<string, FaultKind>([
  ["write failed", "disk-error"],
  ["read failed", "read-error"],
  ["write misdirected", "misdirected-write"],
]);

/** The mark of the fault that a disk has just shown, if it was armed for one. */
export const markOfDisk = (what: string): string | undefined => {
  const kind = FIRED.get(what);
  return kind === undefined ? undefined : `fault ${kind}`;
};

type Pair = readonly [from: number, to: number];

const allPairs = (n: number): Pair[] => {
  const out: Pair[] = [];
  for (let from = 0; from < n; from++) {
    for (let to = 0; to < n; to++) if (from !== to) out.push([from, to]);
  }
  return out;
};

const groupOf = (groups: readonly (readonly number[])[], node: number): number =>
  groups.findIndex((group) => group.includes(node));

/** The directed links that a fault blocks. */
export const blockedBy = (fault: Fault, n: number): Pair[] => {
  switch (fault.kind) {
    case "partition":
      return allPairs(n).filter(([a, b]) => groupOf(fault.groups, a) !== groupOf(fault.groups, b));
    case "one-way":
      return allPairs(n).filter(([a, b]) => fault.from.includes(a) && fault.to.includes(b));
    case "isolate":
      return allPairs(n).filter(([a, b]) => a === fault.node || b === fault.node);
    case "bridge": {
      const others = Array.from({ length: n }, (_, i) => i).filter((i) => i !== fault.middle);
      const left = others.slice(0, others.length >> 1);
      return allPairs(n).filter(
        ([a, b]) =>
          a !== fault.middle && b !== fault.middle && left.includes(a) !== left.includes(b),
      );
    }
    case "ring":
      return allPairs(n).filter(([a, b]) => (a + 1) % n !== b && (b + 1) % n !== a);
    default:
      return [];
  }
};

const KNOB_OF: Partial<Record<Fault["kind"], KnobName>> = {
  loss: "lossPpm",
  duplicate: "duplicatePpm",
  reorder: "reorderPpm",
  corrupt: "corruptPpm",
  bandwidth: "linkBytesPerMs",
};

/** Marks a fault as having happened, the first time that it is called. */
const markOnce = (target: FaultTarget, { kind }: Fault): (() => void) => {
  let isMarked = false;
  return () => {
    if (!isMarked) target.mark(`fault ${kind}`);
    isMarked = true;
  };
};

/** Starts a fault. */
const begin = (target: FaultTarget, fault: Fault): Begun => {
  const { net, nodes, scenario } = target;
  const pairs = blockedBy(fault, scenario.n);
  if (pairs.length > 0) {
    for (const [from, to] of pairs) net.block(from, to);
    return () => {
      for (const [from, to] of pairs) net.unblock(from, to);
    };
  }
  const knob = KNOB_OF[fault.kind];
  if (knob !== undefined) {
    const value = "ppm" in fault ? fault.ppm : "bytesPerMs" in fault ? fault.bytesPerMs : 0;
    if (knob !== "linkBytesPerMs") {
      return { end: net.links.override(knob, value, markOnce(target, fault)) };
    }
    const undo = net.links.override(knob, value);
    net.share.retune();
    return () => {
      undo();
      net.share.retune();
    };
  }
  const node = "node" in fault ? nodes[fault.node] : undefined;
  switch (fault.kind) {
    case "clog":
      if (fault.from === fault.to) return "spared";
      net.links.clog(fault.from, fault.to, fault.untilMs * 1000);
      return "over";
    case "swizzle":
      swizzle(target, fault);
      return happens(fault.clogged.length > 0 && scenario.n > 1);
    case "uplink":
    case "downlink": {
      const lift = net.links.capNode(fault.kind, fault.node, fault.bytesPerMs);
      net.share.retune();
      return () => {
        lift();
        net.share.retune();
      };
    }
    case "queue-overflow":
      return net.shortenQueues(fault.node, fault.bytes);
    case "delay": {
      if (fault.extraMs === 0) return "spared";
      const extraUs = fault.extraMs * 1000;
      const links = allPairs(scenario.n).filter(([a, b]) => a === fault.node || b === fault.node);
      for (const [from, to] of links) net.links.addDelay(from, to, extraUs);
      return () => {
        for (const [from, to] of links) net.links.addDelay(from, to, -extraUs);
      };
    }
    case "jitter": {
      const { from, to, upToMs } = fault;
      const felt = markOnce(target, fault);
      return { end: net.links.addJitter({ from, to, upToUs: upToMs * 1000, felt }) };
    }
    case "isolate-leader":
      return { end: isolateLeader(target, fault) };
    case "replay": {
      const { world } = target;
      const { node: slot } = fault;
      const { mark } = target;
      return { end: startReplay({ world, net, nodes, slot, mark, felt: markOnce(target, fault) }) };
    }
    case "drop-type": {
      const felt = markOnce(target, fault);
      const rule = { type: fault.type, from: fault.from, to: fault.to, ppm: fault.ppm, felt };
      net.links.addRule(rule);
      return { end: () => net.links.removeRule(rule) };
    }
    case "drop-statement": {
      const rule = {
        type: undefined,
        from: fault.from,
        to: fault.to,
        ppm: 1_000_000,
        statement: ({ view, kind }: FrameStatement) =>
          (fault.view ?? view) === view && (fault.statement ?? kind) === kind,
        felt: markOnce(target, fault),
      };
      net.links.addRule(rule);
      return { end: () => net.links.removeRule(rule) };
    }
    case "reset":
      return happens(fault.a !== fault.b && net.reset(fault.a, fault.b));
    case "crash-all": {
      const died = nodes.filter((each) => each.crash(fault.power, "all at once", fault.downMs));
      return happens(died.length > 0);
    }
    case "twin":
      return happens(target.startTwin(fault.node));
    default:
      return node === undefined ? "spared" : beginOnNode(target, node, fault);
  }
};

const isolateLeader = (
  target: FaultTarget,
  fault: Extract<Fault, { kind: "isolate-leader" }>,
): (() => void) => {
  const { world, net, scenario, mark, leaderOf } = target;
  const markFault = markOnce(target, fault);
  return cutLeaders({
    ...{ net, n: scenario.n, follow: fault.follow, leaderOf },
    aimed: (slot, view) => {
      world.trace.add(world.nowUs, "log", slot, -1, undefined, `cut off as leader of view ${view}`);
    },
    felt: () => {
      mark("leader cut off in its view");
      markFault();
    },
  });
};

/** In the first half nodes are clogged one by one, in the second they are freed, in an order of their own. */
const swizzle = (
  { net, world, scenario }: FaultTarget,
  { atMs, untilMs, clogged, freed }: Extract<Fault, { kind: "swizzle" }>,
): void => {
  const stepMs = (untilMs - atMs) / (2 * Math.max(1, clogged.length));
  for (const [i, slot] of clogged.entries()) {
    const place = freed.indexOf(slot);
    const freeMs = place < 0 ? untilMs : untilMs - stepMs * (freed.length - 1 - place);
    world.at((atMs + stepMs * i) * 1000, () => {
      for (let other = 0; other < scenario.n; other++) {
        if (other === slot) continue;
        net.links.clog(slot, other, Math.round(freeMs * 1000));
        net.links.clog(other, slot, Math.round(freeMs * 1000));
      }
    });
  }
};

/** Votes go to the set of their epoch, twins included. */
const isOwedVotes = ({ observer, scenario }: FaultTarget) => {
  const owners = slotOwners(scenario);
  const { sets } = observer;
  return (slot: number, epoch: number): boolean =>
    !sets.isDecided(epoch) || sets.at(epoch)?.ofSlot(owners[slot] ?? slot) !== undefined;
};

const beginOnNode = (target: FaultTarget, node: SimNode, fault: Fault): Begun => {
  switch (fault.kind) {
    case "crash":
      return happens(node.crash(fault.power, "crash", fault.downMs));
    case "crash-at": {
      const { point, nth, power, downMs } = fault;
      node.host.arm(point, nth, () => {
        target.mark("fault crash-at");
        target.mark(`crash at ${point}`);
        node.crash(power, `at ${point}`, downMs);
      });
      return "armed";
    }
    case "crash-in-write": {
      const { ppm, power, downMs } = fault;
      node.host.armWrite(ppm, (isSync) => {
        target.mark("fault crash-in-write");
        target.mark(`crash during ${isSync ? "sync" : "write"}`);
        node.crash(power, `during ${isSync ? "a sync" : "a write"}`, downMs);
      });
      return "armed";
    }
    case "crash-after-vote": {
      const { view, statement, power, wipe, downMs } = fault;
      const crash = (): void => {
        target.mark("fault crash-after-vote");
        target.mark(`crash after ${statement}`);
        const wiped = wipe && !target.atlas.spares(node.slot);
        node.crash(power, `after ${statement} of view ${view}`, downMs);
        if (wiped) node.wipe(false);
      };
      node.host.votes.arm({ view, kind: statement, isOwed: isOwedVotes(target), crash });
      return "armed";
    }
    case "pause":
      if (!node.host.alive) return "spared";
      return node.host.pause(fault.untilMs * 1000);
    case "slow-cpu":
      return fault.factor === 1 ? "spared" : node.host.slowDown(fault.factor);
    case "clock-periodic":
      return node.host.swingClock(fault);
    case "clock":
      return fault.offsetMs === 0 ? "spared" : node.host.putClockOff(fault.offsetMs);
    case "drift":
      node.host.setDrift(fault.ppm);
      return happens(fault.ppm !== 0);
    default:
      return beginOnDisk(target, node, fault);
  }
};

/** The copy that a restore puts back: each of its own moment, so that one is not in the place of another. */
const copyOf = ({ takenMs }: Extract<Fault, { kind: "restore" }>): string => `of ${takenMs} ms`;

/** A copy that is what the disk has takes nothing. Of a process that runs it shows only when that has crashed. */
const restore = (
  atlas: Atlas,
  node: SimNode,
  fault: Extract<Fault, { kind: "restore" }>,
): Begun => {
  const copy = copyOf(fault);
  const isRunning = node.host.alive;
  if (!isRunning && !node.differsFrom(copy, fault.votes)) return "spared";
  const mayTakeData = isRunning || node.data.differsFrom(copy);
  if (mayTakeData && atlas.spares(node.slot)) return "spared";
  node.crash(true, "restored", fault.downMs);
  return happens(node.restore(copy, fault.votes));
};

/** Faults of disks. Those that take data, or may, ask the atlas first; it hears of what is taken from the disk. */
const beginOnDisk = (target: FaultTarget, node: SimNode, fault: Fault): Begun => {
  const { atlas } = target;
  switch (fault.kind) {
    case "wipe":
      if (!node.host.alive && node.isBlank(fault.votes)) return "spared";
      if (atlas.spares(node.slot)) return "spared";
      node.crash(true, "wiped", fault.downMs);
      return happens(node.wipe(fault.votes));
    case "restore":
      // Files say no such thing (scenario-shape.ts); this is for scenarios that come from elsewhere.
      if (fault.takenMs >= fault.atMs) return "spared";
      return restore(atlas, node, fault);
    case "lost-writes":
      if (fault.disk === "data" && atlas.spares(node.slot)) return "spared";
      return { end: node[fault.disk].lie(markOnce(target, fault)) };
    case "misdirected-write":
      if (fault.disk === "data" && atlas.spares(node.slot)) return "spared";
      node[fault.disk].misdirectNth = fault.nth;
      return "armed";
    case "rot":
      if (node[fault.disk].isEmpty) return "spared";
      if (fault.disk === "data" && atlas.spares(node.slot)) return "spared";
      return happens(node[fault.disk].spoil(fault.bytes));
    case "disk-full":
      return node.fill();
    case "disk-error":
      node[fault.disk].failNth = fault.nth;
      return "armed";
    case "read-error":
      node[fault.disk].failReadNth = fault.nth;
      return "armed";
    case "slow-disk":
      return fault.factor === 1 ? "spared" : node.slowDisks(fault.factor);
    default:
      return "spared";
  }
};

/**
 * Whatever a scenario says, nothing lasts beyond the heal. What a fault holds back (frames, turns) it holds until its
 * end, which so must be right from the beginning.
 */
const upToHeal = (fault: Fault, healMs: number): Fault =>
  "untilMs" in fault ? { ...fault, untilMs: Math.min(fault.untilMs, healMs) } : fault;

/** Schedules all faults; returns what ends those that still last (idempotent). */
export const scheduleFaults = (target: FaultTarget): (() => void) => {
  const { world, scenario } = target;
  const open = new Set<() => void>();
  for (const fault of scenario.faults) {
    if (fault.kind === "restore") {
      const node = target.nodes[fault.node];
      world.at(fault.takenMs * 1000, () => node?.snapshot(copyOf(fault)));
    }
    world.at(fault.atMs * 1000, () => {
      if (fault.atMs >= scenario.healMs) return;
      const note = JSON.stringify(fault);
      world.trace.add(world.nowUs, "fault", "node" in fault ? fault.node : 0, -1, undefined, note);
      const cut = upToHeal(fault, scenario.healMs);
      const begun = begin(target, cut);
      if (begun === "over" || typeof begun === "function") target.mark(`fault ${fault.kind}`);
      if (typeof begun === "string") return;
      const end = typeof begun === "function" ? begun : begun.end;
      open.add(end);
      const untilMs = "untilMs" in cut ? cut.untilMs : fault.atMs;
      world.at(untilMs * 1000, () => {
        if (open.delete(end)) end();
      });
    });
  }
  return () => {
    for (const end of open) end();
    open.clear();
  };
};
