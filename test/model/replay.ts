/**
 * Replays a trace of the Quint model against the real consensus core: one core an honest validator, the
 * steps of the trace as inputs of the core of the node that steps, and a comparison of every node after
 * every step. docs/model.md ("Replay") says which relation holds and why.
 *
 * The network is the cores' own: what a node is shown of an honest signer is the message which that
 * signer's core sent. Only the Byzantine validators' statements are made up.
 */
import type { Vote } from "../../src/ledger/types.ts";
import { ReplayNode, type ReplayOptions, type Seen } from "./replay-node.ts";
import { probe } from "./replay-probe.ts";
import { certificateOfVotes, type Offer, ReplayWorld, textOf } from "./replay-world.ts";
import type {
  ModelAction,
  ModelNode,
  ModelRelease,
  ModelStatement,
  ModelTrace,
} from "./trace-format.ts";

/** The first step after which a core is not where the model is, and in what. */
export type Divergence = {
  readonly step: number;
  readonly action: string;
  readonly node: number;
  readonly what: string;
  readonly model: unknown;
  readonly core: unknown;
};

export type ReplayResult = {
  readonly divergence: Divergence | undefined;
  /** Nodes compared, over all steps. */
  readonly compared: number;
  /** Comparisons in which the core had re-proposed and the model not yet. */
  readonly ahead: number;
  /**
   * The step at which the replay ended before the trace did: the leader builds a block of its own where its core
   * had re-proposed on entering the view, which the model's leader may put off until a finalization came (R1).
   */
  readonly cut: number | undefined;
  /** Steps "form" that were played as "receive" (see ReplayNode.takeVotes). */
  readonly whole: readonly number[];
};

/** What the model says, in the form in which a core is seen. */
type Expected = Omit<Seen, "reproposed">;

/** "epoch:view" of the node's epoch, above its final view. */
const isOpen = (node: ModelNode, at: string): boolean => {
  const [epoch, view = 0] = at.split(":").map(Number);
  return epoch === node.epoch && view > node.finalView;
};

/** What the model says of a node that the replay compares. */
export const expectedOf = (node: ModelNode, epochs: number): Expected => {
  const texts = (list: readonly ModelStatement[]): string[] =>
    list
      .filter((one) => one.epoch === node.epoch && one.view > node.finalView)
      .map(textOf)
      .sort();
  const without = (hidden: readonly ModelStatement[]): string[] => {
    const gone = new Set(hidden.map(textOf));
    return texts(node.own).filter((text) => !gone.has(text));
  };
  const { epoch, view, finalView, finalBlock } = node;
  const place = { epoch, view: epoch < epochs ? view : 1, finalView, finalBlock };
  return {
    ...place,
    decided: texts(node.own),
    durable: without(node.unwritten),
    left: without(node.unsent),
    certificates: texts(node.certificates),
    proposals: texts(node.proposals),
    twice: node.twice.filter((at) => isOpen(node, at)).sort(),
    timeouts: node.timeouts,
  };
};

const FIELDS = [
  "epoch",
  "view",
  "finalView",
  "finalBlock",
  "certificates",
  "proposals",
  "twice",
  "timeouts",
  "decided",
  "durable",
  "left",
] as const;

/**
 * The relation: all fields are equal, except that `decided` of the core may have, besides, the leader's
 * re-proposals of this node (R1), which nobody was asked to sign yet.
 */
const differenceOf = (
  expected: Expected,
  seen: Seen,
): { readonly what: string; readonly model: unknown; readonly core: unknown } | undefined => {
  const early = new Set(seen.reproposed.filter((text) => !seen.durable.includes(text)));
  for (const what of FIELDS) {
    const model = expected[what];
    const core =
      what === "decided"
        ? seen.decided.filter((text) => !early.has(text) || expected.decided.includes(text))
        : seen[what];
    if (JSON.stringify(model) !== JSON.stringify(core)) return { what, model, core };
  }
  return undefined;
};

class Replay {
  readonly #world: ReplayWorld;
  readonly #nodes = new Map<number, ReplayNode>();

  constructor(trace: ModelTrace, options: ReplayOptions) {
    this.#world = new ReplayWorld(trace.instance);
    for (const index of trace.steps[0]?.expected.keys() ?? []) {
      this.#nodes.set(index, new ReplayNode(this.#world, index, options));
    }
  }

  get epochs(): number {
    return this.#world.epochs;
  }

  node(index: number): ReplayNode {
    const node = this.#nodes.get(index);
    if (node === undefined) throw new Error(`validator ${index} is not honest`);
    return node;
  }

  /** The leader's core has decided a re-proposal in this view, and the model a new block. */
  isPast(action: ModelAction): boolean {
    if (action.name !== "propose" || action.again) return false;
    const at = `${action.epoch}:${action.view}:`;
    return this.node(action.node)
      .seen()
      .reproposed.some((text) => text.startsWith(at));
  }

  /** The inputs of the step, then the answers that it allows. True when "form" became "receive". */
  act(action: ModelAction, expected: ReadonlyMap<number, ModelNode>): boolean {
    if (action.name === "init" || action.name === "byzantine") return false;
    let whole = false;
    const node = this.node(action.node);
    const release: ModelRelease = action.release;
    switch (action.name) {
      case "propose":
        if (!action.again) node.propose(action.block, action.parentView);
        break;
      case "vote":
        node.hear(this.#world.proposal(action, this.#leaderVote(action)));
        break;
      case "hear": {
        const offered = this.#world.proposal(action, this.#leaderVote(action));
        const isHeld = expected.get(action.node)?.blocks.includes(action.block) === true;
        node.overhear(offered, action.late, isHeld);
        break;
      }
      case "timeout":
        this.#skip(node, action);
        break;
      case "status":
        for (const certificate of this.node(action.asked).answerTo(action.node, node.status())) {
          node.takeCertificate(certificate);
        }
        break;
      case "form":
      case "receive": {
        const votes = action.signers.map((signer) => this.#voteBy(signer, action.statement));
        if (action.name === "receive") node.takeCertificate(certificateOfVotes(votes));
        else whole = node.takeVotes(votes);
        break;
      }
      case "fetch":
        node.fetch(action.block);
        break;
      case "restart":
        node.restart();
        break;
      case "flush":
        break;
    }
    const own = expected.get(action.node)?.own ?? [];
    node.release(release, new Set(own.map(textOf)));
    return whole;
  }

  #skip(node: ReplayNode, action: ModelAction & { readonly name: "timeout" }): void {
    const { cause, epoch, view } = action;
    if (cause === "timer") node.timeOut();
    else if (cause === "quarantine") node.quarantineLeader();
    else {
      const leader = this.#world.leader(epoch, view);
      node.hearSkip(this.#voteBy(leader, { epoch, view, kind: "S", block: undefined }));
    }
  }

  /** What the node of this step would do too much or too little (replay-probe.ts). */
  probe(index: number, model: ModelNode): string | undefined {
    return probe(this.#world, this.node(index), model);
  }

  /** The vote that an honest signer's core sent; a Byzantine signer has signed anything. */
  #voteBy(signer: number, said: ModelStatement): Vote {
    if (this.#world.instance.byzantine.includes(signer)) return this.#world.vote(signer, said);
    const message = this.node(signer).sent(textOf(said));
    if (message === undefined) {
      throw new Error(`the core of ${signer} never sent ${textOf(said)}`);
    }
    return message.vote;
  }

  /** The leader's N; an honest leader's core must have sent it as the proposal that the model names. */
  #leaderVote(offer: Offer): Vote {
    const leader = this.#world.leader(offer.epoch, offer.view);
    const { epoch, view, block } = offer;
    const vote = this.#voteBy(leader, { epoch, view, kind: "N", block });
    if (this.#world.instance.byzantine.includes(leader)) return vote;
    const message = this.node(leader).sent(this.#world.text(vote.statement));
    const fits =
      message?.type === "proposal" &&
      message.parentView === offer.parentView &&
      message.reproposal === offer.again;
    if (!fits) throw new Error(`the core of ${leader} proposed otherwise in view ${view}`);
    return vote;
  }
}

/** Replays the whole trace, up to the first divergence. */
export const replay = (trace: ModelTrace, options: ReplayOptions = {}): ReplayResult => {
  const run = new Replay(trace, options);
  let compared = 0;
  let ahead = 0;
  const whole: number[] = [];
  for (const [step, { action, expected }] of trace.steps.entries()) {
    const diverged = (node: number, what: string, model: unknown, core: unknown): ReplayResult => ({
      divergence: { step, action: action.name, node, what, model, core },
      compared,
      ahead,
      whole,
      cut: undefined,
    });
    if (run.isPast(action)) return { divergence: undefined, compared, ahead, whole, cut: step };
    try {
      if (run.act(action, expected)) whole.push(step);
    } catch (error) {
      const node = action.name === "init" ? -1 : action.node;
      return diverged(node, "inputs", "can make this step", String(error));
    }
    for (const [index, model] of expected) {
      const seen = run.node(index).seen();
      const difference = differenceOf(expectedOf(model, run.epochs), seen);
      compared += 1;
      const isActor = action.name === "init" || action.node === index;
      const asks = options.probes === true && isActor && difference === undefined;
      const answer = asks ? run.probe(index, model) : undefined;
      if (answer !== undefined) return diverged(index, "probe", "the rules", answer);
      if (difference !== undefined) {
        return diverged(index, difference.what, difference.model, difference.core);
      }
      if (seen.decided.length > expectedOf(model, run.epochs).decided.length) ahead += 1;
    }
  }
  return { divergence: undefined, compared, ahead, whole, cut: undefined };
};
