import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/crypto/codec.ts";
import { sha256 } from "../../../src/crypto/hash.ts";
import { LIMITS } from "../../../src/limits.ts";
import {
  Opener,
  SEAL_LIMITS,
  SEAL_TAG_BYTES,
  Sealer,
  type SealOptions,
} from "../../../src/transport/stoq/sealing.ts";

const base: SealOptions = {
  trafficSecret: new Uint8Array(64).fill(7),
  sessionId: sha256(utf8("session")),
  stream: 4,
};

const sealed = (sealer: Sealer, bytes: Uint8Array): Uint8Array => {
  const result = sealer.seal(bytes);
  if (!result.ok) throw new Error(result.code);
  return result.value;
};

describe("sealed records", () => {
  it("come out as they went in, in order, over any number of keys", () => {
    const record = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(fc.array(record, { maxLength: 20 }), fc.integer({ min: 1, max: 5 }), (all, n) => {
        const limits = { ...SEAL_LIMITS, rekeyRecords: n };
        const [sealer, opener] = [new Sealer({ ...base, limits }), new Opener({ ...base, limits })];
        for (const bytes of all) {
          const opened = opener.open(sealed(sealer, bytes));
          expect(opened.ok && opened.value).toEqual(bytes);
        }
        expect(sealer.records).toBe(all.length);
      }),
    );
  });

  it("are all different for the same bytes, and change their keys where they should", () => {
    const limits = { ...SEAL_LIMITS, rekeyRecords: 2 };
    const [quick, slow] = [new Sealer({ ...base, limits }), new Sealer(base)];
    const bytes = utf8("the same");
    const first = [0, 1, 2, 3].map(() => sealed(quick, bytes).join());
    const other = [0, 1, 2, 3].map(() => sealed(slow, bytes).join());
    expect(new Set(first).size).toBe(4);
    expect(first.slice(0, 2)).toEqual(other.slice(0, 2));
    expect(first.slice(2)).not.toEqual(other.slice(2));
  });

  it("do not open under another session, stream or direction", () => {
    const record = sealed(new Sealer(base), utf8("secret"));
    for (const other of [
      { ...base, sessionId: sha256(utf8("another")) },
      { ...base, stream: 5 },
      { ...base, trafficSecret: new Uint8Array(64).fill(8) },
    ]) {
      const opened = new Opener(other).open(record);
      expect(opened.ok || opened.code).toBe("session.unsealed");
    }
  });

  it("do not open when one is repeated, left out or overtaken, and nothing opens afterwards", () => {
    const sealer = new Sealer(base);
    const [a, b, c] = ["a", "b", "c"].map((text) => sealed(sealer, utf8(text)));
    if (a === undefined || b === undefined || c === undefined) throw new RangeError();
    for (const order of [[a, a], [b], [a, c]]) {
      const opener = new Opener(base);
      const results = order.map((record) => opener.open(record));
      const last = results.at(-1);
      expect(last?.ok === false && last.code).toBe("session.unsealed");
      const after = opener.open(b);
      expect(after.ok || after.code).toBe("session.unsealed");
    }
  });

  it("do not open with one bit changed, whichever", () => {
    const record = sealed(new Sealer(base), utf8("a payload of some length"));
    for (let bit = 0; bit < record.length * 8; bit++) {
      const copy = Uint8Array.from(record);
      copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(new Opener(base).open(copy).ok).toBe(false);
    }
  });

  it("are as long as the limit says and no longer", () => {
    const { sealedRecordBytesMax: limit } = LIMITS;
    const [sealer, opener] = [new Sealer(base), new Opener(base)];
    const over = sealer.seal(new Uint8Array(limit + 1));
    expect(over.ok || over.code).toBe("transport.frame-too-large");
    const largest = sealed(sealer, new Uint8Array(limit));
    expect(largest.length).toBe(limit + SEAL_TAG_BYTES);
    expect(opener.open(largest).ok).toBe(true);
    for (const length of [limit + SEAL_TAG_BYTES + 1, SEAL_TAG_BYTES - 1, 0]) {
      const opened = new Opener(base).open(new Uint8Array(length));
      expect(opened.ok || opened.code).toBe("session.unsealed");
    }
  });

  it("end with their numbers: the last one is sealed and opened, the next is not", () => {
    const limits = { ...SEAL_LIMITS, recordsMax: 3 };
    const [sealer, opener] = [new Sealer({ ...base, limits }), new Opener({ ...base, limits })];
    for (let i = 0; i < 3; i++) expect(opener.open(sealed(sealer, utf8("x"))).ok).toBe(true);
    const more = sealer.seal(utf8("x"));
    expect(more.ok || more.code).toBe("session.exhausted");
    const opened = opener.open(new Uint8Array(17));
    expect(opened.ok || opened.code).toBe("session.exhausted");
    expect(SEAL_LIMITS.rekeyRecords).toBeLessThan(2 ** 32);
  });
});
