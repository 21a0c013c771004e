/**
 * Through which relays one member is tried, and when: the nearest relays first, each with a back-off of its own
 * after it failed or refused. Pure; the caller brings the time.
 */
import type { PeerId } from "../../ledger/ports.ts";
import type { PathsLimits } from "../options.ts";

type PlanLimits = Pick<PathsLimits, "relaysMax" | "retryMsMin" | "retryMsMax">;

/** An attempt is known by the relay that it goes through. */
type Attempt = { readonly via: PeerId | undefined };

export class RelayPlan<A extends Attempt> {
  readonly #limits: PlanLimits;
  /** Attempts that are on their way, by relay. */
  readonly #attempts = new Map<PeerId, A>();
  readonly #failed = new Map<PeerId, { readonly failures: number; readonly againMs: number }>();
  #restUntilMs = Number.NEGATIVE_INFINITY;

  constructor(limits: PlanLimits) {
    this.#limits = limits;
  }

  attempts(): readonly A[] {
    return [...this.#attempts.values()];
  }

  /**
   * The relays to try now. `relays` are those that this node has a session with, the nearest first; `taken` have
   * a path already; `wanted` paths through relays there are to be in all.
   */
  due(
    relays: readonly PeerId[],
    taken: readonly PeerId[],
    wanted: number,
    nowMs: number,
  ): readonly PeerId[] {
    this.#forgetBut(relays);
    const missing = wanted - taken.length - this.#attempts.size;
    if (missing <= 0 || nowMs < this.#restUntilMs) return [];
    return relays
      .filter((relay) => (this.#failed.get(relay)?.againMs ?? nowMs) <= nowMs)
      .slice(0, this.#limits.relaysMax)
      .filter((relay) => !taken.includes(relay) && !this.#attempts.has(relay))
      .slice(0, missing);
  }

  began(relay: PeerId, session: A): void {
    this.#attempts.set(relay, session);
  }

  /** The attempt is over; false where it was none of ours. */
  ended(session: A): boolean {
    const relay = session.via;
    if (relay === undefined || this.#attempts.get(relay) !== session) return false;
    return this.#attempts.delete(relay);
  }

  failed(relay: PeerId, nowMs: number): void {
    const failures = this.#failed.get(relay)?.failures ?? 0;
    const { retryMsMin, retryMsMax } = this.#limits;
    const pauseMs = Math.min(retryMsMax, retryMsMin * 2 ** Math.min(failures, 20));
    this.#failed.set(relay, { failures: failures + 1, againMs: nowMs + pauseMs });
  }

  succeeded(relay: PeerId): void {
    this.#failed.delete(relay);
  }

  /** Relays are not needed for now. */
  restUntil(ms: number): void {
    this.#restUntilMs = ms;
  }

  /** They are needed, whatever was thought. */
  wake(): void {
    this.#restUntilMs = Number.NEGATIVE_INFINITY;
  }

  /** Only relays that are there can be tried; what is remembered is bounded by them. */
  #forgetBut(relays: readonly PeerId[]): void {
    for (const relay of this.#failed.keys()) {
      if (!relays.includes(relay)) this.#failed.delete(relay);
    }
  }
}
