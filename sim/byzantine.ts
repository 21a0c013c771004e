/**
 * The matrix of Byzantine runs: adversaries of every kind, and mixes of kinds, with just under a third of the
 * weight, in networks of several sizes and with equal and unequal weights; then a third and more. With less
 * than a third everything must hold and go on; with more a network may halt, and may fork only if those who
 * lied can all be named (byzantine-judge.ts).
 */
import { Prng } from "./prng.ts";
import {
  type AdversarySpec,
  DIRECTED_STRATEGIES,
  type Fault,
  type ProofPart,
  type Scenario,
  STRATEGIES,
  type StrategyName,
  scenario,
  type Workload,
} from "./scenario.ts";
import type { StatementKind } from "./statements.ts";

export type ByzantineSize = 4 | 7 | 10 | 31 | 100;
export const BYZANTINE_SIZES: readonly ByzantineSize[] = [4, 7, 10, 31, 100];

type Asked = {
  readonly proofs: readonly ProofPart[];
  readonly epochMs?: number;
  readonly healMs?: number;
  /** Larger networks are not run for long enough to show it. */
  readonly nMax?: number;
};

/** Kinds that lie about a proof: they are of no use but on a chain that asks for it. */
const OF_PROOFS: ReadonlyMap<StrategyName, Asked> = new Map<StrategyName, Asked>([
  ["false-work", { proofs: ["beacon", "work"] }],
  ["forge-reveals", { proofs: ["beacon"] }],
  ["withhold-reveals", { proofs: ["beacon"] }],
  ["delete-space", { proofs: ["beacon", "space"] }],
  ["borrow-space", { proofs: ["beacon", "space"] }],
  // Everybody measures everybody.
  ["low-receipts", { proofs: ["beacon", "space", "location"], nMax: 10 }],
  ["early-answers", { proofs: ["beacon", "space", "location"], nMax: 10 }],
  // It takes a second turn to lead.
  ["replay-space", { proofs: ["beacon", "space"], nMax: 10 }],
  ["false-labels", { proofs: ["beacon", "space"] }],
  // Answers are of epochs from the second on, and late at its end.
  ["delay-space", { proofs: ["beacon", "space"], epochMs: 8_000, healMs: 20_000, nMax: 10 }],
  ["grind-space", { proofs: ["beacon", "space"], epochMs: 8_000, healMs: 20_000, nMax: 10 }],
  // Claims are of epochs, and shown by their ends.
  [
    "false-claims",
    { proofs: ["work", "time", "shares"], epochMs: 12_000, healMs: 40_000, nMax: 10 },
  ],
]);

/** Every kind of adversary, those of the directed scenarios too. */
export const BYZANTINE_KINDS: readonly StrategyName[] = [...STRATEGIES, ...DIRECTED_STRATEGIES];

/** What a mix is of: chains that ask for no proofs, so that any kinds go together. */
const MIXABLE = BYZANTINE_KINDS.filter((kind) => !OF_PROOFS.has(kind));

/** The kinds of networks of that size. */
export const kindsAt = (n: number): readonly StrategyName[] =>
  BYZANTINE_KINDS.filter((kind) => n <= (OF_PROOFS.get(kind)?.nMax ?? n));

/** One run of the matrix. */
export type ByzantineCase = {
  readonly n: ByzantineSize;
  readonly weights: "equal" | "unequal";
  /** What all adversaries are; of a mix each is up to three things at once. */
  readonly kind: StrategyName | "mix";
  /** What the adversaries weigh: the most that is less than a third, or the least that is not. */
  readonly share: "under" | "over";
  readonly scenario: Scenario;
};

const FOREVER = 1_000_000_000;
/** Kinds that one adversary has at once in a mix. */
const MIXED_KINDS = 3;
/** The mixes of one seed have seeds of their own, so far from each other. */
const MIX_SEEDS = 1_000;

/** Weights of 1, or of 1 to 9 in no order; the sum is such that just under a third can be had. */
const weightsOf = (n: number, unequal: boolean, random: Prng): number[] =>
  Array.from({ length: n }, () => (unequal ? random.between(1, 9) : 1));

const sum = (weights: readonly number[]): number => weights.reduce((all, one) => all + one, 0);

/**
 * Slots whose weight is the most that stays under a third: by dynamic programming over sums, as taking the
 * first that fit would leave room with unequal weights.
 */
export const slotsUnderThird = (weights: readonly number[], random: Prng): number[] => {
  const room = Math.ceil(sum(weights) / 3) - 1;
  const best = new Map<number, readonly number[]>([[0, []]]);
  for (const slot of random.shuffle([...weights.keys()])) {
    for (const [weight, slots] of [...best]) {
      const more = weight + (weights[slot] ?? 0);
      if (more <= room && !best.has(more)) best.set(more, [...slots, slot]);
    }
  }
  const most = Math.max(...best.keys());
  return [...(best.get(most) ?? [])].sort((a, b) => a - b);
};

/** Views that those strategies act in which act in one view only: early ones, another for each. */
const AIMED_VIEWS = 5;

/** What the directed strategies must be told: a view, and the only slot that sees what they do there. */
const aimOf = (
  strategy: StrategyName,
  rank: number,
  honest: readonly number[],
): Partial<AdversarySpec> => {
  const view = 3 + (rank % AIMED_VIEWS);
  const to = honest[rank % honest.length] ?? 0;
  if (strategy === "out-of-turn") return { view };
  return strategy === "vote-to-one" || strategy === "lie-to-one" ? { view, to } : {};
};

const specsOf = (
  slots: readonly number[],
  n: number,
  kindsOf: (slot: number) => readonly StrategyName[],
): AdversarySpec[] => {
  const honest = [...new Array(n).keys()].filter((slot) => !slots.includes(slot));
  return slots.flatMap((node, rank) =>
    kindsOf(node).map((strategy) => ({
      node,
      strategy,
      fromMs: 0,
      untilMs: FOREVER,
      ...aimOf(strategy, rank, honest),
    })),
  );
};

type Measure = { readonly healMs: number; readonly workload: Workload };

const load = (clients: number, batchesPerSecond: number, untilMs: number): Workload => ({
  ...{ clients, batchesPerSecond, eventsPerBatch: 1, bodyBytes: 16, untilMs },
});

/**
 * Large networks run for a shorter time and under less load: n nodes send each other n² votes a view, while
 * what an adversary does shows in a few rounds of leaders. Nothing else is thinner: timers, latency and
 * limits are those of the small ones. Clients stop at the heal: what they were promised and an idle view remain.
 */
const MEASURES: Readonly<Record<ByzantineSize, Measure>> = {
  4: { healMs: 12_000, workload: load(2, 4, FOREVER) },
  7: { healMs: 10_000, workload: load(2, 4, FOREVER) },
  10: { healMs: 10_000, workload: load(2, 4, FOREVER) },
  31: { healMs: 3_000, workload: load(2, 3, 3_000) },
  100: { healMs: 1_200, workload: load(2, 2, 1_200) },
};

/** A block beside the notarized one needs two open ones on each other, and so work at all times. */
const BUSY_KINDS: readonly string[] = ["other-parent"];
const BUSY = { clients: 3, batchesPerSecond: 12 };

/** Kinds that lie to who catches up. */
const OF_SYNC: readonly string[] = ["lying-sync", "lying-snapshot"];
/** The first bytes of a proposal and a status (src/ledger/wire.ts). */
const PROPOSAL_BYTE = 1;
const STATUS_BYTE = 4;
/**
 * What a kind needs so that anybody meets its lie. Who is shown no proposals asks for each block. Who comes back
 * without its data hears of what is final from liars only, so that it asks one of them. One who is shown no blocks
 * follows the others as long as they skip; in the first view in which they agree it says S, and where it leads they
 * do: to say to each what it says is two things then.
 */
const occasionOf = (
  kind: string,
  honest: readonly number[],
  away: number,
  healMs: number,
): readonly Fault[] => {
  if (OF_SYNC.includes(kind)) {
    const span = { atMs: healMs / 4, untilMs: healMs };
    const lost = { kind: "drop-type", type: STATUS_BYTE, ppm: 1_000_000, to: away } as const;
    return honest.filter((from) => from !== away).map((from) => ({ ...lost, from, ...span }));
  }
  const cut = honest.find((slot) => slot !== away);
  if (cut === undefined) return [];
  if (kind === "withhold-payload") {
    const span = { atMs: 0, untilMs: healMs };
    return [{ kind: "drop-type", type: PROPOSAL_BYTE, ppm: 1_000_000, to: cut, ...span }];
  }
  if (kind !== "two-faced") return [];
  const span = { atMs: 0, untilMs: healMs / 2 };
  const unsaid = (statement: StatementKind, from: number, to: number): Fault => ({
    ...{ kind: "drop-statement", statement, from, to, ...span },
  });
  return honest
    .filter((slot) => slot !== cut)
    .flatMap((slot) => [
      unsaid("notarize", slot, cut),
      unsaid("finalize", slot, cut),
      unsaid("notarize", cut, slot),
    ])
    .concat({ kind: "drop-type", type: STATUS_BYTE, ppm: 1_000_000, to: cut, ...span });
};

type Parts = {
  readonly n: ByzantineSize;
  readonly unequal: boolean;
  readonly kind: StrategyName | "mix";
  readonly name: string;
  readonly seed: number;
  readonly kindsOf: (slot: number) => readonly StrategyName[];
  readonly marks: readonly string[];
};

const oneRun = ({ n, unequal, kind, name, seed, kindsOf, marks }: Parts): ByzantineCase => {
  const random = new Prng(seed, `byzantine/${n}/${unequal}`);
  const weights = weightsOf(n, unequal, random);
  const slots = slotsUnderThird(weights, random);
  const asked = kind === "mix" ? undefined : OF_PROOFS.get(kind);
  const { workload, ...measure } = MEASURES[n];
  const healMs = Math.max(measure.healMs, asked?.healMs ?? 0);
  const honest = [...weights.keys()].filter((slot) => !slots.includes(slot));
  const away = random.pick(honest);
  const run = scenario(`byzantine-${n}${unequal ? "-unequal" : ""}-${name}`, {
    seed,
    n,
    weights,
    adversaries: specsOf(slots, n, kindsOf),
    // Somebody honest loses its data and comes back, so that catching up meets the adversaries too.
    faults: [
      { kind: "wipe", node: away, votes: false, atMs: healMs / 4, downMs: healMs / 4 },
      ...occasionOf(kind, honest, away, healMs),
    ],
    healMs,
    workload: BUSY_KINDS.includes(kind) ? { ...workload, ...BUSY } : workload,
    ...(asked === undefined ? {} : { proofs: asked.proofs }),
    ...(asked?.epochMs === undefined ? {} : { epochMs: asked.epochMs }),
    expect: { finalWithinMs: 20_000, convergeWithinMs: 60_000, marks },
  });
  return { n, weights: unequal ? "unequal" : "equal", kind, share: "under", scenario: run };
};

/** One run a kind, then `mixes` runs in which every adversary has up to three kinds of its own. */
export const underThird = (
  n: ByzantineSize,
  options: { readonly unequal: boolean; readonly mixes: number; readonly seed?: number },
): ByzantineCase[] => {
  const { unequal, mixes, seed = 1 } = options;
  const each = kindsAt(n).map((kind) =>
    oneRun({
      ...{ n, unequal, kind, seed, name: kind },
      kindsOf: () => [kind],
      marks: [`adversary ${kind}`],
    }),
  );
  const mixed = Array.from({ length: mixes }, (_, i) => {
    const own = seed + MIX_SEEDS * i;
    const random = new Prng(own, `byzantine/mix/${n}`);
    return oneRun({
      ...{ n, unequal, kind: "mix" as const, seed: own, name: `mix-${i + 1}` },
      kindsOf: () => random.shuffle([...MIXABLE]).slice(0, random.between(1, MIXED_KINDS)),
      marks: [],
    });
  });
  return [...each, ...mixed];
};

/** The least that is a third or more of so many equal validators, with which two halves of the rest can fork. */
const LIARS: Readonly<Record<ByzantineSize, number>> = { 4: 2, 7: 3, 10: 4, 31: 11, 100: 34 };

/**
 * A third and more of the weight agrees with everybody while the honest ones are apart: here a fork comes
 * about. `liars` slots are the last ones; the honest ones are cut in two halves until the heal.
 */
export const overThird = (
  n: number,
  liars: number,
  seed = 1,
  kind: StrategyName = "two-faced",
): Scenario => {
  const honest = Array.from({ length: n - liars }, (_, slot) => slot);
  const slots = Array.from({ length: liars }, (_, i) => n - liars + i);
  const half = honest.length >> 1;
  const [left, right] = [honest.slice(0, half), honest.slice(half)];
  const healMs = kind === "two-faced" ? 20_000 : 6_000;
  const span = { atMs: 0, untilMs: healMs };
  return scenario(`byzantine-over-third-${liars}-of-${n}-${kind}`, {
    seed,
    n,
    adversaries: specsOf(slots, n, () => [kind]),
    faults: [
      { kind: "one-way", from: left, to: right, ...span },
      { kind: "one-way", from: right, to: left, ...span },
    ],
    healMs,
    expect: {
      // That it stands still is found after so long.
      ...{ finalWithinMs: 10_000, convergeWithinMs: 10_000 },
      marks: [`adversary ${kind}`],
    },
  });
};

/** Small networks meet every kind with a third and more, all of them the kind that forks. */
const OVER_ALL_KINDS: readonly number[] = [4, 7, 10];

const overCases = (n: ByzantineSize, seed: number): ByzantineCase[] => {
  const kinds = OVER_ALL_KINDS.includes(n) ? MIXABLE : (["two-faced"] as const);
  return kinds.map((kind) => {
    const run = overThird(n, LIARS[n], seed, kind);
    return { n, weights: "equal", kind, share: "over", scenario: run };
  });
};

/** The whole matrix, small networks first. */
export function* byzantineMatrix(
  sizes: readonly ByzantineSize[] = BYZANTINE_SIZES,
  mixes = 4,
  seed = 1,
): Generator<ByzantineCase> {
  for (const n of sizes) {
    for (const unequal of [false, true]) yield* underThird(n, { unequal, mixes, seed });
    yield* overCases(n, seed);
  }
}
