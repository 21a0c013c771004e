/** Reading the log in pieces that are bounded in bytes as well as in entries. */
import { type Result, TetradError } from "../../errors.ts";
import type { EventPage } from "../../ledger/handle.ts";
import type { LogEntry } from "../../ledger/types.ts";
import { LIMITS } from "../../limits.ts";
import type { ApiContext } from "./context.ts";
import type { TypeFilter } from "./query.ts";
import type { Turn } from "./work.ts";

/**
 * Entries read at a time: few at first, then twice as many each time, so that what is read before it is
 * charged is never much more than what was charged before.
 */
const CHUNK_FIRST = 4;
const CHUNK_MAX = 64;

export type Scan = {
  readonly entries: readonly LogEntry[];
  /** Index of the first entry that was not looked at. */
  readonly next: number;
};

/** Entries of the log from an index on, as many as there are up to `limit`. Throws what the store failed with. */
export const readEvents = async (
  context: ApiContext,
  from: number,
  limit: number,
): Promise<EventPage> => {
  const result = await new Promise<Result<EventPage>>((resolve) => {
    context.handle.events(from, limit, resolve);
  });
  if (!result.ok) throw TetradError.from(result);
  return result.value;
};

export type ScanOptions = {
  /** Index before which to end; the end of the log without it. */
  readonly end?: number;
  readonly limit: number;
  readonly bytesMax: number;
  readonly filter: TypeFilter | undefined;
  /** Waited for before each read: a slice of the work. */
  readonly turn: Turn;
  /** Told of what was taken, after each read; may throw to end the scan. */
  readonly charge: (count: number, bytes: number) => void;
};

/**
 * Entries from `from` that pass the filter: at most `limit`, at most `bytesMax` of events but at least
 * one, and at most LIMITS.httpScanMax looked at. Fewer than `limit` does not mean the end: compare `next`
 * with logSize.
 */
export const scan = async (
  context: ApiContext,
  from: number,
  options: ScanOptions,
): Promise<Scan> => {
  const { limit, bytesMax, filter, turn, charge, end = Number.MAX_SAFE_INTEGER } = options;
  const entries: LogEntry[] = [];
  let next = from;
  let bytes = 0;
  let chunk = CHUNK_FIRST;
  while (entries.length < limit && next < end && next - from < LIMITS.httpScanMax) {
    const most = filter === undefined ? Math.min(chunk, limit - entries.length) : chunk;
    const want = Math.min(most, end - next);
    await turn();
    const page = await readEvents(context, next, want);
    if (page.entries.length === 0) break;
    const before = { count: entries.length, bytes };
    chunk = Math.min(CHUNK_MAX, chunk * 2);
    let full = false;
    for (const entry of page.entries) {
      if (filter !== undefined && !filter(entry.event.type)) {
        next = entry.index + 1;
        continue;
      }
      const size = entry.event.bytes.length;
      full = entries.length >= limit || (bytes > 0 && bytes + size > bytesMax);
      if (full) break;
      entries.push(entry);
      bytes += size;
      next = entry.index + 1;
    }
    charge(entries.length - before.count, bytes - before.bytes);
    if (full) break;
  }
  return { entries, next };
};
