/** The sectors in a folder as the keeper sees them: which there are, and proofs of them from a thread. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { equalBytes } from "../../crypto/bytes.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { fail, type Result, TetradError } from "../../errors.ts";
import type { ParsedGenesis } from "../../ledger/genesis.ts";
import type { SectorOpener } from "../../ledger/ports.ts";
import type { SectorPort } from "../../ledger/replica/space-keeper.ts";
import type { LocalSector, SpaceTask } from "../../ledger/replica/space-plan.ts";
import type { OpeningTask } from "../../proofs/space/challenges.ts";
import { makeOpenings, verifyOpenings } from "../../proofs/space/openings.ts";
import type { SectorStatement } from "../../proofs/space/statement.ts";
import { spaceHashesOf, type TreeReader } from "../../proofs/space/tree.ts";
import { workerEnv, workerUrl } from "../signing/worker.ts";
import { isSystemError, readBeaconHeight, readSectorHeader } from "./files.ts";
import { hasLayers, type OpenSector, openSector } from "./open-sector.ts";

export const SECTOR_SUFFIX = ".sector";

export type ProveRequest = {
  readonly chainId: string;
  readonly task: Exclude<SpaceTask, { readonly kind: "commit" }>;
  /** Of each sector of the task its file; undefined where there is none. */
  readonly files: readonly (string | undefined)[];
};

export type Known = LocalSector & { readonly file: string };

export type SectorFiles = SectorPort & SectorOpener & { close(): Promise<void> };

/** How long a look at the folder holds: the keeper asks at every block. Files stay open no longer than that. */
const LOOK_MS = 2_000;

/** Files that are kept open from one task to the next: batches of a busy chain all open the same sector. */
const OPEN_MAX = 16;

const readKnown = (file: string, chainId: string): Known | undefined => {
  try {
    const header = readSectorHeader(file);
    if (header.chainId !== chainId) return undefined;
    const beaconHeight = readBeaconHeight(file);
    const known = beaconHeight === undefined ? {} : { beaconHeight };
    return { file, statement: header.statement, hasLayers: hasLayers(file), ...known };
  } catch (error) {
    if (error instanceof TetradError) return undefined;
    throw error;
  }
};

/** Every sector of the folder that is of this chain and can be read; none where there is no folder. */
export const sectorsIn = (folder: string, chainId: string): readonly Known[] => {
  if (!existsSync(folder) || !statSync(folder).isDirectory()) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(SECTOR_SUFFIX))
    .sort()
    .flatMap((name) => readKnown(join(folder, name), chainId) ?? []);
};

/** `nowMs`: a clock that does not go back, milliseconds. */
export const openSectorFiles = (
  folder: string,
  chain: Pick<ParsedGenesis, "genesis" | "hasher">,
  nowMs: () => number,
): SectorFiles => {
  const { chainId } = chain.genesis;
  let known: readonly Known[] = [];
  let lookedMs = Number.NEGATIVE_INFINITY;
  let worker: Worker | undefined;
  const opened = new Map<string, OpenSector>();
  const closeAll = (): void => {
    for (const sector of opened.values()) sector.close();
    opened.clear();
  };
  const sectorOf = (file: string): OpenSector => {
    const kept = opened.get(file);
    if (kept !== undefined) return kept;
    const sector = openSector(file);
    opened.set(file, sector);
    return sector;
  };
  const list = (): readonly Known[] => {
    if (nowMs() - lookedMs < LOOK_MS) return known;
    lookedMs = nowMs();
    closeAll();
    try {
      known = sectorsIn(folder, chainId);
    } catch (error) {
      // Blocks go on while the folder cannot be read; the renewer says so, and a file that is lost shows itself.
      if (!isSystemError(error)) throw error;
    }
    return known;
  };
  const fileOf = ({ sectorNo, commRl }: SectorStatement): string | undefined =>
    list().find(
      ({ statement }) => statement.sectorNo === sectorNo && equalBytes(statement.commRl, commRl),
    )?.file;
  return {
    list,
    open(task) {
      // Of all sectors of a validator a block opens a few.
      const asked = new Set(task.challenges.map(({ sector }) => sector));
      if (opened.size + asked.size > OPEN_MAX) closeAll();
      const openings = openNow(chain.hasher, task, (statement, i) => {
        if (!asked.has(i)) return notAsked(statement);
        const file = fileOf(statement);
        return file === undefined ? undefined : sectorOf(file).tree;
      });
      // A file that was not right is looked at anew the next time.
      if (openings === undefined) closeAll();
      return openings;
    },
    prove(task, done) {
      const files = (task.kind === "window" ? task.sectors : [task.sector]).map(fileOf);
      const request: ProveRequest = { chainId, task, files };
      worker = runProver(request, done);
    },
    async close() {
      closeAll();
      await worker?.terminate();
    },
  };
};

const never = (): never => {
  throw new Error("a node of a sector that no challenge names");
};
/** In the place of a sector that nothing is read of. */
const notAsked = ({ lgNodes }: SectorStatement): TreeReader => ({
  lgNodes,
  group: never,
  row: never,
});

/** In this turn: a block opens a few nodes, a batch one, and each is a handful of reads. */
const openNow = (
  hasher: Hasher,
  { sectors, challenges }: OpeningTask,
  treeOf: (statement: SectorStatement, index: number) => TreeReader | undefined,
): Uint8Array | undefined => {
  try {
    const hashes = spaceHashesOf(hasher);
    const found = sectors.map(treeOf);
    const trees = found.filter((tree) => tree !== undefined);
    if (trees.length < found.length) return undefined;
    const openings = makeOpenings(hashes, trees, challenges);
    const lgNodes = sectors[0]?.lgNodes ?? 0;
    const isRight = verifyOpenings(hashes, lgNodes, sectors, challenges, openings).ok;
    return isRight ? openings : undefined;
  } catch (error) {
    if (error instanceof TetradError) return undefined;
    throw error;
  }
};

const runProver = (request: ProveRequest, done: (openings: Result<Uint8Array>) => void): Worker => {
  const worker = new Worker(workerUrl("prove-worker", import.meta.url), {
    ...{ name: "space", env: workerEnv(), workerData: request },
  });
  let answer: Result<Uint8Array> | undefined;
  worker.on("message", (message: Result<Uint8Array>) => {
    answer = message;
  });
  worker.on("error", (error) => {
    answer ??= fail("internal", `the thread of a proof failed: ${String(error)}`);
  });
  worker.on("exit", () => done(answer ?? fail("internal", "the thread of a proof gave no answer")));
  return worker;
};
