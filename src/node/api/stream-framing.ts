/**
 * How a stream is written: Server-Sent Events, or one JSON value a line (NDJSON) for programs without an
 * SSE parser. In NDJSON a line with `checkpoint` is a checkpoint, every other line is an event, and an empty
 * line is a sign of life.
 */

export type Framing = {
  readonly contentType: string;
  /** What a stream begins with. */
  readonly preamble: string;
  readonly heartbeat: string;
  event(index: number, json: string): string;
  /** `last` is the index of the last event that was looked at; below 0 before the first. */
  checkpoint(last: number, json: string): string;
};

const SSE: Framing = {
  contentType: "text/event-stream; charset=utf-8",
  preamble: "retry: 1000\n\n",
  heartbeat: ": heartbeat\n\n",
  event: (index, json) => `id: ${index}\ndata: ${json}\n\n`,
  checkpoint: (last, json) =>
    `${last < 0 ? "" : `id: ${last}\n`}event: checkpoint\ndata: ${json}\n\n`,
};

const NDJSON: Framing = {
  contentType: "application/x-ndjson; charset=utf-8",
  preamble: "",
  heartbeat: "\n",
  event: (_index, json) => `${json}\n`,
  checkpoint: (_last, json) => `{"checkpoint":${json}}\n`,
};

/** NDJSON where the client names it, and no event stream before it; SSE else. */
export const framingOf = (accept: string | undefined): Framing => {
  const types = (accept ?? "").split(",").map((part) => part.split(";")[0]?.trim().toLowerCase());
  const lines = ["application/x-ndjson", "application/ndjson"]
    .map((type) => types.indexOf(type))
    .filter((at) => at >= 0);
  const sse = types.indexOf("text/event-stream");
  return lines.some((at) => sse < 0 || at < sse) ? NDJSON : SSE;
};
