/**
 * Smaller versions of a scenario, for shrink.ts: without a node, earlier, with calmer knobs. Which fields hold
 * slots the description of faults says, so that a new kind needs nothing here.
 */
import { FAULT_SHAPES } from "./fault-shape.ts";
import {
  CALM,
  DEFAULT_EXPECT,
  DEFAULT_WORKLOAD,
  fittingProofs,
  type ProofPart,
  type Scenario,
  takesData,
} from "./scenario.ts";
import type { Shape } from "./shape.ts";

type Json = { readonly [name: string]: unknown };

const holdsSlots = (shape: Shape): boolean =>
  shape.type === "slot" || (shape.type === "list" && holdsSlots(shape.of));

/** Fields of faults and adversaries that hold a slot, a list of slots, or a list of such lists. */
export const SLOT_FIELDS: ReadonlySet<string> = new Set([
  ...Object.values(FAULT_SHAPES).flatMap(({ fields }) =>
    Object.entries(fields)
      .filter(([, field]) => holdsSlots(field))
      .map(([name]) => name),
  ),
  ...["node", "to"],
]);

const TIME_FIELDS: readonly string[] = ["atMs", "untilMs", "fromMs", "takenMs", "muteFromMs"];

/** What stands for a slot when `gone` is taken away: undefined for itself. */
const moved = (value: unknown, gone: number): unknown => {
  if (typeof value === "number") {
    if (value === gone) return undefined;
    return value > gone ? value - 1 : value;
  }
  if (!Array.isArray(value)) return value;
  return value.map((item) => moved(item, gone)).filter((item) => item !== undefined);
};

/** A fault or adversary as it is without a node; undefined when it is about that node. */
const withoutSlot = <T extends object>(item: T, gone: number): T | undefined => {
  const out: Record<string, unknown> = { ...(item as Json) };
  for (const field of SLOT_FIELDS) {
    if (!(field in out)) continue;
    out[field] = moved(out[field], gone);
    if (out[field] === undefined) return undefined;
  }
  return out as T;
};

const present = <T>(items: readonly (T | undefined)[]): T[] =>
  items.filter((item) => item !== undefined);

/** The scenario without one node; the slots above it move down. */
export const withoutNode = (scenario: Scenario, gone: number): Scenario => {
  const { expect } = scenario;
  const slots = (list: readonly number[]): number[] => moved(list, gone) as number[];
  return {
    ...scenario,
    n: scenario.n - 1,
    weights: scenario.weights.filter((_, slot) => slot !== gone),
    faults: present(scenario.faults.map((fault) => withoutSlot(fault, gone))),
    adversaries: present(scenario.adversaries.map((one) => withoutSlot(one, gone))),
    expect: {
      ...expect,
      exempt: slots(expect.exempt),
      ...(expect.follows === undefined ? {} : { follows: slots(expect.follows) }),
    },
  };
};

/** All times through `change`; those that mean "for ever" stay. */
const mapTimes = <T extends object>(item: T, change: (ms: number) => number): T => {
  const out: Record<string, unknown> = { ...(item as Json) };
  for (const field of TIME_FIELDS) {
    const value = out[field];
    if (typeof value === "number" && value < 1_000_000_000) out[field] = change(value);
  }
  const { atMs, takenMs } = out;
  if (typeof atMs === "number" && typeof takenMs === "number" && takenMs >= atMs) {
    // A copy stays older than what it takes the place of.
    out["atMs"] = Math.max(1, atMs);
    out["takenMs"] = Math.max(1, atMs) - 1;
  }
  return out as T;
};

const retimed = (scenario: Scenario, change: (ms: number) => number): Scenario => ({
  ...scenario,
  faults: scenario.faults.map((fault) => mapTimes(fault, change)),
  adversaries: scenario.adversaries.map((one) => mapTimes(one, change)),
  healMs: Math.max(1, change(scenario.healMs)),
});

/** When the first fault begins. */
export const firstFaultMs = ({ faults }: Scenario): number =>
  faults.length === 0 ? 0 : Math.min(...faults.map(({ atMs }) => atMs));

/** When the last fault has ended. */
export const lastFaultMs = ({ faults }: Scenario): number =>
  faults.reduce(
    (last, fault) => Math.max(last, "untilMs" in fault ? fault.untilMs : fault.atMs),
    0,
  );

/** Everything earlier by so many milliseconds; what would begin before zero begins at zero. */
export const earlier = (scenario: Scenario, byMs: number): Scenario =>
  retimed(scenario, (ms) => Math.max(0, ms - byMs));

/** Times that a person can read: multiples of `unitMs`. */
export const rounded = (scenario: Scenario, unitMs: number): Scenario =>
  retimed(scenario, (ms) => Math.round(ms / unitMs) * unitMs);

/** The i-th fault with half its length, and half the time that a process is down. */
export const shorterFault = (scenario: Scenario, i: number): Scenario => ({
  ...scenario,
  faults: scenario.faults.map((fault, at) => {
    if (at !== i) return fault;
    const out: Record<string, unknown> = { ...fault };
    const { untilMs, downMs } = fault as Json;
    if (typeof untilMs === "number") {
      const length = Math.floor((untilMs - fault.atMs) / 2);
      if (length >= 1) out["untilMs"] = fault.atMs + length;
    }
    if (typeof downMs === "number") out["downMs"] = Math.floor(downMs / 2);
    return out as typeof fault;
  }),
});

/** Clients that wait for each answer before they go on. */
export const withoutPipeline = (scenario: Scenario): Scenario => {
  const { pipeline: _, ...workload } = scenario.workload;
  return { ...scenario, workload };
};

/** Nothing is said of when a quorum is down, and of what must be seen. */
export const withoutClaims = (scenario: Scenario): Scenario => {
  const { haltedMs: _, marks: __, ...expect } = scenario.expect;
  return { ...scenario, expect };
};

/** Nobody but clients writes. */
export const withoutRights = (scenario: Scenario): Scenario => {
  const { rights: _, ...workload } = scenario.workload;
  return { ...scenario, workload };
};

/** Clients that write what the rules allow. */
export const withoutContest = (scenario: Scenario): Scenario => {
  const { contested: _, ...workload } = scenario.workload;
  return { ...scenario, workload };
};

/** A chain that asks for no proofs. */
export const withoutProofs = (scenario: Scenario): Scenario => {
  const { proofs: _, ...plain } = scenario;
  return plain;
};

/** Without one part of the proofs, and what is only there together with it. */
export const withoutProof = (scenario: Scenario, gone: ProofPart): Scenario => {
  const { n, proofs = [] } = scenario;
  const left = proofs.filter((part) => part !== gone);
  const fitting = fittingProofs(n, left);
  return fitting.length === 0 ? withoutProofs(scenario) : { ...scenario, proofs: fitting };
};

/** Everybody is healed. */
export const withoutCore = (scenario: Scenario): Scenario => {
  const { heal: _, ...whole } = scenario;
  return whole;
};

/** No word on the last good copies, where no fault is left that could take them: then it makes no difference. */
export const withoutAtlas = (scenario: Scenario): Scenario => {
  if (scenario.atlas === "keep" && scenario.faults.some(takesData)) return scenario;
  const { atlas: _, ...plain } = scenario;
  return plain;
};

/** No client that floods. */
export const withoutFlood = (scenario: Scenario): Scenario => {
  const { floodBatches: _, floodAtMs: __, ...workload } = scenario.workload;
  return { ...scenario, workload };
};

/** The workload with one thing less, each in turn. */
export function* lighterWorkloads(scenario: Scenario): Generator<Scenario> {
  const { workload } = scenario;
  const less: Partial<Scenario["workload"]>[] = [
    { clients: 1, batchesPerSecond: 1, eventsPerBatch: 1, bodyBytes: 0 },
    { clients: 1 },
    { clients: 2 },
    { untilMs: DEFAULT_WORKLOAD.untilMs },
    { batchesPerSecond: 1 },
    { eventsPerBatch: 1 },
    { bodyBytes: 0 },
    { batchesPerSecond: Math.floor(workload.batchesPerSecond / 2) },
  ];
  const { clients, batchesPerSecond, pipeline = 1 } = workload;
  if (pipeline > 2) less.push({ pipeline: pipeline >> 1 }, { pipeline: pipeline - 1 });
  for (const part of less)
    if (
      (part.clients ?? clients) <= clients &&
      (part.batchesPerSecond ?? batchesPerSecond) <= batchesPerSecond
    )
      yield { ...scenario, workload: { ...workload, ...part } };
}

/** Knobs, weights and epochs as they are when a scenario leaves them out: all, then group by group. */
export function* calmerKnobs(scenario: Scenario): Generator<Scenario> {
  const { knobs } = scenario;
  const weights = scenario.weights.map(() => 1);
  const epochMs = 3_600_000;
  yield { ...scenario, knobs: CALM, weights, epochMs };
  yield { ...scenario, knobs: CALM };
  yield { ...scenario, weights };
  yield { ...scenario, epochMs };
  for (const group of ["net", "disk", "signer"] as const) {
    yield { ...scenario, knobs: { ...knobs, [group]: CALM[group] } };
    for (const [name, calm] of Object.entries(CALM[group])) {
      yield { ...scenario, knobs: { ...knobs, [group]: { ...knobs[group], [name]: calm } } };
    }
  }
}

/** What of a value differs from its default: of objects only the fields that do. */
const minus = (value: unknown, initial: unknown): unknown => {
  if (JSON.stringify(value) === JSON.stringify(initial)) return undefined;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const known = (initial ?? {}) as Json;
  const fields = Object.entries(value)
    .map(([name, field]) => [name, minus(field, known[name])] as const)
    .filter(([, field]) => field !== undefined);
  return fields.length === 0 ? undefined : Object.fromEntries(fields);
};

/** The scenario without what says the same as leaving it out: what people have to read. */
export const plainScenario = (scenario: Scenario): object => {
  const { name, seed, n, faults, adversaries, healMs, ...rest } = scenario;
  const { weights, epochMs, knobs, workload, expect, ...others } = rest;
  const initial = { epochMs: 3_600_000, knobs: CALM, workload: DEFAULT_WORKLOAD };
  const small = minus(
    { epochMs, knobs, workload, expect },
    { ...initial, expect: DEFAULT_EXPECT },
  ) as object | undefined;
  const uneven = weights.some((weight) => weight !== 1);
  return {
    ...{ name, ...others, seed, n },
    ...(uneven ? { weights } : {}),
    ...(small ?? {}),
    ...{ faults, adversaries, healMs },
  };
};
