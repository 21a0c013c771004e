/**
 * Random scenarios, swarm style: the seed first draws which kinds of faults exist at all and how rough
 * network and disks are, then the faults. Leaving kinds out finds more than always mixing everything.
 */
import type { DiskKnobs } from "./disk.ts";
import type { NetKnobs } from "./links.ts";
import { Prng } from "./prng.ts";
import {
  type AdversarySpec,
  DEFAULT_EXPECT,
  type Fault,
  type FaultKind,
  type Scenario,
  STRATEGIES,
  type StrategyName,
  type Workload,
} from "./scenario.ts";

const SECOND = 1000;

/** Kinds that a random run may mix; twins and lost votes have directed scenarios of their own. */
const SWARM_KINDS: readonly FaultKind[] = [
  "partition",
  "one-way",
  "bridge",
  "ring",
  "isolate",
  "clog",
  "loss",
  "duplicate",
  "reorder",
  "corrupt",
  "delay",
  "bandwidth",
  "drop-type",
  "reset",
  "crash",
  "crash-at",
  "crash-all",
  "pause",
  "wipe",
  "restore",
  "disk-full",
  "disk-error",
  "slow-disk",
  "clock",
  "drift",
];

const MESSAGE_TYPES = 15;

type Draw = { readonly random: Prng; readonly n: number; readonly spanMs: number };

const drawSpan = ({ random, spanMs }: Draw): { atMs: number; untilMs: number } => {
  const atMs = random.below(spanMs);
  return { atMs, untilMs: Math.min(spanMs, atMs + 50 + random.exponential(3 * SECOND)) };
};

const drawDown = (draw: Draw): { atMs: number; node: number; downMs: number } => ({
  atMs: draw.random.below(draw.spanMs),
  node: draw.random.below(draw.n),
  downMs: draw.random.exponential(1500),
});

const drawGroups = ({ random, n }: Draw): number[][] => {
  const order = random.shuffle(Array.from({ length: n }, (_, i) => i));
  const cut = random.between(1, Math.max(1, n - 1));
  return [order.slice(0, cut), order.slice(cut)];
};

/** One fault of a kind that concerns the network. */
const drawNetFault = (kind: FaultKind, draw: Draw): Fault | undefined => {
  const { random, n } = draw;
  const span = drawSpan(draw);
  switch (kind) {
    case "partition":
      return { kind, ...span, groups: drawGroups(draw) };
    case "one-way": {
      const [from = [], to = []] = drawGroups(draw);
      return { kind, ...span, from, to };
    }
    case "bridge":
      return { kind, ...span, middle: random.below(n) };
    case "ring":
      return { kind, ...span };
    case "isolate":
      return { kind, ...span, node: random.below(n) };
    case "clog":
      return { kind, ...span, from: random.below(n), to: random.below(n) };
    case "loss":
    case "duplicate":
    case "reorder":
    case "corrupt":
      return { kind, ...span, ppm: random.between(1_000, 300_000) };
    case "delay":
      return { kind, ...span, node: random.below(n), extraMs: random.exponential(300) };
    case "bandwidth":
      return { kind, ...span, bytesPerMs: random.between(20, 2_000) };
    case "drop-type":
      return {
        kind,
        ...span,
        type: random.between(1, MESSAGE_TYPES),
        ppm: random.between(200_000, 1_000_000),
      };
    case "reset":
      return { kind, atMs: span.atMs, a: random.below(n), b: random.below(n) };
    default:
      return undefined;
  }
};

/** One fault of a kind that concerns a process, its disks or its clock. */
const drawNodeFault = (kind: FaultKind, draw: Draw): Fault | undefined => {
  const { random, n } = draw;
  const span = drawSpan(draw);
  const node = random.below(n);
  const power = random.below(2) === 0;
  switch (kind) {
    case "crash":
      return { kind, ...drawDown(draw), power };
    case "crash-at": {
      const point = random.pick(["sign", "signed", "write", "synced", "send", "deliver"] as const);
      return { kind, ...drawDown(draw), point, nth: random.between(1, 20), power };
    }
    case "crash-all":
      return { kind, atMs: span.atMs, downMs: random.exponential(SECOND), power };
    case "pause":
      return { kind, ...span, node };
    case "wipe":
      return { kind, ...drawDown(draw), votes: false };
    case "restore":
      return { kind, ...drawDown(draw), takenMs: random.below(draw.spanMs), votes: false };
    case "disk-full":
      return { kind, ...span, node };
    case "disk-error": {
      const disk = random.pick(["data", "votes"] as const);
      const { atMs, node } = drawDown(draw);
      return { kind, atMs, node, disk, nth: random.between(1, 30) };
    }
    case "slow-disk":
      return { kind, ...span, node, factor: random.between(2, 400) };
    case "clock":
      return { kind, ...span, node, offsetMs: random.between(-2_000, 2_000) };
    case "drift":
      return { kind, atMs: span.atMs, node, ppm: random.between(-500, 500) };
    default:
      return undefined;
  }
};

const drawNet = (random: Prng): NetKnobs => ({
  latencyMinUs: random.pick([100, 500, 2_000, 20_000]),
  latencyMeanUs: random.pick([100, 500, 5_000, 30_000]),
  lossPpm: random.pick([0, 0, 0, 1_000, 20_000]),
  duplicatePpm: random.pick([0, 0, 10_000]),
  reorderPpm: 0,
  corruptPpm: 0,
  linkBytesPerMs: random.pick([0, 0, 1_000, 12_500]),
  uplinkBytesPerMs: random.pick([0, 0, 12_500]),
  downlinkBytesPerMs: 0,
  blockedDrops: random.below(2) === 0,
  idleTimeoutMs: random.pick([2_000, 15_000]),
  redialMs: random.pick([100, 250, 1_000]),
});

const drawDisk = (random: Prng): DiskKnobs => ({
  syncMinUs: random.pick([50, 200, 2_000]),
  syncMeanUs: random.pick([100, 500, 8_000]),
  writeMeanUs: random.pick([5, 50]),
  readMeanUs: random.pick([20, 500]),
  visibleEarly: random.below(2) === 0,
});

const drawWorkload = (random: Prng): Workload => ({
  clients: random.between(1, 5),
  batchesPerSecond: random.pick([1, 4, 10, 30]),
  eventsPerBatch: random.pick([1, 2, 8]),
  bodyBytes: random.pick([0, 16, 200]),
  untilMs: Number.MAX_SAFE_INTEGER,
});

const drawWeights = (random: Prng, n: number): number[] =>
  random.below(3) === 0
    ? Array.from({ length: n }, () => random.between(1, 20))
    : new Array<number>(n).fill(1);

/** Adversaries with strictly less than a third of the weight in all. */
const drawAdversaries = (draw: Draw, weights: readonly number[]): AdversarySpec[] => {
  const { random, n, spanMs } = draw;
  if (random.below(2) === 0) return [];
  const kinds: readonly StrategyName[] = random.subset(STRATEGIES, 400_000);
  if (kinds.length === 0) return [];
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const out: AdversarySpec[] = [];
  let taken = 0;
  for (const node of random.shuffle(Array.from({ length: n }, (_, i) => i))) {
    const weight = weights[node] ?? 0;
    if ((taken + weight) * 3 >= total) continue;
    taken += weight;
    const fromMs = random.below(spanMs / 2);
    const forever = random.below(2) === 0;
    const untilMs = forever ? Number.MAX_SAFE_INTEGER : fromMs + random.below(spanMs);
    out.push({ node, strategy: random.pick(kinds), fromMs, untilMs });
  }
  return out;
};

/**
 * Leaves enough disks alone. A final block is on the disks of those who voted F, more than two thirds of
 * the weight; while adversaries and nodes that ever lose their data are less than two thirds together,
 * somebody honest still has it. Without that a loss is not a bug.
 */
const keepRecoverable = (
  faults: readonly Fault[],
  adversaries: readonly AdversarySpec[],
  weights: readonly number[],
): Fault[] => {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const spent = new Set(adversaries.map((adversary) => adversary.node));
  const weigh = (): number => [...spent].reduce((sum, node) => sum + (weights[node] ?? 0), 0);
  return faults.filter((fault) => {
    if (fault.kind !== "wipe" && fault.kind !== "restore") return true;
    if (spent.has(fault.node)) return true;
    spent.add(fault.node);
    if (weigh() * 3 < total * 2) return true;
    spent.delete(fault.node);
    return false;
  });
};

/** The scenario of a seed. 19 of 20 runs have four nodes; the others one to ten. */
export const randomScenario = (seed: number): Scenario => {
  const random = new Prng(seed, "scenario");
  const n = random.below(20) === 0 ? random.pick([1, 2, 3, 5, 7, 10]) : 4;
  const spanMs = random.pick([5, 10, 20, 40]) * SECOND;
  const draw: Draw = { random, n, spanMs };
  const kinds = random.subset(SWARM_KINDS, random.pick([100_000, 250_000, 500_000]));
  const count = kinds.length === 0 ? 0 : random.between(1, 12);
  const faults: Fault[] = [];
  for (let i = 0; i < count; i++) {
    const kind = random.pick(kinds);
    const fault = drawNetFault(kind, draw) ?? drawNodeFault(kind, draw);
    if (fault !== undefined) faults.push(fault);
  }
  faults.sort((a, b) => a.atMs - b.atMs);
  const weights = drawWeights(random, n);
  const epochMs = random.pick([3_600_000, 3_600_000, 4_000, 12_000]);
  const knobs = {
    net: drawNet(random),
    disk: drawDisk(random),
    signer: {
      signUs: random.pick([100, 1_000, 6_000]),
      verifyUs: random.pick([20, 120, 1_000]),
      randomised: random.below(4) !== 0,
      checkpoints: true,
    },
  };
  const workload = drawWorkload(random);
  const adversaries = drawAdversaries(draw, weights);
  return {
    name: `swarm ${seed}`,
    seed,
    n,
    weights,
    epochMs,
    knobs,
    workload,
    faults: keepRecoverable(faults, adversaries, weights),
    adversaries,
    healMs: spanMs,
    expect: DEFAULT_EXPECT,
  };
};
