/**
 * A network of joined identities that asks for space at another profile than that of development: the genesis has no
 * sector, every node makes one of its own, and the chain admits it and asks for it.
 */
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { background, freePorts, killAll, nexus, nexusJson, tempFolder, until } from "./support.ts";

const NAMES = ["a", "b", "c", "d"] as const;
/** An admission of 16 events takes some 60 s of a busy machine, and has to end with the epoch after the commitment. */
const EPOCH_MS = 100_000;
/** Sealing takes seconds of a quarter of a core, and a busy machine gives less. */
const LIMIT_MS = 12 * EPOCH_MS;

const folder = tempFolder();
const home = (name: string): string => join(folder.path, name);
let api: number;
const url = (i: number): string => `http://[::1]:${api + i}`;

type Stake = { readonly degraded: boolean; readonly power: string };
type Sector = { readonly profile: string };
type Line = {
  readonly name: string;
  readonly power: string;
  readonly lacks: readonly { readonly proof: string }[];
};

const metric = async (node: number, name: string): Promise<number | undefined> => {
  const page = await (await fetch(`${url(node)}/metrics`)).text();
  const found = new RegExp(`^${name} ([0-9.]+)$`, "m").exec(page)?.[1];
  return found === undefined ? undefined : Number(found);
};

/** Whole ones; a node that could not have its first one admitted in time makes another. */
const sectorsOf = (name: string): readonly string[] => {
  const at = join(home(name), "space");
  return existsSync(at) ? readdirSync(at).filter((file) => file.endsWith(".sector")) : [];
};

/** Epochs that were seen to be degraded. */
const degraded = new Set<number>();

const stakeNow = async (): Promise<Stake | undefined> => {
  const run = await nexus(["--api", url(1), "status", "-o", "json"]);
  if (run.code !== 0) return undefined;
  const [status] = JSON.parse(run.stdout) as { readonly epoch: number; readonly stake: Stake }[];
  if (status?.stake.degraded === true) degraded.add(status.epoch);
  return status?.stake;
};

beforeAll(async () => {
  const quic = await freePorts(4);
  api = await freePorts(4);
  for (const [i, name] of NAMES.entries()) {
    const made = await nexus([
      ...["--dir", home(name), "init", "--name", name, "--chain-id", "joined-1"],
      ...["--listen", `[::1]:${quic + i}`, "--api-listen", `[::1]:${api + i}`],
    ]);
    expect(made.code, made.stderr).toBe(0);
  }
  const ops = await nexus(["--dir", home("ops"), "init", "--name", "ops", "--actor"]);
  expect(ops.code, ops.stderr).toBe(0);
}, 240_000);

afterAll(() => {
  killAll();
  folder.remove();
});

describe("a joined network that asks for space", () => {
  it("has a genesis of the profile that was named, marked as what it is", async () => {
    const out = join(folder.path, "genesis.json");
    const files = [
      ...NAMES.map((name) => join(home(name), "identity.json")),
      join(home("ops"), "ops.json"),
    ];
    const made = await nexus([
      ...["init", "--join", ...files, "--chain-id", "joined-1", "--out", out],
      ...["--space", "test", "--stake", "--epoch-ms", String(EPOCH_MS)],
    ]);
    expect(made.code, made.stderr).toBe(0);
    expect(made.stderr).toContain("the chain is marked insecure, because of proofs.space");
    expect(made.stderr).toContain("each node makes one of 2 MiB");
    const genesis = JSON.parse(readFileSync(out, "utf8"));
    expect(genesis).toMatchObject({
      insecure: true,
      proofs: { space: { lgNodes: 16, layers: 11 } },
    });
    for (const name of NAMES) copyFileSync(out, join(home(name), "genesis.json"));
    const unmarked = readFileSync(out, "utf8").replace('"insecure": true', '"insecure": false');
    const lies = join(home("a"), "lies.json");
    writeFileSync(lies, unmarked);
    const refused = await nexus(["checkpoint", "keys", "--trust", lies]);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain("config.genesis");
    expect(refused.stderr).toContain("deadline rule");
  });

  it("takes a sector that a member makes by hand before the start", async () => {
    const sealed = await nexus([
      ...["space", "seal", join(home("d"), "space", "0.sector"), "--node", "d"],
      ...["--genesis", join(home("d"), "genesis.json")],
    ]);
    expect(sealed.code, sealed.stderr).toBe(0);
  }, 240_000);

  it(
    "has sectors that its nodes made, which the chain admits and asks for",
    async () => {
      for (const name of NAMES) background(["start", "--config", join(home(name), "node.toml")]);
      await until(
        "every node has made a sector",
        async () => {
          await stakeNow();
          return NAMES.every((name) => sectorsOf(name).length > 0);
        },
        LIMIT_MS,
      );
      await until(
        "the chain counts them",
        async () => {
          await stakeNow();
          const all = await Promise.all(NAMES.map((_, i) => metric(i, "tetrad_space_sectors")));
          return all.every((count) => count === 1);
        },
        LIMIT_MS,
      );
      const [listed] = (await nexusJson([
        ...["--api", url(0), "space", "ls", join(home("a"), "space")],
      ])) as Sector[];
      expect(listed).toMatchObject({ profile: "test" });
      expect(await metric(0, "tetrad_space_renewals_total")).toBeGreaterThanOrEqual(1);
      expect(await metric(3, "tetrad_space_renewals_total")).toBe(0);
    },
    2 * LIMIT_MS,
  );

  it(
    "is degraded until they are shown, lacks no proof of space then, and writes on",
    async () => {
      // The set of epoch 2 follows from epoch 0, in which nothing can have counted yet; it may be still to come.
      await until(
        "the set of epoch 2 is not earned",
        async () => {
          await stakeNow();
          return degraded.has(2);
        },
        LIMIT_MS,
      );
      await until(
        "nobody lacks space",
        async () => {
          const run = await nexus(["--api", url(1), "validator", "status", "-o", "json"]);
          if (run.code !== 0) return false;
          const all = JSON.parse(run.stdout) as Line[];
          return (
            all.length === 4 &&
            all.every(({ lacks }) => lacks.every(({ proof }) => proof !== "space"))
          );
        },
        LIMIT_MS,
      );
      const key = join(home("ops"), "keys", "ops.key");
      const wrote = await nexus(["--api", url(2), "append", "--key", key, "joined/first", "hello"]);
      expect(wrote.code, wrote.stderr).toBe(0);
      await until(
        "the set is earned",
        async () => (await stakeNow())?.degraded === false,
        LIMIT_MS,
      );
      expect(await stakeNow()).toMatchObject({ power: "4000" });
    },
    3 * LIMIT_MS,
  );
});
