/**
 * What LevelDB's snapshots do to it (google/leveldb, issue 320; docs/adr/0014), and that the store on it is safe
 * from that: batches of random rows while snapshots are held and released, ranges read and the whole store
 * scanned. Now and then all rows are read, and each must be what was written last.
 *
 * Once LevelDB does not go wrong here any more, it was repaired, and the store could use its snapshots.
 */
import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { Level } from "level";
import { afterAll, describe, expect, it } from "vitest";
import type { StoreOp, StoreSnapshot } from "../../src/ledger/ports.ts";
import { openLevelStore } from "../../src/ledger/store/level.ts";
import { SHORT } from "./support/clock.ts";
import { makeFolder } from "./support/network.ts";

const KEYS = 15_000;
const BATCH = 1_500;
const TURNS = 200;
const HELD = 18;
/** Between two looks at all rows. */
const LOOK_TURNS = 5;
const ROW_BYTES = 500;
const SIZES = { writeBufferBytes: 2 ** 20, tableBytes: 2 ** 20 };

const folder = makeFolder();
afterAll(() => folder.remove());

const keyOf = (i: number): Uint8Array => Uint8Array.of(110, i >>> 8, i & 0xff);

const noise = randomBytes(64 * 1024);

/** Says when it was written; the rest cannot be compressed. */
const rowOf = (key: number, turn: number): Uint8Array => {
  const from = (key * 31 + turn * 977) % (noise.length - ROW_BYTES);
  const row = new Uint8Array(noise.subarray(from, from + ROW_BYTES));
  new DataView(row.buffer).setUint32(0, turn);
  return row;
};

const turnOf = (row: Uint8Array | undefined): number =>
  row === undefined ? -1 : new DataView(row.buffer, row.byteOffset).getUint32(0);

/** Numbers below `n`, the same ones in every run. */
const randomOf = (): ((n: number) => number) => {
  let state = 12345;
  return (n) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
};

type Subject = {
  write(rows: ReadonlyMap<number, Uint8Array>): Promise<void>;
  get(key: Uint8Array): Uint8Array | undefined;
  /** What is done after each batch, with what every row was written last. */
  meanwhile(turn: number, now: ReadonlyMap<number, number>): Promise<void>;
};

/** How often a row was not what was written last. */
const wrongReads = async (subject: Subject): Promise<number> => {
  const below = randomOf();
  const now = new Map<number, number>();
  let wrong = 0;
  for (let turn = 1; turn <= TURNS; turn++) {
    const rows = new Map<number, Uint8Array>();
    for (let i = 0; i < BATCH; i++) {
      const key = below(KEYS);
      now.set(key, turn);
      rows.set(key, rowOf(key, turn));
    }
    await subject.write(rows);
    await subject.meanwhile(turn, now);
    if (turn % LOOK_TURNS !== 0) continue;
    for (const [key, last] of now) if (turnOf(subject.get(keyOf(key))) !== last) wrong += 1;
  }
  return wrong;
};

type Holds = "nothing" | "snapshots" | "iterators";

/** LevelDB as it is, and what it is made to hold open. */
const wrongReadsOfLevelDb = async (holds: Holds): Promise<number> => {
  const path = join(folder.path, holds);
  const database = new Level<Uint8Array, Uint8Array>(path, {
    keyEncoding: "view",
    valueEncoding: "view",
    writeBufferSize: SIZES.writeBufferBytes,
    maxFileSize: SIZES.tableBytes,
  });
  await database.open();
  const held: { close(): Promise<void> }[] = [];
  const open = async (): Promise<{ close(): Promise<void> }> => {
    if (holds === "snapshots") return database.snapshot();
    const iterator = database.iterator();
    await iterator.next();
    return iterator;
  };
  const wrong = await wrongReads({
    write: async (rows) => {
      const batch = database.batch();
      for (const [key, row] of rows) batch.put(keyOf(key), row);
      await batch.write({ sync: false });
    },
    get: (key) => database.getSync(key),
    meanwhile: async () => {
      if (holds === "nothing") return;
      held.push(await open());
      if (held.length > HELD) await held.shift()?.close();
    },
  });
  await Promise.all(held.map((one) => one.close()));
  await database.close();
  rmSync(path, { recursive: true });
  return wrong;
};

const canary = (): void => {
  it("shows what was written last while nothing is held", async () => {
    expect(await wrongReadsOfLevelDb("nothing")).toBe(0);
  });

  it("shows older rows with its snapshots", async () => {
    expect(await wrongReadsOfLevelDb("snapshots")).toBeGreaterThan(0);
  });

  it("shows older rows with its iterators", async () => {
    expect(await wrongReadsOfLevelDb("iterators")).toBeGreaterThan(0);
  });
};

// Says something of LevelDB alone, which changes with a new version of it: the night looks. The store does not wait.
if (!SHORT) describe("LevelDB", canary);

describe("the store on it", () => {
  it("shows what was written last, with snapshots held, ranges read and scans under way", async () => {
    const path = join(folder.path, "store");
    const store = await openLevelStore(path, { logger: { log: () => {} }, ...SIZES });
    const held: { readonly snapshot: StoreSnapshot; readonly saw: ReadonlyMap<number, number> }[] =
      [];
    const below = randomOf();
    const reading: Promise<void>[] = [];
    const mistakes: string[] = [];
    let [scans, gone] = [0, 0];
    const range = (from: Pick<StoreSnapshot, "range">, saw: ReadonlyMap<number, number>) =>
      new Promise<void>((resolve, reject) => {
        const first = below(KEYS);
        const limit = 200;
        const wanted: string[] = [];
        for (let key = first; key < KEYS && wanted.length < limit; key++) {
          if (saw.has(key)) wanted.push(`${key}=${saw.get(key)}`);
        }
        from.range({ gte: keyOf(first), lt: Uint8Array.of(111), limit }, (failure, entries) => {
          if (failure?.code === "gone") gone += 1;
          else if (failure !== undefined) return reject(new Error(failure.detail));
          else {
            const got = entries.map(
              ([key, row]) => `${(key[1] ?? 0) * 256 + (key[2] ?? 0)}=${turnOf(row)}`,
            );
            if (got.join() !== wanted.join()) mistakes.push(`a range from ${first}`);
          }
          resolve();
        });
      });
    /** Answers when its moment is fixed; `rest` when all was read. */
    const scan = async (saw: ReadonlyMap<number, number>): Promise<{ rest: Promise<void> }> => {
      const pages = store.scan();
      const first = await pages.next();
      const readOn = async (): Promise<void> => {
        let rows = 0;
        for (let step = first; step.done !== true; step = await pages.next()) {
          for (const [key, row] of step.value) {
            const number = (key[1] ?? 0) * 256 + (key[2] ?? 0);
            if (saw.get(number) !== turnOf(row)) mistakes.push(`a scan at ${number}`);
            rows += 1;
          }
        }
        if (rows !== saw.size) mistakes.push(`a scan of ${rows} rows, not ${saw.size}`);
        scans += 1;
      };
      return { rest: readOn() };
    };
    const wrong = await wrongReads({
      write: (rows) =>
        new Promise((resolve, reject) => {
          const ops = [...rows].map(
            ([key, value]): StoreOp => ({ type: "put", key: keyOf(key), value }),
          );
          store.write(ops, { sync: false }, (failure) =>
            failure === undefined ? resolve() : reject(new Error(failure.detail)),
          );
        }),
      get: (key) => store.get(key),
      meanwhile: async (turn, now) => {
        const saw = new Map(now);
        held.push({ snapshot: store.snapshot(), saw });
        if (held.length > HELD) held.shift()?.snapshot.release();
        const one = held[below(held.length)];
        if (one !== undefined) reading.push(range(one.snapshot, one.saw));
        if (turn % 50 === 20) reading.push((await scan(saw)).rest);
      },
    });
    await Promise.all(reading);
    expect(mistakes).toEqual([]);
    expect(wrong).toBe(0);
    expect([scans, gone]).toEqual([4, 0]);
    for (const { snapshot } of held) snapshot.release();
    await new Promise<void>((resolve) => store.close(resolve));
  });
});
