/** What compiles a node beside the making of a network. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, it } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "tetrad-prime-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Files in the cache after a program, and how the program ended. */
const run = (name: string, body: string, cached: boolean) => {
  const module = fileURLToPath(new URL("../../src/cli/dev/prime.ts", import.meta.url));
  const cache = join(folder, name);
  const file = join(folder, `${name}.mjs`);
  writeFileSync(
    file,
    `const { primeCompileCache } = await import(${JSON.stringify(module)});\n${body}`,
  );
  const { NODE_COMPILE_CACHE: _, ...rest } = process.env;
  const env = cached ? { ...rest, NODE_COMPILE_CACHE: cache } : rest;
  const { status, stderr } = spawnSync(process.execPath, [file], {
    env,
    encoding: "utf8",
    timeout: 60_000,
  });
  const files = cached ? readdirSync(cache, { recursive: true }).length : 0;
  return { status, stderr, files };
};

const WAIT =
  "await using primer = primeCompileCache(); await primer.done(new AbortController().signal);";

it("is in the cache when it is waited for, and costs nothing where there is no cache", () => {
  const primed = run("whole", WAIT, true);
  expect([primed.status, primed.stderr]).toEqual([0, ""]);
  const again = run("whole", WAIT, true);
  expect([again.status, again.files]).toEqual([0, primed.files]);
  const without = run("none", WAIT, false);
  expect([without.status, without.stderr]).toEqual([0, ""]);
  // All that a node imports of this tree and of packages is some 700 files.
  expect(primed.files).toBeGreaterThan(400);
}, 120_000);

it("ends with what began it, also where that fails or is told to stop", () => {
  const failed = run(
    "failed",
    "{ await using primer = primeCompileCache(); } throw new Error('full');",
    true,
  );
  expect(failed.status).toBe(1);
  expect(failed.stderr).toContain("full");
  const stop =
    "const end = new AbortController(); end.abort(); await using primer = primeCompileCache(); await primer.done(end.signal);";
  const stopped = run("stopped", stop, true);
  expect(stopped.status).toBe(0);
  expect(stopped.files).toBeLessThan(400);
}, 120_000);

it("has nothing to do after npm ci, which compiles what a node and its threads are", () => {
  const script = fileURLToPath(new URL("../../scripts/warm-cache.mjs", import.meta.url));
  const cache = join(folder, "installed");
  const env = { ...process.env, NODE_COMPILE_CACHE: cache };
  const installed = spawnSync(process.execPath, [script], { env, encoding: "utf8" });
  expect([installed.status, installed.stdout, installed.stderr]).toEqual([0, "", ""]);
  const files = readdirSync(cache, { recursive: true }).length;
  const primed = run("installed", WAIT, true);
  // What the program itself is, and nothing of a node.
  expect(primed.files - files).toBeLessThan(10);
}, 120_000);
