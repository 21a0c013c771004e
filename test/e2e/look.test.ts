/** peers, validators, explain, verify, -w and --batch through the bin, on a real network. */
import { appendFileSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { devNetwork } from "./dev-network.ts";
import { fits } from "./shape.ts";
import { background, freePorts, nexus } from "./support.ts";

const net = devNetwork();
const { dir, folder, run, json } = net;
let index = 0;
let server: Server | undefined;

beforeAll(async () => {
  await net.start();
  const [receipt] = (await json("append", "look/one", "words")) as { firstIndex: number }[];
  index = receipt?.firstIndex ?? 0;
});
afterAll(async () => {
  server?.close();
  await net.end();
});

describe("nexus peers and validators", () => {
  it("show sessions with bytes in them, and who is in the set", async () => {
    type Peer = {
      name: string;
      state: string;
      driver: string;
      tlsMs: number;
      packets: { sent: number; lost: number };
      bytes: Record<string, { sent: number; received: number; queued: number }>;
      sealed: { version: string; handshakeMs: number };
    };
    const peers = (await json("peers")) as Peer[];
    expect(peers.map(({ name }) => name).sort()).toEqual(["b", "c", "d"]);
    for (const peer of peers) {
      expect(peer.state).toBe("up");
      expect(peer.bytes["consensus"]?.sent).toBeGreaterThan(0);
      expect(peer.bytes["bulk"]).toBeDefined();
      expect(peer.driver).toBe("quiche");
      expect(peer.tlsMs).toBeGreaterThan(0);
      expect(peer.packets.sent).toBeGreaterThan(0);
      expect(peer.packets.lost).toBeLessThanOrEqual(peer.packets.sent);
      // Told under the seal of the post-quantum session.
      expect(peer.sealed.version).toMatch(/^\d+\.\d+\.\d+/);
      expect(peer.sealed.handshakeMs).toBeGreaterThan(0);
    }
    const shown = await run("peers");
    expect(shown.stdout).toMatch(
      /^NAME +STATE +ADDRESS +DIALLED_BY +VIA +UP_S +DRIVER +RTT_MS +LOSS +TLS_PQ_MS .*BULK/,
    );
    expect(shown.stdout).toMatch(/\n[bcd] +up +\[::1\]:\d+ .* quiche .* [\d.]+ % +\d+ \/ \d+ /);
    const table = await run("validators");
    expect(table.stdout).toMatch(/^INDEX +NAME +WEIGHT/);
    expect(table.stdout).toContain("now");
  });
});

describe("nexus explain", () => {
  it("tells where an event is and what its batch says", async () => {
    type Parts = Record<string, Record<string, unknown>>;
    const found = (await json("explain", String(index))) as Parts;
    expect(found["event"]).toMatchObject({ index, type: "record.put" });
    expect(found["lane"]).toMatchObject({ name: "operator", sequence: 1, previous: null });
    expect(found["outcome"]).toMatchObject({ outcome: "accepted" });
    // The leaf as the log has it, of which `proof get` has the path, and what the event counts for in the price.
    expect(String(found["outcome"]?.["receipt"])).toMatch(/^leaf [0-9a-f]{64} of the log/);
    expect(Number(found["outcome"]?.["units"])).toBeGreaterThan(512);
    expect(found["block"]?.["final"]).toMatch(/validators signed|descendant/);
    // Each of the four proofs is checked here, and says how long that took.
    expect(found["proofs"]?.["space"]).toMatch(
      /^an opening of a sector of host [0-9a-f]{64}, \d+ bytes: right for place 1 .*, checked here in [\d.]+ ms; the/,
    );
    expect(found["proofs"]?.["time"]).toMatch(
      /^after height \d+, .* by its hash, checked here in [\d.]+ ms, \d+ of 150 blocks before this one, and/,
    );
    expect(found["proofs"]?.["work"]).toMatch(
      /^effort 1(, of 1 that the price of that height asks for)?, equihash-96-5 .*: right, checked here in/,
    );
    expect(found["proofs"]?.["beacon"]).toMatch(
      /^the proposer revealed its value of height \d+ in \d+ bytes: right by the proposer's key .*, checked here in [\d.]+ ms$/,
    );
    expect(found["proofs"]?.["stake"]).toMatch(
      /^signed by the author's key, checked here in [\d.]+ ms; .* powers follow stake and proofs/,
    );
    const none = await run("explain", "999999");
    expect(none.code).toBe(1);
    expect(none.stderr).toContain("http.not-found");
    expect((await run("explain", "x")).code).toBe(1);
  });

  it("cuts data to the line with a count of bytes, and shows all of it with --full", async () => {
    const [receipt] = await json<{ firstIndex: number }[]>("append", "look/long", "x".repeat(300));
    const at = String(receipt?.firstIndex);
    const found = await json<{ event: { data: string } }>("explain", at);
    const whole = found.event.data;
    expect(whole.length).toBeGreaterThan(300);
    const line = (text: string) => /^ {2}data +(.*)$/m.exec(text)?.[1];
    const cut = line((await run("explain", at)).stdout) ?? "";
    expect(cut).toMatch(/… \(\d+ bytes; --full shows them\)$/);
    expect(cut).toContain(`(${Buffer.byteLength(whole)} bytes;`);
    expect(cut.length).toBeLessThan(100);
    expect(line((await run("explain", at, "--full")).stdout)).toBe(whole);
  });
});

describe("-w", () => {
  it("prints a row again when it has changed, and not else", async () => {
    const watched = background(["--dir", dir, "get", "records", "look/one", "-w", "-o", "ndjson"]);
    await watched.sees('"text":"words"');
    await run("append", "look/one", "other words");
    await watched.sees('"text":"other words"');
    expect(await watched.stop()).toBe(0);
    expect(watched.stdout().trimEnd().split("\n")).toHaveLength(2);
  });
});

/** A node that is in between and tells another state root. */
const startLiar = async (port: number): Promise<void> => {
  server = createServer(async (request, response) => {
    const answer = await fetch(`${net.url(1)}${request.url}`);
    let text = await answer.text();
    if (request.url?.startsWith("/v1/blocks/") === true) {
      text = text.replace(/("executed":\{.*?"stateRoot":")[0-9a-f]{4}/, "$1ffff");
    }
    response.writeHead(answer.status, { "content-type": "application/json" });
    response.end(text);
  });
  await new Promise<void>((resolve) => server?.listen(port, "::1", resolve));
};

describe("nexus verify", () => {
  it("commits a record and reads it back everywhere", async () => {
    type Check = { node: string; check: string; state: string };
    const checks = (await json("verify")) as Check[];
    expect(checks.filter(({ state }) => state !== "ok")).toEqual([]);
    const back = checks.filter(({ check }) => check === "read back").map(({ node }) => node);
    expect(back).toEqual(["a", "b", "c", "d"]);
    expect(checks.filter(({ check }) => check === "proof")).toHaveLength(4);
    const rows = (await json("ls", "records", "--prefix", "nexus-verify")) as unknown[];
    expect(rows).toHaveLength(1);
  });

  it("writes nothing with --read-only, and exits 4 for a node that is away", async () => {
    const port = await freePorts(1);
    const done = await run("verify", "--read-only", net.url(0), `http://[::1]:${port}`);
    expect(done.code).toBe(4);
    expect(done.stdout).toMatch(/reachable +fail/);
    expect(done.stdout).toMatch(/progress +ok/);
    expect(done.stdout).toMatch(/coverage +warn/);
    const rows = (await json("ls", "records", "--prefix", "nexus-verify")) as unknown[];
    expect(rows).toHaveLength(1);
  });

  it("exits 2 when a node tells another root", async () => {
    const port = await freePorts(1);
    await startLiar(port);
    const done = await run("verify", "--read-only", net.url(0), `http://[::1]:${port}`);
    expect(done.code, done.stdout + done.stderr).toBe(2);
    expect(done.stdout).toContain("nodes differ in stateRoot");
    expect(done.stderr).toContain("verify.failed");
  });
});

describe("nexus debug", () => {
  it("writes an archive with no key and no passphrase in it", async () => {
    const secrets = ["a", "b", "operator"].flatMap((name) => {
      const keys = name === "operator" ? join(dir, name) : join(dir, name, "keys");
      return readdirSync(keys)
        .filter((file) => /pass|\.key$|-key\.pem$/.test(file))
        .map((file) => readFileSync(join(keys, file)));
    });
    expect(secrets.length).toBeGreaterThanOrEqual(6);
    const passphrase = readdirSync(join(dir, "a", "keys")).find((file) => file.startsWith("pass"));
    const words = readFileSync(join(dir, "a", "keys", passphrase ?? ""), "utf8").trim();
    const variables = { NEXUS_PASSPHRASE: "first-of-two", NEXUS_NEW_PASSPHRASE: "second-of-two" };
    const text = [words, ...Object.values(variables)].join(" and ");
    appendFileSync(join(dir, "a", "node.log"), `somebody wrote ${text} here\n`);
    const out = join(folder, "debug.tar.gz");
    const args = ["--dir", dir, "debug", "--out", out, "-o", "json"];
    const done = await nexus(args, { env: variables });
    expect(done.code, done.stderr).toBe(0);
    fits("debug", JSON.parse(done.stdout));
    expect(statSync(out).mode & 0o777).toBe(0o600);
    const archive = gunzipSync(readFileSync(out));
    for (const name of [
      "versions.json",
      "folder.txt",
      "a/status.json",
      "d/log.txt",
      "b/metrics.txt",
    ]) {
      expect(archive.includes(`nexus-debug/${name}`), name).toBe(true);
    }
    expect(archive.includes("somebody wrote [redacted] and [redacted] and [redacted] here")).toBe(
      true,
    );
    for (const secret of secrets) {
      // Any run of 16 bytes of a secret would be too much of it.
      for (let at = 0; at + 16 <= secret.length; at += 16) {
        const part = secret.subarray(at, at + 16);
        if (/BEGIN|END|-----|tetrad/.test(part.toString("latin1"))) continue;
        expect(archive.includes(part)).toBe(false);
      }
    }
    expect((await run("debug", "--out", out)).code).toBe(1);
  });
});

describe("nexus dev kill and start", () => {
  it("end and start exactly one node, and refuse what is none", async () => {
    const killed = (await json("dev", "kill", "c", "--hold", "60")) as { pid: number };
    fits("dev kill", killed);
    const states = (await json("status")) as { name: string; down?: boolean }[];
    expect(states.filter(({ down }) => down === true).map(({ name }) => name)).toEqual(["c"]);
    const again = await run("dev", "kill", "c");
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining("c is down already")]);
    // The others know the name of one that does not answer.
    const table = await run("status");
    expect(table.stdout).not.toMatch(/[0-9a-f]{8}… +\d+ +\d+ +\d/);
    const wrong = await run("dev", "kill", "x");
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain("there are a, b, c, d");
    const started = (await json("dev", "start", "c")) as { pid: number };
    fits("dev start", started);
    expect(started.pid).not.toBe(killed.pid);
    const running = await run("dev", "start", "c");
    expect([running.code, running.stderr]).toEqual([1, expect.stringContaining("runs already")]);
    await expect
      .poll(async () => (await run("verify", "--read-only")).code, { timeout: 60_000 })
      .toBe(0);
  });
});
