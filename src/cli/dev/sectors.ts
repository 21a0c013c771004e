/** The sectors that a development chain begins with: one a validator, made while its genesis is made. */
import { join } from "node:path";
import { createHasher } from "../../crypto/hash.ts";
import type { GenesisSector } from "../../ledger/genesis-proofs.ts";
import { genesisSectorBeacon } from "../../ledger/projections/space/index.ts";
import { layerPaths, makeLayersFolder } from "../../node/space/files.ts";
import { makeSector } from "../../node/space/make-sector.ts";
import { SECTOR_SUFFIX } from "../../node/space/sector-files.ts";
import {
  SPACE_PROFILES,
  type SpaceParameters,
  sectorBytes,
} from "../../proofs/space/parameters.ts";

export type SectorOwner = {
  readonly publicKey: Uint8Array;
  /** Folder of its sectors. */
  readonly space: string;
};

/** A sector of the genesis names no genesis: that one names the sector. */
const NO_HASH = new Uint8Array(32);

const SECTOR_NO = 0;

/** Whether sectors of this size are made while somebody waits for a genesis: those of `test` take seconds. */
export const isQuicklySealed = ({ lgNodes }: Pick<SpaceParameters, "lgNodes">): boolean =>
  sectorBytes(lgNodes) <= sectorBytes(SPACE_PROFILES.test.lgNodes);

/**
 * Makes a sector for each owner, and gives them in that order. Those of development have 128 KiB and take a
 * tenth of a second, less than a thread takes to begin.
 */
export const sealGenesisSectors = (
  chainId: string,
  timeMs: number,
  { lgNodes, layers }: Pick<SpaceParameters, "lgNodes" | "layers">,
  owners: readonly SectorOwner[],
): readonly (readonly GenesisSector[])[] => {
  const hasher = createHasher(chainId);
  const beacon = genesisSectorBeacon(hasher, timeMs);
  return owners.map(({ publicKey, space }) => {
    const file = join(space, `${SECTOR_NO}${SECTOR_SUFFIX}`);
    const source = { validatorId: hasher.ht("id", publicKey), sectorNo: SECTOR_NO, beacon };
    const statement = { ...source, lgNodes, layers, commC: NO_HASH, commRl: NO_HASH };
    makeLayersFolder(layerPaths(file).folder);
    const made = makeSector(file, { chainId, genesisHash: NO_HASH, statement }, () => {});
    const { commC, commRl } = made.statement;
    return [{ number: SECTOR_NO, commC, commRl }];
  });
};
