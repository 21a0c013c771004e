/**
 * I8, what a vote rests on: before a statement of view v can be seen, a certificate by which view v - 1 was
 * over is durable on the node that signed. Else two crashes can take the last proof of it from the network,
 * which then halts for good, and nobody can be blamed (docs/model.md).
 */
import { decodeStatement } from "./decode.ts";
import { Recent } from "./recent.ts";
import type { CheckContext, Checker } from "./types.ts";

/** "c/", u64 epoch, u64 view, u8 kind: the row of a certificate. */
const CERTIFICATE_KEY_BYTES = 19;

export const viewsEndedDurably = (context: CheckContext): Checker => {
  /** By slot: epoch/view of each certificate that is durable. */
  const ended = new Map<number, Recent<string, true>>();
  /** Slots whose data was lost: what an older vote rests on is gone, and the vote is not. */
  const exempt = new Set<number>();
  const endedOf = (slot: number): Recent<string, true> => {
    let views = ended.get(slot);
    if (views === undefined) {
      views = new Recent();
      ended.set(slot, views);
    }
    return views;
  };
  return {
    id: "I8",
    title: "no vote is seen before the certificate that ended the view before it is durable",
    durable: (slot, disk, puts) => {
      if (disk !== "data" || !context.honest(slot)) return;
      for (const { key } of puts) {
        if (key.length !== CERTIFICATE_KEY_BYTES || key[0] !== 0x63 || key[1] !== 0x2f) continue;
        const bytes = Buffer.from(key.buffer, key.byteOffset, key.byteLength);
        endedOf(slot).set(`${bytes.readBigUInt64BE(2)}/${bytes.readBigUInt64BE(10)}`, true);
      }
    },
    diskLost: (slot, disk) => {
      if (disk === "data") exempt.add(slot);
    },
    released: (slot, message) => {
      const statement = decodeStatement(message);
      if (statement === undefined || statement.view <= 1) return;
      if (!context.honest(slot) || exempt.has(slot)) return;
      const { epoch, view } = statement;
      if (endedOf(slot).has(`${epoch}/${view - 1}`)) return;
      context.report(
        "I8",
        `n${slot} voted in ${epoch}/${view}, and how ${view - 1} ended is not durable`,
      );
    },
  };
};
