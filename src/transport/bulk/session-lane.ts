/**
 * Bulk over a session: requests and answers as frames of the class `bulk` (frames.ts). It is slower than
 * connections of a worker, costs this process the copying, and is always there.
 */
import { type Failure, fail } from "../../errors.ts";
import type { Clock, PeerId } from "../../ledger/ports.ts";
import { LIMITS } from "../../limits.ts";
import { BULK_LIMITS } from "../../limits-bulk.ts";
import { TokenBucket } from "../token-bucket.ts";
import { Assembly } from "./assembly.ts";
import { type BulkFrame, decodeFrame, encodeFrame } from "./frames.ts";
import type { BulkServe } from "./port.ts";
import { readSource } from "./source.ts";
import type { AnswerStatus } from "./worker-messages.ts";

export type SessionLaneOptions = {
  /** Files that are served lie below it. */
  readonly folder: string;
  /** Sends one frame of the class; false where its queue is full. */
  readonly send: (peer: PeerId, frame: Uint8Array) => boolean;
  readonly serve: BulkServe;
  readonly answered: (id: number, status: AnswerStatus, bytes: Uint8Array) => void;
  readonly served: (peer: PeerId, bytes: number) => void;
  readonly clock: Pick<Clock, "monotonicMs">;
  /** The peer broke the rules. */
  readonly breach: (peer: PeerId, failure: Failure) => void;
};

type Job = {
  readonly id: number;
  readonly name: Uint8Array;
  /** False when the peer has given it up, or is gone, while it is read. */
  isWanted: boolean;
};

/** A job whose answer is in memory. */
type Sending = {
  readonly id: number;
  left: Uint8Array;
  /** Of the next part. */
  place: number;
};

type Peer = {
  /** What it asked for: those that wait, and those that are sent, taking turns. */
  readonly waiting: Job[];
  readonly sending: Set<Sending>;
  /** Small frames that found the queue full, and are wanted still. */
  readonly unsent: BulkFrame[];
  readonly requests: Map<number, Assembly>;
  /** Of frames that bring nothing. */
  readonly idle: TokenBucket;
};

/** Answers to one peer that are read or in memory. */
const SERVING_MAX = 4;

export class SessionLane {
  readonly #options: SessionLaneOptions;
  readonly #peers = new Map<PeerId, Peer>();
  /** What is read for whom. It is, and counts, to its end, whoever gives it up and whatever session ends. */
  readonly #reading = new Map<PeerId, Set<Job>>();

  constructor(options: SessionLaneOptions) {
    this.#options = options;
  }

  /** The session with the peer is over: nothing that was asked is answered any more, in either direction. */
  end(peer: PeerId): void {
    this.#peers.delete(peer);
    for (const job of this.#reading.get(peer) ?? []) job.isWanted = false;
  }

  request(id: number, peer: PeerId, name: Uint8Array): void {
    const known = this.#peer(peer);
    known.requests.set(id, new Assembly());
    this.#say(peer, known, { kind: "request", id, name });
  }

  cancel(id: number, peer: PeerId): void {
    const known = this.#peers.get(peer);
    if (known?.requests.delete(id) !== true) return;
    // Of what was never asked there is nothing to give up.
    if (removeWhere(known.unsent, (frame) => frame.kind === "request" && frame.id === id)) return;
    this.#say(peer, known, { kind: "cancel", id });
  }

  frame(peer: PeerId, bytes: Uint8Array): void {
    const frame = decodeFrame(bytes);
    if (frame === undefined) {
      this.#options.breach(peer, fail("bulk.malformed", "not a frame of the class bulk"));
      return;
    }
    const known = this.#peer(peer);
    switch (frame.kind) {
      case "request":
        this.#asked(peer, known, frame);
        return;
      case "part":
        this.#part(peer, known, frame);
        return;
      case "no":
        if (!known.requests.delete(frame.id)) {
          this.#mayIdle(peer, known);
          return;
        }
        this.#options.answered(frame.id, frame.reason === "absent" ? "absent" : "busy", NOTHING);
        return;
      case "cancel":
        if (this.#mayIdle(peer, known)) this.#givenUp(peer, known, frame.id);
    }
  }

  /** The class's queue to the peer has room again. */
  drained(peer: PeerId): void {
    const known = this.#peers.get(peer);
    if (known === undefined) return;
    for (let [frame] = known.unsent; frame !== undefined; [frame] = known.unsent) {
      if (!this.#options.send(peer, encodeFrame(frame))) return;
      known.unsent.shift();
    }
    this.#sendMore(peer, known);
  }

  #peer(peer: PeerId): Peer {
    let known = this.#peers.get(peer);
    if (known === undefined) {
      const { idleFramesPerSecond, idleFramesBurst } = BULK_LIMITS;
      const nowMs = this.#options.clock.monotonicMs();
      known = {
        ...{ waiting: [], sending: new Set(), unsent: [], requests: new Map() },
        idle: new TokenBucket(idleFramesPerSecond, idleFramesBurst, nowMs),
      };
      this.#peers.set(peer, known);
    }
    return known;
  }

  /**
   * Small frames are few, since those that are not wanted any more are taken back: a request of ours for each that
   * may be open, a cancel for each that was sent before, and a refusal for each that the peer may have open.
   */
  #say(peer: PeerId, known: Peer, frame: BulkFrame): void {
    if (known.unsent.length === 0 && this.#options.send(peer, encodeFrame(frame))) return;
    if (known.unsent.length >= UNSENT_MAX) {
      this.#options.breach(peer, fail("bulk.malformed", "requests come and answers are not taken"));
    } else known.unsent.push(frame);
  }

  /** False, and the session ends, where more frames bring nothing than anybody sends who means well. */
  #mayIdle(peer: PeerId, known: Peer): boolean {
    if (known.idle.take(this.#options.clock.monotonicMs())) return true;
    this.#options.breach(peer, fail("bulk.malformed", "too many frames that bring nothing"));
    return false;
  }

  #asked(peer: PeerId, known: Peer, { id, name }: BulkFrame & { readonly kind: "request" }): void {
    const open = known.waiting.length + this.#servingOf(peer, known);
    if (open >= LIMITS.bulkServedPerPeerMax) {
      if (!this.#mayIdle(peer, known)) return;
      this.#say(peer, known, { kind: "no", id, reason: "busy" });
      return;
    }
    known.waiting.push({ id, name, isWanted: true });
    this.#serveMore(peer, known);
  }

  #givenUp(peer: PeerId, known: Peer, id: number): void {
    for (const job of this.#reading.get(peer) ?? []) if (job.id === id) job.isWanted = false;
    for (const answer of known.sending) if (answer.id === id) known.sending.delete(answer);
    removeWhere(known.waiting, (job) => job.id === id);
    removeWhere(known.unsent, (frame) => frame.kind === "no" && frame.id === id);
    this.#serveMore(peer, known);
  }

  #servingOf(peer: PeerId, known: Peer): number {
    return (this.#reading.get(peer)?.size ?? 0) + known.sending.size;
  }

  #serveMore(peer: PeerId, known: Peer): void {
    while (this.#servingOf(peer, known) < SERVING_MAX) {
      const job = known.waiting.shift();
      if (job === undefined) return;
      const reading = this.#reading.get(peer) ?? new Set();
      this.#reading.set(peer, reading.add(job));
      void this.#find(peer, job).then((bytes) => {
        reading.delete(job);
        if (reading.size === 0) this.#reading.delete(peer);
        this.#found(peer, job, bytes);
      });
    }
  }

  #found(peer: PeerId, job: Job, bytes: Uint8Array | undefined): void {
    const known = this.#peers.get(peer);
    if (known === undefined) return;
    if (!job.isWanted) {
      this.#serveMore(peer, known);
    } else if (bytes === undefined) {
      this.#say(peer, known, { kind: "no", id: job.id, reason: "absent" });
      this.#serveMore(peer, known);
    } else {
      known.sending.add({ id: job.id, left: bytes, place: 0 });
      this.#options.served(peer, bytes.length);
      this.#sendMore(peer, known);
    }
  }

  async #find(peer: PeerId, job: Job): Promise<Uint8Array | undefined> {
    try {
      const source = await this.#options.serve(peer, job.name);
      if (source === undefined) return undefined;
      return Buffer.concat(await readSource(this.#options.folder, source));
    } catch {
      return undefined;
    }
  }

  /** Parts of the answers that are ready, in turns, until the queue is full. */
  #sendMore(peer: PeerId, known: Peer): void {
    if (known.unsent.length > 0) return;
    for (let sent = true; sent; ) {
      sent = false;
      for (const answer of known.sending) {
        const { id, left, place } = answer;
        const bytes = left.subarray(0, LIMITS.bulkPartBytesMax);
        const last = bytes.length === left.length;
        const frame = encodeFrame({ kind: "part", id, last, place, bytes });
        if (!this.#options.send(peer, frame)) return;
        answer.left = left.subarray(bytes.length);
        answer.place += 1;
        if (last) known.sending.delete(answer);
        sent = true;
      }
    }
    this.#serveMore(peer, known);
  }

  #part(peer: PeerId, known: Peer, frame: BulkFrame & { readonly kind: "part" }): void {
    const request = known.requests.get(frame.id);
    if (request === undefined) {
      // Full ones cost their sender what they cost us: they come out of the budget of bulk.
      if (frame.bytes.length < LIMITS.bulkPartBytesMax) this.#mayIdle(peer, known);
      return;
    }
    const answer = request.take(frame);
    if (answer === "more") return;
    if (answer === "wrong") {
      this.#options.breach(peer, fail("bulk.malformed", "a part that no answer has"));
      return;
    }
    known.requests.delete(frame.id);
    this.#options.answered(frame.id, "ok", answer);
  }
}

const NOTHING = new Uint8Array(0);

/** More than honest ends come to, which is three for each place. */
const UNSENT_MAX = 4 * LIMITS.bulkRequestsPerPeerMax;

/** Whether there was one. */
const removeWhere = <T>(list: T[], matches: (entry: T) => boolean): boolean => {
  const at = list.findIndex(matches);
  if (at >= 0) list.splice(at, 1);
  return at >= 0;
};
