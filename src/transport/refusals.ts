/**
 * What was turned away, and why: every one is counted by its code, and logged at a rate that a flood
 * cannot raise.
 */
import type { ErrorCode } from "../errors.ts";
import type { Clock, Logger, Metrics, PeerId } from "../ledger/ports.ts";
import { TokenBucket } from "./token-bucket.ts";

const LOGGED_PER_SECOND = 1;
const LOGGED_AT_ONCE = 20;

/** A code of the error table, or `limit` where a cap or rate of our own was met. */
export type RefusalCode = ErrorCode | "limit";

export class Refusals {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #metrics: Metrics;
  readonly #counts = new Map<RefusalCode, number>();
  readonly #buckets = new Map<RefusalCode, TokenBucket>();

  constructor(ports: {
    readonly clock: Clock;
    readonly logger: Logger;
    readonly metrics: Metrics;
  }) {
    this.#clock = ports.clock;
    this.#logger = ports.logger;
    this.#metrics = ports.metrics;
  }

  note(code: RefusalCode, detail: string, peer?: PeerId): void {
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + 1);
    this.#metrics.count("tetrad_transport_refused_total", 1, { code });
    const now = this.#clock.monotonicMs();
    let bucket = this.#buckets.get(code);
    if (bucket === undefined) {
      bucket = new TokenBucket(LOGGED_PER_SECOND, LOGGED_AT_ONCE, now);
      this.#buckets.set(code, bucket);
    }
    if (bucket.take(now)) this.#logger.log("warn", "refused", { code, detail, peer });
  }

  /** How often each code occurred since the start. */
  counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }
}
