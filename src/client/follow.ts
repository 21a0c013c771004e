/**
 * Follows the event stream over as many connections as it takes: after a break it resumes behind the last
 * id it has seen, so that the reader gets every event once and in order. Knows no clock of its own.
 *
 * The id means a place in one log. When the address comes back with another chain the client says so before
 * its first event (ApiClient.checkChain, by a header of the answer); checkpoints say it too, for a proxy
 * that lets no such header through.
 */
import { TetradError } from "../errors.ts";
import type { ApiClient } from "./api.ts";
import { isObject, parseJson } from "./http.ts";
import type { SseMessage } from "./sse.ts";

export type FollowOptions = {
  readonly client: ApiClient;
  readonly query: Readonly<Record<string, string | number | undefined>>;
  readonly signal: AbortSignal;
  readonly sleep: (ms: number) => Promise<void>;
  /** Called before each wait, with why the stream ended. */
  readonly onBreak: (reason: string) => void;
  /** Connections in a row that may fail before the error is thrown; Infinity goes on for ever. */
  readonly failuresMax: number;
  /** As if the message with this id had been seen already; it wins over `from` in the query. */
  readonly lastId?: string;
};

const PAUSE_MS_MAX = 5_000;

/** The chain that a checkpoint names; null where there is none. */
const chainOf = (base: string, message: SseMessage): string | null => {
  if (message.event !== "checkpoint") return null;
  const value = parseJson(base, message.data);
  const hash = isObject(value) ? value["genesisHash"] : null;
  return typeof hash === "string" ? hash : null;
};

/**
 * Messages until the signal ends it. Throws what the last failed connection said, and folder.foreign when
 * the stream is of another chain than before.
 */
export async function* follow(options: FollowOptions): AsyncGenerator<SseMessage> {
  const { client, query, signal } = options;
  let lastId = options.lastId ?? "";
  let failures = 0;
  while (!signal.aborted) {
    let reason = "the node ended the stream";
    try {
      for await (const message of client.stream(query, lastId, signal)) {
        failures = 0;
        client.checkChain(chainOf(client.base, message));
        if (message.id !== "") lastId = message.id;
        yield message;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof TetradError) || !error.spec.retryable) throw error;
      failures += 1;
      if (failures > options.failuresMax) throw error;
      reason = error.message;
    }
    options.onBreak(reason);
    await options.sleep(Math.min(PAUSE_MS_MAX, 250 * 2 ** Math.min(failures, 10)));
  }
}
