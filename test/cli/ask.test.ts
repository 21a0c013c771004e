import { createServer, type Server, type ServerResponse } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { askStatus, FolderClient } from "../../src/cli/ask.ts";
import { LIMITS } from "../../src/limits.ts";

const servers: Server[] = [];

/** A node that answers as the test says, and keeps what it was asked. */
const serve = async (
  answer: (path: string, response: ServerResponse) => void,
): Promise<{ readonly url: string; readonly asked: string[] }> => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.setHeader("content-type", "application/json");
    answer(request.url ?? "", response);
  });
  servers.push(server);
  await new Promise<void>((done) => {
    server.listen({ host: "::1", port: 0 }, done);
  });
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("no address");
  return { url: `http://[::1]:${address.port}`, asked };
};

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((done) => {
      server.close(done);
    });
  }
});

const statusOf = (chainId: string): string =>
  JSON.stringify({ chainId, genesisHash: "00", executedHeight: 1, problems: [], items: [] });

const never = new AbortController().signal;

describe("asking a node how it is", () => {
  it("waits for a node that is slow", async () => {
    const { url } = await serve((_, response) => {
      setTimeout(() => response.end(statusOf("one-1")), LIMITS.cliStatusMsMax / 2);
    });
    expect(await askStatus(url, never)).toMatchObject({ chainId: "one-1" });
  });

  it("gives up on one that hangs, also within its answer", async () => {
    const hangs = await serve(() => {});
    const stops = await serve((_, response) => response.write('{"chainId":'));
    const began = performance.now();
    const both = [askStatus(hangs.url, never), askStatus(stops.url, never)];
    expect(await Promise.all(both)).toEqual(["no answer", "no answer"]);
    expect(performance.now() - began).toBeLessThan(LIMITS.cliStatusMsMax + 1_500);
  });

  it("tells a port where nobody listens apart", async () => {
    const { url } = await serve(() => {});
    const server = servers.pop();
    await new Promise((done) => {
      server?.close(done);
    });
    expect(await askStatus(url, never)).toBe("down");
  });

  it("ends at once when the user has had enough", async () => {
    const { url } = await serve(() => {});
    const user = new AbortController();
    const asking = askStatus(url, user.signal);
    user.abort(new Error("enough"));
    await expect(asking).rejects.toThrow("enough");
  });
});

describe("a client with the address of a folder", () => {
  it("asks once whether the node is of the folder's network", async () => {
    const { url, asked } = await serve((_, response) => response.end(statusOf("one-1")));
    const client = new FolderClient(url, "one-1");
    await client.get("/v1/projections");
    await client.get("/v1/projections");
    expect(asked).toEqual(["GET /v1/status", "GET /v1/projections", "GET /v1/projections"]);
  });

  it("sends nothing else to a node of another network", async () => {
    const { url, asked } = await serve((_, response) => response.end(statusOf("two-2")));
    const client = new FolderClient(url, "one-1");
    const refused = { code: "folder.foreign" };
    await expect(client.get("/v1/projections")).rejects.toMatchObject(refused);
    await expect(client.status()).rejects.toMatchObject(refused);
    await expect(client.submit(Uint8Array.of(1), "projected")).rejects.toMatchObject(refused);
    await expect(client.stream({}, "", never).next()).rejects.toMatchObject(refused);
    const items = client.items("/v1/projections/records", {}, 10);
    await expect(items.next()).rejects.toMatchObject(refused);
    expect(new Set(asked)).toEqual(new Set(["GET /v1/status"]));
  });
});
