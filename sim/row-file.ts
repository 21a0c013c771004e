/**
 * The temporary file of rows that have left the memory of a run. It has no name once it is open, so the system frees
 * its place when the run closes it, and also when the process ends in any other way.
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
import type { RowFile, RowFiles } from "./spill-file.ts";

/** A file of its own in a folder of its own, which are both gone again when this returns. */
const openNameless = (): number => {
  const folder = mkdtempSync(join(tmpdir(), "tetrad-sim-"));
  try {
    return openSync(join(folder, "rows"), "wx+", 0o600);
  } finally {
    rmSync(folder, { recursive: true });
  }
};

export class TemporaryFile implements RowFile {
  readonly #fd = openNameless();

  /** What the system knows of it. */
  get stats(): Stats {
    return fstatSync(this.#fd);
  }

  write(bytes: Uint8Array, at: number): void {
    let done = 0;
    while (done < bytes.length) {
      done += writeSync(this.#fd, bytes, done, bytes.length - done, at + done);
    }
  }

  read(at: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    let done = 0;
    while (done < length) {
      const got = readSync(this.#fd, bytes, done, length - done, at + done);
      if (got === 0) throw new Error("the file of rows ends before a row does");
      done += got;
    }
    return bytes;
  }

  truncate(length: number): void {
    ftruncateSync(this.#fd, length);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

export const TEMPORARY_FILES: RowFiles = {
  open: () => new TemporaryFile(),
  warn: (detail) => process.emitWarning(detail),
};
