/**
 * One chain that asks for all four proofs and the beacon, at small parameters, and what decides on it: the pool
 * that admits batches at a node, the predicate that a voter holds a block against, and execution. Proofs are
 * made by the provers of the product; a test takes what is right and bends one thing of it.
 */
import { equalBytes, toHex, ZERO_HASH } from "../../../src/crypto/bytes.ts";
import { utf8 } from "../../../src/crypto/codec.ts";
import { createHasher, type Hasher, sha256 } from "../../../src/crypto/hash.ts";
import type { Failure } from "../../../src/errors.ts";
import {
  type BatchInput,
  buildBatch,
  type LaneHead,
  readSealed,
  sealBatch,
} from "../../../src/ledger/batch.ts";
import { effortOf, workedBatch, workSlot, workSubject } from "../../../src/ledger/batch-work.ts";
import { batchesRoot, encodeBlock, proofsHash } from "../../../src/ledger/block.ts";
import { encodeBlockProofs } from "../../../src/ledger/block-proofs.ts";
import { readPoint } from "../../../src/ledger/chain-point.ts";
import type { Verdict } from "../../../src/ledger/consensus/types.ts";
import type { Execution } from "../../../src/ledger/execution.ts";
import { type Genesis, genesisHash } from "../../../src/ledger/genesis.ts";
import { blockKey, heightKey } from "../../../src/ledger/keys.ts";
import { actorAt, actorKeyAt } from "../../../src/ledger/projections/actors.ts";
import { recordPut } from "../../../src/ledger/projections/events.ts";
import { stakedValidatorSet } from "../../../src/ledger/projections/stake/next-set.ts";
import { BatchPool } from "../../../src/ledger/replica/batch-pool.ts";
import { BlockStore } from "../../../src/ledger/replica/block-store.ts";
import { BlockTree } from "../../../src/ledger/replica/block-tree.ts";
import { buildBlock } from "../../../src/ledger/replica/builder.ts";
import { type Context, timingOf } from "../../../src/ledger/replica/context.ts";
import { priceOps } from "../../../src/ledger/replica/price-store.ts";
import {
  blockOpeningTask,
  hostOpeningTask,
  hostSlot,
  spaceFacts,
} from "../../../src/ledger/space-openings.ts";
import type {
  Batch,
  Block,
  EncodedEvent,
  Hash,
  Header,
  ProofSlot,
  ValidatorSet,
} from "../../../src/ledger/types.ts";
import { createLeaderSchedule, leaderOf } from "../../../src/ledger/validator-set.ts";
import {
  type EpochSnapshot,
  type InclusionPoint,
  orderBatches,
  type ParentBlock,
} from "../../../src/ledger/validity.ts";
import { boundaryOf, productOptions, projectionsOf } from "../../../src/node/product.ts";
import { createIvrfKey, type IvrfKey } from "../../../src/proofs/beacon/ivrf.ts";
import type { OpeningTask } from "../../../src/proofs/space/challenges.ts";
import { makeOpenings } from "../../../src/proofs/space/openings.ts";
import { STAKE_PROFILES } from "../../../src/proofs/stake/parameters.ts";
import {
  createWorkSearch,
  encodeWorkProof,
  PRICE_ONE,
  verifyWork,
  WORK_PROFILES,
  type WorkParameters,
} from "../../../src/proofs/work/index.ts";
import {
  hasher,
  idOf,
  keyOf,
  genesis as plain,
  runnerOptions,
  type TestInput,
  type TestPoint,
  testSign,
  testVerify,
  VALIDATOR_NAMES,
} from "../../ledger/execution-support.ts";
import { ClaimChain, TIME_PARAMETERS } from "../../ledger/projections/claims-support.ts";
import {
  genesisSector,
  PARAMETERS as SPACE_PARAMETERS,
} from "../../ledger/projections/space-chain.ts";
import {
  Loop,
  ManualTime,
  TestStore,
  TestTransport,
  TestVerifier,
} from "../../ledger/replica/ports.ts";
import type { MemorySector } from "../space/support.ts";

/** What the parts of a chain are called on another one. */
export const OTHER_CHAIN = "execution-test-2";

const DEPTH = 9;

/** A batch of one event takes some 140 tries, so that a proof for something else is found out. */
export const ARGON_WORK: WorkParameters = {
  ...WORK_PROFILES.test,
  price: {
    ...WORK_PROFILES.test.price,
    ...{ priceMin: 256n * PRICE_ONE, priceStart: 256n * PRICE_ONE, priceMax: 512n * PRICE_ONE },
    ...{ pricedUnits: 1_024n, targetUnits: 1_048_576n },
  },
};

/** Equihash at its least effort, where the rule of effort lets everything through. */
export const EQUIHASH_WORK: WorkParameters = {
  ...WORK_PROFILES.dev,
  shares: WORK_PROFILES.test.shares,
};

/** v0 has two sectors, v1 has one, and v2 and v3 have none. */
export const SECTORS: Readonly<Record<string, readonly MemorySector[]>> = {
  v0: [genesisSector(idOf("v0"), 0), genesisSector(idOf("v0"), 4)],
  v1: [genesisSector(idOf("v1"), 0)],
};

/** The key of a validator of the genesis, of heights from 1 on. */
export const ivrfKeyOf = (name: string, by: Hasher = hasher): IvrfKey =>
  createIvrfKey(by, by.ht("test/ivrf", keyOf(name)), DEPTH);

const KEYS = new Map(VALIDATOR_NAMES.map((name) => [name, ivrfKeyOf(name)]));

export const genesisAsking = (work: WorkParameters): Genesis => ({
  ...plain,
  format: 2,
  proofs: {
    ...{ beacon: { depth: DEPTH }, time: TIME_PARAMETERS, space: SPACE_PARAMETERS, work },
    stake: STAKE_PROFILES.dev,
  },
  // Addresses are unique where validators may join.
  validators: plain.validators.map((one, i) => ({ ...one, address: `[::1]:${4_000 + i}` })),
  provers: VALIDATOR_NAMES.map((name) => ({
    ivrfRoot: KEYS.get(name)?.root ?? ZERO_HASH,
    sectors: (SECTORS[name] ?? []).map(({ statement }) => ({
      ...{ number: statement.sectorNo, commC: statement.commC, commRl: statement.commRl },
    })),
  })),
});

/** A batch with all its parts, each of which may be put in anew. */
export type Parts = {
  readonly input: BatchInput;
  readonly signature: Uint8Array;
  readonly work: ProofSlot | undefined;
  readonly space: ProofSlot | undefined;
};

/** Whom a part is made by, for what, where that is not what would be right. */
export type Instead = {
  readonly by?: string;
  readonly hasher?: Hasher;
  readonly input?: Partial<BatchInput>;
  readonly beacon?: Hash;
  readonly effort?: number;
  readonly sector?: MemorySector;
  /** The sector that is read, whatever is said. */
  readonly from?: MemorySector;
};

export const putEvent = (key = "k"): EncodedEvent =>
  recordPut.encode({ topic: "free", key, body: Uint8Array.of(1) });

const opened = (sectors: readonly MemorySector[], { challenges }: OpeningTask): Uint8Array => {
  const [first] = sectors;
  if (first === undefined) throw new Error("no sector");
  return makeOpenings(
    first.hashes,
    sectors.map(({ reader }) => reader.stored),
    challenges,
  );
};

export class World extends ClaimChain {
  readonly genesis: Genesis;
  readonly workParameters: WorkParameters;
  readonly heads = new Map<string, LaneHead>();
  readonly #hash: Hash;
  readonly #loop = new Loop();
  /** Checks of work and of signatures that all nodes have asked their verifiers for, and batches that voters have. */
  readonly asked = { work: 0, signatures: 0, batches: 0 };

  constructor(work: WorkParameters = ARGON_WORK, heights = 40) {
    const genesis = genesisAsking(work);
    const options = {
      ...runnerOptions(projectionsOf(genesis), genesis.proofs),
      boundary: boundaryOf(hasher, genesis),
    };
    super(genesis.proofs, genesis, options);
    this.genesis = genesis;
    this.workParameters = work;
    this.#hash = genesisHash(hasher, genesis);
    this.grow(heights);
  }

  /** Empty blocks, with what append writes of prices. */
  grow(heights: number): void {
    for (let i = 0; i < heights; i++) {
      this.pass(1);
      const block = { header: { height: this.height } as Header };
      this.store.apply(priceOps(this.store.read, this.workParameters, [{ block, batches: [] }]));
    }
  }

  /** With what append writes of the block: its header, under its hash and its height. */
  override run(input: TestInput, more: TestPoint = {}): Execution {
    const nextSetHash = more.boundary === true ? sha256(utf8("next set")) : ZERO_HASH;
    const header = { ...input.header, nextSetHash, view: this.#view + 1, parentView: this.#view };
    const epoch = readPoint(this.store.read, input.header.height - 1)?.epoch.number ?? 0;
    const { hash, bytes } = encodeBlock(
      hasher,
      {
        ...{ protocolVersion: 1, chainHash: hasher.chainHash, epoch, proposer: 0 },
        ...{ parentHash: this.hashAt(this.height) ?? ZERO_HASH, batchesRoot: ZERO_HASH },
        ...{ batchCount: 0, executedHeight: this.height, ...this.roots, ...header },
        proofsHash: proofsHash(hasher),
      },
      [],
    );
    this.store.apply([
      { type: "put", key: heightKey(header.height), value: hash },
      { type: "put", key: blockKey(hash), value: bytes },
    ]);
    this.#view = more.boundary === true ? 0 : header.view;
    return super.run({ ...input, header }, more);
  }

  #view = 0;

  readonly hashAt = (height: number): Hash | undefined =>
    height === 0 ? this.#hash : this.store.read(heightKey(height));

  readonly timeAt = (height: number): number | undefined =>
    height <= this.height ? plain.timeMs + height * 250 : undefined;

  get set(): ValidatorSet {
    const { proofs } = this.genesis;
    return stakedValidatorSet(hasher, proofs, this.epoch.number, this.store.read);
  }

  get facts() {
    const facts = spaceFacts(this.genesis.proofs.space, this.store.read, this.set);
    if (facts === undefined) throw new Error("the chain asks for no space");
    return facts;
  }

  /** A final batch at the head of its lane. */
  include({ actor, laneSeq, id }: Batch): void {
    this.heads.set(toHex(actor), { seq: laneSeq, id });
  }

  laneHead(actor: Hash): LaneHead {
    return this.heads.get(toHex(actor)) ?? { seq: 0, id: ZERO_HASH };
  }

  // The parts of a batch.

  core(by: string, change: Partial<BatchInput> = {}): BatchInput {
    const head = this.laneHead(idOf(by));
    const refHeight = change.refHeight ?? 32;
    return {
      ...{ actor: idOf(by), laneSeq: head.seq + 1, prevBatchId: head.id, refHeight },
      ...{ refHash: this.hashAt(refHeight) ?? ZERO_HASH, events: [putEvent()] },
      ...change,
    };
  }

  signature(input: BatchInput, by: string, salt = 0): Uint8Array {
    return testSign(buildBatch(hasher, input).signingMessage, keyOf(by), salt);
  }

  /** Work for a batch, or for what is said instead. */
  work(input: BatchInput, instead: Instead = {}): ProofSlot {
    const { puzzle } = this.workParameters;
    const its = instead.hasher ?? hasher;
    const of = { ...input, ...instead.input };
    const actor = instead.by === undefined ? of.actor : idOf(instead.by);
    const batch = workedBatch({ ...buildBatch(hasher, of), actor, events: of.events });
    const beacon = instead.beacon ?? this.beaconAt(of.refHeight);
    const { priceStart: price } = this.workParameters.price;
    const effort = instead.effort ?? effortOf(this.workParameters, { price }, batch);
    const subject = workSubject(batch, { beacon, price });
    const search = createWorkSearch(its, puzzle, subject, effort, new Uint8Array(12));
    for (let i = 0; ; i++) {
      const found = search.attempt(i);
      if (found !== undefined) return workSlot(encodeWorkProof(puzzle, found));
    }
  }

  /** What the host opens: v0's first sector, where nothing else is said. */
  space(input: BatchInput, instead: Instead = {}): ProofSlot {
    const sector = instead.sector ?? SECTORS["v0"]?.[0];
    if (sector === undefined) throw new Error("no sector");
    const of = { ...input, ...instead.input };
    const beacon = instead.beacon ?? this.beaconAt(of.refHeight);
    const task = hostOpeningTask(hasher, this.facts, sector.statement, of, beacon);
    return hostSlot(sector.statement, opened([instead.from ?? sector], task));
  }

  /** Everything as it should be. */
  parts(by: string, change: Partial<BatchInput> = {}): Parts {
    const input = this.core(by, change);
    const signature = this.signature(input, by);
    return { input, signature, work: this.work(input), space: this.space(input) };
  }

  sealed({ input, signature, work, space }: Parts, by: Hasher = hasher): Batch {
    const slots = [work, space].filter((slot) => slot !== undefined);
    return sealBatch(by, buildBatch(by, input), signature, slots);
  }

  // What decides.

  /** What pools have told peers. */
  readonly gossiped: Batch[] = [];

  /** The pool of a node that has executed everything, as a replica makes it; `reads` its sectors, or not. */
  pool(node = "v0", reads: (task: OpeningTask) => boolean = () => true): BatchPool {
    return new BatchPool(
      this.context(node, reads),
      {
        laneHead: (actor) => this.laneHead(actor),
        actorKey: (actor) => actorKeyAt(this.store.read, actor),
        isRevoked: (actor) => (actorAt(this.store.read, actor)?.revokedHeight ?? 0) !== 0,
        isValidator: (actor) => this.set.validators.some(({ id }) => equalBytes(id, actor)),
        set: () => this.set,
        point: () => this.point(this.height + 1),
      },
      { changed: () => undefined, gossip: (batch) => void this.gossiped.push(batch) },
    );
  }

  /** What the parts of a node share. */
  context(node: string, reads: (task: OpeningTask) => boolean = () => true): Context {
    const loop = this.#loop;
    const time = new ManualTime(loop, this.timeAt(this.height) ?? 0);
    const verifier = new TestVerifier(loop, ({ signature, message, publicKey }) => {
      this.asked.signatures += 1;
      return testVerify(signature, message, publicKey);
    });
    const options = productOptions({
      ...{ name: node, genesis: this.genesis, hasher, verifySignature: testVerify },
    });
    return {
      ...{ options, hasher, timing: timingOf(options), read: this.store.read },
      ports: {
        ...{ clock: time.clock, timers: time, random: { u32: () => 7 } },
        ...{ store: new TestStore(loop), voteStore: new TestStore(loop) },
        transport: new TestTransport(),
        signer: {
          publicKey: keyOf(node),
          sign: (message, done) => done(testSign(message, keyOf(node))),
        },
        verifier: {
          verify: (jobs, priority, done) => verifier.verify(jobs, priority, done),
          verifyWork: (_, checks, _priority, done) => {
            this.asked.work += checks.length;
            const valid = checks.map(({ puzzle, subject, proof, required }) =>
              verifyWork(hasher, puzzle, subject, proof, required),
            );
            loop.post(() => done(valid.map(({ ok }) => ok)));
          },
        },
        sectors: { open: (task) => (reads(task) ? this.openedBy(node, task) : undefined) },
        logger: { log: () => undefined },
        metrics: { count: () => undefined, gauge: () => undefined, observe: () => undefined },
      },
      log: () => undefined,
      fatal: () => undefined,
      problem: () => undefined,
      stopped: () => false,
    };
  }

  /** Runs what ports were asked for. */
  settle(): void {
    this.#loop.run();
  }

  point(height: number): InclusionPoint {
    const timeMs = plain.timeMs + height * 250;
    return { height, timeMs, hashAt: this.hashAt, timeAt: this.timeAt };
  }

  openedBy(node: string, task: OpeningTask): Uint8Array | undefined {
    const own = SECTORS[node] ?? [];
    const sectors = task.sectors.flatMap(({ sectorNo }) =>
      own.filter(({ statement }) => statement.sectorNo === sectorNo),
    );
    return sectors.length === task.sectors.length ? opened(sectors, task) : undefined;
  }

  /** What a proposer would open for the next block, if these were its sectors. */
  openedFrom(name: string, sectors: readonly MemorySector[]): Uint8Array {
    const task = blockOpeningTask(hasher, this.facts, idOf(name), this.beaconAt(this.height));
    if (task === undefined) throw new Error("nothing is due");
    return opened(sectors, task);
  }

  /** What a client of a node is answered, or a peer: accepted, or a code. */
  admit(batch: Pick<Batch, "bytes">, node = "v0", pool = this.pool(node), from?: string): string {
    const sealed = readSealed(hasher, batch.bytes);
    if (!sealed.ok) return sealed.code;
    let answer = "nothing";
    pool.admit(sealed.value, from, (result) => {
      answer = result.ok ? "accepted" : result.code;
    });
    this.#loop.run();
    return answer;
  }

  /** The first view in which a validator leads. */
  viewOf(name: string): number {
    const { set } = this;
    const schedule = createLeaderSchedule(hasher, this.#hash, set);
    const index = set.validators.findIndex(({ id }) => equalBytes(id, idOf(name)));
    let view = 2;
    while (leaderOf(schedule, view) !== index) view += 1;
    return view;
  }

  /** What a proposer has to put into the next block. */
  due(name: string): { readonly reveal: Uint8Array; readonly openings: Uint8Array } {
    const pool = this.pool(name);
    const beacon = this.beaconAt(this.height);
    const openings = pool.space.blockOpenings(this.set, this.height + 1, beacon);
    // Its key is of the heights 1 to 2^depth.
    const isCovered = this.height < 2 ** DEPTH;
    const reveal = isCovered ? KEYS.get(name)?.reveal(this.height) : new Uint8Array(0);
    if (openings === undefined || reveal === undefined) throw new Error(`${name} cannot propose`);
    return { reveal, openings };
  }

  /** What a voter says of the next block, by this proposer: valid, or a code. */
  vote(
    given: readonly Batch[],
    proposer = "v0",
    change: { readonly reveal?: Uint8Array; readonly openings?: Uint8Array } & Partial<Header> = {},
    pool: BatchPool = this.pool("v3"),
  ): string {
    const failure = this.verdict(given, proposer, change, pool);
    const code = failure?.data?.["code"];
    return typeof code === "string" ? code : (failure?.code ?? "valid");
  }

  verdict(
    given: readonly Batch[],
    proposer: string,
    change: { readonly reveal?: Uint8Array; readonly openings?: Uint8Array } & Partial<Header>,
    pool: BatchPool,
  ): Failure | undefined {
    const { set, height } = this;
    const { proofs } = this.genesis;
    const { reveal, openings, ...header } = { ...this.due(proposer), ...change };
    const beacon = this.beaconAt(height);
    const batches = orderBatches(hasher, beacon, given);
    const digests = batches.map(({ digest }) => digest);
    const section = encodeBlockProofs(proofs, { reveal, openings });
    const view = this.viewOf(proposer);
    const parent = this.#parentIn(view);
    const { logSize, logRoot, stateRoot } = this.roots;
    const block = encodeBlock(
      hasher,
      {
        ...{ protocolVersion: 1, chainHash: hasher.chainHash, epoch: this.epoch.number, view },
        ...{ height: height + 1, parentView: view - 1, parentHash: parent.hash },
        ...{ timeMs: parent.timeMs + 250, executedHeight: height, logSize, logRoot, stateRoot },
        ...{ batchesRoot: batchesRoot(hasher, digests), batchCount: digests.length },
        ...{ proofsHash: proofsHash(hasher, section), nextSetHash: ZERO_HASH },
        proposer: set.validators.findIndex(({ id }) => equalBytes(id, idOf(proposer))),
        ...header,
      },
      digests,
      section,
    );
    return this.#judged(block, parent, batches, pool);
  }

  #parentIn(view: number): ParentBlock {
    const { height } = this;
    return {
      ...{ hash: this.hashAt(height) ?? ZERO_HASH, height, epoch: this.epoch.number },
      ...{ view: view - 1, timeMs: this.timeAt(height) ?? 0, executedHeight: height - 1 },
      boundary: false,
    };
  }

  /** What a voter's tree says of a block on the tip, all of whose batches its proposer has. */
  #judged(
    block: Block,
    parent: ParentBlock,
    batches: readonly Batch[],
    pool: BatchPool,
  ): Failure | undefined {
    const verdicts: Verdict[] = [];
    const tree = this.#treeOn(parent, batches, pool, verdicts);
    tree.need(block.hash, block, ["proposer"]);
    this.#loop.run();
    if (verdicts.length === 0) throw new Error("the tree has come to no verdict");
    return tree.get(block.hash)?.failure;
  }

  #snapshot({ timeMs }: ParentBlock): EpochSnapshot {
    const { set } = this;
    const schedule = createLeaderSchedule(hasher, this.#hash, set);
    const nextSetHash = ZERO_HASH;
    return { set, schedule, epochStartMs: timeMs, epochMs: 1_000_000, nextSetHash };
  }

  #treeOn(
    parent: ParentBlock,
    batches: readonly Batch[],
    pool: BatchPool,
    verdicts: Verdict[],
  ): BlockTree {
    const { height } = this;
    const tree: BlockTree = new BlockTree(
      this.context("v3"),
      {
        tip: () => ({ ...parent }),
        settledHeight: () => height,
        executedHeight: () => height,
        epoch: () => this.#snapshot(parent),
        rootsAt: (asked) => (asked === height ? this.roots : undefined),
        actorKey: (actor) => actorKeyAt(this.store.read, actor),
        finalHashAt: this.hashAt,
        finalTimeAt: this.timeAt,
        finalPoint: (asked) => readPoint(this.store.read, asked),
        finalLaneHead: (actor) => this.laneHead(actor),
        tipParent: () => parent,
        send: (_, message) => {
          if (message.type !== "batch-request") return;
          this.asked.batches += message.digests.length;
          this.#loop.post(() => tree.onBatches(batches));
        },
        connected: () => [],
        verdict: (_, verdict) => verdicts.push(verdict),
        isOpen: () => true,
        behind: () => undefined,
      },
      pool,
      new BlockStore(this.store.read, hasher),
    );
    return tree;
  }

  /** What a leader puts into the next block of what its pool holds. */
  built(pool: BatchPool, proposer = "v0"): readonly Batch[] {
    const parent = this.#parentIn(this.viewOf(proposer));
    const block = buildBlock({
      ...{ context: this.context(proposer), pool, parent, epoch: this.#snapshot(parent) },
      ...{ tree: this.#treeOn(parent, [], pool, []), view: parent.view + 1, roots: this.roots },
      ...{ parentView: parent.view, proposer: 0, reveal: this.due(proposer).reveal },
      actorKey: (actor) => actorKeyAt(this.store.read, actor),
    });
    if (block === undefined) throw new Error(`${proposer} cannot propose`);
    return block.batches;
  }
}

/** Another chain, on which everything is called the same. */
export const otherHasher: Hasher = createHasher(OTHER_CHAIN);
