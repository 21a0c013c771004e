import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes, equalBytes } from "../../src/crypto/bytes.ts";
import { createHasher } from "../../src/crypto/hash.ts";
import { merkleRoot } from "../../src/crypto/merkle.ts";
import type { ErrorCode } from "../../src/errors.ts";
import {
  actorId,
  BATCH_BYTES_MIN,
  BATCH_CORE_BYTES,
  batchSigningMessage,
  buildBatch,
  decodeBatch,
  sealBatch,
} from "../../src/ledger/batch.ts";
import { encodeEvent } from "../../src/ledger/event.ts";
import { eventsRoot } from "../../src/ledger/event-hashes.ts";
import type { EncodedEvent } from "../../src/ledger/types.ts";
import { LIMITS } from "../../src/limits.ts";
import { batchOf, hasher, hashOf, keyOf, putOf, signatureOf } from "../golden/fixtures.ts";
import { type Raw, rawBatch } from "./raw-batch.ts";

const actor = hashOf(4);

const codeOf = (bytes: Uint8Array): ErrorCode | "ok" => {
  const result = decodeBatch(hasher, bytes);
  return result.ok ? "ok" : result.code;
};

const events = fc.array(
  fc.uint8Array({ maxLength: 80 }).map((payload) => encodeEvent("test.any", 1, payload)),
  { minLength: 1, maxLength: 9 },
);

const u64 = fc.maxSafeNat();
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });

const batches = fc
  .record({
    actor: hash,
    laneSeq: u64.map((n) => Math.max(n, 1)),
    prevBatchId: hash,
    refHeight: u64,
    refHash: hash,
    events,
  })
  .map((input) => batchOf(input));

describe("batch encoding", () => {
  it("gives back what was sealed", () => {
    fc.assert(
      fc.property(batches, (batch) => {
        expect(decodeBatch(hasher, batch.bytes)).toEqual({ ok: true, value: batch });
      }),
    );
  });

  it("is the encoding of docs/protocol.md", () => {
    const batch = batchOf({ actor });
    expect(rawBatch()).toEqual(batch.bytes);
    expect(batch.id).toEqual(hasher.ht("batch/id", batch.bytes.subarray(0, BATCH_CORE_BYTES)));
    expect(batch.digest).toEqual(hasher.ht("batch/digest", batch.bytes));
    expect(batchSigningMessage(hasher, batch.id)).toEqual(hasher.ht("batch/sig", batch.id));
    expect(actorId(hasher, keyOf(1))).toEqual(hasher.ht("id", keyOf(1)));
  });

  it("hashes events into a tree of leaves and nodes", () => {
    const leaf = (n: number) => hasher.ht("event/leaf", putOf(n).bytes);
    const node = (l: Uint8Array, r: Uint8Array) => hasher.ht("event/node", l, r);
    const three = eventsRoot(hasher, [putOf(1), putOf(2), putOf(3)]);
    expect(three).toEqual(node(node(leaf(1), leaf(2)), leaf(3)));
    for (const count of [1, 2, 4, 5, 6, 7, 11, 64, 100]) {
      const events = Array.from({ length: count }, (_, i) => putOf(i));
      const leaves = events.map((event) => hasher.ht("event/leaf", event.bytes));
      expect(eventsRoot(hasher, events)).toEqual(merkleRoot(leaves, node));
    }
    const large = { bytes: new Uint8Array(LIMITS.eventBytesMax).fill(7) };
    expect(eventsRoot(hasher, [large])).toEqual(hasher.ht("event/leaf", large.bytes));
  });

  it("decodes views into the envelope", () => {
    const { bytes } = batchOf({ actor });
    const result = decodeBatch(hasher, bytes);
    if (!result.ok) throw new Error(result.detail);
    const { signature, events: decoded, bytes: kept } = result.value;
    expect(kept).toBe(bytes);
    expect(signature.buffer).toBe(bytes.buffer);
    expect(decoded[0]?.payload.buffer).toBe(bytes.buffer);
  });

  it("has an id that the signature does not change, and a digest that it does", () => {
    const unsigned = buildBatch(hasher, { ...batchOf({ actor }) });
    const a = sealBatch(hasher, unsigned, signatureOf(1));
    const b = sealBatch(hasher, unsigned, signatureOf(2));
    expect(a.id).toEqual(b.id);
    expect(a.digest).not.toEqual(b.digest);
  });

  it("refuses or renames every envelope with a changed byte", () => {
    const batch = batchOf({ actor, events: [putOf(1), putOf(2)] });
    for (let at = 0; at < batch.bytes.length; at++) {
      const changed = batch.bytes.slice();
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      const result = decodeBatch(hasher, changed);
      if (!result.ok) continue;
      expect(equalBytes(result.value.digest, batch.digest)).toBe(false);
      // Only a changed signature leaves the identity alone.
      const signed = at >= batch.bytes.length - 1 - LIMITS.falconSignatureBytes;
      expect(equalBytes(result.value.id, batch.id)).toBe(signed);
    }
  });

  it("never throws", () => {
    const prefixed = fc
      .tuple(fc.nat({ max: 400 }), fc.uint8Array({ maxLength: 400 }))
      .map(([keep, noise]) => concatBytes(rawBatch().subarray(0, keep), noise));
    fc.assert(
      fc.property(fc.oneof(prefixed, fc.uint8Array({ maxLength: 2000 })), (bytes) => {
        const result = decodeBatch(hasher, bytes);
        if (result.ok) expect(rawBatch()).toEqual(bytes);
      }),
      { numRuns: 500 },
    );
  });

  it("refuses every truncation", () => {
    const bytes = rawBatch();
    for (let length = 0; length < bytes.length; length++) {
      expect(codeOf(bytes.subarray(0, length))).toBe("encoding.malformed");
    }
  });
});

describe("bad batches", () => {
  const other = createHasher("golden-2");

  it.each<[ErrorCode, string, Raw]>([
    ["encoding.version", "version 2", { version: 2 }],
    ["encoding.version", "another signature scheme", { scheme: 2 }],
    ["batch.wrong-chain", "another chain", { chainHash: other.chainHash }],
    ["encoding.malformed", "lane place 0", { laneSeq: 0 }],
    ["batch.empty", "no events", { events: [] }],
    ["batch.too-many-events", "a count of 1025", { eventCount: 1025 }],
    ["batch.too-many-events", "a count of 2^32 - 1", { eventCount: 0xffff_ffff }],
    ["encoding.malformed", "fewer events than it counts", { eventCount: 1024 }],
    ["encoding.malformed", "fewer event bytes than it counts", { eventBytes: 0xffff_ffff }],
    ["encoding.malformed", "a wrong sum of event lengths", { eventBytes: 5 }],
    ["encoding.malformed", "an event that is none", { events: [hashOf(1)] }],
    [
      "batch.event-too-large",
      "an event of 60 KiB and a byte",
      { events: [new Uint8Array(LIMITS.eventBytesMax + 1)] },
    ],
    ["encoding.malformed", "a short signature", { signature: new Uint8Array(1279) }],
    ["encoding.malformed", "a long signature", { signature: new Uint8Array(1281) }],
    ["encoding.malformed", "a proof of kind 0", { proofCount: 1, tail: new Uint8Array(7) }],
    ["encoding.malformed", "trailing bytes", { tail: Uint8Array.of(0) }],
    ["batch.events-root", "another root", { root: hashOf(3) }],
    ["batch.too-large", "over 1 MiB", { tail: new Uint8Array(LIMITS.batchBytesMax) }],
  ])("%s: %s", (code, _what, raw) => {
    expect(codeOf(rawBatch(raw))).toBe(code);
  });

  it("names the cheapest failure first", () => {
    const all = { version: 2, chainHash: other.chainHash, events: [], root: hashOf(3) };
    const huge = new Uint8Array(LIMITS.batchBytesMax);
    expect(codeOf(rawBatch({ ...all, tail: huge }))).toBe("batch.too-large");
    expect(codeOf(rawBatch(all))).toBe("encoding.version");
    expect(codeOf(rawBatch({ ...all, version: 1 }))).toBe("batch.wrong-chain");
    expect(codeOf(rawBatch({ events: [], root: hashOf(3) }))).toBe("batch.empty");
    expect(codeOf(rawBatch({ proofCount: 9, root: hashOf(3) }))).toBe("encoding.malformed");
  });

  it("takes 1024 events and refuses 1025", () => {
    const many = (count: number): EncodedEvent[] => new Array<EncodedEvent>(count).fill(putOf(1));
    expect(codeOf(batchOf({ actor, events: many(1024) }).bytes)).toBe("ok");
    expect(() => batchOf({ actor, events: many(1025) })).toThrowError(
      expect.objectContaining({ code: "batch.too-many-events" }),
    );
    const bytes = many(1025).map((event) => event.bytes);
    expect(codeOf(rawBatch({ events: bytes }))).toBe("batch.too-many-events");
  });

  it("takes exactly 1 MiB and refuses a byte more", () => {
    const frame = 8 + "test.any".length;
    const full = encodeEvent("test.any", 1, new Uint8Array(LIMITS.eventBytesMax - frame));
    const head = new Array<EncodedEvent>(17).fill(full);
    const used = batchOf({ actor, events: head }).bytes.length;
    const last = (extra: number) =>
      encodeEvent("test.any", 1, new Uint8Array(LIMITS.batchBytesMax - used - 4 - frame + extra));
    const exact = batchOf({ actor, events: [...head, last(0)] });
    expect(exact.bytes.length).toBe(LIMITS.batchBytesMax);
    expect(codeOf(exact.bytes)).toBe("ok");
    expect(() => batchOf({ actor, events: [...head, last(1)] })).toThrowError(
      expect.objectContaining({ code: "batch.too-large" }),
    );
    const past = rawBatch({ events: [...head, last(1)].map((event) => event.bytes) });
    expect(past.length).toBe(LIMITS.batchBytesMax + 1);
    expect(codeOf(past)).toBe("batch.too-large");
  });

  it("refuses to build what nobody would take", () => {
    expect(() => batchOf({ actor, events: [] })).toThrowError(
      expect.objectContaining({ code: "batch.empty" }),
    );
    expect(() => batchOf({ actor, laneSeq: 0 })).toThrow(RangeError);
    const unsigned = buildBatch(hasher, { ...batchOf({ actor }) });
    expect(() => sealBatch(hasher, unsigned, new Uint8Array(1279))).toThrow(RangeError);
  });

  it("is never shorter than BATCH_BYTES_MIN", () => {
    const least = batchOf({ actor, events: [encodeEvent("a.b", 1, new Uint8Array(0))] });
    expect(least.bytes.length).toBe(BATCH_BYTES_MIN);
  });
});
