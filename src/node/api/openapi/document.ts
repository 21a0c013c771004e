/** The OpenAPI 3.1 document, made from the descriptions of the routes and the table of errors. */
import { ERRORS, type ErrorCode } from "../../../errors.ts";
import type { Json } from "../context.ts";
import { type Answer, type DescribedRoute, objectEntries, type Parameters } from "./operation.ts";
import { COUNT, HASH, SCHEMAS, TEXT } from "./schemas.ts";

/** What any route may answer, whatever it is for. */
const COMMON: readonly ErrorCode[] = [
  "http.host",
  "http.malformed",
  "http.header-too-large",
  "http.request-timeout",
  "http.bad-parameter",
  "http.unknown-parameter",
  "node.stopping",
  "node.overloaded",
  "internal",
];

const HEADERS: Parameters = {
  "Ledger-Height": {
    description: "executed height that what is read is not older than",
    schema: COUNT,
  },
  "Ledger-Checkpoint": {
    description: "size and root of the log at that height: a number, a space, 64 hex digits",
    schema: { ...TEXT, pattern: "^[0-9]+ [0-9a-f]{64}$" },
  },
  "Ledger-Genesis": { description: "hash of the chain's genesis", schema: HASH },
  "Request-Id": { description: "the node's log has it too", schema: TEXT },
};

/** Of answers that a client may keep and ask for again by their tag (RFC 9110, 8.8.3 and 13.1.2). */
const TAG: Parameters = {
  ETag: { description: "strong, of the bytes of this answer", schema: TEXT },
  "Cache-Control": {
    description: "immutable for what is named by a height or an index, no-cache for the rest",
    schema: TEXT,
  },
};

const IF_NONE_MATCH: Parameters = {
  "If-None-Match": {
    description: "tags that the client has: answered 304 where this is one of them",
    schema: TEXT,
  },
};

const RETRY_AFTER: Parameters = {
  "Retry-After": { description: "seconds after which to come again", schema: COUNT },
};

const headerRef = (name: string): Json => ({ $ref: `#/components/headers/${name}` });

const parametersOf = (
  place: "path" | "query" | "header",
  parameters: Parameters = {},
): readonly Json[] =>
  objectEntries(parameters).map(([name, { description, schema, example }]) => ({
    name,
    in: place,
    required: place === "path",
    description,
    schema,
    ...(example === undefined ? {} : { example }),
  }));

const contentOf = (answer: Answer): Json =>
  Object.fromEntries(
    objectEntries(answer.content ?? {}).map(([type, schema]) => [type, { schema }]),
  );

/** The headers of every answer, and its own. */
const headersOf = (own: Parameters): Json =>
  Object.fromEntries([
    ...Object.keys(HEADERS).map((name) => [name, headerRef(name)]),
    ...objectEntries(own),
  ]);

const answerOf = (answer: Answer, more: Parameters): Json => ({
  description: answer.description,
  headers: headersOf({ ...answer.headers, ...more }),
  ...(answer.content === undefined ? {} : { content: contentOf(answer) }),
});

/** One answer a status: the codes that have it are listed in its description. */
const problemsOf = (codes: readonly ErrorCode[]): Readonly<Record<string, Json>> => {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of new Set(codes)) {
    const { status } = ERRORS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const answers: Record<string, Json> = {};
  for (const [status, same] of byStatus) {
    answers[status] = {
      description: same.map((code) => `${code}: ${ERRORS[code].title}`).join("; "),
      headers: headersOf(status === 503 ? RETRY_AFTER : {}),
      content: {
        "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } },
      },
    };
  }
  return answers;
};

const operationOf = ({ method, operation }: DescribedRoute): Json => {
  if (operation === undefined) return {};
  const { body } = operation;
  const isTagged = method === "GET" && operation.caching !== "none";
  const answers = objectEntries(operation.answers).map(([status, answer]): [string, Json] => [
    status,
    answerOf(answer, isTagged ? TAG : {}),
  ]);
  if (isTagged) {
    const unchanged = { description: "the client has this answer already" };
    answers.push(["304", answerOf(unchanged, TAG)]);
  }
  return {
    operationId: operation.id,
    tags: [operation.tag],
    summary: operation.summary,
    ...(operation.description === undefined ? {} : { description: operation.description }),
    parameters: [
      ...parametersOf("path", operation.path),
      ...parametersOf("query", operation.query),
      ...parametersOf("header", { ...operation.headers, ...(isTagged ? IF_NONE_MATCH : {}) }),
    ],
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            description: body.description,
            content: contentOf(body),
          },
        }),
    responses: {
      ...Object.fromEntries(answers),
      ...problemsOf([...(operation.problems ?? []), ...COMMON]),
    },
  };
};

/** A path as OpenAPI writes it: `/v1/batches/{id}`. A wildcard of the router is named `path`. */
export const templateOf = (path: string): string =>
  path.replaceAll(/:([A-Za-z]+)/g, "{$1}").replace("*", "{path}");

export const openApiDocument = (routes: readonly DescribedRoute[], version: string): Json => {
  const byPath = Map.groupBy(routes, ({ path }) => templateOf(path));
  const paths: Record<string, Json> = {};
  for (const path of [...byPath.keys()].sort()) {
    const methods = byPath.get(path) ?? [];
    paths[path] = Object.fromEntries(
      methods.map((route) => [route.method.toLowerCase(), operationOf(route)]),
    );
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Tetrad node API",
      version,
      description:
        "Everything that is read is public and final; a write is authorised by the signature of its batch, or of its order.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "http://[::1]:8440", description: "the first node of `nexus dev`" }],
    paths,
    components: {
      schemas: SCHEMAS,
      headers: Object.fromEntries(objectEntries(HEADERS)),
    },
  };
};
