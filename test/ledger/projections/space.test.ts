import { describe, expect, it } from "vitest";
import { genesisHash } from "../../../src/ledger/genesis.ts";
import {
  epochSectors,
  proverAt,
  sectorAt,
  sectorCommitted,
  sectorDropped,
  sectorProven,
  sectorUnitsAt,
  windowProven,
} from "../../../src/ledger/projections/space/index.ts";
import type { Hash } from "../../../src/ledger/types.ts";
import { LIMITS } from "../../../src/limits.ts";
import { openingBytes } from "../../../src/proofs/space/parameters.ts";
import type { MemorySector } from "../../proofs/space/support.ts";
import { idOf } from "../execution-support.ts";
import {
  admissionPart,
  beaconOf,
  genesisSector,
  laterSector,
  PARAMETERS,
  SpaceChain,
  windowOpenings,
} from "./space-chain.ts";

const V0 = idOf("v0");
const V1 = idOf("v1");

const seedOf = (chain: SpaceChain): Hash => chain.hasher.ht("beacon/0", hashOf(chain));
const hashOf = (chain: SpaceChain): Hash => genesisHash(chain.hasher, chain.genesis);

const admit = (chain: SpaceChain, sector: MemorySector, seed: Hash): string[] => {
  const { sectorNo, validatorId } = sector.statement;
  return [0, 8].map((from) => {
    const openings = admissionPart(sector, seed, from, Math.min(from + 8, 12));
    return chain.write(validatorId, sectorProven.encode({ number: sectorNo, from, openings }));
  });
};

const answer = (chain: SpaceChain, sectors: readonly MemorySector[], actor = V0): string => {
  const seed = beaconOf(chain.hasher, chain.firstHeight);
  const openings = windowOpenings(sectors, seed);
  return chain.write(actor, windowProven.encode({ epoch: chain.epoch, from: 0, openings }));
};

const units = (chain: SpaceChain, epoch: number, id = V0): number =>
  Number(sectorUnitsAt(chain.read, id, epoch));

const commit = (chain: SpaceChain, { statement }: MemorySector, beaconHeight: number): string => {
  const { sectorNo, commC, commRl, validatorId } = statement;
  const event = sectorCommitted.encode({ number: sectorNo, beaconHeight, commC, commRl });
  return chain.write(validatorId, event);
};

describe("sectors of the genesis", () => {
  const sectors = [genesisSector(V0, 0), genesisSector(V0, 3)];

  it("count from the start, and on where they are admitted and answered", () => {
    const chain = new SpaceChain(undefined, sectors);
    expect(units(chain, 0)).toBe(2);
    expect(units(chain, 0, V1)).toBe(0);
    chain.at(0);
    for (const sector of sectors) {
      expect(admit(chain, sector, seedOf(chain))).toEqual(["accepted", "accepted"]);
    }
    for (const epoch of [1, 2, 3]) {
      chain.at(epoch);
      expect(answer(chain, sectors)).toBe("accepted");
      expect(units(chain, epoch)).toBe(2);
    }
    expect(proverAt(chain.read, V0)).toMatchObject({ provenEpoch: 3, proven: 3, missed: 0 });
    expect(epochSectors(chain.read, PARAMETERS, V0, 3)).toEqual(
      sectors.map((one) => one.statement),
    );
  });

  it("are lost at the end of epoch 1 where they are not admitted", () => {
    const chain = new SpaceChain(undefined, sectors);
    const [first, second] = sectors as [MemorySector, MemorySector];
    chain.at(1);
    expect(answer(chain, sectors)).toBe("accepted");
    expect(units(chain, 1)).toBe(0);
    expect(admit(chain, first, seedOf(chain))).toEqual(["accepted", "accepted"]);
    expect(units(chain, 1)).toBe(1);
    chain.at(2);
    expect(admit(chain, second, seedOf(chain))[0]).toBe("space.sector-unknown");
    expect(answer(chain, sectors)).toBe("space.proof-path");
    expect(answer(chain, [first])).toBe("accepted");
    // Its row goes with the next write.
    expect(sectorAt(chain.read, V0, 3)).toBeUndefined();
  });
});

describe("a sector of the genesis that is given back before it is admitted", () => {
  it.each([0, 1])("in epoch %i stays so, and is asked for until the epoch ends", (epoch) => {
    const sectors = [genesisSector(V0, 0), genesisSector(V0, 3)];
    const [first, second] = sectors as [MemorySector, MemorySector];
    const chain = new SpaceChain(undefined, sectors);
    chain.at(epoch);
    expect(admit(chain, first, seedOf(chain))).toEqual(["accepted", "accepted"]);
    expect(chain.write(V0, sectorDropped.encode({ number: 3 }))).toBe("accepted");
    expect(admit(chain, second, seedOf(chain))[0]).toBe("space.sector-unknown");
    const asked = epochSectors(chain.read, PARAMETERS, V0, epoch);
    expect(asked).toEqual(sectors.map(({ statement }) => statement));
    if (epoch > 0) expect(answer(chain, sectors)).toBe("accepted");
    chain.at(epoch + 1);
    expect(answer(chain, [first])).toBe("accepted");
    expect(units(chain, epoch + 1)).toBe(1);
  });
});

describe("epochs", () => {
  it("one may be missed; after two in a row nothing counts, until one is answered again", () => {
    const sectors = [genesisSector(V0)];
    const chain = new SpaceChain(undefined, sectors);
    chain.at(0);
    for (const sector of sectors) admit(chain, sector, seedOf(chain));
    chain.at(1);
    answer(chain, sectors);
    expect([1, 2, 3, 4].map((epoch) => units(chain, epoch))).toEqual([1, 1, 0, 0]);
    chain.at(4);
    expect(answer(chain, sectors)).toBe("accepted");
    expect(units(chain, 4)).toBe(1);
    expect(proverAt(chain.read, V0)).toMatchObject({ proven: 2, missed: 2 });
  });

  it("are answered in parts, in order, and once", () => {
    const sectors = [genesisSector(V0)];
    const chain = new SpaceChain(undefined, sectors);
    chain.at(1);
    const length = openingBytes(PARAMETERS.lgNodes);
    const all = windowOpenings(sectors, beaconOf(chain.hasher, chain.firstHeight));
    const part = (from: number, to: number): string => {
      const openings = all.subarray(from * length, to * length);
      return chain.write(V0, windowProven.encode({ epoch: 1, from, openings }));
    };
    expect(part(2, 5)).toBe("space.part");
    expect(part(0, 2)).toBe("accepted");
    expect(proverAt(chain.read, V0)).toMatchObject({
      provenEpoch: 0,
      windowEpoch: 1,
      windowDone: 2,
    });
    expect(part(0, 2)).toBe("space.part");
    expect(part(2, 5)).toBe("accepted");
    expect(part(5, 6)).toBe("space.part");
    expect(proverAt(chain.read, V0)).toMatchObject({ provenEpoch: 1, windowDone: 5 });
  });
});

describe("a sector that comes later", () => {
  const sector = laterSector(V0, 7, 96);
  const seed = (chain: SpaceChain): Hash => beaconOf(chain.hasher, 110);

  it("is committed to, admitted, and counts from the next epoch to its end", () => {
    const chain = new SpaceChain();
    chain.at(1, -1);
    expect(commit(chain, sector, 96)).toBe("accepted");
    expect(commit(chain, sector, 96)).toBe("space.sector-known");
    chain.at(1, 9);
    expect(admit(chain, sector, seed(chain))[0]).toBe("space.seed-pending");
    chain.at(1, 20);
    expect(answer(chain, [sector])).toBe("space.sector-unknown");
    expect(admit(chain, sector, seed(chain))).toEqual(["accepted", "accepted"]);
    expect(admit(chain, sector, seed(chain))[0]).toBe("space.part");
    expect(units(chain, 1)).toBe(0);
    chain.at(2);
    expect(answer(chain, [sector])).toBe("accepted");
    expect(units(chain, 2)).toBe(1);
    const last = 1 + LIMITS.spaceSectorEpochsMax;
    chain.at(last);
    expect(answer(chain, [sector])).toBe("accepted");
    expect(units(chain, last - 1)).toBe(1);
    expect(units(chain, last)).toBe(0);
    chain.at(last + 1);
    expect(answer(chain, [sector])).toBe("space.sector-unknown");
  });

  it("may be given back, is asked for until the epoch ends, and its number is not to be had again", () => {
    const chain = new SpaceChain();
    chain.at(1, -1);
    commit(chain, sector, 96);
    chain.at(1, 20);
    admit(chain, sector, seed(chain));
    chain.at(2);
    expect(chain.write(V0, sectorDropped.encode({ number: 7 }))).toBe("accepted");
    expect(answer(chain, [sector])).toBe("accepted");
    expect(units(chain, 2)).toBe(0);
    chain.at(3);
    expect(chain.write(V0, sectorDropped.encode({ number: 7 }))).toBe("space.sector-unknown");
    expect(chain.write(V1, sectorDropped.encode({ number: 7 }))).toBe("space.sector-unknown");
    for (const beaconHeight of [96, 192]) {
      expect(commit(chain, sector, beaconHeight)).toBe("space.sector-known");
    }
    const next = laterSector(V0, 8, 192);
    expect(commit(chain, next, 192)).toBe("accepted");
    expect(commit(chain, sector, 96)).toBe("space.sector-known");
  });

  it.each([
    ["in the epoch of its commitment", 1],
    ["in the one after", 2],
  ])("stays given back where its admission is not over: %s", (_, epoch) => {
    const chain = new SpaceChain();
    chain.at(1, -1);
    commit(chain, sector, 96);
    chain.at(1, 20);
    const openings = admissionPart(sector, seed(chain), 0, 8);
    expect(chain.write(V0, sectorProven.encode({ number: 7, from: 0, openings }))).toBe("accepted");
    chain.at(epoch, 20);
    expect(chain.write(V0, sectorDropped.encode({ number: 7 }))).toBe("accepted");
    expect(chain.write(V0, sectorDropped.encode({ number: 7 }))).toBe("space.sector-unknown");
    const last = admissionPart(sector, seed(chain), 8, 12);
    const part = sectorProven.encode({ number: 7, from: 8, openings: last });
    expect(chain.write(V0, part)).toBe("space.sector-unknown");
    expect(answer(chain, [sector])).toBe("space.sector-unknown");
    expect(units(chain, epoch)).toBe(0);
    chain.at(epoch + 1);
    expect(answer(chain, [sector])).toBe("space.sector-unknown");
    expect(commit(chain, sector, 96)).toBe("space.sector-known");
  });

  it("one validator has at most 64, and commits to at most 64 in an epoch", () => {
    const chain = new SpaceChain();
    chain.at(1);
    const one = (number: number): string =>
      chain.write(V0, sectorCommitted.encode({ number, beaconHeight: 96, commC: V0, commRl: V1 }));
    for (let i = 0; i < LIMITS.spaceValidatorSectorsMax; i++) expect(one(i)).toBe("accepted");
    expect(one(64)).toBe("space.sectors-full");
    // What nobody admitted is over after the next epoch, and its number is used up for good.
    chain.at(2);
    expect(one(64)).toBe("space.sectors-full");
    chain.at(3);
    expect(one(63)).toBe("space.sector-known");
    expect(one(64)).toBe("accepted");
    for (const number of [0, 31, 32, 63, 64]) expect(one(number)).toBe("space.sector-known");
    expect(one(Number.MAX_SAFE_INTEGER)).toBe("accepted");
    chain.at(6);
    for (const number of [65, Number.MAX_SAFE_INTEGER])
      expect(one(number)).toBe("space.sector-known");
  });
});
