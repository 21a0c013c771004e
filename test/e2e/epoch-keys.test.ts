/** Keys of epochs, as processes: made, registered, signed with, erased; over a kill, lost data and an old copy. */
import { chmodSync, cpSync, existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownNetwork } from "./dev-network.ts";
import { fits } from "./shape.ts";
import { nexusJson, until } from "./support.ts";

const NAMES = ["a", "b", "c", "d"] as const;
const net = ownNetwork(NAMES);

type Status = {
  readonly epoch: number;
  readonly finalHeight: number;
  readonly voting: string;
  readonly problems: readonly { readonly code: string }[];
};
type Line = { readonly name: string; readonly keyEpoch: number | null };

const statusAt = async (name: string): Promise<Status | undefined> => {
  const response = await fetch(`${net.url(name)}/v1/status`).catch(() => undefined);
  return (await response?.json()) as Status | undefined;
};

const epochOf = async (name: string): Promise<number> => (await statusAt(name))?.epoch ?? 0;

const folderOf = (name: string): string => join(net.home(name), "keys", "epochs");

/** The first epochs of the keys that are on a node's disk. */
const heldBy = (name: string): number[] =>
  readdirSync(folderOf(name))
    .filter((file) => file.endsWith(".key"))
    .map((file) => Number.parseInt(file, 10))
    .sort((a, b) => a - b);

const isErased = async (name: string): Promise<boolean> => {
  const epoch = await epochOf(name);
  return heldBy(name).filter((first) => first < epoch).length <= 1;
};

const reach = (name: string, epoch: number): Promise<void> =>
  until(`${name} is in epoch ${epoch}`, async () => (await epochOf(name)) >= epoch, 120_000);

beforeAll(async () => {
  await net.make("--stake", "--epoch-ms", "4000");
  for (const name of NAMES) net.start(name);
  await until("the network votes", async () => (await statusAt("a"))?.voting === "yes");
}, 120_000);

afterAll(() => net.end());

describe("keys of epochs", () => {
  it("are in the genesis from epoch 0 on, each with its file", () => {
    const { proofs, validators } = JSON.parse(readFileSync(net.genesis, "utf8"));
    expect(proofs.epochKeys).toBe(true);
    for (const { epochKey, publicKey } of validators) expect(epochKey).not.toBe(publicKey);
    for (const name of NAMES) expect(heldBy(name)).toContain(0);
  });

  it("follow each other over boundaries, and those that are over leave the disk", async () => {
    const lines = async (): Promise<readonly Line[]> => {
      const all = (await net.json("validator", "status")) as Line[];
      fits("validator status", all);
      return all;
    };
    // On a busy machine keys take a while to be made: the first ones go on until then.
    const isLater = async (): Promise<boolean> =>
      (await lines()).every(({ keyEpoch }) => keyEpoch !== null && keyEpoch >= 4);
    await until("all have the key of a later epoch", isLater, 120_000);
    await reach("a", (await epochOf("a")) + 2);
    for (const name of NAMES) {
      expect(heldBy(name)).not.toContain(0);
      await until(`${name} has erased`, () => isErased(name));
      expect((await statusAt(name))?.problems).toEqual([]);
      // One that is being erased at this moment has another name until it is gone.
      const left = (): boolean => readdirSync(folderOf(name)).some((file) => /erased/.test(file));
      await until(`${name} keeps nothing under another name`, async () => !left());
    }
  }, 150_000);

  it("bear proofs of events from the genesis, over all sets in between", async () => {
    expect((await net.run("append", "rotation/one", "hello")).code).toBe(0);
    const last = (await nexusJson(["--api", net.url("b"), "status"])) as { logSize: number }[];
    const index = String((last[0]?.logSize ?? 1) - 1);
    const proof = join(net.folder, "proof.json");
    const got = await net.run("proof", "get", index, "--out", proof);
    expect(got.code, got.stderr).toBe(0);
    const verified = await net.run("proof", "verify", proof, "--trust", net.genesis);
    expect(verified.code, verified.stderr).toBe(0);
    // Checkpoints are signed with the keys of the epoch that runs, to which the same sets lead.
    type Shown = { readonly epoch: number; readonly signers: readonly string[] };
    const shown = await net.json<Shown>("checkpoint", "show", "--algorithm", "falcon");
    expect(shown.epoch).toBeGreaterThan(3);
    expect(shown.signers.length).toBeGreaterThanOrEqual(3);
  }, 60_000);

  it("are the same after a kill, and after the data is gone", async () => {
    await net.stop("b", "SIGKILL");
    rmSync(join(net.home("b"), "db"), { recursive: true });
    const held = heldBy("b");
    net.start("b");
    await until("b votes", async () => (await statusAt("b"))?.voting === "yes", 90_000);
    // A node that catches up goes through old epochs: nothing that is still to be used is erased for it.
    expect(heldBy("b").some((first) => held.includes(first))).toBe(true);
    expect((await statusAt("b"))?.problems).toEqual([]);
  }, 120_000);

  it("in an old copy that comes back are erased at once, and others are registered", async () => {
    const copy = join(net.folder, "old");
    await net.stop("c");
    cpSync(folderOf("c"), copy, { recursive: true });
    const old = heldBy("c");
    net.start("c");
    await reach("c", Math.max(...old) + 1);
    await net.stop("c");
    rmSync(folderOf("c"), { recursive: true });
    cpSync(copy, folderOf("c"), { recursive: true });
    chmodSync(folderOf("c"), 0o700);
    net.start("c");
    // The last of them goes on where it has no later one yet.
    const gone = (): boolean => heldBy("c").filter((first) => old.includes(first)).length <= 1;
    await until("c has erased what was over", gone, 60_000);
    await until("c votes again", async () => (await statusAt("c"))?.voting === "yes", 120_000);
    expect(existsSync(folderOf("c"))).toBe(true);
    expect(await isErased("c")).toBe(true);
  }, 300_000);

  it("leave a folder that an audit finds sound", async () => {
    expect(await net.stop("a")).toBe(0);
    const args = ["audit", "--dir", net.home("a"), "--genesis", net.genesis];
    const env = { XDG_STATE_HOME: join(net.folder, "state") };
    const report = await nexusJson(args, { env, timeoutMs: 120_000 });
    expect(report).toMatchObject({ result: "clean", findings: [] });
  }, 150_000);
});
