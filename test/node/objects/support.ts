/** Nodes with objects, and a network in memory between them that carries bulk as the real one does, or lies. */
import { closeSync, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect } from "vitest";
import { concatBytes, equalBytes, toHex } from "../../../src/crypto/bytes.ts";
import { falconVerify } from "../../../src/crypto/falcon.ts";
import { createHasher, sha256 } from "../../../src/crypto/hash.ts";
import type { Manifest } from "../../../src/crypto/objects/manifest.ts";
import { encodeManifest } from "../../../src/crypto/objects/manifest.ts";
import { CHUNK_BYTES, chunkHash, objectRoot } from "../../../src/crypto/objects/tree.ts";
import type { Observation } from "../../../src/detect/index.ts";
import { type ErrorCode, fail, ok, type Result, TetradError } from "../../../src/errors.ts";
import type { Logger, Timers, Verifier } from "../../../src/ledger/ports.ts";
import { createMetrics, type MetricsRegistry } from "../../../src/node/metrics.ts";
import { ObjectExchange } from "../../../src/node/objects/exchange.ts";
import { ObjectStore } from "../../../src/node/objects/store.ts";
import { realClock, realTimers } from "../../../src/node/real-ports.ts";
import { createInlineSigner } from "../../../src/node/signing/signer.ts";
import type { BulkAnswer, BulkPort, BulkServe } from "../../../src/transport/bulk/port.ts";
import { falconKeys } from "../../transport/stoq/support.ts";

export const CHAIN_ID = "objects-test";
export const hasher = createHasher(CHAIN_ID);
export const quiet: Logger = { log: () => {} };

export const tempFolder = (): string => mkdtempSync(join(tmpdir(), "tetrad-objects-"));
export const removeFolder = (path: string): void => rmSync(path, { recursive: true, force: true });

/** Bytes that differ from chunk to chunk and from seed to seed. */
export const bytesOf = (length: number, seed = 1): Uint8Array => {
  const bytes = new Uint8Array(length);
  let word = seed * 2_654_435_761;
  for (let i = 0; i < length; i += 997) {
    word = (word * 1_664_525 + 1_013_904_223) >>> 0;
    bytes[i] = word >>> 24;
  }
  return bytes;
};

export type TestObject = {
  readonly bytes: Uint8Array;
  readonly chunks: readonly Uint8Array[];
  readonly manifest: Manifest;
  readonly encoded: Uint8Array;
  readonly name: Uint8Array;
  /** Hex. */
  readonly root: string;
};

export const objectOf = (bytes: Uint8Array): TestObject => {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    chunks.push(bytes.subarray(at, at + CHUNK_BYTES));
  }
  const manifest = { length: bytes.length, hashes: chunks.map(chunkHash) };
  const name = objectRoot(bytes.length, manifest.hashes);
  return { bytes, chunks, manifest, encoded: encodeManifest(manifest), name, root: toHex(name) };
};

export const verifier: Verifier = {
  verify: (jobs, _priority, done) =>
    queueMicrotask(() =>
      done(jobs.map((job) => falconVerify(job.signature, job.message, job.publicKey))),
    ),
};

/** What a request of `from` to `to` becomes on its way; undefined: it goes through as it is. */
export type Mangle = (
  from: string,
  to: string,
  name: Uint8Array,
  answer: Uint8Array | undefined,
) => Uint8Array | undefined | "silent" | "missing" | Promise<Uint8Array | undefined>;

export class MemoryNetwork {
  readonly #serves = new Map<string, BulkServe>();
  readonly away = new Set<string>();
  /** Of every request that was answered with a chunk: who gave it. */
  readonly gaveChunk: string[] = [];
  mangle: Mangle | undefined;

  port(self: string): BulkPort {
    return {
      request: (peer, name, timeoutMs, signal) =>
        this.#request(self, peer, name, timeoutMs, signal),
      serve: (serve) => void this.#serves.set(self, serve),
      peers: () =>
        [...this.#serves.keys()]
          .filter((id) => id !== self && !this.away.has(id) && !this.away.has(self))
          .map((id) => ({ id, path: "session" as const })),
    };
  }

  forget(self: string): void {
    this.#serves.delete(self);
  }

  async #request(
    from: string,
    to: string,
    name: Uint8Array,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Result<BulkAnswer>> {
    const refuse = (code: string): Result<BulkAnswer> => fail(code as ErrorCode, code);
    const serve = this.#serves.get(to);
    if (serve === undefined || this.away.has(to) || this.away.has(from)) {
      return refuse("bulk.unreachable");
    }
    const source = await serve(from, name);
    let answer = source === undefined ? undefined : source.head;
    if (source?.file !== undefined && answer !== undefined) {
      const part = new Uint8Array(source.file.length);
      const file = openSync(source.file.path, "r");
      readSync(file, part, 0, part.length, source.file.offset);
      closeSync(file);
      answer = concatBytes(answer, part);
    }
    const mangled = await this.mangle?.(from, to, name, answer);
    if (mangled === "silent") {
      await new Promise<void>((resolve) => {
        const cancel = realTimers.set(timeoutMs, resolve);
        signal?.addEventListener("abort", () => {
          cancel();
          resolve();
        });
      });
      return refuse("bulk.timeout");
    }
    const given = mangled === "missing" ? undefined : (mangled ?? answer);
    if (this.away.has(to)) return refuse("bulk.unreachable");
    if (given === undefined) return refuse("bulk.not-found");
    if (name[0] === 3) this.gaveChunk.push(to);
    return ok({ bytes: given, path: "session", ms: 1 });
  }
}

export type TestNode = {
  readonly id: string;
  readonly folder: string;
  readonly objects: ObjectExchange;
  readonly metrics: MetricsRegistry;
  /** What it has seen of others, of what was kept from before too. */
  readonly observed: Observation[];
  /** Puts an object on its disk, as an upload would. */
  give(object: TestObject, chunks?: readonly number[]): Promise<void>;
  manifest(root: string): Promise<Result<Uint8Array>>;
  chunk(root: string, index: number): Promise<Result<Uint8Array>>;
};

export const idOf = (index: number): string => toHex(hasher.ht("id", falconKeys(index).publicKey));

export type TestNodeOptions = {
  readonly folder?: string;
  readonly budgetBytes?: number;
  /** How far its clock is ahead. */
  readonly aheadMs?: () => number;
  readonly timers?: Timers;
  readonly row?: (projection: string, key: Uint8Array) => Uint8Array | undefined;
  /** On its disk before it starts. */
  readonly has?: readonly (readonly [object: TestObject, chunks?: readonly number[]])[];
};

/** A node whose FALCON key is that of `index`. */
export const testNode = async (
  network: MemoryNetwork,
  index: number,
  options: TestNodeOptions = {},
): Promise<TestNode> => {
  const id = idOf(index);
  const folder = options.folder ?? tempFolder();
  const metrics = createMetrics();
  const observed: Observation[] = [];
  const budgetBytes = options.budgetBytes ?? 64 * CHUNK_BYTES;
  const give = async (object: TestObject, chunks?: readonly number[]): Promise<void> => {
    const store = await ObjectStore.open({
      ...{ folder, budgetBytes, wallMs: realClock.wallMs, logger: quiet },
    });
    const stored = await store.begin(object.root, object.manifest);
    for (const at of chunks ?? object.chunks.keys()) {
      await store.write(stored, at, object.chunks[at] ?? new Uint8Array(0));
    }
  };
  for (const [object, chunks] of options.has ?? []) await give(object, chunks);
  const objects = await ObjectExchange.open({
    ...{ folder, budgetBytes, chainId: CHAIN_ID, hasher, self: id },
    signer: createInlineSigner(falconKeys(index).secretKey),
    ...{ verifier, bulk: network.port(id), rttMs: () => 1, logger: quiet, metrics },
    observations: { observed: (one) => void observed.push(one) },
    handle: { row: options.row ?? (() => undefined) },
    clock: {
      monotonicMs: () => realClock.monotonicMs() + (options.aheadMs?.() ?? 0),
      wallMs: realClock.wallMs,
    },
    timers: options.timers ?? realTimers,
  });
  return {
    ...{ id, folder, objects, metrics, observed, give },
    manifest: (root) => new Promise((resolve) => void objects.manifest(root, resolve)),
    chunk: (root, at) => new Promise((resolve) => void objects.chunk(root, at, resolve)),
  };
};

/** What the nodes of one test have in common. */
export type TestNodes = {
  /** Of the test that runs: each has its own, so that what one has left on its way moves no other's. */
  readonly network: MemoryNetwork;
  /** A node of that network, closed after the test; its folder is removed then. */
  readonly node: (index: number, options?: TestNodeOptions) => Promise<TestNode>;
  /** The folder is removed after the test. */
  readonly removed: (folder: string) => string;
};

/** To be called once by a file of tests: a network for each of its tests, and the end of all nodes in it. */
export const useTestNodes = (): TestNodes => {
  let network = new MemoryNetwork();
  let folders: string[] = [];
  let nodes: TestNode[] = [];
  beforeEach(() => {
    network = new MemoryNetwork();
  });
  afterEach(async () => {
    for (const { objects } of nodes) await objects.close();
    for (const folder of folders) removeFolder(folder);
    nodes = [];
    folders = [];
  });
  const removed = (folder: string): string => {
    folders.push(folder);
    return folder;
  };
  return {
    get network() {
      return network;
    },
    node: async (index, options) => {
      const made = await testNode(network, index, options);
      removed(made.folder);
      nodes.push(made);
      return made;
    },
    removed,
  };
};

export const until = async (
  what: string,
  check: () => boolean,
  limitMs = 20_000,
): Promise<void> => {
  const end = Date.now() + limitMs;
  while (!check()) {
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

/** Of seven chunks, the last of them short. */
export const BIG = objectOf(bytesOf(6 * CHUNK_BYTES + 321));

/** Every chunk through one node, in order. */
export const getAll = async (from: TestNode, object = BIG): Promise<void> => {
  const manifest = await from.manifest(object.root);
  expect(manifest.ok && equalBytes(manifest.value, object.encoded)).toBe(true);
  for (const [i, chunk] of object.chunks.entries()) {
    const got = await from.chunk(object.root, i);
    expect(got.ok ? toHex(sha256(got.value)) : got.code).toBe(toHex(sha256(chunk)));
  }
};

/** The code that a promise fails with; empty where it does not. */
export const codeOf = async (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "",
    (error: unknown) => (error instanceof TetradError ? error.code : String(error)),
  );
