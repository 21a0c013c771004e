/** `nexus tail`: follows the log. */
import type { EventJson } from "../../client/api.ts";
import type { Client } from "../../client/client.ts";
import { TetradError } from "../../errors.ts";
import { toBase64url } from "../../ledger/verify/base64url.ts";
import { REGISTRY } from "../../node/formats.ts";
import { nearest } from "../../node/suggest.ts";
import type { CliContext } from "../context.ts";
import { eventsFrom } from "../follow-events.ts";
import { formatNdjson, paint, printable, type Terminal } from "../output.ts";
import { verifiedClient } from "../verified-client.ts";
import { padEnd, short, widthOf } from "../width.ts";

type TailOptions = {
  readonly from?: string;
  readonly type?: string;
  readonly limit?: number;
  readonly follow: boolean;
  readonly verify?: boolean;
  readonly trust?: string;
  readonly state?: string;
  /** Seconds. */
  readonly maxAge?: number;
};

/** What a terminal shows before it follows, when nothing was asked for. */
const LAST_EVENTS = 10;

/** Where nothing is waited for, -n means the last events, not the first of the last ten. */
const lastOf = ({ follow, limit, type }: TailOptions): number => {
  if (follow || limit === undefined) return LAST_EVENTS;
  return type === undefined ? limit : Math.max(limit, LAST_EVENTS);
};

/** Of the type that is asked for, the last -n of the last ten events: they can only be counted from the end. */
async function* lastOfType<E>(events: AsyncIterable<E>, options: TailOptions): AsyncGenerator<E> {
  const { from, follow, type, limit = LAST_EVENTS } = options;
  if (follow || from !== undefined || type === undefined || limit >= LAST_EVENTS) {
    yield* events;
    return;
  }
  const kept: E[] = [];
  for await (const event of events) kept.push(event);
  yield* kept.slice(-limit);
}

/** Where --from says to begin; without it so many events before the end. Throws cli.usage. */
export const startOf = (text: string | undefined, logSize: number, last: number): number => {
  if (text === undefined) return Math.max(0, logSize - last);
  if (text === "end") return logSize;
  const index = /^(0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(index)) {
    throw new TetradError("cli.usage", `--from ${text} is not an index or "end"`);
  }
  return index;
};

export const tail = async (context: CliContext, options: TailOptions): Promise<void> => {
  if (options.verify === true) return verifiedTail(context, options);
  const { trust, state, maxAge } = options;
  if (trust !== undefined || state !== undefined || maxAge !== undefined) {
    throw new TetradError("cli.usage", "--trust, --state and --max-age belong to --verify");
  }
  const client = context.client();
  const { logSize } = await client.status(context.signal);
  const from = startOf(options.from, logSize, lastOf(options));
  noteNothing(context, options, from, logSize);
  const print = printerOf(context);
  let left = options.limit ?? Number.POSITIVE_INFINITY;
  const { type, follow } = options;
  const most = type === undefined || options.from !== undefined ? options.limit : undefined;
  const events = eventsFrom(context, { client, from, type, follow, most });
  for await (const event of lastOfType(events, options)) {
    print(event);
    left -= 1;
    if (left === 0) return;
  }
};

/**
 * Why nothing comes where that may be a slip: a type that this program does not know, or a start behind the
 * end. A newer node may know more types, so it is no error.
 */
const noteNothing = (
  context: CliContext,
  { type, follow: waits }: TailOptions,
  from: number,
  logSize: number,
): void => {
  const meant = type === undefined ? undefined : unknownType(type);
  if (meant !== undefined) context.note(meant);
  if (from > logSize) {
    const then = waits ? `waiting for event ${from}` : `there is no event ${from} yet`;
    context.note(`the log has ${logSize} events; ${then}`);
  }
};

/** A note on a type, or a pattern with * at its end, that no known event is of; undefined for any other. */
export const unknownType = (type: string): string | undefined => {
  const known = [...new Set(REGISTRY.definitions.map((definition) => definition.type))];
  const begin = type.endsWith("*") ? type.slice(0, -1) : undefined;
  const fits = (one: string): boolean =>
    begin === undefined ? one === type : one.startsWith(begin);
  if (known.some(fits)) return undefined;
  const meant = nearest(type, known);
  const hint = meant === undefined ? `known are ${known.join(", ")}` : `did you mean "${meant}"?`;
  return `no event of a type that this version knows is ${printable(type)}; ${hint}`;
};

/** Every event is proven before it is printed; any node of the development network may answer. */
const verifiedTail = async (context: CliContext, options: TailOptions): Promise<void> => {
  const { signal } = context;
  const client = verifiedClient(context, options);
  const size = await provenSize(client, signal);
  const from = startOf(options.from, size, lastOf(options));
  noteNothing(context, options, from, size);
  const events = client.events({
    from,
    follow: options.follow,
    signal,
    onBreak: (reason) => context.note(`${reason}; resuming`),
    ...(options.type === undefined ? {} : { types: [options.type] }),
  });
  const print = printerOf(context);
  let left = options.limit ?? Number.POSITIVE_INFINITY;
  for await (const { claimedTime, payload, ...event } of lastOfType(events, options)) {
    const time = claimedTime === undefined ? {} : { time: claimedTime };
    print({ ...event, ...time, payload: toBase64url(payload) });
    left -= 1;
    if (left === 0) return;
  }
};

/** Events in the log, by a header: an end that a node makes up would be waited for for ever. */
const provenSize = async (client: Client, signal: AbortSignal): Promise<number> => {
  const { logSize } = await client.status({ signal });
  if (logSize > 0) await client.event(logSize - 1, { signal });
  return (await client.head())?.logSize ?? 0;
};

const printerOf = (context: CliContext): ((event: EventJson) => void) => {
  const { terminal } = context;
  // A stream has no end, so JSON can only be one value a line.
  if (context.format !== "table") return (event) => terminal.out(formatNdjson(event));
  const widths = { type: TYPE_CELLS, outcome: 2 };
  return (event) => terminal.out(`${eventLine(event, terminal, widths)}\n`);
};

/** Cells of the columns so far: a stream has no end, so they grow with what was printed. */
type Widths = { type: number; outcome: number };

/** The longest of the types that come all the time. */
const TYPE_CELLS = 10;

const DATA_CELLS = 101;
/** Of the data in a narrow terminal, where the line wraps rather than say nothing. */
const DATA_CELLS_MIN = 20;

export const eventLine = (event: EventJson, terminal: Terminal, widths: Widths): string => {
  const color = terminal.colorOut;
  const accepted = event.outcome.kind === "accepted";
  const outcome = accepted ? "ok" : printable(event.outcome.code ?? "refused");
  const type = printable(event.type);
  widths.type = Math.max(widths.type, widthOf(type));
  widths.outcome = Math.max(widths.outcome, widthOf(outcome));
  const data = JSON.stringify(event.data ?? event.payload) ?? "";
  const time = printable(String(event.time ?? "").slice(11, 23));
  const index = String(event.index).padStart(7);
  // Where people look, an event is a line.
  const used = widthOf(index) + widthOf(time) + widths.type + widths.outcome + 8;
  const room = terminal.outIsTerminal ? terminal.columns() - used : DATA_CELLS;
  const cells = Math.min(DATA_CELLS, Math.max(DATA_CELLS_MIN, room));
  return [
    index,
    paint(color, "dim", time),
    padEnd(type, widths.type),
    paint(color, accepted ? "green" : "red", padEnd(outcome, widths.outcome)),
    short(printable(data), cells),
  ].join("  ");
};
