/**
 * Whose requests a worker looks after now: how many of one member the node is asked for at once and in a second, and
 * how much memory answers have, of all members and of one. Requests over the rate wait here, so that a member that
 * asks as fast as it can slows itself down and keeps no other thread busy. Members take turns where memory is short,
 * and who has no answer there gets one in any case, so that nobody who leaves answers lying holds up others. What was
 * begun counts until it has ended, also when the member gave it up meanwhile. Pure.
 */
import type { Clock, Timers } from "../../ledger/ports.ts";
import { LIMITS } from "../../limits.ts";
import { BULK_LIMITS } from "../../limits-bulk.ts";
import { TokenBucket } from "../token-bucket.ts";

export type ServingOptions<Job> = {
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly timers: Timers;
  /** The node is to be asked what the job is for; `found` follows. */
  readonly find: (job: Job) => void;
  /** There is room for the answer; `done` follows. */
  readonly read: (job: Job) => void;
};

type Found<Job> = { readonly job: Job; readonly bytes: number };

type Share<Job> = {
  readonly asked: Job[];
  finding: number;
  readonly found: Found<Job>[];
  heldBytes: number;
};

export class Serving<Job> {
  readonly #options: ServingOptions<Job>;
  /** The member whose turn is next first. */
  readonly #shares = new Map<string, Share<Job>>();
  /** Of members that have asked lately, also when nothing of theirs is left. */
  readonly #rates = new Map<string, TokenBucket>();
  #heldBytes = 0;
  #willFind = false;

  constructor(options: ServingOptions<Job>) {
    this.#options = options;
  }

  /** Bytes that answers have now. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Members of whom something is known. */
  get members(): number {
    return this.#shares.size;
  }

  asked(peer: string, job: Job): void {
    const share = this.#shares.get(peer) ?? { asked: [], finding: 0, found: [], heldBytes: 0 };
    this.#shares.set(peer, share);
    share.asked.push(job);
    this.#findMore(peer, share);
  }

  /** Called once for each job that was to be found. `bytes`: of its answer; undefined where nothing is to be read. */
  found(peer: string, job: Job, bytes: number | undefined): void {
    const share = this.#shares.get(peer);
    if (share === undefined) return;
    share.finding -= 1;
    if (bytes !== undefined) share.found.push({ job, bytes });
    this.#findMore(peer, share);
    this.#readMore();
    this.#tidy(peer, share);
  }

  /** The job is not wanted any more. What is looked for or read for it goes on. */
  givenUp(peer: string, job: Job): void {
    const share = this.#shares.get(peer);
    if (share === undefined) return;
    const asked = share.asked.indexOf(job);
    if (asked >= 0) share.asked.splice(asked, 1);
    const found = share.found.findIndex((entry) => entry.job === job);
    if (found >= 0) share.found.splice(found, 1);
    this.#tidy(peer, share);
  }

  /** An answer that was read is out of memory. */
  done(peer: string, bytes: number): void {
    const share = this.#shares.get(peer);
    if (share === undefined) return;
    share.heldBytes -= bytes;
    this.#heldBytes -= bytes;
    this.#readMore();
    this.#tidy(peer, share);
  }

  /** Forgets the rates of members that have not asked for so long that they may ask for all at once again. */
  forgetIdle(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const [peer, rate] of this.#rates) if (rate.isFull(nowMs)) this.#rates.delete(peer);
  }

  #findMore(peer: string, share: Share<Job>): void {
    while (share.finding < LIMITS.bulkServedPerPeerMax) {
      const [job] = share.asked;
      if (job === undefined) return;
      if (!this.#rateOf(peer).take(this.#options.clock.monotonicMs())) {
        this.#findLater();
        return;
      }
      share.asked.shift();
      share.finding += 1;
      this.#options.find(job);
    }
  }

  #findLater(): void {
    if (this.#willFind) return;
    this.#willFind = true;
    this.#options.timers.set(BULK_LIMITS.findWaitMs, () => {
      this.#willFind = false;
      for (const [peer, share] of this.#shares) this.#findMore(peer, share);
    });
  }

  #rateOf(peer: string): TokenBucket {
    const known = this.#rates.get(peer);
    if (known !== undefined) return known;
    const { findsPerPeerPerSecond, findsPerPeerBurst } = BULK_LIMITS;
    const nowMs = this.#options.clock.monotonicMs();
    const made = new TokenBucket(findsPerPeerPerSecond, findsPerPeerBurst, nowMs);
    this.#rates.set(peer, made);
    return made;
  }

  /** Who gets room goes behind the others, and is looked at again after them. */
  #readMore(): void {
    for (const [peer, share] of this.#shares) {
      const [next] = share.found;
      if (next === undefined || !this.#hasRoom(share, next.bytes)) continue;
      share.found.shift();
      share.heldBytes += next.bytes;
      this.#heldBytes += next.bytes;
      this.#shares.delete(peer);
      this.#shares.set(peer, share);
      this.#options.read(next.job);
    }
  }

  #hasRoom({ heldBytes }: Share<Job>, bytes: number): boolean {
    if (heldBytes === 0) return true;
    const own = heldBytes + bytes <= LIMITS.bulkServingBytesPerPeerMax;
    return own && this.#heldBytes + bytes <= LIMITS.bulkServingBytesMax;
  }

  #tidy(peer: string, share: Share<Job>): void {
    const { asked, finding, found, heldBytes } = share;
    if (asked.length + finding + found.length + heldBytes === 0) this.#shares.delete(peer);
  }
}
