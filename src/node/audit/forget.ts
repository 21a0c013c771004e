/**
 * What audits leave behind, and how it ends: states lie in one folder, one for each chain and source, and
 * each is as large as the rows of its log. So those that nobody has used for long go when another audit
 * begins, and all of them when somebody asks. One that is in use is never touched.
 */
import { readdir, rm, rmdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { TetradError } from "../../errors.ts";
import { lockFolder } from "../../ledger/store/level.ts";
import { LIMITS } from "../../limits.ts";
import { ownNames, SCRATCH } from "./own-files.ts";

export type ForgottenState = {
  readonly folder: string;
  readonly bytes: number;
  /** False for one that another audit uses. */
  readonly removed: boolean;
};

/** Names that audits make in their folder: begin of the genesis hash, and of the hash of the source. */
const STATE_NAME = /^[0-9a-f]{12}-[0-9a-f]{12}(-replay)?$/;

const namesIn = (folder: string): Promise<string[]> => readdir(folder).catch((): string[] => []);

const bytesIn = async (folder: string): Promise<number> => {
  const names = await readdir(folder, { recursive: true }).catch((): string[] => []);
  let bytes = 0;
  for (const name of names) {
    const found = await stat(join(folder, name)).catch(() => undefined);
    bytes += found?.isFile() === true ? found.size : 0;
  }
  return bytes;
};

const remove = (path: string): Promise<void> =>
  rm(path, { recursive: true, force: true }).catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    throw new TetradError("store.io", `${path} cannot be removed: ${why}`);
  });

/**
 * Removes the state in a folder, and the folder if nothing else is in it; undefined where there is none.
 * Throws TetradError store.io.
 */
export const forgetState = async (folder: string): Promise<ForgottenState | undefined> => {
  if ((await ownNames(folder)).length === 0) return undefined;
  const bytes = await bytesIn(folder);
  let lock: Awaited<ReturnType<typeof lockFolder>>;
  try {
    lock = await lockFolder(folder);
  } catch (error) {
    if (!(error instanceof TetradError) || error.code !== "folder.locked") throw error;
    return { folder, bytes, removed: false };
  }
  try {
    for (const name of await ownNames(folder)) await remove(join(folder, name));
    const left = await namesIn(folder);
    // The lock goes while it is held: afterwards it might be the one of who uses the folder next.
    if (left.every((name) => name === "in-use")) await remove(join(folder, "in-use"));
  } finally {
    await lock.release();
  }
  // Not where there is something else in it, or somebody has begun to use it in this moment.
  await rmdir(folder).catch(() => undefined);
  return { folder, bytes, removed: true };
};

const statesIn = async (base: string): Promise<readonly string[]> =>
  (await namesIn(base)).filter((name) => STATE_NAME.test(name)).map((name) => join(base, name));

/** All states below the folder that audits keep theirs in. */
export const forgetAll = async (base: string): Promise<readonly ForgottenState[]> => {
  const done: ForgottenState[] = [];
  for (const folder of await statesIn(base)) {
    const one = await forgetState(folder);
    if (one !== undefined) done.push(one);
  }
  return done;
};

/** When a state was last opened: LevelDB writes the file then. */
const lastUsedMs = async (folder: string): Promise<number> => {
  const found = await stat(join(folder, SCRATCH, "CURRENT")).catch(() =>
    stat(folder).catch(() => undefined),
  );
  return found?.mtimeMs ?? 0;
};

/**
 * Removes states that were not used for LIMITS.auditStateAgeMsMax, and the longest unused ones above
 * LIMITS.auditStatesMax. `keep` is the one that is about to be used, and counts.
 */
export const forgetOld = async (
  base: string,
  keep: string,
  nowMs: number,
): Promise<readonly ForgottenState[]> => {
  const others = (await statesIn(base)).filter((folder) => folder !== keep);
  const used = await Promise.all(
    others.map(async (folder) => ({ folder, usedMs: await lastUsedMs(folder) })),
  );
  used.sort((a, b) => b.usedMs - a.usedMs);
  const done: ForgottenState[] = [];
  for (const [at, { folder, usedMs }] of used.entries()) {
    const old = nowMs - usedMs > LIMITS.auditStateAgeMsMax;
    if (!old && at < LIMITS.auditStatesMax - 1) continue;
    // One that cannot be removed, such as another user's, is no reason not to audit.
    const one = await forgetState(folder).catch(() => undefined);
    if (one !== undefined) done.push(one);
  }
  return done;
};
