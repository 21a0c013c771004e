/**
 * fast-check arbitraries of scenarios: for properties over one's own projections, and so that a failing
 * scenario shrinks fault by fault. They follow from the description of a scenario (scenario-shape.ts), so
 * every kind of fault, adversary and knob is there.
 *
 * `scenarioArbitrary` draws what a network must survive: less than a third of the weight lies or has
 * forgotten its votes. `anyScenarioArbitrary` draws whatever a file may say.
 */
import fc from "fast-check";
import { FAULT_KINDS, FAULT_SHAPES } from "./fault-shape.ts";
import {
  type AdversarySpec,
  CALM,
  DEFAULT_EXPECT,
  DEFAULT_WORKLOAD,
  type Fault,
  type FaultKind,
  faultySlots,
  type Knobs,
  type Scenario,
  STRATEGIES,
  type StrategyName,
  type Workload,
} from "./scenario.ts";
import { readScenario, SCENARIO_SHAPE } from "./scenario-shape.ts";
import type { Field, Fields, IntegerShape, ListShape, Shape } from "./shape.ts";

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
  const limits = { minLength: shape.min, maxLength: Math.min(shape.max, 8) };
  const item = ofShape(shape.of, bounds);
  return shape.distinct === true ? fc.uniqueArray(item, limits) : fc.array(item, limits);
};

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
      return fc.string({ maxLength: Math.min(shape.max, 20) });
    case "choice":
      return fc.constantFrom(...shape.of);
    case "list":
      return listOf(shape, bounds);
    case "span":
      return fc
        .tuple(fc.nat(bounds.healMs), fc.nat(bounds.healMs))
        .map((ends) => [Math.min(...ends), Math.max(...ends)]);
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

/** What the fields alone do not say: groups split the nodes, a swizzle frees those it has clogged. */
const shaped = (n: number, drawn: Fault): fc.Arbitrary<Fault> => {
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

/** A fault of these kinds (of every kind when none is named), before the heal. */
export const faultArbitrary = (
  n: number,
  healMs: number,
  kinds: readonly FaultKind[] = FAULT_KINDS,
): fc.Arbitrary<Fault> =>
  fc.oneof(
    ...kinds.map((kind) =>
      objectOf(FAULT_SHAPES[kind].fields, { n, healMs })
        // What was drawn has the fields that the type has: the description is checked against it.
        .map((drawn) => ({ kind, ...drawn }) as Fault)
        .chain((drawn) => shaped(n, drawn)),
    ),
  );

/** An adversary of any strategy that needs nothing else arranged for it. */
export const adversaryArbitrary = (
  n: number,
  strategies: readonly StrategyName[] = STRATEGIES,
): fc.Arbitrary<AdversarySpec> =>
  fc.record({
    node: fc.nat(n - 1),
    strategy: fc.constantFrom(...strategies),
    fromMs: fc.constant(0),
    untilMs: fc.constant(Number.MAX_SAFE_INTEGER),
  });

/** Clients that go on to the end. */
export const workloadArbitrary: fc.Arbitrary<Workload> = fc.record({
  clients: fc.integer({ min: 1, max: 4 }),
  batchesPerSecond: fc.integer({ min: 1, max: 12 }),
  eventsPerBatch: fc.integer({ min: 1, max: 4 }),
  bodyBytes: fc.nat(200),
  untilMs: fc.constant(DEFAULT_WORKLOAD.untilMs),
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

/** Takes away adversaries, twins and lost votes beyond what must be survived, in their order. */
const survivable = (drawn: Scenario): Scenario => {
  const total = drawn.weights.reduce((sum, weight) => sum + weight, 0);
  const spent = new Set<number>();
  const affordable = (slots: ReadonlySet<number>): boolean => {
    const all = new Set([...spent, ...slots]);
    const weight = [...all].reduce((sum, slot) => sum + (drawn.weights[slot] ?? 0), 0);
    if (weight * 3 >= total) return slots.size === 0;
    for (const slot of slots) spent.add(slot);
    return true;
  };
  const adversaries = drawn.adversaries.filter(({ node }) => affordable(new Set([node])));
  const faults = drawn.faults.filter((fault) =>
    affordable(faultySlots({ ...drawn, adversaries: [], faults: [fault] })),
  );
  const guilty = faultySlots({ ...drawn, adversaries: [], faults });
  return { ...drawn, adversaries, faults, expect: { ...drawn.expect, exempt: [...guilty] } };
};

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
};

/** Kinds that tell about one fault only and cost a node its honesty: rare in a mixture. */
const MIXED_KINDS = FAULT_KINDS.filter((kind) => kind !== "twin");

/** Scenarios that a network of n nodes must survive. */
export const scenarioArbitrary = (options: ScenarioOptions = {}): fc.Arbitrary<Scenario> => {
  const { n = 4, healMs = 8_000, kinds = MIXED_KINDS, strategies = STRATEGIES } = options;
  return fc
    .record({
      seed: fc.nat(),
      faults: fc.array(faultArbitrary(n, healMs, kinds), { maxLength: options.faultsMax ?? 8 }),
      adversaries:
        strategies.length === 0
          ? fc.constant([])
          : fc.array(adversaryArbitrary(n, strategies), { maxLength: 1 }),
      workload: workloadArbitrary,
      knobs: options.knobs ?? fc.constant(CALM),
      weights: options.weights ?? fc.constant(new Array<number>(n).fill(1)),
    })
    .map(({ seed, faults, adversaries, workload, knobs, weights }) =>
      survivable({
        name: "arbitrary",
        seed,
        n,
        weights,
        epochMs: 3_600_000,
        knobs,
        workload,
        faults: [...faults].sort((a, b) => a.atMs - b.atMs),
        adversaries,
        atlas: "keep",
        healMs,
        expect: DEFAULT_EXPECT,
      }),
    );
};

/** Any scenario that a file may hold, sensible or not: for what reads and writes them. */
export const anyScenarioArbitrary: fc.Arbitrary<Scenario> = fc
  .integer({ min: 1, max: 7 })
  .chain((n) =>
    fc
      .tuple(
        objectOf(SCENARIO_SHAPE.fields, { n, healMs: 10_000, whole: true }),
        fc.array(faultArbitrary(n, 10_000), { maxLength: 6 }),
      )
      .map(([drawn, faults]) => readScenario({ ...drawn, n, faults })),
  );
