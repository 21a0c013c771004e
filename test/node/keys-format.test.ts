import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { toHex } from "../../src/crypto/bytes.ts";
import type { FalconKeyPair } from "../../src/crypto/falcon.ts";
import { LIMITS } from "../../src/limits.ts";
import {
  EXPORT_BYTES_MAX,
  type ExportedKey,
  openExport,
  parseExport,
  sealExport,
} from "../../src/node/keys/export-format.ts";
import {
  KEY_FILE_BYTES,
  type KeyMark,
  openKeys,
  parseKeyFile,
  sealKeys,
} from "../../src/node/keys/key-format.ts";
import { NONCE_BYTES, SALT_BYTES } from "../../src/node/keys/sealing.ts";
import { keptKeys } from "../crypto/kept-keys.ts";

const sealingKey = new Uint8Array(32).fill(1);
const salt = new Uint8Array(SALT_BYTES).fill(2);
const nonce = new Uint8Array(NONCE_BYTES).fill(3);
const mark: KeyMark = { use: "validator", development: true };
let keys: FalconKeyPair;
let file: Uint8Array;

beforeAll(() => {
  keys = keptKeys(4);
  file = sealKeys(keys, mark, salt, nonce, sealingKey, "scrypt");
});

/** The secret key in hexadecimal, or the code of the refusal. */
const open = (bytes: Uint8Array, key: Uint8Array = sealingKey): string => {
  const parsed = parseKeyFile(bytes);
  if (!parsed.ok) return parsed.code;
  const opened = openKeys(parsed.value, key);
  return opened.ok ? toHex(opened.value.secretKey) : opened.code;
};

describe("the format of key files", () => {
  it("opens to what was sealed, with the layout of its description", () => {
    expect(file.length).toBe(KEY_FILE_BYTES);
    expect(KEY_FILE_BYTES).toBe(10 + 4 + 16 + 12 + 1793 + 2305 + 16);
    expect(open(file)).toBe(toHex(keys.secretKey));
    expect(new TextDecoder().decode(file.subarray(0, 10))).toBe("tetrad-key");
    expect([...file.subarray(10, 14)]).toEqual([0, 2, 1, 1]);
    const parsed = parseKeyFile(file);
    expect(parsed.ok && toHex(parsed.value.publicKey)).toBe(toHex(keys.publicKey));
    expect(parsed).toMatchObject({ ok: true, value: { ...mark, derivation: "scrypt" } });
  });

  it("says by its version how the sealing key is derived, which cannot be changed", () => {
    const drawn = sealKeys(keys, mark, salt, nonce, sealingKey, "hkdf");
    expect([...drawn.subarray(10, 14)]).toEqual([0, 3, 1, 1]);
    expect(parseKeyFile(drawn)).toMatchObject({ ok: true, value: { derivation: "hkdf" } });
    expect(open(drawn)).toBe(toHex(keys.secretKey));
    for (const version of [0, 1, 2, 4]) {
      const changed = drawn.slice();
      changed[11] = version;
      expect(open(changed), `${version}`).toBe("key.invalid");
    }
  });

  it("holds nothing of the secret key in the clear", () => {
    const text = toHex(file);
    for (let at = 1; at + 8 <= keys.secretKey.length; at += 8) {
      expect(text.includes(toHex(keys.secretKey.subarray(at, at + 8)))).toBe(false);
    }
  });

  it("refuses a change of any one byte", () => {
    const opened: number[] = [];
    for (let at = 0; at < file.length; at++) {
      const changed = file.slice();
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      if (open(changed) !== "key.invalid") opened.push(at);
    }
    expect(opened).toEqual([]);
  });

  it("refuses every other length and every other sealing key", () => {
    const other = sealingKey.slice();
    other[31] = 0;
    expect(open(file, other)).toBe("key.invalid");
    const lengths = fc.oneof(
      fc.nat({ max: 2 * KEY_FILE_BYTES }),
      fc.constantFrom(0, KEY_FILE_BYTES - 1, KEY_FILE_BYTES + 1),
    );
    fc.assert(
      fc.property(lengths, (length) => {
        fc.pre(length !== KEY_FILE_BYTES);
        const sized = new Uint8Array(length);
        sized.set(file.subarray(0, length));
        expect(open(sized)).toBe("key.invalid");
      }),
    );
  });

  it("refuses random bytes without throwing", () => {
    const random = fc.uint8Array({ minLength: KEY_FILE_BYTES, maxLength: KEY_FILE_BYTES });
    fc.assert(
      fc.property(random, fc.boolean(), (bytes, withHead) => {
        if (withHead) bytes.set(file.subarray(0, 14));
        expect(open(bytes)).toBe("key.invalid");
      }),
      { numRuns: 50 },
    );
  });

  it("does not seal parts of wrong lengths", () => {
    const short = new Uint8Array(11);
    expect(() => sealKeys(keys, mark, short, nonce, sealingKey, "scrypt")).toThrow(RangeError);
    expect(() => sealKeys(keys, mark, salt, short, sealingKey, "scrypt")).toThrow(RangeError);
    expect(() =>
      sealKeys({ ...keys, secretKey: short }, mark, salt, nonce, sealingKey, "scrypt"),
    ).toThrow(RangeError);
    expect(() =>
      sealKeys({ ...keys, publicKey: short }, mark, salt, nonce, sealingKey, "scrypt"),
    ).toThrow(RangeError);
  });
});

describe("the format of exported keys", () => {
  const content = (): ExportedKey => ({
    ...mark,
    keys,
    exportedMs: 1_790_000_000_000,
    certificatePem: "-----BEGIN CERTIFICATE-----",
    keyPem: "secret of TLS",
  });
  const openBytes = (bytes: Uint8Array, key = sealingKey): ExportedKey | string => {
    const parsed = parseExport(bytes);
    if (!parsed.ok) return parsed.code;
    const opened = openExport(parsed.value, key);
    return opened.ok ? opened.value : opened.code;
  };

  it("opens to what was sealed, and shows nothing secret before", () => {
    const bytes = sealExport(content(), salt, nonce, sealingKey);
    expect(openBytes(bytes)).toEqual(content());
    expect(Buffer.from(bytes).includes("secret of TLS")).toBe(false);
    expect(Buffer.from(bytes).includes(Buffer.from(keys.secretKey.subarray(8, 16)))).toBe(false);
    expect(parseExport(bytes)).toMatchObject({ ok: true, value: mark });
  });

  it("refuses a change of any one byte, a cut, a longer file and another key", () => {
    const bytes = sealExport(content(), salt, nonce, sealingKey);
    const opened: number[] = [];
    for (let at = 0; at < bytes.length; at++) {
      const changed = bytes.slice();
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      if (openBytes(changed) !== "key.invalid") opened.push(at);
    }
    expect(opened).toEqual([]);
    const lengths = fc.nat({ max: bytes.length + 50 }).filter((length) => length !== bytes.length);
    fc.assert(
      fc.property(lengths, (length) => {
        const sized = new Uint8Array(length);
        sized.set(bytes.subarray(0, length));
        expect(openBytes(sized)).toBe("key.invalid");
      }),
    );
    expect(openBytes(bytes, new Uint8Array(32))).toBe("key.invalid");
    expect(openBytes(file)).toBe("key.invalid");
  });

  it("takes PEM files at their limit and no longer file", () => {
    const long = "x".repeat(LIMITS.pemBytesMax);
    const largest = sealExport(
      { ...content(), certificatePem: long, keyPem: long },
      salt,
      nonce,
      sealingKey,
    );
    expect(largest.length).toBe(EXPORT_BYTES_MAX);
    expect(openBytes(largest)).toMatchObject({ keyPem: long });
    const past = sealExport({ ...content(), keyPem: `${long}x` }, salt, nonce, sealingKey);
    expect(openBytes(past)).toBe("key.invalid");
    const longer = new Uint8Array(EXPORT_BYTES_MAX + 1);
    longer.set(largest);
    expect(openBytes(longer)).toBe("key.invalid");
  });
});
