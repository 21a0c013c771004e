/**
 * `nexus backup` and `nexus restore` through the bin on a network of four, and what a restored node may do:
 * with its newest vote store all, without one nothing but follow. And an actor that is replaced.
 */
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownNetwork } from "./dev-network.ts";
import { background, nexus, nexusJson, until } from "./support.ts";

const NAMES = ["a", "b", "c", "d"] as const;
type Name = (typeof NAMES)[number];
type Status = {
  finalHeight: number;
  executedHeight: number;
  logSize: number;
  stateRoot: string;
  voting: string;
  problems: { code: string }[];
};
type Report = { height: number; events: number; stateRoot: string; running: boolean };

const net = ownNetwork(NAMES);
const { folder, dir, home, config, url, start, stop } = net;
const file = join(folder, "d.tetrad");

const statusOf = async (name: Name): Promise<Status | undefined> => {
  try {
    const answer = await fetch(`${url(name)}/v1/status`, { signal: AbortSignal.timeout(2_000) });
    return (await answer.json()) as Status;
  } catch {
    return undefined;
  }
};
/** The same log and state as the first node. */
const caughtUp = async (name: Name): Promise<boolean> => {
  const [one, first] = await Promise.all([statusOf(name), statusOf("a")]);
  const same = (key: keyof Status): boolean => one?.[key] === first?.[key];
  return one !== undefined && first !== undefined && same("logSize") && same("stateRoot");
};
const append = (key: string): ReturnType<typeof nexus> =>
  nexus(["--dir", dir, "append", `backup/${key}`, "hello"]);

beforeAll(async () => {
  await net.make();
  for (const name of NAMES) start(name);
  await until("all vote", async () => {
    const all = await Promise.all(NAMES.map(statusOf));
    return all.every((status) => status?.voting === "yes" && status.finalHeight > 0);
  });
});
afterAll(() => net.end());

describe("nexus backup", () => {
  it("writes what a running node has, and a stopped one too, and no keys", async () => {
    expect((await append("one")).code).toBe(0);
    expect(statSync(join(home("d"), "admin.sock")).mode & 0o777).toBe(0o600);
    const report = (await nexusJson(["backup", "--config", config("d"), "--to", file])) as Report;
    expect(report).toMatchObject({ running: true, node: "d", events: 1 });
    expect(report.height).toBeGreaterThan(0);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const again = await nexus(["backup", "--config", config("d"), "--to", file]);
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining("already there")]);
    const bytes = readFileSync(file);
    for (const name of ["node.key", "tls-key.pem", "passphrase"]) {
      const secret = readFileSync(join(home("d"), "keys", name));
      expect(bytes.includes(secret.subarray(secret.length - 64))).toBe(false);
    }
    await stop("d");
    expect(existsSync(join(home("d"), "admin.sock"))).toBe(false);
    const to = join(folder, "many");
    mkdirSync(to);
    const args = ["--dir", dir, "backup", "--node", "d", "--to", to];
    expect(await nexusJson(args)).toMatchObject({ running: false, node: "d", events: 1 });
    expect(readdirSync(to)).toEqual([expect.stringMatching(/^d-\d{8}T\d{6}Z\.tetrad$/)]);
  });

  it("says so where there is no chain and where there is no room for the file", async () => {
    const none = await nexus(["backup", "--config", config("d"), "--to", join(dir, "none", "x")]);
    expect([none.code, none.stderr]).toEqual([1, expect.stringContaining("cannot be written")]);
    const empty = join(folder, "empty");
    mkdirSync(empty);
    const text = readFileSync(config("d"), "utf8");
    writeFileSync(
      join(empty, "node.toml"),
      text.replace("../genesis.json", join(dir, "genesis.json")),
    );
    const to = ["--to", join(folder, "e.tetrad")];
    const done = await nexus(["backup", "--config", join(empty, "node.toml"), ...to]);
    expect([done.code, done.stderr]).toEqual([5, expect.stringContaining("backup.refused")]);
    expect(readdirSync(folder).filter((name) => name.startsWith("e.tetrad"))).toEqual([]);
  });
});

describe("nexus restore", () => {
  const to = join(folder, "restored");
  const restore = (backup: string, ...more: string[]): ReturnType<typeof nexus> =>
    nexus(["restore", backup, "--to", to, ...more]);
  const damaged = (change: (bytes: Buffer) => Buffer): string => {
    const path = join(folder, "damaged");
    writeFileSync(path, change(readFileSync(file)));
    return path;
  };
  const resealed = (bytes: Buffer): Buffer => {
    const body = bytes.subarray(0, bytes.length - 32);
    return Buffer.concat([body, createHash("sha256").update(body).digest()]);
  };
  const flipped = (bytes: Buffer, at: number): Buffer => {
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    return bytes;
  };

  it("refuses a backup that is cut off, damaged or forged, and leaves nothing", async () => {
    const cut = damaged((bytes) => bytes.subarray(0, bytes.length - 1000));
    const bad = await restore(cut);
    expect([bad.code, bad.stderr]).toEqual([2, expect.stringContaining("backup.invalid")]);
    const flip = damaged((bytes) => flipped(bytes, bytes.length >> 1));
    expect((await restore(flip)).code).toBe(2);
    // The checksum made to fit. The state root of the tail; and a signature of the final certificate.
    for (const change of [
      (bytes: Buffer) => flipped(bytes, bytes.length - 32 - 1),
      (bytes: Buffer) => flipped(bytes, lastFinalCertificate(bytes)),
    ]) {
      const forged = await restore(damaged((bytes) => resealed(change(bytes))));
      expect([forged.code, forged.stderr]).toEqual([2, expect.stringContaining("backup.invalid")]);
    }
    expect(readdirSync(folder).filter((name) => name.includes("restor"))).toEqual([]);
  });

  it("refuses another chain than the one that is trusted, and a folder in use", async () => {
    const other = join(folder, "other");
    const specs = NAMES.map((name, i) => `${name}=[::1]:${5001 + i}`);
    await nexus(["--dir", other, "init", "--network", "--node", ...specs]);
    const foreign = await restore(file, "--genesis", join(other, "genesis.json"));
    expect([foreign.code, foreign.stderr]).toEqual([5, expect.stringContaining("folder.foreign")]);
    const taken = await nexus(["restore", file, "--to", other]);
    expect([taken.code, taken.stderr]).toEqual([5, expect.stringContaining("not empty")]);
    // The next step names what this verb takes.
    expect(foreign.stderr).toContain("with --genesis");
    expect(taken.stderr).toContain("→ name a new folder with --to");
    expect(taken.stderr + foreign.stderr).not.toMatch(/--dir|--api/);
    expect(existsSync(join(other, "genesis.json"))).toBe(true);
  });

  it("makes a folder that, with the newest keys, votes again at the same state as the others", async () => {
    expect((await append("two")).code).toBe(0);
    const done = await restore(file, "--genesis", join(dir, "genesis.json"));
    expect(done.code, done.stderr).toBe(0);
    expect(done.stderr).toContain("without its vote store the node follows and does not vote");
    expect(done.stderr).toContain("nexus audit");
    expect(existsSync(join(to, "keys"))).toBe(false);
    const old = join(folder, "old-d");
    renameSync(home("d"), old);
    renameSync(to, home("d"));
    const keyless = await nexus(["start", "--config", config("d")]);
    expect(keyless.code).toBe(1);
    expect(keyless.stderr).toMatch(
      /key\.invalid: .*node\.key does not exist\n {2}→ move the node's whole keys folder here/,
    );
    renameSync(join(old, "keys"), join(home("d"), "keys"));
    start("d");
    await until("d votes and has what the others have", async () => {
      return (await statusOf("d"))?.voting === "yes" && (await caughtUp("d"));
    });
    expect((await statusOf("d"))?.logSize).toBe(2);
  });

  it("makes a folder that with an imported key follows and never votes", async () => {
    await stop("d");
    const exported = join(folder, "secret", "d.export");
    const keys = join(home("d"), "keys");
    const passphrase = ["--passphrase-file", join(keys, "passphrase")];
    const out = await nexus([
      "key",
      "export",
      join(keys, "node.key"),
      "--to",
      exported,
      ...passphrase,
    ]);
    expect(out.code, out.stderr).toBe(0);
    const third = join(folder, "third");
    expect((await nexus(["restore", file, "--to", third])).code).toBe(0);
    const genesis = join(dir, "genesis.json");
    const audit = await nexus(["audit", "--dir", third, "--genesis", genesis]);
    expect(audit.code, audit.stderr).toBe(0);
    const taken = await nexus([
      "key",
      "import",
      exported,
      "--to",
      join(third, "keys"),
      ...passphrase,
    ]);
    expect(taken.code, taken.stderr).toBe(0);
    const node = background(["start", "--config", join(third, "node.toml"), ...passphrase]);
    await until("it refuses to vote and has what the others have", async () => {
      return (await statusOf("d"))?.voting === "refused" && (await caughtUp("d"));
    });
    const codes = (await statusOf("d"))?.problems.map(({ code }) => code);
    expect(codes).toContain("votes.missing");
    await node.stop("SIGTERM");
    start("d");
  });
});

describe("nexus key rotate --actor", () => {
  it("registers a new actor and revokes the old one, once", async () => {
    const operator = join(dir, "operator", "operator.key");
    const next = join(dir, "operator", "next.key");
    const args = ["--dir", dir, "key", "rotate", "--actor", operator, "--to", next];
    const done = await nexus(args);
    expect(done.code, done.stderr).toBe(0);
    const old = await append("three");
    expect(old.code).not.toBe(0);
    const now = await nexus(["--dir", dir, "append", "--key", next, "backup/three", "hello"]);
    expect(now.code, now.stderr).toBe(0);
    const again = await nexus(args);
    expect(again.code).not.toBe(0);
    const actors = (await nexusJson(["--dir", dir, "ls", "actors"])) as {
      value: { name: string; revokedHeight: number | null };
    }[];
    const named = actors.filter(({ value }) => value.name === "operator");
    expect(named.map(({ value }) => value.revokedHeight !== null).sort()).toEqual([false, true]);
  });
});

/** A place inside a signature of the newest finalization certificate: rows under "c/" end with signatures. */
function lastFinalCertificate(bytes: Buffer): number {
  // u8 1, u32 19, "c/", epoch, view, kind 3, u32 length: the last one in the file is of the newest view.
  const row = Buffer.from([1, 0, 0, 0, 19, 0x63, 0x2f]);
  for (let at = bytes.lastIndexOf(row); at > 0; at = bytes.lastIndexOf(row, at - 1)) {
    if (bytes[at + 5 + 18] === 3) return at + 5 + 19 + 4 + 600;
  }
  throw new Error("no finalization certificate in the backup");
}
