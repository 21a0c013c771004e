import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { DevRecord } from "../../src/cli/dev/record.ts";
import { removeNetwork } from "../../src/cli/dev/remove.ts";
import { TetradError } from "../../src/errors.ts";
import { lockFolder } from "../../src/ledger/store/level.ts";

let parent: string;
let dir: string;

const record: DevRecord = {
  format: 1,
  kind: "tetrad-dev",
  chainId: "dev-1",
  nodes: ["a", "b"].map((name, i) => ({
    name,
    folder: name,
    listen: `[::1]:${4440 + i}`,
    api: `[::1]:${8440 + i}`,
  })),
};
const ready = async (): Promise<void> => {};

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "tetrad-remove-"));
  dir = join(parent, "net");
  for (const name of ["a", "b"]) {
    mkdirSync(join(dir, name), { recursive: true });
    writeFileSync(join(dir, name, "node.toml"), "{}");
  }
});
afterEach(() => rmSync(parent, { recursive: true }));

const isWhole = (): boolean => ["a", "b"].every((name) => existsSync(join(dir, name, "node.toml")));

describe("deleting a development network", () => {
  it("leaves nothing, neither there nor beside it", async () => {
    await removeNetwork(dir, record, ready);
    expect(readdirSync(parent)).toEqual([]);
  });

  it.each(["", "a", "b"])("leaves everything while the lock of %j is held", async (held) => {
    const lock = await lockFolder(join(dir, held));
    await expect(removeNetwork(dir, record, ready)).rejects.toMatchObject({
      code: "folder.locked",
    });
    expect(isWhole()).toBe(true);
    await lock.release();
    await removeNetwork(dir, record, ready);
    expect(existsSync(dir)).toBe(false);
  });

  it("holds every lock while it asks whether to, and leaves everything on a no", async () => {
    const asked = removeNetwork(dir, record, async () => {
      for (const held of ["", "a", "b"]) {
        const again = lockFolder(join(dir, held));
        await expect(again).rejects.toMatchObject({ code: "folder.locked" });
      }
      throw new TetradError("config.invalid", "ports are taken");
    });
    await expect(asked).rejects.toThrow("ports are taken");
    expect(isWhole()).toBe(true);
    for (const free of ["", "a", "b"]) await (await lockFolder(join(dir, free))).release();
  });

  it("leaves what is no development network", async () => {
    for (const other of [undefined, { ...record, kind: "tetrad-network" as const }]) {
      await expect(removeNetwork(dir, other, ready)).rejects.toMatchObject({
        code: "folder.foreign",
      });
    }
    expect(isWhole()).toBe(true);
  });
});
