import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { ApiClient } from "../../src/client/api.ts";
import { follow } from "../../src/client/follow.ts";
import type { SseMessage } from "../../src/client/sse.ts";
import { TetradError } from "../../src/errors.ts";

type Connection = { ids: number[]; checkpoint?: string; error?: TetradError };

/** Each connection gives some messages and then ends as told. */
class FakeStream extends ApiClient {
  readonly asked: string[] = [];
  readonly #connections: Connection[];

  constructor(connections: Connection[]) {
    super("http://[::1]:1");
    this.#connections = connections;
  }

  override async *stream(_query: object, lastId: string): AsyncGenerator<SseMessage> {
    this.asked.push(lastId);
    const next = this.#connections.shift();
    if (next === undefined) throw new TetradError("http.bad-parameter", "no more");
    for (const id of next.ids) yield { event: "message", data: String(id), id: String(id) };
    if (next.checkpoint !== undefined) {
      const data = JSON.stringify({ genesisHash: next.checkpoint });
      yield { event: "checkpoint", data, id: String(next.ids.at(-1)) };
    }
    if (next.error !== undefined) throw next.error;
  }
}

const gone = new TetradError("cli.unreachable", "gone");

const run = async (client: ApiClient, failuresMax: number, take = Number.POSITIVE_INFINITY) => {
  const controller = new AbortController();
  const pauses: number[] = [];
  const seen: string[] = [];
  const messages = follow({
    client,
    query: {},
    signal: controller.signal,
    sleep: async (ms) => void pauses.push(ms),
    onBreak: () => {},
    failuresMax,
  });
  try {
    for await (const { id } of messages) {
      seen.push(id);
      if (seen.length === take) controller.abort();
    }
    return { seen, pauses, error: undefined };
  } catch (error) {
    return { seen, pauses, error };
  }
};

describe("following a stream", () => {
  it("resumes behind the last id over broken connections, without a gap or a repeat", async () => {
    const client = new FakeStream([
      { ids: [0, 1], error: gone },
      { ids: [], error: gone },
      { ids: [2] },
      { ids: [3, 4], error: gone },
    ]);
    const { seen } = await run(client, Number.POSITIVE_INFINITY);
    expect(seen).toEqual(["0", "1", "2", "3", "4"]);
    expect(client.asked).toEqual(["", "1", "1", "2", "4"]);
  });

  it("waits longer after each failure in a row, and from the start again after a success", async () => {
    const failing = Array.from({ length: 8 }, () => ({ ids: [], error: gone }));
    const client = new FakeStream([...failing, { ids: [0], error: gone }]);
    const { pauses } = await run(client, Number.POSITIVE_INFINITY);
    expect(pauses).toEqual([500, 1000, 2000, 4000, 5000, 5000, 5000, 5000, 500]);
  });

  it("gives up after so many failures in a row, and at once on what no retry can cure", async () => {
    const client = new FakeStream(Array.from({ length: 9 }, () => ({ ids: [], error: gone })));
    const { error } = await run(client, 2);
    expect(error).toBe(gone);
    expect(client.asked).toHaveLength(3);
    const bad = new TetradError("http.unknown-parameter", "bad");
    const other = new FakeStream([{ ids: [], error: bad }]);
    expect((await run(other, 9)).error).toBe(bad);
  });

  it("ends when the node comes back with another chain, before it takes any of its events", async () => {
    const server = createServer((_request, response) => {
      const chain = served === 0 ? "aa".repeat(32) : "bb".repeat(32);
      response.writeHead(200, { "content-type": "text/event-stream", "ledger-genesis": chain });
      response.end(`id: ${served}\ndata: ${served}\n\n`);
      served += 1;
    });
    let served = 0;
    await new Promise<void>((resolve) => server.listen(0, "::1", resolve));
    const { port } = server.address() as AddressInfo;
    const { seen, error } = await run(new ApiClient(`http://[::1]:${port}`), 9);
    server.close();
    expect(seen).toEqual(["0"]);
    expect(error).toMatchObject({ code: "folder.foreign" });
  });

  it("ends at a checkpoint of another chain than the status was of", async () => {
    const client = new FakeStream([{ ids: [0], checkpoint: "bb" }]);
    client.checkChain("aa");
    const { seen, error } = await run(client, 9);
    expect(seen).toEqual(["0"]);
    expect(error).toMatchObject({ code: "folder.foreign" });
    const same = new FakeStream([
      { ids: [0], checkpoint: "aa" },
      { ids: [1], checkpoint: "aa" },
    ]);
    same.checkChain("aa");
    expect((await run(same, 9, 4)).seen).toEqual(["0", "0", "1", "1"]);
  });

  it("ends without an error when it is told to", async () => {
    const client = new FakeStream([{ ids: [0, 1, 2], error: gone }]);
    expect(await run(client, 9, 2)).toMatchObject({ error: undefined });
  });
});
