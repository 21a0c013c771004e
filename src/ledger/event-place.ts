/** What events of a block are told of the chain that they stand on: their epoch, and the beacon behind them. */
import { LIMITS } from "../limits.ts";
import { type LedgerEpoch, missingPoint, readPoint } from "./chain-point.ts";
import type { ReadStore } from "./records.ts";
import type { Hash } from "./types.ts";

export type EventPlace = {
  readonly epoch: LedgerEpoch;
  readonly beaconAt: (height: number) => Hash | undefined;
};

const unknown = (): never => {
  throw new RangeError("a chain of format 1 tells its events no epoch");
};

/** On a chain of format 1, which keeps no points. */
export const NOWHERE: EventPlace = {
  epoch: {
    get number(): number {
      return unknown();
    },
    get firstHeight(): number {
      return unknown();
    },
    get startMs(): number {
      return unknown();
    },
    get seed(): Hash {
      return unknown();
    },
  },
  beaconAt: () => undefined,
};

/**
 * Of a block of this height, from the points of the final heights below it. The store may have points of
 * later heights already, which no event may see. Throws "store.corrupt" where the parent's is missing.
 */
export const placeAt = (read: ReadStore, height: number, withBeacon: boolean): EventPlace => {
  const parent = readPoint(read, height - 1);
  if (parent === undefined) throw missingPoint(height - 1);
  const beaconAt = (asked: number): Hash | undefined => {
    const isNear = asked < height && asked >= height - LIMITS.beaconHistory;
    if (!withBeacon || !isNear || !Number.isSafeInteger(asked) || asked < 0) return undefined;
    const point = asked === height - 1 ? parent : readPoint(read, asked);
    if (point === undefined) throw missingPoint(asked);
    return point.beacon;
  };
  return { epoch: parent.epoch, beaconAt };
};
