/** Chunks, the tree over them, manifests and what proves a chunk. */
import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { equalBytes, toHex } from "../../../src/crypto/bytes.ts";
import { rfc6962Node } from "../../../src/crypto/merkle.ts";
import {
  decodeManifest,
  encodeManifest,
  manifestBytes,
  manifestOf,
} from "../../../src/crypto/objects/manifest.ts";
import {
  CHUNK_BYTES,
  chunkCount,
  chunkHash,
  chunkLength,
  objectRoot,
  proveChunk,
  verifyChunkHash,
} from "../../../src/crypto/objects/tree.ts";
import { LIMITS } from "../../../src/limits.ts";

const sha = (...parts: (Uint8Array | string)[]): Uint8Array => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

const u64 = (value: number): Uint8Array => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
};

/** RFC 9162, 2.1.1, as it is written there. */
const mth = (leaves: readonly Uint8Array[]): Uint8Array => {
  const [only] = leaves;
  if (only === undefined) return sha("");
  if (leaves.length === 1) return only;
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return sha(Uint8Array.of(1), mth(leaves.slice(0, k)), mth(leaves.slice(k)));
};

/** An object by its chunk hashes alone, which are any bytes: what is above them does not look into them. */
const hashes = fc.integer({ min: 0, max: 40 }).chain((count) =>
  fc.record({
    hashes: fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), {
      minLength: count,
      maxLength: count,
    }),
    length:
      count === 0
        ? fc.constant(0)
        : fc.integer({ min: (count - 1) * CHUNK_BYTES + 1, max: count * CHUNK_BYTES }),
  }),
);

describe("an object", () => {
  it("is cut into chunks that together have its length", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 300 * CHUNK_BYTES }), (length) => {
        const count = chunkCount(length);
        let sum = 0;
        for (let i = 0; i < count; i++) {
          const size = chunkLength(length, i);
          expect(size).toBeGreaterThan(0);
          expect(size).toBeLessThanOrEqual(CHUNK_BYTES);
          if (i < count - 1) expect(size).toBe(CHUNK_BYTES);
          sum += size;
        }
        expect(sum).toBe(length);
        expect(() => chunkLength(length, count)).toThrow(RangeError);
      }),
      { numRuns: 50 },
    );
    expect(chunkCount(LIMITS.objectBytesMax)).toBe(LIMITS.objectChunksMax);
  });

  it("has the name that the document gives", () => {
    fc.assert(
      fc.property(hashes, ({ hashes, length }) => {
        const name = sha(sha("hm/v1/object"), u64(length), mth(hashes));
        expect(equalBytes(objectRoot(length, hashes), name)).toBe(true);
      }),
    );
    expect(equalBytes(chunkHash(Uint8Array.of(7)), sha(Uint8Array.of(0, 7)))).toBe(true);
  });

  it("has another name where its length is another, though its chunks hash alike", () => {
    const hash = chunkHash(new Uint8Array(5));
    const names = [1, 2, 5, CHUNK_BYTES].map((length) => toHex(objectRoot(length, [hash])));
    expect(new Set(names).size).toBe(names.length);
    expect(() => objectRoot(CHUNK_BYTES + 1, [hash])).toThrow(RangeError);
    expect(() => objectRoot(0, [hash])).toThrow(RangeError);
  });
});

describe("the proof of a chunk", () => {
  it("shows each chunk, and nothing else", () => {
    fc.assert(
      fc.property(
        hashes.filter(({ hashes }) => hashes.length > 0),
        fc.nat(),
        fc.nat(),
        ({ hashes, length }, at, bit) => {
          const index = at % hashes.length;
          const root = objectRoot(length, hashes);
          const hash = hashes[index] ?? new Uint8Array(32);
          const proof = proveChunk(length, hashes, index);
          expect(verifyChunkHash(root, hash, proof)).toBe(true);
          const other = hash.slice();
          other[bit % 32] = (other[bit % 32] ?? 0) ^ (1 << (bit % 8));
          expect(verifyChunkHash(root, other, proof)).toBe(false);
          expect(verifyChunkHash(other, hash, proof)).toBe(false);
          expect(verifyChunkHash(root, hash, { ...proof, length: length + 1 })).toBe(false);
          expect(verifyChunkHash(root, hash, { ...proof, length: -1 })).toBe(false);
          expect(verifyChunkHash(root, hash, { ...proof, top: other })).toBe(false);
          const isNext = equalBytes(hashes[index + 1] ?? root, hash);
          if (!isNext) {
            expect(verifyChunkHash(root, hash, { ...proof, index: index + 1 })).toBe(false);
          }
          const longer = [...proof.path, other];
          expect(verifyChunkHash(root, hash, { ...proof, path: longer })).toBe(false);
        },
      ),
    );
  });

  it("is of the same tree as the name", () => {
    const [a, b, c] = [1, 2, 3].map((n) => chunkHash(Uint8Array.of(n)));
    if (a === undefined || b === undefined || c === undefined) throw new Error("no hashes");
    const { path } = proveChunk(2 * CHUNK_BYTES + 1, [a, b, c], 2);
    expect(path.map(toHex)).toEqual([toHex(rfc6962Node(a, b))]);
  });
});

describe("a manifest", () => {
  it("reads back as it was, and has one encoding", () => {
    fc.assert(
      fc.property(hashes, (manifest) => {
        const bytes = encodeManifest(manifest);
        expect(bytes.length).toBe(manifestBytes(manifest.length));
        const read = manifestOf(objectRoot(manifest.length, manifest.hashes), bytes);
        expect(read.ok).toBe(true);
        if (!read.ok) return;
        expect(read.value.length).toBe(manifest.length);
        expect(read.value.hashes.map(toHex)).toEqual(manifest.hashes.map(toHex));
        const other = manifestOf(new Uint8Array(32), bytes);
        expect(other.ok ? "" : other.code).toBe("object.mismatch");
      }),
    );
  });

  it("is refused, never thrown at, whatever bytes come", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const read = decodeManifest(bytes);
        if (read.ok) expect(equalBytes(encodeManifest(read.value), bytes)).toBe(true);
      }),
    );
    fc.assert(
      fc.property(hashes, fc.nat(), fc.integer({ min: 1, max: 255 }), (manifest, at, change) => {
        const bytes = encodeManifest(manifest);
        const place = at % bytes.length;
        bytes[place] = (bytes[place] ?? 0) ^ change;
        const read = manifestOf(objectRoot(manifest.length, manifest.hashes), bytes);
        expect(read.ok).toBe(false);
        expect(decodeManifest(bytes.subarray(0, place)).ok).toBe(false);
      }),
    );
  });

  it("is of at most objectBytesMax, and refused past it before a hash is read", () => {
    const most = new Uint8Array(manifestBytes(LIMITS.objectBytesMax));
    most.set([0, 1]);
    most.set(u64(LIMITS.objectBytesMax), 2);
    const read = decodeManifest(most);
    expect(read.ok && read.value.hashes.length).toBe(LIMITS.objectChunksMax);
    most.set(u64(LIMITS.objectBytesMax + 1), 2);
    const past = decodeManifest(most);
    expect(past.ok ? "" : past.code).toBe("object.too-large");
    most.set([0, 2]);
    const version = decodeManifest(most);
    expect(version.ok ? "" : version.code).toBe("encoding.version");
  });
});
