/** The oracle's own reading of an admission, held against sectors that production's functions make. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SectorLabels } from "../../sim/checkers/sector-labels.ts";
import { type MemorySector, memorySector } from "../../sim/memory-sector.ts";
import { bankScenario } from "../../sim/scenarios/index.ts";
import { simulate } from "../../sim/simulate.ts";
import { SIM_SPACE } from "../../sim/space.ts";
import { runOptionsOf } from "../../sim/stake.ts";
import { SYSTEM } from "../../sim/system.ts";
import { toHex } from "../../src/crypto/bytes.ts";
import { createHasher, sha256 } from "../../src/crypto/hash.ts";
import { genesisSectorBeacon } from "../../src/ledger/projections/space/index.ts";
import { makeAdmission } from "../../src/proofs/space/admission.ts";
import { admissionNodes } from "../../src/proofs/space/challenges.ts";
import { admissionBytes, type SpaceParameters } from "../../src/proofs/space/parameters.ts";
import { sectorId } from "../../src/proofs/space/statement.ts";

const CHAIN = "labels-test";
const hasher = createHasher(CHAIN);
const TIME_MS = 1_900_000_000_000;
const genesisHash = sha256(Uint8Array.of(1));
const validatorId = sha256(Uint8Array.of(2));
const author = toHex(validatorId);
const seed = hasher.ht("beacon/0", genesisHash);

const made = (shape: SpaceParameters, change?: Parameters<typeof memorySector>[2]) => {
  const { lgNodes, layers } = shape;
  const beacon = genesisSectorBeacon(hasher, TIME_MS);
  return memorySector(CHAIN, { validatorId, sectorNo: 0, beacon, lgNodes, layers }, change);
};

const oracleOf = (shape: SpaceParameters, { statement }: MemorySector): SectorLabels =>
  new SectorLabels(
    { chainId: CHAIN, genesisHash, genesisTimeMs: TIME_MS },
    {
      ...shape,
      roots: new Map([[author, toHex(statement.commRl)]]),
      columns: new Map([[author, toHex(statement.commC)]]),
      sectorIds: new Map([[author, sectorId(hasher, statement)]]),
      admissionBytes: admissionBytes(shape.lgNodes, shape.layers, 1),
    },
  );

const partOf = (shape: SpaceParameters, sector: MemorySector, from: number, to: number) => {
  const { hashes, graph, reader, statement } = sector;
  const nodes = admissionNodes(hasher, shape, statement, seed, { from, to });
  return makeAdmission(hashes, graph, reader, shape.layers, nodes);
};

const falsify = ([first]: readonly Uint8Array[]): void => {
  for (let at = 0; first !== undefined && at < first.length; at += 64) first[at] = 0xff;
};

describe("the oracle's own labels", () => {
  it("are those of sectors of every small shape", () => {
    for (const [lgNodes, layers] of [
      [7, 1],
      [8, 3],
      [9, 2],
      [10, 4],
    ] as const) {
      const shape = { ...SIM_SPACE, lgNodes, layers };
      const sector = made(shape);
      const oracle = oracleOf(shape, sector);
      expect(oracle.part(author, 0, partOf(shape, sector, 0, 8))).toBe("right");
      expect(oracle.part(author, 8, partOf(shape, sector, 8, 12))).toBe("right");
      // Challenges of other places.
      expect(oracle.part(author, 1, partOf(shape, sector, 0, 8))).toBe("wrong path");
    }
  });

  it("tell made-up labels from bytes that lead elsewhere", () => {
    const [right, wrong] = [made(SIM_SPACE), made(SIM_SPACE, falsify)];
    expect(oracleOf(SIM_SPACE, wrong).part(author, 0, partOf(SIM_SPACE, wrong, 0, 8))).toBe(
      "false label",
    );
    const oracle = oracleOf(SIM_SPACE, right);
    const openings = partOf(SIM_SPACE, right, 0, 4);
    fc.assert(
      fc.property(fc.nat(openings.length - 1), fc.integer({ min: 1, max: 255 }), (at, bits) => {
        const bent = openings.slice();
        bent[at] = (bent[at] ?? 0) ^ bits;
        expect(oracle.part(author, 0, bent)).toBe("wrong path");
      }),
      { numRuns: 60 },
    );
    expect(oracle.part(author, 0, openings.subarray(1))).toBe("wrong path");
  });
});

describe("a forger among replicas", () => {
  const run = (name: string, forged: boolean) => {
    const scenario = bankScenario(name);
    if (scenario === undefined) throw new RangeError("no such scenario");
    const { adversaries, expect: expected, ...rest } = scenario;
    const kept = adversaries.filter(({ strategy }) => forged || strategy !== "false-labels");
    const asked = { ...rest, adversaries: kept, expect: { ...expected, marks: [] } };
    const result = simulate(asked, runOptionsOf(asked, SYSTEM));
    expect(result.violation).toBeUndefined();
    expect(result.outcome).toBe("ok");
    return result.marks;
  };

  it("is the only one that is slashed, and nobody is where there is none", () => {
    const name = "forged-labels-cost-the-stake";
    expect(run(name, true).get("validator slashed for a false commitment")).toBe(1);
    const honest = run(name, false);
    expect(honest.has("validator slashed for a false commitment")).toBe(false);
    expect(honest.get("powers compared")).toBeGreaterThan(0);
  }, 300_000);
});
