/**
 * The price of work at every height of the final chain, beside the blocks that it follows from: written with
 * their append, so that a node, an audit and whoever catches up have the same one. A chain that asks for no
 * work has none.
 */
import { Reader, Writer } from "../../crypto/codec.ts";
import type { WorkParameters } from "../../proofs/work/index.ts";
import { priceAfter } from "../batch-work.ts";
import { priceKey } from "../keys.ts";
import type { StoreOp } from "../ports.ts";
import type { Batch, Block } from "../types.ts";
import type { ReadStore } from "./context.ts";

/** The price after a final height; undefined where the height is not final here. */
export const readPrice = (
  read: ReadStore,
  { price: { priceStart } }: Pick<WorkParameters, "price">,
  height: number,
): bigint | undefined => {
  if (height === 0) return priceStart;
  const bytes = read(priceKey(height));
  return bytes === undefined ? undefined : new Reader(bytes).u64big();
};

/**
 * The writes that the append of a run of blocks makes: prices go on from the height before the run. Throws
 * Error where that one is not in the store.
 */
export const priceOps = (
  read: ReadStore,
  work: WorkParameters | null,
  run: readonly { readonly block: Pick<Block, "header">; readonly batches: readonly Batch[] }[],
): StoreOp[] => {
  const first = run[0]?.block.header.height;
  if (work === null || first === undefined) return [];
  let price = readPrice(read, work, first - 1);
  const ops: StoreOp[] = [];
  for (const { block, batches } of run) {
    if (price === undefined) throw new Error(`no price of height ${first - 1} is stored`);
    price = priceAfter(work, price, batches);
    const value = new Writer(8).u64big(price).finish();
    ops.push({ type: "put", key: priceKey(block.header.height), value });
  }
  return ops;
};
