/**
 * Readers: one session for each client, which reads records of its lane now here and now there. A session knows
 * how far it has read and what it was told of its own writes, and asks no node that is not so far (`minHeight`
 * of docs/api.md). What it sees is for the checkers to judge.
 */
import { TetradError } from "../src/errors.ts";
import type { NodeStatus } from "../src/ledger/handle.ts";
import { recordKey } from "../src/ledger/projections/records.ts";
import type { Reading } from "./checkers/types.ts";
import type { SimNode } from "./node.ts";
import type { Prng } from "./prng.ts";
import { laneTopic, RECORD_KEYS, recordName } from "./records.ts";

export type Readers = {
  /** One of the sessions reads at one of these nodes; undefined where that cannot be asked. */
  read(at: readonly SeenNode[]): Reading | undefined;
  /** The client was told that its batch is in the block of this height. */
  wrote(client: number, height: number): void;
};

export type SeenNode = { readonly node: SimNode; readonly status: NodeStatus };

export const createReaders = (random: Prng, clients: number): Readers => {
  const floors = new Array<number>(clients).fill(0);
  let next = 0;
  const raise = (session: number, height: number): void => {
    floors[session] = Math.max(floors[session] ?? 0, height);
  };
  return {
    read: (at) => {
      if (at.length === 0) return undefined;
      const session = next;
      next = (next + 1) % clients;
      const { node, status } = random.pick(at);
      const key = recordKey(laneTopic(session), recordName(random.below(RECORD_KEYS), 0));
      const { executedHeight: height, finalHeight } = status;
      const floor = floors[session] ?? 0;
      // A reader must not be who finds a rotten row, or takes the read that was to fail from the node.
      const isMarked = node.data.isDamaged || node.data.failReadNth > 0;
      if (height < floor || isMarked || node.handle === undefined) return undefined;
      try {
        const value = node.handle.row("records", key);
        raise(session, height);
        return { session, slot: node.slot, height, finalHeight, floor, key, value };
      } catch (error) {
        if (error instanceof TetradError && error.code.startsWith("store.")) return undefined;
        throw error;
      }
    },
    wrote: raise,
  };
};
