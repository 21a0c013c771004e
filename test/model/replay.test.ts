/**
 * Every committed trace of the Quint model is replayed against the real consensus core, and replays
 * that are wrong on purpose are told apart: a comparison that cannot fail says nothing.
 */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { expectedOf, replay } from "./replay.ts";
import type { ReplayFault } from "./replay-node.ts";
import type { ModelAction, ModelTrace } from "./trace-format.ts";
import { parseModelTrace } from "./trace-format.ts";

const folder = new URL("../../model/traces/", import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith(".itf.json"));
const all = files.map((name) => parseModelTrace(readFileSync(new URL(name, folder), "utf8")));

/** Traces that no replay can follow, each with its reason. All can be followed so far. */
const NOT_REPLAYED: Readonly<Record<string, string>> = {};

const traces = all.filter((trace) => NOT_REPLAYED[trace.name] === undefined);
const named = (name: string): ModelTrace => {
  const found = all.find((trace) => trace.name === name);
  if (found === undefined) throw new Error(`no trace ${name}`);
  return found;
};

const nodesOf = (trace: ModelTrace): number => trace.steps[0]?.expected.size ?? 0;

/** The trace with one action changed; what the model says of it stays. */
const edited = (trace: ModelTrace, at: number, action: ModelAction): ModelTrace => ({
  ...trace,
  steps: trace.steps.map((step, i) => (i === at ? { ...step, action } : step)),
});

describe("replay of the model's traces against the core", () => {
  it("leaves no trace out without a reason", () => {
    expect(Object.keys(NOT_REPLAYED)).toEqual([]);
    expect(traces.map((trace) => `${trace.name}.itf.json`)).toEqual(files);
  });

  it.each(traces)("$name: every core is where the model is, after every step", (trace) => {
    const { divergence, compared, cut } = replay(trace);
    expect([divergence, cut]).toEqual([undefined, undefined]);
    expect(compared).toBe(trace.steps.length * nodesOf(trace));
  });

  it.each(traces)("$name: every core does what the rules allow, and nothing else", (trace) => {
    expect(replay(trace, { probes: true }).divergence).toBeUndefined();
  });

  it.each(traces)("$name: the same when whatever comes from outside comes twice", (trace) => {
    expect(replay(trace, { twice: true }).divergence).toBeUndefined();
  });

  it("has cores ahead of the model only where a leader re-proposes on entering its view", () => {
    const ahead = traces.filter((trace) => replay(trace).ahead > 0).map((trace) => trace.name);
    expect(ahead).toEqual([
      "boundary-skipped",
      "boundary",
      "epoch-restarts",
      "epoch-straggler",
      "random-boundary-again",
      "random-straggler",
      "random-third-epoch",
      "random-unequal-late",
      "random-unequal",
      "voter-without-finalize",
    ]);
  });
});

describe("a step form", () => {
  it("is played as a certificate in few places, and as votes in all others", () => {
    const places = traces.map((trace) => [trace.name, replay(trace).whole] as const);
    expect(Object.fromEntries(places.filter(([, whole]) => whole.length > 0))).toEqual({
      // Its leader's other N came first.
      equivocation: [24],
      "withheld-by-certificate": [25],
      // The leader's S is among the votes, and the node has none.
      "late-finalize": [5],
      "random-boundary-again": [36],
      "random-reproposal": [8],
      "random-straggler": [36],
      "random-two-final": [24],
    });
  });
});

describe("a replay that is wrong on purpose", () => {
  const faulty = (name: string, fault: ReplayFault) => replay(named(name), { fault }).divergence;

  it("shows a durable vote that a restart lost", () => {
    expect(faulty("restart-between", "forget-votes")).toEqual({
      step: 4,
      action: "restart",
      node: 2,
      what: "decided",
      model: ["0:1:N:1"],
      core: [],
    });
  });

  it("shows a certificate that a restart lost", () => {
    const expected = { step: 5, action: "restart", node: 0, what: "view", model: 2, core: 1 };
    expect(faulty("vote-to-one", "forget-certificates")).toEqual(expected);
  });

  it("shows what was heard of the leaders, and every cause of a skip", () => {
    const names = new Set(
      traces.flatMap(({ steps }) =>
        steps.map(({ action }) =>
          action.name === "timeout" ? action.cause : action.name === "hear" && action.late,
        ),
      ),
    );
    expect([...names].map(String).sort()).toEqual([
      "false",
      "leader",
      "quarantine",
      "timer",
      "true",
    ]);
  });

  it("shows a vote that got further than the model lets it", () => {
    expect(faulty("restart-forgets-unsent", "answer-held")).toMatchObject({
      what: "durable",
      model: [],
      core: ["0:1:N:1"],
    });
  });

  it.each(traces)("$name: shows every step that is not played", (trace) => {
    for (const [at, { expected }] of trace.steps.entries()) {
      const before = trace.steps[at - 1]?.expected ?? expected;
      // A restart may change nothing that can be seen, and some steps change only what is held.
      if (seen(trace, before) === seen(trace, expected)) continue;
      expect(replay(edited(trace, at, { name: "init" })).divergence?.step).toBe(at);
    }
  });

  it.each(traces)("$name: shows a certificate that lacks one vote of its quorum", (trace) => {
    const { whole } = replay(trace);
    let tried = 0;
    for (const [at, { action }] of trace.steps.entries()) {
      // The core counts the weight of votes; of a certificate the replica has counted it before.
      if (action.name !== "form" || whole.includes(at)) continue;
      const shorter = withoutOne(trace, action);
      if (shorter === undefined) continue;
      tried += 1;
      expect(replay(edited(trace, at, shorter)).divergence?.step).toBe(at);
    }
    expect(tried > 0).toBe(trace.name !== "payload-later");
  });
});

/** What a step may change that the replay compares. */
const seen = (trace: ModelTrace, nodes: ModelTrace["steps"][number]["expected"]): string =>
  JSON.stringify(
    [...nodes.values()].map((node) => expectedOf(node, trace.instance.weights.length)),
  );

/**
 * The step without a vote that its quorum needs, even if the core counts, beside the rest, its own vote
 * and the leader's, which it may have anyway. Undefined where there is no such vote.
 */
const withoutOne = (
  trace: ModelTrace,
  action: ModelAction & { readonly name: "form" | "receive" },
): ModelAction | undefined => {
  const { epoch, view } = action.statement;
  const weights = trace.instance.weights[epoch] ?? [];
  const total = weights.reduce((a, b) => a + b, 0);
  const leader = trace.instance.leaders[epoch]?.[view - 1];
  for (const spare of action.signers) {
    if (spare === action.node || spare === leader) continue;
    const signers = action.signers.filter((signer) => signer !== spare);
    const counted = [...new Set([...signers, action.node, leader ?? action.node])];
    const weight = counted.reduce((sum, signer) => sum + (weights[signer] ?? 0), 0);
    if (3 * weight <= 2 * total) return { ...action, signers };
  }
  return undefined;
};
