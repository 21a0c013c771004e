/**
 * Mistakes of what a caller has brought along, such as the module of --with: it throws, or gives what cannot be used.
 * No node has crashed then, and nothing is known to be wrong with the network, so they have an id of their own.
 */
import { LIMITS } from "../src/limits.ts";
import type { WorkloadEvents } from "./records.ts";
import { SCENARIO_LIMITS } from "./shape-words.ts";

export const MISTAKE_ID = "mistake";

export const stackOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error);

/** The first line has all of what was thrown, the others where. */
export const thrownBy = (who: string, error: unknown): string =>
  `${who} has thrown ${stackOf(error)}`;

/** Ends a run where no checker can report: its message is what is said of the mistake. */
export class Mistake extends Error {}

const isEvent = (value: unknown): value is { readonly bytes: Uint8Array } =>
  typeof value === "object" &&
  value !== null &&
  "bytes" in value &&
  value.bytes instanceof Uint8Array;

/** Why no batch can hold these as its events; undefined where one can. */
const unfit = (given: unknown): string | undefined => {
  if (!Array.isArray(given) || !given.every(isEvent)) {
    const isPromise = typeof given === "object" && given !== null && "then" in given;
    return `no list of events, as encode() of their definitions gives them${isPromise ? ": it must not be async" : ""}`;
  }
  const { eventsPerBatchMax, batchEventBytesMax } = SCENARIO_LIMITS;
  if (given.length > eventsPerBatchMax) {
    return `${given.length} events for one batch, which takes at most ${eventsPerBatchMax}`;
  }
  const sizes = given.map(({ bytes }) => bytes.length);
  const largest = Math.max(0, ...sizes);
  if (largest > LIMITS.eventBytesMax) {
    return `an event of ${largest} bytes: ${LIMITS.eventBytesMax} is the most`;
  }
  const all = sizes.reduce((sum, size) => sum + size, 0);
  if (all <= batchEventBytesMax) return undefined;
  return `${all} bytes of events for one batch, which takes at most ${batchEventBytesMax}`;
};

/** The same events; what is wrong with them is thrown as a mistake. */
export const guardedEvents =
  (events: WorkloadEvents): WorkloadEvents =>
  (random, client) => {
    let given: ReturnType<WorkloadEvents>;
    try {
      given = events(random, client);
    } catch (error) {
      throw new Mistake(thrownBy("events", error));
    }
    const why = unfit(given);
    if (why !== undefined) throw new Mistake(`events has given ${why}`);
    return given;
  };

/** What a node refuses a batch for whatever the log has in it: who made the events is to blame. */
const UNFIT_CODES: ReadonlySet<string> = new Set([
  "batch.bad-payload",
  "batch.too-costly",
  "batch.unknown-event-type",
]);

/** What is wrong with `events` where a node refuses what it has given; undefined where that may be as it is. */
export const mistakeOfEvents = (code: string, detail: string): string | undefined => {
  if (!UNFIT_CODES.has(code)) return undefined;
  const hint = code === "batch.unknown-event-type" ? ": is it in `projections`?" : "";
  return `events has given a batch that no node takes, ${code} (${detail})${hint}`;
};
