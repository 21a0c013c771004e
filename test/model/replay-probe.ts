/**
 * What a core must refuse. A trace shows only steps that were taken, so a core that takes too many would
 * pass: after its step a node is asked, on a copy of its core, for every vote, timeout and proposal that
 * it could make where it is, and must make exactly those that the rules of the model allow.
 */

import { equalBytes } from "../../src/crypto/bytes.ts";
import { utf8 } from "../../src/crypto/codec.ts";
import { sha256 } from "../../src/crypto/hash.ts";
import { NO_BLOCK_PROOFS } from "../../src/ledger/block-proofs.ts";
import type { CoreInput, Effect, Proposal } from "../../src/ledger/consensus/types.ts";
import type { Block, StatementKind } from "../../src/ledger/types.ts";
import type { ReplayNode } from "./replay-node.ts";
import type { ReplayWorld } from "./replay-world.ts";
import type { ModelKind, ModelNode } from "./trace-format.ts";

/** Past every view timer and the pause of an idle leader. */
const LONG_MS = 1e8;

/** A hash of no block of the trace. */
const NEW_HASH = sha256(utf8("a block that the trace does not have"));

type Point = { readonly view: number; readonly block: number };

/** The model's rules on one node (model/simplex.qnt), in the words of the trace. */
class Rules {
  readonly #world: ReplayWorld;
  readonly #node: ModelNode;

  constructor(world: ReplayWorld, node: ModelNode) {
    this.#world = world;
    this.#node = node;
  }

  has(kind: ModelKind): boolean {
    const { own, epoch, view } = this.#node;
    return own.some((one) => one.epoch === epoch && one.view === view && one.kind === kind);
  }

  holds(block: number): boolean {
    return this.#node.blocks.includes(block);
  }

  #certified(view: number, kind: ModelKind): number | undefined {
    const { certificates, epoch } = this.#node;
    const held = certificates.find(
      (one) => one.epoch === epoch && one.view === view && one.kind === kind,
    );
    return held === undefined ? undefined : (held.block ?? -1);
  }

  /** holdsSkips */
  skips(parentView: number): boolean {
    for (let view = parentView + 1; view < this.#node.view; view++) {
      if (this.#certified(view, "S") === undefined) return false;
    }
    return true;
  }

  /** parentOf */
  parent(): Point {
    const { finalView, finalBlock } = this.#node;
    for (let view = this.#node.view - 1; view > finalView; view--) {
      const block = this.#certified(view, "N");
      if (block !== undefined && this.holds(block)) return { view, block };
    }
    return { view: finalView, block: finalBlock };
  }

  /** The leader's first proposal has come, and no other one is looked at (R2). */
  hasHeard(): boolean {
    const { proposals, epoch, view } = this.#node;
    return proposals.some((one) => one.epoch === epoch && one.view === view);
  }

  /** mustRepropose */
  reproposes(parent: number): boolean {
    const gap = this.#world.heightOf(parent) - this.#world.heightOf(this.#node.finalBlock);
    return this.#world.endsEpoch(parent, this.#node.epoch) || gap > this.#world.instance.gap;
  }

  /** mayNotarize, for a proposal on `parent`, or of it again; of view 0 never again (docs/model.md, finding 3). */
  mayNotarize(parent: Point, again: boolean): boolean {
    const { finalView, finalBlock, epoch } = this.#node;
    const stands =
      parent.view === finalView
        ? parent.block === finalBlock
        : parent.view > finalView && this.#certified(parent.view, "N") === parent.block;
    const fits = again ? parent.view > 0 : !this.#world.endsEpoch(parent.block, epoch);
    const open = !this.has("N") && !this.has("S") && !this.hasHeard();
    return open && this.holds(parent.block) && stands && this.skips(parent.view) && fits;
  }
}

const signed = (effects: readonly Effect[], view: number, kind: StatementKind): boolean =>
  effects.some(
    (effect) =>
      effect.kind === "sign" && effect.statement.view === view && effect.statement.kind === kind,
  );

/** A proposal by the leader of the node's view, and the verdict of its block where there can be one. */
const offerOf = (
  world: ReplayWorld,
  node: ModelNode,
  parent: Point,
  again: boolean,
  isHeld: boolean,
): CoreInput[] => {
  const proposal = proposalOf(world, node, parent, again);
  const { block, hash, parentView } = proposal;
  const { parentHash = hash, height = 0 } = block?.header ?? {};
  const facts = { hash, height, parentHash, parentView, boundary: false };
  const verdict: CoreInput = { kind: "validated", facts, verdict: "valid" };
  const offer: CoreInput = { kind: "proposal", proposal, timely: true };
  return block === undefined || !isHeld ? [offer] : [offer, verdict];
};

const proposalOf = (
  world: ReplayWorld,
  node: ModelNode,
  parent: Point,
  again: boolean,
): Proposal => {
  const { epoch, view } = node;
  const leader = world.leader(epoch, view);
  const base = world.block(parent.block);
  const height = base.header.height + 1;
  const at = { epoch, view, parentView: parent.view, parentHash: base.hash, height };
  const header = { ...base.header, ...at, nextSetHash: new Uint8Array(32), proposer: leader };
  const proofs = NO_BLOCK_PROOFS;
  const block: Block = { hash: NEW_HASH, batchDigests: [], proofs, bytes: NEW_HASH, header };
  const hash = again ? base.hash : NEW_HASH;
  const statement = { epoch, view, kind: "notarize", hash } as const;
  return {
    epoch,
    view,
    hash,
    parentView: parent.view,
    block: again ? undefined : block,
    vote: { statement, signer: leader, signature: new Uint8Array(1280) },
  };
};

/** The first question that the core answers otherwise than the model; undefined when there is none. */
export const probe = (
  world: ReplayWorld,
  node: ReplayNode,
  model: ModelNode,
): string | undefined => {
  if (model.epoch >= world.epochs || model.view > world.instance.views) return undefined;
  const rules = new Rules(world, model);
  const far = { ...model, view: model.view + 2 };
  if (node.wants(proposalOf(world, far, { view: 0, block: model.base }, false))) {
    return "bound: takes in a proposal that is two views ahead";
  }
  const skips = signed(
    node.probe([{ kind: "timer", name: "view" }], LONG_MS),
    model.view,
    "nullify",
  );
  if (skips !== (!rules.has("S") && !rules.has("F"))) return `timeout: the core says ${skips}`;
  return world.leader(model.epoch, model.view) === node.index
    ? probeBuild(world, node, model, rules)
    : probeVotes(world, node, model, rules);
};

const probeBuild = (
  world: ReplayWorld,
  node: ReplayNode,
  model: ModelNode,
  rules: Rules,
): string | undefined => {
  // It has re-proposed on entering the view, of which the model knows nothing yet.
  if (node.seen().reproposed.some((text) => text.startsWith(`${model.epoch}:${model.view}:`))) {
    return undefined;
  }
  const effects = node.probe([{ kind: "work", pending: true }]);
  const build = effects.find((effect) => effect.kind === "build");
  const parent = rules.parent();
  const may =
    !rules.has("N") &&
    !rules.has("S") &&
    rules.holds(parent.block) &&
    rules.skips(parent.view) &&
    !rules.reproposes(parent.block);
  if (build === undefined) return may ? `build: not on block ${parent.block}` : undefined;
  const fits =
    build.view === model.view &&
    build.parentView === parent.view &&
    equalBytes(build.parentHash, world.hash(parent.block));
  return may && fits ? undefined : `build: on view ${build.parentView}`;
};

const probeVotes = (
  world: ReplayWorld,
  node: ReplayNode,
  model: ModelNode,
  rules: Rules,
): string | undefined => {
  for (const [block, made] of world.instance.blocks.entries()) {
    if (made.epoch > model.epoch) continue;
    for (let view = 0; view < model.view; view++) {
      for (const again of [false, true]) {
        const parent = { view, block };
        const may = rules.mayNotarize(parent, again);
        const offer = offerOf(world, model, parent, again, rules.holds(block));
        const votes = signed(node.probe(offer), model.view, "notarize");
        const text = `${again ? "again" : "child of"} block ${block} of view ${view}`;
        if (votes !== may) return `vote: ${text}: the core says ${votes}`;
      }
    }
  }
  return undefined;
};
