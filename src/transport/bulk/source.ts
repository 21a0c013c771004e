/** Reads what answers a request: some bytes, and a part of a regular file below one folder. */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { isAbsolute, relative, sep } from "node:path";
import { LIMITS } from "../../limits.ts";
import type { BulkFile, BulkSource } from "./port.ts";

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

/** Nothing outside of the folder is read, whoever asks for it. */
const isBelow = (folder: string, path: string): boolean => {
  const way = relative(folder, path);
  return way !== "" && way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
};

const readFilePart = async (folder: string, file: BulkFile): Promise<Uint8Array> => {
  const { path, offset, length } = file;
  if (!isAbsolute(path) || !isBelow(folder, path)) throw new RangeError("not below the folder");
  if (!isCount(offset) || !isCount(length)) throw new RangeError("not a part of a file");
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    if (!(await handle.stat()).isFile()) throw new RangeError("not a regular file");
    const bytes = Buffer.allocUnsafe(length);
    for (let done = 0; done < length; ) {
      const { bytesRead } = await handle.read(bytes, done, length - done, offset + done);
      if (bytesRead === 0) throw new RangeError("the file is shorter");
      done += bytesRead;
    }
    return bytes;
  } finally {
    await handle.close();
  }
};

/** The bytes of an answer, in order. Rejects where the file has no such part or the answer is over the limit. */
export const readSource = async (
  folder: string,
  { head, file }: BulkSource,
): Promise<readonly Uint8Array[]> => {
  if (head.length + (file?.length ?? 0) > LIMITS.bulkAnswerBytesMax) {
    throw new RangeError("the answer is over the limit");
  }
  if (file === undefined) return [head];
  return [head, await readFilePart(folder, file)];
};
