import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes, equalBytes, ZERO_HASH } from "../../src/crypto/bytes.ts";
import { utf8, Writer } from "../../src/crypto/codec.ts";
import { createHasher, sha256 } from "../../src/crypto/hash.ts";
import type { ErrorCode } from "../../src/errors.ts";
import {
  BLOCK_BYTES_MAX,
  batchesRoot,
  decodeBlock,
  decodeHeader,
  encodeBlock,
  encodeHeader,
  HEADER_BYTES,
  headerHash,
  proofsHash,
} from "../../src/ledger/block.ts";
import { encodeBlockProofs } from "../../src/ledger/block-proofs.ts";
import { NO_PROOFS } from "../../src/ledger/genesis-proofs.ts";
import type { Hash, Header } from "../../src/ledger/types.ts";
import { LIMITS } from "../../src/limits.ts";
import { blockOf, hasher, hashOf, headerOf } from "../golden/fixtures.ts";

const codeOf = (bytes: Uint8Array): ErrorCode | "ok" => {
  const result = decodeBlock(hasher, bytes);
  return result.ok ? "ok" : result.code;
};

const u64 = fc.maxSafeNat();
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });

const headers: fc.Arbitrary<Header> = fc
  .record({
    epoch: u64,
    view: u64,
    height: u64,
    parentView: u64,
    parentHash: hash,
    timeMs: u64,
    executedHeight: u64,
    logSize: u64,
    logRoot: hash,
    stateRoot: hash,
    nextSetHash: hash,
    proposer: fc.integer({ min: 0, max: 0xffff }),
  })
  .map((fields) => headerOf(fields));

/** docs/protocol.md, "Header and block", field by field. */
const rawHeader = (header: Header): Uint8Array =>
  new Writer()
    .u16(1)
    .hash(sha256(utf8("golden-1")))
    .u64(header.epoch)
    .u64(header.view)
    .u64(header.height)
    .u64(header.parentView)
    .hash(header.parentHash)
    .u64(header.timeMs)
    .hash(header.batchesRoot)
    .u32(header.batchCount)
    .u64(header.executedHeight)
    .u64(header.logSize)
    .hash(header.logRoot)
    .hash(header.stateRoot)
    .hash(header.proofsHash)
    .hash(header.nextSetHash)
    .u16(header.proposer)
    .finish();

const WITH_BEACON = { ...NO_PROOFS, beacon: { depth: 4 } };

const rawBlock = (
  header: Header,
  digests: readonly Hash[],
  proofs: Uint8Array = new Uint8Array(0),
) => concatBytes(rawHeader(header), ...digests, new Writer().bytes(proofs).finish());

describe("header and block encoding", () => {
  it("gives back what was encoded", () => {
    fc.assert(
      fc.property(headers, fc.array(hash, { maxLength: 9 }), (fields, digests) => {
        const block = blockOf(digests, fields.batchCount === 0 ? { ...strip(fields) } : {});
        expect(decodeBlock(hasher, block.bytes)).toEqual({ ok: true, value: block });
        expect(block.bytes).toEqual(rawBlock(block.header, digests));
      }),
    );
  });

  it("encodes a header in 288 bytes, and hashes those", () => {
    fc.assert(
      fc.property(headers, (header) => {
        const bytes = encodeHeader(header);
        expect(bytes).toEqual(rawHeader(header));
        expect(bytes.length).toBe(HEADER_BYTES);
        expect(decodeHeader(hasher, bytes)).toEqual({ ok: true, value: header });
        expect(headerHash(hasher, header)).toEqual(hasher.ht("header", bytes));
      }),
    );
    expect(decodeHeader(hasher, new Uint8Array(HEADER_BYTES)).ok).toBe(false);
    const longer = concatBytes(rawHeader(headerOf()), Uint8Array.of(0));
    const result = decodeHeader(hasher, longer);
    expect(result.ok ? "ok" : result.code).toBe("encoding.malformed");
  });

  it("builds the tree over digests; the root of none is zero", () => {
    const leaf = (digest: Hash) => hasher.ht("batch/leaf", digest);
    const [a, b, c] = [hashOf(1), hashOf(2), hashOf(3)];
    expect(batchesRoot(hasher, [])).toEqual(ZERO_HASH);
    expect(batchesRoot(hasher, [a])).toEqual(leaf(a));
    const left = hasher.ht("batch/node", leaf(a), leaf(b));
    expect(batchesRoot(hasher, [a, b, c])).toEqual(hasher.ht("batch/node", left, leaf(c)));
    expect(proofsHash(hasher)).toEqual(hasher.ht("proofs", new Uint8Array(0)));
  });

  it("refuses or renames every block with a changed byte", () => {
    const block = blockOf([hashOf(1), hashOf(2)]);
    for (let at = 0; at < block.bytes.length; at++) {
      const changed = block.bytes.slice();
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      const result = decodeBlock(hasher, changed);
      if (result.ok) expect(equalBytes(result.value.hash, block.hash)).toBe(false);
      // A body cannot change under its header.
      if (at >= HEADER_BYTES) expect(result.ok).toBe(false);
    }
  });

  it("never throws", () => {
    const block = blockOf([hashOf(1), hashOf(2)]).bytes;
    const prefixed = fc
      .tuple(fc.nat({ max: block.length }), fc.uint8Array({ maxLength: 300 }))
      .map(([keep, noise]) => concatBytes(block.subarray(0, keep), noise));
    fc.assert(
      fc.property(fc.oneof(prefixed, fc.uint8Array({ maxLength: 600 })), (bytes) => {
        const result = decodeBlock(hasher, bytes);
        if (result.ok)
          expect(rawBlock(result.value.header, result.value.batchDigests)).toEqual(bytes);
        decodeHeader(hasher, bytes);
      }),
      { numRuns: 500 },
    );
    for (let length = 0; length < block.length; length++) {
      expect(codeOf(block.subarray(0, length))).toBe("encoding.malformed");
    }
  });
});

describe("bad blocks", () => {
  const digests = [hashOf(1), hashOf(2)];
  const good = blockOf(digests).header;

  it.each<[ErrorCode, string, Partial<Header>]>([
    ["block.wrong-chain", "another chain", { chainHash: createHasher("x").chainHash }],
    ["encoding.version", "protocol version 2", { protocolVersion: 2 }],
    ["block.too-many-batches", "a count of 4097", { batchCount: 4097 }],
    ["block.too-many-batches", "a count of 2^32 - 1", { batchCount: 0xffff_ffff }],
    ["encoding.malformed", "more batches than digests", { batchCount: 3 }],
    ["block.batches-root", "another root", { batchesRoot: hashOf(5) }],
    ["block.header", "a hash of other proofs", { proofsHash: hashOf(5) }],
  ])("%s: %s", (code, _what, changes) => {
    const header = { ...good, ...changes };
    const bytes = concatBytes(encodeHeader(header), ...digests, new Uint8Array(4));
    expect(codeOf(bytes)).toBe(code);
  });

  it("refuses digests in another order, trailing bytes and another proof section", () => {
    expect(codeOf(rawBlock(good, [...digests].reverse()))).toBe("block.batches-root");
    expect(codeOf(concatBytes(rawBlock(good, digests), Uint8Array.of(0)))).toBe(
      "encoding.malformed",
    );
    expect(codeOf(rawBlock(good, digests, new Uint8Array(6)))).toBe("block.header");
    const section = encodeBlockProofs(WITH_BEACON, { reveal: hashOf(1), openings: hashOf(2) });
    const other = { ...good, proofsHash: proofsHash(hasher, section) };
    expect(codeOf(rawBlock(other, digests, section.bytes))).toBe("ok");
    expect(codeOf(rawBlock(other, digests))).toBe("block.header");
  });

  it("takes 4096 batches with the largest proof section and nothing longer", () => {
    const many = Array.from({ length: LIMITS.blockBatchesMax }, (_, i) => hashOf(i & 0xff));
    const section = encodeBlockProofs(WITH_BEACON, {
      reveal: new Uint8Array(LIMITS.revealBytesMax),
      openings: new Uint8Array(LIMITS.blockOpeningsBytesMax),
    });
    const { header } = blockOf(many, { proofsHash: proofsHash(hasher, section) });
    const block = encodeBlock(hasher, header, many, section);
    expect(block.bytes.length).toBe(BLOCK_BYTES_MAX);
    expect(codeOf(block.bytes)).toBe("ok");
    expect(codeOf(concatBytes(block.bytes, Uint8Array.of(0)))).toBe("block.too-large");
  });

  it("encodes only the digests that the header counts", () => {
    expect(() => encodeBlock(hasher, good, [hashOf(1)])).toThrow(RangeError);
  });
});

/** The fields that a block does not take from its digests. */
function strip(header: Header): Partial<Header> {
  const { batchesRoot: _root, batchCount: _count, ...rest } = header;
  return rest;
}
