/**
 * A lab: one replica of the product on ports of the test's own, and three validators that the test plays.
 * They hold their keys, sign what the test says, and build blocks as a correct leader would, so that a
 * test can bring the replica to any point of a real chain and then do one thing wrong.
 */

import {
  checkpointKeysOf,
  createTestCheckpointSigner,
  type KeyPair,
  KeyRing,
} from "../../../sim/signer.ts";
import { compareBytes, toHex, ZERO_HASH } from "../../../src/crypto/bytes.ts";
import { Writer } from "../../../src/crypto/codec.ts";
import { createHasher, type Hasher } from "../../../src/crypto/hash.ts";
import type { Failure, Result } from "../../../src/errors.ts";
import { buildBatch, sealBatch } from "../../../src/ledger/batch.ts";
import { batchesRoot, encodeBlock, proofsHash } from "../../../src/ledger/block.ts";
import { encodeEvent } from "../../../src/ledger/event.ts";
import { type Genesis, type GenesisValidator, genesisHash } from "../../../src/ledger/genesis.ts";
import { WITHOUT_PROOFS } from "../../../src/ledger/genesis-proofs.ts";
import type { BatchReceipt, LedgerHandle, WaitLevel } from "../../../src/ledger/handle.ts";
import type {
  LogFields,
  LogLevel,
  PeerId,
  StoreFailure,
  TrafficClass,
} from "../../../src/ledger/ports.ts";
import { createReplica, initVoteStore } from "../../../src/ledger/replica/replica.ts";
import { statementBytes } from "../../../src/ledger/statement.ts";
import type {
  Batch,
  Block,
  Certificate,
  EncodedEvent,
  Hash,
  Header,
  ServedCheckpoint,
  StatementKind,
  ValidatorSet,
  Vote,
} from "../../../src/ledger/types.ts";
import {
  createLeaderSchedule,
  createValidatorSet,
  type LeaderSchedule,
  leaderOf,
  setHash,
} from "../../../src/ledger/validator-set.ts";
import { orderBatches } from "../../../src/ledger/validity.ts";
import { classOf, encodeMessage, type Message } from "../../../src/ledger/wire.ts";
import { productOptions } from "../../../src/node/product.ts";
import {
  Loop,
  ManualTime,
  type SentFrame,
  TestStore,
  TestTransport,
  TestVerifier,
} from "./ports.ts";

export const WALL_START_MS = 1_900_000_000_000;
const CHAIN_ID = "replica-test";

/** A chain: keys, genesis, set. Two labs of one chain understand each other. */
export type Chain = {
  readonly ring: KeyRing;
  readonly hasher: Hasher;
  readonly genesis: Genesis;
  readonly hash: Hash;
  readonly set: ValidatorSet;
  /** By index in the set. */
  readonly keys: readonly KeyPair[];
  /** By index in the set. */
  readonly peers: readonly PeerId[];
  readonly alice: Author;
  readonly reader: Author;
  readonly stranger: Author;
};

export type Author = { readonly key: KeyPair; readonly id: Hash };

export type ChainOptions = {
  readonly chainId?: string;
  readonly epochMs?: number;
  readonly weights?: readonly number[];
};

export const createChain = (options: ChainOptions = {}): Chain => {
  const ring = new KeyRing(7);
  const hasher = createHasher(options.chainId ?? CHAIN_ID);
  const weights = options.weights ?? [1, 1, 1, 1];
  const pairs = weights
    .map((_, i) => ring.createKey(`validator ${i}`))
    .map((key) => ({ key, id: hasher.ht("id", key.publicKey) }))
    .sort((a, b) => compareBytes(a.id, b.id));
  const set = createValidatorSet(
    hasher,
    0,
    pairs.map(({ key, id }, i) => ({
      id,
      name: `v${i}`,
      publicKey: key.publicKey,
      weight: BigInt(weights[i] ?? 1),
      tlsPin: hasher.ht("test/pin", key.publicKey),
      address: `[::1]:${9_000 + i}`,
    })),
  );
  const author = (name: string): Author => {
    const key = ring.createKey(name);
    return { key, id: hasher.ht("id", key.publicKey) };
  };
  const [alice, reader, stranger] = [author("alice"), author("reader"), author("stranger")];
  const genesis: Genesis = {
    format: 1,
    ...WITHOUT_PROOFS,
    chainId: options.chainId ?? CHAIN_ID,
    timeMs: WALL_START_MS,
    insecure: true,
    parameters: {
      epochMs: options.epochMs ?? 86_400_000,
      idleMs: 1_000,
      t0Ms: 250,
      precisionMs: 500,
      messageDelayMs: 2_000,
    },
    validators: set.validators.map((one) => ({
      ...one,
      ...checkpointKeysOf(hasher.ht("test/checkpoint-4", one.publicKey)),
    })),
    actors: [
      { id: alice.id, name: "alice", publicKey: alice.key.publicKey, permissions: ["*"] },
      { id: reader.id, name: "reader", publicKey: reader.key.publicKey, permissions: [] },
    ].sort((a, b) => compareBytes(a.id, b.id)),
  };
  return {
    ring,
    hasher,
    genesis,
    hash: genesisHash(hasher, genesis),
    set,
    keys: pairs.map((pair) => pair.key),
    peers: pairs.map((pair) => toHex(pair.id)),
    alice,
    reader,
    stranger,
  };
};

export const putEvent = (key: string, bodyBytes = 8): EncodedEvent =>
  encodeEvent(
    "record.put",
    1,
    new Writer().string("topic").string(key).bytes(new Uint8Array(bodyBytes)).finish(),
  );

export type LabOptions = {
  readonly chain?: Chain;
  readonly self?: number;
  /** Contents of the disks of an earlier life. */
  readonly data?: Map<string, Uint8Array>;
  readonly votes?: Map<string, Uint8Array>;
  /** Starts without a vote store for this key. */
  readonly votesMissing?: boolean;
  /** What every write and range of the vote store fails with from the start on. */
  readonly votesFail?: StoreFailure["code"];
  /** Rows of the vote store, by the beginning of their key, that throw when they are read. */
  readonly votesUnreadable?: {
    readonly code: "store.io" | "store.corrupt";
    readonly prefix: string;
  };
  /** Whether peers answer the watermark question by themselves. */
  readonly watermark?: boolean;
  readonly connect?: boolean;
  readonly nowMs?: number;
  readonly keptCheckpoint?: ServedCheckpoint | undefined;
};

export type FinalBlock = {
  readonly block: Block;
  readonly batches: readonly Batch[];
  readonly certificate: Certificate;
};

export class Lab {
  readonly chain: Chain;
  readonly self: number;
  readonly loop = new Loop();
  readonly time: ManualTime;
  readonly data: TestStore;
  readonly votes: TestStore;
  readonly transport = new TestTransport();
  readonly verifier: TestVerifier;
  readonly handle: LedgerHandle;
  readonly halts: Failure[] = [];
  readonly logs: { readonly level: LogLevel; readonly code: unknown; readonly text: string }[] = [];
  readonly counts = new Map<string, number>();
  /** Blocks that this lab's validators have made final, by height. */
  readonly finals: FinalBlock[] = [];
  /** Leaders of the epochs so far, all of which have the validators of the first. */
  readonly #schedules: LeaderSchedule[] = [];
  readonly #lanes = new Map<string, { seq: number; id: Hash }>();
  signatures = 0;

  constructor(options: LabOptions = {}) {
    this.chain = options.chain ?? createChain();
    this.self = options.self ?? 0;
    this.time = new ManualTime(this.loop, WALL_START_MS);
    this.time.nowMs = options.nowMs ?? this.time.nowMs;
    this.data = new TestStore(this.loop, options.data);
    this.votes = new TestStore(this.loop, options.votes);
    const { chain } = this;
    this.verifier = new TestVerifier(this.loop, (job) => chain.ring.verify(job));
    if (options.votesMissing !== true && options.votes === undefined) {
      initVoteStore(this.votes, this.validatorId(this.self), () => undefined);
      this.loop.run();
    }
    if (options.votesFail !== undefined) this.votes.fail(options.votesFail);
    this.votes.readFailure = options.votesUnreadable?.code;
    this.votes.readFailurePrefix = options.votesUnreadable?.prefix ?? "";
    if (options.watermark !== false) this.answerWatermarks();
    this.handle = this.#create(options.keptCheckpoint);
    this.handle.onHalt((failure) => this.halts.push(failure));
    this.loop.run();
    if (options.connect !== false) this.connectAll();
  }

  #create(keptCheckpoint: ServedCheckpoint | undefined): LedgerHandle {
    const { chain } = this;
    const key = this.keyOf(this.self);
    const options = productOptions({
      name: "subject",
      genesis: chain.genesis,
      hasher: chain.hasher,
      verifySignature: (signature, message, publicKey) =>
        chain.ring.verify({ message, signature, publicKey }),
    });
    return createReplica(options, {
      clock: this.time.clock,
      timers: this.time,
      random: { u32: () => 12_345 },
      store: this.data,
      voteStore: this.votes,
      transport: this.transport,
      signer: {
        publicKey: key.publicKey,
        sign: (message, done) => {
          this.signatures += 1;
          const signature = chain.ring.sign(key, message);
          this.loop.post(() => done(signature));
        },
      },
      verifier: this.verifier,
      ...(keptCheckpoint === undefined ? {} : { keptCheckpoint }),
      checkpointSigner: createTestCheckpointSigner(this.validatorOf(this.self), (run) =>
        this.loop.post(run),
      ),
      logger: { log: (level, text, fields) => this.#log(level, text, fields) },
      metrics: {
        count: (name, by, labels) => {
          const label = `${name} ${labels?.["code"] ?? ""}`.trimEnd();
          this.counts.set(label, (this.counts.get(label) ?? 0) + (by ?? 1));
        },
        gauge: () => undefined,
        observe: () => undefined,
      },
    });
  }

  #log(level: LogLevel, text: string, fields: LogFields | undefined): void {
    this.logs.push({ level, text, code: fields?.["code"] });
  }

  // Who is who.

  get status(): ReturnType<LedgerHandle["status"]> {
    return this.handle.status();
  }

  get others(): number[] {
    return this.chain.set.validators.map((_, i) => i).filter((i) => i !== this.self);
  }

  peer(index: number): PeerId {
    return this.chain.peers[index] ?? "";
  }

  validatorOf(index: number): GenesisValidator {
    const validator = this.chain.genesis.validators[index];
    if (validator === undefined) throw new RangeError(`no validator ${index}`);
    return validator;
  }

  keyOf(index: number): KeyPair {
    const key = this.chain.keys[index];
    if (key === undefined) throw new RangeError(`no validator ${index}`);
    return key;
  }

  validatorId(index: number): Hash {
    return this.chain.set.validators[index]?.id ?? ZERO_HASH;
  }

  leader(view = this.status.view): number {
    const { hasher, hash, set } = this.chain;
    const { epoch } = this.status;
    this.#schedules[epoch] ??= createLeaderSchedule(
      hasher,
      hash,
      createValidatorSet(hasher, epoch, set.validators),
    );
    return leaderOf(this.#schedules[epoch], view);
  }

  // Sessions and frames.

  connect(index: number): void {
    const peer = this.peer(index);
    if (this.transport.up.has(peer)) return;
    this.transport.up.add(peer);
    this.transport.handler?.peerUp(peer);
    this.loop.run();
  }

  connectAll(): void {
    for (const other of this.others) this.connect(other);
  }

  frame(index: number, trafficClass: TrafficClass, bytes: Uint8Array): void {
    this.transport.handler?.frame(this.peer(index), trafficClass, bytes);
    this.loop.run();
  }

  /** Delivers a message from a validator, on the class it belongs to. */
  tell(index: number, message: Message): void {
    this.frame(index, classOf(message), encodeMessage(message));
  }

  answerWatermarks(vote?: (index: number) => Vote | undefined): void {
    this.transport.onSent = (sent) => {
      if (sent.message.type !== "watermark-request") return;
      const { nonce } = sent.message;
      const index = this.chain.peers.indexOf(sent.to);
      this.loop.post(() => {
        if (!this.transport.up.has(sent.to)) return;
        const answer: Message = { type: "watermark-response", nonce, vote: vote?.(index) };
        this.transport.handler?.frame(sent.to, "control", encodeMessage(answer));
      });
    };
  }

  sent<T extends Message["type"]>(type: T): (SentFrame & { message: Message & { type: T } })[] {
    return this.transport.sent.filter((frame) => frame.message.type === type) as never;
  }

  clearSent(): void {
    this.transport.sent = [];
  }

  get cutOff(): string[] {
    return this.transport.disconnected.map(({ reason }) => reason.detail);
  }

  /** Codes of what peers were blamed for, disconnected or not. */
  get faults(): string[] {
    return [...this.counts.keys()]
      .filter((name) => name.startsWith("tetrad_peer_faults_total"))
      .map((name) => name.slice("tetrad_peer_faults_total ".length));
  }

  // What validators sign.

  vote(
    signer: number,
    kind: StatementKind,
    view: number,
    hash: Hash = ZERO_HASH,
    epoch = this.status.epoch,
  ): Vote {
    const statement = { epoch, view, kind, hash: kind === "nullify" ? ZERO_HASH : hash };
    const bytes = statementBytes(this.chain.hasher, statement);
    return { statement, signer, signature: this.chain.ring.sign(this.keyOf(signer), bytes) };
  }

  certificate(
    kind: StatementKind,
    view: number,
    hash?: Hash,
    signers: readonly number[] = this.others,
    epoch = this.status.epoch,
  ): Certificate & { readonly setSize: number } {
    const votes = signers.map((signer) => this.vote(signer, kind, view, hash, epoch));
    return {
      statement: votes[0]?.statement ?? { epoch, view, kind, hash: ZERO_HASH },
      signers,
      signatures: votes.map((vote) => vote.signature),
      setSize: this.chain.set.validators.length,
    };
  }

  tellVotes(kind: StatementKind, view: number, hash?: Hash, signers = this.others): void {
    for (const signer of signers) {
      this.tell(signer, { type: "vote", vote: this.vote(signer, kind, view, hash) });
    }
  }

  // Batches and blocks.

  /** The next batch of an author's lane, as that author's client would make it. */
  batch(
    author: Author,
    events: readonly EncodedEvent[] = [putEvent("k")],
    change: Partial<Parameters<typeof buildBatch>[1]> = {},
  ): Batch {
    const lane = this.#lanes.get(toHex(author.id)) ?? { seq: 0, id: ZERO_HASH };
    const { refHeight, refHash } = this.status;
    const unsigned = buildBatch(this.chain.hasher, {
      actor: author.id,
      laneSeq: lane.seq + 1,
      prevBatchId: lane.id,
      refHeight,
      refHash,
      events,
      ...change,
    });
    const signature = this.chain.ring.sign(author.key, unsigned.signingMessage);
    return sealBatch(this.chain.hasher, unsigned, signature);
  }

  /** As `batch`, and the author's next batch follows it. */
  nextBatch(author: Author, events?: readonly EncodedEvent[]): Batch {
    const batch = this.batch(author, events);
    this.#lanes.set(toHex(author.id), { seq: batch.laneSeq, id: batch.id });
    return batch;
  }

  /** The block that a correct leader of the view would propose on the subject's final tip. */
  block(batches: readonly Batch[] = [], change: Partial<Header> = {}): Block {
    const { status, chain } = this;
    const ordered = orderBatches(chain.hasher, status.finalHash, batches);
    const digests = ordered.map((batch) => batch.digest);
    const view = change.view ?? status.view;
    const last = this.finals.at(-1);
    // Views count from 1 in each epoch, and its first block has no parent among them.
    const continues = last !== undefined && last.block.header.epoch === status.epoch;
    const header: Header = {
      protocolVersion: 1,
      chainHash: chain.hasher.chainHash,
      epoch: status.epoch,
      view,
      height: status.finalHeight + 1,
      parentView: continues ? last.certificate.statement.view : 0,
      parentHash: status.finalHash,
      timeMs: Math.max(status.finalTimeMs + 1, this.time.wallMs),
      batchesRoot: batchesRoot(chain.hasher, digests),
      batchCount: digests.length,
      executedHeight: status.executedHeight,
      logSize: status.logSize,
      logRoot: status.logRoot,
      stateRoot: status.stateRoot,
      proofsHash: proofsHash(chain.hasher),
      nextSetHash: ZERO_HASH,
      proposer: this.leader(view),
      ...change,
    };
    return encodeBlock(chain.hasher, header, digests);
  }

  proposal(block: Block, signer = block.header.proposer): Message {
    const { view, parentView, epoch } = block.header;
    const vote = this.vote(signer, "notarize", view, block.hash, epoch);
    return { type: "proposal", vote, parentView, block: block.bytes };
  }

  /** Gives up views by the others' votes until one of the others leads. */
  toForeignView(): void {
    while (this.leader() === this.self) this.tellVotes("nullify", this.status.view);
  }

  /** A correct leader proposes a block, its batches go round, and all votes but the subject's arrive. */
  finalize(batches: readonly Batch[] = [], change: Partial<Header> = {}): FinalBlock {
    this.toForeignView();
    const block = this.block(batches, change);
    const { view, proposer } = block.header;
    this.tell(proposer, this.proposal(block));
    if (batches.length > 0) {
      this.tell(proposer, { type: "batches", batches: batches.map((batch) => batch.bytes) });
    }
    const rest = this.others.filter((other) => other !== proposer);
    this.tellVotes("notarize", view, block.hash, rest);
    this.tellVotes("finalize", view, block.hash);
    const certificate = this.certificate("finalize", view, block.hash);
    const ordered = orderBatches(this.chain.hasher, block.header.parentHash, batches);
    const final = { block, batches: ordered, certificate };
    this.finals.push(final);
    return final;
  }

  /** Submits, and keeps every answer. */
  submit(bytes: Uint8Array, level: WaitLevel = "accepted"): Submission {
    const answers: Result<BatchReceipt>[] = [];
    const giveUp = this.handle.submit(bytes, level, (result) => answers.push(result));
    this.loop.run();
    return { answers, giveUp };
  }

  /** The disks as they are, for another life. */
  disks(): { data: Map<string, Uint8Array>; votes: Map<string, Uint8Array> } {
    return { data: new Map(this.data.rows), votes: new Map(this.votes.rows) };
  }
}

export type Submission = {
  readonly answers: Result<BatchReceipt>[];
  readonly giveUp: () => void;
};

/** "accepted", "committed 3", … or the code of the refusal. */
export const answerOf = (submission: Submission): readonly string[] =>
  submission.answers.map((answer) =>
    answer.ok ? `${answer.value.level} ${answer.value.height ?? ""}`.trimEnd() : answer.code,
  );

/** Ends the epoch: a boundary block, then the views of the next epoch. */
export const endEpoch = (lab: Lab): void => {
  lab.time.advance(lab.chain.genesis.parameters.epochMs);
  const next = lab.status.epoch + 1;
  const nextSetHash = setHash(lab.chain.hasher, next, lab.chain.set.validators);
  lab.finalize([], { nextSetHash });
};
