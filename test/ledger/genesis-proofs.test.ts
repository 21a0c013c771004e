import { describe, expect, it } from "vitest";
import { formatGenesis, parseGenesis } from "../../src/ledger/genesis.ts";
import { type GenesisProofs, NO_PROOFS } from "../../src/ledger/genesis-proofs.ts";
import { LIMITS } from "../../src/limits.ts";
import { SPACE_PROFILES } from "../../src/proofs/space/parameters.ts";
import { STAKE_PROFILES } from "../../src/proofs/stake/parameters.ts";
import { TIME_PROFILES } from "../../src/proofs/time/parameters.ts";
import { WORK_PROFILES } from "../../src/proofs/work/parameters.ts";
import { genesisInput } from "../golden/fixtures.ts";

type Tree = { [key: string]: Tree | Tree[] | string | number | null };

const ALL: GenesisProofs = {
  beacon: { depth: 10 },
  work: WORK_PROFILES.dev,
  space: SPACE_PROFILES.dev,
  time: TIME_PROFILES.dev,
  stake: STAKE_PROFILES.dev,
};

const sector = (number: number) => ({
  number,
  commC: new Uint8Array(32).fill(2),
  commRl: new Uint8Array(32).fill(3),
});

const textOf = (proofs: GenesisProofs, sectors = [sector(4), sector(1)]): string =>
  formatGenesis({
    ...genesisInput,
    format: 2,
    proofs,
    provers: genesisInput.validators.map(() => ({
      ivrfRoot: new Uint8Array(32).fill(proofs.beacon === null ? 0 : 7),
      sectors: proofs.space === null ? [] : sectors,
    })),
  });

const read = (text: string) => {
  const result = parseGenesis(text);
  if (!result.ok) throw new Error(result.detail);
  return result.value;
};

/** Where a changed file is refused. */
const refusedAt = (path: string, value: unknown): unknown => {
  const file = JSON.parse(textOf(ALL)) as Tree;
  const keys = path.split(".");
  const last = keys.pop() ?? "";
  let at = file;
  for (const key of keys) at = at[key] as Tree;
  at[last] = value as string;
  const result = parseGenesis(JSON.stringify(file));
  return result.ok ? "ok" : result.data?.["path"];
};

describe("the proofs of a genesis", () => {
  it("come back as they were written, of every profile", () => {
    for (const profile of ["dev", "default", "production"] as const) {
      const proofs: GenesisProofs = {
        ...ALL,
        work: WORK_PROFILES[profile],
        space: SPACE_PROFILES[profile],
        time: TIME_PROFILES[profile],
      };
      const { genesis } = read(textOf(proofs));
      expect(genesis).toMatchObject({ format: 2, proofs });
      expect(genesis.provers).toHaveLength(genesis.validators.length);
      expect(genesis.provers[0]?.sectors.map((one) => one.number)).toEqual([1, 4]);
    }
    const argon = { ...WORK_PROFILES.test };
    expect(read(textOf({ ...ALL, work: argon })).genesis.proofs.work).toEqual(argon);
  });

  it("change the genesis hash by every number in them", () => {
    const hashes = new Set<string>();
    const see = (proofs: GenesisProofs): unknown =>
      hashes.add(Buffer.from(read(textOf(proofs)).hash).toString("hex"));
    let seen = 0;
    const all: Partial<GenesisProofs>[] = [
      {},
      { beacon: { depth: 11 } },
      ...["work", "space", "time", "stake"].map((part) => ({ [part]: null })),
      ...(["blockOpenings", "eventOpenings", "responseMs", "lgNodes"] as const).map((name) => ({
        space: { ...SPACE_PROFILES.dev, [name]: SPACE_PROFILES.dev[name] + 1 },
      })),
      ...(["tailBlocks", "leavesLog2Max", "challenges"] as const).map((name) => ({
        time: { ...TIME_PROFILES.dev, [name]: TIME_PROFILES.dev[name] - 1 },
      })),
      { stake: { ...STAKE_PROFILES.dev, trustingMs: 39_999 } },
      { stake: { ...STAKE_PROFILES.dev, downtimeBps: 99n } },
      { work: WORK_PROFILES.default },
      { work: WORK_PROFILES.test },
    ];
    for (const one of all) {
      see({ ...ALL, ...one });
      seen += 1;
    }
    expect(hashes.size).toBe(seen);
  });

  it("are absent in format 1, and none of them is another hash than format 1", () => {
    const first = read(formatGenesis(genesisInput));
    expect(first.genesis).toMatchObject({ format: 1, proofs: NO_PROOFS, provers: [] });
    const none = read(textOf(NO_PROOFS));
    expect(none.genesis).toMatchObject({ format: 2, proofs: NO_PROOFS });
    expect(none.hash).not.toEqual(first.hash);
  });

  it("are refused at the place that is wrong", () => {
    expect(refusedAt("format", 3)).toBe("format");
    expect(refusedAt("format", 1)).toBe("");
    expect(refusedAt("proofs", null)).toBe("proofs");
    expect(refusedAt("proofs.beacon", null)).toBe("proofs.beacon");
    expect(refusedAt("proofs.beacon.depth", LIMITS.beaconDepth[1] + 1)).toBe("proofs.beacon.depth");
    expect(refusedAt("proofs.space.layers", 0)).toBe("proofs.space");
    expect(refusedAt("proofs.time.challenges", 1.5)).toBe("proofs.time.challenges");
    expect(refusedAt("proofs.work.puzzle", { kind: "hashcash" })).toBe("proofs.work.puzzle.kind");
    expect(refusedAt("proofs.work.price.priceMin", "01")).toBe("proofs.work.price.priceMin");
    expect(refusedAt("proofs.work.price.priceMin", 65536)).toBe("proofs.work.price.priceMin");
    expect(refusedAt("proofs.stake.unbondingMs", 1)).toBe("proofs.stake");
    expect(refusedAt("validators.0.ivrfRoot", "00".repeat(32))).toBe("validators[0].ivrfRoot");
    expect(refusedAt("validators.0.sectors", [])).toBe("ok");
    const one = { number: 1, commC: "02".repeat(32), commRl: "03".repeat(32) };
    expect(refusedAt("validators.1.sectors", [one, one])).toBe("validators[1].sectors");
    const many = (count: number) =>
      Array.from({ length: count }, (_, number) => ({ ...one, number }));
    expect(refusedAt("validators.1.sectors", many(LIMITS.genesisSectorsMax))).toBe("ok");
    expect(refusedAt("validators.1.sectors", many(LIMITS.genesisSectorsMax + 1))).toBe(
      "validators[1].sectors",
    );
  });
});
