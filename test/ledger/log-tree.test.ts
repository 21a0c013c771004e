/** The log tree against RFC 6962 written out naively, and against tiles of a public log. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes, equalBytes, toHex } from "../../src/crypto/bytes.ts";
import { Reader } from "../../src/crypto/codec.ts";
import { sha256 } from "../../src/crypto/hash.ts";
import {
  appendToLog,
  consistencyPath,
  createLogAppender,
  EMPTY_LOG_ROOT,
  inclusionPath,
  leafHash,
  logRoot,
  nodeHash,
  tileKey,
} from "../../src/ledger/log-tree.ts";
import type { StoreOp } from "../../src/ledger/ports.ts";

/** MTH of RFC 6962, 2.1, over leaf hashes. */
function naiveRoot(leaves: readonly Uint8Array[]): Uint8Array {
  const [first] = leaves;
  if (first === undefined) return sha256(new Uint8Array(0));
  if (leaves.length === 1) return first;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  const left = naiveRoot(leaves.slice(0, split));
  const right = naiveRoot(leaves.slice(split));
  return sha256(new Uint8Array([1, ...left, ...right]));
}

/** Root that an audit path leads to: the algorithm of RFC 9162, 2.1.3.2. Undefined: wrong length. */
function rootByPath(
  leaf: Uint8Array,
  index: number,
  size: number,
  path: readonly Uint8Array[],
): Uint8Array | undefined {
  let [fn, sn, root] = [index, size - 1, leaf];
  for (const sibling of path) {
    if (sn === 0) return undefined;
    if (fn % 2 === 1 || fn === sn) {
      root = nodeHash(sibling, root);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn / 2, Math.floor(sn / 2)];
    } else {
      root = nodeHash(root, sibling);
    }
    [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  }
  return sn === 0 ? root : undefined;
}

/** The algorithm of RFC 9162, 2.1.4.2, for 0 < oldSize < newSize. */
function consistent(
  oldSize: number,
  newSize: number,
  oldRoot: Uint8Array,
  newRoot: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  const isPowerOfTwo = (oldSize & (oldSize - 1)) === 0;
  const [first, ...rest] = isPowerOfTwo ? [oldRoot, ...proof] : proof;
  if (first === undefined) return false;
  let [fn, sn] = [oldSize - 1, newSize - 1];
  while (fn % 2 === 1) [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  let [fr, sr] = [first, first];
  for (const hash of rest) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      fr = nodeHash(hash, fr);
      sr = nodeHash(hash, sr);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn / 2, Math.floor(sn / 2)];
    } else {
      sr = nodeHash(sr, hash);
    }
    [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  }
  return sn === 0 && equalBytes(fr, oldRoot) && equalBytes(sr, newRoot);
}

/** Stored tiles, and how many there are of each key. */
class Tiles {
  readonly stored = new Map<string, Uint8Array>();
  readonly read = (key: Uint8Array): Uint8Array | undefined => this.stored.get(toHex(key));

  apply(ops: readonly StoreOp[]): void {
    for (const op of ops) {
      if (op.type === "put") this.stored.set(toHex(op.key), new Uint8Array(op.value));
    }
  }
}

const makeLeaves = (count: number, from = 0): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => leafHash(new TextEncoder().encode(`leaf ${from + i}`)));

/** A log of `count` leaves in stored tiles. */
const storedLog = (count: number): { tiles: Tiles; leaves: Uint8Array[] } => {
  const tiles = new Tiles();
  const leaves = makeLeaves(count);
  tiles.apply(appendToLog(tiles.read, 0, leaves).ops);
  return { tiles, leaves };
};

const LARGE = storedLog(70_000);
const SMALL = storedLog(1030);

describe("hashes", () => {
  it("are those of RFC 6962", () => {
    expect(toHex(EMPTY_LOG_ROOT)).toBe(
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    );
    expect(toHex(leafHash(new Uint8Array(0)))).toBe(
      "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    );
    const [a, b] = [leafHash(Uint8Array.of(1)), leafHash(Uint8Array.of(2))];
    expect(toHex(nodeHash(a, b))).toBe(toHex(sha256(new Uint8Array([1, ...a, ...b]))));
  });

  it("lie under keys that sort by level, then by index", () => {
    expect(toHex(tileKey(1, 0x1_0000_0002))).toBe("742f010000000100000002");
  });
});

describe("appending", () => {
  it("gives the root of RFC 6962 at every size around the edges of tiles", () => {
    const tiles = new Tiles();
    const appender = createLogAppender(tiles.read, 0);
    expect(appender.root()).toEqual(EMPTY_LOG_ROOT);
    const leaves = makeLeaves(600);
    leaves.forEach((leaf, i) => {
      const { size, root, ops } = appender.append(leaf);
      tiles.apply(ops);
      expect(size).toBe(i + 1);
      const near = (i + 3) % 256 < 6 || i < 40;
      if (near) expect(toHex(root)).toBe(toHex(naiveRoot(leaves.slice(0, i + 1))));
    });
  });

  it("gives the same root and tiles however the leaves are cut, kept in memory or read back", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 8 }), (cuts) => {
        const kept = new Tiles();
        const fresh = new Tiles();
        const appender = createLogAppender(kept.read, 0);
        let size = 0;
        for (const cut of cuts) {
          const leaves = makeLeaves(cut, size);
          const one = appender.append(concatBytes(...leaves));
          const other = appendToLog(fresh.read, size, leaves);
          expect(one).toEqual(other);
          kept.apply(one.ops);
          fresh.apply(other.ops);
          size += cut;
        }
        const whole = storedLog(size);
        expect(toHex(appender.root())).toBe(toHex(naiveRoot(whole.leaves)));
        expect([...kept.stored].sort()).toEqual([...whole.tiles.stored].sort());
        expect(appender.size).toBe(size);
      }),
      { numRuns: 40 },
    );
  });

  it("writes full tiles once and one partial tile a level", () => {
    const { tiles } = storedLog(500);
    const { ops } = appendToLog(tiles.read, 500, makeLeaves(600, 500));
    const written = ops.map((op) => [toHex(op.key), op.type === "put" ? op.value.length / 32 : 0]);
    expect(written).toEqual([
      [toHex(tileKey(0, 1)), 256],
      [toHex(tileKey(0, 2)), 256],
      [toHex(tileKey(0, 3)), 256],
      [toHex(tileKey(0, 4)), 1100 - 1024],
      [toHex(tileKey(1, 0)), 4],
    ]);
    expect(appendToLog(tiles.read, 500, []).ops).toEqual([]);
  });

  it("grows a third level after 65,536 leaves", () => {
    const { tiles, leaves } = LARGE;
    expect(tiles.read(tileKey(2, 0))?.length).toBe(32);
    expect(toHex(tiles.read(tileKey(2, 0)) ?? EMPTY_LOG_ROOT)).toBe(
      toHex(naiveRoot(leaves.slice(0, 65_536))),
    );
    expect(toHex(logRoot(tiles.read, 70_000))).toBe(toHex(naiveRoot(leaves)));
    expect(toHex(createLogAppender(tiles.read, 70_000).root())).toBe(toHex(naiveRoot(leaves)));
  });

  it("does not share memory with its caller", () => {
    const leaf = leafHash(Uint8Array.of(7));
    const appender = createLogAppender(() => undefined, 0);
    const before = toHex(appender.append(leaf).root);
    leaf.fill(0);
    expect(toHex(appender.root())).toBe(before);
  });

  it("refuses bad sizes, bad leaf hashes and damaged tiles", () => {
    const { tiles } = storedLog(300);
    expect(() => createLogAppender(tiles.read, -1)).toThrow(RangeError);
    expect(() => createLogAppender(tiles.read, 1.5)).toThrow(RangeError);
    expect(() => createLogAppender(tiles.read, Number.MAX_SAFE_INTEGER + 1)).toThrow(RangeError);
    expect(() => appendToLog(tiles.read, 300, [new Uint8Array(31)])).toThrow(RangeError);
    expect(() => createLogAppender(tiles.read, 301)).toThrow(/tile 0\/1/);
    expect(() => createLogAppender(() => undefined, 300)).toThrow(/missing/);
    expect(() => logRoot(() => new Uint8Array(257 * 32 + 1), 300)).toThrow(/bytes/);
  });
});

describe("reading", () => {
  it("gives the root of every older size", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1030 }), (size) => {
        const { tiles, leaves } = SMALL;
        expect(toHex(logRoot(tiles.read, 1030, size))).toBe(
          toHex(naiveRoot(leaves.slice(0, size))),
        );
      }),
    );
  });

  it("gives inclusion paths that lead to the root of any size", () => {
    const anyPlace = fc
      .tuple(fc.nat(1029), fc.nat(1029))
      .map(([a, b]) => [Math.min(a, b), Math.max(a, b) + 1]);
    fc.assert(
      fc.property(anyPlace, ([index = 0, size = 1]) => {
        const { tiles, leaves } = SMALL;
        const path = inclusionPath(tiles.read, index, size);
        const root = rootByPath(leaves[index] ?? EMPTY_LOG_ROOT, index, size, path);
        expect(toHex(root ?? new Uint8Array(0))).toBe(toHex(naiveRoot(leaves.slice(0, size))));
      }),
      { numRuns: 300 },
    );
  });

  it("gives consistency proofs between any two sizes", () => {
    const anyPair = fc.tuple(fc.nat(1029), fc.nat(1029)).filter(([a, b]) => a !== b);
    fc.assert(
      fc.property(anyPair, ([a, b]) => {
        const { tiles, leaves } = SMALL;
        const [older, newer] = [Math.min(a, b) + 1, Math.max(a, b) + 1];
        const proof = consistencyPath(tiles.read, older, newer);
        const oldRoot = naiveRoot(leaves.slice(0, older));
        const newRoot = naiveRoot(leaves.slice(0, newer));
        expect(consistent(older, newer, oldRoot, newRoot, proof)).toBe(true);
        expect(consistent(older, newer, newRoot, oldRoot, proof)).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  it("works across three levels of tiles", () => {
    const { tiles, leaves } = LARGE;
    const root = naiveRoot(leaves);
    for (const index of [0, 255, 256, 65_535, 65_536, 69_999]) {
      const path = inclusionPath(tiles.read, index, 70_000);
      const found = rootByPath(leaves[index] ?? root, index, 70_000, path);
      expect(toHex(found ?? new Uint8Array(0))).toBe(toHex(root));
    }
    for (const older of [1, 256, 65_535, 65_536, 65_537, 69_999]) {
      const proof = consistencyPath(tiles.read, older, 70_000);
      const oldRoot = naiveRoot(leaves.slice(0, older));
      expect(consistent(older, 70_000, oldRoot, root, proof)).toBe(true);
    }
  });

  it("has nothing to prove between equal sizes or from nothing", () => {
    expect(consistencyPath(SMALL.tiles.read, 0, 1030)).toEqual([]);
    expect(consistencyPath(SMALL.tiles.read, 1030, 1030)).toEqual([]);
    expect(inclusionPath(SMALL.tiles.read, 0, 1)).toEqual([]);
  });

  it("refuses places that are not in the log", () => {
    const { read } = SMALL.tiles;
    expect(() => inclusionPath(read, 5, 5)).toThrow(RangeError);
    expect(() => inclusionPath(read, -1, 5)).toThrow(RangeError);
    expect(() => consistencyPath(read, 6, 5)).toThrow(RangeError);
    expect(() => logRoot(read, 5, 6)).toThrow(RangeError);
    expect(() => logRoot(read, 1300)).toThrow(/tile/);
  });
});

describe("tiles of a public log", () => {
  const folder = new URL("../vectors/ct/", import.meta.url);
  const tile = new Uint8Array(readFileSync(new URL("tile-0-003.p-10", folder)));
  const data = new Uint8Array(readFileSync(new URL("tile-data-003.p-10", folder)));
  const stated = Array.from({ length: 10 }, (_, i) => tile.subarray(i * 32, (i + 1) * 32));

  /** MerkleTreeLeaf bytes of the entries of a static-ct data tile. */
  function entries(): Uint8Array[] {
    const reader = new Reader(data);
    const u24 = (): number => reader.u8() * 65_536 + reader.u16();
    const leaves: Uint8Array[] = [];
    while (reader.remaining > 0) {
      const start = reader.offset;
      reader.u64();
      const isPrecert = reader.u16() === 1;
      if (isPrecert) reader.fixed(32);
      reader.fixed(u24());
      reader.fixed(reader.u16());
      // RFC 6962, 3.4: version v1 and leaf type timestamped_entry stand before the entry.
      leaves.push(new Uint8Array([0, 0, ...data.subarray(start, reader.offset)]));
      if (isPrecert) reader.fixed(u24());
      reader.fixed(reader.u16());
    }
    return leaves;
  }

  it("hold the leaf hashes that we compute from their entries", () => {
    const leaves = entries();
    expect(leaves.length).toBe(10);
    expect(leaves.map((leaf) => toHex(leafHash(leaf)))).toEqual(stated.map(toHex));
  });

  it("are byte for byte the partial tile that we store, with the root of the naive tree", () => {
    const tiles = new Tiles();
    const { root, ops } = appendToLog(tiles.read, 0, entries().map(leafHash));
    tiles.apply(ops);
    expect(toHex(tiles.read(tileKey(0, 0)) ?? EMPTY_LOG_ROOT)).toBe(toHex(tile));
    expect(toHex(root)).toBe(toHex(naiveRoot(stated)));
  });
});
