/** Sealing a sector in a thread: what is there of it is kept, and goes on where it stopped. */
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { freemem } from "node:os";
import { dirname } from "node:path";
import { Worker } from "node:worker_threads";
import { equalBytes } from "../../crypto/bytes.ts";
import { TetradError } from "../../errors.ts";
import { PARENTS, sectorBytes } from "../../proofs/space/parameters.ts";
import {
  decodeSectorHeader,
  encodeSectorHeader,
  type SectorHeader,
  sectorFileBytes,
} from "../../proofs/space/sector-header.ts";
import type { SectorSource } from "../../proofs/space/statement.ts";
import { fileError, makeFolder, writeFileAtomic } from "../folder.ts";
import { workerEnv, workerUrl } from "../signing/worker.ts";
import { layerPaths, makeLayersFolder, readSectorHeader } from "./files.ts";
import type { MakeProgress } from "./make-sector.ts";
import type { SealRequest, SealResponse } from "./seal-worker.ts";

export type SealOptions = {
  readonly file: string;
  readonly chainId: string;
  readonly genesisHash: Uint8Array;
  readonly source: SectorSource;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: MakeProgress) => void;
  /** Percent of a core that it may take; all of one without it. */
  readonly duty?: number;
};

const NO_ROOT = new Uint8Array(32);
const FILE_MODE = 0o600;
/** Besides the two layers: a part of every layer, and what a program takes anyway. */
const OTHER_MEMORY_BYTES = 128 * 2 ** 20;

/** The head of the file without its roots: two jobs are the same when their heads are. */
const jobOf = ({ chainId, genesisHash, source }: SealOptions): Uint8Array =>
  encodeSectorHeader({
    ...{ chainId, genesisHash },
    statement: { ...source, commC: NO_ROOT, commRl: NO_ROOT },
  });

const withoutRoots = (header: SectorHeader): Uint8Array =>
  encodeSectorHeader({
    ...header,
    statement: { ...header.statement, commC: NO_ROOT, commRl: NO_ROOT },
  });

/** What sealing needs at most: memory in bytes, and room on the disk while it goes on. */
export const sealNeeds = (
  lgNodes: number,
  layers: number,
): { readonly memoryBytes: number; readonly diskBytes: number } => {
  const sector = sectorBytes(lgNodes);
  const trees = sector / 8;
  return {
    memoryBytes: 2 * sector + trees + OTHER_MEMORY_BYTES,
    diskBytes: layers * sector + (PARENTS * sector) / 8 + sectorFileBytes(lgNodes) + trees,
  };
};

const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(2)} GiB`;

/** Refuses before anything is written what cannot end well. Codes: space.memory, store.full. */
const checkRoom = (folder: string, { lgNodes, layers }: SectorSource): void => {
  const { memoryBytes, diskBytes } = sealNeeds(lgNodes, layers);
  const memory = freemem();
  if (memory < memoryBytes) {
    throw new TetradError(
      "space.memory",
      `making the sector needs ${gib(memoryBytes)} of memory; ${gib(memory)} are free`,
    );
  }
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize < diskBytes) {
    throw new TetradError(
      "store.full",
      `making the sector needs ${gib(diskBytes)} in ${folder}; ${gib(bavail * bsize)} are free`,
    );
  }
};

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
};

/**
 * Takes the lock of the layers; one that a dead process left behind is taken over. Two that take it over in
 * the same moment write the same bytes to the same places: a sector follows from its job. Code: space.conflict.
 */
const takeLock = (path: string): void => {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const fd = openSync(path, "wx", FILE_MODE);
      try {
        writeFileSync(fd, `${process.pid}\n`);
      } finally {
        closeSync(fd);
      }
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw fileError(path, error);
    }
    const pid = Number.parseInt(readFileSync(path, "utf8"), 10);
    if (Number.isInteger(pid) && pid !== process.pid && isRunning(pid)) {
      throw new TetradError("space.conflict", `process ${pid} is making this sector`, {
        next: `wait for it, or remove ${path} if that process is no nexus`,
      });
    }
    rmSync(path, { force: true });
  }
  throw new TetradError("space.conflict", `${path} cannot be taken`);
};

const conflict = (what: string): TetradError =>
  new TetradError("space.conflict", `${what} is of another sector`, {
    next: "name another file; a sector that is not wanted any more is removed by hand",
  });

/**
 * Makes the sector, or what is missing of it, and gives its header. A sector that is there already is left
 * as it is. Codes: space.conflict, space.memory, space.sector, store.full, store.io, cli.usage (a path).
 * Rejects with the signal's reason when it is aborted; what was made stays.
 */
export const sealSector = async (options: SealOptions): Promise<SectorHeader> => {
  const { file, source } = options;
  const job = jobOf(options);
  const paths = layerPaths(file);
  makeFolder(dirname(file));
  if (existsSync(file)) {
    const header = readSectorHeader(file);
    if (!equalBytes(withoutRoots(header), job)) throw conflict(file);
    return header;
  }
  const isNew = !existsSync(paths.job);
  if (!isNew && !equalBytes(encodeSectorHeader(readSectorHeader(paths.job)), job)) {
    throw conflict(paths.folder);
  }
  if (isNew) checkRoom(dirname(file), source);
  makeLayersFolder(paths.folder);
  takeLock(paths.lock);
  try {
    if (isNew) writeFileAtomic(paths.job, job, FILE_MODE);
    return await runWorker(options, { file, job, duty: options.duty ?? 100 });
  } finally {
    rmSync(paths.lock, { force: true });
  }
};

const runWorker = (
  { signal, onProgress }: SealOptions,
  request: SealRequest,
): Promise<SectorHeader> =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const worker = new Worker(workerUrl("seal-worker", import.meta.url), {
      ...{ name: "seal", env: workerEnv(), workerData: request },
    });
    const onAbort = (): void => {
      void worker.terminate();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    let outcome: (() => void) | undefined;
    worker.on("message", (response: SealResponse) => {
      if (response.type === "progress") onProgress(response.progress);
      else if (response.type === "made") {
        const header = decodeSectorHeader(response.header);
        outcome = () => (header.ok ? resolve(header.value) : reject(TetradError.from(header)));
      } else {
        const error = new TetradError(response.code, response.detail, response.data);
        outcome = () => reject(error);
      }
    });
    worker.on("error", (error) => {
      outcome ??= () => reject(error);
    });
    worker.on("exit", () => {
      signal.removeEventListener("abort", onAbort);
      if (outcome !== undefined) outcome();
      else reject(signal.aborted ? signal.reason : new Error("the thread ended without an answer"));
    });
  });
