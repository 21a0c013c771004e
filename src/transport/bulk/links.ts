/**
 * Connections for bulk with each member, as the node sees them: who asked whom for a grant, what was granted, what
 * is up, and when something that failed may be tried again. The connections themselves are the worker's.
 *
 * They are opened by notes in the sealed session (notes.ts): the member that asks shows a fresh key, the one that is
 * asked certifies it, and what it certified counts for as long as the session lasts, an hour at most. Who still uses
 * connections asks for the next ones before that, and has both until the new ones carry what is asked (dialler.ts).
 */
import { toHex } from "../../crypto/bytes.ts";
import { sha256 } from "../../crypto/hash.ts";
import { type ErrorCode, fail } from "../../errors.ts";
import type { Clock, Logger, PeerId, Timers } from "../../ledger/ports.ts";
import { LIMITS } from "../../limits.ts";
import { scopeOf } from "../address.ts";
import { createLeafKey, type LeafKey } from "../authority.ts";
import type { BulkPort as SessionPort } from "../bulk.ts";
import type { HostPort } from "../quic-endpoint.ts";
import { TokenBucket } from "../token-bucket.ts";
import { openGrant, serverNameOf } from "./certificates.ts";
import { type BulkNote, decodeNote, encodeNote } from "./notes.ts";
import { Stripes } from "./stripes.ts";
import type { BulkSupervisor } from "./supervisor.ts";
import type { FromWorker } from "./worker-messages.ts";

export type LinkOptions = {
  /** Where our worker listens. */
  readonly listen: HostPort;
  readonly connections: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly session: SessionPort;
  readonly supervisor: Pick<BulkSupervisor, "running" | "canWake" | "wake" | "send">;
  /** A grant that was not taken. */
  readonly refused: (code: ErrorCode) => void;
  /** The connections to that member are gone, or not to be waited for any longer. */
  readonly closed: (peer: PeerId) => void;
};

type Connections = Extract<FromWorker, { kind: "connections" }>;
type Ask = Extract<BulkNote, { kind: "ask" }>;
type Grant = Extract<BulkNote, { kind: "grant" }>;

type Link = {
  readonly peer: PeerId;
  /** Ours to the member: "wanted" waits for our own worker. */
  phase: "none" | "wanted" | "asking" | "dialling" | "up";
  /** Of the last ask. */
  number: number;
  /** Of the ask that what is up came of. */
  upNumber: number;
  /** While connections are up: where the next ones are. */
  renewal: "none" | "asking" | "dialling";
  renewAtMs: number;
  /** When the last grant came. */
  grantedMs: number;
  key: LeafKey | undefined;
  faults: number;
  retryAtMs: number;
  /** When something came from the member, or was first asked for while it owed nothing. */
  heardMs: number;
  upSinceMs: number;
  cancelTimer: (() => void) | undefined;
  /** What the member asked of us: one that waits for our worker. */
  asked: Ask | undefined;
  readonly asks: TokenBucket;
  readonly stripes: Stripes;
  /** The newest that our worker was told of, until the worker says that it knows it. */
  granting: { readonly fingerprint: string; readonly grant: Grant } | undefined;
  /** The member holds a grant of the worker that runs. */
  granted: boolean;
};

export class BulkLinks {
  static readonly serverNameOf: typeof serverNameOf = serverNameOf;
  readonly #options: LinkOptions;
  readonly #links = new Map<PeerId, Link>();

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  /** Members whose sessions are complete. */
  complete(): readonly PeerId[] {
    return [...this.#links.keys()];
  }

  isComplete(peer: PeerId): boolean {
    return this.#links.has(peer);
  }

  isUp(peer: PeerId): boolean {
    return this.#links.get(peer)?.phase === "up";
  }

  secured(peer: PeerId): void {
    this.ended(peer);
    const nowMs = this.#options.clock.monotonicMs();
    const { bulkGrantsPerPeerPerSecond: perSecond, bulkGrantsPerPeerBurst: burst } = LIMITS;
    this.#links.set(peer, {
      ...{ peer, phase: "none", number: 0, key: undefined, faults: 0, retryAtMs: 0 },
      ...{ upNumber: 0, renewal: "none", renewAtMs: 0, grantedMs: 0 },
      ...{ heardMs: 0, upSinceMs: 0, cancelTimer: undefined, asked: undefined },
      asks: new TokenBucket(perSecond, burst, nowMs),
      stripes: new Stripes(this.#options.connections),
      ...{ granting: undefined, granted: false },
    });
  }

  /** The session is over, and with it whatever was granted in it. */
  ended(peer: PeerId): void {
    const link = this.#links.get(peer);
    if (link === undefined) return;
    link.cancelTimer?.();
    this.#links.delete(peer);
    if (this.#options.supervisor.running !== undefined) {
      this.#options.supervisor.send({ kind: "drop", peer });
    }
  }

  close(): void {
    for (const { cancelTimer } of this.#links.values()) cancelTimer?.();
    this.#links.clear();
  }

  /** There is something to ask of the member: connections are opened, unless that failed a moment ago. */
  want(peer: PeerId): void {
    const link = this.#links.get(peer);
    const { session, supervisor, clock } = this.#options;
    if (link === undefined || link.phase !== "none" || !session.takesNotes(peer)) return;
    if (clock.monotonicMs() < link.retryAtMs) return;
    supervisor.wake();
    if (supervisor.running !== undefined) this.#open(link);
    else if (supervisor.canWake) link.phase = "wanted";
  }

  /** Something is asked over the connections to the member, of whom so many requests are open now. */
  asked(peer: PeerId, requests: number): void {
    const link = this.#links.get(peer);
    const nowMs = this.#options.clock.monotonicMs();
    if (link === undefined) return;
    if (requests <= 1) link.heardMs = nowMs;
    const isDue = nowMs >= link.renewAtMs || link.stripes.isDue(nowMs, requests);
    if (link.phase === "up" && link.renewal === "none" && isDue) {
      link.renewal = "asking";
      link.stripes.tried(nowMs);
      this.#ask(link);
    }
  }

  /** Bytes came from the member over its connections. */
  answered(peer: PeerId | undefined): void {
    const link = peer === undefined ? undefined : this.#links.get(peer);
    if (link !== undefined) link.heardMs = this.#options.clock.monotonicMs();
  }

  /** Gives up connections on which nothing comes. `waiting`: members of whom something is asked over them. */
  look(waiting: ReadonlySet<PeerId>): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const link of this.#links.values()) {
      if (link.phase !== "up") continue;
      if (!waiting.has(link.peer)) link.heardMs = nowMs;
      else if (nowMs - link.heardMs > LIMITS.bulkStallMs) {
        this.#failed(link, `nothing came for ${LIMITS.bulkStallMs} ms`);
      }
    }
  }

  workerReady(): void {
    for (const link of this.#links.values()) {
      if (link.phase === "wanted") this.#open(link);
      const { asked } = link;
      link.asked = undefined;
      if (asked !== undefined) this.#grant(link, asked);
    }
  }

  workerLost(): void {
    for (const link of this.#links.values()) {
      link.cancelTimer?.();
      link.cancelTimer = undefined;
      if (link.asked !== undefined) this.#none(link, link.asked.number);
      if (link.granting !== undefined) this.#none(link, link.granting.grant.number);
      link.asked = undefined;
      link.granting = undefined;
      link.phase = "none";
      link.renewal = "none";
      link.stripes.none();
      if (link.granted) this.#say(link, { kind: "gone" });
      link.granted = false;
    }
  }

  /** So many connections to the member are up, of those that came of the ask with that number. */
  connections({ peer, number, count, detail }: Connections): void {
    const link = this.#links.get(peer);
    if (link === undefined || (link.phase !== "dialling" && link.phase !== "up")) return;
    const nowMs = this.#options.clock.monotonicMs();
    if (link.phase === "up" && number > link.upNumber) {
      // The worker uses what is up of the newest, also where that took longer than it was waited for.
      if (count > 0) this.#renewed(link, number);
      else if (link.renewal === "dialling" && number === link.number) this.#notOpened(link, detail);
      if (count > 0) link.stripes.count(nowMs, count);
      return;
    }
    if (number !== (link.phase === "up" ? link.upNumber : link.number)) return;
    if (count === 0) {
      // Both ends let connections go that carry nothing; that is no fault.
      const idle = link.phase === "up" && IDLE.test(detail);
      if (idle) this.#down(link);
      else this.#failed(link, detail);
      return;
    }
    link.stripes.count(nowMs, count);
    if (link.phase === "up") return;
    link.cancelTimer?.();
    link.cancelTimer = undefined;
    link.phase = "up";
    link.upNumber = number;
    link.renewAtMs = link.grantedMs + LIMITS.bulkRenewMs;
    link.upSinceMs = nowMs;
    link.heardMs = link.upSinceMs;
    const driver = this.#options.supervisor.running?.driver;
    this.#options.logger.log("debug", "bulk connections are up", { peer, driver });
  }

  /** A sealed note of the member. */
  note(peer: PeerId, bytes: Uint8Array): void {
    const link = this.#links.get(peer);
    if (link === undefined) return;
    const note = decodeNote(bytes);
    if (note === undefined) {
      this.#options.session.breach(peer, fail("bulk.malformed", "not a note about bulk"));
    } else if (note.kind === "ask") this.#asked(link, note);
    else if (note.kind === "gone") this.#gone(link);
    else if (isAsking(link) && note.number === link.number) {
      if (note.kind === "grant") this.#granted(link, note);
      else this.#notOpened(link, note.reason === "absent" ? "the peer has none" : "not now");
    }
  }

  #gone(link: Link): void {
    if (link.phase === "dialling" || link.phase === "up") this.#failed(link, "the peer's are gone");
  }

  /** The member asks for a grant. Whoever asks too often is not answered, and takes that for a no. */
  #asked(link: Link, ask: Ask): void {
    const { supervisor, clock } = this.#options;
    if (!link.asks.take(clock.monotonicMs())) return;
    supervisor.wake();
    if (supervisor.running !== undefined) this.#grant(link, ask);
    else if (supervisor.canWake) link.asked = ask;
    else this.#none(link, ask.number);
  }

  #none(link: Link, number: number): void {
    this.#say(link, { kind: "none", number, reason: "later" });
  }

  #grant(link: Link, { number, publicKey }: Ask): void {
    const { supervisor, listen, clock } = this.#options;
    const { running } = supervisor;
    const certified = running?.authority.certify(publicKey, { subject: link.peer });
    if (running === undefined || certified === undefined || !certified.ok) {
      this.#none(link, number);
      return;
    }
    const certificate = certified.value;
    const untilMs = clock.wallMs() + LIMITS.bulkGrantMs;
    const fingerprint = toHex(sha256(certificate));
    // Through a relay there is no place that its connections are expected from.
    const host = this.#options.session.remoteHost(link.peer);
    const grant: Grant = {
      ...{ kind: "grant", number, certificate, ports: running.ports },
      host: listen.host === "::" ? "" : listen.host,
      authority: running.authority.certificate,
    };
    link.granting = { fingerprint, grant };
    supervisor.send({ kind: "admit", peer: link.peer, host, fingerprint, untilMs });
  }

  /**
   * The worker knows a certificate now. The member hears of it no sooner: a worker that was kept waiting reads what
   * came from the network before what its node told it, and would turn away who was granted something.
   */
  admitted(peer: PeerId, fingerprint: string): void {
    const link = this.#links.get(peer);
    if (link?.granting?.fingerprint !== fingerprint) return;
    const { grant } = link.granting;
    link.granting = undefined;
    link.granted = true;
    this.#say(link, grant);
  }

  #open(link: Link): void {
    link.phase = "asking";
    this.#ask(link);
  }

  #ask(link: Link): void {
    const key = createLeafKey();
    link.key = key;
    link.number += 1;
    link.cancelTimer?.();
    link.cancelTimer = this.#options.timers.set(LIMITS.bulkOpenTimeoutMs, () => {
      link.cancelTimer = undefined;
      this.#notOpened(link, `not up in ${LIMITS.bulkOpenTimeoutMs} ms`);
    });
    const { number } = link;
    if (!this.#say(link, { kind: "ask", number, publicKey: key.publicKey })) {
      this.#notOpened(link, "could not be asked for");
    }
  }

  #granted(link: Link, grant: Grant): void {
    const { session, supervisor, connections, clock } = this.#options;
    const host = grant.host === "" ? session.remoteHost(link.peer) : grant.host;
    const { key } = link;
    link.key = undefined;
    if (key === undefined || host === undefined) return;
    // Packets to this machine or this link are for who is there: a member elsewhere does not choose where they go.
    const scope = scopeOf(host);
    const theirs = session.remoteHost(link.peer);
    if (scope !== "wide" && (theirs === undefined || scopeOf(theirs) !== scope)) {
      this.#options.refused("bulk.malformed");
      this.#notOpened(link, `a grant for ${host}, where its session is not`);
      return;
    }
    const opened = openGrant(grant, key, clock.wallMs());
    if (!opened.ok) {
      this.#options.refused(opened.code);
      this.#notOpened(link, opened.detail);
      return;
    }
    if (link.phase === "up") link.renewal = "dialling";
    else link.phase = "dialling";
    link.grantedMs = clock.monotonicMs();
    supervisor.send({
      ...{ kind: "dial", peer: link.peer, number: link.number, connections },
      remotes: grant.ports.map((port) => ({ host, port })),
      serverName: serverNameOf(link.peer),
      ...opened.value,
    });
  }

  #say(link: Link, note: BulkNote): boolean {
    const { session } = this.#options;
    return session.takesNotes(link.peer) && session.seal(link.peer, encodeNote(note));
  }

  /** What is asked from now on goes over the new connections. */
  #renewed(link: Link, number: number): void {
    // Otherwise it came late, and the next are asked for already.
    if (number === link.number) {
      link.cancelTimer?.();
      link.cancelTimer = undefined;
      link.renewal = "none";
    }
    link.upNumber = number;
    link.renewAtMs = link.grantedMs + LIMITS.bulkRenewMs;
    this.#options.logger.log("debug", "bulk connections are renewed", { peer: link.peer });
  }

  /** What was asked for did not come about. What is up is none the worse, until its grant has run out. */
  #notOpened(link: Link, detail: string): void {
    if (link.phase !== "up") {
      this.#failed(link, detail);
      return;
    }
    link.cancelTimer?.();
    link.cancelTimer = undefined;
    link.renewal = "none";
    link.key = undefined;
    const nowMs = this.#options.clock.monotonicMs();
    // What was to replace connections that are missing is no reason to replace sound ones sooner.
    if (nowMs >= link.renewAtMs) link.renewAtMs = nowMs + LIMITS.bulkRetryMsMax;
    const { peer } = link;
    this.#options.logger.log("info", "bulk connections are not renewed", { peer, detail });
  }

  #failed(link: Link, detail: string): void {
    const { clock, logger } = this.#options;
    const nowMs = clock.monotonicMs();
    if (link.phase === "up" && nowMs - link.upSinceMs > LIMITS.bulkRetryMsMax) link.faults = 0;
    const pauseMs = Math.min(LIMITS.bulkRetryMsMax, LIMITS.bulkRetryMsMin * 2 ** link.faults);
    link.faults += 1;
    link.retryAtMs = nowMs + pauseMs;
    logger.log("info", "bulk with a member goes over the session", {
      ...{ peer: link.peer, detail, retryMs: pauseMs },
    });
    this.#down(link);
  }

  #down(link: Link): void {
    link.cancelTimer?.();
    link.cancelTimer = undefined;
    link.phase = "none";
    link.renewal = "none";
    link.key = undefined;
    link.stripes.none();
    this.#options.supervisor.send({ kind: "hang-up", peer: link.peer });
    this.#options.closed(link.peer);
  }
}

const isAsking = ({ phase, renewal }: Link): boolean => phase === "asking" || renewal === "asking";

/** What drivers say of a connection that ended in silence, and what the listener does of a grant that ended. */
const IDLE = /timeout|grant has run out/;
