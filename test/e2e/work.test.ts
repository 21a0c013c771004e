/** `nexus work` through the bin, offline: what it makes verifies, and nothing else does. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { toHex } from "../../src/crypto/bytes.ts";
import { createHasher } from "../../src/crypto/hash.ts";
import { buildBatch, sealBatch } from "../../src/ledger/batch.ts";
import { encodeEvent } from "../../src/ledger/event.ts";
import { LIMITS } from "../../src/limits.ts";
import { fits } from "./shape.ts";
import { background, killAll, nexus, nexusJson, tempFolder } from "./support.ts";

const CHAIN = "work-e2e";
const { path: folder, remove } = tempFolder();
const at = (name: string): string => join(folder, name);
const hex = (byte: number): string => toHex(new Uint8Array(32).fill(byte));

/** Every call is where no network is. */
const work = (...args: string[]) => nexus(["--dir", at("nowhere"), "work", ...args]);
const workJson = (...args: string[]) => nexusJson(["--dir", at("nowhere"), "work", ...args]);

/** A batch's bytes. Its signature is none: work is done for what was signed, whoever signed it. */
const batchOf = (body: number): Uint8Array => {
  const hasher = createHasher(CHAIN);
  const event = encodeEvent("record.put", 1, Uint8Array.of(body));
  const fields = { laneSeq: 1, prevBatchId: new Uint8Array(32), refHeight: 16 };
  const hashes = { actor: new Uint8Array(32).fill(5), refHash: new Uint8Array(32).fill(6) };
  const unsigned = buildBatch(hasher, { ...fields, ...hashes, events: [event] });
  return sealBatch(hasher, unsigned, new Uint8Array(LIMITS.falconSignatureBytes)).bytes;
};

type Found = { ok: boolean; code?: string; found: Record<string, string>; notCompared: string[] };

beforeAll(() => {
  writeFileSync(at("one.batch"), batchOf(1));
  writeFileSync(at("two.batch"), batchOf(2));
});
afterAll(() => {
  killAll();
  remove();
});

const SOLVE = ["solve", "--chain-id", CHAIN, "--batch", at("one.batch")];

describe("nexus work solve and verify", () => {
  beforeAll(async () => {
    const done = await work(...SOLVE, "--effort", "3", "--out", at("work.json"));
    expect(done.code, done.stderr).toBe(0);
    expect(done.stderr).toContain("run(s) expected");
    expect(done.stderr).toContain("stands in for it");
  });

  it("prove the work for a batch to somebody who has the batch", async () => {
    const args = [at("work.json"), "--batch", at("one.batch"), "--chain-id", CHAIN];
    const found = (await workJson("verify", ...args, "--effort", "3")) as Found;
    fits("work verify", found);
    expect(found).toMatchObject({ ok: true, notCompared: [] });
    expect(found.found["effort"]).toBe("3, required 3");
    const said = await work("verify", at("work.json"));
    expect(said.code).toBe(0);
    expect(said.stdout).toMatch(/^ok\n/);
    expect(said.stdout).toContain("shows not: who did the work");
    expect(said.stdout).toContain("not compared with what you know: --chain-id, --batch, --beacon");
  });

  it("is the file on standard output where no file is named", async () => {
    const file = await workJson(...SOLVE, "--effort", "1");
    fits("work solve", file);
    const done = await nexus(["work", "verify", "-"], { input: JSON.stringify(file) });
    expect(done.code, done.stderr).toBe(0);
  });

  it("does it by Argon2id as well, in several threads", async () => {
    const puzzle = ["--puzzle", "argon2id-64", "--threads", "2", "--effort", "64"];
    const done = await work(...SOLVE, ...puzzle, "--beacon", hex(7), "--out", at("argon.json"));
    expect(done.code, done.stderr).toBe(0);
    const known = ["--batch", at("one.batch"), "--beacon", hex(7), "--effort", "64"];
    const found = (await workJson("verify", at("argon.json"), ...known)) as Found;
    expect(found.found["puzzle"]).toBe("argon2id-64");
    const other = await work("verify", at("argon.json"), "--profile", "dev");
    expect([other.code, other.stderr]).toEqual([2, expect.stringContaining("work.foreign")]);
  });

  it.each([
    ["more effort than it shows", ["--effort", "4"], "work.insufficient"],
    ["another batch", ["--batch", at("two.batch")], "work.foreign"],
    ["another chain", ["--chain-id", "other"], "work.foreign"],
    ["another beacon", ["--beacon", hex(9)], "work.foreign"],
  ])("refuse what must be for %s", async (_, args, code) => {
    const done = await work("verify", at("work.json"), ...args, "-o", "json");
    expect(done.code).toBe(2);
    expect(done.stderr).toContain(code);
  });

  it("refuse a proof that was changed, whatever was", async () => {
    const file = JSON.parse(readFileSync(at("work.json"), "utf8")) as Record<string, string>;
    const change = (field: string): string => {
      const text = file[field] ?? "";
      const last = text.endsWith("0") ? "1" : "0";
      return JSON.stringify({ ...file, [field]: `${text.slice(0, -1)}${last}` });
    };
    for (const field of ["chainId", "beacon", "actor", "batchId", "proof"]) {
      const done = await nexus(["work", "verify", "-", "-o", "json"], { input: change(field) });
      expect(done.code, field).toBe(2);
      const found = JSON.parse(done.stdout) as Found;
      expect(found.code, field).toMatch(/^work\.(effort|solution)$/);
      fits("work verify", found);
    }
  });

  it.each([
    ["no JSON", "{", 2],
    ["an unknown format", '{"format":"x"}', 2],
    ["a list", "[]", 2],
    ["a repeated key", '{"format":"tetrad-work-1","format":"tetrad-work-1"}', 2],
    ["a missing key", '{"format":"tetrad-work-1"}', 2],
  ])("refuse %s", async (_, input, code) => {
    const done = await nexus(["work", "verify", "-"], { input });
    expect([done.code, done.stderr]).toEqual([code, expect.stringContaining("work.malformed")]);
  });

  it("say which file cannot be read, and what is missing", async () => {
    const none = await work("verify", at("none.json"));
    expect([none.code, none.stderr]).toEqual([3, expect.stringContaining("work.unreadable")]);
    const large = at("large.json");
    const most = readFileSync(at("work.json"), "utf8").padEnd(LIMITS.workFileCharactersMax);
    writeFileSync(large, most);
    expect((await work("verify", large)).code).toBe(0);
    writeFileSync(large, `${most} `);
    expect((await work("verify", large)).stderr).toContain("work.malformed");
    const crowd = await work(...SOLVE, "--threads", `${LIMITS.workThreadsMax + 1}`);
    expect([crowd.code, crowd.stderr]).toEqual([1, expect.stringContaining("1..64")]);
    const nothing = await work("solve", "--chain-id", CHAIN);
    expect([nothing.code, nothing.stderr]).toEqual([1, expect.stringContaining("cli.usage")]);
    expect((await work("solve", "--batch", at("one.batch"))).stderr).toContain("--chain-id");
    const foreign = await work("solve", "--chain-id", "other", "--batch", at("one.batch"));
    expect(foreign.stderr).toContain("batch.wrong-chain");
  });

  it("end at Ctrl-C, threads and all", async () => {
    const args = [
      "--dir",
      at("nowhere"),
      "work",
      ...SOLVE,
      "--effort",
      "1048576",
      "--threads",
      "2",
    ];
    const running = background(args);
    await running.sees("run(s) expected");
    expect(await running.stop("SIGINT")).toBe(130);
  });
});

describe("nexus work effort", () => {
  it("says what a batch costs, and how long that takes here", async () => {
    const value = (await workJson("effort", "--profile", "production", "--events", "64")) as {
      effort: number;
      expectedMs: number;
    };
    fits("work effort", value);
    expect(value.effort).toBe(3);
    expect(value.expectedMs).toBeGreaterThan(0);
    const batch = ["--batch", at("one.batch"), "--chain-id", CHAIN];
    expect(await workJson("effort", ...batch)).toMatchObject({ effort: 1, profile: "dev" });
    const dear = (await workJson("effort", "--price", "4194304")) as { effort: number };
    expect(dear.effort).toBe(1);
    expect((await work("effort", "--price", "1")).stderr).toContain("cli.usage");
  });
});

describe("nexus work shares and open", () => {
  const whose = ["--epoch-seed", hex(1), "--validator", hex(2), "--chain-id", CHAIN];
  const small = ["--profile", "test"];

  beforeAll(async () => {
    const value = await workJson(
      "shares",
      ...whose,
      ...small,
      "--count",
      "50",
      "--out",
      at("s.json"),
    );
    fits("work shares", value);
    expect(value).toMatchObject({ count: 50, units: 6 });
    const opened = await workJson("open", at("s.json"), "--seed", hex(3), "--out", at("o.json"));
    fits("work open", opened);
  });

  it("show a validator's work of an epoch", async () => {
    const known = [...whose, ...small, "--seed", hex(3)];
    const found = (await workJson("verify", at("o.json"), ...known)) as Found;
    fits("work verify", found);
    expect(found).toMatchObject({ ok: true, notCompared: [], found: { units: 6 } });
  });

  it.each([
    ["validator", ["--validator", hex(9)]],
    ["epoch", ["--epoch-seed", hex(9)]],
    ["seed", ["--seed", hex(9)]],
    ["chain", ["--chain-id", "other"]],
    ["profile", ["--profile", "dev"]],
  ])("are refused for another %s", async (what, args) => {
    const done = await work("verify", at("o.json"), ...args);
    expect([done.code, done.stderr]).toEqual([2, expect.stringContaining(`another ${what}`)]);
  });

  it("are refused when the file says so itself", async () => {
    const file = JSON.parse(readFileSync(at("o.json"), "utf8")) as Record<string, unknown>;
    const input = JSON.stringify({ ...file, validator: hex(9) });
    const done = await nexus(["work", "verify", "-"], { input });
    expect([done.code, done.stderr]).toEqual([2, expect.stringContaining("work.shares")]);
  });

  it("end in time, and want to know when", async () => {
    const long = [...whose, "--profile", "production", "--out", at("t.json")];
    const none = await work("shares", ...long);
    expect([none.code, none.stderr]).toEqual([1, expect.stringContaining("--count or --time")]);
    const timed = await workJson(
      "shares",
      ...whose,
      ...small,
      "--time",
      "1",
      "--out",
      at("t.json"),
    );
    expect(timed).toMatchObject({ file: at("t.json") });
    expect((await work("verify", at("t.json"))).stderr).toContain("nexus work open");
  });
});
