/**
 * The Store port on LevelDB, and the lock of a folder. The only importer of `level`.
 *
 * **Group commit.** One batch is in LevelDB at a time. Writes that arrive meanwhile wait and are merged
 * into the next batch in the order of their submission; the merged batch is one record of LevelDB's
 * write-ahead log, so it is there wholly or not at all, and so is each write in it. It is synced when any
 * write in it asked for it.
 *
 * **Order.** LevelDB does not sync the log it leaves when it starts a new one. A synced batch after
 * unsynced ones could therefore outlive them, so the logs are synced first in that case.
 *
 * **Ranges.** An iterator of the binding holds a snapshot of LevelDB's, which must never be older than the last
 * write (adr/0014). So batches and iterators are let into LevelDB by turns (turns.ts), and who reads at length
 * reads a copy.
 *
 * **Failure.** The first failed batch fails every write behind it and every later one with the same
 * failure, until the store is opened again: LevelDB itself would go on after a full disk, over the gap.
 *
 * **Corruption.** The binding reads without verifying LevelDB's checksums. So rows carry one of their own
 * (rows.ts), manifest and write-ahead logs are checked before LevelDB replays them, and after a process
 * that did not close the store so are the tables (check-folder.ts). What cannot be told: damage to the
 * last record of a log looks like a write that a power cut interrupted, and is dropped like one; damage
 * to a table *while* the store is open may hide a row from `get` (a `range` over it reports it) or end the
 * process by an assertion of LevelDB's, after which the next start names the file.
 */
import { mkdir, open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { Level } from "level";
import { TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import type {
  Logger,
  Store,
  StoreEntry,
  StoreFailure,
  StoreOp,
  StoreRange,
  StoreSnapshot,
} from "../ports.ts";
import { BeforeImages, type Reading, rangeBefore } from "./before-images.ts";
import { checkFolder, type FolderCheck } from "./check-folder.ts";
import { copyOpenFolder, errorOfOriginal } from "./copy-folder.ts";
import { openRow, sealRow } from "./rows.ts";
import { rowsWithin } from "./rows-within.ts";
import { Turns } from "./turns.ts";

export type LevelStoreOptions = {
  readonly logger: Logger;
  /** Rows in memory before they become a table; two of these may exist at once. Default 32 MiB. */
  readonly writeBufferBytes?: number;
  /** Uncompressed blocks kept in memory. Default 16 MiB. */
  readonly cacheBytes?: number;
  /** Unit of compression and of reading. Default 16 KiB. */
  readonly blockBytes?: number;
  /** Size of a table file. Default 2 MiB. */
  readonly tableBytes?: number;
  /**
   * Open table files. They are mapped into memory, so this times `tableBytes` bounds what they add to
   * the resident size. Default 64.
   */
  readonly openFilesMax?: number;
  /** A merged batch is not made larger than this; a single larger write goes alone. Default 16 MiB. */
  readonly mergedBytesMax?: number;
  /**
   * Tables checked at opening after a process that did not close the store, newest first: about 0.5 GB/s.
   * After a clean end only the logs are checked. Default 1 GiB.
   */
  readonly checkedTableBytesMax?: number;
  /** Memory for what open snapshots need. Default LIMITS.snapshotBytesMax. */
  readonly snapshotBytesMax?: number;
};

export type LevelStats = {
  /** Writes submitted and not answered yet. */
  readonly pendingWrites: number;
  /** Writes answered without a failure. */
  readonly writes: number;
  /** Batches given to LevelDB, and how many of them were synced. */
  readonly commits: number;
  readonly syncedCommits: number;
  /** Bytes of keys and values submitted in those batches. */
  readonly bytes: number;
  readonly failure: StoreFailure | undefined;
};

export type LevelStore = Store & {
  stats(): LevelStats;
  /**
   * All rows as they are now, in the order of their keys, in pages of bounded size, while writes go on: from a
   * copy, of links to the tables and as many bytes more as the logs have, in a folder of its own inside this one.
   * Throws TetradError store.corrupt, store.full, store.io; node.stopping when the store is closed meanwhile,
   * which waits for the page that is being read and not for who takes it.
   */
  scan(): AsyncGenerator<readonly StoreEntry[], void, void>;
};

/** Held until released, or until the process ends in whatever way. */
export type FolderLock = { release(): Promise<void> };

/**
 * What can be used of it without a snapshot of LevelDB's (adr/0014): all other reads open one, iterators as well,
 * which is why they take turns with writes.
 */
type Database = Pick<
  Level<Uint8Array, Uint8Array>,
  "open" | "close" | "getSync" | "batch" | "iterator"
>;
/** A copy that is being read, and how it ends. */
type Copy = { readonly database: Database; readonly end: () => Promise<void> };
type RangeDone = (failure: StoreFailure | undefined, entries: readonly StoreEntry[]) => void;

type PendingWrite = {
  /** Let go of once LevelDB has them: they are much of what a large block leaves to collect. */
  ops: readonly StoreOp[];
  readonly sync: boolean;
  readonly bytes: number;
  readonly done: (failure?: StoreFailure) => void;
};

/** One page of a scan: little enough not to stand before the votes of a node that is backed up. */
const SCAN_PAGE_BYTES = 256 * 1024;
const SCAN_PAGE_ROWS = 256;
/** What a range takes from LevelDB at once, while writes wait: most ranges are less. */
const RANGE_READ_BYTES = 1024 * 1024;
const SCAN_FOLDER = /^scan-\d+$/;

const CLOSED: StoreFailure = { code: "closed", detail: "the store is closed" };
const GONE: StoreFailure = {
  code: "gone",
  detail: "too much was written since: the snapshot is not held any more",
};
const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const LOCK_FOLDER = "in-use";
/** Who holds the lock, for the message to the second process. Left behind by one that did not end well. */
const OWNER_FILE = "owner.pid";

/**
 * Opens the store in `folder`, which is made if it is not there.
 * Throws TetradError: folder.locked when another process (or this one) has it open, store.corrupt with the
 * file that is damaged, store.full, store.io.
 */
export const openLevelStore = async (
  folder: string,
  options: LevelStoreOptions,
): Promise<LevelStore> => {
  const lock = await takeLock(folder, () => removeScans(folder));
  try {
    // LevelDB ends the process on some damage, so what a process left that did not close the store is
    // looked at as a whole before LevelDB sees it.
    const tableBytesMax = options.checkedTableBytesMax ?? GIB;
    const { torn, ...check } = await checkFolder(folder, lock.wasClean ? 0 : tableBytesMax);
    const database = createDatabase(folder, options);
    await database.open();
    options.logger.log("debug", "store opened", {
      folder,
      clean: lock.wasClean,
      torn: torn?.file,
      ...check,
    });
    return new LevelDbStore(database, folder, lock, options);
  } catch (error) {
    await lock.end(false);
    throw openError(error, folder);
  }
};

/**
 * Checks every file of a store that is not open: checksums of all logs and tables, and that the tables
 * are complete. Throws TetradError: store.corrupt with the file, folder.locked, store.io.
 */
export const checkLevelStore = async (folder: string): Promise<FolderCheck> => {
  const lock = await takeLock(folder);
  try {
    return await checkFolder(folder, Number.POSITIVE_INFINITY);
  } catch (error) {
    throw openError(error, folder);
  } finally {
    await lock.end(lock.wasClean);
  }
};

/**
 * Locks a folder for this process; a store's own folder is locked by opening the store.
 * Throws TetradError: folder.locked, with the holder's process id where it is known, store.full, store.io.
 */
export const lockFolder = async (folder: string): Promise<FolderLock> => {
  const lock = await takeLock(folder);
  return { release: () => lock.end(true) };
};

/**
 * Takes LevelDB's lock on the file LOCK of a folder of the caller's own, which may be a hard link to that of
 * another one: the kernel's lock is on the file. Nothing is written to the file.
 * Throws TetradError: folder.locked, store.full, store.io.
 */
export const holdLockFile = async (folder: string): Promise<FolderLock> => {
  const database = createDatabase(folder, { writeBufferBytes: 65_536, cacheBytes: 0 });
  try {
    await database.open();
  } catch (error) {
    if (codeOf(causeOf(error)) === "LEVEL_LOCKED") throw lockedBy(undefined, folder);
    throw openError(error, folder);
  }
  return { release: () => database.close() };
};

type Lock = {
  /** The process that held it before has released it as it should. */
  readonly wasClean: boolean;
  /** Frees the lock. Unless `clean`, the next holder hears of it. */
  end(clean: boolean): Promise<void>;
};

/**
 * The lock is LevelDB's own, on a database without rows inside the folder: the kernel frees it when the
 * process dies, so there are no stale locks, and it is held before the folder's own files are touched.
 * `tidy` runs once it is held, before anything else is written: what it removes may be what filled the disk.
 */
async function takeLock(folder: string, tidy?: () => Promise<void>): Promise<Lock> {
  const inner = join(folder, LOCK_FOLDER);
  const ownerFile = join(inner, OWNER_FILE);
  try {
    await makeFolderDurable(inner);
    const database = createDatabase(inner, { writeBufferBytes: 65_536, cacheBytes: 0 });
    await database.open();
    const wasClean = await stat(ownerFile).then(
      () => false,
      () => true,
    );
    try {
      await tidy?.();
      await writeFile(ownerFile, `${process.pid}\n`);
    } catch (error) {
      await database.close();
      throw error;
    }
    const end = async (clean: boolean): Promise<void> => {
      if (clean) await rm(ownerFile, { force: true });
      await database.close();
    };
    return { wasClean, end };
  } catch (error) {
    if (codeOf(causeOf(error)) === "LEVEL_LOCKED") throw lockedBy(await readOwner(inner), folder);
    throw openError(error, folder);
  }
}

const createDatabase = (folder: string, options: Omit<LevelStoreOptions, "logger">): Database =>
  new Level(folder, {
    keyEncoding: "view",
    valueEncoding: "view",
    compression: true,
    writeBufferSize: options.writeBufferBytes ?? 32 * MIB,
    cacheSize: options.cacheBytes ?? 16 * MIB,
    blockSize: options.blockBytes ?? 16 * 1024,
    maxFileSize: options.tableBytes ?? 2 * MIB,
    maxOpenFiles: options.openFilesMax ?? 64,
  });

/** Copies that a process left that was ended while it read one. */
async function removeScans(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (SCAN_FOLDER.test(name)) await rm(join(folder, name), { recursive: true, force: true });
  }
}

const causeOf = (error: unknown): unknown =>
  error instanceof Error && error.cause !== undefined ? error.cause : error;

const openError = (error: unknown, folder: string): TetradError =>
  error instanceof TetradError ? error : readError(causeOf(error), `cannot open ${folder}`);

/** Makes the folder and syncs the entries that lead to it: a synced row in a lost folder is lost too. */
async function makeFolderDurable(folder: string): Promise<void> {
  const path = resolve(folder);
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return;
  for (let parent = dirname(path); ; parent = dirname(parent)) {
    await syncPath(parent);
    if (parent === dirname(first) || parent === dirname(parent)) return;
  }
}

async function syncPath(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function readOwner(inner: string): Promise<number | undefined> {
  const text = await readFile(join(inner, OWNER_FILE), "utf8").catch(() => "");
  return /^\d{1,10}\n$/.test(text) ? Number(text) : undefined;
}

function lockedBy(pid: number | undefined, folder: string): TetradError {
  const holder = pid === undefined ? "another process" : `process ${pid}`;
  const data = pid === undefined ? { folder } : { folder, pid };
  return new TetradError("folder.locked", `${folder} is in use by ${holder}`, data);
}

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : "";

/** The kind of a failure of LevelDB, which tells it by text only: its own, and strerror of the C locale. */
export const classifyFailure = (error: unknown): StoreFailure => {
  const detail = error instanceof Error ? error.message : String(error);
  const code = codeOf(error);
  if (code === "LEVEL_CORRUPTION" || /^Corruption: /.test(detail))
    return { code: "corrupt", detail };
  const full = /No space left on device|Disk quota exceeded/.test(detail);
  if (full || code === "ENOSPC" || code === "EDQUOT") return { code: "full", detail };
  if (code === "LEVEL_DATABASE_NOT_OPEN") return { code: "closed", detail: "the store is closed" };
  return { code: "io", detail };
};

function readError(error: unknown, context: string): TetradError {
  const failure = classifyFailure(error);
  const code = failure.code === "full" || failure.code === "corrupt" ? failure.code : "io";
  return new TetradError(`store.${code}`, `${context}: ${failure.detail}`);
}

function* keysOf(group: readonly PendingWrite[]): Generator<Uint8Array> {
  for (const { ops } of group) for (const { key } of ops) yield key;
}

/** A key of an iterator may be a Buffer. */
const plain = (key: Uint8Array): Uint8Array =>
  new Uint8Array(key.buffer, key.byteOffset, key.length);

const opBytes = (op: StoreOp): number => op.key.length + (op.type === "put" ? op.value.length : 0);

class LevelDbStore implements LevelStore {
  readonly #database: Database;
  readonly #folder: string;
  readonly #lock: Lock;
  readonly #logger: Logger;
  readonly #mergedBytesMax: number;
  readonly #reads = new Set<Promise<unknown>>();
  #queue: PendingWrite[] = [];
  #pending = 0;
  #running = false;
  #unsynced = false;
  #failure: StoreFailure | undefined;
  #closing: Promise<void> | undefined;
  #idle: (() => void) | undefined;
  readonly #before: BeforeImages;
  readonly #turns = new Turns();
  readonly #options: LevelStoreOptions;
  readonly #copies = new Set<Copy>();
  #scans = 0;
  #writes = 0;
  #commits = 0;
  #syncedCommits = 0;
  #bytes = 0;

  constructor(database: Database, folder: string, lock: Lock, options: LevelStoreOptions) {
    this.#database = database;
    this.#folder = folder;
    this.#lock = lock;
    this.#logger = options.logger;
    this.#mergedBytesMax = options.mergedBytesMax ?? 16 * MIB;
    this.#before = new BeforeImages(options.snapshotBytesMax ?? LIMITS.snapshotBytesMax);
    this.#options = options;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#open(key, this.#stored(key));
  }

  /** What LevelDB has under the key. */
  #stored(key: Uint8Array): Uint8Array | undefined {
    try {
      return this.#database.getSync(key);
    } catch (error) {
      throw readError(error, `cannot read from ${this.#folder}`);
    }
  }

  #open(key: Uint8Array, row: Uint8Array | undefined): Uint8Array | undefined {
    if (row === undefined) return undefined;
    const value = openRow(key, row);
    if (value === undefined) {
      throw new TetradError("store.corrupt", `a row in ${this.#folder} fails its checksum`);
    }
    return value;
  }

  write(
    ops: readonly StoreOp[],
    options: { readonly sync: boolean },
    done: (failure?: StoreFailure) => void,
  ): void {
    const refused = this.#closing === undefined ? this.#failure : CLOSED;
    if (refused !== undefined) {
      queueMicrotask(() => done(refused));
      return;
    }
    let bytes = 0;
    for (const op of ops) bytes += opBytes(op);
    this.#queue.push({ ops, sync: options.sync, bytes, done });
    this.#pending += 1;
    if (this.#running) return;
    this.#running = true;
    // A microtask later, so that all writes of one turn share one sync.
    queueMicrotask(() => void this.#drain());
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const group = this.#takeGroup();
      if (this.#failure === undefined) await this.#turns.write(() => this.#commit(group));
      this.#answer(group);
    }
    this.#running = false;
    this.#idle?.();
  }

  #takeGroup(): PendingWrite[] {
    let bytes = 0;
    let count = 0;
    for (const write of this.#queue) {
      if (count > 0 && bytes + write.bytes > this.#mergedBytesMax) break;
      bytes += write.bytes;
      count += 1;
    }
    return this.#queue.splice(0, count);
  }

  async #commit(group: readonly PendingWrite[]): Promise<void> {
    const sync = group.some((write) => write.sync);
    try {
      if (sync && this.#unsynced) await this.#syncLogs();
      this.#before.begin(keysOf(group), (key) => this.#database.getSync(key));
      const batch = this.#database.batch();
      for (const { ops } of group) {
        for (const op of ops) {
          if (op.type === "put") batch.put(op.key, sealRow(op.key, op.value));
          else batch.del(op.key);
        }
      }
      for (const write of group) write.ops = [];
      // LevelDB writes nothing, and syncs nothing, for an empty batch.
      if (batch.length > 0) await batch.write({ sync });
      else await batch.close();
      this.#unsynced = !sync;
      this.#commits += 1;
      if (sync) this.#syncedCommits += 1;
      for (const write of group) this.#bytes += write.bytes;
    } catch (error) {
      this.#failure = classifyFailure(error);
      const { code, detail } = this.#failure;
      this.#logger.log("error", "store write failed", { folder: this.#folder, code, detail });
    }
    this.#before.end();
  }

  async #syncLogs(): Promise<void> {
    for (const name of await readdir(this.#folder)) {
      if (!name.endsWith(".log")) continue;
      await syncPath(join(this.#folder, name)).catch((error: unknown) => {
        // LevelDB deletes a log once its rows are in a synced table.
        if (codeOf(error) !== "ENOENT") throw error;
      });
    }
  }

  #answer(group: readonly PendingWrite[]): void {
    const failure = this.#failure;
    this.#pending -= group.length;
    if (failure === undefined) this.#writes += group.length;
    for (const { done } of group) {
      try {
        done(failure);
      } catch (error) {
        // A caller's exception is the caller's: it must not stop the writes of others.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  range(range: StoreRange, done: RangeDone): void {
    this.#range(range, undefined, done);
  }

  /**
   * By images in memory and not by LevelDB (before-images.ts): whoever holds one pays for what is written.
   * Throws store.io while a write is under way that began when none was open; never in a write's `done`.
   */
  snapshot(): StoreSnapshot {
    const reading = this.#before.take();
    if (reading === undefined) {
      throw new TetradError("store.io", "no snapshot before the write that is under way is over");
    }
    return {
      get: (key) => {
        if (reading.gone) throw new TetradError("http.height-gone", GONE.detail);
        const image = this.#before.find(reading, key);
        if (image === undefined) return this.get(key);
        return this.#open(key, image[0]);
      },
      range: (range, done) => this.#range(range, this.#before.share(reading), done),
      isGone: () => reading.gone,
      release: () => this.#before.release(reading),
    };
  }

  #range(range: StoreRange, reading: Reading | undefined, done: RangeDone): void {
    const release = (): void => {
      if (reading !== undefined) this.#before.release(reading);
    };
    if (this.#closing !== undefined) {
      release();
      queueMicrotask(() => done(CLOSED, []));
      return;
    }
    void this.#awaited(this.#readRange(range, reading)).then((result) => {
      release();
      if ("code" in result) done(result, []);
      else done(undefined, result);
    });
  }

  async #readRange(
    range: StoreRange,
    reading: Reading | undefined,
  ): Promise<readonly StoreEntry[] | StoreFailure> {
    try {
      const rows = await (reading === undefined
        ? this.#storedRange(range)
        : this.#storedRangeAt(range, reading));
      if ("code" in rows) return rows;
      const entries: StoreEntry[] = [];
      for (const [key, row] of rows) {
        const value = openRow(key, row);
        if (value === undefined) {
          return { code: "corrupt", detail: `a row in ${this.#folder} fails its checksum` };
        }
        entries.push([key, value]);
      }
      return entries.slice(0, rowsWithin(entries, range.bytesMax));
    } catch (error) {
      return classifyFailure(error);
    }
  }

  /** Up to `limit` rows, no more than about `bytesMax` bytes of them; whoever asks cuts them exactly. */
  #storedRange(range: StoreRange): Promise<StoreEntry[]> {
    const { gte, lt, limit, reverse = false, bytesMax = Number.POSITIVE_INFINITY } = range;
    const options = { gte, lt, limit, reverse, highWaterMarkBytes: RANGE_READ_BYTES };
    return this.#turns.read(async () => {
      const iterator = this.#database.iterator(options);
      const rows: StoreEntry[] = [];
      let bytes = 0;
      try {
        while (rows.length < limit && bytes <= bytesMax) {
          const read = await iterator.nextv(limit - rows.length);
          if (read.length === 0) break;
          for (const [key, row] of read) {
            bytes += key.length + row.length;
            rows.push([plain(key), row]);
          }
        }
      } finally {
        await iterator.close();
      }
      return rows;
    });
  }

  /** Whatever `bytesMax` says it reads up to `limit`: which rows were there is known only then. */
  async #storedRangeAt(
    { gte, lt, limit, reverse = false }: StoreRange,
    reading: Reading,
  ): Promise<readonly StoreEntry[] | StoreFailure> {
    const rows = await rangeBefore(
      { gte, lt, limit, reverse },
      (part) => this.#storedRange(part),
      (low, high) => this.#before.within(reading, low, high),
    );
    // Images were missing then.
    return reading.gone ? GONE : rows;
  }

  async *scan(): AsyncGenerator<readonly StoreEntry[], void, void> {
    const stopped = (): TetradError => new TetradError("node.stopping", "the store was closed");
    if (this.#closing !== undefined) throw stopped();
    this.#scans += 1;
    const folder = join(this.#folder, `scan-${this.#scans}`);
    let copy: Copy | undefined;
    try {
      copy = await this.#awaited(this.#openCopy(folder));
      if (this.#closing !== undefined) throw stopped();
      const iterator = copy.database.iterator({ highWaterMarkBytes: SCAN_PAGE_BYTES });
      for (;;) {
        if (this.#closing !== undefined) throw stopped();
        const rows = await this.#awaited(iterator.nextv(SCAN_PAGE_ROWS));
        if (rows.length === 0) return;
        yield rows.map(([rawKey, row]): StoreEntry => {
          const key = plain(rawKey);
          const value = openRow(key, row);
          if (value !== undefined) return [key, value];
          throw new TetradError("store.corrupt", `a row in ${this.#folder} fails its checksum`);
        });
      }
    } catch (error) {
      const told =
        error instanceof TetradError
          ? error
          : readError(causeOf(error), `cannot read ${this.#folder}`);
      throw errorOfOriginal(told, folder, this.#folder);
    } finally {
      await copy?.end();
    }
  }

  /** The store as it is now, in a folder of its own. */
  async #openCopy(folder: string): Promise<Copy> {
    try {
      await copyOpenFolder(this.#folder, folder, (work) => this.#turns.write(work));
      const database = createDatabase(folder, { ...this.#options, cacheBytes: 0 });
      await database.open();
      let ended: Promise<void> | undefined;
      const copy: Copy = {
        database,
        end: () => {
          ended ??= this.#removeCopy(folder, () => database.close()).finally(() => {
            this.#copies.delete(copy);
          });
          return ended;
        },
      };
      this.#copies.add(copy);
      return copy;
    } catch (error) {
      await this.#removeCopy(folder);
      throw error;
    }
  }

  /** One that cannot be removed takes room until the next start, and is no failure of the store or of its reader. */
  async #removeCopy(folder: string, close?: () => Promise<void>): Promise<void> {
    try {
      await close?.();
      await rm(folder, { recursive: true, force: true });
    } catch (error) {
      const { detail } = classifyFailure(error);
      this.#logger.log("warn", "copy of the store not removed", { folder, detail });
    }
  }

  /** What closing waits for. */
  async #awaited<T>(reading: Promise<T>): Promise<T> {
    this.#reads.add(reading);
    try {
      return await reading;
    } finally {
      this.#reads.delete(reading);
    }
  }

  close(done: () => void): void {
    this.#closing ??= this.#finish();
    void this.#closing.then(done);
  }

  /** Lets writes and reads that were taken finish; then closes LevelDB, which frees its lock. */
  async #finish(): Promise<void> {
    if (this.#running) {
      await new Promise<void>((resolved) => {
        this.#idle = resolved;
      });
    }
    await Promise.allSettled(this.#reads);
    try {
      for (const copy of this.#copies) await copy.end();
      await this.#database.close();
      await this.#lock.end(this.#failure === undefined);
    } catch (error) {
      const { detail } = classifyFailure(error);
      this.#logger.log("error", "store did not close cleanly", { folder: this.#folder, detail });
    }
  }

  stats(): LevelStats {
    return {
      pendingWrites: this.#pending,
      writes: this.#writes,
      commits: this.#commits,
      syncedCommits: this.#syncedCommits,
      bytes: this.#bytes,
      failure: this.#failure,
    };
  }
}
