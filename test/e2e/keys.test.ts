/** `nexus key` through the bin: what is made, shown, copied and sealed anew, and what is refused. */
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { killAll, nexus, nexusJson, type Run, tempFolder } from "./support.ts";

const folder = tempFolder();
const at = (...parts: string[]): string => join(folder.path, ...parts);
const secretFile = (name: string, text: string): string => {
  const path = at("secrets", name);
  mkdirSync(at("secrets"), { recursive: true, mode: 0o700 });
  writeFileSync(path, `${text}\n`, { mode: 0o600 });
  return path;
};

/** Every passphrase of this file: none may be seen in any output. */
const FIRST = randomBytes(16).toString("hex");
const SECOND = randomBytes(16).toString("hex");
const outputs: string[] = [];
const run = async (...args: Parameters<typeof nexus>): Promise<Run> => {
  const done = await nexus(...args);
  outputs.push(done.stdout, done.stderr);
  return done;
};

const env = { NEXUS_PASSPHRASE: FIRST };
const validator = at("v", "keys", "node.key");
let first: string;
let second: string;

beforeAll(async () => {
  first = secretFile("first", FIRST);
  second = secretFile("second", SECOND);
  const args = ["--dir", at("v"), "init", "--name", "v", "--listen", "[::1]:4440"];
  const made = await run([...args, "--passphrase-file", first]);
  expect(made.code, made.stderr).toBe(0);
});
afterAll(() => {
  killAll();
  folder.remove();
});

describe("nexus key new and show", () => {
  it("make a private key, with no passphrase beside it where one is given", async () => {
    const made = await run(["key", "new", at("k", "ops.key"), "-o", "json"], { env });
    expect(made.code, made.stderr).toBe(0);
    const key = JSON.parse(made.stdout);
    expect(key).toMatchObject({ use: "actor", development: false });
    expect(key.sealing).toContain("scrypt");
    expect(statSync(at("k", "ops.key")).mode & 0o777).toBe(0o600);
    expect(existsSync(at("k", "passphrase"))).toBe(false);
    const shown = await run(["key", "show", at("k", "ops.key"), "--open", "-o", "json"], { env });
    expect(JSON.parse(shown.stdout)).toMatchObject({
      fingerprint: key.fingerprint,
      opened: "yes",
      mode: "0600",
    });
    const again = await run(["key", "new", at("k", "ops.key")], { env });
    expect([again.code, again.stderr]).toEqual([5, expect.stringContaining("key.exists")]);
    const wrong = await run(["key", "show", at("k", "ops.key"), "--open"], {
      env: { NEXUS_PASSPHRASE: SECOND },
    });
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining("key.invalid")]);
  });

  it("say where the passphrase lies beside the key, and name a development key in every output", async () => {
    const made = await run(["key", "new", "--development", at("d", "dev.key")]);
    expect(made.stdout).toMatch(/development +yes/);
    expect(made.stderr).toContain(`${at("d", "passphrase")} opens the key`);
    const shown = await run(["key", "show", at("d", "dev.key")]);
    expect(shown.stdout).toMatch(/development +yes/);
    const exported = await run(["key", "export", at("d", "dev.key"), "--to", at("d", "e")]);
    expect(exported.stdout).toMatch(/development +yes/);
    const rotated = await run(["key", "rotate", at("d", "dev.key")], {
      env: { NEXUS_NEW_PASSPHRASE: SECOND },
    });
    expect(rotated.stdout).toContain("development");
    expect(rotated.stderr).toContain(`${at("d", "passphrase")} does not open`);
  });

  it("refuse a key that others can read, with exit 1 and what to run", async () => {
    chmodSync(validator, 0o644);
    const done = await run(["key", "show", validator]);
    chmodSync(validator, 0o600);
    expect(done.code).toBe(1);
    expect(done.stderr).toContain(`chmod 0600 ${validator}`);
  });
});

describe("nexus key rotate", () => {
  it("seals under another passphrase: the old one opens nothing more", async () => {
    const key = at("k", "ops.key");
    const none = await run(["key", "rotate", key], { env });
    expect([none.code, none.stderr]).toEqual([1, expect.stringContaining("new-passphrase-file")]);
    const args = ["key", "rotate", key, validator, "--passphrase-file", first];
    const done = await run([...args, "--new-passphrase-file", second]);
    expect(done.code, done.stderr).toBe(0);
    for (const path of [key, validator]) {
      const old = await run(["key", "show", "--open", path, "--passphrase-file", first]);
      expect(old.code).toBe(1);
      const now = await run(["key", "show", "--open", path, "--passphrase-file", second]);
      expect(now.code, now.stderr).toBe(0);
    }
    // Where one file does not open, none is changed.
    const before = readFileSync(key);
    const mixed = ["key", "rotate", key, at("d", "e"), "--passphrase-file", second];
    const failed = await run([...mixed, "--new-passphrase-file", first]);
    expect(failed.code).toBe(1);
    expect(readFileSync(key).equals(before)).toBe(true);
  });

  it("renews a certificate for the same TLS key, whose pin stays", async () => {
    const pin = (): string => JSON.parse(readFileSync(at("v", "identity.json"), "utf8")).tlsPin;
    const before = readFileSync(at("v", "keys", "tls-cert.pem"), "utf8");
    const key = readFileSync(at("v", "keys", "tls-key.pem"), "utf8");
    const args = ["key", "rotate", "--certificate", at("v", "keys")];
    const [done] = (await nexusJson(args)) as { pin: string }[];
    expect(done?.pin).toBe(pin());
    expect(readFileSync(at("v", "keys", "tls-cert.pem"), "utf8")).not.toBe(before);
    expect(readFileSync(at("v", "keys", "tls-key.pem"), "utf8")).toBe(key);
  });
});

describe("nexus key export and import", () => {
  it("bring a validator's key and TLS pair to another host, and never the right to vote", async () => {
    const to = at("move", "v.export");
    const passphrase = ["--passphrase-file", second];
    const exported = await run(["key", "export", validator, "--to", to, ...passphrase]);
    expect(exported.code, exported.stderr).toBe(0);
    expect(exported.stderr).toContain("the vote store keys/votes is not in it");
    expect(statSync(to).mode & 0o777).toBe(0o600);
    const imported = await run([
      ...["key", "import", to, "--to", at("w", "keys"), ...passphrase],
      ...["--new-passphrase-file", first],
    ]);
    expect(imported.code, imported.stderr).toBe(0);
    expect(imported.stderr).toContain("refuses to vote (votes.missing)");
    expect(existsSync(at("w", "keys", "unused"))).toBe(false);
    for (const name of ["tls-key.pem", "tls-cert.pem"]) {
      expect(readFileSync(at("w", "keys", name))).toEqual(readFileSync(at("v", "keys", name)));
    }
    const shown = await run(["key", "show", "--open", at("w", "keys", "node.key")], { env });
    expect(shown.code, shown.stderr).toBe(0);
    const again = await run(["key", "import", to, "--to", at("w", "keys"), ...passphrase]);
    expect([again.code, again.stderr]).toEqual([5, expect.stringContaining("key.exists")]);
    // A folder whose mark says that its key has signed nothing must not get a key that has.
    mkdirSync(at("x"), { mode: 0o700 });
    copyFileSync(at("v", "keys", "unused"), at("x", "unused"));
    const marked = await run(["key", "import", to, "--to", at("x"), ...passphrase]);
    expect([marked.code, marked.stderr]).toEqual([5, expect.stringContaining("key.exists")]);
    expect(existsSync(at("x", "node.key"))).toBe(false);
  });

  it("open what they read with the passphrase, and seal what they write with the new one", async () => {
    const to = at("move", "both.export");
    const both = { NEXUS_PASSPHRASE: SECOND, NEXUS_NEW_PASSPHRASE: FIRST };
    const exported = await run(["key", "export", validator, "--to", to], { env: both });
    expect(exported.code, exported.stderr).toBe(0);
    // The same variables again: the export is sealed with the new one, which is what opens it.
    const import_ = ["key", "import", to, "--to", at("both", "keys")];
    const wrong = await run(import_, { env: both });
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining("key.invalid")]);
    expect(wrong.stderr).toContain("the new passphrase of `nexus key export`");
    expect(existsSync(at("both", "keys", "node.key"))).toBe(false);
    const swapped = { NEXUS_PASSPHRASE: FIRST, NEXUS_NEW_PASSPHRASE: SECOND };
    const imported = await run(import_, { env: swapped });
    expect(imported.code, imported.stderr).toBe(0);
    const shown = ["key", "show", "--open", at("both", "keys", "node.key")];
    expect((await run(shown, { env: { NEXUS_PASSPHRASE: SECOND } })).code).toBe(0);
    expect((await run(shown, { env: { NEXUS_PASSPHRASE: FIRST } })).code).toBe(1);
  });

  it("refuse a changed export", async () => {
    const to = at("move", "v.export");
    const bytes = readFileSync(to);
    bytes[2000] = (bytes[2000] ?? 0) ^ 1;
    writeFileSync(to, bytes);
    const done = await run(["key", "import", to, "--to", at("y"), "--passphrase-file", second]);
    expect([done.code, done.stderr]).toEqual([1, expect.stringContaining("key.invalid")]);
  });
});

describe("a development key", () => {
  it("is refused by a genesis of several hosts", async () => {
    const dir = at("dev");
    const nodes = ["a", "b", "c", "d"].map((name, i) => `${name}=[::1]:${5001 + i}`);
    const made = await run(["--dir", dir, "init", "--network", "--node", ...nodes]);
    expect(made.code, made.stderr).toBe(0);
    const shown = await run(["key", "show", join(dir, "a", "keys", "node.key")]);
    expect(shown.stdout).toMatch(/development +yes/);
    const identities = ["a", "b", "c", "d"].map((name) => join(dir, name, "identity.json"));
    const joining = [
      "init",
      "--join",
      ...identities,
      "--chain-id",
      "acme-1",
      "--out",
      at("g.json"),
    ];
    const joined = await run(joining);
    expect([joined.code, joined.stderr]).toEqual([1, expect.stringContaining("key.development")]);
    // The mark taken off the public file: the key's own, which is sealed, keeps the node from starting.
    for (const path of identities) {
      const { development: _, ...rest } = JSON.parse(readFileSync(path, "utf8"));
      writeFileSync(path, JSON.stringify(rest));
    }
    expect((await run(joining)).code).toBe(0);
    const config = join(dir, "a", "node.toml");
    const started = await run(["start", "--config", config], {
      env: { NEXUS_GENESIS: at("g.json") },
    });
    expect([started.code, started.stderr]).toEqual([1, expect.stringContaining("key.development")]);
  });
});

describe("all that was printed", () => {
  it("has no passphrase in it", () => {
    expect(outputs.length).toBeGreaterThan(20);
    const all = outputs.join("\n");
    const beside = readFileSync(at("d", "passphrase"), "utf8").trim();
    for (const secret of [FIRST, SECOND, beside]) expect(all.includes(secret)).toBe(false);
  });
});
