/** Rebuilding the projections of a stopped node from its log (src/ledger/rebuild.ts), with the product's rules. */
import { TetradError } from "../errors.ts";
import type { ParsedGenesis } from "../ledger/genesis.ts";
import type { Store } from "../ledger/ports.ts";
import type { VerifySignature } from "../ledger/projection.ts";
import { type RebuildReport, runRebuild } from "../ledger/rebuild.ts";
import { runnerOf } from "./product.ts";

/** Throws TetradError: state.mismatch, store.corrupt, store.full, store.io. */
export const rebuildStore = async (
  store: Store,
  chain: ParsedGenesis,
  verifySignature: VerifySignature,
  onProgress: (done: number, total: number) => void,
): Promise<RebuildReport> => {
  const { promise, resolve } =
    Promise.withResolvers<Parameters<Parameters<typeof runRebuild>[2]>[0]>();
  const { genesis, hasher } = chain;
  const runner = runnerOf({ genesis, hasher, verifySignature });
  runRebuild(store, { runner, genesis, onProgress }, resolve);
  const result = await promise;
  if (!result.ok) throw TetradError.from(result);
  return result.value;
};
