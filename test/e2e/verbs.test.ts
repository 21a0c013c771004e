/** Every verb through the bin, against a real network: what it prints where, and how it exits. */
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ERRORS } from "../../src/errors.ts";
import { devNetwork } from "./dev-network.ts";
import { fits } from "./shape.ts";
import { background, nexus } from "./support.ts";

const net = devNetwork();
const { dir, folder, run, json } = net;

beforeAll(net.start);
afterAll(net.end);

const lines = (text: string): unknown[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));

type Receipt = {
  level: string;
  batchId: string;
  firstIndex: number;
  outcomes: { kind: string; code?: string }[];
};

describe("nexus validator peers", () => {
  it("prints members as the setting `peers` takes them", async () => {
    const all = (await json("validator", "peers")) as {
      name: string;
      id: string;
      address: string;
      tlsPin: string;
      peer: string;
    }[];
    fits("validator peers", all);
    expect(all.map(({ name }) => name)).toEqual(["a", "b", "c", "d"]);
    for (const { id, address, tlsPin, peer } of all) {
      expect(peer).toBe(`${id}@${address}#${tlsPin}`);
      expect(peer).toMatch(/^[0-9a-f]{64}@\[::1\]:\d+#[0-9a-f]{64}$/);
    }
    expect((await run("validator", "peers")).stdout).toContain(all[0]?.peer ?? "no peer");
  });
});

describe("nexus append", () => {
  it("writes a record given in any way, and prints receipts as JSON on stdout alone", async () => {
    const data = '{"topic":"e2e","key":"data","body":{"text":"from data"}}';
    const [receipt] = (await json("append", "--type", "record.put", "--data", data)) as Receipt[];
    expect(receipt?.level).toBe("projected");
    expect(receipt?.outcomes).toEqual([{ kind: "accepted" }]);
    const row = (await json("get", "records", "e2e/data")) as { value: { text: string } };
    expect(row.value.text).toBe("from data");
    const piped = await nexus(["--dir", dir, "append", "e2e/stdin", "-"], { input: "from stdin" });
    expect(piped.code, piped.stderr).toBe(0);
    expect((await run("get", "records", "e2e/stdin")).stdout).toContain("from stdin");
  });

  it("cuts a long file into batches and commits all of it, in order", async () => {
    const events = Array.from({ length: 2500 }, (_, i) => ({
      type: "record.put",
      data: { topic: "bulk", key: `k${String(i).padStart(5, "0")}`, body: { text: `v${i}` } },
    }));
    const file = join(folder, "events.ndjson");
    writeFileSync(file, events.map((event) => `${JSON.stringify(event)}\n`).join(""));
    const receipts = (await json("append", "--file", file)) as Receipt[];
    expect(receipts.map((receipt) => receipt.outcomes.length)).toEqual([1024, 1024, 452]);
    const first = receipts[0]?.firstIndex ?? Number.NaN;
    expect(receipts.map((receipt) => receipt.firstIndex - first)).toEqual([0, 1024, 2048]);
    const rows = (await json("ls", "records", "--prefix", "bulk", "--limit", "9999")) as {
      key: string;
      value: { text: string };
    }[];
    expect(rows.map((row) => row.key)).toEqual(events.map((event) => `bulk/${event.data.key}`));
    expect(rows.map((row) => row.value.text)).toEqual(events.map((_, i) => `v${i}`));
  });

  it("waits as far as it is told, and learns the outcome of what was only accepted later", async () => {
    const accepted = (await json("append", "e2e/wait", "1", "--wait", "accepted")) as Receipt[];
    expect(accepted[0]?.level).toBe("accepted");
    const table = await run("append", "e2e/wait", "1", "--wait", "accepted");
    expect(table.stdout).toMatch(/record\.put +pending/);
    expect(table.stderr).toContain("no outcome yet");
    const committed = (await json("append", "e2e/wait", "2", "--wait", "committed")) as Receipt[];
    expect(["committed", "projected"]).toContain(committed[0]?.level);
    await expect
      .poll(async () => (await run("get", "records", "e2e/wait", "-o", "json")).stdout, {
        timeout: 20_000,
      })
      .toContain('"text": "2"');
  });

  it("exits with the code of the table when an event has no effect", async () => {
    const key = "0".repeat(64);
    const done = await run("append", "--type", "actor.revoked", "--data", `{"actor":"${key}"}`);
    expect(done.code).toBe(ERRORS["event.conflict"].exitCode);
    expect(done.stdout).toContain("refused: event.conflict");
    expect(done.stderr).toContain("error event.conflict: 1 event(s)");
    expect(done.stderr).toContain("have no effect");
  });

  it("refuses a key that the chain does not know", async () => {
    const made = await nexus(["--dir", join(folder, "ops"), "init", "--name", "ops", "--actor"]);
    expect(made.code, made.stderr).toBe(0);
    const key = join(folder, "ops", "keys", "ops.key");
    const done = await run("append", "--key", key, "e2e/no", "x");
    expect(done.code).toBe(ERRORS["batch.unknown-actor"].exitCode);
    expect(done.stderr).toContain("batch.unknown-actor");
    expect((await run("get", "records", "e2e/no")).code).toBe(1);
  });

  it("lets a registered actor write what it may, and nothing else", async () => {
    const identity = join(folder, "ops", "ops.json");
    const { publicKey } = JSON.parse(readFileSync(identity, "utf8")) as { publicKey: string };
    const data = JSON.stringify({ publicKey, name: "ops", permissions: ["record.*"] });
    expect((await run("append", "--type", "actor.registered", "--data", data)).code).toBe(0);
    const key = join(folder, "ops", "keys", "ops.key");
    const mine = await run("append", "--key", key, "e2e/ops", "x");
    expect(mine.code, mine.stderr).toBe(0);
    const more = JSON.stringify({ actor: "0".repeat(64) });
    const other = await run("append", "--key", key, "--type", "actor.revoked", "--data", more);
    expect(other.code).toBe(ERRORS["event.forbidden"].exitCode);
    expect(other.stdout).toContain("refused: event.forbidden");
  });

  it("exits 1 on wrong usage, with a hint, and sends nothing", async () => {
    for (const args of [
      ["append"],
      ["append", "x/y"],
      ["append", "xy", "z"],
      ["append", "--type", "record.put"],
      ["append", "--type", "record.putt", "--data", "{}"],
      ["append", "--type", "record.put", "--data", "{"],
      ["append", "--file", "/nowhere/at/all"],
      ["append", "a/b", "c", "--wait", "forever"],
    ]) {
      const done = await run(...args);
      expect(done.code, args.join(" ")).toBe(1);
      expect(done.stdout).toBe("");
      expect(done.stderr).toContain("error");
    }
  });

  it("keeps the batch when no node answers, and commits it once when one does again", async () => {
    const away = ["--api", net.url(9)];
    const lost = await run(...away, "append", "e2e/kept", "once", "--timeout", "1");
    expect(lost.code).toBe(4);
    expect(lost.stderr).toContain("cli.unreachable");
    const done = await run("append", "e2e/kept", "once");
    expect(done.code, done.stderr).toBe(0);
    const all = await run("tail", "--from", "0", "--no-follow", "-o", "ndjson");
    const kept = lines(all.stdout).filter(
      (event) => (event as { data?: { key?: string } }).data?.key === "kept",
    );
    expect(kept).toHaveLength(1);
  });
});

describe("nexus tail", () => {
  it("prints the whole log, each index once and in order", async () => {
    const done = await run("tail", "--from", "0", "--no-follow", "-o", "ndjson");
    const indexes = lines(done.stdout).map((event) => (event as { index: number }).index);
    expect(indexes.length).toBeGreaterThan(2500);
    expect(indexes).toEqual(indexes.map((_, i) => i));
    expect(done.stderr).toBe("");
  });

  it("prints the last of the log with -n, where it does not follow", async () => {
    const whole = async (): Promise<readonly unknown[]> =>
      lines((await run("tail", "--from", "0", "--no-follow", "-o", "ndjson")).stdout);
    const before = await whole();
    const asked = new Map<number, readonly unknown[]>();
    for (const count of [1, 3, 25]) {
      const done = await run("tail", "-n", String(count), "--no-follow", "-o", "ndjson");
      asked.set(count, lines(done.stdout));
    }
    const type = "record.put";
    const typed = await run("tail", "-n", "1", "--type", type, "--no-follow", "-o", "ndjson");
    const all = await whole();
    // Validators write events of their own meanwhile: the end is wherever it was when it was asked for.
    for (const [count, found] of asked) {
      const end = (found.at(-1) as { index: number }).index + 1;
      expect(end).toBeGreaterThanOrEqual(before.length);
      expect(found).toEqual(all.slice(Math.max(0, end - count), end));
    }
    expect(lines(typed.stdout)).toEqual(
      all.filter((event) => (event as { type: string }).type === type).slice(-1),
    );
    const first = await run("tail", "--from", "0", "-n", "3", "--no-follow", "-o", "ndjson");
    expect(lines(first.stdout)).toEqual(all.slice(0, 3));
  });

  it("says why it prints nothing: a type that is none, or a start behind the end", async () => {
    const typo = await run("tail", "--from", "0", "--type", "record.putt", "--no-follow");
    expect([typo.code, typo.stdout]).toEqual([0, ""]);
    expect(typo.stderr).toContain('did you mean "record.put"?');
    const none = await run("tail", "--type", "nosuch.*", "--no-follow");
    expect(none.stderr).toMatch(/known are [a-z-]+\.[a-z]/);
    const late = await run("tail", "--from", "99999999", "--no-follow");
    expect([late.code, late.stderr]).toEqual([0, expect.stringMatching(/the log has \d+ events/)]);
    const quiet = await run("tail", "--from", "0", "--type", "record.*", "--no-follow");
    expect(quiet.stderr).toBe("");
  });

  it("follows, filters by type, and ends after --limit", async () => {
    // Validators write too, what they prove, when they like.
    const following = background([
      ...["--dir", dir, "tail", "--from", "end", "--type", "record.put"],
      ...["--limit", "2", "-o", "ndjson"],
    ]);
    const filtered = background(["--dir", dir, "tail", "--type", "asset.*", "--limit", "1"]);
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    await run("append", "tail/1", "x");
    await run("append", "tail/2", "x");
    expect(await following.exited).toBe(0);
    const keys = lines(following.stdout()).map(
      (event) => (event as { data: { key: string } }).data.key,
    );
    expect(keys).toEqual(["1", "2"]);
    await filtered.stop();
    expect(filtered.stdout()).toBe("");
  });

  it("ends quietly when the reader has had enough", async () => {
    const tail = background(["--dir", dir, "tail", "--from", "0", "--no-follow"]);
    tail.child.stdout?.once("data", () => tail.child.stdout?.destroy());
    expect(await tail.exited).toBe(0);
    expect(tail.stderr()).toBe("");
  });
});

describe("nexus ls, get and status", () => {
  it("lists projections, and rows of each", async () => {
    const names = (await json("ls")) as { name: string }[];
    expect(names.map(({ name }) => name)).toEqual([
      "actors",
      "validators",
      "records",
      "assets",
      "quarantine",
      "certificates",
      "ct",
      // Of the proofs that a development network asks for.
      "beacon",
      "space",
      "stake",
      "time",
      "work",
      "capabilities",
    ]);
    const validators = (await json("ls", "validators")) as { value: { name: string } }[];
    expect(validators.map(({ value }) => value.name).sort()).toEqual(["a", "b", "c", "d"]);
    const actors = (await json("ls", "actors")) as { value: { name: string } }[];
    expect(actors.map(({ value }) => value.name)).toContain("operator");
    expect(await json("ls", "quarantine")).toEqual([]);
    const table = await run("ls", "validators");
    expect(table.stdout.split("\n")[0]).toMatch(/^KEY +/);
    expect(table.stdout).not.toContain("\x1b");
  });

  it("says what was meant, and exits 1 for what is not there", async () => {
    const wrong = await run("ls", "recrods");
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain('did you mean "records"?');
    const none = await run("get", "records", "no/such");
    expect(none.code).toBe(1);
    expect(none.stderr).toContain("http.not-found");
    expect((await run("get", "records", "nokey")).stderr).toContain("topic/key");
  });

  it("prints the status in every format", async () => {
    const all = (await json("status")) as { name: string }[];
    expect(all).toHaveLength(4);
    const ndjson = await run("status", "-o", "ndjson");
    expect(lines(ndjson.stdout)).toHaveLength(4);
    const one = await nexus(["--api", net.url(1), "status", "-o", "json"]);
    expect(JSON.parse(one.stdout)).toMatchObject([{ name: "b" }]);
  });

  it("exits 4 with a hint when no node answers", async () => {
    for (const args of [["status"], ["ls", "records"], ["tail", "--no-follow"]]) {
      const done = await nexus(["--api", "http://[::1]:9", ...args]);
      expect(done.code, args[0]).toBe(4);
      expect(done.stderr).toContain("cli.unreachable");
      expect(done.stderr).toContain("npm start");
    }
  });
});

describe("nexus asset scan", () => {
  it("registers this machine's real hardware, once", async () => {
    const dry = await run("asset", "scan", "--dry-run");
    expect(dry.code, dry.stderr).toBe(0);
    const seen = JSON.parse(dry.stdout) as { assetId: string; hostname: string };
    expect(await json("ls", "assets")).toEqual([]);
    fits("asset scan", await json("asset", "scan"));
    expect((await run("asset", "scan")).code).toBe(0);
    const rows = (await json("ls", "assets")) as { key: string; value: { hostname: string } }[];
    expect(rows.map((row) => row.key)).toEqual([seen.assetId]);
    expect(rows[0]?.value.hostname).toBe(seen.hostname);
  });
});

describe("nexus doctor", () => {
  it("finds nothing wrong with a healthy network", async () => {
    const done = await run("doctor", "-o", "json");
    const findings = JSON.parse(done.stdout) as { state: string; check: string }[];
    expect(findings.filter((finding) => finding.state === "fail")).toEqual([]);
    expect(done.code).toBe(0);
    const checks = new Set(findings.map((finding) => finding.check));
    for (const check of [
      "node",
      "disk",
      "key",
      "certificate",
      "vote store",
      "peers",
      "clock",
      "voting",
    ]) {
      expect(checks).toContain(check);
    }
  });

  it("says which driver a start would choose for objects, by what is set, and why", async () => {
    const config = join(dir, "a", "node.toml");
    const found = async (env: Record<string, string>): Promise<string | undefined> => {
      const done = await nexus(["doctor", "--config", config, "-o", "json"], { env });
      const findings = JSON.parse(done.stdout) as { check: string; found: string; state: string }[];
      const finding = findings.find(({ check }) => check === "bulk driver");
      return `${finding?.state} ${finding?.found}`;
    };
    expect(await found({})).toMatch(/^ok reactor: reactor carried bytes over \[::1\] in \d+ ms$/);
    expect(await found({ NEXUS_DRIVER: "quiche" })).toMatch(
      /^ok quiche: driver = "quiche" is set; quiche carried bytes/,
    );
    expect(await found({ NEXUS_BULK_LISTEN: "[::]:0" })).toMatch(
      /^ok quiche: the reactor listens on one address/,
    );
  });

  it("finds a key that others can read, says what to do, and exits 1", async () => {
    const key = join(dir, "b", "keys", "node.key");
    chmodSync(key, 0o644);
    const done = await run("doctor");
    chmodSync(key, 0o600);
    expect(done.code).toBe(1);
    expect(done.stdout).toMatch(/b +key +fail +key.modes/);
    expect(done.stdout).toContain("chmod");
  });

  it("shows where every setting comes from", async () => {
    const config = join(dir, "a", "node.toml");
    const done = await nexus(["doctor", "--config", config], { env: { NEXUS_LOG_LEVEL: "debug" } });
    expect(done.stderr).toMatch(/log_level +debug \(NEXUS_LOG_LEVEL\)/);
    expect(done.stderr).toMatch(/name +a \(.*node\.toml:\d+\)/);
  });
});

describe("nexus version and help", () => {
  it("prints the version", async () => {
    const { version } = JSON.parse(
      readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
    );
    expect((await json("version")) as object).toMatchObject({ tetrad: version, protocol: 1 });
    expect((await nexus(["--version"])).stdout).toBe(`${version}\n`);
  });

  it("has help with an example for every verb, and says what was meant", async () => {
    const help = await nexus(["--help"]);
    expect(help.code).toBe(0);
    const verbs = [
      "dev",
      "init",
      "start",
      "status",
      "append",
      "tail",
      "ls",
      "get",
      "asset",
      "doctor",
    ];
    for (const verb of [...verbs, "version", "rebuild"]) expect(help.stdout).toContain(`  ${verb}`);
    for (const verb of verbs.filter((one) => one !== "asset")) {
      expect((await nexus([verb, "--help"])).stdout, verb).toContain(`nexus`);
    }
    const wrong = await nexus(["stauts"]);
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain("status");
    const option = await nexus(["tail", "--form", "3"]);
    expect(option.code).toBe(1);
    expect(option.stderr).toContain("--from");
  });
});
