/**
 * What the rows of `space` say of a validator, read from the store. `epoch` is an epoch that ends: its events
 * are in the rows and nothing later is. Throws "store.corrupt" for rows that do not decode.
 */
import { DecodeError } from "../../../crypto/codec.ts";
import { TetradError } from "../../../errors.ts";
import type { SpaceParameters } from "../../../proofs/space/parameters.ts";
import type { SectorStatement } from "../../../proofs/space/statement.ts";
import type { ReadStore } from "../../records.ts";
import { type RowSchema, readRow } from "../../row.ts";
import type { Hash } from "../../types.ts";
import {
  isLiveIn,
  type ProverRow,
  proverKey,
  proverRow,
  type SectorEntry,
  type SectorRow,
  SPACE,
  sectorKey,
  sectorRow,
  sectorsIn,
  statementOf,
} from "./rows.ts";

const decoded = <T>(
  read: ReadStore,
  key: Uint8Array,
  schema: Pick<RowSchema<T>, "decode">,
): T | undefined => {
  const row = readRow(read, SPACE, key);
  if (row === undefined) return undefined;
  try {
    return schema.decode(row.value);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw new TetradError("store.corrupt", `a row of ${SPACE} does not decode: ${error.message}`);
  }
};

export const proverAt = (read: ReadStore, id: Hash): ProverRow | undefined =>
  decoded(read, proverKey(id), proverRow);

export const sectorAt = (read: ReadStore, id: Hash, number: number): SectorRow | undefined =>
  decoded(read, sectorKey(id, number), sectorRow);

/**
 * Sectors that count for power when `epoch` ends: admitted, not given back and not over, of a validator that
 * has answered the epoch or the one before. One epoch may be missed, so that a restart costs nothing; who
 * misses two in a row has none. In epoch 0 those of the genesis count, which nobody was asked for yet.
 */
export const countedSectors = (row: ProverRow, epoch: number): readonly SectorEntry[] => {
  if (epoch === 0) return sectorsIn(row, 0);
  if (row.provenEpoch + 1 < epoch) return [];
  return row.sectors.filter(({ fromEpoch, endEpoch }) => fromEpoch <= epoch && endEpoch > epoch);
};

/** A unit of space is a sector: all sectors of a chain have one size. */
export const sectorUnitsAt = (read: ReadStore, id: Hash, epoch: number): bigint => {
  const row = proverAt(read, id);
  return row === undefined ? 0n : BigInt(countedSectors(row, epoch).length);
};

/**
 * The sectors of a validator that are asked for in an epoch, in the order of their numbers: those that count
 * in it, whatever was answered. Any state since the epoch began gives the same.
 */
export const epochSectors = (
  read: ReadStore,
  parameters: SpaceParameters,
  id: Hash,
  epoch: number,
): readonly SectorStatement[] => {
  const row = proverAt(read, id);
  if (row === undefined) return [];
  return sectorsIn(row, epoch).map(({ number }) => {
    const sector = sectorAt(read, id, number);
    if (sector === undefined) throw new TetradError("store.corrupt", `sector ${number} has no row`);
    return statementOf(parameters, id, number, sector);
  });
};

/** One of them. */
export const epochSector = (
  read: ReadStore,
  parameters: SpaceParameters,
  id: Hash,
  number: number,
  epoch: number,
): SectorStatement | undefined => {
  const entry = proverAt(read, id)?.sectors.find((one) => one.number === number);
  if (entry === undefined || !isLiveIn(entry, epoch)) return undefined;
  const sector = sectorAt(read, id, number);
  return sector === undefined ? undefined : statementOf(parameters, id, number, sector);
};
