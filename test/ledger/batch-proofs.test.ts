import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DecodeError, Reader, Writer } from "../../src/crypto/codec.ts";
import {
  buildBatch,
  decodeBatch,
  readProofs,
  readSealed,
  sealBatch,
} from "../../src/ledger/batch.ts";
import { readSlots, slotBytes, slotOf, writeSlots } from "../../src/ledger/batch-proofs.ts";
import { encodeEvent } from "../../src/ledger/event.ts";
import type { Batch, EncodedEvent, ProofSlot } from "../../src/ledger/types.ts";
import { LIMITS } from "../../src/limits.ts";
import { batchOf, hasher, hashOf, putOf, signatureOf } from "../golden/fixtures.ts";

const slot = (kind: number, length = 3, version = 1): ProofSlot => ({
  kind,
  version,
  bytes: new Uint8Array(length).fill(kind),
});

const slots = fc
  .array(
    fc.record({
      kind: fc.integer({ min: 1, max: 255 }),
      version: fc.nat({ max: 0xffff }),
      bytes: fc.uint8Array({ maxLength: 40 }),
    }),
    { maxLength: LIMITS.batchProofsMax },
  )
  .map((list) => [...new Map(list.map((one) => [one.kind, one])).values()])
  .map((list) => list.sort((a, b) => a.kind - b.kind));

const encode = (list: readonly ProofSlot[]): Uint8Array => writeSlots(new Writer(), list).finish();

const batchWith = (proofs: readonly ProofSlot[]): Batch => {
  const unsigned = buildBatch(hasher, {
    ...batchOf({ actor: hashOf(4), events: [putOf(1), putOf(2)] }),
  });
  return sealBatch(hasher, unsigned, signatureOf(1), proofs);
};

/** By hand, so that a list can be wrong. */
const raw = (count: number, list: readonly (readonly [number, number])[]): Uint8Array => {
  const writer = new Writer().u8(count);
  for (const [kind, length] of list) writer.u8(kind).u16(1).bytes(new Uint8Array(length));
  return writer.finish();
};

const codeOf = (bytes: Uint8Array): string => {
  const read = readSlots(new Reader(bytes));
  return read.ok ? "ok" : read.code;
};

describe("the proofs of an envelope", () => {
  it("are read as they were written, and take what slotBytes says", () => {
    fc.assert(
      fc.property(slots, (list) => {
        const bytes = encode(list);
        expect(bytes.length).toBe(slotBytes(list));
        expect(readSlots(new Reader(bytes))).toEqual({ ok: true, value: list });
      }),
    );
  });

  it("stand under the digest and not under the id", () => {
    fc.assert(
      fc.property(slots, (list) => {
        const bare = batchWith([]);
        const batch = batchWith(list);
        expect(decodeBatch(hasher, batch.bytes)).toEqual({ ok: true, value: batch });
        expect(batch.id).toEqual(bare.id);
        if (list.length > 0) expect(batch.digest).not.toEqual(bare.digest);
      }),
    );
  });

  it("can be read before the events, and are the same", () => {
    fc.assert(
      fc.property(slots, (list) => {
        const sealed = readSealed(hasher, batchWith(list).bytes);
        if (!sealed.ok) throw new Error(sealed.detail);
        expect(readProofs(sealed.value)).toEqual({ ok: true, value: list });
      }),
    );
  });

  it("are found by their kind", () => {
    expect(slotOf([slot(1), slot(2)], 2)).toEqual(slot(2));
    expect(slotOf([slot(1)], 2)).toBeUndefined();
  });

  it.each([
    ["kind 0", raw(1, [[0, 1]])],
    [
      "a kind twice",
      raw(2, [
        [1, 1],
        [1, 1],
      ]),
    ],
    [
      "kinds that descend",
      raw(2, [
        [2, 1],
        [1, 1],
      ]),
    ],
    [
      "nine of them",
      raw(
        9,
        Array.from({ length: 9 }, (_, i) => [i + 1, 1] as const),
      ),
    ],
    ["one of 4097 bytes", raw(1, [[1, LIMITS.batchProofBytesMax + 1]])],
  ])("are refused: %s", (_what, bytes) => {
    expect(codeOf(bytes)).toBe("encoding.malformed");
  });

  it("are eight of 4096 bytes at most, and those are read", () => {
    const most = Array.from({ length: LIMITS.batchProofsMax }, (_, i) => slot(i + 1, 4096));
    expect(codeOf(encode(most))).toBe("ok");
    expect(() => encode([...most, slot(9)])).toThrow(RangeError);
    expect(() => encode([slot(1, 4097)])).toThrow(RangeError);
    expect(() => encode([slot(2), slot(1)])).toThrow(RangeError);
  });

  it("that say more than there is are refused before it is looked for", () => {
    const bytes = new Writer().u8(1).u8(1).u16(1).u32(0xffff_ffff).finish();
    expect(codeOf(bytes)).toBe("encoding.malformed");
    expect(() => readSlots(new Reader(new Writer().u8(1).u8(1).u16(1).u32(5).finish()))).toThrow(
      DecodeError,
    );
  });

  it("never make a reader of envelopes throw", () => {
    const whole = batchWith([slot(1, 20), slot(2, 20)]).bytes;
    const from = batchWith([]).bytes.length - 1;
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat({ max: 60 }), (noise, keep) => {
        const bytes = new Uint8Array([...whole.subarray(0, from + keep), ...noise]);
        const decoded = decodeBatch(hasher, bytes);
        const sealed = readSealed(hasher, bytes);
        if (!sealed.ok) throw new Error(sealed.detail);
        const read = readProofs(sealed.value);
        if (decoded.ok) expect(read).toEqual({ ok: true, value: decoded.value.proofs });
        if (!read.ok) expect(decoded.ok).toBe(false);
      }),
    );
  });

  it("make a batch of exactly 1 MiB, and none of a byte more", () => {
    const full = encodeEvent("test.any", 1, new Uint8Array(LIMITS.eventBytesMax - 16));
    const head = new Array<EncodedEvent>(17).fill(full);
    const used = batchOf({ actor: hashOf(4), events: head }).bytes.length;
    const proofs = [slot(1, 100)];
    const left = LIMITS.batchBytesMax - used - (slotBytes(proofs) - 1) - 4 - 16;
    const sealed = (extra: number): Batch => {
      const last = encodeEvent("test.any", 1, new Uint8Array(left + extra));
      const unsigned = buildBatch(hasher, {
        ...batchOf({ actor: hashOf(4), events: [...head, last] }),
      });
      return sealBatch(hasher, unsigned, signatureOf(1), proofs);
    };
    expect(sealed(0).bytes.length).toBe(LIMITS.batchBytesMax);
    expect(decodeBatch(hasher, sealed(0).bytes).ok).toBe(true);
    expect(() => sealed(1)).toThrowError(expect.objectContaining({ code: "batch.too-large" }));
  });
});
