/** I16: what a node keeps for others stays under its caps. */
import type { CheckContext, Checker } from "./types.ts";

const MEMPOOL_BYTES_MAX = 64 * 1024 * 1024;

export const capsKept = (context: CheckContext): Checker => ({
  id: "I16",
  title: "memory kept for clients and peers stays under its caps",
  status: (slot, status) => {
    if (!context.honest(slot) || status.mempoolBytes <= MEMPOOL_BYTES_MAX) return;
    context.report("I16", `n${slot} keeps ${status.mempoolBytes} bytes of batches`);
  },
});
