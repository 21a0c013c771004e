/**
 * Catch-up from peers that are not trusted. One request at a time goes to one of the peers that claim a
 * higher final block; the answer's finalization certificate is checked before any payload is looked at,
 * then the hashes back to our own tip, then the batches against the digests. A source that times out or
 * lies is passed over for the next. What it was asked for counts when it comes in the end: answers are long, and
 * on a slow link one may take longer than the patience that a first request has. So it is waited for again, but
 * not asked again at once: each question is answered whole, and the next answer would stand behind dead copies.
 */
import { equalBytes, toHex } from "../../crypto/bytes.ts";
import { type Failure, fail, ok, type Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { decodeBatch } from "../batch.ts";
import { decodeBlock } from "../block.ts";
import type { PeerId } from "../ports.ts";
import type { SizedCertificate } from "../statement.ts";
import type { Batch, Certificate, ValidatorSet } from "../types.ts";
import { certificateJobs, checkCertificateShape } from "../verify/certificate.ts";
import type { Message, WireBlock } from "../wire.ts";
import type { Tip } from "./block-store.ts";
import type { FinalBlock } from "./committer.ts";
import type { Context } from "./context.ts";

export type SyncChain = {
  tip(): Tip;
  executedHeight(): number;
  /** Epoch of the block after the tip, with its set; undefined while that is not known yet. */
  nextSet(): ValidatorSet | undefined;
  busy(): boolean;
  send(peer: PeerId, message: Message): boolean;
  connected(): readonly PeerId[];
  accept(run: readonly FinalBlock[], certificate: Certificate, set: ValidatorSet): void;
  misbehaved(peer: PeerId, failure: Failure): void;
};

/** Appended heights that may wait for execution before more are asked for. */
const EXECUTION_BACKLOG_MAX = 64;
/** An unanswered request doubles the time that the next one to that peer may take, this often. */
const DOUBLINGS_MAX = 4;
/**
 * What a peer owes is asked for again after so many times the patience that it had: where its queue was full, the
 * answer is lost. Patience doubles, so a single source is asked at every second time-out, and one of three at each
 * of its own. Once a peer has the longest time, what comes within 96 s is asked for once.
 */
const PATIENCES_OWED = 3;

/** A question without an answer: asked first at `sinceMs`, and not again before `againAtMs`. */
type Owed = { readonly from: number; readonly sinceMs: number; readonly againAtMs: number };

export class Syncer {
  readonly #context: Context;
  readonly #chain: SyncChain;
  /** What peers claim to have final. A claim costs one request at most. */
  readonly #claims = new Map<PeerId, number>();
  /** What each peer last said of itself, whether or not it could show it. */
  readonly #stated = new Map<PeerId, number>();
  /** Peers whose last answer was what they claimed. */
  readonly #honoured = new Set<PeerId>();
  #request: { readonly peer: PeerId; readonly from: number; cancel: () => void } | undefined;
  /**
   * By how many doublings a peer has longer for one answer: one more for each that did not come in time. Kept over
   * the end of its session, which a slow link may bring about. Only members are asked, so there are so many at most.
   */
  readonly #silent = new Map<PeerId, number>();
  /** What each peer was asked for last and has not answered. */
  readonly #owed = new Map<PeerId, Owed>();
  #checking = false;
  #turn = 0;

  constructor(context: Context, chain: SyncChain) {
    this.#context = context;
    this.#chain = chain;
  }

  get active(): boolean {
    return this.#request !== undefined || this.#checking;
  }

  /**
   * Whether the network is ahead, as far as this node may believe it: more weight than can be faulty says
   * so, or a peer does that has just shown what it claimed. One liar cannot make a node look late for ever.
   */
  get behind(): boolean {
    const { height } = this.#chain.tip();
    for (const peer of this.#honoured) if ((this.#claims.get(peer) ?? 0) > height) return true;
    const set = this.#chain.nextSet();
    if (set === undefined) return false;
    let weight = 0n;
    for (const validator of set.validators) {
      if ((this.#stated.get(toHex(validator.id)) ?? 0) > height) weight += validator.weight;
    }
    return weight > set.totalWeight - set.quorum;
  }

  /** A peer states what is final on it. */
  claim(peer: PeerId, height: number): void {
    this.#stated.set(peer, height);
    this.hint(peer, height);
  }

  /** A peer seems to have this height final. */
  hint(peer: PeerId, height: number): void {
    if (height <= this.#chain.tip().height) return;
    if (height > (this.#claims.get(peer) ?? 0)) this.#claims.set(peer, height);
    this.pump();
  }

  forgetPeer(peer: PeerId): void {
    this.#claims.delete(peer);
    this.#stated.delete(peer);
    this.#honoured.delete(peer);
    this.#owed.delete(peer);
    if (this.#request?.peer === peer) this.#next();
  }

  /** Asks for what comes after the tip, or waits for whom it asked, if nothing is under way. */
  pump(): void {
    if (this.active || this.#context.stopped() || this.#chain.busy()) return;
    const tip = this.#chain.tip();
    if (tip.height - this.#chain.executedHeight() > EXECUTION_BACKLOG_MAX) return;
    if (this.#chain.nextSet() === undefined) return;
    for (const [peer, height] of this.#claims) if (height <= tip.height) this.#claims.delete(peer);
    const peer = this.#source();
    if (peer === undefined) return;
    const from = tip.height + 1;
    const cancel = this.#context.ports.timers.set(this.#patienceMs(peer), () => {
      this.#silent.set(peer, (this.#silent.get(peer) ?? 0) + 1);
      this.#disappoint(peer);
      this.#next();
    });
    this.#request = { peer, from, cancel };
    if (this.#ask(peer, from)) return;
    // The session is going down or its queue is full: another peer, or a later hint of this one.
    this.#claims.delete(peer);
    this.#next();
  }

  /** Sends the question, unless the peer owes the answer and may still be sending it. False: it cannot be asked. */
  #ask(peer: PeerId, from: number): boolean {
    const nowMs = this.#context.ports.clock.monotonicMs();
    const last = this.#owed.get(peer);
    const owed = last?.from === from ? last : undefined;
    if (owed !== undefined && nowMs < owed.againAtMs) return true;
    if (!this.#chain.send(peer, { type: "sync-request", from })) return false;
    // The first of several answers to the same question may be the one that comes.
    const sinceMs = owed?.sinceMs ?? nowMs;
    const againAtMs = nowMs + PATIENCES_OWED * this.#patienceMs(peer);
    this.#owed.set(peer, { from, sinceMs, againAtMs });
    return true;
  }

  #patienceMs(peer: PeerId): number {
    const doublings = Math.min(this.#silent.get(peer) ?? 0, DOUBLINGS_MAX);
    return LIMITS.requestTimeoutMs * 2 ** doublings;
  }

  /** In turn one of those that claim enough; whoever left requests unanswered comes after the others. */
  #source(): PeerId | undefined {
    const claiming = this.#chain.connected().filter((peer) => this.#claims.has(peer));
    const least = Math.min(...claiming.map((peer) => this.#silent.get(peer) ?? 0));
    const sources = claiming.filter((peer) => (this.#silent.get(peer) ?? 0) === least);
    return sources[this.#turn++ % Math.max(1, sources.length)];
  }

  /** The peer has nothing there: it lied or was asked too early. */
  onNone(peer: PeerId, from: number): void {
    if (this.#owed.get(peer)?.from === from) this.#owed.delete(peer);
    if (this.#request?.peer !== peer || this.#request.from !== from) return;
    this.#disappoint(peer);
    this.#next();
  }

  onResponse(peer: PeerId, message: Message & { type: "sync-response" }): void {
    const owed = this.#owed.get(peer);
    if (owed?.from !== message.from) return;
    this.#owed.delete(peer);
    this.#noteSpeed(peer, this.#context.ports.clock.monotonicMs() - owed.sinceMs);
    const wanted = this.#request?.from ?? this.#chain.tip().height + 1;
    if (this.#checking || message.from !== wanted) return;
    this.#request?.cancel();
    this.#request = undefined;
    const set = this.#chain.nextSet();
    if (set === undefined) return;
    const { certificate } = message;
    const shape = checkFinalization(set, certificate);
    if (shape !== undefined) return this.#blame(peer, shape);
    this.#checking = true;
    const jobs = certificateJobs(this.#context.hasher, set, certificate);
    this.#context.ports.verifier.verify(jobs, "sync", (valid) => {
      this.#checking = false;
      if (this.#context.stopped()) return;
      if (valid.includes(false)) {
        const failure = fail("certificate.signature", "a served finalization does not verify");
        return this.#blame(peer, failure);
      }
      this.#accept(peer, message.blocks, certificate, set);
    });
  }

  /** A peer that answers in half of its time has no more than that from now on; one that needs more keeps it. */
  #noteSpeed(peer: PeerId, tookMs: number): void {
    if (tookMs > this.#patienceMs(peer) / 2) return;
    const silent = Math.min(this.#silent.get(peer) ?? 0, DOUBLINGS_MAX);
    if (silent > 1) this.#silent.set(peer, silent - 1);
    else this.#silent.delete(peer);
  }

  #accept(
    peer: PeerId,
    blocks: readonly WireBlock[],
    certificate: SizedCertificate,
    set: ValidatorSet,
  ): void {
    const run = this.#decodeRun(blocks, certificate);
    if (!run.ok) return this.#blame(peer, run);
    // Consensus may have moved the tip meanwhile: then this answer is simply old.
    const tip = this.#chain.tip();
    const first = run.value.find(({ block }) => block.header.height === tip.height + 1);
    if (first !== undefined && equalBytes(first.block.header.parentHash, tip.hash)) {
      this.#honoured.add(peer);
      if (!this.#chain.busy()) this.#chain.accept(run.value, certificate, set);
    }
    this.pump();
  }

  /** The payload, checked from the certified hash backwards: whatever does not fit it is a lie. */
  #decodeRun(
    blocks: readonly WireBlock[],
    certificate: Certificate,
  ): Result<readonly FinalBlock[]> {
    const run: FinalBlock[] = [];
    let expected = certificate.statement.hash;
    for (const wire of [...blocks].reverse()) {
      const block = decodeBlock(this.#context.hasher, wire.block);
      if (!block.ok) return mismatch(`a served block: ${block.detail}`);
      if (!equalBytes(block.value.hash, expected)) {
        return mismatch("a served block is not the one that was certified");
      }
      const batches = this.#decodeBatches(wire.batches, block.value.batchDigests);
      if (!batches.ok) return batches;
      run.push({ block: block.value, batches: batches.value, persisted: false });
      expected = block.value.header.parentHash;
    }
    if (run.length === 0) return mismatch("an answer without blocks");
    return ok(run.reverse());
  }

  #decodeBatches(
    encoded: readonly Uint8Array[],
    digests: readonly Uint8Array[],
  ): Result<readonly Batch[]> {
    if (encoded.length !== digests.length) {
      return mismatch(`${encoded.length} batches for ${digests.length} that the block names`);
    }
    const batches: Batch[] = [];
    for (const [i, bytes] of encoded.entries()) {
      const batch = decodeBatch(this.#context.hasher, bytes);
      if (!batch.ok) return mismatch(`a served batch: ${batch.detail}`);
      if (!equalBytes(batch.value.digest, digests[i] ?? batch.value.id)) {
        return mismatch("a served batch is not the one that the block names");
      }
      batches.push(batch.value);
    }
    return ok(batches);
  }

  /** It did not show what it claimed. */
  #disappoint(peer: PeerId): void {
    this.#claims.delete(peer);
    this.#honoured.delete(peer);
  }

  #blame(peer: PeerId, failure: Failure): void {
    this.#disappoint(peer);
    this.#chain.misbehaved(peer, failure);
    this.#next();
  }

  #next(): void {
    this.#request?.cancel();
    this.#request = undefined;
    this.pump();
  }
}

const mismatch = (detail: string): Failure => fail("sync.mismatch", detail);

const checkFinalization = (
  set: ValidatorSet,
  certificate: SizedCertificate,
): Failure | undefined =>
  certificate.statement.kind !== "finalize"
    ? mismatch("only a finalization certifies a served block")
    : checkCertificateShape(set, certificate);
