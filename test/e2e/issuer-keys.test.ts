/** All sealed keys of a node that issues certificates: sealed anew together, shown, copied and looked at. */
import { execFileSync } from "node:child_process";
import { createHash, randomBytes, X509Certificate } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownNetwork } from "./dev-network.ts";
import { nexus, type Run, until } from "./support.ts";

const net = ownNetwork(["a"]);
const { dir } = net;
const at = (...parts: string[]): string => join(net.folder, ...parts);
const keys = join(net.home("a"), "keys");
const config = net.config("a");
const NAMES = ["node.key", "issuer.key", "issuer-ca.key"] as const;
const paths = NAMES.map((name) => join(keys, name));
const [nodeKey = "", actorKey = "", issuerKey = ""] = paths;
const old = join(keys, "passphrase");
const fresh = at("fresh");
let root = "";

const run = (...args: readonly string[]): Promise<Run> => nexus(args);
const rotate = (): Promise<Run> =>
  run("key", "rotate", nodeKey, "--passphrase-file", old, "--new-passphrase-file", fresh);
const opens = async (path: string, passphrase: string): Promise<boolean> =>
  (await run("key", "show", "--open", path, "--passphrase-file", passphrase)).code === 0;

/** Starts the node with a passphrase, has it sign a certificate, and stops it. */
const signs = async (passphrase: string): Promise<void> => {
  // What was written the last time is replaced by nobody.
  for (const name of ["root.pem", "leaf.pem"]) rmSync(at(name), { force: true });
  const node = net.start("a", "--passphrase-file", passphrase);
  const ca = ["--dir", dir, "--api", net.url("a"), "ca"];
  await until("the issuer is there", async () => {
    expect(node.child.exitCode, node.stderr()).toBe(null);
    return (await run(...ca, "root", "--out", at("root.pem"))).code === 0;
  });
  root = readFileSync(at("root.pem"), "utf8");
  const out = at("leaf.pem");
  const signed = await run(...ca, "sign", "--csr", at("csr.pem"), "--hours", "2", "--out", out);
  expect(signed.code, signed.stderr).toBe(0);
  expect(new X509Certificate(readFileSync(out)).checkIssued(new X509Certificate(root))).toBe(true);
  expect(await net.stop("a")).toBe(0);
};

beforeAll(async () => {
  await net.make("--issuer");
  writeFileSync(fresh, `${randomBytes(16).toString("hex")}\n`, { mode: 0o600 });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "k"];
  const san = ["-addext", "subjectAltName=DNS:a.example.org"];
  const csr = ["req", "-new", ...key, "-subj", "/", ...san, "-out", "csr.pem"];
  execFileSync("openssl", csr, { cwd: net.folder, stdio: "ignore" });
});
afterAll(() => net.end());

describe("the sealed keys of a node with an issuer", () => {
  it("are sealed under another passphrase together, and the issuer goes on signing", async () => {
    await signs(old);
    const before = root;
    for (const path of paths) copyFileSync(path, `${path}.old`);
    const done = await rotate();
    expect(done.code, done.stderr).toBe(0);
    for (const path of paths) {
      expect(done.stdout).toContain(path);
      expect([await opens(path, old), await opens(path, fresh)], path).toEqual([false, true]);
      expect(statSync(path).mode & 0o777).toBe(0o600);
    }
    await signs(fresh);
    expect(root).toBe(before);
  });
});

describe("a change of the passphrase that was cut off", () => {
  it.each([1, 2])(
    "after %s of three files is named as that, and goes on when it is repeated",
    async (count) => {
      const cut = paths.slice(count);
      for (const path of cut) copyFileSync(`${path}.old`, path);
      for (const passphrase of [old, fresh]) {
        const how = ["--config", config, "--passphrase-file", passphrase];
        const refused = await run("start", ...how);
        expect(refused.code).toBe(1);
        const [yes, no] =
          passphrase === old ? [cut, paths.slice(0, count)] : [paths.slice(0, count), cut];
        expect(refused.stderr).toContain("error key.invalid");
        expect(refused.stderr).toContain(`opens ${yes.join(" and ")} but not ${no.join(" and ")}`);
        expect(refused.stderr).toContain("nexus key rotate");
      }
      const looked = await nexus(["doctor", "--config", config, "-o", "json"], {
        env: { NEXUS_PASSPHRASE: readFileSync(fresh, "utf8").trim() },
      });
      const findings = JSON.parse(looked.stdout) as {
        check: string;
        state: string;
        todo?: string;
      }[];
      expect(findings.find(({ check }) => check === "issuer")).toMatchObject({
        state: "fail",
        code: "key.invalid",
        todo: expect.stringContaining("nexus key rotate"),
      });
      const done = await rotate();
      expect(done.code, done.stderr).toBe(0);
      expect(done.stdout.match(/^sealed before/gm)?.length).toBe(count);
      for (const path of paths) expect(await opens(path, fresh), path).toBe(true);
    },
  );

  it("changes nothing where one file opens with neither", async () => {
    const before = paths.map((path) => readFileSync(path));
    const broken = Buffer.from(before[2] ?? []);
    broken[broken.length - 1] = (broken.at(-1) ?? 0) ^ 1;
    writeFileSync(issuerKey, broken);
    const done = await run(
      ...["key", "rotate", nodeKey, "--passphrase-file", fresh, "--new-passphrase-file", old],
    );
    expect([done.code, done.stderr]).toEqual([1, expect.stringContaining(issuerKey)]);
    expect(readFileSync(nodeKey).equals(before[0] ?? Buffer.alloc(0))).toBe(true);
    expect(readFileSync(actorKey).equals(before[1] ?? Buffer.alloc(0))).toBe(true);
    writeFileSync(issuerKey, before[2] ?? "");
  });
});

describe("nexus key show, export and import", () => {
  const passphrase = ["--passphrase-file", fresh];

  it("know an issuer's key, whose fingerprint is of the key in its root", async () => {
    const shown = await run("key", "show", keys, "--open", ...passphrase, "-o", "json");
    expect(shown.code, shown.stderr).toBe(0);
    const rows = JSON.parse(shown.stdout) as { file: string; use: string; fingerprint: string }[];
    expect(rows.map(({ file, use }) => [file, use])).toEqual([
      [issuerKey, "issuer"],
      [actorKey, "actor"],
      [nodeKey, "validator"],
    ]);
    const spki = new X509Certificate(root).publicKey.export({ type: "spki", format: "der" });
    expect(rows[0]?.fingerprint).toBe(createHash("sha256").update(spki).digest("hex"));
    const closed = await run("key", "show", issuerKey);
    expect(closed.stdout).toMatch(/use +issuer/);
    expect(closed.stdout).not.toContain("fingerprint");
    const none = await run("key", "show", dir);
    expect([none.code, none.stderr]).toEqual([1, expect.stringContaining("no key files")]);
  });

  it("bring it to another folder under another passphrase, and replace nothing", async () => {
    const to = at("copy", "ca.export");
    const exported = await run(
      ...["key", "export", issuerKey, "--to", to, ...passphrase, "--new-passphrase-file", old],
    );
    expect(exported.code, exported.stderr).toBe(0);
    expect(await opens(to, fresh)).toBe(false);
    const sealed = await run("key", "show", to);
    expect(sealed.stdout).toMatch(/sealing +AES-256-GCM, scrypt/);
    const imported = ["key", "import", to, "--passphrase-file", old, "-o", "json"];
    const taken = await run(...imported, "--to", issuerKey);
    expect([taken.code, taken.stderr]).toEqual([5, expect.stringContaining("key.exists")]);
    const done = await run(...imported, "--to", at("other", "issuer-ca.key"));
    expect(done.code, done.stderr).toBe(0);
    const facts = JSON.parse(done.stdout) as { use: string; fingerprint: string };
    const shown = await run("key", "show", issuerKey, "--open", ...passphrase, "-o", "json");
    expect(JSON.parse(shown.stdout)).toMatchObject({
      use: "issuer",
      fingerprint: facts.fingerprint,
    });
    const whole = await run(
      "key",
      "export",
      nodeKey,
      "--to",
      at("copy", "a.export"),
      ...passphrase,
    );
    expect(whole.stderr).toContain(`${actorKey}, ${issuerKey}`);
  });
});

describe("nexus doctor", () => {
  it("opens the issuer's keys, and sees one that others can read or that is gone", async () => {
    const env = { NEXUS_PASSPHRASE: readFileSync(fresh, "utf8").trim() };
    const issuer = async (): Promise<unknown> => {
      const done = await nexus(["doctor", "--config", config, "-o", "json"], { env });
      const all = JSON.parse(done.stdout) as { check: string }[];
      return all.find(({ check }) => check === "issuer");
    };
    expect(await issuer()).toMatchObject({ state: "ok" });
    for (const path of [actorKey, issuerKey]) {
      chmodSync(path, 0o640);
      const todo = expect.stringContaining("chmod");
      expect(await issuer()).toMatchObject({ state: "fail", code: "key.modes", todo });
      chmodSync(path, 0o600);
    }
    renameSync(issuerKey, `${issuerKey}.gone`);
    const found = expect.stringContaining(`${issuerKey} is missing`);
    expect(await issuer()).toMatchObject({ state: "fail", code: "key.invalid", found });
    renameSync(`${issuerKey}.gone`, issuerKey);
    expect(await issuer()).toMatchObject({ state: "ok" });
  });
});
