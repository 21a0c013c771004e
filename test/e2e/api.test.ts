/** The API of a network that runs: what it says of blocks, validators and heights is what was agreed. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { toHex } from "../../src/crypto/bytes.ts";
import { createHasher } from "../../src/crypto/hash.ts";
import { decodeBlock } from "../../src/ledger/block.ts";
import { decodeCertificate } from "../../src/ledger/statement.ts";
import { checkBody, committed } from "../node/openapi-document.ts";
import { devNetwork } from "./dev-network.ts";
import { nexus } from "./support.ts";

const net = devNetwork();
const { dir } = net;

beforeAll(async () => {
  await net.start();
  const done = await nexus(["--dir", dir, "append", "notes/first", "hello"]);
  expect(done.code, done.stderr).toBe(0);
});
afterAll(net.end);

const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${net.url()}${path}`, { headers });

type Body = { readonly [name: string]: unknown };
const json = async (path: string): Promise<Body> => (await (await get(path)).json()) as Body;

const bytesOf = (text: unknown): Uint8Array =>
  new Uint8Array(Buffer.from(String(text), "base64url"));

/** The record that was appended; a network may begin with events of its own. */
const appended = async (): Promise<{ readonly index: number; readonly height: number }> => {
  const [event] = (await json("/v1/events?type=record.put"))["items"] as readonly Body[];
  return { index: Number(event?.["index"]), height: Number(event?.["height"]) };
};

describe("every read", () => {
  it("has the shape of the document", async () => {
    const { index, height } = await appended();
    const batch = String((await json(`/v1/events/${index}`))["batchId"]);
    const paths = [
      ["/v1/status", "/v1/status"],
      ["/v1/events", "/v1/events"],
      ["/v1/events/{index}", `/v1/events/${index}`],
      ["/v1/batches/{id}", `/v1/batches/${batch}`],
      ["/v1/blocks/{height}", `/v1/blocks/${height}`],
      ["/v1/projections", "/v1/projections"],
      ["/v1/projections/{name}", "/v1/projections/records"],
      ["/v1/projections/{name}/{key}", "/v1/projections/records/notes%2Ffirst"],
      ["/v1/validators", "/v1/validators"],
      ["/v1/evidence", "/v1/evidence"],
      ["/openapi.json", "/openapi.json"],
    ] as const;
    for (const [template, path] of paths) {
      const answer = await get(path);
      expect(answer.status, path).toBe(200);
      const content = committed.paths[template]?.["get"]?.responses["200"]?.content;
      checkBody(content?.["application/json"]?.schema ?? {}, await answer.json(), path);
    }
  });

  it("is the same document that the node serves", async () => {
    expect(await json("/openapi.json")).toEqual(JSON.parse(JSON.stringify(committed)));
  });
});

describe("blocks", () => {
  it("are chained by hashes, and hold what was appended", async () => {
    const { index, height } = await appended();
    const { chainId } = await json("/v1/status");
    const hasher = createHasher(String(chainId));
    const block = await json(`/v1/blocks/${height}`);
    const decoded = decodeBlock(hasher, bytesOf(block["bytes"]));
    if (!decoded.ok) throw new Error(decoded.detail);
    expect(toHex(decoded.value.hash)).toBe(block["hash"]);
    // What validators prove may stand in the same block.
    const { firstIndex, count, logSize } = block["executed"] as Record<string, number>;
    expect(index).toBeGreaterThanOrEqual(firstIndex ?? Number.NaN);
    expect(index).toBeLessThan(logSize ?? Number.NaN);
    expect(logSize).toBe((firstIndex ?? 0) + (count ?? 0));
    expect(decoded.value.header.batchCount).toBeGreaterThanOrEqual(1);
    expect(block["batchDigests"]).toHaveLength(decoded.value.header.batchCount);
    if (height > 1) {
      const before = await json(`/v1/blocks/${height - 1}`);
      expect(before["hash"]).toBe(toHex(decoded.value.header.parentHash));
    }
    const cached = await get(`/v1/blocks/${height}`);
    // The next development network at this address has other blocks.
    expect(cached.headers.get("cache-control")).toBe("no-cache");
    expect(cached.headers.get("etag")).toMatch(/^"[0-9a-f]{32}"$/);
  });

  it("are final by a certificate of their own or of the height that is named", async () => {
    const { height } = await appended();
    let answer = await get(`/v1/blocks/${height}/certificate`);
    if (answer.status === 404) {
      const problem = (await answer.json()) as { code: string; data: { next: number } };
      expect(problem.code).toBe("block.no-certificate");
      expect(problem.data.next).toBeGreaterThan(height);
      answer = await get(`/v1/blocks/${problem.data.next}/certificate`);
    }
    expect(answer.status).toBe(200);
    const body = (await answer.json()) as Body;
    const decoded = decodeCertificate(bytesOf(body["bytes"]));
    if (!decoded.ok) throw new Error(decoded.detail);
    const block = await json(`/v1/blocks/${body["height"]}`);
    expect(body["hash"]).toBe(block["hash"]);
    expect(decoded.value.signers.length).toBeGreaterThanOrEqual(3);
  });

  it("that are not final yet are said not to be there", async () => {
    const problem = await json("/v1/blocks/9007199254740991");
    expect(problem).toMatchObject({ code: "block.not-found", status: 404 });
  });
});

describe("the network", () => {
  it("is the four validators, all reached, and nothing is proven against any", async () => {
    await expect
      .poll(async () => {
        const items = (await json("/v1/validators"))["items"] as readonly Body[];
        return items.map(({ connected }) => connected);
      })
      .toEqual([true, true, true, true]);
    const body = await json("/v1/validators");
    const items = body["items"] as readonly Body[];
    expect(items.map(({ name }) => name).sort()).toEqual(["a", "b", "c", "d"]);
    expect(items.filter(({ self }) => self === true)).toHaveLength(1);
    expect(items.every(({ quarantined }) => quarantined === null)).toBe(true);
    // A thousand of stake each.
    expect(body).toMatchObject({ totalWeight: "4000", quorum: "2667" });
    expect(await json("/v1/evidence")).toMatchObject({ items: [], more: false });
  });
});

describe("heights", () => {
  it("can be waited for at every node, and asked for", async () => {
    const { executedHeight } = await json("/v1/status");
    const next = Number(executedHeight) + 2;
    const waited = await get(`/v1/projections?minHeight=${next}&waitMs=20000`);
    expect(Number(waited.headers.get("ledger-height"))).toBeGreaterThanOrEqual(next);
    const { index, height } = await appended();
    const before = await json(`/v1/events?atHeight=${height - 1}`);
    const block = await json(`/v1/blocks/${height}`);
    // Not more than was before the block, in which what validators prove may stand first.
    const { firstIndex } = block["executed"] as Record<string, number>;
    expect(before).toMatchObject({ logSize: firstIndex, height: height - 1 });
    expect(before["items"]).toHaveLength(firstIndex ?? Number.NaN);
    expect(index).toBeGreaterThanOrEqual(firstIndex ?? Number.NaN);
    const then = await json(`/v1/projections?atHeight=${height}`);
    expect(then["stateRoot"]).toBe((block["executed"] as Body)["stateRoot"]);
    const rows = await json(`/v1/projections/records?atHeight=${height}`);
    expect(rows).toMatchObject({ height, stateRoot: then["stateRoot"] });
  });
});

describe("the stream", () => {
  it("comes as NDJSON, and goes on behind the index that is named", async () => {
    const read = async (query: string, wanted: number): Promise<Body[]> => {
      const answer = await get(`/v1/events/stream${query}`, { accept: "application/x-ndjson" });
      let text = "";
      for await (const piece of answer.body ?? []) {
        text += Buffer.from(piece).toString();
        if (text.split("\n").filter((line) => line !== "").length >= wanted) break;
      }
      const lines = text.split("\n").slice(0, -1);
      return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as Body);
    };
    const { index } = await appended();
    const [event, checkpoint] = await read("?type=record.put", 2);
    expect(event).toMatchObject({ index, type: "record.put", outcome: { kind: "accepted" } });
    const { logSize, next } = (checkpoint?.["checkpoint"] ?? {}) as Body;
    // Validators write what they prove meanwhile.
    expect(next).toBe(logSize);
    expect(Number(logSize)).toBeGreaterThan(index);
    const [behind] = await read(`?from=${logSize}`, 1);
    const found = behind?.["index"] ?? ((behind?.["checkpoint"] ?? {}) as Body)["next"];
    expect(found).toBe(logSize);
  });
});
