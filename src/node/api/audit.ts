/** Final blocks as they are stored, with batches and certificates: all that an auditor needs of a node. */
import type { FastifyInstance } from "fastify";
import { encodeItems, itemBytes } from "../../ledger/audit/item.ts";
import type { ApiContext } from "./context.ts";
import { described, type Operation } from "./openapi/operation.ts";
import { COUNT } from "./openapi/schemas.ts";
import { integer, readQuery } from "./query.ts";

const BYTES_TYPE = "application/octet-stream";

const BLOCKS = {
  id: "listAuditBlocks",
  tag: "ledger",
  summary: "final blocks with batches and certificates, as bytes, for an audit",
  description:
    "Neighbouring final heights, as many as one answer holds, in the encoding of docs/audit.md; none where " +
    "nothing at or above `from` is final here. A certificate stands with the height that it was made for; " +
    "a height without one is final by a later one.",
  query: {
    from: { description: "first height, at least 1", schema: { ...COUNT, minimum: 1, default: 1 } },
  },
  answers: {
    200: {
      description: "the blocks",
      content: { [BYTES_TYPE]: { type: "string", format: "binary" } },
    },
  },
  problems: ["store.corrupt"],
  caching: "none",
} as const satisfies Operation;

export const auditRoutes = (app: FastifyInstance, context: ApiContext): void => {
  app.get("/v1/audit/blocks", described(BLOCKS), async (request, reply) => {
    const query = readQuery(request, BLOCKS.query);
    const from = integer(query.from, "from", {
      min: 1,
      max: Number.MAX_SAFE_INTEGER,
      fallback: 1,
    });
    const items = await context.load.work.run(request, async (turn) => {
      await turn();
      return context.handle.finalBlocks(from);
    });
    const bytes = items.reduce((sum, item) => sum + itemBytes(item), 0);
    context.load.outgoing.addItems(reply, items.length, bytes);
    return reply
      .header("cache-control", "no-store")
      .header("content-type", BYTES_TYPE)
      .send(Buffer.from(encodeItems({ from, items })));
  });
};
