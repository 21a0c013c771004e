/** Verdicts that are reached once and kept by digest: so many, and then the oldest is forgotten. */
import { toHex } from "../../crypto/bytes.ts";
import { LIMITS } from "../../limits.ts";
import type { Hash } from "../types.ts";

export class Verdicts<T> {
  readonly #kept = new Map<string, T>();

  /** Undefined where there was none, or so long ago that it is forgotten. */
  get(digest: Hash): T | undefined {
    return this.#kept.get(toHex(digest));
  }

  keep(digest: Hash, verdict: T): void {
    this.#kept.set(toHex(digest), verdict);
    if (this.#kept.size <= LIMITS.verdictCacheMax) return;
    const oldest = this.#kept.keys().next();
    if (oldest.done !== true) this.#kept.delete(oldest.value);
  }
}
