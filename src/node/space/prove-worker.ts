/**
 * The thread that reads sectors for a proof: a few hundred positioned reads, which on a slow disk take longer
 * than a node may stand still. What it gives has been verified.
 */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { createHasher } from "../../crypto/hash.ts";
import { fail, type Result, TetradError } from "../../errors.ts";
import { graphOf, makeAdmission, verifyAdmissionNodes } from "../../proofs/space/admission.ts";
import { makeOpenings, verifyOpenings } from "../../proofs/space/openings.ts";
import type { SectorStatement } from "../../proofs/space/statement.ts";
import { createSpaceHashes } from "../../proofs/space/tree.ts";
import { type OpenSector, openLayers, openSector } from "./open-sector.ts";
import type { ProveRequest } from "./sector-files.ts";

/** Names the sector in what went wrong with it. */
const of = <T>({ sectorNo }: SectorStatement, result: Result<T>): Result<T> =>
  result.ok ? result : fail(result.code, result.detail, { sector: sectorNo });

const caught = (statement: SectorStatement, error: unknown): Result<never> => {
  if (!(error instanceof TetradError)) throw error;
  return of(statement, fail(error.code, error.message));
};

const opened = <T>(
  file: string | undefined,
  statement: SectorStatement,
  use: (sector: OpenSector) => Result<T>,
): Result<T> => {
  if (file === undefined) {
    return of(statement, fail("space.sector", `no file of sector ${statement.sectorNo}`));
  }
  try {
    const sector = openSector(file);
    try {
      return of(statement, use(sector));
    } finally {
      sector.close();
    }
  } catch (error) {
    return caught(statement, error);
  }
};

const admission = (
  { chainId, files }: ProveRequest,
  task: ProveRequest["task"] & { readonly kind: "admission" },
): Result<Uint8Array> =>
  opened(files[0], task.sector, (sector) => {
    const { lgNodes, layers } = task.sector;
    const hasher = createHasher(chainId);
    const hashes = createSpaceHashes(hasher);
    const graph = graphOf(lgNodes, layers);
    const reader = openLayers(sector);
    try {
      const openings = makeAdmission(hashes, graph, reader, layers, task.nodes);
      const checked = verifyAdmissionNodes(
        hasher,
        hashes,
        graph,
        task.sector,
        task.nodes,
        openings,
      );
      return checked.ok ? { ok: true, value: openings } : fail("space.damaged", checked.detail);
    } finally {
      reader.close();
    }
  });

/** Sector by sector, so that the damaged one is named; the openings are put in their places. */
const epoch = (
  { chainId, files }: ProveRequest,
  { sectors, challenges }: ProveRequest["task"] & { readonly kind: "window" },
): Result<Uint8Array> => {
  const hashes = createSpaceHashes(createHasher(chainId));
  const lgNodes = sectors[0]?.lgNodes ?? 0;
  const parts: Uint8Array[] = [];
  for (const [i, statement] of sectors.entries()) {
    const own = challenges.flatMap(({ sector, node }, at) => (sector === i ? [{ at, node }] : []));
    if (own.length === 0) continue;
    const made = opened(files[i], statement, (sector) => {
      const asked = own.map(({ node }) => ({ sector: 0, node }));
      const openings = makeOpenings(hashes, [sector.tree], asked);
      const checked = verifyOpenings(hashes, lgNodes, [statement], asked, openings);
      return checked.ok ? { ok: true, value: openings } : fail("space.damaged", checked.detail);
    });
    if (!made.ok) return made;
    const length = made.value.length / own.length;
    own.forEach(({ at }, k) => {
      parts[at] = made.value.subarray(k * length, (k + 1) * length);
    });
  }
  return { ok: true, value: Uint8Array.from(Buffer.concat(parts)) };
};

const serve = (port: MessagePort, request: ProveRequest): void => {
  const { task } = request;
  port.postMessage(task.kind === "admission" ? admission(request, task) : epoch(request, task));
};

if (parentPort !== null) serve(parentPort, workerData as ProveRequest);
