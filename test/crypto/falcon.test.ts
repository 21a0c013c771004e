import { falcon1024, falcon1024padded } from "@noble/post-quantum/falcon.js";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { toHex } from "../../src/crypto/bytes.ts";
import { utf8 } from "../../src/crypto/codec.ts";
import {
  FALCON_SEED_BYTES,
  type FalconKeyPair,
  type FalconVerifier,
  falconKeygen,
  falconPublicKey,
  falconSign,
  falconVerify,
  nobleVerifier,
} from "../../src/crypto/falcon.ts";
import {
  falconSelfTest,
  SELF_TEST_MESSAGE,
  SELF_TEST_PUBLIC_KEY,
  SELF_TEST_SIGNATURE,
} from "../../src/crypto/falcon-self-test.ts";
import { loadFalconWasm, type WasmFalcon } from "../../src/crypto/falcon-wasm.ts";
import { LIMITS } from "../../src/limits.ts";

const DEGREE = 1024;
const MODULUS = 12_289;
const counting = (): Uint8Array => Uint8Array.from({ length: FALCON_SEED_BYTES }, (_, i) => i);
const entropyOf = (value: number): Uint8Array => new Uint8Array(FALCON_SEED_BYTES).fill(value);
const flip = (bytes: Uint8Array, bit: number): Uint8Array => {
  const copy = bytes.slice();
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (128 >> (bit & 7));
  return copy;
};
const bitAt = (bytes: Uint8Array, bit: number): number =>
  ((bytes[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1;

let wasm: WasmFalcon;
let keys: FalconKeyPair;
const message = utf8("a statement");
let signature: Uint8Array;

beforeAll(async () => {
  wasm = await loadFalconWasm();
  keys = falconKeygen(counting());
  signature = falconSign(message, keys.secretKey, entropyOf(1));
});

/** What both say; fails the test when they do not say the same. */
const verdict = (sig: Uint8Array, msg: Uint8Array, key: Uint8Array): boolean => {
  const noble = falconVerify(sig, msg, key);
  expect(wasm.verify(sig, msg, key)).toBe(noble);
  return noble;
};

/**
 * Where the compressed signature's parts are, in bits from its start: the sign bits of coefficients that
 * are zero, and the first bit after the last coefficient (sign, 7 low bits, then zeros up to a one).
 */
const layout = (sig: Uint8Array): { zeroSigns: number[]; end: number } => {
  const zeroSigns: number[] = [];
  let at = 8 * 41;
  for (let i = 0; i < DEGREE; i++) {
    const sign = at;
    let low = 0;
    for (let j = 1; j <= 7; j++) low = low * 2 + bitAt(sig, sign + j);
    at += 8;
    let high = 0;
    while (bitAt(sig, at + high) === 0) high += 1;
    if (low === 0 && high === 0) zeroSigns.push(sign);
    at += high + 1;
  }
  return { zeroSigns, end: at };
};

describe("keys and signatures", () => {
  it("are made from the seed alone, with the lengths of the limits", () => {
    expect(toHex(keys.publicKey)).toBe(toHex(SELF_TEST_PUBLIC_KEY));
    expect(keys.publicKey.length).toBe(LIMITS.falconPublicKeyBytes);
    expect(keys.secretKey.length).toBe(LIMITS.falconSecretKeyBytes);
    expect(signature.length).toBe(LIMITS.falconSignatureBytes);
    expect(toHex(falconPublicKey(keys.secretKey))).toBe(toHex(keys.publicKey));
  });

  it("depend on entropy, message and key: repeated entropy repeats nothing but a signature", () => {
    const again = falconSign(message, keys.secretKey, entropyOf(1));
    const otherEntropy = falconSign(message, keys.secretKey, entropyOf(2));
    const otherMessage = falconSign(utf8("another"), keys.secretKey, entropyOf(1));
    expect(toHex(again)).toBe(toHex(signature));
    const nonces = [signature, otherEntropy, otherMessage].map((sig) => toHex(sig.slice(1, 41)));
    expect(new Set(nonces).size).toBe(3);
    expect(verdict(otherEntropy, message, keys.publicKey)).toBe(true);
    expect(verdict(otherMessage, utf8("another"), keys.publicKey)).toBe(true);
  });

  it("refuse wrong lengths and a message over the limit; at the limit they work", () => {
    const { secretKey, publicKey } = keys;
    expect(() => falconKeygen(new Uint8Array(47))).toThrow(RangeError);
    expect(() => falconPublicKey(secretKey.subarray(1))).toThrow(RangeError);
    expect(() => falconSign(message, secretKey.subarray(1), entropyOf(1))).toThrow(RangeError);
    expect(() => falconSign(message, secretKey, new Uint8Array(47))).toThrow(RangeError);
    expect(() => falconSign(message, new Uint8Array(2305), entropyOf(1))).toThrow(Error);
    const over = new Uint8Array(LIMITS.signedMessageBytesMax + 1);
    expect(() => falconSign(over, secretKey, entropyOf(1))).toThrow(RangeError);
    const most = over.subarray(1);
    const sig = falconSign(most, secretKey, entropyOf(1));
    expect(verdict(sig, most, publicKey)).toBe(true);
    expect(verdict(falcon1024padded.sign(over, secretKey), over, publicKey)).toBe(false);
    const none = new Uint8Array(0);
    expect(verdict(falconSign(none, secretKey, entropyOf(1)), none, publicKey)).toBe(true);
  });
});

describe("self-test", () => {
  it("has vectors that are made by the code itself", () => {
    const made = falconSign(SELF_TEST_MESSAGE, keys.secretKey, counting());
    expect(toHex(made)).toBe(toHex(SELF_TEST_SIGNATURE));
  });

  it("passes both implementations", () => {
    expect(falconSelfTest(nobleVerifier)).toBeUndefined();
    expect(falconSelfTest(wasm)).toBeUndefined();
  });

  it("names the case that a wrong implementation gets wrong", () => {
    const wrong = (verify: FalconVerifier["verify"]): string | undefined =>
      falconSelfTest({ name: "noble", verify });
    expect(wrong(() => false)).toBe("a valid signature");
    expect(wrong(() => true)).toBe("another message");
    const unpadded: FalconVerifier["verify"] = (sig, msg, key) =>
      falconVerify(sig.slice().fill(0, 1272), msg, key);
    expect(wrong(unpadded)).toBe("bytes in the padding");
    let calls = 0;
    const forgetful = wrong((sig, msg, key) => {
      calls += 1;
      return calls === 1 && falconVerify(sig, msg, key);
    });
    expect(forgetful).toBe("the valid signature again");
  });
});

describe("the two implementations agree", () => {
  it("on valid signatures of any message, whoever made the keys and the signature", () => {
    const foreign = wasm.keygen();
    expect(toHex(falconPublicKey(foreign.secretKey))).toBe(toHex(foreign.publicKey));
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.uint8Array({ minLength: FALCON_SEED_BYTES, maxLength: FALCON_SEED_BYTES }),
        fc.constantFrom(keys, foreign),
        (msg, entropy, pair) => {
          const sig = falconSign(msg, pair.secretKey, entropy);
          expect(verdict(sig, msg, pair.publicKey)).toBe(true);
        },
      ),
      { numRuns: 40 },
    );
  });

  it("that one flipped bit of signature, message or key makes it invalid", () => {
    const bits = fc.nat({ max: 8 * (1280 + message.length + 1793) - 1 });
    fc.assert(
      fc.property(bits, (bit) => {
        const ofMessage = bit - 8 * 1280;
        const ofKey = ofMessage - 8 * message.length;
        const { publicKey } = keys;
        if (ofMessage < 0) expect(verdict(flip(signature, bit), message, publicKey)).toBe(false);
        else if (ofKey < 0)
          expect(verdict(signature, flip(message, ofMessage), publicKey)).toBe(false);
        else expect(verdict(signature, message, flip(publicKey, ofKey))).toBe(false);
      }),
      { numRuns: 400 },
    );
  });

  it("on both header bytes, in all of their values", () => {
    for (let header = 0; header < 256; header++) {
      const sig = signature.slice();
      sig[0] = header;
      expect(verdict(sig, message, keys.publicKey)).toBe(header === 0x3a);
      const key = keys.publicKey.slice();
      key[0] = header;
      expect(verdict(signature, message, key)).toBe(header === 0x0a);
    }
  });

  it("on every wrong length", () => {
    const lengths = fc.record({
      sig: fc.oneof(fc.nat({ max: 1500 }), fc.constantFrom(0, 1, 41, 1279, 1280, 1281, 1462)),
      key: fc.oneof(fc.nat({ max: 2000 }), fc.constantFrom(0, 1, 1792, 1793, 1794)),
    });
    const resized = (bytes: Uint8Array, length: number): Uint8Array => {
      const sized = new Uint8Array(length);
      sized.set(bytes.subarray(0, length));
      return sized;
    };
    fc.assert(
      fc.property(lengths, ({ sig, key }) => {
        const valid = sig === 1280 && key === 1793;
        const publicKey = resized(keys.publicKey, key);
        expect(verdict(resized(signature, sig), message, publicKey)).toBe(valid);
      }),
    );
  });

  it("on random bytes of the right lengths, with and without the right headers", () => {
    const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
    fc.assert(
      fc.property(bytes(1280), bytes(1793), fc.boolean(), (sig, key, headers) => {
        if (headers) {
          sig[0] = 0x3a;
          key[0] = 0x0a;
        }
        expect(verdict(sig, message, key)).toBe(false);
        expect(verdict(sig, message, keys.publicKey)).toBe(false);
        expect(verdict(signature, message, key)).toBe(false);
      }),
      { numRuns: 60 },
    );
  });

  it("on signatures of the other format: unpadded ones are refused, whatever their length", () => {
    for (let i = 0; i < 8; i++) {
      const entropy = { extraEntropy: entropyOf(i) };
      const sig = falcon1024.sign(message, keys.secretKey, entropy);
      expect(falcon1024.verify(sig, message, keys.publicKey)).toBe(true);
      expect(verdict(sig, message, keys.publicKey)).toBe(false);
    }
  });
});

describe("encodings that are not canonical are refused by both", () => {
  it("minus zero in the signature", () => {
    const { zeroSigns } = layout(signature);
    expect(zeroSigns.length).toBeGreaterThan(0);
    for (const bit of zeroSigns.slice(0, 20)) {
      expect(verdict(flip(signature, bit), message, keys.publicKey)).toBe(false);
    }
  });

  it("any set bit after the last coefficient", () => {
    const { end } = layout(signature);
    expect(end).toBeLessThan(8 * 1280);
    for (let bit = end; bit < 8 * 1280; bit++) {
      expect(bitAt(signature, bit)).toBe(0);
      expect(verdict(flip(signature, bit), message, keys.publicKey)).toBe(false);
    }
  });

  it("a key coefficient of q or more that means the same modulo q", () => {
    const { publicKey } = keys;
    const coefficient = (index: number): number => {
      let value = 0;
      for (let j = 0; j < 14; j++) value = value * 2 + bitAt(publicKey, 8 + 14 * index + j);
      return value;
    };
    let tried = 0;
    for (let index = 0; index < DEGREE && tried < 20; index++) {
      const value = coefficient(index);
      if (value + MODULUS >= 2 ** 14) continue;
      let key = publicKey;
      for (let j = 0; j < 14; j++) {
        const wanted = ((value + MODULUS) >> (13 - j)) & 1;
        const bit = 8 + 14 * index + j;
        if (bitAt(key, bit) !== wanted) key = flip(key, bit);
      }
      expect(verdict(signature, message, key)).toBe(false);
      tried += 1;
    }
    expect(tried).toBe(20);
  });

  it("a signature or a key of nothing but zeros or ones", () => {
    for (const fill of [0, 0xff]) {
      const sig = new Uint8Array(1280).fill(fill);
      const key = new Uint8Array(1793).fill(fill);
      for (const header of [fill, 0x3a]) {
        sig[0] = header;
        key[0] = header === 0x3a ? 0x0a : fill;
        expect(verdict(sig, message, keys.publicKey)).toBe(false);
        expect(verdict(sig, message, key)).toBe(false);
      }
    }
  });
});

describe("at the bound of the norm", () => {
  /** Signed integers of a fixed width, most significant bit first, two's complement. */
  const signedAt = (bytes: Uint8Array, bit: number, width: number): number => {
    let value = 0;
    for (let j = 0; j < width; j++) value = value * 2 + bitAt(bytes, bit + j);
    return value >= 2 ** (width - 1) ? value - 2 ** width : value;
  };
  /** The compressed coefficients of a signature. */
  const decode = (sig: Uint8Array): number[] => {
    const values: number[] = [];
    for (let at = 8 * 41; values.length < DEGREE; at += 1) {
      let size = 0;
      for (let j = 1; j <= 7; j++) size = size * 2 + bitAt(sig, at + j);
      const sign = bitAt(sig, at) === 1 ? -1 : 1;
      for (at += 8; bitAt(sig, at) === 0; at++) size += 128;
      values.push(sign * size);
    }
    return values;
  };
  /** The signature with other coefficients; undefined when they do not fit its 1280 bytes. */
  const encode = (sig: Uint8Array, values: readonly number[]): Uint8Array | undefined => {
    const bits = values
      .map((value) => {
        const size = Math.abs(value);
        const low = (size % 128).toString(2).padStart(7, "0");
        return `${value < 0 ? 1 : 0}${low}${"0".repeat(Math.floor(size / 128))}1`;
      })
      .join("");
    if (8 * 41 + bits.length > 8 * 1280) return undefined;
    const encoded = sig.slice().fill(0, 41);
    for (let i = 0; i < bits.length; i++) {
      const byte = 41 + (i >> 3);
      if (bits[i] === "1") encoded[byte] = (encoded[byte] ?? 0) | (128 >> (i & 7));
    }
    return encoded;
  };

  /** The coefficients of x^shift f modulo x^1024 + 1. */
  const shifted = (f: readonly number[], shift: number): number[] =>
    Array.from({ length: DEGREE }, (_, i) =>
      i >= shift ? (f[i - shift] ?? 0) : -(f[i - shift + DEGREE] ?? 0),
    );

  it("both accept longer and longer solutions up to the same one and refuse the next", () => {
    // With the secret f, s2 + x^i f solves the same equation as s2 and is a little longer: a walk from a
    // valid signature over the bound, on which only the comparison of the norm can tell valid from not.
    // Big steps (the same i again and again) up to the bound, then small ones (another i each time).
    const f = Array.from({ length: DEGREE }, (_, i) => signedAt(keys.secretKey, 8 + 5 * i, 5));
    let crossings = 0;
    for (let start = 0; start < 16; start++) {
      const origin = falconSign(message, keys.secretKey, entropyOf(start));
      let s2 = decode(origin);
      expect(toHex(encode(origin, s2) ?? origin.subarray(1))).toBe(toHex(origin));
      for (const stride of [0, 389]) {
        for (let step = 0; step < 200; step++) {
          const addend = shifted(f, (start + step * stride) % DEGREE);
          const longer = s2.map((value, i) => value + (addend[i] ?? 0));
          const sig = encode(origin, longer);
          if (sig === undefined) break;
          if (!verdict(sig, message, keys.publicKey)) {
            crossings += 1;
            break;
          }
          s2 = longer;
        }
      }
    }
    expect(crossings).toBeGreaterThanOrEqual(2);
  });
});

describe("the WebAssembly instance", () => {
  it("does not grow over 20,000 verifications and 20 key pairs", () => {
    for (let i = 0; i < 20; i++) wasm.keygen();
    const before = wasm.heapBytes();
    const bad = flip(signature, 4000);
    for (let i = 0; i < 20_000; i++) {
      const good = i % 2 === 0;
      if (wasm.verify(good ? signature : bad, message, keys.publicKey) !== good) {
        throw new Error(`wrong answer at ${i}`);
      }
    }
    expect(wasm.heapBytes()).toBe(before);
  });

  it("that fails within is reported once and replaced by JavaScript", async () => {
    const faults: string[] = [];
    const instance = await loadFalconWasm((detail) => faults.push(detail));
    expect(instance.verify(signature, message, keys.publicKey)).toBe(true);
    // Bytes that throw while they are copied in stand for a trap, which no real bytes bring about.
    const trap = new Proxy(signature, {
      get: (target, property) => {
        if (property === "length") return target.length;
        throw new Error("trap");
      },
    });
    expect(instance.verify(trap, message, keys.publicKey)).toBe(false);
    expect(faults).toEqual(["Error: trap"]);
    expect(instance.verify(signature, message, keys.publicKey)).toBe(true);
    expect(instance.verify(signature, utf8("other"), keys.publicKey)).toBe(false);
    expect(instance.verify(trap, message, keys.publicKey)).toBe(false);
    expect(faults).toHaveLength(1);
  });

  it("makes fresh keys each time", () => {
    expect(toHex(wasm.keygen().publicKey)).not.toBe(toHex(wasm.keygen().publicKey));
  });
});
