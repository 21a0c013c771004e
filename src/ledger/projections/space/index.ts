/** Space on the chain: what may be imported from outside of this folder. */
export {
  type SectorCommitted,
  type SectorDropped,
  type SectorProven,
  sectorCommitted,
  sectorDropped,
  sectorProven,
  type WindowProven,
  windowProven,
} from "./events.ts";
export { genesisSectorBeacon, space } from "./projection.ts";
export {
  countedSectors,
  epochSector,
  epochSectors,
  proverAt,
  sectorAt,
  sectorUnitsAt,
} from "./readers.ts";
export {
  isGivenBack,
  isUsedNumber,
  NO_EPOCH,
  NO_PROVER_ROW,
  PARAMETERS_KEY,
  type ProverRow,
  proverKey,
  proverRow,
  proversPrefix,
  type SectorEntry,
  type SectorRow,
  SPACE,
  sectorKey,
  sectorRow,
  sectorsIn,
  statementOf,
} from "./rows.ts";
