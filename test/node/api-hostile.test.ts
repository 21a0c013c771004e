/** What a client may send that is unusual, of right and of wrong HTTP, and what each of it is answered. */
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { toHex } from "../../src/crypto/bytes.ts";
import { utf8 } from "../../src/crypto/codec.ts";
import { createHasher } from "../../src/crypto/hash.ts";
import { fail, ok } from "../../src/errors.ts";
import { BATCH_CORE_BYTES, batchIdOf } from "../../src/ledger/batch.ts";
import { createTestApi, encodedEvent, HASH, type TestApi } from "./fake-ledger.ts";

const HOST = { host: "[::1]:8440" };

let t: TestApi;
let port: number;
const sockets: Socket[] = [];

beforeEach(async () => {
  t = createTestApi();
  for (let n = 0; n < 3; n++) t.ledger.append([encodedEvent("record.put", utf8(`e${n}`))]);
  port = (await t.api.listen({ host: "::1", port: 0 })).port;
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await t.api.stop();
});

type Method = "GET" | "HEAD" | "POST";

const ask = (method: Method, url: string, headers: Record<string, string> = {}, payload?: Buffer) =>
  t.api.app.inject({
    method,
    url,
    headers: { ...HOST, ...headers },
    ...(payload === undefined ? {} : { payload }),
  });

/** Sends the text, and reads until the end, or until what came has the sign. */
const raw = (text: string, sign = "\r\n\r\n"): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: "::1", port });
    sockets.push(socket);
    let got = "";
    socket.on("data", (piece) => {
      got += piece.toString();
      if (got.includes(sign)) resolve(got);
    });
    socket.on("end", () => resolve(got));
    socket.on("error", reject);
    socket.write(text);
  });

const get = (target: string, ...headers: readonly string[]): Promise<string> =>
  raw([`GET ${target} HTTP/1.1`, "Host: [::1]:8440", ...headers, "", ""].join("\r\n"));

describe("the target and its host", () => {
  it("may stand in absolute form, whose host counts then", async () => {
    expect(await get(`http://[::1]:${port}/livez`)).toMatch(/^HTTP\/1\.1 200 /);
    expect(await get("HTTP://localhost/v1/events?limit=1")).toMatch(/^HTTP\/1\.1 200 /);
    expect(await get("http://localhost")).toMatch(/^HTTP\/1\.1 404 /);
    expect(await get("http://rebound.example/livez")).toMatch(/^HTTP\/1\.1 421 /);
    const own = `GET http://[::1]:${port}/livez HTTP/1.1\r\nHost: proxy.example\r\n\r\n`;
    expect(await raw(own)).toMatch(/^HTTP\/1\.1 200 /);
  });

  it("are refused with two Host headers, and with none", async () => {
    expect(await get("/livez", "host: [::1]:8440")).toMatch(/^HTTP\/1\.1 400 /);
    expect(await raw("GET /livez HTTP/1.1\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 /);
    expect(await raw("GET /livez HTTP/1.0\r\nHost: localhost\r\n\r\n")).toMatch(/ 200 /);
  });
});

describe("what was refused before it was a request", () => {
  it("is kept by nobody and taken for nothing else than it is", async () => {
    const answer = (await raw("NONSENSE\r\n\r\n")).toLowerCase();
    expect(answer).toMatch(/^http\/1\.1 400 /);
    for (const header of ["cache-control: no-store", "x-content-type-options: nosniff"]) {
      expect(answer).toContain(header);
    }
  });
});

describe("HEAD", () => {
  it("of every read is what GET is, without a body", async () => {
    for (const url of ["/v1/status", "/v1/events/1", "/livez", "/openapi.json", "/v1/events/9"]) {
      const [head, whole] = [await ask("HEAD", url), await ask("GET", url)];
      expect([head.statusCode, head.body], url).toEqual([whole.statusCode, ""]);
      for (const name of ["content-type", "cache-control", "etag"]) {
        expect(head.headers[name], `${url} ${name}`).toBe(whole.headers[name]);
      }
    }
  });

  it("of the stream ends, begins no stream, and refuses what GET refuses", async () => {
    const head = await ask("HEAD", "/v1/events/stream?from=end", {
      accept: "application/x-ndjson",
    });
    expect([head.statusCode, head.body]).toEqual([200, ""]);
    expect(head.headers["content-type"]).toBe("application/x-ndjson; charset=utf-8");
    expect(head.headers["cache-control"]).toBe("no-store");
    expect(t.ledger.listeners.size).toBe(0);
    for (const query of ["from=x", "type=..", "nonsense=1"]) {
      expect((await ask("HEAD", `/v1/events/stream?${query}`)).statusCode, query).toBe(400);
    }
    const last = { "last-event-id": "x" };
    expect((await ask("HEAD", "/v1/events/stream", last)).statusCode).toBe(400);
    const other = await t.api.app.inject({
      method: "PUT",
      url: "/v1/events/stream",
      headers: HOST,
    });
    expect([other.statusCode, other.headers["allow"]]).toEqual([405, "GET, HEAD"]);
  });
});

describe("a read", () => {
  it("is whole, whatever range of it was asked for", async () => {
    const plain = await ask("GET", "/v1/events/1");
    const ranged = await ask("GET", "/v1/events/1", { range: "bytes=0-3", "if-range": '"x"' });
    expect([ranged.statusCode, ranged.body]).toEqual([200, plain.body]);
    expect(ranged.headers["content-range"]).toBeUndefined();
  });

  it("of an event takes waitMs with a proof only, as it does the other parameters of proofs", async () => {
    for (const query of ["waitMs=1", "waitMs=nonsense", "newest=true", "trustedEpoch=0"]) {
      const answer = await ask("GET", `/v1/events/1?${query}`);
      const parameter = query.split("=")[0];
      expect(answer.json(), query).toMatchObject({
        code: "http.bad-parameter",
        data: { parameter },
      });
    }
    expect((await ask("GET", "/v1/events/1?proof=true&waitMs=1")).statusCode).toBe(200);
  });

  it("says of the log what it was when the page was read, though the log goes on meanwhile", async () => {
    t.ledger.heldReads = [];
    const asked = ask("GET", "/v1/events?limit=10");
    await expect.poll(() => t.ledger.heldReads?.length).toBe(1);
    t.ledger.append([encodedEvent("record.put", utf8("later"))]);
    for (const answer of t.ledger.heldReads.splice(0)) answer();
    const page = (await asked).json();
    expect(page).toMatchObject({ more: false, logSize: 3, height: 3 });
    expect(page.items).toHaveLength(3);
  });

  it("of the description is asked for again by its tag", async () => {
    const first = await ask("GET", "/openapi.json");
    expect(first.headers["cache-control"]).toBe("no-cache");
    const tag = String(first.headers["etag"]);
    expect((await ask("GET", "/openapi.json", { "if-none-match": tag })).statusCode).toBe(304);
  });
});

describe("the stream", () => {
  const NDJSON = ["Accept: application/x-ndjson", "Connection: close"];

  it.each([
    ["exactly at the head", "2", 3],
    ["one behind it, which this node has not reached", "3", 4],
    ["far behind it", "9007199254740990", 9_007_199_254_740_991],
  ])("resumed %s has a checkpoint there and no event", async (_where, last, next) => {
    const got = await raw(
      ["GET /v1/events/stream?from=0 HTTP/1.1", "Host: [::1]", ...NDJSON, `Last-Event-ID: ${last}`]
        .concat("", "")
        .join("\r\n"),
      "}}\n",
    );
    const lines = got.split("\n").filter((line) => line.startsWith("{"));
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      { checkpoint: expect.objectContaining({ logSize: 3, next }) },
    ]);
  });

  it("of a type that nobody knows says how far it has looked, and goes on", async () => {
    const got = raw(
      ["GET /v1/events/stream?type=no.such.type HTTP/1.1", "Host: [::1]", ...NDJSON]
        .concat("", "")
        .join("\r\n"),
      '"next":4',
    );
    await expect.poll(() => t.ledger.listeners.size).toBe(1);
    t.ledger.append([encodedEvent("record.put", utf8("later"))]);
    const lines = (await got).split("\n").filter((line) => line.startsWith("{"));
    for (const line of lines) expect(JSON.parse(line)).toHaveProperty("checkpoint");
  });

  it.each(["", "*", "record.", ".put", "Record.put", "record.**", `${"a".repeat(63)}.*`])(
    "refuses the filter %o",
    async (type) => {
      const answer = await ask("GET", `/v1/events/stream?type=${encodeURIComponent(type)}`);
      expect(answer.json()).toMatchObject({
        code: "http.bad-parameter",
        data: { parameter: "type" },
      });
    },
  );

  it.each(["-1", "1.5", "0x1", "1, 2", "9007199254740991"])(
    "refuses to resume behind %s",
    async (last) => {
      const answer = await ask("GET", "/v1/events/stream", { "last-event-id": last });
      expect(answer.json()).toMatchObject({ code: "http.bad-parameter" });
      expect(t.ledger.listeners.size).toBe(0);
    },
  );
});

describe("a batch", () => {
  const bytes = Buffer.alloc(BATCH_CORE_BYTES + 20, 5);
  const id = toHex(batchIdOf(createHasher("fake-1"), bytes) ?? HASH);
  const send = (url: string, headers: Record<string, string>, payload: Buffer = bytes) =>
    ask("POST", url, { "content-type": "application/octet-stream", ...headers }, payload);

  it("may be named as a structured string, and not by what another body has", async () => {
    t.ledger.answer = () => ok({ batchId: HASH, level: "accepted" });
    expect((await send("/v1/batches", { "idempotency-key": `"${id}"` })).statusCode).toBe(202);
    const other = Buffer.from(bytes);
    other[0] = 6;
    for (const url of ["/v1/batches", "/ca/v1/certificates"]) {
      const answer = await send(url, { "idempotency-key": id }, other);
      expect(answer.json(), url).toMatchObject({ code: "http.idempotency", status: 422 });
    }
    expect(t.ledger.submissions).toHaveLength(1);
  });

  it("that is none is refused as that, whatever it is called", async () => {
    t.ledger.answer = () => fail("encoding.malformed", "cut short");
    const answer = await send("/v1/batches", { "idempotency-key": id }, Buffer.alloc(7));
    expect(answer.json()).toMatchObject({ code: "encoding.malformed" });
  });

  it("is taken as it is, without a coding", async () => {
    t.ledger.answer = () => ok({ batchId: HASH, level: "accepted" });
    expect((await send("/v1/batches", { "content-encoding": "identity" })).statusCode).toBe(202);
    for (const coding of ["gzip", "br", "identity, gzip"]) {
      for (const url of ["/v1/batches", "/ca/v1/certificates"]) {
        const answer = await send(url, { "content-encoding": coding });
        expect(answer.json(), coding).toMatchObject({ code: "http.media-type", status: 415 });
      }
    }
    expect(t.ledger.submissions).toHaveLength(1);
  });
});
