/**
 * The batches that clients have written, for all checkers of a run: whose, which place of the lane, how many events,
 * and whether somebody was told that it is committed. Kept in columns, some thirty bytes each, so that hours of
 * a busy run are there at its end. Past its size the older half is forgotten, and it is known of each lane up to where.
 */
import type { CheckContext, Submission } from "./types.ts";

/** More than three and a half virtual hours of twenty batches a second. */
const BATCHES_MAX = 262_144;
const PLACES_MIN = 1_024;

export type Known = Pick<Submission, "actorHex" | "laneSeq" | "eventCount">;

/** Columns of one size; a place is a number in all of them. */
type Columns = {
  /** Two hashes of the id stand for it: of so many, two of one pair are a chance of one in 500 million. */
  readonly name: Uint32Array;
  readonly other: Uint32Array;
  readonly actor: Uint32Array;
  readonly laneSeq: Uint32Array;
  readonly events: Uint32Array;
  readonly acknowledged: Uint8Array;
};

const columnsOf = (size: number): Columns => ({
  name: new Uint32Array(size),
  other: new Uint32Array(size),
  actor: new Uint32Array(size),
  laneSeq: new Uint32Array(size),
  events: new Uint32Array(size),
  acknowledged: new Uint8Array(size),
});

/** FNV-1a with a last stir, from a start of its own. */
const hashOf = (text: string, start: number): number => {
  let hash = start;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 16_777_619);
  }
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
};

export class Batches {
  readonly #max: number;
  #columns = columnsOf(PLACES_MIN);
  /** By hash, a place and 1; 0 where there is none. Twice as long as the columns, so that a search is short. */
  #slots = new Uint32Array(2 * PLACES_MIN);
  #size = 0;
  readonly #actors: string[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #forgotten = new Map<string, number>();

  constructor(max = BATCHES_MAX) {
    this.#max = max;
  }

  /** Places in use, from 0 on, the oldest first. */
  get size(): number {
    return this.#size;
  }

  get hasForgotten(): boolean {
    return this.#forgotten.size > 0;
  }

  /** The highest place in this lane of what is forgotten; 0 where all of it is known. */
  forgottenOf(actorHex: string): number {
    return this.#forgotten.get(actorHex) ?? 0;
  }

  /** Takes in a batch, once however often it is shown. */
  add({ batchIdHex, actorHex, laneSeq, eventCount }: Submission): number {
    const found = this.find(batchIdHex);
    if (found !== undefined) return found;
    if (this.#size === this.#max) this.#forget(this.#size >> 1);
    if (this.#size === this.#columns.name.length) this.#resize(2 * this.#size);
    const [place, columns] = [this.#size, this.#columns];
    this.#size += 1;
    columns.name[place] = hashOf(batchIdHex, 0x811c9dc5);
    columns.other[place] = hashOf(batchIdHex, 0x9e3779b9);
    columns.actor[place] = this.#numberOf(actorHex);
    columns.laneSeq[place] = laneSeq;
    columns.events[place] = eventCount;
    columns.acknowledged[place] = 0;
    this.#index(place);
    return place;
  }

  acknowledge(submission: Submission): void {
    this.#columns.acknowledged[this.add(submission)] = 1;
  }

  wasAcknowledged(place: number): boolean {
    return this.#columns.acknowledged[place] === 1;
  }

  /** The place of a batch; undefined where nobody has written it, or it is forgotten. */
  find(batchIdHex: string): number | undefined {
    const [name, other] = [hashOf(batchIdHex, 0x811c9dc5), hashOf(batchIdHex, 0x9e3779b9)];
    const last = this.#slots.length - 1;
    for (let slot = name & last; ; slot = (slot + 1) & last) {
      const place = (this.#slots[slot] ?? 0) - 1;
      if (place < 0) return undefined;
      if (this.#columns.name[place] === name && this.#columns.other[place] === other) return place;
    }
  }

  at(place: number): Known {
    const { actor, laneSeq, events } = this.#columns;
    return {
      actorHex: this.#actors[actor[place] ?? 0] ?? "",
      laneSeq: laneSeq[place] ?? 0,
      eventCount: events[place] ?? 0,
    };
  }

  get(batchIdHex: string): Known | undefined {
    const place = this.find(batchIdHex);
    return place === undefined ? undefined : this.at(place);
  }

  #numberOf(actorHex: string): number {
    let number = this.#numbers.get(actorHex);
    if (number === undefined) {
      number = this.#actors.push(actorHex) - 1;
      this.#numbers.set(actorHex, number);
    }
    return number;
  }

  #index(place: number): void {
    const last = this.#slots.length - 1;
    let slot = (this.#columns.name[place] ?? 0) & last;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & last;
    this.#slots[slot] = place + 1;
  }

  #reindex(length: number): void {
    this.#slots = new Uint32Array(length);
    for (let place = 0; place < this.#size; place++) this.#index(place);
  }

  #resize(size: number): void {
    const before = this.#columns;
    this.#columns = columnsOf(size);
    for (const name of ["name", "other", "actor", "laneSeq", "events", "acknowledged"] as const) {
      this.#columns[name].set(before[name]);
    }
    this.#reindex(2 * size);
  }

  #forget(count: number): void {
    for (let place = 0; place < count; place++) {
      const { actorHex, laneSeq } = this.at(place);
      this.#forgotten.set(actorHex, Math.max(laneSeq, this.forgottenOf(actorHex)));
    }
    for (const column of Object.values(this.#columns)) column.copyWithin(0, count, this.#size);
    this.#size -= count;
    this.#reindex(this.#slots.length);
  }
}

const shared = new WeakMap<CheckContext, Batches>();

/** One store for all checkers of a run; each that reads it adds what it is shown. */
export const batchesOf = (context: CheckContext): Batches => {
  let batches = shared.get(context);
  if (batches === undefined) {
    batches = new Batches();
    shared.set(context, batches);
  }
  return batches;
};
