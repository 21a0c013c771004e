/** Which threads a search begins, and which it keeps. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Worker } from "node:worker_threads";
import { describe, expect, it, vi } from "vitest";
import { createHasher } from "../../../src/crypto/hash.ts";
import { type ProofSearch, searchProof } from "../../../src/node/work/search.ts";
import { verifyWork } from "../../../src/proofs/work/index.ts";
import { filled } from "../../proofs/work/support.ts";

const started = vi.hoisted(() => ({ count: 0 }));

vi.mock("node:worker_threads", async (original) => {
  const actual = await original<typeof import("node:worker_threads")>();
  class Counted extends actual.Worker {
    constructor(...args: ConstructorParameters<typeof Worker>) {
      super(...args);
      started.count += 1;
    }
  }
  return { ...actual, Worker: Counted };
});

const CHAIN = "threads-1";
const hasher = createHasher(CHAIN);
const searchFor = (batch: number, more: Partial<ProofSearch> = {}): ProofSearch => ({
  chainId: CHAIN,
  threads: 1,
  puzzle: { kind: "equihash-96-5" },
  subject: { beacon: filled(1), actor: filled(2), batchId: filled(batch) },
  effort: 1,
  ...more,
});

/** Threads that the search began; its proof holds. */
const begun = async (search: ProofSearch): Promise<number> => {
  const before = started.count;
  const { proof, runs } = await searchProof(search);
  expect(runs).toBeGreaterThan(0);
  const { puzzle, subject, effort } = search;
  expect(verifyWork(hasher, puzzle, subject, proof, effort)).toMatchObject({ ok: true });
  return started.count - before;
};

describe("threads of a search for a proof", () => {
  it("are taken again for the next, one of them, and not after a search was given up", async () => {
    expect(await begun(searchFor(1))).toBe(1);
    expect(await begun(searchFor(2))).toBe(0);
    expect(await begun(searchFor(3, { threads: 2 }))).toBe(1);
    expect(await begun(searchFor(4))).toBe(0);
    const giveUp = new AbortController();
    const given = searchProof(searchFor(5, { effort: 1 << 20, signal: giveUp.signal }));
    giveUp.abort(new Error("given up"));
    await expect(given).rejects.toThrow("given up");
    expect(await begun(searchFor(6))).toBe(1);
  });

  it("serve searches side by side each with its own", async () => {
    const before = started.count;
    const both = await Promise.all([searchFor(7), searchFor(8)].map((one) => searchProof(one)));
    expect(started.count - before).toBe(1);
    const proofs = both.map(({ proof }) => Buffer.from(proof).toString("hex"));
    expect(new Set(proofs).size).toBe(2);
  });

  it("that are kept keep no process from ending", { timeout: 20_000 }, () => {
    const module = fileURLToPath(new URL("../../../src/node/work/search.ts", import.meta.url));
    const id = "new Uint8Array(32)";
    const program = `
      const { searchProof } = await import(${JSON.stringify(module)});
      const subject = { beacon: ${id}, actor: ${id}, batchId: ${id} };
      await searchProof({ chainId: "t", threads: 1, puzzle: { kind: "equihash-96-5" }, subject, effort: 1 });
      console.log("found");`;
    const folder = mkdtempSync(join(tmpdir(), "tetrad-threads-"));
    const file = join(folder, "search.mjs");
    writeFileSync(file, program);
    const { stdout, status } = spawnSync(process.execPath, [file], {
      encoding: "utf8",
      timeout: 15_000,
    });
    rmSync(folder, { recursive: true });
    expect([stdout.trim(), status]).toEqual(["found", 0]);
  });
});
