/** Copies of an open store, when the file system refuses what is done with them. */

import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import * as files from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { type LevelStore, openLevelStore } from "../../src/ledger/store/level.ts";

vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof files>();
  return {
    ...real,
    rm: vi.fn(real.rm),
    copyFile: vi.fn(real.copyFile),
    writeFile: vi.fn(real.writeFile),
  };
});

const folder = mkdtempSync(join(tmpdir(), "tetrad-copies-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => vi.clearAllMocks());

const warned: string[] = [];
const logger = { log: (_level: string, message: string) => warned.push(message) };
const close = (store: LevelStore): Promise<void> => new Promise((resolve) => store.close(resolve));
const put = (store: LevelStore, key: number): Promise<unknown> =>
  new Promise((resolve) => {
    const op = { type: "put", key: Uint8Array.of(key), value: new Uint8Array(100) } as const;
    store.write([op], { sync: false }, resolve);
  });
const rowsOf = async (store: LevelStore): Promise<number> => {
  let rows = 0;
  for await (const page of store.scan()) rows += page.length;
  return rows;
};
const scansIn = (path: string): string[] =>
  readdirSync(path).filter((name) => name.startsWith("scan-"));
const busy = (): Promise<never> => Promise.reject(new Error("EBUSY: resource busy"));

describe("a copy that cannot be removed", () => {
  it("fails no scan that was read, keeps no store open, and goes at the next start", async () => {
    const path = join(folder, "a");
    const store = await openLevelStore(path, { logger });
    await put(store, 1);
    vi.mocked(files.rm).mockImplementationOnce(busy);
    expect(await rowsOf(store)).toBe(1);
    expect(warned).toContain("copy of the store not removed");
    // One that is being read when the store is closed, too.
    const open = store.scan();
    await open.next();
    vi.mocked(files.rm).mockImplementationOnce(busy);
    await close(store);
    expect(scansIn(path)).toEqual(["scan-1", "scan-2"]);
    expect(warned).not.toContain("store did not close cleanly");
    const again = await openLevelStore(path, { logger });
    expect(scansIn(path)).toEqual([]);
    expect(await rowsOf(again)).toBe(1);
    await close(again);
  });
});

describe("a copy that cannot be made", () => {
  it("is told by the names of the store's files", async () => {
    const path = join(folder, "b");
    const store = await openLevelStore(path, { logger });
    await put(store, 1);
    vi.mocked(files.copyFile).mockImplementation((_from, to) =>
      Promise.reject(new Error(`EIO: cannot write '${String(to)}'`)),
    );
    const failed = await rowsOf(store).catch((error: unknown) => error);
    const real = await vi.importActual<typeof files>("node:fs/promises");
    vi.mocked(files.copyFile).mockImplementation(real.copyFile);
    expect(failed).toMatchObject({ code: "store.io" });
    expect(String(failed)).toContain(path);
    expect(String(failed)).not.toContain("scan-");
    // A manifest that is damaged only in the copy: the file is named in the data as well.
    vi.mocked(files.copyFile).mockImplementation(async (from, to, mode) => {
      if (basename(String(from)) === "CURRENT") await files.writeFile(to, "nothing\n");
      else await real.copyFile(from, to, mode);
    });
    const corrupt = await rowsOf(store).catch((error: unknown) => error);
    vi.mocked(files.copyFile).mockImplementation(real.copyFile);
    expect(corrupt).toMatchObject({
      code: "store.corrupt",
      data: { folder: path, file: "CURRENT" },
    });
    expect(String(corrupt)).not.toContain("scan-");
    expect(scansIn(path)).toEqual([]);
    await close(store);
  });
});

describe("a copy", () => {
  it("has the logs first and the manifest last", async () => {
    const path = join(folder, "c");
    const store = await openLevelStore(path, { logger });
    await put(store, 1);
    vi.mocked(files.copyFile).mockClear();
    expect(await rowsOf(store)).toBe(1);
    const names = vi.mocked(files.copyFile).mock.calls.map(([from]) => basename(String(from)));
    const half = names.slice(0, names.length / 2);
    expect(names).toEqual([...half, ...half]);
    expect(half.at(-1)).toMatch(/^MANIFEST/);
    expect(half[0]).toMatch(/\.log$/);
    await close(store);
  });
});

describe("a copy that a killed process left", () => {
  it("is removed before anything is written but the lock", async () => {
    const path = join(folder, "d");
    await close(await openLevelStore(path, { logger }));
    await files.mkdir(join(path, "scan-4"));
    vi.clearAllMocks();
    await close(await openLevelStore(path, { logger }));
    const [removed] = vi.mocked(files.rm).mock.invocationCallOrder;
    const [written] = vi.mocked(files.writeFile).mock.invocationCallOrder;
    expect(vi.mocked(files.rm).mock.calls[0]?.[0]).toBe(join(path, "scan-4"));
    expect(removed).toBeLessThan(written ?? 0);
  });
});
