/** `nexus audit` and `nexus replay` through the bin, on the folders and the API of a real network. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lockFolder, openLevelStore } from "../../src/ledger/store/level.ts";
import { devNetwork } from "./dev-network.ts";
import { background, freePorts, nexus, type Run, until } from "./support.ts";

const net = devNetwork();
const { folder, dir, genesis } = net;
const env = { XDG_STATE_HOME: join(folder, "state") };
const silent = { log: () => {} };
let api: string;
let metrics: number;

beforeAll(async () => {
  await net.start();
  api = net.url();
  metrics = await freePorts(1);
  for (const value of ["one", "two", "three"]) {
    const run = await nexus(["--dir", dir, "append", `notes/${value}`, value]);
    expect(run.code, run.stderr).toBe(0);
  }
  // A second write of one row, for two heights to differ in.
  await nexus(["--dir", dir, "append", "notes/one", "changed"]);
});

afterAll(() => net.end());

const run = (...args: readonly string[]): Promise<Run> => nexus(args, { env, timeoutMs: 120_000 });

type Report = {
  result: string;
  height: number;
  logSize: number;
  stateRoot: string;
  resumedFrom: number;
  counts: { signatures: number };
  findings: { height?: number; subject: string; projection?: string; key?: string }[];
};

const report = (done: Run): Report => JSON.parse(done.stdout) as Report;

const fingerprint = (path: string): string[] =>
  readdirSync(path, { recursive: true, encoding: "utf8" })
    .filter((name) => statSync(join(path, name)).isFile())
    .sort()
    .map((name) => {
      const hash = createHash("sha256")
        .update(readFileSync(join(path, name)))
        .digest("hex");
      return `${name} ${hash}`;
    });

type Rows = Map<string, Uint8Array>;

const readRows = async (db: string): Promise<Rows> => {
  const store = await openLevelStore(db, { logger: silent });
  const rows: Rows = new Map();
  await new Promise<void>((resolve, reject) => {
    const range = { gte: Uint8Array.of(0), lt: Uint8Array.of(0xff), limit: 1_000_000 };
    store.range(range, (failure, entries) => {
      if (failure !== undefined) return reject(new Error(failure.detail));
      for (const [key, value] of entries) rows.set(Buffer.from(key).toString("hex"), value.slice());
      resolve();
    });
  });
  await new Promise<void>((resolve) => store.close(resolve));
  return rows;
};

const writeRow = async (db: string, key: string, value: Uint8Array): Promise<void> => {
  const store = await openLevelStore(db, { logger: silent });
  await new Promise<void>((resolve, reject) => {
    const op = { type: "put", key: Uint8Array.from(Buffer.from(key, "hex")), value } as const;
    store.write([op], { sync: true }, (failure) =>
      failure === undefined ? resolve() : reject(new Error(failure.detail)),
    );
  });
  await new Promise<void>((resolve) => store.close(resolve));
};

describe("of a running node", () => {
  it("audits its API clean, and says what was checked", async () => {
    const done = await run("audit", "--api", api, "--genesis", genesis, "-o", "json");
    expect(done.code, done.stderr).toBe(0);
    const { result, height, logSize, counts, findings } = report(done);
    expect({ result, findings }).toEqual({ result: "clean", findings: [] });
    expect(height).toBeGreaterThan(3);
    expect(logSize).toBeGreaterThanOrEqual(4);
    expect(counts.signatures).toBeGreaterThanOrEqual(3 * 4);
    const table = await run("audit", "--api", api, "--genesis", genesis);
    expect(table.stdout).toMatch(/^result +clean\n/);
    expect(table.stderr).toMatch(/auditing \[#+\]/);
  });

  it("refuses the folder while the node uses it, and names --api", async () => {
    const done = await run("audit", "--dir", join(dir, "a"), "--genesis", genesis);
    expect(done.code).toBe(3);
    expect(done.stderr).toContain("audit.unverified");
    expect(done.stderr).toContain("--api");
  });

  it("refuses a genesis of another chain, a node that is away, and wrong usage", async () => {
    const other = join(folder, "other.json");
    const text = readFileSync(genesis, "utf8");
    writeFileSync(other, text.replace(/"chainId": "[^"]+"/, '"chainId": "other-chain"'));
    const foreign = await run("audit", "--api", api, "--genesis", other);
    expect(foreign.code).toBe(3);
    expect(foreign.stderr).toContain("folder.foreign");
    const away = await run("audit", "--api", "http://[::1]:9", "--genesis", genesis);
    expect(away.code).toBe(3);
    expect((await run("audit", "--api", "nonsense", "--genesis", genesis)).code).toBe(1);
    expect((await run("audit", "--api", api, "--genesis", join(dir, "none"))).code).toBe(1);
    const follow = await run("audit", "--dir", join(dir, "a"), "--genesis", genesis, "--follow");
    expect(follow.code).toBe(1);
  });

  it("takes signatures below --from as good, and says so", async () => {
    const args = ["audit", "--api", api, "--genesis", genesis, "--rebuild"];
    const done = await run(...args, "--from", "3", "-o", "json");
    expect(done.code, done.stderr).toBe(0);
    expect(done.stderr).toContain("their signatures are not checked");
    expect(report(done)).toMatchObject({ result: "clean", signaturesFrom: 3 });
  });

  it("replays to a height, and shows what two heights differ in", async () => {
    const log = await nexus(["--dir", dir, "tail", "--from", "0", "--no-follow", "-o", "ndjson"]);
    const heights = log.stdout
      .split("\n")
      .filter((line) => line.includes("record.put"))
      .map((line) => (JSON.parse(line) as { height: number }).height);
    const [first = 0, last = 0] = [heights[0], heights.at(-1)];
    const node = ["--api", api, "--genesis", genesis];
    const state = await run("replay", ...node, "--to", String(last), "-o", "json");
    expect(state.code, state.stderr).toBe(0);
    expect(JSON.parse(state.stdout)).toMatchObject({ height: last });
    const args = ["replay", ...node, "--diff", "--projection", "records"];
    const diff = await run(...args, "--from", String(first), "--to", String(last), "-o", "json");
    const { changes } = JSON.parse(diff.stdout) as {
      changes: { kind: string; key: string; before: { text: string }; after: { text: string } }[];
    };
    const changed = changes.find(({ key }) => key === "notes/one");
    expect(changed?.kind).toBe("changed");
    expect([changed?.before.text, changed?.after.text]).toEqual(["one", "changed"]);
    expect(changes.find(({ key }) => key === "notes/three")?.kind).toBe("added");
    const table = await run(...args, "--from", String(first), "--to", String(last));
    expect(table.stdout).toMatch(/^~ +records +notes\/one /m);
    expect(table.stdout).toMatch(/^\+ +records +notes\/three /m);
    const beyond = await run("replay", ...node, "--to", "1000000");
    expect([beyond.code, beyond.stderr]).toEqual([3, expect.stringMatching(/ends at height \d+/)]);
    // It is said before anything is replayed.
    expect(beyond.stderr).not.toContain("replaying");
    expect((await run("replay", ...node, "--from", "5", "--to", "4", "--diff")).code).toBe(1);
  });

  it("leaves to another replay what that one works in", async () => {
    const state = join(folder, "mine");
    const used = `${state}-replay`;
    const file = join(used, "scratch", "CURRENT");
    mkdirSync(join(used, "scratch"), { recursive: true });
    writeFileSync(file, "MANIFEST-000001\n");
    const lock = await lockFolder(used);
    const args = ["replay", "--api", api, "--genesis", genesis, "--state", state, "--to", "1"];
    const second = await run(...args);
    expect([second.code, second.stderr]).toEqual([3, expect.stringContaining("folder.locked")]);
    expect(existsSync(file)).toBe(true);
    await lock.release();
    const after = await run(...args);
    expect(after.code, after.stderr).toBe(0);
    expect(existsSync(used)).toBe(false);
  });

  it("follows a node, serves metrics, and outlives a restart of the node", async () => {
    const page = async (): Promise<string> =>
      (await fetch(`http://[::1]:${metrics}/metrics`)).text();
    const value = async (name: string): Promise<number> =>
      Number(new RegExp(`^${name} (\\S+)$`, "m").exec(await page())?.[1]);
    const args = ["audit", "--api", api, "--genesis", genesis, "--follow"];
    const auditor = background([...args, "--metrics", `[::1]:${metrics}`], { env });
    await auditor.sees("metrics: ");
    await until(
      "the auditor has caught up",
      async () => (await value("tetrad_audit_position")) > 3,
    );
    const statusOf = async (host: string): Promise<number | undefined> => {
      const asked = request({ host: "::1", port: metrics, path: "/metrics", headers: { host } });
      asked.end();
      const [response] = (await once(asked, "response")) as [IncomingMessage];
      response.resume();
      return response.statusCode;
    };
    expect(await statusOf(`[::1]:${metrics}`)).toBe(200);
    expect(await statusOf("rebound.example")).toBe(421);
    await net.stop();
    await auditor.sees("trying again");
    await until("the node is seen away", async () => (await value("tetrad_audit_node_up")) === 0);
    const before = await value("tetrad_audit_position");
    await net.start();
    await nexus(["--dir", dir, "append", "notes/later", "later"]);
    await auditor.sees("answers again", 90_000);
    await until("it goes on", async () => (await value("tetrad_audit_position")) > before);
    expect(await value("tetrad_audit_mismatches")).toBe(0);
    expect(await value("tetrad_audit_lag_heights")).toBeLessThan(100);
    expect(await auditor.stop()).toBe(130);
    const again = background(args, { env });
    await again.sees(/auditing .* from height [1-9]\d* on/);
    await again.stop();
  });
});

describe("of a stopped node's folder", () => {
  const copy = join(folder, "copy");
  let clean: Report;

  beforeAll(async () => {
    await net.stop();
    cpSync(join(dir, "a"), copy, { recursive: true });
  });

  it("is clean, and leaves the folder as it is", async () => {
    const before = fingerprint(copy);
    const done = await run("audit", "--dir", copy, "--genesis", genesis, "-o", "json");
    expect(done.code, done.stderr).toBe(0);
    clean = report(done);
    expect(clean).toMatchObject({ result: "clean", findings: [], resumedFrom: 0 });
    expect(fingerprint(copy)).toEqual(before);
  });

  it("is read where the node that is named, or the first, does not answer", async () => {
    const own = { env: { ...env, NEXUS_DIR: dir } };
    for (const node of [["--node", "b"], []]) {
      const done = await nexus(["audit", ...node, "-o", "json"], own);
      expect(done.code, done.stderr).toBe(0);
      expect(report(done)).toMatchObject({ result: "clean" });
      expect(done.stderr).toContain(`node ${node[1] ?? "a"} does not answer at http://`);
    }
    const replayed = await nexus(["replay", "--node", "b", "--to", "2", "-o", "json"], own);
    expect(replayed.code, replayed.stderr).toBe(0);
    const named = await nexus(["audit", "--node", "b", "--api", "http://[::1]:9"], own);
    expect(named.code).toBe(3);
    expect(named.stderr).not.toContain("its folder is read");
  });

  it("exits with 2 and says where, for a row that an administrator changed", async () => {
    const changed = join(folder, "changed");
    cpSync(copy, changed, { recursive: true });
    const rows = await readRows(join(changed, "db"));
    const prefix = Buffer.from("r/records/notes").toString("hex");
    const [key, value] = [...rows].find(([name]) => name.startsWith(prefix)) ?? ["", undefined];
    if (value === undefined) throw new Error("no record");
    value[value.length - 1] = (value.at(-1) ?? 0) ^ 1;
    await writeRow(join(changed, "db"), key, value);
    const done = await run("audit", "--dir", changed, "--genesis", genesis, "-o", "json");
    expect(done.code).toBe(2);
    expect(done.stderr).toContain("audit.mismatch");
    expect(report(done).findings[0]).toMatchObject({
      subject: "row",
      projection: "records",
      key: expect.stringMatching(/^notes\//),
      height: expect.any(Number),
    });
    const table = await run("audit", "--dir", changed, "--genesis", genesis);
    expect(table.stdout).toMatch(/^result +mismatch\n/);
    expect(table.stdout).toMatch(/row +records +notes\//);
  });

  it("exits with 2 for one changed byte of any event, batch, header, certificate or tree value", async () => {
    const rows = await readRows(join(folder, "copy", "db"));
    // LevelDB has opened the copy for that: what follows is of a fresh one.
    const source = join(dir, "b");
    const fresh = await readRows(join(dir, "b", "db"));
    expect(fresh.size).toBeGreaterThan(rows.size / 2);
    const keys = [...fresh.keys()].filter((key) => "bdcenrtx".includes(areaOf(key)));
    const changed = join(folder, "flipped");
    await fc.assert(
      fc.asyncProperty(fc.nat(keys.length - 1), fc.nat(), async (which, at) => {
        const key = keys[which] ?? "";
        const value = fresh.get(key)?.slice() ?? new Uint8Array(1);
        fc.pre(value.length > 0);
        value[at % value.length] = (value[at % value.length] ?? 0) ^ 1;
        cpSync(source, changed, { recursive: true, force: true });
        await writeRow(join(changed, "db"), key, value);
        const done = await run("audit", "--dir", changed, "--genesis", genesis, "-o", "json");
        expect(done.code, `${key} ${done.stderr}`).toBe(2);
        await writeRow(join(changed, "db"), key, fresh.get(key) ?? value);
      }),
      { numRuns: 10, seed: 20_261_126 },
    );
  });

  it("exits with 2 or 3, or comes to the same roots, for one flipped byte of any file", async () => {
    const names = fingerprint(copy).map((line) => line.slice(0, -65));
    await fc.assert(
      fc.asyncProperty(fc.nat(names.length - 1), fc.nat(), async (which, at) => {
        const path = join(copy, names[which] ?? "");
        const bytes = readFileSync(path);
        fc.pre(bytes.length > 0);
        const flipped = Buffer.from(bytes);
        flipped[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ 1;
        writeFileSync(path, flipped);
        const done = await run("audit", "--dir", copy, "--genesis", genesis, "-o", "json");
        writeFileSync(path, bytes);
        expect([0, 2, 3], `${path} ${done.stderr}`).toContain(done.code);
        if (done.code === 0) expect(report(done).stateRoot, path).toBe(clean.stateRoot);
      }),
      { numRuns: 12, seed: 20_261_126 },
    );
  });
});

const areaOf = (key: string): string => String.fromCharCode(Number.parseInt(key.slice(0, 2), 16));

describe("what audits have kept", () => {
  it("is removed when asked, and said", async () => {
    const done = await run("audit", "--forget");
    expect(done.code, done.stderr).toBe(0);
    expect(done.stderr).toMatch(/^removed: \S+[0-9a-f]{12}-[0-9a-f]{12} \(\d+\.\d MB\)$/m);
    expect(readdirSync(join(folder, "state", "tetrad", "audit"))).toEqual([]);
    expect((await run("audit", "--forget")).stderr).toMatch(/^no audit has kept anything in /m);
  });
});
