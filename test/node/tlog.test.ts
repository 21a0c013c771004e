import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { concatBytes, toHex } from "../../src/crypto/bytes.ts";
import { utf8 } from "../../src/crypto/codec.ts";
import { encodeLeaf, hashLeaf } from "../../src/ledger/leaf.ts";
import { createLogAppender, leafHash, logRoot, tileKey } from "../../src/ledger/log-tree.ts";
import { createTestApi, encodedEvent, HASH, type TestApi } from "./fake-ledger.ts";

const COUNT = 300;
let t: TestApi;
const stored = new Map<string, Uint8Array>();

beforeEach(() => {
  t = createTestApi();
  t.ledger.append(
    Array.from({ length: COUNT }, (_, i) => encodedEvent("record.put", utf8(`event ${i}`))),
  );
  const appender = createLogAppender(() => undefined, 0);
  for (const op of appender.append(concatBytes(...t.ledger.entries.map(hashLeaf))).ops) {
    if (op.type === "put") stored.set(toHex(op.key), op.value);
  }
  for (const [level, index] of [
    [0, 0],
    [0, 1],
    [1, 0],
  ] as const) {
    const tile = stored.get(toHex(tileKey(level, index)));
    if (tile !== undefined) t.ledger.tiles.set(`${level}/${index}`, tile);
  }
});
afterEach(async () => {
  await t.api.stop();
});

const get = (url: string) =>
  t.api.app.inject({ method: "GET", url, headers: { host: "[::1]:8440" } });

/** The entries of a bundle. */
const entriesOf = (bundle: Buffer): Uint8Array[] => {
  const entries: Uint8Array[] = [];
  for (let at = 0; at < bundle.length; ) {
    const length = bundle.readUInt16BE(at);
    entries.push(Uint8Array.from(bundle.subarray(at + 2, at + 2 + length)));
    at += 2 + length;
  }
  return entries;
};

describe("tiles and bundles", () => {
  it("are of the same leaves: hashing the entries gives the tile and the root", async () => {
    const paths = ["000", "001.p/44"];
    const bundles = await Promise.all(paths.map((path) => get(`/tlog/tile/entries/${path}`)));
    const tiles = await Promise.all(paths.map((path) => get(`/tlog/tile/0/${path}`)));
    for (const answer of [...bundles, ...tiles]) {
      expect(answer.statusCode).toBe(200);
      expect(answer.headers["content-type"]).toBe("application/octet-stream");
      expect(answer.headers["cache-control"]).toContain("immutable");
    }
    const entries = bundles.flatMap((answer) => entriesOf(answer.rawPayload));
    expect(entries.map(toHex)).toEqual(t.ledger.entries.map((entry) => toHex(encodeLeaf(entry))));
    const hashes = entries.map((entry) => toHex(leafHash(entry))).join("");
    expect(tiles.map((tile) => tile.rawPayload.toString("hex")).join("")).toBe(hashes);
    const [above] = [await get("/tlog/tile/1/000.p/1")];
    expect(above?.rawPayload.toString("hex")).toBe(
      toHex(logRoot((key) => stored.get(toHex(key)), COUNT, 256)),
    );
  });

  it("of any smaller width are there too, and none beyond the end of the log", async () => {
    expect((await get("/tlog/tile/0/001.p/3")).rawPayload).toHaveLength(96);
    expect(entriesOf((await get("/tlog/tile/entries/000.p/5")).rawPayload)).toHaveLength(5);
    for (const path of [
      "0/001.p/45",
      "0/001",
      "0/002.p/1",
      "1/000.p/2",
      "1/000",
      "2/000.p/1",
      "63/000.p/1",
      "entries/001.p/45",
      "entries/001",
      "entries/x999/999",
    ]) {
      const answer = await get(`/tlog/tile/${path}`);
      expect(answer.statusCode, path).toBe(404);
      expect(answer.json(), path).toMatchObject({ code: "http.not-found" });
    }
  });

  it("have one path each", async () => {
    for (const path of [
      "64/000.p/1",
      "00/000",
      "-1/000",
      "0/0",
      "0/x000/000",
      "0/000.p/0",
      "0/000.p/256",
      "0/000.p/007",
      "0/000.p/1/2",
      "entries/0",
    ]) {
      const answer = await get(`/tlog/tile/${path}`);
      expect(answer.statusCode, path).toBe(400);
      expect(answer.json(), path).toMatchObject({ code: "http.bad-parameter" });
    }
    const query = await get("/tlog/tile/0/000?x=1");
    expect(query.json()).toMatchObject({ code: "http.unknown-parameter" });
    const put = await t.api.app.inject({
      method: "PUT",
      url: "/tlog/tile/0/000",
      headers: { host: "[::1]:8440" },
    });
    expect(put.statusCode).toBe(405);
  });
});

describe("the checkpoint", () => {
  it("is the note as text, never cached, and 503 before the first", async () => {
    const early = await get("/tlog/checkpoint");
    expect(early.statusCode).toBe(503);
    expect(early.json()).toMatchObject({ code: "checkpoint.pending", retryable: true });
    expect(early.headers["retry-after"]).toBeDefined();
    t.ledger.checkpoint = { size: 3, root: HASH, timeS: 7, note: "o/tlog\n3\n\u2014\n" };
    const answer = await get("/tlog/checkpoint");
    expect(answer.headers["content-type"]).toBe("text/plain; charset=utf-8");
    expect(answer.headers["cache-control"]).toBe("no-store");
    expect(answer.body).toBe("o/tlog\n3\n\u2014\n");
    expect((await get("/v1/status")).json().checkpoint).toEqual({
      size: 3,
      time: "1970-01-01T00:00:07.000Z",
    });
  });
});
