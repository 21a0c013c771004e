/**
 * The traffic class `bulk` as its one user sees it: what carries objects between nodes, beside the replica and
 * never before it. A frame is refused where the class's queue is full, and whoever was refused is told when
 * there is room again, so that nothing has to be kept for later anywhere but where it comes from.
 */
import type { PeerId } from "../ledger/ports.ts";

export type BulkUser = {
  /** A session is up. Those that were up before the user came are in `peers()`. */
  peerUp(peer: PeerId): void;
  peerDown(peer: PeerId): void;
  /** The bytes belong to the callee: at most LIMITS.frameBytesMax.bulk. */
  frame(peer: PeerId, bytes: Uint8Array): void;
  /** Half of the queue is free again, after a `send` that found it full. */
  drained(peer: PeerId): void;
};

export type BulkPort = {
  /**
   * False where nothing was queued: there is no session, the frame is over the class's limit, or the queue is
   * full. Only in the last case `drained` follows, unless `peerDown` does. The bytes must not change any more.
   */
  send(peer: PeerId, bytes: Uint8Array): boolean;
  /** Who has a session now. */
  peers(): readonly PeerId[];
};
