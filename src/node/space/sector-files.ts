/** The sectors in a folder as the keeper sees them: which there are, and proofs of them from a thread. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { equalBytes } from "../../crypto/bytes.ts";
import { fail, type Result, TetradError } from "../../errors.ts";
import { workerUrl } from "../signing/worker.ts";
import { readSectorHeader } from "./files.ts";
import type { SectorPort } from "./keeper.ts";
import { hasLayers } from "./open-sector.ts";
import type { LocalSector, SpaceTask } from "./plan.ts";

export const SECTOR_SUFFIX = ".sector";

export type ProveRequest = {
  readonly chainId: string;
  readonly task: Exclude<SpaceTask, { readonly kind: "commit" }>;
  /** Of each sector of the task its file; undefined where there is none. */
  readonly files: readonly (string | undefined)[];
};

type Known = LocalSector & { readonly file: string };

export type SectorFiles = SectorPort & { close(): Promise<void> };

/** How long a look at the folder holds: the keeper asks at every block. */
const LOOK_MS = 2_000;

const readKnown = (file: string, chainId: string): Known | undefined => {
  try {
    const header = readSectorHeader(file);
    if (header.chainId !== chainId) return undefined;
    return { file, statement: header.statement, hasLayers: hasLayers(file) };
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
  chainId: string,
  nowMs: () => number,
): SectorFiles => {
  let known: readonly Known[] = [];
  let lookedMs = Number.NEGATIVE_INFINITY;
  let worker: Worker | undefined;
  const list = (): readonly Known[] => {
    if (nowMs() - lookedMs >= LOOK_MS) {
      known = sectorsIn(folder, chainId);
      lookedMs = nowMs();
    }
    return known;
  };
  return {
    list,
    prove(task, done) {
      const asked = task.kind === "window" ? task.sectors : [task.sector];
      const files = asked.map(
        ({ sectorNo, commRl }) =>
          list().find(
            ({ statement }) =>
              statement.sectorNo === sectorNo && equalBytes(statement.commRl, commRl),
          )?.file,
      );
      const request: ProveRequest = { chainId, task, files };
      worker = runProver(request, done);
    },
    async close() {
      await worker?.terminate();
    },
  };
};

const runProver = (request: ProveRequest, done: (openings: Result<Uint8Array>) => void): Worker => {
  const worker = new Worker(workerUrl("prove-worker", import.meta.url), {
    ...{ name: "space", env: {}, workerData: request },
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
