import { createHash } from "node:crypto";
import { rngAesCtrDrbg256 } from "@noble/ciphers/aes.js";
import { __tests, falcon1024padded } from "@noble/post-quantum/falcon.js";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { concatBytes, isZero, toHex } from "../../src/crypto/bytes.ts";
import { utf8 } from "../../src/crypto/codec.ts";
import {
  FALCON_SEED_BYTES,
  falconPublicKey,
  falconSign,
  falconVerify,
} from "../../src/crypto/falcon.ts";
import {
  expandFalconKey,
  type FalconExpandedKey,
  wipeFalconKey,
} from "../../src/crypto/falcon-expanded-key.ts";
import { ROOTS } from "../../src/crypto/falcon-params.ts";
import { SELF_TEST_PUBLIC_KEY } from "../../src/crypto/falcon-self-test.ts";
import {
  drawRandomness,
  falconSignExpanded,
  falconSignWith,
  type SignatureBounds,
} from "../../src/crypto/falcon-sign.ts";
import {
  falconSignerSelfTest,
  SELF_TEST_SECRET_KEY,
} from "../../src/crypto/falcon-signer-self-test.ts";
import { loadFalconWasm } from "../../src/crypto/falcon-wasm.ts";
import { LIMITS } from "../../src/limits.ts";

type Pair = {
  readonly secretKey: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly expanded: FalconExpandedKey;
};

const pairs: Pair[] = [];
const entropyOf = (value: number): Uint8Array => new Uint8Array(FALCON_SEED_BYTES).fill(value);
const message = utf8("a statement");
const known = (): FalconExpandedKey => expandFalconKey(SELF_TEST_SECRET_KEY);

beforeAll(async () => {
  const wasm = await loadFalconWasm();
  const fixed = { secretKey: SELF_TEST_SECRET_KEY, publicKey: SELF_TEST_PUBLIC_KEY };
  for (const keys of [fixed, ...Array.from({ length: 7 }, () => wasm.keygen())]) {
    pairs.push({ ...keys, expanded: expandFalconKey(keys.secretKey) });
  }
});

const pairAt = (index: number): Pair => {
  const pair = pairs[index];
  if (pair === undefined) throw new Error(`no key ${index}`);
  return pair;
};

/** Fails with the secret key: the keys of the test are new each time. */
const expectSame = (signature: Uint8Array, wanted: Uint8Array, { secretKey }: Pair): void => {
  expect(toHex(signature), `with the key ${toHex(secretKey)}`).toBe(toHex(wanted));
};

describe("signatures of an expanded key are noble's, byte for byte", () => {
  const bytes = fc.uint8Array({ maxLength: 400 });
  const seeds = fc.uint8Array({ minLength: FALCON_SEED_BYTES, maxLength: FALCON_SEED_BYTES });

  it("with hedged entropy, over many keys, messages and entropies", () => {
    fc.assert(
      fc.property(bytes, seeds, fc.nat({ max: 7 }), (msg, entropy, index) => {
        const pair = pairAt(index);
        const signature = falconSignExpanded(msg, pair.expanded, entropy);
        expectSame(signature, falconSign(msg, pair.secretKey, entropy), pair);
        expect(falconVerify(signature, msg, pair.publicKey)).toBe(true);
      }),
      { numRuns: 250 },
    );
  });

  it("with the library's own entropy", () => {
    fc.assert(
      fc.property(bytes, seeds, fc.nat({ max: 7 }), (msg, seed, index) => {
        const pair = pairAt(index);
        const signature = falconSignWith(msg, pair.expanded, drawRandomness(seed));
        const noble = falcon1024padded.sign(msg, pair.secretKey, { extraEntropy: seed });
        expectSame(signature, noble, pair);
      }),
      { numRuns: 150 },
    );
  });

  it("of nothing, and of as much as is signed", () => {
    const pair = pairAt(1);
    for (const length of [0, 1, 95, 96, 97, 136, LIMITS.signedMessageBytesMax]) {
      const msg = new Uint8Array(length).fill(length);
      const signature = falconSignExpanded(msg, pair.expanded, entropyOf(length & 255));
      expectSame(signature, falconSign(msg, pair.secretKey, entropyOf(length & 255)), pair);
    }
  });

  it("whatever was signed before, with this key or another", () => {
    const [first, second] = [pairAt(0), pairAt(1)];
    const alone = falconSignExpanded(message, known(), entropyOf(1));
    for (let i = 0; i < 4; i++) {
      falconSignExpanded(utf8(`another ${i}`), first.expanded, entropyOf(i));
      falconSignExpanded(message, second.expanded, entropyOf(1));
      expectSame(falconSignExpanded(message, first.expanded, entropyOf(1)), alone, first);
    }
  });
});

describe("published and pinned answers", () => {
  it("are those of the first known-answer test of FALCON-padded-1024", () => {
    // PQClean publishes the SHA-256 of what its driver prints (crypto_sign/falcon-padded-1024/META.yml).
    const entropy = Uint8Array.from({ length: 48 }, (_, i) => i);
    const outer = rngAesCtrDrbg256(entropy);
    const seed = outer.randomBytes(48);
    const msg = outer.randomBytes(33);
    const inner = rngAesCtrDrbg256(seed);
    const { publicKey, secretKey } = falcon1024padded.keygen(inner.randomBytes(48));
    const salt = inner.randomBytes(40);
    const samplerSeed = inner.randomBytes(48);
    const signature = falconSignWith(msg, expandFalconKey(secretKey), { salt, samplerSeed });
    const signed = concatBytes(signature, msg);
    const hex = (part: Uint8Array): string => toHex(part).toUpperCase();
    const text =
      `count = 0\nseed = ${hex(seed)}\nmlen = 33\nmsg = ${hex(msg)}\n` +
      `pk = ${hex(publicKey)}\nsk = ${hex(secretKey)}\n` +
      `smlen = ${signed.length}\nsm = ${hex(signed)}\n`;
    expect(createHash("sha256").update(text).digest("hex")).toBe(
      "ddcc5683293388249e6fe85e992ea19d0986d34e060a44f82bc3db524a8c8390",
    );
  });

  it("are those of the self-test", () => {
    expect(falconSignerSelfTest()).toBeUndefined();
    expect(toHex(falconPublicKey(SELF_TEST_SECRET_KEY))).toBe(toHex(SELF_TEST_PUBLIC_KEY));
  });

  it("is what the self-test says of another signer", () => {
    const other: typeof falconSignExpanded = (msg, key, entropy) =>
      falconSignExpanded(msg, key, Uint8Array.from(entropy).fill(1, 47));
    expect(falconSignerSelfTest(other)).toBe("another signature than noble's");
    const broken = (): Uint8Array => {
      throw new Error("broken");
    };
    expect(falconSignerSelfTest(broken)).toBe("broken");
  });

  /**
   * The digests are of signatures by copies of noble whose bound was lowered as here: with the true bounds
   * nobody sees a second attempt.
   */
  const tried: readonly (readonly [string, SignatureBounds, string])[] = [
    [
      "too long a vector",
      { squaredNormMax: 57_500_000, compressedBytesMax: 1239 },
      "9f0b2a14e1884a5e6ffdd92f04ccac1a9e613549551eda88efb2adafea901911",
    ],
    [
      "too long an encoding",
      { squaredNormMax: 70_265_242, compressedBytesMax: 1228 },
      "8a47ec18896c456fdc2c83f98a2a98841fb2d663646f11393baf41540923460f",
    ],
  ];
  it.each(tried)("are noble's when an attempt gives %s", (_, bounds, digest) => {
    const key = known();
    const hash = createHash("sha256");
    let again = 0;
    for (let i = 0; i < 16; i++) {
      const msg = new Uint8Array(i).fill(i);
      const randomness = drawRandomness(entropyOf(i));
      const signature = falconSignWith(msg, key, randomness, bounds);
      hash.update(signature);
      if (toHex(signature) !== toHex(falconSignWith(msg, key, randomness))) again += 1;
      expect(falconVerify(signature, msg, SELF_TEST_PUBLIC_KEY)).toBe(true);
    }
    expect(again).toBeGreaterThan(3);
    expect(hash.digest("hex")).toBe(digest);
  });

  it("are none when no attempt is good enough", () => {
    const bounds = { squaredNormMax: 1000, compressedBytesMax: 1239 };
    const sign = () => falconSignWith(message, known(), drawRandomness(entropyOf(1)), bounds);
    expect(sign).toThrow("short enough");
  });

  it("rest on roots that are the reference's to the last bit", () => {
    const reference: Float64Array = __tests.COMPLEX_ROOTS;
    expect(reference.length).toBe(ROOTS.length);
    // The first two roots are 1 and i, which the FFT does not use.
    expect(Array.from(ROOTS.subarray(4))).toEqual(Array.from(reference.subarray(4)));
  });
});

describe("what is no key is refused", () => {
  it("with RangeError on a wrong length, and Error on other bytes", () => {
    for (const length of [0, 1, 2304, 2306]) {
      expect(() => expandFalconKey(new Uint8Array(length))).toThrow(RangeError);
    }
    expect(() => expandFalconKey(new Uint8Array(2305))).toThrow("no FALCON-1024 secret key");
    for (const header of [0x59, 0x0a, 0xda]) {
      const other = SELF_TEST_SECRET_KEY.slice();
      other[0] = header;
      expect(() => expandFalconKey(other)).toThrow(Error);
    }
  });

  it("as noble refuses it: reserved coefficients, f without an inverse, another G", () => {
    const changed = (change: (key: Uint8Array) => void): Uint8Array => {
      const key = SELF_TEST_SECRET_KEY.slice();
      change(key);
      return key;
    };
    const cases: readonly (readonly [string, Uint8Array])[] = [
      ["reserved", changed((key) => key.fill(0x84, 1, 6))],
      ["reserved", changed((key) => key.fill(0x80, 1281, 1282))],
      ["inverse", changed((key) => key.fill(0, 1, 641))],
      ["too large", changed((key) => key.fill(1, 1281, 1290))],
      ["NTRU", changed((key) => key.fill(0, 1281))],
      ["NTRU", changed((key) => key.fill(0, 641))],
    ];
    for (const [words, key] of cases) {
      expect(() => expandFalconKey(key)).toThrow(words);
      expect(() => falconSign(message, key, entropyOf(1))).toThrow(Error);
    }
  });

  it("with any bit of it flipped, or nothing right but the header", () => {
    fc.assert(
      fc.property(fc.nat({ max: 8 * 2305 - 1 }), (bit) => {
        const key = SELF_TEST_SECRET_KEY.slice();
        key[bit >> 3] = (key[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(() => expandFalconKey(key)).toThrow(Error);
      }),
      { numRuns: 300 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 2305, maxLength: 2305 }), (key) => {
        key[0] = 0x5a;
        expect(() => expandFalconKey(key)).toThrow(Error);
      }),
      { numRuns: 50 },
    );
  });

  it("and so are wrong lengths of entropy and message", () => {
    const key = known();
    const over = new Uint8Array(LIMITS.signedMessageBytesMax + 1);
    expect(() => falconSignExpanded(message, key, new Uint8Array(47))).toThrow(RangeError);
    expect(() => falconSignExpanded(message, key, new Uint8Array(49))).toThrow(RangeError);
    expect(() => falconSignExpanded(over, key, entropyOf(1))).toThrow(RangeError);
  });
});

describe("secrets", () => {
  const doubles = (...arrays: readonly Float64Array[]): boolean =>
    arrays.every((array) => array.every((value) => value === 0));
  const emptyBetween = ({ workspace, prng }: FalconExpandedKey): boolean =>
    doubles(workspace) &&
    isZero(prng.bytes) &&
    [prng.start, prng.mixed, prng.counter].every((array) => array.every((word) => word === 0));

  it("leave no trace in the key's workspace between two signatures, nor after a failure", () => {
    const key = known();
    expect(emptyBetween(key)).toBe(true);
    falconSignExpanded(message, key, entropyOf(1));
    expect(emptyBetween(key)).toBe(true);
    const bounds = { squaredNormMax: 1000, compressedBytesMax: 1239 };
    const randomness = drawRandomness(entropyOf(1));
    expect(() => falconSignWith(message, key, randomness, bounds)).toThrow();
    expect(emptyBetween(key)).toBe(true);
  });

  it("are overwritten by wiping; the key signs no more", () => {
    const key = known();
    falconSignExpanded(message, key, entropyOf(1));
    expect(doubles(key.tree)).toBe(false);
    wipeFalconKey(key);
    expect(doubles(key.basis, key.tree)).toBe(true);
    expect(isZero(key.secretKey)).toBe(true);
    expect(emptyBetween(key)).toBe(true);
    expect(() => falconSignExpanded(message, key, entropyOf(1))).toThrow("wiped");
    const randomness = drawRandomness(entropyOf(1));
    expect(() => falconSignWith(message, key, randomness)).toThrow("wiped");
    wipeFalconKey(key);
  });

  it("are copies: the caller may overwrite its own, and finds its bytes as they were", () => {
    const secretKey = SELF_TEST_SECRET_KEY.slice();
    const entropy = entropyOf(7);
    const key = expandFalconKey(secretKey);
    expect(toHex(secretKey)).toBe(toHex(SELF_TEST_SECRET_KEY));
    secretKey.fill(0);
    const signature = falconSignExpanded(message, key, entropy);
    expect(toHex(entropy)).toBe(toHex(entropyOf(7)));
    expect(toHex(signature)).toBe(toHex(falconSign(message, SELF_TEST_SECRET_KEY, entropy)));
  });
});
