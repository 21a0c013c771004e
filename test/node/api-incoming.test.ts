/** Bodies of requests are bounded over the connections of a client, before they are read. */
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, expect, it } from "vitest";
import { LIMITS } from "../../src/limits.ts";
import { createTestApi, type TestApi } from "./fake-ledger.ts";

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

/** Begins a request whose body does not come; `said` grows with what is answered. */
const begin = async (framing: string): Promise<{ socket: Socket; said: { text: string } }> => {
  const socket = connect({ host: "::1", port });
  sockets.push(socket);
  const said = { text: "" };
  socket.on("data", (piece) => {
    said.text += piece.toString();
  });
  const head =
    "POST /v1/batches HTTP/1.1\r\nHost: [::1]\r\nContent-Type: application/octet-stream\r\n";
  await new Promise<void>((resolve) => socket.write(`${head}${framing}\r\n\r\n`, () => resolve()));
  return { socket, said };
};

const held = (): number => Number(/http_incoming_bytes (\d+)/.exec(t.metrics.page())?.[1] ?? 0);

it.each([
  ["a length", `Content-Length: ${LIMITS.httpBodyBytesMax}`],
  ["no length", "Transfer-Encoding: chunked"],
])(
  "takes bodies with %s up to the limit of a client, refuses the next, and takes it when there is room",
  async (_what, framing) => {
    const fit = Math.floor(LIMITS.httpClientIncomingBytesMax / LIMITS.httpBodyBytesMax);
    for (let n = 0; n < fit; n++) await begin(framing);
    await expect.poll(held).toBe(fit * LIMITS.httpBodyBytesMax);
    const refused = await begin(framing);
    await expect.poll(() => refused.said.text).toContain("node.overloaded");
    expect(refused.said.text).toMatch(/^HTTP\/1\.1 503 /);
    expect(refused.said.text.toLowerCase()).toContain("retry-after: 1");
    // Reads have no body: they are answered as ever.
    const status = await fetch(`http://[::1]:${port}/v1/status`);
    expect(status.status).toBe(200);
    sockets[0]?.destroy();
    await expect.poll(held).toBe((fit - 1) * LIMITS.httpBodyBytesMax);
    const taken = await begin(framing);
    await expect.poll(held).toBe(fit * LIMITS.httpBodyBytesMax);
    expect(taken.said.text).toBe("");
  },
);
