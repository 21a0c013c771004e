/** Rows that leave memory for a file: nobody can tell by what is read, and the file is no one else's. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { CALM_DISK, SimDisk } from "../../sim/disk.ts";
import { DiskRows } from "../../sim/disk-rows.ts";
import { DiskSnapshots } from "../../sim/disk-snapshots.ts";
import { Host } from "../../sim/host.ts";
import { TEMPORARY_FILES, TemporaryFile } from "../../sim/row-file.ts";
import { ROW_MEMORY_BYTES, RowMemory } from "../../sim/row-memory.ts";
import { simulate } from "../../sim/simulate.ts";
import { SortedMap, wholeOf } from "../../sim/sorted-map.ts";
import { SpillFile } from "../../sim/spill-file.ts";
import { randomScenario } from "../../sim/swarm.ts";
import { SYSTEM } from "../../sim/system.ts";
import { World } from "../../sim/world.ts";
import type { Store, StoreRange } from "../../src/ledger/ports.ts";

const TIMEOUT_MS = 120_000;
const KEYS = 24;

const keyOf = (n: number): string => `${n % 2 === 0 ? "a" : "b"}${String.fromCharCode(60 + n)}`;

const bound = fc.integer({ min: 0, max: KEYS }).map((n) => SortedMap.bytesOf(keyOf(n)));
const ranges: fc.Arbitrary<StoreRange> = fc.record({
  gte: bound,
  lt: bound,
  limit: fc.integer({ min: 0, max: KEYS }),
  reverse: fc.boolean(),
  bytesMax: fc.integer({ min: 1, max: 40_000 }),
});

/** Some are pieces, as lists of signatures are kept; a few are larger than a block. */
const values = fc.oneof(
  { weight: 6, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  { weight: 2, arbitrary: fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 3 }) },
  { weight: 1, arbitrary: fc.nat(40_000).map((length) => new Uint8Array(length).fill(length)) },
);

const change = fc.record({
  kind: fc.constant("put" as const),
  key: fc.nat(KEYS - 1),
  value: fc.option(values),
});
const read = fc.record({ kind: fc.constant("get" as const), key: fc.nat(KEYS - 1) });

/** What a plain map holds, as entries in order. */
const entriesOf = (map: SortedMap): (readonly [string, Uint8Array])[] =>
  map
    .names({ gte: new Uint8Array(0), lt: Uint8Array.of(255), limit: 1_000 })
    .map((name) => [name, wholeOf(map.get(name) ?? new Uint8Array(0))]);

const allOf = (rows: DiskRows): (readonly [string, Uint8Array])[] =>
  [...rows.entriesFrom(0)].map(([key, value]) => [SortedMap.keyOf(key), value]);

type Pair = { readonly rows: DiskRows; readonly plain: SortedMap };

const put = ({ rows, plain }: Pair, key: number, value: Uint8Array | Uint8Array[] | null): void => {
  rows.put(keyOf(key), rows.get(keyOf(key)), value ?? undefined);
  if (value === null) plain.delete(keyOf(key));
  else plain.set(keyOf(key), value);
};

describe("rows of disks", () => {
  const step = fc.oneof(
    { weight: 12, arbitrary: fc.record({ disk: fc.nat(2), what: change }) },
    { weight: 5, arbitrary: fc.record({ disk: fc.nat(2), what: read }) },
    { weight: 1, arbitrary: fc.record({ disk: fc.nat(2), what: fc.constant("clear" as const) }) },
    {
      weight: 2,
      arbitrary: fc.record({ disk: fc.nat(2), what: fc.record({ copyOf: fc.nat(2) }) }),
    },
    { weight: 1, arbitrary: fc.record({ disk: fc.nat(2), what: fc.constant("clone" as const) }) },
  );

  it("are those of a plain map, wherever they lie, and leave nothing in the file", () => {
    let spills = 0;
    const budgets = fc.oneof(fc.constant(0), fc.nat(400), fc.nat(4_000), fc.nat(100_000));
    fc.assert(
      fc.property(
        budgets,
        fc.array(step, { minLength: 20, maxLength: 120 }),
        ranges,
        (budget, steps, range) => {
          const memory = new RowMemory(TEMPORARY_FILES, budget);
          const fresh = (): Pair => ({ rows: new DiskRows(memory), plain: new SortedMap() });
          const pairs = [fresh(), fresh(), fresh()];
          for (const { disk, what } of steps) {
            const pair = pairs[disk] as Pair;
            if (what === "clear") {
              pair.rows.clear();
              pair.plain.clear();
            } else if (what === "clone") {
              // The clone stands in, and what it was made of goes: its rows have to stay.
              pairs[disk] = { rows: pair.rows.clone(), plain: pair.plain };
              pair.rows.dispose();
            } else if ("copyOf" in what) {
              const other = pairs[what.copyOf] as Pair;
              if (other === pair) continue;
              pair.rows.copyFrom(other.rows);
              pair.plain.copyFrom(other.plain);
            } else if (what.kind === "put") put(pair, what.key, what.value);
            else {
              const found = pair.rows.get(keyOf(what.key));
              const expected = pair.plain.get(keyOf(what.key));
              expect(found && wholeOf(found)).toEqual(expected && wholeOf(expected));
            }
          }
          for (const { rows, plain } of pairs) {
            const { bytesMax: _, ...unlimited } = range;
            expect(rows.names(range)).toEqual(plain.names(range));
            expect(rows.range(range)).toEqual(plain.range(range));
            expect(rows.range(unlimited)).toEqual(plain.range(unlimited));
            expect(rows.size).toBe(entriesOf(plain).length);
            expect(allOf(rows)).toEqual(entriesOf(plain));
            expect([...rows.entriesFrom(3)]).toHaveLength(Math.max(0, rows.size - 3));
          }
          spills += memory.spills;
          for (const { rows } of pairs) rows.dispose();
          expect(memory.weigh()).toBe(0);
          expect(memory.file.bytes).toBe(0);
          memory.close();
        },
      ),
      { numRuns: 400 },
    );
    expect(spills).toBeGreaterThan(400);
  });

  it("read the same through snapshots of the disk", () => {
    const steps = fc.array(fc.oneof({ weight: 5, arbitrary: change }, fc.constant("take")), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(steps, ranges, (all, range) => {
        const memory = new RowMemory(TEMPORARY_FILES, 300);
        const pair = { rows: new DiskRows(memory), plain: new SortedMap() };
        const snapshots = new DiskSnapshots(pair.rows);
        const held: { taken: ReturnType<DiskSnapshots["take"]>; copy: SortedMap }[] = [];
        for (const one of all) {
          if (typeof one === "string")
            held.push({ taken: snapshots.take(), copy: pair.plain.clone() });
          else {
            snapshots.changing(keyOf(one.key), pair.rows.get(keyOf(one.key)));
            put(pair, one.key, one.value);
          }
        }
        for (const { taken, copy } of held) {
          expect(snapshots.range(taken, range)).toEqual(copy.range(range));
          for (let n = 0; n < KEYS; n++) {
            const [found, expected] = [snapshots.get(taken, keyOf(n)), copy.get(keyOf(n))];
            expect(found && wholeOf(found)).toEqual(expected && wholeOf(expected));
          }
        }
        memory.close();
      }),
      { numRuns: 200 },
    );
  });

  it("that disks hold alike weigh once, and stay where they are for as long as that fits", () => {
    const spillsOf = (copy: boolean): number => {
      const memory = new RowMemory(TEMPORARY_FILES, 400_000);
      const disks = Array.from({ length: 10 }, () => new DiskRows(memory));
      for (let i = 0; i < 100; i++) {
        const value = new Uint8Array(1_000);
        for (const rows of disks) rows.put(`k${i}`, undefined, copy ? value.slice() : value);
      }
      expect(memory.weigh()).toBeLessThanOrEqual(400_000);
      memory.close();
      return memory.spills;
    };
    expect(spillsOf(false)).toBe(0);
    expect(spillsOf(true)).toBeGreaterThan(1);
  });

  it("stay few runs, however often the memory was full", () => {
    const memory = new RowMemory(TEMPORARY_FILES, 2_000);
    const rows = new DiskRows(memory);
    for (let i = 0; i < 5_000; i++) {
      const name = String(i).padStart(8, "0");
      rows.put(name, undefined, new Uint8Array(50));
      if (i >= 100) {
        const old = String(i - 100).padStart(8, "0");
        rows.put(old, rows.get(old), undefined);
      }
    }
    expect(memory.spills).toBeGreaterThan(100);
    expect(rows.size).toBe(100);
    expect(rows.runs).toBeLessThan(12);
    expect(memory.weigh()).toBeLessThanOrEqual(2_000);
    // A hundred rows are left of five thousand: merging has dropped the others.
    expect(memory.file.bytes).toBeLessThan(200_000);
    memory.close();
  });
});

describe("a disk", () => {
  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        write: fc.array(change, { minLength: 1, maxLength: 4 }),
        sync: fc.boolean(),
      }),
    },
    { weight: 3, arbitrary: fc.record({ read: fc.nat(KEYS - 1) }) },
    { weight: 2, arbitrary: fc.record({ range: ranges }) },
    { weight: 3, arbitrary: fc.record({ forUs: fc.nat(2_000) }) },
    { weight: 1, arbitrary: fc.record({ crash: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ spoil: fc.nat(60) }) },
    {
      weight: 3,
      arbitrary: fc.constantFrom("snapshot", "restore", "wipe", "misdirect", "view" as const),
    },
  );

  /** Does what the steps say, and writes down everything that shows. */
  const history = (
    steps: readonly (typeof step extends fc.Arbitrary<infer T> ? T : never)[],
    memory: RowMemory,
    visibleEarly: boolean,
  ): unknown[] => {
    const seen: unknown[] = [];
    const world = new World(5);
    const host = new Host(world, 0);
    const tap = {
      durable: (_slot: number, _disk: string, puts: readonly unknown[]): number => seen.push(puts),
      happened: (what: string): number => seen.push(what),
    };
    const knobs = { ...CALM_DISK, visibleEarly };
    const disk = new SimDisk("data", host, knobs, tap, undefined, memory);
    let store: Store = disk.open(host.boot());
    let views: Pick<Store, "get" | "range">[] = [];
    const look = (at: Pick<Store, "get" | "range">, key: number): void => {
      try {
        seen.push(at.get(SortedMap.bytesOf(keyOf(key))));
      } catch (error) {
        seen.push(String(error));
      }
    };
    for (const one of steps) {
      if (one === "snapshot") disk.snapshot("stale");
      else if (one === "view") views.push(store.snapshot());
      else if (one === "misdirect") disk.misdirectNth = 1;
      else if (typeof one === "string" || "crash" in one) {
        host.kill("test");
        seen.push(disk.crash(typeof one === "object" && one.crash));
        if (one === "restore") seen.push(disk.restore("stale"));
        if (one === "wipe") disk.wipe();
        seen.push(disk.dump());
        store = disk.open(host.boot());
        views = [];
      } else if ("write" in one) {
        const ops = one.write.map(({ key, value }) => {
          const at = SortedMap.bytesOf(keyOf(key));
          return value === null
            ? { type: "del" as const, key: at }
            : { type: "put" as const, key: at, value: wholeOf(value) };
        });
        store.write(ops, { sync: one.sync }, (failure) => seen.push(failure ?? "written"));
      } else if ("read" in one) for (const at of [store, ...views]) look(at, one.read);
      else if ("range" in one) {
        for (const at of [store, ...views]) {
          at.range(one.range, (failure, entries) => seen.push(failure ?? entries));
        }
      } else if ("spoil" in one) seen.push(disk.spoil(one.spoil));
      else world.runUntil(world.nowUs + one.forUs);
    }
    world.runUntil(world.nowUs + 1_000_000);
    seen.push(disk.dump(), disk.bytes, disk.entries, disk.isDamaged, world.trace.hash());
    memory.close();
    return seen;
  };

  it("with faults, snapshots and restores shows the same with little memory as with much", () => {
    let spills = 0;
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 10, maxLength: 80 }),
        fc.nat(1_500),
        fc.boolean(),
        (steps, budget, early) => {
          const little = new RowMemory(TEMPORARY_FILES, budget);
          expect(history(steps, little, early)).toEqual(
            history(steps, new RowMemory(TEMPORARY_FILES), early),
          );
          spills += little.spills;
        },
      ),
      { numRuns: 300 },
    );
    expect(spills).toBeGreaterThan(200);
  });
});

describe("a run", () => {
  it.each([13, 14])(
    "of seed %i is the same with memory for a few rows",
    (seed) => {
      const scenario = randomScenario(seed);
      const [much, little] = [ROW_MEMORY_BYTES, 2_000].map((rowMemoryBytes) =>
        simulate(scenario, { ...SYSTEM, rowFiles: TEMPORARY_FILES, rowMemoryBytes }),
      );
      expect(little).toEqual(much);
    },
    TIMEOUT_MS,
  );
});

describe("the file", () => {
  const folder = mkdtempSync(join(tmpdir(), "tetrad-rows-"));
  afterEach(() => vi.unstubAllEnvs());
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const fill = (memory: RowMemory): DiskRows => {
    const rows = new DiskRows(memory);
    for (let n = 0; n < KEYS; n++) rows.put(keyOf(n), undefined, Uint8Array.of(n));
    return rows;
  };

  it("is made when it is needed, has no name, is its owner's, and ends with the run", () => {
    vi.stubEnv("TMPDIR", folder);
    const opened: TemporaryFile[] = [];
    const open = (): TemporaryFile => {
      const file = new TemporaryFile();
      opened.push(file);
      return file;
    };
    fill(new RowMemory({ ...TEMPORARY_FILES, open }));
    expect(opened).toEqual([]);
    const memory = new RowMemory({ ...TEMPORARY_FILES, open }, 100);
    const rows = fill(memory);
    expect(opened).toHaveLength(1);
    const stats = opened[0]?.stats;
    expect((stats?.mode ?? 0) & 0o777).toBe(0o600);
    expect(stats?.nlink).toBe(0);
    expect(readdirSync(folder)).toEqual([]);
    expect(rows.get(keyOf(3))).toEqual(Uint8Array.of(3));
    memory.close();
    expect(() => opened[0]?.stats).toThrow("EBADF");
    expect(() => rows.get(keyOf(5))).toThrow("ended");
  });

  it("that cannot be made leaves rows where they are, and says so once", () => {
    const place = join(tmpdir(), `tetrad-no-folder-${process.pid}`);
    writeFileSync(place, "");
    vi.stubEnv("TMPDIR", place);
    const warned = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
    const memory = new RowMemory(TEMPORARY_FILES, 100);
    const rows = fill(memory);
    expect(rows.size).toBe(KEYS);
    expect(rows.get(keyOf(3))).toEqual(Uint8Array.of(3));
    expect(warned).toHaveBeenCalledTimes(1);
    warned.mockRestore();
    rmSync(place);
  });

  it("gives places that do not overlap, and takes the end back", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ take: fc.nat(50), give: fc.option(fc.nat()) }), { maxLength: 60 }),
        (steps) => {
          const file = new SpillFile(TEMPORARY_FILES);
          const taken: { at: number; length: number }[] = [];
          const giveBack = (i: number): void => {
            for (const { at, length } of taken.splice(i, 1)) file.give(at, length);
          };
          for (const { take, give } of steps) {
            const at = file.take(take + 1);
            for (const other of taken) {
              expect(at >= other.at + other.length || at + take + 1 <= other.at).toBe(true);
            }
            taken.push({ at, length: take + 1 });
            if (give !== null) giveBack(give % taken.length);
            const end = Math.max(0, ...taken.map((one) => one.at + one.length));
            expect(file.bytes).toBe(end);
          }
          while (taken.length > 0) giveBack(0);
          expect(file.bytes).toBe(0);
        },
      ),
    );
  });
});
