/**
 * What keys held before each of the newest writes: snapshots of a store that has none which can be trusted
 * (adr/0014). Before a write its keys are read, if a snapshot is open, and what they held stays in memory for as
 * long as a snapshot from before that write is open: the first such value of a key is the snapshot's, and a key
 * without one is as it is now. Images beyond a bound are thrown away with the oldest snapshots, which are gone then.
 */
import { byteText, compareBytes } from "../../crypto/bytes.ts";
import type { StoreRange } from "../ports.ts";

/** Stored bytes; undefined where there were none. */
type Image = Uint8Array | undefined;

/** An open snapshot. */
export type Reading = {
  /** The number of the first write that it does not show. */
  readonly from: number;
  /** Given up, for the images that it needed were too many. */
  gone: boolean;
};

export type Row = readonly [key: Uint8Array, stored: Uint8Array];

/** What a write changed. */
type Before = {
  readonly images: ReadonlyMap<string, Image>;
  readonly bytes: number;
  /** The names of its keys in order, once a range has asked for them. */
  sorted: readonly string[] | undefined;
};

/** About what the engine needs for an image beside its bytes: an entry, two objects and their buffer. */
const IMAGE_OVERHEAD_BYTES = 256;

/** Rows that are read at a time at most where few of those there are now were there. */
const CHUNK_ROWS_MAX = 1024;

/** Distinct for distinct keys, and in the order of the keys. */
const nameOf = byteText;

const keyOf = (name: string): Uint8Array => {
  const key = new Uint8Array(name.length);
  for (let i = 0; i < name.length; i++) key[i] = name.charCodeAt(i);
  return key;
};

/** The smallest key above a key: that one with a zero byte behind it. */
const keyAfter = (key: Uint8Array): Uint8Array => {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
};

export class BeforeImages {
  readonly #bytesMax: number;
  /** Of writes that an open snapshot does not show, and of the one under way; oldest first. */
  readonly #kept: Before[] = [];
  #bytes = 0;
  /** The number of the oldest of them. */
  #first = 0;
  #writing = false;
  /** The write under way has no images: no snapshot was open when it began, or none is any more. */
  #blind = false;
  readonly #open = new Set<Reading>();

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** What is kept now, as it is counted. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A write of these keys comes next. `read` gives what is stored under a key now. */
  begin(keys: Iterable<Uint8Array>, read: (key: Uint8Array) => Image): void {
    this.#blind = this.#open.size === 0;
    if (this.#blind) return;
    const images = new Map<string, Image>();
    let bytes = 0;
    for (const key of keys) {
      const name = nameOf(key);
      if (images.has(name)) continue;
      const image = read(key);
      images.set(name, image);
      bytes += IMAGE_OVERHEAD_BYTES + name.length + (image?.length ?? 0);
    }
    this.#kept.push({ images, bytes, sorted: undefined });
    this.#bytes += bytes;
    this.#writing = true;
    this.#giveUp();
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
    return this.#opened(this.#next - (this.#writing ? 1 : 0));
  }

  /** The same snapshot once more, to be released on its own. Of one that is gone, one that is gone. */
  share(reading: Reading): Reading {
    return reading.gone ? { from: reading.from, gone: true } : this.#opened(reading.from);
  }

  release(reading: Reading): void {
    if (this.#open.delete(reading)) this.#trim();
  }

  /** What the key held, in brackets; undefined where it is as it is in the store. For one that is not gone. */
  find({ from }: Reading, key: Uint8Array): readonly [Image] | undefined {
    const name = nameOf(key);
    for (let at = from - this.#first; at < this.#kept.length; at++) {
      const images = this.#kept[at]?.images;
      if (images?.has(name) === true) return [images.get(name)];
    }
    return undefined;
  }

  /** All keys of a range that were written since, in no order, with what they held. For one that is not gone. */
  within({ from }: Reading, gte: Uint8Array, lt: Uint8Array): Map<string, Image> {
    const found = new Map<string, Image>();
    const high = nameOf(lt);
    for (const before of this.#kept.slice(from - this.#first)) {
      before.sorted ??= [...before.images.keys()].sort();
      const { images, sorted } = before;
      for (let at = lowerBound(sorted, nameOf(gte)); at < sorted.length; at++) {
        const name = sorted[at];
        if (name === undefined || name >= high) break;
        if (!found.has(name)) found.set(name, images.get(name));
      }
    }
    return found;
  }

  get #next(): number {
    return this.#first + this.#kept.length;
  }

  #opened(from: number): Reading {
    const reading = { from, gone: false };
    this.#open.add(reading);
    return reading;
  }

  /** The oldest snapshots, until the images that the others need are within the bound. */
  #giveUp(): void {
    while (this.#bytes > this.#bytesMax && this.#open.size > 0) {
      const oldest = this.#oldest();
      for (const reading of this.#open) {
        if (reading.from > oldest) continue;
        reading.gone = true;
        this.#open.delete(reading);
      }
      this.#trim();
    }
    if (this.#open.size > 0) return;
    this.#blind = true;
    this.#writing = false;
    this.#trim();
  }

  #oldest(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const { from } of this.#open) oldest = Math.min(oldest, from);
    return oldest;
  }

  #trim(): void {
    const needed = Math.min(this.#next - (this.#writing ? 1 : 0), this.#oldest());
    for (const { bytes } of this.#kept.splice(0, needed - this.#first)) this.#bytes -= bytes;
    this.#first = needed;
  }
}

const lowerBound = (sorted: readonly string[], name: string): number => {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? "") < name) low = middle + 1;
    else high = middle;
  }
  return low;
};

/**
 * A range of a snapshot, from `stored`, which reads a range of the store as it is at some moment after it is called,
 * and `written`, which gives the images of a range. Each chunk may be of another moment: what was written since the
 * snapshot has an image, whenever it was, and the rest is the same at all moments.
 */
export const rangeBefore = async (
  { gte, lt, limit, reverse = false }: StoreRange,
  stored: (range: StoreRange) => Promise<readonly Row[]>,
  written: (gte: Uint8Array, lt: Uint8Array) => ReadonlyMap<string, Image>,
): Promise<Row[]> => {
  const found: Row[] = [];
  let [low, high] = [gte, lt];
  for (let rows = limit; ; rows = Math.max(limit, Math.min(2 * rows, CHUNK_ROWS_MAX))) {
    const now = await stored({ gte: low, lt: high, limit: rows, reverse });
    const last = now.length < rows ? undefined : now.at(-1)?.[0];
    const ends = last === undefined ? {} : reverse ? { low: last } : { high: keyAfter(last) };
    const images = written(ends.low ?? low, ends.high ?? high);
    found.push(...chunkOf(now, images, reverse));
    if (last === undefined || found.length >= limit) return found.slice(0, limit);
    if (reverse) high = last;
    else low = keyAfter(last);
  }
};

/** Rows as they are now with what their keys, and others, held before. */
const chunkOf = (
  now: readonly Row[],
  images: ReadonlyMap<string, Image>,
  reverse: boolean,
): readonly Row[] => {
  if (images.size === 0) return now;
  const rows = now.filter(([key]) => !images.has(nameOf(key)));
  for (const [name, image] of images) if (image !== undefined) rows.push([keyOf(name), image]);
  return rows.sort(([a], [b]) => (reverse ? compareBytes(b, a) : compareBytes(a, b)));
};
