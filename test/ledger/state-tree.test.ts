/** The state tree against the definition at the head of src/ledger/state-tree.ts, written out naively. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex, ZERO_HASH } from "../../src/crypto/bytes.ts";
import { utf8 } from "../../src/crypto/codec.ts";
import { createHasher } from "../../src/crypto/hash.ts";
import { NodeArena } from "../../src/ledger/node-arena.ts";
import type { StoreOp } from "../../src/ledger/ports.ts";
import {
  provePath,
  StateCache,
  type StateChange,
  stateRoot,
  updateStateTree,
  verifyStateProof,
} from "../../src/ledger/state-tree.ts";

const hasher = createHasher("state-tree-test");
const PREFIX = utf8("s/records/");

const bitOf = (hash: Uint8Array, level: number): number =>
  ((hash[level >> 3] ?? 0) >> (7 - (level & 7))) & 1;

type Rows = ReadonlyMap<string, Uint8Array>;
type Leaf = { readonly keyHash: Uint8Array; readonly hash: Uint8Array };

/** The definition, recursively, through hasher.ht alone. */
function naiveRoot(rows: Rows): Uint8Array {
  const leaves = [...rows].map(([key, value]): Leaf => {
    const keyHash = hasher.ht("state/key", utf8(key));
    return { keyHash, hash: hasher.ht("state/leaf", keyHash, hasher.ht("state/value", value)) };
  });
  const subtree = (below: readonly Leaf[], level: number): Uint8Array => {
    const [first] = below;
    if (first === undefined) return ZERO_HASH;
    if (below.length === 1) return first.hash;
    const left = below.filter((leaf) => bitOf(leaf.keyHash, level) === 0);
    const right = below.filter((leaf) => bitOf(leaf.keyHash, level) === 1);
    return hasher.ht("state/node", subtree(left, level + 1), subtree(right, level + 1));
  };
  return subtree(leaves, 0);
}

/** A tree with its node rows in a map, and the rows that it stands for. */
class Tree {
  readonly stored = new Map<string, Uint8Array>();
  readonly rows = new Map<string, Uint8Array>();
  readonly cache: StateCache | undefined;
  root: Uint8Array = ZERO_HASH;

  constructor(cache?: StateCache) {
    this.cache = cache;
  }

  readonly read = (key: Uint8Array): Uint8Array | undefined => this.stored.get(toHex(key));

  update(changes: readonly (readonly [string, Uint8Array | undefined])[]): readonly StoreOp[] {
    const listed = changes.map(([key, value]): StateChange => ({ key: utf8(key), value }));
    const { root, ops } = updateStateTree(hasher, PREFIX, this.read, listed, this.cache);
    for (const op of ops) {
      if (op.type === "put") this.stored.set(toHex(op.key), new Uint8Array(op.value));
      else this.stored.delete(toHex(op.key));
    }
    for (const [key, value] of changes) {
      if (value === undefined) this.rows.delete(key);
      else this.rows.set(key, value);
    }
    this.root = root;
    return ops;
  }

  prove(key: string): Uint8Array {
    return provePath(hasher, PREFIX, this.read, utf8(key));
  }
}

// Few keys, so that sequences meet their own rows again and deletions collapse nodes.
const anyKey = fc.integer({ min: 0, max: 60 }).map((n) => `key-${n}`);
const anyValue = fc.option(fc.uint8Array({ maxLength: 8 }), { nil: undefined, freq: 3 });
const anyBatch = fc.array(fc.tuple(anyKey, anyValue), { maxLength: 40 });
const anyHistory = fc.array(anyBatch, { minLength: 1, maxLength: 8 });

const filled = (count: number): Tree => {
  const tree = new Tree();
  tree.update(Array.from({ length: count }, (_, i) => [`row-${i}`, utf8(`value ${i}`)] as const));
  return tree;
};

/** Keys that share the first `bits` bits of the key hash with `key`, by search. */
const neighbourOf = (key: string, bits: number): string => {
  const wanted = hasher.ht("state/key", utf8(key));
  for (let i = 0; ; i++) {
    const hash = hasher.ht("state/key", utf8(`near-${i}`));
    let level = 0;
    while (level < bits && bitOf(hash, level) === bitOf(wanted, level)) level += 1;
    if (level === bits) return `near-${i}`;
  }
};

describe("root of the state tree", () => {
  it("is zero when there is no row, and the leaf's hash when there is one", () => {
    const tree = new Tree();
    expect(tree.update([])).toEqual([]);
    expect(tree.root).toEqual(ZERO_HASH);
    expect(stateRoot(hasher, PREFIX, tree.read)).toEqual(ZERO_HASH);
    tree.update([["a", utf8("1")]]);
    const keyHash = hasher.ht("state/key", utf8("a"));
    const leaf = hasher.ht("state/leaf", keyHash, hasher.ht("state/value", utf8("1")));
    expect(toHex(tree.root)).toBe(toHex(leaf));
  });

  it("is the definition's after any sequence of inserts, updates and deletes", () => {
    fc.assert(
      fc.property(anyHistory, fc.constantFrom(0, 1, 17, 300), (history, cacheNodes) => {
        const tree = new Tree(cacheNodes === 0 ? undefined : new StateCache(cacheNodes));
        for (const batch of history) {
          tree.update(batch);
          expect(toHex(tree.root)).toBe(toHex(naiveRoot(tree.rows)));
          expect(toHex(stateRoot(hasher, PREFIX, tree.read))).toBe(toHex(tree.root));
        }
      }),
      { numRuns: 200 },
    );
  });

  it("leaves the same node rows behind, whatever the history", () => {
    fc.assert(
      fc.property(anyHistory, (history) => {
        const lived = new Tree();
        for (const batch of history) lived.update(batch);
        const fresh = new Tree();
        fresh.update([...lived.rows]);
        expect(toHex(fresh.root)).toBe(toHex(lived.root));
        expect([...fresh.stored].sort()).toEqual([...lived.stored].sort());
      }),
      { numRuns: 200 },
    );
  });

  it("does not depend on how the changes are cut into calls", () => {
    fc.assert(
      fc.property(anyBatch, (batch) => {
        const together = new Tree();
        together.update(batch);
        const single = new Tree();
        for (const change of batch) single.update([change]);
        expect(toHex(single.root)).toBe(toHex(together.root));
      }),
    );
  });

  it("agrees with the definition for thousands of rows", () => {
    const tree = filled(3000);
    expect(toHex(tree.root)).toBe(toHex(naiveRoot(tree.rows)));
    const changes = Array.from({ length: 500 }, (_, i) => {
      const value = i % 3 === 0 ? undefined : utf8(`again ${i}`);
      return [`row-${i * 5}`, value] as const;
    });
    tree.update(changes);
    expect(toHex(tree.root)).toBe(toHex(naiveRoot(tree.rows)));
  });

  it("takes keys and values of any length", () => {
    const tree = new Tree();
    const long = "k".repeat(5000);
    const lengths = [0, 1, 4095, 4096, 4097, 70_000];
    tree.update(lengths.map((length) => [`${length}`, new Uint8Array(length).fill(7)] as const));
    tree.update([
      [long, utf8("v")],
      ["", utf8("w")],
    ]);
    expect(toHex(tree.root)).toBe(toHex(naiveRoot(tree.rows)));
  });

  it("handles keys whose hashes share a long prefix, and takes their nodes away again", () => {
    const tree = new Tree();
    const near = neighbourOf("deep", 13);
    tree.update([["deep", utf8("1")]]);
    const alone = [...tree.stored];
    tree.update([[near, utf8("2")]]);
    expect(tree.stored.size).toBeGreaterThanOrEqual(4);
    expect(toHex(tree.root)).toBe(toHex(naiveRoot(tree.rows)));
    tree.update([[near, undefined]]);
    expect([...tree.stored]).toEqual(alone);
    tree.update([["deep", undefined]]);
    expect(tree.stored.size).toBe(0);
  });

  it("writes nothing when nothing changes, and each node at most once", () => {
    const tree = filled(200);
    expect(tree.update([["row-7", utf8("value 7")]])).toEqual([]);
    expect(tree.update([["no such row", undefined]])).toEqual([]);
    const ops = tree.update(
      Array.from({ length: 100 }, (_, i) => [`row-${i}`, utf8("new")] as const),
    );
    const keys = ops.map((op) => toHex(op.key));
    expect(new Set(keys).size).toBe(keys.length);
  });

  it("keeps two trees apart by their prefixes", () => {
    const tree = filled(50);
    const other = updateStateTree(hasher, utf8("s/actors/"), tree.read, [
      { key: utf8("a"), value: utf8("1") },
    ]);
    expect(toHex(other.root)).toBe(toHex(naiveRoot(new Map([["a", utf8("1")]]))));
    expect(toHex(stateRoot(hasher, PREFIX, tree.read))).toBe(toHex(tree.root));
  });

  it("stores the hashes of binary nodes from the fifth level of nodes on only", () => {
    const ones = (bits: number): number => bits.toString(2).replaceAll("0", "").length;
    const hashesOf = (record: Uint8Array): number => {
      const view = new DataView(record.buffer);
      const slots = ones(view.getUint16(0)) + ones(view.getUint16(2));
      return (record.length - 4) / 32 - slots;
    };
    const tree = filled(300);
    // Two leaves that share 18 bits: more than one of them in a binary node of the fifth level.
    tree.update(["a", neighbourOf("a", 18)].map((key) => [key, utf8("v")] as const));
    const byDepth = new Map<number, number>();
    for (const [key, record] of tree.stored) {
      const depth = key.length / 2 - PREFIX.length;
      byDepth.set(depth, (byDepth.get(depth) ?? 0) + hashesOf(record));
    }
    expect([0, 1, 2, 3].map((depth) => byDepth.get(depth))).toEqual([0, 0, 0, 0]);
    expect(byDepth.get(4)).toBeGreaterThan(0);
  });

  it("reports a missing or damaged node instead of a root", () => {
    const tree = filled(300);
    const [inner] = [...tree.stored.keys()].filter((key) => key.length > 2 * PREFIX.length);
    const record = tree.stored.get(inner ?? "") ?? ZERO_HASH;
    const every = Array.from({ length: 300 }, (_, i) => [`row-${i}`, utf8("x")] as const);
    tree.stored.delete(inner ?? "");
    expect(() => tree.update(every)).toThrow(/missing/);
    tree.stored.set(inner ?? "", record.subarray(0, record.length - 1));
    expect(() => tree.update(every)).toThrow(/does not decode/);
    tree.stored.set(inner ?? "", new Uint8Array([0, 1, 0, 2]));
    expect(() => tree.update(every)).toThrow(/does not decode/);
  });
});

describe("the node cache", () => {
  it("holds only levels that fit as a whole", () => {
    const cache = new StateCache(20);
    const tree = new Tree(cache);
    tree.update(Array.from({ length: 2000 }, (_, i) => [`row-${i}`, utf8("v")] as const));
    expect(cache.nodes).toBe(17);
    expect(tree.stored.size).toBeGreaterThan(200);
    tree.update([...tree.rows.keys()].map((key) => [key, undefined] as const));
    expect(cache.nodes).toBe(0);
  });

  it("keeps the nodes of the levels below in an arena, of two trees apart", () => {
    const arena = new NodeArena(2 ** 20);
    const trees = [0, 1].map((tree) => new Tree(new StateCache(17, { arena, tree })));
    const names = Array.from({ length: 3000 }, (_, i) => `row-${i}`);
    for (let round = 0; round < 3; round++) {
      trees.forEach((tree, at) => {
        tree.update(names.map((name) => [name, utf8(`${round} of ${at}`)] as const));
        tree.update(names.slice(0, 200 * (round + 1)).map((name) => [name, undefined] as const));
        expect(toHex(tree.root)).toBe(toHex(naiveRoot(tree.rows)));
      });
    }
    expect(arena.size).toBeGreaterThan(200);
    const [first] = trees;
    const deep = [...(first?.stored.keys() ?? [])].filter(
      (key) => key.length === 2 * PREFIX.length + 2 * 2,
    );
    for (const key of deep) first?.stored.delete(key);
    first?.update(names.map((name) => [name, utf8("again")] as const));
    expect(toHex(first?.root ?? ZERO_HASH)).toBe(toHex(naiveRoot(first?.rows ?? new Map())));
    first?.cache?.clear();
    expect(arena.size).toBe(0);
  });

  it("may lose what is in a small arena", () => {
    const arena = new NodeArena(16 * 1024);
    const tree = new Tree(new StateCache(1, { arena, tree: 63 }));
    const names = Array.from({ length: 2000 }, (_, i) => `row-${i}`);
    for (let round = 0; round < 3; round++) {
      tree.update(names.map((name) => [name, utf8(`${round}`)] as const));
      expect(toHex(tree.root)).toBe(toHex(naiveRoot(tree.rows)));
    }
    expect(arena.bytes).toBeLessThanOrEqual(16 * 1024);
    expect(() => new StateCache(1, { arena, tree: 64 })).toThrow(RangeError);
  });

  it("saves reads of the nodes it holds", () => {
    const tree = new Tree(new StateCache(273));
    const rows = Array.from({ length: 2000 }, (_, i) => [`row-${i}`, utf8("v")] as const);
    tree.update(rows);
    tree.stored.delete(toHex(PREFIX));
    tree.update([["row-1", utf8("w")]]);
    expect(toHex(tree.root)).toBe(toHex(naiveRoot(tree.rows)));
    tree.cache?.clear();
    expect(tree.cache?.nodes).toBe(0);
  });
});

describe("state proofs", () => {
  it("verify for every row and for keys that are not there", () => {
    fc.assert(
      fc.property(anyHistory, anyKey, fc.uint8Array({ maxLength: 8 }), (history, key, wrong) => {
        const tree = new Tree();
        for (const batch of history) tree.update(batch);
        const proof = tree.prove(key);
        const value = tree.rows.get(key);
        const checked = verifyStateProof(hasher, tree.root, utf8(key), value, proof);
        expect(checked).toEqual({ ok: true, value: value === undefined ? "absent" : "present" });
        const lie = value === undefined || toHex(value) !== toHex(wrong) ? wrong : undefined;
        expect(verifyStateProof(hasher, tree.root, utf8(key), lie, proof).ok).toBe(false);
      }),
      { numRuns: 200 },
    );
  });

  it("show absence both by an empty place and by another key's leaf", () => {
    const tree = filled(64);
    const ends = new Map<number, string>();
    for (let i = 0; i < 400; i++) ends.set(tree.prove(`absent-${i}`)[1] ?? 9, `absent-${i}`);
    expect([...ends.keys()].sort()).toEqual([0, 1]);
    for (const key of ends.values()) {
      const proof = tree.prove(key);
      expect(verifyStateProof(hasher, tree.root, utf8(key), undefined, proof).ok).toBe(true);
      expect(verifyStateProof(hasher, tree.root, utf8(key), utf8("v"), proof)).toMatchObject({
        code: "proof.invalid",
      });
    }
  });

  it("prove absence in an empty tree, and not in any other", () => {
    const empty = new Tree();
    const proof = empty.prove("a");
    expect(verifyStateProof(hasher, ZERO_HASH, utf8("a"), undefined, proof).ok).toBe(true);
    const { root } = filled(5);
    expect(verifyStateProof(hasher, root, utf8("a"), undefined, proof).ok).toBe(false);
  });

  it("are refused when any bit of them is flipped, cut off or added", () => {
    const tree = filled(40);
    const keys = ["row-3", ...Array.from({ length: 12 }, (_, i) => `absent-${i}`)];
    const ends = new Set<number | undefined>();
    for (const key of keys) {
      const proof = tree.prove(key);
      ends.add(proof[1]);
      const check = (bytes: Uint8Array): boolean =>
        verifyStateProof(hasher, tree.root, utf8(key), tree.rows.get(key), bytes).ok;
      expect(check(proof)).toBe(true);
      for (let bit = 0; bit < proof.length * 8; bit++) {
        const flipped = new Uint8Array(proof);
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(check(flipped)).toBe(false);
      }
      for (let length = 0; length < proof.length; length++) {
        expect(check(proof.subarray(0, length))).toBe(false);
      }
      expect(check(new Uint8Array([...proof, 0]))).toBe(false);
    }
    expect(ends.size).toBe(3);
  });

  it("do not hold for another key, another root or another chain", () => {
    const tree = filled(40);
    const proof = tree.prove("row-3");
    const value = utf8("value 3");
    const root = filled(41).root;
    expect(verifyStateProof(hasher, tree.root, utf8("row-4"), value, proof).ok).toBe(false);
    expect(verifyStateProof(hasher, root, utf8("row-3"), value, proof).ok).toBe(false);
    const other = createHasher("another chain");
    expect(verifyStateProof(other, tree.root, utf8("row-3"), value, proof).ok).toBe(false);
  });

  it("cannot pass another key's own leaf off as absence", () => {
    const tree = filled(40);
    const proof = new Uint8Array(tree.prove("row-3"));
    const keyHash = hasher.ht("state/key", utf8("row-3"));
    proof[1] = 1;
    const forged = new Uint8Array([
      ...proof,
      ...keyHash,
      ...hasher.ht("state/value", utf8("value 3")),
    ]);
    expect(verifyStateProof(hasher, tree.root, utf8("row-3"), undefined, forged)).toMatchObject({
      code: "proof.invalid",
    });
  });

  it("of any bytes are refused without a throw, and deep ones before work", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.integer({ min: 0, max: 2 }),
        (tail, end) => {
          const bytes = new Uint8Array([1, end, ...tail]);
          expect(verifyStateProof(hasher, ZERO_HASH, utf8("k"), utf8("v"), bytes).ok).toBe(false);
        },
      ),
    );
    const deep = new Uint8Array(4 + 33 + 257 * 32).fill(255);
    deep.set([1, 0, 1, 1]);
    expect(verifyStateProof(hasher, ZERO_HASH, utf8("k"), undefined, deep)).toMatchObject({
      code: "encoding.malformed",
    });
  });
});
