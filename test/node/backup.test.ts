/** Backups of a store: what is written is read back, and nothing else is. Whole nodes are in test/faults. */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { link } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createHasher } from "../../src/crypto/hash.ts";
import { type ErrorCode, TetradError } from "../../src/errors.ts";
import { executionKey, metaKey } from "../../src/ledger/keys.ts";
import type { StoreEntry } from "../../src/ledger/ports.ts";
import { encodeExecutionRecord } from "../../src/ledger/records.ts";
import { genesisOps } from "../../src/ledger/replica/block-store.ts";
import { LIMITS } from "../../src/limits.ts";
import { encodeRow } from "../../src/node/backup/format.ts";
import { checkBackup, nameBackup } from "../../src/node/backup/make.ts";
import { openBackup } from "../../src/node/backup/read.ts";
import { checkRoom } from "../../src/node/backup/room.ts";
import { writeBackup } from "../../src/node/backup/write.ts";

const folder = mkdtempSync(join(tmpdir(), "tetrad-backup-"));
afterAll(() => rmSync(folder, { recursive: true }));

const hash = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const record = encodeExecutionRecord({
  height: 3,
  timeMs: 5,
  firstIndex: 7,
  count: 2,
  logSize: 9,
  logRoot: hash(1),
  stateRoot: hash(2),
  projections: [],
  schemaVersions: [],
});

const rowsWith = (more: readonly StoreEntry[] = []): StoreEntry[] => {
  const fixed = genesisOps(hash(9), 1, []).flatMap((op): StoreEntry[] =>
    op.type === "put" ? [[op.key, op.value]] : [],
  );
  const all: StoreEntry[] = [...fixed, [executionKey(3), record], ...more];
  return all.sort(([a], [b]) => Buffer.compare(a, b));
};

async function* pages(rows: readonly StoreEntry[]): AsyncGenerator<readonly StoreEntry[]> {
  for (let at = 0; at < rows.length; at += 2) yield rows.slice(at, at + 2);
}

const head = { madeMs: 1_790_000_000_000, name: "a", listen: "[::1]:1", api: "[::1]:2" };

const write = async (rows: readonly StoreEntry[]): Promise<Buffer> => {
  const parts: Uint8Array[] = [];
  const source = { scan: () => pages(rows), hasher: createHasher("t"), genesis: hash(3), head };
  for await (const part of writeBackup(source)) parts.push(part);
  return Buffer.concat(parts);
};

const path = join(folder, "file");
const codeOf = async (bytes: Uint8Array): Promise<ErrorCode | undefined> => {
  writeFileSync(path, bytes);
  try {
    await checkBackup(path);
    return undefined;
  } catch (error) {
    if (error instanceof TetradError) return error.code;
    throw error;
  }
};

/** With the checksum that fits: what a forger would write. */
const resealed = (bytes: Buffer): Buffer => {
  const body = bytes.subarray(0, bytes.length - 32);
  return Buffer.concat([body, createHash("sha256").update(body).digest()]);
};

let good: Buffer;
beforeAll(async () => {
  good = await write(rowsWith());
});

describe("the name of a backup", () => {
  const noLinks = async (): Promise<void> => {
    throw Object.assign(new Error("no hard links here"), { code: "EPERM" });
  };

  it.each([
    ["with hard links", link],
    ["without hard links", noLinks],
  ])("is given once, and replaces nothing, %s", async (_how, linkFile) => {
    const place = mkdtempSync(join(tmpdir(), "tetrad-name-"));
    try {
      const [draft, to] = [join(place, "draft"), join(place, "backup")];
      writeFileSync(draft, "whole");
      await nameBackup(draft, to, linkFile);
      expect(readFileSync(to, "utf8")).toBe("whole");
      // With a link the draft is the same file as the backup.
      rmSync(draft, { force: true });
      writeFileSync(draft, "another");
      await expect(nameBackup(draft, to, linkFile)).rejects.toMatchObject({ code: "EEXIST" });
      expect(readFileSync(to, "utf8")).toBe("whole");
      // A name that could not be given is free again.
      const none = join(place, "none");
      await expect(nameBackup(none, join(place, "free"), linkFile)).rejects.toThrow();
      expect(existsSync(join(place, "free"))).toBe(false);
    } finally {
      rmSync(place, { recursive: true });
    }
  });
});

describe("the room for a backup", () => {
  it("is twice that of the logs, and refused where that is not free", async () => {
    const db = mkdtempSync(join(folder, "db-"));
    writeFileSync(join(db, "000007.log"), new Uint8Array(3000));
    writeFileSync(join(db, "000009.log"), new Uint8Array(1000));
    writeFileSync(join(db, "000005.ldb"), new Uint8Array(9000));
    await checkRoom(db, async () => 8000);
    await expect(checkRoom(db, async () => 7999)).rejects.toMatchObject({ code: "backup.refused" });
    await checkRoom(db);
    await expect(checkRoom(join(db, "none"))).rejects.toMatchObject({ code: "store.io" });
  });
});

describe("a backup", () => {
  it("gives back the rows in order, and what they come to", async () => {
    const more: StoreEntry[] = [
      [Buffer.from("zz"), new Uint8Array(3 * LIMITS.restoreWriteBytes).fill(7)],
      [Buffer.from("zzz"), new Uint8Array(0)],
    ];
    const rows = rowsWith(more);
    writeFileSync(path, await write(rows));
    const backup = await openBackup(path);
    expect(backup.head).toMatchObject(head);
    expect(backup.genesis).toEqual(Buffer.from(hash(3)));
    const read: StoreEntry[] = [];
    const reading = backup.rows();
    let step = await reading.next();
    for (; step.done !== true; step = await reading.next()) read.push(...step.value);
    await backup.close();
    const plain = (entries: readonly StoreEntry[]) =>
      entries.map(([key, value]) => [Buffer.from(key), Buffer.from(value)]);
    expect(plain(read)).toEqual(plain(rows));
    expect(step.value).toMatchObject({
      rows: rows.length,
      height: 0,
      executedHeight: 3,
      logSize: 9,
      stateRoot: Buffer.from(hash(2)),
    });
  });

  it("is refused with any bit changed, cut anywhere, or with more behind it", async () => {
    expect(await codeOf(good)).toBeUndefined();
    const taken: number[] = [];
    for (let at = 0; at < good.length; at++) {
      const changed = Buffer.from(good);
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      if ((await codeOf(changed)) !== "backup.invalid") taken.push(at);
      if ((await codeOf(good.subarray(0, at))) !== "backup.invalid") taken.push(at);
    }
    expect(taken).toEqual([]);
    expect(await codeOf(Buffer.concat([good, Buffer.of(0)]))).toBe("backup.invalid");
  });

  it("is refused or read, and never crashes, where somebody made the checksum fit", async () => {
    const change = fc.record({
      at: fc.nat({ max: good.length - 33 }),
      byte: fc.nat({ max: 255 }),
      cut: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(change, async ({ at, byte, cut }) => {
        const changed = Buffer.from(good);
        changed[at] = byte;
        const bytes = cut ? Buffer.concat([changed.subarray(0, at), Buffer.alloc(32)]) : changed;
        const code = await codeOf(resealed(bytes));
        expect(code === undefined || code === "backup.invalid").toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it("is refused with rows out of order or twice, or with another count of them", async () => {
    const rows = rowsWith();
    for (const wrong of [[...rows].reverse(), [...rows, ...rows.slice(-1)]]) {
      expect(await codeOf(await write(wrong))).toBe("backup.invalid");
    }
    const without = Buffer.from(good);
    const tail = good.length - 32 - 128;
    without.writeBigUInt64BE(BigInt(rows.length + 1), tail);
    expect(await codeOf(resealed(without))).toBe("backup.invalid");
  });

  it("takes a row at its limits and refuses one past them", async () => {
    const row = (keyBytes: number, valueBytes: number): StoreEntry => [
      Buffer.alloc(keyBytes, 0xff),
      new Uint8Array(valueBytes),
    ];
    const { backupKeyBytesMax: key, backupValueBytesMax: value } = LIMITS;
    expect(await codeOf(await write(rowsWith([row(key, value)])))).toBeUndefined();
    expect(await codeOf(await write(rowsWith([row(key + 1, 1)])))).toBe("backup.invalid");
    expect(await codeOf(await write(rowsWith([row(1, value + 1)])))).toBe("backup.invalid");
  });

  it("is not made of a folder without a chain, of another format, or in the middle of a rebuild", async () => {
    const refused = expect.objectContaining({ code: "backup.refused" });
    await expect(write([])).rejects.toEqual(refused);
    await expect(write([[metaKey("x"), hash(1)]])).rejects.toEqual(refused);
    await expect(write(rowsWith([[metaKey("rebuild"), Uint8Array.of(1)]]))).rejects.toEqual(
      refused,
    );
    const old = rowsWith().map(([key, value]): StoreEntry => {
      const isFormat = Buffer.compare(key, metaKey("format")) === 0;
      return isFormat ? [key, Uint8Array.of(1)] : [key, value];
    });
    await expect(write(old)).rejects.toEqual(refused);
  });

  it("says that a file is none", async () => {
    for (const bytes of [
      Buffer.of(),
      Buffer.alloc(5000),
      Buffer.from(encodeRow(hash(1), hash(2))),
    ]) {
      expect(await codeOf(bytes)).toBe("backup.invalid");
    }
    await expect(checkBackup(folder)).rejects.toEqual(
      expect.objectContaining({ code: "backup.invalid" }),
    );
    await expect(checkBackup(join(folder, "none"))).rejects.toEqual(
      expect.objectContaining({ code: "cli.usage" }),
    );
    expect(readFileSync(path).length).toBeGreaterThan(0);
  });
});
