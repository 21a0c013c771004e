/** What members may cost a node by asking for manifests: signatures beside its votes, and bytes through its process. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ChunkSet } from "../../../src/crypto/objects/chunk-set.ts";
import { manifestBytes } from "../../../src/crypto/objects/manifest.ts";
import { CHUNK_BYTES, chunkCount } from "../../../src/crypto/objects/tree.ts";
import { LIMITS } from "../../../src/limits.ts";
import { createMetrics } from "../../../src/node/metrics.ts";
import { ObjectServer } from "../../../src/node/objects/serve.ts";
import type { StoredObject } from "../../../src/node/objects/store.ts";
import { encodeRequest, isBusy } from "../../../src/transport/objects/messages.ts";
import {
  bytesOf,
  hasher,
  MemoryNetwork,
  objectOf,
  removeFolder,
  type TestNode,
  testNode,
  until,
} from "./support.ts";

// Synced files and keys: a busy disk is no fault.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const BURST = LIMITS.objectRequestsPerPeerBurst;
const rootOf = (index: number): string => index.toString(16).padStart(64, "0");

/** A node with objects of these lengths, named by their place, none of whose signatures come unless they shall. */
const makeServer = (lengths: readonly number[], signs: boolean) => {
  const waiting: (() => void)[] = [];
  let nowMs = 0;
  const objects = new Map<string, StoredObject>();
  for (const [index, length] of lengths.entries()) {
    const count = chunkCount(length);
    const hashes = Array.from({ length: count }, () => new Uint8Array(32));
    objects.set(rootOf(index), {
      ...{ root: rootOf(index), manifest: { length, hashes } },
      ...{ held: ChunkSet.full(count), sound: ChunkSet.full(count) },
      ...{ isKept: true, usedMs: 0, touchedMs: 0, uses: 0 },
    });
  }
  const server = new ObjectServer({
    store: { get: (root) => objects.get(root), soundFile: async () => undefined, touch: () => {} },
    ...{ hasher, self: "07".repeat(32), metrics: createMetrics() },
    signer: {
      publicKey: new Uint8Array(LIMITS.falconPublicKeyBytes),
      sign: (_message, done) => {
        const sign = (): void => done(new Uint8Array(LIMITS.falconSignatureBytes));
        if (signs) queueMicrotask(sign);
        else waiting.push(sign);
      },
    },
    clock: { monotonicMs: () => nowMs, wallMs: () => 0 },
    timers: { set: () => () => {} },
  });
  return {
    ...{ server, waiting },
    pass: (ms: number): void => {
      nowMs += ms;
    },
    manifest: async (peer: string, index: number): Promise<"busy" | number> => {
      const request = { kind: "manifest", root: Buffer.from(rootOf(index), "hex") } as const;
      const answer = await server.answer(peer, encodeRequest(request));
      if (answer === undefined) throw new Error("not here");
      return isBusy(answer.head) ? "busy" : answer.head.length;
    },
  };
};

const settle = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

describe("members that ask for manifests", () => {
  it("put one signature at a time before a vote, however many they ask for", async () => {
    const { manifest, waiting } = makeServer(
      Array.from({ length: 65 }, () => CHUNK_BYTES),
      false,
    );
    for (let peer = 0; peer < 3; peer++) {
      for (let i = 0; i < 32; i++) void manifest(`m${peer}`, (peer * 21 + i) % 65);
    }
    await settle();
    expect(waiting).toHaveLength(1);
  });

  it("pay for each by its bytes, so that the longest are objectManifestBytesPerRequest a request", async () => {
    const { manifest, pass } = makeServer([LIMITS.objectBytesMax, 10], true);
    const bytes = manifestBytes(LIMITS.objectBytesMax);
    const price = 1 + Math.floor(bytes / LIMITS.objectManifestBytesPerRequest);
    let given = 0;
    while ((await manifest("m", 0)) !== "busy") given += 1;
    expect(given).toBe(Math.floor(BURST / price));
    // Short ones cost one as before, and others have their own.
    expect(await manifest("m", 1)).toBeGreaterThan(0);
    expect(await manifest("other", 0)).toBeGreaterThan(bytes);
    pass((1000 * price) / LIMITS.objectRequestsPerPeerPerSecond);
    expect(await manifest("m", 0)).toBeGreaterThan(bytes);
    expect(await manifest("m", 0)).toBe("busy");
  });
});

describe("a member that asks what is no request", () => {
  it("pays for it as for a request: it is told so up to the burst, and that this node is busy past it", async () => {
    const { server } = makeServer([10], true);
    const ask = () => server.answer("m", Uint8Array.of(255));
    for (let i = 0; i < BURST; i++) expect(await ask()).toBeUndefined();
    const answer = await ask();
    expect(answer !== undefined && isBusy(answer.head)).toBe(true);
  });
});

describe("a member that fetches many objects", () => {
  let network: MemoryNetwork;
  let nodes: TestNode[];
  beforeEach(() => {
    network = new MemoryNetwork();
    nodes = [];
  });
  afterEach(async () => {
    for (const node of nodes) {
      await node.objects.close();
      removeFolder(node.folder);
    }
  });

  it("gets them all from the only one that has them, while another asks for as much as it can", async () => {
    const objects = Array.from({ length: 20 }, (_, i) => objectOf(bytesOf(100, i + 1)));
    const server = await testNode(network, 0, { has: objects.map((object) => [object] as const) });
    nodes.push(server);
    const asker = await testNode(network, 1);
    nodes.push(asker);
    const greedy = network.port("greedy");
    let isOver = false;
    const flood = async (from: number): Promise<void> => {
      for (let i = from; !isOver; i++) {
        const root = objects[i % objects.length]?.name ?? new Uint8Array(32);
        await greedy.request(server.id, encodeRequest({ kind: "manifest", root }), 1_000);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    };
    const flooding = Array.from({ length: 4 }, (_, i) => flood(5 * i));
    const left = [...objects];
    const atOnce = LIMITS.objectFetchesMax / 2;
    const fetching = Array.from({ length: atOnce }, async () => {
      for (let object = left.pop(); object !== undefined; object = left.pop()) {
        // A fetch ends a little after its last chunk is here.
        await until("there is room", () => asker.objects.figures().fetches <= atOnce);
        const got = await asker.chunk(object.root, 0);
        expect(got.ok ? "" : got.code).toBe("");
      }
    });
    await Promise.all(fetching);
    isOver = true;
    await Promise.all(flooding);
  });
});
