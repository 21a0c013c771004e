/**
 * The description of a scenario: every field, its bounds and what it means. The reader of files, the JSON
 * Schema (docs/scenario.schema.json) and the arbitraries follow from it.
 */
import { parseStrictJson, Wrong } from "../src/ledger/strict-json.ts";
import { CALM_DISK, type DiskKnobs } from "./disk.ts";
import { FAULT_SHAPES } from "./fault-shape.ts";
import { CALM_NET, type NetKnobs } from "./links.ts";
import { recordsBytes } from "./records.ts";
import {
  type AdversarySpec,
  CALM,
  DEFAULT_EXPECT,
  DEFAULT_WORKLOAD,
  DIRECTED_STRATEGIES,
  type Expectation,
  fittingProofs,
  JOINING,
  type Knobs,
  PROOF_NEEDS,
  PROOF_PARTS,
  type Scenario,
  STRATEGIES,
  stakeFault,
  type Workload,
} from "./scenario.ts";
import { type FieldsOf, type ObjectShape, readShape } from "./shape.ts";
import { schemaOf } from "./shape-schema.ts";
import {
  count,
  flag,
  flows,
  list,
  microseconds,
  milliseconds,
  moment,
  ppm,
  SCENARIO_LIMITS,
  slot,
  slots,
  until,
} from "./shape-words.ts";
import { FREE_SIGNER, type SignerKnobs } from "./signer.ts";

const NET: FieldsOf<NetKnobs> = {
  latencyMinUs: {
    ...microseconds("Floor of the one-way latency."),
    initial: CALM_NET.latencyMinUs,
  },
  latencyMeanUs: {
    ...microseconds("Mean of the exponential part above the floor."),
    initial: CALM_NET.latencyMeanUs,
  },
  lossPpm: { ...ppm("Frames lost."), initial: 0 },
  duplicatePpm: { ...ppm("Frames that arrive twice."), initial: 0 },
  reorderPpm: { ...ppm("Frames that may be overtaken."), initial: 0 },
  corruptPpm: { ...ppm("Frames with a flipped bit."), initial: 0 },
  linkBytesPerMs: { ...flows("Cap of each link; 0 is none.", 0), initial: 0 },
  uplinkBytesPerMs: { ...flows("Cap of what a node sends; 0 is none.", 0), initial: 0 },
  downlinkBytesPerMs: { ...flows("Cap of what a node receives; 0 is none.", 0), initial: 0 },
  blockedDrops: {
    ...flag("Frames on a blocked link are lost instead of held back."),
    initial: false,
  },
  idleTimeoutMs: {
    ...milliseconds(
      "A session on which nothing is heard for so long ends.",
      100,
      SCENARIO_LIMITS.sessionMsMax,
    ),
    initial: CALM_NET.idleTimeoutMs,
  },
  redialMs: {
    ...milliseconds(
      "Wait before a lost session is dialled again.",
      1,
      SCENARIO_LIMITS.sessionMsMax,
    ),
    initial: CALM_NET.redialMs,
  },
};

const DISK: FieldsOf<DiskKnobs> = {
  syncMinUs: { ...microseconds("Floor of a sync."), initial: CALM_DISK.syncMinUs },
  syncMeanUs: { ...microseconds("Mean above the floor."), initial: CALM_DISK.syncMeanUs },
  writeMeanUs: { ...microseconds("Mean of a write without sync."), initial: CALM_DISK.writeMeanUs },
  readMeanUs: { ...microseconds("Mean of reading a range."), initial: CALM_DISK.readMeanUs },
  visibleEarly: {
    ...flag("Reads see a write from its submission on."),
    initial: CALM_DISK.visibleEarly,
  },
};

const SIGNER: FieldsOf<SignerKnobs> = {
  signUs: { ...microseconds("Time of a signature."), initial: FREE_SIGNER.signUs },
  verifyUs: { ...microseconds("Time of checking one."), initial: FREE_SIGNER.verifyUs },
  randomised: {
    ...flag("Two signatures of one message differ, as FALCON's do."),
    initial: FREE_SIGNER.randomised,
  },
  checkpoints: { ...flag("Nodes sign checkpoints."), initial: FREE_SIGNER.checkpoints },
};

const object = (fields: ObjectShape["fields"], about: string): ObjectShape => ({
  type: "object",
  about,
  fields,
});

const KNOBS: FieldsOf<Knobs> = {
  net: { ...object(NET, "The network where nothing fails."), initial: CALM.net },
  disk: { ...object(DISK, "Both disks of every node."), initial: CALM.disk },
  signer: { ...object(SIGNER, "Signatures."), initial: CALM.signer },
};

const WORKLOAD: FieldsOf<Workload> = {
  clients: {
    ...count(
      "Lanes; each submits one batch after the other.",
      1,
      SCENARIO_LIMITS.clientsMax,
      [1, 5],
    ),
    initial: DEFAULT_WORKLOAD.clients,
  },
  batchesPerSecond: {
    ...count(
      "Batches of all clients a second; 0 is an idle chain.",
      0,
      SCENARIO_LIMITS.batchesPerSecondMax,
      [1, 30],
    ),
    initial: DEFAULT_WORKLOAD.batchesPerSecond,
  },
  eventsPerBatch: {
    ...count("Events of a batch.", 1, SCENARIO_LIMITS.eventsPerBatchMax, [1, 8]),
    initial: DEFAULT_WORKLOAD.eventsPerBatch,
  },
  bodyBytes: {
    ...count(
      "Bytes of an event's value; the events of a batch are a megabyte at most.",
      0,
      SCENARIO_LIMITS.bodyBytesMax,
      [0, 200],
    ),
    initial: DEFAULT_WORKLOAD.bodyBytes,
  },
  untilMs: { ...until("No new batches from then on."), initial: DEFAULT_WORKLOAD.untilMs },
  pipeline: {
    ...count(
      "Batches that a client sends before the first is answered.",
      1,
      SCENARIO_LIMITS.pipelineMax,
      [1, 6],
    ),
    optional: true,
  },
  contested: {
    ...flag("Clients also write what must be refused: machines of others, certificates twice."),
    optional: true,
  },
  rights: {
    ...flag("Others with few permissions write too, and clients give rights and take them back."),
    optional: true,
  },
  floodBatches: {
    ...count(
      "The last client hands every node so many batches of 700 KiB, with no more work than is asked for.",
      1,
      SCENARIO_LIMITS.floodBatchesMax,
      [1, 2],
    ),
    optional: true,
  },
  floodAtMs: { ...moment("From when on it floods; from the start if not given."), optional: true },
};

const ADVERSARY: FieldsOf<AdversarySpec> = {
  node: slot("Who; with stake none of the last two, who join later."),
  strategy: {
    type: "choice",
    of: [...STRATEGIES, ...DIRECTED_STRATEGIES],
    about: "What it does (docs/simulation.md).",
  },
  view: {
    ...count(
      "For vote-to-one and lie-to-one: in this view. For out-of-turn: in the first from it on that another leads.",
      0,
      SCENARIO_LIMITS.viewMax,
      [1, 40],
    ),
    optional: true,
  },
  to: { ...slot("For vote-to-one and lie-to-one: the only one that sees it."), optional: true },
  muteFromMs: { ...moment("For skip-led: mute in its own views from then on."), optional: true },
  fromMs: { ...moment("From when on."), initial: 0 },
  untilMs: { ...until("Until when, past the heal too."), initial: Number.MAX_SAFE_INTEGER },
};

const EXPECT: FieldsOf<Expectation> = {
  finalWithinMs: {
    ...milliseconds(
      "After the heal a new block is final within this.",
      1,
      SCENARIO_LIMITS.dayMsMax,
    ),
    initial: DEFAULT_EXPECT.finalWithinMs,
  },
  convergeWithinMs: {
    ...milliseconds("After the heal all have caught up within this.", 1, SCENARIO_LIMITS.dayMsMax),
    initial: DEFAULT_EXPECT.convergeWithinMs,
  },
  exempt: { ...slots("Not asked to converge."), initial: [] },
  follows: { ...slots("Without their votes, but asked to converge."), optional: true },
  haltedMs: {
    ...list(
      { type: "span", max: SCENARIO_LIMITS.spanMsMax },
      "Nothing becomes final then.",
      SCENARIO_LIMITS.haltsMax,
    ),
    optional: true,
  },
  marks: {
    ...list(
      { type: "text", max: SCENARIO_LIMITS.markCharactersMax },
      "What must have been seen.",
      SCENARIO_LIMITS.marksMax,
    ),
    optional: true,
  },
};

const SCENARIO: FieldsOf<Scenario> = {
  name: {
    type: "text",
    max: SCENARIO_LIMITS.nameCharactersMax,
    about: "Short, with dashes.",
    initial: "unnamed",
  },
  about: {
    type: "text",
    max: SCENARIO_LIMITS.aboutCharactersMax,
    about: "What it shows.",
    optional: true,
  },
  seed: { ...count("The seed of all that is random.", 0, Number.MAX_SAFE_INTEGER), initial: 1 },
  n: { ...count("Nodes.", 1, SCENARIO_LIMITS.nodesMax, [4, 4]), initial: 4 },
  weights: {
    type: "list",
    of: count("Weight of a validator.", 1, SCENARIO_LIMITS.weightMax, [1, 1]),
    min: 1,
    max: SCENARIO_LIMITS.nodesMax,
    perNode: true,
    about: "By node; absent: all alike.",
    optional: true,
  },
  epochMs: {
    ...milliseconds("Length of an epoch.", 1_000, SCENARIO_LIMITS.spanMsMax),
    initial: 3_600_000,
  },
  proofs: {
    type: "list",
    of: { type: "choice", of: PROOF_PARTS },
    min: 1,
    max: PROOF_PARTS.length,
    distinct: true,
    about: "Which proofs the chain asks for, with small parameters; absent: none.",
    optional: true,
  },
  knobs: { ...object(KNOBS, "What holds where no fault is."), initial: CALM },
  workload: { ...object(WORKLOAD, "The clients."), initial: DEFAULT_WORKLOAD },
  faults: {
    ...list(
      { type: "variant", tag: "kind", cases: FAULT_SHAPES },
      "What fails, all of it before the heal.",
      SCENARIO_LIMITS.faultsMax,
    ),
    initial: [],
  },
  adversaries: {
    ...list(
      object(ADVERSARY, "A node that lies."),
      "Nodes that lie; one may be named twice.",
      SCENARIO_LIMITS.adversariesMax,
    ),
    initial: [],
  },
  atlas: {
    type: "choice",
    of: ["keep", "report"],
    about: "Whether disks are spared that hold the last good copies.",
    optional: true,
  },
  healMs: {
    ...milliseconds("All faults end.", 1, SCENARIO_LIMITS.spanMsMax),
    initial: 10_000,
  },
  heal: {
    type: "choice",
    of: ["all", "core"],
    about:
      "Who is healed: everybody, or a random core that just has a quorum, and the rest is gone for good (not with stake).",
    optional: true,
  },
  expect: { ...object(EXPECT, "What must come true."), initial: DEFAULT_EXPECT },
};

export const SCENARIO_SHAPE: ObjectShape = {
  type: "object",
  about: "A scenario of the simulator. Times are virtual milliseconds, chances parts per million.",
  fields: SCENARIO,
};

/** docs/scenario.schema.json. */
export const scenarioSchema = (): Readonly<Record<string, unknown>> => {
  const body = schemaOf(SCENARIO_SHAPE, SCENARIO_LIMITS.nodesMax);
  const properties = {
    $schema: { type: "string", description: "Where this schema is, for editors." },
    ...(body["properties"] as object),
  };
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Tetrad simulation scenario",
    ...body,
    properties,
  };
};

const jsonOf = (text: string): unknown => {
  try {
    return parseStrictJson(text);
  } catch (error) {
    if (error instanceof Wrong) throw new RangeError(error.message);
    throw error;
  }
};

/** Checks a value and fills in what it leaves out. Throws RangeError with the path of what is wrong. */
export const readScenario = (json: unknown): Scenario => {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new RangeError("a scenario is an object");
  }
  const { $schema: _, ...value } = json as Record<string, unknown>;
  const n = readShape("n", value["n"] ?? SCENARIO.n.initial, SCENARIO.n, 1) as number;
  // The description has a field for every one of the type, so what it has read is of the type.
  const read = readShape("", value, SCENARIO_SHAPE, n) as Scenario;
  const whole = { ...read, weights: read.weights ?? new Array<number>(n).fill(1) };
  checkGroups(whole);
  checkRestores(whole);
  checkProofs(whole);
  checkStake(whole);
  checkBatches(whole);
  return whole;
};

/** Nor can it say what fits into a batch. */
const checkBatches = ({ workload }: Scenario): void => {
  const bytes = recordsBytes(workload);
  const max = SCENARIO_LIMITS.batchEventBytesMax;
  if (bytes <= max) return;
  const { eventsPerBatch, bodyBytes } = workload;
  throw new RangeError(
    `workload.bodyBytes: ${eventsPerBatch} events of ${bodyBytes} bytes are ${bytes}, a batch takes at most ${max}`,
  );
};

/** Nor can it say what a part of the proofs needs beside it. */
const checkProofs = ({ n, proofs = [] }: Scenario): void => {
  const fitting = fittingProofs(n, proofs);
  const odd = proofs.find((part) => !fitting.includes(part));
  if (odd === undefined) return;
  const needed = PROOF_NEEDS[odd] ?? `more than ${JOINING} nodes, of which the last join later`;
  throw new RangeError(`proofs: ${odd} needs ${needed}`);
};

/** Nor what a chain with stake cannot be asked. */
const checkStake = (whole: Scenario): void => {
  if (whole.proofs?.includes("stake") !== true) return;
  const fault = stakeFault(whole, JOINING);
  if (fault !== undefined) throw new RangeError(fault);
};

/** What no description of single fields can say: a node is in one group of a partition only. */
const checkGroups = ({ faults }: Scenario): void => {
  for (const [i, fault] of faults.entries()) {
    if (fault.kind !== "partition") continue;
    const all = fault.groups.flat();
    if (new Set(all).size === all.length) continue;
    throw new RangeError(`faults[${i}].groups: a node is in two groups`);
  }
};

/** Nor that a disk comes back as it was earlier. */
const checkRestores = ({ faults }: Scenario): void => {
  for (const [i, fault] of faults.entries()) {
    if (fault.kind !== "restore" || fault.takenMs < fault.atMs) continue;
    throw new RangeError(`faults[${i}].takenMs: ${fault.takenMs} is not before ${fault.atMs}`);
  }
};

/** Reads a scenario file. Throws SyntaxError for what is no JSON, RangeError as `readScenario`. */
export const parseScenario = (text: string): Scenario => {
  if (text.length > SCENARIO_LIMITS.fileCharactersMax) {
    throw new RangeError(`longer than ${SCENARIO_LIMITS.fileCharactersMax} characters`);
  }
  return readScenario(jsonOf(text));
};
