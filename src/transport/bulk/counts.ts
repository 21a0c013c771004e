/**
 * What a worker counts and tells the node with its next heartbeat: whoever is turned away at its ports, as often as
 * they like, costs the node's thread nothing more. Pure.
 */
import { BULK_LIMITS } from "../../limits-bulk.ts";
import type { WorkerCounts } from "./worker-messages.ts";

/** What stands for all details past their limit. */
export const OTHER_DETAIL = "other";

export class Counts {
  readonly #refused = new Map<string, number>();
  #servedBytes = 0;

  refused(detail: string): void {
    const isKnown = this.#refused.has(detail);
    const key =
      isKnown || this.#refused.size < BULK_LIMITS.refusedDetailsMax ? detail : OTHER_DETAIL;
    this.#refused.set(key, (this.#refused.get(key) ?? 0) + 1);
  }

  served(bytes: number): void {
    this.#servedBytes += bytes;
  }

  /** All since the last call. */
  take(): WorkerCounts {
    const refused = [...this.#refused].map(([detail, count]) => ({ detail, count }));
    const servedBytes = this.#servedBytes;
    this.#refused.clear();
    this.#servedBytes = 0;
    return { refused, servedBytes };
  }
}
