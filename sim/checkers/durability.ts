/**
 * I8: nothing leaves a node that its disk could still forget. The checker knows every signature that a
 * node made, sees which bytes survive a power cut from when on, and looks for signatures that are not
 * among them in every frame that leaves. It needs no knowledge of frames or rows: it looks
 * for bytes; of a block it knows that its row begins with the header.
 */
import { blockHashOf, decodeStatement, NOTARIZE } from "./decode.ts";
import { Recent } from "./recent.ts";
import { holds, PROBE_BYTES } from "./release.ts";
import type { CheckContext, Checker } from "./types.ts";

type Open = {
  readonly probe: Buffer;
  /** Epoch, view and kind, for the report. */
  readonly name: string;
  voteDurable: boolean;
  /** Hash that a notarize vote names: its block must be durable too. */
  readonly block: string | undefined;
};

const bufferOf = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export const durableBeforeSent = (context: CheckContext): Checker => {
  /** By slot: own signatures that are not durable yet. Few at any time. */
  const open = new Map<number, Open[]>();
  /** By slot: hashes of blocks that are durable in the data store. */
  const blocks = new Map<number, Recent<string, true>>();
  const listOf = (slot: number): Open[] => {
    let list = open.get(slot);
    if (list === undefined) {
      list = [];
      open.set(slot, list);
    }
    return list;
  };
  const blocksOf = (slot: number): Recent<string, true> => {
    let set = blocks.get(slot);
    if (set === undefined) {
      set = new Recent();
      blocks.set(slot, set);
    }
    return set;
  };

  /** Forgets the votes of a slot that may leave now. */
  const settle = (slot: number): void => {
    const list = listOf(slot);
    for (let i = list.length - 1; i >= 0; i--) {
      const entry = list[i];
      if (entry === undefined || !entry.voteDurable) continue;
      if (entry.block === undefined || blocksOf(slot).has(entry.block)) list.splice(i, 1);
    }
  };

  return {
    id: "I8",
    title: "no vote leaves before it, and the block it names, are durable",
    signed: (slot, message, signature) => {
      const statement = decodeStatement(message);
      if (!context.honest(slot) || statement === undefined) return;
      listOf(slot).push({
        probe: bufferOf(signature.slice(0, PROBE_BYTES)),
        name: `${statement.epoch}/${statement.view}/${statement.kind}`,
        voteDurable: false,
        block: statement.kind === NOTARIZE ? statement.hash : undefined,
      });
    },
    durable: (slot, disk, puts) => {
      if (!context.honest(slot)) return;
      if (disk === "votes") {
        for (const entry of listOf(slot)) {
          if (puts.some((put) => holds(put.value, entry.probe))) entry.voteDurable = true;
        }
      } else {
        for (const put of puts) {
          const hash = blockHashOf(context.chainId, put.value);
          if (hash !== undefined) blocksOf(slot).set(hash, true);
        }
      }
      settle(slot);
    },
    booted: (slot) => {
      // What was signed and not written died with the process before.
      const kept = listOf(slot).filter((entry) => entry.voteDurable);
      open.set(slot, kept);
    },
    diskLost: (slot, disk) => {
      if (disk !== "votes") blocks.delete(slot);
      open.delete(slot);
    },
    sent: (from, _to, _class, bytes) => {
      const list = open.get(from);
      if (list === undefined || list.length === 0) return;
      for (const entry of list) {
        if (!holds(bytes, entry.probe)) continue;
        const what = entry.voteDurable ? "the block that it names" : "it";
        context.report("I8", `n${from} sent vote ${entry.name} before ${what} was durable`);
      }
    },
  };
};
