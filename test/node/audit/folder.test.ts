/** Auditing LevelDB folders: nothing in them changes, damage of any file is found, interruptions resume. */
import { createHash } from "node:crypto";
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fromHex } from "../../../src/crypto/bytes.ts";
import { TetradError } from "../../../src/errors.ts";
import { NO_COUNTS } from "../../../src/ledger/audit/saved.ts";
import type { Store, StoreOp } from "../../../src/ledger/ports.ts";
import { openLevelStore } from "../../../src/ledger/store/level.ts";
import { createMemoryStore } from "../../../src/ledger/store/memory.ts";
import { readSaved } from "../../../src/node/audit/auditor.ts";
import type { AuditReport } from "../../../src/node/audit/report.ts";
import { auditFolder } from "../../../src/node/audit/run-folder.ts";
import { type AuditedChain, areaOf, makeChain, metaHex, writeAll } from "./support.ts";

const silent = { log: () => {} };
const root = mkdtempSync(join(tmpdir(), "tetrad-audit-"));
const db = join(root, "db");
let audited: AuditedChain;
let copies = 0;

/** Half of the rows in tables, half in the log, as a node's are that was stopped at any time. */
const write = async (folder: string, rows: ReadonlyMap<string, Uint8Array>): Promise<void> => {
  const ops = [...rows].map(([key, value]): StoreOp => ({ type: "put", key: fromHex(key), value }));
  for (const part of [ops.slice(0, ops.length / 2), ops.slice(ops.length / 2)]) {
    const store = await openLevelStore(folder, { logger: silent, writeBufferBytes: 64 * 1024 });
    await writeAll(store, part);
    await new Promise<void>((resolve) => store.close(resolve));
  }
};

const run = (
  folder: string,
  more: Partial<Parameters<typeof auditFolder>[0]> = {},
): Promise<AuditReport> => {
  copies += 1;
  audited.rules.executor.dropCaches();
  return auditFolder({
    rules: audited.rules,
    verifier: audited.verifier,
    db: folder,
    name: "test",
    work: join(root, `work-${copies}`),
    scratch: createMemoryStore(),
    signaturesFrom: 1,
    logger: silent,
    signal: new AbortController().signal,
    nowMs: () => 0,
    ...more,
  });
};

/** What an audit of the whole folder leaves that is ended after a height. */
const interrupted = async (scratch: Store, after: number) => {
  const controller = new AbortController();
  const stop = new Error("stop");
  const ended = run(db, {
    scratch,
    signal: controller.signal,
    onProgress: (done) => {
      if (done === after) controller.abort(stop);
    },
  });
  await expect(ended).rejects.toBe(stop);
  audited.rules.executor.dropCaches();
  return readSaved(audited.rules, scratch).saved;
};

const filesOf = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => statSync(join(folder, name)).isFile())
    .sort();

const fingerprint = (folder: string): string[] =>
  filesOf(folder).map((name) => {
    const { mode, mtimeMs } = statSync(join(folder, name));
    const hash = createHash("sha256")
      .update(readFileSync(join(folder, name)))
      .digest("hex");
    return `${name} ${hash} ${mode} ${mtimeMs}`;
  });

/** "clean ROOT", "mismatch", or "unverified CODE". */
const outcome = async (folder: string): Promise<string> => {
  try {
    const report = await run(folder);
    const { result, stateRoot, logRoot, height } = report;
    return result === "clean" ? `clean ${height} ${logRoot} ${stateRoot}` : result;
  } catch (error) {
    if (error instanceof TetradError && error.code !== "internal")
      return `unverified ${error.code}`;
    throw error;
  }
};

beforeAll(async () => {
  audited = makeChain();
  await write(db, audited.rows);
});

afterAll(() => rmSync(root, { recursive: true, force: true }));

describe("an audit of a folder", () => {
  it("is clean, leaves every byte, name and time of it, and no copy", async () => {
    const before = fingerprint(db);
    const report = await run(db);
    expect(report).toMatchObject({ result: "clean", findingsTotal: 0, resumedFrom: 0 });
    expect(report.counts.signatures).toBeGreaterThan(24 * 3);
    expect(fingerprint(db)).toEqual(before);
    expect(readdirSync(root)).toEqual(["db"]);
  });

  it("refuses a folder in use also where no lock can be linked: on another file system", async () => {
    const shared = "/dev/shm";
    const device = statSync(shared, { throwIfNoEntry: false })?.dev;
    if (device === undefined || device === statSync(root).dev) return;
    const work = mkdtempSync(join(shared, "tetrad-audit-"));
    try {
      const store = await openLevelStore(db, { logger: silent });
      const refused = run(db, { work: join(work, "a") });
      await expect(refused).rejects.toMatchObject({
        code: "folder.locked",
        message: expect.stringContaining("--api"),
      });
      await new Promise<void>((resolve) => store.close(resolve));
      expect((await run(db, { work: join(work, "b") })).result).toBe("clean");
      expect(readdirSync(work)).toEqual([]);
    } finally {
      rmSync(work, { recursive: true });
    }
  });

  it("has no ledger to audit in an empty folder", async () => {
    await expect(run(root)).rejects.toMatchObject({ code: "audit.unverified" });
    await expect(run(join(root, "none"))).rejects.toMatchObject({ code: "audit.unverified" });
  });

  it("finds a byte that an administrator changes with a right checksum", {
    timeout: 120_000,
  }, async () => {
    const keys = [...audited.rows.keys()].filter((key) => key !== metaHex("forgotten"));
    const copy = join(root, "changed");
    await fc.assert(
      fc.asyncProperty(fc.nat(keys.length - 1), fc.nat(), async (which, at) => {
        const key = keys[which] ?? "";
        const value = audited.rows.get(key)?.slice() ?? new Uint8Array(0);
        fc.pre(value.length > 0);
        value[at % value.length] = (value[at % value.length] ?? 0) ^ 1;
        cpSync(db, copy, { recursive: true });
        const store = await openLevelStore(copy, { logger: silent });
        await writeAll(store, [{ type: "put", key: fromHex(key), value }]);
        await new Promise<void>((resolve) => store.close(resolve));
        const found = await outcome(copy);
        rmSync(copy, { recursive: true });
        if (areaOf(key) === "m") expect(found).toMatch(/^(mismatch|unverified folder)/);
        else expect(found, key).toBe("mismatch");
      }),
      { numRuns: 40, seed: 20_261_126 },
    );
  });

  it("finds any flipped byte of any file, or comes to the same roots", {
    timeout: 180_000,
  }, async () => {
    const clean = await outcome(db);
    expect(clean).toMatch(/^clean 24 /);
    const copy = join(root, "flipped");
    const names = filesOf(db);
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(
        fc.nat(names.length - 1),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        fc.integer({ min: 1, max: 255 }),
        async (which, place, flip) => {
          const name = names[which] ?? "";
          cpSync(db, copy, { recursive: true });
          const bytes = readFileSync(join(copy, name));
          const at = Math.floor(place * bytes.length);
          if (bytes.length > 0) bytes[at] = (bytes[at] ?? 0) ^ flip;
          writeFileSync(join(copy, name), bytes);
          const found = await outcome(copy);
          rmSync(copy, { recursive: true });
          const holdsRows = /^\d+\.(ldb|log)$/.test(name);
          seen.add(`${holdsRows} ${found.split(" ")[0]}`);
          if (found.startsWith("clean")) expect(found, `${name} ${at}`).toBe(clean);
          if (holdsRows && bytes.length > 0) expect(found, `${name} ${at}`).not.toMatch(/^clean/);
        },
      ),
      { numRuns: 120, seed: 20_261_126 },
    );
    expect(seen).toContain("true mismatch");
  });

  it("names the file of the folder where any byte of the store's own files is changed", {
    timeout: 120_000,
  }, async () => {
    const copy = join(root, "own-files");
    const own = filesOf(db).filter((name) => /^(CURRENT|MANIFEST-\d+|\d+\.log)$/.test(name));
    expect(own.length).toBeGreaterThanOrEqual(3);
    for (const name of own) {
      const whole = readFileSync(join(db, name));
      const places = [
        0,
        6,
        7,
        20,
        Math.floor(whole.length / 2),
        whole.length - 2,
        whole.length - 1,
      ];
      for (const at of places.filter((place) => place >= 0 && place < whole.length)) {
        cpSync(db, copy, { recursive: true });
        const bytes = Buffer.from(whole);
        bytes[at] = (bytes[at] ?? 0) ^ 1;
        writeFileSync(join(copy, name), bytes);
        const done = await run(copy).catch((error: unknown) => error);
        rmSync(copy, { recursive: true });
        const what = `${name} ${at}`;
        // A length that reaches past the end looks like what a power cut leaves.
        if (done instanceof TetradError) {
          expect(done.code, what).toBe("audit.unverified");
          expect(done.message, what).toContain(`${name} is cut off`);
          continue;
        }
        const [finding] = (done as AuditReport).findings;
        expect(finding, what).toMatchObject({ subject: "file", code: "store.corrupt" });
        expect(finding?.detail, what).toContain(copy);
        expect(finding?.detail, what).not.toContain("work-");
        // Of CURRENT it may be the manifest that it names then.
        if (name !== "CURRENT") expect(finding?.detail, what).toContain(join(copy, name));
      }
    }
  });

  it("goes on from an interrupted audit, and believes nothing of the folder from before", async () => {
    const scratch = createMemoryStore();
    const controller = new AbortController();
    const stop = new Error("stop");
    const first = run(db, {
      scratch,
      signal: controller.signal,
      onProgress: (done) => {
        if (done === 10) controller.abort(stop);
      },
    });
    await expect(first).rejects.toBe(stop);
    audited.rules.executor.dropCaches();
    const { saved } = readSaved(audited.rules, scratch);
    expect(saved).toMatchObject({ finished: false, position: { parent: { height: 10 } } });
    expect(saved?.counts).not.toEqual(NO_COUNTS);
    // A block below the place to go on from is another one by then.
    const copy = join(root, "later");
    const key =
      [...audited.rows.keys()].find((one) => one === `682f${"3".padStart(16, "0")}`) ?? "";
    const block = `622f${Buffer.from(audited.rows.get(key) ?? []).toString("hex")}`;
    const value = audited.rows.get(block)?.slice() ?? new Uint8Array(1);
    value[100] = (value[100] ?? 0) ^ 1;
    await write(copy, new Map(audited.rows).set(block, value));
    const wrong = await run(copy, { scratch, saved });
    expect(wrong).toMatchObject({ result: "mismatch", findings: [{ height: 3 }] });
    rmSync(copy, { recursive: true });

    const second = await run(db, { scratch, saved });
    expect(second).toMatchObject({ result: "clean", resumedFrom: 10, height: 24 });
    const whole = await run(db);
    expect(second.counts).toEqual(whole.counts);
    expect(second.stateRoot).toBe(whole.stateRoot);
    expect(readSaved(audited.rules, scratch).saved?.finished).toBe(true);
  });

  it("does not go on where a folder is executed to less than what was checked before", async () => {
    const scratch = createMemoryStore();
    const saved = await interrupted(scratch, 20);
    const rows = new Map(audited.rows);
    for (const [key, value] of audited.rows) {
      const changed = value.slice();
      changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
      // All records are forged, and what says how far they have come is taken away.
      if (areaOf(key) === "r") rows.set(key, changed);
      if (areaOf(key) === "x" && Number.parseInt(key.slice(4), 16) > 15) rows.delete(key);
    }
    const copy = join(root, "unexecuted");
    await write(copy, rows);
    await expect(run(copy, { scratch, saved })).rejects.toMatchObject({
      code: "audit.unverified",
      message: expect.stringContaining("--rebuild"),
    });
    expect((await run(copy)).result).toBe("mismatch");
    rmSync(copy, { recursive: true });
  });

  it("asks anew which certificate makes a height final that was checked before", async () => {
    const scratch = createMemoryStore();
    const saved = await interrupted(scratch, 20);
    const pointer = (height: number) => `662f${height.toString(16).padStart(16, "0")}`;
    const other = audited.rows.get(pointer(8));
    if (other === undefined || !audited.rows.has(pointer(6))) throw new Error("no such rows");
    const copy = join(root, "pointer");
    await write(copy, new Map(audited.rows).set(pointer(6), other));
    const report = await run(copy, { scratch, saved });
    expect(report).toMatchObject({
      result: "mismatch",
      findings: [{ height: 6, subject: "certificate", code: "sync.mismatch" }],
    });
    rmSync(copy, { recursive: true });
  });

  it("does not go on from a state whose rows were damaged, or of another chain", async () => {
    const scratch = createMemoryStore();
    await run(db, { scratch });
    expect(readSaved(audited.rules, scratch).saved).toBeDefined();
    const record = fromHex(`782f${(24).toString(16).padStart(16, "0")}`);
    const bytes = scratch.get(record)?.slice() ?? new Uint8Array(1);
    bytes[60] = (bytes[60] ?? 0) ^ 1;
    await writeAll(scratch, [{ type: "put", key: record, value: bytes }]);
    expect(readSaved(audited.rules, scratch)).toEqual({
      why: "its rows do not give the roots that it states",
    });
    const other = { ...audited.rules, genesisHash: new Uint8Array(32) };
    expect(readSaved(other, scratch)).toEqual({ why: "it is of another chain" });
  });

  it("names height, projection and key of a row that somebody changed", async () => {
    const copy = join(root, "row");
    const key = [...audited.rows.keys()].find((one) => one.startsWith(hexOf("r/records/"))) ?? "";
    const value = audited.rows.get(key)?.slice() ?? new Uint8Array(1);
    value[value.length - 1] = 0xff;
    await write(copy, new Map(audited.rows).set(key, value));
    const report = await run(copy);
    expect(report.result).toBe("mismatch");
    expect(report.findings[0]).toMatchObject({
      subject: "row",
      projection: "records",
      key: expect.stringMatching(/^topic\/key-\d+$/),
      height: expect.any(Number),
      index: expect.any(Number),
    });
  });
});

const hexOf = (text: string): string => Buffer.from(text).toString("hex");
