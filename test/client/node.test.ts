/** What Node adds to the client: files for states and kept batches, keys of key files. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fileKeeper, fileSigner, fileStore } from "../../src/client/node.ts";
import { keySigner } from "../../src/client/signer.ts";
import { memoryKeeper } from "../../src/client/submit.ts";
import { falconVerify } from "../../src/crypto/falcon.ts";
import { LIMITS } from "../../src/limits.ts";
import { createKeyFile } from "../../src/node/keys/key-file.ts";
import { keptKeys } from "../crypto/kept-keys.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tetrad-client-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("a file store", () => {
  it("gives back what was saved last, from a file of its owner alone", async () => {
    const path = join(folder, "state.json");
    const store = fileStore(path);
    expect(store.load()).toBeUndefined();
    await store.save("one\n");
    await store.save("two\n");
    expect(fileStore(path).load()).toBe("two\n");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(["state.json"]);
  });

  it("takes no file that no client has written", () => {
    const path = join(folder, "state.json");
    writeFileSync(path, "x".repeat(64 * 1024));
    expect(fileStore(path).load()).toHaveLength(64 * 1024);
    writeFileSync(path, "x".repeat(64 * 1024 + 1));
    const refused = expect.objectContaining({ code: "trust.state" });
    expect(() => fileStore(path).load()).toThrow(refused);
  });
});

describe.each([
  ["a file keeper", () => fileKeeper(join(folder, "kept"))],
  ["a memory keeper", () => memoryKeeper()],
])("%s", (_, make) => {
  it("keeps batches in the order of the lane until their outcome is known", async () => {
    const keeper = make();
    expect(await keeper.pending()).toEqual([]);
    for (const seq of [10, 9, 100]) await keeper.keep(seq, Uint8Array.of(seq));
    await keeper.accepted(9);
    await keeper.accepted(7);
    expect(await keeper.pending()).toEqual([
      { seq: 9, bytes: Uint8Array.of(9), accepted: true },
      { seq: 10, bytes: Uint8Array.of(10), accepted: false },
      { seq: 100, bytes: Uint8Array.of(100), accepted: false },
    ]);
    await keeper.drop(9);
    await keeper.drop(10);
    await keeper.drop(11);
    expect((await keeper.pending()).map(({ seq }) => seq)).toEqual([100]);
  });
});

it("passes over files that can be no batch", async () => {
  const kept = join(folder, "kept");
  const keeper = fileKeeper(kept);
  await keeper.keep(1, new Uint8Array(LIMITS.batchBytesMax));
  await keeper.keep(2, new Uint8Array(LIMITS.batchBytesMax + 1));
  await keeper.keep(3, new Uint8Array(0));
  writeFileSync(join(kept, "notes.txt"), "x");
  expect((await fileKeeper(kept).pending()).map(({ seq }) => seq)).toEqual([1]);
  expect(statSync(kept).mode & 0o777).toBe(0o700);
  expect(readFileSync(join(kept, "notes.txt"), "utf8")).toBe("x");
});

describe("signers", () => {
  const message = new Uint8Array(32).fill(1);

  it("of a key in memory sign what verifies, and keep a copy of the key", async () => {
    const keys = keptKeys(7);
    const signer = keySigner(keys.secretKey);
    keys.secretKey.fill(0);
    expect(signer.publicKey).toEqual(keys.publicKey);
    const signatures = [await signer.sign(message), await signer.sign(message)];
    for (const signature of signatures) {
      expect(falconVerify(signature, message, keys.publicKey)).toBe(true);
    }
    expect(signatures[0]).not.toEqual(signatures[1]);
    expect(() => keySigner(new Uint8Array(3))).toThrow();
  });

  it("of a key file want its passphrase", async () => {
    const path = join(folder, "actor.key");
    const random = (length: number): Uint8Array => new Uint8Array(length).fill(5);
    const { publicKey } = await createKeyFile(path, "passphrase", random);
    const signer = await fileSigner(path, "passphrase");
    expect(signer.publicKey).toEqual(publicKey);
    expect(falconVerify(await signer.sign(message), message, publicKey)).toBe(true);
    await expect(fileSigner(path, "wrong")).rejects.toMatchObject({ code: "key.invalid" });
  });
});
