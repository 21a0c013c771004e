/**
 * What was signed of late, in three maps that do not push each other's entries out. A liar signs as many statements
 * as it likes, most of them for views that nobody will see, and what it says in the views that count, with an honest
 * node or before one, must not be forgotten for it: the oracle would accuse those who have taken its vote.
 */
import { Recent } from "./recent.ts";

/** Of what liars alone have signed in views where nobody honest is. */
const FAR_MAX = 8_192;
/** A node takes in votes for the view after its own at most; honest nodes are apart by the views of a partition. */
const NEAR_VIEWS = 512;

export type Place = { readonly epoch: number; readonly view: number };

/** The newest view in which an honest node has signed something, of the newest epoch and the one before. */
class Front {
  readonly #tops = new Map<number, number>();
  #epoch = 0;

  note({ epoch, view }: Place): void {
    if (epoch < this.#epoch - 1) return;
    this.#tops.set(epoch, Math.max(view, this.#tops.get(epoch) ?? 0));
    if (epoch <= this.#epoch) return;
    this.#epoch = epoch;
    for (const one of this.#tops.keys()) if (one < epoch - 1) this.#tops.delete(one);
  }

  isNear({ epoch, view }: Place): boolean {
    if (Math.abs(epoch - this.#epoch) > 1) return false;
    return Math.abs(view - (this.#tops.get(epoch) ?? 0)) <= NEAR_VIEWS;
  }
}

export class ByHonesty<V extends Place> {
  readonly #front = new Front();
  readonly #honest: Recent<string, V>;
  readonly #near: Recent<string, V>;
  readonly #far = new Recent<string, V>(FAR_MAX);
  #forgotten: Place = { epoch: 0, view: -1 };

  /** So many entries of honest nodes, and as many that liars alone have made near them. */
  constructor(max: number) {
    this.#near = new Recent(max);
    this.#honest = new Recent(max, (value) => {
      if (value !== undefined && !this.hasForgotten(value)) this.#forgotten = value;
    });
  }

  get(key: string): V | undefined {
    return this.#honest.get(key) ?? this.#near.get(key) ?? this.#far.get(key);
  }

  /** The entry of a statement that somebody has signed; `fresh` makes it where there is none. */
  signed(key: string, at: Place, isHonest: boolean, fresh: () => V): V {
    if (isHonest) this.#front.note(at);
    const own = this.#honest.get(key);
    if (own !== undefined) return own;
    const near = this.#near.get(key);
    if (near !== undefined && !isHonest) return near;
    const value = near ?? this.#far.get(key) ?? fresh();
    if (isHonest) {
      this.#near.delete(key);
      this.#far.delete(key);
      this.#honest.set(key, value);
    } else if (this.#front.isNear(at)) {
      // The front may have come up to what was far when a liar signed it first.
      this.#far.delete(key);
      this.#near.set(key, value);
    } else this.#far.set(key, value);
    return value;
  }

  /** Whether something that an honest node has signed in this view or in a later one is forgotten. */
  hasForgotten({ epoch, view }: Place): boolean {
    const { epoch: lastEpoch, view: lastView } = this.#forgotten;
    return epoch < lastEpoch || (epoch === lastEpoch && view <= lastView);
  }
}
