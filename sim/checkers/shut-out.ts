/**
 * I14, what quarantine is for: once a node has executed the evidence against somebody, it soon sends it nothing
 * more. Judged after the heal, when no fault holds up the look at the log; a process that has just begun first
 * has to read who it was.
 */
import { CULPRIT_TAG, QUARANTINE } from "./evidence.ts";
import { Cursor, hex } from "./oracle.ts";
import { Recent } from "./recent.ts";
import type { CheckContext, Checker, Dump } from "./types.ts";

/** For the look at the log, the read of the rows, and a disk that is busy with other things. */
const GRACE_US = 1_000_000;

type Life = {
  readonly bootedUs: number;
  /** When this life first showed each executed height. */
  readonly executedUs: Recent<number, number>;
};

/** When a life had executed a height, or one above it. */
const reachedUs = ({ executedUs }: Life, height: number): number | undefined => {
  for (const [executed, atUs] of executedUs) if (executed >= height) return atUs;
  return undefined;
};

export const culpritsShutOut = (context: CheckContext): Checker => {
  const lives = new Map<number, Life>();
  /** When a slot last sent anything to another, by sender. */
  const sentUs = new Map<number, Map<number, number>>();
  let healedUs: number | undefined;

  const judge = (dump: Dump, life: Life, fromUs: number): void => {
    for (const { key, value } of dump.rows.get(QUARANTINE) ?? []) {
      if (key[0] !== CULPRIT_TAG || key.length !== 33) continue;
      const executedUs = reachedUs(life, new Cursor(value).u64());
      if (executedUs === undefined) continue;
      const limitUs = Math.max(executedUs, life.bootedUs, fromUs) + GRACE_US;
      const id = hex(key.subarray(1));
      for (const [to, lastUs] of sentUs.get(dump.slot) ?? []) {
        if (context.memberOf(to)?.idHex !== id || to === dump.slot) continue;
        if (context.nowUs() > limitUs) context.mark("shut out looked at");
        if (lastUs <= limitUs) continue;
        const late = Math.round((lastUs - limitUs + GRACE_US) / 1_000);
        context.report("I14", `n${dump.slot} sends to n${to}, quarantined ${late} ms ago`);
      }
    }
  };

  return {
    id: "I14",
    title: "who is in quarantine is sent nothing more",
    booted: (slot) => {
      lives.set(slot, { bootedUs: context.nowUs(), executedUs: new Recent() });
    },
    sent: (from, to) => {
      if (!context.honest(from)) return;
      let times = sentUs.get(from);
      if (times === undefined) {
        times = new Map();
        sentUs.set(from, times);
      }
      times.set(to, context.nowUs());
    },
    status: (slot, { executedHeight }) => {
      const executedUs = lives.get(slot)?.executedUs;
      if (executedUs?.has(executedHeight) === false)
        executedUs.set(executedHeight, context.nowUs());
    },
    healed: (atUs) => {
      healedUs = atUs;
    },
    end: (dumps) => {
      if (healedUs === undefined) return;
      for (const dump of dumps) {
        const life = lives.get(dump.slot);
        if (life !== undefined && context.honest(dump.slot)) judge(dump, life, healedUs);
      }
    },
  };
};
