/**
 * L2: what an honest node has taken is in one of the next blocks of honest leaders that become final. Counted are
 * those that are proposed from then on, or from the heal: before it, nodes that cannot hear each other may be
 * unable to. A client that gets no answer hands the same batch to somebody else; the count goes on, unless the
 * node has said that it did not take it, or has died with all that waited in its memory.
 */
import { headersOf } from "./headers.ts";
import { Recent } from "./recent.ts";
import { setsOf } from "./sets.ts";
import type { CheckContext, Checker } from "./types.ts";

/** Blocks of honest leaders in which a batch may be missing: gossip is on its way while they are built. */
const LEADERS_MAX = 4;
/**
 * Before that it is not late, however many blocks there were. What was lost on a link is told again when the
 * client asks again, after the three seconds of its patience, and on short paths that is many blocks.
 */
const SOON_US = 4_200_000;

/** Who has it, and what was proposed and which time it was when it was taken. */
type Open = { readonly slot: number; readonly height: number; readonly atUs: number };

export const acceptedSoon = (context: CheckContext): Checker => {
  const headers = headersOf(context);
  /** By height: whether an honest validator made the final block, and since when some honest node has it. */
  const made = new Recent<number, { readonly honest: boolean; readonly atUs: number }>();
  const open = new Map<string, Open>();
  const answered: {
    readonly name: string;
    readonly from: number;
    readonly to: number;
    readonly atUs: number;
  }[] = [];
  const sets = setsOf(context);
  const isHonest = (epoch: number, proposer: number): boolean => {
    const member = sets.at(epoch)?.ofIndex(proposer);
    return member !== undefined && context.honest(member.slot);
  };
  /** The highest block that is final. */
  let top = 0;
  let isHealed = false;

  const settle = (): void => {
    for (let next = answered[0]; next !== undefined && next.to <= top; next = answered[0]) {
      answered.shift();
      let leaders = 0;
      for (let height = next.from + 1; height < next.to; height++) {
        if (made.get(height)?.honest === true) leaders += 1;
      }
      context.mark("accepted batch timed");
      // The answer may come much later, from a node that was behind when it took the batch.
      if ((made.get(next.to)?.atUs ?? 0) - next.atUs <= SOON_US) continue;
      if (leaders <= LEADERS_MAX) continue;
      const span = `taken when ${next.from} was proposed and final at ${next.to}`;
      context.report(
        "L2",
        `batch ${next.name}, ${span}, was left out by ${leaders} honest leaders`,
      );
    }
  };

  return {
    id: "L2",
    title: "what an honest node has taken is final within some blocks of honest leaders",
    booted: (slot) => {
      for (const [name, one] of open) if (one.slot === slot) open.delete(name);
    },
    healed: (atUs, asked) => {
      isHealed = true;
      for (const [name, { slot }] of open) {
        if (asked.includes(slot)) open.set(name, { slot, height: headers.highest, atUs });
        else open.delete(name);
      }
    },
    offered: (slot, { batchIdHex }) => {
      // Who has not registered yet has nobody to tell. Who need not end up with what all have must tell them.
      if (!context.honest(slot) || !sets.isRegistered(slot) || open.has(batchIdHex)) return;
      open.set(batchIdHex, { slot, height: headers.highest, atUs: context.nowUs() });
    },
    declined: (_slot, { batchIdHex }) => {
      open.delete(batchIdHex);
    },
    acknowledged: (_slot, { batchIdHex }, height) => {
      const since = open.get(batchIdHex);
      open.delete(batchIdHex);
      if (!isHealed || since === undefined || height === undefined) return;
      if (context.nowUs() - since.atUs <= SOON_US) return context.mark("accepted batch timed");
      const name = batchIdHex.slice(0, 16);
      answered.push({ name, from: since.height, to: height, atUs: since.atUs });
    },
    sent: (_from, _to, _class, bytes) => headers.note(bytes),
    status: (slot, { finalHeight, finalHash }) => {
      if (!context.honest(slot) || finalHeight <= top) return;
      let header = headers.get(finalHash);
      while (header !== undefined && header.height > top) {
        const honest = isHonest(header.epoch, header.proposer);
        made.set(header.height, { honest, atUs: context.nowUs() });
        header = headers.get(header.parentHash);
      }
      top = finalHeight;
      settle();
    },
  };
};
