/**
 * How a route is described. `app.get(path, described({ … }), handler)` registers a route together with its
 * part of the OpenAPI document; a route without a description, or one whose handler takes a query parameter
 * that is not described, fails test/node/openapi.test.ts. To add a route:
 *
 * 1. write the operation beside the handler: its id, what it is for, parameters, answers, and the codes of
 *    src/errors.ts that are its own (those that any route may give are added to all, see document.ts);
 * 2. read the query by `readQuery(request, operation.query)`, so that nothing else is taken;
 * 3. put the shape of an answer into schemas.ts if another route has it too;
 * 4. run `npm run docs`, which writes docs/openapi.json and the routes of docs/api.md.
 */
import type { FastifyInstance } from "fastify";
import type { ErrorCode } from "../../../errors.ts";
import type { Json } from "../context.ts";

/** JSON Schema 2020-12, as OpenAPI 3.1 has it. */
export type Schema = { readonly [keyword: string]: Json };

export type Parameter = {
  readonly description: string;
  readonly schema: Schema;
  readonly example?: Json;
};

export type Parameters = { readonly [name: string]: Parameter };

export type Content = { readonly [mediaType: string]: Schema };

export type Answer = {
  readonly description: string;
  /** None for an answer without a body. */
  readonly content?: Content;
  readonly headers?: Parameters;
};

export type Tag =
  | "ledger"
  | "state"
  | "network"
  | "health"
  | "tlog"
  | "ca"
  | "ct"
  | "audit"
  | "objects";

export type Operation = {
  /** Unique; generators of clients make a method name of it. */
  readonly id: string;
  readonly tag: Tag;
  /** One line, for the table of docs/api.md. */
  readonly summary: string;
  readonly description?: string;
  /** The names in the path, `:name` as the router writes them. */
  readonly path?: Parameters;
  readonly query: Parameters;
  readonly headers?: Parameters;
  readonly body?: { readonly description: string; readonly content: Content };
  readonly answers: { readonly [status: number]: Answer };
  readonly problems?: readonly ErrorCode[];
  /** Answers to GET have a tag and may be answered 304, but for what is about this moment. */
  readonly caching?: "none";
};

declare module "fastify" {
  interface FastifyContextConfig {
    operation?: Operation;
  }
}

/** The options of a route that is described by `operation`. */
export const described = (
  operation: Operation,
): { readonly config: { readonly operation: Operation } } => ({ config: { operation } });

export type DescribedRoute = {
  readonly method: string;
  /** As the router has it: `/v1/batches/:id`. */
  readonly path: string;
  readonly operation: Operation | undefined;
};

/** Every route that is added to `app` from now on, in order; HEAD comes with GET and is not listed. */
export const collectRoutes = (app: FastifyInstance): readonly DescribedRoute[] => {
  const routes: DescribedRoute[] = [];
  app.addHook("onRoute", ({ method, url, config }) => {
    for (const name of [method].flat()) {
      if (name !== "HEAD") routes.push({ method: name, path: url, operation: config?.operation });
    }
  });
  return routes;
};

/** The same content as JSON and, for programs that ask for it, as MessagePack. */
export const values = (schema: Schema): Content => ({
  "application/json": schema,
  "application/msgpack": schema,
});

/** Entries of a record, in order. */
export const objectEntries = <T>(record: { readonly [key: string]: T }): [string, T][] =>
  Object.entries(record);
