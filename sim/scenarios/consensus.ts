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
const withheldFinalize = (name: string, awayMs: number, marks: readonly string[]): Scenario =>
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
    expect: {
      finalWithinMs: 1_000,
      haltedMs: [[2_500, 2_000 + awayMs]],
      marks: ["finalize withheld", ...marks],
    },
  });

const S1: readonly Scenario[] = [
  withheldFinalize("s1-finalize-withheld-4s", 4_000, ["view nullified"]),
  withheldFinalize("s1-finalize-withheld-200s", 200_000, ["re-proposed at a gap of 8"]),
];

/** The view of S2. With the keys of seed 1 slot 0 leads it, slot 1 the next one and slot 3 the one after. */
const SPLIT_VIEW = 10;
const SPLIT_HEAL_MS = 6_000;

type Split = { readonly a: number; readonly c: number };

/** What the network loses of that view: all that A says to anybody, and B's proposal on its way to C. */
const splitLosses = ({ a, c }: Split): Scenario["faults"] => {
  const lost = {
    kind: "drop-statement",
    view: SPLIT_VIEW,
    atMs: 0,
    untilMs: SPLIT_HEAL_MS,
  } as const;
  const others = [0, 1, 2, 3].filter((slot) => slot !== a);
  return [
    ...others.map((to) => ({ ...lost, from: a, to })),
    { ...lost, statement: "notarize", to: c },
  ];
};

/**
 * B (slot 0) leads a view and its proposal does not reach C. D (slot 3) gives its N to A alone, so that
 * only A has the notarization. A sends F and goes down at once; it is back at once, but what it says of
 * the view is lost until the heal. B and C say S. D says nothing more of this view or of any later one
 * while it is an adversary: A can never say S, B and C cannot skip the view without it, so they depend
 * on what A must not have forgotten.
 */
const voteGivenToOne = (
  name: string,
  split: Split,
  loss: { readonly power: boolean; readonly wipe: boolean },
  parts: { readonly adversaryUntilMs?: number; readonly finalWithinMs: number },
): Scenario =>
  scenario(name, {
    adversaries: [
      {
        ...adversary(3, "vote-to-one", 0, parts.adversaryUntilMs),
        view: SPLIT_VIEW,
        to: split.a,
      },
    ],
    faults: [
      ...splitLosses(split),
      {
        kind: "crash-after-vote",
        node: split.a,
        view: SPLIT_VIEW,
        statement: "finalize",
        ...loss,
        downMs: 0,
        atMs: 0,
      },
    ],
    healMs: SPLIT_HEAL_MS,
    expect: {
      finalWithinMs: parts.finalWithinMs,
      haltedMs: [[4_000, SPLIT_HEAL_MS]],
      marks: ["vote given to one", "crash after finalize", "F and S in one view"],
    },
  });

const KILLED = { power: false, wipe: false };
const POWER_CUT = { power: true, wipe: false };
const WIPED = { power: true, wipe: true };

const S2: readonly Scenario[] = [
  voteGivenToOne("s2-vote-given-to-one", { a: 1, c: 2 }, KILLED, { finalWithinMs: 2_000 }),
  voteGivenToOne("s2-vote-given-to-one-power-cut", { a: 1, c: 2 }, POWER_CUT, {
    finalWithinMs: 2_000,
  }),
  // The one that lacks the payload leads the next view. A has given that view up meanwhile, as nobody
  // answered it there, so timers must end it: the bound is theirs.
  voteGivenToOne("s2-vote-given-to-one-then-led-by-c", { a: 2, c: 1 }, POWER_CUT, {
    finalWithinMs: 3_000,
  }),
  // A loses the payload and the notarization: without D's vote nobody could go on, so D is honest again.
  voteGivenToOne("s2-vote-given-to-one-payload-lost", { a: 1, c: 2 }, WIPED, {
    adversaryUntilMs: SPLIT_HEAL_MS,
    finalWithinMs: 2_000,
  }),
];

/**
 * The epoch ends after four seconds. Its boundary block is notarized and, because every F is lost, not
 * final when the network falls apart for five seconds.
 */
const S3 = scenario("s3-boundary-meets-partition", {
  epochMs: 4_000,
  faults: [
    { kind: "drop-statement", statement: "finalize", atMs: 3_500, untilMs: 10_000 },
    {
      kind: "partition",
      groups: [
        [0, 1],
        [2, 3],
      ],
      atMs: 5_000,
      untilMs: 10_000,
    },
  ],
  healMs: 10_000,
  expect: {
    finalWithinMs: 1_000,
    haltedMs: [[4_000, 10_000]],
    marks: ["boundary block re-proposed", "epoch changed"],
  },
});

/**
 * The same while D withholds F and C is the one that is away: C can never say F in the view of the
 * boundary block, so only its re-proposal can end the epoch.
 */
const S3_WITHHELD = scenario("s3-boundary-met-by-one-only", {
  epochMs: 4_000,
  adversaries: [adversary(3, "withhold-finalize", 3_500)],
  faults: [{ kind: "isolate", node: 2, atMs: 3_500, untilMs: 8_900 }],
  healMs: 8_900,
  expect: {
    finalWithinMs: 1_000,
    haltedMs: [[3_900, 8_900]],
    marks: ["finalize withheld", "boundary block re-proposed", "epoch changed"],
  },
});

/** So long before the heal D stops to give its views up by S: the timers of A and B must end the last. */
const S4_MUTE_MS = 300;

/**
 * C is away and D withholds F, so that nothing becomes final while views pass: D gives up those that it
 * leads by S, C's are skipped because C is silent, and in none of them does a timer fire. Just before C
 * is back D leads and says nothing: its view must end as soon as if no view had passed before it.
 */
const leaderTimesOut = (
  name: string,
  healMs: number,
  finalWithinMs: number,
  marks: readonly string[],
): Scenario =>
  scenario(name, {
    adversaries: [{ ...adversary(3, "skip-led", 7_500), muteFromMs: healMs - S4_MUTE_MS }],
    // C is known to be silent, and the timers that this took are forgotten, before D begins.
    faults: [{ kind: "isolate", node: 2, atMs: 2_000, untilMs: healMs }],
    // The bound is on the protocol, so C's sessions come up at once.
    knobs: { ...CALM, net: { ...CALM.net, redialMs: 20 } },
    healMs,
    workload: {
      // Enough of them that some still wait to be in a block when no more blocks may be built.
      clients: 24,
      batchesPerSecond: 2,
      eventsPerBatch: 1,
      bodyBytes: 8,
      untilMs: FOREVER,
    },
    expect: {
      finalWithinMs,
      haltedMs: [[8_000, healMs]],
      marks: ["led view given up", "re-proposed at a gap of 8", ...marks],
    },
  });

const S4: readonly Scenario[] = [
  leaderTimesOut("s4-leader-times-out-20s", 20_000, 500, ["leader mute at the heal"]),
  // After 64 views in which nothing became final re-proposals are paced, and timers wait for the pace (R1):
  // 2 s here, and where D is mute in the view of the heal 4 D_0 more.
  leaderTimesOut("s4-leader-times-out-200s", 200_000, 4_000, []),
];

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

/**
 * Only A is shown that D lies. No batch of A reaches anybody, and then A loses its memory in a power cut:
 * what it has on its disk is all that is left of the proof.
 */
const PROOF_WITH_ONE = scenario("only-witness-of-a-lie-loses-its-memory", {
  adversaries: [{ ...adversary(3, "lie-to-one"), view: 6, to: 0 }],
  faults: [
    { kind: "drop-type", type: 9, from: 0, ppm: 1_000_000, atMs: 0, untilMs: 8_000 },
    { kind: "drop-type", type: 10, from: 0, ppm: 1_000_000, atMs: 0, untilMs: 8_000 },
    { kind: "crash", node: 0, power: true, atMs: 7_500, downMs: 100 },
  ],
  healMs: 8_000,
  expect: { finalWithinMs: 3_000, marks: ["culprit owed to the log", "culprit quarantined"] },
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
  S3,
  S3_WITHHELD,
  ...S4,
  S5,
  ...EACH_ADVERSARY,
  EQUIVOCATE_AND_WITHHOLD,
  PROOF_WITH_ONE,
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
