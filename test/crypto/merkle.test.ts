import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes, fromHex, toHex, ZERO_HASH } from "../../src/crypto/bytes.ts";
import { utf8 } from "../../src/crypto/codec.ts";
import { createHasher, sha256 } from "../../src/crypto/hash.ts";
import {
  consistencyProof,
  merklePath,
  merkleRoot,
  type NodeHash,
  RFC6962_EMPTY_ROOT,
  rfc6962Leaf,
  rfc6962Node,
  verifyConsistency,
  verifyMerklePath,
} from "../../src/crypto/merkle.ts";

/** The definition of RFC 6962 section 2.1, word for word and slow: shares nothing with the code. */
const naiveRoot = (leaves: readonly Uint8Array[], node: NodeHash): Uint8Array => {
  const [first] = leaves;
  if (first === undefined) return ZERO_HASH;
  if (leaves.length === 1) return first;
  const k = 2 ** (Math.ceil(Math.log2(leaves.length)) - 1);
  return node(naiveRoot(leaves.slice(0, k), node), naiveRoot(leaves.slice(k), node));
};

/** RFC 6962 section 2.1.1, recursively. */
const naivePath = (leaves: readonly Uint8Array[], m: number, node: NodeHash): Uint8Array[] => {
  if (leaves.length <= 1) return [];
  const k = 2 ** (Math.ceil(Math.log2(leaves.length)) - 1);
  return m < k
    ? [...naivePath(leaves.slice(0, k), m, node), naiveRoot(leaves.slice(k), node)]
    : [...naivePath(leaves.slice(k), m - k, node), naiveRoot(leaves.slice(0, k), node)];
};

/** RFC 6962 section 2.1.2, SUBPROOF. */
const naiveSubproof = (
  leaves: readonly Uint8Array[],
  m: number,
  known: boolean,
  node: NodeHash,
): Uint8Array[] => {
  if (m === leaves.length) return known ? [] : [naiveRoot(leaves, node)];
  const k = 2 ** (Math.ceil(Math.log2(leaves.length)) - 1);
  return m <= k
    ? [...naiveSubproof(leaves.slice(0, k), m, known, node), naiveRoot(leaves.slice(k), node)]
    : [...naiveSubproof(leaves.slice(k), m - k, false, node), naiveRoot(leaves.slice(0, k), node)];
};

const hex = (hashes: readonly Uint8Array[]): string[] => hashes.map(toHex);
const numbered = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => rfc6962Leaf(utf8(`leaf ${i}`)));
const { ht } = createHasher("merkle-test");
const tagged: NodeHash = (left, right) => ht("event/node", left, right);

// The entries and roots that the certificate-transparency code bases test with.
const CT_ENTRIES = [
  "",
  "00",
  "10",
  "2021",
  "3031",
  "40414243",
  "5051525354555657",
  "606162636465666768696a6b6c6d6e6f",
];
const CT_ROOTS = [
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
const CT_CONSISTENCY_1_8 = [
  "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
  "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
  "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
];

describe("certificate-transparency vectors", () => {
  const leaves = CT_ENTRIES.map((entry) => rfc6962Leaf(fromHex(entry)));

  it("has the known roots for 1 to 8 leaves", () => {
    const roots = leaves.map((_, i) => merkleRoot(leaves.slice(0, i + 1), rfc6962Node));
    expect(hex(roots)).toEqual(CT_ROOTS);
  });

  it("has the known consistency proof from 1 to 8", () => {
    const proof = consistencyProof(leaves, 1, rfc6962Node);
    expect(hex(proof)).toEqual(CT_CONSISTENCY_1_8);
    const [oldRoot, newRoot] = [fromHex(CT_ROOTS[0] ?? ""), fromHex(CT_ROOTS[7] ?? "")];
    expect(verifyConsistency(1, 8, oldRoot, newRoot, proof, rfc6962Node)).toBe(true);
  });

  it("knows both empty roots", () => {
    expect(toHex(RFC6962_EMPTY_ROOT)).toBe(
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    );
    expect(merkleRoot([], rfc6962Node)).toEqual(new Uint8Array(32));
  });

  it("does not hand out the shared zero hash", () => {
    merkleRoot([], rfc6962Node).fill(1);
    expect(merkleRoot([], rfc6962Node)).toEqual(new Uint8Array(32));
  });
});

describe("against the recursive definition", () => {
  it("roots, paths and proofs are equal for every size to 40, for both kinds of node", () => {
    for (let size = 1; size <= 40; size++) {
      const leaves = numbered(size);
      for (const node of [rfc6962Node, tagged]) {
        expect(toHex(merkleRoot(leaves, node))).toBe(toHex(naiveRoot(leaves, node)));
      }
      for (let m = 0; m < size; m++) {
        expect(hex(merklePath(leaves, m, tagged))).toEqual(hex(naivePath(leaves, m, tagged)));
      }
      for (let m = 1; m <= size; m++) {
        expect(hex(consistencyProof(leaves, m, tagged))).toEqual(
          hex(naiveSubproof(leaves, m, true, tagged)),
        );
      }
    }
  });

  it("roots are equal for random sizes to 2,000", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2000 }), (size) => {
        const leaves = numbered(size);
        expect(toHex(merkleRoot(leaves, rfc6962Node))).toBe(toHex(naiveRoot(leaves, rfc6962Node)));
      }),
      { numRuns: 20 },
    );
  });
});

describe("inclusion paths", () => {
  const place = fc
    .integer({ min: 1, max: 300 })
    .chain((size) => fc.record({ size: fc.constant(size), index: fc.nat({ max: size - 1 }) }));

  it("verify at their own place and at no other", () => {
    fc.assert(
      fc.property(place, fc.nat({ max: 400 }), ({ size, index }, other) => {
        const leaves = numbered(size);
        const root = merkleRoot(leaves, rfc6962Node);
        const leaf = leaves[index] ?? ZERO_HASH;
        const path = merklePath(leaves, index, rfc6962Node);
        const at = (i: number) => verifyMerklePath(leaf, i, size, path, root, rfc6962Node);
        expect(at(index)).toBe(true);
        expect(at(other)).toBe(other === index);
      }),
    );
  });

  it("fail when any bit of leaf, path or root is flipped, or the path changes length", () => {
    fc.assert(
      fc.property(place, fc.nat(), fc.nat({ max: 255 }), ({ size, index }, which, bit) => {
        const leaves = numbered(size);
        const root = merkleRoot(leaves, rfc6962Node);
        const path = merklePath(leaves, index, rfc6962Node);
        const parts = [leaves[index] ?? ZERO_HASH, root, ...path].map((part) => part.slice());
        const hit = parts[which % parts.length];
        if (hit !== undefined) hit[bit >> 3] = (hit[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const [leaf, newRoot, ...rest] = parts as [Uint8Array, Uint8Array, ...Uint8Array[]];
        expect(verifyMerklePath(leaf, index, size, rest, newRoot, rfc6962Node)).toBe(false);
        const good = leaves[index] ?? ZERO_HASH;
        const longer = [...path, root];
        expect(verifyMerklePath(good, index, size, longer, root, rfc6962Node)).toBe(false);
        if (path.length > 0) {
          const shorter = path.slice(0, -1);
          expect(verifyMerklePath(good, index, size, shorter, root, rfc6962Node)).toBe(false);
        }
      }),
    );
  });

  it("answer false to malformed arguments instead of throwing", () => {
    const leaves = numbered(5);
    const root = merkleRoot(leaves, rfc6962Node);
    const leaf = leaves[2] ?? ZERO_HASH;
    const path = merklePath(leaves, 2, rfc6962Node);
    const bad: [Uint8Array, number, number, Uint8Array[], Uint8Array][] = [
      [leaf, -1, 5, path, root],
      [leaf, 5, 5, path, root],
      [leaf, 2.5, 5, path, root],
      [leaf, Number.NaN, 5, path, root],
      [leaf, 2, 0, path, root],
      [leaf, 2, 2 ** 53, path, root],
      [leaf, 2, Number.POSITIVE_INFINITY, path, root],
      [leaf.subarray(1), 2, 5, path, root],
      [leaf, 2, 5, [...path.slice(1), new Uint8Array(31)], root],
      [leaf, 2, 5, path, concatBytes(root, root)],
    ];
    for (const args of bad) expect(verifyMerklePath(...args, rfc6962Node)).toBe(false);
  });

  it("hold at sizes above 2^32, where bit operators would not", () => {
    // A tree of 2^40 equal leaves: each level has one hash, so its path is cheap to write down.
    const leaf = sha256(utf8("same"));
    const levels = [leaf];
    for (let i = 0; i < 40; i++) {
      const child = levels[i] ?? ZERO_HASH;
      levels.push(rfc6962Node(child, child));
    }
    const root = levels[40] ?? ZERO_HASH;
    const path = levels.slice(0, 40);
    for (const index of [0, 2 ** 32, 2 ** 39 + 12345, 2 ** 40 - 1]) {
      expect(verifyMerklePath(leaf, index, 2 ** 40, path, root, rfc6962Node)).toBe(true);
    }
    expect(verifyMerklePath(leaf, 0, 2 ** 41, path, root, rfc6962Node)).toBe(false);
    const oldRoot = levels[36] ?? ZERO_HASH;
    const proof = levels.slice(36, 40);
    expect(verifyConsistency(2 ** 36, 2 ** 40, oldRoot, root, proof, rfc6962Node)).toBe(true);
    expect(verifyConsistency(2 ** 35, 2 ** 40, oldRoot, root, proof, rfc6962Node)).toBe(false);
  });

  it("making one outside the tree is the caller's error", () => {
    expect(() => merklePath(numbered(3), 3, rfc6962Node)).toThrow(RangeError);
    expect(() => merklePath([], 0, rfc6962Node)).toThrow(RangeError);
    expect(() => merkleRoot([new Uint8Array(31)], rfc6962Node)).toThrow(RangeError);
  });
});

describe("consistency proofs", () => {
  const sizes = fc
    .integer({ min: 1, max: 300 })
    .chain((size) => fc.record({ size: fc.constant(size), old: fc.nat({ max: size }) }));

  it("verify for every prefix, and not for another old size", () => {
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 300 }), ({ size, old }, other) => {
        const leaves = numbered(size);
        const oldRoot = merkleRoot(leaves.slice(0, old), rfc6962Node);
        const newRoot = merkleRoot(leaves, rfc6962Node);
        const proof = consistencyProof(leaves, old, rfc6962Node);
        const from = (n: number) =>
          verifyConsistency(n, size, oldRoot, newRoot, proof, rfc6962Node);
        expect(from(old)).toBe(true);
        if (old > 0 && other !== old) expect(from(other)).toBe(false);
      }),
    );
  });

  it("fail when a leaf of the prefix was changed", () => {
    fc.assert(
      fc.property(sizes, fc.nat(), ({ size, old }, pick) => {
        fc.pre(old > 0);
        const leaves = numbered(size);
        const oldRoot = merkleRoot(leaves.slice(0, old), rfc6962Node);
        const rewritten = leaves.slice();
        rewritten[pick % old] = rfc6962Leaf(utf8("rewritten"));
        const newRoot = merkleRoot(rewritten, rfc6962Node);
        const proof = consistencyProof(rewritten, old, rfc6962Node);
        expect(verifyConsistency(old, size, oldRoot, newRoot, proof, rfc6962Node)).toBe(false);
      }),
    );
  });

  it("fail when truncated, extended or flipped", () => {
    fc.assert(
      fc.property(sizes, fc.nat(), fc.nat({ max: 255 }), ({ size, old }, which, bit) => {
        fc.pre(old > 0);
        const leaves = numbered(size);
        const oldRoot = merkleRoot(leaves.slice(0, old), rfc6962Node);
        const newRoot = merkleRoot(leaves, rfc6962Node);
        const proof = consistencyProof(leaves, old, rfc6962Node);
        const verify = (candidate: readonly Uint8Array[]) =>
          verifyConsistency(old, size, oldRoot, newRoot, candidate, rfc6962Node);
        expect(verify([...proof, newRoot])).toBe(false);
        if (proof.length === 0) return;
        expect(verify(proof.slice(0, -1))).toBe(false);
        const flipped = proof.map((hash) => hash.slice());
        const hit = flipped[which % flipped.length];
        if (hit !== undefined) hit[bit >> 3] = (hit[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(verify(flipped)).toBe(false);
      }),
    );
  });

  it("answer false to malformed arguments, and handle the empty tree", () => {
    const root = merkleRoot(numbered(4), rfc6962Node);
    const check = (old: number, size: number, proof: Uint8Array[] = []) =>
      verifyConsistency(old, size, root, root, proof, rfc6962Node);
    expect(check(0, 4)).toBe(true);
    expect(check(0, 4, [root])).toBe(false);
    expect(check(4, 4)).toBe(true);
    expect(check(5, 4)).toBe(false);
    expect(check(-1, 4)).toBe(false);
    expect(check(1.5, 4)).toBe(false);
    expect(check(3, 4)).toBe(false);
    expect(check(3, 4, [new Uint8Array(31)])).toBe(false);
    expect(check(1, 2 ** 53)).toBe(false);
    expect(() => consistencyProof(numbered(3), 4, rfc6962Node)).toThrow(RangeError);
    expect(consistencyProof(numbered(3), 0, rfc6962Node)).toEqual([]);
  });
});
