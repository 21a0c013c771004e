/** Reading a backup file: nothing of it is trusted before its checksum was seen to fit. */
import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { equalBytes } from "../../crypto/bytes.ts";
import { TetradError } from "../../errors.ts";
import type { StoreEntry } from "../../ledger/ports.ts";
import { LIMITS } from "../../limits.ts";
import {
  BACKUP_VERSION,
  type BackupHead,
  type BackupTail,
  CHECKSUM_BYTES,
  decodeHead,
  decodeTail,
  HEAD_BYTES_MAX,
  MAGIC,
  PREFIX_BYTES,
  TAIL_BYTES,
} from "./format.ts";

const READ_BYTES = 1024 * 1024;

const invalid = (path: string, detail: string): TetradError =>
  new TetradError("backup.invalid", `${path}: ${detail}`, { path });

export type OpenBackup = {
  readonly head: BackupHead;
  readonly genesis: Uint8Array;
  readonly bytes: number;
  /** Rows in ascending order, in pages; then `tail` is known. Throws backup.invalid. */
  rows(): AsyncGenerator<readonly StoreEntry[], BackupTail>;
  close(): Promise<void>;
};

/** Hands out exactly as many bytes as are asked for, from a file that is read once from its beginning. */
class Feed {
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #hash = createHash("sha256");
  #chunk: Buffer = Buffer.alloc(0);
  #at = 0;
  #position = 0;
  /** Bytes handed out. */
  taken = 0;

  constructor(file: FileHandle, path: string) {
    this.#file = file;
    this.#path = path;
  }

  /** Views of them, good for good: a chunk is never written again. */
  async take(count: number): Promise<Buffer> {
    if (this.#chunk.length - this.#at < count) await this.#fill(count);
    const bytes = this.#chunk.subarray(this.#at, this.#at + count);
    this.#at += count;
    this.taken += count;
    return bytes;
  }

  /** The same, counted into the checksum. */
  async hashed(count: number): Promise<Buffer> {
    const bytes = await this.take(count);
    this.#hash.update(bytes);
    return bytes;
  }

  async #fill(count: number): Promise<void> {
    const rest = this.#chunk.subarray(this.#at);
    const chunk = Buffer.alloc(Math.max(READ_BYTES, count));
    rest.copy(chunk);
    let length = rest.length;
    while (length < count) {
      const room = chunk.length - length;
      const { bytesRead } = await this.#file.read(chunk, length, room, this.#position);
      if (bytesRead === 0) throw invalid(this.#path, "it ends too early");
      length += bytesRead;
      this.#position += bytesRead;
    }
    this.#chunk = chunk.subarray(0, length);
    this.#at = 0;
  }

  checksum(): Buffer {
    return this.#hash.digest();
  }
}

/** Reads the whole file once for its checksum, before anything in it is believed. */
const checkSum = async (file: FileHandle, path: string, size: number): Promise<void> => {
  const hash = createHash("sha256");
  const chunk = Buffer.alloc(READ_BYTES);
  const end = size - CHECKSUM_BYTES;
  for (let at = 0; at < end; ) {
    const { bytesRead } = await file.read(chunk, 0, Math.min(READ_BYTES, end - at), at);
    if (bytesRead === 0) throw invalid(path, "it ends too early");
    hash.update(chunk.subarray(0, bytesRead));
    at += bytesRead;
  }
  const stated = Buffer.alloc(CHECKSUM_BYTES);
  await file.read(stated, 0, CHECKSUM_BYTES, end);
  if (!equalBytes(stated, hash.digest())) {
    throw invalid(path, "its checksum does not fit: it is cut off or damaged");
  }
};

/** Opens and checks a backup. Throws backup.invalid, or cli.usage for a file that cannot be read. */
export const openBackup = async (path: string): Promise<OpenBackup> => {
  const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    throw new TetradError("cli.usage", `${path} cannot be read (${error.code ?? "?"})`);
  });
  try {
    const info = await file.stat();
    if (!info.isFile()) throw invalid(path, "is no file");
    if (info.size < PREFIX_BYTES + 8 + 1 + TAIL_BYTES + CHECKSUM_BYTES) {
      throw invalid(path, "is no backup: too short");
    }
    const feed = new Feed(file, path);
    await readPrefix(feed, path);
    await checkSum(file, path, info.size);
    const head = decodeHead(await sized(feed, path, HEAD_BYTES_MAX));
    if (!head.ok) throw invalid(path, head.detail);
    const genesis = await sized(feed, path, LIMITS.genesisBytesMax);
    return {
      head: head.value,
      genesis,
      bytes: info.size,
      rows: () => readRows(feed, path, info.size),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
};

const readPrefix = async (feed: Feed, path: string): Promise<void> => {
  const prefix = await feed.hashed(PREFIX_BYTES);
  if (!equalBytes(prefix.subarray(0, MAGIC.length), MAGIC)) throw invalid(path, "is no backup");
  const version = prefix.readUInt16BE(MAGIC.length);
  if (version !== BACKUP_VERSION) throw invalid(path, `version ${version} is not known`);
};

const sized = async (feed: Feed, path: string, max: number): Promise<Buffer> => {
  const length = (await feed.hashed(4)).readUInt32BE();
  if (length > max) throw invalid(path, `a part of ${length} bytes, at most ${max}`);
  return feed.hashed(length);
};

async function* readRows(
  feed: Feed,
  path: string,
  size: number,
): AsyncGenerator<readonly StoreEntry[], BackupTail> {
  let rows = 0;
  let page: StoreEntry[] = [];
  let pageBytes = 0;
  let last: Buffer = Buffer.alloc(0);
  for (;;) {
    const tag = (await feed.hashed(1))[0];
    if (tag === 0) break;
    if (tag !== 1) throw invalid(path, `byte ${feed.taken - 1} begins no row`);
    const key = await sized(feed, path, LIMITS.backupKeyBytesMax);
    const value = await sized(feed, path, LIMITS.backupValueBytesMax);
    if (rows > 0 && Buffer.compare(last, key) >= 0) throw invalid(path, "its rows do not ascend");
    last = key;
    rows += 1;
    page.push([key, value]);
    pageBytes += key.length + value.length;
    if (pageBytes < LIMITS.restoreWriteBytes) continue;
    yield page;
    page = [];
    pageBytes = 0;
  }
  if (page.length > 0) yield page;
  const tail = decodeTail(await feed.hashed(TAIL_BYTES));
  if (!tail.ok) throw invalid(path, tail.detail);
  const stated = await feed.take(CHECKSUM_BYTES);
  // Once more: the file may have been changed between the two times that it was read.
  if (!equalBytes(stated, feed.checksum())) throw invalid(path, "it changed while it was read");
  if (feed.taken !== size) throw invalid(path, `${size - feed.taken} bytes follow its end`);
  if (tail.value.rows !== rows) throw invalid(path, "its count of rows is another");
  return tail.value;
}
