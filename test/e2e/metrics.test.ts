/** What a node that works shows of itself: every metric of the catalogue, and logs without its secrets. */
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { METRICS } from "../../src/node/metrics-catalogue.ts";
import {
  type Background,
  background,
  freePorts,
  killAll,
  nexus,
  tempFolder,
  until,
} from "./support.ts";

const NAMES = ["a", "b", "c", "d"];
const PASSPHRASE = randomBytes(16).toString("hex");
const folder = tempFolder();
const nodes: Background[] = [];
const outputs: string[] = [];
let api: number;

const at = (...parts: string[]): string => join(folder.path, ...parts);
const url = (i: number): string => `http://[::1]:${api + i}`;
const page = async (i: number): Promise<string> => (await fetch(`${url(i)}/metrics`)).text();
const env = { NEXUS_PASSPHRASE: PASSPHRASE, NEXUS_LOG_LEVEL: "debug" };

const run = async (...args: string[]): Promise<void> => {
  const done = await nexus(args, { env });
  outputs.push(done.stdout, done.stderr);
  expect(done.code, done.stderr).toBe(0);
};

beforeAll(async () => {
  const quic = await freePorts(4);
  api = await freePorts(4);
  for (const [i, name] of NAMES.entries()) {
    const ports = ["--listen", `[::1]:${quic + i}`, "--api-listen", `[::1]:${api + i}`];
    await run("--dir", at(name), "init", "--name", name, ...ports);
  }
  await run("--dir", at("ops"), "init", "--name", "ops", "--actor");
  const members = [...NAMES.map((name) => at(name, "identity.json")), at("ops", "ops.json")];
  await run("init", "--join", ...members, "--chain-id", "metrics-1", "--out", at("genesis.json"));
  for (const name of NAMES) {
    const genesis = { ...env, NEXUS_GENESIS: at("genesis.json") };
    nodes.push(background(["start", "--config", at(name, "node.toml")], { env: genesis }));
  }
  await until("all vote", async () => {
    const pages = await Promise.all(NAMES.map((_, i) => page(i).catch(() => "")));
    return pages.every((text) => text.includes("tetrad_voting 1"));
  });
  const key = at("ops", "keys", "ops.key");
  await run("--api", url(0), "append", "--key", key, "notes/first", "hello");
}, 120_000);
afterAll(() => {
  killAll();
  folder.remove();
});

describe("GET /metrics", () => {
  /** These count what must not happen here. */
  const FAULTS = [
    "tetrad_messages_dropped_total",
    "tetrad_peer_faults_total",
    "tetrad_transport_frames_dropped_total",
    "tetrad_transport_refused_total",
  ];

  it("has the catalogue's metrics, all with a value, and no other", async () => {
    const gauges = ["tetrad_http_subscribers", "tetrad_http_outgoing_bytes"];
    const stream = new AbortController();
    const open = await fetch(`${url(0)}/v1/events/stream`, { signal: stream.signal });
    await until("frames are published and the disk was looked at", async () => {
      const text = await page(0);
      return [...gauges, "tetrad_folder_bytes", "tetrad_transport_frame_bytes_sent_total"].every(
        (name) => text.includes(`\n${name}`),
      );
    });
    const text = await page(0);
    stream.abort();
    const declared = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, kind]) => [
      name,
      kind,
    ]);
    expect(declared.sort()).toEqual(
      Object.entries(METRICS)
        .map(([name, { kind }]) => [name, kind])
        .sort(),
    );
    const silent = Object.keys(METRICS).filter(
      (name) => !new RegExp(`^${name}(_count)?(\\{.*\\})? [0-9.e+-]+$`, "m").test(text),
    );
    expect(silent.filter((name) => !FAULTS.includes(name))).toEqual([]);
    const value = (name: string): number =>
      Number(new RegExp(`^${name} (.*)$`, "m").exec(text)?.[1]);
    expect(value("tetrad_committed_events_total")).toBe(1);
    expect(value("tetrad_final_height")).toBeGreaterThan(0);
    expect(value("tetrad_peers")).toBe(3);
    expect(value("tetrad_disk_free_bytes")).toBeGreaterThan(0);
    expect(value("tetrad_view_seconds_count")).toBeGreaterThan(0);
    expect(value("tetrad_http_subscribers")).toBe(1);
    // An answer that nobody holds is collected, and its connection with it.
    expect(open.bodyUsed).toBe(false);
    for (const name of ["consensus", "mempool", "control"]) {
      expect(text).toMatch(new RegExp(`frame_bytes_sent_total\\{class="${name}"\\} [1-9]`));
    }
  });
});

describe("logs", () => {
  it("are JSON lines without a secret, at the most talkative level too", async () => {
    mkdirSync(at("bad"), { mode: 0o700 });
    writeFileSync(at("bad", "wrong"), "another passphrase\n", { mode: 0o600 });
    const wrong = await nexus(
      ["start", "--config", at("a", "node.toml"), "--passphrase-file", at("bad", "wrong")],
      {
        env: { NEXUS_GENESIS: at("genesis.json") },
      },
    );
    outputs.push(wrong.stdout, wrong.stderr);
    for (const node of nodes) {
      expect(await node.stop("SIGTERM")).toBe(0);
      outputs.push(node.stdout(), node.stderr());
    }
    const lines = nodes.flatMap((node) => node.stdout().trimEnd().split("\n"));
    expect(lines.length).toBeGreaterThan(20);
    for (const line of lines) expect(JSON.parse(line)).toHaveProperty("msg");
    expect(lines.some((line) => line.includes('"level":"debug"'))).toBe(true);
    const all = outputs.join("\n");
    const pem = readFileSync(at("a", "keys", "tls-key.pem"), "utf8").split("\n")[1] ?? "?";
    for (const secret of [PASSPHRASE, "another passphrase", pem]) {
      expect(all.includes(secret)).toBe(false);
    }
  });
});
