/** The log of a real network as a tiled transparency log: by our command, and by a client in Go. */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { devNetwork } from "./dev-network.ts";
import { background, root, until } from "./support.ts";

const net = devNetwork();
const { folder, run, json } = net;
const saved = join(folder, "first.note");

type Shown = { origin: string; size: number; root: string; signers: string[]; since?: number };
type Key = { name: string; ed25519: string; mlDsa44: string; falcon: string };

const append = async (count: number, name: string): Promise<void> => {
  const file = join(folder, `${name}.ndjson`);
  const lines = Array.from({ length: count }, (_, i) =>
    JSON.stringify({
      type: "record.put",
      data: { topic: name, key: `k${i}`, body: { text: "x" } },
    }),
  );
  writeFileSync(file, `${lines.join("\n")}\n`);
  expect((await run("append", "--file", file)).code).toBe(0);
};

/** The newest checkpoint, once it covers so many entries. */
const showFrom = async (size: number, ...more: readonly string[]): Promise<Shown> => {
  let shown: Shown | undefined;
  await until(`a checkpoint of ${size}`, async () => {
    const answer = await run("checkpoint", "show", "-o", "json");
    if (answer.code !== 0) return false;
    shown = JSON.parse(answer.stdout) as Shown;
    return shown.size >= size;
  });
  if (more.length > 0 || shown === undefined) return json("checkpoint", "show", ...more);
  return shown;
};

beforeAll(net.start);
afterAll(net.end);

describe("nexus checkpoint", () => {
  it("shows a checkpoint that a quorum has signed, by each algorithm", async () => {
    await append(3, "few");
    const shown = await showFrom(3, "--save", saved);
    expect(shown.signers.length).toBeGreaterThanOrEqual(3);
    expect(shown.origin).toMatch(/^dev-[0-9a-f]+\/tlog$/);
    expect(readFileSync(saved, "utf8").startsWith(`${shown.origin}\n`)).toBe(true);
    for (const algorithm of ["ed25519", "falcon"]) {
      const same = await json<Shown>("checkpoint", "show", "--algorithm", algorithm);
      expect(same.signers.length).toBeGreaterThanOrEqual(3);
    }
  });

  it("refuses an earlier checkpoint that is of no log of the genesis, or was changed", async () => {
    const text = readFileSync(saved, "utf8");
    const bad = join(folder, "bad.note");
    const since = () => run("checkpoint", "show", "--since", bad);
    writeFileSync(bad, text.replace("/tlog\n", "/other\n"));
    expect(await since()).toMatchObject({ code: 2, stderr: expect.stringContaining("foreign") });
    writeFileSync(bad, text.replace(/\n\d+\n/, "\n2\n"));
    expect(await since()).toMatchObject({ code: 2, stderr: expect.stringContaining("signature") });
    writeFileSync(bad, "nothing\n");
    expect(await since()).toMatchObject({ code: 2, stderr: expect.stringContaining("malformed") });
    const lines = text.split("\n");
    writeFileSync(bad, [...lines.slice(0, 5), ""].join("\n"));
    expect(await since()).toMatchObject({ code: 3, stderr: expect.stringContaining("quorum") });
  });

  it("prints the policy, the same as the node's, and each key", async () => {
    const policy = (await run("checkpoint", "keys")).stdout;
    expect(policy).toBe(await (await fetch(`${net.url()}/tlog/policy`)).text());
    const keys = await json<Key[]>("checkpoint", "keys");
    expect(keys.map(({ name }) => name).sort()).toEqual(["a", "b", "c", "d"]);
    for (const { ed25519, mlDsa44 } of keys) {
      expect(policy).toContain(ed25519);
      expect(policy).toContain(mlDsa44);
    }
  });

  it("shows that the log continues the checkpoint that was kept", async () => {
    await append(600, "many");
    const shown = await showFrom(603, "--since", saved);
    expect(shown.since).toBeGreaterThanOrEqual(3);
    // What was kept is gone on from, and nothing is kept in its place that does not continue it.
    const older = readFileSync(saved, "utf8");
    const kept = await json<Shown>("checkpoint", "show", "--save", saved);
    expect(kept.since).toBe(Number(older.split("\n")[1]));
    expect(readFileSync(saved, "utf8").split("\n")[1]).toBe(String(kept.size));
    const other = join(folder, "other.note");
    writeFileSync(other, older.replace("/tlog\n", "/other\n"));
    const refused = await run("checkpoint", "show", "--save", other);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining("foreign") });
    expect(readFileSync(other, "utf8")).toContain("/other\n");
    writeFileSync(saved, older);
    expect((await run("status")).stdout).toMatch(/CHECKPOINT/);
    const metrics = await (await fetch(`${net.url()}/metrics`)).text();
    expect(metrics).toMatch(/^tetrad_checkpoint_age_seconds [0-9.-]+$/m);
  });
});

describe("a client in Go", () => {
  const go = (...args: readonly string[]): string => {
    const installed = ["/usr/local/go/bin/go", "/usr/lib/go/bin/go"].find((path) =>
      existsSync(path),
    );
    return execFileSync(installed ?? "go", args, {
      cwd: client,
      encoding: "utf8",
      env: {
        ...process.env,
        GOCACHE: join(folder, "go-cache"),
        GOFLAGS: "-mod=mod",
        GOPROXY: "off",
        GOTOOLCHAIN: "local",
      },
    });
  };
  const client = join(folder, "tlog-client");

  it("opens the checkpoint, and proves every entry and the growth of the log from tiles", async () => {
    cpSync(join(root, "test", "e2e", "tlog-client"), client, { recursive: true });
    const sumdb = join(go("env", "GOROOT").trim(), "src/cmd/vendor/golang.org/x/mod/sumdb");
    for (const name of ["note", "tlog"]) {
      cpSync(join(sumdb, name), join(client, name), { recursive: true, dereference: true });
    }
    // The packages are written in the language of the Go that carries them.
    const version = /^go(\d+\.\d+)/.exec(go("env", "GOVERSION"))?.[1] ?? "";
    writeFileSync(join(client, "go.mod"), `module tlogclient\n\ngo ${version}\n`);
    go("build", "-o", "main", ".");
    await showFrom(603);
    const [, size = "", oldRoot = ""] = readFileSync(saved, "utf8").split("\n");
    const keys = await json<Key[]>("checkpoint", "keys");
    const vkeys = keys.map(({ ed25519 }) => ed25519);
    const read = (...names: readonly string[]): Record<string, unknown> =>
      JSON.parse(
        execFileSync(join(client, "main"), [`${net.url()}/tlog`, size, oldRoot, ...names], {
          encoding: "utf8",
        }),
      ) as Record<string, unknown>;
    const seen = read(...vkeys);
    expect(seen["size"]).toBeGreaterThanOrEqual(603);
    expect(seen["entries"]).toBe(seen["size"]);
    expect(seen["verified"]).toBeGreaterThanOrEqual(3);
    // What it does not know, ML-DSA-44 and FALCON, it leaves alone.
    expect(seen["unverified"]).toBe(2 * Number(seen["verified"]));
    expect(seen["fullTiles"]).toBeGreaterThan(0);
    // One key of the log is enough for a client that counts none.
    expect(read(vkeys[0] ?? "")["verified"]).toBe(1);
  }, 180_000);
});

describe("a checkpoint over a restart", () => {
  it("is served by a node that is alone, with the signatures of the quorum that there was", async () => {
    const before = await showFrom(3);
    await net.stop();
    const node = background(["start", "--config", join(net.dir, "a", "node.toml")]);
    try {
      let text = "";
      await until("the node serves its checkpoint", async () => {
        const response = await fetch(`${net.url()}/tlog/checkpoint`).catch(() => undefined);
        if (response?.status !== 200) return false;
        text = await response.text();
        return true;
      });
      const [origin, size] = text.split("\n");
      expect(origin).toBe(before.origin);
      expect(Number(size)).toBeGreaterThanOrEqual(before.size);
      const ready = await fetch(`${net.url()}/readyz?verbose`);
      expect(ready.status).toBe(503);
      const { data } = (await ready.json()) as { data: { reasons: string[]; peers: number } };
      expect(data.peers).toBe(0);
      expect(data.reasons.length).toBeGreaterThan(0);
    } finally {
      await node.stop("SIGTERM");
    }
  }, 60_000);
});
