import { createCipheriv } from "node:crypto";
import { cbc, ecb } from "@noble/ciphers/aes.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { aesBlocks, createAesChain } from "../../../src/crypto/aes.ts";
import { fromHex, toHex } from "../../../src/crypto/bytes.ts";
import { createHasher } from "../../../src/crypto/hash.ts";
import { LIMITS } from "../../../src/limits.ts";
import {
  checkDelayParameters,
  computeDelay,
  delayedSeed,
  verifyDelay,
} from "../../../src/proofs/time/delay.ts";
import { tagged } from "./reference.ts";
import { filled } from "./support.ts";

const hasher = createHasher("time-test");
const SEED = filled(4);

/** One encryption at a time, as the definition has it. */
const slowly = (key: Uint8Array, block: Uint8Array, iterations: number): Uint8Array => {
  let last: Uint8Array = block;
  for (let i = 0; i < iterations; i++) {
    const cipher = createCipheriv("aes-128-ecb", key, null);
    cipher.setAutoPadding(false);
    last = cipher.update(last);
  }
  return last;
};

const compute = (parameters: { checkpoints: number; iterations: number }): Uint8Array =>
  new Uint8Array(Buffer.concat([...computeDelay(hasher, SEED, parameters)]));

describe("AES-128", () => {
  it("has the value of FIPS 197, appendix C.1", () => {
    const key = fromHex("000102030405060708090a0b0c0d0e0f");
    const block = fromHex("00112233445566778899aabbccddeeff");
    const expected = "69c4e0d86a7b0430d8cdb78070b4c55a";
    expect(toHex(createAesChain(key, block)(1))).toBe(expected);
    expect(toHex(aesBlocks(key)(block))).toBe(expected);
  });

  it("iterates as single encryptions do, over the size of a call and in plain JavaScript", () => {
    const [key, block] = [filled(1).slice(16), filled(2).slice(16)];
    for (const iterations of [1, 2, 800, 4096, 4097, 10_000]) {
      const expected = toHex(slowly(key, block, iterations));
      const own = createAesChain(key, block);
      expect(toHex(own(iterations))).toBe(expected);
      expect(toHex(own(2))).toBe(toHex(slowly(key, block, iterations + 2)));
      const zeros = new Uint8Array(16 * iterations);
      const chain = cbc(key, block, { disablePadding: true }).encrypt(zeros);
      expect(toHex(chain.slice(-16))).toBe(expected);
    }
    const two = ecb(key, { disablePadding: true }).encrypt(filled(3));
    expect(toHex(aesBlocks(key)(filled(3)))).toBe(toHex(two));
  });
});

describe("the delay", () => {
  it("is the chain of the definition, however it is cut", () => {
    const key = tagged("time-test", "delay/key", SEED).subarray(0, 16);
    const start = tagged("time-test", "delay/start", SEED).subarray(0, 16);
    const last = toHex(slowly(key, start, 60));
    for (const checkpoints of [1, 2, 3, 60]) {
      const parameters = { checkpoints, iterations: 60 / checkpoints };
      const proof = compute(parameters);
      expect(toHex(proof.slice(-16))).toBe(last);
      const verdict = verifyDelay(hasher, SEED, parameters, proof);
      expect(verdict).toEqual({ ok: true, value: delayedSeed(hasher, SEED, proof) });
    }
  });

  it("has one output: any other byte, length, seed or count is refused", () => {
    const parameters = { checkpoints: 5, iterations: 7 };
    const proof = compute(parameters);
    for (let at = 0; at < proof.length; at++) {
      const changed = proof.slice();
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      expect(verifyDelay(hasher, SEED, parameters, changed)).toMatchObject({
        code: "time.delay-invalid",
      });
    }
    const refused = [
      verifyDelay(hasher, filled(5), parameters, proof),
      verifyDelay(createHasher("other"), SEED, parameters, proof),
      verifyDelay(hasher, SEED, { ...parameters, iterations: 8 }, proof),
      verifyDelay(hasher, SEED, { ...parameters, checkpoints: 4 }, proof),
      verifyDelay(hasher, SEED, parameters, proof.slice(1)),
    ];
    for (const verdict of refused) expect(verdict).toMatchObject({ code: "time.delay-invalid" });
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 80, maxLength: 80 }), (bytes) => {
        expect(verifyDelay(hasher, SEED, parameters, bytes).ok).toBe(false);
      }),
    );
  });

  it("takes parameters at their limits and none past them", () => {
    const [checkpoints, iterations] = [
      LIMITS.delayCheckpointsMax,
      LIMITS.delaySegmentIterationsMax,
    ];
    expect(checkDelayParameters({ checkpoints, iterations }).ok).toBe(true);
    for (const wrong of [
      { checkpoints: checkpoints + 1, iterations },
      { checkpoints, iterations: iterations + 1 },
      { checkpoints: 0, iterations },
      { checkpoints, iterations: 0 },
      { checkpoints: 1.5, iterations },
    ]) {
      expect(checkDelayParameters(wrong)).toMatchObject({ code: "time.parameters" });
      const bytes = new Uint8Array(0);
      expect(verifyDelay(hasher, SEED, wrong, bytes)).toMatchObject({ code: "time.parameters" });
    }
  });
});
