/**
 * A map that forgets its oldest entries: what checkers remember of a run stays bounded, however long it is.
 * Views and heights that lie so far back are signed by nobody any more; who did would go unseen.
 */

/** Of views and heights: minutes of virtual time on short paths, hours where nothing is written. */
const ENTRIES_MAX = 8_192;
/** Of what every validator says in a view. */
const VIEWS_MAX = 1_024;

/** How many entries to keep where each of so many validators has one in every view. */
export const entriesOfAll = (validators: number): number =>
  Math.max(ENTRIES_MAX, VIEWS_MAX * validators);

export class Recent<K, V> extends Map<K, V> {
  readonly #max: number;
  readonly #forgotten: ((value: V | undefined) => void) | undefined;
  /** Stands before the oldest entry. A new one would pass over all that was deleted, at every eviction. */
  #ages: MapIterator<K> | undefined;

  /** `forgotten` is told of each entry that has to make room. */
  constructor(max = ENTRIES_MAX, forgotten?: (value: V | undefined) => void) {
    super();
    this.#max = max;
    this.#forgotten = forgotten;
  }

  override set(key: K, value: V): this {
    super.set(key, value);
    if (this.size <= this.#max) return this;
    this.#ages ??= this.keys();
    const oldest = this.#ages.next();
    if (oldest.done === true) return this;
    this.#forgotten?.(this.get(oldest.value));
    this.delete(oldest.value);
    return this;
  }
}
