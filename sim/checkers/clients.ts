/**
 * I11: what a client was told is committed is in the log of every honest node, once and whole, and the
 * batches of a lane stand in the order of their numbers.
 */
import { Recent } from "./recent.ts";
import type { CheckContext, Checker, Dump, Submission } from "./types.ts";

/** Batches that are looked for at the end. */
const BATCHES_MAX = 16_384;

type Seen = { count: number; nextPosition: number };

export const clientsServed = (context: CheckContext): Checker => {
  // The newest: what the log held once it holds for good, which is I2 and I10.
  const submitted = new Recent<string, Submission>(BATCHES_MAX);
  const acknowledged = new Recent<string, Submission>(BATCHES_MAX);

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

  const checkLanes = (dump: Dump): void => {
    const heads = new Map<string, number>();
    for (const entry of dump.entries) {
      const submission = entry.position === 0 ? submitted.get(entry.batchId) : undefined;
      if (submission === undefined) continue;
      const head = heads.get(submission.actorHex) ?? 0;
      if (submission.laneSeq !== head + 1) {
        const lane = submission.actorHex.slice(0, 16);
        const order = `${head} is followed by ${submission.laneSeq}`;
        context.report("I11", `n${dump.slot}: lane ${lane}: ${order}`);
        return;
      }
      heads.set(submission.actorHex, submission.laneSeq);
    }
  };

  return {
    id: "I11",
    title: "no acknowledged batch is lost, none is applied twice, lanes keep their order",
    submitted: (_slot, submission) => {
      submitted.set(submission.batchIdHex, submission);
    },
    acknowledged: (slot, submission) => {
      if (context.honest(slot)) acknowledged.set(submission.batchIdHex, submission);
    },
    end: (dumps) => {
      for (const dump of dumps) {
        if (!context.honest(dump.slot)) continue;
        const seen = checkOnce(dump);
        checkLanes(dump);
        for (const [batchId, submission] of acknowledged) {
          const batch = seen.get(batchId);
          if (batch?.count === submission.eventCount) continue;
          const found = `${batch?.count ?? 0} of ${submission.eventCount} events`;
          const name = batchId.slice(0, 16);
          context.report("I11", `n${dump.slot}: acknowledged batch ${name} has ${found}`);
          break;
        }
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
