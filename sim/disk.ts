/**
 * A simulated disk with the contract of the Store port. It outlives the processes that open it.
 *
 * Writes go through one queue, as in LevelDB: the disk takes all that wait as one group, spends the time
 * of a sync when one of them asked for it, then completes them in order. What is not covered by a
 * completed sync is undone on a power cut, from the newest write back to a random one: a batch is lost
 * whole or not at all, and never while a later one survives.
 */
import { TetradError } from "../src/errors.ts";
import type { Store, StoreEntry, StoreFailure, StoreOp } from "../src/ledger/ports.ts";
import type { Host } from "./host.ts";
import type { Prng } from "./prng.ts";
import { Rot } from "./rot.ts";
import { SortedMap } from "./sorted-map.ts";

/** A block of LevelDB's tables. */
const MISDIRECTED_BYTES = 4_096;

export type DiskKnobs = {
  syncMinUs: number;
  syncMeanUs: number;
  writeMeanUs: number;
  readMeanUs: number;
  /** A write is seen by reads from its submission, not only from its completion. */
  visibleEarly: boolean;
};

export const CALM_DISK: DiskKnobs = {
  syncMinUs: 150,
  syncMeanUs: 150,
  writeMeanUs: 20,
  readMeanUs: 50,
  visibleEarly: false,
};

export type DiskTap = {
  /** This write now survives a power cut. Called before the process hears of it. */
  durable(slot: number, disk: string, ops: readonly StoreOp[]): void;
  /** Something of the disk's own happened that is worth having seen. */
  happened?(what: string): void;
};

type Undo = { readonly key: string; readonly entry: StoreEntry | undefined };

type Pending = {
  readonly ops: readonly StoreOp[];
  readonly sync: boolean;
  readonly done: (failure?: StoreFailure) => void;
  applied: boolean;
  undo: Undo[];
};

/** `promised`: a sync has returned for it, from a disk that lies. */
type Unsynced = {
  readonly ops: readonly StoreOp[];
  readonly undo: readonly Undo[];
  promised: boolean;
};

export class SimDisk {
  readonly name: string;
  readonly knobs: DiskKnobs;
  readonly #host: Host;
  readonly #random: Prng;
  readonly #tap: DiskTap | undefined;
  readonly #data = new SortedMap();
  /** Completed writes that no sync covers yet, oldest first. */
  readonly #unsynced: Unsynced[] = [];
  readonly #queue: Pending[] = [];
  readonly #snapshots = new Map<string, SortedMap>();
  #busy = false;
  #bytes = 0;
  #failure: StoreFailure | undefined;
  #owner = 0;
  /** Writes fail with "full" while the disk holds more than this. */
  capacityBytes = Number.MAX_SAFE_INTEGER;
  /** The n-th write from now fails with "io". 0 is never. */
  failNth = 0;
  /** The n-th read from now fails with "io". 0 is never. */
  failReadNth = 0;
  /** The n-th write from now lands somewhere else. 0 is never. */
  misdirectNth = 0;
  /** Syncs return before anything is on the medium. */
  lying = false;
  readonly #rot = new Rot();
  /** Multiplies the time of every sync: a disk that is slow. */
  slowness = 1;

  constructor(name: string, host: Host, knobs: DiskKnobs, tap?: DiskTap) {
    this.name = name;
    this.#host = host;
    this.knobs = { ...knobs };
    this.#random = host.world.stream(`disk/${host.slot}/${name}`);
    this.#tap = tap;
  }

  get entries(): number {
    return this.#data.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#data.size === 0;
  }

  /**
   * Opens the disk for a process; a failed disk works again from here on. What a process finds when it
   * opens is durable: a store that replays its journal writes it down again before it answers.
   */
  open(incarnation: number): Store {
    this.#syncAll();
    this.#owner = incarnation;
    this.#failure = undefined;
    let closed = false;
    const mine = (): boolean => this.#owner === incarnation && this.#host.isLive(incarnation);
    const readsOf = (data: SortedMap): Pick<Store, "get" | "range"> => ({
      get: (key) => {
        if (closed) throw new RangeError("the simulated store is closed");
        const name = SortedMap.keyOf(key);
        const failure = this.#readFailure(this.#rot.hits(name));
        if (failure !== undefined) throw new TetradError(`store.${failure.code}`, failure.detail);
        return data.get(name)?.[1];
      },
      range: (range, done) => {
        if (!mine()) return;
        const delayUs = 1 + this.#random.exponential(this.knobs.readMeanUs);
        this.#host.defer(incarnation, delayUs, () => {
          if (closed) return done({ code: "closed", detail: "store is closed" }, []);
          const entries = data.range(range);
          const failure = this.#readFailure(this.#rot.hitsAny(entries));
          done(failure, failure === undefined ? entries : []);
        });
      },
    });
    return {
      ...readsOf(this.#data),
      snapshot: () => ({ ...readsOf(this.#data.clone()), release: () => undefined }),
      write: (ops, options, done) => {
        if (mine()) this.#submit(incarnation, ops, options.sync, done);
      },
      close: (done) => {
        if (!mine()) return;
        this.#whenIdle(incarnation, () => {
          closed = true;
          this.#failure = { code: "closed", detail: "store is closed" };
          done();
        });
      },
    };
  }

  /** What a read meets: bytes whose checksum fails, or a sector that cannot be read. */
  #readFailure(rotten: boolean): (StoreFailure & { readonly code: "io" | "corrupt" }) | undefined {
    if (rotten) {
      this.#tap?.happened?.("rot read");
      return { code: "corrupt", detail: "a row of the simulated disk fails its checksum" };
    }
    if (this.failReadNth === 0) return undefined;
    this.failReadNth -= 1;
    if (this.failReadNth > 0) return undefined;
    this.#tap?.happened?.("read failed");
    return { code: "io", detail: "simulated read error" };
  }

  #whenIdle(incarnation: number, then: () => void): void {
    this.#host.defer(incarnation, 10, () => {
      if (this.#busy || this.#queue.length > 0) this.#whenIdle(incarnation, then);
      else then();
    });
  }

  #submit(
    incarnation: number,
    ops: readonly StoreOp[],
    sync: boolean,
    done: (failure?: StoreFailure) => void,
  ): void {
    if (this.#host.reached("write")) return;
    if (this.#failure !== undefined) {
      const failure = this.#failure;
      this.#host.defer(incarnation, 1, () => done(failure));
      return;
    }
    // The caller may reuse its arrays; the disk keeps what was asked for.
    const copy = ops.map(
      (op): StoreOp =>
        op.type === "put"
          ? { type: "put", key: op.key.slice(), value: op.value.slice() }
          : { type: "del", key: op.key.slice() },
    );
    const pending: Pending = { ops: copy, sync, done, applied: false, undo: [] };
    this.#host.world.trace.add(this.#host.world.nowUs, "write", this.#host.slot, copy.length);
    if (this.knobs.visibleEarly) this.#apply(pending);
    this.#queue.push(pending);
    if (!this.#busy) this.#nextGroup(incarnation);
  }

  #nextGroup(incarnation: number): void {
    const group = this.#queue.slice();
    if (group.length === 0 || this.#failure !== undefined) return;
    this.#busy = true;
    const synced = group.some((pending) => pending.sync);
    const mean = synced ? this.knobs.syncMeanUs : this.knobs.writeMeanUs;
    const floor = synced ? this.knobs.syncMinUs : 1;
    const delayUs = (floor + this.#random.exponential(mean)) * this.slowness;
    // Not through `defer`: the disk goes on while its process is paused, and `crash` empties the queue.
    const owner = this.#owner;
    this.#host.world.after(delayUs, () => {
      if (this.#owner === owner && this.#queue[0] === group[0]) {
        this.#complete(incarnation, group, synced);
      }
    });
  }

  #complete(incarnation: number, group: readonly Pending[], synced: boolean): void {
    for (const [i, pending] of group.entries()) {
      const failure = this.#failureOf(pending);
      if (failure !== undefined) {
        // What came before it in the group has happened, and is told before the failure.
        if (synced) this.#syncAll();
        for (const done of group.slice(0, i)) this.#host.defer(incarnation, 0, () => done.done());
        this.#failAll(incarnation, failure);
        return;
      }
      this.#queue.shift();
      this.#apply(pending);
      this.#unsynced.push({ ops: pending.ops, undo: pending.undo, promised: false });
      this.#misdirect();
    }
    this.#busy = false;
    if (synced) this.#syncAll();
    const slot = this.#host.slot;
    this.#host.world.trace.add(this.#host.world.nowUs, "synced", slot, group.length);
    if (this.#host.isLive(incarnation) && this.#host.reached("synced")) return;
    for (const pending of group) this.#host.defer(incarnation, 0, () => pending.done());
    this.#nextGroup(incarnation);
  }

  /** All that was written is durable, or said to be. */
  #syncAll(): void {
    for (const write of this.#unsynced) {
      if (!write.promised) this.#tap?.durable(this.#host.slot, this.name, write.ops);
      write.promised = true;
    }
    if (!this.lying) this.#unsynced.length = 0;
  }

  /** A write may land elsewhere: its own place keeps what was there, and what lay elsewhere is gone. */
  #misdirect(): void {
    if (this.misdirectNth === 0) return;
    this.misdirectNth -= 1;
    if (this.misdirectNth > 0) return;
    this.#tap?.happened?.("write misdirected");
    this.#rot.logDamaged();
    this.spoil(MISDIRECTED_BYTES);
  }

  /** From now on about so many neighbouring bytes cannot be read; false on an empty disk. */
  spoil(bytes: number): boolean {
    const entries = this.#data.all();
    if (entries.length === 0) return false;
    this.#rot.spread(entries, this.#random.below(entries.length), bytes);
    this.#tap?.happened?.("disk rotten");
    return true;
  }

  /** It may still lose what it has said to be durable, or spoil what it holds. */
  get isUnsure(): boolean {
    return this.lying || this.misdirectNth > 0 || this.#unsynced.some((write) => write.promised);
  }

  /** Some of what it holds cannot be read, whether anybody has noticed or not. */
  get isDamaged(): boolean {
    return this.#rot.isPresent;
  }

  /**
   * Whether a node that opens it now is told of damage: what opening checks is the write-ahead log and
   * the newest tables, so a misdirected write shows always, and rot by chance.
   */
  failsToOpen(): boolean {
    if (!this.#rot.isPresent) return false;
    return this.#rot.isInLog || this.#random.below(2) === 0;
  }

  #failureOf(pending: Pending): StoreFailure | undefined {
    if (this.failNth > 0) {
      this.failNth -= 1;
      if (this.failNth === 0) {
        this.#tap?.happened?.("write failed");
        return { code: "io", detail: "simulated write error" };
      }
    }
    let added = 0;
    for (const op of pending.ops) if (op.type === "put") added += op.key.length + op.value.length;
    if (this.#bytes + (pending.applied ? 0 : added) > this.capacityBytes) {
      return { code: "full", detail: "no room on the simulated disk" };
    }
    return undefined;
  }

  #failAll(incarnation: number, failure: StoreFailure): void {
    this.#failure = failure;
    this.#busy = false;
    const slot = this.#host.slot;
    this.#host.world.trace.add(
      this.#host.world.nowUs,
      "write-failed",
      slot,
      -1,
      undefined,
      failure.code,
    );
    const failed = this.#queue.splice(0);
    for (const pending of failed.toReversed()) this.#unapply(pending.undo);
    for (const pending of failed) this.#host.defer(incarnation, 0, () => pending.done(failure));
  }

  #apply(pending: Pending): void {
    if (pending.applied) return;
    pending.applied = true;
    for (const op of pending.ops) {
      const key = SortedMap.keyOf(op.key);
      const old = this.#data.get(key);
      // What is newer is found first.
      this.#rot.overwritten(key);
      pending.undo.push({ key, entry: old });
      if (old !== undefined) this.#bytes -= old[0].length + old[1].length;
      if (op.type === "put") {
        this.#data.set(key, [op.key, op.value]);
        this.#bytes += op.key.length + op.value.length;
      } else {
        this.#data.delete(key);
      }
    }
  }

  #unapply(undo: readonly Undo[]): void {
    for (const { key, entry } of undo.toReversed()) {
      const current = this.#data.get(key);
      if (current !== undefined) this.#bytes -= current[0].length + current[1].length;
      if (entry === undefined) this.#data.delete(key);
      else {
        this.#data.set(key, entry);
        this.#bytes += entry[0].length + entry[1].length;
      }
    }
  }

  /**
   * The process is gone. A kill keeps what the operating system had taken; a power cut keeps a random
   * prefix of what no sync covers. In both, waiting writes may have happened up to a random one. True when
   * it lost what a sync had promised.
   */
  crash(power: boolean): boolean {
    const waiting = this.#queue.splice(0);
    this.#busy = false;
    this.#owner = 0;
    const reached = this.#random.below(waiting.length + 1);
    for (const pending of waiting.slice(reached).toReversed()) this.#unapply(pending.undo);
    for (const pending of waiting.slice(0, reached)) {
      this.#apply(pending);
      this.#unsynced.push({ ops: pending.ops, undo: pending.undo, promised: false });
    }
    if (!power) return false;
    if (waiting.length > 0) this.#tap?.happened?.("write torn");
    const kept = this.#random.below(this.#unsynced.length + 1);
    const gone = this.#unsynced.splice(kept);
    for (const write of gone.toReversed()) this.#unapply(write.undo);
    // After the power cut nothing is cached any more: what is there is on the medium.
    this.#syncAll();
    this.#unsynced.length = 0;
    const broken = gone.some((write) => write.promised);
    if (gone.length > 0) this.#tap?.happened?.(broken ? "synced write lost" : "write lost");
    return broken;
  }

  wipe(): void {
    this.#data.clear();
    this.#rot.clear();
    this.#unsynced.length = 0;
    this.#bytes = 0;
  }

  /** Remembers the present state under a name, for a stale restore. */
  snapshot(name: string): void {
    this.#snapshots.set(name, this.#data.clone());
  }

  /** Puts back a remembered state; false when there is none of that name. */
  restore(name: string): boolean {
    const snapshot = this.#snapshots.get(name);
    if (snapshot === undefined) return false;
    this.#data.copyFrom(snapshot);
    this.#rot.clear();
    this.#unsynced.length = 0;
    this.#bytes = this.#data.weigh();
    return true;
  }

  /** Takes over what another disk holds: the start of a twin. */
  copyFrom(other: SimDisk): void {
    this.#data.copyFrom(other.#data);
    this.#bytes = this.#data.weigh();
  }

  /** Puts entries on the medium without a process: what `init` leaves behind. */
  seed(ops: readonly StoreOp[]): void {
    this.#apply({ ops, sync: true, done: () => undefined, applied: false, undo: [] });
  }

  /** All entries in key order: for checkers. */
  dump(): readonly StoreEntry[] {
    return this.#data.all();
  }
}
