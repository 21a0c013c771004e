/**
 * What one relay may cause here: first packets that are answered, handshakes that begin, connections that are there. A
 * relay can invent packets of any member, so what comes through it is on its account and not on the members', and
 * what is for all relays together is more than one of them gets: a relay that floods uses up its own. Pure; the
 * caller brings the time.
 */
import { fail, ok, type Result } from "../../errors.ts";
import type { PeerId } from "../../ledger/ports.ts";
import type { RelayLimits } from "../options.ts";
import { TokenBucket } from "../token-bucket.ts";

export type BudgetLimits = Pick<
  RelayLimits,
  "handshakesPerRelayPerSecond" | "answersPerRelayPerSecond" | "connectionsPerRelayMax"
>;

type Budget = { readonly answers: TokenBucket; readonly handshakes: TokenBucket };

export class RelayBudgets {
  readonly #limits: BudgetLimits;
  /** Only members relay, so this is bounded by how many there ever were; it outlasts sessions with them. */
  readonly #budgets = new Map<PeerId, Budget>();
  readonly #connections = new Map<PeerId, number>();

  constructor(limits: BudgetLimits) {
    this.#limits = limits;
  }

  /** May a first packet that this relay brought have an answer that keeps nothing? */
  mayAnswer(relay: PeerId, nowMs: number): boolean {
    return this.#of(relay, nowMs).answers.take(nowMs);
  }

  /** May a handshake begin? Code of a refusal: node.overloaded. */
  mayBegin(relay: PeerId, nowMs: number): Result<true> {
    if ((this.#connections.get(relay) ?? 0) >= this.#limits.connectionsPerRelayMax) {
      return fail("node.overloaded", "connection cap of one relay reached");
    }
    return this.#of(relay, nowMs).handshakes.take(nowMs)
      ? ok(true)
      : fail("node.overloaded", "handshake rate of one relay reached");
  }

  /** A connection has begun (1) or ended (-1). */
  count(relay: PeerId, change: 1 | -1): void {
    const count = (this.#connections.get(relay) ?? 0) + change;
    if (count > 0) this.#connections.set(relay, count);
    else this.#connections.delete(relay);
  }

  #of(relay: PeerId, nowMs: number): Budget {
    let budget = this.#budgets.get(relay);
    if (budget === undefined) {
      const { handshakesPerRelayPerSecond, answersPerRelayPerSecond } = this.#limits;
      budget = {
        answers: new TokenBucket(answersPerRelayPerSecond, answersPerRelayPerSecond, nowMs),
        handshakes: new TokenBucket(
          handshakesPerRelayPerSecond,
          handshakesPerRelayPerSecond,
          nowMs,
        ),
      };
      this.#budgets.set(relay, budget);
    }
    return budget;
  }
}
