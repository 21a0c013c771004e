/** The CT log: leaves as RFC 6962 has them, and a tree that grows by one leaf at a time. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  appendLeaf,
  certificateOfLeaf,
  ctEntryKey,
  ctIndexKey,
  ctTreeKey,
  decodeCtEntry,
  decodeCtIndex,
  decodeCtTree,
  merkleTreeLeaf,
} from "../../src/ca/ct.ts";
import { certificateIssued } from "../../src/ca/index.ts";
import { matchesDomain, plainName, sortableName } from "../../src/ca/names.ts";
import { sha256 } from "../../src/crypto/hash.ts";
import {
  merkleRoot,
  RFC6962_EMPTY_ROOT,
  rfc6962Leaf,
  rfc6962Node,
} from "../../src/crypto/merkle.ts";
import { readRow } from "../../src/ledger/row.ts";
import { chainWithIssuer, csrOf, issuerId, leafFor, requestOf } from "./support.ts";

describe("the tree", () => {
  it("has the root of RFC 6962 at every size", () => {
    let tree: Parameters<typeof appendLeaf>[0] = {
      size: 0,
      root: RFC6962_EMPTY_ROOT,
      subtrees: [],
    };
    const hashes: Uint8Array[] = [];
    for (let size = 1; size <= 130; size++) {
      const leaf = Uint8Array.of(size);
      hashes.push(rfc6962Leaf(leaf));
      tree = appendLeaf(tree, leaf);
      expect(tree.size).toBe(size);
      expect(tree.root).toEqual(merkleRoot(hashes, rfc6962Node));
      expect(tree.subtrees.length).toBe([...size.toString(2)].filter((bit) => bit === "1").length);
    }
  });
});

describe("a leaf", () => {
  it("is laid out as RFC 6962, 3.4, and gives the certificate back", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 2000 }),
        fc.nat(Number.MAX_SAFE_INTEGER),
        (certificate, timestampMs) => {
          const leaf = Buffer.from(merkleTreeLeaf(certificate, timestampMs));
          expect([leaf[0], leaf[1]]).toEqual([0, 0]);
          expect(leaf.readBigUInt64BE(2)).toBe(BigInt(timestampMs));
          expect(leaf.readUInt16BE(10)).toBe(0);
          expect(leaf.readUIntBE(12, 3)).toBe(certificate.length);
          expect(leaf.readUInt16BE(leaf.length - 2)).toBe(0);
          expect(certificateOfLeaf(leaf)).toEqual(Buffer.from(certificate));
        },
      ),
    );
  });
});

describe("the log", () => {
  it("has an entry for each certificate, at ledger time, and none for what was refused", () => {
    const chain = chainWithIssuer();
    const csrs = ["a", "b", "c"].map((name) => csrOf({ names: `DNS:${name}.example.org` }));
    chain.block({ by: "root", events: csrs.map((csr) => requestOf(csr)) });
    const leaves = csrs.map((csr, i) => leafFor(csr, { serial: i + 1 }));
    const events = leaves.map((certificate, i) =>
      certificateIssued.encode({ issuer: issuerId, request: i + 1, certificate }),
    );
    chain.block({ by: "root", events: [...events, ...events] });
    const timeMs = chain.inputs.at(-1)?.header.timeMs ?? 0;
    const expected = leaves.map((certificate) => merkleTreeLeaf(certificate, timeMs));
    const row = (key: Uint8Array): Uint8Array =>
      readRow(chain.store.read, "ct", key)?.value ?? new Uint8Array(0);
    expect(decodeCtTree(row(ctTreeKey))).toMatchObject({
      size: 3,
      root: merkleRoot(expected.map(rfc6962Leaf), rfc6962Node),
    });
    leaves.forEach((certificate, i) => {
      const entry = decodeCtEntry(row(ctEntryKey(i)));
      expect(entry).toEqual({ timestampMs: timeMs, event: 4 + i, leaf: expected[i] });
      expect(decodeCtIndex(row(ctIndexKey(sha256(certificate))))).toBe(i);
    });
    expect(readRow(chain.store.read, "ct", ctEntryKey(3))).toBeUndefined();
  });
});

describe("names", () => {
  it("sort by domain, and come back", () => {
    for (const name of ["a.b.example.org", "localhost", "2001:db8::1", "::1"]) {
      expect(plainName(sortableName(name))).toBe(name);
    }
    expect(sortableName("www.example.org").startsWith(sortableName("example.org"))).toBe(true);
    expect(sortableName("www.xample.org").startsWith(sortableName("ample.org"))).toBe(false);
  });

  it.each([
    ["www.example.org", "*.example.org", true],
    ["a.www.example.org", "*.example.org", true],
    ["example.org", "*.example.org", false],
    ["badexample.org", "*.example.org", false],
    ["example.org", "example.org", true],
    ["www.example.org", "example.org", false],
    ["2001:db8::1", "*", true],
  ])("%s is of %s: %s", (name, pattern, expected) => {
    expect(matchesDomain(name, pattern)).toBe(expected);
  });
});
