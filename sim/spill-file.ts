/**
 * The file of rows that have left the memory of a run: extents of bytes, taken and given back. It has no name once
 * it is open, so the system frees its place when the run closes it, and also when the process ends in any other way.
 */
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  type Stats,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

type Extent = { readonly at: number; readonly length: number };

/** A file of its own in a folder of its own, which are both gone again when this returns. */
const openNameless = (): number => {
  const folder = mkdtempSync(join(tmpdir(), "tetrad-sim-"));
  try {
    return openSync(join(folder, "rows"), "wx+", 0o600);
  } finally {
    rmSync(folder, { recursive: true });
  }
};

export class SpillFile {
  #fd: number | undefined;
  #end = 0;
  /** By place, none touching the next or the end. */
  readonly #free: Extent[] = [];

  /** What the system knows of it; undefined before the first write and after the end. */
  get stats(): Stats | undefined {
    return this.#fd === undefined ? undefined : fstatSync(this.#fd);
  }

  /** Bytes up to the end of what is taken. */
  get bytes(): number {
    return this.#end;
  }

  /** A place for so many bytes. */
  take(length: number): number {
    const i = this.#free.findIndex((extent) => extent.length >= length);
    const found = this.#free[i];
    if (found === undefined) {
      this.#end += length;
      return this.#end - length;
    }
    const rest = { at: found.at + length, length: found.length - length };
    this.#free.splice(i, 1, ...(rest.length > 0 ? [rest] : []));
    return found.at;
  }

  give(at: number, length: number): void {
    if (length === 0) return;
    let i = this.#free.findIndex((extent) => extent.at > at);
    if (i < 0) i = this.#free.length;
    let whole: Extent = { at, length };
    const [before, after] = [this.#free[i - 1], this.#free[i]];
    let [from, gone] = [i, 0];
    if (before !== undefined && before.at + before.length === at) {
      whole = { at: before.at, length: before.length + length };
      [from, gone] = [i - 1, 1];
    }
    if (after !== undefined && whole.at + whole.length === after.at) {
      whole = { at: whole.at, length: whole.length + after.length };
      gone += 1;
    }
    const isLast = whole.at + whole.length === this.#end;
    this.#free.splice(from, gone, ...(isLast ? [] : [whole]));
    if (!isLast) return;
    this.#end = whole.at;
    if (this.#fd !== undefined) ftruncateSync(this.#fd, this.#end);
  }

  write(bytes: Uint8Array, at: number): void {
    this.#fd ??= openNameless();
    let done = 0;
    while (done < bytes.length) {
      done += writeSync(this.#fd, bytes, done, bytes.length - done, at + done);
    }
  }

  read(at: number, length: number): Buffer {
    if (this.#fd === undefined) throw new Error("the run has ended, and its file with it");
    const bytes = Buffer.allocUnsafe(length);
    let done = 0;
    while (done < length) {
      const got = readSync(this.#fd, bytes, done, length - done, at + done);
      if (got === 0) throw new Error("the file of rows ends before a row does");
      done += got;
    }
    return bytes;
  }

  close(): void {
    if (this.#fd === undefined) return;
    closeSync(this.#fd);
    this.#fd = undefined;
  }
}
