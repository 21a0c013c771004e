import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { createHasher } from "../../../src/crypto/hash.ts";
import type { Failure } from "../../../src/errors.ts";
import { LIMITS } from "../../../src/limits.ts";
import { deriveIvrfSecret } from "../../../src/node/beacon/ivrf-secret.ts";
import { makeIvrfKey } from "../../../src/node/beacon/make-key.ts";
import { createRevealer } from "../../../src/node/beacon/revealer.ts";
import {
  createIvrfKey,
  ivrfCapsTag,
  ivrfKeySecret,
  verifyReveal,
} from "../../../src/proofs/beacon/ivrf.ts";

const hasher = createHasher("revealer-1");
const secretOf = (fill: number) => new Uint8Array(32).fill(fill);
const falcon = (fill: number) => new Uint8Array(LIMITS.falconSecretKeyBytes).fill(fill);

describe("the secret of a node's iVRF keys", () => {
  it("follows from its FALCON key, is not that key, and differs between nodes", () => {
    const one = deriveIvrfSecret(falcon(1));
    expect(one).toEqual(deriveIvrfSecret(falcon(1)));
    expect(toHex(one)).not.toBe(toHex(deriveIvrfSecret(falcon(2))));
    expect(one.length).toBe(32);
    expect(() => deriveIvrfSecret(falcon(1).subarray(1))).toThrow(RangeError);
  });

  it("gives every key of every chain a secret of its own", () => {
    const names = [1, 65_537].flatMap((first) =>
      [hasher, createHasher("revealer-2")].map((one) =>
        toHex(ivrfKeySecret(one, secretOf(1), first)),
      ),
    );
    expect(new Set(names).size).toBe(4);
    expect(() => ivrfKeySecret(hasher, secretOf(1).subarray(1), 1)).toThrow(RangeError);
  });
});

describe("a node's iVRF keys", () => {
  it("are the same made at once and in a thread", async () => {
    for (const depth of [4, 11]) {
      const made = await makeIvrfKey(hasher, secretOf(3), 129, depth);
      const wanted = createIvrfKey(hasher, ivrfKeySecret(hasher, secretOf(3), 129), depth);
      expect(toHex(made.root)).toBe(toHex(wanted.root));
      expect(made.reveal(7)).toEqual(wanted.reveal(7));
    }
  });

  it("are made once: a start reads what is kept, and makes what is not its own", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tetrad-caps-"));
    try {
      const make = (fill: number, on = hasher) =>
        makeIvrfKey(on, secretOf(fill), 1, 11, { folder, isWanted: () => true });
      const first = await make(3);
      const path = join(folder, "1.tree");
      const kept = readFileSync(path);
      expect(kept.length).toBe(32 + 8 * 32);
      expect(statSync(path).mode & 0o777).toBe(0o600);
      // What is read is taken: a tree with other caps and its right tag would show in the root.
      const caps = new Uint8Array(8 * 32).fill(1);
      const secret = ivrfKeySecret(hasher, secretOf(3), 1);
      writeFileSync(path, Buffer.concat([ivrfCapsTag(hasher, secret, caps), caps]));
      expect((await make(3)).root).not.toEqual(first.root);
      const spoilt = [
        Buffer.alloc(0),
        kept.subarray(1),
        Buffer.concat([kept, Buffer.of(0)]),
        ...[0, 31, 32, 287].map((at) => kept.map((byte, i) => (i === at ? byte ^ 1 : byte))),
      ];
      for (const bytes of spoilt) {
        writeFileSync(path, bytes);
        expect((await make(3)).root).toEqual(first.root);
        expect(readFileSync(path).equals(kept)).toBe(true);
      }
      const other = await make(4);
      const wanted = createIvrfKey(hasher, ivrfKeySecret(hasher, secretOf(4), 1), 11);
      expect(other.root).toEqual(wanted.root);
      expect((await make(4, createHasher("revealer-2"))).root).not.toEqual(other.root);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("are made though they cannot be kept, and forgotten with what is kept of them", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tetrad-caps-"));
    try {
      const file = join(folder, "file");
      writeFileSync(file, "");
      const nowhere = { folder: file, isWanted: () => true };
      expect((await makeIvrfKey(hasher, secretOf(3), 1, 11, nowhere)).depth).toBe(11);
      const onFailure = (failure: Failure) => expect.fail(failure.detail);
      const options = { hasher, secret: secretOf(5), depth: 11, folder, onFailure };
      const revealer = createRevealer(options);
      await Promise.all([1, 2049].map((at) => new Promise((done) => revealer.make(at, done))));
      expect(readdirSync(folder).sort()).toEqual(["1.tree", "2049.tree", "file"]);
      revealer.forget(1);
      expect(readdirSync(folder).sort()).toEqual(["2049.tree", "file"]);
      // What ended while the node was down goes when the next one is made; the one before it may be in use.
      writeFileSync(join(folder, "2.tree"), "");
      await new Promise((done) => revealer.make(4097, done));
      expect(readdirSync(folder).sort()).toEqual(["2.tree", "2049.tree", "4097.tree", "file"]);
      await new Promise((done) => revealer.make(6145, done));
      expect(readdirSync(folder).sort()).toEqual(["4097.tree", "6145.tree", "file"]);
      // Nothing is written for who has forgotten, or is closed.
      revealer.make(8193, () => expect.fail("forgotten"));
      revealer.forget(8193);
      revealer.make(10_241, () => expect.fail("closed"));
      revealer.close();
      await makeIvrfKey(hasher, secretOf(3), 1, 11);
      expect(readdirSync(folder).sort()).toEqual(["4097.tree", "6145.tree", "file"]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("reveal once they are made, until they are forgotten, and never of another's root", async () => {
    const failures: Failure[] = [];
    const onFailure = (failure: Failure) => failures.push(failure);
    const secret = secretOf(5);
    const revealer = createRevealer({ hasher, secret, depth: 5, onFailure });
    const make = (first: number) =>
      new Promise<Uint8Array>((resolve) => revealer.make(first, resolve));
    const [root, again, other] = await Promise.all([make(1), make(1), make(33)]);
    expect(again).toEqual(root);
    const reveal = revealer.reveal(root, 9) ?? new Uint8Array(0);
    expect(verifyReveal(hasher, { root, depth: 5 }, 9, reveal).ok).toBe(true);
    expect(revealer.reveal(secretOf(9), 9)).toBeUndefined();
    revealer.forget(1);
    expect(revealer.reveal(root, 9)).toBeUndefined();
    expect(revealer.reveal(other, 0)).toBeDefined();
    expect(await make(1)).toEqual(root);
    revealer.close();
    expect(revealer.reveal(root, 9)).toBeUndefined();
    expect(secret).toEqual(new Uint8Array(32));
    expect(failures).toEqual([]);
  });
});
