/** Pages of the log by global index. */
import type { FastifyInstance } from "fastify";
import { toHex } from "../../crypto/bytes.ts";
import { TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import type { ApiContext } from "./context.ts";
import { decodeIndexCursor, encodeIndexCursor } from "./cursor.ts";
import { entryJson } from "./json.ts";
import { described, type Operation, values } from "./openapi/operation.ts";
import { AFTER, COUNT, LIMIT, ref, TEXT, TYPE } from "./openapi/schemas.ts";
import { integer, readQuery, typeFilter } from "./query.ts";
import { scan } from "./read.ts";

const PAGE = {
  id: "listEvents",
  tag: "ledger",
  summary: "a page of the log",
  query: {
    from: {
      description: "index to begin at; not together with after",
      schema: { ...COUNT, default: 0 },
    },
    after: AFTER,
    limit: LIMIT(LIMITS.httpPageMax, LIMITS.httpPageDefault),
    type: TYPE,
  },
  answers: {
    200: {
      description: "events in the order of the log",
      content: values(ref("EventPage")),
      headers: { Link: { description: "the next page, where there is one", schema: TEXT } },
    },
  },
  problems: ["http.bad-cursor"],
} as const satisfies Operation;

export const eventRoutes = (app: FastifyInstance, context: ApiContext): void => {
  app.get("/v1/events", described(PAGE), async (request, reply) => {
    const query = readQuery(request, PAGE.query);
    if (query.from !== undefined && query.after !== undefined) {
      throw new TetradError("http.bad-parameter", "from and after exclude each other", {
        parameter: "after",
      });
    }
    const limit = integer(query.limit, "limit", {
      min: 1,
      max: LIMITS.httpPageMax,
      fallback: LIMITS.httpPageDefault,
    });
    const filter = typeFilter(query.type);
    const list = `events/${query.type ?? ""}`;
    const from =
      query.after === undefined
        ? integer(query.from, "from", { min: 0, max: Number.MAX_SAFE_INTEGER, fallback: 0 })
        : decodeIndexCursor(list, query.after);
    const { entries, next } = await scan(context, from, {
      limit,
      bytesMax: LIMITS.httpPageBytesMax,
      filter,
      charge: (count, bytes) => context.load.outgoing.addItems(reply, count, bytes),
    });
    const status = context.handle.status();
    const more = next < status.logSize;
    const cursor = encodeIndexCursor(list, next);
    if (more) {
      const type = query.type === undefined ? "" : `&type=${encodeURIComponent(query.type)}`;
      reply.header("link", `</v1/events?after=${cursor}&limit=${limit}${type}>; rel="next"`);
    }
    return reply.header("cache-control", "no-store").send({
      items: entries.map((entry) => entryJson(entry, context.formats, context.handle.timeOf)),
      // Always there: at the end of the log it is where the next page will begin.
      next: cursor,
      more,
      logSize: status.logSize,
      logRoot: toHex(status.logRoot),
      height: status.executedHeight,
    });
  });
};
