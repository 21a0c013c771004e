import { beforeEach, describe, expect, it } from "vitest";
import { utf8 } from "../../src/crypto/codec.ts";
import { type FalconVerifier, falconVerify, nobleVerifier } from "../../src/crypto/falcon.ts";
import { SELF_TEST_PUBLIC_KEY } from "../../src/crypto/falcon-self-test.ts";
import { falconSignExpanded } from "../../src/crypto/falcon-sign.ts";
import { SELF_TEST_SECRET_KEY } from "../../src/crypto/falcon-signer-self-test.ts";
import { LIMITS } from "../../src/limits.ts";
import {
  type CheckedSigner,
  type CheckedSignerOptions,
  createCheckedSigner,
} from "../../src/node/signing/checked-signer.ts";
import { createInlineSigner } from "../../src/node/signing/signer.ts";

const publicKey = SELF_TEST_PUBLIC_KEY;
const message = utf8("a statement");
let faults: string[];
beforeEach(() => {
  faults = [];
});

const make = (options: Partial<CheckedSignerOptions> = {}): CheckedSigner =>
  createCheckedSigner({
    secretKey: SELF_TEST_SECRET_KEY,
    publicKey,
    verifier: nobleVerifier,
    onFault: (detail) => faults.push(detail),
    ...options,
  });

/** Right until it is told to go wrong: a bit of each signature is flipped from then on. */
const spoiling = (): { signExpanded: typeof falconSignExpanded; spoil: () => void } => {
  let spoilt = false;
  return {
    signExpanded: (...args) => {
      const signature = falconSignExpanded(...args);
      if (spoilt) signature[700] = (signature[700] ?? 0) ^ 1;
      return signature;
    },
    spoil: () => {
      spoilt = true;
    },
  };
};

const expectGood = (signer: CheckedSigner): void => {
  expect(falconVerify(signer.sign(message), message, publicKey)).toBe(true);
};

describe("checked signer", () => {
  it("signs with the expanded key, and verifies each signature", () => {
    let verified = 0;
    const verifier: FalconVerifier = {
      name: "noble",
      verify: (...args) => {
        verified += 1;
        return falconVerify(...args);
      },
    };
    const signer = make({ verifier });
    for (let i = 0; i < 3; i++) expectGood(signer);
    expect(verified).toBe(3);
    expect(signer.implementation()).toBe("expanded");
    expect(faults).toEqual([]);
  });

  it("gives out noble's signature instead of a bad one, says so once, and stays with noble", () => {
    const { signExpanded, spoil } = spoiling();
    const signer = make({ signExpanded });
    expectGood(signer);
    spoil();
    for (let i = 0; i < 3; i++) expectGood(signer);
    expect(faults).toEqual(["a signature with an expanded key does not verify"]);
    expect(signer.implementation()).toBe("noble");
  });

  it("uses noble from the start when the self-test fails, although signatures would verify", () => {
    // Valid signatures from randomness that is not the right one: nothing but known bytes shows that.
    const signExpanded: typeof falconSignExpanded = (msg, key, entropy) =>
      falconSignExpanded(msg, key, entropy.slice().fill(0));
    const signer = make({ signExpanded });
    expect(signer.implementation()).toBe("noble");
    expect(faults).toEqual([
      "signing with an expanded key fails its self-test: another signature than noble's",
    ]);
    expectGood(signer);
  });

  it("goes on with noble when signing throws, but not over a message that is too long", () => {
    let broken = false;
    const signExpanded: typeof falconSignExpanded = (...args) => {
      if (broken) throw new Error("no signature is short enough");
      return falconSignExpanded(...args);
    };
    const signer = make({ signExpanded });
    const over = new Uint8Array(LIMITS.signedMessageBytesMax + 1);
    expect(() => signer.sign(over)).toThrow(RangeError);
    expect(signer.implementation()).toBe("expanded");
    broken = true;
    expectGood(signer);
    expect(faults).toEqual(["signing with an expanded key fails: no signature is short enough"]);
    expect(() => signer.sign(over)).toThrow(RangeError);
  });

  it("throws rather than give out what even noble makes wrong", () => {
    const other = publicKey.slice().fill(1, 100, 200);
    const signer = make({ publicKey: other });
    expect(() => signer.sign(message)).toThrow("a signature does not verify");
    expect(faults).toHaveLength(1);
  });

  it("refuses bytes that are no key, keeps its own copy of a key, and signs no more when wiped", () => {
    expect(() => make({ secretKey: new Uint8Array(2305) })).toThrow(Error);
    expect(() => make({ secretKey: new Uint8Array(7) })).toThrow(RangeError);
    const secretKey = SELF_TEST_SECRET_KEY.slice();
    const signer = make({ secretKey });
    secretKey.fill(0);
    expectGood(signer);
    signer.wipe();
    expect(() => signer.sign(message)).toThrow("wiped");
    expect(faults).toEqual([]);
  });
});

describe("inline signer", () => {
  it("says who signs, and what went wrong", async () => {
    const signer = createInlineSigner(SELF_TEST_SECRET_KEY, {
      verifier: { name: "liboqs-wasm", verify: () => false },
      onFault: (detail) => faults.push(detail),
    });
    expect(signer.implementation()).toBe("expanded");
    const signature = await new Promise<Uint8Array>((resolve) => signer.sign(message, resolve));
    expect(falconVerify(signature, message, signer.publicKey)).toBe(true);
    expect(signer.implementation()).toBe("noble");
    expect(faults).toHaveLength(1);
    await signer.close();
  });
});
