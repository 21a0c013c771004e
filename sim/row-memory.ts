/**
 * The memory that the rows of a run's disks may take. Past it each disk puts rows into the file of the run that
 * nobody has touched since it did so before. Nothing that a run yields depends on where its rows are.
 */
import { BlockCache, type ColdRow, type ColdRun, writeRun } from "./cold-run.ts";
import { type RowFiles, SpillFile } from "./spill-file.ts";

/** More than the runs of the nightly swarm and of the library ever have. */
export const ROW_MEMORY_BYTES = 256 * 2 ** 20;

const NO_FILES: RowFiles = {
  open: () => {
    throw new Error("the run was given no file");
  },
  warn: () => undefined,
};

/** A disk, or a copy of one that was put away. */
type Spilling = {
  /** Bytes of what is in memory, without arrays that have been seen before; adds its own to these. */
  weigh(seen: Set<Uint8Array>): number;
  spill(everything: boolean): void;
};

/** Rows go when all of them weigh more than this of the limit: just below it nothing is gained by another look. */
const FULL = 0.9;
/** It is looked at again when what disks hold, each for itself, has grown by so many times the limit. */
const LOOK_EVERY = 4;

export class RowMemory {
  readonly #files: RowFiles;
  readonly #file: SpillFile;
  readonly #cache = new BlockCache();
  readonly #disks = new Set<Spilling>();
  #bytesMax: number;
  #bytes = 0;
  /** When `#bytes` are more than this, it is looked at what they really are. */
  #lookAt: number;
  #spills = 0;
  #isSpilling = false;

  /**
   * Bytes of keys, values and the entries that hold them; what several disks hold alike counts once. Without files
   * all rows stay in memory.
   */
  constructor(files = NO_FILES, bytesMax = ROW_MEMORY_BYTES) {
    this.#files = files;
    this.#file = new SpillFile(files);
    this.#bytesMax = files === NO_FILES ? Number.POSITIVE_INFINITY : bytesMax;
    this.#lookAt = this.#bytesMax;
  }

  /** Of what is in memory now, counted row by row. */
  weigh(): number {
    const seen = new Set<Uint8Array>();
    let bytes = 0;
    for (const disk of this.#disks) bytes += disk.weigh(seen);
    return bytes;
  }

  /** How often there were too many. */
  get spills(): number {
    return this.#spills;
  }

  get file(): SpillFile {
    return this.#file;
  }

  join(disk: Spilling): void {
    this.#disks.add(disk);
  }

  leave(disk: Spilling): void {
    this.#disks.delete(disk);
  }

  /**
   * A disk has so many bytes more in memory, counted for itself; fewer where it is negative. Rows may be gone from it
   * when this returns.
   */
  grew(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > this.#lookAt && !this.#isSpilling) this.#look();
  }

  #look(): void {
    let real = this.weigh();
    if (real > FULL * this.#bytesMax) {
      this.#spill();
      real = this.weigh();
    }
    const max = this.#bytesMax;
    const share = real > 0 && this.#bytes > 0 ? real / this.#bytes : 1;
    this.#lookAt = Math.max(max, Math.min(max / share, this.#bytes + LOOK_EVERY * max));
  }

  #spill(): void {
    this.#isSpilling = true;
    this.#spills += 1;
    try {
      for (const disk of this.#disks) disk.spill(false);
      // Too little room for all that is in use: then it is read again.
      if (this.weigh() > this.#bytesMax / 2) for (const disk of this.#disks) disk.spill(true);
    } catch (error) {
      // The run goes on as one without a limit would. What could not be written is still where it was.
      this.#bytesMax = Number.POSITIVE_INFINITY;
      const detail = error instanceof Error ? error.message : String(error);
      this.#files.warn(`rows of the simulated disks stay in memory: ${detail}`);
    } finally {
      this.#isSpilling = false;
    }
  }

  /** Rows ascending by key; throws where they cannot be written, and nothing is changed then. */
  write(rows: Iterable<ColdRow>, max: { readonly rows: number; readonly bytes: number }): ColdRun {
    return writeRun(this.#file, this.#cache, rows, max);
  }

  /** The run has ended, however it did: what lies in the file is gone, and so are the disks. */
  close(): void {
    this.#disks.clear();
    this.#cache.clear();
    this.#file.close();
  }
}
