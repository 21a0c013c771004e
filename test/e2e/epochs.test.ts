/**
 * Epochs that end while people work: four processes of a chain whose epochs take seconds. What was written in
 * an early one is proven, read, audited and caught up with in later ones.
 */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { base64, createClient, memoryStore } from "../../src/client/index.ts";
import { fileSigner } from "../../src/client/node.ts";
import { findChromium, launch } from "./chromium.ts";
import { ownNetwork } from "./dev-network.ts";
import { nexus, nexusJson, type Run, until } from "./support.ts";

const NAMES = ["a", "b", "c", "d"] as const;
const EPOCH_MS = 3_000;
const net = ownNetwork(NAMES);
const { dir, genesis } = net;
const at = (name: string): string => join(net.folder, name);
const env = { XDG_STATE_HOME: at("state") };
const nameOf = (i: number): string => NAMES[i] ?? "";

const url = (i: number): string => net.url(nameOf(i));
const run = (...args: readonly string[]): Promise<Run> => nexus(["--dir", dir, ...args], { env });
const start = (i: number): void => void net.start(nameOf(i));

type Status = { epoch: number; finalHeight: number; voting: string; stateRoot: string };

const statusOf = async (i: number): Promise<Status | undefined> => {
  const done = await nexus(["--api", url(i), "status", "-o", "json"]);
  return done.code === 0 ? (JSON.parse(done.stdout) as Status[])[0] : undefined;
};

const inEpoch = (epoch: number, i = 0): Promise<void> =>
  until(`${NAMES[i]} is in epoch ${epoch}`, async () => {
    const response = await fetch(`${url(i)}/v1/status`).catch(() => undefined);
    const status = (await response?.json()) as Status | undefined;
    return (status?.epoch ?? -1) >= epoch;
  });

const append = async (key: string): Promise<{ index: number; height: number }> => {
  const done = await run("append", key, `text of ${key}`, "-o", "json");
  expect(done.code, done.stderr).toBe(0);
  const [receipt] = JSON.parse(done.stdout) as { firstIndex: number; height: number }[];
  return { index: receipt?.firstIndex ?? -1, height: receipt?.height ?? -1 };
};

const clientOf = (stateStore = memoryStore()) =>
  createClient({
    baseUrl: [0, 1, 2, 3].map(url),
    trust: { genesis: readFileSync(genesis, "utf8") },
    stateStore,
  });

const kept = memoryStore();
let first: { index: number; height: number };
let latest: { index: number; height: number };

beforeAll(async () => {
  await net.make("--epoch-ms", String(EPOCH_MS));
  for (const i of NAMES.keys()) start(i);
  await until("a node is ready", async () => (await statusOf(0))?.voting === "yes");
  first = await append("epochs/first");
  // A client that has seen the first epochs only.
  await clientOf(kept).event(first.index);
}, 360_000);

afterAll(() => net.end());

describe("a chain whose epochs end", () => {
  it("goes on, and takes events, in at least four of them", async () => {
    const began = (await statusOf(0))?.epoch ?? 0;
    for (let more = 1; more <= 3; more++) {
      await inEpoch(began + more);
      latest = await append(`epochs/in-${more}`);
      expect(latest.height).toBeGreaterThan(first.height);
    }
    const all = await Promise.all(NAMES.map((_, i) => statusOf(i)));
    for (const status of all) expect(status?.epoch).toBeGreaterThanOrEqual(began + 3);
  }, 90_000);

  it("proves events of the first epoch and of now, and rows, offline, from the genesis alone", async () => {
    for (const what of [
      ["first.json", String(first.index)],
      ["event.json", String(latest.index)],
      ["range.json", `${first.index}..${latest.index}`],
      ["row.json", "records", "epochs/in-3"],
      ["absent.json", "records", "epochs/none"],
    ]) {
      const [file = "", ...args] = what;
      const got = await run("proof", "get", ...args, "--out", at(file));
      expect(got.code, got.stderr).toBe(0);
      const nowhere = ["--dir", at("nowhere"), "proof", "verify", at(file)];
      const done = await nexus([...nowhere, "--trust", genesis, "-o", "json"]);
      expect(done.code, done.stderr).toBe(0);
      const { proven, checks } = JSON.parse(done.stdout) as {
        proven: Record<string, string>;
        checks: { id: string; detail?: string }[];
      };
      // The header that first covers an early event needs no later set.
      if (file === "first.json") continue;
      expect(JSON.stringify(checks)).toMatch(/([3-9]|\d\d) boundaries from epoch 0/);
      if (file === "row.json") expect(proven["row"]).toContain("epochs/in-3");
      if (file === "absent.json") expect(proven["row"]).toBe("there is none");
    }
    // The early event by the newest header leads through every epoch since.
    const path = `/v1/events/${first.index}?proof=true&newest=true`;
    const newest = await (await fetch(`${url(0)}${path}`)).text();
    const offline = ["--dir", at("nowhere"), "proof", "verify", "-", "--trust", genesis];
    const old = await nexus(offline, { input: newest });
    expect(old.code, old.stderr).toBe(0);
    expect(old.stdout).toMatch(/([3-9]|\d\d) boundaries from epoch 0/);
    // A link less, and the chain of sets does not lead to the header.
    const bundle = JSON.parse(readFileSync(at("event.json"), "utf8")) as { links: unknown[] };
    expect(bundle.links.length).toBeGreaterThanOrEqual(4);
    const cut = JSON.stringify({ ...bundle, links: bundle.links.toSpliced(1, 1) });
    const refused = await nexus(["proof", "verify", "-", "--trust", genesis], { input: cut });
    expect(refused.code).toBe(2);
  }, 60_000);

  it("has its proof checked by the page, too", async () => {
    const chromium = findChromium();
    if (chromium === undefined)
      throw new Error("this test needs a Chromium (apt-get install chromium)");
    const got = await run(
      "proof",
      "get",
      String(latest.index),
      "--html",
      "--out",
      at("event.html"),
    );
    expect(got.code, got.stderr).toBe(0);
    const browser = await launch(chromium);
    try {
      const page = await browser.page();
      await page.offline(true);
      await page.goto(pathToFileURL(at("event.html")).href);
      const verdict = "document.querySelector('#verdict')?.dataset.result ?? 'checking'";
      await expect.poll(() => page.evaluate(verdict), { timeout: 60_000 }).toBe("ok");
    } finally {
      await browser.close();
    }
  }, 90_000);

  it("is read and written by a client that has last looked epochs ago", async () => {
    const client = clientOf(kept);
    expect(await client.row("records", "epochs/in-3")).toMatchObject({ verified: true });
    const operator = join(dir, "operator");
    const passphrase = readFileSync(join(operator, "passphrase"), "utf8").trim();
    const signer = await fileSigner(join(operator, "operator.key"), passphrase);
    const data = { topic: "epochs", key: "sdk", body: base64("from the library") };
    const [result] = await client.append([{ type: "record.put", data }], { signer });
    expect(result?.outcome).toEqual({ kind: "accepted" });
    const keys: unknown[] = [];
    const options = { follow: false, types: ["record.*"], minHeight: result?.height ?? 0 };
    for await (const event of client.events(options)) {
      expect(event.verified).toBe(true);
      keys.push(event.data?.["key"]);
    }
    expect(keys).toEqual(["first", "in-1", "in-2", "in-3", "sdk"]);
  }, 60_000);

  it("is audited clean, by the API", async () => {
    const report = (await nexusJson(["audit", "--api", url(0), "--genesis", genesis], {
      env,
    })) as { result: string; height: number };
    expect(report).toMatchObject({ result: "clean" });
    expect(report.height).toBeGreaterThan(first.height);
  }, 60_000);

  it("has a node back that was down for an epoch, and one that has lost its data", async () => {
    await net.stop(nameOf(3), "SIGKILL");
    const left = (await statusOf(0))?.epoch ?? 0;
    await inEpoch(left + 2);
    start(3);
    await inEpoch(left + 2, 3);
    await until("d votes again", async () => (await statusOf(3))?.voting === "yes");
    await net.stop(nameOf(2));
    rmSync(join(dir, "c", "db"), { recursive: true });
    start(2);
    await inEpoch(left + 2, 2);
    await until("c votes again", async () => (await statusOf(2))?.voting === "yes");
    const { height } = await append("epochs/last");
    await until("all have executed it", async () => {
      const all = await Promise.all(NAMES.map((_, i) => statusOf(i)));
      return all.every((status) => (status?.finalHeight ?? 0) >= height);
    });
  }, 90_000);

  it("is audited clean in the folders of both", async () => {
    await Promise.all([2, 3].map((i) => net.stop(nameOf(i))));
    for (const name of ["c", "d"]) {
      const args = ["audit", "--dir", join(dir, name), "--genesis", genesis];
      const report = (await nexusJson(args, { env })) as { result: string; logSize: number };
      expect(report, name).toMatchObject({ result: "clean", findings: [] });
      expect(report.logSize).toBeGreaterThanOrEqual(6);
    }
  }, 60_000);
});

describe("the length of an epoch", () => {
  it("is a setting of the genesis, within its limits", async () => {
    expect(JSON.parse(readFileSync(genesis, "utf8"))).toMatchObject({
      parameters: { epochMs: EPOCH_MS },
    });
    const node = ["--node", "a=[::1]:5001"];
    const other = ["--dir", at("other"), "init"];
    const short = await nexus([...other, "--network", "--epoch-ms", "99", ...node]);
    expect([short.code, short.stderr]).toEqual([1, expect.stringContaining("100..")]);
    const single = await nexus([...other, "--name", "x", "--epoch-ms", "5000"]);
    expect([single.code, single.stderr]).toEqual([1, expect.stringContaining("--join")]);
  });
});
