import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { toHex } from "../../src/crypto/bytes.ts";
import { type FalconKeyPair, falconKeygen } from "../../src/crypto/falcon.ts";
import {
  KEY_FILE_BYTES,
  NONCE_BYTES,
  openKeys,
  parseKeyFile,
  SALT_BYTES,
  sealKeys,
} from "../../src/node/keys/key-format.ts";

const sealingKey = new Uint8Array(32).fill(1);
const salt = new Uint8Array(SALT_BYTES).fill(2);
const nonce = new Uint8Array(NONCE_BYTES).fill(3);
let keys: FalconKeyPair;
let file: Uint8Array;

beforeAll(() => {
  keys = falconKeygen(new Uint8Array(48).fill(4));
  file = sealKeys(keys, salt, nonce, sealingKey);
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
    expect(KEY_FILE_BYTES).toBe(10 + 2 + 16 + 12 + 1793 + 2305 + 16);
    expect(open(file)).toBe(toHex(keys.secretKey));
    expect(new TextDecoder().decode(file.subarray(0, 10))).toBe("tetrad-key");
    expect([...file.subarray(10, 12)]).toEqual([0, 1]);
    const parsed = parseKeyFile(file);
    expect(parsed.ok && toHex(parsed.value.publicKey)).toBe(toHex(keys.publicKey));
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
        if (withHead) bytes.set(file.subarray(0, 12));
        expect(open(bytes)).toBe("key.invalid");
      }),
      { numRuns: 50 },
    );
  });

  it("does not seal parts of wrong lengths", () => {
    const short = new Uint8Array(11);
    expect(() => sealKeys(keys, short, nonce, sealingKey)).toThrow(RangeError);
    expect(() => sealKeys(keys, salt, short, sealingKey)).toThrow(RangeError);
    expect(() => sealKeys({ ...keys, secretKey: short }, salt, nonce, sealingKey)).toThrow(
      RangeError,
    );
    expect(() => sealKeys({ ...keys, publicKey: short }, salt, nonce, sealingKey)).toThrow(
      RangeError,
    );
  });
});
