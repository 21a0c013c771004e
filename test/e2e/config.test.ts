/** `nexus config` on the file that `nexus init` writes. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { killAll, nexus, nexusJson, root, tempFolder } from "./support.ts";

const folder = tempFolder();
const dir = join(folder.path, "a");
const config = join(dir, "node.toml");

beforeAll(async () => {
  const made = await nexus(["--dir", dir, "init", "--name", "a", "--listen", "[2001:db8::a]:4440"]);
  expect(made.code, made.stderr).toBe(0);
});
afterAll(() => {
  killAll();
  folder.remove();
});

describe("nexus config", () => {
  it("explains each setting: value and origin", async () => {
    const env = { NEXUS_LOG_LEVEL: "debug" };
    const flags = ["--api-listen", "[::1]:9000"];
    const args = ["config", "explain", "--config", config, ...flags];
    const settings = await nexusJson(args, { env });
    expect(settings).toContainEqual(expect.objectContaining({ key: "name", value: "a" }));
    const text = readFileSync(config, "utf8").split("\n");
    const line = text.findIndex((one) => one.startsWith("listen =")) + 1;
    const place = `${config}:${line}`;
    for (const [key, origin, from] of [
      ["listen", "file", place],
      ["api", "flag", "--api-listen"],
      ["log_level", "environment", "NEXUS_LOG_LEVEL"],
      ["genesis", "default", "default"],
    ]) {
      const wanted = { key, origin, place: from };
      expect(settings).toContainEqual(expect.objectContaining(wanted));
    }
    const table = await nexus(args, { env });
    expect(table.stdout).toMatch(/^log_level +debug +environment +NEXUS_LOG_LEVEL$/m);
  });

  it("checks: exit 0, or 1 with the line and what was meant", async () => {
    const good = await nexus(["config", "check", "--config", config], {
      env: { NEXUS_LISTN: "[::1]:1" },
    });
    expect(good.code, good.stderr).toBe(0);
    expect(good.stderr).toContain("nothing reads NEXUS_LISTN; did you mean NEXUS_LISTEN?");
    const text = readFileSync(config, "utf8");
    writeFileSync(config, `${text}log_levle = "info"\n`);
    const bad = await nexus(["config", "check", "--config", config]);
    expect(bad.code).toBe(1);
    expect(bad.stderr).toContain(
      `:${text.split("\n").length} has the unknown key "log_levle"; did you mean "log_level"?`,
    );
    writeFileSync(config, text.replace("[2001:db8::a]:4440", "192.0.2.1:4440"));
    const v4 = await nexus(["config", "check", "--config", config]);
    expect(v4.code).toBe(1);
    expect(v4.stderr).toContain("transport.ipv4");
    writeFileSync(config, text);
  });

  it("prints the published schema", async () => {
    const printed = await nexus(["config", "schema"]);
    expect(printed.stdout).toBe(readFileSync(join(root, "docs/config.schema.json"), "utf8"));
  });
});

describe("NEXUS_PASSPHRASE_FILE", () => {
  it("seals what init makes, so that a start under the same settings opens it", async () => {
    const home = join(folder.path, "sealed");
    const passphrase = join(folder.path, "secret", "passphrase");
    mkdirSync(join(folder.path, "secret"), { mode: 0o700 });
    writeFileSync(passphrase, "a passphrase of this test\n", { mode: 0o600 });
    const env = { NEXUS_PASSPHRASE_FILE: passphrase };
    const listen = ["--listen", "[2001:db8::a]:4440"];
    const made = await nexus(["--dir", home, "init", "--name", "a", ...listen], { env });
    expect(made.code, made.stderr).toBe(0);
    expect(existsSync(join(home, "keys", "passphrase"))).toBe(false);
    const open = ["key", "show", join(home, "keys", "node.key"), "--open"];
    const shown = await nexus([...open, "--passphrase-file", passphrase]);
    expect(shown.code, shown.stderr).toBe(0);
    expect((await nexus(open)).code).toBe(1);
  });
});

describe("the genesis hash before a start", () => {
  it("is of a node of the folder's network by its name, and says how one is named", async () => {
    const net = join(folder.path, "named");
    const plan = ["a", "b", "c", "d"].map((name, i) => `${name}=[::1]:${5101 + i}`);
    await nexusJson(["--dir", net, "init", "--network", "--node", ...plan]);
    const checked = await nexusJson(["--dir", net, "config", "check", "--node", "b"]);
    expect(checked).toMatchObject({ valid: true, name: "b" });
    const table = await nexus(["--dir", net, "config", "explain", "--node", "c"]);
    expect(table.stdout).toMatch(/^name +c +file +\S+\/c\/node\.toml:\d+$/m);
    const other = await nexus(["--dir", net, "config", "check", "--node", "x"]);
    expect([other.code, other.stderr]).toEqual([1, expect.stringContaining("a, b, c, d")]);
    const none = await nexus(["--dir", net, "config", "check"]);
    expect([none.code, none.stderr]).toEqual([1, expect.stringContaining("--node of the network")]);
  });

  it("is printed by init --network and, of the file that a node will use, by config check", async () => {
    const net = join(folder.path, "hashed");
    const plan = ["a=[::1]:5001", "b=[::1]:5002,[::1]:9002"];
    const made = await nexus(["--dir", net, "init", "--network", "--node", ...plan, "-o", "json"]);
    const { hash, apis } = JSON.parse(made.stdout) as { hash: string; apis: string[] };
    expect(apis).toEqual(["http://[::1]:8440", "http://[::1]:9002"]);
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    const check = ["config", "check", "--config", join(net, "b", "node.toml")];
    const done = await nexus(check);
    expect(done.code, done.stderr).toBe(0);
    expect(done.stdout).toMatch(new RegExp(`^genesis hash +${hash}$`, "m"));
    const genesis = join(net, "genesis.json");
    writeFileSync(genesis, "{}");
    expect((await nexus(check)).stderr).toContain("error config.genesis");
    rmSync(genesis);
    const none = await nexus(check);
    expect([none.code, none.stderr]).toEqual([0, expect.stringContaining("there is no")]);
  });
});
