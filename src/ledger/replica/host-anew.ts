/**
 * What a new epoch leaves without a host. Which sectors count is settled when an epoch begins: a batch that waits,
 * hosted by one whose sectors count no more, can be in no block then. The node whose client brought it hosts it anew.
 *
 * Some at each append, not all in the turn in which an epoch begins, as each is an opening of a sector to read. And
 * told twice: a peer that was not in the epoch yet has taken the first for what it holds already.
 */
import { equalBytes } from "../../crypto/bytes.ts";
import type { Failure, Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import type { Mempool } from "../mempool.ts";
import type { Batch } from "../types.ts";
import type { SpaceDesk } from "./space-desk.ts";

export type HostAnewPorts = {
  readonly space: Pick<SpaceDesk, "hasLostHost" | "hostAnew" | "isOwn" | "withoutHost">;
  readonly mempool: Pick<Mempool, "getById" | "replace">;
  /** Batches of this node's clients that wait. */
  own(): readonly Batch[];
  /** Another envelope of a batch that was checked. */
  reopened(bytes: Uint8Array): Result<Batch>;
  /** Tells all peers, in whatever moment: they have not heard of this envelope. */
  tell(batch: Batch): void;
  /** Tells them again, where that is not too soon. */
  tellAgain(batch: Batch): void;
  nowMs(): number;
};

/** A batch that this node cannot host either, and why: its client has to go to another node. */
export type Unhosted = { readonly batch: Batch; readonly failure: Failure };

export class HostAnew {
  readonly #ports: HostAnewPorts;
  #epoch: number | undefined;
  /** The newest last: still to be looked at in this epoch. */
  #left: Batch[] = [];
  #told: { readonly batch: Batch; readonly atMs: number }[] = [];

  constructor(ports: HostAnewPorts) {
    this.#ports = ports;
  }

  /** After each append, with the running epoch. */
  pump(epoch: number | undefined): readonly Unhosted[] {
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#left = this.#ports.own().toReversed();
    }
    this.#tellAgain();
    const unhosted: Unhosted[] = [];
    for (let count = 0; count < LIMITS.hostedAnewMax; count++) {
      const batch = this.#left.pop();
      if (batch === undefined) break;
      const failure = this.#look(batch);
      if (failure !== undefined) unhosted.push({ batch, failure });
    }
    return unhosted;
  }

  #look(batch: Batch): Failure | undefined {
    const { space, mempool, reopened } = this.#ports;
    // Final by now, or brought anew and replaced.
    if (mempool.getById(batch.id) !== batch || !space.hasLostHost(batch)) return undefined;
    const hosted = space.hostAnew(batch);
    const anew = hosted.ok ? reopened(hosted.value) : hosted;
    if (anew.ok) {
      this.#put(batch, anew.value);
      return undefined;
    }
    if (!space.isOwn(batch)) return anew;
    // What this node writes itself: every peer that has a sector hosts it for itself.
    const bare = space.withoutHost(batch);
    const opened = bare.ok ? reopened(bare.value) : bare;
    if (!opened.ok) return opened;
    this.#put(batch, opened.value);
    return undefined;
  }

  #put(held: Batch, anew: Batch): void {
    const { mempool, tell, tellAgain, nowMs } = this.#ports;
    // An epoch before it was told as it is now.
    if (equalBytes(held.digest, anew.digest)) return tellAgain(held);
    mempool.replace(anew);
    tell(anew);
    this.#told.push({ batch: anew, atMs: nowMs() });
  }

  #tellAgain(): void {
    const { mempool, tellAgain, nowMs } = this.#ports;
    const untilMs = nowMs() - LIMITS.gossipAgainMs;
    const due = this.#told.findIndex(({ atMs }) => atMs >= untilMs);
    const count = Math.min(due === -1 ? this.#told.length : due, LIMITS.hostedAnewMax);
    for (const { batch } of this.#told.splice(0, count)) {
      if (mempool.getById(batch.id) === batch) tellAgain(batch);
    }
  }
}
