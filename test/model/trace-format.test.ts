/**
 * The committed traces decode, and what they say obeys the rules by an arithmetic of its own: a trace
 * written from a broken model, or edited by hand, does not reach the replay.
 */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { ModelInstance, ModelNode, ModelStatement, ModelTrace } from "./trace-format.ts";
import { parseModelTrace, parseStatement } from "./trace-format.ts";

const folder = new URL("../../model/traces/", import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith(".itf.json"));
const read = (name: string): string => readFileSync(new URL(name, folder), "utf8");
const traces = files.map((name) => parseModelTrace(read(name)));

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const same = (a: ModelStatement, b: ModelStatement): boolean =>
  a.epoch === b.epoch && a.view === b.view && a.kind === b.kind && a.block === b.block;
const includes = (statements: readonly ModelStatement[], wanted: ModelStatement): boolean =>
  statements.some((statement) => same(statement, wanted));

function isQuorum(instance: ModelInstance, epoch: number, signers: readonly number[]): boolean {
  const weights = instance.weights[epoch] ?? [];
  const weight = sum(signers.map((signer) => weights[signer] ?? 0));
  return new Set(signers).size === signers.length && 3 * weight > 2 * sum(weights);
}

function ancestors(instance: ModelInstance, block: number): readonly number[] {
  const parent = instance.blocks[block]?.parent ?? 0;
  return block === 0 ? [0] : [block, ...ancestors(instance, parent)];
}

const onOneChain = (instance: ModelInstance, a: number, b: number): boolean =>
  ancestors(instance, a).includes(b) || ancestors(instance, b).includes(a);

/** {N, N'}, {F, F'}, {N h, F h'} and {S, F} of one view. */
const conflict = (a: ModelStatement, b: ModelStatement): boolean =>
  a.epoch === b.epoch &&
  a.view === b.view &&
  (a.kind === "S" || b.kind === "S" ? a.kind === "F" || b.kind === "F" : a.block !== b.block);

/** What a node's votes were after it was last sent: what the network may have. */
function sentOf(node: ModelNode): readonly ModelStatement[] {
  return node.own.filter((statement) => !includes(node.unsent, statement));
}

const nodesOf = (trace: ModelTrace): readonly (readonly [number, ModelNode])[] =>
  trace.steps.flatMap((step) => [...step.expected]);

describe("model traces", () => {
  it("are about twenty, each with its file's name, a sentence and more than one step", () => {
    expect(traces.length).toBeGreaterThanOrEqual(20);
    expect(traces.map((trace) => `${trace.name}.itf.json`)).toEqual(files);
    for (const trace of traces) {
      expect(trace.about).not.toBe("");
      expect(trace.steps.length).toBeGreaterThan(3);
      expect(trace.steps[0]?.action).toEqual({ name: "init" });
    }
  });

  it("show every kind of step, in both ways of the weights, and a second epoch", () => {
    const names = new Set(traces.flatMap((trace) => trace.steps.map((step) => step.action.name)));
    const all =
      "init propose vote hear timeout form receive status fetch flush restart byzantine".split(" ");
    expect([...names].sort()).toEqual(all.sort());
    expect(traces.some((trace) => new Set(trace.instance.weights[0]).size > 1)).toBe(true);
    const inSecond = (node: ModelNode) => node.epoch === 1 && node.finalView > 0;
    expect(traces.some((trace) => nodesOf(trace).some(([, node]) => inSecond(node)))).toBe(true);
  });

  it.each(traces)(
    "$name: certificates carry a quorum, of honest signers only what they sent",
    (trace) => {
      let before = trace.steps[0]?.expected ?? new Map<number, ModelNode>();
      const everSent = new Map<number, ModelStatement[]>();
      for (const { action, expected } of trace.steps) {
        for (const [n, node] of before) {
          everSent.set(n, [...(everSent.get(n) ?? []), ...sentOf(node)]);
        }
        if (action.name === "form" || action.name === "receive") {
          expect(isQuorum(trace.instance, action.statement.epoch, action.signers)).toBe(true);
          for (const signer of action.signers) {
            if (trace.instance.byzantine.includes(signer)) continue;
            expect(includes(everSent.get(signer) ?? [], action.statement)).toBe(true);
          }
          const held = expected.get(action.node)?.certificates ?? [];
          expect(includes(held, action.statement)).toBe(true);
        }
        before = expected;
      }
    },
  );

  it.each(traces)(
    "$name: no honest node signs a conflicting pair, before or after restarts",
    (trace) => {
      for (const n of trace.steps[0]?.expected.keys() ?? []) {
        const sent = trace.steps.flatMap((step) => {
          const node = step.expected.get(n);
          return node === undefined ? [] : sentOf(node);
        });
        expect(sent.filter((a) => sent.some((b) => conflict(a, b)))).toEqual([]);
      }
    },
  );

  it.each(traces)("$name: what is final is on one chain, and never goes back", (trace) => {
    const finals = new Set(nodesOf(trace).map(([, node]) => node.finalBlock));
    for (const a of finals) {
      for (const b of finals) expect(onOneChain(trace.instance, a, b)).toBe(true);
    }
    for (const [i, step] of trace.steps.entries()) {
      for (const [n, node] of step.expected) {
        const earlier = trace.steps[i - 1]?.expected.get(n)?.finalBlock ?? 0;
        expect(ancestors(trace.instance, node.finalBlock)).toContain(earlier);
      }
    }
  });

  it.each(traces)("$name: only the node of the step changes", (trace) => {
    for (const [i, step] of trace.steps.entries()) {
      const before = trace.steps[i - 1]?.expected;
      const { action } = step;
      if (before === undefined || action.name === "init") continue;
      for (const [n, node] of step.expected) {
        if (n !== action.node) expect(node).toEqual(before.get(n));
      }
      expect([...step.expected.keys()]).toEqual([...before.keys()]);
    }
  });

  it.each(traces)(
    "$name: votes are in the current view, by the leader or on its proposal",
    (trace) => {
      const { leaders } = trace.instance;
      for (const [i, { action, expected }] of trace.steps.entries()) {
        const leads = (epoch: number, view: number) => leaders[epoch]?.[view - 1];
        if (action.name === "propose" || action.name === "byzantine") {
          expect(leads(action.epoch, action.view)).toBe(action.node);
        }
        if (action.name === "propose" || action.name === "vote" || action.name === "timeout") {
          const node = trace.steps[i - 1]?.expected.get(action.node);
          expect([node?.epoch, node?.view]).toEqual([action.epoch, action.view]);
          const { epoch, view } = action;
          const vote: ModelStatement =
            action.name === "timeout"
              ? { epoch, view, kind: "S", block: undefined }
              : { epoch, view, kind: "N", block: action.block };
          expect(includes(expected.get(action.node)?.own ?? [], vote)).toBe(true);
        }
      }
    },
  );
});

describe("the trace reader", () => {
  it("reads statements", () => {
    expect(parseStatement("1:12:N:3")).toEqual({ epoch: 1, view: 12, kind: "N", block: 3 });
    expect(parseStatement("0:2:S")).toEqual({ epoch: 0, view: 2, kind: "S", block: undefined });
    expect(parseStatement("0:2:F:0")).toEqual({ epoch: 0, view: 2, kind: "F", block: 0 });
  });

  it.each(["", "0:1:N", "0:1:S:1", "0:1:X:1", "-1:1:S", "0:1:F:", "0:1:S "])(
    "refuses %j",
    (source) => {
      expect(() => parseStatement(source)).toThrow("statement");
    },
  );

  const edited = (from: string, to: string): string => read("straight.itf.json").replace(from, to);
  const causes = read("causes.itf.json");

  it("names the field that does not fit", () => {
    expect(() => parseModelTrace(edited("tetrad-model-trace/2", "other/2"))).toThrow(
      "#meta.format",
    );
    expect(() => parseModelTrace(edited('"name":"propose"', '"name":"dance"'))).toThrow("dance");
    expect(() => parseModelTrace(edited('"release":"sent"', '"release":"soon"'))).toThrow(
      "release",
    );
    expect(() => parseModelTrace(edited('"view":1,"own"', '"view":1.5,"own"'))).toThrow(
      "node.view",
    );
    expect(() => parseModelTrace(edited('"#map"', '"#tup"'))).toThrow("nodes");
    expect(() => parseModelTrace(edited('"twice":{"#set":[]}', '"twice":[]'))).toThrow(
      "node.twice",
    );
    expect(() => parseModelTrace(edited('"timeouts":0', '"timeouts":"0"'))).toThrow("timeouts");
    expect(() => parseModelTrace(causes.replace('"kind":"leader"', '"kind":"luck"'))).toThrow(
      "luck",
    );
    expect(() => parseModelTrace("{}")).toThrow("#meta");
  });
});
