/**
 * The file of rows that have left the memory of a run: extents of bytes, taken and given back. The file itself is a
 * port (row-file.ts), so that nothing in a world reaches the system.
 */

/** One file, which is gone when it is closed and when the process ends. */
export type RowFile = {
  write(bytes: Uint8Array, at: number): void;
  read(at: number, length: number): Uint8Array;
  truncate(length: number): void;
  close(): void;
};

export type RowFiles = {
  /** Throws where there can be none. */
  open(): RowFile;
  /** Somebody should know, and the run goes on. */
  warn(detail: string): void;
};

type Extent = { readonly at: number; readonly length: number };

export class SpillFile {
  readonly #files: RowFiles;
  #open: RowFile | undefined;
  #end = 0;
  /** By place, none touching the next or the end. */
  readonly #free: Extent[] = [];

  constructor(files: RowFiles) {
    this.#files = files;
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
    this.#open?.truncate(this.#end);
  }

  write(bytes: Uint8Array, at: number): void {
    this.#open ??= this.#files.open();
    this.#open.write(bytes, at);
  }

  read(at: number, length: number): Uint8Array {
    if (this.#open === undefined) throw new Error("the run has ended, and its file with it");
    return this.#open.read(at, length);
  }

  close(): void {
    this.#open?.close();
    this.#open = undefined;
  }
}
