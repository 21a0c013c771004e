/**
 * Who may have a session, beside who is a member: nodes in quarantine may not, and what a peer's handshake costs
 * this node in ML-KEM and FALCON work comes out of a budget, of all peers together and of each. Counts what
 * became of handshakes.
 */
import type { ErrorCode } from "../errors.ts";
import type { Clock, Metrics, PeerId } from "../ledger/ports.ts";
import type { TransportLimits } from "./options.ts";
import type { Role } from "./stoq/transcript.ts";
import { TokenBucket } from "./token-bucket.ts";

type GateLimits = Pick<
  TransportLimits,
  | "sessionHandshakesPerSecond"
  | "sessionHandshakesPerPeerPerSecond"
  | "sessionHandshakesPerPeerBurst"
>;

export class SessionGate {
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  readonly #limits: GateLimits;
  readonly #all: TokenBucket;
  /** Only members have sessions, so this is bounded by how many there ever were. */
  readonly #byPeer = new Map<PeerId, TokenBucket>();
  #quarantined: ReadonlySet<PeerId> = new Set();

  constructor(clock: Clock, metrics: Metrics, limits: GateLimits) {
    this.#clock = clock;
    this.#metrics = metrics;
    this.#limits = limits;
    const perSecond = limits.sessionHandshakesPerSecond;
    this.#all = new TokenBucket(perSecond, perSecond, clock.monotonicMs());
  }

  /** True when the handshake of this peer may cost something now. One peer cannot use up what is for all. */
  admit(peer: PeerId): boolean {
    const now = this.#clock.monotonicMs();
    const { sessionHandshakesPerPeerPerSecond, sessionHandshakesPerPeerBurst } = this.#limits;
    let own = this.#byPeer.get(peer);
    if (own === undefined) {
      own = new TokenBucket(sessionHandshakesPerPeerPerSecond, sessionHandshakesPerPeerBurst, now);
      this.#byPeer.set(peer, own);
    }
    return own.take(now) && this.#all.take(now);
  }

  /** Replaces the list; false when it is as before. */
  quarantine(ids: ReadonlySet<PeerId>): boolean {
    const same =
      ids.size === this.#quarantined.size && [...ids].every((id) => this.#quarantined.has(id));
    this.#quarantined = new Set(ids);
    return !same;
  }

  isQuarantined(id: PeerId): boolean {
    return this.#quarantined.has(id);
  }

  secured(role: Role, handshakeMs: number): void {
    this.#metrics.count("tetrad_transport_handshakes_total", 1, { role, result: "ok" });
    this.#metrics.observe("tetrad_transport_handshake_seconds", handshakeMs / 1000, { role });
  }

  /** A session ended with this code. */
  failed(role: Role, code: ErrorCode): void {
    if (!code.startsWith("session.")) return;
    this.#metrics.count("tetrad_transport_handshakes_total", 1, { role, result: code });
  }
}
