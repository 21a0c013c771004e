/**
 * Checks the files of a LevelDB folder that is not open. The binding opens LevelDB without its paranoid
 * checks, which skips damaged log records without a word; see write-ahead-log.ts and table-file.ts.
 *
 * The manifest says which logs and tables count: others are left over from a process that was killed,
 * may be cut off, and are deleted by LevelDB.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { TetradError } from "../../errors.ts";
import { checkTable } from "./table-file.ts";
import { VarReader } from "./varint.ts";
import { checkLog, isDamagedTail } from "./write-ahead-log.ts";

export type FolderCheck = {
  /** Bytes of logs and of tables that were checked. */
  readonly logBytes: number;
  readonly tableBytes: number;
  /** Tables that were not checked because of the limit. */
  readonly tablesSkipped: number;
  /** The last write is not whole: LevelDB drops it. */
  readonly torn: TornLog | undefined;
};

export type TornLog = {
  readonly file: string;
  /** Where it begins, in bytes. */
  readonly at: number;
  /** Its bytes are all there and fail their checksum: no power cut leaves that. */
  readonly damaged: boolean;
};

export type LiveFiles = {
  readonly tables: Set<number>;
  /** Logs below this number are obsolete, but for `previousLog`. */
  firstLog: number;
  previousLog: number;
  torn: TornLog | undefined;
};

/**
 * Checks manifest and write-ahead logs, and tables, newest first, as long as they fit `tableBytesMax` in
 * all. A folder without a database is fine.
 * Throws TetradError store.corrupt that names the file.
 */
export const checkFolder = async (folder: string, tableBytesMax: number): Promise<FolderCheck> => {
  const names = await readdir(folder);
  if (!names.includes("CURRENT")) {
    return { logBytes: 0, tableBytes: 0, tablesSkipped: 0, torn: undefined };
  }
  const live = await readManifest(folder, names);
  const isLive = (number: number): boolean =>
    number >= live.firstLog || (number === live.previousLog && number > 0);
  const logs = numbered(names, "log").filter(([number]) => isLive(number));
  const { bytes: logBytes, torn } = await checkLogs(
    folder,
    logs.map(([, name]) => name),
  );
  const tables = numbered(names, "ldb").filter(([number]) => live.tables.has(number));
  let tableBytes = 0;
  let checked = 0;
  for (const [, name] of tables.toReversed()) {
    const bytes = await readFile(join(folder, name));
    if (tableBytes + bytes.length > tableBytesMax) break;
    const damage = checkTable(bytes);
    if (damage !== undefined) throw corrupt(folder, name, damage);
    tableBytes += bytes.length;
    checked += 1;
  }
  const tablesSkipped = tables.length - checked;
  return { logBytes, tableBytes, tablesSkipped, torn: live.torn ?? torn };
};

/** What the manifest of a folder with a database counts. Throws TetradError store.corrupt. */
export const liveFiles = async (folder: string): Promise<LiveFiles> =>
  readManifest(folder, await readdir(folder));

const corrupt = (folder: string, file: string, damage: string): TetradError =>
  new TetradError("store.corrupt", `${join(folder, file)}: ${damage}`, { folder, file });

/** Files "000123.ext" in the order of their numbers. */
const numbered = (names: readonly string[], extension: string): (readonly [number, string])[] =>
  names
    .filter((name) => new RegExp(`^\\d+\\.${extension}$`).test(name))
    .map((name) => [Number.parseInt(name, 10), name] as const)
    .sort(([a], [b]) => a - b);

async function checkLogs(
  folder: string,
  names: readonly string[],
): Promise<{ readonly bytes: number; readonly torn: TornLog | undefined }> {
  let bytes = 0;
  let torn: TornLog | undefined;
  for (const name of names) {
    const log = await readFile(join(folder, name));
    const { records, tornAt, corruptAt } = checkLog(log, true);
    if (torn !== undefined && records > 0) {
      throw corrupt(folder, torn.file, `damaged at byte ${torn.at}, with a later log behind it`);
    }
    if (corruptAt !== undefined) {
      throw corrupt(folder, name, `damaged at byte ${corruptAt}, with later writes behind it`);
    }
    if (tornAt !== undefined) torn = tornLog(name, log, tornAt);
    bytes += log.length;
  }
  return { bytes, torn };
}

const tornLog = (file: string, log: Uint8Array, at: number): TornLog => ({
  file,
  at,
  damaged: isDamagedTail(log, at),
});

async function readManifest(folder: string, names: readonly string[]): Promise<LiveFiles> {
  const name = (await readFile(join(folder, "CURRENT"), "latin1")).trimEnd();
  if (!/^MANIFEST-\d+$/.test(name)) throw corrupt(folder, "CURRENT", "names no manifest");
  if (!names.includes(name)) throw corrupt(folder, name, "missing");
  const live: LiveFiles = { tables: new Set(), firstLog: 0, previousLog: 0, torn: undefined };
  const manifest = await readFile(join(folder, name));
  const edits: Uint8Array[] = [];
  const { corruptAt, tornAt } = checkLog(manifest, false, (record) => edits.push(record));
  if (corruptAt !== undefined) throw corrupt(folder, name, `damaged at byte ${corruptAt}`);
  if (tornAt !== undefined) live.torn = tornLog(name, manifest, tornAt);
  try {
    for (const edit of edits) applyEdit(edit, live);
  } catch (error) {
    if (error instanceof RangeError) throw corrupt(folder, name, error.message);
    throw error;
  }
  return live;
}

/** One record of the manifest: tagged fields (LevelDB, version_edit.cc). */
function applyEdit(edit: Uint8Array, live: LiveFiles): void {
  const reader = new VarReader(edit);
  while (!reader.done) {
    const tag = reader.number();
    if (tag === 1) reader.string();
    else if (tag === 2) live.firstLog = reader.number();
    else if (tag === 3 || tag === 4) reader.number();
    else if (tag === 5) {
      reader.number();
      reader.string();
    } else if (tag === 6) {
      reader.number();
      live.tables.delete(reader.number());
    } else if (tag === 7) {
      reader.number();
      live.tables.add(reader.number());
      reader.number();
      reader.string();
      reader.string();
    } else if (tag === 9) live.previousLog = reader.number();
    else throw new RangeError(`unknown field ${tag} in the manifest`);
  }
}
