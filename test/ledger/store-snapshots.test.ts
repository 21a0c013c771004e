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
import {
  BeforeImages,
  keyOfName,
  nameOfKey,
  pageOf,
} from "../../src/ledger/store/before-images.ts";
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
    const images = new BeforeImages();
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

  it("give pages as if nothing had been written since", () => {
    const rows = fc.uniqueArray(fc.tuple(fc.nat({ max: 40 }), fc.nat({ max: 9 })), {
      selector: ([key]) => key,
    });
    const name = (key: number): string => nameOfKey(Uint8Array.of(key));
    const property = (
      before: readonly (readonly [number, number])[],
      after: readonly (readonly [number, number])[],
      limit: number,
      reverse: boolean,
    ): void => {
      const order = (list: readonly (readonly [number, number])[]) =>
        [...list].sort(([x], [y]) => (reverse ? y - x : x - y));
      const held = new Map(before);
      const images = new Map<string, Uint8Array | undefined>();
      const changed = [...before, ...after].map(([key]) => key);
      for (const key of changed) {
        const value = held.get(key);
        if (value !== new Map(after).get(key)) {
          images.set(name(key), value === undefined ? undefined : Uint8Array.of(value));
        }
      }
      const now = order(after)
        .slice(0, limit + images.size)
        .map(([key, value]) => [name(key), Uint8Array.of(value)] as const);
      const page = pageOf(now, images, { limit, reverse });
      expect(page.map(([text, value]) => [keyOfName(text)[0], value[0]])).toEqual(
        order(before).slice(0, limit),
      );
    };
    fc.assert(fc.property(rows, rows, fc.integer({ min: 1, max: 50 }), fc.boolean(), property));
  });
});
