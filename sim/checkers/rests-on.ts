/**
 * I8, what a vote rests on: before a statement of view v can be seen, a certificate by which view v - 1 was
 * over is durable on the node that signed. Else two crashes can take the last proof of it from the network,
 * which then halts for good, and nobody can be blamed (docs/model.md).
 *
 * A node whose data was lost is in the view of its newest vote, which outlives that, and may say there what it had not
 * said: what this rests on is gone. So nothing is asked of it up to the newest view that it had spoken of or could
 * enter by what was durable. Every later one it enters by what it is given again.
 */
import { decodeStatement } from "./decode.ts";
import { Recent } from "./recent.ts";
import type { CheckContext, Checker } from "./types.ts";

/** "c/", u64 epoch, u64 view, u8 kind: the row of a certificate. */
const CERTIFICATE_KEY_BYTES = 19;

type Place = { readonly epoch: number; readonly view: number };

const isAbove = (a: Place, b: Place): boolean =>
  a.epoch > b.epoch || (a.epoch === b.epoch && a.view > b.view);

export const viewsEndedDurably = (context: CheckContext): Checker => {
  /** By slot: epoch/view of each certificate that is durable. */
  const ended = new Map<number, Recent<string, true>>();
  /** By slot: the newest view that it has voted in, or that a durable certificate lets it enter. */
  const newest = new Map<number, Place>();
  /** The same at the moment in which a slot's data was last lost: what votes up to there rest on is gone. */
  const lost = new Map<number, Place>();
  const endedOf = (slot: number): Recent<string, true> => {
    let views = ended.get(slot);
    if (views === undefined) {
      views = new Recent();
      ended.set(slot, views);
    }
    return views;
  };
  const reached = (slot: number, place: Place): void => {
    const before = newest.get(slot);
    if (before === undefined || isAbove(place, before)) newest.set(slot, place);
  };
  return {
    id: "I8",
    title: "no vote is seen before the certificate that ended the view before it is durable",
    durable: (slot, disk, puts) => {
      if (disk !== "data" || !context.honest(slot)) return;
      for (const { key } of puts) {
        if (key.length !== CERTIFICATE_KEY_BYTES || key[0] !== 0x63 || key[1] !== 0x2f) continue;
        const bytes = Buffer.from(key.buffer, key.byteOffset, key.byteLength);
        const [epoch, view] = [2, 10].map((at) => Number(bytes.readBigUInt64BE(at)));
        if (epoch === undefined || view === undefined) continue;
        endedOf(slot).set(`${epoch}/${view}`, true);
        reached(slot, { epoch, view: view + 1 });
      }
    },
    diskLost: (slot, disk) => {
      const place = newest.get(slot);
      if (disk === "data" && place !== undefined) lost.set(slot, place);
    },
    released: (slot, message) => {
      const statement = decodeStatement(message);
      if (statement === undefined || !context.honest(slot)) return;
      const { epoch, view } = statement;
      reached(slot, { epoch, view });
      if (view <= 1 || endedOf(slot).has(`${epoch}/${view - 1}`)) return;
      const gone = lost.get(slot);
      if (gone !== undefined && !isAbove({ epoch, view }, gone)) return;
      context.report(
        "I8",
        `n${slot} voted in ${epoch}/${view}, and how ${view - 1} ended is not durable`,
      );
    },
  };
};
