import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { utf8 } from "../../src/crypto/codec.ts";
import { fail, ok } from "../../src/errors.ts";
import { decodeBundle } from "../../src/ledger/verify/bundle.ts";
import { LIMITS } from "../../src/limits.ts";
import { World } from "../ledger/verify/support.ts";
import { BUNDLE, createTestApi, encodedEvent, HASH, type TestApi } from "./fake-ledger.ts";

let test: TestApi;
beforeEach(() => {
  test = createTestApi();
});
afterEach(() => test.api.stop());

const get = (url: string) =>
  test.api.app.inject({ method: "GET", url, headers: { host: "[::1]:8440" } });

const PENDING = fail("proof.pending", "not yet");

/** Lets everything that waits for nothing go on. */
const settle = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await new Promise((resume) => setImmediate(resume));
};

describe("GET /v1/events?proof=true", () => {
  it("gives a bundle of the page, and where the next one is", async () => {
    const range = new World({ events: 9 }).range(2, 6);
    test.ledger.proof = ok(range);
    const page = await get("/v1/events?proof=true&from=2&limit=4&trustedEpoch=1");
    expect(decodeBundle(page.json())).toEqual(ok(range));
    expect(page.headers["cache-control"]).toBe("no-cache");
    expect(test.ledger.proofsAsked[0]).toMatchObject({
      what: "4 events from 2",
      options: { trustedEpoch: 1 },
    });
    const next = /^<(.*)>; rel="next"$/.exec(String(page.headers["link"]))?.[1] ?? "";
    expect((await get(next)).statusCode).toBe(200);
    expect(test.ledger.proofsAsked[1]).toMatchObject({
      what: "4 events from 6",
      options: { trustedEpoch: 1 },
    });
  });

  it("is of all events, as the newest header has them", async () => {
    for (const query of ["type=record.put", "atHeight=1"]) {
      const answer = await get(`/v1/events?proof=true&${query}`);
      expect(answer.json()).toMatchObject({ code: "http.bad-parameter" });
    }
    test.ledger.proof = PENDING;
    const pending = await get("/v1/events?proof=true&waitMs=0");
    expect(pending.json()).toMatchObject({ code: "proof.pending" });
  });
});

describe("GET /v1/validators?proof=true", () => {
  it("gives a step along the sets, from the epoch that is trusted", async () => {
    const found = await get("/v1/validators?proof=true&trustedEpoch=7");
    expect(decodeBundle(found.json())).toEqual(ok(BUNDLE));
    expect(found.headers["cache-control"]).toBe("no-cache");
    expect(test.ledger.proofsAsked[0]).toMatchObject({ what: "set", options: { trustedEpoch: 7 } });
    expect((await get("/v1/validators?trustedEpoch=7")).json()).toMatchObject({
      code: "http.bad-parameter",
    });
    test.ledger.proof = PENDING;
    const pending = await get("/v1/validators?proof=true&waitMs=0");
    expect(pending.json()).toMatchObject({ code: "proof.pending" });
  });
});

describe("GET /v1/events/:index", () => {
  it("is the event, for ever, or says how long the log is", async () => {
    test.ledger.append([encodedEvent("a.b.c", utf8("x")), encodedEvent("a.b.d", utf8("y"))]);
    const found = await get("/v1/events/1");
    expect(found.statusCode).toBe(200);
    expect(found.json()).toMatchObject({ index: 1, type: "a.b.d" });
    expect(found.headers["cache-control"]).toContain("immutable");
    const none = await get("/v1/events/2");
    expect(none.json()).toMatchObject({ code: "http.not-found" });
    expect(none.json().detail).toContain("2 events");
    for (const bad of ["-1", "01", "x", "9007199254740992"]) {
      expect((await get(`/v1/events/${bad}`)).json()).toMatchObject({ code: "http.bad-parameter" });
    }
  });

  it("gives a bundle, which is all of the body, for what is there and for what is not", async () => {
    const found = await get("/v1/events/1?proof=true&trustedEpoch=3");
    expect(decodeBundle(found.json())).toEqual(ok(BUNDLE));
    expect(found.headers["cache-control"]).toContain("immutable");
    expect(test.ledger.proofsAsked[0]).toMatchObject({
      what: "event 1",
      options: { trustedEpoch: 3 },
    });
    const newest = await get("/v1/events/1?proof=true&newest=true");
    expect(newest.headers["cache-control"]).toBe("no-cache");
    expect(test.ledger.proofsAsked[1]?.options.newest).toBe(true);
    const absent = new World().bundle({ kind: "no-event", index: 9 });
    test.ledger.proof = ok(absent);
    const none = await get("/v1/events/9?proof=true");
    expect([none.statusCode, decodeBundle(none.json())]).toEqual([200, ok(absent)]);
    expect(none.headers["cache-control"]).toBe("no-cache");
  });

  it("gives the proof by the newest header where that is asked for, to keep for nobody", async () => {
    const found = await get("/v1/events/1?proof=true&newest=true");
    expect(found.headers["cache-control"]).toBe("no-cache");
    expect(test.ledger.proofsAsked[0]?.options).toMatchObject({ newest: true });
    const first = await get("/v1/events/1?proof=true&newest=false");
    expect(first.headers["cache-control"]).toContain("immutable");
    for (const query of ["newest=true", "proof=true&newest=2"]) {
      const answer = await get(`/v1/events/1?${query}`);
      expect(answer.json()).toMatchObject({ code: "http.bad-parameter" });
    }
  });

  it("takes parameters of proofs with proofs only", async () => {
    for (const query of ["trustedEpoch=1", "proof=false&trustedEpoch=1", "proof=2"]) {
      const answer = await get(`/v1/events/1?${query}`);
      expect(answer.json()).toMatchObject({ code: "http.bad-parameter" });
    }
    for (const query of ["trustedEpoch=-1", "waitMs=-1", `waitMs=${LIMITS.httpWaitMsMax + 1}`]) {
      const answer = await get(`/v1/events/1?proof=true&${query}`);
      expect(answer.json()).toMatchObject({ code: "http.bad-parameter" });
    }
  });
});

describe("waiting for a proof", () => {
  it("tries again after each executed block", async () => {
    test.ledger.proof = PENDING;
    const answer = get("/v1/projections/records/a?proof=true");
    await settle();
    test.ledger.append([]);
    await settle();
    test.ledger.proof = ok(BUNDLE);
    test.ledger.append([]);
    expect((await answer).statusCode).toBe(200);
    expect(test.ledger.proofsAsked.length).toBe(3);
    // Newer blocks do not move what was asked for.
    const asked = test.ledger.proofsAsked.map(({ options }) => options.notBefore);
    expect(asked).toEqual(Array(3).fill({ executedHeight: 0, stateRoot: HASH }));
    expect(test.ledger.listeners.size).toBe(0);
    expect(test.timers.pending.size).toBe(0);
  });

  it("ends with 503 when the time is over, and says when to come again", async () => {
    test.ledger.proof = PENDING;
    const answers = [get("/v1/events/0?proof=true"), get("/v1/events/0?proof=true&waitMs=77")];
    await settle();
    expect(test.timers.fire(77)).toBe(1);
    expect(test.timers.fire(LIMITS.httpProofWaitMs)).toBe(1);
    for (const answer of await Promise.all(answers)) {
      expect([answer.statusCode, answer.json().code]).toEqual([503, "proof.pending"]);
      expect(answer.headers["retry-after"]).toBeDefined();
    }
    expect(test.ledger.listeners.size).toBe(0);
  });

  it("ends when the node stops, and is not begun by too many", async () => {
    test.ledger.proof = PENDING;
    const answers = Array.from({ length: LIMITS.httpClientWaitersMax + 1 }, () =>
      get("/v1/events/0?proof=true"),
    );
    const refused = await Promise.race(answers);
    expect(refused.json()).toMatchObject({ code: "node.overloaded" });
    await test.api.stop();
    const codes = (await Promise.all(answers)).map((answer) => answer.json().code);
    expect(codes.filter((code) => code === "node.stopping").length).toBe(
      LIMITS.httpClientWaitersMax,
    );
  });

  it("does not wait for what waiting cannot mend, nor when it must not", async () => {
    test.ledger.proof = PENDING;
    expect((await get("/v1/events/0?proof=true&waitMs=0")).json().code).toBe("proof.pending");
    test.ledger.proof = fail("proof.too-long", "2000 epochs");
    expect((await get("/v1/events/0?proof=true")).json()).toMatchObject({ code: "proof.too-long" });
  });
});

describe("proofs of rows", () => {
  it("are of the key in the path, or of a page with its cursor in Link", async () => {
    expect((await get("/v1/projections/records/a%2Fb?proof=true")).statusCode).toBe(200);
    expect(test.ledger.proofsAsked[0]?.what).toBe("records a/b");
    test.ledger.proof = ok(new World().rows("absent", "records-3"));
    const page = await get("/v1/projections/records?proof=true&limit=2&prefix=re");
    expect(test.ledger.proofsAsked[1]?.what).toBe("records page of 2");
    const link = String(page.headers["link"]);
    expect(link).toMatch(/^<\/v1\/projections\/records\?proof=true&.*prefix=re>; rel="next"$/);
    const next = await get(link.slice(1, link.indexOf(">")));
    expect(next.statusCode).toBe(200);
    expect((await get("/v1/projections/none?proof=true")).json().code).toBe("http.not-found");
    for (const path of ["records/a?", "records?limit=2&"]) {
      const then = await get(`/v1/projections/${path}proof=true&atHeight=0`);
      expect(then.statusCode).toBe(200);
      expect(test.ledger.proofsAsked.at(-1)?.options).toEqual({ trustedEpoch: 0, atHeight: 0 });
      if (path === "records?limit=2&") expect(then.headers["link"]).toContain("&atHeight=0>");
      const beyond = await get(`/v1/projections/${path}proof=true&atHeight=9`);
      expect(beyond.json()).toMatchObject({ code: "http.behind" });
    }
    const long = "k".repeat(LIMITS.rowKeyBytesMax + 1);
    const refused = await get(`/v1/projections/records/${long}?proof=true`);
    expect(refused.json()).toMatchObject({ code: "http.bad-parameter" });
  });

  it("go on behind a key of the list, which the asker names", async () => {
    const page = (query: string) => get(`/v1/projections/records?${query}`);
    const key = (text: string) => Buffer.from(text).toString("base64url");
    const asked = await page(`proof=true&limit=2&afterKey=${key("records-3")}`);
    expect(asked.statusCode).toBe(200);
    expect(test.ledger.proofsAsked.at(-1)?.what).toBe("records page of 2 after records-3");
    expect((await page(`afterKey=${key("k".repeat(LIMITS.rowKeyBytesMax))}`)).statusCode).toBe(200);
    const cursor = "AQAAAABh";
    for (const query of [
      "afterKey=",
      "afterKey=*",
      `afterKey=${key("k".repeat(LIMITS.rowKeyBytesMax + 1))}`,
      `afterKey=${key("a")}&prefix=b`,
      `afterKey=${key("b")}&prefix=bb`,
      `afterKey=${key("b")}&after=${cursor}`,
    ]) {
      const refused = (await page(query)).json();
      expect(refused, query).toMatchObject({ code: "http.bad-parameter" });
      expect(refused.detail ?? JSON.stringify(refused), query).toContain("afterKey");
    }
  });
});
