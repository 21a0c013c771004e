/**
 * The traffic class `bulk` as its one user sees it: what carries objects between nodes, beside the replica and
 * never before it. A frame is refused where the class's queue is full, and whoever was refused is told when
 * there is room again, so that nothing has to be kept for later anywhere but where it comes from.
 */
import type { Failure } from "../errors.ts";
import type { PeerId } from "../ledger/ports.ts";

export type BulkUser = {
  /** A session is up. Those that were up before the user came are in `peers()`. */
  peerUp(peer: PeerId): void;
  peerDown(peer: PeerId): void;
  /** The bytes belong to the callee: at most LIMITS.frameBytesMax.bulk. */
  frame(peer: PeerId, bytes: Uint8Array): void;
  /** Half of the queue is free again, after a `send` that found it full. */
  drained(peer: PeerId): void;
  /** The session's post-quantum handshake is complete: the peer is who it says, and notes may be sealed. */
  secured?(peer: PeerId): void;
  /** A sealed note of the peer (bulk/notes.ts), after `secured`. */
  note?(peer: PeerId, bytes: Uint8Array): void;
};

export type BulkPort = {
  /**
   * False where nothing was queued: there is no session, the frame is over the class's limit, or the queue is
   * full. Only in the last case `drained` follows, unless `peerDown` does. The bytes must not change any more.
   */
  send(peer: PeerId, bytes: Uint8Array): boolean;
  /** Who has a session now. */
  peers(): readonly PeerId[];
  /** Sends a note, sealed; false where the session is not complete. */
  seal(peer: PeerId, note: Uint8Array): boolean;
  /** True where the peer's hello says that it reads notes. */
  takesNotes(peer: PeerId): boolean;
  /** The address that the session with the peer is with. */
  remoteHost(peer: PeerId): string | undefined;
  /** The peer broke the rules: the session ends, and the refusal is counted. */
  breach(peer: PeerId, failure: Failure): void;
};
