/**
 * The matrix of Byzantine runs: adversaries of every kind, and mixes of kinds, with just under a third of the
 * weight, in networks of several sizes and with equal and unequal weights. The nightly run does all of it, CI
 * the small sizes. With less than a third everything must hold and go on; `overThird` gives the runs in which
 * a network may halt, and may fork only if those who lied can all be named.
 */
import { Prng } from "./prng.ts";
import {
  type AdversarySpec,
  type Scenario,
  STRATEGIES,
  type StrategyName,
  scenario,
} from "./scenario.ts";

export type ByzantineSize = 4 | 7 | 10 | 31 | 100;
export const BYZANTINE_SIZES: readonly ByzantineSize[] = [4, 7, 10, 31, 100];

const FOREVER = 1_000_000_000;
/** Kinds that one adversary has at once in a mix. */
const MIXED_KINDS = 3;

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

const specsOf = (slots: readonly number[], kindsOf: (slot: number) => readonly StrategyName[]) =>
  slots.flatMap((node) =>
    kindsOf(node).map(
      (strategy): AdversarySpec => ({ node, strategy, fromMs: 0, untilMs: FOREVER }),
    ),
  );

/** Large networks run for a shorter time: what an adversary does shows in a few rounds of leaders. */
const HEAL_MS: Readonly<Record<ByzantineSize, number>> = {
  4: 12_000,
  7: 10_000,
  10: 10_000,
  31: 6_000,
  100: 4_000,
};

type Parts = {
  readonly n: ByzantineSize;
  readonly unequal: boolean;
  readonly name: string;
  readonly seed: number;
  readonly kindsOf: (slot: number) => readonly StrategyName[];
  readonly marks: readonly string[];
};

const oneRun = ({ n, unequal, name, seed, kindsOf, marks }: Parts): Scenario => {
  const random = new Prng(seed, `byzantine/${n}/${unequal}`);
  const weights = weightsOf(n, unequal, random);
  const slots = slotsUnderThird(weights, random);
  const healMs = HEAL_MS[n];
  const honest = [...weights.keys()].filter((slot) => !slots.includes(slot));
  const away = random.pick(honest);
  return scenario(`byzantine-${n}${unequal ? "-unequal" : ""}-${name}`, {
    seed,
    n,
    weights,
    adversaries: specsOf(slots, kindsOf),
    // Somebody honest loses its data and comes back, so that catching up meets the adversaries too.
    faults: [{ kind: "wipe", node: away, votes: false, atMs: healMs / 3, downMs: healMs / 4 }],
    healMs,
    workload: {
      clients: 2,
      batchesPerSecond: 4,
      eventsPerBatch: 1,
      bodyBytes: 16,
      untilMs: FOREVER,
    },
    expect: { finalWithinMs: 20_000, convergeWithinMs: 60_000, marks },
  });
};

/** One run a kind, then `mixes` runs in which every adversary has up to three kinds of its own. */
export const underThird = (
  n: ByzantineSize,
  options: { readonly unequal: boolean; readonly mixes: number; readonly seed?: number },
): Scenario[] => {
  const { unequal, mixes, seed = 1 } = options;
  const each = STRATEGIES.map((kind) =>
    oneRun({
      n,
      unequal,
      name: kind,
      seed,
      kindsOf: () => [kind],
      marks: [`adversary ${kind}`],
    }),
  );
  const mixed = Array.from({ length: mixes }, (_, i) => {
    const random = new Prng(seed + i, `byzantine/mix/${n}`);
    return oneRun({
      n,
      unequal,
      name: `mix-${i + 1}`,
      seed: seed + i,
      kindsOf: () => random.shuffle([...STRATEGIES]).slice(0, random.between(1, MIXED_KINDS)),
      marks: [],
    });
  });
  return [...each, ...mixed];
};

/** The whole matrix, small networks first. */
export function* byzantineMatrix(
  sizes: readonly ByzantineSize[] = BYZANTINE_SIZES,
  mixes = 4,
  seed = 1,
): Generator<Scenario> {
  for (const n of sizes) {
    for (const unequal of [false, true]) yield* underThird(n, { unequal, mixes, seed });
  }
}
