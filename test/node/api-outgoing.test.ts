/** Clients that ask and do not read: what waits for them is bounded, and for how long. */
import { EventEmitter } from "node:events";
import { connect, type Socket } from "node:net";
import type { FastifyReply } from "fastify";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LIMITS } from "../../src/limits.ts";
import { Outgoing } from "../../src/node/api/outgoing.ts";
import { createTestApi, encodedEvent, type TestApi } from "./fake-ledger.ts";

let t: TestApi;
let port: number;
const sockets: Socket[] = [];

beforeEach(async () => {
  t = createTestApi();
  port = (await t.api.listen({ host: "::1", port: 0 })).port;
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await t.api.stop();
});

const PAGE = "/v1/events?limit=1000";

const fill = (): void => {
  const event = encodedEvent("record.put", new Uint8Array(LIMITS.eventBytesMax - 100));
  t.ledger.append(Array.from({ length: 100 }, () => event));
  const rows = Array.from({ length: 100 }, (_, i): [Uint8Array, Uint8Array] => [
    Buffer.from(`k${i}`),
    new Uint8Array(LIMITS.rowValueBytesMax),
  ]);
  t.ledger.rowsByName.set("records", rows);
};

/** Asks and never reads. */
const ask = (path: string): Socket => {
  const socket = connect({ host: "::1", port });
  sockets.push(socket);
  socket.pause();
  socket.on("error", () => {});
  socket.write(`GET ${path} HTTP/1.1\r\nHost: [::1]\r\n\r\n`);
  return socket;
};

const waiting = (): number => t.metrics.read("http_outgoing_bytes");
const get = (path: string): Promise<Response> => fetch(`http://[::1]:${port}${path}`);

describe("clients that do not read", () => {
  it.each([PAGE, "/v1/projections/records?limit=1000"])(
    "hold no more than the limit of one client, and are told so past it: %s",
    async (path) => {
      fill();
      const one = await get(path);
      const bytes = Buffer.byteLength(await one.text());
      await expect.poll(waiting).toBe(0);
      const fit = Math.floor(LIMITS.httpClientOutgoingBytesMax / bytes);
      // One after the other: pages that are read at the same time refuse each other.
      for (let held = 1; held <= fit; held++) {
        ask(path);
        await expect.poll(waiting, { timeout: 10_000 }).toBe(held * bytes);
      }
      for (let i = 0; i < 20; i++) ask(path);
      expect(waiting()).toBeLessThanOrEqual(LIMITS.httpClientOutgoingBytesMax);
      const past = await get(path);
      expect(past.status).toBe(503);
      expect(past.headers.get("retry-after")).toBe("1");
      expect(await past.json()).toMatchObject({ code: "node.overloaded" });
      expect((await get("/livez")).status).toBe(200);
      expect((await get("/v1/status")).status).toBe(200);
      for (const socket of sockets.splice(0)) socket.destroy();
      await expect.poll(waiting).toBe(0);
      const again = await get(path);
      expect(again.status).toBe(200);
      await again.text();
    },
  );

  it("get a small answer even so, up to its limit, and no more than their part of the others", () => {
    const outgoing = new Outgoing(t.timers, t.metrics);
    const past = LIMITS.httpSmallAnswerBytesMax + 1;
    const reply = (remoteAddress = "2001:db8:0:2::1"): FastifyReply =>
      ({
        raw: Object.assign(new EventEmitter(), { socket: { remoteAddress } }),
      }) as unknown as FastifyReply;
    const rest = LIMITS.httpOutgoingBytesMax - LIMITS.httpSmallAnswerBytesMax;
    const half = LIMITS.httpClientOutgoingBytesMax;
    outgoing.setBody(reply("2001:db8::1"), half);
    expect(() => outgoing.setBody(reply("2001:db8::2"), past)).toThrow("not taken yet");
    outgoing.setBody(reply("2001:db8:0:1::1"), rest - half);
    outgoing.setBody(reply(), LIMITS.httpSmallAnswerBytesMax);
    expect(outgoing.bytes).toBe(rest);
    expect(() => outgoing.setBody(reply(), past)).toThrow("not taken yet");
    const last = reply();
    outgoing.addItems(last, 1, 1);
    expect(() => outgoing.addItems(last, 0, LIMITS.httpOutgoingBytesMax)).toThrow("not taken yet");
    expect(outgoing.bytes).toBe(rest);
    outgoing.addItems(last, 1, 1);
    last.raw.emit("close");
    expect(outgoing.bytes).toBe(rest);
  });

  it("are dropped when they have not taken their answer in time", async () => {
    fill();
    const socket = ask(PAGE);
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    await expect.poll(waiting).toBeGreaterThan(LIMITS.httpSmallAnswerBytesMax);
    expect(t.timers.fire(LIMITS.httpStallMsMax)).toBe(1);
    await expect.poll(waiting).toBe(0);
    expect(t.metrics.read("http_answers_dropped_total")).toBe(1);
    socket.resume();
    await closed;
  });

  it("leave no timer behind when they do read", async () => {
    fill();
    for (const path of [PAGE, "/livez", "/v1/nothing"]) await (await get(path)).text();
    await expect.poll(() => t.timers.pending.size).toBe(0);
    expect(t.metrics.read("http_answers_dropped_total")).toBe(0);
  });
});
