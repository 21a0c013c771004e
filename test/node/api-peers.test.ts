/** GET /v1/peers: what the transport knows of each peer, and nothing made up for one that is away. */
import { afterEach, describe, expect, it } from "vitest";
import { NOBODY_OBSERVED, observe } from "../../src/detect/index.ts";
import { createTestApi, fakePeers, type TestApi } from "./fake-ledger.ts";

let test: TestApi | undefined;
afterEach(async () => {
  await test?.api.stop();
});

describe("GET /v1/peers", () => {
  it("has the figures of a session, and null where there is none", async () => {
    test = createTestApi();
    const headers = { host: "[::1]:8440" };
    const answer = await test.api.app.inject({ url: "/v1/peers", headers });
    expect(answer.statusCode).toBe(200);
    const [up, away] = fakePeers;
    expect(answer.json()).toEqual({
      items: [
        {
          id: up?.id,
          address: "[::1]:4441",
          state: "up",
          remote: "[::1]:4441",
          dialledBy: "us",
          via: null,
          rttMs: 2,
          driver: "quiche",
          packets: { sent: 40, received: 41, lost: 2 },
          tlsMs: 12.5,
          upMs: 1000,
          sealed: { handshakeMs: 9.5, roundTripMs: 3.25, version: "1.2.3", records: 4 },
          bulkBy: null,
          observed: [],
          queuedBytes: 7,
          bytes: up?.session?.bytes,
        },
        {
          id: away?.id,
          address: "[::1]:4442",
          state: "waiting",
          remote: null,
          dialledBy: null,
          via: null,
          rttMs: null,
          driver: null,
          packets: null,
          tlsMs: null,
          upMs: null,
          sealed: null,
          bulkBy: null,
          observed: [],
          queuedBytes: 0,
          bytes: null,
        },
      ],
    });
    const member = up?.id ?? "";
    const seen = { kind: "object-chunk", member, timeMs: 5, transferable: false } as const;
    const liars = createTestApi(undefined, false, undefined, observe(NOBODY_OBSERVED, seen));
    const told = await liars.api.app.inject({ url: "/v1/peers", headers });
    expect(told.json().items.map((one: { observed: unknown }) => one.observed)).toEqual([
      [{ kind: "object-chunk", count: 1, lastMs: 5, transferable: false }],
      [],
    ]);
    await liars.api.stop();
    const wrong = await test.api.app.inject({ url: "/v1/peers?x=1", headers });
    expect(wrong.json()).toMatchObject({ code: "http.unknown-parameter" });
  });
});
