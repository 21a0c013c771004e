/** What `nexus init` puts into a genesis, and what it says of it. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { init } from "../../src/cli/verbs/init.ts";
import { type Genesis, parseGenesis } from "../../src/ledger/genesis.ts";
import { LOCATION_DEFAULT } from "../../src/proofs/location/parameters.ts";
import { SPACE_PROFILES } from "../../src/proofs/space/parameters.ts";
import { fakeContext } from "./fake-context.ts";

type Options = Parameters<typeof init>[1];

const folder = mkdtempSync(join(tmpdir(), "tetrad-init-"));
afterAll(() => rmSync(folder, { recursive: true }));

const home = join(folder, "a");
let made = 0;

/** The genesis that the options make of one identity, and what was said. */
const joined = async (
  options: Options,
): Promise<{ readonly genesis: Genesis; readonly said: string }> => {
  const out = join(folder, `genesis-${made++}.json`);
  const { context, said } = fakeContext({});
  const files = [join(home, "identity.json")];
  await init(context, { chainId: "acme-1", join: files, out, ...options });
  const parsed = parseGenesis(readFileSync(out, "utf8"));
  if (!parsed.ok) throw new Error(parsed.detail);
  return { genesis: parsed.value.genesis, said: said.err };
};

beforeAll(async () => {
  const { context } = fakeContext({ dir: home });
  await init(context, { name: "a", listen: "[::1]:4440", chainId: "acme-1" });
});

describe("a genesis of joined identities", () => {
  it("asks for sectors of the profile that is named, and has none of them yet", async () => {
    for (const profile of ["default", "production"] as const) {
      const { genesis, said } = await joined({ space: profile, location: true });
      expect(genesis.insecure).toBe(false);
      expect(genesis.proofs.space).toEqual(SPACE_PROFILES[profile]);
      expect(genesis.proofs.location).toEqual(LOCATION_DEFAULT);
      expect(genesis.provers.map(({ sectors }) => sectors)).toEqual([[]]);
      expect(said).toContain(`each node makes one of ${profile === "default" ? 1 : 32} GiB`);
      expect(said).not.toContain("insecure");
    }
  });

  it.each<[string, Options, string]>([
    ["space dev", { space: "dev" }, "proofs.space"],
    ["space test", { space: "test" }, "proofs.space"],
    ["time dev", { time: "dev" }, "proofs.time"],
    ["work dev", { work: "dev" }, "proofs.work"],
  ])(
    "is marked insecure, and said to be, where a profile shows nothing: %s",
    async (_, options, part) => {
      const { genesis, said } = await joined(options);
      expect(genesis.insecure).toBe(true);
      expect(said).toContain("the chain is marked insecure, because of");
      expect(said).toContain(part);
    },
  );

  it("is not marked where they show something, with either puzzle, and where none is asked for", async () => {
    const both = { time: "default", work: "default" } as const;
    for (const options of [{}, both, { ...both, puzzle: "argon2id" } as const, { stake: true }]) {
      const { genesis, said } = await joined(options);
      expect(genesis.insecure).toBe(false);
      expect(said).not.toMatch(/insecure|no sector is/);
    }
  });

  it("is not made where it is not said which sectors, or of a node alone", async () => {
    await expect(joined({ space: true })).rejects.toMatchObject({
      code: "cli.usage",
      message: expect.stringContaining("names a profile"),
    });
    await expect(joined({ location: true })).rejects.toMatchObject({ code: "cli.usage" });
    const { context } = fakeContext({ dir: join(folder, "b") });
    const alone = { name: "b", listen: "[::1]:4441" };
    for (const [flag, options] of [
      ["--space", { space: "default" }],
      ["--work", { work: "default" }],
      ["--time", { time: "default" }],
      ["--stake", { stake: true }],
      ["--epoch-ms", { epochMs: 60_000 }],
    ] as const) {
      await expect(init(context, { ...alone, ...options })).rejects.toMatchObject({
        code: "cli.usage",
        message: expect.stringContaining(flag),
      });
    }
  });
});

describe("a genesis of a network in one folder", () => {
  const network = async (name: string, space: NonNullable<Options["space"]>) => {
    const dir = join(folder, name);
    const { context, said } = fakeContext({ dir });
    await init(context, { network: true, node: ["a=[::1]:4440"], space });
    const parsed = parseGenesis(readFileSync(join(dir, "genesis.json"), "utf8"));
    if (!parsed.ok) throw new Error(parsed.detail);
    return { genesis: parsed.value.genesis, said: said.err };
  };

  it("has a sector of every node where it is made at once, and else none", async () => {
    const small = await network("small", true);
    expect(small.genesis.proofs.space).toEqual(SPACE_PROFILES.dev);
    expect(small.genesis.provers[0]?.sectors).toHaveLength(1);
    const large = await network("large", "default");
    expect(large.genesis.proofs.space).toEqual(SPACE_PROFILES.default);
    expect(large.genesis.provers[0]?.sectors).toEqual([]);
    expect(large.said).toContain("no sector is in this genesis");
    // Its keys are those of one machine, whatever it asks for.
    for (const { genesis } of [small, large]) expect(genesis.insecure).toBe(true);
  });
});
