/** Limits of the API that are of all clients together, and of what a server reads: at each, and past it. */
import { EventEmitter } from "node:events";
import type { FastifyReply, FastifyRequest } from "fastify";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { utf8 } from "../../src/crypto/codec.ts";
import { LIMITS } from "../../src/limits.ts";
import { Incoming } from "../../src/node/api/incoming.ts";
import { createTestApi, encodedEvent, type TestApi } from "./fake-ledger.ts";

const HOST = { host: "[::1]:8440" };

let t: TestApi;
beforeEach(() => {
  t = createTestApi();
});
afterEach(() => t.api.stop());

/** Asks as somebody with this address: of 2001:db8:N:: each N is a client of its own. */
const ask = (url: string, client = 1) =>
  t.api.app.inject({ url, headers: HOST, remoteAddress: `2001:db8:${client}::1` });

const fill = (): void => {
  const event = encodedEvent("detect.evidence.committed", utf8("e"));
  t.ledger.append(Array.from({ length: LIMITS.httpPageMax + 1 }, () => event));
  t.ledger.rowsByName.set(
    "records",
    t.ledger.entries.map(({ index }) => [utf8(`k${index}`), utf8("v")]),
  );
};

describe.each(["/v1/events", "/v1/evidence", "/v1/projections/records"])("%s", (path) => {
  it("has pages of httpPageDefault items, of up to httpPageMax where that is asked for", async () => {
    fill();
    const count = async (query: string): Promise<number> =>
      (await ask(`${path}${query}`)).json().items.length;
    expect(await count("")).toBe(LIMITS.httpPageDefault);
    expect(await count(`?limit=${LIMITS.httpPageMax}`)).toBe(LIMITS.httpPageMax);
    for (const limit of [0, LIMITS.httpPageMax + 1]) {
      const refused = (await ask(`${path}?limit=${limit}`)).json();
      expect(refused).toMatchObject({ code: "http.bad-parameter", data: { parameter: "limit" } });
    }
  });
});

describe("what all clients share", () => {
  it("of streams is httpSubscribersMax, and the one behind is told to come again", async () => {
    const clients = Math.ceil(LIMITS.httpSubscribersMax / LIMITS.httpClientSubscribersMax);
    for (let n = 0; n < LIMITS.httpSubscribersMax; n++) {
      ask("/v1/events/stream?from=end", n % clients).catch(() => {});
    }
    const open = (): number => t.metrics.read("http_subscribers");
    await expect.poll(open, { timeout: 20_000 }).toBe(LIMITS.httpSubscribersMax);
    const refused = await ask("/v1/events/stream", clients);
    expect(refused.json()).toMatchObject({ code: "node.overloaded", status: 503 });
    expect(refused.headers["retry-after"]).toBe("1");
  }, 60_000);

  it("of requests that wait is httpWaitersMax", async () => {
    const clients = Math.ceil(LIMITS.httpWaitersMax / LIMITS.httpClientWaitersMax);
    const waiting = Array.from({ length: LIMITS.httpWaitersMax }, (_, n) =>
      ask("/v1/events?minHeight=9&waitMs=700", n % clients),
    );
    await expect.poll(() => t.timers.pending.size, { timeout: 20_000 }).toBe(waiting.length);
    const refused = await ask("/v1/events?minHeight=9&waitMs=700", clients);
    expect(refused.json()).toMatchObject({ code: "node.overloaded", status: 503 });
    expect(t.timers.fire(700)).toBe(waiting.length);
    for (const answer of await Promise.all(waiting)) expect(answer.statusCode).toBe(504);
  }, 60_000);

  it("of bodies that are read is httpIncomingBytesMax", () => {
    const incoming = new Incoming(t.metrics);
    const replies: EventEmitter[] = [];
    const take = (bytes: number, client: number): void => {
      const socket = { remoteAddress: `2001:db8:${client}::1` };
      const request = { headers: { "content-length": String(bytes) }, raw: { socket } };
      const reply = { raw: new EventEmitter() };
      incoming.take(request as unknown as FastifyRequest, reply as unknown as FastifyReply);
      replies.push(reply.raw);
    };
    const each = 1024 * 1024;
    for (let n = 0; n < LIMITS.httpIncomingBytesMax / each; n++) take(each, n % 3);
    expect(() => take(1, 3)).toThrowError(expect.objectContaining({ code: "node.overloaded" }));
    // Who sends no body is not in the way.
    take(0, 3);
    replies[0]?.emit("close");
    take(each, 3);
    expect(() => take(1, 3)).toThrowError(expect.objectContaining({ code: "node.overloaded" }));
  });
});

describe("the server", () => {
  it("reads targets up to httpUrlBytesMax, and no longer ones", async () => {
    const code = async (length: number): Promise<string> => {
      const path = "/v1/status?x=";
      return (await ask(path + "a".repeat(length - path.length))).json().code as string;
    };
    expect(await code(LIMITS.httpUrlBytesMax)).toBe("http.unknown-parameter");
    expect(await code(LIMITS.httpUrlBytesMax + 1)).toBe("http.malformed");
  });

  it("has the limits of connections, and of the time that it gives a request, from the table", () => {
    const { server } = t.api.app;
    expect(server.maxConnections).toBe(LIMITS.httpConnectionsMax);
    expect(server.headersTimeout).toBe(LIMITS.httpHeadersTimeoutMs);
    expect(server.requestTimeout).toBe(LIMITS.httpRequestTimeoutMs);
    expect(server.keepAliveTimeout).toBe(LIMITS.httpIdleTimeoutMs);
  });
});
