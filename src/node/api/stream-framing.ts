/**
 * How a stream is written: Server-Sent Events, or one JSON value a line (NDJSON) for programs without an
 * SSE parser. In NDJSON a line with `checkpoint` is a checkpoint, every other line is an event, and an empty
 * line is a sign of life.
 */

import { preferred } from "./accept.ts";

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

/** As the client would rather have it; SSE where it does not say. */
export const framingOf = (accept: string | undefined): Framing => {
  const types = ["text/event-stream", "application/x-ndjson", "application/ndjson"] as const;
  return preferred(accept, types) === "text/event-stream" ? SSE : NDJSON;
};
