/** The client library on a network of processes: what it reads and writes while nodes are killed. */
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  base64,
  createClient,
  type LedgerEvent,
  type LedgerRow,
  memoryStore,
} from "../../src/client/index.ts";
import { fileKeeper, fileSigner, fileStore, getFile } from "../../src/client/node.ts";
import { devNetwork } from "./dev-network.ts";
import { nexus } from "./support.ts";

const net = devNetwork();
const { dir, folder } = net;
let baseUrl: string[];
let genesis: string;

beforeAll(async () => {
  await net.start();
  baseUrl = [0, 1, 2, 3].map(net.url);
  genesis = readFileSync(net.genesis, "utf8");
});

afterAll(net.end);

const signerOf = () => {
  const operator = join(dir, "operator");
  const passphrase = readFileSync(join(operator, "passphrase"), "utf8").trim();
  return fileSigner(join(operator, "operator.key"), passphrase);
};

const record = (key: string) => ({
  type: "record.put",
  data: { topic: "sdk", key, body: base64(key) },
});

describe("the client library", () => {
  it("reads every event once and in order, proven, while the node that it reads from is killed", async () => {
    const left: string[] = [];
    const client = createClient({
      baseUrl,
      trust: { genesis },
      stateStore: fileStore(join(folder, "trust.json")),
      onFailover: (base) => left.push(base),
    });
    const signer = await signerOf();
    const keeper = fileKeeper(join(folder, "kept"));
    const total = 30;
    const stop = new AbortController();
    const seen: LedgerEvent[] = [];
    const reading = (async () => {
      for await (const event of client.events({ signal: stop.signal })) {
        seen.push(event);
        if (seen.filter(({ type }) => type === "record.put").length === total) return;
      }
    })();
    // A client that writes is of other nodes than the one that reads, so that each fails over by itself.
    const writer = createClient({ baseUrl: baseUrl.slice(1), trust: { genesis } });
    for (let i = 0; i < total; i++) {
      if (i === 10) await nexus(["--dir", dir, "dev", "kill", "a", "--hold", "3"]);
      const [result] = await writer.append([record(`k${i}`)], { signer, keeper });
      expect(result?.outcome).toEqual({ kind: "accepted" });
    }
    await reading;
    expect(seen.map(({ index }) => index)).toEqual(seen.map((_, i) => i));
    expect(seen.every(({ verified }) => verified)).toBe(true);
    const keys = seen.flatMap(({ data }) => (data?.["topic"] === "sdk" ? [data["key"]] : []));
    expect(keys).toEqual(Array.from({ length: total }, (_, i) => `k${i}`));
    expect(left).toContain(baseUrl[0]);
    expect(await client.head()).toMatchObject({ logSize: seen.length });
  });

  it("reads its own write, and proves that nothing else was written", async () => {
    const client = createClient({ baseUrl, trust: { genesis } });
    const [done] = await client.append([record("mine")], { signer: await signerOf() });
    const minHeight = done?.height ?? 0;
    const row = await client.row("records", "sdk/mine", { minHeight });
    expect(row).toMatchObject({ verified: true, value: { text: "mine" } });
    const none = await client.row("records", "sdk/yours", { minHeight });
    expect(none).toMatchObject({ verified: true, value: undefined });
    expect(await client.event(done?.index ?? 0)).toMatchObject({ batchId: done?.batchId });
  });

  it("lists rows with their proofs, in pages that go on behind what was proven", async () => {
    const client = createClient({ baseUrl, trust: { genesis } });
    const [done] = await client.append([record("listed")], { signer: await signerOf() });
    await client.row("records", "sdk/listed", { minHeight: done?.height ?? 0 });
    const rows: LedgerRow[] = [];
    for await (const row of client.rows("records", { prefix: "sdk" })) rows.push(row);
    const keys = [...Array.from({ length: 30 }, (_, i) => `k${i}`), "listed", "mine"];
    expect(rows.map(({ key }) => key).sort()).toEqual(keys.map((key) => `sdk/${key}`).sort());
    expect(rows.every(({ verified, height }) => verified && height > 0)).toBe(true);
    const paged: LedgerRow[] = [];
    const path = "/v1/projections/records";
    for await (const page of client.pages(path, { prefix: "sdk", limit: 7 })) {
      expect(page).toMatchObject({ verified: true, mayOmit: true });
      paged.push(...(page.items as LedgerRow[]));
    }
    expect(paged.map(({ key }) => key)).toEqual(rows.map(({ key }) => key));
    expect(paged.map(({ value }) => value)).toEqual(rows.map(({ value }) => value));
    const told: unknown[] = [];
    for await (const page of client.pages(path, { prefix: "sdk", unverified: true })) {
      expect(page).toMatchObject({ verified: false, mayOmit: true });
      told.push(...page.items);
    }
    expect(told).toHaveLength(rows.length);
    const indexes: number[] = [];
    for await (const page of client.pages("/v1/events", { limit: 10 })) {
      expect(page).toMatchObject({ verified: true, mayOmit: false });
      indexes.push(...(page.items as LedgerEvent[]).map(({ index }) => index));
    }
    expect(indexes).toEqual(indexes.map((_, i) => i));
    expect(indexes.length).toBeGreaterThanOrEqual(rows.length);
  });

  it("goes on behind the last event that an earlier run has read", async () => {
    const checkpointStore = memoryStore();
    const options = { checkpointStore, follow: false, types: ["record.*"] };
    const read = async (client: ReturnType<typeof createClient>, count: number) => {
      const keys: unknown[] = [];
      for await (const { data } of client.events(options)) {
        keys.push(data?.["key"]);
        if (keys.length > count) break;
      }
      return keys.slice(0, count);
    };
    const first = await read(createClient({ baseUrl, trust: { genesis } }), 12);
    const unverified = createClient({ baseUrl: baseUrl[2] ?? "", unverified: true });
    const second = await read(unverified, 100);
    expect([...first, ...second].slice(0, 30)).toEqual(
      Array.from({ length: 30 }, (_, i) => `k${i}`),
    );
  });
});

describe("objects by the client library", () => {
  const bytes = new Uint8Array(randomBytes(2 * 1024 * 1024 + 77));
  const at = (index: number, onBytes?: (path: string, body: Uint8Array) => Uint8Array) =>
    createClient({
      baseUrl: net.url(index),
      trust: { genesis },
      fetch: async (url, init) => {
        const response = await fetch(url, init);
        if (onBytes === undefined || !response.ok || !url.includes("/chunks/")) return response;
        const body = new Uint8Array(await response.arrayBuffer());
        return new Response(onBytes(url, body).slice(), { headers: response.headers });
      },
    }).objects;

  it("are put as a stream, got from another node, verified, and given up", async () => {
    const signer = await signerOf();
    async function* pieces(): AsyncGenerator<Uint8Array> {
      for (let from = 0; from < bytes.length; from += 300_000) {
        yield bytes.subarray(from, from + 300_000);
      }
    }
    const steps = new Set<string>();
    const onProgress = ({ step }: { readonly step: string }): void => void steps.add(step);
    const put = await at(0).put(pieces(), { signer, onProgress });
    expect(put).toMatchObject({ length: bytes.length, chunks: 3, sent: 3 });
    expect(await at(0).put(bytes, { signer })).toMatchObject({ root: put.root, sent: 0 });
    const path = join(folder, "object");
    const got = await getFile(at(2), put.root, path, { onProgress });
    expect(got).toMatchObject({ root: put.root, chunks: 3, resumed: 0 });
    expect(readFileSync(path).equals(bytes)).toBe(true);
    expect([...steps]).toEqual(["hash", "send", "get"]);
    const tail: Uint8Array[] = [];
    const offset = bytes.length - 100;
    for await (const piece of at(3).get(put.root, { offset })) tail.push(piece);
    expect(Buffer.concat(tail).equals(bytes.subarray(offset))).toBe(true);
    const listed = await at(0).list();
    expect(listed).toMatchObject([{ root: put.root, held: 3, kept: true }]);
    expect(await at(0).verify(put.root)).toMatchObject({ checked: 3, missing: 0, damaged: [] });

    // What stands between may change bytes, and gets none of them through.
    const given: Uint8Array[] = [];
    const lied = (async () => {
      const changed = (url: string, body: Uint8Array): Uint8Array => {
        if (url.includes("/chunks/1")) body[4321] = (body[4321] ?? 0) ^ 1;
        return body;
      };
      for await (const piece of at(2, changed).get(put.root)) given.push(piece);
    })();
    await expect(lied).rejects.toMatchObject({
      code: "object.mismatch",
      data: { root: put.root, index: 1 },
    });
    expect(Buffer.concat(given).equals(bytes.subarray(0, 1024 * 1024))).toBe(true);

    await at(0).drop(put.root, { signer });
    expect(await at(0).state(put.root)).toBeUndefined();
    const nodeId = "ab".repeat(32);
    await expect(at(0).put(bytes, { signer, nodeId })).rejects.toMatchObject({
      code: "folder.foreign",
    });
  });
});

describe("nexus tail --verify", () => {
  const state = join(folder, "tail-state.json");
  const tail = (...more: string[]) =>
    nexus(["--dir", dir, "tail", "--verify", "--from", "0", "-o", "ndjson", ...more]);

  it("prints what is proven, and remembers it", async () => {
    const age = ["--max-age", "3600"];
    const run = await tail("--no-follow", "--type", "record.*", "--state", state, ...age);
    expect(run.code, run.stderr).toBe(0);
    const events = run.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { verified: boolean; data: { key: string } });
    expect(events.map(({ data }) => data.key)).toContain("k29");
    expect(events.every(({ verified }) => verified)).toBe(true);
    expect(JSON.parse(readFileSync(state, "utf8"))).toMatchObject({
      format: "tetrad-client-state",
    });
    expect((await tail("--limit", "3", "--state", state)).stdout.trim().split("\n")).toHaveLength(
      3,
    );
  });

  it("refuses the network for another genesis, a state that is none, and options without sense", async () => {
    const genesisFile = join(folder, "other.json");
    writeFileSync(genesisFile, genesis.replace(/"epochMs": ?[0-9]+/, '"epochMs": 7777777'));
    const foreign = await tail("--trust", genesisFile, "--no-follow");
    expect(foreign.code).toBe(5);
    expect(foreign.stderr).toContain("folder.foreign");
    writeFileSync(state, "{}");
    expect((await tail("--state", state)).code).toBe(3);
    expect((await tail("--trust", join(folder, "nowhere.json"))).code).toBe(1);
    expect((await nexus(["--dir", dir, "tail", "--trust", genesisFile])).code).toBe(1);
    expect((await nexus(["--dir", dir, "tail", "--max-age", "60"])).code).toBe(1);
  });
});
