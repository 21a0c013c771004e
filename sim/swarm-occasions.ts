/**
 * What a mix of everything seldom has, and some bugs need: a liar of each kind for long, one that changes its mind
 * while somebody is away, and a world that is slower than the first timers. Each comes from a stream of its own, so
 * that all other seeds keep their scenarios.
 */
import type { NetKnobs } from "./links.ts";
import { Prng } from "./prng.ts";
import {
  type AdversarySpec,
  type Fault,
  type Scenario,
  STRATEGIES,
  type StrategyName,
} from "./scenario.ts";

/** What one liar can do by itself, without proofs: all of the mix, and what lies only where it leads. */
export const TURNS: readonly StrategyName[] = ["out-of-turn", "other-parent", ...STRATEGIES];
/** Every so many seeds one has a liar whose turn it is. */
export const TURN_EVERY = 3;

/** A slot with less than a third of the weight. */
const pickLight = (random: Prng, weights: readonly number[]): number | undefined => {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const light = weights.flatMap((weight, slot) => (weight * 3 < total ? [slot] : []));
  return light.length === 0 ? undefined : random.pick(light);
};

/**
 * The liar of a seed whose turn it is, in place of those of the mix; undefined in all other seeds, and where
 * nobody has less than a third of the weight: that kind has lost its turn. The kinds take turns, so that as many
 * seeds as all turns take, one after the other, have each kind where none has lost it.
 */
export const drawLiarOfTurn = (
  seed: number,
  weights: readonly number[],
  spanMs: number,
): AdversarySpec | undefined => {
  if (seed % TURN_EVERY !== 0) return undefined;
  const strategy = TURNS[(seed / TURN_EVERY - 1) % TURNS.length];
  const random = new Prng(seed, "swarm/liar of turn");
  const node = pickLight(random, weights);
  if (strategy === undefined || node === undefined) return undefined;
  return { node, strategy, fromMs: random.below(spanMs / 4), untilMs: Number.MAX_SAFE_INTEGER };
};

/** One way, at least: the last of them is longer than any first timer allows for. */
const FAR_US = [150_000, 300_000, 650_000] as const;
/** One seed in so many is of a world that is slow. */
const FAR_ONE_IN = 12;

/** Every so many seeds, and no seed of a liar of turn, one has a liar that changes its mind while somebody is away. */
const MOODS_EVERY = 9;
const MOODS_FIRST = 4;
/** What it does meanwhile: blocks are left that are not final, and then views are skipped. */
const FIRST_MOODS = ["withhold-finalize", "votes-to-some", "subset-votes"] as const;
const SECOND_MOODS = ["nullify-only", "votes-to-some", "subset-votes"] as const;

export type Moods = { readonly adversaries: readonly AdversarySpec[]; readonly away: Fault };

/**
 * One node is cut off for most of the time. A liar does its part in the views meanwhile, first in one way and then in
 * another, and says nothing from about when the first is back: what the others have from those views, and no more than
 * that, must do for the one that has nothing of it and is needed now.
 */
export const drawMoods = (
  seed: number,
  weights: readonly number[],
  spanMs: number,
): Moods | undefined => {
  if (seed % MOODS_EVERY !== MOODS_FIRST) return undefined;
  const random = new Prng(seed, "swarm/moods");
  const node = pickLight(random, weights);
  if (node === undefined) return undefined;
  const others = weights.flatMap((_, slot) => (slot === node ? [] : [slot]));
  const at = (percent: number): number => Math.floor((spanMs * percent) / 100);
  const secondMs = at(random.between(40, 70));
  const silentMs = at(random.between(85, 95));
  const end = Number.MAX_SAFE_INTEGER;
  return {
    adversaries: [
      { node, strategy: random.pick(FIRST_MOODS), fromMs: at(10), untilMs: secondMs },
      { node, strategy: random.pick(SECOND_MOODS), fromMs: secondMs, untilMs: silentMs },
      { node, strategy: "silent", fromMs: silentMs, untilMs: end },
    ],
    away: { kind: "isolate", atMs: at(20), untilMs: at(97), node: random.pick(others) },
  };
};

/** Around a liar of turn frames take now short and now long: what it says matters where not all know the same yet. */
const UNEVEN: Partial<NetKnobs> = { latencyMinUs: 500, latencyMeanUs: 30_000 };

/** Paths as to the other side of the world and back by satellite: no view is done before the timers have grown. */
export const drawFar = (seed: number): Partial<NetKnobs> => {
  const random = new Prng(seed, "swarm/far");
  if (random.below(FAR_ONE_IN) !== 0) return {};
  return { latencyMinUs: random.pick(FAR_US), latencyMeanUs: 30_000 };
};

/** The scenario of a seed with what the seed has of these; all else stays what it was. */
export const withOccasions = (drawn: Scenario): Scenario => {
  const { seed, weights, healMs, faults } = drawn;
  const liar = drawLiarOfTurn(seed, weights, healMs);
  const moods = drawMoods(seed, weights, healMs);
  const uneven = liar === undefined ? {} : UNEVEN;
  const net = { ...drawn.knobs.net, ...uneven, ...drawFar(seed) };
  return {
    ...drawn,
    knobs: { ...drawn.knobs, net },
    faults: moods === undefined ? faults : [...faults, moods.away],
    adversaries: liar === undefined ? (moods?.adversaries ?? drawn.adversaries) : [liar],
  };
};
