/** Scenarios about machines: disks, restarts, clocks and keys. */
import { CALM, type Fault, type Scenario, scenario } from "../scenario.ts";
import { FREE_SIGNER } from "../signer.ts";

const CALM_RUN = scenario("nothing-happens", {
  healMs: 10_000,
  expect: { finalWithinMs: 1_500 },
});

const FULL_DISK = scenario("full-disk-on-one-node", {
  faults: [{ kind: "disk-full", node: 1, atMs: 3_000, untilMs: 9_000 }],
  healMs: 12_000,
  expect: { finalWithinMs: 3_000, marks: ["problem store.full"] },
});

const DISK_ERRORS = scenario("disk-errors-one-after-the-other", {
  faults: [0, 1, 2, 3].map((node) => ({
    kind: "disk-error" as const,
    node,
    disk: node % 2 === 0 ? ("data" as const) : ("votes" as const),
    nth: 5,
    atMs: 2_000 + 3_000 * node,
  })),
  healMs: 16_000,
  expect: { finalWithinMs: 4_000, marks: ["problem store.io"] },
});

const WIPED = scenario("wiped-data-folder-rejoins", {
  faults: [{ kind: "wipe", node: 2, votes: false, atMs: 8_000, downMs: 1_000 }],
  healMs: 12_000,
  expect: { finalWithinMs: 3_000, marks: ["sync served"] },
});

const WIPED_ALL_IN_TURN = scenario("every-data-folder-wiped-in-turn", {
  faults: [0, 1, 2, 3].map((node) => ({
    kind: "wipe" as const,
    node,
    votes: false,
    atMs: 6_000 + 6_000 * node,
    downMs: 500,
  })),
  healMs: 32_000,
  expect: { finalWithinMs: 3_000, marks: ["sync served"] },
});

/** With votes gone a key must not vote: the others go on without it, and it follows them. */
const VOTES_LOST = scenario("vote-store-lost-refuses-to-vote", {
  faults: [{ kind: "wipe", node: 3, votes: true, atMs: 6_000, downMs: 1_000 }],
  healMs: 10_000,
  expect: { finalWithinMs: 3_000, follows: [3], marks: ["problem votes.missing"] },
});

/** Others hold votes of the open view by the key: that they come back to it is no reason to stop. */
const VOTES_LOST_OPEN_VIEW = scenario("vote-store-lost-with-a-view-open", {
  faults: [
    { kind: "crash", node: 2, power: false, atMs: 5_500, downMs: 5_000 },
    { kind: "crash", node: 1, power: false, atMs: 6_500, downMs: 3_000 },
    { kind: "wipe", node: 3, votes: true, atMs: 7_500, downMs: 1_000 },
  ],
  healMs: 14_000,
  expect: { finalWithinMs: 3_000, follows: [3], marks: ["problem votes.missing"] },
});

const VOTES_STALE = scenario("old-vote-store-refuses-to-vote", {
  faults: [{ kind: "restore", node: 3, votes: true, takenMs: 2_000, atMs: 9_000, downMs: 1_000 }],
  healMs: 14_000,
  expect: { finalWithinMs: 3_000, follows: [3], marks: ["problem votes.behind"] },
});

/** Its peers restart while it is down: none of them has heard it vote in this life. */
const VOTES_STALE_PEERS_NEW = scenario("old-vote-store-meets-restarted-peers", {
  faults: [
    { kind: "restore", node: 3, votes: true, takenMs: 2_000, atMs: 9_000, downMs: 2_000 },
    ...[0, 1, 2].map((node) => ({
      kind: "crash" as const,
      node,
      power: true,
      atMs: 10_000,
      downMs: 200,
    })),
  ],
  healMs: 14_000,
  expect: { finalWithinMs: 3_000, exempt: [3], marks: ["problem votes.behind"] },
});

const DATA_STALE = scenario("old-data-folder-catches-up", {
  faults: [{ kind: "restore", node: 3, votes: false, takenMs: 3_000, atMs: 9_000, downMs: 1_000 }],
  healMs: 13_000,
  expect: { finalWithinMs: 3_000 },
});

/** Copied in a moment in which the copy lacks nothing that peers hold: else it would refuse at once. */
const TWINS = scenario("same-key-twice-stops", {
  faults: [{ kind: "twin", node: 0, atMs: 5_050 }],
  healMs: 15_000,
  expect: {
    finalWithinMs: 5_000,
    exempt: [0],
    marks: ["problem votes.foreign-statement"],
  },
});

const ALL_AT_ONCE: readonly Scenario[] = [false, true].map((power) =>
  scenario(power ? "power-cut-of-all" : "kill-of-all", {
    faults: [4_000, 7_000, 10_000].map(
      (atMs): Fault => ({
        kind: "crash-all",
        atMs,
        downMs: 500,
        power,
      }),
    ),
    healMs: 12_000,
    expect: { finalWithinMs: 3_000 },
  }),
);

const KILLS = scenario("kill-of-one-every-second", {
  faults: Array.from(
    { length: 20 },
    (_, i): Fault => ({
      kind: "crash",
      node: i % 4,
      atMs: 2_000 + 1_000 * i,
      downMs: 300,
      power: i % 2 === 0,
    }),
  ),
  healMs: 24_000,
  expect: { finalWithinMs: 3_000 },
});

/** Power cuts before every n-th write, sync and signature in turn, so that each place has its crash. */
const CRASH_POINTS: readonly Scenario[] = (["write", "synced", "sign"] as const).map((point) =>
  scenario(`power-cut-at-each-${point}`, {
    // With this one, some cut falls between any two writes of an append that are not one write.
    seed: 5,
    faults: Array.from(
      { length: 30 },
      (_, i): Fault => ({
        kind: "crash-at",
        node: i % 4,
        point,
        nth: 1 + (i % 13),
        atMs: 2_000 + 900 * i,
        downMs: 200,
        power: true,
      }),
    ),
    healMs: 30_000,
    expect: { finalWithinMs: 3_000, marks: [`crash at ${point}`] },
  }),
);

const TWO_DOWN = scenario("two-of-four-down-halts-safely", {
  faults: [
    { kind: "crash", node: 0, power: false, atMs: 4_000, downMs: 12_000 },
    { kind: "crash", node: 1, power: false, atMs: 4_000, downMs: 10_000 },
  ],
  healMs: 16_000,
  expect: { finalWithinMs: 3_000, haltedMs: [[4_500, 13_900]] },
});

const EXACT_QUORUM = scenario("three-of-four-go-on", {
  faults: [{ kind: "crash", node: 1, power: true, atMs: 2_000, downMs: 30_000 }],
  healMs: 32_000,
  expect: { finalWithinMs: 3_000 },
});

const SLOW_DISK = scenario("slow-fsync", {
  faults: [
    { kind: "slow-disk", node: 0, factor: 500, atMs: 2_000, untilMs: 12_000 },
    { kind: "slow-disk", node: 1, factor: 100, atMs: 2_000, untilMs: 12_000 },
  ],
  healMs: 12_000,
  expect: { finalWithinMs: 3_000 },
});

const CLOCKS: readonly Scenario[] = [3_600_000, -3_600_000].map((offsetMs) =>
  scenario(offsetMs > 0 ? "clock-an-hour-ahead" : "clock-an-hour-behind", {
    faults: [{ kind: "clock", node: 1, offsetMs, atMs: 3_000, untilMs: 15_000 }],
    healMs: 15_000,
    expect: { finalWithinMs: 4_000 },
  }),
);

const PAUSED = scenario("leader-paused-5s", {
  faults: [0, 1, 2, 3].map((node) => ({
    kind: "pause" as const,
    node,
    atMs: 2_000 + 7_000 * node,
    untilMs: 7_000 + 7_000 * node,
  })),
  healMs: 30_000,
  expect: { finalWithinMs: 4_000 },
});

const NARROW = scenario("narrow-links-large-batches", {
  knobs: { ...CALM, net: { ...CALM.net, linkBytesPerMs: 250, uplinkBytesPerMs: 500 } },
  workload: {
    clients: 3,
    batchesPerSecond: 4,
    eventsPerBatch: 4,
    bodyBytes: 8_000,
    untilMs: Number.MAX_SAFE_INTEGER,
  },
  healMs: 12_000,
  expect: { finalWithinMs: 5_000 },
});

const COSIGNED = { ...CALM, signer: { ...FREE_SIGNER, checkpoints: true } };

/** Checkpoints while power is cut around signatures and syncs, and while data and clocks go back. */
const CHECKPOINTS: readonly Scenario[] = [
  scenario("checkpoints-over-power-cuts", {
    knobs: COSIGNED,
    faults: Array.from(
      { length: 24 },
      (_, i): Fault => ({
        kind: "crash-at",
        node: i % 4,
        point: i % 3 === 0 ? "synced" : "sign",
        nth: 1 + (i % 7),
        atMs: 2_000 + 900 * i,
        downMs: 200,
        power: true,
      }),
    ),
    healMs: 26_000,
    expect: { finalWithinMs: 5_000, marks: ["checkpoint signed"] },
  }),
  scenario("checkpoints-over-wiped-data", {
    knobs: COSIGNED,
    faults: [0, 1, 2, 3].map((node) => ({
      kind: "wipe" as const,
      node,
      votes: false,
      atMs: 6_000 + 6_000 * node,
      downMs: 500,
    })),
    healMs: 32_000,
    expect: { finalWithinMs: 5_000, marks: ["checkpoint signed"] },
  }),
];

export const OPERATIONS_SCENARIOS: readonly Scenario[] = [
  CALM_RUN,
  FULL_DISK,
  DISK_ERRORS,
  WIPED,
  WIPED_ALL_IN_TURN,
  VOTES_LOST,
  VOTES_LOST_OPEN_VIEW,
  VOTES_STALE,
  VOTES_STALE_PEERS_NEW,
  DATA_STALE,
  TWINS,
  ...ALL_AT_ONCE,
  KILLS,
  ...CRASH_POINTS,
  TWO_DOWN,
  EXACT_QUORUM,
  SLOW_DISK,
  ...CLOCKS,
  PAUSED,
  NARROW,
  ...CHECKPOINTS,
];
