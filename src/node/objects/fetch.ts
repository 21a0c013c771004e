/**
 * One object that is being fetched: asks the members who has it, has the schedule (scheduler.ts) say what is asked
 * of whom, holds what comes against its hash and writes it. What is on the disk already is not asked for. Ends when
 * everything is here, when nobody has what is missing, or when nobody has wanted it for a while; what has come
 * stays.
 */
import { fromHex } from "../../crypto/bytes.ts";
import type { Manifest } from "../../crypto/objects/manifest.ts";
import { type Failure, fail, TetradError } from "../../errors.ts";
import type { Clock, Metrics, PeerId, Timers } from "../../ledger/ports.ts";
import { LIMITS } from "../../limits.ts";
import {
  type Effect,
  FetchSchedule,
  type SourceFigures,
} from "../../transport/objects/scheduler.ts";
import { findManifest } from "./find-manifest.ts";
import type { ObjectSources } from "./sources.ts";
import type { ObjectStore, StoredObject } from "./store.ts";

export type ObjectFetchOptions = {
  readonly root: string;
  readonly store: ObjectStore;
  readonly sources: ObjectSources;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly metrics: Metrics;
  /** Round trip to a member, where it is known. */
  readonly rttMs: (peer: PeerId) => number | undefined;
  /** Called once, when the fetch is over; undefined: everything is here. */
  readonly ended: (failure: Failure | undefined) => void;
};

export type FetchFigures = {
  readonly fetchedChunks: number;
  readonly fetchedBytes: number;
  readonly sources: readonly SourceFigures[];
};

const TICK_MS = 250;

export class ObjectFetch {
  readonly root: string;
  readonly #name: Uint8Array;
  readonly #options: ObjectFetchOptions;
  readonly #ending = new AbortController();
  readonly #listeners = new Set<() => void>();
  #object: StoredObject | undefined;
  #schedule: FetchSchedule | undefined;
  #cancelTick: (() => void) | undefined;
  #wantedMs: number;
  #askedMs = Number.NEGATIVE_INFINITY;
  #fetchedChunks = 0;
  #fetchedBytes = 0;
  #over: { readonly failure: Failure | undefined } | undefined;

  constructor(options: ObjectFetchOptions) {
    this.#options = options;
    this.root = options.root;
    this.#name = fromHex(options.root);
    this.#wantedMs = options.clock.monotonicMs();
  }

  /** Begins; never throws. */
  start(): void {
    this.#tick();
    void this.#begin().catch((error: unknown) => this.#end(failureOf(error)));
  }

  /** Undefined until its manifest is known. */
  get object(): StoredObject | undefined {
    return this.#object;
  }

  get over(): { readonly failure: Failure | undefined } | undefined {
    return this.#over;
  }

  figures(): FetchFigures {
    return {
      fetchedChunks: this.#fetchedChunks,
      fetchedBytes: this.#fetchedBytes,
      sources: this.#schedule?.sources() ?? [],
    };
  }

  /** Somebody wants it now: it goes on for a while. */
  wanted(): void {
    this.#wantedMs = this.#options.clock.monotonicMs();
  }

  /** Called after every step, until what it returns is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  stop(failure: Failure): void {
    this.#end(failure);
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  #end(failure: Failure | undefined): void {
    if (this.#over !== undefined) return;
    this.#over = { failure };
    this.#cancelTick?.();
    this.#ending.abort();
    if (this.#object !== undefined) this.#options.store.release(this.#object);
    this.#options.ended(failure);
    this.#changed();
    this.#listeners.clear();
  }

  async #begin(): Promise<void> {
    const { store, clock } = this.#options;
    const known = store.get(this.root);
    const manifest = known?.manifest ?? (await this.#findManifest());
    if (this.#over !== undefined || manifest === undefined) return;
    const object = await store.begin(this.root, manifest);
    if (this.#over !== undefined) {
      store.release(object);
      return;
    }
    this.#object = object;
    this.#schedule = new FetchSchedule(
      {
        held: object.held,
        parallel: LIMITS.objectParallelMax,
        perSource: LIMITS.objectParallelPerSourceMax,
        deadlineMsMin: LIMITS.objectChunkMsMin,
        deadlineMsMax: LIMITS.objectChunkMsMax,
        stallMs: LIMITS.objectStallMs,
      },
      clock.monotonicMs(),
    );
    this.#changed();
    this.#cancelTick?.();
    this.#tick();
  }

  /** From members. Ends the fetch where there is none. */
  async #findManifest(): Promise<Manifest | undefined> {
    const { sources, timers } = this.#options;
    const { signal } = this.#ending;
    const found = await findManifest({ sources, timers, name: this.#name, signal });
    if (found.manifest !== undefined) return found.manifest;
    const detail =
      found.have > 0
        ? "no member that says it has the object gives its manifest"
        : `none of ${found.asked} connected members has the object`;
    this.#end(fail("object.not-found", detail, { root: this.root }));
    return undefined;
  }

  #tick(): void {
    const { clock, timers } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#wantedMs >= LIMITS.objectIdleMs) {
      const detail = "nobody has asked for the object for a while";
      this.#end(fail("object.stalled", detail, { root: this.root }));
      return;
    }
    if (this.#schedule !== undefined && nowMs - this.#askedMs >= LIMITS.objectAskAgainMs) {
      this.#askedMs = nowMs;
      this.#askAround();
    }
    if (this.#schedule !== undefined) this.#perform(this.#schedule.tick(nowMs));
    if (this.#over !== undefined) return;
    this.#cancelTick = timers.set(TICK_MS, () => this.#tick());
  }

  /** Asks the members what they have: again and again, since members that fetch too have more each time. */
  #askAround(): void {
    const { sources, clock, rttMs } = this.#options;
    const schedule = this.#schedule;
    const object = this.#object;
    if (schedule === undefined || object === undefined) return;
    const members = sources.members();
    for (const { id } of schedule.sources()) {
      if (!members.includes(id)) this.#perform(schedule.sourceGone(id, clock.monotonicMs()));
    }
    for (const peer of members) {
      void sources.holding(peer, this.#name, this.#ending.signal).then((holding) => {
        if (this.#over !== undefined || holding?.length !== object.manifest.length) return;
        const nowMs = clock.monotonicMs();
        this.#perform(schedule.sourceHas(peer, holding.chunks, rttMs(peer), nowMs));
      });
    }
  }

  #perform(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (this.#over !== undefined) return;
      if (effect.kind === "ask") {
        void this.#ask(effect).catch((error: unknown) => this.#end(failureOf(error)));
      } else if (effect.kind === "done") {
        void this.#finish().catch((error: unknown) => this.#end(failureOf(error)));
      } else {
        const detail = "no member gives what is missing of the object";
        this.#end(fail("object.stalled", detail, { root: this.root }));
      }
    }
  }

  async #finish(): Promise<void> {
    const { store } = this.#options;
    if (this.#object !== undefined) await store.sync(this.#object);
    this.#end(undefined);
  }

  async #ask(ask: Extract<Effect, { readonly kind: "ask" }>): Promise<void> {
    const { sources, clock, store, metrics } = this.#options;
    const { source, index, deadlineMs } = ask;
    const object = this.#object;
    const schedule = this.#schedule;
    if (object === undefined || schedule === undefined) return;
    const wanted = { root: this.#name, manifest: object.manifest };
    const { signal } = this.#ending;
    const answer = await sources.chunk(source, wanted, index, deadlineMs, signal);
    if (this.#over !== undefined) return;
    const nowMs = clock.monotonicMs();
    if (answer.kind === "lie") {
      this.#perform(schedule.lied(source, nowMs));
      return;
    }
    if (answer.kind !== "chunk") {
      this.#perform(schedule.refused(source, index, answer.kind, nowMs));
      return;
    }
    if (!schedule.received(source, index, nowMs)) {
      metrics.count("tetrad_object_surplus_bytes_total", answer.chunk.length);
      return;
    }
    this.#fetchedChunks += 1;
    this.#fetchedBytes += answer.chunk.length;
    metrics.count("tetrad_object_fetched_bytes_total", answer.chunk.length);
    await store.writeChecked(object, index, answer.chunk);
    this.#perform(schedule.kept(index, clock.monotonicMs()));
    this.#changed();
  }
}

const failureOf = (error: unknown): Failure =>
  error instanceof TetradError
    ? fail(error.code, error.message, error.data)
    : fail("internal", error instanceof Error ? error.message : String(error));
