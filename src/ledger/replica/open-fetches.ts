/**
 * Blocks and batches that were asked of each peer and have not come. What was not asked is not decoded: a
 * peer could have this node hash megabytes for nothing. An answer that comes late, after another peer's, is
 * still an answer.
 */
import { toHex } from "../../crypto/bytes.ts";
import { LIMITS } from "../../limits.ts";
import type { PeerId } from "../ports.ts";
import type { Hash } from "../types.ts";

export class OpenFetches {
  /** Hashes in hex, in the order of asking. */
  readonly #open = new Map<PeerId, Set<string>>();

  /** These are asked of the peer. The oldest questions are forgotten where there are too many. */
  open(peer: PeerId, hashes: readonly Hash[]): void {
    const open = this.#open.get(peer) ?? new Set<string>();
    this.#open.set(peer, open);
    for (const hash of hashes) {
      const key = toHex(hash);
      open.delete(key);
      open.add(key);
    }
    for (const key of open) {
      if (open.size <= LIMITS.fetchesOpenPerPeer) break;
      open.delete(key);
    }
  }

  /** Whether anything was asked of the peer that may still come. */
  isAsked(peer: PeerId): boolean {
    return (this.#open.get(peer)?.size ?? 0) > 0;
  }

  /** Takes an answer: true once for each that was asked. */
  close(peer: PeerId, hash: Hash): boolean {
    const open = this.#open.get(peer);
    const asked = open?.delete(toHex(hash)) === true;
    if (open?.size === 0) this.#open.delete(peer);
    return asked;
  }

  /** Nobody wants these any more, whoever was asked; but for those that `wanted` has, in hex. */
  drop(hashes: readonly Hash[], wanted: () => ReadonlySet<string>): void {
    // Mostly nothing is open: what was pushed is not asked for.
    if (this.#open.size === 0) return;
    const kept = wanted();
    const keys = hashes.map(toHex).filter((key) => !kept.has(key));
    for (const [peer, open] of this.#open) {
      for (const key of keys) open.delete(key);
      if (open.size === 0) this.#open.delete(peer);
    }
  }

  /** Whatever comes now is too late. */
  clear(): void {
    this.#open.clear();
  }
}
