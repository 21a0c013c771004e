/**
 * What a false commitment costs. Projections note who has opened one of its own that is false (forgeries.ts); where
 * an epoch ends, those lose `forgeryBps` of all that stands behind them since then, and are ended for good.
 */

import { LIMITS } from "../../../limits.ts";
import { slashedBps, standingAfter } from "../../../proofs/stake/slashing.ts";
import type { GenesisProofs } from "../../genesis-proofs.ts";
import type { ProjectionTx } from "../../projection.ts";
import type { ReadStore } from "../../records.ts";
import { forgeryEpochAt } from "../power-inputs.ts";
import {
  candidatesRow,
  dropIfGone,
  KEYS,
  need,
  parametersOf,
  putStanding,
  standingRow,
} from "./rows.ts";
import { addSlashed, slashTo } from "./slashing.ts";

/**
 * Runs as the boundary block of an epoch is executed, after the next set was decided and before its events. `read`
 * is the store before the block. Those whom one block cannot write of are for the next end of an epoch.
 */
export const slashForgers = (
  tx: ProjectionTx,
  read: ReadStore,
  proofs: GenesisProofs,
  timeMs: number,
): void => {
  if (proofs.work === null && proofs.space === null) return;
  const parameters = parametersOf(tx);
  const bps = slashedBps(parameters, { kind: "forgery" });
  if (bps === 0n) return;
  let [taken, slashed] = [0n, 0];
  for (const id of need(tx, KEYS.candidates, candidatesRow).ids) {
    if (slashed === LIMITS.stakeForgersMax) break;
    const epoch = forgeryEpochAt(read, proofs, id);
    if (epoch === undefined) continue;
    const before = need(tx, KEYS.standing(id), standingRow);
    const result = slashTo(before, bps, epoch);
    // Who was ended for something else has not paid for this; who has paid loses nothing a second time.
    if (result.standing === before && before.tombstoned) continue;
    const { tombstoned } = standingAfter(parameters, before, { kind: "forgery" }, timeMs);
    const after = { ...result.standing, tombstoned };
    slashed += 1;
    taken += result.taken;
    putStanding(tx, id, after);
    dropIfGone(tx, id, after);
  }
  addSlashed(tx, taken);
};
