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

const answerOf = (answer: Answer): Json => ({
  description: answer.description,
  headers: Object.fromEntries([
    ...Object.keys(HEADERS).map((name) => [name, headerRef(name)]),
    ...objectEntries(answer.headers ?? {}),
  ]),
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
      content: {
        "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } },
      },
    };
  }
  return answers;
};

const operationOf = ({ operation }: DescribedRoute): Json => {
  if (operation === undefined) return {};
  const { body } = operation;
  const answers = objectEntries(operation.answers).map(([status, answer]) => [
    status,
    answerOf(answer),
  ]);
  return {
    operationId: operation.id,
    tags: [operation.tag],
    summary: operation.summary,
    ...(operation.description === undefined ? {} : { description: operation.description }),
    parameters: [
      ...parametersOf("path", operation.path),
      ...parametersOf("query", operation.query),
      ...parametersOf("header", operation.headers),
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
        "Everything that is read is public and final; a write is authorised by the signature of its batch.",
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
