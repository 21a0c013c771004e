/**
 * Objects on the disk of a node, in a folder of their own:
 *
 *     <folder>/<name, hex>/manifest   written first; its time is when the object was used last
 *     <folder>/<name, hex>/keep       there where the node keeps the object until it is told otherwise
 *     <folder>/<name, hex>/<index>    a chunk
 *
 * A chunk has its name when its bytes are synced, so that a fetch that a crash has ended goes on where it was. What
 * is read back is held against its hash: a chunk that has changed is taken away, and is then one that is missing.
 *
 * Every object counts with its whole length from its beginning, so that the budget holds whatever comes of it. To
 * make room, what was used longest ago goes, whole; never what is kept, nor what is in use. What the ledger needs of
 * the disk is left to it, since a node that finds no room there stops: that is looked at when an object is begun or
 * goes on, for all that is still to come, and before each chunk, because others write to the disk too.
 */
import { mkdir, rm, stat, statfs, utimes } from "node:fs/promises";
import { join } from "node:path";
import { equalBytes, fromHex } from "../../crypto/bytes.ts";
import { ChunkSet } from "../../crypto/objects/chunk-set.ts";
import {
  encodeManifest,
  type Manifest,
  manifestBytes,
  manifestOf,
} from "../../crypto/objects/manifest.ts";
import { CHUNK_BYTES, chunkHash, chunkLength } from "../../crypto/objects/tree.ts";
import { TetradError } from "../../errors.ts";
import type { Logger } from "../../ledger/ports.ts";
import { LIMITS } from "../../limits.ts";
import {
  isMissing,
  namesIn,
  readWhole,
  removeDrafts,
  removeFolder,
  syncFolder,
  writeFailure,
  writeWhole,
} from "./files.ts";

const MANIFEST = "manifest";
const KEEP = "keep";
const ASIDE = "removed-";
const NAME = /^[0-9a-f]{64}$/;
const INDEX = /^(0|[1-9][0-9]{0,5})$/;

/** How much newer the time of the last use is before it is written again. */
const TOUCH_MS = 60_000;

export type StoredObject = {
  /** Its name, hex. */
  readonly root: string;
  readonly manifest: Manifest;
  /** Chunks that are here. */
  readonly held: ChunkSet;
  /** Those of them that were written, or read and found right, since the node has started. */
  readonly sound: ChunkSet;
  isKept: boolean;
  /** When it was used last, milliseconds since 1970. */
  usedMs: number;
  touchedMs: number;
  /** How many fetches, uploads and reads hold it. */
  uses: number;
};

export type ObjectStoreOptions = {
  readonly folder: string;
  /** Bytes of all objects together. */
  readonly budgetBytes: number;
  readonly wallMs: () => number;
  readonly logger: Logger;
  readonly objectsMax?: number;
  /** Room on the disk, bytes. */
  readonly freeBytes?: () => Promise<number>;
};

const costOf = (length: number): number => length + manifestBytes(length);

const leavesReserve = (freeBytes: number): boolean => freeBytes >= LIMITS.objectDiskReserveBytes;

const missingBytes = ({ manifest: { length }, held }: StoredObject): number => {
  const last = held.size - 1;
  const short = last >= 0 && held.has(last) ? CHUNK_BYTES - chunkLength(length, last) : 0;
  return length - held.count * CHUNK_BYTES + short;
};

export class ObjectStore {
  readonly folder: string;
  readonly budgetBytes: number;
  readonly #wallMs: () => number;
  readonly #logger: Logger;
  readonly #objectsMax: number;
  readonly #freeBytes: () => Promise<number>;
  readonly #objects = new Map<string, StoredObject>();
  readonly #beginning = new Map<string, Promise<StoredObject>>();
  #usedBytes = 0;
  /** Of chunks that are being written. */
  #writingBytes = 0;
  #asides = 0;
  #evicted = 0;

  private constructor(options: ObjectStoreOptions) {
    this.folder = options.folder;
    this.budgetBytes = options.budgetBytes;
    this.#wallMs = options.wallMs;
    this.#logger = options.logger;
    this.#objectsMax = options.objectsMax ?? LIMITS.objectsMax;
    this.#freeBytes = options.freeBytes ?? (() => roomOn(options.folder));
  }

  /** Reads what is there. What is no object, or a damaged one, is taken away. Throws store.io, store.full. */
  static async open(options: ObjectStoreOptions): Promise<ObjectStore> {
    const store = new ObjectStore(options);
    await mkdir(store.folder, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
      throw writeFailure(store.folder, error);
    });
    for (const name of await namesIn(store.folder)) {
      if (NAME.test(name)) await store.#load(name);
      else if (name.startsWith(ASIDE)) {
        await rm(join(store.folder, name), { recursive: true, force: true });
      }
    }
    // Less than the last time may be allowed; what is kept stays all the same.
    const isWithin = (): boolean => store.#usedBytes <= store.budgetBytes;
    await store.#makeRoom(isWithin, () => {}).catch(() => {});
    return store;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Objects that went to make room, since the start. */
  get evicted(): number {
    return this.#evicted;
  }

  /** The one used last first. */
  list(): readonly StoredObject[] {
    return [...this.#objects.values()].sort((a, b) => b.usedMs - a.usedMs);
  }

  get(root: string): StoredObject | undefined {
    return this.#objects.get(root);
  }

  /**
   * The object of this manifest, made where it is not there yet, and room for it; it is in use until `release`.
   * Throws object.no-room, store.full, store.io.
   */
  async begin(root: string, manifest: Manifest): Promise<StoredObject> {
    const others = this.#beginning.get(root);
    if (others !== undefined) return this.#used(await others);
    const known = this.#objects.get(root);
    if (known !== undefined) return this.#goOn(known, manifest);
    const making = this.#make(root, manifest);
    this.#beginning.set(root, making);
    try {
      return await making;
    } finally {
      this.#beginning.delete(root);
    }
  }

  #used(object: StoredObject): StoredObject {
    object.uses += 1;
    this.touch(object);
    return object;
  }

  /** One that is here, whole or in part, is in use from now on; what it lacks has to have room. */
  async #goOn(object: StoredObject, manifest: Manifest): Promise<StoredObject> {
    this.#used(object);
    if (object.held.isFull) return object;
    try {
      // In use, it counts with what is to come, and does not go itself.
      await this.#makeRoom(
        (freeBytes) => leavesReserve(freeBytes - this.#pendingBytes()),
        () => {},
      );
    } catch (error) {
      this.release(object);
      throw error;
    }
    if (this.#objects.get(object.root) === object) return object;
    this.release(object);
    return this.begin(object.root, manifest);
  }

  hold(object: StoredObject): void {
    object.uses += 1;
  }

  release(object: StoredObject): void {
    object.uses -= 1;
  }

  /** Says that it was used now. */
  touch(object: StoredObject): void {
    const nowMs = this.#wallMs();
    object.usedMs = nowMs;
    if (nowMs - object.touchedMs < TOUCH_MS) return;
    object.touchedMs = nowMs;
    const time = nowMs / 1000;
    // A time that is not written costs an order of going, no more.
    void utimes(join(this.folder, object.root, MANIFEST), time, time).catch(() => {});
  }

  /** Holds a chunk against its hash and writes it. Throws object.mismatch, object.no-room, store.full, store.io. */
  async write(object: StoredObject, index: number, chunk: Uint8Array): Promise<void> {
    const hash = object.manifest.hashes[index];
    if (hash === undefined || !equalBytes(chunkHash(chunk), hash)) {
      throw new TetradError("object.mismatch", `not chunk ${index} of ${object.root}`);
    }
    await this.writeChecked(object, index, chunk);
  }

  /** The same for who has held it against its hash. */
  async writeChecked(object: StoredObject, index: number, chunk: Uint8Array): Promise<void> {
    await this.#makeRoom(
      (freeBytes) => leavesReserve(freeBytes - this.#writingBytes - chunk.length),
      () => {
        this.#writingBytes += chunk.length;
      },
    );
    try {
      await writeWhole(this.#path(object, index), chunk);
    } finally {
      this.#writingBytes -= chunk.length;
    }
    object.held.add(index);
    object.sound.add(index);
  }

  /** Every name of it is on the disk from now on. */
  async sync(object: StoredObject): Promise<void> {
    await syncFolder(join(this.folder, object.root)).catch((error: unknown) => {
      throw writeFailure(object.root, error);
    });
  }

  /** The chunk, right; undefined where it is not here, or was damaged and is not here any more. Throws store.io. */
  async read(object: StoredObject, index: number): Promise<Uint8Array | undefined> {
    if (!object.held.has(index)) return undefined;
    const path = this.#path(object, index);
    const { length, hashes } = object.manifest;
    const size = chunkLength(length, index);
    const chunk = await readWhole(path, size);
    const hash = hashes[index];
    if (chunk?.length === size && hash !== undefined && equalBytes(chunkHash(chunk), hash)) {
      object.sound.add(index);
      return chunk;
    }
    // What was taken away meanwhile is no damage.
    if (this.#objects.get(object.root) !== object) return undefined;
    object.held.delete(index);
    object.sound.delete(index);
    this.#logger.log("warn", "a chunk on the disk has changed and is taken away", { path, index });
    await rm(path, { force: true });
    return undefined;
  }

  /** Where a chunk lies that this run has found right, so that others may read it; undefined where there is none. */
  async soundFile(object: StoredObject, index: number): Promise<string | undefined> {
    if (!object.sound.has(index) && (await this.read(object, index)) === undefined)
      return undefined;
    return this.#path(object, index);
  }

  /** Keeps it until it is told otherwise. Throws store.full, store.io. */
  async keep(object: StoredObject): Promise<void> {
    if (object.isKept) return;
    await writeWhole(join(this.folder, object.root, KEEP), new Uint8Array(0));
    await this.sync(object);
    object.isKept = true;
  }

  /** Takes it away, in use or not. Throws store.io. */
  async remove(object: StoredObject): Promise<void> {
    if (this.#objects.get(object.root) !== object) return;
    this.#objects.delete(object.root);
    this.#usedBytes -= costOf(object.manifest.length);
    const held = object.held;
    for (let i = 0; i < held.size; i++) {
      held.delete(i);
      object.sound.delete(i);
    }
    this.#asides += 1;
    const aside = join(this.folder, `${ASIDE}${this.#asides}-${object.root}`);
    await removeFolder(join(this.folder, object.root), aside);
  }

  /** What is still to be written of objects that are in use. */
  #pendingBytes(): number {
    let bytes = 0;
    for (const object of this.#objects.values()) {
      if (object.uses > 0) bytes += missingBytes(object);
    }
    return bytes;
  }

  #path(object: StoredObject, index: number): string {
    return join(this.folder, object.root, String(index));
  }

  async #make(root: string, manifest: Manifest): Promise<StoredObject> {
    const object = this.#objectOf(root, manifest, this.#wallMs());
    const bytes = costOf(manifest.length);
    if (bytes > this.budgetBytes) {
      const detail = `an object of ${bytes} bytes does not fit ${this.budgetBytes} (object_cache_mib)`;
      throw new TetradError("object.no-room", detail);
    }
    const fits = (freeBytes: number): boolean =>
      this.#usedBytes + bytes <= this.budgetBytes &&
      this.#objects.size < this.#objectsMax &&
      leavesReserve(freeBytes - this.#pendingBytes() - bytes);
    await this.#makeRoom(fits, () => {
      this.#usedBytes += bytes;
      this.#objects.set(root, object);
      object.uses += 1;
    });
    const folder = join(this.folder, root);
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await writeWhole(join(folder, MANIFEST), encodeManifest(manifest));
      await utimes(join(folder, MANIFEST), object.usedMs / 1000, object.usedMs / 1000);
      await syncFolder(folder);
      await syncFolder(this.folder);
      return object;
    } catch (error) {
      object.uses -= 1;
      await this.remove(object).catch(() => {});
      throw writeFailure(folder, error);
    }
  }

  #objectOf(root: string, manifest: Manifest, usedMs: number): StoredObject {
    const size = manifest.hashes.length;
    const sets = { held: new ChunkSet(size), sound: new ChunkSet(size) };
    return { root, manifest, ...sets, isKept: false, usedMs, touchedMs: usedMs, uses: 0 };
  }

  /** Has objects go until it fits; `place` takes the room in the same turn in which it is there. */
  async #makeRoom(fits: (freeBytes: number) => boolean, place: () => void): Promise<void> {
    let freeBytes = await this.#freeBytes();
    while (!fits(freeBytes)) {
      const oldest = [...this.#objects.values()]
        .filter(({ isKept, uses }) => !isKept && uses === 0)
        .reduce<StoredObject | undefined>(
          (first, one) => (first === undefined || one.usedMs < first.usedMs ? one : first),
          undefined,
        );
      if (oldest === undefined) {
        const detail =
          "what is kept or in use leaves no room, by object_cache_mib or on the disk of the node";
        throw new TetradError("object.no-room", detail);
      }
      this.#evicted += 1;
      await this.remove(oldest);
      freeBytes = await this.#freeBytes();
    }
    place();
  }

  async #load(root: string): Promise<void> {
    const folder = join(this.folder, root);
    const path = join(folder, MANIFEST);
    const bytes = await readWhole(path, manifestBytes(LIMITS.objectBytesMax));
    const manifest = bytes === undefined ? undefined : manifestOf(fromHex(root), bytes);
    if (manifest === undefined || !manifest.ok) {
      this.#logger.log("warn", "no object, or a damaged one, is taken away", { folder });
      await removeFolder(folder, join(this.folder, `${ASIDE}0-${root}`));
      return;
    }
    const object = this.#objectOf(root, manifest.value, await usedAt(path));
    for (const name of await namesIn(folder)) {
      if (INDEX.test(name)) object.held.add(Number(name));
      else if (name === KEEP) object.isKept = true;
    }
    await removeDrafts(folder);
    this.#objects.set(root, object);
    this.#usedBytes += costOf(manifest.value.length);
  }
}

const roomOn = async (folder: string): Promise<number> => {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
};

const usedAt = async (path: string): Promise<number> => {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if (isMissing(error)) return 0;
    throw writeFailure(path, error);
  }
};
