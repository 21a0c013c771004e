import { randomBytes } from "node:crypto";
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { equalBytes } from "../../src/crypto/bytes.ts";
import { type FalconKeyPair, falconVerify } from "../../src/crypto/falcon.ts";
import { loadFalconWasm } from "../../src/crypto/falcon-wasm.ts";
import type { Logger } from "../../src/ledger/ports.ts";
import {
  eraseEpochKeyFile,
  readEpochKeyFiles,
  writeEpochKeyFile,
} from "../../src/node/epoch-keys/folder.ts";
import {
  deriveEpochSealingKey,
  EPOCH_KEY_FILE_BYTES,
  openEpochKey,
  sealEpochKey,
} from "../../src/node/epoch-keys/key-file.ts";
import { type NodeEpochKeyring, openKeyring } from "../../src/node/epoch-keys/keyring.ts";

const root = mkdtempSync(join(tmpdir(), "epoch-keys-"));
const sealingKey = new Uint8Array(32).fill(7);
const logger: Logger = { log: () => undefined };
let keys: FalconKeyPair;
let file: Uint8Array;

const fresh = (name: string): string => {
  const path = join(root, name);
  mkdirSync(path, { mode: 0o700 });
  return path;
};

const opened = (folder: string, key = sealingKey): Promise<NodeEpochKeyring> =>
  openKeyring({
    ...{ folder, logger, sealingKey: Uint8Array.from(key) },
    onFailure: ({ detail }) => {
      throw new Error(detail);
    },
  });

const made = (keyring: NodeEpochKeyring, epoch: number): Promise<Uint8Array> =>
  new Promise((resolve) => keyring.make(epoch, resolve));

const signed = (keyring: NodeEpochKeyring, key: Uint8Array, message: Uint8Array) =>
  new Promise<Uint8Array>((resolve) => keyring.sign(key, message, resolve));

beforeAll(async () => {
  keys = (await loadFalconWasm()).keygen();
  file = sealEpochKey(5, keys, randomBytes(12), sealingKey);
});

afterAll(() => rmSync(root, { recursive: true }));

describe("the file of a key of an epoch", () => {
  it("gives back what was sealed, to who has the key", () => {
    expect(file).toHaveLength(EPOCH_KEY_FILE_BYTES);
    expect(openEpochKey(file, sealingKey)).toEqual({ ok: true, value: { epoch: 5, ...keys } });
    expect(openEpochKey(file, new Uint8Array(32)).ok).toBe(false);
  });

  it("does not open with any byte changed, cut short or longer", () => {
    const at = fc.integer({ min: 0, max: EPOCH_KEY_FILE_BYTES - 1 });
    fc.assert(
      fc.property(at, fc.integer({ min: 1, max: 255 }), (index, change) => {
        const other = Uint8Array.from(file);
        other[index] = (other[index] ?? 0) ^ change;
        expect(openEpochKey(other, sealingKey).ok).toBe(false);
        expect(openEpochKey(file.subarray(0, index), sealingKey).ok).toBe(false);
      }),
    );
    expect(openEpochKey(new Uint8Array([...file, 0]), sealingKey).ok).toBe(false);
  });

  it("of whatever bytes is refused and not thrown at", () => {
    const length = { minLength: EPOCH_KEY_FILE_BYTES, maxLength: EPOCH_KEY_FILE_BYTES };
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), fc.uint8Array(length)), (bytes) => {
        expect(openEpochKey(bytes, sealingKey).ok).toBe(false);
      }),
      { numRuns: 30 },
    );
  });

  it("is sealed under a key that follows from the long-lived one", () => {
    const [one, other] = [deriveEpochSealingKey(keys.secretKey), new Uint8Array(2305)];
    expect(one).toHaveLength(32);
    expect(equalBytes(one, deriveEpochSealingKey(other))).toBe(false);
    expect(() => deriveEpochSealingKey(new Uint8Array(3))).toThrow(RangeError);
  });
});

describe("erasing a key", () => {
  it("overwrites the bytes before the name goes", async () => {
    const folder = fresh("overwrite");
    await writeEpochKeyFile(folder, 5, file);
    const [name] = readdirSync(folder);
    // Another name of the same bytes shows what is left of them.
    linkSync(join(folder, name ?? ""), join(root, "witness"));
    await eraseEpochKeyFile(folder, 5);
    expect(readdirSync(folder)).toEqual([]);
    const left = readFileSync(join(root, "witness"));
    expect(left).toHaveLength(EPOCH_KEY_FILE_BYTES);
    expect(left.includes(Buffer.from(file.subarray(100, 116)))).toBe(false);
    await eraseEpochKeyFile(folder, 5);
  });

  it("that a crash has cut off between two steps is finished at the next start", async () => {
    const folder = fresh("crash");
    await writeEpochKeyFile(folder, 5, file);
    await writeEpochKeyFile(folder, 6, file);
    renameSync(join(folder, "0000000000000005.key"), join(folder, ".5.erased.draft"));
    // And what a crash leaves of a key that was being made, or a few bytes of one.
    await writeEpochKeyFile(folder, 7, file.subarray(0, 100));
    renameSync(join(folder, "0000000000000007.key"), join(folder, ".0a1b.draft"));
    expect((await readEpochKeyFiles(folder)).map(({ epoch }) => epoch)).toEqual([6]);
    expect(readdirSync(folder)).toEqual(["0000000000000006.key"]);
  });
});

describe("the keyring", () => {
  it("makes, keeps, signs with and erases keys, over restarts", async () => {
    const folder = fresh("ring");
    const first = await opened(folder);
    const [three, four] = [await made(first, 3), await made(first, 4)];
    expect(await made(first, 3)).toEqual(three);
    expect(first.held().map(({ epoch }) => epoch)).toEqual([3, 4]);
    await first.close();
    const second = await opened(folder);
    expect(second.held()).toEqual([
      { epoch: 3, publicKey: three },
      { epoch: 4, publicKey: four },
    ]);
    const message = new Uint8Array(32).fill(9);
    expect(falconVerify(await signed(second, three, message), message, three)).toBe(true);
    second.erase(3);
    expect(second.held().map(({ epoch }) => epoch)).toEqual([4]);
    // With a key that is gone nothing is signed, and the next answer is of another one.
    let wrong = false;
    second.sign(three, message, () => {
      wrong = true;
    });
    expect(falconVerify(await signed(second, four, message), message, four)).toBe(true);
    await second.close();
    expect(wrong).toBe(false);
    expect(readdirSync(folder)).toEqual(["0000000000000004.key"]);
  }, 60_000);

  it("does not open keys of another node, or under another epoch's name", async () => {
    const folder = fresh("foreign");
    await writeEpochKeyFile(folder, 5, file);
    await expect(opened(folder, new Uint8Array(32))).rejects.toMatchObject({ code: "key.invalid" });
    renameSync(join(folder, "0000000000000005.key"), join(folder, "0000000000000006.key"));
    await expect(opened(folder)).rejects.toMatchObject({ code: "key.invalid" });
  }, 60_000);
});
