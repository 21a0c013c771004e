/**
 * I14 for quarantine: it only grows. Whoever an accepted piece of evidence names is quarantined at the end, since
 * the first of them and for that one, and nobody else is. As the log only grows (I2, I10), nobody who was ever
 * quarantined has come out.
 */
import { CULPRIT_TAG, QUARANTINE } from "./evidence.ts";
import { Cursor, hex } from "./oracle.ts";
import { payloadOf } from "./payload.ts";
import type { CheckContext, Checker, Dump } from "./types.ts";

const EVIDENCE = "detect.evidence.committed";

const faultOf = (dump: Dump): string | undefined => {
  const rows = dump.rows.get(QUARANTINE);
  if (rows === undefined) return undefined;
  /** By id: the first accepted evidence, and how much there is. */
  const wanted = new Map<string, { readonly since: string; count: number }>();
  for (const entry of dump.entries) {
    if (entry.eventType !== EVIDENCE || entry.refusedWith !== "") continue;
    const id = hex(payloadOf(entry).take(32));
    const known = wanted.get(id);
    if (known !== undefined) known.count += 1;
    else wanted.set(id, { since: `${entry.height}, event ${entry.index}`, count: 1 });
  }
  for (const { key, value } of rows) {
    if (key[0] !== CULPRIT_TAG || key.length !== 33) continue;
    const id = hex(key.subarray(1));
    // Row: u64 height, u64 time, u64 event, u8 conflict, u32 count.
    const cursor = new Cursor(value);
    const height = cursor.u64();
    cursor.u64();
    const since = `${height}, event ${cursor.u64()}`;
    cursor.u8();
    const count = cursor.u32();
    const first = wanted.get(id);
    wanted.delete(id);
    const who = id.slice(0, 16);
    if (first === undefined) return `${who} is quarantined, and no evidence was accepted`;
    if (first.since !== since) return `${who} is quarantined since ${since}, not ${first.since}`;
    if (first.count !== count) return `${who} has ${count} faults where the log has ${first.count}`;
  }
  const [left] = wanted.keys();
  return left === undefined ? undefined : `${left.slice(0, 16)} is quarantined no longer`;
};

export const quarantineGrows = (context: CheckContext): Checker => ({
  id: "I14",
  title: "whoever was quarantined stays so",
  end: (dumps) => {
    for (const dump of dumps) {
      const fault = context.honest(dump.slot) ? faultOf(dump) : undefined;
      if (fault !== undefined) return context.report("I14", `n${dump.slot}: ${fault}`);
    }
  },
});
