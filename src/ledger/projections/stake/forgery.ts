/**
 * What a false commitment costs. Projections note who has opened one of its own that is false (forgeries.ts); where
 * an epoch ends, those lose `forgeryBps` of all that stands behind them since then, and are ended for good.
 */

import { LIMITS } from "../../../limits.ts";
import { slashedBps, standingAfter } from "../../../proofs/stake/slashing.ts";
import type { GenesisProofs } from "../../genesis-proofs.ts";
import type { ProjectionTx } from "../../projection.ts";
import type { ReadStore } from "../../records.ts";
import type { Hash } from "../../types.ts";
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
  const found: { readonly id: Hash; readonly epoch: number }[] = [];
  for (const id of need(tx, KEYS.candidates, candidatesRow).ids) {
    if (found.length === LIMITS.stakeForgersMax) break;
    const epoch = forgeryEpochAt(read, proofs, id);
    if (epoch === undefined || need(tx, KEYS.standing(id), standingRow).tombstoned) continue;
    found.push({ id, epoch });
  }
  let taken = 0n;
  for (const { id, epoch } of found) {
    const before = need(tx, KEYS.standing(id), standingRow);
    const result = slashTo(before, bps, epoch);
    const { tombstoned } = standingAfter(parameters, before, { kind: "forgery" }, timeMs);
    const after = { ...result.standing, tombstoned, faultEpoch: epoch };
    taken += result.taken;
    putStanding(tx, id, after);
    dropIfGone(tx, id, after);
  }
  addSlashed(tx, taken);
};
