/**
 * Snapshots of the LevelDB store while it is written and compacted: what was read at a snapshot, and that the
 * store itself goes on showing what was written last (google/leveldb, issue 320).
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import type { StoreEntry, StoreOp, StoreSnapshot } from "../../src/ledger/ports.ts";
import { BeforeImages, rangeBefore } from "../../src/ledger/store/before-images.ts";
import { type LevelStore, openLevelStore } from "../../src/ledger/store/level.ts";

const folder = mkdtempSync(join(tmpdir(), "tetrad-snapshots-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const KEYS = 400;
const keyOf = (i: number): Uint8Array => Uint8Array.of(107, i >>> 8, i & 0xff);

/** A value that says what it is, and fills tables quickly. */
const rowOf = (key: number, turn: number): Uint8Array => {
  const value = new Uint8Array(600).fill(key & 0xff);
  new DataView(value.buffer).setUint32(0, turn);
  return value;
};
const turnOf = (value: Uint8Array | undefined): number =>
  value === undefined ? -1 : new DataView(value.buffer, value.byteOffset).getUint32(0);

const write = (store: LevelStore, ops: readonly StoreOp[]): Promise<void> =>
  new Promise((resolve, reject) => {
    store.write(ops, { sync: false }, (failure) =>
      failure === undefined ? resolve() : reject(new Error(failure.detail)),
    );
  });

const readAll = (from: Pick<StoreSnapshot, "range">): Promise<readonly StoreEntry[]> =>
  new Promise((resolve, reject) => {
    const all = { gte: Uint8Array.of(107), lt: Uint8Array.of(108), limit: KEYS + 1 };
    from.range(all, (failure, entries) =>
      failure === undefined ? resolve(entries) : reject(new Error(failure.detail)),
    );
  });

describe("a store that is written over and compacted while snapshots are open", () => {
  it("shows what was written last, and each snapshot what it saw", async () => {
    const sizes = { writeBufferBytes: 64 * 1024, tableBytes: 32 * 1024, cacheBytes: 0 };
    const store = await openLevelStore(join(folder, "db"), { logger: { log: () => {} }, ...sizes });
    let random = 12345;
    const next = (below: number): number => {
      random = (Math.imul(random, 1103515245) + 12345) >>> 0;
      return Math.floor((random / 2 ** 32) * below);
    };
    const now = new Map<number, number>();
    const held: { snapshot: StoreSnapshot; saw: Map<number, number> }[] = [];
    const wrong: string[] = [];
    for (let turn = 1; turn <= 1500; turn++) {
      const ops = Array.from({ length: 24 }, (): StoreOp => {
        const i = next(KEYS);
        const gone = next(8) === 0;
        if (gone) now.delete(i);
        else now.set(i, turn);
        return gone
          ? { type: "del", key: keyOf(i) }
          : { type: "put", key: keyOf(i), value: rowOf(i, turn) };
      });
      await write(store, ops);
      held.push({ snapshot: store.snapshot(), saw: new Map(now) });
      if (held.length > 6) held.shift()?.snapshot.release();
      const i = next(KEYS);
      const readers = [{ snapshot: store, saw: now }, ...held];
      for (const { snapshot, saw } of readers) {
        const got = turnOf(snapshot.get(keyOf(i)));
        if (got !== (saw.get(i) ?? -1))
          wrong.push(`turn ${turn} key ${i}: ${got}, not ${saw.get(i)}`);
      }
      if (turn % 100 !== 0) continue;
      for (const { snapshot, saw } of readers) {
        const entries = await readAll(snapshot);
        const got = entries.map(([key, value]) => [
          (key[1] ?? 0) * 256 + (key[2] ?? 0),
          turnOf(value),
        ]);
        const want = [...saw].sort(([a], [b]) => a - b);
        if (JSON.stringify(got) !== JSON.stringify(want)) wrong.push(`turn ${turn}: a range`);
      }
    }
    expect(wrong).toEqual([]);
    for (const { snapshot } of held) snapshot.release();
    await new Promise<void>((resolve) => store.close(resolve));
  }, 60_000);
});

describe("images from before writes", () => {
  const a = Uint8Array.of(1);
  const one = Uint8Array.of(11);

  it("keep a write that is under way out of a snapshot, whatever the store shows already", () => {
    const images = new BeforeImages(1 << 20);
    const taken = () => {
      const reading = images.take();
      if (reading === undefined) throw new Error("no snapshot");
      return reading;
    };
    const first = taken();
    images.begin([a], () => one);
    images.release(first);
    const during = taken();
    expect(images.find(during, a)).toEqual([one]);
    images.end();
    expect(images.find(during, a)).toEqual([one]);
    const after = taken();
    expect(images.find(after, a)).toBe(undefined);
    images.release(during);
    images.begin([a], () => undefined);
    images.end();
    expect(images.find(after, a)).toEqual([undefined]);
    const again = images.share(after);
    images.release(after);
    expect(images.find(again, a)).toEqual([undefined]);
    images.release(again);
    // Nobody needs images now: none are made, and there is no snapshot before the write is over.
    images.begin([a], () => expect.unreachable("no image is needed"));
    expect(images.take()).toBe(undefined);
    images.end();
    expect(images.find(taken(), a)).toBe(undefined);
  });

  it("are given up with the oldest snapshots beyond the bound, and never those that the others need", () => {
    const image = new Uint8Array(1000);
    const bytes = 4 * (256 + 1 + image.length);
    const images = new BeforeImages(2 * bytes);
    const write = (from: number, during?: () => void): void => {
      images.begin(
        [0, 1, 2, 3].map((i) => Uint8Array.of(from + i)),
        () => image,
      );
      during?.();
      images.end();
    };
    const first = images.take();
    const again = first && images.share(first);
    write(10);
    const second = images.take();
    write(20);
    // At the limit all are held, past it the oldest is gone.
    expect([images.bytes, first?.gone, second?.gone]).toEqual([2 * bytes, false, false]);
    write(30);
    expect([first?.gone, again?.gone, second?.gone]).toEqual([true, true, false]);
    expect(images.bytes).toBe(2 * bytes);
    expect(second && images.find(second, Uint8Array.of(20))).toEqual([image]);
    expect(first && images.share(first).gone).toBe(true);
    // Without one that needs them there are no images, and no snapshot in the middle of the write.
    if (first) images.release(first);
    if (second) images.release(second);
    const third = images.take();
    images.begin(
      [...Array(12).keys()].map((i) => Uint8Array.of(i)),
      () => image,
    );
    expect([third?.gone, images.bytes, images.take()]).toEqual([true, 0, undefined]);
    images.end();
    const fourth = images.take();
    write(40);
    expect(fourth && images.find(fourth, Uint8Array.of(41))).toEqual([image]);
  });

  it("give ranges as if nothing had been written since, though each chunk is read later", async () => {
    type Change = readonly [key: number, value: number];
    const changes = fc.array(fc.tuple(fc.nat({ max: 40 }), fc.nat({ max: 9 })), { maxLength: 60 });
    const property = async (
      before: readonly Change[],
      later: readonly (readonly Change[])[],
      bounds: readonly [number, number],
      limit: number,
      reverse: boolean,
    ): Promise<void> => {
      const rows = new Map(before);
      const images = new BeforeImages(1 << 20);
      const image = (key: Uint8Array): Uint8Array | undefined => {
        const value = rows.get(key[0] ?? 0);
        return value === undefined ? undefined : Uint8Array.of(value);
      };
      // A value of 0 deletes.
      const write = (batch: readonly Change[]): void => {
        images.begin(
          batch.map(([key]) => Uint8Array.of(key)),
          image,
        );
        for (const [key, value] of batch) {
          if (value === 0) rows.delete(key);
          else rows.set(key, value);
        }
        images.end();
      };
      const pick = (
        from: ReadonlyMap<number, number>,
        [low, high]: readonly [number, number],
        most: number,
      ) =>
        [...from]
          .filter(([key]) => key >= low && key < high)
          .sort(([x], [y]) => (reverse ? y - x : x - y))
          .slice(0, most);
      const saw = new Map(rows);
      const reading = images.take();
      if (reading === undefined) throw new Error("no snapshot");
      const writes = [...later];
      const page = await rangeBefore(
        { gte: Uint8Array.of(bounds[0]), lt: Uint8Array.of(bounds[1]), limit, reverse },
        async (part) => {
          write(writes.shift() ?? []);
          // A key behind another, as the end of a chunk, is above it and below the next.
          const low = (part.gte[0] ?? 0) + (part.gte.length > 1 ? 1 : 0);
          const high = (part.lt[0] ?? 0) + (part.lt.length > 1 ? 1 : 0);
          const now = pick(rows, [low, high], part.limit);
          write(writes.shift() ?? []);
          return now.map(([key, value]) => [Uint8Array.of(key), Uint8Array.of(value)] as const);
        },
        (gte, lt) => images.within(reading, gte, lt),
      );
      expect(page.map(([key, value]) => [key[0], value[0]])).toEqual(pick(saw, bounds, limit));
    };
    const range = fc.tuple(fc.nat({ max: 41 }), fc.nat({ max: 41 }));
    const limits = fc.integer({ min: 1, max: 50 });
    const later = fc.array(changes, { maxLength: 8 });
    const given = fc.asyncProperty(changes, later, range, limits, fc.boolean(), property);
    await fc.assert(given, { numRuns: 300 });
  });
});

describe("a snapshot of a store that is given up", () => {
  it("says so, and is in nobody's way", async () => {
    const sizes = { snapshotBytesMax: 64 * 1024 };
    const store = await openLevelStore(join(folder, "over"), {
      logger: { log: () => {} },
      ...sizes,
    });
    const put = (i: number, turn: number): StoreOp => ({
      type: "put",
      key: keyOf(i),
      value: rowOf(i, turn),
    });
    const all = Array.from({ length: 200 }, (_, i) => i);
    await write(
      store,
      all.map((i) => put(i, 1)),
    );
    const old = store.snapshot();
    await write(store, [put(1, 2)]);
    const young = store.snapshot();
    expect(turnOf(old.get(keyOf(1)))).toBe(1);
    const reading = readAll(old);
    await write(
      store,
      all.slice(0, 20).map((i) => put(i, 3)),
    );
    expect((await reading).length).toBe(200);
    expect([old.isGone(), young.isGone()]).toEqual([false, false]);
    await write(
      store,
      all.slice(100).map((i) => put(i, 4)),
    );
    expect([old.isGone(), young.isGone()]).toEqual([true, true]);
    expect(() => old.get(keyOf(1))).toThrow(expect.objectContaining({ code: "http.height-gone" }));
    await expect(readAll(young)).rejects.toThrow("not held any more");
    young.release();
    old.release();
    const next = store.snapshot();
    await write(store, [put(1, 5)]);
    expect([turnOf(next.get(keyOf(1))), turnOf(store.get(keyOf(1)))]).toEqual([3, 5]);
    next.release();
    await new Promise<void>((resolve) => store.close(resolve));
  });
});
