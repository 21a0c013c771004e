/**
 * The driver of the consensus core of one epoch: turns frames into verified inputs and effects into
 * writes, signatures, timers and sends. It decides nothing. Every completion that comes back after the
 * epoch ended, or after the node stopped itself, is dropped.
 */
import { equalBytes } from "../../crypto/bytes.ts";
import { type Failure, fail, type Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { decodeBlock } from "../block.ts";
import {
  type CoreState,
  certificateOf,
  createCore,
  notarizedBlocks,
  step,
  wantsCertificate,
  wantsProposal,
  wantsVote,
} from "../consensus/core.ts";
import { statusOf } from "../consensus/retry.ts";
import { blockIfKnown } from "../consensus/state.ts";
import type {
  CoreInput,
  CoreMessage,
  Effect,
  Proposal,
  Recovered,
  Status,
  TimerName,
  Wanted,
} from "../consensus/types.ts";
import type { PeerId, VerifyJob } from "../ports.ts";
import { type SizedCertificate, sameStatement, statementBytes } from "../statement.ts";
import type {
  Block,
  Certificate,
  Hash,
  Statement,
  StatementKind,
  ValidatorSet,
  Vote,
} from "../types.ts";
import { isTimely } from "../validity.ts";
import { certificateJobs, checkCertificateShape } from "../verify/certificate.ts";
import type { Message } from "../wire.ts";
import { CertificateLines, type InLine } from "./certificate-lines.ts";
import type { Context } from "./context.ts";
import type { LatestVotes } from "./latest-votes.ts";
import type { PeerBudget } from "./peer-budget.ts";
import { VotesInCheck } from "./votes-in-check.ts";

export type EngineHooks = {
  peerOf(validator: number): PeerId;
  send(peer: PeerId, message: Message): void;
  /** The block of a proposal that is sent, or sent again. */
  block(hash: Hash): Block | undefined;
  /** This node is about to sign N for the block: it may be written while the signature is made. */
  prepare(hash: Hash): void;
  persist(effect: Effect & { kind: "persist" }, done: () => void): void;
  keep(certificate: Certificate): void;
  need(hash: Hash, block: Block | undefined, sources: readonly PeerId[]): void;
  build(effect: Effect & { kind: "build" }): void;
  finalized(certificate: Certificate): void;
  evidence(first: Vote, second: Vote): void;
  diverged(hash: Hash): void;
  forgotten(statement: Statement): void;
  entered(view: number, leader: number): void;
  misbehaved(peer: PeerId, failure: Failure): void;
  behind(peer: PeerId): void;
};

/** Blocks first proposed at or after a view, or notarized above what is final, by hash in hex. */
export type OpenBlocks = { readonly fromView: number; readonly notarized: ReadonlySet<string> };

export type EngineOptions = {
  readonly context: Context;
  readonly set: ValidatorSet;
  readonly self: number | undefined;
  readonly leaderOf: (view: number) => number;
  readonly recovered: Recovered;
  readonly executedHeight: number;
  readonly hooks: EngineHooks;
  /** Signs with the key that this node has in the set. */
  readonly sign: Sign;
  readonly latest: LatestVotes;
  /** Signature checks that each peer has waiting; outlives the engine, as the checks do. */
  readonly budget: PeerBudget;
};

export type Sign = (message: Uint8Array, done: (signature: Uint8Array) => void) => void;

/** Statements whose bytes are kept: votes of one view are of three kinds, and two views overlap. */
const MESSAGES_KEPT = 6;

/** Verifies nothing. */
const NO_KEY = new Uint8Array(0);

/** A payload held while a signature waits counts as one more check for each of these. */
const PAYLOAD_BYTES_PER_CHECK = 4096;

export class Engine {
  readonly #context: Context;
  readonly #hooks: EngineHooks;
  readonly #core: CoreState;
  readonly #signWith: Sign;
  readonly #timers = new Map<TimerName, () => void>();
  readonly #queue: CoreInput[] = [];
  #running = false;
  #over = false;
  #newest: { readonly message: CoreMessage; readonly wire: Message | undefined } | undefined;
  readonly #latest: LatestVotes;
  /** What is signed of the newest statements: a vote of each of n validators says one of few things. */
  readonly #messages: { readonly statement: Statement; readonly bytes: Uint8Array }[] = [];
  readonly #lines = new CertificateLines();
  readonly #inCheck = new VotesInCheck();
  readonly #certificateBudgets = new Map<PeerId, { tokens: number; atMs: number }>();
  readonly set: ValidatorSet;
  readonly budget: PeerBudget;

  constructor(options: EngineOptions) {
    this.#context = options.context;
    this.#hooks = options.hooks;
    this.#latest = options.latest;
    this.#signWith = options.sign;
    this.budget = options.budget;
    this.set = options.set;
    this.#core = createCore({
      epoch: options.set.epoch,
      self: options.self,
      set: options.set,
      leaderOf: options.leaderOf,
      parameters: {
        ...options.context.timing,
        unfinalizedGapMax: LIMITS.unfinalizedGapMax,
        executionLagMax: LIMITS.executionLagMax,
        quickViewsMax: LIMITS.quickViewsMax,
      },
      recovered: options.recovered,
      executedHeight: options.executedHeight,
      nowMs: options.context.ports.clock.monotonicMs(),
    });
    const { certificates, finalization } = options.recovered;
    for (const certificate of certificates) this.#latest.noteCertificate(this.set, certificate);
    if (finalization !== undefined) this.#latest.noteCertificate(this.set, finalization);
  }

  get epoch(): number {
    return this.#core.epoch;
  }

  get view(): number {
    return this.#core.view;
  }

  get leader(): number {
    return this.leaderOf(this.view);
  }

  /** Index of the validator that leads a view of this epoch; views count from 1. */
  leaderOf(view: number): number {
    return this.#core.leaderOf(view);
  }

  get finalView(): number {
    return this.#core.final.view;
  }

  /** Applies an input, and whatever its effects bring at once, in order and never nested. */
  feed(input: CoreInput): void {
    this.#queue.push(input);
    if (this.#running) return;
    this.#running = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        if (this.#over || this.#context.stopped()) break;
        const effects = step(this.#core, next, this.#context.ports.clock.monotonicMs());
        for (const effect of effects) this.#perform(effect);
      }
    } finally {
      this.#running = false;
    }
  }

  /** The epoch is over or the node stops: nothing that is under way has any effect any more. */
  end(): void {
    this.#over = true;
    for (const { peer, certificate } of this.#lines.clear()) {
      this.budget.give(peer, certificate.signers.length);
    }
    this.#queue.length = 0;
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
  }

  certificate(view: number, kind: StatementKind): Certificate | undefined {
    return certificateOf(this.#core, view, kind);
  }

  /** Which blocks may still become final: of the current view or a later one, and notarized ones. */
  openBlocks(): OpenBlocks {
    return { fromView: this.#core.view, notarized: notarizedBlocks(this.#core) };
  }

  /** Whether the core still refers to this block, with or without a verdict. */
  holdsBlock(hash: Hash): boolean {
    return blockIfKnown(this.#core, hash) !== undefined;
  }

  latestVote(validator: number): Vote | undefined {
    const id = this.set.validators[validator]?.id;
    return id === undefined ? undefined : this.#latest.of(id);
  }

  status(): Status {
    return statusOf(this.#core);
  }

  #alive(): boolean {
    return !this.#over && !this.#context.stopped();
  }

  #perform(effect: Effect): void {
    const hooks = this.#hooks;
    switch (effect.kind) {
      case "sign":
        this.#sign(effect.statement);
        break;
      case "persist":
        hooks.persist(effect, () => {
          if (this.#alive()) this.feed({ kind: "durable", writeId: effect.writeId });
        });
        break;
      case "keep":
        this.#latest.noteCertificate(this.set, effect.certificate);
        hooks.keep(effect.certificate);
        break;
      case "send":
        this.#send(effect.to, effect.message);
        break;
      case "timer":
        this.#setTimer(effect.name, effect.delayMs);
        break;
      case "need":
        hooks.need(effect.hash, effect.block, this.#peersOf(effect.sources));
        break;
      case "build":
        hooks.build(effect);
        break;
      case "finalized":
        hooks.finalized(effect.certificate);
        break;
      case "evidence":
        hooks.evidence(effect.first, effect.second);
        break;
      case "diverged":
        hooks.diverged(effect.hash);
        break;
      case "forgotten":
        hooks.forgotten(effect.statement);
        break;
      case "entered":
        hooks.entered(effect.view, effect.leader);
        break;
      case "halt":
        this.#context.fatal(effect.failure);
        break;
    }
  }

  #sign(statement: Vote["statement"]): void {
    if (statement.kind === "notarize") this.#hooks.prepare(statement.hash);
    const message = statementBytes(this.#context.hasher, statement);
    this.#signWith(message, (signature) => {
      if (this.#alive()) this.feed({ kind: "signed", statement, signature });
    });
  }

  #setTimer(name: TimerName, delayMs: number | undefined): void {
    this.#timers.get(name)?.();
    this.#timers.delete(name);
    if (delayMs === undefined) return;
    const cancel = this.#context.ports.timers.set(delayMs, () => {
      this.#timers.delete(name);
      if (this.#alive()) this.feed({ kind: "timer", name });
    });
    this.#timers.set(name, cancel);
  }

  #peersOf(validators: readonly number[]): PeerId[] {
    return validators.map((validator) => this.#hooks.peerOf(validator));
  }

  #send(to: number | "all", message: CoreMessage): void {
    // What goes to some peers, one after the other, is one message, and so is encoded once.
    if (this.#newest?.message !== message) this.#newest = { message, wire: this.#toWire(message) };
    const { wire } = this.#newest;
    if (wire === undefined) return;
    if (to !== "all") return this.#hooks.send(this.#hooks.peerOf(to), wire);
    this.set.validators.forEach((_, validator) => {
      if (validator !== this.#core.self) this.#hooks.send(this.#hooks.peerOf(validator), wire);
    });
  }

  #toWire(message: CoreMessage): Message | undefined {
    const setSize = this.set.validators.length;
    switch (message.type) {
      case "proposal": {
        const { vote, parentView, reproposal } = message;
        const block = reproposal ? undefined : this.#hooks.block(vote.statement.hash);
        // An old proposal whose block is final by now: nobody needs more than the vote.
        if (!reproposal && block === undefined) return { type: "vote", vote };
        return { type: "proposal", vote, parentView, block: block?.bytes };
      }
      case "certificate":
        return { type: "certificate", certificate: { ...message.certificate, setSize } };
      case "certificate-request":
        return { type: "certificate-request", ...message.query };
      default:
        return message;
    }
  }

  /** A vote of this epoch: dropped, or verified and then counted. */
  onVote(peer: PeerId, vote: Vote): void {
    if (!this.#isWanted(peer, wantsVote(this.#core, vote))) return;
    if (vote.signer >= this.set.validators.length || !this.#take(peer, 1)) return;
    if (this.#inCheck.enter(vote)) return this.#checkVote(peer, vote);
    this.budget.give(peer, 1);
  }

  #checkVote(peer: PeerId, vote: Vote): void {
    this.#verifyVote(peer, vote, 1, (valid) => {
      this.#inCheck.leave(vote);
      if (valid) this.feed({ kind: "vote", vote });
    });
  }

  onProposal(peer: PeerId, message: Message & { type: "proposal" }): void {
    const { vote, parentView } = message;
    const { epoch, view, kind, hash } = vote.statement;
    if (kind !== "notarize") {
      const failure = fail("encoding.malformed", `a proposal carries a ${kind} vote`);
      return this.#hooks.misbehaved(peer, failure);
    }
    // Only its leader sends a proposal: in other hands what the vote does not cover could be changed.
    if (peer !== this.#hooks.peerOf(vote.signer)) {
      const failure = fail("consensus.not-leader", "a proposal in other hands than its leader's");
      return this.#hooks.misbehaved(peer, failure);
    }
    const receivedMs = this.#context.ports.clock.wallMs();
    const peek: Proposal = { epoch, view, hash, parentView, block: undefined, vote };
    const wanted = wantsProposal(this.#core, peek);
    // What comes with a proposal that is known or late may still be a vote that counts.
    if (wanted.want === "drop" && wanted.code === undefined) return this.onVote(peer, vote);
    if (!this.#isWanted(peer, wanted)) return;
    // Decoding a block hashes thousands of digests: the signature is the cheaper check.
    const cost = 1 + Math.ceil((message.block?.length ?? 0) / PAYLOAD_BYTES_PER_CHECK);
    if (!this.#take(peer, cost)) return;
    this.#verifyVote(peer, vote, cost, (valid) => {
      if (!valid) return;
      const block = message.block === undefined ? undefined : this.#decode(message.block, hash);
      if (block !== undefined && !block.ok) return this.#hooks.misbehaved(peer, block);
      const timeMs = block?.value.header.timeMs;
      const timely = timeMs === undefined || this.#isTimely(timeMs, receivedMs);
      if (!timely) {
        const detail = `a block of ${timeMs} came at ${receivedMs}: it gets no vote here`;
        this.#hooks.misbehaved(peer, fail("block.untimely", detail));
      }
      this.feed({ kind: "proposal", proposal: { ...peek, block: block?.value }, timely });
    });
  }

  #decode(bytes: Uint8Array, hash: Hash): Result<Block> {
    const block = decodeBlock(this.#context.hasher, bytes);
    return !block.ok || equalBytes(block.value.hash, hash)
      ? block
      : fail("block.header", "a proposal's block is not the one it votes for");
  }

  /** PBTS, with a delay that grows as the view timers do: fixed bounds could end liveness for good. */
  #isTimely(timeMs: number, receivedMs: number): boolean {
    const { precisionMs, messageDelayMs } = this.#context.options.genesis.parameters;
    let delayMs = messageDelayMs;
    for (let k = 0; k < Math.min(this.#core.timeouts, 64); k++) delayMs += Math.ceil(delayMs / 10);
    return isTimely(timeMs, receivedMs, precisionMs, delayMs);
  }

  onCertificate(peer: PeerId, certificate: SizedCertificate): void {
    if (!this.#isWanted(peer, wantsCertificate(this.#core, certificate))) return;
    const failure = checkCertificateShape(this.set, certificate);
    if (failure !== undefined) return this.#hooks.misbehaved(peer, failure);
    if (!this.#spendCertificate(peer)) return;
    // Who waits in line holds its part of the peer's budget, as a check that waits does.
    if (!this.#take(peer, certificate.signers.length)) return;
    const one = { peer, certificate };
    if (this.#lines.enter(one)) this.#checkCertificate(one);
  }

  #checkCertificate({ peer, certificate }: InLine): void {
    const jobs = certificateJobs(this.#context.hasher, this.set, certificate);
    this.#verify(peer, jobs, jobs.length, (valid) => {
      if (valid) this.feed({ kind: "certificate", certificate });
      else {
        const forged = fail("certificate.signature", "a certificate does not verify");
        this.#hooks.misbehaved(peer, forged);
      }
      this.#nextInLine(certificate);
    });
  }

  /** A certificate was checked: the next of its statement is, if it is still of use, or none. */
  #nextInLine(certificate: SizedCertificate): void {
    for (;;) {
      const next = this.#lines.next(certificate);
      if (next === undefined) return;
      const { want } = wantsCertificate(this.#core, next.certificate);
      if (this.#alive() && want === "verify") return this.#checkCertificate(next);
      this.budget.give(next.peer, next.certificate.signers.length);
    }
  }

  onStatus(validator: number, status: Status): void {
    this.feed({ kind: "status", from: validator, status });
  }

  #isWanted(peer: PeerId, wanted: Wanted): boolean {
    if (wanted.want === "verify") return true;
    if (wanted.behind) this.#hooks.behind(peer);
    if (wanted.code !== undefined) {
      this.#hooks.misbehaved(peer, fail(wanted.code, "a message that is not wanted"));
    }
    return false;
  }

  /** Nobody writes into what this returns. */
  #messageOf(statement: Statement): Uint8Array {
    for (const known of this.#messages) {
      if (sameStatement(known.statement, statement)) return known.bytes;
    }
    const bytes = statementBytes(this.#context.hasher, statement);
    if (this.#messages.length >= MESSAGES_KEPT) this.#messages.pop();
    // A copy of the hash: it is a view, and would keep the frame that it came in.
    this.#messages.unshift({ statement: { ...statement, hash: statement.hash.slice() }, bytes });
    return bytes;
  }

  /** `cost` is what was taken of the peer's budget for it: a payload is held until the vote is verified. */
  #verifyVote(peer: PeerId, vote: Vote, cost: number, done: (valid: boolean) => void): void {
    const publicKey = this.set.validators[vote.signer]?.publicKey ?? NO_KEY;
    const job = { message: this.#messageOf(vote.statement), signature: vote.signature, publicKey };
    this.#verify(peer, [job], cost, (valid) => {
      if (valid) this.#latest.note(this.set, vote);
      done(valid);
      if (!valid) {
        const failure = fail("consensus.signature", "a vote's signature does not verify");
        this.#hooks.misbehaved(peer, failure);
      }
    });
  }

  /** Of what one peer may have waiting; what is over is dropped. */
  #take(peer: PeerId, cost: number): boolean {
    if (this.budget.take(peer, cost)) return true;
    const failure = fail("consensus.rate", "too many signatures of one peer wait");
    this.#hooks.misbehaved(peer, failure);
    return false;
  }

  /** Verifies for a peer what was taken of its budget, and gives it back. */
  #verify(
    peer: PeerId,
    jobs: readonly VerifyJob[],
    cost: number,
    done: (valid: boolean) => void,
  ): void {
    this.#context.ports.verifier.verify(jobs, "consensus", (valid) => {
      this.budget.give(peer, cost);
      if (this.#alive()) done(!valid.includes(false));
    });
  }

  #spendCertificate(peer: PeerId): boolean {
    const rate = LIMITS.certificatesPerPeerPerSecond;
    const nowMs = this.#context.ports.clock.monotonicMs();
    const budget = this.#certificateBudgets.get(peer) ?? { tokens: rate, atMs: nowMs };
    budget.tokens = Math.min(rate, budget.tokens + ((nowMs - budget.atMs) * rate) / 1000);
    budget.atMs = nowMs;
    this.#certificateBudgets.set(peer, budget);
    if (budget.tokens < 1) {
      this.#hooks.misbehaved(peer, fail("consensus.rate", "too many certificates"));
      return false;
    }
    budget.tokens -= 1;
    return true;
  }
}
