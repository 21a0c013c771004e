import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/crypto/codec.ts";
import { verifyEd25519 } from "../../../src/crypto/note-signatures.ts";
import {
  formatNote,
  formatVkey,
  fromBase64,
  type NoteKey,
  noteKeyId,
  parseNote,
  toBase64,
} from "../../../src/ledger/verify/note.ts";
import { LIMITS } from "../../../src/limits.ts";

/** The example of golang.org/x/mod/sumdb/note. */
const VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const NOTE = `If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
`;

const neumann = (): NoteKey => {
  const key = fromBase64(VKEY.split("+").slice(2).join("+")) ?? new Uint8Array(0);
  return { name: "PeterNeumann", type: key.subarray(0, 1), publicKey: key.subarray(1) };
};

const parsed = (text: string) => parseNote(utf8(text));
const line = (name: string, bytes = 68): string =>
  `\u2014 ${name} ${toBase64(new Uint8Array(bytes).fill(1))}\n`;

describe("signed notes", () => {
  it("read, check and write the published example", () => {
    const note = parsed(NOTE);
    if (!note.ok) throw new Error(note.detail);
    const [signature] = note.value.signatures;
    const key = neumann();
    expect(signature?.name).toBe("PeterNeumann");
    expect(signature?.keyId).toBe(0xc74f20a3);
    expect(noteKeyId(key)).toBe(0xc74f20a3);
    expect(formatVkey(key)).toBe(VKEY);
    const bytes = signature?.signature ?? new Uint8Array(0);
    expect(verifyEd25519(bytes, utf8(note.value.text), key.publicKey)).toBe(true);
    expect(verifyEd25519(bytes, utf8(`${note.value.text} `), key.publicKey)).toBe(false);
    expect(formatNote(note.value)).toBe(NOTE);
  });

  it("let the text have empty lines: the last one ends it", () => {
    expect(parsed(`a\n\nb\n\n${line("k")}`)).toMatchObject({ value: { text: "a\n\nb\n" } });
  });

  it.each([
    ["nothing", ""],
    ["no signature", "a\n\n"],
    ["no empty line", `a\n${line("k")}`],
    ["no newline at the end", `a\n\n${line("k").slice(0, -1)}`],
    ["a carriage return", `a\r\n\n${line("k")}`],
    ["a tab", `a\tb\n\n${line("k")}`],
    ["a plus in a name", `a\n\n${line("k+l")}`],
    ["an empty name", `a\n\n${line("")}`],
    ["a space of Unicode in a name", `a\n\n${line("k\u00a0l")}`],
    ["a hyphen for the dash", `a\n\n${line("k").replace("\u2014", "-")}`],
    ["a signature of no bytes", `a\n\n${line("k", 4)}`],
    ["no padding", `a\n\n${line("k", 68).replace("=", "")}`],
    ["bits behind the last byte", `a\n\n${line("k", 68).replace("E=", "F=")}`],
    ["a fourth word", `a\n\n${line("k").trimEnd()} x\n`],
  ])("refuse %s", (_what, text) => {
    expect(parsed(text)).toMatchObject({ ok: false, code: "checkpoint.malformed" });
  });

  it("refuse bytes that are not UTF-8", () => {
    const bytes = utf8(`a\n\n${line("k")}`);
    bytes[0] = 0xff;
    expect(parseNote(bytes)).toMatchObject({ ok: false, code: "checkpoint.malformed" });
  });

  it(`take ${LIMITS.noteSignaturesMax} signatures and ${LIMITS.noteBytesMax} bytes, and no more`, () => {
    const lines = Array.from({ length: LIMITS.noteSignaturesMax }, (_, i) => line(`k${i}`)).join(
      "",
    );
    expect(parsed(`a\n\n${lines}`).ok).toBe(true);
    expect(parsed(`a\n\n${lines}${line("more")}`).ok).toBe(false);
    const long = "a".repeat(LIMITS.noteBytesMax - utf8(`\n\n${line("k")}`).length);
    expect(parsed(`${long}\n\n${line("k")}`).ok).toBe(true);
    expect(parsed(`${long}a\n\n${line("k")}`).ok).toBe(false);
  });

  it("are what is written, for any text, names and signatures", () => {
    const signature = fc.record({
      name: fc.stringMatching(/^[a-z0-9./-]{1,40}$/),
      keyId: fc.nat(2 ** 32 - 1),
      signature: fc.uint8Array({ minLength: 1, maxLength: 80 }),
    });
    const text = fc.array(fc.stringMatching(/^[ -~]{0,30}$/), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(
        text,
        fc.array(signature, { minLength: 1, maxLength: 5 }),
        (lines, signatures) => {
          const note = { text: `${lines.join("\n")}\n`, signatures };
          expect(parsed(formatNote(note))).toEqual({ ok: true, value: note });
        },
      ),
    );
  });

  it("never throw, whatever the bytes, and have one spelling", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc
        .tuple(fc.nat(NOTE.length), fc.string({ maxLength: 3 }), fc.nat(3))
        .map(([at, insert, cut]) => utf8(NOTE.slice(0, at) + insert + NOTE.slice(at + cut))),
    );
    fc.assert(
      fc.property(bytes, (input) => {
        const note = parseNote(input);
        if (note.ok) expect(utf8(formatNote(note.value))).toEqual(input);
      }),
      { numRuns: 1000 },
    );
  });
});
