/** What audits keep goes when it is old, when there is too much of it, and when asked; never while in use. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lockFolder } from "../../../src/ledger/store/level.ts";
import { LIMITS } from "../../../src/limits.ts";
import { forgetAll, forgetOld, forgetState } from "../../../src/node/audit/forget.ts";
import { type AuditState, openState } from "../../../src/node/audit/state.ts";
import { makeChain } from "./support.ts";

const NOW = 1_800_000_000_000;
let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "tetrad-forget-"));
});
afterEach(() => rmSync(base, { recursive: true }));

/** A state that was last used so long ago. */
const state = (number: number, agoMs: number): string => {
  const folder = join(base, `${"a".repeat(12)}-${String(number).padStart(12, "0")}`);
  mkdirSync(join(folder, "scratch"), { recursive: true });
  const file = join(folder, "scratch", "CURRENT");
  writeFileSync(file, "MANIFEST-000001\n");
  const at = new Date(NOW - agoMs);
  utimesSync(file, at, at);
  return folder;
};

/** Begins an audit anew. */
const open = (folder: string): Promise<AuditState> => {
  const wanted = { resume: false, finished: false, signaturesFrom: 1 };
  return openState(folder, makeChain(1).rules, wanted, { log: () => undefined });
};

const removedOf = (list: readonly { folder: string; removed: boolean }[]): string[] =>
  list.filter(({ removed }) => removed).map(({ folder }) => folder);

describe("states of audits", () => {
  it("stay up to the age and go above it, but for the one that is about to be used", async () => {
    const young = state(1, LIMITS.auditStateAgeMsMax);
    const old = state(2, LIMITS.auditStateAgeMsMax + 1);
    const kept = state(3, 2 * LIMITS.auditStateAgeMsMax);
    expect(removedOf(await forgetOld(base, kept, NOW))).toEqual([old]);
    expect([young, old, kept].map((folder) => existsSync(folder))).toEqual([true, false, true]);
  });

  it("stay up to the number, and the longest unused ones go above it", async () => {
    const all = Array.from({ length: LIMITS.auditStatesMax }, (_, i) => state(i, i * 1000));
    const [keep = ""] = all;
    expect(await forgetOld(base, keep, NOW)).toEqual([]);
    const more = state(99, 500);
    expect(removedOf(await forgetOld(base, keep, NOW))).toEqual([all.at(-1)]);
    expect(existsSync(more)).toBe(true);
  });

  it("that are in use stay, whatever is asked", async () => {
    const folder = state(1, 2 * LIMITS.auditStateAgeMsMax);
    const lock = await lockFolder(folder);
    try {
      expect(await forgetOld(base, "", NOW)).toMatchObject([{ folder, removed: false }]);
      expect(await forgetAll(base)).toMatchObject([{ folder, removed: false }]);
      expect(existsSync(join(folder, "scratch", "CURRENT"))).toBe(true);
    } finally {
      await lock.release();
    }
    expect(removedOf(await forgetAll(base))).toEqual([folder]);
    expect(existsSync(folder)).toBe(false);
  });

  it("take nothing else with them: not what is beside, nor what somebody has put in", async () => {
    const folder = state(1, 0);
    writeFileSync(join(folder, "notes.txt"), "mine");
    mkdirSync(join(base, "other"));
    expect(removedOf(await forgetAll(base))).toEqual([folder]);
    expect(existsSync(join(folder, "notes.txt"))).toBe(true);
    expect(existsSync(join(folder, "scratch"))).toBe(false);
    expect(existsSync(join(base, "other"))).toBe(true);
    expect(await forgetState(join(base, "other"))).toBeUndefined();
    expect(await forgetState(join(base, "none"))).toBeUndefined();
  });

  it("that cannot be removed hinder no audit, and are told of when asked", async () => {
    const age = 2 * LIMITS.auditStateAgeMsMax;
    const [stuck, old] = [state(1, age + 1), state(2, age)];
    // Nobody can lock this one.
    writeFileSync(join(stuck, "in-use"), "a file");
    expect(removedOf(await forgetOld(base, "", NOW))).toEqual([old]);
    await expect(forgetAll(base)).rejects.toMatchObject({ code: "store.io" });
  });

  it("are told from folders of the same names that no audit has made", async () => {
    const files = ["scratch/plan.txt", "work-7/thesis.tex", "work-2024", "work-in-progress/a.txt"];
    for (const file of files) {
      mkdirSync(join(base, file, ".."), { recursive: true });
      writeFileSync(join(base, file), "mine");
    }
    expect(await forgetState(base)).toBeUndefined();
    await expect(open(base)).rejects.toMatchObject({ code: "folder.foreign" });
    expect(files.filter((file) => existsSync(join(base, file)))).toEqual(files);
    rmSync(join(base, "scratch"), { recursive: true });
    // The copy of an audit that was killed goes, and nothing beside it.
    mkdirSync(join(base, "work-8", "db"), { recursive: true });
    const state = await open(base);
    await state.close();
    expect(readdirSync(base).sort()).toEqual([
      "in-use",
      "scratch",
      "work-2024",
      "work-7",
      "work-in-progress",
    ]);
    expect(await forgetState(base)).toMatchObject({ removed: true });
    expect(existsSync(join(base, "work-7", "thesis.tex"))).toBe(true);
    expect(existsSync(join(base, "scratch"))).toBe(false);
  });
});
