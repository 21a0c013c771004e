/** Validators that join, leave, come back and are slashed, as processes and through the command. */
import { randomBytes } from "node:crypto";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fromHex } from "../../src/crypto/bytes.ts";
import { falconSign } from "../../src/crypto/falcon.ts";
import { sha256 } from "../../src/crypto/hash.ts";
import { evidenceCommitted, evidenceEvent } from "../../src/detect/index.ts";
import { parseGenesis } from "../../src/ledger/genesis.ts";
import { evidenceOf, notarize, statementBytes } from "../../src/ledger/statement.ts";
import { loadKeyFile } from "../../src/node/keys/key-file.ts";
import { ownNetwork } from "./dev-network.ts";
import { fits } from "./shape.ts";
import { type Background, background, freePorts, nexus, nexusJson, until } from "./support.ts";

const NAMES = ["a", "b", "c", "d"] as const;
const net = ownNetwork(NAMES);
const home = join(net.folder, "e");
let api = "";
let follower: Background | undefined;

type Status = {
  readonly epoch: number;
  readonly finalHeight: number;
  readonly voting: string;
  readonly stake: { readonly degraded: boolean; readonly power: string };
};
type Line = {
  readonly name: string;
  readonly id: string;
  readonly state: string;
  readonly power: string;
  readonly slashedBps: number;
  readonly delegated: string;
  readonly leaving: string;
  readonly bonded: string;
};

const statusAt = async (url: string): Promise<Status | undefined> => {
  const response = await fetch(`${url}/v1/status`).catch(() => undefined);
  return (await response?.json()) as Status | undefined;
};

const lines = async (): Promise<ReadonlyMap<string, Line>> => {
  const all = (await net.json("validator", "status")) as Line[];
  fits("validator status", all);
  return new Map(all.map((line) => [line.name, line]));
};

/** Runs a verb that writes, and holds what it prints against the table of shapes. */
const ok = async (...args: readonly string[]): Promise<void> => {
  const [verb = "", second = ""] = args;
  const run = await net.run(...args, "-o", "json");
  expect(run.code, `${args.join(" ")}\n${run.stderr}`).toBe(0);
  if (verb === "validator") fits(`${verb} ${second}`, JSON.parse(run.stdout));
};

const code = async (...args: readonly string[]): Promise<string> => (await net.run(...args)).stderr;

type Shown = {
  readonly epoch: number;
  readonly root: string;
  readonly since?: number;
  readonly signers: readonly string[];
  readonly steps: readonly {
    readonly from: number;
    readonly to: number;
    readonly members: number;
  }[];
};
const note = join(net.folder, "last.note");
const sets = join(net.folder, "sets.ndjson");

/** The newest checkpoint, once this validator is among its signers. */
const signedBy = async (name: string, ...more: readonly string[]): Promise<Shown> => {
  let last = "";
  let shown: Shown | undefined;
  await until(
    `${name} signs a checkpoint`,
    async () => {
      const run = await net.run("checkpoint", "show", "-o", "json", ...more);
      last = run.stderr;
      shown = run.code === 0 ? (JSON.parse(run.stdout) as Shown) : undefined;
      return shown?.signers.includes(name) === true;
    },
    30_000,
  ).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${last}`);
  });
  if (shown === undefined) throw new Error("nothing was shown");
  fits("checkpoint show", shown);
  return shown;
};

const stateOf = async (name: string, state: string): Promise<void> =>
  until(`${name} is ${state}`, async () => (await lines()).get(name)?.state === state, 90_000);

const operator = async (): Promise<string> => {
  const actors = (await net.json("ls", "actors")) as { key: string; value: { name: string } }[];
  return actors.find(({ value }) => value.name === "operator")?.key ?? "";
};

beforeAll(async () => {
  // Evidence of a test is signed with a long-lived key; keys of epochs: epoch-keys.test.ts.
  await net.make("--stake", "--no-epoch-keys", "--epoch-ms", "2500");
  for (const name of NAMES) net.start(name);
  await until("the network votes", async () => (await statusAt(net.url("a")))?.voting === "yes");
  const [quic, port] = [await freePorts(1), await freePorts(1)];
  api = `http://[::1]:${port}`;
  const made = await nexus([
    ...["--dir", home, "init", "--name", "e", "--listen", `[::1]:${quic}`],
    ...["--api-listen", `[::1]:${port}`],
  ]);
  expect(made.code, made.stderr).toBe(0);
  copyFileSync(net.genesis, join(home, "genesis.json"));
}, 120_000);

afterAll(() => net.end());

describe("nexus validator", () => {
  it("lists who is one, with the power of the running epoch", async () => {
    const all = await lines();
    expect([...all.keys()]).toEqual([...NAMES]);
    expect(all.get("a")).toMatchObject({ state: "active", power: "1000", bonded: "1000" });
    const table = await net.run("validator", "status");
    expect(table.stdout).toMatch(/^a +\S+ +active +1000 +1000 +0 +0 +0 % +long-lived$/m);
    expect((await statusAt(net.url("a")))?.stake).toMatchObject({ degraded: false, power: "4000" });
  });

  it("refuses what cannot be, with the code of the ledger", async () => {
    expect(await code("validator", "bond", "a", "5")).toContain("stake.insufficient");
    expect(await code("validator", "leave", "a")).toContain("event.forbidden");
    expect(await code("validator", "bond", "x", "5")).toContain("no validator");
    expect(await code("validator", "bond", "a", "0")).toContain("no amount");
    expect(await code("validator", "withdraw", "a")).toContain("stake.locked");
    expect(await code("validator", "rejoin", "a")).toContain("event.forbidden");
  });

  it("lets a fifth node join, which follows first and then is needed for every quorum", async () => {
    follower = background(["start", "--config", join(home, "node.toml")]);
    await ok("validator", "grant", await operator(), "3000");
    await ok("validator", "join", home, "--bond", "2000");
    await until("e follows", async () => ((await statusAt(api))?.finalHeight ?? 0) > 0, 60_000);
    await stateOf("e", "active");
    // 4,000 of 6,000 are no quorum: whatever is final from here on, e has voted for.
    await until("e votes", async () => (await statusAt(api))?.voting === "yes", 60_000);
    const height = (await statusAt(api))?.finalHeight ?? 0;
    await ok("append", "join/after", "with five");
    expect((await statusAt(api))?.finalHeight).toBeGreaterThan(height);
    expect((await statusAt(net.url("a")))?.stake.power).toBe("6000");
    expect(follower?.child.exitCode).toBeNull();
  }, 180_000);

  it("states the keys of the current set in its policy, and proves events over the boundary", async () => {
    await until("e signs checkpoints", async () => {
      const policy = await (await fetch(`${net.url("a")}/tlog/policy`)).text();
      return /witness e\b/.test(policy) || policy.includes("/tlog/e+");
    });
    const proof = join(net.folder, "proof.json");
    const last = (await nexusJson(["--api", api, "status"])) as { logSize: number }[];
    const index = String((last[0]?.logSize ?? 1) - 1);
    await ok("proof", "get", index, "--out", proof);
    await ok("proof", "verify", proof, "--trust", net.genesis);
  }, 60_000);

  it("leads from the genesis to the set that signs checkpoints, and proves it to who asks nobody", async () => {
    const shown = await signedBy("e", "--save", note, "--sets", sets);
    expect(shown.steps[0]).toMatchObject({ from: 0, members: 5 });
    expect(shown.epoch).toBe(shown.steps.at(-1)?.to);
    for (const algorithm of ["ed25519", "falcon"]) await signedBy("e", "--algorithm", algorithm);
    const kept = await net.json<Shown>("checkpoint", "verify", note, "--sets", sets);
    fits("checkpoint verify", kept);
    expect(kept).toMatchObject({ epoch: shown.epoch, root: shown.root, signers: shown.signers });
    // By the genesis alone there is nothing to say of e.
    expect(await code("checkpoint", "verify", note)).toContain("--sets FILE");
    const policy = await (await fetch(`${net.url("a")}/tlog/policy`)).text();
    expect((await net.run("checkpoint", "keys", "--sets", sets)).stdout).toBe(policy);
  }, 60_000);

  it("believes no steps that are of another chain, leave an epoch out, or have a set of somebody's own", async () => {
    const text = readFileSync(sets, "utf8");
    const bad = join(net.folder, "bad.ndjson");
    const said = async (changed: string, ...more: readonly string[]): Promise<string> => {
      writeFileSync(bad, changed);
      const run = await net.run("checkpoint", "verify", note, "--sets", bad, ...more);
      expect(run.code).toBe(2);
      return run.stderr;
    };
    type Step = { chainId: string; genesisHash: string; links: { set: string }[] };
    const changed = (change: (step: Step) => void): string => {
      const step = JSON.parse(text.split("\n")[0] ?? "") as Step;
      change(step);
      return `${JSON.stringify(step)}\n`;
    };
    expect(text.split("\n")).toHaveLength(2);
    const skipped = changed(({ links }) => links.splice(1, 1));
    expect(await said(skipped)).toMatch(
      /proof\.invalid: .*step 1, .*epochs: epoch 2 follows epoch 0/,
    );
    const other = changed((step) => {
      step.genesisHash = "00".repeat(32);
    });
    expect(await said(other)).toMatch(
      /proof\.untrusted: .*step 1, from the set of epoch 0: chain: /,
    );
    const forged = changed(({ links }) => {
      const [first, last] = [links[0], links.at(-1)];
      if (first !== undefined && last !== undefined) last.set = first.set;
    });
    expect(await said(forged)).toMatch(/proof\.invalid: .*step 1, /);
    // What is true stands, beginning at a set that is trusted instead of the genesis.
    const trusted = join(net.folder, "trusted.json");
    await net.json("checkpoint", "show", "--checkpoint", trusted);
    const from = await net.json<Shown>("checkpoint", "show", "--trust", trusted);
    expect(from.steps[0]?.from).toBeGreaterThan(0);
  }, 60_000);

  it("takes a delegation, gives it back, and sets it free when its time is over", async () => {
    await ok("validator", "bond", "a", "300", "--key", join(net.dir, "operator", "operator.key"));
    expect((await lines()).get("a")).toMatchObject({ bonded: "1000", delegated: "300" });
    await ok("validator", "unbond", "a", "300");
    expect((await lines()).get("a")).toMatchObject({ delegated: "0", leaving: "300" });
    expect(await code("validator", "withdraw", "a")).toContain("stake.locked");
  }, 60_000);

  it("lets one leave, which goes on following, and come back", async () => {
    const key = join(net.home("d"), "keys", "node.key");
    await ok("validator", "leave", "d", "--key", key);
    await until(
      "d observes",
      async () => (await statusAt(net.url("d")))?.voting === "observer",
      60_000,
    );
    const height = (await statusAt(net.url("d")))?.finalHeight ?? 0;
    await ok("append", "leave/after", "without d");
    // The log that the set without d signs continues the checkpoint that one with d has signed.
    const shown = await signedBy("e", "--save", note, "--sets", sets);
    expect(shown.signers).not.toContain("d");
    expect(shown.since).toBeGreaterThan(0);
    expect(shown.steps.length).toBeGreaterThan(1);
    const kept = await net.json<Shown>("checkpoint", "verify", note, "--sets", sets);
    expect(kept.signers).toEqual(shown.signers);
    await until(
      "d follows",
      async () => ((await statusAt(net.url("d")))?.finalHeight ?? 0) > height,
    );
    await ok("validator", "rejoin", "d", "--key", key);
    await until(
      "d votes again",
      async () => (await statusAt(net.url("d")))?.voting === "yes",
      60_000,
    );
  }, 180_000);

  it("jails one, until its time is over and it says that it is back", async () => {
    const key = join(net.home("b"), "keys", "node.key");
    await ok("validator", "jail", "b", "for a test");
    expect(await code("validator", "rejoin", "b", "--key", key)).toContain("stake.jailed");
    await stateOf("b", "jailed");
  }, 60_000);

  it("slashes who has signed two blocks of one view, and takes it out of the set", async () => {
    const genesis = parseGenesis(readFileSync(net.genesis, "utf8"));
    if (!genesis.ok) throw new Error(genesis.detail);
    const { hasher } = genesis.value;
    const keys = join(net.home("c"), "keys");
    const secret = await loadKeyFile(
      join(keys, "node.key"),
      readFileSync(join(keys, "passphrase"), "utf8").trim(),
    );
    const { epoch } = (await statusAt(net.url("a"))) ?? { epoch: 0 };
    const vote = (text: string) => {
      const statement = notarize(epoch, 1, sha256(new TextEncoder().encode(text)));
      const message = statementBytes(hasher, statement);
      return {
        statement,
        signer: 0,
        signature: falconSign(message, secret.secretKey, randomBytes(48)),
      };
    };
    const evidence = evidenceOf(vote("one"), vote("another"));
    if (evidence === undefined) throw new Error("no conflict");
    const id = (await lines()).get("c")?.id ?? "";
    const event = evidenceCommitted.decode(evidenceEvent(evidence, fromHex(id)).payload);
    if (!event.ok) throw new Error(event.detail);
    const data = JSON.stringify(evidenceCommitted.toJson(event.value));
    await ok("append", "--type", "detect.evidence.committed", "--data", data);
    // The event is executed: sessions with c are over within a second, and c does not come back.
    const stateAtA = async (): Promise<unknown> => {
      const answer = await fetch(`${net.url("a")}/v1/peers`);
      const { items } = (await answer.json()) as { items: { id: string; state: string }[] };
      return items.find((peer) => peer.id === id)?.state;
    };
    const executedMs = performance.now();
    await until("a has shut c out", async () => (await stateAtA()) === "refused", 10_000);
    expect(performance.now() - executedMs).toBeLessThan(1_000);
    const line = (await lines()).get("c");
    expect(line).toMatchObject({ state: "ended" });
    expect(line?.slashedBps).toBeGreaterThanOrEqual(500);
    await until("c is out", async () => (await lines()).get("c")?.power === "0", 60_000);
    await ok("append", "slash/after", "without c");
  }, 120_000);

  it("gives unbonded stake back after the unbonding time", async () => {
    const tries: string[] = [];
    const withdraw = async (): Promise<boolean> => {
      const run = await net.run("validator", "withdraw", "a", "-o", "json");
      tries.push(run.stdout);
      return run.code === 0;
    };
    await until("it may be withdrawn", withdraw, 120_000);
    fits("validator withdraw", JSON.parse(tries.at(-1) ?? ""));
    expect((await lines()).get("a")).toMatchObject({ leaving: "0" });
  }, 150_000);

  it("leaves folders that an audit finds sound, of a member of the genesis and of who joined", async () => {
    const rebuilt = async (config: string): Promise<void> => {
      const run = await nexus(["rebuild", "--config", config], { timeoutMs: 120_000 });
      expect(run.code, run.stderr).toBe(0);
    };
    expect(await net.stop("a")).toBe(0);
    expect(await follower?.stop()).toBe(0);
    for (const dir of [net.home("a"), home]) {
      const args = ["audit", "--dir", dir, "--genesis", net.genesis];
      const env = { XDG_STATE_HOME: join(net.folder, "state") };
      const report = await nexusJson(args, { env, timeoutMs: 120_000 });
      expect(report, dir).toMatchObject({ result: "clean", findings: [] });
      await rebuilt(join(dir, "node.toml"));
    }
  }, 150_000);
});
