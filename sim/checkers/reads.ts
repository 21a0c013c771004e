/**
 * I15: what can be read is of a final height, and within a session nothing goes back.
 *
 * Final is what the oracle counts itself: a block for which a quorum has signed F, and what it stands on. What a
 * reader saw must be a state of the records between the height that the answer claims and the final one of that
 * moment, by the oracle's own fold of the log; the earliest such height is where the session has got to.
 */
import { backingsOf } from "./backing.ts";
import { decodeStatement, FINALIZE } from "./decode.ts";
import { headersOf } from "./headers.ts";
import { Cursor, hex } from "./oracle.ts";
import { Recent } from "./recent.ts";
import { RECORD_PUT, recordOf } from "./records.ts";
import type { CheckContext, Checker, Dump, Reading } from "./types.ts";

/** Readings that are judged at the end: the newest ones. */
const READINGS_MAX = 8_192;
/** More than there are headers (headers.ts): nothing is said of a block whose header is forgotten. */
const FINAL_MAX = 16_384;

export const shownIsFinal = (context: CheckContext): Checker => {
  const headers = headersOf(context);
  const backings = backingsOf(context);
  const final = new Recent<string, true>(FINAL_MAX);
  const genesis = hex(context.genesisHash);

  const settle = (hash: string): void => {
    for (let at: string | undefined = hash; at !== undefined && !final.has(at); ) {
      final.set(at, true);
      at = headers.get(at)?.parentHash;
    }
  };

  return {
    id: "I15",
    title: "what a node shows as final, a quorum has signed F for",
    sent: (_from, _to, _class, bytes) => headers.note(bytes),
    released: (slot, message) => {
      const statement = decodeStatement(message);
      if (statement === undefined || !backings.note(slot, statement)) return;
      if (statement.kind === FINALIZE) settle(statement.hash);
    },
    status: (slot, { finalHeight, finalHash, executedHeight }) => {
      if (!context.honest(slot)) return;
      if (executedHeight > finalHeight) {
        context.report("I15", `n${slot} shows height ${executedHeight}, final is ${finalHeight}`);
      }
      // Of a block that was never proposed to anybody, as by who is a quorum alone, nothing is known.
      if (finalHash === genesis || final.has(finalHash) || headers.get(finalHash) === undefined)
        return;
      context.report("I15", `n${slot} shows ${finalHeight} as final, and no quorum has said so`);
    },
  };
};

/** What a record was from a height on. */
type Version = { readonly height: number; readonly body: string };

const historyOf = (dump: Dump): Map<string, Version[]> => {
  const history = new Map<string, Version[]>();
  for (const entry of dump.entries) {
    if (entry.eventType !== RECORD_PUT || entry.refusedWith !== "") continue;
    const record = recordOf(entry.eventBytes);
    if (record === undefined) continue;
    const versions = history.get(record.key) ?? [];
    history.set(record.key, versions);
    // Of several writes in one block the last is what can be read.
    if (versions.at(-1)?.height === entry.height) versions.pop();
    versions.push({ height: entry.height, body: record.body });
  }
  return history;
};

/** The first height of from..until at which the record was `value`; undefined when there is none. */
const explainedAt = (
  versions: readonly Version[],
  value: Version | undefined,
  from: number,
  until: number,
): number | undefined => {
  const at = versions.findIndex((one) => one.height === value?.height && one.body === value?.body);
  if (value !== undefined && at < 0) return undefined;
  const since = value?.height ?? 0;
  // Before the first version there is no record.
  const end = (versions[at + 1]?.height ?? Number.MAX_SAFE_INTEGER) - 1;
  const first = Math.max(from, since);
  return first <= Math.min(until, end) ? first : undefined;
};

/** Row: actor, u64 height, u64 time, body. */
const versionOf = (value: Uint8Array): Version => {
  const cursor = new Cursor(value, 32);
  const height = cursor.u64();
  cursor.u64();
  return { height, body: hex(cursor.sized()) };
};

export const sessionsMonotone = (context: CheckContext): Checker => {
  const readings: Reading[] = [];
  return {
    id: "I15",
    title: "what is read is the state of a height that the session had not passed",
    read: (reading) => {
      context.mark("record read");
      if (readings.length >= READINGS_MAX) readings.splice(0, READINGS_MAX / 2);
      readings.push(reading);
    },
    end: (dumps) => {
      const honest = dumps.filter(({ slot }) => context.honest(slot));
      const [dump] = honest.sort((a, b) => b.entries.length - a.entries.length);
      if (dump === undefined) return;
      const history = historyOf(dump);
      const reached = new Map<number, number>();
      for (const { session, slot, height, finalHeight, floor, key, value } of readings) {
        const from = Math.max(height, floor, reached.get(session) ?? 0);
        const until = Math.min(finalHeight, dump.status.executedHeight);
        if (from > until) continue;
        const shown = value === undefined ? undefined : versionOf(value);
        const at = explainedAt(history.get(hex(key)) ?? [], shown, from, until);
        if (at !== undefined) {
          reached.set(session, at);
          continue;
        }
        const what = shown === undefined ? "no record" : `the record of height ${shown.height}`;
        const where = `session ${session} at n${slot}, between heights ${from} and ${until}`;
        context.report("I15", `${where}, read ${what}, which it was not then`);
        return;
      }
    },
  };
};
