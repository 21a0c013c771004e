/** The final tip as the parent of the next block. */
import { genesisParent, type ParentBlock, parentOf } from "../validity.ts";
import type { BlockStore, Tip } from "./block-store.ts";

/** Throws Error where the store lacks the block that it names as final. */
export const tipParentOf = (store: BlockStore, tip: Tip): ParentBlock => {
  if (tip.height === 0) return genesisParent(tip.hash, tip.timeMs, 0);
  const header = store.header(tip.hash);
  if (header === undefined) throw new Error("the final block is not in the store");
  return parentOf({ header, hash: tip.hash });
};
