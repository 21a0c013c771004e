/** What nodes ask each other about objects, what is signed, and the parsers of both under hostile bytes. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes, equalBytes, toHex } from "../../../src/crypto/bytes.ts";
import { createHasher } from "../../../src/crypto/hash.ts";
import { ChunkSet } from "../../../src/crypto/objects/chunk-set.ts";
import { manifestBytes } from "../../../src/crypto/objects/manifest.ts";
import {
  decodeOrder,
  encodeOrder,
  manifestStatement,
  orderStatement,
  type SignedOrder,
} from "../../../src/crypto/objects/statements.ts";
import { CHUNK_BYTES, chunkCount, chunkHash } from "../../../src/crypto/objects/tree.ts";
import { LIMITS } from "../../../src/limits.ts";
import {
  BUSY_ANSWER,
  CHUNK_ANSWER_HEAD,
  decodeHolding,
  decodeRequest,
  decodeServedManifest,
  encodeHolding,
  encodeRequest,
  encodeServedManifest,
  isBusy,
  openChunkAnswer,
} from "../../../src/transport/objects/messages.ts";

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const code = (result: { ok: boolean; code?: string }): string =>
  result.ok ? "" : (result.code ?? "");

describe("a request", () => {
  it("reads back as it was", () => {
    fc.assert(
      fc.property(
        bytes32,
        fc.integer({ min: 0, max: LIMITS.objectChunksMax - 1 }),
        (root, index) => {
          for (const request of [
            { kind: "have", root },
            { kind: "manifest", root },
            { kind: "chunk", root, index },
          ] as const) {
            const sent = encodeRequest(request);
            expect(sent.length).toBeLessThanOrEqual(LIMITS.bulkNameBytesMax);
            const read = decodeRequest(sent);
            expect(read.ok && read.value.kind).toBe(request.kind);
            expect(read.ok && equalBytes(encodeRequest(read.value), sent)).toBe(true);
          }
        },
      ),
    );
  });

  it("is for no chunk past objectChunksMax", () => {
    const root = new Uint8Array(32);
    const index = LIMITS.objectChunksMax;
    expect(decodeRequest(encodeRequest({ kind: "chunk", root, index: index - 1 })).ok).toBe(true);
    expect(code(decodeRequest(encodeRequest({ kind: "chunk", root, index })))).toBe(
      "encoding.malformed",
    );
  });
});

describe("the chunks that a peer has", () => {
  it("read back as they were, in one encoding", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 70 }), fc.array(fc.nat(99)), (count, members) => {
        const length = count * CHUNK_BYTES;
        const chunks = new ChunkSet(count);
        for (const member of members) chunks.add(member);
        const sent = encodeHolding({ length, chunks });
        const read = decodeHolding(sent);
        expect(read.ok).toBe(true);
        if (!read.ok) return;
        expect(read.value.length).toBe(length);
        expect(read.value.chunks.count).toBe(chunks.count);
        for (let i = 0; i < count; i++) expect(read.value.chunks.has(i)).toBe(chunks.has(i));
        expect(toHex(encodeHolding(read.value))).toBe(toHex(sent));
      }),
    );
  });

  it("are refused with bits behind the last chunk, as some when they are all, and past the limit", () => {
    const head = (kind: number, length: number): Uint8Array => {
      const bytes = Buffer.alloc(9);
      bytes[0] = kind;
      bytes.writeBigUInt64BE(BigInt(length), 1);
      return bytes;
    };
    const three = head(2, 3 * CHUNK_BYTES);
    expect(decodeHolding(concatBytes(three, Uint8Array.of(0xa0))).ok).toBe(true);
    expect(code(decodeHolding(concatBytes(three, Uint8Array.of(0xb0))))).toBe("encoding.malformed");
    expect(code(decodeHolding(concatBytes(three, Uint8Array.of(0xe0))))).toBe("encoding.malformed");
    expect(code(decodeHolding(three))).toBe("encoding.malformed");
    expect(decodeHolding(head(1, LIMITS.objectBytesMax)).ok).toBe(true);
    expect(code(decodeHolding(head(1, LIMITS.objectBytesMax + 1)))).toBe("object.too-large");
  });
});

describe("answers", () => {
  it("with a chunk are what its hash is over", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), (chunk) => {
        const opened = openChunkAnswer(concatBytes(CHUNK_ANSWER_HEAD, chunk));
        expect(opened === undefined ? "" : toHex(opened.hash)).toBe(toHex(chunkHash(chunk)));
        expect(opened === undefined ? "" : toHex(opened.chunk)).toBe(toHex(chunk));
      }),
    );
    expect(openChunkAnswer(BUSY_ANSWER)).toBeUndefined();
    expect(openChunkAnswer(new Uint8Array(0))).toBeUndefined();
    expect(isBusy(BUSY_ANSWER)).toBe(true);
    expect(isBusy(CHUNK_ANSWER_HEAD)).toBe(false);
  });

  it("with the largest manifest and the largest chunk fit bulk", () => {
    const manifest = new Uint8Array(manifestBytes(LIMITS.objectBytesMax));
    const served = encodeServedManifest({
      manifest,
      publicKey: new Uint8Array(LIMITS.falconPublicKeyBytes).fill(1),
      signature: new Uint8Array(LIMITS.falconSignatureBytes).fill(2),
    });
    expect(served.length).toBeLessThanOrEqual(LIMITS.bulkAnswerBytesMax);
    const read = decodeServedManifest(served);
    expect(read.ok && read.value.manifest.length).toBe(manifest.length);
    expect(read.ok && read.value.signature[0]).toBe(2);
    expect(1 + CHUNK_BYTES).toBeLessThanOrEqual(LIMITS.bulkAnswerBytesMax);
    const chunks = new ChunkSet(LIMITS.objectChunksMax);
    const some = encodeHolding({ length: LIMITS.objectBytesMax, chunks });
    expect(some.length).toBeLessThanOrEqual(LIMITS.bulkAnswerBytesMax);
  });

  it("are refused, never thrown at, whatever bytes come", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
        const request = decodeRequest(bytes);
        if (request.ok) expect(toHex(encodeRequest(request.value))).toBe(toHex(bytes));
        const holding = decodeHolding(bytes);
        if (holding.ok) expect(toHex(encodeHolding(holding.value))).toBe(toHex(bytes));
        const served = decodeServedManifest(bytes);
        if (served.ok) expect(toHex(encodeServedManifest(served.value))).toBe(toHex(bytes));
        const order = decodeOrder(bytes);
        if (order.ok) expect(toHex(encodeOrder(order.value))).toBe(toHex(bytes));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("an order", () => {
  const order = (change: Partial<SignedOrder> = {}): SignedOrder => ({
    action: "keep",
    actor: new Uint8Array(32).fill(1),
    node: new Uint8Array(32).fill(2),
    root: new Uint8Array(32).fill(3),
    notAfterMs: 1_790_000_000_000,
    manifest: Uint8Array.of(1, 2, 3),
    signature: new Uint8Array(LIMITS.falconSignatureBytes).fill(9),
    ...change,
  });

  it("reads back as it was, and every cut of it is refused", () => {
    const sent = encodeOrder(order());
    const read = decodeOrder(sent);
    expect(read.ok && toHex(encodeOrder(read.value))).toBe(toHex(sent));
    for (let cut = 0; cut < sent.length; cut += 7) {
      expect(code(decodeOrder(sent.subarray(0, cut)))).toMatch(/^encoding\./);
    }
    expect(code(decodeOrder(concatBytes(sent, Uint8Array.of(0))))).toBe("encoding.malformed");
    const drop = order({ action: "drop", manifest: new Uint8Array(0) });
    expect(decodeOrder(encodeOrder(drop)).ok).toBe(true);
    expect(code(decodeOrder(encodeOrder({ ...drop, manifest: Uint8Array.of(1) })))).toBe(
      "encoding.malformed",
    );
  });

  it("is signed with all that it says, for one chain, under a tag of its own", () => {
    const hasher = createHasher("one");
    const said = (other: Partial<SignedOrder>, chain = hasher): string =>
      toHex(orderStatement(chain, order(other)));
    const statements = [
      said({}),
      said({}, createHasher("two")),
      said({ action: "drop" }),
      said({ actor: new Uint8Array(32) }),
      said({ node: new Uint8Array(32) }),
      said({ root: new Uint8Array(32) }),
      said({ notAfterMs: 1 }),
      said({ manifest: Uint8Array.of(1) }),
      toHex(manifestStatement(hasher, order().node, order().root, order().manifest)),
    ];
    expect(new Set(statements).size).toBe(statements.length);
    expect(chunkCount(0)).toBe(0);
  });
});
