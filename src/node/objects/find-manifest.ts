/**
 * The manifest of an object, from the first member that has the object and gives a manifest that is right. Members
 * are asked at the same time what they have; of those that have it a few at a time are asked for the manifest, and
 * one that lets us wait makes place for the next one without being given up, so that those that say that they have
 * it and then keep silent cost a second for a few of them and not one deadline after another.
 */

import type { Manifest } from "../../crypto/objects/manifest.ts";
import type { PeerId, Timers } from "../../ledger/ports.ts";
import { LIMITS } from "../../limits.ts";
import type { ObjectSources } from "./sources.ts";

export type FindManifestOptions = {
  readonly sources: Pick<ObjectSources, "members" | "holding" | "manifest" | "isSlow">;
  readonly timers: Timers;
  /** Of the object, its bytes. */
  readonly name: Uint8Array;
  readonly signal: AbortSignal;
};

export type FoundManifest = {
  readonly manifest: Manifest | undefined;
  /** Members that were asked, and those of them that said that they have something of it. */
  readonly asked: number;
  readonly have: number;
};

/** Asks every member that there is. When the signal ends it, it ends without a manifest. */
export const findManifest = (options: FindManifestOptions): Promise<FoundManifest> =>
  new Promise((resolve, reject) => new Search(options, resolve, reject).start());

class Search {
  readonly #options: FindManifestOptions;
  readonly #resolve: (found: FoundManifest) => void;
  readonly #reject: (error: unknown) => void;
  /** Ends requests that nobody waits for any more. */
  readonly #ending = new AbortController();
  readonly #holders: PeerId[] = [];
  /** Of each request that takes up a place. */
  readonly #places = new Set<() => void>();
  #asked = 0;
  #have = 0;
  /** Requests of either kind under way. */
  #open = 0;
  #over = false;

  constructor(
    options: FindManifestOptions,
    resolve: (found: FoundManifest) => void,
    reject: (error: unknown) => void,
  ) {
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  start(): void {
    const { sources, signal } = this.#options;
    if (signal.aborted) {
      this.#end();
      return;
    }
    signal.addEventListener("abort", this.#end);
    const members = sources.members();
    this.#asked = members.length;
    for (const peer of members) this.#run(() => this.#askHolding(peer));
    this.#next();
  }

  #run(task: () => Promise<void>): void {
    this.#open += 1;
    task()
      .catch((error: unknown) => {
        this.#reject(error);
        this.#stop();
      })
      .finally(() => {
        this.#open -= 1;
        this.#next();
      });
  }

  async #askHolding(peer: PeerId): Promise<void> {
    const { sources, name } = this.#options;
    const holding = await sources.holding(peer, name, this.#ending.signal);
    if (holding === undefined) return;
    this.#have += 1;
    this.#holders.push(peer);
  }

  async #askManifest(peer: PeerId): Promise<void> {
    const { sources, name, timers } = this.#options;
    const cancel = timers.set(LIMITS.objectManifestPatienceMs, () => {
      this.#places.delete(cancel);
      this.#next();
    });
    this.#places.add(cancel);
    try {
      const answer = await sources.manifest(peer, name, this.#ending.signal);
      if (answer.kind === "manifest") this.#finish(answer.manifest);
    } finally {
      cancel();
      this.#places.delete(cancel);
    }
  }

  #next(): void {
    while (!this.#over && this.#places.size < LIMITS.objectManifestAsksMax) {
      const peer = this.#takeHolder();
      if (peer === undefined) break;
      this.#run(() => this.#askManifest(peer));
    }
    if (this.#open === 0) this.#end();
  }

  /** Who has let us wait lately comes after the others. */
  #takeHolder(): PeerId | undefined {
    const { sources } = this.#options;
    const at = this.#holders.findIndex((peer) => !sources.isSlow(peer));
    const [peer] = this.#holders.splice(Math.max(0, at), 1);
    return peer;
  }

  readonly #end = (): void => this.#finish(undefined);

  #finish(manifest: Manifest | undefined): void {
    if (this.#over) return;
    this.#stop();
    this.#resolve({ manifest, asked: this.#asked, have: this.#have });
  }

  #stop(): void {
    this.#over = true;
    this.#options.signal.removeEventListener("abort", this.#end);
    for (const cancel of this.#places) cancel();
    this.#places.clear();
    this.#ending.abort();
  }
}
