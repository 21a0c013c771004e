/** The key that a command signs with: what is said of one that cannot be opened. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openSigningKey } from "../../src/cli/key.ts";
import type { TetradError } from "../../src/errors.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tetrad-cli-key-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const refusal = (file: string): Promise<string> =>
  openSigningKey(file, {}, () => {}).then(
    () => "opened",
    ({ code, message }: TetradError) => `${code} ${message}`,
  );

it("is missed before its passphrase is", async () => {
  const file = join(folder, "nowhere.key");
  const said = await refusal(file);
  expect(said).toMatch(/^key\.\w+ /);
  expect(said).toContain(file);
  expect(said).not.toContain("passphrase");
});

it("is no key before it has no passphrase", async () => {
  const file = join(folder, "some.key");
  writeFileSync(file, "not a key", { mode: 0o600 });
  const said = await refusal(file);
  expect(said).toContain(file);
  expect(said).not.toContain("passphrase");
});
