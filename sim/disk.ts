/**
 * A simulated disk with the contract of the Store port. It outlives the processes that open it.
 *
 * Writes go through one queue, as in LevelDB: the disk takes all that wait as one group, spends the time
 * of a sync when one of them asked for it, then completes them in order. What is not covered by a
 * completed sync is undone on a power cut, from the newest write back to a random one: a batch is lost
 * whole or not at all, and never while a later one survives.
 */
import { TetradError } from "../src/errors.ts";
import type {
  Store,
  StoreEntry,
  StoreFailure,
  StoreOp,
  StoreRange,
  StoreSnapshot,
} from "../src/ledger/ports.ts";
import type { Put } from "./checkers/types.ts";
import { DiskRows } from "./disk-rows.ts";
import { DiskSnapshots } from "./disk-snapshots.ts";
import type { Host } from "./host.ts";
import { Overrides } from "./overrides.ts";
import { Peak } from "./peak.ts";
import type { Prng } from "./prng.ts";
import { Rot } from "./rot.ts";
import { RowMemory } from "./row-memory.ts";
import { OWN_ROWS, type RowKeeper } from "./shared-rows.ts";
import { lengthOf, SortedMap, type Stored, wholeOf } from "./sorted-map.ts";

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
  durable(slot: number, disk: string, puts: readonly Put[]): void;
  /** Some of what it holds cannot be read from now on. */
  spoiled?(slot: number, disk: string): void;
  /** Something of the disk's own happened that is worth having seen. */
  happened?(what: string): void;
};

/** Told when a disk lies: it has said of some writes that they are durable. */
type Promised = () => void;

/** What is under a key from now on, or was before; undefined: nothing. */
type Change = { readonly name: string; readonly value: Stored | undefined };

/** What was before, and whether it could be read. */
type Before = Change & { readonly isRotten: boolean };

/** A change that was asked for, and what checkers are shown of it: bytes that nobody writes into. */
type Asked = Change & { readonly put: Put | undefined };

type Pending = {
  readonly changes: readonly Asked[];
  /** What they weigh. */
  readonly bytes: number;
  readonly sync: boolean;
  readonly done: (failure?: StoreFailure) => void;
  applied: boolean;
  undo: Before[];
};

/** `promised`: a sync has returned for it, from a disk that lies. */
type Unsynced = {
  readonly changes: readonly Asked[];
  readonly undo: readonly Before[];
  promised: boolean;
};

/** A state of the disk. */
type Copy = { readonly rows: DiskRows; readonly bytes: number; readonly rot: Rot };

const putsOf = (changes: readonly Asked[]): Put[] => {
  const puts: Put[] = [];
  for (const { put } of changes) if (put !== undefined) puts.push(put);
  return puts;
};

const weightOf = (name: string, value: Stored | undefined): number =>
  value === undefined ? 0 : name.length + lengthOf(value);

export class SimDisk {
  readonly name: string;
  readonly knobs: DiskKnobs;
  readonly #host: Host;
  readonly #random: Prng;
  readonly #tap: DiskTap | undefined;
  readonly #rows: RowKeeper;
  readonly #data: DiskRows;
  readonly #readers: DiskSnapshots;
  /** Completed writes that no sync covers yet, oldest first. */
  readonly #unsynced: Unsynced[] = [];
  readonly #queue: Pending[] = [];
  /** Bytes of writes that are not done. */
  readonly waiting = new Peak();
  readonly #snapshots = new Map<string, Copy>();
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
  readonly #lying = new Overrides<Promised | undefined>(undefined);
  readonly #rot = new Rot();
  readonly #slowness = new Overrides(1);

  constructor(
    name: string,
    host: Host,
    knobs: DiskKnobs,
    tap?: DiskTap,
    rows = OWN_ROWS,
    memory = new RowMemory(),
  ) {
    this.#rows = rows;
    this.#data = new DiskRows(memory);
    this.#readers = new DiskSnapshots(this.#data);
    this.name = name;
    this.#host = host;
    this.knobs = { ...knobs };
    this.#random = host.world.stream(`disk/${host.slot}/${name}`);
    this.#tap = tap;
  }

  /** Whether syncs return before anything is on the medium. */
  get lying(): boolean {
    return this.#lying.isTurned;
  }

  /** From now on it lies about its syncs, and tells of each lie; what is returned ends that. */
  lie(promised: Promised): () => void {
    return this.#lying.turn(promised);
  }

  /** How many times as long every write and sync takes. */
  get slowness(): number {
    return this.#slowness.value;
  }

  /** From now on it is so many times as slow; what is returned ends that. */
  slowDown(factor: number): () => void {
    return this.#slowness.turn(factor);
  }

  /** What waits for its n-th write or read waits no more. */
  disarm(): void {
    this.failNth = 0;
    this.failReadNth = 0;
    this.misdirectNth = 0;
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
    this.#readers.clear();
    this.#owner = incarnation;
    this.#failure = undefined;
    let closed = false;
    const mine = (): boolean => this.#owner === incarnation && this.#host.isLive(incarnation);
    const readsOf = (
      value: (name: string) => Stored | undefined,
      entries: (range: StoreRange) => StoreEntry[],
    ): Pick<Store, "get" | "range"> => ({
      get: (key) => {
        if (closed) throw new RangeError("the simulated store is closed");
        const name = SortedMap.keyOf(key);
        const failure = this.#readFailure(this.#rot.hits(name));
        if (failure !== undefined) throw new TetradError(`store.${failure.code}`, failure.detail);
        const found = value(name);
        return found === undefined ? undefined : wholeOf(found);
      },
      range: (range, done) => {
        if (!mine()) return;
        const delayUs = 1 + this.#random.exponential(this.knobs.readMeanUs);
        this.#host.defer(incarnation, delayUs, () => {
          if (closed) return done({ code: "closed", detail: "store is closed" }, []);
          const found = entries(range);
          const failure = this.#readFailure(this.#rot.hitsAny(found));
          done(failure, failure === undefined ? found : []);
        });
      },
    });
    return {
      ...readsOf(
        (name) => this.#data.get(name),
        (range) => this.#data.range(range),
      ),
      snapshot: () => this.#snapshotOf(readsOf),
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

  #snapshotOf(
    readsOf: (
      value: (name: string) => Stored | undefined,
      entries: (range: StoreRange) => StoreEntry[],
    ) => Pick<Store, "get" | "range">,
  ): StoreSnapshot {
    const readers = this.#readers;
    const snapshot = readers.take();
    const reads = readsOf(
      (name) => readers.get(snapshot, name),
      (range) => readers.range(snapshot, range),
    );
    let released = false;
    return {
      get: reads.get,
      isGone: () => false,
      // A range that is being read is given, though its snapshot be released meanwhile.
      range: (range, done) => {
        snapshot.holders += 1;
        reads.range(range, (failure, entries) => {
          readers.release(snapshot);
          done(failure, entries);
        });
      },
      release: () => {
        if (!released) readers.release(snapshot);
        released = true;
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
    const changes = ops.map((op) => this.#changeOf(op));
    const bytes = changes.reduce((sum, { name, value }) => sum + weightOf(name, value), 0);
    const pending: Pending = { changes, bytes, sync, done, applied: false, undo: [] };
    this.#host.world.trace.add(this.#host.world.nowUs, "write", this.#host.slot, changes.length);
    if (this.knobs.visibleEarly) this.#apply(pending);
    this.#queue.push(pending);
    this.waiting.add(bytes);
    if (!this.#busy) this.#nextGroup(incarnation);
  }

  #changeOf(op: StoreOp): Asked {
    const name = SortedMap.keyOf(op.key);
    if (op.type === "del") return { name, value: undefined, put: undefined };
    const row = this.#rows.keep(name, op.value);
    // What is whole is shown as it is kept: checkers know a block again that another node has written.
    const shown = row.value instanceof Uint8Array ? row.value : op.value;
    return { name: row.name, value: row.value, put: { key: row.key, value: shown } };
  }

  #nextGroup(incarnation: number): void {
    const group = this.#queue.slice();
    if (group.length === 0 || this.#failure !== undefined) return;
    this.#busy = true;
    const synced = group.some((pending) => pending.sync);
    const mean = synced ? this.knobs.syncMeanUs : this.knobs.writeMeanUs;
    const floor = synced ? this.knobs.syncMinUs : 1;
    if (this.slowness > 1) this.#tap?.happened?.("write slowed");
    const { world } = this.#host;
    const takesUs = floor + this.#random.exponential(mean);
    const doneUs = world.endOf(world.nowUs, takesUs, takesUs * (this.slowness - 1));
    this.#host.writing(doneUs - world.nowUs, synced);
    // Not through `defer`: the disk goes on while its process is paused, and `crash` empties the queue.
    const owner = this.#owner;
    world.at(doneUs, () => {
      if (this.#owner === owner && this.#queue[0] === group[0]) {
        this.#complete(incarnation, group, synced);
      }
    });
  }

  #complete(incarnation: number, group: readonly Pending[], synced: boolean): void {
    let completed = 0;
    for (const pending of group) {
      const failure = this.#failureOf(pending);
      if (failure !== undefined) {
        // What came before it in the group has happened, and is told before the failure.
        if (synced) this.#syncAll();
        for (const one of group.slice(0, completed)) this.#tell(incarnation, one);
        this.#failAll(incarnation, failure);
        return;
      }
      completed += 1;
      this.#queue.shift();
      this.waiting.add(-pending.bytes);
      this.#apply(pending, !synced || this.lying);
      this.#unsynced.push({ changes: pending.changes, undo: pending.undo, promised: false });
      this.#misdirect();
    }
    this.#busy = false;
    if (synced) this.#syncAll();
    const slot = this.#host.slot;
    this.#host.world.trace.add(this.#host.world.nowUs, "synced", slot, group.length);
    if (this.#host.isLive(incarnation) && this.#host.reached("synced")) return;
    for (const pending of group) this.#tell(incarnation, pending);
    this.#nextGroup(incarnation);
  }

  #tell(incarnation: number, pending: Pending): void {
    this.#host.defer(incarnation, 0, () => pending.done());
  }

  /** All that was written is durable, or said to be. */
  #syncAll(): void {
    this.#promiseAll(this.#lying.value);
  }

  #promiseAll(lies: Promised | undefined): void {
    let isNew = false;
    for (const write of this.#unsynced) {
      if (write.promised) continue;
      this.#tap?.durable(this.#host.slot, this.name, putsOf(write.changes));
      write.promised = true;
      isNew = true;
    }
    if (lies === undefined) this.#unsynced.length = 0;
    else if (isNew) lies();
  }

  /** A write may land elsewhere: its own place keeps what was there, and what lay elsewhere is gone. */
  #misdirect(): void {
    if (this.misdirectNth === 0) return;
    this.misdirectNth -= 1;
    if (this.misdirectNth > 0) return;
    this.#tap?.happened?.("write misdirected");
    this.#rot.logDamaged();
    this.#tap?.spoiled?.(this.#host.slot, this.name);
    this.spoil(MISDIRECTED_BYTES);
  }

  /** From now on about so many neighbouring bytes cannot be read; false where all of them could not be before. */
  spoil(bytes: number): boolean {
    if (this.#data.size === 0) return false;
    const rows = this.#data.entriesFrom(this.#random.below(this.#data.size));
    if (!this.#rot.spread(rows, bytes)) return false;
    this.#tap?.happened?.("disk rotten");
    this.#tap?.spoiled?.(this.#host.slot, this.name);
    return true;
  }

  /** It may still lose what it has said to be durable, or spoil what it holds, also by losing what hides rot. */
  get isUnsure(): boolean {
    if (this.lying || this.misdirectNth > 0) return true;
    const hidesRot = ({ undo }: Pick<Unsynced, "undo">): boolean =>
      undo.some(({ isRotten }) => isRotten);
    if (this.#queue.some(hidesRot)) return true;
    return this.#unsynced.some((write) => write.promised || hidesRot(write));
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
    if (this.#bytes + (pending.applied ? 0 : pending.bytes) > this.capacityBytes) {
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
    this.waiting.clear();
    for (const pending of failed.toReversed()) this.#unapply(pending.undo);
    for (const pending of failed) this.#host.defer(incarnation, 0, () => pending.done(failure));
  }

  /** `mayUndo` is false where it is durable before anything else happens: then nothing is kept to undo it. */
  #apply(pending: Pending, mayUndo = true): void {
    if (pending.applied) return;
    pending.applied = true;
    for (const { name, value } of pending.changes) {
      const old = this.#data.get(name);
      // What is newer is found first.
      const isRotten = this.#rot.overwritten(name);
      if (mayUndo) pending.undo.push({ name, value: old, isRotten });
      this.#put(name, old, value);
    }
  }

  #put(name: string, old: Stored | undefined, value: Stored | undefined): void {
    this.#readers.changing(name, old);
    this.#bytes += weightOf(name, value) - weightOf(name, old);
    this.#data.put(name, old, value);
  }

  #unapply(undo: readonly Before[]): void {
    for (const { name, value, isRotten } of undo.toReversed()) {
      this.#put(name, this.#data.get(name), value);
      this.#rot.put(name, isRotten);
    }
  }

  /**
   * The process is gone. A kill keeps what the operating system had taken; a power cut keeps a random
   * prefix of what no sync covers. In both, waiting writes may have happened up to a random one. True when
   * it lost what a sync had promised.
   */
  crash(power: boolean): boolean {
    const waiting = this.#queue.splice(0);
    this.waiting.clear();
    this.#readers.clear();
    this.#busy = false;
    this.#owner = 0;
    const reached = this.#random.below(waiting.length + 1);
    for (const pending of waiting.slice(reached).toReversed()) this.#unapply(pending.undo);
    for (const pending of waiting.slice(0, reached)) {
      this.#apply(pending);
      this.#unsynced.push({ changes: pending.changes, undo: pending.undo, promised: false });
    }
    if (!power) return false;
    const kept = this.#random.below(this.#unsynced.length + 1);
    const gone = this.#unsynced.splice(kept);
    for (const write of gone.toReversed()) this.#unapply(write.undo);
    // After the power cut nothing is cached any more: what is there is on the medium.
    this.#promiseAll(undefined);
    const broken = gone.some((write) => write.promised);
    // What waited is the newest: where anything at all is gone, some of that is.
    const isTorn = reached < waiting.length || (waiting.length > 0 && gone.length > 0);
    if (isTorn) this.#tap?.happened?.("write torn");
    if (gone.length > 0) this.#tap?.happened?.(broken ? "synced write lost" : "write lost");
    return broken;
  }

  /** Whether there is nothing that a wipe would take. */
  get isBlank(): boolean {
    return this.#data.size === 0 && this.#unsynced.length === 0 && !this.#rot.isPresent;
  }

  wipe(): void {
    this.#data.clear();
    this.#rot.clear();
    this.#unsynced.length = 0;
    this.#bytes = 0;
  }

  /** Remembers the present state under a name, for a stale restore. */
  snapshot(name: string): void {
    this.#snapshots.get(name)?.rows.dispose();
    this.#snapshots.set(name, {
      rows: this.#data.clone(),
      bytes: this.#bytes,
      rot: this.#rot.clone(),
    });
  }

  /** Whether a state is remembered under this name that is not the present one. */
  differsFrom(name: string): boolean {
    const snapshot = this.#snapshots.get(name);
    return snapshot !== undefined && !this.#isAsIn(snapshot);
  }

  /** Puts back a remembered state; false when there is none of that name, or it is the present one. */
  restore(name: string): boolean {
    const snapshot = this.#snapshots.get(name);
    if (snapshot === undefined || this.#isAsIn(snapshot)) return false;
    this.#data.copyFrom(snapshot.rows);
    this.#rot.copyFrom(snapshot.rot);
    this.#unsynced.length = 0;
    this.#bytes = snapshot.bytes;
    return true;
  }

  #isAsIn({ rows, bytes, rot }: Copy): boolean {
    return bytes === this.#bytes && rot.equals(this.#rot) && rows.equals(this.#data);
  }

  /** Takes over what another disk holds: the start of a twin. */
  copyFrom(other: SimDisk): void {
    this.#data.copyFrom(other.#data);
    this.#rot.copyFrom(other.#rot);
    this.#bytes = other.#bytes;
  }

  /** Puts entries on the medium without a process: what `init` leaves behind. */
  seed(ops: readonly StoreOp[]): void {
    const changes = ops.map((op) => this.#changeOf(op));
    this.#apply({ changes, bytes: 0, sync: true, done: () => undefined, applied: false, undo: [] });
  }

  /** What lies in a range, whether a process could read it or not: for checkers. */
  entriesOf(range: StoreRange): readonly StoreEntry[] {
    return this.#data.range(range);
  }

  /** All entries in key order: for checkers. */
  dump(): readonly StoreEntry[] {
    return [...this.#data.entriesFrom(0)];
  }
}
