/** What is said of a sector, by all verbs in the same words. */
import { toHex } from "../../crypto/bytes.ts";
import { createHasher } from "../../crypto/hash.ts";
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
  readonly deadlineKept: boolean;
};

/** `parameters` are those that the sector was made after; else those of the profile with its shape. */
export const sectorFacts = (
  file: string,
  { chainId, statement }: SectorHeader,
  parameters?: SpaceParameters,
): SectorFacts => {
  const { lgNodes, layers } = statement;
  const profile = profileOf(lgNodes, layers);
  const held = parameters ?? (profile === undefined ? undefined : SPACE_PROFILES[profile]);
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
    deadlineKept: held !== undefined && deadline(held).isKept,
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
