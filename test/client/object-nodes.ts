/** Two nodes with objects for a client: the real API over a real folder, and one in memory that can lie. */
import type { Fetch } from "../../src/client/http.ts";
import { equalBytes, toHex } from "../../src/crypto/bytes.ts";
import { Writer } from "../../src/crypto/codec.ts";
import { ChunkSet } from "../../src/crypto/objects/chunk-set.ts";
import { manifestOf } from "../../src/crypto/objects/manifest.ts";
import { decodeOrder } from "../../src/crypto/objects/statements.ts";
import { CHUNK_BYTES, chunkHash } from "../../src/crypto/objects/tree.ts";
import { LIMITS } from "../../src/limits.ts";
import { createTestApi } from "../node/fake-ledger.ts";
import {
  CHAIN_ID,
  hasher,
  idOf,
  MemoryNetwork,
  removeFolder,
  testNode,
} from "../node/objects/support.ts";
import { falconKeys } from "../transport/stoq/support.ts";

export const SECRET_KEY: Uint8Array = falconKeys(5).secretKey;
export const NODE_ID: string = idOf(1);
export const GENESIS_HASH = "ab".repeat(32);

export type ObjectNode = {
  readonly base: string;
  readonly fetch: Fetch;
  /** Method and path of each request. */
  readonly asked: string[];
  close(): Promise<void>;
};

/** What an answer becomes on its way. */
export type Mangle = (
  path: string,
  bytes: Uint8Array,
) => Uint8Array | Response | undefined | Promise<Uint8Array | Response | undefined>;

const actorRow = (): Uint8Array =>
  new Writer(4096)
    .u64(0)
    .u64(0)
    .fixed(falconKeys(5).publicKey, LIMITS.falconPublicKeyBytes)
    .string("ops")
    .u32(1)
    .string("object.*")
    .finish();

/** The routes of a node over its disk. */
export const realNode = async (budgetBytes = 64 * CHUNK_BYTES): Promise<ObjectNode> => {
  const actor = hasher.ht("id", falconKeys(5).publicKey);
  const node = await testNode(new MemoryNetwork(), 1, {
    budgetBytes,
    row: (_name, key) => (equalBytes(key, actor) ? actorRow() : undefined),
  });
  const t = createTestApi(undefined, false, node.objects);
  const status = t.ledger.status.bind(t.ledger);
  t.ledger.status = () => ({ ...status(), nodeId: NODE_ID, chainId: CHAIN_ID });
  const { port } = await t.api.listen({ host: "::1", port: 0 });
  const asked: string[] = [];
  return {
    base: `http://[::1]:${port}`,
    asked,
    fetch: (url, init) => {
      asked.push(`${init.method ?? "GET"} ${new URL(url).pathname}`);
      return fetch(url, init);
    },
    async close() {
      await t.api.stop();
      await node.objects.close();
      removeFolder(node.folder);
    },
  };
};

const json = (body: unknown, status = 200): Response =>
  new Response(JSON.stringify(body), { status, headers: { "ledger-genesis": GENESIS_HASH } });

export const problem = (code: string, status: number): Response =>
  json({ code, detail: code }, status);

type Held = {
  readonly manifest: Uint8Array;
  readonly length: number;
  readonly hashes: readonly Uint8Array[];
  readonly chunks: (Uint8Array | undefined)[];
};

const bitsOf = ({ chunks }: Held): string => {
  const set = new ChunkSet(chunks.length);
  for (const [i, chunk] of chunks.entries()) if (chunk !== undefined) set.add(i);
  return Buffer.from(set.encode()).toString("base64url");
};

const stateOf = (root: string, one: Held) => {
  const held = one.chunks.filter((chunk) => chunk !== undefined).length;
  const chunks = one.chunks.length;
  return { root, length: one.length, chunks, held, kept: held === chunks, usedMs: 1, fetch: null };
};

class MemoryObjects {
  readonly objects = new Map<string, Held>();
  /** Ordered, and not whole yet: chunks of nothing else are taken. */
  readonly uploads = new Set<string>();

  order(bytes: Uint8Array): Response {
    const order = decodeOrder(bytes);
    if (!order.ok) return problem(order.code, 400);
    const { action, root: name, manifest } = order.value;
    const root = toHex(name);
    if (toHex(order.value.node) !== NODE_ID) return problem("object.order", 403);
    if (action === "drop") {
      if (!this.objects.delete(root)) return problem("object.not-found", 404);
      return json({ root, chunks: 0, held: 0, kept: false, bits: "" });
    }
    const known = manifestOf(name, manifest);
    if (!known.ok) return problem(known.code, 422);
    const { length, hashes } = known.value;
    const one = this.objects.get(root) ?? {
      ...{ manifest, length, hashes },
      chunks: hashes.map(() => undefined),
    };
    this.objects.set(root, one);
    if (!stateOf(root, one).kept) this.uploads.add(root);
    return json({ ...stateOf(root, one), bits: bitsOf(one) });
  }

  upload(root: string, index: number, chunk: Uint8Array): Response {
    const one = this.objects.get(root);
    if (one === undefined || !this.uploads.has(root)) return problem("object.not-ordered", 409);
    const hash = one.hashes[index];
    if (hash === undefined || !equalBytes(chunkHash(chunk), hash))
      return problem("object.mismatch", 422);
    one.chunks[index] = chunk;
    const state = stateOf(root, one);
    if (state.kept) this.uploads.delete(root);
    return json(state);
  }
}

/** The same routes in memory; `mangle` has the last word on what is answered. */
export const memoryNode = (
  mangle: Mangle = () => undefined,
  base = "http://[::1]:1",
): ObjectNode => {
  const held = new MemoryObjects();
  const asked: string[] = [];
  const answer = async (method: string, path: string, init: RequestInit): Promise<Response> => {
    const body = new Uint8Array(await new Response(init.body ?? null).arrayBuffer());
    if (path === "/v1/status") {
      const known = { chainId: CHAIN_ID, genesisHash: GENESIS_HASH, executedHeight: 1 };
      return json({ ...known, nodeId: NODE_ID });
    }
    if (path === "/v1/objects") {
      if (method === "POST") return held.order(body);
      return json({ items: [...held.objects].map(([root, one]) => stateOf(root, one)) });
    }
    const [, root = "", what, index = ""] =
      /^\/v1\/objects\/(\w+)\/?(\w*)\/?(\d*)$/.exec(path) ?? [];
    if (method === "PUT") return held.upload(root, Number(index), body);
    const one = held.objects.get(root);
    if (one === undefined) return problem("object.not-found", 404);
    if (what === "") return json(stateOf(root, one));
    if (what === "check") {
      const missing = one.chunks.filter((chunk) => chunk === undefined).length;
      return json({ next: null, checked: one.chunks.length - missing, missing, damaged: [] });
    }
    const bytes = what === "manifest" ? one.manifest : one.chunks[Number(index)];
    return bytes === undefined ? problem("object.not-found", 404) : new Response(bytes.slice());
  };
  return {
    base,
    asked,
    async fetch(url, init) {
      const path = new URL(url).pathname;
      const method = init.method ?? "GET";
      asked.push(`${method} ${path}`);
      init.signal?.throwIfAborted();
      const response = await answer(method, path, init);
      const bytes = new Uint8Array(await response.clone().arrayBuffer());
      const mangled = await mangle(path, bytes);
      if (mangled === undefined) return response;
      return mangled instanceof Response ? mangled : new Response(mangled.slice());
    },
    close: async () => {},
  };
};
