/**
 * Whose requests a worker looks after now: how many of one member the node is asked for at once, and how much memory
 * answers have, of all members and of one. Members take turns where memory is short, and who has no answer there
 * gets one in any case, so that nobody who leaves answers lying holds up others. What was begun counts until it has
 * ended, also when the member gave it up meanwhile. Pure.
 */
import { LIMITS } from "../../limits.ts";

export type ServingOptions<Job> = {
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
  #heldBytes = 0;

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
    this.#findMore(share);
  }

  /** Called once for each job that was to be found. `bytes`: of its answer; undefined where nothing is to be read. */
  found(peer: string, job: Job, bytes: number | undefined): void {
    const share = this.#shares.get(peer);
    if (share === undefined) return;
    share.finding -= 1;
    if (bytes !== undefined) share.found.push({ job, bytes });
    this.#findMore(share);
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

  #findMore(share: Share<Job>): void {
    while (share.finding < LIMITS.bulkServedPerPeerMax) {
      const job = share.asked.shift();
      if (job === undefined) return;
      share.finding += 1;
      this.#options.find(job);
    }
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
