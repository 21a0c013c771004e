/** Objects on the disk: whole or not at all, held against their hashes when read, within a budget. */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { manifestBytes } from "../../../src/crypto/objects/manifest.ts";
import { CHUNK_BYTES } from "../../../src/crypto/objects/tree.ts";
import { TetradError } from "../../../src/errors.ts";
import { LIMITS } from "../../../src/limits.ts";
import { ObjectStore, type ObjectStoreOptions } from "../../../src/node/objects/store.ts";
import { bytesOf, objectOf, quiet, removeFolder, type TestObject, tempFolder } from "./support.ts";

// Synced files and keys: a busy disk is no fault.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let folder: string;
let nowMs: number;
beforeEach(() => {
  folder = tempFolder();
  nowMs = 1_790_000_000_000;
});
afterEach(() => removeFolder(folder));

const open = (options: Partial<ObjectStoreOptions> = {}): Promise<ObjectStore> =>
  ObjectStore.open({
    folder,
    budgetBytes: 64 * CHUNK_BYTES,
    wallMs: () => nowMs,
    logger: quiet,
    freeBytes: async () => Number.MAX_SAFE_INTEGER,
    ...options,
  });

const put = async (store: ObjectStore, object: TestObject, count = object.chunks.length) => {
  const stored = await store.begin(object.root, object.manifest);
  for (let i = 0; i < count; i++) {
    await store.write(stored, i, object.chunks[i] ?? new Uint8Array(0));
  }
  return stored;
};

const codeOf = async (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "",
    (error: unknown) => (error instanceof TetradError ? error.code : String(error)),
  );

const small = (seed: number, length = 1_000): TestObject => objectOf(bytesOf(length, seed));
const cost = (object: TestObject): number => object.bytes.length + object.encoded.length;

describe("the store of objects", () => {
  it("gives back what was written, in a later run too", async () => {
    const object = objectOf(bytesOf(2 * CHUNK_BYTES + 5));
    const first = await open();
    await put(first, object);
    const store = await open();
    const stored = store.get(object.root);
    if (stored === undefined) throw new Error("it is not there");
    expect(stored.held.isFull).toBe(true);
    expect(stored.sound.count).toBe(0);
    for (const [i, chunk] of object.chunks.entries()) {
      expect(toHex((await store.read(stored, i)) ?? new Uint8Array(0))).toBe(toHex(chunk));
    }
    expect(stored.sound.isFull).toBe(true);
    expect(await store.read(stored, 3)).toBeUndefined();
  });

  it("has a chunk or has it not, wherever a run ended", async () => {
    const object = objectOf(bytesOf(3 * CHUNK_BYTES));
    await put(await open(), object, 2);
    // What a crash leaves: half a chunk under its draft's name, and an object on its way out.
    writeFileSync(join(folder, object.root, "2.7.new"), object.chunks[2]?.subarray(0, 10) ?? "");
    mkdirSync(join(folder, `removed-1-${small(1).root}`));
    const store = await open();
    const stored = store.get(object.root);
    expect(stored?.held.count).toBe(2);
    expect(readdirSync(folder)).toEqual([object.root]);
    expect(readdirSync(join(folder, object.root)).sort()).toEqual(["0", "1", "manifest"]);
  });

  it("takes away what is no object, or no longer the one that it was", async () => {
    const object = small(1);
    await put(await open(), object);
    const other = small(2);
    mkdirSync(join(folder, other.root));
    writeFileSync(join(folder, other.root, "manifest"), object.encoded);
    mkdirSync(join(folder, "ab".repeat(32)));
    writeFileSync(join(folder, "notes.txt"), "mine");
    const store = await open();
    expect(store.list().map(({ root }) => root)).toEqual([object.root]);
    expect(readdirSync(folder).sort()).toEqual([object.root, "notes.txt"].sort());
  });

  it("takes one chunk from several at the same time, and keeps it several times at once", async () => {
    const store = await open();
    const object = objectOf(bytesOf(CHUNK_BYTES, 3));
    const stored = await store.begin(object.root, object.manifest);
    for (let round = 0; round < 5; round++) {
      const writes = Array.from({ length: 6 }, () => store.write(stored, 0, object.bytes));
      await Promise.all(writes);
      expect(statSync(join(folder, object.root, "0")).size).toBe(CHUNK_BYTES);
    }
    await Promise.all(Array.from({ length: 6 }, () => store.keep(stored)));
    expect(readdirSync(join(folder, object.root)).sort()).toEqual(["0", "keep", "manifest"]);
  });

  it("takes no chunk that is not of the object, and none twice for two", async () => {
    const store = await open();
    const stored = await store.begin(small(1).root, small(1).manifest);
    expect(await codeOf(store.write(stored, 0, bytesOf(1_000, 9)))).toBe("object.mismatch");
    expect(await codeOf(store.write(stored, 1, small(1).bytes))).toBe("object.mismatch");
    expect(stored.held.count).toBe(0);
    expect(readdirSync(join(folder, small(1).root))).toEqual(["manifest"]);
  });

  it("takes a chunk away that has changed on the disk, and has it missing from then on", async () => {
    const object = objectOf(bytesOf(CHUNK_BYTES + 100));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(0, 1), fc.nat(), fc.boolean(), async (index, at, isCut) => {
        await put(await open(), object);
        const path = join(folder, object.root, String(index));
        const bytes = readFileSync(path);
        const place = at % bytes.length;
        bytes[place] = (bytes[place] ?? 0) ^ 1;
        writeFileSync(path, isCut ? bytes.subarray(0, place) : bytes);
        const store = await open();
        const stored = store.get(object.root);
        if (stored === undefined) throw new Error("it is not there");
        expect(await store.soundFile(stored, index)).toBeUndefined();
        expect(await store.soundFile(stored, 1 - index)).toBeDefined();
        expect(stored.held.has(index)).toBe(false);
        expect(existsSync(path)).toBe(false);
        await store.remove(stored);
      }),
      { numRuns: 12 },
    );
  });

  it("takes up to its budget, and makes room by what was used longest ago, whole", async () => {
    const objects = [1, 2, 3].map((seed) => small(seed));
    const each = cost(small(1));
    const store = await open({ budgetBytes: 3 * each });
    for (const object of objects) {
      nowMs += 1_000;
      store.release(await put(store, object));
    }
    expect(store.usedBytes).toBe(3 * each);
    nowMs += 1_000;
    const [first, second] = objects;
    const used = store.get(first?.root ?? "");
    if (used === undefined) throw new Error("it is not there");
    store.touch(used);
    store.release(await put(store, small(4)));
    expect(store.usedBytes).toBe(3 * each);
    expect(store.evicted).toBe(1);
    expect(store.get(second?.root ?? "")).toBeUndefined();
    expect(existsSync(join(folder, second?.root ?? ""))).toBe(false);
    expect(readdirSync(folder)).toHaveLength(3);
  });

  it("never gives up what is kept or in use, and refuses what then has no room", async () => {
    const each = cost(small(1));
    const store = await open({ budgetBytes: 2 * each });
    const kept = await put(store, small(1));
    await store.keep(kept);
    store.release(kept);
    const used = await put(store, small(2));
    expect(await codeOf(store.begin(small(3).root, small(3).manifest))).toBe("object.no-room");
    expect(await codeOf(store.begin(small(4, 5_000).root, small(4, 5_000).manifest))).toBe(
      "object.no-room",
    );
    store.release(used);
    await store.begin(small(3).root, small(3).manifest);
    expect(store.list().map(({ root }) => root)).toContain(small(1).root);
    const again = await open({ budgetBytes: 2 * each });
    expect(again.get(small(1).root)?.isKept).toBe(true);
    expect(again.get(small(3).root)?.isKept).toBe(false);
  });

  it("has at most objectsMax objects", async () => {
    const store = await open({ objectsMax: 2 });
    for (const seed of [1, 2, 3]) {
      nowMs += 1;
      store.release(await store.begin(small(seed).root, small(seed).manifest));
    }
    expect(store.list().map(({ root }) => root)).toEqual([small(3).root, small(2).root]);
    expect(LIMITS.objectsMax).toBeGreaterThan(0);
  });

  it("leaves objectDiskReserveBytes on the disk, at the limit and past it", async () => {
    const object = small(1);
    let freeBytes = LIMITS.objectDiskReserveBytes + object.bytes.length + manifestBytes(1_000);
    const store = await open({ freeBytes: async () => freeBytes });
    store.release(await store.begin(object.root, object.manifest));
    freeBytes -= 1;
    expect(await codeOf(store.begin(small(2).root, small(2).manifest))).toBe("object.no-room");
    // What could go has gone before it gave up.
    expect(store.list()).toEqual([]);
  });

  it("counts what is still to come of objects that are being fetched", async () => {
    const object = objectOf(bytesOf(2 * CHUNK_BYTES));
    const freeBytes = async (): Promise<number> => LIMITS.objectDiskReserveBytes + 3 * CHUNK_BYTES;
    const store = await open({ freeBytes });
    await put(store, object, 0);
    expect(
      await codeOf(store.begin(objectOf(bytesOf(2 * CHUNK_BYTES, 7)).root, object.manifest)),
    ).toBe("object.no-room");
  });

  it("leaves the reserve when an object goes on that was begun in an earlier run", async () => {
    // The last chunk is here, and the whole first one is to come.
    const object = objectOf(bytesOf(CHUNK_BYTES + 10));
    const first = await open();
    await first.write(
      await first.begin(object.root, object.manifest),
      1,
      object.chunks[1] ?? new Uint8Array(0),
    );
    let freeBytes = LIMITS.objectDiskReserveBytes + CHUNK_BYTES - 1;
    const store = await open({ freeBytes: async () => freeBytes });
    expect(await codeOf(store.begin(object.root, object.manifest))).toBe("object.no-room");
    expect(store.get(object.root)?.uses).toBe(0);
    freeBytes += 1;
    expect((await store.begin(object.root, object.manifest)).uses).toBe(1);
  });

  it("writes no chunk into the reserve, whatever there was room for at the beginning", async () => {
    const object = objectOf(bytesOf(3 * CHUNK_BYTES));
    let freeBytes = Number.MAX_SAFE_INTEGER;
    const store = await open({ freeBytes: async () => freeBytes });
    const stored = await store.begin(object.root, object.manifest);
    freeBytes = LIMITS.objectDiskReserveBytes + CHUNK_BYTES;
    await store.write(stored, 0, object.chunks[0] ?? new Uint8Array(0));
    // Two at once count together.
    const two = [1, 2].map((i) => store.write(stored, i, object.chunks[i] ?? new Uint8Array(0)));
    const codes = await Promise.all(two.map(codeOf));
    expect(codes.sort()).toEqual(["", "object.no-room"]);
    freeBytes = Number.MAX_SAFE_INTEGER;
    const other = small(1);
    store.release(await put(store, other));
    freeBytes = LIMITS.objectDiskReserveBytes + CHUNK_BYTES - 1;
    const left = stored.held.has(1) ? 2 : 1;
    const write = () => store.write(stored, left, object.chunks[left] ?? new Uint8Array(0));
    expect(await codeOf(write())).toBe("object.no-room");
    // What could go has gone before it gave up.
    expect(store.get(other.root)).toBeUndefined();
    freeBytes += 1;
    expect(await codeOf(write())).toBe("");
  });

  it("remembers what was used last over a start", async () => {
    const store = await open();
    store.release(await put(store, small(1)));
    nowMs += 1_000;
    store.release(await put(store, small(2)));
    nowMs += 3_600_000;
    const first = store.get(small(1).root);
    if (first === undefined) throw new Error("it is not there");
    store.touch(first);
    const path = join(folder, small(1).root, "manifest");
    await expect.poll(() => statSync(path).mtimeMs).toBe(nowMs);
    expect((await open()).list()[0]?.root).toBe(small(1).root);
  });

  it("begins an object once, however many ask at the same time", async () => {
    const store = await open();
    const object = small(1);
    const all = await Promise.all(
      Array.from({ length: 5 }, () => store.begin(object.root, object.manifest)),
    );
    expect(new Set(all).size).toBe(1);
    expect(all[0]?.uses).toBe(5);
    expect(store.usedBytes).toBe(cost(object));
  });
});
