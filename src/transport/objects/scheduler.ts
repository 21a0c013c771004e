/**
 * Which chunk is asked of whom, as a state machine over (what happened, time) -> (what to do). Rules:
 *
 * 1. A chunk that is being asked for is asked of nobody else, until every chunk is here or on its way; then one
 *    that takes over twice what its source or the one that is free usually needs is asked of that one, never of a
 *    third. By the free one's time, because a source that says nothing has a pace of its own making.
 * 2. Chunks are asked for in their order, from the source that will have answered first by what was measured: the
 *    time that one of its answers took, for each request that waits there. So a fast source gets more, a loaded one
 *    less, and a slow one only what the others have no room for.
 * 3. At most `parallel` chunks are on their way or being written, and of one source `perSource`: fewer where they
 *    would not all come within the longest deadline, and one after a miss, so that a slow link is not shared by
 *    requests that are all given up half way.
 * 4. A request has a deadline, some times what is expected; past it the chunk is free for others, and is known to
 *    take longer. A source that has missed some in a row rests, and so does one that says that it is busy.
 * 5. A source that gave one wrong chunk is dropped for good, whatever it has on its way.
 * 6. The fetch ends when every chunk is here, or when none has come for `stallMs` and none is being asked of a source
 *    that has missed nothing since it last answered; with one, when none has come for twice as long.
 *
 * Pure: no clock, no timer; times are milliseconds that never go back.
 */

import { ChunkSet } from "../../crypto/objects/chunk-set.ts";
import type { PeerId } from "../../ledger/ports.ts";

export type ScheduleOptions = {
  /** Chunks that are here already; the machine keeps its own copy. */
  readonly held: ChunkSet;
  readonly parallel: number;
  readonly perSource: number;
  readonly deadlineMsMin: number;
  readonly deadlineMsMax: number;
  readonly stallMs: number;
};

export type Effect =
  | {
      readonly kind: "ask";
      readonly source: PeerId;
      readonly index: number;
      readonly deadlineMs: number;
    }
  | { readonly kind: "done" }
  | { readonly kind: "stalled" };

type Ask = {
  readonly source: PeerId;
  readonly index: number;
  readonly sinceMs: number;
  readonly untilMs: number;
  /** Requests that waited at the source when this one came, itself counted. */
  readonly load: number;
};

type Source = {
  readonly id: PeerId;
  readonly has: ChunkSet;
  /** What one answer takes, smoothed. */
  answerMs: number;
  /** Whether that was measured. */
  isMeasured: boolean;
  asks: number;
  /** Deadlines missed since it last answered. */
  misses: number;
  restUntilMs: number;
};

/** Deadlines in a row that a source may miss before it rests. */
const MISSES_MAX = 3;
const REST_MS = 5_000;
const BUSY_REST_MS = 250;
/** Of what is expected: past it a request is given up, or asked a second time at the end. */
const DEADLINE_TIMES = 8;
const HEDGE_TIMES = 2;
/** Of what is expected of a source's requests together: with less time than that it is asked for no other. */
const ROOM_TIMES = 2;
const ANSWER_MS_MIN = 1;
const ANSWER_MS_FIRST = 100;
/** How many times `stallMs` without a chunk are the end in any case. */
const STALL_TIMES_MAX = 2;
/** Weight of the newest measurement. */
const SMOOTHING = 0.25;
const ASKS_OF_CHUNK_MAX = 2;

export type SourceFigures = {
  readonly id: PeerId;
  readonly answerMs: number;
  readonly asks: number;
  readonly chunks: number;
};

export class FetchSchedule {
  readonly #options: ScheduleOptions;
  readonly #held: ChunkSet;
  readonly #sources = new Map<PeerId, Source>();
  readonly #liars = new Set<PeerId>();
  readonly #asks = new Map<number, Ask[]>();
  /** Received and right, not yet kept. */
  readonly #writing = new Set<number>();
  /** No chunk below it is missing. */
  #first = 0;
  #onTheWay = 0;
  #progressMs: number;
  #ended = false;

  constructor(options: ScheduleOptions, nowMs: number) {
    this.#options = options;
    const { held } = options;
    this.#held = ChunkSet.decode(held.size, held.encode()) ?? new ChunkSet(held.size);
    this.#progressMs = nowMs;
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  get heldCount(): number {
    return this.#held.count;
  }

  /** Chunks on their way or being written. */
  get busyCount(): number {
    return this.#onTheWay + this.#writing.size;
  }

  sources(): readonly SourceFigures[] {
    return [...this.#sources.values()].map(({ id, answerMs, asks, has }) => ({
      id,
      answerMs,
      asks,
      chunks: has.count,
    }));
  }

  /** A source has these chunks; more of them than before, where it is known. `rttMs`: what is known of its way. */
  sourceHas(id: PeerId, chunks: ChunkSet, rttMs: number | undefined, nowMs: number): Effect[] {
    if (this.#ended || this.#liars.has(id) || chunks.size !== this.#held.size) return [];
    const known = this.#sources.get(id);
    if (known === undefined) {
      const answerMs = Math.max(ANSWER_MS_MIN, 4 * (rttMs ?? ANSWER_MS_FIRST / 4));
      const has = ChunkSet.decode(chunks.size, chunks.encode()) ?? new ChunkSet(chunks.size);
      const unknown = { isMeasured: false, asks: 0, misses: 0, restUntilMs: 0 };
      this.#sources.set(id, { id, has, answerMs, ...unknown });
    } else {
      for (let i = 0; i < chunks.size; i++) if (chunks.has(i)) known.has.add(i);
    }
    return this.#turn(nowMs);
  }

  /** A source is away; what was asked of it is free for others. */
  sourceGone(id: PeerId, nowMs: number): Effect[] {
    if (this.#ended) return [];
    this.#forget(id);
    return this.#turn(nowMs);
  }

  /** The right chunk has come, and is being kept: `kept` follows. False where nobody needs it any more. */
  received(id: PeerId, index: number, nowMs: number): boolean {
    if (this.#ended) return false;
    const ask = this.#take(id, index);
    const source = this.#sources.get(id);
    if (ask !== undefined && source !== undefined) {
      const measured = Math.max(ANSWER_MS_MIN, (nowMs - ask.sinceMs) / ask.load);
      // After a miss, what was expected was a guess.
      const weight = source.misses > 0 ? 1 : SMOOTHING;
      source.answerMs += weight * (measured - source.answerMs);
      source.isMeasured = true;
      source.misses = 0;
    }
    if (index < 0 || index >= this.#held.size) return false;
    if (!this.#isMissing(index)) return false;
    this.#writing.add(index);
    this.#progressMs = nowMs;
    return true;
  }

  /** A chunk is on the disk. */
  kept(index: number, nowMs: number): Effect[] {
    if (this.#ended) return [];
    this.#writing.delete(index);
    this.#held.add(index);
    this.#progressMs = nowMs;
    return this.#turn(nowMs);
  }

  /** A chunk of this source was wrong. */
  lied(id: PeerId, nowMs: number): Effect[] {
    if (this.#ended) return [];
    this.#liars.add(id);
    this.#forget(id);
    return this.#turn(nowMs);
  }

  /** The source has not this chunk, whatever it said; or is busy; or nothing came, and its request is over. */
  refused(id: PeerId, index: number, why: "missing" | "busy" | "silent", nowMs: number): Effect[] {
    if (this.#ended) return [];
    const ask = this.#take(id, index);
    const source = this.#sources.get(id);
    if (source !== undefined) {
      if (why === "missing") source.has.delete(index);
      else if (why === "busy")
        source.restUntilMs = Math.max(source.restUntilMs, nowMs + BUSY_REST_MS);
      else this.#missed(source, ask, nowMs);
    }
    return this.#turn(nowMs);
  }

  /** Time has passed. */
  tick(nowMs: number): Effect[] {
    if (this.#ended) return [];
    for (const asks of [...this.#asks.values()]) {
      for (const ask of [...asks]) {
        if (nowMs < ask.untilMs) continue;
        this.#take(ask.source, ask.index);
        const source = this.#sources.get(ask.source);
        if (source !== undefined) this.#missed(source, ask, nowMs);
      }
    }
    return this.#turn(nowMs);
  }

  #missed(source: Source, ask: Ask | undefined, nowMs: number): void {
    source.misses += 1;
    const atLeastMs = ask === undefined ? 0 : (nowMs - ask.sinceMs) / ask.load;
    const answerMs = Math.max(2 * source.answerMs, atLeastMs);
    source.answerMs = Math.min(answerMs, this.#options.deadlineMsMax);
    if (source.misses >= MISSES_MAX) source.restUntilMs = nowMs + REST_MS;
  }

  #forget(id: PeerId): void {
    this.#sources.delete(id);
    for (const [index, asks] of [...this.#asks]) {
      if (asks.some(({ source }) => source === id)) this.#take(id, index);
    }
  }

  /** Ends a request. */
  #take(id: PeerId, index: number): Ask | undefined {
    const asks = this.#asks.get(index);
    const at = asks?.findIndex(({ source }) => source === id) ?? -1;
    if (asks === undefined || at < 0) return undefined;
    const [ask] = asks.splice(at, 1);
    if (asks.length === 0) this.#asks.delete(index);
    this.#onTheWay -= 1;
    const source = this.#sources.get(id);
    if (source !== undefined) source.asks -= 1;
    return ask;
  }

  #turn(nowMs: number): Effect[] {
    if (this.#held.isFull) {
      this.#ended = true;
      return [{ kind: "done" }];
    }
    // First, because what a deadline has freed may be asked of a source that gives it.
    const effects = this.#fill(nowMs);
    if (!this.#isStalled(nowMs)) return effects;
    this.#ended = true;
    return [{ kind: "stalled" }];
  }

  #isStalled(nowMs: number): boolean {
    if (this.#writing.size > 0) return false;
    const { stallMs } = this.#options;
    const quietMs = nowMs - this.#progressMs;
    if (quietMs < stallMs) return false;
    if (quietMs >= STALL_TIMES_MAX * stallMs) return true;
    for (const { asks, misses } of this.#sources.values()) {
      if (asks > 0 && misses === 0) return false;
    }
    return true;
  }

  #fill(nowMs: number): Effect[] {
    const effects: Effect[] = [];
    const { parallel } = this.#options;
    while (this.#held.has(this.#first)) this.#first += 1;
    let allOnTheWay = true;
    for (let i = this.#first; i < this.#held.size && this.busyCount < parallel; i++) {
      if (!this.#isMissing(i) || this.#asks.has(i)) continue;
      const source = this.#best(i, nowMs);
      if (source === undefined) {
        allOnTheWay = false;
        // Nobody has room for any other either.
        if (!this.#anyRoom(nowMs)) break;
        continue;
      }
      effects.push(this.#ask(source, i, nowMs));
    }
    if (allOnTheWay && this.busyCount < parallel) this.#hedge(nowMs, effects);
    return effects;
  }

  #hedge(nowMs: number, effects: Effect[]): void {
    for (const [index, asks] of [...this.#asks]) {
      if (this.busyCount >= this.#options.parallel) return;
      const [ask] = asks;
      if (ask === undefined || asks.length >= ASKS_OF_CHUNK_MAX || !this.#isMissing(index))
        continue;
      const source = this.#best(index, nowMs);
      if (source === undefined) continue;
      const usualMs = ask.load * (this.#sources.get(ask.source)?.answerMs ?? 0);
      // What nobody has measured yet is a guess from the round trip, and would have every chunk come twice.
      const guessMs = source.isMeasured ? 0 : ANSWER_MS_FIRST;
      const otherMs = (source.asks + 1) * Math.max(source.answerMs, guessMs);
      if (nowMs - ask.sinceMs < HEDGE_TIMES * Math.min(usualMs, otherMs)) continue;
      effects.push(this.#ask(source, index, nowMs));
    }
  }

  #ask(source: Source, index: number, nowMs: number): Effect {
    source.asks += 1;
    this.#onTheWay += 1;
    const { deadlineMsMin, deadlineMsMax } = this.#options;
    // A guess from the round trip says nothing of a link's rate: what it costs to find that out has to leave time for an
    // answer, before the fetch is stalled.
    const isGuess = !source.isMeasured && source.misses === 0;
    const expected = isGuess ? 0 : DEADLINE_TIMES * source.answerMs * source.asks;
    const deadlineMs = Math.min(deadlineMsMax, Math.max(deadlineMsMin, Math.ceil(expected)));
    const asks = this.#asks.get(index) ?? [];
    asks.push({
      source: source.id,
      index,
      sinceMs: nowMs,
      untilMs: nowMs + deadlineMs,
      load: source.asks,
    });
    this.#asks.set(index, asks);
    return { kind: "ask", source: source.id, index, deadlineMs };
  }

  #isMissing(index: number): boolean {
    return !this.#held.has(index) && !this.#writing.has(index);
  }

  #hasRoom(source: Source, nowMs: number): boolean {
    if (nowMs < source.restUntilMs || source.asks >= this.#options.perSource) return false;
    if (source.asks === 0) return true;
    const expectedMs = ROOM_TIMES * source.answerMs * (source.asks + 1);
    return source.misses === 0 && expectedMs <= this.#options.deadlineMsMax;
  }

  #anyRoom(nowMs: number): boolean {
    for (const source of this.#sources.values()) if (this.#hasRoom(source, nowMs)) return true;
    return false;
  }

  /** Who will have answered first; undefined where nobody that has the chunk has room. */
  #best(index: number, nowMs: number): Source | undefined {
    const asked = this.#asks.get(index);
    let best: Source | undefined;
    let bestMs = Number.POSITIVE_INFINITY;
    for (const source of this.#sources.values()) {
      if (!source.has.has(index) || !this.#hasRoom(source, nowMs)) continue;
      if (asked?.some(({ source: id }) => id === source.id) === true) continue;
      const ms = source.answerMs * (source.asks + 1);
      if (ms < bestMs) {
        best = source;
        bestMs = ms;
      }
    }
    return best;
  }
}
