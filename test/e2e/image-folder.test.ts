/** The script that lays out the image touches nothing that is there. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, expect, it } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "tetrad-image-folder-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("refuses a place that is not empty, and leaves it as it is", () => {
  const script = join(import.meta.dirname, "../../scripts/image-folder.mjs");
  const mine = join(folder, "image", "mine");
  mkdirSync(dirname(mine));
  writeFileSync(mine, "kept");
  for (const dest of [folder, mine]) {
    const { status, stderr } = spawnSync(process.execPath, [script, dest], { encoding: "utf8" });
    expect([status, stderr]).toEqual([1, `${dest} is there and not an empty folder\n`]);
  }
  expect(readFileSync(mine, "utf8")).toBe("kept");
});
