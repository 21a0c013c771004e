/** What the work of a batch is held against, read from the final chain of this node. */
import type { WorkTerms } from "../batch-work.ts";
import { readPoint } from "../chain-point.ts";
import type { ReadStore, ReplicaOptions } from "./context.ts";
import { readPrice } from "./price-store.ts";

/** Undefined where the chain asks for no work, and for a height that is not final here. */
export const finalTerms = (
  {
    options,
    read,
  }: { readonly options: Pick<ReplicaOptions, "genesis">; readonly read: ReadStore },
  height: number,
): WorkTerms | undefined => {
  const { work } = options.genesis.proofs;
  if (work === null) return undefined;
  const price = readPrice(read, work, height);
  const beacon = readPoint(read, height)?.beacon;
  return price === undefined || beacon === undefined ? undefined : { beacon, price };
};
