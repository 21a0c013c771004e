/** Objects and files, which only Node has: files that are put, that are got, and chunks that wait in one. */
import { constants } from "node:fs";
import { type FileHandle, lstat, open, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { CHUNK_BYTES } from "../crypto/objects/tree.ts";
import { TetradError } from "../errors.ts";
import { lockDraft, makeDraft } from "../node/draft-folder.ts";
import { fileError } from "../node/folder.ts";
import { rootBytes } from "./objects/ask.ts";
import type {
  ChunkStore,
  GetObjectOptions,
  ObjectBytes,
  ObjectName,
  Objects,
} from "./objects/types.ts";

/** A link that somebody has put there is not followed: it may lead to a file of the user's. */
const READ_AND_WRITE = constants.O_RDWR | constants.O_NOFOLLOW;

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

/** As many bytes as are there, up to `length`. */
const readAt = async (file: FileHandle, offset: number, length: number): Promise<Uint8Array> => {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, offset + done);
    if (bytesRead === 0) return bytes.subarray(0, done);
    done += bytesRead;
  }
  return bytes;
};

/** A file to put, until it is closed. */
export type FileBytes = ObjectBytes & { close(): Promise<void> } & AsyncDisposable;

/** Opens a regular file, to put it. Throws cli.usage for what is none or cannot be read. */
export const fileBytes = async (path: string): Promise<FileBytes> => {
  const refuse = (detail: string): TetradError =>
    new TetradError("cli.usage", `${path} ${detail}`, { path });
  const cannot = (error: unknown): never => {
    throw refuse(`cannot be read: ${messageOf(error)}`);
  };
  const file = await open(path, "r").catch(cannot);
  const info = await file.stat();
  const close = (): Promise<void> => file.close();
  if (!info.isFile()) {
    await close();
    throw refuse("is no regular file");
  }
  const read = (offset: number, length: number): Promise<Uint8Array> =>
    readAt(file, offset, length).catch(cannot);
  return { length: info.size, read, close, [Symbol.asyncDispose]: close };
};

/** Chunks in one file, each at its place, until it is closed. The file is made by the first that is written. */
export type FileChunks = ChunkStore & { close(): Promise<void> } & AsyncDisposable;

type OpenFile = FileChunks & { end(length: number): Promise<void> };

const openChunks = (path: string): OpenFile => {
  const failed = (error: unknown): never => {
    throw fileError(path, error);
  };
  let opened: Promise<FileHandle> | undefined;
  const made = (): Promise<FileHandle> => {
    opened ??= open(path, READ_AND_WRITE).catch(() => open(path, "wx+"));
    return opened.catch(failed);
  };
  /** Undefined where there is no file to read from: reading makes none. */
  const there = async (): Promise<FileHandle | undefined> => {
    if (opened !== undefined) return made();
    const file = await open(path, READ_AND_WRITE).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      return failed(error);
    });
    if (file === undefined) return undefined;
    // Two that read at the same time open it twice: one of them has to go.
    if (opened === undefined) opened = Promise.resolve(file);
    else await file.close();
    return made();
  };
  const close = async (): Promise<void> => {
    const file = await opened?.catch(() => undefined);
    opened = undefined;
    await file?.close();
  };
  return {
    async read(index, length) {
      const file = await there();
      if (file === undefined) return undefined;
      const chunk = await readAt(file, index * CHUNK_BYTES, length).catch(failed);
      return chunk.length === length ? chunk : undefined;
    },
    async write(index, chunk) {
      const file = await made();
      for (let done = 0; done < chunk.length; ) {
        const at = index * CHUNK_BYTES + done;
        const { bytesWritten } = await file
          .write(chunk, done, chunk.length - done, at)
          .catch(failed);
        done += bytesWritten;
      }
    },
    async end(length) {
      const file = await made();
      await file.truncate(length).catch(failed);
      await file.sync().catch(failed);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
};

/**
 * A place for chunks on the disk: for `spool`, where a stream waits to be put, and for `kept`, from which a later
 * call goes on. Who makes it closes it, and removes the file when it is of no more use.
 */
export const fileChunks = (path: string): FileChunks => {
  const { end: _, ...chunks } = openChunks(path);
  return chunks;
};

export type GotFile = ObjectName & {
  /** Chunks that an earlier call had left. */
  readonly resumed: number;
};

/**
 * Where the chunks of an object wait beside the file that they will be. Two objects that are got into one file have
 * two, so that neither writes over what the other has held against its name.
 */
const draftFolder = (path: string, root: string): string => `${path}.${root.slice(0, 16)}.part`;

/**
 * Gets an object into a file: whole, or not under that name. Until then its chunks are in a folder beside it,
 * `PATH.DIGITS.part` with the first 16 digits of the object's name, and the next call goes on from those of them that
 * are right. Throws as `Objects.get`, and folder.locked while another call gets it into the same file, and cli.usage,
 * store.full or store.io where the file cannot be written.
 */
export const getFile = async (
  objects: Pick<Objects, "get">,
  root: string,
  path: string,
  options: Omit<GetObjectOptions, "offset" | "kept"> = {},
): Promise<GotFile> => {
  rootBytes(root);
  // Else all of it would come before it is found out that it cannot have this name.
  const before = await stat(path).catch(() => undefined);
  if (before !== undefined && !before.isFile()) {
    throw new TetradError("cli.usage", `${path} is there, and is no regular file`, { path });
  }
  const folder = draftFolder(path, root);
  await makeDraft(folder);
  const lock = await lockDraft(folder, path);
  const draft = join(folder, "chunks");
  try {
    const got = await getDraft(objects, root, draft, options);
    await rename(draft, path).catch((error: unknown) => {
      throw fileError(path, error);
    });
    return got;
  } finally {
    // While it is still locked: who comes now finds it taken, or makes one of its own.
    const isEmpty = await lstat(draft).then(
      () => false,
      () => true,
    );
    if (isEmpty) await rm(folder, { recursive: true, force: true });
    await lock.release();
  }
};

const getDraft = async (
  objects: Pick<Objects, "get">,
  root: string,
  draft: string,
  options: Omit<GetObjectOptions, "offset" | "kept">,
): Promise<GotFile> => {
  const file = openChunks(draft);
  let length = 0;
  let chunks = 0;
  let written = 0;
  const kept: ChunkStore = {
    read: file.read,
    async write(index, chunk) {
      await file.write(index, chunk);
      written += 1;
    },
  };
  try {
    for await (const chunk of objects.get(root, { ...options, kept })) {
      length += chunk.length;
      chunks += 1;
    }
    await file.end(length);
  } finally {
    await file.close();
  }
  return { root, length, chunks, resumed: chunks - written };
};
