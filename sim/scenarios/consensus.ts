/** Scenarios about the protocol: partitions, adversaries and restarts at bad moments (S1 to S5 first). */
import { CALM, type Scenario, type StrategyName, scenario } from "../scenario.ts";

const FOREVER = Number.MAX_SAFE_INTEGER;

const adversary = (
  node: number,
  strategy: StrategyName,
  fromMs = 0,
  untilMs = FOREVER,
): Scenario["adversaries"][number] => ({ node, strategy, fromMs, untilMs });

/** D votes N and never F; honest C is away, so that nothing can be finalized; then C is back. */
const withheldFinalize = (name: string, awayMs: number): Scenario =>
  scenario(name, {
    adversaries: [adversary(3, "withhold-finalize")],
    faults: [{ kind: "isolate", node: 2, atMs: 2_000, untilMs: 2_000 + awayMs }],
    healMs: 2_000 + awayMs,
    workload: {
      clients: 2,
      batchesPerSecond: 4,
      eventsPerBatch: 1,
      bodyBytes: 8,
      untilMs: FOREVER,
    },
    expect: { finalWithinMs: 1_000, marks: ["adversary withhold-finalize"] },
  });

const S1: readonly Scenario[] = [
  withheldFinalize("s1-finalize-withheld-4s", 4_000),
  withheldFinalize("s1-finalize-withheld-200s", 200_000),
];

/** D's votes reach one node only; that node restarts at once, with or without its data. */
const S2: readonly Scenario[] = [1, 2, 3].map((nth) =>
  scenario(`s2-vote-given-to-one-${nth}`, {
    seed: nth,
    adversaries: [adversary(3, "subset-votes")],
    faults: [
      { kind: "drop-type", type: 2, ppm: 300_000, atMs: 1_000, untilMs: 6_000 },
      {
        kind: "crash-at",
        node: 0,
        point: "send",
        nth: 3 * nth,
        downMs: 0,
        power: true,
        atMs: 1_500,
      },
      {
        kind: "crash-at",
        node: 0,
        point: "send",
        nth: 5 * nth,
        downMs: 0,
        power: true,
        atMs: 3_000,
      },
    ],
    healMs: 6_000,
    expect: { finalWithinMs: 3_000 },
  }),
);

const S2_LOST_PAYLOAD = scenario("s2-vote-given-to-one-payload-lost", {
  adversaries: [adversary(3, "subset-votes")],
  faults: [
    { kind: "drop-type", type: 2, ppm: 300_000, atMs: 1_000, untilMs: 6_000 },
    { kind: "wipe", node: 0, votes: false, atMs: 3_000, downMs: 0 },
  ],
  healMs: 6_000,
  expect: { finalWithinMs: 5_000 },
});

/** The epoch ends every four seconds, and its boundary block meets a partition of five. */
const S3 = scenario("s3-boundary-meets-partition", {
  epochMs: 4_000,
  faults: [
    {
      kind: "partition",
      groups: [
        [0, 1],
        [2, 3],
      ],
      atMs: 3_900,
      untilMs: 8_900,
    },
    {
      kind: "partition",
      groups: [
        [0, 2],
        [1, 3],
      ],
      atMs: 12_900,
      untilMs: 17_900,
    },
  ],
  healMs: 17_900,
  expect: { finalWithinMs: 1_500, marks: ["epoch changed"] },
});

/** D times out every view that it leads, for 200 s; then it behaves: first block within 0.5 s. */
const S4 = scenario("s4-leader-times-out-200s", {
  adversaries: [adversary(3, "nullify-only", 0, 200_000)],
  healMs: 200_000,
  workload: { clients: 1, batchesPerSecond: 2, eventsPerBatch: 1, bodyBytes: 8, untilMs: FOREVER },
  // t_idle is 1 s: with work waiting a healthy leader proposes at once.
  expect: { finalWithinMs: 1_500, marks: ["view nullified"] },
});

/** A Byzantine leader proposes wrong roots: nobody halts, the log goes on. */
const S5 = scenario("s5-wrong-roots", {
  adversaries: [adversary(3, "wrong-roots")],
  healMs: 12_000,
  expect: { finalWithinMs: 3_000, marks: ["adversary wrong-roots", "view nullified"] },
});

const EACH_ADVERSARY: readonly Scenario[] = (
  [
    "silent",
    "equivocate-proposal",
    "equivocate-vote",
    "skip-and-finalize",
    "withhold-payload",
    "future-flood",
    "forge-certificates",
    "lying-sync",
    "stale",
  ] as const
).map((strategy) =>
  scenario(`adversary-${strategy}`, {
    adversaries: [adversary(1, strategy)],
    // Somebody is away for a while, so that catching up meets the adversary too.
    faults: [{ kind: "crash", node: 2, power: true, atMs: 4_000, downMs: 3_000 }],
    healMs: 12_000,
    expect: { finalWithinMs: 6_000, marks: [`adversary ${strategy}`] },
  }),
);

/** Two proposals in one view, and then no F: those who voted for the other one see the certificate late. */
const EQUIVOCATE_AND_WITHHOLD = scenario("leader-equivocates-and-withholds-finalize", {
  adversaries: [adversary(1, "equivocate-proposal"), adversary(1, "withhold-finalize")],
  healMs: 15_000,
  expect: { finalWithinMs: 3_000, marks: ["culprit quarantined"] },
});

const LEADER_CRASH: readonly Scenario[] = (["signed", "synced", "send"] as const).map((point) =>
  scenario(`leader-crash-at-${point}`, {
    faults: [0, 1, 2, 3].map((node) => ({
      kind: "crash-at" as const,
      node,
      point,
      nth: 2,
      power: true,
      atMs: 1_000 + 1_500 * node,
      downMs: 200,
    })),
    healMs: 8_000,
    expect: { finalWithinMs: 5_000, marks: [`crash at ${point}`] },
  }),
);

const UNEQUAL = scenario("unequal-weights-byzantine-just-under-a-third", {
  n: 5,
  // 33 of 100 is Byzantine: the most that three times it stays below the total.
  weights: [33, 30, 17, 11, 9],
  adversaries: [adversary(0, "equivocate-proposal"), adversary(0, "equivocate-vote")],
  faults: [
    {
      kind: "partition",
      groups: [
        [0, 1, 4],
        [2, 3],
      ],
      atMs: 3_000,
      untilMs: 7_000,
    },
  ],
  healMs: 9_000,
  expect: { finalWithinMs: 8_000 },
});

const HALF_SPLIT = scenario("half-the-net-split-then-healed", {
  faults: [
    {
      kind: "partition",
      groups: [
        [0, 1],
        [2, 3],
      ],
      atMs: 3_000,
      untilMs: 23_000,
    },
  ],
  healMs: 23_000,
  expect: { finalWithinMs: 3_000, haltedMs: [[3_400, 23_000]] },
});

const CERTIFICATE_SPLIT = scenario("certificate-split-healed", {
  // Votes are lost at random while proposals pass: some hold a notarization, some a nullification.
  faults: [
    { kind: "drop-type", type: 2, ppm: 900_000, atMs: 1_000, untilMs: 12_000 },
    { kind: "drop-type", type: 3, ppm: 900_000, atMs: 1_000, untilMs: 12_000 },
  ],
  healMs: 12_000,
  expect: { finalWithinMs: 4_000, marks: ["view nullified"] },
});

const BRIDGE = scenario("halves-meet-in-one-node", {
  n: 5,
  faults: [{ kind: "bridge", middle: 4, atMs: 2_000, untilMs: 12_000 }],
  healMs: 12_000,
  expect: { finalWithinMs: 5_000 },
});

const RING = scenario("ring-of-five", {
  n: 5,
  faults: [{ kind: "ring", atMs: 2_000, untilMs: 12_000 }],
  healMs: 12_000,
  expect: { finalWithinMs: 5_000 },
});

const ONE_WAY = scenario("leader-is-heard-but-hears-nobody", {
  faults: [
    { kind: "one-way", from: [1, 2, 3], to: [0], atMs: 2_000, untilMs: 9_000 },
    { kind: "one-way", from: [1], to: [0, 2, 3], atMs: 10_000, untilMs: 16_000 },
  ],
  healMs: 16_000,
  expect: { finalWithinMs: 5_000 },
});

const SLOW_WORLD = scenario("slow-lossy-world", {
  knobs: {
    ...CALM,
    net: { ...CALM.net, latencyMinUs: 90_000, latencyMeanUs: 40_000, lossPpm: 20_000 },
  },
  healMs: 20_000,
  expect: { finalWithinMs: 10_000 },
});

/**
 * D proposes to all but C, which is away, and is never heard again. C leads the next view: it gets the
 * certificate of D's view first, and catching up takes its tip far ahead before it gets the block. The
 * other two have signed F and may not skip that view: only C can go on.
 */
const lastProposal = (name: string, leader: number, away: number): Scenario =>
  scenario(name, {
    adversaries: [adversary(leader, "last-word", 25_000)],
    faults: [{ kind: "isolate", node: away, atMs: 2_000, untilMs: 30_000 }],
    healMs: 30_000,
    workload: {
      clients: 2,
      batchesPerSecond: 4,
      eventsPerBatch: 1,
      bodyBytes: 8,
      untilMs: FOREVER,
    },
    expect: { finalWithinMs: 4_000, marks: ["adversary last-word", "sync served"] },
  });

/** Slots whose turns follow each other with this seed; the leader is the last source, or the first. */
const LAST_PROPOSAL: readonly Scenario[] = [
  lastProposal("crash-after-proposal-while-one-rejoins-1", 3, 2),
  lastProposal("crash-after-proposal-while-one-rejoins-2", 0, 1),
];

export const CONSENSUS_SCENARIOS: readonly Scenario[] = [
  ...S1,
  ...S2,
  S2_LOST_PAYLOAD,
  S3,
  S4,
  S5,
  ...EACH_ADVERSARY,
  EQUIVOCATE_AND_WITHHOLD,
  ...LEADER_CRASH,
  UNEQUAL,
  HALF_SPLIT,
  CERTIFICATE_SPLIT,
  BRIDGE,
  RING,
  ONE_WAY,
  SLOW_WORLD,
  ...LAST_PROPOSAL,
];
