/**
 * I11: what a client was told is committed is in the log of every honest node, once and whole, and the
 * batches of a lane stand in the order of their numbers.
 */
import { type Batches, batchesOf } from "./batches.ts";
import { Recent } from "./recent.ts";
import type { CheckContext, Checker, Dump } from "./types.ts";

type Seen = { count: number; nextPosition: number };

export const clientsServed = (
  context: CheckContext,
  // Where the oldest are forgotten: what the log held once it holds for good, which is I2 and I10.
  batches: Batches = batchesOf(context),
): Checker => {
  const checkOnce = (dump: Dump): Map<string, Seen> => {
    const seen = new Map<string, Seen>();
    let current = "";
    for (const entry of dump.entries) {
      let batch = seen.get(entry.batchId);
      if (batch === undefined) {
        batch = { count: 0, nextPosition: 0 };
        seen.set(entry.batchId, batch);
      } else if (entry.batchId !== current) {
        context.report(
          "I11",
          `n${dump.slot}: batch ${entry.batchId.slice(0, 16)} is applied twice`,
        );
        return seen;
      }
      current = entry.batchId;
      if (entry.position !== batch.nextPosition) {
        context.report("I11", `n${dump.slot}: entry ${entry.index} is out of place in its batch`);
        return seen;
      }
      batch.nextPosition += 1;
      batch.count += 1;
    }
    return seen;
  };

  /** A batch follows the one before it in its lane, or one that is forgotten. */
  const checkLanes = (dump: Dump): void => {
    const heads = new Map<string, number>();
    for (const entry of dump.entries) {
      const known = entry.position === 0 ? batches.get(entry.batchId) : undefined;
      if (known === undefined) continue;
      const { actorHex, laneSeq } = known;
      const head = heads.get(actorHex) ?? 0;
      const mayFollow = Math.max(head, batches.forgottenOf(actorHex)) + 1;
      if (laneSeq <= head || laneSeq > mayFollow) {
        const order = `${head} is followed by ${laneSeq}`;
        context.report("I11", `n${dump.slot}: lane ${actorHex.slice(0, 16)}: ${order}`);
        return;
      }
      heads.set(actorHex, laneSeq);
    }
  };

  const checkAnswers = (dump: Dump, seen: ReadonlyMap<string, Seen>): void => {
    const counts = new Uint32Array(batches.size);
    for (const [batchId, { count }] of seen) {
      const place = batches.find(batchId);
      if (place !== undefined) counts[place] = count;
    }
    for (const [place, count] of counts.entries()) {
      const { actorHex, laneSeq, eventCount } = batches.at(place);
      if (!batches.wasAcknowledged(place) || count === eventCount) continue;
      const name = `${laneSeq} of lane ${actorHex.slice(0, 16)}`;
      const found = `${count} of ${eventCount} events`;
      context.report("I11", `n${dump.slot}: acknowledged batch ${name} has ${found}`);
      return;
    }
  };

  return {
    id: "I11",
    title: "no acknowledged batch is lost, none is applied twice, lanes keep their order",
    submitted: (_slot, submission) => {
      batches.add(submission);
    },
    acknowledged: (slot, submission) => {
      if (context.honest(slot)) batches.acknowledge(submission);
    },
    end: (dumps) => {
      for (const dump of dumps) {
        if (!context.honest(dump.slot)) continue;
        const seen = checkOnce(dump);
        checkLanes(dump);
        checkAnswers(dump, seen);
      }
    },
  };
};

/** "h/" and a u64: the row that names the final block of a height. */
const HEIGHT_KEY_BYTES = 10;

/** I11 at the moment of the answer: the block's height is on the disk that answers, synced. */
export const answersDurable = (context: CheckContext): Checker => {
  const heights = new Map<number, Recent<number, true>>();
  return {
    id: "I11",
    title: "nobody is told `committed` before the block is synced on the node that answers",
    durable: (slot, disk, puts) => {
      if (disk !== "data") return;
      let known = heights.get(slot);
      if (known === undefined) {
        known = new Recent();
        heights.set(slot, known);
      }
      for (const { key } of puts) {
        if (key.length !== HEIGHT_KEY_BYTES || key[0] !== 0x68 || key[1] !== 0x2f) continue;
        known.set(Number(Buffer.from(key).readBigUInt64BE(2)), true);
      }
    },
    diskLost: (slot, disk) => {
      if (disk === "data") heights.delete(slot);
    },
    acknowledged: (slot, submission, height) => {
      if (!context.honest(slot)) return;
      if (height !== undefined && heights.get(slot)?.has(height) === true) return;
      const name = submission.batchIdHex.slice(0, 16);
      context.report(
        "I11",
        `n${slot} answered for batch ${name} before height ${height} was synced`,
      );
    },
  };
};
