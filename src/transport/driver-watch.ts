/**
 * Decides when the endpoint of sessions is beyond help, so that another takes its place (endpoint-keeper.ts).
 * Pure: the driver tells what happens, and brings the time.
 *
 * An exception of the QUIC library costs the connection or the datagram that it met, and nothing else: whoever found
 * out how to raise one from outside must not be able to end the sessions of all others by it. Only where
 * nothing goes well any more, because no turn of an established session came between so many of them and for so
 * long, is it the library itself: many datagrams come in before any turn, and an idle node has few turns. An error
 * of the socket counts the same way, unless it says that there is no socket any more, or may be of one destination
 * alone: who names those, in a grant or as the source of a packet, could end the sessions of all others too. And a
 * loop that leaves undone what is due has stalled: counted in looks, so that a process that was stopped itself, and
 * looks late, does not take that for a stall.
 */
import type { DriverFault } from "../ledger/ports.ts";
import type { DriverLimits } from "../limits-driver.ts";

/** What the endpoint is held against at each look. */
export type LoopFacts = {
  /** Connections wait for the next round after a look at the socket; and how many rounds there were so far. */
  readonly isWaiting: boolean;
  readonly rounds: number;
  /** A deadline has passed by more than the time between two looks. */
  readonly isOverdue: boolean;
  /** Every buffer is with the socket; and how often some came back, or the kernel took some, so far. */
  readonly isStarved: boolean;
  readonly returned: number;
};

/** There is no socket behind the descriptor: nothing goes in or out any more. */
const FINAL_SOCKET_ERRORS: ReadonlySet<string> = new Set([
  "EBADF",
  "ENOTSOCK",
  "ERR_SOCKET_DGRAM_NOT_RUNNING",
]);

/**
 * What Linux says of where a packet goes: no way there, no address to send from, a route or a firewall that forbids it,
 * a packet that is too long for it. They count neither way. Where they meet every destination it is the network that is
 * gone, and another socket would have the same, but for one on another address: where the host has lost the one that
 * this socket is bound to, nobody finds out here (adr/0016).
 */
const DESTINATION_ERRORS: ReadonlySet<string> = new Set([
  ...["ENETUNREACH", "EHOSTUNREACH", "ENETDOWN", "EHOSTDOWN", "EADDRNOTAVAIL"],
  ...["EINVAL", "EACCES", "EPERM", "EMSGSIZE"],
]);

export class DriverWatch {
  readonly #limits: DriverLimits;
  #faults = 0;
  #faultsSinceMs = 0;
  #errors = 0;
  #errorsSinceMs = 0;
  #rounds = -1;
  #returned = -1;
  #stalled = 0;

  constructor(limits: DriverLimits) {
    this.#limits = limits;
  }

  /** The library threw where it should not have. Undefined: go on. */
  exception(detail: string, nowMs: number): DriverFault | undefined {
    if (this.#faults === 0) this.#faultsSinceMs = nowMs;
    this.#faults += 1;
    const forMs = nowMs - this.#faultsSinceMs;
    const { faultsMax, faultsMs } = this.#limits;
    if (this.#faults < faultsMax || forMs < faultsMs) return undefined;
    const what = `${this.#faults} exceptions in a row in ${Math.round(forMs)} ms`;
    return { cause: "library", detail: `${what}, the last: ${detail}` };
  }

  /** An established session had its turn. */
  worked(): void {
    this.#faults = 0;
  }

  /** A datagram did not go out, or the socket told of an error by itself. Undefined: go on. */
  socketError(code: string, detail: string, nowMs: number): DriverFault | undefined {
    if (FINAL_SOCKET_ERRORS.has(code)) return { cause: "socket", detail };
    if (DESTINATION_ERRORS.has(code)) return undefined;
    if (this.#errors === 0) this.#errorsSinceMs = nowMs;
    this.#errors += 1;
    const forMs = nowMs - this.#errorsSinceMs;
    const { socketErrorsMax, socketErrorsMs } = this.#limits;
    if (this.#errors < socketErrorsMax || forMs < socketErrorsMs) return undefined;
    const what = `${this.#errors} errors in ${Math.round(forMs)} ms and nothing went out, the last`;
    return { cause: "socket", detail: `${what}: ${detail}` };
  }

  /** The kernel took a datagram. */
  sent(): void {
    this.#errors = 0;
  }

  /** To be called every `checkMs`. Undefined: go on. */
  look(facts: LoopFacts): DriverFault | undefined {
    const idle = facts.isOverdue || (facts.isWaiting && facts.rounds === this.#rounds);
    const blocked = facts.isStarved && facts.returned === this.#returned;
    this.#rounds = facts.rounds;
    this.#returned = facts.returned;
    this.#stalled = idle || blocked ? this.#stalled + 1 : 0;
    if (this.#stalled < this.#limits.stalledChecksMax) return undefined;
    const what = blocked ? "the socket returns no buffer" : "what is due is not done";
    return { cause: "stall", detail: `${what}, seen ${this.#stalled} times in a row` };
  }
}

/** How long to wait before each attempt to open another endpoint. Pure. */
export class RetryPlan {
  readonly #limits: Pick<DriverLimits, "retryMsMin" | "retryMsMax">;
  #faults = 0;
  #upSinceMs: number;

  constructor(limits: Pick<DriverLimits, "retryMsMin" | "retryMsMax">, nowMs: number) {
    this.#limits = limits;
    this.#upSinceMs = nowMs;
  }

  /** The endpoint is gone, or could not be opened again: the pause before the next attempt. */
  failed(nowMs: number): number {
    const { retryMsMin, retryMsMax } = this.#limits;
    if (nowMs - this.#upSinceMs >= retryMsMax) this.#faults = 0;
    // From here on it is not up, so no time that passes counts as a good one.
    this.#upSinceMs = Number.POSITIVE_INFINITY;
    const pauseMs = Math.min(retryMsMax, retryMsMin * 2 ** Math.min(this.#faults, 20));
    this.#faults += 1;
    return pauseMs;
  }

  opened(nowMs: number): void {
    this.#upSinceMs = nowMs;
  }

  /** Failures in a row: none is forgotten but after one that lasted. */
  get faults(): number {
    return this.#faults;
  }
}
