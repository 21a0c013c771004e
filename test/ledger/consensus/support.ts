/**
 * One consensus core on a bench: votes and certificates made of any bytes (the core verifies none), a
 * clock moved by hand, and every effect kept. `complete` plays signer and disk where a test does not care.
 */

import { isZero, ZERO_HASH } from "../../../src/crypto/bytes.ts";
import { utf8, Writer } from "../../../src/crypto/codec.ts";
import { createHasher, sha256 } from "../../../src/crypto/hash.ts";
import { NO_BLOCK_PROOFS } from "../../../src/ledger/block-proofs.ts";
import { createCore, step } from "../../../src/ledger/consensus/core.ts";
import type { CoreState } from "../../../src/ledger/consensus/state.ts";
import type {
  BlockFacts,
  CoreInput,
  CoreMessage,
  CoreParameters,
  Effect,
  OwnVote,
  Proposal,
  Recovered,
  Status,
  TimerName,
  Verdict,
} from "../../../src/ledger/consensus/types.ts";
import type {
  Block,
  Certificate,
  Hash,
  Statement,
  StatementKind,
  ValidatorSet,
  Vote,
} from "../../../src/ledger/types.ts";
import { createValidatorSet } from "../../../src/ledger/validator-set.ts";

export const EPOCH = 3;
export const GENESIS: Hash = sha256(utf8("the last final block of the epoch before"));
export const hashOf = (name: string): Hash => sha256(utf8(name));

const hasher = createHasher("core-test");

/** A set with these weights; keys are such that index i has weight i of the list. */
export const setOf = (weights: readonly (number | bigint)[], epoch = EPOCH): ValidatorSet => {
  const keys = weights.map((_, i) => new Writer().u32(i).raw(utf8("key")).finish());
  const validators = keys.map((publicKey, i) => ({
    id: hasher.ht("id", publicKey),
    name: `v${i}`,
    publicKey,
    weight: 1n,
    tlsPin: ZERO_HASH,
    address: "[::1]:1",
  }));
  // Sorted by id first, then given their weights, so that indices are those of the list.
  const sorted = createValidatorSet(hasher, epoch, validators).validators;
  const weighted = sorted.map((one, i) => ({ ...one, weight: BigInt(weights[i] ?? 1) }));
  return createValidatorSet(hasher, epoch, weighted);
};

export const PARAMETERS: CoreParameters = {
  delayMs: 100,
  delayMsMax: 2_000,
  idleMs: 1_000,
  skipMs: 5_000,
  retryMs: 400,
  unfinalizedGapMax: 8,
  executionLagMax: 16,
  quickViewsMax: 64,
};

export const statement = (
  kind: StatementKind,
  view: number,
  hash: Hash = ZERO_HASH,
): Statement => ({
  epoch: EPOCH,
  view,
  kind,
  hash: kind === "nullify" ? ZERO_HASH : hash,
});

let signatures = 0;

/** Never the same bytes twice, as with FALCON. */
export const signatureOf = (signer: number): Uint8Array =>
  new Writer().u16(signer).u32(++signatures).finish();

export const voteOf = (
  signer: number,
  kind: StatementKind,
  view: number,
  hash: Hash = ZERO_HASH,
): Vote => ({ statement: statement(kind, view, hash), signer, signature: signatureOf(signer) });

export const certificate = (
  signers: readonly number[],
  kind: StatementKind,
  view: number,
  hash: Hash = ZERO_HASH,
): Certificate => ({
  statement: statement(kind, view, hash),
  signers,
  signatures: signers.map(signatureOf),
});

export type BlockSpec = {
  readonly view: number;
  readonly height: number;
  readonly parentView?: number;
  readonly parentHash?: Hash;
  readonly proposer?: number;
  readonly boundary?: boolean;
  readonly epoch?: number;
  readonly name?: string;
};

/** A block that says what the core looks at; its hash is of its name. */
export const blockOf = (spec: BlockSpec): Block => {
  const hash = hashOf(spec.name ?? `block ${spec.view}/${spec.height}`);
  return {
    hash,
    batchDigests: [],
    proofs: NO_BLOCK_PROOFS,
    bytes: hash,
    header: {
      protocolVersion: 1,
      chainHash: ZERO_HASH,
      epoch: spec.epoch ?? EPOCH,
      view: spec.view,
      height: spec.height,
      parentView: spec.parentView ?? 0,
      parentHash: spec.parentHash ?? GENESIS,
      timeMs: 1,
      batchesRoot: ZERO_HASH,
      batchCount: 0,
      executedHeight: 0,
      logSize: 0,
      logRoot: ZERO_HASH,
      stateRoot: ZERO_HASH,
      proofsHash: ZERO_HASH,
      nextSetHash: spec.boundary === true ? hashOf("next set") : ZERO_HASH,
      proposer: spec.proposer ?? spec.view % 4,
    },
  };
};

export const factsOf = (block: Block): BlockFacts => ({
  hash: block.hash,
  height: block.header.height,
  parentHash: block.header.parentHash,
  parentView: block.header.parentView,
  boundary: !isZero(block.header.nextSetHash),
});

/** The proposal of a new block by its own proposer. */
export const proposalOf = (block: Block): Proposal => ({
  epoch: EPOCH,
  view: block.header.view,
  hash: block.hash,
  parentView: block.header.parentView,
  block,
  vote: voteOf(block.header.proposer, "notarize", block.header.view, block.hash),
});

export const reproposalOf = (view: number, hash: Hash, parentView: number): Proposal => ({
  epoch: EPOCH,
  view,
  hash,
  parentView,
  block: undefined,
  vote: voteOf(view % 4, "notarize", view, hash),
});

export const FRESH: Recovered = {
  final: { view: 0, height: 0, hash: GENESIS },
  finalization: undefined,
  certificates: [],
  ownVotes: [],
  floorView: 0,
};

export type BenchOptions = {
  readonly self?: number | undefined;
  readonly weights?: readonly (number | bigint)[];
  readonly recovered?: Partial<Recovered>;
  readonly parameters?: Partial<CoreParameters>;
  readonly executedHeight?: number;
  readonly nowMs?: number;
  readonly leaderOf?: (view: number) => number;
};

/** One core with its clock; `all` is every effect since the last `clear`. */
export class Bench {
  readonly state: CoreState;
  readonly self: number | undefined;
  nowMs: number;
  all: Effect[] = [];

  constructor(options: BenchOptions = {}) {
    const weights = options.weights ?? [1, 1, 1, 1];
    this.nowMs = options.nowMs ?? 10_000;
    this.self = "self" in options ? options.self : 0;
    this.state = createCore({
      epoch: EPOCH,
      self: this.self,
      set: setOf(weights),
      leaderOf: options.leaderOf ?? ((view) => view % weights.length),
      parameters: { ...PARAMETERS, ...options.parameters },
      recovered: { ...FRESH, ...options.recovered },
      executedHeight: options.executedHeight ?? 0,
      nowMs: this.nowMs,
    });
  }

  get view(): number {
    return this.state.view;
  }

  feed(input: CoreInput): Effect[] {
    const effects = step(this.state, input, this.nowMs);
    this.all.push(...effects);
    return effects;
  }

  /** Starts, and is allowed to vote. */
  start(): Effect[] {
    return [...this.feed({ kind: "start" }), ...this.feed({ kind: "voting", allowed: true })];
  }

  wait(ms: number): void {
    this.nowMs += ms;
  }

  fire(name: TimerName): Effect[] {
    return this.feed({ kind: "timer", name });
  }

  vote(signer: number, kind: StatementKind, view: number, hash?: Hash): Effect[] {
    return this.feed({ kind: "vote", vote: voteOf(signer, kind, view, hash) });
  }

  certify(kind: StatementKind, view: number, hash?: Hash, signers = [1, 2, 3]): Effect[] {
    return this.feed({ kind: "certificate", certificate: certificate(signers, kind, view, hash) });
  }

  propose(block: Block, timely = true): Effect[] {
    return this.feed({ kind: "proposal", proposal: proposalOf(block), timely });
  }

  validate(block: Block, verdict: Verdict = "valid"): Effect[] {
    return this.feed({ kind: "validated", facts: factsOf(block), verdict });
  }

  /** The proposal, and the verdict that it is valid. */
  offer(block: Block): Effect[] {
    return [...this.propose(block), ...this.validate(block)];
  }

  /** Signs what was asked to be signed and makes durable what was asked to be, until nothing is left. */
  complete(effects: readonly Effect[]): Effect[] {
    const out: Effect[] = [];
    const queue = [...effects];
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      let more: Effect[] = [];
      if (next.kind === "sign" && this.self !== undefined) {
        const signature = signatureOf(this.self);
        more = this.feed({ kind: "signed", statement: next.statement, signature });
      } else if (next.kind === "persist") {
        more = this.feed({ kind: "durable", writeId: next.writeId });
      }
      out.push(...more);
      queue.push(...more);
    }
    return out;
  }

  clear(): void {
    this.all = [];
  }
}

export const ofKind = <K extends Effect["kind"]>(
  effects: readonly Effect[],
  kind: K,
): (Effect & { kind: K })[] => effects.filter((effect) => effect.kind === kind) as never;

/** What is sent, without what it is sent to. */
export const messages = (effects: readonly Effect[]): CoreMessage[] =>
  ofKind(effects, "send").map((effect) => effect.message);

/** Statements asked to be signed, as "kind view". */
export const decided = (effects: readonly Effect[]): string[] =>
  ofKind(effects, "sign").map((effect) => `${effect.statement.kind} ${effect.statement.view}`);

/** Messages as short texts: "vote notarize 3 by 1", "certificate nullify 2", "request nullify 2", "status". */
export const described = (effects: readonly Effect[]): string[] =>
  messages(effects).map((message) => {
    switch (message.type) {
      case "vote":
      case "proposal": {
        const { statement: said, signer } = message.vote;
        return `${message.type} ${said.kind} ${said.view} by ${signer}`;
      }
      case "certificate": {
        const said = message.certificate.statement;
        return `certificate ${said.kind} ${said.view}`;
      }
      case "certificate-request":
        return `request ${message.query.kind} ${message.query.view}`;
      case "status":
        return "status";
      default:
        return message satisfies never;
    }
  });

export const delayOf = (effects: readonly Effect[], name: TimerName): number | undefined =>
  ofKind(effects, "timer").findLast((effect) => effect.name === name)?.delayMs;

export const ownVote = (vote: Vote, proposed?: OwnVote["proposed"]): OwnVote => ({
  vote,
  proposed,
});

const NONE = new Uint8Array(1);

export const statusOf = (fields: Partial<Status>): Status => ({
  epoch: EPOCH,
  view: 1,
  finalView: 0,
  finalHeight: 0,
  finalHash: GENESIS,
  held: { notarize: NONE, nullify: NONE, finalize: NONE },
  ...fields,
});
