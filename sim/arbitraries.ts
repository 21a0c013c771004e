/**
 * fast-check arbitraries of scenarios: for properties over one's own projections, and so that a failing
 * scenario shrinks fault by fault.
 *
 * `scenarioArbitrary` draws what a network must survive, by the rule of the swarm: less than a third of the weight
 * lies, has forgotten its votes or lives in another hour. `anyScenarioArbitrary` draws whatever a file may say: it
 * follows from the description of a scenario (scenario-shape.ts), so every field of it is there, up to its bounds.
 */
import fc from "fast-check";
import { FAULT_KINDS, FAULT_SHAPES } from "./fault-shape.ts";
import { bodyBytesFor } from "./records.ts";
import {
  type AdversarySpec,
  CALM,
  DEFAULT_EXPECT,
  DEFAULT_WORKLOAD,
  type Fault,
  type FaultKind,
  fittingProofs,
  JOINING,
  type Knobs,
  type ProofPart,
  type Scenario,
  STRATEGIES,
  type StrategyName,
  type Workload,
} from "./scenario.ts";
import { readScenario, SCENARIO_SHAPE } from "./scenario-shape.ts";
import type { Field, Fields, IntegerShape, ListShape, Shape, TextShape } from "./shape.ts";
import { SCENARIO_LIMITS } from "./shape-words.ts";
import { keepSurvivable } from "./survivable.ts";

type Bounds = {
  readonly n: number;
  readonly healMs: number;
  /** The whole range of every field, instead of what is usual. */
  readonly whole?: boolean;
};

const integerOf = (shape: IntegerShape, bounds: Bounds): fc.Arbitrary<number> => {
  if (bounds.whole === true) return fc.integer({ min: shape.min, max: shape.max });
  if (shape.moment === true) return fc.nat(bounds.healMs - 1);
  const [min, max] = shape.usual ?? [shape.min, shape.max];
  return fc.integer({ min, max });
};

const listOf = (shape: ListShape, bounds: Bounds): fc.Arbitrary<unknown[]> => {
  if (shape.perNode === true) {
    return fc.array(ofShape(shape.of, bounds), { minLength: bounds.n, maxLength: bounds.n });
  }
  const longest = bounds.whole === true ? shape.max : Math.min(shape.max, 8);
  const item = ofShape(shape.of, bounds);
  if (shape.distinct !== true) {
    return fc.array(item, { minLength: shape.min, maxLength: longest });
  }
  // A list of different nodes may name them all.
  const maxLength = shape.of.type === "slot" ? Math.min(longest, bounds.n) : longest;
  return fc.uniqueArray(item, { minLength: shape.min, maxLength });
};

/** Of the whole range: as long as may be, and of any characters, most of which take two units of its length. */
const textOf = ({ max }: TextShape, bounds: Bounds): fc.Arbitrary<string> =>
  bounds.whole === true
    ? fc.oneof(
        fc.string({ maxLength: max, size: "max" }),
        fc.string({ unit: "binary", maxLength: Math.floor(max / 2) }),
      )
    : fc.string({ maxLength: Math.min(max, 20) });

type Timed = { readonly atMs?: number; readonly fromMs?: number; readonly untilMs?: number };

/** An object of drawn fields; a span that ends before it begins is turned round. */
const objectOf = (fields: Fields, bounds: Bounds): fc.Arbitrary<object> => {
  const model: Record<string, fc.Arbitrary<unknown>> = {};
  for (const [key, field] of Object.entries(fields)) model[key] = ofShape(field, bounds);
  const needed = Object.keys(fields).filter((key) => fields[key]?.optional !== true);
  return fc.record(model, { requiredKeys: needed }).map((drawn: Timed) => {
    const start = drawn.atMs ?? drawn.fromMs;
    if (start === undefined || drawn.untilMs === undefined || drawn.untilMs >= start) return drawn;
    const startKey = drawn.atMs === undefined ? "fromMs" : "atMs";
    return { ...drawn, [startKey]: drawn.untilMs, untilMs: start };
  });
};

const ofShape = (shape: Shape | Field, bounds: Bounds): fc.Arbitrary<unknown> => {
  switch (shape.type) {
    case "integer":
      return integerOf(shape, bounds);
    case "slot":
      return fc.nat(bounds.n - 1);
    case "boolean":
      return fc.boolean();
    case "text":
      return textOf(shape, bounds);
    case "choice":
      return fc.constantFrom(...shape.of);
    case "list":
      return listOf(shape, bounds);
    case "span": {
      const end = fc.nat(bounds.whole === true ? shape.max : bounds.healMs);
      return fc.tuple(end, end).map((ends) => [Math.min(...ends), Math.max(...ends)]);
    }
    case "object":
      return objectOf(shape.fields, bounds);
    case "variant":
      return fc.oneof(
        ...Object.entries(shape.cases).map(([name, body]) =>
          objectOf(body.fields, bounds).map((drawn) => ({ [shape.tag]: name, ...drawn })),
        ),
      );
  }
};

const permutation = (n: number): fc.Arbitrary<number[]> =>
  fc.shuffledSubarray(
    Array.from({ length: n }, (_, i) => i),
    { minLength: n },
  );

/** The earlier of two moments is when the copy was taken. */
const ofEarlier = (drawn: Extract<Fault, { kind: "restore" }>): Fault => {
  const atMs = Math.max(drawn.atMs, drawn.takenMs, 1);
  return { ...drawn, atMs, takenMs: Math.min(drawn.atMs, drawn.takenMs, atMs - 1) };
};

/** What the fields alone do not say: groups split the nodes, copies are old, a swizzle frees those it has clogged. */
const shaped = ({ n, whole }: Bounds, drawn: Fault): fc.Arbitrary<Fault> => {
  if (drawn.kind === "restore") return fc.constant(ofEarlier(drawn));
  if (whole === true) return fc.constant(drawn.kind === "partition" ? apart(drawn) : drawn);
  if (drawn.kind === "partition") {
    return fc
      .tuple(permutation(n), fc.integer({ min: 1, max: Math.max(1, n - 1) }))
      .map(([order, cut]) => ({ ...drawn, groups: [order.slice(0, cut), order.slice(cut)] }));
  }
  if (drawn.kind === "swizzle") {
    return fc
      .tuple(permutation(n), permutation(n), fc.integer({ min: 1, max: n }))
      .map(([clogged, freed, many]) => {
        const chosen = clogged.slice(0, many);
        return { ...drawn, clogged: chosen, freed: freed.filter((slot) => chosen.includes(slot)) };
      });
  }
  return fc.constant(drawn);
};

/** Of whatever groups were drawn, those that a file may have: a node is in the first that names it. */
const apart = (drawn: Extract<Fault, { kind: "partition" }>): Fault => {
  const placed = new Set<number>();
  const groups = drawn.groups.map((group) => {
    const left = group.filter((slot) => !placed.has(slot));
    for (const slot of left) placed.add(slot);
    return left;
  });
  return { ...drawn, groups };
};

const faultOf = (kinds: readonly FaultKind[], bounds: Bounds): fc.Arbitrary<Fault> =>
  fc.oneof(
    ...kinds.map((kind) =>
      objectOf(FAULT_SHAPES[kind].fields, bounds)
        // What was drawn has the fields that the type has: the description is checked against it.
        .map((drawn) => ({ kind, ...drawn }) as Fault)
        .chain((drawn) => shaped(bounds, drawn)),
    ),
  );

/** A fault of these kinds (of every kind when none is named), before the heal. */
export const faultArbitrary = (
  n: number,
  healMs: number,
  kinds: readonly FaultKind[] = FAULT_KINDS,
): fc.Arbitrary<Fault> => faultOf(kinds, { n, healMs });

/** An adversary of any strategy that needs nothing else arranged for it, for ever or for a while. */
export const adversaryArbitrary = (
  n: number,
  strategies: readonly StrategyName[] = STRATEGIES,
  healMs = 8_000,
): fc.Arbitrary<AdversarySpec> =>
  fc
    .record({
      node: fc.nat(n - 1),
      strategy: fc.constantFrom(...strategies),
      fromMs: fc.nat(Math.floor(healMs / 2)),
      lasting: fc.option(fc.nat(healMs), { nil: Number.MAX_SAFE_INTEGER }),
    })
    .map(({ lasting, ...drawn }) => {
      const untilMs = Math.min(Number.MAX_SAFE_INTEGER, drawn.fromMs + lasting);
      return { ...drawn, untilMs };
    });

/** Seldom, and of few batches: each is 700 KiB to every node. */
const floodArbitrary: fc.Arbitrary<Pick<Workload, "floodBatches" | "floodAtMs">> = fc.oneof(
  { arbitrary: fc.constant({}), weight: 9 },
  {
    arbitrary: fc.record({
      floodBatches: fc.integer({ min: 1, max: 2 }),
      floodAtMs: fc.nat(5_000),
    }),
    weight: 1,
  },
);

/** Clients that go on to the end. Where one of them floods, there is another. */
export const workloadArbitrary: fc.Arbitrary<Workload> = fc
  .tuple(
    fc.record({
      clients: fc.integer({ min: 1, max: 4 }),
      batchesPerSecond: fc.integer({ min: 1, max: 12 }),
      eventsPerBatch: fc.integer({ min: 1, max: 4 }),
      bodyBytes: fc.nat(200),
      untilMs: fc.constant(DEFAULT_WORKLOAD.untilMs),
    }),
    fc.record(
      { pipeline: fc.integer({ min: 1, max: 6 }), contested: fc.boolean(), rights: fc.boolean() },
      { requiredKeys: [] },
    ),
    floodArbitrary,
  )
  .map(([drawn, optional, flood]) => {
    const clients = flood.floodBatches === undefined ? drawn.clients : Math.max(2, drawn.clients);
    return { ...drawn, clients, ...optional, ...flood };
  });

/** Knobs from a calm network on fast disks to a slow and lossy one: what must be survived without faults. */
export const knobsArbitrary: fc.Arbitrary<Knobs> = fc.record({
  net: fc.record({
    latencyMinUs: fc.integer({ min: 0, max: 20_000 }),
    latencyMeanUs: fc.integer({ min: 0, max: 30_000 }),
    lossPpm: fc.constantFrom(0, 0, 1_000, 20_000),
    duplicatePpm: fc.constantFrom(0, 0, 10_000),
    reorderPpm: fc.constant(0),
    corruptPpm: fc.constant(0),
    linkBytesPerMs: fc.constantFrom(0, 0, 1_000, 12_500),
    uplinkBytesPerMs: fc.constantFrom(0, 0, 12_500),
    downlinkBytesPerMs: fc.constantFrom(0, 0, 12_500),
    blockedDrops: fc.boolean(),
    idleTimeoutMs: fc.integer({ min: 2_000, max: 15_000 }),
    redialMs: fc.integer({ min: 50, max: 1_000 }),
  }),
  disk: fc.record({
    syncMinUs: fc.integer({ min: 0, max: 2_000 }),
    syncMeanUs: fc.integer({ min: 0, max: 8_000 }),
    writeMeanUs: fc.integer({ min: 0, max: 50 }),
    readMeanUs: fc.integer({ min: 0, max: 500 }),
    visibleEarly: fc.boolean(),
  }),
  signer: fc.record({
    signUs: fc.integer({ min: 0, max: 6_000 }),
    verifyUs: fc.integer({ min: 0, max: 1_000 }),
    randomised: fc.boolean(),
    checkpoints: fc.boolean(),
  }),
});

/** Weights of n validators, alike or not. */
export const weightsArbitrary = (n: number): fc.Arbitrary<number[]> =>
  fc.oneof(
    fc.constant(new Array<number>(n).fill(1)),
    fc.array(fc.integer({ min: 1, max: 20 }), { minLength: n, maxLength: n }),
  );

export type ScenarioOptions = {
  readonly n?: number;
  readonly healMs?: number;
  readonly kinds?: readonly FaultKind[];
  readonly strategies?: readonly StrategyName[];
  readonly faultsMax?: number;
  /** Calm where nothing is given; `knobsArbitrary` for all kinds of weather. */
  readonly knobs?: fc.Arbitrary<Knobs>;
  /** All alike where nothing is given. */
  readonly weights?: fc.Arbitrary<readonly number[]>;
  /** No proofs where nothing is given; `proofsArbitrary` for some, which take longer to simulate. */
  readonly proofs?: fc.Arbitrary<readonly ProofPart[]>;
};

/** Kinds that tell about one fault only and cost a node its honesty: rare in a mixture. */
const MIXED_KINDS = FAULT_KINDS.filter((kind) => kind !== "twin");

/**
 * Half of the time no proof, else some of them. Stake and keys of epochs are left to the swarm, whose seeds from
 * STAKE_SEEDS_FROM and PROOF_SEEDS_FROM on know who may lie or forget while validators come and go.
 */
export const proofsArbitrary: fc.Arbitrary<readonly ProofPart[]> = fc.oneof(
  fc.constant([]),
  fc.constantFrom<readonly ProofPart[]>(
    ["beacon"],
    ["work"],
    ["beacon", "work"],
    ["work", "time", "shares"],
    ["beacon", "space"],
    ["beacon", "space", "location"],
  ),
);

/** Short epochs are those of the swarm. */
const epochArbitrary: fc.Arbitrary<number> = fc.constantFrom(3_600_000, 3_600_000, 4_000, 12_000);

/** Some kinds first, then faults of these only: leaving kinds out finds more than always mixing all of them. */
const faultsArbitrary = (
  kinds: readonly FaultKind[],
  bounds: Bounds,
  faultsMax: number,
): fc.Arbitrary<Fault[]> =>
  fc
    .subarray([...kinds])
    .chain((some) =>
      some.length === 0
        ? fc.constant<Fault[]>([])
        : fc.array(faultOf(some, bounds), { maxLength: faultsMax }),
    )
    .map((faults) => [...faults].sort((a, b) => a.atMs - b.atMs));

/** On a chain with stake no liar among those who join later, and no core (scenario.ts). */
const asStaked = <T extends Pick<Scenario, "n" | "proofs" | "adversaries" | "heal">>(
  drawn: T,
): T => {
  if (drawn.proofs?.includes("stake") !== true) return drawn;
  const adversaries = drawn.adversaries.filter(({ node }) => node < drawn.n - JOINING);
  return { ...drawn, adversaries, heal: "all" };
};

/** Scenarios that a network of n nodes must survive. */
export const scenarioArbitrary = (options: ScenarioOptions = {}): fc.Arbitrary<Scenario> => {
  const { n = 4, healMs = 8_000, kinds = MIXED_KINDS, strategies = STRATEGIES } = options;
  return fc
    .record({
      seed: fc.nat(),
      faults: faultsArbitrary(kinds, { n, healMs }, options.faultsMax ?? 8),
      adversaries:
        strategies.length === 0
          ? fc.constant([])
          : fc.uniqueArray(adversaryArbitrary(n, strategies, healMs), {
              maxLength: Math.ceil(n / 3),
              selector: ({ node }) => node,
            }),
      workload: workloadArbitrary,
      knobs: options.knobs ?? fc.constant(CALM),
      weights: options.weights ?? fc.constant(new Array<number>(n).fill(1)),
      epochMs: epochArbitrary,
      proofs: options.proofs ?? fc.constant([]),
      heal: fc.constantFrom("all" as const, "all" as const, "all" as const, "core" as const),
    })
    .map(({ proofs, ...drawn }) =>
      keepSurvivable(
        asStaked({
          name: "arbitrary",
          n,
          ...drawn,
          ...(proofs.length === 0 ? {} : { proofs }),
          atlas: "keep",
          healMs,
          expect: DEFAULT_EXPECT,
        }),
      ),
    );
};

const { faults: _, n: __, ...OTHER_FIELDS } = SCENARIO_SHAPE.fields;

/** Any scenario that a file may hold, sensible or not: for what reads and writes them. */
export const anyScenarioArbitrary: fc.Arbitrary<Scenario> = fc
  .oneof(
    { arbitrary: fc.integer({ min: 1, max: 10 }), weight: 9 },
    { arbitrary: fc.integer({ min: 1, max: SCENARIO_LIMITS.nodesMax }), weight: 1 },
  )
  .chain((n) => {
    const bounds = { n, healMs: 10_000, whole: true };
    return fc
      .tuple(
        objectOf(OTHER_FIELDS, bounds),
        fc.array(faultOf(FAULT_KINDS, bounds), { maxLength: SCENARIO_LIMITS.faultsMax }),
      )
      .map(([drawn, faults]) => {
        const {
          proofs: parts = [],
          workload,
          ...others
        } = drawn as Pick<Scenario, "proofs" | "adversaries" | "workload">;
        const bodyBytes = Math.min(workload.bodyBytes, bodyBytesFor(workload.eventsPerBatch));
        const proofs = fittingProofs(n, parts);
        const asked = proofs.length === 0 ? {} : { proofs };
        const fitting = { ...workload, bodyBytes };
        return readScenario(asStaked({ ...others, ...asked, n, faults, workload: fitting }));
      });
  });
