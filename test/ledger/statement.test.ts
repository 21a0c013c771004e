import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes, equalBytes, ZERO_HASH } from "../../src/crypto/bytes.ts";
import { utf8, Writer } from "../../src/crypto/codec.ts";
import { createHasher } from "../../src/crypto/hash.ts";
import {
  type ConflictKind,
  conflict,
  decodeCertificate,
  decodeEvidence,
  decodeVote,
  encodeCertificate,
  encodeEvidence,
  encodeVote,
  evidenceKey,
  evidenceOf,
  finalize,
  kindNumber,
  kindOf,
  notarize,
  nullify,
  sameStatement,
  statementBytes,
  statementKey,
  VOTE_BYTES,
} from "../../src/ledger/statement.ts";
import type { Statement } from "../../src/ledger/types.ts";
import { LIMITS } from "../../src/limits.ts";
import { certificateOf, hasher, hashOf, signatureOf, voteOf } from "../golden/fixtures.ts";

const [h1, h2] = [hashOf(1), hashOf(2)];

/** A small space, so that equal and conflicting pairs are common. */
const statements: fc.Arbitrary<Statement> = fc
  .tuple(
    fc.nat({ max: 1 }),
    fc.integer({ min: 1, max: 2 }),
    fc.constantFrom(notarize, finalize, nullify),
    fc.constantFrom(h1, h2),
  )
  .map(([epoch, view, make, hash]) => make(epoch, view, hash));

const anyStatement: fc.Arbitrary<Statement> = fc
  .tuple(
    fc.maxSafeNat(),
    fc.maxSafeNat(),
    fc.constantFrom(notarize, finalize, nullify),
    fc.uint8Array({ minLength: 32, maxLength: 32 }),
  )
  .map(([epoch, view, make, hash]) => make(epoch, view, hash));

const codeOf = (result: { ok: boolean; code?: string }): string | undefined =>
  result.ok ? "ok" : result.code;

describe("statements", () => {
  it("have the bytes of docs/protocol.md", () => {
    const expected = (kind: number, hash: Uint8Array) =>
      concatBytes(
        utf8("tetrad-statement"),
        hasher.chainHash,
        new Writer().u64(3).u64(7).u8(kind).hash(hash).finish(),
      );
    expect(statementBytes(hasher, notarize(3, 7, h1))).toEqual(expected(1, h1));
    expect(statementBytes(hasher, nullify(3, 7))).toEqual(expected(2, ZERO_HASH));
    expect(statementBytes(hasher, finalize(3, 7, h1))).toEqual(expected(3, h1));
    expect(expected(1, h1).length).toBe(97);
    for (const kind of ["notarize", "nullify", "finalize"] as const) {
      expect(kindOf(kindNumber(kind))).toBe(kind);
    }
    expect(kindOf(0)).toBeUndefined();
    expect(kindOf(4)).toBeUndefined();
  });

  it("mean nothing on another chain", () => {
    const other = createHasher("golden-2");
    expect(statementBytes(other, nullify(3, 7))).not.toEqual(statementBytes(hasher, nullify(3, 7)));
  });

  it("are the same exactly when their bytes and their keys are", () => {
    fc.assert(
      fc.property(statements, statements, (a, b) => {
        const same = equalBytes(statementBytes(hasher, a), statementBytes(hasher, b));
        expect(sameStatement(a, b)).toBe(same);
        expect(statementKey(a) === statementKey(b)).toBe(same);
      }),
    );
  });

  it("refuse a nullify with a hash", () => {
    const wrong: Statement = { ...nullify(1, 1), hash: h1 };
    expect(() => statementBytes(hasher, wrong)).toThrow(RangeError);
  });

  it.each<[string, Statement, Statement, ConflictKind | undefined]>([
    ["two notarize votes", notarize(1, 5, h1), notarize(1, 5, h2), "double-notarize"],
    ["two finalize votes", finalize(1, 5, h1), finalize(1, 5, h2), "double-finalize"],
    ["N h1 and F h2", notarize(1, 5, h1), finalize(1, 5, h2), "notarize-finalize"],
    ["S and F", nullify(1, 5), finalize(1, 5, h1), "nullify-finalize"],
    ["N and F of one hash", notarize(1, 5, h1), finalize(1, 5, h1), undefined],
    ["N and S", notarize(1, 5, h1), nullify(1, 5), undefined],
    ["one statement twice", notarize(1, 5, h1), notarize(1, 5, h1), undefined],
    ["S twice", nullify(1, 5), nullify(1, 5), undefined],
    ["two views", notarize(1, 5, h1), notarize(1, 6, h2), undefined],
    ["two epochs", notarize(1, 5, h1), notarize(2, 5, h2), undefined],
    ["S and F of two views", nullify(1, 5), finalize(1, 6, h1), undefined],
  ])("conflict: %s", (_what, a, b, kind) => {
    expect(conflict(a, b)).toBe(kind);
    expect(conflict(b, a)).toBe(kind);
  });

  it("conflict for no statements that an honest validator may make in one view", () => {
    const honest = [
      [notarize(1, 1, h1), finalize(1, 1, h1)],
      [notarize(1, 1, h1), nullify(1, 1)],
      [nullify(1, 1)],
    ];
    for (const made of honest) {
      for (const a of made) for (const b of made) expect(conflict(a, b)).toBeUndefined();
    }
  });
});

describe("votes", () => {
  it("give back what was encoded", () => {
    fc.assert(
      fc.property(anyStatement, fc.integer({ min: 0, max: 0xffff }), (statement, signer) => {
        const vote = { statement, signer, signature: signatureOf(3) };
        const bytes = encodeVote(vote);
        expect(bytes.length).toBe(VOTE_BYTES);
        expect(decodeVote(bytes)).toEqual({ ok: true, value: vote });
      }),
    );
  });

  it("are refused when malformed", () => {
    const bytes = encodeVote(voteOf(nullify(1, 5)));
    for (let length = 0; length < bytes.length; length += 7) {
      expect(codeOf(decodeVote(bytes.subarray(0, length)))).toBe("encoding.malformed");
    }
    expect(codeOf(decodeVote(concatBytes(bytes, Uint8Array.of(0))))).toBe("encoding.malformed");
    const change = (at: number, value: number) => {
      const copy = bytes.slice();
      copy[at] = value;
      return codeOf(decodeVote(copy));
    };
    expect(change(16, 0)).toBe("encoding.malformed");
    expect(change(16, 4)).toBe("encoding.malformed");
    expect(change(20, 1)).toBe("encoding.malformed");
    expect(change(0, 1)).toBe("encoding.malformed");
  });

  it("never throw when decoded", () => {
    const near = fc.uint8Array({ minLength: VOTE_BYTES, maxLength: VOTE_BYTES });
    fc.assert(
      fc.property(fc.oneof(near, fc.uint8Array({ maxLength: 100 })), (bytes) => {
        const result = decodeVote(bytes);
        if (result.ok) expect(encodeVote(result.value)).toEqual(bytes);
      }),
    );
  });
});

describe("certificates", () => {
  const cases = fc
    .integer({ min: 1, max: LIMITS.validatorsMax })
    .chain((setSize) =>
      fc.tuple(
        fc.constant(setSize),
        fc.uniqueArray(fc.nat({ max: setSize - 1 }), { maxLength: 12 }),
        anyStatement,
      ),
    );

  it("give back what was encoded", () => {
    fc.assert(
      fc.property(cases, ([setSize, signers, statement]) => {
        const ascending = signers.toSorted((a, b) => a - b);
        const certificate = certificateOf(statement, ascending);
        const bytes = encodeCertificate(certificate, setSize);
        expect(decodeCertificate(bytes)).toEqual({ ok: true, value: { ...certificate, setSize } });
      }),
    );
  });

  it("are refused when malformed", () => {
    const bytes = encodeCertificate(certificateOf(nullify(1, 5), [0, 2]), 4);
    const bitmapAt = 8 + 8 + 1 + 32 + 2;
    expect(bytes[bitmapAt]).toBe(0b0101);
    const change = (at: number, value: number) => {
      const copy = bytes.slice();
      copy[at] = value;
      return codeOf(decodeCertificate(copy));
    };
    expect(change(bitmapAt, 0b1_0101)).toBe("encoding.malformed");
    expect(change(bitmapAt, 0b0111)).toBe("encoding.malformed");
    expect(change(bitmapAt, 0b0001)).toBe("encoding.malformed");
    expect(change(bitmapAt - 1, 0)).toBe("encoding.malformed");
    expect(change(bitmapAt - 2, 0xff)).toBe("encoding.malformed");
    for (let length = 0; length < bytes.length; length += 11) {
      expect(codeOf(decodeCertificate(bytes.subarray(0, length)))).toBe("encoding.malformed");
    }
  });

  it("are written only for ascending signers of the set, one signature each", () => {
    const write = (signers: number[], setSize: number) => () =>
      encodeCertificate(certificateOf(nullify(1, 5), signers), setSize);
    expect(write([0, 3], 4)).not.toThrow();
    expect(write([0, 4], 4)).toThrow(RangeError);
    expect(write([1, 0], 4)).toThrow(RangeError);
    expect(write([1, 1], 4)).toThrow(RangeError);
    const missing = { ...certificateOf(nullify(1, 5), [0, 1]), signatures: [signatureOf(1)] };
    expect(() => encodeCertificate(missing, 4)).toThrow(RangeError);
  });

  it("never throw when decoded", () => {
    const head = encodeCertificate(certificateOf(nullify(1, 5), []), 4);
    const near = fc
      .tuple(fc.nat({ max: head.length }), fc.uint8Array({ maxLength: 3000 }))
      .map(([keep, noise]) => concatBytes(head.subarray(0, keep), noise));
    fc.assert(
      fc.property(fc.oneof(near, fc.uint8Array({ maxLength: 200 })), (bytes) => {
        const result = decodeCertificate(bytes);
        if (result.ok) expect(encodeCertificate(result.value, result.value.setSize)).toEqual(bytes);
      }),
    );
  });
});

describe("evidence", () => {
  it("is one thing, whichever vote is met first", () => {
    fc.assert(
      fc.property(statements, statements, (a, b) => {
        const [first, second] = [voteOf(a, 2), voteOf(b, 2)];
        const evidence = evidenceOf(first, second);
        expect(evidence === undefined).toBe(conflict(a, b) === undefined);
        expect(evidenceOf(second, first)).toEqual(evidence);
        if (evidence === undefined) return;
        expect(decodeEvidence(encodeEvidence(evidence))).toEqual({ ok: true, value: evidence });
        const other = evidenceOf({ ...first, signature: signatureOf(99) }, second);
        if (other !== undefined) expect(evidenceKey(other)).toBe(evidenceKey(evidence));
      }),
    );
  });

  it("needs one signer", () => {
    expect(
      evidenceOf(voteOf(notarize(1, 5, h1), 1), voteOf(notarize(1, 5, h2), 2)),
    ).toBeUndefined();
  });

  it("is refused when the votes do not conflict or are out of order", () => {
    const [n, s, f] = [notarize(1, 5, h1), nullify(1, 5), finalize(1, 5, h1)].map((statement) =>
      encodeVote(voteOf(statement, 1)),
    ) as [Uint8Array, Uint8Array, Uint8Array];
    expect(codeOf(decodeEvidence(concatBytes(s, f)))).toBe("ok");
    expect(codeOf(decodeEvidence(concatBytes(f, s)))).toBe("encoding.malformed");
    expect(codeOf(decodeEvidence(concatBytes(n, s)))).toBe("evidence.invalid");
    expect(codeOf(decodeEvidence(concatBytes(n, f)))).toBe("evidence.invalid");
    expect(codeOf(decodeEvidence(concatBytes(n, n)))).toBe("evidence.invalid");
    const stranger = encodeVote(voteOf(finalize(1, 5, h1), 2));
    expect(codeOf(decodeEvidence(concatBytes(s, stranger)))).toBe("evidence.invalid");
    expect(codeOf(decodeEvidence(s))).toBe("encoding.malformed");
  });
});
