/** Clients that ask for much and read nothing: what they hold is bounded in bytes and in time. */
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LIMITS } from "../../src/limits.ts";
import { createTestApi, encodedEvent, type TestApi } from "./fake-ledger.ts";

let t: TestApi;
let port: number;
const sockets: Socket[] = [];

beforeEach(async () => {
  t = createTestApi();
  port = (await t.api.listen({ host: "::1", port: 0 })).port;
  const event = encodedEvent("record.put", new Uint8Array(LIMITS.eventBytesMax - 100));
  t.ledger.append(Array.from({ length: 200 }, () => event));
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await t.api.stop();
});

const PAGE = "/v1/events?from=0&limit=200";

/** Asks for a page of the most that there is, and takes nothing of it. */
const askAndStall = (): Socket => {
  const socket = connect({ host: "::1", port });
  sockets.push(socket);
  socket.pause();
  socket.write(`GET ${PAGE} HTTP/1.1\r\nHost: [::1]\r\n\r\n`);
  return socket;
};

const waiting = (): number =>
  [...t.timers.pending.values()].filter(({ delayMs }) => delayMs === LIMITS.httpAnswerMsMax).length;

describe("clients that do not read", () => {
  it("are refused more once the answers that wait are too many, and others get small ones", async () => {
    const size = (await (await fetch(`http://[::1]:${port}${PAGE}`)).text()).length;
    const fit = Math.floor(LIMITS.httpAnswerBytesMax / size);
    expect(fit).toBeGreaterThan(1);
    for (let i = 0; i < fit; i++) askAndStall();
    await expect.poll(waiting, { timeout: 10_000 }).toBe(fit);
    const past = await fetch(`http://[::1]:${port}${PAGE}`);
    expect(past.status).toBe(503);
    expect(past.headers.get("retry-after")).toBe("1");
    expect(await past.json()).toMatchObject({ code: "node.overloaded" });
    expect((await fetch(`http://[::1]:${port}/v1/status`)).status).toBe(200);
    // Who goes away gives back what it held.
    sockets.pop()?.destroy();
    await expect.poll(waiting, { timeout: 10_000 }).toBe(fit - 1);
    expect((await fetch(`http://[::1]:${port}${PAGE}`)).status).toBe(200);
  });

  it("lose their connection when the time of the answer is over", async () => {
    const socket = askAndStall();
    await expect.poll(waiting, { timeout: 10_000 }).toBe(1);
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    expect(t.timers.fire(LIMITS.httpAnswerMsMax)).toBe(1);
    socket.on("error", () => undefined);
    socket.resume();
    await closed;
    expect(t.metrics.read("http_answers_dropped_total")).toBe(1);
    await expect.poll(waiting).toBe(0);
  });
});
