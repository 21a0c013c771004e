/**
 * Mistakes of what a caller has brought along, such as the module of --with: it throws, or gives what cannot be used.
 * No node has crashed then, and nothing is known to be wrong with the network, so they have an id of their own.
 */
import type { Failure } from "../src/errors.ts";
import { decodeEvent } from "../src/ledger/event.ts";
import type { EncodedEvent } from "../src/ledger/types.ts";
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

/** Whether it is a promise, for which no run waits. What that rejects with would else end the process. */
export const isAsync = (value: unknown): boolean => {
  if (typeof value !== "object" || value === null || !("then" in value)) return false;
  const { then } = value;
  if (typeof then === "function") then.call(value, undefined, () => undefined);
  return true;
};

const isEvent = (value: unknown): value is { readonly bytes: Uint8Array } =>
  typeof value === "object" &&
  value !== null &&
  "bytes" in value &&
  value.bytes instanceof Uint8Array;

const refuse = (why: string): never => {
  throw new Mistake(`events has given ${why}`);
};

/** What was given as the events of a batch; throws a mistake where no batch can hold it. */
const eventsOf = (given: unknown): EncodedEvent[] => {
  const { eventsPerBatchMax, batchEventBytesMax } = SCENARIO_LIMITS;
  const none = "no list of events, as encode() of their definitions gives them";
  if (!Array.isArray(given))
    return refuse(`${none}${isAsync(given) ? ": it must not be async" : ""}`);
  if (given.length > eventsPerBatchMax) {
    refuse(`${given.length} events for one batch, which takes at most ${eventsPerBatchMax}`);
  }
  // A list may have holes, which `every` would pass over.
  const list: readonly unknown[] = Array.from(given);
  if (!list.every(isEvent)) return refuse(none);
  const sizes = list.map(({ bytes }) => bytes.length);
  const largest = Math.max(0, ...sizes);
  if (largest > LIMITS.eventBytesMax) {
    refuse(`an event of ${largest} bytes: ${LIMITS.eventBytesMax} is the most`);
  }
  const all = sizes.reduce((sum, size) => sum + size, 0);
  if (all > batchEventBytesMax) {
    refuse(`${all} bytes of events for one batch, which takes at most ${batchEventBytesMax}`);
  }
  return list.map(({ bytes }) => {
    const event = decodeEvent(bytes);
    return event.ok ? event.value : refuse(`${none}: ${event.detail}`);
  });
};

/** What a node refuses a batch for whatever the log has in it: who made the events is to blame. */
const UNFIT_CODES: ReadonlySet<string> = new Set([
  "batch.bad-payload",
  "batch.too-costly",
  "batch.unknown-event-type",
]);

export type OwnEvents = {
  readonly events: WorkloadEvents;
  /** What is wrong with `events` where a node refuses this batch; undefined where it is not they that it refuses. */
  mistakeOf(refusal: Failure, batch: readonly EncodedEvent[]): string | undefined;
};

/** The same events; what is wrong with them is thrown as a mistake. */
export const guardedEvents = (events: WorkloadEvents): OwnEvents => {
  const own = new WeakSet<EncodedEvent>();
  const isToBlame = ({ data }: Failure, batch: readonly EncodedEvent[]): boolean => {
    const others = batch.filter((event) => !own.has(event));
    if (others.length === 0) return true;
    // Where clients have added theirs to the batch, the refusal says which type it is for.
    const isOf = ({ type }: EncodedEvent): boolean => type === data?.["type"];
    return batch.some(isOf) && !others.some(isOf);
  };
  return {
    events: (random, client) => {
      let given: unknown;
      try {
        given = events(random, client);
      } catch (error) {
        throw new Mistake(thrownBy("events", error));
      }
      const taken = eventsOf(given);
      for (const event of taken) own.add(event);
      return taken;
    },
    mistakeOf: (refusal, batch) => {
      const { code, detail } = refusal;
      if (!UNFIT_CODES.has(code) || !isToBlame(refusal, batch)) return undefined;
      const hint = code === "batch.unknown-event-type" ? ": is it in `projections`?" : "";
      return `events has given a batch that no node takes, ${code} (${detail})${hint}`;
    },
  };
};
