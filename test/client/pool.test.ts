import { afterEach, describe, expect, it } from "vitest";
import { PoolClient } from "../../src/client/pool.ts";
import { TetradError } from "../../src/errors.ts";
import { LIMITS } from "../../src/limits.ts";
import { json, problem, serve, type TestServer } from "./support.ts";

const servers: TestServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

type Behaviour = Parameters<typeof serve>[0];

const node = async (answer: Behaviour): Promise<TestServer> => {
  const server = await serve(answer);
  servers.push(server);
  return server;
};

const good: Behaviour = (_, response) => json(response, { from: "good" });
const code =
  (status: number, name: string): Behaviour =>
  (_, response) =>
    problem(response, status, name);

const poolOf = async (...answers: Behaviour[]) => {
  const nodes: TestServer[] = [];
  for (const answer of answers) nodes.push(await node(answer));
  const left: string[] = [];
  const client = new PoolClient(
    nodes.map(({ base }) => base),
    {
      requestMs: 200,
      genesisHash: "aa",
      onFailover: (base, error) =>
        left.push(`${nodes.findIndex((one) => one.base === base)} ${error.code}`),
    },
  );
  return { nodes, client, left };
};

describe("a client of several nodes", () => {
  it("asks the next node when one is down, hangs, is overloaded, or talks nonsense, and stays there", async () => {
    const { client, nodes, left } = await poolOf(
      () => undefined,
      code(503, "node.overloaded"),
      (_, response) => void response.end("<html>"),
      good,
    );
    expect(await client.get("/x")).toEqual({ from: "good" });
    expect(left).toEqual(["0 cli.unreachable", "1 node.overloaded", "2 client.bad-answer"]);
    await client.get("/x");
    expect(nodes.map(({ requests }) => requests.length)).toEqual([1, 1, 1, 2]);
  });

  it("leaves a node of another chain", async () => {
    const foreign: Behaviour = (_, response) => {
      response.writeHead(200, { "ledger-genesis": "bb" });
      response.end('{"from":"foreign"}');
    };
    const { client, left } = await poolOf(foreign, good);
    expect(await client.get("/x")).toEqual({ from: "good" });
    expect(left).toEqual(["0 folder.foreign"]);
  });

  it("does not ask another node what the first has refused for good", async () => {
    const { client, nodes } = await poolOf(code(404, "http.not-found"), good);
    await expect(client.get("/x")).rejects.toMatchObject({ code: "http.not-found" });
    expect(nodes[1]?.requests).toEqual([]);
  });

  it("says what the last node said when none can answer", async () => {
    const { client } = await poolOf(code(503, "node.overloaded"), code(503, "node.not-ready"));
    await expect(client.get("/x")).rejects.toMatchObject({ code: "node.not-ready" });
  });

  it("asks each node for a request, whichever others have made the current one meanwhile", async () => {
    const { client, nodes } = await poolOf(good, good, good);
    const gone = new TetradError("cli.unreachable", "gone");
    const isOther = (error: unknown): error is TetradError => error === gone;
    const asked: string[] = [];
    const end = client.each(async ({ base }) => {
      asked.push(base);
      // Others leave the second and the third, so that the first is the current one again.
      if (asked.length === 2) for (let i = 0; i < 2; i++) client.leave(gone);
      throw gone;
    }, isOther);
    await expect(end).rejects.toBe(gone);
    expect([...asked].sort()).toEqual(nodes.map(({ base }) => base).sort());
  });

  it("follows the stream of the next node after a break, behind the last id", async () => {
    const asked: (string | undefined)[] = [];
    const sending =
      (text: string): Behaviour =>
      (request, response) => {
        asked.push(request.headers["last-event-id"] as string | undefined);
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.write(text);
        setTimeout(() => response.destroy(), 20);
      };
    const { client } = await poolOf(
      sending("id: 0\ndata: a\n\nid: 1\ndata: b\n\n"),
      sending("id: 2\ndata: c\n\n"),
    );
    const { signal } = new AbortController();
    const seen: string[] = [];
    for (const last of ["", "1"]) {
      await expect(
        (async () => {
          for await (const { id } of client.stream({}, last, signal)) seen.push(id);
        })(),
      ).rejects.toMatchObject({ code: "cli.unreachable" });
    }
    expect(seen).toEqual(["0", "1", "2"]);
    expect(asked).toEqual([undefined, "1"]);
  });

  it("has 1 to 64 nodes", () => {
    const base = "http://[::1]:1";
    const usage = expect.objectContaining({ code: "cli.usage" });
    expect(() => new PoolClient([])).toThrow(usage);
    const many = Array<string>(LIMITS.clientNodesMax + 1).fill(base);
    expect(() => new PoolClient(many)).toThrow(usage);
    expect(new PoolClient(many.slice(1)).base).toBe(base);
    expect(() => new PoolClient(["ftp://x"])).toThrow(usage);
  });
});
