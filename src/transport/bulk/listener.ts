/**
 * The listening end of bulk in the worker: takes connections of those who were granted one, asks the node what a
 * name means, and sends that. A certificate counts only while the node says so: the authority's signature alone
 * lets nobody in, so that a grant ends with the session that carried it.
 *
 * A stream is one request: `u8 1, name`, and its end; the answer is `u8 status` (0 ok, 1 not here), the bytes,
 * and the end.
 */

import { toHex } from "../../crypto/bytes.ts";
import { sha256 } from "../../crypto/hash.ts";
import type { Clock, Timers } from "../../ledger/ports.ts";
import { LIMITS } from "../../limits.ts";
import type { QuicSession } from "../quic-endpoint.ts";
import type { BulkSource } from "./port.ts";
import { Serving } from "./serving.ts";
import { readSource } from "./source.ts";

export const REQUEST_VERSION = 1;
export const STATUS = { ok: 0, absent: 1 } as const;

/** Application codes of the ends of connections and of streams. */
export const BULK_CLOSE = { done: 0, refused: 1, protocol: 2 } as const;

export type ListenerOptions = {
  /** Files that are served lie below it. */
  readonly folder: string;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Asks the node what a name means; the answer comes by `found` with the same id. */
  readonly find: (id: number, peer: string, name: Uint8Array) => void;
  readonly refused: (detail: string) => void;
  readonly served: (bytes: number) => void;
};

type Grant = {
  readonly peer: string;
  /** Where the session with the peer is, if that is a place: its connections are expected from there. */
  readonly host: string | undefined;
  readonly untilMs: number;
};

/** One request, from its first byte to the last of its answer. */
type Job = {
  readonly guest: Guest;
  readonly peer: string;
  readonly streamId: number;
  readonly name: Uint8Array[];
  nameBytes: number;
  /** What is left to send; undefined while the answer is looked for. */
  parts: Uint8Array[] | undefined;
  /** What the node has found for it. */
  source: BulkSource | undefined;
  isReading: boolean;
  /** Bytes that its answer has in memory, or is about to have. */
  held: number;
  readonly sinceMs: number;
};

type Guest = {
  readonly session: QuicSession;
  readonly jobs: Map<number, Job>;
  grant: Grant | undefined;
  /** When it came, monotonic. */
  readonly sinceMs: number;
  isTurnedAway: boolean;
};

export class BulkListener {
  readonly #options: ListenerOptions;
  readonly #grants = new Map<string, Grant>();
  /** How many members with grants are at a host. */
  readonly #hosts = new Map<string, number>();
  readonly #guests = new Set<Guest>();
  readonly #finding = new Map<number, Job>();
  readonly #serving: Serving<Job>;
  #nextId = 1;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#serving = new Serving({
      ...{ clock: options.clock, timers: options.timers },
      find: (job) => this.#find(job),
      read: (job) => void this.#load(job),
    });
  }

  /** The certificate with this SHA-256 (hex) opens connections as that peer. The newest few of a peer count. */
  admit(peer: string, fingerprint: string, untilMs: number, host?: string): void {
    this.#grants.set(fingerprint, { peer, host, untilMs });
    const own = [...this.#grants].filter(([, grant]) => grant.peer === peer);
    for (const [old] of own.slice(0, -LIMITS.bulkGrantsPerPeerMax)) this.#grants.delete(old);
    this.#countHosts();
  }

  /** True for hosts of members with grants, whose budgets strangers cannot use up. */
  isMemberHost(host: string): boolean {
    return this.#hosts.has(host);
  }

  /** Connections that may come from there: a stranger has as many as a member. */
  connectionsAtMost(host: string): number {
    return LIMITS.bulkConnectionsPerAddressMax * (this.#hosts.get(host) ?? 1);
  }

  /** Nothing that was granted to the peer counts any more; its connections end. */
  drop(peer: string): void {
    for (const [fingerprint, grant] of this.#grants) {
      if (grant.peer === peer) this.#grants.delete(fingerprint);
    }
    for (const guest of this.#guests) {
      if (guest.grant?.peer === peer) guest.session.close(BULK_CLOSE.done, "the session is over");
    }
    this.#countHosts();
  }

  /** Ends connections whose grants have run out, and those that show none in time; called now and then. */
  expire(): void {
    const wallMs = this.#options.clock.wallMs();
    const nowMs = this.#options.clock.monotonicMs();
    for (const [fingerprint, { untilMs }] of this.#grants) {
      if (untilMs < wallMs) this.#grants.delete(fingerprint);
    }
    this.#countHosts();
    this.#serving.forgetIdle();
    for (const guest of this.#guests) {
      const { session, grant, jobs, sinceMs } = guest;
      this.#forgetGivenUp(guest);
      const [oldest] = jobs.values();
      if (grant === undefined) {
        if (nowMs - sinceMs <= LIMITS.bulkHandshakeTimeoutMs) continue;
        this.#turnAway(guest, "a handshake that is not completed", "not in time");
      } else if (grant.untilMs < wallMs) {
        session.close(BULK_CLOSE.done, "the grant has run out");
      } else if (oldest !== undefined && nowMs - oldest.sinceMs > LIMITS.bulkAnswerTimeoutMs) {
        session.close(BULK_CLOSE.protocol, "an answer is not taken");
      }
    }
  }

  /** A connection came in. */
  accepted(session: QuicSession): void {
    const guest: Guest = {
      ...{ session, jobs: new Map(), grant: undefined, isTurnedAway: false },
      sinceMs: this.#options.clock.monotonicMs(),
    };
    this.#guests.add(guest);
    session.attach({
      established: () => this.#identify(guest),
      service: () => this.#service(guest),
      ended: () => {
        this.#guests.delete(guest);
        this.#forgetAll(guest);
      },
    });
  }

  /** What the node has for a name that was asked for. */
  found(id: number, source: BulkSource | undefined): void {
    const job = this.#finding.get(id);
    this.#finding.delete(id);
    if (job === undefined) return;
    job.source = source;
    const isOpen = this.#isOpen(job);
    if (source === undefined && isOpen) this.#answer(job, [Uint8Array.of(STATUS.absent)]);
    const bytes = source === undefined || !isOpen ? undefined : sizeOf(source);
    this.#serving.found(job.peer, job, bytes);
  }

  #find(job: Job): void {
    const id = this.#nextId;
    this.#nextId += 1;
    this.#finding.set(id, job);
    this.#options.find(id, job.peer, Uint8Array.from(Buffer.concat(job.name).subarray(1)));
  }

  async #load(job: Job): Promise<void> {
    const { source, peer, guest, streamId } = job;
    if (source === undefined) return;
    job.held = sizeOf(source);
    job.isReading = true;
    // Whatever the file's fault is, it is nothing that the peer could do about.
    const parts = await readSource(this.#options.folder, source).then(
      (bytes) => [Uint8Array.of(STATUS.ok), ...bytes],
      () => [Uint8Array.of(STATUS.absent)],
    );
    job.isReading = false;
    if (guest.jobs.get(streamId) === job) this.#answer(job, parts);
    else this.#serving.done(peer, job.held);
  }

  /** What is read for it has its memory until it is read. */
  #forget(job: Job): void {
    if (!job.guest.jobs.delete(job.streamId)) return;
    this.#serving.givenUp(job.peer, job);
    if (!job.isReading) this.#serving.done(job.peer, job.held);
  }

  #forgetAll(guest: Guest): void {
    for (const job of [...guest.jobs.values()]) this.#forget(job);
  }

  #identify(guest: Guest): void {
    const leaf = guest.session.peerCertificates()?.[0];
    const grant = leaf === undefined ? undefined : this.#grants.get(toHex(sha256(leaf)));
    if (grant === undefined || grant.untilMs < this.#options.clock.wallMs()) {
      const detail = leaf === undefined ? "no certificate" : "a certificate that is not granted";
      this.#turnAway(guest, detail, "not granted");
      return;
    }
    const same = [...this.#guests].filter((other) => other.grant?.peer === grant.peer);
    if (same.length >= CONNECTIONS_PER_PEER_MAX) {
      this.#turnAway(guest, "too many connections of one peer", "too many connections");
      return;
    }
    guest.grant = grant;
    guest.session.known?.();
  }

  #turnAway(guest: Guest, detail: string, reason: string): void {
    if (guest.isTurnedAway) return;
    guest.isTurnedAway = true;
    this.#options.refused(detail);
    guest.session.close(BULK_CLOSE.refused, reason);
  }

  #countHosts(): void {
    const places = new Map<string, Set<string>>();
    for (const { peer, host } of this.#grants.values()) {
      if (host !== undefined) places.set(host, (places.get(host) ?? new Set()).add(peer));
    }
    this.#hosts.clear();
    for (const [host, peers] of places) this.#hosts.set(host, peers.size);
  }

  #isOpen(job: Job): boolean {
    return job.guest.jobs.get(job.streamId) === job && !job.guest.session.hasEnded;
  }

  #service(guest: Guest): void {
    if (guest.grant === undefined) return;
    for (const streamId of guest.session.readableStreams()) {
      if (!this.#read(guest, streamId)) return;
    }
    for (const job of guest.jobs.values()) this.#write(job);
  }

  /** False when the connection was ended. */
  #read(guest: Guest, streamId: number): boolean {
    const { session, jobs } = guest;
    if ((streamId & KIND_BITS) !== 0) return this.#breach(guest, "a stream that is no request");
    const job = jobs.get(streamId) ?? this.#open(guest, streamId);
    if (job === undefined) {
      session.abortStream(streamId, BULK_CLOSE.refused);
      return true;
    }
    try {
      for (let part = session.read(streamId); part !== undefined; part = session.read(streamId)) {
        job.name.push(part.bytes.slice());
        job.nameBytes += part.bytes.length;
        if (job.nameBytes > 1 + LIMITS.bulkNameBytesMax) return this.#breach(guest, "a long name");
        if (part.fin) return this.#asked(job);
      }
    } catch {
      // The peer gave the request up.
      this.#forget(job);
    }
    // Of a stream that was given up before anything came on it nothing more need be heard.
    if (job.nameBytes === 0) this.#forget(job);
    return true;
  }

  /**
   * Undefined when the connection has as many requests as it may. Its peer need mean no harm: QUIC counts a stream that
   * it gave up as closed, and where the driver does not say so we look after the request until we want to answer it.
   */
  #open(guest: Guest, streamId: number): Job | undefined {
    if (guest.jobs.size >= LIMITS.bulkRequestsPerConnectionMax) this.#forgetGivenUp(guest);
    if (guest.jobs.size >= LIMITS.bulkRequestsPerConnectionMax) return undefined;
    const job: Job = {
      ...{
        guest,
        streamId,
        peer: guest.grant?.peer ?? "",
        sinceMs: this.#options.clock.monotonicMs(),
      },
      ...{ name: [], nameBytes: 0, source: undefined, isReading: false, held: 0 },
      parts: undefined,
    };
    guest.jobs.set(streamId, job);
    return job;
  }

  /**
   * Drivers say that an answer is not wanted when somebody wants to write. Nobody does while it is looked for, or where
   * the end of the name never came: quiche does not always show a stream as readable that was reset after its first
   * bytes.
   */
  #forgetGivenUp({ session, jobs }: Guest): void {
    for (const job of [...jobs.values()]) {
      try {
        session.capacity(job.streamId);
      } catch {
        this.#forget(job);
      }
    }
  }

  #asked(job: Job): boolean {
    if (job.nameBytes === 0) {
      // The reactor shows a stream so that was reset before anything came on it: the request is given up.
      job.guest.session.abortStream(job.streamId, BULK_CLOSE.done);
      this.#forget(job);
      return true;
    }
    const bytes = Buffer.concat(job.name);
    if (bytes.length < 2 || bytes[0] !== REQUEST_VERSION) {
      return this.#breach(job.guest, "no request");
    }
    this.#serving.asked(job.peer, job);
    return true;
  }

  #breach(guest: Guest, detail: string): false {
    this.#options.refused(detail);
    this.#forgetAll(guest);
    guest.session.close(BULK_CLOSE.protocol, detail);
    return false;
  }

  #answer(job: Job, parts: Uint8Array[]): void {
    if (!this.#isOpen(job)) return;
    job.parts = parts;
    job.guest.session.requestTurn();
    this.#options.served(parts.reduce((sum, part) => sum + part.length, 0));
  }

  #write(job: Job): void {
    const { parts, guest, streamId } = job;
    if (parts === undefined) return;
    try {
      for (let [part] = parts; part !== undefined; [part] = parts) {
        const written = guest.session.write(streamId, part, parts.length === 1);
        if (written < part.length) {
          parts[0] = part.subarray(written);
          return;
        }
        parts.shift();
      }
    } catch {
      // The peer wants no more of it.
    }
    this.#forget(job);
  }
}

const sizeOf = ({ head, file }: BulkSource): number => head.length + (file?.length ?? 0);

/** The bits of a stream's id that say who opened it and whether it goes one way: none is a client's request. */
const KIND_BITS = 3;

/** A new grant is used before the connections under the old one end (dialler.ts). */
const CONNECTIONS_PER_PEER_MAX = LIMITS.bulkGrantsPerPeerMax * LIMITS.bulkConnectionsMax;
