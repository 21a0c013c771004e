/**
 * Keeps the sectors of a validator on its chain: commits to new ones, proves their admission, and answers every
 * epoch in time, by events in the node's own lane. It remembers nothing: what is to be said follows from the
 * state and from the sectors that are there, so a restart goes on where the chain stands.
 *
 * One proof is made and one event is on its way at a time. A sector that could not be opened in two epochs in a
 * row is given back, so that the validator's other sectors count again: an epoch is answered for all or not.
 */
import { equalBytes, toHex } from "../../crypto/bytes.ts";
import type { Hasher } from "../../crypto/hash.ts";
import type { Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import type { SpaceParameters } from "../../proofs/space/parameters.ts";
import type { LedgerHandle } from "../handle.ts";
import type { Logger, Metrics } from "../ports.ts";
import {
  proverKey,
  proverRow,
  SPACE,
  sectorCommitted,
  sectorDropped,
  sectorKey,
  sectorProven,
  sectorRow,
  windowProven,
} from "../projections/space/index.ts";
import type { EncodedEvent, Hash } from "../types.ts";
import {
  type LocalSector,
  lowestBeacon,
  nextTask,
  type SpaceTask,
  type SpaceView,
  taskKey,
} from "./space-plan.ts";

/** The sectors of this machine. */
export type SectorPort = {
  /** Those that can be read now. */
  list(): readonly LocalSector[];
  /**
   * Makes the openings of a task, and gives only what verifies. Calls `done` once; the failure of a sector that
   * is damaged or missing names it in `data.sector`.
   */
  prove(
    task: Exclude<SpaceTask, { readonly kind: "commit" }>,
    done: (openings: Result<Uint8Array>) => void,
  ): void;
};

export type KeeperOptions = {
  readonly handle: LedgerHandle;
  readonly hasher: Hasher;
  readonly self: Hash;
  readonly parameters: SpaceParameters;
  readonly sectors: SectorPort;
  readonly logger: Logger;
  readonly metrics: Metrics;
};

export type SpaceKeeper = {
  /** Whether the beacon of a sector was looked for as far back as a commitment may name it, and is not there. */
  isForgotten(beacon: Hash): boolean;
  stop(): void;
};

/** An event that has changed nothing after so many heights is written again, this often in an epoch. */
const PATIENCE_HEIGHTS = 20;
const TRIES_MAX = 4;
/** Epochs in a row in which a sector could not be opened, after which it is given back. */
const FAILED_EPOCHS_MAX = 2;
/** Grid heights that one turn looks through for the beacon of a sector: the next turn goes on. */
const LOOKED_AT_MAX = 4096;

type Try = { readonly epoch: number; readonly height: number; readonly count: number };
type Failing = { readonly epoch: number; readonly count: number };

class Keeper implements SpaceKeeper {
  readonly #options: KeeperOptions;
  readonly #unsubscribe: () => void;
  readonly #tries = new Map<string, Try>();
  readonly #failing = new Map<number, Failing>();
  readonly #heights = new Map<string, number>();
  /** By beacon that is not found yet: all grid heights between these were looked at. */
  readonly #looked = new Map<string, { readonly top: number; readonly next: number }>();
  /** Beacons of which was said that the chain does not know them, and that are not looked for again since. */
  readonly #forgotten = new Set<string>();
  #proving = false;
  #stopped = false;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#unsubscribe = options.handle.onExecuted(() => this.#turn());
    this.#turn();
  }

  isForgotten(beacon: Hash): boolean {
    return this.#forgotten.has(toHex(beacon));
  }

  stop(): void {
    this.#stopped = true;
    this.#unsubscribe();
  }

  #view(): SpaceView | undefined {
    const { handle, self, parameters } = this.#options;
    const height = handle.status().executedHeight;
    const timeMs = height === 0 ? undefined : handle.timeOf(height);
    const epoch = handle.point(height)?.epoch;
    if (timeMs === undefined || epoch === undefined) return undefined;
    const row = handle.row(SPACE, proverKey(self));
    return {
      ...{ parameters, self, height, timeMs, epoch },
      prover: row === undefined ? undefined : proverRow.decode(row),
      sector: (number) => {
        const stored = handle.row(SPACE, sectorKey(self, number));
        return stored === undefined ? undefined : sectorRow.decode(stored);
      },
      beaconAt: (asked) => (asked > height ? undefined : handle.point(asked)?.beacon),
    };
  }

  #turn(): void {
    if (this.#stopped || this.#proving) return;
    const view = this.#view();
    if (view === undefined) return;
    const { hasher, sectors } = this.#options;
    const heightOf = (beacon: Hash): number | undefined => this.#heightOf(view, beacon);
    const isOpen = (task: SpaceTask): boolean => this.#isOpen(view, task);
    const task = nextTask(hasher, view, sectors.list(), heightOf, isOpen);
    if (task === undefined) return;
    this.#note(view, task);
    if (task.kind === "commit") {
      const { sectorNo: number, commC, commRl } = task.sector;
      const { beaconHeight } = task;
      return this.#write(task, sectorCommitted.encode({ number, beaconHeight, commC, commRl }));
    }
    this.#proving = true;
    sectors.prove(task, (openings) => {
      this.#proving = false;
      if (this.#stopped) return;
      if (openings.ok) this.#write(task, eventOf(task, openings.value));
      else this.#failed(view, task, openings);
    });
  }

  #isOpen({ epoch, height }: SpaceView, task: SpaceTask): boolean {
    const last = this.#tries.get(taskKey(task));
    if (last === undefined || last.epoch !== epoch.number) return true;
    return last.count < TRIES_MAX && height >= last.height + PATIENCE_HEIGHTS;
  }

  #note({ epoch, height }: SpaceView, task: SpaceTask): void {
    for (const [key, { epoch: tried }] of this.#tries) {
      if (tried !== epoch.number) this.#tries.delete(key);
    }
    const key = taskKey(task);
    const count = (this.#tries.get(key)?.count ?? 0) + 1;
    this.#tries.set(key, { epoch: epoch.number, height, count });
  }

  /** The event is made already; whether it is still to be said is looked at when its turn comes. */
  #write(task: SpaceTask, event: EncodedEvent): void {
    const { handle, hasher, logger } = this.#options;
    const key = taskKey(task);
    logger.log("debug", "writing to the chain about a sector", { task: key });
    handle.write(() => {
      const view = this.#stopped ? undefined : this.#view();
      if (view === undefined) return undefined;
      const { sectors } = this.#options;
      const heightOf = (beacon: Hash): number | undefined => this.#heightOf(view, beacon);
      const same = (other: SpaceTask): boolean => taskKey(other) === key;
      return nextTask(hasher, view, sectors.list(), heightOf, same) === undefined
        ? undefined
        : event;
      // Openings of an epoch have a last moment; parts of an admission have until the end of the next epoch.
    }, task.kind === "window");
  }

  #failed(view: SpaceView, task: SpaceTask, failure: Result<never> & { readonly ok: false }): void {
    const { logger, metrics, handle } = this.#options;
    const { code, detail, data } = failure;
    logger.log("error", `a sector cannot be proven: ${detail}`, { code, task: taskKey(task) });
    metrics.count("tetrad_space_failures_total", 1, { code });
    const number = data?.["sector"];
    if (task.kind !== "window" || typeof number !== "number") return;
    const before = this.#failing.get(number);
    if (before?.epoch === view.epoch.number) return;
    const isInRow = before !== undefined && before.epoch === view.epoch.number - 1;
    const count = isInRow ? before.count + 1 : 1;
    this.#failing.set(number, { epoch: view.epoch.number, count });
    if (count < FAILED_EPOCHS_MAX) return;
    this.#failing.delete(number);
    logger.log("error", "a sector is given back: it could not be opened in two epochs", {
      sector: number,
    });
    handle.write(() => (this.#stopped ? undefined : sectorDropped.encode({ number })));
  }

  /**
   * The height whose beacon a sector was begun from, where a commitment may still name it: that of the genesis, or a
   * grid height, newest first. Undefined while it is looked for, and for good where there is none.
   */
  #heightOf(view: SpaceView, beacon: Hash): number | undefined {
    const key = toHex(beacon);
    const lowest = lowestBeacon(view);
    const height = this.#heights.get(key) ?? this.#look(view, beacon, lowest);
    if (height === undefined) return undefined;
    this.#heights.set(key, height);
    if (height < lowest) return this.#tooOld(key);
    this.#forgotten.delete(key);
    return height;
  }

  #look(view: SpaceView, beacon: Hash, lowest: number): number | undefined {
    const key = toHex(beacon);
    const step = LIMITS.gridHeights;
    const isAt = (height: number): boolean => {
      const found = view.beaconAt(height);
      return found !== undefined && equalBytes(found, beacon);
    };
    if (isAt(0)) return 0;
    const newest = view.height - (view.height % step);
    const { top, next } = this.#looked.get(key) ?? { top: newest, next: newest };
    let left = LOOKED_AT_MAX;
    // Whoever sealed it may have known a height that this node has not executed yet.
    let above = Math.max(top, lowest - 1 - ((lowest - 1) % step));
    for (; above < newest && left > 0; left--) {
      above += step;
      if (isAt(above)) return above;
    }
    let below = next;
    for (; below >= lowest && left > 0; left--, below -= step) if (isAt(below)) return below;
    this.#looked.set(key, { top: above, next: below });
    if (above >= newest && below < lowest) return this.#tooOld(key);
    this.#forgotten.delete(key);
    return undefined;
  }

  /** Said once, until there is so much that is new that it is looked for again. */
  #tooOld(key: string): undefined {
    if (this.#forgotten.has(key)) return;
    this.#forgotten.add(key);
    const { logger } = this.#options;
    const detail =
      "a sector is not committed to: the chain does not know the beacon it was begun from";
    logger.log("error", detail, { code: "space.beacon", beacon: key.slice(0, 16) });
  }
}

const eventOf = (
  task: Exclude<SpaceTask, { readonly kind: "commit" }>,
  openings: Uint8Array,
): EncodedEvent => {
  const { from } = task;
  if (task.kind === "window") return windowProven.encode({ epoch: task.epoch, from, openings });
  return sectorProven.encode({ number: task.sector.sectorNo, from, openings });
};

/** Starts to keep the sectors of a running replica. It ends with `stop`, before the replica does. */
export const startSpaceKeeper = (options: KeeperOptions): SpaceKeeper => new Keeper(options);
