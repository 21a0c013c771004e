/**
 * Scenarios of chains that ask for proofs: as any other seed has them, with its faults and its weather, but which
 * proofs the chain asks for is drawn, epochs are short, and some have one liar about a proof that the chain asks for.
 * What is drawn here comes from a stream of its own.
 */
import { Prng } from "./prng.ts";
import {
  type AdversarySpec,
  DEFAULT_EXPECT,
  JOINING,
  type ProofPart,
  type Scenario,
  type StrategyName,
} from "./scenario.ts";
import { keepSurvivable, untrustedBy } from "./survivable.ts";

/** What a chain may ask for, in any combination; where it asks for none of these, it has the beacon alone. */
const ASKED = ["space", "stake", "work", "time"] as const;

/** Who lies about a part: first it is drawn about which, so that parts with many ways to lie do not have them all. */
const LIARS: ReadonlyMap<ProofPart, readonly StrategyName[]> = new Map<
  ProofPart,
  readonly StrategyName[]
>([
  ["beacon", ["forge-reveals", "withhold-reveals"]],
  ["work", ["false-work"]],
  [
    "space",
    ["delete-space", "borrow-space", "replay-space", "false-labels", "delay-space", "grind-space"],
  ],
  ["time", ["false-claims"]],
  ["shares", ["false-claims"]],
  ["location", ["low-receipts", "early-answers"]],
]);

/** Of each node where stake decides. Of the first set a quarter may be jailed for downtime. */
const WEIGHT = 10;
const JAILED_LEAVE = 0.75;
const EPOCHS_MS = [2_000, 4_000, 8_000] as const;
/** Claims of one epoch are answered in the next one, and count in the one after: a run sees all of that. */
const EPOCHS = 3;

/** Proofs of a chain, in the order of the scenario format. */
export const drawProofs = (random: Prng): ProofPart[] => {
  const chosen = random.below(2 ** ASKED.length);
  const has = (part: (typeof ASKED)[number]): boolean =>
    ((chosen >> ASKED.indexOf(part)) & 1) === 1;
  const coin = (): boolean => random.below(2) === 0;
  // Every part but stake brings the beacon along. Coins are tossed whether they are looked at or not.
  const [withBeacon, withShares, withKeys, withPlaces] = [coin(), coin(), coin(), coin()];
  const isOfStakeAlone = has("stake") && !has("space") && !has("work") && !has("time");
  // Where stake decides, power is bounded by shares as soon as the chain asks for work: nobody would have any.
  const shares = has("work") ? has("stake") || withShares : has("time") && withShares;
  return [
    ...(isOfStakeAlone && !withBeacon ? [] : (["beacon"] as const)),
    ...(has("work") ? (["work"] as const) : []),
    ...(has("space") ? (["space"] as const) : []),
    ...(has("time") ? (["time"] as const) : []),
    ...(shares ? (["shares"] as const) : []),
    ...(has("stake") ? (["stake"] as const) : []),
    ...(has("stake") && withKeys ? (["epoch-keys"] as const) : []),
    ...(has("space") && withPlaces ? (["location"] as const) : []),
  ];
};

/** How the chain of a seed is drawn before its faults, which depend on how many nodes there are. */
export type ProofChain = {
  readonly n: number;
  readonly proofs: readonly ProofPart[];
  /** Of who lies, if anybody does. */
  readonly strategy: StrategyName | undefined;
  readonly random: Prng;
};

/**
 * With stake two nodes join later, and a quarter of the others may be in jail: one of four would be a third of what
 * is left then, so that a liar is one of five.
 */
export const drawProofChain = (seed: number): ProofChain => {
  const random = new Prng(seed, "swarm/proofs");
  const proofs = drawProofs(random);
  const liars = proofs.flatMap((part) => {
    const kinds = LIARS.get(part);
    return kinds === undefined ? [] : [kinds];
  });
  const isHonest = random.below(2) === 0 || liars.length === 0;
  const strategy = isHonest ? undefined : random.pick(random.pick(liars));
  const size = random.between(4, 7);
  const n = proofs.includes("stake") && strategy !== undefined ? 7 : size;
  return { n, proofs, strategy, random };
};

/** A slot with less than a third of the weight that is in the genesis. */
const pickLiar = (random: Prng, weights: readonly number[], first: number): number | undefined => {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const light = weights.flatMap((weight, slot) =>
    slot < first && weight * 3 < total ? [slot] : [],
  );
  return light.length === 0 ? undefined : random.pick(light);
};

/** The scenario of a seed, as it is drawn for any chain of so many nodes, on this one. */
export const withProofs = (drawn: Scenario, chain: ProofChain): Scenario => {
  const { n, proofs, strategy, random } = chain;
  const isStaked = proofs.includes("stake");
  const first = isStaked ? n - JOINING : n;
  const weights = isStaked ? new Array<number>(n).fill(WEIGHT) : drawn.weights;
  const short = EPOCHS_MS.filter((ms) => ms * EPOCHS <= drawn.healMs);
  const epochMs = short.length === 0 ? EPOCHS_MS[0] : random.pick(short);
  const node = strategy === undefined ? undefined : pickLiar(random, weights, first);
  const liars: AdversarySpec[] =
    strategy === undefined || node === undefined
      ? []
      : [{ node, strategy, fromMs: 0, untilMs: Number.MAX_SAFE_INTEGER }];
  // Who says again what it has heard would be a second liar, or the same one with its own lies.
  const faults =
    liars.length === 0 ? drawn.faults : drawn.faults.filter(({ kind }) => kind !== "replay");
  const whole: Scenario = { ...drawn, weights, epochMs, proofs, adversaries: liars, faults };
  if (!isStaked) return keepSurvivable(whole);
  const staked: Scenario = { ...whole, heal: "all", expect: DEFAULT_EXPECT };
  // Where proofs bound power, who is cut off for an epoch has none two epochs later, and another epoch may take
  // from who is left: of the last set anybody may be a third. So nobody forgets its votes or has a second process.
  const isBounded = ["space", "shares", "time"].some((part) => proofs.some((one) => one === part));
  const most = isBounded ? 0 : first;
  const bounded = staked.faults.filter((fault) =>
    [...untrustedBy(fault, staked)].every((slot) => slot < most),
  );
  return keepSurvivable({ ...staked, faults: bounded }, first * WEIGHT * JAILED_LEAVE);
};
