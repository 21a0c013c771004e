import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { createHasher } from "../../../src/crypto/hash.ts";
import { LIMITS } from "../../../src/limits.ts";
import { acceptReveal, nextBeacon } from "../../../src/proofs/beacon/beacon.ts";
import {
  createIvrfKey,
  ivrfCaps,
  ivrfCapsBytes,
  ivrfIndex,
  ivrfKeyOf,
  verifyReveal,
} from "../../../src/proofs/beacon/ivrf.ts";
import { tagged, u64 } from "../time/reference.ts";
import { filled } from "../time/support.ts";

const CHAIN = "beacon-test";
const hasher = createHasher(CHAIN);
const SECRET = filled(1);
const DEPTH = 4;
const key = createIvrfKey(hasher, SECRET, DEPTH);

/** The tree by its definition, from the top. */
const nodeOf = (level: number, index: number): Buffer => {
  if (level > 0) {
    const [left, right] = [nodeOf(level - 1, 2 * index), nodeOf(level - 1, 2 * index + 1)];
    return tagged(CHAIN, "ivrf/node", left, right);
  }
  const value = tagged(CHAIN, "ivrf/x", SECRET, u64(index));
  return tagged(CHAIN, "ivrf/leaf", u64(index), value);
};

describe("an iVRF key", () => {
  it("is the tree of the definition, and its reveals are value and path", () => {
    expect(toHex(key.root)).toBe(nodeOf(DEPTH, 0).toString("hex"));
    for (let index = 0; index < 2 ** DEPTH; index++) {
      const value = tagged(CHAIN, "ivrf/x", SECRET, u64(index));
      const path = Array.from({ length: DEPTH }, (_, level) => nodeOf(level, (index >> level) ^ 1));
      expect(toHex(key.reveal(index))).toBe(Buffer.concat([value, ...path]).toString("hex"));
      const verdict = verifyReveal(hasher, key, index, key.reveal(index));
      expect(verdict.ok && toHex(verdict.value)).toBe(value.toString("hex"));
    }
    expect(() => key.reveal(2 ** DEPTH)).toThrow(RangeError);
    expect(() => key.reveal(-1)).toThrow(RangeError);
  });

  it("is the same tree where its lower part is made anew for every reveal", () => {
    const depth = 10;
    const deep = createIvrfKey(hasher, SECRET, depth);
    expect(toHex(deep.root)).toBe(nodeOf(depth, 0).toString("hex"));
    for (const index of [0, 255, 256, 1023, 511, 3]) {
      const path = Array.from({ length: depth }, (_, level) => nodeOf(level, (index >> level) ^ 1));
      const value = tagged(CHAIN, "ivrf/x", SECRET, u64(index));
      expect(toHex(deep.reveal(index))).toBe(Buffer.concat([value, ...path]).toString("hex"));
    }
    const caps = ivrfCaps(hasher, SECRET, depth);
    expect(caps.length).toBe(ivrfCapsBytes(depth));
    expect(toHex(caps)).toBe(
      Buffer.concat([0, 1, 2, 3].map((at) => nodeOf(8, at))).toString("hex"),
    );
    expect(() => ivrfKeyOf(hasher, SECRET, depth, caps.slice(32))).toThrow(RangeError);
    expect([1, 8, 9, 20].map(ivrfCapsBytes)).toEqual([32, 32, 64, 131_072]);
  });

  it("has one value for an index: nothing else opens there", () => {
    const reveal = key.reveal(5);
    for (let at = 0; at < reveal.length; at++) {
      const changed = reveal.slice();
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      expect(verifyReveal(hasher, key, 5, changed)).toMatchObject({
        code: "beacon.reveal-invalid",
      });
    }
    for (let index = 0; index < 2 ** DEPTH; index++) {
      if (index !== 5) expect(verifyReveal(hasher, key, index, reveal).ok).toBe(false);
    }
    expect(verifyReveal(createHasher("other"), key, 5, reveal).ok).toBe(false);
    const other = createIvrfKey(hasher, filled(2), DEPTH);
    expect(verifyReveal(hasher, other, 5, reveal).ok).toBe(false);
  });

  it("refuses what is no reveal of its depth before it hashes, and never throws", () => {
    const reveal = key.reveal(5);
    const malformed = { code: "beacon.reveal-malformed" };
    expect(verifyReveal(hasher, key, 5, reveal.slice(1))).toMatchObject(malformed);
    expect(verifyReveal(hasher, { ...key, depth: 5 }, 5, reveal)).toMatchObject(malformed);
    for (const index of [-1, 16, 0.5, Number.NaN]) {
      expect(verifyReveal(hasher, key, index, reveal)).toMatchObject(malformed);
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.integer(), (bytes, index) => {
        expect(verifyReveal(hasher, key, index, bytes).ok).toBe(false);
      }),
    );
  });

  it("takes depths at the limits and none past them", () => {
    const [min, max] = LIMITS.beaconDepth;
    expect(createIvrfKey(hasher, SECRET, min).depth).toBe(min);
    for (const depth of [min - 1, max + 1, 2.5]) {
      expect(() => createIvrfKey(hasher, SECRET, depth)).toThrow(/depth/);
    }
    const long = new Uint8Array(32 + 32 * max);
    expect(verifyReveal(hasher, { root: filled(1), depth: max }, 0, long)).toMatchObject({
      code: "beacon.reveal-invalid",
    });
    const longer = new Uint8Array(64 + 32 * max);
    expect(verifyReveal(hasher, { root: filled(1), depth: max + 1 }, 0, longer)).toMatchObject({
      code: "beacon.reveal-malformed",
    });
    expect(() => createIvrfKey(hasher, SECRET.slice(1), DEPTH)).toThrow(/secret/);
  });
});

describe("a registration", () => {
  const registration = { root: key.root, depth: DEPTH, registeredEpoch: 3, firstHeight: 100 };

  it("is usable two epochs later, and for its own heights only", () => {
    const at = (height: number, epoch: number): unknown => {
      const index = ivrfIndex(registration, { height, epoch });
      return index.ok ? index.value : index.code;
    };
    const lead = LIMITS.beaconLeadEpochs;
    expect(at(100, 3 + lead - 1)).toBe("beacon.not-usable");
    expect(at(100, 3 + lead)).toBe(0);
    expect(at(115, 9)).toBe(15);
    expect(at(99, 9)).toBe("beacon.not-usable");
    expect(at(116, 9)).toBe("beacon.not-usable");
  });

  it("gives the next beacon for the reveal of the height, and for no other", () => {
    const before = filled(7);
    const place = { height: 103, epoch: 5 };
    const taken = acceptReveal(hasher, before, registration, place, key.reveal(3));
    const value = key.reveal(3).slice(0, 32);
    expect(taken).toEqual({ ok: true, value: nextBeacon(hasher, before, 103, value) });
    const y = tagged(CHAIN, "ivrf/y", value, before);
    const b = tagged(CHAIN, "beacon", before, u64(103), y);
    expect(taken.ok && toHex(taken.value)).toBe(b.toString("hex"));
    expect(acceptReveal(hasher, before, registration, place, key.reveal(4))).toMatchObject({
      code: "beacon.reveal-invalid",
    });
    const early = { height: 103, epoch: 4 };
    expect(acceptReveal(hasher, before, registration, early, key.reveal(3))).toMatchObject({
      code: "beacon.not-usable",
    });
  });
});
