/**
 * Blocks above the final tip: bringing each to a verdict. A block needs its bytes, its ancestors, its batches,
 * execution up to its executedHeight, and the work and signatures of its batches, in that order; whatever is
 * missing is fetched from validators that should have it, one after the other, until it comes or is no longer
 * wanted. What each step shows is judged before the next one: a block whose header, reveal or openings are wrong
 * costs no batch, one that is too large none past its limits, and one that is wrong no check of work or signature.
 */
import { equalBytes, isZero, toHex } from "../../crypto/bytes.ts";
import { type Failure, fail } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import type { LaneHead } from "../batch.ts";
import { type AskedProofs, priceAfter, type WorkTerms } from "../batch-work.ts";
import { type ChainPoint, keepsPoints, missingPoint, pointAfter } from "../chain-point.ts";
import type { BlockFacts, Verdict } from "../consensus/types.ts";
import type { PeerId } from "../ports.ts";
import { beaconKeysAt } from "../projections/beacon.ts";
import type { Batch, Block, Hash } from "../types.ts";
import {
  type CoreTotals,
  checkTotals,
  NO_TOTALS,
  type ParentBlock,
  type ProposalInput,
  parentOf,
  sumOfTotals,
  totalsOf,
  type ValidityInput,
  validateBatches,
  validateProposal,
  validateTried,
} from "../validity.ts";
import type { Message } from "../wire.ts";
import type { BatchPool } from "./batch-pool.ts";
import type { BlockStore, Tip } from "./block-store.ts";
import type { Context } from "./context.ts";
import type { OpenBlocks } from "./engine.ts";
import { type Held, laneHeadsOf, missingOf, type TreeChain } from "./held-block.ts";
import { OpenFetches } from "./open-fetches.ts";
import { chargeFault } from "./peer-faults.ts";
import { readPrice } from "./price-store.ts";
import type { TermedBatch } from "./work-desk.ts";

/** Heights above the final tip that a wanted block may have; beyond, sync by height is the way. */
const HEIGHTS_AHEAD_MAX = 64;
/** Final heights after which a block that never came, and that the core does not hold, is given up. */
const WANTED_HEIGHTS = 16;

export class BlockTree {
  readonly #context: Context;
  readonly #chain: TreeChain;
  readonly #pool: BatchPool;
  readonly #store: BlockStore;
  readonly #held = new Map<string, Held>();
  readonly #fetches = new OpenFetches();

  constructor(context: Context, chain: TreeChain, pool: BatchPool, store: BlockStore) {
    this.#context = context;
    this.#chain = chain;
    this.#pool = pool;
    this.#store = store;
  }

  get #asked(): AskedProofs {
    return this.#context.options.genesis.proofs;
  }

  get(hash: Hash): Held | undefined {
    return this.#held.get(toHex(hash));
  }

  get size(): number {
    return this.#held.size;
  }

  /** Whether the bytes of this block are asked for. */
  wantsBlock(hash: Hash): boolean {
    const held = this.get(hash);
    return held !== undefined && held.block === undefined;
  }

  /** Whether this peer was asked for what has this hash. Each question takes one answer. */
  answers(peer: PeerId, hash: Hash): boolean {
    return this.#fetches.close(peer, hash);
  }

  /** False where the peer owes no answer at all: then nothing that it sends as one is worth a hash. */
  isAsked(peer: PeerId): boolean {
    return this.#fetches.isAsked(peer);
  }

  /** Batches in blocks that may still become final: not to be counted as work again. */
  includedCount({ fromView, notarized }: OpenBlocks): number {
    let count = 0;
    for (const [key, held] of this.#held) {
      if (held.verdict !== "valid" || held.block === undefined) continue;
      const open = held.block.header.view >= fromView || notarized.has(key);
      if (open) count += held.block.batchDigests.length;
    }
    return count;
  }

  /** Wants a verdict on a block. Asking again adds sources and reports a known verdict again. */
  need(hash: Hash, block: Block | undefined, sources: readonly PeerId[]): void {
    const held = this.#obtain(hash);
    held.wanted = true;
    // Only a proposal by its leader brings the bytes along.
    if (block !== undefined) held.proposer ??= sources[0];
    this.#want(held, block, sources);
  }

  #want(held: Held, block: Block | undefined, sources: readonly PeerId[]): void {
    for (const source of sources) if (!held.sources.includes(source)) held.sources.push(source);
    if (held.block === undefined && block !== undefined) this.#give(held, block);
    if (held.verdict !== undefined) this.#report(held);
    else this.#pump(held);
  }

  /** The block this node built itself: valid by construction. */
  addOwn(block: Block, batches: readonly Batch[]): void {
    const held = this.#obtain(block.hash);
    this.#give(held, block);
    held.batches = [...batches];
    held.verdict = "valid";
    held.point = this.#pointOf(block);
    held.laneHeads = laneHeadsOf(batches);
  }

  /** A block that a peer sent on request. Unwanted ones are ignored. */
  onBlock(block: Block, from: PeerId): void {
    const held = this.#held.get(toHex(block.hash));
    if (held === undefined || held.block !== undefined) return;
    if (!held.sources.includes(from)) held.sources.push(from);
    this.#give(held, block);
    if (this.#isAncestor(held, block)) this.#pump(held);
  }

  /** False, and the block is forgotten, where it was wanted only as a parent that it cannot be. */
  #isAncestor(held: Held, block: Block): boolean {
    let fits = held.wanted;
    for (const child of this.#unsettled()) {
      if (child.block === undefined) continue;
      const { height, parentHash } = child.block.header;
      if (!equalBytes(parentHash, block.hash)) continue;
      if (height === block.header.height + 1) fits = true;
      else this.#settle(child, "invalid", misplaced(height));
    }
    if (!fits) this.#forget(held);
    return fits;
  }

  /** Batches fetched for blocks; each is taken by every held block that names it. */
  onBatches(batches: readonly Batch[]): void {
    const byDigest = new Map(batches.map((batch) => [toHex(batch.digest), batch]));
    for (const held of this.#unsettled()) {
      held.block?.batchDigests.forEach((digest, i) => {
        const batch = held.batches[i] === undefined ? byDigest.get(toHex(digest)) : undefined;
        if (batch !== undefined) this.#place(held, i, batch);
      });
    }
    this.pump();
  }

  /**
   * Which of the batches that have come a block still waits for, by digest in hex. A block that is too large with
   * them is refused by what their cores say, before one of their events is hashed.
   */
  awaited(sizes: ReadonlyMap<string, CoreTotals>): ReadonlySet<string> {
    const awaited = new Set<string>();
    for (const held of this.#unsettled()) {
      // A verdict on one block settles its children too.
      if (held.verdict !== undefined || held.block === undefined) continue;
      let totals = held.totals;
      const missing: string[] = [];
      for (const [i, digest] of held.block.batchDigests.entries()) {
        if (held.batches[i] !== undefined) continue;
        const size = sizes.get(toHex(digest));
        if (size === undefined) continue;
        totals = sumOfTotals(totals, { ...NO_TOTALS, bytes: size.bytes, events: size.events });
        missing.push(toHex(digest));
      }
      const excess = checkTotals(totals);
      if (excess !== undefined) this.#refuse(held, excess);
      else for (const key of missing) awaited.add(key);
    }
    return awaited;
  }

  /** Something moved (execution, a batch, a parent): looks at every block without a verdict again. */
  pump(): void {
    for (const held of this.#unsettled()) if (held.verdict === undefined) this.#pump(held);
  }

  /** Forgets what the new final tip settles. */
  prune(): void {
    const tip = this.#chain.tip();
    for (const held of this.#held.values()) {
      const height = held.block?.header.height;
      if (height !== undefined && height > tip.height) continue;
      // What a certificate names is waited for however far catching up takes the tip meanwhile: nobody can
      // leave its view otherwise. Any other hash that nobody showed for so long was a lie, or is settled.
      const young = tip.height < held.wantedAt + WANTED_HEIGHTS;
      if (height === undefined && (young || this.#chain.isOpen(held.hash))) continue;
      held.cancelFetch?.();
      this.#forget(held);
    }
  }

  #forget(held: Held): void {
    this.#held.delete(toHex(held.hash));
    this.#closeFetches(held);
  }

  /**
   * Takes back what is asked for this block and for no other: while it is open, its answers are hashed. What another
   * one names stays open also where it has come: an answer that begins with it may bring what is missing yet.
   */
  #closeFetches({ hash, block }: Held): void {
    const named = (held: Held): readonly Hash[] => held.block?.batchDigests ?? [];
    const wanted = () => new Set(this.#unsettled().flatMap(named).map(toHex));
    this.#fetches.drop([hash, ...(block?.batchDigests ?? [])], wanted);
  }

  /** Drops every block without bytes or verdict: their epoch is over. */
  clear(): void {
    for (const held of this.#held.values()) held.cancelFetch?.();
    this.#held.clear();
    this.#fetches.clear();
  }

  /** The chain from the block after the tip to `hash`, oldest first; undefined while it has a gap. */
  chainTo(hash: Hash): Held[] | undefined {
    const tip = this.#chain.tip();
    const chain: Held[] = [];
    let at = hash;
    while (!equalBytes(at, tip.hash)) {
      const held = this.get(at);
      if (held?.block === undefined || !this.#collect(held, held.block)) return undefined;
      if (held.block.header.height <= tip.height) return undefined;
      chain.push(held);
      at = held.block.header.parentHash;
    }
    return chain.reverse();
  }

  laneHead(parentHash: Hash, actor: Hash): LaneHead {
    const key = toHex(actor);
    for (const held of this.#ancestors(parentHash)) {
      const head = held.laneHeads?.get(key);
      if (head !== undefined) return head;
    }
    return this.#chain.finalLaneHead(actor);
  }

  hashAt(parentHash: Hash, height: number): Hash | undefined {
    for (const held of this.#ancestors(parentHash)) {
      if (held.block?.header.height === height) return held.hash;
    }
    return this.#chain.finalHashAt(height);
  }

  /** Beacon and epoch after a block: an ancestor with a verdict, or the tip. */
  point(hash: Hash): ChainPoint | undefined {
    const tip = this.#chain.tip();
    return equalBytes(hash, tip.hash) ? this.#chain.finalPoint(tip.height) : this.get(hash)?.point;
  }

  /** The beacon of a height up to that of `parentHash`, along its chain; undefined on a chain without. */
  beaconAt(parentHash: Hash, height: number): Hash | undefined {
    if (this.#context.options.genesis.proofs.beacon === null) return undefined;
    // All blocks that are judged stand on the tip. One at or below it may be held without a point.
    if (height <= this.#chain.tip().height) return this.#chain.finalPoint(height)?.beacon;
    for (const held of this.#ancestors(parentHash)) {
      if (held.block?.header.height === height) return held.point?.beacon;
    }
    return undefined;
  }

  /** What the order of a block's batches on this parent is drawn from (validity.ts). */
  orderSeed({ hash, height }: ParentBlock): Hash {
    if (this.#context.options.genesis.proofs.beacon === null) return hash;
    const beacon = this.beaconAt(hash, height);
    if (beacon === undefined) throw missingPoint(height);
    return beacon;
  }

  /** The parent has a verdict, or is the tip, so it has its point. */
  #pointOf(block: Block): ChainPoint | undefined {
    const { genesis } = this.#context.options;
    if (!keepsPoints(genesis)) return undefined;
    const { height, parentHash } = block.header;
    const parent = this.point(parentHash);
    if (parent === undefined) throw missingPoint(height - 1);
    const beaconAt = (asked: number): Hash | undefined => this.beaconAt(parentHash, asked);
    return pointAfter(this.#context.hasher, genesis.proofs, parent, block, beaconAt);
  }

  timeAt(parentHash: Hash, height: number): number | undefined {
    for (const held of this.#ancestors(parentHash)) {
      if (held.block?.header.height === height) return held.block.header.timeMs;
    }
    return this.#chain.finalTimeAt(height);
  }

  /** The block as a parent, if it is the tip or has a verdict here. */
  parent(hash: Hash): ParentBlock | undefined {
    if (equalBytes(hash, this.#chain.tip().hash)) return this.#chain.tipParent();
    const held = this.get(hash);
    if (held?.block === undefined || held.verdict === undefined || held.verdict === "invalid") {
      return undefined;
    }
    return parentOf(held.block);
  }

  *#ancestors(from: Hash): Generator<Held> {
    let held = this.get(from);
    while (held !== undefined) {
      yield held;
      if (held.block === undefined) return;
      held = this.get(held.block.header.parentHash);
    }
  }

  #unsettled(): Held[] {
    return [...this.#held.values()].filter((held) => held.verdict === undefined);
  }

  #obtain(hash: Hash): Held {
    const key = toHex(hash);
    let held = this.#held.get(key);
    if (held === undefined) {
      held = {
        hash,
        wantedAt: this.#chain.tip().height,
        block: undefined,
        batches: [],
        totals: NO_TOTALS,
        passed: "nothing",
        verdict: undefined,
        proposer: undefined,
        failure: undefined,
        wanted: false,
        sources: [],
        nextSource: 0,
        cancelFetch: undefined,
        verifying: false,
        persisted: false,
        price: undefined,
        laneHeads: undefined,
        point: undefined,
      };
      this.#held.set(key, held);
      const stored = this.#store.block(hash);
      // Not taken as persisted: its batches may have been another block's, deleted when that one lost.
      if (stored !== undefined) {
        this.#give(held, stored);
        this.#collect(held, stored);
      }
    }
    return held;
  }

  #give(held: Held, block: Block): void {
    held.block = block;
    held.batches = block.batchDigests.map(() => undefined);
    held.totals = NO_TOTALS;
    held.cancelFetch?.();
    held.cancelFetch = undefined;
  }

  #pump(held: Held): void {
    if (this.#context.stopped() || held.verdict !== undefined || held.verifying) return;
    const block = held.block;
    if (block === undefined) return this.#fetch(held);
    const tip = this.#chain.tip();
    if (block.header.height > tip.height + HEIGHTS_AHEAD_MAX) {
      return this.#chain.behind(block.header.height, held.sources);
    }
    // A block is judged by the lanes as of its parent, and an append that is on its way may have moved them in
    // the store. It would refuse the very blocks that it appends, one or several, and all on top of them.
    if (block.header.height <= this.#chain.settledHeight()) return;
    const failure = this.#checkPlace(block, tip);
    if (failure !== undefined) return this.#settle(held, "invalid", failure);
    const parentHash = block.header.parentHash;
    const parent = this.parent(parentHash);
    if (parent === undefined) {
      const known = this.get(parentHash);
      if (known?.verdict === "invalid") return this.#settle(held, "invalid", known.failure);
      if (known === undefined) this.#want(this.#obtain(parentHash), undefined, held.sources);
      return;
    }
    if (held.passed === "nothing") {
      const wrong = validateProposal(this.#proposalInput(block, parent));
      if (wrong?.code === "node.not-ready") return;
      if (wrong !== undefined) return this.#refuse(held, wrong);
      held.passed = "proposal";
    }
    const isComplete = this.#collect(held, block);
    const excess = checkTotals(held.totals);
    if (excess !== undefined) return this.#refuse(held, excess);
    if (!isComplete) return this.#fetch(held);
    if (this.#chain.executedHeight() < block.header.executedHeight) return;
    this.#check(held, block, parent);
  }

  /**
   * Heights grow by one along the chain and the chain goes through the tip. Checked before an ancestor is
   * asked for: else one invented block could have this node fetch ancestors without end.
   */
  #checkPlace(block: Block, tip: Tip): Failure | undefined {
    const { height, parentHash } = block.header;
    const parent = this.get(parentHash)?.block?.header;
    const forks = height === tip.height + 1 && !equalBytes(parentHash, tip.hash);
    const jumps = parent !== undefined && parent.height !== height - 1;
    if (!forks && !jumps) return undefined;
    return fail("block.header", `height ${height} does not stand on the chain`, {
      field: "height",
    });
  }

  /** Fills in batches that are held somewhere, until the block is too large; true when none is missing. */
  #collect(held: Held, block: Block): boolean {
    let isComplete = true;
    for (const [i, digest] of block.batchDigests.entries()) {
      if (held.batches[i] !== undefined) continue;
      if (checkTotals(held.totals) !== undefined) return false;
      const batch = this.#pool.get(digest) ?? this.#store.batch(digest);
      if (batch === undefined) isComplete = false;
      else this.#place(held, i, batch);
    }
    return isComplete;
  }

  /** Into its place in the block, which was empty. */
  #place(held: Held, i: number, batch: Batch): void {
    held.batches[i] = batch;
    held.totals = sumOfTotals(held.totals, totalsOf(this.#context.options.registry, batch));
  }

  #proposalInput(block: Block, parent: ParentBlock): ProposalInput {
    const epoch = this.#chain.epoch();
    return {
      hasher: this.#context.hasher,
      block,
      parent,
      epoch,
      proofs: this.#context.options.genesis.proofs,
      beaconAt: (height) => this.beaconAt(block.header.parentHash, height),
      ivrfKeys: (validator) => beaconKeysAt(this.#context.read, validator),
      space: this.#pool.space.facts(epoch.set),
    };
  }

  #validityInput(block: Block, parent: ParentBlock, batches: readonly Batch[]): ValidityInput {
    const { parentHash } = block.header;
    return {
      ...this.#proposalInput(block, parent),
      registry: this.#context.options.registry,
      batches,
      laneHead: (actor) => this.laneHead(parentHash, actor),
      hashAt: (height) => this.hashAt(parentHash, height),
      timeAt: (height) => this.timeAt(parentHash, height),
      actorKeyAt: (actor) => this.#chain.actorKey(actor),
      rootsAt: (height) => this.#chain.rootsAt(height),
      sameBatchVerdict: (digest) => this.#pool.verdict(digest),
      asked: this.#asked,
      workVerdict: (digest) => this.#pool.workVerdict(digest),
      workStated: this.#workStated(parentHash),
    };
  }

  #check(held: Held, block: Block, parent: ParentBlock): void {
    const batches = held.batches.filter((batch) => batch !== undefined);
    const input = this.#validityInput(block, parent, batches);
    let failure = held.passed === "batches" ? undefined : validateBatches(input);
    if (failure === undefined) {
      held.passed = "batches";
      failure = validateTried(input);
    }
    if (failure?.code === "node.not-ready") {
      return this.#verify(held, batches, failure.data?.["field"]);
    }
    if (failure !== undefined && failure.code !== "block.wrong-root") {
      return this.#refuse(held, failure);
    }
    held.laneHeads = laneHeadsOf(batches);
    held.point = this.#pointOf(block);
    this.#settle(held, failure === undefined ? "valid" : "wrong-root", failure);
  }

  /**
   * Has tried what the predicate named as all that is left to try: the work of the batches, or their signatures.
   * A verdict may be forgotten between its check and the next look, which then asks for it again.
   */
  #verify(held: Held, batches: readonly Batch[], field: unknown): void {
    const tried = (): void => {
      held.verifying = false;
      this.#pump(held);
    };
    if (field === "work" && held.block !== undefined) {
      const unworked = this.#unworked(batches, held.block.header.parentHash);
      if (unworked.length === 0) return this.#again(held);
      held.verifying = true;
      this.#pool.verifyWork(unworked, tried);
    } else if (field === "signature") {
      const unchecked = batches.filter((batch) => this.#pool.verdict(batch.digest) === undefined);
      if (unchecked.length === 0) return this.#again(held);
      held.verifying = true;
      this.#pool.verify(unchecked, "consensus", tried);
    }
  }

  /** Batches whose work was not tried yet, with the terms that hold on this branch. */
  #unworked(batches: readonly Batch[], parentHash: Hash): TermedBatch[] {
    if (this.#asked.work === null) return [];
    const termed = this.#termsOn(parentHash);
    return batches
      .filter(({ digest }) => this.#pool.workVerdict(digest) === undefined)
      .flatMap((batch) => termed(batch) ?? []);
  }

  /** What a batch's work shows without a verifier. A verdict that there is says it sooner. */
  #workStated(parentHash: Hash): (batch: Batch) => Failure | undefined {
    const termed = this.#termsOn(parentHash);
    return (batch) => {
      if (this.#asked.work === null || this.#pool.workVerdict(batch.digest) === "good") return;
      const at = termed(batch);
      return at === undefined ? undefined : this.#pool.work.stated(at);
    };
  }

  /** A batch with the terms of its reference on a branch; undefined where the reference is of another one. */
  #termsOn(parentHash: Hash): (batch: Batch) => TermedBatch | undefined {
    const known = new Map<number, { readonly hash: Hash; readonly terms: WorkTerms } | undefined>();
    return (batch) => {
      const { refHeight, refHash } = batch;
      if (!known.has(refHeight)) known.set(refHeight, this.#termsAt(parentHash, refHeight));
      const at = known.get(refHeight);
      return at !== undefined && equalBytes(at.hash, refHash)
        ? { batch, terms: at.terms }
        : undefined;
    };
  }

  #termsAt(
    parentHash: Hash,
    height: number,
  ): { readonly hash: Hash; readonly terms: WorkTerms } | undefined {
    const hash = this.hashAt(parentHash, height);
    const beacon = this.beaconAt(parentHash, height);
    const price = this.#priceAt(parentHash, height);
    const isKnown = hash !== undefined && beacon !== undefined && price !== undefined;
    return isKnown ? { hash, terms: { beacon, price } } : undefined;
  }

  /** The price of work at a height up to the parent's, along the ancestor chain. */
  #priceAt(parentHash: Hash, height: number): bigint | undefined {
    for (const held of this.#ancestors(parentHash)) {
      if (held.block?.header.height === height) return this.#priceOf(held, held.block);
    }
    const { work } = this.#asked;
    return work === null ? undefined : readPrice(this.#context.read, work, height);
  }

  #priceOf(held: Held, block: Block): bigint | undefined {
    const { work } = this.#asked;
    const { height, parentHash } = block.header;
    if (work === null || held.price !== undefined) return held.price;
    const before = this.#priceAt(parentHash, height - 1);
    const batches = held.batches.filter((batch) => batch !== undefined);
    if (before === undefined || batches.length < block.batchDigests.length) return undefined;
    held.price = priceAfter(work, before, batches);
    return held.price;
  }

  /** Looks at a block again after a pause. */
  #again(held: Held): void {
    held.cancelFetch ??= this.#context.ports.timers.set(this.#context.timing.fetchMs, () => {
      held.cancelFetch = undefined;
      this.#pump(held);
    });
  }

  /**
   * Who has proposed a block that breaks a rule by itself: its leader has signed for it, and no honest one would.
   * What it stands on, and what was executed otherwise, is charged to nobody.
   */
  #charge({ proposer }: Held, failure: Failure): void {
    if (proposer === undefined) return;
    if (this.#chain.connected().includes(proposer)) chargeFault(this.#context, proposer, failure);
  }

  /** It breaks a rule by itself. */
  #refuse(held: Held, failure: Failure): void {
    this.#charge(held, failure);
    this.#settle(held, "invalid", failure);
  }

  #settle(held: Held, verdict: Verdict, failure: Failure | undefined): void {
    held.verdict = verdict;
    held.failure = failure;
    held.cancelFetch?.();
    held.cancelFetch = undefined;
    this.#closeFetches(held);
    if (failure !== undefined) {
      const block = toHex(held.hash).slice(0, 16);
      this.#context.log("warn", `block refused: ${failure.detail}`, { code: failure.code, block });
    }
    this.#report(held);
    this.pump();
  }

  #report(held: Held): void {
    const header = held.block?.header;
    if (header === undefined || held.verdict === undefined) return;
    const facts: BlockFacts = {
      hash: held.hash,
      height: header.height,
      parentHash: header.parentHash,
      parentView: header.parentView,
      boundary: !isZero(header.nextSetHash),
    };
    this.#chain.verdict(facts, held.verdict);
  }

  /** Asks the next source for what is missing, and again after a pause, until it is there. */
  #fetch(held: Held): void {
    if (held.cancelFetch !== undefined) return;
    const others = this.#chain.connected().filter((peer) => !held.sources.includes(peer));
    const candidates = [...held.sources, ...others];
    const peer = candidates[held.nextSource++ % Math.max(1, candidates.length)];
    if (peer !== undefined) {
      const request = this.#request(held);
      this.#fetches.open(peer, request.type === "block-request" ? [request.hash] : request.digests);
      this.#chain.send(peer, request);
    }
    this.#again(held);
  }

  #request(held: Held): Message & { type: "block-request" | "batch-request" } {
    if (held.block === undefined) return { type: "block-request", hash: held.hash };
    return { type: "batch-request", digests: missingOf(held).slice(0, LIMITS.fetchBatchesMax) };
  }
}

const misplaced = (height: number): Failure =>
  fail("block.header", `height ${height} does not stand on the chain`, { field: "height" });
