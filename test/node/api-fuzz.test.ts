/**
 * A server against docs/openapi.json, over sockets: whatever a request is, its answer is one that the
 * document has for that route, of a type and a shape that it names there.
 */
import { Agent, type IncomingHttpHeaders, request } from "node:http";
import { connect } from "node:net";
import fc from "fast-check";
import { unpack } from "msgpackr";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { utf8 } from "../../src/crypto/codec.ts";
import { fail } from "../../src/errors.ts";
import { LIMITS } from "../../src/limits.ts";
import { createTestApi, encodedEvent, HASH, type TestApi } from "./fake-ledger.ts";
import {
  checkBody,
  committed,
  type Operation,
  type Parameter,
  type Schema,
} from "./openapi-document.ts";

const operations = Object.entries(committed.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(
    ([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const,
  ),
);

const hostile = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.constantFrom("", "-1", "1e9", "9007199254740993", "NaN", "../..", "%00", "null", "[]", "{}"),
  fc.constantFrom("a".repeat(3000), "a".repeat(LIMITS.httpUrlBytesMax)),
  fc.integer().map(String),
);

/** What a parameter is described as taking, its bounds included; and what it does not. */
const texts = (schema: Schema): fc.Arbitrary<string> => {
  const choices = schema["enum"];
  if (Array.isArray(choices)) return fc.oneof(fc.constantFrom(...choices.map(String)), hostile);
  if (schema["type"] === "integer") {
    const [min, max] = [Number(schema["minimum"] ?? 0), Number(schema["maximum"] ?? 2 ** 53 - 1)];
    const bounds = [min, max, min - 1, max + 1].map(String);
    const usual = fc.integer({ min: 0, max: 200 }).map(String);
    return fc.oneof(usual, fc.constantFrom(...bounds), hostile);
  }
  if (schema["type"] === "boolean") return fc.oneof(fc.constantFrom("true", "false"), hostile);
  const hash = Buffer.from(HASH).toString("hex");
  const key = Buffer.from("a/b").toString("base64url");
  const known = ["records", "a/b", "record.put", "record.*", "0".repeat(64), hash, "end", key];
  return fc.oneof(fc.constantFrom(...known), hostile);
};

/** What may stand in a header of a request: everything else does not leave a client. */
const headerText = (text: string): string => text.replaceAll(/[^\x20-\x7e]/g, "?").trim();

type Asked = {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
};

const pairsOf = (operation: Operation, place: Parameter["in"]) =>
  operation.parameters
    .filter((parameter) => parameter.in === place)
    .map(({ name, schema }) => fc.tuple(fc.constant(name), texts(schema)));

const optional = <T>(values: fc.Arbitrary<T>, freq: number) =>
  fc.option(values, { freq, nil: undefined });

const given = <T>(values: readonly (T | undefined)[]): T[] =>
  values.filter((value) => value !== undefined);

/** Headers that any request may have. */
const usualHeaders: readonly fc.Arbitrary<[string, string] | undefined>[] = [
  ["accept", fc.constantFrom("application/json", "application/msgpack", "text/html", "*/*", ",;")],
  ["if-none-match", fc.constantFrom("*", '"x"', 'W/"x", "y"', "x")],
  ["content-type", fc.constantFrom("application/octet-stream", "application/json", "text/plain")],
  ["range", fc.constantFrom("bytes=0-3", "bytes=x")],
].map(([name, values]) =>
  optional(fc.tuple(fc.constant(name as string), values as fc.Arbitrary<string>), 2),
);

const requestOf = (template: string, operation: Operation): fc.Arbitrary<Asked> => {
  const names = fc.tuple(...pairsOf(operation, "path"));
  const queries = pairsOf(operation, "query").map((pair) => optional(pair, 2));
  const unknown = optional(fc.tuple(hostile, hostile), 8);
  const headers = fc.tuple(
    ...pairsOf(operation, "header").map((pair) => optional(pair, 2)),
    ...usualHeaders,
  );
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.constant(new Uint8Array(LIMITS.httpBodyBytesMax + 1)),
  );
  return fc
    .record({ names, pairs: fc.tuple(...queries, unknown), headers, body })
    .map(({ names: parts, pairs, headers: some, body: bytes }) => {
      let path = template;
      for (const [name, value] of parts) {
        path = path.replace(`{${name}}`, () => encodeURIComponent(value.toWellFormed()));
      }
      const query = new URLSearchParams(given(pairs));
      return {
        path: query.size === 0 ? path : `${path}?${query}`,
        headers: Object.fromEntries(
          given(some).map(([name, value]) => [name.toLowerCase(), headerText(value)]),
        ),
        body: bytes,
      };
    });
};

let test: TestApi;
let port: number;
const agent = new Agent({ keepAlive: true, maxSockets: 4 });
let late: NodeJS.Timeout;

beforeAll(async () => {
  test = createTestApi();
  test.ledger.answer = (bytes) =>
    bytes.length % 2 === 0
      ? { ok: true, value: { batchId: HASH, level: "committed", height: 1, firstIndex: 0 } }
      : fail("batch.signature", "not signed");
  for (let n = 0; n < 20; n++) test.ledger.append([encodedEvent("record.put", utf8(`event ${n}`))]);
  test.ledger.rowsByName.set("records", [[utf8("a/b"), utf8("row")]]);
  port = (await test.api.listen({ host: "::1", port: 0 })).port;
  // What waits for something ends at once, as if its time were over.
  late = setInterval(() => {
    test.timers.fire(0);
    for (const { delayMs } of [...test.timers.pending.values()]) {
      if (delayMs <= LIMITS.httpWaitMsMax && delayMs !== LIMITS.httpHeartbeatMs)
        test.timers.fire(delayMs);
    }
  }, 1);
});
afterAll(async () => {
  clearInterval(late);
  agent.destroy();
  await test.api.stop();
});

type Answer = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
};

const STREAMS = new Set(["text/event-stream", "application/x-ndjson"]);
const mediaOf = (headers: IncomingHttpHeaders): string =>
  (headers["content-type"] ?? "").split(";")[0] ?? "";

/** Of a stream only the first piece is read: it does not end. */
const send = (method: string, { path, headers, body }: Asked, withBody: boolean): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const asked = request(
      { host: "::1", port, method, path, agent, headers: { ...headers, host: "[::1]:8440" } },
      (response) => {
        const { statusCode: status = 0, headers: got } = response;
        const pieces: Buffer[] = [];
        const done = (): void => resolve({ status, headers: got, body: Buffer.concat(pieces) });
        response.on("data", (piece: Buffer) => {
          pieces.push(piece);
          if (status === 200 && STREAMS.has(mediaOf(got))) {
            done();
            response.destroy();
          }
        });
        response.on("end", done);
        response.on("error", reject);
      },
    );
    asked.on("error", reject);
    asked.end(withBody ? body : undefined);
  });

const HEADERS = ["ledger-height", "ledger-checkpoint", "ledger-genesis", "request-id"];

const checkAnswer = (operation: Operation, answer: Answer, shown: string): void => {
  const { status, headers, body } = answer;
  for (const header of HEADERS) expect(headers[header], shown).toBeDefined();
  for (const header of Object.keys(operation.responses[status]?.headers ?? {})) {
    if (header !== "Link")
      expect(headers[header.toLowerCase()], `${shown} ${header}`).toBeDefined();
  }
  expect(headers["etag"] !== undefined, shown).toBe("304" in operation.responses && status < 400);
  if (status === 304) {
    expect([body.length, headers["etag"]], shown).toEqual([0, expect.any(String)]);
    return;
  }
  const response = operation.responses[status];
  expect(response, shown).toBeDefined();
  const media = mediaOf(headers);
  const content = response?.content?.[media];
  expect(content, `${shown} ${media}`).toBeDefined();
  if (status === 503 || status === 429) expect(headers["retry-after"], shown).toMatch(/^\d+$/);
  if (media === "application/msgpack") expect(unpack(body), shown).toBeTypeOf("object");
  if (media === "application/json" || media === "application/problem+json") {
    const value = JSON.parse(body.toString()) as { code?: string; status?: number };
    checkBody(content?.schema ?? {}, value, shown);
    if (status < 400) return;
    expect(value.status, shown).toBe(status);
    expect(response?.description, shown).toContain(`${value.code}: `);
    expect(value.code, shown).not.toBe("internal");
  }
};

describe.each(operations)("%s", (name, operation) => {
  const [method = "", path = ""] = name.split(" ");

  it("answers what the document says, whatever it is asked", async () => {
    await fc.assert(
      fc.asyncProperty(requestOf(path, operation), async (asked) => {
        const answer = await send(method, asked, operation.requestBody !== undefined);
        const shown = `${name} ${JSON.stringify(asked.path)} ${JSON.stringify(asked.headers)} ${answer.status} ${answer.body.toString().slice(0, 300)}`;
        checkAnswer(operation, answer, shown);
      }),
      { numRuns: 150 },
    );
  }, 60_000);

  it("says so when the head of a request is over the limit", async () => {
    const headers = { "last-event-id": "a".repeat(LIMITS.httpHeaderBytesMax) };
    const asked = { path: path.replaceAll(/\{[^}]+\}/g, "1"), headers, body: new Uint8Array() };
    const answer = await send(method, asked, false);
    expect(answer.status).toBe(431);
    checkAnswer(operation, answer, `${name} ${answer.status}`);
  });

  const taken = operations.map(([known]) => known).filter((known) => known.endsWith(` ${path}`));
  const others = ["DELETE", "PUT", "PATCH"].filter((other) => !taken.includes(`${other} ${path}`));

  it.each(others)("does not take %s", async (other) => {
    const asked = { path: path.replaceAll(/\{[^}]+\}/g, "1"), headers: {}, body: new Uint8Array() };
    const answer = await send(other, asked, false);
    expect(JSON.parse(answer.body.toString())).toMatchObject({ status: 405, code: "http.method" });
    expect(answer.headers["allow"]?.split(", ")).toContain(method);
  });
});

const provable = operations.filter(([, { parameters }]) =>
  parameters.some(({ name }) => name === "proof"),
);

describe.each(provable)("%s, with a proof", (name, operation) => {
  it("is a bundle, beside any other parameters that proofs take", async () => {
    const [method = "", path = ""] = name.split(" ");
    const filled = path.replace("{index}", "1").replace("{name}", "records").replace("{key}", "a");
    const others = operation.parameters
      .filter(({ name: other }) => ["trustedEpoch", "newest", "limit"].includes(other))
      .map(({ name: other }) =>
        optional(fc.constant([other, other === "newest" ? "true" : "1"] as const), 2),
      );
    await fc.assert(
      fc.asyncProperty(fc.tuple(...others), async (pairs) => {
        const query = new URLSearchParams({ proof: "true", ...Object.fromEntries(given(pairs)) });
        const asked = { path: `${filled}?${query}`, headers: {}, body: new Uint8Array() };
        const answer = await send(method, asked, false);
        expect(answer.status, asked.path).toBe(200);
        expect(JSON.parse(answer.body.toString())).toMatchObject({ format: "tetrad-proof" });
        checkAnswer(operation, answer, asked.path);
      }),
      { numRuns: 10 },
    );
  });
});

const PROBLEM =
  /^(HTTP\/1\.1 100 Continue\r\n\r\n)?HTTP\/1\.1 4\d\d [\s\S]*application\/problem\+json/;

describe("bytes that are no request", () => {
  it("are refused by a problem or by closing, and the next request is answered", async () => {
    const expecting = ["Expect: x", "Expect: 100-continue", "Connection: upgrade\r\nUpgrade: h2c"];
    const start = fc.constantFrom(
      "",
      "GET ",
      "GET / HTTP/1.1\r\n",
      "POST /v1/batches HTTP/1.1\r\nHost: [::1]\r\n",
      ...expecting.map((line) => `GET /v1/nothing HTTP/1.1\r\nHost: [::1]\r\n${line}\r\n`),
    );
    await fc.assert(
      fc.asyncProperty(start, fc.uint8Array({ maxLength: 200 }), async (head, tail) => {
        const text = await new Promise<string>((resolve) => {
          const socket = connect({ host: "::1", port });
          let got = "";
          socket.on("data", (piece) => {
            got += piece.toString("latin1");
          });
          socket.on("error", () => resolve(got));
          socket.on("close", () => resolve(got));
          socket.end(Buffer.concat([Buffer.from(head), tail, Buffer.from("\r\n\r\n")]));
        });
        if (text !== "") expect(text).toMatch(PROBLEM);
      }),
      { numRuns: 200 },
    );
    const asked = { path: "/livez", headers: {}, body: new Uint8Array() };
    expect((await send("GET", asked, false)).status).toBe(200);
  }, 60_000);
});
