import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createSseParser, type SseMessage } from "../../src/client/sse.ts";
import { toHex } from "../../src/crypto/bytes.ts";
import { LIMITS } from "../../src/limits.ts";
import { createTestApi, encodedEvent, HASH, type TestApi } from "./fake-ledger.ts";

let t: TestApi;
let port: number;
const sockets: Socket[] = [];
const aborts: AbortController[] = [];

beforeEach(async () => {
  t = createTestApi();
  port = (await t.api.listen({ host: "::1", port: 0 })).port;
});
afterEach(async () => {
  for (const abort of aborts.splice(0)) abort.abort();
  for (const socket of sockets.splice(0)) socket.destroy();
  await t.api.stop();
});

const events = (count: number, type = "record.put", size = 8) => {
  const event = encodedEvent(type, new Uint8Array(size));
  return Array.from({ length: count }, () => event);
};

/** Reads a stream until `enough` says so, then drops the connection. */
const read = async (
  path: string,
  enough: (messages: readonly SseMessage[]) => boolean,
  headers: Record<string, string> = {},
  onMessage: (messages: readonly SseMessage[]) => void = () => {},
): Promise<SseMessage[]> => {
  const abort = new AbortController();
  aborts.push(abort);
  const response = await fetch(`http://[::1]:${port}${path}`, { headers, signal: abort.signal });
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
  expect(response.headers.get("ledger-height")).toBe(String(t.ledger.height));
  expect(response.headers.get("ledger-genesis")).toBe(toHex(HASH));
  const parser = createSseParser(1 << 24);
  const messages: SseMessage[] = [];
  for await (const piece of response.body ?? []) {
    messages.push(...parser.push(piece));
    onMessage(messages);
    if (enough(messages)) break;
  }
  abort.abort();
  return messages;
};

const ids = (messages: readonly SseMessage[]): number[] =>
  messages.filter((m) => m.event === "message").map((m) => Number(m.id));

const raw = (text: string): Promise<{ text: string; ended: boolean }> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: "::1", port });
    sockets.push(socket);
    let received = "";
    socket.on("data", (piece) => {
      received += piece.toString();
    });
    socket.on("end", () => resolve({ text: received, ended: true }));
    socket.on("error", reject);
    socket.write(text);
  });

describe("NDJSON", () => {
  const lines = async (accept: string, count: number): Promise<unknown[]> => {
    const abort = new AbortController();
    aborts.push(abort);
    const url = `http://[::1]:${port}/v1/events/stream?type=asset.*`;
    const response = await fetch(url, { headers: { accept }, signal: abort.signal });
    expect(response.headers.get("content-type")).toBe("application/x-ndjson; charset=utf-8");
    let text = "";
    for await (const piece of response.body ?? []) {
      text += Buffer.from(piece).toString();
      if (text.split("\n").length > count) break;
    }
    return text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as unknown);
  };

  it("has an event or a checkpoint a line, filtered like the other form", async () => {
    t.ledger.append([...events(2), ...events(1, "asset.host.registered"), ...events(1)]);
    for (const accept of ["application/x-ndjson", "application/ndjson, text/event-stream"]) {
      const [event, checkpoint] = await lines(accept, 2);
      expect(event).toMatchObject({ index: 2, type: "asset.host.registered" });
      expect(checkpoint).toMatchObject({ checkpoint: { height: 1, logSize: 4, next: 4 } });
    }
  });
});

describe("event stream", () => {
  it("catches up, then follows live, without a gap or a repeat", async () => {
    t.ledger.append(events(200));
    let appended = 0;
    const messages = await read(
      "/v1/events/stream",
      (all) => ids(all).length >= 230,
      {},
      (all) => {
        if (appended < 30 && ids(all).length >= 200) {
          appended += 1;
          t.ledger.append(events(1));
        }
      },
    );
    expect(ids(messages)).toEqual(Array.from({ length: 230 }, (_, i) => i));
  });

  it.each([
    ["Last-Event-ID goes on behind it", "/v1/events/stream", { "last-event-id": "41" }, 42],
    ["?from= begins there", "/v1/events/stream?from=10", {}, 10],
    ["Last-Event-ID wins over ?from=", "/v1/events/stream?from=0", { "last-event-id": "4" }, 5],
  ])("%s", async (_name, path, headers, first) => {
    t.ledger.append(events(50));
    const messages = await read(path, (all) => ids(all).includes(49), headers);
    expect(ids(messages)).toEqual(Array.from({ length: 50 - first }, (_, i) => first + i));
  });

  it("?from=end sends new events only", async () => {
    t.ledger.append(events(5));
    const messages = await read(
      "/v1/events/stream?from=end",
      (all) => ids(all).length > 0,
      {},
      (all) => {
        if (all.length > 0 && t.ledger.height === 1) t.ledger.append(events(1));
      },
    );
    expect(ids(messages)).toEqual([5]);
  });

  it("waits for a position that this node has not reached yet", async () => {
    t.ledger.append(events(3));
    const messages = await read(
      "/v1/events/stream",
      (all) => ids(all).length > 0,
      { "last-event-id": "9" },
      () => {
        if (t.ledger.entries.length < 12) t.ledger.append(events(3));
      },
    );
    expect(ids(messages)[0]).toBe(10);
  });

  it("tells by checkpoints how far it has looked, so that a filtered stream can resume", async () => {
    t.ledger.append(events(7, "asset.host.registered"));
    const messages = await read("/v1/events/stream?type=record.*", (all) => all.length > 0);
    expect(messages[0]).toMatchObject({ event: "checkpoint", id: "6" });
    expect(JSON.parse(messages[0]?.data ?? "")).toMatchObject({
      chainId: "fake-1",
      height: 1,
      logSize: 7,
      next: 7,
    });
  });

  it("sends a heartbeat when nothing else was sent", async () => {
    const abort = new AbortController();
    aborts.push(abort);
    const response = await fetch(`http://[::1]:${port}/v1/events/stream`, { signal: abort.signal });
    let text = "";
    for await (const piece of response.body ?? []) {
      text += Buffer.from(piece).toString();
      if (text.includes("checkpoint")) t.timers.fire(LIMITS.httpHeartbeatMs);
      if (text.includes(": heartbeat\n\n")) break;
    }
    expect(text).toContain(": heartbeat\n\n");
  });

  it("drops a subscriber that takes nothing, and keeps no more than a page for it", async () => {
    t.ledger.append(events(2000, "record.put", LIMITS.eventBytesMax - 100));
    const socket = connect({ host: "::1", port });
    sockets.push(socket);
    socket.pause();
    socket.write("GET /v1/events/stream HTTP/1.1\r\nHost: [::1]\r\n\r\n");
    await expect.poll(() => [...t.timers.pending.values()].length, { timeout: 10_000 }).toBe(2);
    const stalled = [...t.timers.pending.values()].some(
      (timer) => timer.delayMs === LIMITS.httpStallMsMax,
    );
    expect(stalled).toBe(true);
    expect(t.timers.fire(LIMITS.httpStallMsMax)).toBe(1);
    await expect.poll(() => t.metrics.read("http_subscribers_dropped_total")).toBe(1);
    await expect.poll(() => t.metrics.read("http_subscribers")).toBe(0);
    expect(t.ledger.listeners.size).toBe(0);
  });

  it("takes subscribers of one client up to its limit and answers 503 past it", async () => {
    const request = "GET /v1/events/stream HTTP/1.1\r\nHost: [::1]\r\n\r\n";
    for (let i = 0; i < LIMITS.httpClientSubscribersMax; i++) {
      const socket = connect({ host: "::1", port });
      sockets.push(socket);
      socket.write(request);
    }
    await expect
      .poll(() => t.metrics.read("http_subscribers"), { timeout: 20_000 })
      .toBe(LIMITS.httpClientSubscribersMax);
    const past = await fetch(`http://[::1]:${port}/v1/events/stream`);
    expect(past.status).toBe(503);
    expect(past.headers.get("retry-after")).toBe("1");
    expect(await past.json()).toMatchObject({ code: "node.overloaded" });
  });

  it("forgets a subscriber that went away, and ends all when it stops", async () => {
    await read("/v1/events/stream", (all) => all.length > 0);
    await expect.poll(() => t.ledger.listeners.size).toBe(0);
    const response = await fetch(`http://[::1]:${port}/v1/events/stream`);
    const text = response.text();
    await expect.poll(() => t.ledger.listeners.size).toBe(1);
    await t.api.stop();
    expect(await text).toContain("event: checkpoint");
    expect(t.ledger.listeners.size).toBe(0);
  });
});

describe("hostile HTTP", () => {
  it("closes what one client opens past its connections", { timeout: 30_000 }, async () => {
    let closed = 0;
    const open = (): Promise<void> =>
      new Promise((resolve) => {
        const socket = connect({ host: "::1", port });
        sockets.push(socket);
        socket.on("error", () => {});
        socket.on("connect", resolve);
        socket.on("close", () => {
          closed += 1;
        });
        socket.resume();
      });
    // Few at a time, so that none waits in the queue of the system.
    for (let i = 0; i < LIMITS.httpClientConnectionsMax; i += 128) {
      await Promise.all(Array.from({ length: 128 }, open));
    }
    const last = sockets.at(-1);
    const answered = new Promise<string>((resolve) => {
      last?.once("data", (piece) => resolve(piece.toString()));
    });
    last?.write("GET /livez HTTP/1.1\r\nHost: [::1]\r\n\r\n");
    expect(await answered).toMatch(/^HTTP\/1\.1 200 /);
    expect(closed).toBe(0);
    await open();
    await expect.poll(() => closed).toBe(1);
  });

  it("refuses headers over the limit", async () => {
    const answer = await raw(
      `GET /v1/status HTTP/1.1\r\nHost: [::1]\r\nX: ${"a".repeat(LIMITS.httpHeaderBytesMax)}\r\n\r\n`,
    );
    expect(answer.text).toMatch(/^HTTP\/1\.1 431 /);
    expect(answer.text).toContain('"code":"http.header-too-large"');
  });

  it.each([
    ["no HTTP", "hello\r\n\r\n"],
    ["a bare LF in a header", "GET /v1/status HTTP/1.1\r\nHost: [::1]\r\nA: b\nC: d\r\n\r\n"],
    [
      "length and chunks together",
      "POST /v1/batches HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    [
      "two lengths",
      "POST /v1/batches HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    ],
    ["a space before the colon", "GET /v1/status HTTP/1.1\r\nHost : [::1]\r\n\r\n"],
  ])("refuses %s and closes", async (_name, text) => {
    const answer = await raw(text);
    expect(answer.text).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer.text).toContain('"code":"http.malformed"');
    expect(answer.ended).toBe(true);
  });

  it("refuses a URL over the limit", async () => {
    const response = await fetch(`http://[::1]:${port}/v1/events?type=${"a".repeat(5000)}`);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "http.malformed" });
  });

  it("refuses a body that claims more than the limit before reading it", async () => {
    const answer = await raw(
      "POST /v1/batches HTTP/1.1\r\nHost: [::1]\r\nContent-Type: application/octet-stream\r\n" +
        "Content-Length: 4294967296\r\nConnection: close\r\n\r\nabc",
    );
    expect(answer.text).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer.text).toContain('"code":"http.body-too-large"');
  });

  it("gives up on a body that comes a byte at a time", { timeout: 40_000 }, async () => {
    const socket = connect({ host: "::1", port });
    sockets.push(socket);
    let received = "";
    socket.on("data", (piece) => {
      received += piece.toString();
    });
    const closed = new Promise<void>((resolve) => {
      socket.on("close", () => resolve());
      socket.on("error", () => resolve());
    });
    socket.write(
      "POST /v1/batches HTTP/1.1\r\nHost: [::1]\r\nContent-Type: application/octet-stream\r\n" +
        "Content-Length: 1000\r\n\r\n",
    );
    const drip = setInterval(() => socket.writable && socket.write("x"), 500);
    await closed;
    clearInterval(drip);
    expect(received).toMatch(/^HTTP\/1\.1 408 /);
    expect(received).toContain('"code":"http.request-timeout"');
    expect(t.ledger.submissions).toHaveLength(0);
  });

  it("speaks IPv6 only", async () => {
    const refused = await new Promise<string>((resolve) => {
      const socket = connect({ host: "127.0.0.1", port });
      sockets.push(socket);
      socket.on("connect", () => resolve("connected"));
      socket.on("error", (error) => resolve((error as NodeJS.ErrnoException).code ?? "error"));
    });
    expect(refused).toBe("ECONNREFUSED");
  });
});
