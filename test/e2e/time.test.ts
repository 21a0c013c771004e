/** `nexus time` through the bin: runs, crashes, proofs that verify offline, and those that do not. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TIME_PROFILES } from "../../src/proofs/time/parameters.ts";
import { reference } from "../proofs/time/reference.ts";
import { devNetwork } from "./dev-network.ts";
import { fits } from "./shape.ts";
import { background, nexus, nexusJson, type Run, tempFolder, until } from "./support.ts";

const temp = tempFolder();
const at = (name: string): string => join(temp.path, name);
const run = (...args: readonly string[]): Promise<Run> =>
  nexus(["time", ...args], { cwd: temp.path });
const json = (...args: readonly string[]): Promise<unknown> =>
  nexusJson(["time", ...args], { cwd: temp.path });
afterAll(temp.remove);

const SEED = "5f".repeat(32);
const KEEPER = "0a".repeat(32);
const BEGIN = ["--seed", SEED, "--chain-id", "acme-1", "--profile", "dev", "--timekeeper", KEEPER];

type Printed = { leaves: number; phi: string; absorbed: number };
type Verified = Printed & {
  ok: boolean;
  taken: string[];
  blocks: { height: number; hash: string; leaves: number }[];
};

/** The commitment that the definition gives for so many leaves without blocks. */
const expectedPhi = (leaves: number): string =>
  reference({
    chain: "acme-1",
    tailBlocks: TIME_PROFILES.dev.tailBlocks,
    ...{ epoch: 0, seed: Buffer.from(SEED, "hex"), timekeeper: Buffer.from(KEEPER, "hex") },
    ...{ members: Buffer.alloc(32), leaves },
  }).phi.toString("hex");

/** Waits until something of a run is kept: more than the head of its file. */
const untilKept = (state: string): Promise<void> =>
  until("something is kept", async () => {
    const path = at(state);
    return existsSync(path) && readFileSync(path).length > 4096;
  });

describe("nexus time", () => {
  it("writes a proof that verifies offline, and says in words what it shows", async () => {
    const made = (await json("prove", "--leaves", "5000", ...BEGIN, "--out", "a.json")) as Printed;
    fits("time prove", made);
    expect(made).toMatchObject({ leaves: 5000, phi: expectedPhi(5000), absorbed: 0 });
    const verified = (await json("verify", "a.json")) as Verified;
    fits("time verify", verified);
    expect(verified.taken).toContain("seed");
    const named = ["--seed", SEED, "--chain-id", "acme-1", "--timekeeper", KEEPER, "--epoch", "0"];
    const checks = [...named, "--profile", "dev", "--phi", made.phi];
    expect(((await json("verify", "a.json", ...checks)) as Verified).taken).toEqual([]);
    const table = await run("verify", "a.json");
    expect(table.code).toBe(0);
    expect(table.stdout).toMatch(/one after another, after the seed was known/);
    expect(table.stdout).toMatch(/nobody is more than 4 times/);
    expect(
      (await nexus(["time", "verify", "-"], { input: readFileSync(at("a.json"), "utf8") })).code,
    ).toBe(0);
  });

  it("refuses a proof that is changed, of another seed, or no proof", async () => {
    const text = readFileSync(at("a.json"), "utf8");
    const file = JSON.parse(text) as Record<string, unknown>;
    const proof = String(file["proof"]);
    const middle = proof.length >> 1;
    const other = proof[middle] === "A" ? "B" : "A";
    const changed = proof.slice(0, middle) + other + proof.slice(middle + 1);
    writeFileSync(at("changed.json"), JSON.stringify({ ...file, proof: changed }));
    expect(await run("verify", "changed.json")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("time.proof-"),
    });
    expect(await run("verify", "a.json", "--seed", "00".repeat(32))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("time.foreign"),
    });
    writeFileSync(at("none.json"), "{}");
    expect((await run("verify", "none.json")).stderr).toContain("time.proof-malformed");
    expect((await run("verify", "absent.json")).code).toBe(3);
  });

  it("commits first and answers a seed that is drawn later", async () => {
    const state = ["--state", "later.state"];
    const committed = await json("prove", "--leaves", "4000", ...BEGIN, ...state, "--commit");
    expect(committed).toMatchObject({ proof: null, phi: expectedPhi(4000) });
    const challenge = "c4".repeat(32);
    const opened = await json("open", "--challenge", challenge, ...state, "--out", "later.json");
    fits("time open", opened);
    expect((await run("verify", "later.json", "--challenge", challenge)).code).toBe(0);
    const wrong = await run("verify", "later.json", "--challenge", "c5".repeat(32));
    expect(wrong.stderr).toContain("time.foreign");
    expect((await run("open", ...state, "--block", "3")).stderr).toContain("time.block-unknown");
  });

  it("says that the leaves of the profile end before the time does, all of them done", async () => {
    const most = 2 ** TIME_PROFILES.dev.leavesLog2Max;
    const args = ["--for", "10m", ...BEGIN, "--state", "full.state", "--commit"];
    const done = await nexus(["time", "prove", ...args, "-o", "json"], {
      cwd: temp.path,
      timeoutMs: 60_000,
    });
    expect(done.code, done.stderr).toBe(0);
    expect((JSON.parse(done.stdout) as Printed).leaves).toBe(most);
    expect(done.stderr).toContain(`${most}/${most} leaves`);
    expect(done.stderr).toMatch(
      new RegExp(`the profile dev ends at ${most} leaves, which took [0-9.]+ s, not 600 s\n`),
    );
  }, 90_000);

  it("goes on after a crash, with the commitment of a run without one", async () => {
    const leaves = 60_000;
    const args = ["prove", "--leaves", String(leaves), ...BEGIN, "--state", "crash.state"];
    const first = background(["time", ...args, "--duty", "2"], { cwd: temp.path });
    await untilKept("crash.state");
    await first.stop("SIGKILL");
    const second = await run(...args, "-o", "json");
    expect(second.code, second.stderr).toBe(0);
    expect(second.stderr).toContain("going on from leaf");
    expect(JSON.parse(second.stdout)).toMatchObject({ leaves, phi: expectedPhi(leaves) });
  });

  it("keeps what it has when it is interrupted, and refuses another run in its place", async () => {
    const args = ["prove", "--for", "10m", ...BEGIN, "--state", "long.state"];
    const first = background(["time", ...args], { cwd: temp.path });
    await untilKept("long.state");
    expect(await first.stop("SIGINT")).not.toBe(0);
    expect(first.stderr()).toContain("goes on from long.state");
    const other = ["prove", "--leaves", "9", "--state", "long.state", "--profile", "default"];
    expect(await run(...other)).toMatchObject({
      code: 3,
      stderr: expect.stringContaining("time.state"),
    });
    expect((await run("open", "--state", "long.state")).stderr).toContain("is not finished");
    expect(existsSync(at("long.state.lock"))).toBe(false);
  });

  it("delays a seed in a thread, and checks a delay", async () => {
    const args = ["delay", "--seed", SEED, "--chain-id", "acme-1", "--steps", "300000"];
    const made = (await json(...args, "--out", "delay.json")) as { output: string };
    fits("time delay", made);
    const checked = await json("delay-verify", "delay.json", "--seed", SEED);
    fits("time delay-verify", checked);
    expect(checked).toMatchObject({ result: "valid", output: made.output });
    const file = JSON.parse(readFileSync(at("delay.json"), "utf8")) as Record<string, unknown>;
    writeFileSync(at("other.json"), JSON.stringify({ ...file, seed: "60".repeat(32) }));
    expect(await run("delay-verify", "other.json")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("time.delay-invalid"),
    });
    expect((await run("delay-verify", "delay.json", "--chain-id", "b")).stderr).toContain(
      "foreign",
    );
    writeFileSync(at("empty.json"), "{}");
    expect((await run("delay-verify", "empty.json")).stderr).toContain("time.proof-malformed");
    const long = await run("delay", "--seed", SEED, "--steps", "9000000", "--checkpoints", "1");
    expect(long.stderr).toContain("cli.usage");
  });

  it("measures this machine", async () => {
    const measured = await json("bench", "--profile", "dev", "--seconds", "1");
    fits("time bench", measured);
  });

  it("explains wrong usage", async () => {
    for (const [args, text] of [
      [["prove", ...BEGIN], /--leaves and --for/],
      [["prove", "--leaves", "1", "--for", "1s"], /--leaves and --for/],
      [["prove", "--leaves", "1", "--seed", "12"], /32 bytes/],
      [["prove", "--leaves", "1", "--duty", "0"], /1..100/],
      [["open", "--state", "absent.state"], /cannot be/],
    ] as const) {
      const done = await run(...args);
      expect(done.code).toBe(1);
      expect(done.stderr).toMatch(text);
    }
  });
});

describe("nexus time beside a network", () => {
  const net = devNetwork();
  beforeAll(net.start);
  afterAll(net.end);

  it("begins from the newest block, takes in what becomes final, and shows it", async () => {
    const out = at("chain.json");
    const args = ["time", "prove", "--for", "4s", "--absorb", "--profile", "dev", "--duty", "20"];
    const made = (await net.json(...args, "--state", at("chain.state"), "--out", out)) as Printed;
    expect(made.absorbed).toBeGreaterThan(0);
    const { blocks } = (await net.json("time", "verify", out)) as Verified;
    expect(blocks.length).toBeGreaterThan(0);
    for (const { height, hash } of blocks) {
      const answer = await fetch(`${net.url()}/v1/blocks/${height}`);
      expect(((await answer.json()) as { hash: string }).hash).toBe(hash);
    }
  });
});
