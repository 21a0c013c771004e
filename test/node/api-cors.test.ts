/** What pages of other sites may read and write through a browser (src/node/api/cors.ts). */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createTestApi, type TestApi } from "./fake-ledger.ts";

const HOST = { host: "[::1]:8440", origin: "https://example.org" };

let t: TestApi;
beforeEach(() => {
  t = createTestApi();
});
afterEach(() => t.api.stop());

type Method = "GET" | "POST" | "PUT" | "OPTIONS";

const ask = (method: Method, url: string, headers: Record<string, string> = {}) =>
  t.api.app.inject({ method, url, headers: { ...HOST, ...headers } });

const ORIGIN = "access-control-allow-origin";

describe("a page of another site", () => {
  it("may read everything, problems included, and see our headers", async () => {
    for (const url of ["/v1/status", "/v1/events", "/v1/events?limit=x", "/nothing", "/metrics"]) {
      const { headers } = await ask("GET", url);
      expect(headers[ORIGIN], url).toBe("*");
      expect(headers["access-control-expose-headers"]).toContain("Ledger-Genesis");
      expect(headers["access-control-expose-headers"]).toContain("Retry-After");
      expect(headers["access-control-allow-credentials"]).toBeUndefined();
    }
  });

  it("may submit signed batches, and write nothing else", async () => {
    const type = { "content-type": "application/octet-stream" };
    expect((await ask("POST", "/v1/batches?wait=never", type)).headers[ORIGIN]).toBe("*");
    for (const url of ["/v1/events", "/v1/batches/x", "/v1/batchesx", "/metrics", "/nothing"]) {
      expect((await ask("POST", url, type)).headers[ORIGIN], url).toBeUndefined();
      expect((await ask("PUT", url, type)).headers[ORIGIN], url).toBeUndefined();
    }
  });

  it("is told so by preflights", async () => {
    const want = (method: string) => ({ "access-control-request-method": method });
    const read = await ask("OPTIONS", "/v1/events/stream", want("GET"));
    expect(read.statusCode).toBe(204);
    expect(read.headers["access-control-allow-methods"]).toBe("GET, HEAD");
    expect(read.headers["access-control-allow-headers"]).toContain("Last-Event-ID");
    const write = await ask("OPTIONS", "/v1/batches", want("POST"));
    expect(write.headers["access-control-allow-methods"]).toBe("GET, HEAD, POST");
    expect(write.headers["access-control-allow-headers"]).toContain("Content-Type");
    const other = await ask("OPTIONS", "/v1/status", want("DELETE"));
    expect(other.headers["access-control-allow-methods"]).toBe("GET, HEAD");
    const network = { ...want("GET"), "access-control-request-private-network": "true" };
    const { headers } = await ask("OPTIONS", "/v1/status", network);
    expect(headers["access-control-allow-private-network"]).toBeUndefined();
  });

  it("is refused under a name of its own before anything else is looked at", async () => {
    for (const method of ["GET", "OPTIONS"] as const) {
      const headers = { host: "rebound.example.org", "access-control-request-method": "GET" };
      const answer = await ask(method, "/v1/status", headers);
      expect(answer.statusCode).toBe(421);
      expect(answer.headers[ORIGIN]).toBeUndefined();
    }
  });

  it("is answered 405 to an OPTIONS that is no preflight", async () => {
    expect((await ask("OPTIONS", "/v1/status")).statusCode).toBe(405);
  });
});
