/** Reading the log in pieces that are bounded in bytes as well as in entries. */
import { type Result, TetradError } from "../../errors.ts";
import type { EventPage } from "../../ledger/handle.ts";
import type { LogEntry } from "../../ledger/types.ts";
import { LIMITS } from "../../limits.ts";
import type { ApiContext } from "./context.ts";
import type { TypeFilter } from "./query.ts";

/** Entries read at a time: 64 of the largest events are just under the queue bound of a subscriber. */
const CHUNK = 64;

export type Scan = {
  readonly entries: readonly LogEntry[];
  /** Index of the first entry that was not looked at. */
  readonly next: number;
};

const readChunk = async (context: ApiContext, from: number, limit: number): Promise<EventPage> => {
  const result = await new Promise<Result<EventPage>>((resolve) => {
    context.handle.events(from, limit, resolve);
  });
  if (!result.ok) throw TetradError.from(result);
  return result.value;
};

/**
 * Entries from `from` that pass the filter: at most `limit`, at most 4 MiB of events, and at most
 * LIMITS.httpScanMax looked at. Fewer than `limit` does not mean the end: compare `next` with logSize.
 */
export const scan = async (
  context: ApiContext,
  from: number,
  limit: number,
  filter: TypeFilter | undefined,
): Promise<Scan> => {
  const entries: LogEntry[] = [];
  let next = from;
  let bytes = 0;
  while (entries.length < limit && next - from < LIMITS.httpScanMax) {
    const want = filter === undefined ? Math.min(CHUNK, limit - entries.length) : CHUNK;
    const page = await readChunk(context, next, want);
    if (page.entries.length === 0) break;
    for (const entry of page.entries) {
      if (filter !== undefined && !filter(entry.event.type)) {
        next = entry.index + 1;
        continue;
      }
      const size = entry.event.bytes.length;
      const full = entries.length >= limit;
      const heavy = bytes > 0 && bytes + size > LIMITS.httpSubscriberQueueBytesMax;
      if (full || heavy) return { entries, next };
      entries.push(entry);
      bytes += size;
      next = entry.index + 1;
    }
  }
  return { entries, next };
};
