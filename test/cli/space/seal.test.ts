/** `nexus space seal`: sectors are made after the genesis, whatever its numbers are, unless a profile is named. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { chosenParameters } from "../../../src/cli/space/chosen.ts";
import type { SectorFacts } from "../../../src/cli/space/facts.ts";
import { list } from "../../../src/cli/space/list.ts";
import { prove } from "../../../src/cli/space/prove.ts";
import { seal } from "../../../src/cli/space/seal.ts";
import { verify } from "../../../src/cli/space/verify.ts";
import { readSectorHeader } from "../../../src/node/space/files.ts";
import {
  checkSpaceParameters,
  deadline,
  SPACE_PROFILE_NAMES,
  SPACE_PROFILES,
  type SpaceParameters,
  type SpaceProfile,
} from "../../../src/proofs/space/parameters.ts";
import { askingGenesis } from "../../ledger/asking-genesis.ts";
import { fakeContext } from "../fake-context.ts";

/** Of no profile, and of so many layers that an answer within a millisecond keeps the deadline rule. */
const OWN: SpaceParameters = { ...SPACE_PROFILES.dev, layers: 10, responseMs: 1 };
const BEACON = "5e".repeat(32);

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tetrad-seal-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const genesisOf = (space: SpaceParameters | null): string => {
  const file = join(folder, "genesis.json");
  writeFileSync(file, askingGenesis({ space }, true));
  return file;
};

const sealed = async (space: SpaceParameters | null, profile?: SpaceProfile) => {
  const { context, said } = fakeContext({ dir: folder, output: "json" });
  const file = join(folder, "0.sector");
  const named = profile === undefined ? {} : { profile };
  await seal(context, { sector: 0, beacon: BEACON, genesis: genesisOf(space), ...named }, file);
  const facts = JSON.parse(said.out) as SectorFacts;
  return { facts, said, statement: readSectorHeader(file).statement };
};

describe("a sector that is sealed", () => {
  it("has nodes and layers of the genesis where no profile has them", async () => {
    expect([checkSpaceParameters(OWN).ok, deadline(OWN).isKept]).toEqual([true, true]);
    const { facts, said, statement } = await sealed(OWN);
    expect(statement).toMatchObject({ lgNodes: 12, layers: 10 });
    expect(facts).toMatchObject({ profile: null, bytes: 131_072, deadlineKept: true });
    expect(said.err).not.toMatch(/proves no space|never commits/);
    // The same again, for people: nothing is made twice.
    const table = fakeContext({ dir: folder });
    const options = { sector: 0, beacon: BEACON, genesis: join(folder, "genesis.json") };
    await seal(table.context, options, join(folder, "0.sector"));
    expect(table.said.out).toMatch(/^size +128 KiB \(of the chain\)$/m);
    expect(table.said.out).toMatch(/^proves space +yes$/m);
  });

  it("is proven and verified by what the genesis asks for, and by a profile only where it has one", async () => {
    await sealed(OWN);
    const genesis = join(folder, "genesis.json");
    const sector = join(folder, "0.sector");
    const asked = { epoch: BEACON, laneSeq: 1, out: join(folder, "epoch.proof") };
    const { context } = fakeContext({ dir: folder, output: "json" });
    const refused = expect.objectContaining({ code: "space.parameters" });
    await expect(prove(context, asked, sector)).rejects.toThrow(refused);
    await prove(context, { ...asked, genesis }, sector);
    await expect(verify(context, {}, asked.out)).rejects.toThrow(refused);
    const right = fakeContext({ dir: folder, output: "json" });
    await verify(right.context, { genesis }, asked.out);
    expect(JSON.parse(right.said.out)).toMatchObject({
      ...{ nodes: OWN.epochOpenings, compared: ["chain id"] },
    });
    // A genesis of the same chain that asks for more of a sector, or for another one.
    genesisOf({ ...OWN, epochOpenings: OWN.epochOpenings + 1 });
    const short = expect.objectContaining({ code: "space.proof-shape" });
    await expect(verify(context, { genesis }, asked.out)).rejects.toThrow(short);
    genesisOf(SPACE_PROFILES.dev);
    await expect(verify(context, { genesis }, asked.out)).rejects.toThrow(refused);
    // The sector has the hash of its genesis, which the proof has not.
    const foreign = expect.objectContaining({ code: "space.proof-foreign" });
    await expect(prove(context, { ...asked, genesis }, sector)).rejects.toThrow(foreign);
  });

  it("is said to be of another chain where the genesis is, and what is next where it is this one", async () => {
    const { said } = await sealed(OWN);
    const sector = join(folder, "0.sector");
    const asked = { epoch: BEACON, laneSeq: 1, out: join(folder, "epoch.proof") };
    const genesis = join(folder, "genesis.json");
    const { context, said: proven } = fakeContext({ dir: folder }, true);
    await prove(context, { ...asked, genesis }, sector);
    expect(proven.err).toContain(`--seed ${BEACON} --genesis ${genesis}`);
    const { chainId } = JSON.parse(said.out) as SectorFacts;
    const other = join(folder, "other.json");
    const foreign = async (text: string): Promise<readonly unknown[]> => {
      writeFileSync(other, text);
      const failures = await Promise.allSettled([
        prove(context, { ...asked, genesis: other }, sector),
        verify(context, { genesis: other }, asked.out),
      ]);
      return failures.map((one) => one.status === "rejected" && one.reason.message);
    };
    const text = askingGenesis({ space: OWN }, true);
    expect(text).toContain(`"${chainId}"`);
    const words = `is of the chain id ${chainId}, the genesis of elsewhere-1`;
    expect(await foreign(text.replaceAll(`"${chainId}"`, '"elsewhere-1"'))).toEqual([
      `${sector} ${words}`,
      `the proof ${words}`,
    ]);
    // The proof has the id alone, the sector the hash of its genesis too.
    expect(await foreign(askingGenesis({ space: null }, true))).toEqual([
      `${sector} is of another genesis of the chain id ${chainId}`,
      "the genesis asks for no space, and no profile has sectors of 2^12 nodes and 10 layers",
    ]);
  });

  it.each([
    ["of the chain", OWN, undefined],
    ["of a profile that the chain has with another time", { ...SPACE_PROFILES.dev, responseMs: 1 }],
    ["of a profile on a chain that asks for another", OWN, "dev"],
    ["of a profile on a chain without space", null, "dev"],
  ] as const)(
    "is said to keep the deadline by seal and by ls alike: %s",
    async (_, space, named?) => {
      const { facts } = await sealed(space, named);
      expect(facts.deadlineKept).toBe(space === OWN && named === undefined);
      const listed = async (): Promise<unknown> => {
        const { context, said } = fakeContext({ dir: folder, output: "json" });
        await list(context, {}, folder);
        return JSON.parse(said.out);
      };
      const found = { file: facts.file, deadlineKept: facts.deadlineKept };
      expect(await listed()).toMatchObject([found]);
      // What another genesis asks for, or none that is there, says nothing of this sector.
      genesisOf({ ...OWN, epochOpenings: 9 });
      expect(await listed()).toMatchObject([{ ...found, deadlineKept: null }]);
      rmSync(join(folder, "genesis.json"));
      expect(await listed()).toMatchObject([{ ...found, deadlineKept: null }]);
    },
  );

  it("is suggested as the chain can have it where there is none", async () => {
    for (const [space, words] of [
      [OWN, /nexus space seal$/m],
      [null, /nexus space seal --profile test$/m],
    ] as const) {
      genesisOf(space);
      const { context, said } = fakeContext({ dir: folder }, true);
      await list(context, {});
      expect(said.err).toMatch(words);
    }
  });

  it("is of the genesis' profile, and said to prove nothing where that proves nothing", async () => {
    const { facts, said, statement } = await sealed(SPACE_PROFILES.dev);
    expect(statement).toMatchObject({ lgNodes: 12, layers: 4 });
    expect(facts).toMatchObject({ profile: "dev", deadlineKept: false });
    expect(said.err).toMatch(/a sector of the profile dev is made again in 3 ms .* no space/);
    expect(said.err).not.toContain("never commits");
  });

  it("is of another profile where that is named, and the chain will not have it", async () => {
    const { facts, said } = await sealed(OWN, "dev");
    expect(facts).toMatchObject({ profile: "dev", deadlineKept: false });
    expect(said.err).toContain("128 KiB and 10 layers, those of the profile dev of 128 KiB and 4");
    expect(said.err).toContain("the chain never commits to this one");
  });

  it("is asked for by name on a chain without space", async () => {
    await expect(sealed(null)).rejects.toMatchObject({
      code: "cli.usage",
      data: { next: "to try one out, --profile dev, test, default, production" },
    });
    const { facts, said } = await sealed(null, "dev");
    expect(facts.profile).toBe("dev");
    expect(said.err).toContain("its chain commits to no sector");
  });
});

describe("the parameters of a sector", () => {
  it.each(SPACE_PROFILE_NAMES)("are the chain's where %s is named too", (name) => {
    const chain = { ...SPACE_PROFILES[name], responseMs: 19 };
    const wanted = { parameters: chain, name: `profile ${name}`, foreign: undefined };
    expect(chosenParameters(chain, undefined)).toMatchObject(wanted);
    expect(chosenParameters(chain, name)).toMatchObject(wanted);
    const other = name === "dev" ? "test" : "dev";
    expect(chosenParameters(chain, other)).toMatchObject({
      parameters: SPACE_PROFILES[other],
      foreign: expect.stringContaining(`profile ${other}`),
    });
  });
});
