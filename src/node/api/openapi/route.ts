/** GET /openapi.json: the description of every route that this node has. */
import type { FastifyInstance } from "fastify";
import { readQuery } from "../query.ts";
import { openApiDocument } from "./document.ts";
import { type DescribedRoute, described, type Operation } from "./operation.ts";

const OPENAPI = {
  id: "getOpenApi",
  tag: "health",
  summary: "this API as an OpenAPI 3.1 document",
  query: {},
  answers: {
    200: { description: "the document", content: { "application/json": { type: "object" } } },
  },
} as const satisfies Operation;

export const openApiRoute = (
  app: FastifyInstance,
  routes: readonly DescribedRoute[],
  version: string,
): void => {
  let text: string | undefined;
  app.get("/openapi.json", described(OPENAPI), async (request, reply) => {
    readQuery(request, OPENAPI.query);
    text ??= JSON.stringify(openApiDocument(routes, version));
    return reply
      .type("application/json; charset=utf-8")
      .header("cache-control", "no-cache")
      .send(text);
  });
};
