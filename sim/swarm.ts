/**
 * Random scenarios, swarm style: the seed first draws which kinds of faults exist at all and how rough
 * network and disks are, then the faults. Leaving kinds out finds more than always mixing everything.
 */
import type { DiskKnobs } from "./disk.ts";
import { FAULT_KINDS } from "./fault-shape.ts";
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
import { keepSurvivable, untrustedBy } from "./survivable.ts";
import { MORE_KINDS, withMore } from "./swarm-more.ts";
import { withOccasions } from "./swarm-occasions.ts";
import { drawProofChain, withProofs } from "./swarm-proofs.ts";

const SECOND = 1000;
const HOUR = 3_600_000;

/** The types of all messages are 1 to this one: `LAYOUT` of the wire format and what places are measured by. */
const MESSAGE_TYPES = 20;
const STATEMENTS = ["notarize", "nullify", "finalize"] as const;
/** Those of swarm-more.ts are left to it. */
const KINDS = FAULT_KINDS.filter((kind) => !MORE_KINDS.includes(kind));
const slotsOf = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

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

/** The copy is older than what it takes the place of. */
const drawRestore = (draw: Draw): ReturnType<typeof drawDown> & { takenMs: number } => {
  const drawn = drawDown(draw);
  const atMs = Math.max(1, drawn.atMs);
  return { ...drawn, atMs, takenMs: draw.random.below(atMs) };
};

const drawGroups = ({ random, n }: Draw): number[][] => {
  const order = random.shuffle(slotsOf(n));
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
    case "swizzle": {
      const clogged = random.shuffle(slotsOf(n)).slice(0, random.between(1, n));
      return { kind, ...span, clogged, freed: random.shuffle(clogged) };
    }
    case "delay":
      return { kind, ...span, node: random.below(n), extraMs: random.exponential(300) };
    case "bandwidth":
      return { kind, ...span, bytesPerMs: random.between(20, 2_000) };
    case "uplink":
    case "downlink":
      return { kind, ...span, node: random.below(n), bytesPerMs: random.between(20, 2_000) };
    case "queue-overflow":
      return { kind, ...span, node: random.below(n), bytes: random.exponential(8_000) };
    case "drop-statement":
      return {
        kind,
        ...span,
        statement: random.pick(STATEMENTS),
        ...(random.below(2) === 0 ? {} : { from: random.below(n) }),
        ...(random.below(2) === 0 ? {} : { to: random.below(n) }),
      };
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

/** One fault of a kind that concerns a process or its clock. */
const drawProcessFault = (kind: FaultKind, draw: Draw): Fault | undefined => {
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
    case "crash-after-vote": {
      const view = random.between(1, 150);
      return {
        kind,
        ...drawDown(draw),
        view,
        statement: random.pick(STATEMENTS),
        power,
        wipe: false,
      };
    }
    case "crash-all":
      return { kind, atMs: span.atMs, downMs: random.exponential(SECOND), power };
    case "pause":
      return { kind, ...span, node };
    case "slow-cpu":
      return { kind, ...span, node, factor: random.between(2, 200) };
    case "clock": {
      const hours = random.below(3) === 0;
      const offsetMs = hours ? random.between(-12, 12) * HOUR : random.between(-2_000, 2_000);
      return { kind, ...span, node, offsetMs };
    }
    case "clock-periodic": {
      const amplitudeMs = random.between(10, 2_000);
      return { kind, ...span, node, amplitudeMs, periodMs: random.between(200, 10_000) };
    }
    case "drift":
      return { kind, atMs: span.atMs, node, ppm: random.between(-500, 500) };
    case "twin":
      return { kind, atMs: span.atMs, node };
    default:
      return undefined;
  }
};

/** One fault of a disk. What takes votes costs the node its honesty: seldom. */
const drawDiskFault = (kind: FaultKind, draw: Draw): Fault | undefined => {
  const { random, n } = draw;
  const span = drawSpan(draw);
  const at = { atMs: span.atMs, node: random.below(n) };
  const votes = random.below(6) === 0;
  const lost = votes ? "votes" : "data";
  const either = random.pick(["data", "votes"] as const);
  switch (kind) {
    case "wipe":
      return { kind, ...drawDown(draw), votes };
    case "restore":
      return { kind, ...drawRestore(draw), votes };
    case "disk-full":
      return { kind, ...span, node: at.node };
    case "disk-error":
      return { kind, ...at, disk: either, nth: random.between(1, 30) };
    case "read-error":
      return { kind, ...at, disk: either, nth: random.between(1, 60) };
    case "lost-writes":
      return { kind, ...span, node: at.node, disk: lost };
    case "misdirected-write":
      return { kind, ...at, disk: lost, nth: random.between(1, 30) };
    case "rot":
      return { kind, ...at, disk: lost, bytes: random.exponential(8_000) + 1 };
    case "slow-disk":
      return { kind, ...span, node: at.node, factor: random.between(2, 400) };
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
  downlinkBytesPerMs: random.pick([0, 0, 12_500]),
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

/** A stream of its own: what else a seed draws does not depend on it. */
const drawPipeline = (seed: number): { readonly pipeline?: number } => {
  const random = new Prng(seed, "swarm/pipeline");
  return random.below(3) === 0 ? { pipeline: random.between(2, 6) } : {};
};

/** The same. */
const drawContested = (seed: number): { readonly contested?: true } =>
  new Prng(seed, "swarm/disputed").below(4) === 0 ? { contested: true } : {};

/** The same. */
const drawRights = (seed: number): { readonly rights?: true } =>
  new Prng(seed, "swarm/rights").below(4) === 0 ? { rights: true } : {};

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
  for (const node of random.shuffle(slotsOf(n))) {
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

/** From this seed on, scenarios are of chains on which stake decides, … */
export const STAKE_SEEDS_FROM = 1_000_000_000_000;
/** … and from this one on, up to LIMITS.simSeedsMax, of chains that ask for proofs, stake or others. */
export const PROOF_SEEDS_FROM = 100_000_000_000_000;

/** Two of seven nodes join later. */
const STAKED = { n: 7, first: 5, weight: 10 } as const;
/** Of the first set a quarter may be jailed for downtime. */
const STAKED_TOTAL = STAKED.first * STAKED.weight * 0.75;

/**
 * A scenario of a chain on which stake decides: as any other, of seven equal nodes, of which two join. Who lies or
 * has forgotten its votes is of the genesis, as the others' stake may grow, and is below a third of what may be left.
 */
const stakedScenario = (seed: number): Scenario => {
  const drawn = scenarioOf(seed, STAKED.n);
  const epochMs = new Prng(seed, "swarm/stake").pick([2_000, 4_000, 12_000]);
  const isFirst = (node: number): boolean => node < STAKED.first;
  const [liar] = drawn.adversaries.filter(({ node }) => isFirst(node));
  const whole: Scenario = {
    ...drawn,
    weights: new Array<number>(STAKED.n).fill(STAKED.weight),
    epochMs,
    proofs: ["stake"],
    adversaries: liar === undefined ? [] : [liar],
    heal: "all",
    expect: DEFAULT_EXPECT,
  };
  const faults = whole.faults.filter((fault) => [...untrustedBy(fault, whole)].every(isFirst));
  return keepSurvivable({ ...whole, faults }, STAKED_TOTAL);
};

/** A scenario of a chain that asks for proofs: as any other, of four to seven nodes. */
const proofScenario = (seed: number): Scenario => {
  const chain = drawProofChain(seed);
  return withProofs(scenarioOf(seed, chain.n), chain);
};

/**
 * The scenario of a seed. 19 of 20 runs have four nodes; the others one to ten. Those of STAKE_SEEDS_FROM and
 * above have validators that come and go, those of PROOF_SEEDS_FROM and above prove something.
 */
export const randomScenario = (seed: number): Scenario => {
  if (seed >= PROOF_SEEDS_FROM) return proofScenario(seed);
  return seed >= STAKE_SEEDS_FROM ? stakedScenario(seed) : scenarioOf(seed);
};

const scenarioOf = (seed: number, fixed?: number): Scenario => {
  const random = new Prng(seed, "scenario");
  const size = random.below(20) === 0 ? random.pick([1, 2, 3, 5, 7, 10]) : 4;
  const n = fixed ?? size;
  const spanMs = random.pick([5, 10, 20, 40]) * SECOND;
  const draw: Draw = { random, n, spanMs };
  const kinds = random.subset(KINDS, random.pick([100_000, 250_000, 500_000]));
  const count = kinds.length === 0 ? 0 : random.between(1, 12);
  const faults: Fault[] = [];
  for (let i = 0; i < count; i++) {
    const kind = random.pick(kinds);
    const fault =
      drawNetFault(kind, draw) ?? drawProcessFault(kind, draw) ?? drawDiskFault(kind, draw);
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
  const workload = {
    ...drawWorkload(random),
    ...drawPipeline(seed),
    ...drawContested(seed),
    ...drawRights(seed),
  };
  const adversaries = drawAdversaries(draw, weights);
  const drawn: Scenario = {
    name: `swarm ${seed}`,
    seed,
    n,
    weights,
    epochMs,
    knobs,
    workload,
    faults,
    adversaries,
    atlas: "keep",
    healMs: spanMs,
    heal: random.below(4) === 0 ? "core" : "all",
    expect: DEFAULT_EXPECT,
  };
  if (fixed === undefined) return keepSurvivable(withMore(withOccasions(drawn), true));
  // Clients of a chain with stake move it, so that there is always something to do.
  return keepSurvivable(withMore(drawn, false));
};
