/**
 * Bulk over a session: requests and answers as frames of the class `bulk` (frames.ts). It is slower than
 * connections of a worker, costs this process the copying, and is always there.
 */
import { type Failure, fail } from "../../errors.ts";
import type { PeerId } from "../../ledger/ports.ts";
import { LIMITS } from "../../limits.ts";
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
  /** The peer broke the rules. */
  readonly breach: (peer: PeerId, failure: Failure) => void;
};

type Job = {
  readonly id: number;
  readonly name: Uint8Array;
  /** What is left to send; undefined until it is read. */
  left: Uint8Array | undefined;
};

type Request = { readonly parts: Uint8Array[]; bytes: number };

type Peer = {
  /** What it asked for: those that wait, and those that are read or sent, taking turns. */
  readonly waiting: Job[];
  readonly serving: Set<Job>;
  /** Frames that found the queue full, small ones. */
  readonly unsent: Uint8Array[];
  readonly requests: Map<number, Request>;
};

/** Answers of one peer in memory. */
const SERVING_MAX = 4;

export class SessionLane {
  readonly #options: SessionLaneOptions;
  readonly #peers = new Map<PeerId, Peer>();

  constructor(options: SessionLaneOptions) {
    this.#options = options;
  }

  /** The session with the peer is over: nothing that was asked is answered any more, in either direction. */
  end(peer: PeerId): void {
    this.#peers.delete(peer);
  }

  request(id: number, peer: PeerId, name: Uint8Array): void {
    const known = this.#peer(peer);
    known.requests.set(id, { parts: [], bytes: 0 });
    this.#say(peer, known, { kind: "request", id, name });
  }

  cancel(id: number, peer: PeerId): void {
    const known = this.#peers.get(peer);
    if (known?.requests.delete(id) === true) this.#say(peer, known, { kind: "cancel", id });
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
        if (!known.requests.delete(frame.id)) return;
        this.#options.answered(frame.id, frame.reason === "absent" ? "absent" : "busy", NOTHING);
        return;
      case "cancel":
        for (const job of known.serving) if (job.id === frame.id) known.serving.delete(job);
        removeWhere(known.waiting, (job) => job.id === frame.id);
        this.#serveMore(peer, known);
    }
  }

  /** The class's queue to the peer has room again. */
  drained(peer: PeerId): void {
    const known = this.#peers.get(peer);
    if (known === undefined) return;
    for (let [frame] = known.unsent; frame !== undefined; [frame] = known.unsent) {
      if (!this.#options.send(peer, frame)) return;
      known.unsent.shift();
    }
    this.#sendMore(peer, known);
  }

  #peer(peer: PeerId): Peer {
    let known = this.#peers.get(peer);
    if (known === undefined) {
      known = { waiting: [], serving: new Set(), unsent: [], requests: new Map() };
      this.#peers.set(peer, known);
    }
    return known;
  }

  /** Small frames are few: one for each request that either end may have open. */
  #say(peer: PeerId, known: Peer, frame: BulkFrame): void {
    const bytes = encodeFrame(frame);
    if (known.unsent.length === 0 && this.#options.send(peer, bytes)) return;
    if (known.unsent.length >= UNSENT_MAX) {
      this.#options.breach(peer, fail("bulk.malformed", "requests come and answers are not taken"));
    } else known.unsent.push(bytes);
  }

  #asked(peer: PeerId, known: Peer, { id, name }: BulkFrame & { readonly kind: "request" }): void {
    const open = known.waiting.length + known.serving.size;
    if (open >= LIMITS.bulkServedPerPeerMax) {
      this.#say(peer, known, { kind: "no", id, reason: "busy" });
      return;
    }
    known.waiting.push({ id, name, left: undefined });
    this.#serveMore(peer, known);
  }

  #serveMore(peer: PeerId, known: Peer): void {
    while (known.serving.size < SERVING_MAX) {
      const job = known.waiting.shift();
      if (job === undefined) return;
      known.serving.add(job);
      void this.#find(peer, job).then((bytes) => {
        if (this.#peers.get(peer) !== known || !known.serving.has(job)) return;
        if (bytes === undefined) {
          known.serving.delete(job);
          this.#say(peer, known, { kind: "no", id: job.id, reason: "absent" });
          this.#serveMore(peer, known);
          return;
        }
        job.left = bytes;
        this.#options.served(peer, bytes.length);
        this.#sendMore(peer, known);
      });
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
      for (const job of known.serving) {
        if (job.left === undefined) continue;
        const bytes = job.left.subarray(0, LIMITS.bulkPartBytesMax);
        const last = bytes.length === job.left.length;
        const frame = encodeFrame({ kind: "part", id: job.id, last, bytes });
        if (!this.#options.send(peer, frame)) return;
        job.left = job.left.subarray(bytes.length);
        if (last) known.serving.delete(job);
        sent = true;
      }
    }
    this.#serveMore(peer, known);
  }

  #part(peer: PeerId, known: Peer, frame: BulkFrame & { readonly kind: "part" }): void {
    const request = known.requests.get(frame.id);
    if (request === undefined) return;
    request.bytes += frame.bytes.length;
    if (request.bytes > LIMITS.bulkAnswerBytesMax) {
      this.#options.breach(peer, fail("bulk.malformed", "an answer over the limit"));
      return;
    }
    request.parts.push(frame.bytes);
    if (!frame.last) return;
    known.requests.delete(frame.id);
    this.#options.answered(frame.id, "ok", Buffer.concat(request.parts));
  }
}

const NOTHING = new Uint8Array(0);

/** A request or a cancel of ours for each that may be open, and as many refusals of theirs. */
const UNSENT_MAX = 4 * LIMITS.bulkRequestsPerPeerMax;

const removeWhere = <T>(list: T[], matches: (entry: T) => boolean): void => {
  const at = list.findIndex(matches);
  if (at >= 0) list.splice(at, 1);
};
