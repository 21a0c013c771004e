/**
 * The port to bulk: a small name goes to a member, at most a chunk of bytes comes back. What the name means is
 * the user's (objects). Which way it goes is not the user's business: over the connections of the bulk worker,
 * a process of its own (host.ts), while they are up with that member, else over the class `bulk` of the session;
 * a request that a worker drops half way is asked again over the session, within the same deadline.
 *
 * Who asks is a member whose session is complete, so `peer` is proven. The bytes that come back are the peer's
 * and prove nothing: the user holds them against what it asked for.
 */
import type { Result } from "../../errors.ts";
import type { PeerId } from "../../ledger/ports.ts";

/** The driver of the bulk worker, or the session's class `bulk`. */
export type BulkPath = "reactor" | "quiche" | "session";

export type BulkAnswer = {
  readonly bytes: Uint8Array;
  readonly path: BulkPath;
  /** From the request to the last byte. */
  readonly ms: number;
};

/** A part of a regular file. It is read by the bulk worker, so the bytes need not pass through this process. */
export type BulkFile = {
  /** Absolute, inside of the folder that the channel was opened with. */
  readonly path: string;
  readonly offset: number;
  readonly length: number;
};

/** What answers a request: some bytes of memory, then a part of a file; together within the limit. */
export type BulkSource = {
  readonly head: Uint8Array;
  readonly file: BulkFile | undefined;
};

/** Finds what a peer asks for; undefined where there is no such thing here. A throw counts as that too. */
export type BulkServe = (peer: PeerId, name: Uint8Array) => Promise<BulkSource | undefined>;

export type BulkPort = {
  /**
   * Asks a member. `name` has 1 to LIMITS.bulkNameBytesMax bytes, the answer at most LIMITS.bulkAnswerBytesMax.
   * Never throws. Codes: bulk.not-found (the peer has not what was asked for), bulk.timeout, bulk.unreachable
   * (no complete session with that member, or it ended), node.overloaded (too many wait for that member).
   */
  request(
    peer: PeerId,
    name: Uint8Array,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<Result<BulkAnswer>>;
  /** Who answers peers from now on; until then they are told that there is nothing. */
  serve(serve: BulkServe): void;
  /** Members that can be asked now, and the way that a request would take. */
  peers(): readonly { readonly id: PeerId; readonly path: BulkPath }[];
};
