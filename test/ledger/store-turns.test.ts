/**
 * LevelDB's snapshots, which iterators of the binding hold as well, are never older than the last write: nothing is
 * written while one is open (docs/adr/0014).
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Level } from "level";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import type { StoreOp } from "../../src/ledger/ports.ts";
import { type LevelStore, openLevelStore } from "../../src/ledger/store/level.ts";
import { READERS_MAX, Turns } from "../../src/ledger/store/turns.ts";

const folder = mkdtempSync(join(tmpdir(), "tetrad-turns-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => vi.restoreAllMocks());

const logger = { log: () => {} };
const close = (store: LevelStore): Promise<void> => new Promise((resolve) => store.close(resolve));
const write = (store: LevelStore, ops: readonly StoreOp[]): Promise<unknown> =>
  new Promise((resolve) => store.write(ops, { sync: false }, resolve));
const turnOps = (turn: number): StoreOp[] =>
  Array.from({ length: 50 }, (_, i) => ({
    type: "put",
    key: Uint8Array.of(1, i, turn & 3),
    value: new Uint8Array(400).fill(turn),
  }));

describe("turns", () => {
  const pause = (): Promise<void> => new Promise((resume) => setImmediate(resume));

  it("let many read or one write, and nobody wait for long", async () => {
    const turns = new Turns();
    let readers = 0;
    let writers = 0;
    let readersMax = 0;
    const order: string[] = [];
    const read = (name: string): Promise<void> =>
      turns.read(async () => {
        readers += 1;
        readersMax = Math.max(readersMax, readers);
        expect(writers).toBe(0);
        order.push(name);
        await pause();
        readers -= 1;
      });
    const change = (name: string): Promise<void> =>
      turns.write(async () => {
        writers += 1;
        expect([writers, readers]).toEqual([1, 0]);
        order.push(name);
        await pause();
        writers -= 1;
      });
    // A reader that comes after a waiting writer does not overtake it, nor a second writer the readers.
    const all = [read("r1"), read("r2"), change("w1"), read("r3"), change("w2"), read("r4")];
    await Promise.all(all);
    expect(order).toEqual(["r1", "r2", "w1", "r3", "r4", "w2"]);
    expect(readersMax).toBe(2);
  });

  it("let few readers in between two writers, however many wait, and all of them in the end", async () => {
    const turns = new Turns();
    const order: ("read" | "write")[] = [];
    const one = (kind: "read" | "write"): Promise<void> =>
      turns[kind](async () => {
        order.push(kind);
        await pause();
      });
    const many = 3 * READERS_MAX + 1;
    const all = [one("write"), ...Array.from({ length: many }, () => one("read"))];
    all.push(one("write"), one("write"));
    await Promise.all(all);
    const runs = order
      .join(" ")
      .split("write")
      .map((run) => run.trim().split(" ").length);
    // Nothing is before the first; what is left after the last has nobody to wait for.
    expect(runs).toEqual([1, READERS_MAX, READERS_MAX, READERS_MAX + 1]);
    expect(order.filter((kind) => kind === "read").length).toBe(many);
  });

  it("go on after a failure", async () => {
    const turns = new Turns();
    const fails = (): Promise<never> => Promise.reject(new Error("it fails"));
    const failing = [turns.write(fails), turns.read(fails), turns.write(fails)];
    for (const each of failing) await expect(each).rejects.toThrow("it fails");
    expect(await turns.read(async () => 1)).toBe(1);
    expect(await turns.write(async () => 2)).toBe(2);
  });
});

/** Counts what of each database is open at a time, by the folder. */
const watchDatabases = (): { readonly iterators: () => number; readonly overlaps: string[] } => {
  const open = new Map<string, { iterators: number; writing: boolean }>();
  const overlaps: string[] = [];
  let iterators = 0;
  const stateOf = (location: string) => {
    const state = open.get(location) ?? { iterators: 0, writing: false };
    open.set(location, state);
    return state;
  };
  const check = (location: string): void => {
    const { iterators, writing } = stateOf(location);
    if (writing && iterators > 0) overlaps.push(location);
  };
  const { iterator, batch } = Level.prototype;
  vi.spyOn(Level.prototype, "iterator").mockImplementation(function (
    this: Level,
    ...args: unknown[]
  ) {
    const made = Reflect.apply(iterator, this, args);
    const state = stateOf(this.location);
    state.iterators += 1;
    iterators += 1;
    check(this.location);
    const end = made.close.bind(made);
    let ended = false;
    made.close = async () => {
      await end();
      if (!ended) state.iterators -= 1;
      ended = true;
    };
    return made;
  } as never);
  vi.spyOn(Level.prototype, "batch").mockImplementation(function (this: Level, ...args: unknown[]) {
    const made = Reflect.apply(batch as () => unknown, this, args) as {
      write(options: unknown): Promise<void>;
    };
    const { location } = this;
    const commit = made.write.bind(made);
    made.write = async (options) => {
      stateOf(location).writing = true;
      check(location);
      await commit(options).finally(() => {
        stateOf(location).writing = false;
      });
    };
    return made;
  } as never);
  return { iterators: () => iterators, overlaps };
};

describe("a store that is read and written at once", () => {
  it("has no snapshot of LevelDB's open while a batch is written", async () => {
    const watched = watchDatabases();
    const others = ["snapshot", "get", "getMany", "has", "hasMany", "keys", "values", "clear"];
    const used = others
      .filter((name) => name in Level.prototype)
      .map((name) => vi.spyOn(Level.prototype, name as never));
    expect(used.length).toBeGreaterThan(5);
    const store = await openLevelStore(join(folder, "a"), { logger, writeBufferBytes: 64 * 1024 });
    const range = { gte: Uint8Array.of(1), lt: Uint8Array.of(2), limit: 500 };
    const read = (from: Pick<LevelStore, "range">): Promise<number> =>
      new Promise((resolve) => from.range(range, (_failure, { length }) => resolve(length)));
    const pending: Promise<unknown>[] = [];
    let scanned = 0;
    for (let turn = 0; turn < 40; turn++) {
      pending.push(write(store, turnOps(turn)), read(store));
      if (turn % 5 === 4) await pending[pending.length - 2];
      const snapshot = turn % 5 === 4 ? store.snapshot() : undefined;
      if (snapshot !== undefined) pending.push(read(snapshot).finally(() => snapshot.release()));
      if (turn === 20) {
        pending.push(
          (async () => {
            for await (const page of store.scan()) scanned += page.length;
          })(),
        );
      }
    }
    await Promise.all(pending);
    expect(scanned).toBe(200);
    expect(watched.iterators()).toBeGreaterThan(40);
    expect(watched.overlaps).toEqual([]);
    for (const spy of used) expect(spy).not.toHaveBeenCalled();
    await close(store);
  });
});

describe("a copy to scan", () => {
  const scansIn = (path: string): string[] =>
    readdirSync(path).filter((name) => name.startsWith("scan-"));

  it("is gone when it was read, when the reader gives up, and when the store is closed", async () => {
    const path = join(folder, "b");
    const store = await openLevelStore(path, { logger });
    for (let turn = 0; turn < 20; turn++) await write(store, turnOps(turn));
    const [first, second] = [store.scan(), store.scan()];
    await Promise.all([first.next(), second.next()]);
    expect(scansIn(path).length).toBe(2);
    await first.return();
    expect(scansIn(path).length).toBe(1);
    await close(store);
    expect(scansIn(path)).toEqual([]);
    await expect(second.next()).rejects.toMatchObject({ code: "node.stopping" });
  });

  it("that a killed process left is removed at the next start", async () => {
    const path = join(folder, "c");
    await close(await openLevelStore(path, { logger }));
    mkdirSync(join(path, "scan-7", "in"), { recursive: true });
    await close(await openLevelStore(path, { logger }));
    expect(scansIn(path)).toEqual([]);
  });

  it("shares no file with the store that either may write into", async () => {
    const path = join(folder, "e");
    const store = await openLevelStore(path, { logger });
    for (let turn = 0; turn < 3; turn++) await write(store, turnOps(turn));
    // As a compaction leaves them until it is over: LevelDB may number a table of the copy like one of these.
    const unfinished = Array.from({ length: 40 }, (_, i) =>
      join(path, `${String(i + 3).padStart(6, "0")}.ldb`),
    );
    for (const file of unfinished) writeFileSync(file, "being made");
    let rows = 0;
    for await (const page of store.scan()) rows += page.length;
    expect(rows).toBe(150);
    for (const file of unfinished) expect(readFileSync(file, "utf8")).toBe("being made");
    await close(store);
  });

  it("holds what was written before it, whatever is flushed and compacted meanwhile", async () => {
    const path = join(folder, "d");
    const sizes = { writeBufferBytes: 64 * 1024, tableBytes: 32 * 1024 };
    const store = await openLevelStore(path, { logger, ...sizes });
    const now = new Map<number, number>();
    let stopped = false;
    let scanning = 0;
    const writer = (async () => {
      for (let turn = 1; !stopped; turn++) {
        const ops = Array.from({ length: 100 }, (_, i): StoreOp => {
          const key = (turn * 37 + i * 11) % 700;
          now.set(key, turn % 250);
          return {
            type: "put",
            key: Uint8Array.of(1, key >> 8, key & 0xff),
            value: new Uint8Array(300).fill(turn % 250),
          };
        });
        // What is submitted before a scan is asked for is in it or behind it: here it waits.
        await write(store, ops);
        while (scanning > 0 && !stopped) await new Promise((resume) => setImmediate(resume));
      }
    })();
    for (let i = 0; i < 12; i++) {
      await new Promise((resume) => setTimeout(resume, 30));
      scanning += 1;
      await write(store, []);
      const saw = new Map(now);
      const scan = store.scan();
      let step = await scan.next();
      scanning -= 1;
      const seen = new Map<number, number>();
      while (step.done !== true) {
        for (const [key, value] of step.value) {
          seen.set((key[1] ?? 0) * 256 + (key[2] ?? 0), value[0] ?? -1);
        }
        step = await scan.next();
      }
      expect([...seen].sort(([a], [b]) => a - b)).toEqual([...saw].sort(([a], [b]) => a - b));
    }
    stopped = true;
    await writer;
    await close(store);
    expect(existsSync(path)).toBe(true);
  });
});

describe("the source", () => {
  it("opens a database in one file only, which takes no snapshot of it", () => {
    const root = new URL("../../src", import.meta.url).pathname;
    const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) =>
      name.endsWith(".ts"),
    );
    const importers = files.filter((name) =>
      /from "(level|classic-level|abstract-level|rave-level)"/.test(
        readFileSync(join(root, name), "utf8"),
      ),
    );
    expect(importers).toEqual(["ledger/store/level.ts"]);
    const text = readFileSync(join(root, "ledger/store/level.ts"), "utf8");
    // The type leaves out what would open a snapshot: nothing widens it again.
    expect(text.match(/Level<Uint8Array, Uint8Array>/g)?.length).toBe(1);
    expect(text).not.toMatch(/ as (unknown|Level|never)/);
    expect(text.match(/#database\.iterator\(/g)?.length).toBe(1);
  });
});
