/**
 * I10 for the records of users: the rows of the projection are what the oracle's own fold over the log
 * gives. The last accepted write of a topic and key wins.
 */
import { Cursor, hex } from "./oracle.ts";
import type { CheckContext, Checker, Dump, Entry } from "./types.ts";

const RECORDS = "records";
export const RECORD_PUT = "record.put";

type Wanted = { readonly height: number; readonly body: string };

/** Row key: topic and key, each with two zero bytes behind it; neither holds a zero byte here. */
const rowKey = (topic: Uint8Array, key: Uint8Array): string => `${hex(topic)}0000${hex(key)}0000`;

/** Row key and body, in hex, of an event that puts a record; undefined for bytes that are none. */
export const recordOf = (
  eventBytes: Uint8Array,
): { readonly key: string; readonly body: string } | undefined => {
  // u16 length, type, u16 version, u32 length, payload.
  const cursor = new Cursor(eventBytes, 2 + RECORD_PUT.length + 2 + 4);
  const [topic, key, body] = [cursor.sized(), cursor.sized(), cursor.sized()];
  return cursor.ok ? { key: rowKey(topic, key), body: hex(body) } : undefined;
};

const fold = (entries: readonly Entry[]): Map<string, Wanted> => {
  const rows = new Map<string, Wanted>();
  for (const entry of entries) {
    if (entry.eventType !== RECORD_PUT || entry.refusedWith !== "") continue;
    const record = recordOf(entry.eventBytes);
    if (record !== undefined) rows.set(record.key, { height: entry.height, body: record.body });
  }
  return rows;
};

const compare = (context: CheckContext, dump: Dump): void => {
  const rows = dump.rows.get(RECORDS);
  if (rows === undefined) return;
  const expected = fold(dump.entries);
  for (const { key, value } of rows) {
    const name = hex(key);
    const wanted = expected.get(name);
    expected.delete(name);
    // Row: actor, u64 height, u64 time, body.
    const cursor = new Cursor(value, 32);
    const height = cursor.u64();
    cursor.u64();
    const body = hex(cursor.sized());
    if (wanted !== undefined && wanted.height === height && wanted.body === body) continue;
    context.report("I10", `n${dump.slot}: record ${name} is not what the log says`);
    return;
  }
  const missing = expected.keys().next();
  if (missing.done !== true) {
    context.report("I10", `n${dump.slot}: record ${missing.value} of the log is missing`);
  }
};

export const recordsFolded = (context: CheckContext): Checker => ({
  id: "I10",
  title: "the records projection is the oracle's own fold over the log",
  end: (dumps) => {
    for (const dump of dumps) if (context.honest(dump.slot)) compare(context, dump);
  },
});
