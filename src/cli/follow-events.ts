/** The events of the log as the verbs read them that tail it: up to its end, or for ever. */
import type { EventJson } from "../client/api.ts";
import { follow } from "../client/follow.ts";
import { parseJson } from "../client/http.ts";
import { sleep } from "../node/real-ports.ts";
import type { CliContext } from "./context.ts";

export type EventsAsked = {
  readonly client: ReturnType<CliContext["client"]>;
  readonly from: number;
  /** An event type or a prefix; all without it. */
  readonly type: string | undefined;
  /** Goes on at the end of the log, over nodes that go away and come back. */
  readonly follow: boolean;
  /** Most that are read where it ends; whoever follows stops by itself. */
  readonly most?: number | undefined;
};

/** Yields each event once, in order. Throws what the client throws. */
export async function* eventsFrom(
  context: CliContext,
  asked: EventsAsked,
): AsyncGenerator<EventJson> {
  const { client, from, type, most = Number.POSITIVE_INFINITY } = asked;
  const { signal } = context;
  if (!asked.follow) {
    for await (const item of client.items("/v1/events", { from, type }, most, signal)) {
      yield item as EventJson;
    }
    return;
  }
  if (context.terminal.outIsTerminal) context.note("following; Ctrl-C ends");
  const messages = follow({
    client,
    query: { from, type },
    signal,
    sleep,
    onBreak: (reason) => context.note(`${reason}; resuming`),
    failuresMax: Number.POSITIVE_INFINITY,
  });
  for await (const { event, data } of messages) {
    if (event === "message") yield parseJson(client.base, data) as EventJson;
  }
}
