/**
 * How often the signature of one batch is tried in vain. What a batch has to show (its work, its host) binds its id,
 * and the signature is not in that: one solution under many wrong signatures would buy any number of checks.
 *
 * Each peer has a count of its own for each id, so that nobody spends that of a node that brings the batch as it
 * should be. All clients have one together: anybody may be a client. So many counts are kept, and then the
 * oldest is forgotten.
 */
import { toHex } from "../../crypto/bytes.ts";
import { LIMITS } from "../../limits.ts";
import type { PeerId } from "../ports.ts";
import type { Hash } from "../types.ts";

const keyOf = (from: PeerId | undefined, id: Hash): string => `${toHex(id)}${from ?? ""}`;

export class SignatureTries {
  readonly #counts = new Map<string, number>();

  /** Whether no more are tried. */
  isSpent(from: PeerId | undefined, id: Hash): boolean {
    return (this.#counts.get(keyOf(from, id)) ?? 0) >= LIMITS.signatureTriesMax;
  }

  /** One is on its way to be tried; it counts until it is given back. */
  take(from: PeerId | undefined, id: Hash): void {
    const key = keyOf(from, id);
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    if (this.#counts.size <= LIMITS.verdictCacheMax) return;
    const oldest = this.#counts.keys().next();
    if (oldest.done !== true) this.#counts.delete(oldest.value);
  }

  /** It was good, or was not tried. */
  give(from: PeerId | undefined, id: Hash): void {
    const key = keyOf(from, id);
    const left = (this.#counts.get(key) ?? 0) - 1;
    if (left > 0) this.#counts.set(key, left);
    else this.#counts.delete(key);
  }

  /** Counts that are kept. */
  get size(): number {
    return this.#counts.size;
  }
}
