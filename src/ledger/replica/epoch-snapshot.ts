/** What a replica needs of the running epoch: set, leaders, and when it ends. */
import { leaderSource } from "../chain-point.ts";
import type { Hash } from "../types.ts";
import { createLeaderSchedule } from "../validator-set.ts";
import type { EpochSnapshot } from "../validity.ts";
import type { BlockStore } from "./block-store.ts";
import type { Committer } from "./committer.ts";
import type { Context } from "./context.ts";

/**
 * The epoch after the final tip. Undefined while its sets are not known: they follow from executing the
 * boundary before, and until then a node only catches up. Throws "store.corrupt".
 */
export const snapshotOf = (
  { hasher, options }: Context,
  store: BlockStore,
  { start, tip }: Pick<Committer, "start" | "tip">,
  genesisHash: Hash,
): EpochSnapshot | undefined => {
  const set = store.validatorSet(start.epoch);
  const next = store.validatorSet(start.epoch + 1);
  if (set === undefined || next === undefined) return undefined;
  const source = leaderSource(options.genesis, genesisHash, () => store.point(tip.height));
  return {
    set,
    schedule: createLeaderSchedule(hasher, source, set),
    epochStartMs: start.startMs,
    epochMs: options.genesis.parameters.epochMs,
    nextSetHash: next.hash,
  };
};
