/** Looks for damage in a sector: reads all of it, a piece at a time. */
import { createHasher } from "../../crypto/hash.ts";
import { createDamageCheck, type Damage } from "../../proofs/space/damage.ts";
import { NODE_BYTES, nodesOf } from "../../proofs/space/parameters.ts";
import { groupOffset, rowsOffset, sectorFileBytes } from "../../proofs/space/sector-header.ts";
import { createSpaceHashes, GROUP_BYTES, GROUP_NODES, keptNodes } from "../../proofs/space/tree.ts";
import type { OpenSector } from "./open-sector.ts";

export type CheckReport = Damage & {
  /** Bytes that are missing at the end of the file. */
  readonly missingBytes: number;
};

/** Groups of a piece: 1 MiB. */
const PIECE_GROUPS = 512;

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Everything else in the process has its turn between two pieces. Rejects with the signal's reason. */
export const checkSector = async (
  sector: OpenSector,
  signal: AbortSignal,
  onProgress: (doneBytes: number, totalBytes: number) => void,
): Promise<CheckReport> => {
  const { chainId, statement } = sector.header;
  const { lgNodes, commRl } = statement;
  const check = createDamageCheck(createSpaceHashes(createHasher(chainId)), lgNodes, commRl);
  const groups = nodesOf(lgNodes) / GROUP_NODES;
  for (let first = 0; first < groups; first += PIECE_GROUPS) {
    const count = Math.min(PIECE_GROUPS, groups - first);
    const piece = new Uint8Array(count * GROUP_BYTES);
    sector.read(piece, groupOffset(first));
    for (let i = 0; i < count; i++) {
      check.group(first + i, piece.subarray(i * GROUP_BYTES, (i + 1) * GROUP_BYTES));
    }
    onProgress((first + count) * GROUP_BYTES, groups * GROUP_BYTES);
    await nextTurn();
    signal.throwIfAborted();
  }
  const rows = new Uint8Array(keptNodes(lgNodes) * NODE_BYTES);
  sector.read(rows, rowsOffset(lgNodes));
  const missingBytes = sectorFileBytes(lgNodes) - sector.bytes;
  return { ...check.finish(rows), missingBytes };
};

export const isDamaged = (report: CheckReport): boolean =>
  report.missingBytes > 0 ||
  report.treeNodes > 0 ||
  report.nodes.length > 0 ||
  report.unprovable.length > 0;
