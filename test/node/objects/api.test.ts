/** The routes of objects over real ones on the disk: what is read, what is put by an order, and what is refused. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { equalBytes, fromHex, toHex } from "../../../src/crypto/bytes.ts";
import { Writer } from "../../../src/crypto/codec.ts";
import { falconSign } from "../../../src/crypto/falcon.ts";
import { ChunkSet } from "../../../src/crypto/objects/chunk-set.ts";
import { encodeOrder, orderStatement } from "../../../src/crypto/objects/statements.ts";
import { CHUNK_BYTES } from "../../../src/crypto/objects/tree.ts";
import { LIMITS } from "../../../src/limits.ts";
import { falconKeys } from "../../transport/stoq/support.ts";
import { createTestApi, type TestApi } from "../fake-ledger.ts";
import {
  bytesOf,
  hasher,
  idOf,
  MemoryNetwork,
  objectOf,
  removeFolder,
  type TestNode,
  testNode,
} from "./support.ts";

// Synced files and keys: a busy disk is no fault.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const OBJECT = objectOf(bytesOf(CHUNK_BYTES + 77));
const HOST = { host: "[::1]:8440" };
const actor = hasher.ht("id", falconKeys(5).publicKey);

let t: TestApi;
let server: TestNode;
let asker: TestNode;
beforeEach(async () => {
  const network = new MemoryNetwork();
  const row = new Writer(4096)
    .u64(0)
    .u64(0)
    .fixed(falconKeys(5).publicKey, LIMITS.falconPublicKeyBytes)
    .string("ops")
    .u32(1)
    .string("object.*")
    .finish();
  server = await testNode(network, 0, { has: [[OBJECT]] });
  asker = await testNode(network, 1, {
    row: (_name, key) => (equalBytes(key, actor) ? row : undefined),
  });
  t = createTestApi(undefined, false, asker.objects);
});
afterEach(async () => {
  await t.api.stop();
  for (const { objects, folder } of [server, asker]) {
    await objects.close();
    removeFolder(folder);
  }
});

const get = (url: string) => t.api.app.inject({ url, headers: HOST });
const send = (method: "POST" | "PUT", url: string, payload: Uint8Array, more = {}) =>
  t.api.app.inject({
    ...{ method, url, payload: Buffer.from(payload) },
    headers: { ...HOST, "content-type": "application/octet-stream", ...more },
  });

const order = (object = OBJECT): Uint8Array => {
  const unsigned = {
    action: "keep",
    actor,
    node: fromHex(idOf(1)),
    root: object.name,
    notAfterMs: Date.now() + 60_000,
    manifest: object.encoded,
  } as const;
  const message = orderStatement(hasher, unsigned);
  const signature = falconSign(message, falconKeys(5).secretKey, new Uint8Array(48).fill(1));
  return encodeOrder({ ...unsigned, signature });
};

describe("reading an object", () => {
  it("gives manifest and chunks, which members are asked for, and says what is here", async () => {
    expect((await get(`/v1/objects/${OBJECT.root}`)).json()).toMatchObject({
      code: "object.not-found",
      status: 404,
    });
    const manifest = await get(`/v1/objects/${OBJECT.root}/manifest`);
    expect(manifest.statusCode).toBe(200);
    expect(toHex(manifest.rawPayload)).toBe(toHex(OBJECT.encoded));
    expect(manifest.headers["content-type"]).toBe("application/octet-stream");
    for (const [i, chunk] of OBJECT.chunks.entries()) {
      const got = await get(`/v1/objects/${OBJECT.root}/chunks/${i}`);
      expect(got.statusCode).toBe(200);
      expect(equalBytes(got.rawPayload, chunk)).toBe(true);
      expect(got.headers["cache-control"]).toContain("immutable");
    }
    const state = (await get(`/v1/objects/${OBJECT.root}`)).json();
    expect(state).toMatchObject({
      root: OBJECT.root,
      length: OBJECT.bytes.length,
      chunks: 2,
      held: 2,
    });
    expect((await get("/v1/objects")).json().items).toHaveLength(1);
    expect((await get("/v1/object-evidence")).json()).toEqual({ items: [] });
  });

  it("refuses names and indexes that are none", async () => {
    for (const url of [
      "/v1/objects/xyz",
      `/v1/objects/${OBJECT.root.toUpperCase()}`,
      `/v1/objects/${OBJECT.root}/chunks/${LIMITS.objectChunksMax}`,
      `/v1/objects/${OBJECT.root}/chunks/-1`,
      `/v1/objects/${OBJECT.root}/check?from=${LIMITS.objectChunksMax + 1}`,
      `/v1/objects/${OBJECT.root}/manifest?waitMs=0`,
    ]) {
      expect((await get(url)).json(), url).toMatchObject({ code: "http.bad-parameter" });
    }
    const unknown = await get(`/v1/objects/${"ab".repeat(32)}/manifest`);
    expect(unknown.json()).toMatchObject({ code: "object.not-found" });
    const past = await get(`/v1/objects/${OBJECT.root}/chunks/2`);
    expect(past.json()).toMatchObject({ code: "object.not-found" });
  });

  it("holds objectCheckChunksMax chunks at a time against their hashes", async () => {
    for (const i of [0, 1]) await get(`/v1/objects/${OBJECT.root}/chunks/${i}`);
    const url = `/v1/objects/${OBJECT.root}/check`;
    expect((await get(url)).json()).toEqual({ next: null, checked: 2, missing: 0, damaged: [] });
    const big = objectOf(new Uint8Array(LIMITS.objectCheckChunksMax * CHUNK_BYTES + 1));
    await send("POST", "/v1/objects", order(big));
    const page = (await get(`/v1/objects/${big.root}/check`)).json();
    const max = LIMITS.objectCheckChunksMax;
    expect(page).toEqual({ next: max, checked: 0, missing: max, damaged: [] });
    const rest = (await get(`/v1/objects/${big.root}/check?from=${max}`)).json();
    expect(rest).toMatchObject({ next: null, missing: 1 });
  });
});

describe("putting an object", () => {
  const mine = objectOf(bytesOf(CHUNK_BYTES + 9, 4));

  it("takes an order, and then the chunks that are missing", async () => {
    const begun = (await send("POST", "/v1/objects", order(mine))).json();
    expect(begun).toMatchObject({ root: mine.root, chunks: 2, held: 0, kept: false });
    expect(ChunkSet.decode(2, Buffer.from(begun.bits, "base64url"))?.count).toBe(0);
    for (const [i, chunk] of mine.chunks.entries()) {
      const put = await send("PUT", `/v1/objects/${mine.root}/chunks/${i}`, chunk);
      expect(put.json()).toMatchObject({ held: i + 1, kept: i === 1 });
    }
    const again = (await send("POST", "/v1/objects", order(mine))).json();
    expect(again).toMatchObject({ held: 2, kept: true });
  });

  it("takes nothing without an order, of another hash, too long, or in a coding", async () => {
    const [chunk] = mine.chunks;
    if (chunk === undefined) throw new Error("no chunk");
    const url = `/v1/objects/${mine.root}/chunks/0`;
    expect((await send("PUT", url, chunk)).json()).toMatchObject({ code: "object.not-ordered" });
    expect((await send("POST", "/v1/objects", order(mine).subarray(0, 500))).json()).toMatchObject({
      code: "encoding.malformed",
    });
    await send("POST", "/v1/objects", order(mine));
    expect((await send("PUT", url, chunk.subarray(1))).json()).toMatchObject({
      code: "object.mismatch",
      status: 422,
    });
    const long = new Uint8Array(LIMITS.httpBodyBytesMax + 1);
    expect((await send("PUT", url, long)).json()).toMatchObject({ code: "http.body-too-large" });
    const coded = await send("PUT", url, chunk, { "content-encoding": "gzip" });
    expect(coded.json()).toMatchObject({ code: "http.media-type" });
    expect((await send("PUT", url, chunk)).json()).toMatchObject({ held: 1 });
  });
});
