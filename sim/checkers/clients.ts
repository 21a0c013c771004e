/**
 * I11: what a client was told is committed is in the log of every honest node, once and whole, and the
 * batches of a lane stand in the order of their numbers.
 */
import type { CheckContext, Checker, Dump, Submission } from "./types.ts";

type Seen = { count: number; nextPosition: number };

export const clientsServed = (context: CheckContext): Checker => {
  const submitted = new Map<string, Submission>();
  const acknowledged = new Map<string, Submission>();

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
