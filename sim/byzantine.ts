/**
 * The matrix of Byzantine runs: adversaries of every kind, and mixes of kinds, with just under a third of the
 * weight, in networks of several sizes and with equal and unequal weights. The nightly run does all of it, CI
 * the small sizes. With less than a third everything must hold and go on; `overThird` gives the runs in which
 * a network may halt, and may fork only if those who lied can all be named.
 */
import { conflict } from "../src/ledger/statement.ts";
import type { Statement } from "../src/ledger/types.ts";
import { createProsecutor } from "./checkers/culprits.ts";
import { decodeStatement } from "./checkers/decode.ts";
import { CHECKERS } from "./checkers/index.ts";
import { Prng } from "./prng.ts";
import {
  type AdversarySpec,
  type Scenario,
  STRATEGIES,
  type StrategyName,
  scenario,
} from "./scenario.ts";
import { type RunOptions, simulate } from "./simulate.ts";

const KINDS = [undefined, "notarize", "nullify", "finalize"] as const;

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

/**
 * A third and more of the weight agrees with everybody while the honest ones are apart: here a fork comes
 * about. `liars` slots are the last ones; the honest ones are cut in two halves until the heal.
 */
export const overThird = (n: number, liars: number, seed = 1): Scenario => {
  const honest = Array.from({ length: n - liars }, (_, slot) => slot);
  const adversaries = Array.from({ length: liars }, (_, i): AdversarySpec => {
    return { node: n - liars + i, strategy: "two-faced", fromMs: 0, untilMs: FOREVER };
  });
  const half = honest.length >> 1;
  const [left, right] = [honest.slice(0, half), honest.slice(half)];
  const span = { atMs: 0, untilMs: 20_000 };
  return scenario(`byzantine-over-third-${liars}-of-${n}`, {
    seed,
    n,
    adversaries,
    faults: [
      { kind: "one-way", from: left, to: right, ...span },
      { kind: "one-way", from: right, to: left, ...span },
    ],
    healMs: 20_000,
  });
};

/** A signed statement as production reads it. */
const statementOf = (message: Uint8Array): Statement | undefined => {
  const read = decodeStatement(message);
  const kind = read === undefined ? undefined : KINDS[read.kind];
  if (read === undefined || kind === undefined) return undefined;
  return { epoch: read.epoch, view: read.view, kind, hash: Buffer.from(read.hash, "hex") };
};

export type OverThirdVerdict = "halted" | "forked" | "went on" | { readonly wrong: string };

/** Violations that a fork shows itself by. */
const FORK_IDS = ["I1", "I3", "I4", "I5", "I6", "I10", "I13"];

/**
 * Runs a scenario with a third and more of the weight adversarial. It may halt; if it forks, the culprits that
 * the oracle extracts must weigh more than a third, be guilty by production's own rule too, and all be liars.
 */
export const judgeOverThird = (one: Scenario, options: RunOptions): OverThirdVerdict => {
  const prosecutor = createProsecutor();
  const checkers = [prosecutor.checker, ...(options.checkers ?? CHECKERS)];
  const { outcome, violation } = simulate(one, { ...options, checkers });
  if (outcome === "ok") return "went on";
  if (outcome === "liveness") return "halted";
  if (outcome === "crash" || violation === undefined)
    return { wrong: violation?.detail ?? outcome };
  if (!FORK_IDS.includes(violation.id)) return { wrong: `${violation.id}: ${violation.detail}` };
  const fault = prosecutor.faultAfterFork();
  if (fault !== undefined) return { wrong: `I13: ${fault}` };
  for (const { slot, pair } of prosecutor.culprits()) {
    const [first, second] = pair.map(statementOf);
    if (first === undefined || second === undefined || conflict(first, second) === undefined) {
      return { wrong: `I13: what n${slot} signed is no evidence by the rule of production` };
    }
  }
  return "forked";
};
