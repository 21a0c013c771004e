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

type Span = { readonly healMs: number; readonly epochMs?: number };

type Asked = {
  readonly proofs: readonly ProofPart[];
  /** Where its lie takes longer than what a network of that size is run for (MEASURES), or epochs. */
  readonly span?: (n: ByzantineSize) => Span;
};

/** Time costs what n² votes a view cost: what takes epochs has shorter ones in large networks. */
const bySize =
  (small: Span | undefined, medium: Span, large: Span) =>
  (n: ByzantineSize): Span =>
    n === 100 ? large : n === 31 ? medium : (small ?? MEASURES[n]);

const PLACES: Asked = {
  proofs: ["beacon", "space", "location"],
  // Everybody measures everybody.
  span: bySize(undefined, { healMs: 10_000 }, { healMs: 5_000 }),
};

const SPACE_OF_EPOCHS: Asked = {
  proofs: ["beacon", "space"],
  // Answers are of epochs from the second on, and late at its end.
  span: bySize(
    { epochMs: 8_000, healMs: 20_000 },
    { epochMs: 8_000, healMs: 20_000 },
    { epochMs: 2_000, healMs: 6_000 },
  ),
};

/** Kinds that lie about a proof: they are of no use but on a chain that asks for it. */
const OF_PROOFS: ReadonlyMap<StrategyName, Asked> = new Map<StrategyName, Asked>([
  ["false-work", { proofs: ["beacon", "work"] }],
  ["forge-reveals", { proofs: ["beacon"] }],
  ["withhold-reveals", { proofs: ["beacon"] }],
  ["delete-space", { proofs: ["beacon", "space"] }],
  ["borrow-space", { proofs: ["beacon", "space"] }],
  ["low-receipts", PLACES],
  ["early-answers", PLACES],
  [
    "replay-space",
    {
      proofs: ["beacon", "space"],
      // It takes a second turn to lead: of a hundred with equal weights that is a hundred views later.
      span: bySize(undefined, { healMs: 8_000 }, { healMs: 32_000 }),
    },
  ],
  ["false-labels", { proofs: ["beacon", "space"] }],
  ["delay-space", SPACE_OF_EPOCHS],
  ["grind-space", SPACE_OF_EPOCHS],
  [
    "false-claims",
    {
      proofs: ["work", "time", "shares"],
      // Claims are of epochs, and shown by their ends.
      span: bySize(
        { epochMs: 12_000, healMs: 40_000 },
        { epochMs: 12_000, healMs: 40_000 },
        { epochMs: 3_000, healMs: 8_000 },
      ),
    },
  ],
]);

/** Every kind of adversary, those of the directed scenarios too. */
export const BYZANTINE_KINDS: readonly StrategyName[] = [...STRATEGIES, ...DIRECTED_STRATEGIES];

/** What a mix is of: chains that ask for no proofs, so that any kinds go together. */
const MIXABLE = BYZANTINE_KINDS.filter((kind) => !OF_PROOFS.has(kind));

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
 * Each sum that some slots can have, with slots that have it: by dynamic programming, as taking the first that fit
 * would leave room with unequal weights.
 */
const slotsBySum = (
  weights: readonly number[],
  most: number,
  random: Prng,
): Map<number, number[]> => {
  const best = new Map<number, number[]>([[0, []]]);
  for (const slot of random.shuffle([...weights.keys()])) {
    for (const [weight, slots] of [...best]) {
      const more = weight + (weights[slot] ?? 0);
      if (more <= most && !best.has(more)) best.set(more, [...slots, slot]);
    }
  }
  return best;
};

const inOrder = (slots: readonly number[] = []): number[] => [...slots].sort((a, b) => a - b);

/** Slots whose weight is the most that stays under a third. */
export const slotsUnderThird = (weights: readonly number[], random: Prng): number[] => {
  const best = slotsBySum(weights, Math.ceil(sum(weights) / 3) - 1, random);
  return inOrder(best.get(Math.max(...best.keys())));
};

/** Slots whose weight is the least that is a third or more. */
export const slotsOfThird = (weights: readonly number[], random: Prng): number[] => {
  const all = sum(weights);
  const best = slotsBySum(weights, all, random);
  return inOrder(best.get(Math.min(...[...best.keys()].filter((weight) => 3 * weight >= all))));
};

/** What one adversary of a mix is. */
const mixedKinds = (random: Prng) => (): readonly StrategyName[] =>
  random.shuffle([...MIXABLE]).slice(0, random.between(1, MIXED_KINDS));

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

/** What adversaries are, each kind once. */
export const drawnKinds = (adversaries: readonly AdversarySpec[]): readonly StrategyName[] => [
  ...new Set(adversaries.map(({ strategy }) => strategy)),
];

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

/** Networks in which each leads often, and in which a third and more is of every kind. */
const isSmall = (n: number): boolean => n <= 10;

/** What these do, nothing that an adversary does beside it can hide: they speak of themselves, ten times a second. */
const UNHIDDEN: readonly StrategyName[] = ["future-flood", "forge-certificates"];
/** Whether these are asked for anything, others decide, who may ask another adversary. */
const WHEN_ASKED: readonly StrategyName[] = ["lying-sync", "lying-snapshot", "withhold-payload"];

/**
 * The kinds of a mix that must have acted, whatever else is in it. Of an adversary that is several things at once the
 * one may hide the other: who is silent, or proposes nothing, tells no lie in a proposal. Who is one thing alone acts
 * as it does in a run of its own, in a small network: in a large one it may not have led by the end.
 */
const demandedOf = (adversaries: readonly AdversarySpec[], n: number): readonly StrategyName[] => {
  const isAlone = ({ node }: AdversarySpec): boolean =>
    adversaries.filter((other) => other.node === node).length === 1;
  const sure = adversaries.filter((one) => {
    if (UNHIDDEN.includes(one.strategy)) return true;
    return isSmall(n) && isAlone(one) && !WHEN_ASKED.includes(one.strategy);
  });
  return drawnKinds(sure);
};

/** Of a hundred it takes the one who is shown no proposals longer to ask a liar for what it lacks. */
const spanOf = (kind: string, n: ByzantineSize): Pick<Measure, "healMs"> =>
  n === 100 && kind === "withhold-payload" ? { healMs: 3_000 } : MEASURES[n];

type Parts = {
  readonly n: ByzantineSize;
  readonly unequal: boolean;
  readonly kind: StrategyName | "mix";
  readonly name: string;
  readonly seed: number;
  readonly kindsOf: (slot: number) => readonly StrategyName[];
};

const oneRun = ({ n, unequal, kind, name, seed, kindsOf }: Parts): ByzantineCase => {
  const random = new Prng(seed, `byzantine/${n}/${unequal}`);
  const weights = weightsOf(n, unequal, random);
  const slots = slotsUnderThird(weights, random);
  const asked = kind === "mix" ? undefined : OF_PROOFS.get(kind);
  const measure = MEASURES[n];
  const { healMs, epochMs } = asked?.span?.(n) ?? { ...spanOf(kind, n), epochMs: undefined };
  // Where clients stop at the heal, they do so at that of a longer run too.
  const untilMs = Math.max(measure.workload.untilMs, healMs);
  const workload = { ...measure.workload, untilMs };
  const honest = [...weights.keys()].filter((slot) => !slots.includes(slot));
  const away = random.pick(honest);
  const adversaries = specsOf(slots, n, kindsOf);
  // In a large network a mix has nearly all kinds: with the occasions of all, little would be final before the heal.
  const occasional = kind === "mix" && !isSmall(n) ? [] : drawnKinds(adversaries);
  const demanded = kind === "mix" ? demandedOf(adversaries, n) : [kind];
  const run = scenario(`byzantine-${n}${unequal ? "-unequal" : ""}-${name}`, {
    seed,
    n,
    weights,
    adversaries,
    // Somebody honest loses its data and comes back, so that catching up meets the adversaries too.
    faults: [
      { kind: "wipe", node: away, votes: false, atMs: healMs / 4, downMs: healMs / 4 },
      ...occasional.flatMap((one) => occasionOf(one, honest, away, healMs)),
    ],
    healMs,
    workload: drawnKinds(adversaries).some((one) => BUSY_KINDS.includes(one))
      ? { ...workload, ...BUSY }
      : workload,
    ...(asked === undefined ? {} : { proofs: asked.proofs }),
    ...(epochMs === undefined ? {} : { epochMs }),
    expect: {
      ...{ finalWithinMs: 20_000, convergeWithinMs: 60_000 },
      marks: demanded.map((one) => `adversary ${one}`),
    },
  });
  return { n, weights: unequal ? "unequal" : "equal", kind, share: "under", scenario: run };
};

/** One run a kind, then `mixes` runs in which every adversary has up to three kinds of its own. */
export const underThird = (
  n: ByzantineSize,
  options: { readonly unequal: boolean; readonly mixes: number; readonly seed?: number },
): ByzantineCase[] => {
  const { unequal, mixes, seed = 1 } = options;
  const each = BYZANTINE_KINDS.map((kind) =>
    oneRun({
      ...{ n, unequal, kind, seed, name: kind },
      kindsOf: () => [kind],
    }),
  );
  const mixed = Array.from({ length: mixes }, (_, i) => {
    const own = seed + MIX_SEEDS * i;
    const random = new Prng(own, `byzantine/mix/${n}`);
    return oneRun({
      ...{ n, unequal, kind: "mix" as const, seed: own, name: `mix-${i + 1}` },
      kindsOf: mixedKinds(random),
    });
  });
  return [...each, ...mixed];
};

/** The least that is a third or more of so many equal validators, with which two halves of the rest can fork. */
const LIARS: Readonly<Record<ByzantineSize, number>> = { 4: 2, 7: 3, 10: 4, 31: 11, 100: 34 };

type Over = {
  readonly weights: readonly number[];
  readonly slots: readonly number[];
  readonly seed: number;
  readonly kind: StrategyName | "mix";
  readonly name: string;
  readonly kindsOf: (slot: number) => readonly StrategyName[];
};

/** Two parts that weigh about the same, of slots in their order. */
const halvesOf = (slots: readonly number[], weights: readonly number[]): [number[], number[]] => {
  const weightOf = (slot: number): number => weights[slot] ?? 0;
  const all = sum(slots.map(weightOf));
  let before = 0;
  const isLeft = slots.map((slot) => {
    const middle = 2 * before + weightOf(slot);
    before += weightOf(slot);
    return middle < all;
  });
  return [slots.filter((_, at) => isLeft[at]), slots.filter((_, at) => !isLeft[at])];
};

/** Liars about proofs are in the smallest network a third and more, and nowhere else: runs of proofs cost most. */
const OF_PROOFS_OVER: ByzantineSize = 4;

/** When all heals, and what the chain asks for. */
const measureOver = (
  kind: StrategyName | "mix",
  n: number,
): Pick<Scenario, "healMs"> & Partial<Pick<Scenario, "proofs" | "epochMs">> => {
  const asked = kind === "mix" ? undefined : OF_PROOFS.get(kind);
  if (asked !== undefined) {
    const { healMs, epochMs }: Span = asked.span?.(OF_PROOFS_OVER) ?? MEASURES[OF_PROOFS_OVER];
    return { healMs, proofs: asked.proofs, ...(epochMs === undefined ? {} : { epochMs }) };
  }
  const isLong = kind === "two-faced" || (kind === "mix" && isSmall(n));
  return { healMs: isLong ? 20_000 : 6_000 };
};

/** A third and more of the weight agrees with everybody while the rest is cut in two halves until the heal. */
const overRun = ({ weights, slots, seed, kind, name, kindsOf }: Over): Scenario => {
  const honest = [...weights.keys()].filter((slot) => !slots.includes(slot));
  const [left, right] = halvesOf(honest, weights);
  const measure = measureOver(kind, weights.length);
  const span = { atMs: 0, untilMs: measure.healMs };
  return scenario(name, {
    seed,
    n: weights.length,
    weights,
    adversaries: specsOf(slots, weights.length, kindsOf),
    faults: [
      { kind: "one-way", from: left, to: right, ...span },
      { kind: "one-way", from: right, to: left, ...span },
    ],
    ...measure,
    expect: {
      // That it stands still is found after so long.
      ...{ finalWithinMs: 10_000, convergeWithinMs: 10_000 },
      // A mix may fork before most of it has acted: of its kinds one must have (byzantine-judge.ts).
      marks: kind === "mix" ? [] : [`adversary ${kind}`],
    },
  });
};

/** A third and more of equal validators: `liars` slots, the last ones. Here a fork comes about. */
export const overThird = (
  n: number,
  liars: number,
  seed = 1,
  kind: StrategyName = "two-faced",
): Scenario =>
  overRun({
    ...{ seed, kind, name: `byzantine-over-third-${liars}-of-${n}-${kind}` },
    weights: new Array<number>(n).fill(1),
    slots: Array.from({ length: liars }, (_, i) => n - liars + i),
    kindsOf: () => [kind],
  });

/** The same of validators that weigh 1 to 9: those who lie weigh the least that is a third or more. */
const overUnequal = (n: ByzantineSize, seed: number, kind: StrategyName): ByzantineCase => {
  const random = new Prng(seed, `byzantine/over/${n}`);
  const weights = weightsOf(n, true, random);
  const slots = slotsOfThird(weights, random);
  const name = `byzantine-over-third-of-${n}-unequal-${kind}`;
  const run = overRun({ weights, slots, seed, kind, name, kindsOf: () => [kind] });
  return { n, weights: "unequal", kind, share: "over", scenario: run };
};

const overMixes = (n: ByzantineSize, mixes: number, seed: number): ByzantineCase[] =>
  Array.from({ length: mixes }, (_, i) => {
    const own = seed + MIX_SEEDS * i;
    const random = new Prng(own, `byzantine/over-mix/${n}`);
    const weights = new Array<number>(n).fill(1);
    const kindsOf = mixedKinds(random);
    const name = `byzantine-over-third-${LIARS[n]}-of-${n}-mix-${i + 1}`;
    const slots = slotsOfThird(weights, random);
    const run = overRun({ weights, slots, seed: own, kind: "mix", name, kindsOf });
    return { n, weights: "equal", kind: "mix", share: "over", scenario: run };
  });

/**
 * Kinds that are a third and more of a large network: those that two parts of it may be told different things by, so
 * that it forks or halts. Of a hundred only the kind that forks, as a run of them takes minutes.
 */
const overKinds = (n: ByzantineSize): readonly StrategyName[] => {
  if (n === OF_PROOFS_OVER) return BYZANTINE_KINDS;
  if (isSmall(n)) return MIXABLE;
  return n === 31
    ? ["two-faced", "twins", "equivocate-vote", "skip-and-finalize", "lie-to-one"]
    : ["two-faced"];
};

const overCases = (n: ByzantineSize, mixes: number, seed: number): ByzantineCase[] => {
  const equal = overKinds(n).map((kind): ByzantineCase => {
    const run = overThird(n, LIARS[n], seed, kind);
    return { n, weights: "equal", kind, share: "over", scenario: run };
  });
  if (n === 100) return equal;
  if (n === 31) return [...equal, ...overMixes(n, Math.min(mixes, 1), seed)];
  // Two-faced ones have nothing to say where weights cannot be cut so that both parts would fork.
  const unequal = MIXABLE.filter((kind) => kind !== "two-faced");
  return [
    ...equal,
    ...unequal.map((kind) => overUnequal(n, seed, kind)),
    ...overMixes(n, mixes, seed),
  ];
};

/** The whole matrix, small networks first. */
export function* byzantineMatrix(
  sizes: readonly ByzantineSize[] = BYZANTINE_SIZES,
  mixes = 4,
  seed = 1,
): Generator<ByzantineCase> {
  for (const n of sizes) {
    for (const unequal of [false, true]) yield* underThird(n, { unequal, mixes, seed });
    yield* overCases(n, mixes, seed);
  }
}
