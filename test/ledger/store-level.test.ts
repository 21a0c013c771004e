/** The store on LevelDB: the contract on real files, group commit, real failures, locks. */
import { mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { TetradError } from "../../src/errors.ts";
import type { Logger, Store, StoreFailure, StoreOp } from "../../src/ledger/ports.ts";
import { lockFolder, openLevelStore } from "../../src/ledger/store/level.ts";
import { type StoreUnderTest, storeContract } from "../contract/store-contract.ts";

const logger: Logger = { log: () => {} };
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const put = (key: Uint8Array, value: Uint8Array): StoreOp => ({ type: "put", key, value });

const close = (store: Store): Promise<void> => new Promise((resolve) => store.close(resolve));
const write = (
  store: Store,
  ops: readonly StoreOp[],
  sync = true,
): Promise<StoreFailure | undefined> =>
  new Promise((resolve) => store.write(ops, { sync }, resolve));

const BUFFER_BYTES = 64 * 1024;

/** A store in a folder of its own. The failure is real: its folder is moved away when it needs a new file. */
const levelUnderTest = async (): Promise<StoreUnderTest> => {
  const root = await mkdtemp(join(tmpdir(), "tetrad-store-"));
  const folder = join(root, "store");
  const away = join(root, "away");
  const options = { logger, writeBufferBytes: BUFFER_BYTES };
  let store = await openLevelStore(folder, options);
  let moved = false;
  const reopen = async (): Promise<Store> => {
    await close(store);
    if (moved) await rename(away, folder);
    moved = false;
    store = await openLevelStore(folder, options);
    return store;
  };
  return {
    store,
    reopen,
    failNextWrite: async () => {
      // The buffer is over its size now, so the next write has to start a new log file.
      await write(store, [put(bytes(0xff), new Uint8Array(2 * BUFFER_BYTES))]);
      await rename(folder, away);
      moved = true;
    },
    dispose: async () => {
      await close(store);
      await rm(root, { recursive: true });
    },
  };
};

storeContract("LevelDB", levelUnderTest);

describe("LevelDB store", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "tetrad-store-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("merges the writes of one turn, and those that wait for a sync, into one batch each", async () => {
    const store = await openLevelStore(folder, { logger });
    const first = [1, 2, 3].map((i) => write(store, [put(bytes(i), bytes(i))], i === 2));
    // Behind a macrotask the first group is with LevelDB; these wait for it together.
    await Promise.resolve().then(() => {});
    const second = [4, 5, 6].map((i) => write(store, [put(bytes(i), bytes(i))]));
    expect(store.stats().pendingWrites).toBe(6);
    expect(await Promise.all([...first, ...second])).toEqual(new Array(6).fill(undefined));
    expect(store.stats()).toMatchObject({
      pendingWrites: 0,
      writes: 6,
      commits: 2,
      syncedCommits: 2,
      bytes: 12,
    });
    await close(store);
  });

  it("does not merge beyond the limit, and takes a larger write alone", async () => {
    const store = await openLevelStore(folder, { logger, mergedBytesMax: 1000 });
    const sizes = [600, 300, 600, 5000, 10, 10];
    await Promise.all(sizes.map((size, i) => write(store, [put(bytes(i), new Uint8Array(size))])));
    expect(store.stats()).toMatchObject({ writes: 6, commits: 4 });
    await close(store);
  });

  it("does not let one caller's exception stop another's write", async () => {
    const store = await openLevelStore(folder, { logger });
    const uncaught = new Promise<unknown>((resolve) => process.once("uncaughtException", resolve));
    const others = process.listeners("uncaughtException").slice(0, -1);
    for (const listener of others) process.off("uncaughtException", listener);
    store.write([put(bytes(1), bytes(1))], { sync: true }, () => {
      throw new Error("the caller's own");
    });
    expect(await write(store, [put(bytes(2), bytes(2))])).toBeUndefined();
    expect(await uncaught).toMatchObject({ message: "the caller's own" });
    for (const listener of others) process.on("uncaughtException", listener);
    expect(await write(store, [put(bytes(3), bytes(3))])).toBeUndefined();
    await close(store);
  });

  it("cannot be read after closing", async () => {
    const store = await openLevelStore(folder, { logger });
    await close(store);
    expect(() => store.get(bytes(1))).toThrow(TetradError);
  });

  it("reports a file where its folder should be", async () => {
    const store = await openLevelStore(join(folder, "a"), { logger });
    await close(store);
    const current = join(folder, "a", "CURRENT");
    await expect(openLevelStore(current, { logger })).rejects.toMatchObject({ code: "store.io" });
  });
});

describe("locks", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "tetrad-lock-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("refuse a second opening of a store and name the holder", async () => {
    const store = await openLevelStore(folder, { logger });
    await expect(openLevelStore(folder, { logger })).rejects.toMatchObject({
      code: "folder.locked",
      data: { folder, pid: process.pid },
    });
    expect(await write(store, [put(bytes(1), bytes(1))])).toBeUndefined();
    await close(store);
    const again = await openLevelStore(folder, { logger });
    expect(again.get(bytes(1))).toEqual(bytes(1));
    await close(again);
  });

  it("hold a folder until they are released", async () => {
    const lock = await lockFolder(folder);
    await expect(lockFolder(folder)).rejects.toMatchObject({ code: "folder.locked" });
    await lock.release();
    await expect(readFile(join(folder, "in-use", "owner.pid"))).rejects.toThrow();
    await (await lockFolder(folder)).release();
  });
});

describe("a scan", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "tetrad-scan-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const row = (i: number, value: number): StoreOp =>
    put(bytes(i >> 8, i & 0xff), new Uint8Array(100).fill(value));

  it("sees the store as it was when it began, whatever is written meanwhile", async () => {
    const store = await openLevelStore(join(folder, "s"), { logger, writeBufferBytes: 65_536 });
    const count = 5000;
    await write(
      store,
      Array.from({ length: count }, (_, i) => row(i, 1)),
    );
    const seen: number[] = [];
    for await (const page of store.scan()) {
      for (const [key, value] of page) {
        expect((key[0] ?? 0) * 256 + (key[1] ?? 0)).toBe(seen.length);
        seen.push(value[0] ?? 0);
      }
      // All that is still to come is changed, much is deleted and something is added.
      const changes = Array.from({ length: count + 5 }, (_, i) => row(i, 2));
      await write(store, [...changes, { type: "del", key: bytes(0x10, 0) }]);
    }
    expect(seen).toEqual(new Array(count).fill(1));
    expect(store.get(bytes(0x10, 0))).toBeUndefined();
    await close(store);
  });

  it("ends when the store is closed, which does not wait for who reads it", async () => {
    const store = await openLevelStore(join(folder, "s"), { logger });
    await write(
      store,
      Array.from({ length: 2000 }, (_, i) => row(i, 1)),
    );
    const scan = store.scan();
    expect((await scan.next()).done).toBe(false);
    await close(store);
    await expect(scan.next()).rejects.toMatchObject({ code: "node.stopping" });
    await expect(store.scan().next()).rejects.toMatchObject({ code: "node.stopping" });
  });
});
