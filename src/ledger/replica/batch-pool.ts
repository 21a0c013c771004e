/**
 * Admission. A batch is checked once where it enters a node, cheapest check first; its verdict is cached
 * by digest, so nobody verifies it twice; what passes waits in the mempool. The node where a client
 * submits it pushes it to all peers; whoever missed it asks when a proposal names it.
 */
import { toHex } from "../../crypto/bytes.ts";
import { type Failure, fail, ok, type Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import {
  batchDigest,
  batchSigningMessage,
  type LaneHead,
  openBatch,
  readSealed,
  reopenBatch,
  type SealedBatch,
} from "../batch.ts";
import type { WorkVerdict } from "../batch-work.ts";
import { createMempool, type Mempool } from "../mempool.ts";
import type { PeerId, VerifyJob } from "../ports.ts";
import type { Batch, Hash, ValidatorSet } from "../types.ts";
import {
  type ActorKey,
  checkEvents,
  checkLane,
  checkReference,
  type InclusionPoint,
} from "../validity.ts";
import type { Context } from "./context.ts";
import { HostAnew, type Unhosted } from "./host-anew.ts";
import { PeerBudget, RateBudget } from "./peer-budget.ts";
import { SignatureTries } from "./signature-tries.ts";
import { SpaceDesk } from "./space-desk.ts";
import { Verdicts } from "./verdicts.ts";
import { type TermedBatch, WorkDesk } from "./work-desk.ts";

/** What admission asks about the final chain of this node. */
export type PoolChain = {
  laneHead(actor: Hash): LaneHead;
  actorKey(actor: Hash): ActorKey | undefined;
  /** Whether the state as executed here says that this key may not write any more. */
  isRevoked(actor: Hash): boolean;
  /** Of the running epoch. */
  isValidator(actor: Hash): boolean;
  /** The set of the running epoch; undefined before it is known. */
  set(): ValidatorSet | undefined;
  /** Where a batch would be included next. */
  point(): InclusionPoint;
};

/** Ids of final batches that may lie about before they are swept. */
const SUBMITTED_SLACK = 1024;

type Pending = {
  readonly batch: Batch;
  readonly sealed: SealedBatch;
  readonly from: PeerId | undefined;
  /** A client of this node waits too for what a peer has pushed. */
  isClients: boolean;
  readonly waiters: ((result: Result<Batch>) => void)[];
};

type Submitted = {
  readonly id: Hash;
  toldMs: number;
  /** Whether this node has told its peers, and tells who connects: what a peer has brought is known without. */
  isTold: boolean;
};

const tooMany = (): Failure =>
  fail("node.overloaded", "batches come faster than this node will decode them");

const forged = (): Failure =>
  fail("batch.signature", "the signature does not verify under the actor's key");

const triedOut = (): Failure =>
  fail("node.overloaded", "too many signatures of this batch are wrong, or wait for verification");

export class BatchPool {
  readonly #context: Context;
  readonly #chain: PoolChain;
  readonly #changed: () => void;
  readonly #gossip: (batch: Batch) => void;
  readonly #pending = new Map<string, Pending>();
  readonly #pushed = new PeerBudget(LIMITS.peerAdmissionBytesMax);
  readonly #peerDecodes: RateBudget;
  readonly #clientDecodes: RateBudget;
  readonly #verdicts = new Verdicts<boolean>();
  readonly #tries = new SignatureTries();
  readonly #hostAnew: HostAnew;
  /** What clients of this node gave it, and when peers were last told; some may be final by now. */
  readonly #submitted = new Map<string, Submitted>();
  #pendingBytes = 0;
  readonly mempool: Mempool = createMempool();
  readonly work: WorkDesk;
  readonly space: SpaceDesk;

  constructor(
    context: Context,
    chain: PoolChain,
    hooks: { readonly changed: () => void; readonly gossip: (batch: Batch) => void },
  ) {
    this.#context = context;
    this.#chain = chain;
    this.#changed = hooks.changed;
    this.#gossip = hooks.gossip;
    this.work = new WorkDesk(context);
    this.space = new SpaceDesk(context, () => chain.set());
    const { clock } = context.ports;
    this.#hostAnew = new HostAnew({
      ...{ space: this.space, mempool: this.mempool, own: () => this.own() },
      reopened: (bytes) => this.#reopened(bytes),
      tell: (batch) => this.#tell(batch),
      tellAgain: (batch) => this.#tellAgain(batch),
      nowMs: () => clock.monotonicMs(),
    });
    this.#peerDecodes = new RateBudget(clock, LIMITS.peerDecodeBytesPerSecond);
    this.#clientDecodes = new RateBudget(clock, LIMITS.clientDecodeBytesPerSecond);
  }

  /** What is final or expired is forgotten; called where the mempool has shrunk. */
  sweep(): void {
    if (this.#submitted.size > 2 * this.mempool.count + SUBMITTED_SLACK) this.own();
  }

  /** A batch held here, admitted or on its way to be. */
  get(digest: Hash): Batch | undefined {
    return this.mempool.getByDigest(digest) ?? this.#pending.get(toHex(digest))?.batch;
  }

  getById(id: Hash): Batch | undefined {
    return this.mempool.getById(id);
  }

  /**
   * Admits the batch of a client (`from` undefined) or a peer. Answers a client once with the batch, or
   * with the first rule it breaks. A batch that is already held is answered at once, but where the epoch does not
   * count its host: then it is taken anew, or it would lie here until it expires. Cheapest check first: its events
   * are hashed only where its core has a place in the log and its bytes are not known yet.
   */
  admit(
    sealed: SealedBatch,
    from: PeerId | undefined,
    done: (result: Result<Batch>) => void,
  ): void {
    const held = this.mempool.getById(sealed.id);
    if (held !== undefined && !this.space.hasLostHost(held)) {
      if (from === undefined) this.#tellAgain(held);
      return done(ok(held));
    }
    const refused = this.#precheck(sealed);
    if (refused !== undefined) return done(refused);
    if (!this.#mayDecode(from, sealed.bytes.length)) return done(tooMany());
    this.#admitUnknown(sealed, from, done);
  }

  /**
   * A client that asks again still waits. What was sent to peers may be lost with a link on which nothing
   * came through, and this node may be the only one that has the batch.
   */
  #tellAgain(batch: Batch): void {
    const submitted = this.#submitted.get(toHex(batch.id));
    const nowMs = this.#context.ports.clock.monotonicMs();
    if (submitted === undefined) {
      // A peer has brought it: it is a client's of this node from now on, and who brought it has told others.
      this.#submitted.set(toHex(batch.id), { id: batch.id, toldMs: nowMs, isTold: false });
      return;
    }
    if (nowMs - submitted.toldMs < LIMITS.gossipAgainMs) return;
    submitted.isTold = true;
    submitted.toldMs = nowMs;
    this.#gossip(batch);
  }

  #tell(batch: Batch): void {
    const { id } = batch;
    const toldMs = this.#context.ports.clock.monotonicMs();
    this.#submitted.set(toHex(id), { id, toldMs, isTold: true });
    this.#gossip(batch);
  }

  #admitUnknown(
    sealed: SealedBatch,
    from: PeerId | undefined,
    done: (result: Result<Batch>) => void,
  ): void {
    const digest = batchDigest(this.#context.hasher, sealed.bytes);
    const key = toHex(digest);
    const pending = this.#pending.get(key);
    if (pending !== undefined) {
      // A peer waits for nothing: it pushed what is on its way already.
      if (from === undefined) {
        pending.isClients = true;
        pending.waiters.push(done);
      }
      return;
    }
    if (this.#verdicts.get(digest) === false) return done(forged());
    const worked = this.work.verdict(digest);
    if (worked !== undefined && worked !== "good") return done(worked);
    const unopened = this.space.refused(digest);
    if (unopened !== undefined) return done(unopened);
    if (this.#tries.isSpent(from, sealed.id)) return done(triedOut());
    if (!this.#mayDecode(from, sealed.eventCount * LIMITS.decodeEventCostBytes)) {
      return done(tooMany());
    }
    const opened = openBatch(this.#context.hasher, sealed, digest);
    if (!opened.ok) return done(opened);
    const batch = opened.value;
    const failure = checkEvents(this.#context.options.registry, batch);
    if (failure !== undefined) return done(failure);
    if (from !== undefined && !this.#pushed.take(from, batch.bytes.length)) {
      return done(fail("node.overloaded", "too many batches of one peer wait for verification"));
    }
    this.#tries.take(from, batch.id);
    this.#pending.set(key, { batch, sealed, from, isClients: false, waiters: [done] });
    this.#pendingBytes += batch.bytes.length;
    this.#check(key, batch);
  }

  /**
   * The work first: it costs less, and what nobody has worked for is not worth a signature check. What has neither
   * is not worth a look at the disk: this node hosts a batch when both are good.
   */
  #check(key: string, batch: Batch): void {
    const terms = this.work.finalTerms(batch.refHeight);
    const termed = terms === undefined ? [] : [{ batch, terms }];
    this.work.verify(termed, "batch", () => {
      const refused = this.work.check(batch) ?? this.space.checkBrought(batch);
      if (refused !== undefined) return this.#checked(key, refused);
      this.verify([batch], "batch", ([valid]) => {
        this.#checked(key, valid === true ? undefined : forged());
      });
    });
  }

  /** Clients have one rate together: anybody may be a client. */
  #mayDecode(from: PeerId | undefined, costBytes: number): boolean {
    return from === undefined
      ? this.#clientDecodes.take("", costBytes)
      : this.#peerDecodes.take(from, costBytes);
  }

  /** Everything that the core alone decides. */
  #precheck(batch: SealedBatch): Failure | undefined {
    if (this.#chain.actorKey(batch.actor) === undefined) {
      return fail("batch.unknown-actor", `no actor ${toHex(batch.actor)}`);
    }
    const head = this.#chain.laneHead(batch.actor);
    const lane = checkLane(batch, head);
    if (lane !== undefined && lane.code !== "batch.lane-gap") return lane;
    const reference = checkReference(batch, this.#chain.point());
    if (reference !== undefined) return reference;
    const unpaid = this.work.precheck(batch);
    if (unpaid !== undefined) return unpaid;
    // Not a rule of blocks: there it is an outcome, because who has executed less cannot know it yet.
    if (this.#chain.isRevoked(batch.actor)) {
      return fail("event.forbidden", `the actor ${toHex(batch.actor)} is revoked`);
    }
    if (this.#pendingBytes + batch.bytes.length > LIMITS.admissionBytesMax) {
      return fail("node.overloaded", "too many batches wait for verification");
    }
    return undefined;
  }

  #checked(key: string, refused: Failure | undefined): void {
    const pending = this.#pending.get(key);
    if (pending === undefined) return;
    this.#pending.delete(key);
    const { batch, from, waiters } = pending;
    this.#pendingBytes -= batch.bytes.length;
    if (from !== undefined) this.#pushed.give(from, batch.bytes.length);
    if (refused?.code !== "batch.signature") this.#tries.give(from, batch.id);
    const result = refused ?? this.#take(pending);
    for (const waiter of waiters) waiter(result);
  }

  /** Holds what has passed, with this node as its host where it has none. */
  #take({ batch, sealed, from, isClients }: Pending): Result<Batch> {
    const hosted = this.#hosted(batch, sealed);
    if (!hosted.ok) {
      // What this node writes itself, and cannot host: every peer that has a sector hosts it for itself.
      if (from !== undefined || !this.space.isOwn(batch)) return hosted;
      this.#gossip(batch);
      return ok(batch);
    }
    // Hosted anew in the same way, while its signature was checked once more.
    const isKnown = this.mempool.has(hosted.value.digest);
    const failure = this.space.check(hosted.value) ?? this.#hold(hosted.value);
    if (failure !== undefined) return failure;
    if (from === undefined && !isKnown) this.#tell(hosted.value);
    else if (from === undefined || isClients) this.#tellAgain(hosted.value);
    this.#changed();
    return hosted;
  }

  /** The first node that a batch reaches is its host, on a chain that asks for one. */
  #hosted(batch: Batch, sealed: SealedBatch): Result<Batch> {
    const hosted = this.space.host(sealed);
    if (!hosted.ok) return hosted;
    return hosted.value === sealed.bytes ? ok(batch) : this.#reopened(hosted.value);
  }

  /** Another envelope of a batch that was checked. */
  #reopened(bytes: Uint8Array): Result<Batch> {
    const { hasher } = this.#context;
    const sealed = readSealed(hasher, bytes);
    if (!sealed.ok) return sealed;
    const digest = batchDigest(hasher, bytes);
    // What is signed is the same.
    this.#verdicts.keep(digest, true);
    return reopenBatch(sealed.value, digest);
  }

  /** After each append: see host-anew.ts. Those that this node cannot host are no longer its clients'. */
  hostAnew(): readonly Unhosted[] {
    const unhosted = this.#hostAnew.pump(this.#chain.set()?.epoch);
    for (const { batch } of unhosted) this.#submitted.delete(toHex(batch.id));
    return unhosted;
  }

  #hold(batch: Batch): Failure | undefined {
    const { actor, id } = batch;
    const held = this.mempool.getById(id);
    if (held !== undefined && this.space.hasLostHost(held)) this.mempool.replace(batch);
    const isValidator = this.#chain.isValidator(actor);
    const head = this.#chain.laneHead(actor);
    return this.mempool.add(batch, head, isValidator, this.work.level(batch));
  }

  /** The node stops: whoever waits for a verdict is told so. */
  end(): void {
    const failure = fail("node.stopping", "the node stops; submit the same batch again elsewhere");
    const waiting = [...this.#pending.values()].flatMap((pending) => pending.waiters);
    this.#pending.clear();
    for (const waiter of waiting) waiter(failure);
  }

  /** Batches of this node's own clients that are not final yet. */
  own(): Batch[] {
    const own: Batch[] = [];
    for (const [key, { id }] of this.#submitted) {
      const batch = this.mempool.getById(id);
      if (batch === undefined) this.#submitted.delete(key);
      else own.push(batch);
    }
    return own;
  }

  /** Those of them that this node pushes. */
  told(): Batch[] {
    return this.own().filter(({ id }) => this.#submitted.get(toHex(id))?.isTold === true);
  }

  /** The cached verdict of a batch's signature; undefined when it was never checked. */
  verdict(digest: Hash): boolean | undefined {
    return this.#verdicts.get(digest);
  }

  /** What is known of a batch's work. What the mempool holds had good work when it was admitted. */
  workVerdict(digest: Hash): WorkVerdict | undefined {
    return this.work.verdict(digest) ?? (this.mempool.has(digest) ? "good" : undefined);
  }

  /** Reaches a verdict on the work of batches, with the terms that hold where they are looked at. */
  verifyWork(batches: readonly TermedBatch[], done: () => void): void {
    this.work.verify(batches, "consensus", done);
  }

  /** Checks signatures of batches whose actors are known; one boolean a batch, in order. */
  verify(
    batches: readonly Batch[],
    priority: "consensus" | "batch",
    done: (valid: readonly boolean[]) => void,
  ): void {
    const jobs: VerifyJob[] = [];
    for (const batch of batches) {
      const key = this.#chain.actorKey(batch.actor);
      jobs.push({
        message: batchSigningMessage(this.#context.hasher, batch.id),
        signature: batch.signature,
        publicKey: key?.publicKey ?? new Uint8Array(0),
      });
    }
    this.#context.ports.verifier.verify(jobs, priority, (valid) => {
      batches.forEach((batch, i) => {
        // An actor that is unknown today may be registered tomorrow: only a real check is remembered.
        if (jobs[i]?.publicKey.length !== 0) this.#verdicts.keep(batch.digest, valid[i] === true);
      });
      done(valid);
    });
  }
}
