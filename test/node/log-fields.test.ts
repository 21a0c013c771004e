import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/limits.ts";
import { plainFields, plainText, REDACTED } from "../../src/node/log-fields.ts";

describe("fields of logs", () => {
  it("do not show what is named like a secret, and show paths to it", () => {
    const secrets = {
      passphrase: "a",
      newPassphrase: "b",
      secretKey: "c",
      privateKey: "d",
      keyPem: "e",
      authorization: "f",
      "set-cookie": "g",
      apiToken: "h",
    };
    for (const value of Object.values(plainFields(secrets))) expect(value).toBe(REDACTED);
    const shown = { passphraseFile: "/run/p", publicKey: "ab", peer: "c", bytes: 3, ok: true };
    expect(plainFields(shown)).toEqual(shown);
    expect(plainFields(undefined)).toEqual({});
  });

  it("are printable and short, whatever came from the network", () => {
    const unprintable = /[\p{Cc}\p{Cf}\u2028\u2029]/u;
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(unprintable.test(plainText(text))).toBe(false);
      }),
    );
    expect(plainText("\u001b[2J\u202eevil\r\n")).toBe("\\u{1b}[2J\\u{202e}evil\\u{d}\\u{a}");
    const limit = LIMITS.logTextMax;
    expect(plainText("x".repeat(limit))).toHaveLength(limit);
    expect(plainText("x".repeat(limit + 1))).toHaveLength(limit + 1);
    expect(plainText("x".repeat(10 * limit))).toBe(`${"x".repeat(limit)}…`);
  });
});
