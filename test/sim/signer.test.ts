/** The stub signatures: the contract of the ports, and that nobody forges them. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Host } from "../../sim/host.ts";
import { createSimSigner, createSimVerifier, FREE_SIGNER, KeyRing } from "../../sim/signer.ts";
import { World } from "../../sim/world.ts";
import { utf8 } from "../../src/crypto/codec.ts";
import type { Signer, Verifier } from "../../src/ledger/ports.ts";
import { signerContract, verifierContract } from "../contract/signing-contract.ts";

/** Runs the world whenever something was asked of it: the contract suites know no virtual time. */
const pumped = (world: World): void => {
  setImmediate(() => world.runUntil(world.nowUs + 1_000_000));
};

const contractRing = new KeyRing(7);
const contractKey = contractRing.createKey("contract");

signerContract(
  "simulated",
  () => {
    const world = new World(1);
    const host = new Host(world, 0);
    const inner = createSimSigner(host, host.boot(), contractRing, contractKey, FREE_SIGNER);
    const signer: Signer = {
      publicKey: inner.publicKey,
      sign: (message, done) => {
        inner.sign(message, done);
        pumped(world);
      },
    };
    return Promise.resolve(signer);
  },
  (signature, message, publicKey) => contractRing.verify({ message, signature, publicKey }),
);

verifierContract(
  "simulated",
  () => {
    const world = new World(1);
    const host = new Host(world, 0);
    const inner = createSimVerifier(host, host.boot(), contractRing, FREE_SIGNER);
    const verifier: Verifier = {
      verify: (jobs, priority, done) => {
        inner.verify(jobs, priority, done);
        pumped(world);
      },
    };
    return Promise.resolve(verifier);
  },
  () =>
    ["a", "b"].map((text) => ({
      message: utf8(text),
      signature: contractRing.sign(contractKey, utf8(text)),
      publicKey: contractKey.publicKey,
    })),
);

describe("key ring", () => {
  const ring = new KeyRing(1);
  const key = ring.createKey("a");
  const other = ring.createKey("b");

  it("verifies what it signed, under that key and message only", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), (message) => {
        const signature = ring.sign(key, message);
        expect(signature).toHaveLength(1280);
        expect(ring.verify({ message, signature, publicKey: key.publicKey })).toBe(true);
        expect(ring.verify({ message, signature, publicKey: other.publicKey })).toBe(false);
        const longer = Uint8Array.of(...message, 0);
        expect(ring.verify({ message: longer, signature, publicKey: key.publicKey })).toBe(false);
      }),
    );
  });

  it("refuses a signature with any bit changed, and malformed input", () => {
    const message = utf8("statement");
    const signature = ring.sign(key, message);
    fc.assert(
      fc.property(fc.nat(1279), fc.nat(7), (at, bit) => {
        const changed = signature.slice();
        changed[at] = (changed[at] ?? 0) ^ (1 << bit);
        const job = { message, signature: changed, publicKey: key.publicKey };
        expect(ring.verify(job)).toBe(false);
      }),
    );
    const short = { message, signature: signature.slice(1), publicKey: key.publicKey };
    expect(ring.verify(short)).toBe(false);
    expect(ring.verify({ message, signature, publicKey: new Uint8Array(0) })).toBe(false);
  });

  it("gives other bytes each time, or the same where a scenario asks", () => {
    const message = utf8("again");
    expect(ring.sign(key, message)).not.toEqual(ring.sign(key, message));
    const fixed = new KeyRing(1, false);
    const fixedKey = fixed.createKey("a");
    expect(fixed.sign(fixedKey, message)).toEqual(fixed.sign(fixedKey, message));
  });

  it("of another world is of no use", () => {
    const foreign = new KeyRing(2);
    const message = utf8("statement");
    const signature = foreign.sign(foreign.createKey("a"), message);
    expect(ring.verify({ message, signature, publicKey: key.publicKey })).toBe(false);
  });
});

describe("signer", () => {
  it("answers later, in order, one at a time, and not after a crash", () => {
    const world = new World(1);
    const host = new Host(world, 0);
    const ring = new KeyRing(1);
    const key = ring.createKey("a");
    const signer = createSimSigner(host, host.boot(), ring, key, FREE_SIGNER);
    const answers: string[] = [];
    signer.sign(utf8("x"), () => answers.push(`x@${world.nowUs}`));
    signer.sign(utf8("y"), () => answers.push(`y@${world.nowUs}`));
    expect(answers).toEqual([]);
    world.runUntil(10_000);
    expect(answers).toEqual(["x@1000", "y@2000"]);
    signer.sign(utf8("z"), () => answers.push("z"));
    host.kill("test");
    world.runUntil(20_000);
    expect(answers).toHaveLength(2);
  });

  it("signs the message as it was when asked", () => {
    const world = new World(1);
    const host = new Host(world, 0);
    const ring = new KeyRing(1);
    const key = ring.createKey("a");
    const signer = createSimSigner(host, host.boot(), ring, key, FREE_SIGNER);
    const message = utf8("x");
    let valid: boolean | undefined;
    signer.sign(message, (signature) => {
      valid = ring.verify({ message: utf8("x"), signature, publicKey: key.publicKey });
    });
    message[0] = 0;
    world.runUntil(10_000);
    expect(valid).toBe(true);
  });
});
