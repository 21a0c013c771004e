/** What all reads have in common: heights, tags, caching; blocks, validators and evidence by them. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CERTIFICATES, settledKey } from "../../src/ca/index.ts";
import { toHex } from "../../src/crypto/bytes.ts";
import { utf8 } from "../../src/crypto/codec.ts";
import { createHasher } from "../../src/crypto/hash.ts";
import { ok } from "../../src/errors.ts";
import { BATCH_CORE_BYTES, batchIdOf } from "../../src/ledger/batch.ts";
import { decodeCertificate } from "../../src/ledger/statement.ts";
import { LIMITS } from "../../src/limits.ts";
import { createTestApi, encodedEvent, HASH, type TestApi } from "./fake-ledger.ts";

const HOST = { host: "[::1]:8440" };

let t: TestApi;
beforeEach(() => {
  t = createTestApi();
  for (let n = 0; n < 7; n++) t.ledger.append([encodedEvent("record.put", utf8(`e${n}`))]);
});
afterEach(() => t.api.stop());

const get = (url: string, headers: Record<string, string> = {}) =>
  t.api.app.inject({ method: "GET", url, headers: { ...HOST, ...headers } });

const codeOf = async (url: string): Promise<string> => (await get(url)).json().code as string;

describe("every answer", () => {
  it("names the log that it was read at", async () => {
    for (const url of ["/v1/status", "/v1/events", "/livez", "/nowhere"]) {
      const { headers } = await get(url);
      expect(headers["ledger-checkpoint"]).toBe(`7 ${toHex(HASH)}`);
      expect(headers["ledger-height"]).toBe("7");
    }
  });

  it("has a tag that changes with its bytes, and is not sent to who has it", async () => {
    const first = await get("/v1/events?limit=3");
    const tag = String(first.headers["etag"]);
    expect(tag).toMatch(/^"[0-9a-f]{32}"$/);
    expect(first.headers["cache-control"]).toBe("no-cache");
    for (const known of [tag, `W/${tag}`, `"x", ${tag}`, "*"]) {
      const again = await get("/v1/events?limit=3", { "if-none-match": known });
      expect([again.statusCode, again.body]).toEqual([304, ""]);
      expect(again.headers["etag"]).toBe(tag);
      expect(again.headers["content-type"]).toBeUndefined();
    }
    expect((await get("/v1/events?limit=3", { "if-none-match": '"other"' })).statusCode).toBe(200);
    t.ledger.append([encodedEvent("record.put", utf8("more"))]);
    const changed = await get("/v1/events?limit=3", { "if-none-match": tag });
    expect(changed.statusCode).toBe(200);
    expect(changed.headers["etag"]).not.toBe(tag);
  });

  it("is kept by nobody where it is about this moment or went wrong", async () => {
    for (const url of ["/livez", "/readyz", "/metrics", "/v1/nothing", "/v1/blocks/99"]) {
      const { headers } = await get(url);
      expect(headers["cache-control"], url).toBe("no-store");
      expect(headers["etag"], url).toBeUndefined();
    }
  });
});

describe("a development network", () => {
  it("lets nobody keep for good what the next network at its address answers otherwise", async () => {
    const dev = createTestApi(undefined, true);
    dev.ledger.append([encodedEvent("record.put", utf8("e"))]);
    const read = { method: "GET", url: "/v1/blocks/1", headers: HOST } as const;
    const answer = await dev.api.app.inject(read);
    expect(answer.headers["cache-control"]).toBe("no-cache");
    expect(answer.headers["etag"]).toMatch(/^"/);
    await dev.api.stop();
  });
});

describe("blocks", () => {
  it("are given by height and may be kept for good once they are executed", async () => {
    const answer = await get("/v1/blocks/3");
    expect(answer.headers["cache-control"]).toBe("public, max-age=31536000, immutable");
    const body = answer.json();
    expect(body.header).toMatchObject({ height: 3, epoch: 0, batchCount: 1 });
    expect(body.batchDigests).toEqual([toHex(HASH)]);
    expect(body.executed).toMatchObject({ firstIndex: 2, count: 1, logSize: 3 });
    expect(toHex(new Uint8Array(Buffer.from(body.bytes, "base64url")))).toBe(
      toHex(t.ledger.blockAt(3)?.bytes ?? new Uint8Array()),
    );
  });

  it("are refused outside of what is final", async () => {
    expect(await codeOf("/v1/blocks/8")).toBe("block.not-found");
    expect(await codeOf("/v1/blocks/0")).toBe("http.bad-parameter");
    expect(await codeOf("/v1/blocks/9007199254740992")).toBe("http.bad-parameter");
    expect(await codeOf("/v1/blocks/abc")).toBe("http.bad-parameter");
  });

  it("have a certificate, or the height that has it for them", async () => {
    const answer = await get("/v1/blocks/6/certificate");
    expect(answer.statusCode).toBe(200);
    const { bytes, signers, hash } = answer.json();
    expect(signers).toEqual([0, 1, 3]);
    expect(hash).toBe(toHex(t.ledger.blockAt(6)?.hash ?? HASH));
    const decoded = decodeCertificate(new Uint8Array(Buffer.from(bytes, "base64url")));
    expect(decoded.ok).toBe(true);
    const none = await get("/v1/blocks/4/certificate");
    expect(none.json()).toMatchObject({ code: "block.no-certificate", data: { next: 6 } });
    const last = await get("/v1/blocks/7/certificate");
    expect(last.json()).toMatchObject({ code: "block.no-certificate" });
    expect(last.json().data).toBeUndefined();
    expect(await codeOf("/v1/blocks/8/certificate")).toBe("block.not-found");
  });
});

describe("reads at a height", () => {
  it("show the log as it was", async () => {
    const body = (await get("/v1/events?atHeight=3")).json();
    expect(body).toMatchObject({ height: 3, logSize: 3, more: false });
    expect(body.items).toHaveLength(3);
    const page = await get("/v1/events?atHeight=3&limit=2");
    expect(page.json()).toMatchObject({ more: true });
    expect(page.headers["link"]).toContain("atHeight=3");
    expect(await codeOf("/v1/events?atHeight=8")).toBe("http.behind");
  });

  it("show the roots as they were, for good", async () => {
    const then = await get("/v1/projections?atHeight=3");
    expect(then.json()).toMatchObject({ height: 3 });
    expect(then.headers["cache-control"]).toContain("immutable");
    const now = await get("/v1/projections");
    expect(now.json()).toMatchObject({ height: 7 });
    expect(now.headers["cache-control"]).toBe("no-cache");
    expect(await codeOf("/v1/projections?atHeight=8")).toBe("http.behind");
  });

  it("do not mix heights in a page that asks for one", async () => {
    t.ledger.rowsByName.set("records", [[utf8("k"), utf8("v")]]);
    const page = get("/v1/projections/records?atHeight=7");
    // The ledger goes on in the moment between the check and the rows.
    t.ledger.onRows = () => t.ledger.append([encodedEvent("record.put", utf8("8"))]);
    expect((await page).json()).toMatchObject({ code: "http.height-gone", data: { available: 8 } });
  });

  it("wait up to the limit of one client, and refuse the next", async () => {
    const url = "/v1/events?minHeight=99&waitMs=700";
    const waiting = Array.from({ length: LIMITS.httpClientWaitersMax }, () => get(url));
    await expect.poll(() => t.timers.pending.size, { timeout: 10_000 }).toBe(waiting.length);
    const past = await get(url);
    expect([past.statusCode, past.headers["retry-after"]]).toEqual([503, "1"]);
    expect(past.json()).toMatchObject({ code: "node.overloaded" });
    expect(t.timers.fire(700)).toBe(waiting.length);
    for (const answer of await Promise.all(waiting)) expect(answer.statusCode).toBe(504);
    const again = get(url);
    await expect.poll(() => t.timers.fire(700)).toBe(1);
    expect((await again).json()).toMatchObject({ code: "http.behind" });
  });

  it("give rows of every height that is held, and let the state go then", async () => {
    let reading = 0;
    const row = { key: utf8("k"), value: utf8("as it was") };
    t.ledger.rowsByName.set("records", [[utf8("k"), utf8("v")]]);
    t.ledger.held.set(5, () => {
      reading += 1;
      return {
        stateRoot: new Uint8Array(32).fill(5),
        row: () => row.value,
        rows: (_projection, _options, done) => done({ ok: true, value: [row] }),
        release: () => {
          reading -= 1;
        },
      };
    });
    expect((await get("/v1/projections/records/k?atHeight=5")).json()).toMatchObject({
      value: { text: "as it was" },
    });
    const page = (await get("/v1/projections/records?atHeight=5")).json();
    expect(page).toMatchObject({ height: 5, stateRoot: "05".repeat(32) });
    expect(page.items).toEqual([{ key: "k", value: { text: "as it was" } }]);
    expect(reading).toBe(0);
    expect((await get("/v1/projections/records")).json()).toMatchObject({ height: 7 });
    expect(await codeOf("/v1/projections/records?atHeight=4")).toBe("http.height-gone");
  });

  it("give rows of the last height, and say what makes the others", async () => {
    t.ledger.rowsByName.set("records", [[utf8("k"), utf8("v")]]);
    expect((await get("/v1/projections/records?atHeight=7")).statusCode).toBe(200);
    expect((await get("/v1/projections/records/k?atHeight=7")).statusCode).toBe(200);
    const gone = await get("/v1/projections/records/k?atHeight=6");
    expect(gone.statusCode).toBe(410);
    expect(gone.json()).toMatchObject({ code: "http.height-gone", data: { available: 7 } });
    expect(gone.json().detail).toContain("nexus replay --to 6");
    expect(await codeOf("/v1/projections/records?atHeight=9")).toBe("http.behind");
  });

  it("wait for a height, and say where the node is when it does not come", async () => {
    expect(await codeOf("/v1/events?minHeight=8")).toBe("http.behind");
    const waiting = get("/v1/events?minHeight=9&waitMs=500");
    await expect.poll(() => t.timers.pending.size).toBeGreaterThan(0);
    t.ledger.append([encodedEvent("record.put", utf8("8"))]);
    t.ledger.append([encodedEvent("record.put", utf8("9"))]);
    const waited = await waiting;
    expect(waited.json().items).toHaveLength(9);
    expect(waited.headers["ledger-height"]).toBe("9");
    expect(waited.headers["ledger-checkpoint"]).toBe(`9 ${toHex(HASH)}`);
    const late = get("/v1/projections/records?minHeight=10&waitMs=400");
    await expect.poll(() => t.timers.fire(400)).toBe(1);
    expect((await late).json()).toMatchObject({
      code: "http.behind",
      status: 504,
      data: { executedHeight: 9 },
    });
    expect(t.ledger.listeners.size).toBe(0);
    expect(await codeOf(`/v1/events?minHeight=1&waitMs=${LIMITS.httpWaitMsMax + 1}`)).toBe(
      "http.bad-parameter",
    );
  });
});

describe("a request for a certificate", () => {
  it("that is answered while its event is read is not told to be unknown", async () => {
    t.ledger.heldReads = [];
    const answer = codeOf("/ca/v1/requests/2");
    await expect.poll(() => t.ledger.heldReads?.length).toBe(1);
    // Settled by a denial: the issuer, no fingerprint, and the code after its length.
    const code = utf8("ca.certificate-invalid");
    const row = Uint8Array.of(...HASH, ...new Uint8Array(32), 0, 0, 0, code.length, ...code);
    t.ledger.rowsByName.set(CERTIFICATES, [[settledKey(2), row]]);
    for (const release of t.ledger.heldReads.splice(0)) release();
    expect(await answer).toBe("ca.certificate-invalid");
    expect(await codeOf("/ca/v1/requests/2")).toBe("ca.certificate-invalid");
  });

  it("is unknown where the event is none", async () => {
    expect(await codeOf("/ca/v1/requests/2")).toBe("ca.request-unknown");
  });
});

describe("Idempotency-Key", () => {
  const bytes = new Uint8Array(BATCH_CORE_BYTES + 20).fill(5);
  const id = toHex(batchIdOf(createHasher("fake-1"), bytes) ?? HASH);
  const post = (key: string) =>
    t.api.app.inject({
      method: "POST",
      url: "/v1/batches",
      payload: Buffer.from(bytes),
      headers: { ...HOST, "content-type": "application/octet-stream", "idempotency-key": key },
    });

  it("is the id of the batch, and anything else is refused before the batch is taken", async () => {
    t.ledger.answer = () => ok({ batchId: HASH, level: "accepted" });
    expect((await post(id)).statusCode).toBe(202);
    expect(t.ledger.submissions).toHaveLength(1);
    for (const other of ["00".repeat(32), "once", id.toUpperCase(), ""]) {
      expect((await post(other)).json()).toMatchObject({ code: "http.idempotency", status: 422 });
    }
    expect(t.ledger.submissions).toHaveLength(1);
  });
});

describe("the network", () => {
  it("is shown with leaders, weights and what is proven against whom", async () => {
    const body = (await get("/v1/validators")).json();
    expect(body).toMatchObject({ epoch: 0, quorum: "3", totalWeight: "4", view: 8 });
    expect(body.leaders).toHaveLength(8);
    const first = body.items[0];
    t.ledger.rowsByName.set("quarantine", [[utf8(first.id), utf8("caught")]]);
    const after = (await get("/v1/validators")).json().items;
    expect(after[0].quarantined).toEqual({ text: "caught" });
    expect(after[1].quarantined).toBeNull();
  });

  it("has its evidence in the order of the log, page by page", async () => {
    const evidence = encodedEvent("detect.evidence.committed", utf8("two statements"));
    for (let n = 0; n < 3; n++) t.ledger.append([evidence, encodedEvent("record.put", utf8("x"))]);
    const page = (await get("/v1/evidence?limit=2")).json();
    expect(page.items.map((item: { index: number }) => item.index)).toEqual([7, 9]);
    const rest = (await get(`/v1/evidence?after=${page.next}`)).json();
    expect(rest.items.map((item: { index: number }) => item.index)).toEqual([11]);
    expect(rest.more).toBe(false);
    expect(await codeOf("/v1/evidence?after=zzz")).toBe("http.bad-cursor");
  });
});
