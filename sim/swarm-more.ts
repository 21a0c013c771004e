/**
 * What a share of the random scenarios has beside what swarm.ts draws. Each part has a stream of its own, so that a
 * seed in which it is not drawn stays the scenario that it was.
 */
import { Prng } from "./prng.ts";
import type { Fault, FaultKind, Scenario, Workload } from "./scenario.ts";

/** Kinds that are drawn here alone. */
export const MORE_KINDS: readonly FaultKind[] = [
  "jitter",
  "isolate-leader",
  "crash-in-write",
  "replay",
];

/** One seed in so many has each part. */
const ONE_IN = 8;
/** One in so many has an idle chain, and one a flood, which takes long to run. */
const IDLE_ONE_IN = 16;
const FLOOD_ONE_IN = 64;

/** In the window of a write a crash is so many times as likely as at any other moment. */
const IN_WRITE_TIMES = 10;

const SECOND = 1000;

type Span = { readonly atMs: number; readonly untilMs: number };

const spanOf = (random: Prng, healMs: number): Span => {
  const atMs = random.below(healMs);
  return { atMs, untilMs: Math.min(healMs, atMs + 50 + random.exponential(3 * SECOND)) };
};

type Part = (random: Prng, drawn: Scenario) => readonly Fault[];

const times = (count: number, make: () => Fault): Fault[] => Array.from({ length: count }, make);

/** Of all links, of what one node sends or receives, or of one link. */
const jitters: Part = (random, { n, healMs }) =>
  times(random.between(1, 3), () => ({
    ...({ kind: "jitter", ...spanOf(random, healMs) } as const),
    upToMs: random.exponential(200) + 1,
    ...(random.below(2) === 0 ? {} : { from: random.below(n) }),
    ...(random.below(2) === 0 ? {} : { to: random.below(n) }),
  }));

const leaderCuts: Part = (random, { healMs }) =>
  times(random.between(1, 2), () => ({
    ...({ kind: "isolate-leader", ...spanOf(random, healMs) } as const),
    follow: random.below(2) === 0,
  }));

/** Crashes: as many more of them in the window of a write than elsewhere as are to be expected there. */
const crashes: Part = (random, { n, healMs }) =>
  times(random.between(2, 6), (): Fault => {
    const down = {
      atMs: random.below(healMs),
      node: random.below(n),
      downMs: random.exponential(1500),
    };
    const power = random.below(2) === 0;
    return random.below(IN_WRITE_TIMES + 1) === 0
      ? { kind: "crash", ...down, power }
      : { kind: "crash-in-write", ...down, ppm: random.below(1_000_000), power };
  });

/** With a restart of somebody else after which there is something to say again. */
const replays: Part = (random, { n, healMs, adversaries }) => {
  if (n < 4 || adversaries.length > 0) return [];
  const node = random.below(n);
  const atMs = random.below(Math.floor(healMs / 2));
  const restarts = times(random.between(1, 3), () => ({
    ...({
      kind: "crash",
      atMs: random.between(atMs, healMs - 1),
      power: random.below(2) === 0,
    } as const),
    node: (node + random.between(1, n - 1)) % n,
    downMs: random.exponential(SECOND),
  }));
  return [{ kind: "replay", node, atMs, untilMs: healMs }, ...restarts];
};

const PARTS: readonly (readonly [stream: string, part: Part])[] = [
  ["swarm/jitter", jitters],
  ["swarm/leaders", leaderCuts],
  ["swarm/writes", crashes],
  ["swarm/replay", replays],
];

/** Batches of a flood: more than the share of one lane in a mempool, while no quorum can be heard. */
const FLOOD = { least: 48, most: 56, everyMs: 50 } as const;

/** Nobody writes anything, or somebody writes more than is taken. */
const withLoad = (drawn: Scenario): Scenario => {
  const random = new Prng(drawn.seed, "swarm/load");
  const workload = (change: Partial<Workload>): Workload => ({ ...drawn.workload, ...change });
  if (random.below(IDLE_ONE_IN) === 0) {
    return { ...drawn, workload: workload({ batchesPerSecond: 0 }) };
  }
  if (random.below(FLOOD_ONE_IN) > 0 || drawn.n < 4) return drawn;
  const floodBatches = random.between(FLOOD.least, FLOOD.most);
  const floodAtMs = random.below(Math.floor(drawn.healMs / 4));
  const untilMs = Math.min(drawn.healMs, floodAtMs + (floodBatches + 4) * FLOOD.everyMs);
  const half = drawn.n >> 1;
  const order = random.shuffle(Array.from({ length: drawn.n }, (_, slot) => slot));
  const groups = [order.slice(0, half), order.slice(half)];
  const apart: Fault = { kind: "partition", atMs: floodAtMs, untilMs, groups };
  const clients = Math.max(2, drawn.workload.clients);
  return {
    ...drawn,
    workload: workload({ clients, floodBatches, floodAtMs }),
    faults: [...drawn.faults, apart],
  };
};

/** The scenario of a seed with the parts that the seed has beside it. */
export const withMore = (drawn: Scenario, loads: boolean): Scenario => {
  const loaded = loads ? withLoad(drawn) : drawn;
  const more = PARTS.flatMap(([stream, part]) => {
    const random = new Prng(drawn.seed, stream);
    return random.below(ONE_IN) === 0 ? part(random, drawn) : [];
  });
  const faults = [...loaded.faults, ...more].sort((a, b) => a.atMs - b.atMs);
  return { ...loaded, faults };
};
