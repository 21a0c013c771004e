/**
 * Reads the traces of the Quint model (model/traces, written by `node scripts/model.mjs traces`): ITF with
 * the variables `lastStep` and `nodes`. What comes out is plain data that a replay driver can feed to the
 * consensus core step by step. docs/model.md says what each step means for a driver.
 */

/** Vote kinds as the model writes them: notarize, skip (nullify), finalize. */
export type ModelKind = "N" | "S" | "F";

/** `block` is an index into the instance's blocks; absent in a skip statement. */
export type ModelStatement = {
  readonly epoch: number;
  readonly view: number;
  readonly kind: ModelKind;
  readonly block: number | undefined;
};

export type ModelBlock = {
  readonly epoch: number;
  /** View in which the block was first proposed. */
  readonly view: number;
  readonly height: number;
  readonly parentView: number;
  /** Index of the parent block; the genesis, block 0, is its own. */
  readonly parent: number;
  readonly boundary: boolean;
};

export type ModelInstance = {
  /** weights[epoch][validator]; 0: not a member of that epoch. */
  readonly weights: readonly (readonly number[])[];
  readonly byzantine: readonly number[];
  /** Views of an epoch that the model explores: a node beyond the last one does nothing more. */
  readonly views: number;
  /** Unfinalized heights above which a leader re-proposes. */
  readonly gap: number;
  /** leaders[epoch][view - 1]. */
  readonly leaders: readonly (readonly number[])[];
  /** Every block of the run, also those that a leader lost in a restart. */
  readonly blocks: readonly ModelBlock[];
};

/** How far the votes decided in a step, and all earlier ones, get within it. */
export type ModelRelease = "held" | "durable" | "sent";

/** Why a node gives up its view: see `skip` in model/simplex.qnt. */
export type ModelCause = "timer" | "leader" | "quarantine";

export type ModelAction =
  | { readonly name: "init" }
  /** A Byzantine leader makes a proposal: nothing happens at any node yet. */
  | {
      readonly name: "byzantine" | "propose" | "vote";
      readonly node: number;
      readonly epoch: number;
      readonly view: number;
      readonly block: number;
      readonly parentView: number;
      readonly again: boolean;
      readonly release: ModelRelease;
    }
  /** A proposal comes to a node that does not vote for it in this step; late: after its time (R2). */
  | {
      readonly name: "hear";
      readonly node: number;
      readonly epoch: number;
      readonly view: number;
      readonly block: number;
      readonly parentView: number;
      readonly again: boolean;
      readonly late: boolean;
      readonly release: ModelRelease;
    }
  | {
      readonly name: "timeout";
      readonly node: number;
      readonly epoch: number;
      readonly view: number;
      readonly cause: ModelCause;
      readonly release: ModelRelease;
    }
  /** `asked` answers the STATUS of the node (R7). */
  | {
      readonly name: "status";
      readonly node: number;
      readonly asked: number;
      readonly release: ModelRelease;
    }
  /** form: the node completes the certificate from votes of `signers`; receive: a peer sends it. */
  | {
      readonly name: "form" | "receive";
      readonly node: number;
      readonly statement: ModelStatement;
      readonly signers: readonly number[];
      readonly release: ModelRelease;
    }
  | {
      readonly name: "fetch";
      readonly node: number;
      /** Arrives together with all its ancestors. */
      readonly block: number;
      readonly release: ModelRelease;
    }
  | { readonly name: "flush" | "restart"; readonly node: number; readonly release: ModelRelease };

/** What an honest node has after a step. Lists are in ascending order. */
export type ModelNode = {
  readonly epoch: number;
  readonly view: number;
  /** Own statements that are decided; those not durable; those that have not left. */
  readonly own: readonly ModelStatement[];
  readonly unwritten: readonly ModelStatement[];
  readonly unsent: readonly ModelStatement[];
  /** Certificates ever taken in; a finalization may stand for what is below it. */
  readonly certificates: readonly ModelStatement[];
  /** By view the first proposal of another leader, as the N that it is; since the last restart. */
  readonly proposals: readonly ModelStatement[];
  /** "epoch:view" where the leader was seen to sign two N (R4). */
  readonly twice: readonly string[];
  /** k of R5. */
  readonly timeouts: number;
  /** Blocks held with their payload. */
  readonly blocks: readonly number[];
  /** View, in this epoch, of the newest finalization held (0: none yet), and its block. */
  readonly finalView: number;
  readonly finalBlock: number;
  /** Last block of the epoch before. */
  readonly base: number;
};

export type ModelStep = {
  readonly action: ModelAction;
  /** By validator index; honest ones only. */
  readonly expected: ReadonlyMap<number, ModelNode>;
};

export type ModelTrace = {
  readonly name: string;
  readonly about: string;
  readonly source: string;
  readonly instance: ModelInstance;
  /** The first is the initial state, with action init. */
  readonly steps: readonly ModelStep[];
};

type Json = Readonly<Record<string, unknown>>;

const fail = (where: string, what: string): never => {
  throw new Error(`model trace: ${where}: ${what}`);
};

const record = (value: unknown, where: string): Json =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value))
    : fail(where, "not an object");

const list = (value: unknown, where: string): readonly unknown[] =>
  Array.isArray(value) ? value : fail(where, "not a list");

const integer = (value: unknown, where: string): number =>
  typeof value === "number" && Number.isSafeInteger(value) ? value : fail(where, "not an integer");

const text = (value: unknown, where: string): string =>
  typeof value === "string" ? value : fail(where, "not a string");

const flag = (value: unknown, where: string): boolean =>
  typeof value === "boolean" ? value : fail(where, "not a boolean");

const integers = (value: unknown, where: string): readonly number[] =>
  list(value, where).map((item) => integer(item, where));

const set = (value: unknown, where: string): readonly unknown[] =>
  list(record(value, where)["#set"], where);

const causeOf = (value: unknown): ModelCause =>
  value === "timer" || value === "leader" || value === "quarantine"
    ? value
    : fail("cause", String(value));

const releaseOf = (value: unknown): ModelRelease =>
  value === "held" || value === "durable" || value === "sent"
    ? value
    : fail("release", String(value));

/** Parses "epoch:view:kind:block", without the block for a skip statement. */
export function parseStatement(source: string): ModelStatement {
  const match = /^(\d+):(\d+):(?:(S)|([NF]):(\d+))$/.exec(source);
  if (match === null) return fail("statement", source);
  const [, epoch, view, skip, kind, block] = match;
  return {
    epoch: Number(epoch),
    view: Number(view),
    kind: skip === "S" ? "S" : kind === "N" ? "N" : "F",
    block: block === undefined ? undefined : Number(block),
  };
}

const statements = (value: unknown, where: string): readonly ModelStatement[] =>
  set(value, where).map((item) => parseStatement(text(item, where)));

function parseBlock(value: unknown): ModelBlock {
  const block = record(value, "block");
  return {
    epoch: integer(block["epoch"], "block.epoch"),
    view: integer(block["view"], "block.view"),
    height: integer(block["height"], "block.height"),
    parentView: integer(block["parentView"], "block.parentView"),
    parent: integer(block["parent"], "block.parent"),
    boundary: flag(block["boundary"], "block.boundary"),
  };
}

function parseInstance(value: unknown): ModelInstance {
  const instance = record(value, "instance");
  const rows = (name: string) =>
    list(instance[name], name).map((row) => integers(row, `instance.${name}`));
  return {
    weights: rows("weights"),
    byzantine: integers(instance["byzantine"], "instance.byzantine"),
    views: integer(instance["views"], "instance.views"),
    gap: integer(instance["gap"], "instance.gap"),
    leaders: rows("leaders"),
    blocks: list(instance["blocks"], "instance.blocks").map(parseBlock),
  };
}

function parseNode(value: unknown): ModelNode {
  const node = record(value, "node");
  return {
    epoch: integer(node["epoch"], "node.epoch"),
    view: integer(node["view"], "node.view"),
    own: statements(node["own"], "node.own"),
    unwritten: statements(node["unwritten"], "node.unwritten"),
    unsent: statements(node["unsent"], "node.unsent"),
    certificates: statements(node["certificates"], "node.certificates"),
    proposals: statements(node["proposals"], "node.proposals"),
    twice: set(node["twice"], "node.twice").map((item) => text(item, "node.twice")),
    timeouts: integer(node["timeouts"], "node.timeouts"),
    blocks: set(node["blocks"], "node.blocks").map((item) => integer(item, "node.blocks")),
    finalView: integer(node["finalView"], "node.finalView"),
    finalBlock: integer(node["finalBlock"], "node.finalBlock"),
    base: integer(node["base"], "node.base"),
  };
}

function parseAction(value: unknown): ModelAction {
  const step = record(value, "lastStep");
  const name = text(step["name"], "lastStep.name");
  const node = integer(step["node"], "lastStep.node");
  const epoch = integer(step["epoch"], "lastStep.epoch");
  const view = integer(step["view"], "lastStep.view");
  const block = integer(step["block"], "lastStep.block");
  const release = releaseOf(step["release"]);
  switch (name) {
    case "init":
      return { name };
    case "byzantine":
    case "propose":
    case "vote":
    case "hear": {
      const parentView = integer(step["parentView"], "lastStep.parentView");
      const again = flag(step["again"], "lastStep.again");
      const offer = { node, epoch, view, block, parentView, again, release };
      return name === "hear"
        ? { name, ...offer, late: step["kind"] === "late" }
        : { name, ...offer };
    }
    case "timeout":
      return { name, node, epoch, view, cause: causeOf(step["kind"]), release };
    case "status": {
      const [asked] = set(step["signers"], "signers").map((item) => integer(item, "signers"));
      return { name, node, asked: integer(asked, "signers"), release };
    }
    case "form":
    case "receive": {
      const kind = text(step["kind"], "lastStep.kind");
      const suffix = kind === "S" ? "S" : `${kind}:${block}`;
      const signers = set(step["signers"], "signers").map((item) => integer(item, "signers"));
      const statement = parseStatement(`${epoch}:${view}:${suffix}`);
      return { name, node, statement, signers, release };
    }
    case "fetch":
      return { name, node, block, release };
    case "flush":
    case "restart":
      return { name, node, release };
    default:
      return fail("lastStep.name", name);
  }
}

function parseState(value: unknown): ModelStep {
  const state = record(value, "state");
  const entries = list(record(state["nodes"], "nodes")["#map"], "nodes").map((item) => {
    const [index, node] = list(item, "nodes entry");
    return [integer(index, "nodes key"), parseNode(node)] as const;
  });
  return { action: parseAction(state["lastStep"]), expected: new Map(entries) };
}

/** Decodes one trace file. Throws an Error that names the field when the text is not such a trace. */
export function parseModelTrace(source: string): ModelTrace {
  const file = record(JSON.parse(source), "file");
  const meta = record(file["#meta"], "#meta");
  if (meta["format"] !== "tetrad-model-trace/2") fail("#meta.format", String(meta["format"]));
  return {
    name: text(meta["name"], "#meta.name"),
    about: text(meta["about"], "#meta.about"),
    source: text(meta["source"], "#meta.source"),
    instance: parseInstance(meta["instance"]),
    steps: list(file["states"], "states").map(parseState),
  };
}
