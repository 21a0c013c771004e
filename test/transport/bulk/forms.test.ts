/** Notes and frames of bulk: one encoding of each, and nothing else is taken. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../../src/limits.ts";
import { type BulkFrame, decodeFrame, encodeFrame } from "../../../src/transport/bulk/frames.ts";
import {
  type BulkNote,
  decodeNote,
  encodeNote,
  isNote,
  PUBLIC_KEY_BYTES,
} from "../../../src/transport/bulk/notes.ts";
import { decodeProbe, encodeProbe } from "../../../src/transport/stoq/probe.ts";

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const exactly = (bytes: number) => fc.uint8Array({ minLength: bytes, maxLength: bytes });
const certificate = fc.uint8Array({ minLength: 1, maxLength: LIMITS.bulkCertificateBytesMax });
const ports = fc.uniqueArray(fc.integer({ min: 1, max: 65_535 }), {
  minLength: 1,
  maxLength: LIMITS.bulkConnectionsMax,
});

const note: fc.Arbitrary<BulkNote> = fc.oneof(
  fc.record({
    kind: fc.constant("ask" as const),
    number: u32,
    publicKey: exactly(PUBLIC_KEY_BYTES),
  }),
  fc.record({
    kind: fc.constant("grant" as const),
    number: u32,
    host: fc.constantFrom("", "::1", "2001:db8::a"),
    ports,
    authority: certificate,
    certificate,
  }),
  fc.record({
    kind: fc.constant("none" as const),
    number: u32,
    reason: fc.constantFrom("absent" as const, "later" as const),
  }),
  fc.constant({ kind: "gone" as const }),
);

const FULL_PARTS = Math.floor(LIMITS.bulkAnswerBytesMax / LIMITS.bulkPartBytesMax);
const place = fc.integer({ min: 0, max: FULL_PARTS - 1 });

const frame: fc.Arbitrary<BulkFrame> = fc.oneof(
  fc.record({
    kind: fc.constant("request" as const),
    id: u32,
    name: fc.uint8Array({ minLength: 1, maxLength: LIMITS.bulkNameBytesMax }),
  }),
  fc.record({
    kind: fc.constant("part" as const),
    id: u32,
    last: fc.constant(true),
    place,
    bytes: fc.uint8Array({ minLength: 1, maxLength: 2_000 }),
  }),
  fc.record({
    kind: fc.constant("part" as const),
    id: u32,
    last: fc.boolean(),
    place,
    bytes: fc.constant(new Uint8Array(LIMITS.bulkPartBytesMax).fill(9)),
  }),
  fc.record({
    kind: fc.constant("no" as const),
    id: u32,
    reason: fc.constantFrom("absent" as const, "busy" as const),
  }),
  fc.record({ kind: fc.constant("cancel" as const), id: u32 }),
);

const plain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_key, inner: unknown) =>
      inner instanceof Uint8Array ? Buffer.from(inner).toString("hex") : inner,
    ),
  );

describe("notes", () => {
  it("come back as they went, and are told from probes", () => {
    fc.assert(
      fc.property(note, (one) => {
        const bytes = encodeNote(one);
        expect(plain(decodeNote(bytes))).toEqual(plain(one));
        expect(isNote(bytes)).toBe(true);
        expect(decodeProbe(bytes)).toBeUndefined();
      }),
    );
    const probe = encodeProbe({ kind: "question", number: new Uint8Array(8), version: "1" });
    expect(isNote(probe)).toBe(false);
  });

  it("have one encoding: whatever is taken is encoded as it came", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 200 }),
          fc.tuple(note, fc.nat(), fc.integer({ min: 0, max: 255 })).map(([one, at, value]) => {
            const bytes = encodeNote(one);
            bytes[at % bytes.length] = value;
            return bytes;
          }),
        ),
        (bytes) => {
          const decoded = decodeNote(bytes);
          if (decoded !== undefined) expect(encodeNote(decoded)).toEqual(bytes);
        },
      ),
    );
  });

  const grant = (own: Partial<Extract<BulkNote, { kind: "grant" }>>): Uint8Array =>
    encodeNote({
      ...{ kind: "grant", number: 1, host: "", ports: [1] },
      ...{ authority: Uint8Array.of(1), certificate: Uint8Array.of(1) },
      ...own,
    });

  it("have certificates of a size and no address of IPv4, at the limit and past it", () => {
    const longest = new Uint8Array(LIMITS.bulkCertificateBytesMax);
    expect(decodeNote(grant({ authority: longest, certificate: longest }))).toBeDefined();
    const longer = new Uint8Array(LIMITS.bulkCertificateBytesMax + 1);
    expect(decodeNote(grant({ authority: longer }))).toBeUndefined();
    expect(decodeNote(grant({ certificate: longer }))).toBeUndefined();
    expect(decodeNote(grant({ certificate: new Uint8Array(0) }))).toBeUndefined();
    for (const host of [
      "::ffff:127.0.0.1",
      "127.0.0.1",
      "0:0:0:0:0:0:0:1",
      "::",
      "a.example",
      "ff02::1",
      "ff0e::1",
    ]) {
      expect(decodeNote(grant({ host })), host).toBeUndefined();
    }
    expect(decodeNote(grant({ ports: [1, 2, 3, 4] }))).toBeDefined();
    expect(() => grant({ ports: [1, 2, 3, 4, 5] })).toThrow(RangeError);
    expect(decodeNote(grant({ ports: [1, 1] }))).toBeUndefined();
    expect(decodeNote(grant({ ports: [0] }))).toBeUndefined();
  });
});

describe("frames", () => {
  it("come back as they went", () => {
    fc.assert(
      fc.property(frame, (one) => {
        expect(plain(decodeFrame(encodeFrame(one)))).toEqual(plain(one));
      }),
    );
  });

  it("have one encoding: whatever is taken is encoded as it came", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const decoded = decodeFrame(bytes);
        if (decoded !== undefined) expect(encodeFrame(decoded)).toEqual(bytes);
      }),
    );
  });

  it("have names of a size, at the limit and past it", () => {
    const request = (bytes: number): Uint8Array =>
      encodeFrame({ kind: "request", id: 1, name: new Uint8Array(bytes) });
    expect(decodeFrame(request(LIMITS.bulkNameBytesMax))).toBeDefined();
    expect(decodeFrame(request(LIMITS.bulkNameBytesMax + 1))).toBeUndefined();
    expect(decodeFrame(request(0))).toBeUndefined();
  });

  it("have parts that are full but for the last, within the largest answer", () => {
    const full = LIMITS.bulkPartBytesMax;
    const isPart = (bytes: number, last: boolean, at = 0): boolean =>
      decodeFrame(
        encodeFrame({ kind: "part", id: 1, last, place: at, bytes: new Uint8Array(bytes) }),
      ) !== undefined;
    expect([isPart(full, false), isPart(full, true), isPart(1, true)]).toEqual([true, true, true]);
    expect([isPart(full + 1, false), isPart(full + 1, true)]).toEqual([false, false]);
    expect([isPart(full - 1, false), isPart(1, false), isPart(0, false)]).toEqual([
      ...[false, false, false],
    ]);
    // An answer may be empty, but none ends with a part that carries nothing.
    expect([isPart(0, true), isPart(0, true, 1)]).toEqual([true, false]);
    const rest = LIMITS.bulkAnswerBytesMax - FULL_PARTS * full;
    expect([isPart(rest, true, FULL_PARTS), isPart(rest + 1, true, FULL_PARTS)]).toEqual([
      ...[true, false],
    ]);
    expect([isPart(full, false, FULL_PARTS - 1), isPart(full, false, FULL_PARTS)]).toEqual([
      ...[true, false],
    ]);
    expect(isPart(1, true, 255)).toBe(false);
  });
});
