import { unpack } from "msgpackr";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { toHex } from "../../src/crypto/bytes.ts";
import { utf8 } from "../../src/crypto/codec.ts";
import { fail, ok } from "../../src/errors.ts";
import type { WaitLevel } from "../../src/ledger/handle.ts";
import { LIMITS } from "../../src/limits.ts";
import { createTestApi, encodedEvent, HASH, type TestApi } from "./fake-ledger.ts";

const HOST = { host: "[::1]:8440" };
const id = new Uint8Array(32).fill(7);

let t: TestApi;
beforeEach(() => {
  t = createTestApi();
});
afterEach(async () => {
  await t.api.stop();
});

const get = (url: string, headers: Record<string, string> = {}) =>
  t.api.app.inject({ method: "GET", url, headers: { ...HOST, ...headers } });

const post = (url: string, payload: Buffer, type = "application/octet-stream") =>
  t.api.app.inject({ method: "POST", url, payload, headers: { ...HOST, "content-type": type } });

const expectProblem = (
  response: Awaited<ReturnType<typeof get>>,
  status: number,
  code: string,
): void => {
  expect(response.headers["content-type"]).toBe("application/problem+json; charset=utf-8");
  expect(response.json()).toMatchObject({ status, code });
  expect(response.statusCode).toBe(status);
  expect(response.json().instance).toMatch(/^urn:tetrad:request:[0-9a-f]{16}$/);
  expect(response.headers["ledger-height"]).toBe(String(t.ledger.height));
  expect(response.headers["ledger-genesis"]).toBe(toHex(HASH));
};

const events = (count: number, type = "record.put") =>
  Array.from({ length: count }, (_, i) => encodedEvent(type, utf8(`e${i}`)));

describe("MessagePack", () => {
  const packed = { accept: "application/msgpack" };

  it("has the same values as the JSON", async () => {
    t.ledger.append(events(3));
    const json = (await get("/v1/events?from=1")).json();
    const response = await get("/v1/events?from=1", packed);
    expect(response.headers["content-type"]).toBe("application/msgpack");
    expect(response.headers["vary"]).toContain("accept");
    expect(unpack(response.rawPayload)).toEqual(json);
  });

  it("is given to nobody who asks for JSON first, or for anything else", async () => {
    for (const accept of ["application/json, application/msgpack", "*/*", "text/html", ""]) {
      const response = await get("/v1/status", { accept });
      expect(response.headers["content-type"]).toContain("application/json");
    }
  });

  it("is given to nobody who refuses it, and to who refuses JSON before it", async () => {
    for (const accept of ["application/msgpack;q=0", "application/msgpack; v=1; Q=0.000"]) {
      const response = await get("/v1/status", { accept });
      expect(response.headers["content-type"]).toContain("application/json");
    }
    for (const accept of [
      "application/json;q=0, application/msgpack",
      "application/msgpack;q=0.1",
    ]) {
      const response = await get("/v1/status", { accept });
      expect(response.headers["content-type"]).toBe("application/msgpack");
    }
  });

  it("leaves problems as they are", async () => {
    expectProblem(await get("/v1/events?nonsense=1", packed), 400, "http.unknown-parameter");
  });
});

describe("status and health", () => {
  it("shows the status with hashes in hex and the height in a header", async () => {
    t.ledger.append(events(2));
    const response = await get("/v1/status");
    expect(response.statusCode).toBe(200);
    expect(response.json()).toMatchObject({
      chainId: "fake-1",
      name: "a",
      executedHeight: 1,
      logSize: 2,
      version: "0.0.0-test",
      voting: "yes",
    });
    expect(response.json().genesisHash).toMatch(/^[0-9a-f]{64}$/);
    expect(response.headers["ledger-height"]).toBe("1");
  });

  it("is live always, ready only when the replica is, and says why not", async () => {
    expect((await get("/livez")).statusCode).toBe(200);
    expect((await get("/readyz")).json()).toEqual({ ready: true });
    expect((await get("/readyz?verbose")).json()).toMatchObject({ voting: "yes", peers: 0 });
    t.ledger.reasons.push("no quorum of peers");
    const response = await get("/readyz");
    expectProblem(response, 503, "node.not-ready");
    expect(response.json().detail).toContain("no quorum of peers");
    expect(response.headers["retry-after"]).toBe("1");
    expect(response.json()).not.toHaveProperty("data");
    const verbose = (await get("/readyz?verbose")).json();
    expect(verbose).toMatchObject({
      code: "node.not-ready",
      data: { reasons: ["no quorum of peers"], voting: "yes", peers: 0, problems: [] },
    });
    expect(verbose.data.finalHeight).toBeGreaterThanOrEqual(0);
    expect((await get("/livez")).statusCode).toBe(200);
  });

  it("counts requests in the metrics page", async () => {
    await get("/v1/status");
    expect((await get("/metrics")).body).toContain(
      'tetrad_http_requests_total{path="/v1/status",status="200"} 1',
    );
  });
});

describe("refusals", () => {
  it("refuses an unknown parameter and suggests the one meant", async () => {
    const response = await get("/v1/events?limt=3");
    expectProblem(response, 400, "http.unknown-parameter");
    expect(response.json().detail).toContain('did you mean "limit"?');
    expectProblem(await get("/v1/status?x=1"), 400, "http.unknown-parameter");
  });

  it.each([
    "/v1/events?limit=0",
    "/v1/events?limit=1001",
    "/v1/events?limit=1e2",
    "/v1/events?limit=",
    "/v1/events?from=-1",
    "/v1/events?from=9007199254740993",
    "/v1/events?limit=1&limit=2",
    "/v1/events?type=Record",
    "/v1/events?from=1&after=AAAA",
    "/readyz?verbose=maybe",
    "/v1/lanes/xyz",
    "/v1/events/stream?from=x",
  ])("refuses the bad value in %s", async (url) => {
    expectProblem(await get(url), 400, "http.bad-parameter");
  });

  it.each(["AAAA", "!!!!", "AQ", "A".repeat(2000), "AQAAAAAw"])(
    "refuses the bad cursor %s",
    async (cursor) => {
      expectProblem(await get(`/v1/events?after=${cursor}`), 400, "http.bad-cursor");
      expectProblem(await get(`/v1/projections/records?after=${cursor}`), 400, "http.bad-cursor");
    },
  );

  it("refuses a cursor of another list", async () => {
    t.ledger.append(events(3));
    const { next } = (await get("/v1/events?limit=1")).json();
    expect((await get(`/v1/events?after=${next}`)).statusCode).toBe(200);
    expectProblem(await get(`/v1/events?after=${next}&type=record.put`), 400, "http.bad-cursor");
    expectProblem(await get(`/v1/projections/records?after=${next}`), 400, "http.bad-cursor");
  });

  it("answers 404 for an unknown path and 405 with Allow for a known one", async () => {
    expectProblem(await get("/v2/status"), 404, "http.not-found");
    for (const method of ["POST", "DELETE", "OPTIONS", "PUT"] as const) {
      const response = await t.api.app.inject({ method, url: "/v1/status", headers: HOST });
      expectProblem(response, 405, "http.method");
      expect(response.headers["allow"]).toBe("GET, HEAD");
    }
    const response = await get("/v1/batches");
    expectProblem(response, 405, "http.method");
    expect(response.headers["allow"]).toBe("POST");
  });

  it("answers HEAD like GET, without the body", async () => {
    const response = await t.api.app.inject({ method: "HEAD", url: "/v1/status", headers: HOST });
    expect(response.statusCode).toBe(200);
    expect(response.body).toBe("");
    expect(response.headers["ledger-height"]).toBe("0");
  });

  it("refuses a Host header that is a name: a page of another site cannot reach the API", async () => {
    for (const host of ["evil.example", "evil.example:8440", "127.0.0.1:8440", "[::1]:8440.evil"]) {
      expectProblem(await get("/v1/status", { host }), 421, "http.host");
    }
    for (const host of ["[::1]:8440", "localhost:8440", "[fd00::1]"]) {
      expect((await get("/v1/status", { host })).statusCode).toBe(200);
    }
  });

  it("tells a client nothing of an internal error, and the log all", async () => {
    t.ledger.append(events(1));
    t.ledger.answer = () => {
      throw new Error("secret inside");
    };
    const response = await post("/v1/batches", Buffer.from("x"));
    expectProblem(response, 500, "internal");
    expect(response.body).not.toContain("secret inside");
    expect(t.logged.some((line) => line.startsWith("error"))).toBe(true);
  });
});

describe("batches", () => {
  const receipt = (_bytes: Uint8Array, level: WaitLevel) =>
    ok({ batchId: id, level, height: 5, firstIndex: 9, outcomes: [{ kind: "accepted" as const }] });

  it.each([
    ["", "accepted", 202],
    ["?wait=accepted", "accepted", 202],
    ["?wait=committed", "committed", 200],
    ["?wait=projected", "projected", 200],
  ])("submits with %s and answers the receipt", async (query, level, status) => {
    t.ledger.answer = receipt;
    const response = await post(`/v1/batches${query}`, Buffer.from("batch"));
    expect(response.statusCode).toBe(status);
    expect(response.json()).toEqual({
      batchId: toHex(id),
      level,
      height: 5,
      firstIndex: 9,
      outcomes: [{ kind: "accepted" }],
    });
    expect(t.ledger.submissions[0]).toMatchObject({ level, bytes: new Uint8Array(utf8("batch")) });
  });

  it("passes refusals on with their status and code", async () => {
    t.ledger.answer = () => fail("batch.lane-gap", "laneSeq 9 after 3", { laneSeq: 9 });
    const response = await post("/v1/batches", Buffer.from("x"));
    expectProblem(response, 409, "batch.lane-gap");
    expect(response.json()).toMatchObject({ retryable: true, data: { laneSeq: 9 } });
  });

  it("answers 503 with Retry-After under pressure", async () => {
    t.ledger.answer = () => fail("node.overloaded", "mempool full");
    const response = await post("/v1/batches", Buffer.from("x"));
    expectProblem(response, 503, "node.overloaded");
    expect(response.headers["retry-after"]).toBe("1");
  });

  it("takes a body at the limit and refuses one past it", async () => {
    t.ledger.answer = receipt;
    const atLimit = await post("/v1/batches", Buffer.alloc(LIMITS.httpBodyBytesMax));
    expect(atLimit.statusCode).toBe(202);
    const past = await post("/v1/batches", Buffer.alloc(LIMITS.httpBodyBytesMax + 1));
    expectProblem(past, 413, "http.body-too-large");
    expect(t.ledger.submissions).toHaveLength(1);
  });

  it("refuses other media types and a missing body", async () => {
    for (const type of ["application/json", "text/plain", "application/x-www-form-urlencoded"]) {
      expectProblem(await post("/v1/batches", Buffer.from("{}"), type), 415, "http.media-type");
    }
    const bare = await t.api.app.inject({ method: "POST", url: "/v1/batches", headers: HOST });
    expectProblem(bare, 415, "http.media-type");
  });

  it("gives up waiting in time, says that the batch stays, and cancels", async () => {
    const pending = post("/v1/batches?wait=committed&waitMs=1234", Buffer.from("x"));
    await expect.poll(() => t.ledger.submissions.length).toBe(1);
    expect(t.timers.fire(1234)).toBe(1);
    const response = await pending;
    expectProblem(response, 504, "http.timeout");
    expect(response.json().retryable).toBe(true);
    expect(t.ledger.submissions[0]?.cancelled).toBe(true);
  });

  it("answers what waits when the node stops", async () => {
    const pending = post("/v1/batches?wait=committed", Buffer.from("x"));
    await expect.poll(() => t.ledger.submissions.length).toBe(1);
    const stopped = t.api.stop();
    expectProblem(await pending, 503, "node.stopping");
    await stopped;
  });

  it("finds an executed batch by id", async () => {
    const known = await get(`/v1/batches/${toHex(HASH)}`);
    expect(known.json()).toEqual({ batchId: toHex(HASH), level: "projected", height: 1 });
    const missing = await get(`/v1/batches/${"00".repeat(32)}`);
    expectProblem(missing, 404, "batch.not-found");
    expectProblem(await get("/v1/batches/abc"), 400, "http.bad-parameter");
  });

  it("shows an actor's lane", async () => {
    const response = await get(`/v1/lanes/${"ab".repeat(32)}`);
    expect(response.json()).toMatchObject({ actor: "ab".repeat(32), laneSeq: 3, pendingSeq: 4 });
  });
});

describe("events", () => {
  it("pages through everything with cursors, and the last cursor goes on when there is more", async () => {
    t.ledger.append(events(5));
    t.ledger.append(events(4));
    const seen: number[] = [];
    let url = "/v1/events?limit=2";
    for (;;) {
      const page = (await get(url)).json();
      seen.push(...page.items.map((item: { index: number }) => item.index));
      url = `/v1/events?limit=2&after=${page.next}`;
      if (!page.more) break;
    }
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    t.ledger.append(events(1));
    const items = (await get(url)).json().items;
    expect(items).toMatchObject([
      { index: 9, height: 3, type: "record.put", data: { text: "e0" } },
    ]);
  });

  it("filters by type and by prefix", async () => {
    t.ledger.append([...events(3, "asset.host.registered"), ...events(2, "record.put")]);
    const indexes = async (type: string) =>
      (await get(`/v1/events?type=${type}`)).json().items.map((i: { index: number }) => i.index);
    expect(await indexes("record.put")).toEqual([3, 4]);
    expect(await indexes("asset.*")).toEqual([0, 1, 2]);
    expect(await indexes("asset.host.*")).toEqual([0, 1, 2]);
    expect(await indexes("other.thing")).toEqual([]);
  });

  it("stops a filtered scan at its bound and goes on by the cursor", async () => {
    t.ledger.append(events(LIMITS.httpScanMax + 100, "record.put"));
    t.ledger.append(events(1, "asset.host.registered"));
    const first = (await get("/v1/events?type=asset.*")).json();
    expect(first.items).toEqual([]);
    expect(first.more).toBe(true);
    const second = (await get(`/v1/events?type=asset.*&after=${first.next}`)).json();
    expect(second.items).toHaveLength(1);
    expect(second.more).toBe(false);
  });

  it("bounds a page in bytes", async () => {
    const big = new Uint8Array(LIMITS.eventBytesMax - 10);
    const event = encodedEvent("record.put", big);
    t.ledger.append(Array.from({ length: 30 }, () => event));
    const page = (await get("/v1/events?limit=100")).json();
    const most = Math.floor(LIMITS.httpPageBytesMax / LIMITS.eventBytesMax);
    expect(page.items).toHaveLength(most);
    expect(page.more).toBe(true);
    const rest = (await get(`/v1/events?limit=100&after=${page.next}`)).json();
    expect(rest.items).toHaveLength(30 - most);
  });

  it("gives the bytes of an event whose type it does not know", async () => {
    t.ledger.append([encodedEvent("unknown.type", utf8("raw"))]);
    const [item] = (await get("/v1/events")).json().items;
    expect(item.data).toBeUndefined();
    expect(Buffer.from(item.payload, "base64url").toString()).toBe("raw");
  });

  it("shows a refused outcome with its code", async () => {
    t.ledger.append(events(1), { kind: "refused", code: "event.forbidden" });
    const [item] = (await get("/v1/events")).json().items;
    expect(item.outcome).toEqual({ kind: "refused", code: "event.forbidden" });
  });
});

describe("projections", () => {
  beforeEach(() => {
    const rows = Array.from({ length: 150 }, (_, i): [Uint8Array, Uint8Array] => [
      utf8(`k${String(i).padStart(3, "0")}`),
      utf8(`v${i}`),
    ]);
    t.ledger.rowsByName.set("records", rows);
  });

  it("lists them, and suggests a near name for a wrong one", async () => {
    const response = await get("/v1/projections");
    expect(response.json().items).toMatchObject([
      { name: "records", schemaVersion: 1, root: expect.stringMatching(/^[0-9a-f]{64}$/) },
      { name: "actors" },
    ]);
    const wrong = await get("/v1/projections/recrods");
    expectProblem(wrong, 404, "http.not-found");
    expect(wrong.json().detail).toContain('did you mean "records"?');
  });

  it("pages through all rows in key order, each once", async () => {
    const keys: string[] = [];
    let url: string | undefined = "/v1/projections/records?limit=64";
    while (url !== undefined) {
      const response = await get(url);
      const page: { items: { key: string }[]; next: string | null } = response.json();
      keys.push(...page.items.map((item) => item.key));
      const link = response.headers["link"];
      expect(link !== undefined).toBe(page.next !== null);
      url = page.next === null ? undefined : `/v1/projections/records?limit=64&after=${page.next}`;
    }
    expect(keys).toEqual([...keys].sort());
    expect(new Set(keys).size).toBe(150);
  });

  it("lists one group of rows, where there are groups", async () => {
    const page = (await get("/v1/projections/records?prefix=k01&limit=4")).json();
    expect(page.items.map((item: { key: string }) => item.key)).toEqual([
      "k010",
      "k011",
      "k012",
      "k013",
    ]);
    expectProblem(await get(`/v1/projections/records?after=${page.next}`), 400, "http.bad-cursor");
    const rest = (await get(`/v1/projections/records?prefix=k01&after=${page.next}`)).json();
    expect(rest.items).toHaveLength(6);
    expect(rest.next).toBeNull();
    expectProblem(await get("/v1/projections/actors?prefix=x"), 400, "http.bad-parameter");
  });

  it("reads one row, with a slash in its key too", async () => {
    t.ledger.rowsByName.set("actors", [[utf8("a/b"), utf8("slash")]]);
    const { height, ...row } = (await get("/v1/projections/records/k007")).json();
    expect(row).toEqual({ key: "k007", value: { text: "v7" } });
    expect(height).toBeGreaterThanOrEqual(0);
    expect((await get("/v1/projections/actors/a%2Fb")).json().value).toEqual({ text: "slash" });
    expectProblem(await get("/v1/projections/records/none"), 404, "http.not-found");
    expectProblem(await get("/v1/projections/records/!x"), 400, "http.bad-parameter");
  });
});
