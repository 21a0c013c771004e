/**
 * A participant: one validator (or observer) of one chain, on ports. It wires the parts together and holds
 * what they share: the consensus core's driver (engine.ts), blocks being checked (block-tree.ts), the
 * mempool (batch-pool.ts), append and execute (committer.ts), catch-up (syncer.ts, server.ts) and the right
 * to vote (voting-permit.ts). All work happens in callbacks of ports, each synchronous: what the simulator runs.
 */
import { equalBytes, ZERO_HASH } from "../../crypto/bytes.ts";
import type { Failure } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import type { LaneHead } from "../batch.ts";
import type { BlockFacts, Effect, OwnVote, Recovered, Verdict } from "../consensus/types.ts";
import { genesisHash } from "../genesis.ts";
import type { PeerId, Ports } from "../ports.ts";
import { actorAt, actorKeyAt } from "../projections/actors.ts";
import type { Batch, Block, Certificate, Hash, LogEntry, Vote } from "../types.ts";
import { indexOf, leaderOf } from "../validator-set.ts";
import type { ActorKey, EpochSnapshot } from "../validity.ts";
import { classOf, createEncoder, type Message } from "../wire.ts";
import { BatchPool } from "./batch-pool.ts";
import { BlockStore, type Tip } from "./block-store.ts";
import { BlockTree } from "./block-tree.ts";
import { buildBlock } from "./builder.ts";
import { Committer, type FinalBlock, storeFailure } from "./committer.ts";
import { type Context, type ReplicaOptions, timingOf, type VotingState } from "./context.ts";
import { Cosigner } from "./cosigner.ts";
import { Engine } from "./engine.ts";
import { snapshotOf } from "./epoch-snapshot.ts";
import { EvidenceBox } from "./evidence-box.ts";
import { guardPorts } from "./guard.ts";
import { LatestVotes } from "./latest-votes.ts";
import { Membership } from "./membership.ts";
import { OpenIndex } from "./open-index.ts";
import { OwnEpochKeys } from "./own-epoch-keys.ts";
import { OwnIvrfKeys } from "./own-ivrf-keys.ts";
import { type MakeEvent, OwnLane } from "./own-lane.ts";
import { PeerBudget } from "./peer-budget.ts";
import { chargeFault } from "./peer-faults.ts";
import { peerIds } from "./peer-ids.ts";
import { Persister } from "./persister.ts";
import { Router } from "./router.ts";
import { Server } from "./server.ts";
import { dropSettled, tellPassed } from "./settled.ts";
import { type Loaded, load, recover } from "./startup.ts";
import { Submissions } from "./submissions.ts";
import { Syncer } from "./syncer.ts";
import { tipParentOf } from "./tip-parent.ts";
import { VoteStore } from "./vote-store.ts";
import { VotingPermit } from "./voting-permit.ts";
import { Waiters } from "./waiters.ts";

export class Participant {
  readonly context: Context;
  readonly selfId: Hash;
  readonly genesisHash: Hash;
  readonly store: BlockStore;
  readonly waiters = new Waiters();
  readonly submissions: Submissions;
  readonly problems: Failure[] = [];
  readonly haltListeners = new Set<(failure: Failure) => void>();
  readonly executedListeners = new Set<(height: number, logSize: number) => void>();
  readonly #ports: Ports;
  readonly #votes: VoteStore;
  readonly #open: OpenIndex;
  readonly #latest = new LatestVotes();
  readonly #permit: VotingPermit;
  readonly #router: Router;
  readonly #persister: Persister;
  readonly #peers = new Set<PeerId>();
  readonly #encode = createEncoder();
  readonly #checks = new PeerBudget(LIMITS.peerChecksMax);
  readonly cosigner: Cosigner;
  readonly #membership: Membership;
  #stopped = false;
  #loaded: Loaded | undefined;
  #committer: Committer | undefined;
  #pool: BatchPool | undefined;
  #tree: BlockTree | undefined;
  #syncer: Syncer | undefined;
  #server: Server | undefined;
  evidence: EvidenceBox | undefined;
  #engine: Engine | undefined;
  #starting = false;
  #snapshot: EpochSnapshot | undefined;
  /** A finalization whose blocks are not all here yet. */
  #wanted: Certificate | undefined;
  #cancelBuild: (() => void) | undefined;
  readonly #ownKeys: OwnIvrfKeys;
  readonly #epochKeys: OwnEpochKeys;
  /** What the core was last told about work. */
  #working = false;
  lastFinalMs = 0;
  viewTimeMs = 0;

  constructor(options: ReplicaOptions, ports: Ports) {
    this.#ports = guardPorts(ports, (failure) => this.#fatal(failure));
    this.selfId = options.hasher.ht("id", ports.signer.publicKey);
    this.genesisHash = genesisHash(options.hasher, options.genesis);
    this.context = {
      options,
      ports: this.#ports,
      hasher: options.hasher,
      timing: timingOf(options),
      read: (key) => ports.store.get(key),
      log: (level, message, fields) => ports.logger.log(level, message, fields),
      fatal: (failure) => this.#fatal(failure),
      problem: (failure) => this.#problem(failure),
      stopped: () => this.#stopped,
    };
    this.store = new BlockStore(this.context.read, options.hasher);
    this.#votes = new VoteStore(this.#ports.voteStore);
    this.#open = new OpenIndex(this.context, this.store);
    this.#permit = new VotingPermit(this.context, this.#votes, {
      send: (peer, message) => this.#send(peer, message),
      changed: () => this.#tellVoting(),
    });
    const chain = {
      store: this.store,
      committer: () => this.#committer,
      pool: () => this.#pool,
      finalLaneHead: (actor: Hash) => this.finalLaneHead(actor),
    };
    const net = {
      connected: () => this.peers,
      send: (peer: PeerId, message: Message) => this.#send(peer, message),
      misbehaved: (peer: PeerId, failure: Failure) => this.#misbehaved(peer, failure),
    };
    const setSize = (): number => this.#snapshot?.set.validators.length ?? 0;
    const tree = (): BlockTree | undefined => this.#tree;
    const written = { votes: this.#votes, open: this.#open };
    const write = (make: MakeEvent): void => this.evidence?.lane.write(make);
    const timeAt = (height: number): number | undefined => this.timeAt(height);
    this.#ownKeys = new OwnIvrfKeys(this.context, this.selfId, { timeAt, write });
    const own = { ...chain, syncing: () => this.syncing, write };
    this.#epochKeys = new OwnEpochKeys(this.context, this.selfId, own);
    this.#persister = new Persister(this.context, { ...written, tree, setSize });
    this.submissions = new Submissions(this.context, chain, this.waiters);
    this.cosigner = new Cosigner(this.context, this.selfId, {
      ...chain,
      ...net,
      syncing: own.syncing,
      voting: () => this.voting,
      sign: (message, done) => this.#epochKeys.sign(message, done),
      timeAt,
    });
    this.#membership = new Membership(this.context, {
      ...net,
      cosigner: this.cosigner,
      status: () => this.#engine?.status(),
    });
    this.#router = new Router(this.context, {
      ...chain,
      ...net,
      cosigner: this.cosigner,
      engine: () => this.#engine,
      tree,
      syncer: () => this.#syncer,
      server: () => this.#server,
      watermark: () => this.#permit.watermark,
      validatorOf: (peer) => this.#validatorOf(peer),
      ownKeyIn: (epoch) => this.#epochKeys.keyIn(epoch),
      observes: () => this.#snapshot !== undefined && this.selfIndex === undefined,
      fetched: () => this.#commitWanted(),
    });
  }

  get voting(): VotingState {
    const { state } = this.#permit;
    return state === "yes" && this.#epochKeys.isKeyless ? "keyless" : state;
  }

  get committer(): Committer | undefined {
    return this.#committer;
  }

  get pool(): BatchPool | undefined {
    return this.#pool;
  }

  get engine(): Engine | undefined {
    return this.#engine;
  }

  get syncing(): boolean {
    return this.#syncer?.behind === true;
  }

  get peers(): readonly PeerId[] {
    return [...this.#peers];
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Index of this node in the running epoch's set. */
  get selfIndex(): number | undefined {
    return this.#snapshot && indexOf(this.#snapshot.set, this.selfId);
  }

  start(): void {
    const ids = { self: this.selfId, genesisHash: this.genesisHash };
    load(this.context, this.store, { votes: this.#votes, open: this.#open }, ids, (result) => {
      if (this.#stopped) return;
      if (!result.ok) return this.#fatal(result);
      this.#onLoaded(result.value);
    });
  }

  /** Stops taking part. Writes that are under way finish; the stores are closed after them. */
  stop(done: () => void): void {
    this.#end();
    this.#ports.transport.close(() => {
      this.#ports.store.close(() => this.#ports.voteStore.close(done));
    });
  }

  #end(): void {
    this.#stopped = true;
    this.#cancelBuild?.();
    this.#engine?.end();
    this.#tree?.clear();
    this.waiters.endAll();
    this.#pool?.end();
  }

  #fatal(failure: Failure): void {
    if (this.#stopped) return;
    this.context.log("error", failure.detail, { code: failure.code });
    this.problems.push(failure);
    this.#permit.halt();
    this.#end();
    for (const listener of this.haltListeners) listener(failure);
  }

  #problem(failure: Failure): void {
    this.context.log("error", failure.detail, { code: failure.code });
    this.problems.push(failure);
  }

  #onLoaded(loaded: Loaded): void {
    const damaged = this.#latest.load(this.context.read, this.store) ?? this.cosigner.load();
    if (damaged !== undefined) return this.#fatal(damaged);
    this.#loaded = loaded;
    this.#permit.loaded(loaded.votesFailure);
    const context = this.context;
    const committer = new Committer(
      context,
      this.store,
      {
        settle: (run, certificate) => [
          ...this.#open.settle(run),
          ...this.#latest.ops(this.store, certificate),
        ],
        appended: (blocks, tip, certificate) => this.#onAppended(blocks, tip, certificate),
        executed: (block, batches, entries) => this.#onExecuted(block, batches, entries),
      },
      loaded,
    );
    this.#committer = committer;
    const pool = new BatchPool(context, this.#poolChain(committer), {
      changed: () => this.#onPoolGrown(),
      gossip: ({ bytes: batch }) => {
        for (const peer of this.#peers) this.#send(peer, { type: "batch", batch });
      },
    });
    this.#pool = pool;
    this.#tree = new BlockTree(context, this.#treeChain(committer), pool, this.store);
    this.#syncer = new Syncer(context, {
      tip: () => committer.tip,
      // Where execution stands still for good, the log goes on all the same (R2).
      executedHeight: () => (committer.diverged ? committer.tip.height : committer.executed.height),
      nextSet: () => this.store.validatorSet(committer.start.epoch),
      busy: () => committer.busy,
      send: (peer, message) => this.#send(peer, message),
      connected: () => this.peers,
      accept: (run, certificate, set) => {
        this.#permit.meet(certificate, set, this.selfId);
        if (!this.#stopped) committer.append(run, certificate, set.validators.length);
      },
      misbehaved: (peer, failure) => this.#misbehaved(peer, failure),
    });
    this.#server = new Server(context, this.store, this.#served(), (peer, message) =>
      this.#send(peer, message),
    );
    const lane = new OwnLane(context, {
      actor: this.selfId,
      laneHead: () => this.finalLaneHead(this.selfId),
      reference: () => this.reference() ?? { height: 0, hash: this.genesisHash },
      submit: (bytes, done) => {
        this.submissions.submit(bytes, "accepted", (result) => done(result.ok));
      },
    });
    this.evidence = new EvidenceBox(context, lane);
    this.#membership.tell();
    this.#ports.transport.start({
      peerUp: (peer) => this.#onPeerUp(peer),
      peerDown: (peer) => this.#onPeerDown(peer),
      frame: (peer, trafficClass, bytes) => this.#router.onFrame(peer, trafficClass, bytes),
    });
    const { height } = committer.executed;
    this.#ownKeys.onExecuted({ height, timeMs: this.timeAt(height) ?? 0 });
    committer.resume();
    const damage = this.evidence.load(this.#membership.known());
    if (damage !== undefined) return this.#fatal(damage);
    this.#startEngine(this.#votes.all);
  }

  #served(): ConstructorParameters<typeof Server>[2] {
    return {
      finalHeight: () => this.#committer?.tip.height ?? 0,
      block: (hash) => this.#tree?.get(hash)?.block,
      batch: (digest) => this.#pool?.get(digest),
    };
  }

  #poolChain(committer: Committer): ConstructorParameters<typeof BatchPool>[1] {
    return {
      laneHead: (actor) => this.finalLaneHead(actor),
      actorKey: (actor) => this.actorKey(actor),
      isRevoked: (actor) => (actorAt(this.context.read, actor)?.revokedHeight ?? 0) > 0,
      set: () => this.#snapshot?.set,
      isValidator: (actor) => {
        const set = this.#snapshot?.set;
        return set !== undefined && indexOf(set, actor) !== undefined;
      },
      point: () => ({
        height: committer.tip.height + 1,
        timeMs: committer.tip.timeMs + 1,
        hashAt: (height) => this.store.hashAt(height),
        timeAt: (height) => this.timeAt(height),
      }),
    };
  }

  #treeChain(committer: Committer): ConstructorParameters<typeof BlockTree>[1] {
    return {
      tip: () => committer.tip,
      settledHeight: () => committer.settledHeight,
      executedHeight: () => committer.executed.height,
      epoch: () => this.#requireSnapshot(),
      rootsAt: (height) => committer.rootsAt(height),
      actorKey: (actor) => this.actorKey(actor),
      finalHashAt: (height) => this.store.hashAt(height),
      finalTimeAt: (height) => this.timeAt(height),
      finalPoint: (height) => this.store.point(height),
      finalLaneHead: (actor) => this.finalLaneHead(actor),
      tipParent: () => tipParentOf(this.store, committer.tip),
      send: (peer, message) => void this.#send(peer, message),
      connected: () => this.peers,
      verdict: (facts, verdict) => this.#onVerdict(facts, verdict),
      isOpen: (hash) => this.#engine?.holdsBlock(hash) === true,
      behind: (height, sources) => {
        for (const peer of sources) this.#syncer?.hint(peer, height - 1);
      },
    };
  }

  #requireSnapshot(): EpochSnapshot {
    if (this.#snapshot === undefined) throw new Error("no epoch is running");
    return this.#snapshot;
  }

  finalLaneHead(actor: Hash): LaneHead {
    return this.store.laneHead(actor) ?? { seq: 0, id: ZERO_HASH };
  }

  actorKey(actor: Hash): ActorKey | undefined {
    return actorKeyAt(this.context.read, actor);
  }

  /** Ledger time of a final height, milliseconds. */
  timeAt(height: number): number | undefined {
    if (height === 0) return this.context.options.genesis.timeMs;
    return this.store.timeAt(height);
  }

  /** The newest executed grid height: what a new batch should refer to. */
  reference(): { readonly height: number; readonly hash: Hash } | undefined {
    const executed = this.#committer?.executed.height ?? 0;
    const height = executed - (executed % LIMITS.gridHeights);
    const hash = this.store.hashAt(height);
    return hash === undefined ? undefined : { height, hash };
  }

  // Epochs and the engine.

  #startEngine(ownVotes: readonly OwnVote[]): void {
    const committer = this.#committer;
    const loaded = this.#loaded;
    if (committer === undefined || loaded === undefined || this.#starting) return;
    const { epoch } = committer.start;
    if (this.#engine?.epoch === epoch) return;
    const snapshot = snapshotOf(this.context, this.store, committer, this.genesisHash);
    if (snapshot === undefined) return;
    this.#starting = true;
    this.#snapshot = snapshot;
    const args = { epoch, tip: committer.tip, ownVotes };
    recover(this.context, this.store, this.#votes, args, (result) => {
      this.#starting = false;
      if (this.#stopped) return;
      if (!result.ok) return this.#fatal(result);
      if (committer.start.epoch !== epoch) return this.#startEngine(this.#votes.all);
      this.#runEngine({
        ...result.value,
        // The tip may have moved while certificates were read.
        ...(committer.tip.epoch === epoch && committer.tip.height > 0
          ? { final: { ...committer.tip } }
          : {}),
      });
    });
  }

  #runEngine(recovered: Recovered): void {
    this.#engine?.end();
    this.#epochKeys.begin(this.#requireSnapshot().set, this.selfIndex);
    const engine = this.createEngine(recovered);
    this.#engine = engine;
    this.#cancelBuild?.();
    this.#tellQuarantine();
    engine.feed({ kind: "start" });
    for (const peer of this.#peers) this.#greet(peer);
    this.#permit.begin(this.#requireSnapshot().set, this.selfIndex);
    this.#membership.begin(this.#requireSnapshot().set, this.selfIndex);
    this.#tellVoting();
    this.#tellWork();
  }

  createEngine(recovered: Recovered): Engine {
    const { set, schedule } = this.#requireSnapshot();
    return new Engine({
      context: this.context,
      set,
      self: indexOf(set, this.selfId),
      leaderOf: (view) => leaderOf(schedule, view),
      recovered,
      executedHeight: this.#committer?.executed.height ?? 0,
      latest: this.#latest,
      budget: this.#checks,
      sign: (message, done) => this.#epochKeys.sign(message, done),
      hooks: {
        peerOf: (validator) => peerIds(set).ids[validator] ?? "",
        send: (peer, message) => void this.#send(peer, message),
        block: (hash) => this.#tree?.get(hash)?.block,
        prepare: (hash) => this.#persister.writeBlocks([hash], [], () => undefined),
        persist: (effect, done) => this.#persister.persist(effect, done),
        keep: (certificate) => this.#persister.keep(certificate),
        need: (hash, block, sources) => this.#tree?.need(hash, block, sources),
        build: (effect) => this.#build(effect),
        finalized: (certificate) => this.#onFinalized(certificate),
        evidence: (first, second) => this.#onEvidence(first, second),
        diverged: (hash) => this.#onDiverged(hash),
        forgotten: (statement) => this.#permit.forgotten(statement),
        // Blocks of the view that was left hold no work any more, unless they were notarized.
        entered: () => this.#tellWork(),
        misbehaved: (peer, failure) => this.#misbehaved(peer, failure),
        behind: (from) => {
          const peer = this.#validatorOf(from);
          if (peer !== undefined) this.#engine?.feed({ kind: "behind", peer });
        },
      },
    });
  }

  #tellVoting(): void {
    this.#engine?.feed({ kind: "voting", allowed: this.voting === "yes" });
  }

  #tellQuarantine(): void {
    const set = this.#snapshot?.set;
    if (set === undefined) return;
    const ids = this.context.options.quarantined(this.context.read, set);
    const signers = ids.map((id) => indexOf(set, id)).filter((index) => index !== undefined);
    this.#engine?.feed({ kind: "quarantined", signers });
  }

  // Peers and frames.

  #validatorOf(peer: PeerId): number | undefined {
    const set = this.#snapshot?.set;
    return set === undefined ? undefined : peerIds(set).indexes.get(peer);
  }

  #onPeerUp(peer: PeerId): void {
    if (this.#stopped) return;
    this.#peers.add(peer);
    this.#greet(peer);
    this.#pushOwn(peer);
    this.cosigner.greet(peer);
    this.#tree?.pump();
  }

  #greet(peer: PeerId): void {
    const validator = this.#validatorOf(peer);
    if (validator === undefined) return;
    this.#engine?.feed({ kind: "peer", peer: validator });
    this.#permit.watermark?.ask(validator);
  }

  #onPeerDown(peer: PeerId): void {
    this.#peers.delete(peer);
    this.#router.forgetPeer(peer);
    if (this.#stopped) return;
    this.#syncer?.forgetPeer(peer);
    this.#server?.forgetPeer(peer);
  }

  #send(peer: PeerId, message: Message): boolean {
    if (this.#stopped || !this.#peers.has(peer)) return false;
    return this.#ports.transport.send(peer, classOf(message), this.#encode(message));
  }

  #misbehaved(peer: PeerId, failure: Failure): void {
    // What was still being checked when its session was cut off costs the peer nothing more.
    if (this.#peers.has(peer)) chargeFault(this.context, peer, failure);
  }

  // Batches.

  /** What clients gave this node, to a peer that was not there to hear of it. */
  #pushOwn(peer: PeerId): void {
    for (const batch of this.#pool?.told() ?? []) {
      if (!this.#send(peer, { type: "batch", batch: batch.bytes })) return;
    }
  }

  /** A batch was admitted: a block may have waited for it, and there is work if there was none. */
  #onPoolGrown(): void {
    this.#tree?.pump();
    if (!this.#working) this.#tellWork();
  }

  /** Whether a batch waits that is in no block which may still become final. */
  #tellWork(): void {
    const engine = this.#engine;
    const tree = this.#tree;
    if (engine === undefined || tree === undefined || this.#stopped) return;
    const count = this.#pool?.mempool.count ?? 0;
    this.#working = count > 0 && count > tree.includedCount(engine.openBlocks());
    engine.feed({ kind: "work", pending: this.#working });
  }

  // Effects of the core.

  /** Under load a leader lets its block fill: fewer and fuller views cost fewer signatures. */
  #build(effect: Effect & { kind: "build" }): void {
    const { paceMs, paceBytes } = this.context.timing;
    const waiting = this.#pool?.mempool.bytes ?? 0;
    const sinceMs = this.#ports.clock.monotonicMs() - this.lastFinalMs;
    const full = waiting >= LIMITS.blockBytesMax;
    const delayMs = waiting >= paceBytes && !full ? Math.max(0, paceMs - sinceMs) : 0;
    this.#cancelBuild?.();
    this.#cancelBuild = undefined;
    if (delayMs === 0) return this.#buildNow(effect);
    this.#cancelBuild = this.#ports.timers.set(delayMs, () => this.#buildNow(effect));
  }

  #buildNow(effect: Effect & { kind: "build" }): void {
    const { view, parentHash, parentView } = effect;
    const parent = this.#tree?.parent(parentHash);
    const committer = this.#committer;
    const proposer = this.selfIndex;
    const engine = this.#engine;
    if (this.#stopped || engine === undefined || this.#pool === undefined) return;
    // Paced: the view may be over by now, and a block of a view that is over only stands in the way.
    const cannot =
      engine.view !== view ||
      parent === undefined ||
      committer === undefined ||
      proposer === undefined ||
      committer.diverged ||
      committer.executed.height < parent.executedHeight;
    if (cannot || this.#tree === undefined) {
      return engine.feed({ kind: "built", view, block: undefined });
    }
    const at = { height: parent.height + 1, epoch: engine.epoch };
    const reveal = this.#ownKeys.reveal(at, () => this.#buildNow(effect));
    if (reveal === "later") return;
    if (reveal === "missing") return engine.feed({ kind: "built", view, block: undefined });
    const built = buildBlock({
      context: this.context,
      pool: this.#pool,
      tree: this.#tree,
      epoch: this.#requireSnapshot(),
      view,
      parentView,
      parent,
      proposer,
      roots: committer.executed,
      reveal,
      actorKey: (actor) => this.actorKey(actor),
    });
    if (built !== undefined) this.#tree.addOwn(built.block, built.batches);
    engine.feed({ kind: "built", view, block: built?.block });
  }

  #onVerdict(facts: BlockFacts, verdict: Verdict): void {
    this.#engine?.feed({ kind: "validated", facts, verdict });
    this.#commitWanted();
  }

  #onFinalized(certificate: Certificate): void {
    const view = this.#wanted?.statement.view ?? 0;
    const isNewer = this.#wanted?.statement.epoch !== certificate.statement.epoch;
    if (isNewer || certificate.statement.view > view) this.#wanted = certificate;
    this.#commitWanted();
  }

  /** Appends what is final as soon as the chain to it is here; what is too far comes by sync. */
  #commitWanted(): void {
    const certificate = this.#wanted;
    const committer = this.#committer;
    const set = this.#snapshot?.set;
    if (certificate === undefined || committer === undefined || set === undefined) return;
    if (committer.busy || this.#stopped) return;
    const hash = certificate.statement.hash;
    if (equalBytes(hash, committer.tip.hash)) {
      this.#wanted = undefined;
      return;
    }
    const chain = this.#tree?.chainTo(hash);
    if (chain === undefined) return;
    this.#wanted = undefined;
    const run: FinalBlock[] = [];
    for (const { block, batches, persisted } of chain) {
      if (block === undefined) return;
      run.push({ block, batches: batches.filter((batch) => batch !== undefined), persisted });
    }
    committer.append(run, certificate, set.validators.length);
  }

  #onEvidence(first: Vote, second: Vote): void {
    const culprit = this.#snapshot?.set.validators[first.signer]?.id;
    if (culprit !== undefined) this.evidence?.found({ culprit, first, second });
  }

  #onDiverged(hash: Hash): void {
    const header = this.#tree?.get(hash)?.block?.header;
    this.#committer?.diverge(header?.executedHeight ?? 0, "a root");
  }

  // What append and execute bring.

  #onAppended(blocks: readonly FinalBlock[], tip: Tip, certificate: Certificate): void {
    const nowMs = this.#ports.clock.monotonicMs();
    this.viewTimeMs = nowMs - this.lastFinalMs;
    this.lastFinalMs = nowMs;
    if (this.#pool !== undefined) {
      dropSettled(this.#pool, this.waiters, blocks, {
        tip,
        laneHead: (actor) => this.finalLaneHead(actor),
        timeAt: (height) => this.timeAt(height),
      });
    }
    for (const { block, batches } of blocks) {
      for (const batch of batches) this.waiters.committed(batch.id, block.header.height);
    }
    tellPassed(this.waiters, blocks);
    this.#votes.forget({ epoch: tip.epoch, view: tip.view }, (failure) => {
      if (failure !== undefined) this.#fatal(storeFailure(failure, "vote store"));
    });
    if (this.#engine?.epoch === tip.epoch) {
      const final = { view: tip.view, height: tip.height, hash: tip.hash };
      this.#engine.feed({ kind: "synced", final, certificate });
    }
    this.#tree?.prune();
    if (tip.boundary) {
      this.#engine?.end();
      this.#tree?.clear();
      this.#wanted = undefined;
      this.#startEngine(this.#votes.all);
    }
    this.#commitWanted();
    this.#tree?.pump();
    this.#tellWork();
    this.#syncer?.pump();
  }

  #onExecuted(block: Block, batches: readonly Batch[], entries: readonly LogEntry[]): void {
    const { height } = block.header;
    let from = 0;
    for (const batch of batches) {
      const to = from + batch.events.length;
      this.waiters.projected(batch.id, height, entries.slice(from, to));
      from = to;
    }
    this.#engine?.feed({ kind: "executed", height });
    if (entries.some((entry) => entry.event.type.startsWith("detect."))) this.#tellQuarantine();
    this.evidence?.onExecuted();
    this.#ownKeys.onExecuted(block.header);
    this.#epochKeys.onExecuted(block.header);
    this.cosigner.onExecuted(block.header);
    this.#membership.onExecuted(entries);
    this.#startEngine(this.#votes.all);
    this.#tree?.pump();
    this.#syncer?.pump();
    const logSize = this.#committer?.executed.logSize ?? 0;
    for (const listener of this.executedListeners) listener(height, logSize);
  }
}
