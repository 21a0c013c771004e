/**
 * What keys held before each of the newest writes: snapshots of a store that has none which can be trusted.
 *
 * LevelDB keeps several versions of a key while a snapshot of its own is open. Up to its release 1.22 a compaction
 * may then move the newer version below the older one, and from then on every reader of the store sees
 * the older (google/leveldb, issue 320); the binding carries 1.20. So LevelDB's snapshots are never opened. Before
 * a write its keys are read, if a snapshot is open, and what they held stays in memory for as long as a snapshot
 * from before that write is open: the first such value of a key is the snapshot's, and a key without one is
 * as it is now.
 */

/** Stored bytes; undefined where there were none. */
type Image = Uint8Array | undefined;

/** An open snapshot: the number of the first write that it does not show. */
export type Reading = { readonly from: number };

/** One code unit a byte: distinct for distinct keys, and in the order of the keys. */
const nameOf = (key: Uint8Array): string =>
  String.fromCharCode.apply(null, key as unknown as number[]);

export class BeforeImages {
  /** Of writes that an open snapshot does not show, and of the one under way; oldest first. */
  readonly #kept: Map<string, Image>[] = [];
  /** The number of the oldest of them. */
  #first = 0;
  #writing = false;
  /** The write under way began while no snapshot was open, and has no images. */
  #blind = false;
  readonly #open = new Set<Reading>();

  /** A write of these keys comes next. `read` gives what is stored under a key now. */
  begin(keys: Iterable<Uint8Array>, read: (key: Uint8Array) => Image): void {
    this.#blind = this.#open.size === 0;
    if (this.#blind) return;
    const images = new Map<string, Image>();
    for (const key of keys) {
      const name = nameOf(key);
      if (!images.has(name)) images.set(name, read(key));
    }
    this.#kept.push(images);
    this.#writing = true;
  }

  /** The write is over, however it ended. */
  end(): void {
    this.#writing = false;
    this.#blind = false;
    this.#trim();
  }

  /**
   * A snapshot of now. A write that is under way is not in it: it may show in the store already or not yet.
   * Undefined where that write has no images: then there is none before it is over.
   */
  take(): Reading | undefined {
    if (this.#blind) return undefined;
    const reading = { from: this.#first + this.#kept.length - (this.#writing ? 1 : 0) };
    this.#open.add(reading);
    return reading;
  }

  /** The same snapshot once more, to be released on its own. */
  share({ from }: Reading): Reading {
    const reading = { from };
    this.#open.add(reading);
    return reading;
  }

  release(reading: Reading): void {
    if (this.#open.delete(reading)) this.#trim();
  }

  /** What the key held, in brackets; undefined where it is as it is in the store. */
  find({ from }: Reading, key: Uint8Array): readonly [Image] | undefined {
    const name = nameOf(key);
    for (let at = from - this.#first; at < this.#kept.length; at++) {
      const images = this.#kept[at];
      if (images?.has(name) === true) return [images.get(name)];
    }
    return undefined;
  }

  /** All keys of a range that were written since, in no order, with what they held. */
  within({ from }: Reading, gte: Uint8Array, lt: Uint8Array): Map<string, Image> {
    const found = new Map<string, Image>();
    const low = nameOf(gte);
    const high = nameOf(lt);
    for (const images of this.#kept.slice(from - this.#first)) {
      for (const [name, image] of images) {
        if (name >= low && name < high && !found.has(name)) found.set(name, image);
      }
    }
    return found;
  }

  #trim(): void {
    let needed = this.#first + this.#kept.length - (this.#writing ? 1 : 0);
    for (const { from } of this.#open) needed = Math.min(needed, from);
    this.#kept.splice(0, needed - this.#first);
    this.#first = needed;
  }
}

export type Row = readonly [name: string, stored: Uint8Array];

/**
 * A page of a snapshot: the rows that the store has now in the range, at least `limit` of them beyond the
 * keys in `images` or all, with what these keys held in their place.
 */
export const pageOf = (
  rows: readonly Row[],
  images: ReadonlyMap<string, Image>,
  { limit, reverse }: { readonly limit: number; readonly reverse: boolean },
): Row[] => {
  const merged = rows.filter(([name]) => !images.has(name));
  for (const [name, image] of images) if (image !== undefined) merged.push([name, image]);
  merged.sort(([a], [b]) => (a < b ? -1 : 1));
  if (reverse) merged.reverse();
  return merged.slice(0, limit);
};

/** The key of a name. */
export const keyOfName = (name: string): Uint8Array => {
  const key = new Uint8Array(name.length);
  for (let i = 0; i < name.length; i++) key[i] = name.charCodeAt(i);
  return key;
};

export const nameOfKey = nameOf;
