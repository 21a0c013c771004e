/** Damage to the files of a LevelDB store is reported and never given out as data. */
import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { equalBytes, toHex } from "../../src/crypto/bytes.ts";
import { utf8 } from "../../src/crypto/codec.ts";
import type { Store } from "../../src/ledger/ports.ts";
import { crc32c } from "../../src/ledger/store/crc32c.ts";
import { checkLevelStore, openLevelStore } from "../../src/ledger/store/level.ts";
import { openRow, sealRow } from "../../src/ledger/store/rows.ts";
import { checkTable, unsnap } from "../../src/ledger/store/table-file.ts";
import { checkLog } from "../../src/ledger/store/write-ahead-log.ts";

const logger = { log: (): void => {} };
const ROWS = 120;
const keyOf = (i: number): Uint8Array => utf8(`key-${String(i).padStart(4, "0")}`);
/** Small rows, and every twentieth larger than a block of the log. */
const textOf = (i: number): Uint8Array =>
  utf8(`value ${i}, `.repeat(i % 20 === 7 ? 4000 : 1 + (i % 9)));

const close = (store: Store): Promise<void> => new Promise((resolve) => store.close(resolve));
const flip = (bytes: Uint8Array, bit: number): Uint8Array => {
  const flipped = new Uint8Array(bytes);
  flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return flipped;
};

let root: string;
/** A store whose rows are all in one log, and the same rows in tables. */
let inLog: string;
let inTables: string;
let log: Uint8Array;
let logName: string;

const only = async (folder: string, extension: string): Promise<string> => {
  const names = (await readdir(folder)).filter((name) => name.endsWith(extension));
  expect(names.length).toBe(1);
  return names[0] ?? "";
};

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "tetrad-damage-"));
  inLog = join(root, "log");
  inTables = join(root, "tables");
  const store = await openLevelStore(inLog, { logger });
  for (let i = 0; i < ROWS; i++) {
    await new Promise<void>((resolve) => {
      const ops = [{ type: "put", key: keyOf(i), value: textOf(i) }] as const;
      store.write(ops, { sync: false }, () => resolve());
    });
  }
  await close(store);
  await cp(inLog, inTables, { recursive: true });
  // Opening replays the log into a table.
  await close(await openLevelStore(inTables, { logger }));
  logName = await only(inLog, ".log");
  log = new Uint8Array(await readFile(join(inLog, logName)));
});
afterAll(() => rm(root, { recursive: true }));

/** A copy of a store with one file replaced, or taken away. */
async function damaged(folder: string, file: string, content?: Uint8Array): Promise<string> {
  const copy = await mkdtemp(join(root, "copy-"));
  await cp(folder, copy, { recursive: true });
  if (content === undefined) await unlink(join(copy, file));
  else await writeFile(join(copy, file), content);
  return copy;
}

describe("rows", () => {
  it("are opened as they were sealed, and not when any bit of key or row differs", () => {
    const anyBytes = fc.uint8Array({ maxLength: 40 });
    fc.assert(
      fc.property(anyBytes, anyBytes, fc.nat(10_000), (key, value, at) => {
        const row = sealRow(key, value);
        expect(openRow(key, row)).toEqual(new Uint8Array(value));
        expect(openRow(key, flip(row, at % (row.length * 8)))).toBeUndefined();
        if (key.length === 0) return;
        expect(openRow(flip(key, at % (key.length * 8)), row)).toBeUndefined();
      }),
    );
    expect(openRow(utf8("k"), new Uint8Array(3))).toBeUndefined();
  });

  it("are sealed by the CRC-32 of zlib, tables by CRC-32C", () => {
    expect(toHex(sealRow(utf8("1234"), utf8("56789")).subarray(5))).toBe("cbf43926");
    expect(crc32(utf8("123456789"))).toBe(0xcbf43926);
    expect(crc32c(utf8("123456789"))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  });
});

describe("the write-ahead log", () => {
  it("is read whole, and to the interrupted write when it is cut off", () => {
    expect(checkLog(log, true)).toEqual({ records: ROWS, tornAt: undefined, corruptAt: undefined });
    let records = ROWS;
    for (let length = log.length - 1; length > 0; length -= 997) {
      const check = checkLog(log.subarray(0, length), true);
      expect(check.corruptAt).toBeUndefined();
      expect(check.records).toBeLessThanOrEqual(records);
      records = check.records;
    }
    expect(records).toBeLessThan(20);
  });

  it("shows any flipped bit before the last write, and never more than what is good", () => {
    const lastWrite = checkLog(log.subarray(0, log.length - 1), true).tornAt ?? 0;
    expect(lastWrite).toBeGreaterThan(log.length - 200);
    for (let byte = 0; byte < log.length; byte += byte < 400 ? 1 : 389) {
      const { records, tornAt, corruptAt } = checkLog(flip(log, byte * 8 + (byte % 8)), true);
      const padding = 32_768 - (byte % 32_768) < 7 && records === ROWS;
      if (padding) continue;
      if (byte < lastWrite) expect(corruptAt).toBeDefined();
      else expect([records, tornAt, corruptAt]).toEqual([ROWS - 1, lastWrite, undefined]);
    }
  });

  it("is not damaged by what a user writes, even when the write that holds it was interrupted", () => {
    // The log itself as the value of a row: whole records with good checksums, all numbered too low.
    const start = checkLog(log.subarray(0, 3000), true).tornAt ?? 0;
    const torn = new Uint8Array(6000);
    torn.set(log.subarray(0, start));
    torn.set(log.subarray(0, 1500), start + 300);
    expect(checkLog(torn, true)).toMatchObject({ tornAt: start, corruptAt: undefined });
  });

  it("of any bytes is checked without a throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, batches) => {
        expect(checkLog(bytes, batches).records).toBeLessThan(2);
      }),
    );
  });
});

describe("a store with a damaged log", () => {
  it("does not open, or opens without the last write only", async () => {
    const lastWrite = checkLog(log.subarray(0, log.length - 1), true).tornAt ?? 0;
    for (const byte of [0, 4, 6, 20, 40_000, Math.floor(log.length / 2), lastWrite - 1]) {
      const copy = await damaged(inLog, logName, flip(log, byte * 8));
      await expect(openLevelStore(copy, { logger })).rejects.toMatchObject({
        code: "store.corrupt",
        data: { file: logName },
      });
    }
    const store = await openLevelStore(
      await damaged(inLog, logName, flip(log, (lastWrite + 20) * 8)),
      { logger },
    );
    expect(store.get(keyOf(ROWS - 1))).toBeUndefined();
    for (let i = 0; i < ROWS - 1; i++) {
      expect(equalBytes(store.get(keyOf(i)) ?? new Uint8Array(0), textOf(i))).toBe(true);
    }
    await close(store);
  });

  it("does not open when an older log ends in damage and a later one goes on", async () => {
    const number = Number.parseInt(logName, 10);
    const later = `${String(number + 50).padStart(6, "0")}.log`;
    const copy = await damaged(inLog, logName, log.subarray(0, log.length - 5));
    await writeFile(join(copy, later), log.subarray(0, 3000));
    await expect(openLevelStore(copy, { logger })).rejects.toMatchObject({
      code: "store.corrupt",
      data: { file: logName },
    });
  });
});

describe("a store with damaged tables", () => {
  let name: string;
  let table: Uint8Array;
  beforeAll(async () => {
    name = await only(inTables, ".ldb");
    table = new Uint8Array(await readFile(join(inTables, name)));
  });

  it("is found whole when it is", async () => {
    expect(checkTable(table)).toBeUndefined();
    expect(await checkLevelStore(inTables)).toMatchObject({
      tableBytes: table.length,
      tablesSkipped: 0,
    });
  });

  it("is found damaged for any flipped bit that anybody reads, and any missing end", () => {
    const silent: number[] = [];
    for (let byte = 0; byte < table.length; byte += byte < table.length - 1500 ? 29 : 1) {
      const damage = checkTable(flip(table, byte * 8 + (byte % 8)));
      if (damage === undefined) silent.push(byte);
    }
    // Padding between the places in the footer and the magic number: up to 40 bytes that have no meaning.
    expect(silent.every((byte) => byte >= table.length - 48 && byte < table.length - 8)).toBe(true);
    for (let length = 0; length < table.length; length += 101) {
      expect(checkTable(table.subarray(0, length))).toBeDefined();
    }
  });

  it("of any bytes is checked without a throw", () => {
    const magic = table.subarray(table.length - 8);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 40, maxLength: 200 }), (bytes) => {
        expect(checkTable(new Uint8Array([...bytes, ...magic]))).toBeDefined();
      }),
    );
  });

  it("does not open after a process that did not close it, and says which file", async () => {
    const copy = await damaged(inTables, name, flip(table, 4000));
    await writeFile(join(copy, "in-use", "owner.pid"), "999999999\n");
    await expect(openLevelStore(copy, { logger })).rejects.toMatchObject({
      code: "store.corrupt",
      data: { file: name },
    });
    await expect(checkLevelStore(copy)).rejects.toMatchObject({ data: { file: name } });
  });

  it("never gives a wrong value when it is open nevertheless", async () => {
    const child = fileURLToPath(new URL("fixtures/store-child.ts", import.meta.url));
    const run = promisify(execFile);
    const ends = new Set<string>();
    for (let i = 0; i < 12; i++) {
      const bit = Math.floor(((i + 0.5) * table.length) / 12) * 8 + (i % 8);
      const copy = await damaged(inTables, name, flip(table, bit));
      // In a process of its own, because LevelDB may end it.
      const end = await run(process.execPath, [child, "read-all", copy]).then(
        ({ stdout }) => stdout,
        (error: { signal?: string; stdout: string }) => `${error.stdout}${error.signal ?? ""}`,
      );
      for (const line of end.trim().split("\n")) ends.add(line.split(" ")[0] ?? "");
    }
    expect(ends).toContain("corrupt");
    for (const end of ends) expect(["good", "corrupt", "lost", "SIGABRT"]).toContain(end);
  });

  it("does not open with a missing table, manifest or a damaged one", async () => {
    const manifest = (await readdir(inTables)).find((file) => file.startsWith("MANIFEST")) ?? "";
    const bytes = new Uint8Array(await readFile(join(inTables, manifest)));
    for (const copy of [
      await damaged(inTables, name),
      await damaged(inTables, manifest),
      await damaged(inTables, manifest, flip(bytes, 80)),
      await damaged(inTables, "CURRENT", utf8("MANIFEST-0\n")),
      await damaged(inTables, "CURRENT", utf8("what\n")),
    ]) {
      await expect(openLevelStore(copy, { logger })).rejects.toMatchObject({
        code: "store.corrupt",
      });
    }
  });
});

describe("Snappy", () => {
  it("is undone: literals, short and long copies, and copies that overlap themselves", () => {
    // Length 13; literal "abc"; copy of 4 from 3 back; copy of 6, two-byte offset, from 1 back.
    const input = Uint8Array.of(13, 8, 0x61, 0x62, 0x63, 1, 3, (5 << 2) | 2, 1, 0);
    expect(new TextDecoder().decode(unsnap(input))).toBe("abcabcaaaaaaa");
  });

  it("of any bytes gives bytes or a RangeError", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        // Small lengths, so that the property is about the copies.
        const input = new Uint8Array([20, ...bytes]);
        try {
          expect(unsnap(input).length).toBe(20);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
    );
  });
});
