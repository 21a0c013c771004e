/**
 * Writes model/traces: the directed runs and some random ones, for the replay against the implementation.
 *
 * A trace is ITF (Informal Trace Format) with two variables: `lastStep`, the step that led to the state,
 * and `nodes`, what each honest node then has. Statements are strings, "epoch:view:kind:block", so that
 * a trace stays small. The instance, with every block of the run, is in the trace's #meta.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { loadModel, runScenarios, simulate } from "./engine.mjs";
import { RANDOM_TRACES, REPLAYABLE } from "./plan.mjs";

/** Runs of one seed that `randomTraces` may give: seeds are so far apart. */
export const RUNS_MAX = 10_000;

const FORMAT = "tetrad-model-trace/2";
const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** ITF values as plain ones: big integers become numbers, sets and lists arrays, maps entry lists. */
function plain(value) {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(plain);
  if ("#bigint" in value) return Number(value["#bigint"]);
  if ("#set" in value) return value["#set"].map(plain);
  if ("#tup" in value) return value["#tup"].map(plain);
  if ("#map" in value) return value["#map"].map(plain);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

const field = (state, name) => {
  const key = Object.keys(state).find((candidate) => candidate.endsWith(`::${name}`));
  if (key === undefined) throw new Error(`the model has no variable ${name}`);
  return plain(state[key]);
};

const statement = (epoch, view, kind, block) =>
  kind === "S" ? `${epoch}:${view}:S` : `${epoch}:${view}:${kind}:${block}`;
const ordered = (strings) => ({
  "#set": [...strings].sort((a, b) => a.localeCompare(b, "en", { numeric: true })),
});

/** One node's state as the implementation can show it. */
function nodeState(node, views) {
  const own = [];
  const certificates = [];
  const proposals = [];
  const twice = [];
  for (const [i, mine] of node.own.entries()) {
    const at = [Math.floor(i / views), (i % views) + 1];
    const held = node.certs[i];
    const heard = node.heard[i];
    if (mine.n >= 0) own.push(statement(...at, "N", mine.n));
    if (mine.s) own.push(statement(...at, "S"));
    if (mine.f >= 0) own.push(statement(...at, "F", mine.f));
    if (heard.p >= 0) proposals.push(statement(...at, "N", heard.p));
    if (heard.two) twice.push(`${at[0]}:${at[1]}`);
    if (held.nBy.length > 0) certificates.push(statement(...at, "N", held.n));
    if (held.sBy.length > 0) certificates.push(statement(...at, "S"));
    if (held.fBy.length > 0) certificates.push(statement(...at, "F", held.f));
  }
  const text = (s) => statement(s.epoch, s.view, s.kind, s.block);
  return {
    epoch: node.epoch,
    view: node.view,
    own: ordered(own),
    unwritten: ordered(node.unwritten.map(text)),
    unsent: ordered(node.unsent.map(text)),
    certificates: ordered(certificates),
    proposals: ordered(proposals),
    twice: ordered(twice),
    timeouts: node.timeouts,
    blocks: { "#set": [...node.have].sort((a, b) => a - b) },
    finalView: node.finalView,
    finalBlock: node.finalBlock,
    base: node.base,
  };
}

function slim(trace, instance, head) {
  const last = trace.states.at(-1);
  const blocks = field(last, "blocks").map(({ ancestors, ...block }) => block);
  const states = trace.states.map((state, index) => {
    const { signers, ...step } = field(state, "lastStep");
    return {
      "#meta": { index },
      lastStep: { ...step, signers: { "#set": [...signers].sort((a, b) => a - b) } },
      nodes: {
        "#map": field(state, "nodes").map(([n, node]) => [n, nodeState(node, instance.views)]),
      },
    };
  });
  const meta = { format: FORMAT, ...head, instance: { ...instance, blocks } };
  const lines = states.map((state) => `    ${JSON.stringify(state)}`).join(",\n");
  const top = `"#meta": ${JSON.stringify(meta)},\n  "vars": ["lastStep", "nodes"]`;
  return `{\n  ${top},\n  "states": [\n${lines}\n  ]\n}\n`;
}

/** The constants of an instance, read from its source: the simulator does not show them. */
function constantsOf(source, module) {
  const body = new RegExp(
    `module ${module} \\{[\\s\\S]*?import simplex\\(([\\s\\S]*?)\\)\\.\\*`,
  ).exec(source);
  if (body === null) throw new Error(`no instance ${module}`);
  const json = (name) => {
    const found = new RegExp(`${name} = (\\[[\\s\\S]*?\\]\\]|Set\\([^)]*\\)|\\d+)`).exec(body[1]);
    if (found === null) throw new Error(`${module} has no ${name}`);
    return JSON.parse(found[1].replace(/^Set\((.*)\)$/, "[$1]"));
  };
  return {
    weights: json("WEIGHTS"),
    byzantine: json("BYZANTINE"),
    views: json("VIEWS"),
    gap: json("GAP"),
    leaders: json("LEADERS"),
  };
}

const fileOf = (test) =>
  test.replace(/Test$/, "").replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** The comment above a directed run. */
function aboutOf(source, test) {
  const found = new RegExp(`/\\*\\* ([^*]*) \\*/\\s+run ${test}\\b`).exec(source);
  return found === null ? "" : found[1].replace(/\s+/g, " ");
}

/**
 * Traces of runs that nobody has chosen, `count` of them, of the instances in turn. The same for a seed.
 * @yields a trace as `writeTraces` would write it, with a name that is its file's.
 */
export async function* randomTraces({ seed, count, steps = 70 }) {
  const source = readFileSync(here("instances.qnt"), "utf8");
  const model = await loadModel(here("instances.qnt"));
  for (let run = 1; run <= count; run++) {
    const instance = REPLAYABLE[(run - 1) % REPLAYABLE.length];
    const from = seed * RUNS_MAX + run;
    const options = { invariants: ["safety"], samples: 1, steps, seed: from };
    const { status, trace } = simulate(model, instance, options);
    const name = `${instance}-${from}`;
    const about = `Run ${run} of seed ${seed}, ${status === "ok" ? "as it came" : "which is not safe"}.`;
    const head = { name, about, source: `${instance}, seed ${from}, ${steps} steps` };
    yield { name, text: slim(trace, constantsOf(source, instance), head) };
  }
}

/** Writes every trace, deterministically for a seed. Returns the exit code. */
export async function writeTraces(seed) {
  const folder = here("traces");
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder))
    if (name.endsWith(".itf.json")) rmSync(`${folder}/${name}`);
  const write = (name, text) => {
    writeFileSync(`${folder}/${name}.itf.json`, text);
    console.log(`${name}.itf.json  ${text.length} bytes`);
  };
  let failed = 0;

  const scenarioSource = readFileSync(here("scenarios.qnt"), "utf8");
  const scenarioInstance = constantsOf(scenarioSource, "scenarios");
  runScenarios(await loadModel(here("scenarios.qnt")), "scenarios", ({ name, passed, trace }) => {
    if (!passed) failed += 1;
    else {
      const head = {
        name: fileOf(name),
        about: aboutOf(scenarioSource, name),
        source: `scenarios ${name}`,
      };
      write(head.name, slim(trace, scenarioInstance, head));
    }
  });

  const source = readFileSync(here("instances.qnt"), "utf8");
  const model = await loadModel(here("instances.qnt"));
  for (const { file, instance, witness, about } of RANDOM_TRACES) {
    const options = { invariants: [`not(${witness})`], samples: 2000, steps: 70, seed };
    const { status, trace } = simulate(model, instance, options);
    if (status !== "violation") failed += 1;
    else {
      const head = { name: file, about, source: `${instance}, seed ${seed}, until ${witness}` };
      write(file, slim(trace, constantsOf(source, instance), head));
    }
  }
  if (failed > 0) console.log(`${failed} traces are missing`);
  return failed === 0 ? 0 : 1;
}
