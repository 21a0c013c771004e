/** Objects by the client library: the same suite over a node's real API and over one in memory, and liars. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createClient, keySigner, type ObjectProgress } from "../../src/client/index.ts";
import { fileBytes, fileChunks, getFile } from "../../src/client/node.ts";
import { PATIENCE_MS } from "../../src/client/objects/ask.ts";
import { cutChunks, memorySpool, nameSource } from "../../src/client/objects/source.ts";
import type { ChunkStore, Objects } from "../../src/client/objects/types.ts";
import { abortable } from "../../src/client/within.ts";
import { concatBytes, equalBytes, toHex } from "../../src/crypto/bytes.ts";
import { CHUNK_BYTES } from "../../src/crypto/objects/tree.ts";
import type { TetradError } from "../../src/errors.ts";
import { LIMITS } from "../../src/limits.ts";
import { bytesOf, codeOf, objectOf } from "../node/objects/support.ts";
import {
  type Mangle,
  memoryNode,
  NODE_ID,
  type ObjectNode,
  problem,
  realNode,
  SECRET_KEY,
} from "./object-nodes.ts";

// Synced files and signatures: a busy machine is no fault.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const signer = keySigner(SECRET_KEY);
const OBJECT = objectOf(bytesOf(2 * CHUNK_BYTES + 321));

/** Where the chunks of an object wait that is got into a file. */
const draftOf = (path: string, root: string): string => `${path}.${root.slice(0, 16)}.part`;

const objectsAt = ({ base, fetch }: Pick<ObjectNode, "base" | "fetch">): Objects =>
  createClient({ baseUrl: base, fetch, unverified: true }).objects;

const all = async (pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> => {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece);
  return concatBytes(...parts);
};

async function* pieces(...parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

const streamOf = (...parts: readonly Uint8Array[]): ReadableStream<Uint8Array> =>
  new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(part);
      controller.close();
    },
  });

const errorOf = async (promise: Promise<unknown>): Promise<TetradError> =>
  promise.then(
    () => {
      throw new Error("it went through");
    },
    (error: TetradError) => error,
  );

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tetrad-client-objects-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe.each([
  ["the API of a node", () => realNode()],
  ["a node in memory", async () => memoryNode()],
])("objects at %s", (_name, make) => {
  let node: ObjectNode;
  let objects: Objects;
  beforeEach(async () => {
    node = await make();
    objects = objectsAt(node);
  });
  afterEach(() => node.close());

  it("puts bytes, sends nothing twice, gets them from any place, and gives them up", async () => {
    const { root, bytes } = OBJECT;
    const told: ObjectProgress[] = [];
    const put = await objects.put(bytes, { signer, onProgress: (one) => told.push(one) });
    expect(put).toEqual({ root, length: bytes.length, chunks: 3, sent: 3, nodeId: NODE_ID });
    expect(told.filter(({ step }) => step === "hash").map((one) => one.bytes)).toEqual([
      CHUNK_BYTES,
      2 * CHUNK_BYTES,
      bytes.length,
    ]);
    expect(told.at(-1)).toEqual({ step: "send", bytes: bytes.length, totalBytes: bytes.length });
    expect(await objects.put(new Blob([bytes.slice()]), { signer })).toMatchObject({
      root,
      sent: 0,
    });
    expect(await objects.describe(root)).toEqual({ root, length: bytes.length, chunks: 3 });
    expect(equalBytes(await all(objects.get(root)), bytes)).toBe(true);
    for (const offset of [1, CHUNK_BYTES - 1, CHUNK_BYTES, 2 * CHUNK_BYTES + 5, bytes.length]) {
      const rest = await all(objects.get(root, { offset }));
      expect(equalBytes(rest, bytes.subarray(offset)), `from ${offset}`).toBe(true);
    }
    const [state] = await objects.list();
    expect(state).toMatchObject({ root, length: bytes.length, held: 3, kept: true, fetch: null });
    expect(await objects.state(root)).toMatchObject({ root, held: 3 });
    expect(await objects.verify(root)).toEqual({ root, checked: 3, missing: 0, damaged: [] });
    await objects.drop(root, { signer });
    expect(await objects.list()).toEqual([]);
    expect(await objects.state(root)).toBeUndefined();
    expect(await codeOf(objects.verify(root))).toBe("object.not-found");
    expect(await codeOf(objects.drop(root, { signer }))).toBe("object.not-found");
    expect(await codeOf(all(objects.get(root, { patienceMs: 1 })))).toBe("object.not-found");
  });

  it("puts every chunk although the answer to each is lost at first, that to the last too", async () => {
    const lost = new Set<string>();
    const fetch: typeof node.fetch = async (url, init) => {
      const answer = await node.fetch(url, init);
      if (init.method !== "PUT" || lost.has(url)) return answer;
      lost.add(url);
      await answer.arrayBuffer();
      throw new TypeError("the connection is gone");
    };
    const put = await objectsAt({ base: node.base, fetch }).put(OBJECT.bytes, { signer });
    expect(put).toMatchObject({ root: OBJECT.root, sent: 3 });
    expect(lost.size).toBe(3);
    expect((await objects.list())[0]).toMatchObject({ root: OBJECT.root, held: 3, kept: true });
  });

  it("puts streams whose end is not known, and nothing at all", async () => {
    const { root, bytes } = OBJECT;
    const parts = [bytes.subarray(0, 5), bytes.subarray(5, 5), bytes.subarray(5)];
    expect(await objects.put(pieces(...parts), { signer })).toMatchObject({ root, sent: 3 });
    expect(await objects.put(streamOf(...parts), { signer })).toMatchObject({ root, sent: 0 });
    const spool = fileChunks(join(folder, "spool"));
    const more = concatBytes(bytes, bytes);
    const put = await objects.put(pieces(more), { signer, spool });
    await spool.close();
    expect(put).toMatchObject({ root: objectOf(more).root, chunks: 5, length: more.length });
    expect(statSync(join(folder, "spool")).size).toBe(more.length);
    const none = await objects.put(pieces(), { signer });
    expect(none).toMatchObject({ length: 0, chunks: 0, sent: 0 });
    expect((await all(objects.get(none.root))).length).toBe(0);
  });

  it("puts files and gets them, on from what an earlier run has left", async () => {
    const { root, bytes } = OBJECT;
    writeFileSync(join(folder, "from"), bytes);
    await using file = await fileBytes(join(folder, "from"));
    await objects.put(file, { signer });
    const to = join(folder, "to");
    // The first chunk is right, the second is not, the third is not there.
    const draft = bytes.slice(0, 2 * CHUNK_BYTES);
    draft[CHUNK_BYTES + 7] = (draft[CHUNK_BYTES + 7] ?? 0) ^ 1;
    mkdirSync(draftOf(to, root));
    writeFileSync(join(draftOf(to, root), "chunks"), draft);
    node.asked.length = 0;
    expect(await getFile(objects, root, to)).toMatchObject({ root, chunks: 3, resumed: 1 });
    expect(readFileSync(to).equals(bytes)).toBe(true);
    expect(readdirSync(folder).sort()).toEqual(["from", "to"]);
    expect(node.asked.filter((path) => path.includes("/chunks/")).length).toBe(2);
  });

  it("refuses names, places and orders that are none", async () => {
    const { root, bytes } = OBJECT;
    for (const name of ["", "xyz", root.toUpperCase(), `${root}0`, "../status"]) {
      expect(await codeOf(all(objects.get(name))), name).toBe("cli.usage");
      expect(await codeOf(objects.describe(name)), name).toBe("cli.usage");
      expect(await codeOf(objects.drop(name, { signer })), name).toBe("cli.usage");
    }
    await objects.put(bytes, { signer });
    for (const offset of [-1, 0.5, bytes.length + 1, Number.NaN]) {
      expect(await codeOf(all(objects.get(root, { offset }))), `${offset}`).toBe("cli.usage");
    }
    const elsewhere = objects.put(bytes, { signer, nodeId: "cd".repeat(32) });
    expect(await codeOf(elsewhere)).toBe("folder.foreign");
    expect(await objects.put(bytes, { signer, nodeId: NODE_ID })).toMatchObject({ root });
  });
});

describe("what the real node refuses", () => {
  it("comes through: no right, no room", async () => {
    const node = await realNode(2 * CHUNK_BYTES);
    try {
      const objects = objectsAt(node);
      expect(await codeOf(objects.put(OBJECT.bytes, { signer }))).toBe("object.no-room");
      expect(await objects.list()).toEqual([]);
    } finally {
      await node.close();
    }
  });
});

describe("a node that lies", () => {
  const lying = async (mangle: Mangle, others: readonly ObjectNode[] = []) => {
    const node = memoryNode();
    await objectsAt(node).put(OBJECT.bytes, { signer });
    const liar: ObjectNode = {
      ...node,
      fetch: async (url, init) => {
        const response = await node.fetch(url, init);
        const mangled = await mangle(
          new URL(url).pathname,
          new Uint8Array(await response.clone().arrayBuffer()),
        );
        if (mangled === undefined) return response;
        return mangled instanceof Response ? mangled : new Response(mangled.slice());
      },
    };
    const bases = [liar, ...others].map(({ base }) => base);
    const left: string[] = [];
    const client = createClient({
      baseUrl: bases,
      unverified: true,
      fetch: (url, init) => {
        const to = [liar, ...others].find(
          ({ base }) => new URL(base).origin === new URL(url).origin,
        );
        if (to === undefined) throw new Error(`nobody is at ${url}`);
        return to.fetch(url, init);
      },
      onFailover: (base, { code }) => left.push(`${base} ${code}`),
    });
    return { objects: client.objects, left };
  };
  const flip = (at: number, bytes: Uint8Array): Uint8Array => {
    const other = bytes.slice();
    other[at] = (other[at] ?? 0) ^ 1;
    return other;
  };
  const inChunk =
    (index: number, change: (bytes: Uint8Array) => Uint8Array | Response): Mangle =>
    (path, bytes) =>
      path.endsWith(`/chunks/${index}`) ? change(bytes) : undefined;

  it.each([
    ["one bit of a chunk", inChunk(1, (bytes) => flip(777, bytes)), 1],
    ["the last byte", inChunk(2, (bytes) => flip(bytes.length - 1, bytes)), 2],
    ["a chunk cut off", inChunk(1, (bytes) => bytes.subarray(1)), 1],
    ["no bytes at all", inChunk(0, () => new Uint8Array(0)), 0],
    ["another chunk of the object", inChunk(0, () => OBJECT.chunks[1] ?? new Uint8Array(0)), 0],
  ] as const)("about %s is refused, and gives nothing of it", async (_what, mangle, before) => {
    const { objects } = await lying(mangle);
    const got: Uint8Array[] = [];
    const read = async (): Promise<void> => {
      for await (const piece of objects.get(OBJECT.root)) got.push(piece);
    };
    const error = await errorOf(read());
    expect(error).toMatchObject({ code: "object.mismatch", data: { root: OBJECT.root } });
    expect(error.data).toMatchObject({ index: before });
    expect(toHex(concatBytes(...got))).toBe(toHex(OBJECT.bytes.subarray(0, before * CHUNK_BYTES)));
  });

  it("about a chunk that is too long is stopped at its limit", async () => {
    const { objects } = await lying(inChunk(0, () => new Uint8Array(CHUNK_BYTES + 1)));
    expect(await codeOf(all(objects.get(OBJECT.root)))).toBe("client.bad-answer");
    const atLimit = await lying(inChunk(0, () => new Uint8Array(CHUNK_BYTES)));
    expect(await codeOf(all(atLimit.objects.get(OBJECT.root)))).toBe("object.mismatch");
  });

  it.each([
    ["a hash", (bytes: Uint8Array) => flip(bytes.length - 1, bytes)],
    ["the length", (bytes: Uint8Array) => flip(9, bytes)],
    ["another object", () => objectOf(bytesOf(5)).encoded],
  ])("about the manifest (%s) is refused before a chunk is asked for", async (_what, change) => {
    const { objects } = await lying((path, bytes) =>
      path.endsWith("/manifest") ? change(bytes) : undefined,
    );
    expect(await codeOf(objects.describe(OBJECT.root))).toBe("object.mismatch");
    expect(await codeOf(all(objects.get(OBJECT.root)))).toBe("object.mismatch");
  });

  it("is left for one that does not, where there is one", async () => {
    const honest = memoryNode(undefined, "http://[::1]:2");
    await objectsAt(honest).put(OBJECT.bytes, { signer });
    const mangle = inChunk(1, (bytes) => flip(5, bytes));
    const { objects, left } = await lying(mangle, [honest]);
    expect(equalBytes(await all(objects.get(OBJECT.root)), OBJECT.bytes)).toBe(true);
    expect(left).toEqual(["http://[::1]:1 object.mismatch"]);
  });

  it("is left for one that has the object, too", async () => {
    const honest = memoryNode(undefined, "http://[::1]:2");
    await objectsAt(honest).put(OBJECT.bytes, { signer });
    const { objects, left } = await lying(() => problem("object.not-found", 404), [honest]);
    expect(equalBytes(await all(objects.get(OBJECT.root)), OBJECT.bytes)).toBe(true);
    expect(left).toEqual(["http://[::1]:1 object.not-found"]);
  });

  it("cannot say itself that the bytes are wrong, which only a client finds out", async () => {
    const { objects } = await lying(inChunk(0, () => problem("object.mismatch", 422)));
    expect(await codeOf(all(objects.get(OBJECT.root)))).toBe("client.bad-answer");
  });

  it("does not lead a check astray, nor a list", async () => {
    const root = OBJECT.root;
    for (const page of [
      { next: 0, checked: 0, missing: 0, damaged: [] },
      { next: null, checked: 2, missing: 0, damaged: [] },
      { next: null, checked: 4, missing: 0, damaged: [] },
      { next: null, checked: 3, missing: 0, damaged: [3] },
      { next: null, checked: 3, missing: 0, damaged: "all" },
      { next: -1, checked: 3, missing: -4, damaged: [] },
    ]) {
      const body = new TextEncoder().encode(JSON.stringify(page));
      const { objects } = await lying((path) => (path.endsWith("/check") ? body : undefined));
      expect(await codeOf(objects.verify(root)), JSON.stringify(page)).toBe("client.bad-answer");
    }
    for (const items of [7, [7], [{}], [{ ...OBJECT.manifest, root, chunks: 2 }]]) {
      const body = new TextEncoder().encode(JSON.stringify({ items }));
      const { objects } = await lying((path) => (path === "/v1/objects" ? body : undefined));
      expect(await codeOf(objects.list()), JSON.stringify(items)).toBe("client.bad-answer");
    }
  });
});

describe("a call that is ended", () => {
  const reason = new Error("enough");

  it("ends with the signal's reason while a node hangs, and while a stream does", async () => {
    const hangs = (_url: string, init: RequestInit): Promise<Response> =>
      new Promise((_, reject) =>
        init.signal?.addEventListener("abort", () => reject(init.signal?.reason)),
      );
    const objects = objectsAt({ base: "http://[::1]:1", fetch: hangs });
    for (const call of [
      (signal: AbortSignal) => all(objects.get(OBJECT.root, { signal })),
      (signal: AbortSignal) => objects.put(OBJECT.bytes, { signer, signal }),
      (signal: AbortSignal) => objects.put(new ReadableStream<Uint8Array>({}), { signer, signal }),
      (signal: AbortSignal) => objects.verify(OBJECT.root, { signal }),
      (signal: AbortSignal) => objects.list({ signal }),
    ]) {
      const controller = new AbortController();
      const calling = call(controller.signal);
      setTimeout(() => controller.abort(reason), 20);
      await expect(calling).rejects.toBe(reason);
      await expect(call(controller.signal)).rejects.toBe(reason);
    }
  });

  it("asks for no more when the reader leaves the loop", async () => {
    const node = memoryNode();
    const big = objectOf(bytesOf(9 * CHUNK_BYTES));
    await objectsAt(node).put(big.bytes, { signer });
    node.asked.length = 0;
    for await (const piece of objectsAt(node).get(big.root)) {
      expect(piece.length).toBe(CHUNK_BYTES);
      break;
    }
    // The manifest, and no more chunks than are asked for at one time.
    expect(node.asked.length).toBeLessThanOrEqual(5);
  });
});

describe("a source", () => {
  const name = (source: Parameters<typeof nameSource>[0], spool?: ChunkStore) =>
    nameSource(source, { spool, signal: undefined, onProgress: undefined });

  it("is cut at the same places, whatever pieces it comes in", async () => {
    const lengths = fc.oneof(
      fc.integer({ min: 0, max: 3000 }),
      fc
        .tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: -2, max: 2 }))
        .map(([chunks, more]) => chunks * CHUNK_BYTES + more),
    );
    const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(lengths, fc.integer({ min: 1, max: 99 }), cuts, async (length, seed, at) => {
        const bytes = bytesOf(length, seed);
        const places = [0, ...at.map((part) => Math.floor(part * length)).sort((a, b) => a - b)];
        const parts = places.map((from, i) => bytes.subarray(from, places[i + 1] ?? length));
        const chunks: Uint8Array[] = [];
        for await (const chunk of cutChunks(pieces(...parts))) chunks.push(chunk);
        const expected = objectOf(bytes);
        expect(chunks.map((chunk) => chunk.length)).toEqual(
          expected.chunks.map((chunk) => chunk.length),
        );
        const named = await name(pieces(...parts));
        expect(toHex(named.root)).toBe(expected.root);
        const [same, put] = await Promise.all([name(bytes), name(new Blob([bytes.slice()]))]);
        expect([toHex(same.root), toHex(put.root)]).toEqual([expected.root, expected.root]);
        const node = memoryNode();
        const objects = objectsAt(node);
        const { root } = await objects.put(pieces(...parts), { signer });
        const offset = places.at(-1) ?? 0;
        expect(equalBytes(await all(objects.get(root)), bytes)).toBe(true);
        const rest = await all(objects.get(root, { offset }));
        expect(equalBytes(rest, bytes.subarray(offset))).toBe(true);
      }),
      { numRuns: 15 },
    );
  });

  it("of a stream waits in memory up to clientStreamBytesMax, and no further", async () => {
    const mebibyte = new Uint8Array(CHUNK_BYTES);
    const most = LIMITS.clientStreamBytesMax / CHUNK_BYTES;
    const spool = memorySpool();
    for (let i = 0; i < most; i++) await spool.write(i, mebibyte);
    await spool.write(0, mebibyte);
    const over = async (): Promise<void> => spool.write(most, new Uint8Array(1));
    expect(await codeOf(over())).toBe("client.stream-too-large");
    let read = 0;
    const endless = async function* (): AsyncGenerator<Uint8Array> {
      for (;;) {
        read += 1;
        yield mebibyte;
      }
    };
    expect(await codeOf(name(endless()))).toBe("client.stream-too-large");
    expect(read).toBe(most + 1);
  });

  it("has at most objectBytesMax, which is looked at before anything is read", async () => {
    const read = vi.fn(async () => new Uint8Array(0));
    const large = (length: number) => name({ length, read });
    expect(await codeOf(large(LIMITS.objectBytesMax + 1))).toBe("object.too-large");
    expect(await codeOf(large(-1))).toBe("cli.usage");
    expect(read).not.toHaveBeenCalled();
    // At the limit it is read, and found to be shorter than it says.
    expect(await codeOf(large(LIMITS.objectBytesMax))).toBe("object.mismatch");
    const forgets: ChunkStore = { read: () => undefined, write: () => {} };
    const mebibyte = new Uint8Array(CHUNK_BYTES);
    const many = async function* (): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < 3; i++) yield mebibyte;
    };
    const named = await name(many(), forgets);
    await expect(named.chunk(0)).rejects.toMatchObject({ code: "object.mismatch" });
  });

  it("that changes while it is put is found out here", async () => {
    const node = memoryNode();
    let reads = 0;
    const changing = {
      length: 10,
      read: async () => new Uint8Array(10).fill(reads++),
    };
    expect(await codeOf(objectsAt(node).put(changing, { signer }))).toBe("object.mismatch");
    expect(node.asked.some((path) => path.startsWith("PUT"))).toBe(false);
  });

  it("has to give bytes, and a file has to be one", async () => {
    async function* words(): AsyncGenerator<Uint8Array> {
      yield JSON.parse('"text"') as Uint8Array;
    }
    expect(await codeOf(name(words()))).toBe("cli.usage");
    expect(await codeOf(name(JSON.parse("{}") as Blob))).toBe("cli.usage");
    expect(await codeOf(fileBytes(folder))).toBe("cli.usage");
    expect(await codeOf(fileBytes(join(folder, "nowhere")))).toBe("cli.usage");
  });
});

describe("a node that is not there", () => {
  it("is said at once where nothing has begun, whatever the patience", async () => {
    const { objects } = createClient({ baseUrl: "http://[::1]:1", unverified: true });
    const began = Date.now();
    expect(await codeOf(all(objects.get(OBJECT.root)))).toBe("cli.unreachable");
    expect(await codeOf(objects.put(OBJECT.bytes, { signer }))).toBe("cli.unreachable");
    expect(Date.now() - began).toBeLessThan(PATIENCE_MS / 2);
  });
});

describe("a node that is away for a moment", () => {
  it("is asked again, as long as patience lasts", async () => {
    let refusals = 0;
    const node = memoryNode((path) => {
      if (!path.includes("/chunks/") || refusals >= 2) return undefined;
      refusals += 1;
      return problem("node.overloaded", 503);
    });
    const objects = objectsAt(node);
    expect(await objects.put(OBJECT.bytes, { signer })).toMatchObject({ sent: 3 });
    refusals = 0;
    expect(equalBytes(await all(objects.get(OBJECT.root)), OBJECT.bytes)).toBe(true);
    refusals = Number.NEGATIVE_INFINITY;
    const end = all(objects.get(OBJECT.root, { patienceMs: 300 }));
    expect(await codeOf(end)).toBe("node.overloaded");
  });
});

/** A client of several nodes; `left` names those that were left for another. */
const poolOf = (...nodes: readonly ObjectNode[]) => {
  const left: string[] = [];
  const { objects } = createClient({
    baseUrl: nodes.map(({ base }) => base),
    unverified: true,
    fetch: (url, init) => {
      const to = nodes.find(({ base }) => new URL(base).origin === new URL(url).origin);
      if (to === undefined) throw new Error(`nobody is at ${url}`);
      return to.fetch(url, init);
    },
    onFailover: (base, { code }) => left.push(`${base} ${code}`),
  });
  return { objects, left };
};

const honestNode = async (mangle?: Mangle, base = "http://[::1]:2"): Promise<ObjectNode> => {
  const node = memoryNode(mangle, base);
  await objectsAt(node).put(OBJECT.bytes, { signer });
  node.asked.length = 0;
  return node;
};

describe("a node that has waited in vain", () => {
  const late = (): Response => problem("http.timeout", 504);

  it("is left for one that has the object", async () => {
    const { objects, left } = poolOf(memoryNode(late), await honestNode());
    expect(equalBytes(await all(objects.get(OBJECT.root)), OBJECT.bytes)).toBe(true);
    expect(left).toEqual(["http://[::1]:1 http.timeout"]);
  });

  it("is not asked again at full speed where it only says so", async () => {
    const node = memoryNode(late);
    expect(await codeOf(objectsAt(node).describe(OBJECT.root, { patienceMs: 2_500 }))).toBe(
      "http.timeout",
    );
    // At once, and after pauses of 100, 200, 400 and 800 ms; the next would be longer than is left.
    expect(node.asked.length).toBeGreaterThan(1);
    expect(node.asked.length).toBeLessThanOrEqual(5);
  });

  it("and says nothing at all is waited for little longer than patience lasts", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    try {
      const hangs = (_url: string, init: RequestInit): Promise<Response> =>
        new Promise((_, reject) =>
          init.signal?.addEventListener("abort", () => reject(init.signal?.reason)),
        );
      const objects = objectsAt({ base: "http://[::1]:1", fetch: hangs });
      const asked = codeOf(objects.describe(OBJECT.root, { patienceMs: 5_000 }));
      const began = performance.now();
      let tookMs = 0;
      const ended = asked.then((code) => {
        tookMs = performance.now() - began;
        return code;
      });
      await vi.advanceTimersByTimeAsync(200_000);
      expect(await ended).toBe("cli.unreachable");
      expect(tookMs).toBeGreaterThanOrEqual(5_000);
      expect(tookMs).toBeLessThan(10_000);
    } finally {
      vi.useRealTimers();
    }
  });

  it("or hangs until patience ends leaves a turn to the next one", async () => {
    const hanging: ObjectNode = {
      ...memoryNode(),
      fetch: (_url, init) =>
        new Promise((_, reject) =>
          init.signal?.addEventListener("abort", () => reject(init.signal?.reason)),
        ),
    };
    const { objects, left } = poolOf(hanging, await honestNode());
    expect(await objects.describe(OBJECT.root, { patienceMs: 200 })).toMatchObject({ chunks: 3 });
    expect(left).toEqual(["http://[::1]:1 cli.unreachable"]);
  });
});

describe("a good node that is away for a moment, beside one that will never do", () => {
  const onceAway = () => {
    const away = new Set<string>();
    const mangle: Mangle = (path) => {
      if (!path.endsWith("/manifest") && !path.endsWith("/chunks/1")) return undefined;
      if (away.size === 2 || away.has(path)) return undefined;
      away.add(path);
      return problem("node.overloaded", 503);
    };
    return { away, mangle };
  };

  it.each([
    ["it has nothing", memoryNode(undefined, "http://[::1]:3")],
    ["it lies", memoryNode(() => new Uint8Array(9), "http://[::1]:3")],
  ])("is waited for: %s", async (_what, bad) => {
    let isPut = false;
    const { away, mangle } = onceAway();
    const good = await honestNode((path, bytes) => (isPut ? mangle(path, bytes) : undefined));
    isPut = true;
    const { objects } = poolOf(good, bad);
    expect(equalBytes(await all(objects.get(OBJECT.root)), OBJECT.bytes)).toBe(true);
    expect(away.size).toBe(2);
  });

  it("is not waited for where it is not there, and nothing has begun", async () => {
    const none: ObjectNode = {
      ...memoryNode(),
      fetch: () => Promise.reject(new TypeError("fetch failed")),
    };
    const { objects } = poolOf(none, memoryNode(undefined, "http://[::1]:3"));
    expect(await codeOf(objects.describe(OBJECT.root))).toBe("object.not-found");
  });
});

describe("a file that an object is got into", () => {
  const BIG = objectOf(bytesOf(9 * CHUNK_BYTES, 1));
  const OTHER = objectOf(bytesOf(9 * CHUNK_BYTES, 2));

  /** Objects of a node that gives chunks from the sixth on only when `go` is called. */
  const halting = async () => {
    const gate = Promise.withResolvers<void>();
    let isPut = false;
    const node = memoryNode(async (path) => {
      if (isPut && /\/chunks\/[5-8]$/.test(path)) await gate.promise;
      return undefined;
    });
    const objects = objectsAt({
      base: node.base,
      fetch: (url, init) => abortable(node.fetch(url, init), init.signal ?? undefined),
    });
    for (const { bytes } of [BIG, OTHER]) await objects.put(bytes, { signer });
    isPut = true;
    return { objects, go: () => gate.resolve() };
  };

  const some = async (path: string): Promise<void> =>
    vi.waitFor(() => expect(statSync(path).size).toBeGreaterThan(0), 10_000);

  it("never has bytes of another that is got into it at the same time", async () => {
    const { objects, go } = await halting();
    const to = join(folder, "to");
    const first = getFile(objects, BIG.root, to);
    await some(join(draftOf(to, BIG.root), "chunks"));
    const second = getFile(objects, OTHER.root, to);
    await some(join(draftOf(to, OTHER.root), "chunks"));
    go();
    expect(await first).toMatchObject({ root: BIG.root, resumed: 0 });
    await second;
    const got = readFileSync(to);
    expect([BIG, OTHER].some(({ bytes }) => got.equals(bytes))).toBe(true);
    expect(readdirSync(folder)).toEqual(["to"]);
  });

  it("is of one call at a time, and free again when that has ended", async () => {
    const { objects, go } = await halting();
    const to = join(folder, "to");
    const ending = new AbortController();
    const first = getFile(objects, BIG.root, to, { signal: ending.signal });
    await some(join(draftOf(to, BIG.root), "chunks"));
    expect(await codeOf(getFile(objects, BIG.root, to))).toBe("folder.locked");
    const reason = new Error("enough");
    ending.abort(reason);
    await expect(first).rejects.toBe(reason);
    expect(existsSync(join(draftOf(to, BIG.root), "chunks"))).toBe(true);
    go();
    const { resumed } = await getFile(objects, BIG.root, to);
    expect(resumed).toBeGreaterThan(0);
    expect(readFileSync(to).equals(BIG.bytes)).toBe(true);
    expect(readdirSync(folder)).toEqual(["to"]);
  });

  it("is not written through a link", async () => {
    const { objects } = await halting();
    const to = join(folder, "to");
    const mine = join(folder, "mine");
    writeFileSync(mine, "mine");
    mkdirSync(join(folder, "elsewhere"));
    const draft = draftOf(to, BIG.root);
    for (const target of [mine, join(folder, "elsewhere"), join(folder, "nowhere")]) {
      symlinkSync(target, draft);
      expect(await codeOf(getFile(objects, BIG.root, to)), target).toBe("cli.usage");
      rmSync(draft);
    }
    mkdirSync(draft);
    symlinkSync(mine, join(draft, "chunks"));
    expect(await codeOf(getFile(objects, BIG.root, to))).toBe("cli.usage");
    expect(readFileSync(mine, "utf8")).toBe("mine");
    expect(readdirSync(join(folder, "elsewhere"))).toEqual([]);
    expect(existsSync(to)).toBe(false);
  });
});
