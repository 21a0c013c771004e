/** The tree of a sector: its roots and paths, its damage, and the head of its file. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { equalBytes } from "../../../src/crypto/bytes.ts";
import { createHasher } from "../../../src/crypto/hash.ts";
import { merkleRoot } from "../../../src/crypto/merkle.ts";
import { createDamageCheck, type Damage } from "../../../src/proofs/space/damage.ts";
import { NODE_BYTES } from "../../../src/proofs/space/parameters.ts";
import {
  decodeSectorHeader,
  encodeSectorHeader,
  HEADER_BYTES,
  rowOffset,
  rowsOffset,
  sectorFileBytes,
} from "../../../src/proofs/space/sector-header.ts";
import {
  createSpaceHashes,
  GROUP_BYTES,
  isUnderRoot,
  openLeaf,
  rootOfRows,
} from "../../../src/proofs/space/tree.ts";
import { bytes, SMALL, source, treeOf } from "./support.ts";

const LG = 9;
const hasher = createHasher("chain-a");
const hashes = createSpaceHashes(hasher);
const leaves = new Uint8Array(2 ** LG * NODE_BYTES).map((_, i) => (i * 7 + (i >>> 5)) % 251);
const { rows, reader } = treeOf(hashes, LG, leaves);
const root = rootOfRows(rows);

describe("the tree of a sector", () => {
  it("is the Merkle tree of the tagged hash of nodes", () => {
    const list = Array.from({ length: 2 ** LG }, (_, i) =>
      leaves.slice(i * NODE_BYTES, (i + 1) * NODE_BYTES),
    );
    expect(root).toEqual(merkleRoot(list, (l, r) => hasher.ht("space/node", l, r)));
    const column = bytes(0);
    hashes.column([leaves, rows], NODE_BYTES, column, 0);
    const parts = [leaves, rows].map((part) => part.subarray(NODE_BYTES, 2 * NODE_BYTES));
    expect(column).toEqual(hasher.ht("space/col", ...parts));
  });

  it("opens every leaf, under no other index, root, length or chain", () => {
    const other = createSpaceHashes(createHasher("chain-b"));
    for (let v = 0; v < 2 ** LG; v++) {
      const opened = openLeaf(hashes, reader, v);
      expect(isUnderRoot(hashes, LG, v, opened, root)).toBe(true);
      expect(isUnderRoot(hashes, LG, v ^ (1 << (v % LG)), opened, root)).toBe(false);
      expect(isUnderRoot(hashes, LG, v + 2 ** LG, opened, root)).toBe(false);
      expect(isUnderRoot(hashes, LG, v, opened, bytes(1))).toBe(false);
      expect(isUnderRoot(other, LG, v, opened, root)).toBe(false);
      const cut = { ...opened, path: opened.path.subarray(1) };
      expect(isUnderRoot(hashes, LG, v, cut, root)).toBe(false);
    }
  });
});

const damageOf = (stored: Uint8Array, storedRows: Uint8Array): Damage => {
  const check = createDamageCheck(hashes, LG, root);
  for (let i = 0; i * GROUP_BYTES < stored.length; i++) {
    check.group(i, stored.subarray(i * GROUP_BYTES, (i + 1) * GROUP_BYTES));
  }
  return check.finish(storedRows);
};

const flipped = (from: Uint8Array, ...places: readonly number[]): Uint8Array => {
  const copy = from.slice();
  for (const at of places) copy[at] = (copy[at] ?? 0) ^ 0x40;
  return copy;
};

describe("damage", () => {
  it("of a whole sector is none", () => {
    expect(damageOf(leaves, rows)).toEqual({ nodes: [], unprovable: [], treeNodes: 0 });
  });

  it("of any one byte of a node is found in its group, and nowhere else", () => {
    fc.assert(
      fc.property(fc.nat(leaves.length - 1), (at) => {
        const from = Math.floor(at / GROUP_BYTES) * 64;
        const found = damageOf(flipped(leaves, at), rows);
        expect(found).toEqual({ nodes: [{ from, to: from + 63 }], unprovable: [], treeNodes: 0 });
      }),
    );
  });

  it("of any one byte of the rows is found, and is no damage of nodes", () => {
    fc.assert(
      fc.property(fc.nat(rows.length - 1), (at) => {
        const found = damageOf(leaves, flipped(rows, at));
        expect(found).toEqual({ nodes: [], unprovable: [], treeNodes: 1 });
      }),
    );
  });

  it("of neighbours is one range", () => {
    const stored = flipped(leaves, 64 * 32, 128 * 32, 400 * 32);
    expect(damageOf(stored, rows).nodes).toEqual([
      { from: 64, to: 191 },
      { from: 384, to: 447 },
    ]);
  });

  it("of nodes and of rows elsewhere is told apart", () => {
    // Group 0 of the nodes, and the row above group 7.
    const found = damageOf(flipped(leaves, 0), flipped(rows, 7 * NODE_BYTES));
    expect(found).toEqual({ nodes: [{ from: 0, to: 63 }], unprovable: [], treeNodes: 1 });
  });

  it("of nodes below a damaged row is named as what cannot be told", () => {
    const found = damageOf(flipped(leaves, 0), flipped(rows, 0));
    expect(found.nodes).toEqual([]);
    expect(found.unprovable).toEqual([{ from: 0, to: 127 }]);
  });

  it("always covers every node that differs", () => {
    const places = fc.array(fc.nat(leaves.length - 1), { minLength: 1, maxLength: 6 });
    const inRows = fc.array(fc.nat(rows.length - 1), { maxLength: 4 });
    fc.assert(
      fc.property(places, inRows, (nodes, tree) => {
        const stored = flipped(leaves, ...nodes);
        const found = damageOf(stored, flipped(rows, ...tree));
        const named = [...found.nodes, ...found.unprovable];
        for (let v = 0; v < 2 ** LG; v++) {
          const own = (of: Uint8Array) => of.subarray(v * NODE_BYTES, (v + 1) * NODE_BYTES);
          if (equalBytes(own(stored), own(leaves))) continue;
          expect(named.some(({ from, to }) => v >= from && v <= to)).toBe(true);
        }
      }),
    );
  });
});

describe("the head of a sector file", () => {
  const statement = { ...source(3), commC: bytes(1), commRl: bytes(2) };
  const header = { chainId: "chain-a", genesisHash: bytes(9), statement };
  const encoded = encodeSectorHeader(header);

  it("is read as it was written", () => {
    expect(encoded).toHaveLength(HEADER_BYTES);
    expect(decodeSectorHeader(encoded)).toEqual({ ok: true, value: header });
  });

  it("is refused with any byte changed, and at any other length", () => {
    for (let at = 0; at < HEADER_BYTES; at++) {
      expect(decodeSectorHeader(flipped(encoded, at)).ok).toBe(false);
    }
    for (const length of [0, 1, HEADER_BYTES - 1]) {
      expect(decodeSectorHeader(encoded.subarray(0, length)).ok).toBe(false);
    }
    const longer = new Uint8Array(HEADER_BYTES + 1);
    longer.set(encoded);
    expect(decodeSectorHeader(longer).ok).toBe(false);
  });

  it("is refused with a shape out of range, though its checksum is right", () => {
    for (const shape of [{ lgNodes: 5 }, { lgNodes: 31 }, { layers: 1 }, { layers: 17 }]) {
      const one = encodeSectorHeader({ ...header, statement: { ...statement, ...shape } });
      expect(decodeSectorHeader(one)).toMatchObject({ ok: false, code: "space.sector" });
    }
  });

  it("is refused, and no exception, whatever the bytes are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: HEADER_BYTES }), (random) => {
        expect(decodeSectorHeader(random)).toMatchObject({ ok: false, code: "space.sector" });
      }),
    );
  });

  it("says where everything lies", () => {
    const { lgNodes } = SMALL;
    expect(rowOffset(lgNodes, 6, 0)).toBe(rowsOffset(lgNodes));
    expect(rowOffset(lgNodes, lgNodes, 0) + NODE_BYTES).toBe(sectorFileBytes(lgNodes));
  });
});
