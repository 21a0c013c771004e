/**
 * Runs the Quint simulator inside this process. The command line parses and analyses the model again
 * for every run, which costs more than a short run itself; this parses once.
 *
 * The modules used are internal to the quint package, which is why its version is pinned and checked.
 */
import { createRequire } from "node:module";

const QUINT_VERSION = "0.33.1";
const require = createRequire(import.meta.url);
const quint = (path) => require(`@informalsystems/quint/dist/src/${path}.js`);

const { load, parse, typecheck } = quint("cliCommands");
const { toExpr } = quint("cliHelpers");
const { Evaluator } = quint("runtime/impl/evaluator");
const { newTraceRecorder } = quint("runtime/trace");
const { newRng } = quint("rng");
const { toItf } = quint("itf");
const { version } = quint("version");

function unwrap(either, what) {
  if (either.isRight()) return either.value;
  const { msg, stage } = either.value;
  const details = (stage?.errors ?? []).map((error) => error.explanation).join("\n");
  throw new Error(`${what}: ${msg ?? JSON.stringify(either.value)}\n${details}`);
}

/** Parses a file, resolves its imports and checks types and effects. Throws with what is wrong. */
export async function loadModel(input) {
  if (version !== QUINT_VERSION)
    throw new Error(`quint ${QUINT_VERSION} is needed, not ${version}`);
  const args = { input, main: undefined, verbosity: 0 };
  const loaded = unwrap(await load(args), input);
  const parsed = unwrap(await parse(loaded), input);
  return unwrap(await typecheck(parsed), input);
}

const expression = (stage, source) => {
  const either = toExpr(stage, source);
  if (either.isLeft()) throw new Error(`${stage.args.main}: ${source}: ${either.value.message}`);
  return either.value;
};

/**
 * Seeds of the simulator are positions of one counter-based stream: neighbouring seeds would run through
 * the same numbers one after the other.
 */
const spread = (seed) => BigInt(seed) * 2n ** 40n;

/**
 * Random runs of one instance. Stops at the first violation.
 * @returns status "ok" or "violation", the runs and steps made, the violated invariants, the number of
 *   runs in which each witness held, and the offending (or the last) trace.
 */
export function simulate(model, main, { invariants, witnesses = [], samples, steps, seed }) {
  const stage = { ...model, args: { ...model.args, main } };
  const rng = newRng(spread(seed));
  const evaluator = new Evaluator(stage.resolver.table, newTraceRecorder(0, rng, 1), rng, false);
  let trace;
  const outcome = evaluator.simulate(
    expression(stage, "init"),
    expression(stage, "step"),
    expression(stage, invariants.map((name) => `(${name})`).join(" and ") || "true"),
    witnesses.map((name) => expression(stage, name)),
    samples,
    steps,
    1,
    (_index, _status, vars, states) => {
      trace = toItf(vars, states).value;
    },
  );
  if (outcome.status === "error") throw new Error(`${main}: ${JSON.stringify(outcome.errors[0])}`);
  const last = outcome.bestTraces[0]?.states.at(-1);
  const { averageTraceLength } = outcome.traceStatistics;
  return {
    status: outcome.status,
    samples: outcome.samples,
    steps: Math.round((averageTraceLength - 1) * outcome.samples),
    violated: outcome.status === "ok" ? [] : violatedIn(stage, last, invariants),
    witnessed: new Map(witnesses.map((name, i) => [name, outcome.witnessingTraces[i]])),
    trace,
  };
}

function violatedIn(stage, state, invariants) {
  const rng = newRng(0n);
  const evaluator = new Evaluator(stage.resolver.table, newTraceRecorder(0, rng), rng, false);
  return invariants.filter((name) => {
    const source = expression(stage, name);
    // The first evaluation registers the variables that the state is then put into.
    evaluator.evaluate(source);
    evaluator.updateState(state);
    const value = evaluator.evaluate(source);
    return value.isRight() && value.value.kind === "bool" && !value.value.value;
  });
}

/** Directed runs (definitions whose name ends in Test). */
export function runScenarios(model, main, onResult) {
  const stage = { ...model, args: { ...model.args, main } };
  const definitions = [...stage.resolver.collector.definitionsByModule.get(main).values()]
    .flat()
    .filter((definition) => definition.kind === "def" && definition.name.endsWith("Test"));
  for (const [index, definition] of definitions.entries()) {
    const rng = newRng(spread(index + 1));
    const evaluator = new Evaluator(stage.table, newTraceRecorder(0, rng, 1), rng);
    let trace;
    const result = evaluator.test(definition, 1, index, (_index, _status, vars, states) => {
      trace = toItf(vars, states).value;
    });
    onResult({
      name: definition.name,
      passed: result.status === "passed",
      errors: result.errors.map((error) => error.message),
      trace,
    });
  }
}
