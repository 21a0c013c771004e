/** The API is what its OpenAPI document says, and hostile requests are refused by problems of the table. */
import { readFileSync } from "node:fs";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { utf8 } from "../../src/crypto/codec.ts";
import { fail } from "../../src/errors.ts";
import { templateOf } from "../../src/node/api/openapi/document.ts";
import { productDocument, productRoutes } from "../../src/node/api/openapi/offline.ts";
import type { DescribedRoute, Parameters } from "../../src/node/api/openapi/operation.ts";
import { VERSION } from "../../src/node/version.ts";
import { createTestApi, encodedEvent, type TestApi } from "./fake-ledger.ts";

const routes = productRoutes();
const committed = JSON.parse(
  readFileSync(new URL("../../docs/openapi.json", import.meta.url), "utf8"),
) as { readonly components: { readonly schemas: Readonly<Record<string, object>> } };

describe("docs/openapi.json", () => {
  it("is what npm run docs makes of the routes", () => {
    expect(committed).toEqual(JSON.parse(JSON.stringify(productDocument(VERSION))));
  });

  it("describes every route, each by an id of its own", () => {
    expect(routes.length).toBeGreaterThan(12);
    for (const { method, path, operation } of routes) {
      expect(operation, `${method} ${path}`).toBeDefined();
      const named = [...templateOf(path).matchAll(/\{([^}]+)\}/g)].map(([, name]) => name);
      expect(Object.keys(operation?.path ?? {}), path).toEqual(named);
    }
    const ids = routes.map(({ operation }) => operation?.id);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

/** Bodies are checked by the schema of the document, references and all. */
const ajv = new Ajv2020({ strict: false, validateFormats: false });
ajv.addSchema({ $id: "doc", components: committed.components });
const validators = new Map<string, ValidateFunction>();
const checkBody = (schema: object, value: unknown, what: string): void => {
  const text = JSON.stringify(schema).replaceAll('"#/components', '"doc#/components');
  let validate = validators.get(text);
  if (validate === undefined) {
    validate = ajv.compile(JSON.parse(text) as object);
    validators.set(text, validate);
  }
  expect(validate(value), `${what}: ${ajv.errorsText(validate.errors)}`).toBe(true);
};

const hostile = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.constantFrom(
    "",
    "-1",
    "1e9",
    "9007199254740993",
    "NaN",
    "../..",
    "%00",
    "null",
    "[]",
    "a".repeat(3000),
  ),
  fc.integer().map(String),
);

/** What a parameter is described as taking, its bounds included; and what it does not. */
const texts = (schema: Parameters[string]["schema"]): fc.Arbitrary<string> => {
  const choices = schema["enum"];
  if (Array.isArray(choices)) return fc.oneof(fc.constantFrom(...choices.map(String)), hostile);
  if (schema["type"] === "integer") {
    const [min, max] = [Number(schema["minimum"] ?? 0), Number(schema["maximum"] ?? 2 ** 53 - 1)];
    const bounds = [min, max, min - 1, max + 1].map(String);
    return fc.oneof(
      fc.integer({ min: 0, max: 200 }).map(String),
      fc.constantFrom(...bounds),
      hostile,
    );
  }
  const known = ["records", "a/b", "record.put", "record.*", "0".repeat(64), "end", "true"];
  return fc.oneof(fc.constantFrom(...known), hostile);
};

const requestOf = ({ path, operation }: DescribedRoute): fc.Arbitrary<string> => {
  const parts = Object.entries(operation?.path ?? {}).map(([name, { schema }]) =>
    fc.tuple(fc.constant(name), texts(schema)),
  );
  const queries = Object.entries(operation?.query ?? {}).map(([name, { schema }]) =>
    fc.option(fc.tuple(fc.constant(name), texts(schema)), { freq: 2, nil: undefined }),
  );
  const extra = fc.option(fc.tuple(hostile, hostile), { freq: 8, nil: undefined });
  return fc.tuple(fc.tuple(...parts), fc.tuple(...queries, extra)).map(([names, pairs]) => {
    let url = path;
    for (const [name, value] of names) {
      url = url.replace(name === "path" ? "*" : `:${name}`, () =>
        encodeURIComponent(value.toWellFormed()),
      );
    }
    const given = pairs.filter((pair): pair is [string, string] => pair !== undefined);
    const query = new URLSearchParams(given);
    return given.length === 0 ? url : `${url}?${query}`;
  });
};

let test: TestApi;
beforeAll(async () => {
  test = createTestApi();
  test.ledger.answer = (bytes) =>
    bytes.length % 2 === 0
      ? {
          ok: true,
          value: { batchId: new Uint8Array(32), level: "committed", height: 1, firstIndex: 0 },
        }
      : fail("batch.signature", "not signed");
  for (let n = 0; n < 20; n++) test.ledger.append([encodedEvent("record.put", utf8(`event ${n}`))]);
  await test.api.app.ready();
});
afterAll(() => test.api.stop());

/** Streams are hijacked and have tests of their own over sockets. */
const answersAtOnce = ({ operation }: DescribedRoute): boolean =>
  !Object.values(operation?.answers ?? {}).some(({ content }) => content?.["text/event-stream"]);

const problemSchema = { $ref: "#/components/schemas/Problem" };

describe.each(
  routes.filter(answersAtOnce).map((route) => [`${route.method} ${route.path}`, route] as const),
)("%s", (name, route) => {
  it("answers what it says, or a problem of the table", async () => {
    const body = fc.uint8Array({ maxLength: 300 });
    const type = fc.constantFrom("application/octet-stream", "application/json", "text/plain", "");
    await fc.assert(
      fc.asyncProperty(requestOf(route), body, type, async (url, bytes, contentType) => {
        const method = route.method as "GET" | "POST";
        const headers = {
          host: "[::1]:8440",
          ...(method === "POST" && contentType !== "" ? { "content-type": contentType } : {}),
        };
        const payload = method === "POST" ? Buffer.from(bytes) : undefined;
        // What waits for something ends at once, as if its time were over.
        const late = setInterval(() => test.timers.fireAll(), 1);
        const answer = await test.api.app.inject({
          method,
          url,
          headers,
          ...(payload === undefined ? {} : { payload }),
        });
        clearInterval(late);
        const shown = `${name} ${url} ${answer.statusCode}`;
        const media = String(answer.headers["content-type"] ?? "").split(";")[0] ?? "";
        if (answer.statusCode >= 400) {
          expect(media, shown).toBe("application/problem+json");
          checkBody(problemSchema, answer.json(), shown);
          const { code, status } = answer.json() as { code: string; status: number };
          expect(status).toBe(answer.statusCode);
          expect(["internal"], shown).not.toContain(code);
          return;
        }
        const described = route.operation?.answers[answer.statusCode];
        expect(described, shown).toBeDefined();
        const schema = described?.content?.[media];
        expect(schema, `${shown} ${media}`).toBeDefined();
        if (media === "application/json") checkBody(schema ?? {}, answer.json(), shown);
        for (const header of ["ledger-height", "ledger-genesis", "request-id"]) {
          expect(answer.headers[header], shown).toBeDefined();
        }
      }),
      { numRuns: 150 },
    );
  });
});
