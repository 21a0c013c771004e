/** What is said of a sector, by all verbs in the same words. */
import { equalBytes, toHex } from "../../crypto/bytes.ts";
import { createHasher } from "../../crypto/hash.ts";
import type { ParsedGenesis } from "../../ledger/genesis.ts";
import { layerPaths } from "../../node/space/files.ts";
import { hasLayers } from "../../node/space/open-sector.ts";
import {
  deadline,
  profileOf,
  SPACE_PROFILES,
  type SpaceParameters,
  sectorBytes,
} from "../../proofs/space/parameters.ts";
import type { SectorHeader } from "../../proofs/space/sector-header.ts";
import { sectorId } from "../../proofs/space/statement.ts";

export type SectorFacts = {
  readonly file: string;
  readonly state: "sealed";
  readonly chainId: string;
  readonly validator: string;
  readonly sector: number;
  readonly profile: string | null;
  readonly bytes: number;
  readonly sectorId: string;
  readonly beacon: string;
  readonly commC: string;
  readonly commRl: string;
  /** Folder of the layers; null when it is not there. */
  readonly layers: string | null;
  /** Null where the genesis of its chain is not at hand. */
  readonly deadlineKept: boolean | null;
};

/** What a sector of the chain was made after: what its genesis asks for, else the profile that has its shape. */
const madeAfter = (
  chain: SpaceParameters | null,
  { lgNodes, layers }: SectorHeader["statement"],
): SpaceParameters | undefined => {
  if (chain?.lgNodes === lgNodes && chain.layers === layers) return chain;
  const profile = profileOf(lgNodes, layers);
  return profile && SPACE_PROFILES[profile];
};

const isDeadlineKept = (header: SectorHeader, parsed: ParsedGenesis | undefined) => {
  if (parsed === undefined || !equalBytes(parsed.hash, header.genesisHash)) return null;
  const parameters = madeAfter(parsed.genesis.proofs.space, header.statement);
  return parameters !== undefined && deadline(parameters).isKept;
};

/** `parsed` is the genesis that is at hand, of whichever chain. */
export const sectorFacts = (
  file: string,
  header: SectorHeader,
  parsed?: ParsedGenesis,
): SectorFacts => {
  const { chainId, statement } = header;
  const { lgNodes, layers } = statement;
  const profile = profileOf(lgNodes, layers);
  return {
    ...{ file, state: "sealed", chainId },
    validator: toHex(statement.validatorId),
    sector: statement.sectorNo,
    profile: profile ?? null,
    bytes: sectorBytes(lgNodes),
    sectorId: toHex(sectorId(createHasher(chainId), statement)),
    beacon: toHex(statement.beacon),
    commC: toHex(statement.commC),
    commRl: toHex(statement.commRl),
    layers: hasLayers(file) ? layerPaths(file).folder : null,
    deadlineKept: isDeadlineKept(header, parsed),
  };
};

/** 128 KiB, 2 MiB, 1 GiB. */
export const sizeText = (bytes: number): string => {
  const unit = [
    ["GiB", 2 ** 30],
    ["MiB", 2 ** 20],
  ].find(([, size]) => bytes >= Number(size)) ?? ["KiB", 2 ** 10];
  return `${Math.round((bytes / Number(unit[1])) * 10) / 10} ${unit[0]}`;
};
