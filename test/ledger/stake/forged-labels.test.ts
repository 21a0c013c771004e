/** Sectors of made-up labels: whose stake they cost, and what is no more than a damaged sector. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { genesisHash } from "../../../src/ledger/genesis.ts";
import { NO_PROOFS } from "../../../src/ledger/genesis-proofs.ts";
import { forgedKey } from "../../../src/ledger/projections/forgeries.ts";
import {
  genesisSectorBeacon,
  sectorCommitted,
  sectorProven,
  space,
} from "../../../src/ledger/projections/space/index.ts";
import { standingAt, sumOf } from "../../../src/ledger/projections/stake/rows.ts";
import { readRow } from "../../../src/ledger/row.ts";
import { LIMITS } from "../../../src/limits.ts";
import { boundaryOf, projectionsOf } from "../../../src/node/product.ts";
import { admissionBytes } from "../../../src/proofs/space/parameters.ts";
import type { StakeParameters } from "../../../src/proofs/stake/parameters.ts";
import { type MemorySector, memorySector } from "../../proofs/space/support.ts";
import {
  hasher,
  idOf,
  genesis as plain,
  runnerOptions,
  type TestBatch,
} from "../execution-support.ts";
import { asking, ClaimChain } from "../projections/claims-support.ts";
import { admissionPart, genesisSector, PARAMETERS as SPACE } from "../projections/space-chain.ts";
import { PARAMETERS } from "./support.ts";

const source = (by: string) => ({
  ...{ validatorId: idOf(by), sectorNo: 0, lgNodes: SPACE.lgNodes, layers: SPACE.layers },
  beacon: genesisSectorBeacon(hasher, plain.timeMs),
});

/** Every label of the first layer is changed, and what stands above it stays. */
const falsify = ([first]: readonly Uint8Array[]): void => {
  for (let at = 0; first !== undefined && at < first.length; at += 32) {
    first[at] = (first[at] ?? 0) ^ 1;
  }
};

const FALSE = memorySector("execution-test-1", source("v1"), falsify);
const RIGHT = genesisSector(idOf("v2"));

const chainWith = (changes: Partial<StakeParameters>) => {
  const stake = { ...PARAMETERS, votedBpsMin: 0n, ...changes };
  const proofs = { ...NO_PROOFS, beacon: { depth: 4 }, space: SPACE, stake };
  const bare = asking(proofs);
  const sectorsOf = (id: Uint8Array) =>
    [FALSE, RIGHT]
      .map(({ statement }) => statement)
      .filter(({ validatorId }) => toHex(validatorId) === toHex(id))
      .map(({ commC, commRl }) => ({ number: 0, commC, commRl }));
  return {
    ...bare,
    validators: bare.validators.map((one) => ({ ...one, weight: 100n })),
    provers: bare.provers.map((one, i) => ({
      ...one,
      sectors: sectorsOf(bare.validators[i]?.id ?? new Uint8Array(32)),
    })),
  };
};

/** v0 to v3, of 100 each: v1 begins with a sector of made-up labels, v2 with a right one, the others with none. */
class SpaceForgeChain extends ClaimChain {
  readonly seed: Uint8Array;

  constructor(changes: Partial<StakeParameters> = {}) {
    const from = chainWith(changes);
    const options = runnerOptions(projectionsOf(from), from.proofs);
    super(from.proofs, from, { ...options, boundary: boundaryOf(hasher, from) });
    this.seed = hasher.ht("beacon/0", genesisHash(hasher, from));
  }

  override input(batches: readonly TestBatch[], height = this.height + 1) {
    const input = super.input(batches, height);
    return { ...input, header: { ...input.header, view: height, parentView: height - 1 } };
  }

  show(by: string, openings: Uint8Array, from = 0, number = 0): string {
    return this.write(by, sectorProven.encode({ number, from, openings }));
  }

  isNoted(by: string): boolean {
    return readRow(this.store.read, "space", forgedKey(idOf(by))) !== undefined;
  }

  standing(by: string) {
    return standingAt(this.store.read, idOf(by));
  }
}

const part = (sector: MemorySector, seed: Uint8Array, from = 0, to = 8): Uint8Array =>
  admissionPart(sector, seed, from, to);

const WHOLE = { tombstoned: false, slashedBps: 0 };

describe("a sector whose labels its author has shown to be made up", () => {
  it("costs everything, and ends the validator when the epoch is over", () => {
    const chain = new SpaceForgeChain();
    expect(chain.show("v1", part(FALSE, chain.seed))).toBe("space.proof-label");
    expect(chain.standing("v1")).toMatchObject(WHOLE);
    chain.nextEpoch();
    expect(chain.standing("v1")).toMatchObject({ tombstoned: true, slashedBps: 10_000, bonds: [] });
    for (const other of ["v0", "v2", "v3"]) expect(chain.standing(other)).toMatchObject(WHOLE);
  });

  it.each([1n, 2_500n, 9_999n])("costs the %i of 10,000 that the chain says, once", (bps) => {
    const chain = new SpaceForgeChain({ forgeryBps: bps });
    for (let tries = 0; tries < 2; tries++) {
      expect(chain.show("v1", part(FALSE, chain.seed))).toBe("space.proof-label");
      chain.nextEpoch();
    }
    const standing = chain.standing("v1");
    expect(standing).toMatchObject({ tombstoned: true, slashedBps: Number(bps), faultEpochs: [] });
    // A part is rounded up.
    const taken = (100n * bps + 9_999n) / 10_000n;
    expect(sumOf(standing?.bonds ?? [])).toBe(100n - taken);
  });

  it("costs nothing where the chain takes nothing for it", () => {
    const chain = new SpaceForgeChain({ forgeryBps: 0n });
    expect(chain.show("v1", part(FALSE, chain.seed))).toBe("space.proof-label");
    chain.nextEpoch();
    expect(chain.standing("v1")).toMatchObject(WHOLE);
    expect(chain.isNoted("v1")).toBe(false);
  });

  it("is what a sector is too that somebody else has sealed", () => {
    const chain = new SpaceForgeChain();
    chain.pass(1);
    const { commC, commRl } = RIGHT.statement;
    const beaconHeight = 0;
    const committed = sectorCommitted.encode({ number: 0, beaconHeight, commC, commRl });
    expect(chain.write("v3", committed)).toBe("accepted");
    const at = chain.height;
    chain.pass(LIMITS.spaceAdmissionDelay);
    const seed = chain.beaconAt(at + LIMITS.spaceAdmissionDelay);
    const statement = { ...RIGHT.statement, validatorId: idOf("v3"), beacon: chain.beaconAt(0) };
    expect(chain.show("v3", part({ ...RIGHT, statement }, seed))).toBe("space.proof-label");
    chain.nextEpoch();
    expect(chain.standing("v3")).toMatchObject({ tombstoned: true });
    expect(chain.standing("v2")).toMatchObject(WHOLE);
  });

  it("is in a row that can be shown", () => {
    const chain = new SpaceForgeChain();
    chain.show("v1", part(FALSE, chain.seed));
    const key = forgedKey(idOf("v1"));
    const row = readRow(chain.store.read, "space", key)?.value ?? key;
    expect(space.format?.(key, row)).toEqual({ validator: toHex(idOf("v1")), forgedInEpoch: 0 });
  });
});

describe("who has sealed its sector", () => {
  it("is never slashed for it, whatever it hands in", () => {
    const chain = new SpaceForgeChain();
    const right = part(RIGHT, chain.seed);
    const size = admissionBytes(SPACE.lgNodes, SPACE.layers, 1);
    fc.assert(
      fc.property(
        fc.nat(right.length - 1),
        fc.integer({ min: 1, max: 255 }),
        fc.integer({ min: 1, max: 8 }),
        (at, bits, count) => {
          const bent = right.slice(0, count * size);
          const place = at % bent.length;
          bent[place] = (bent[place] ?? 0) ^ bits;
          expect(chain.show("v2", bent)).toBe("space.proof-path");
          expect(chain.isNoted("v2")).toBe(false);
        },
      ),
      { numRuns: 40 },
    );
    // Of another seed, of another's sector, of one that is lost.
    for (const openings of [
      part(RIGHT, new Uint8Array(32)),
      part(FALSE, chain.seed),
      new Uint8Array(8 * size),
    ]) {
      expect(chain.show("v2", openings)).toBe("space.proof-path");
    }
    expect(chain.show("v2", right)).toBe("accepted");
    expect(chain.show("v2", part(RIGHT, chain.seed, 8, 12), 8)).toBe("accepted");
    for (let left = 3; left > 0; left--) chain.nextEpoch();
    expect(chain.standing("v2")).toMatchObject(WHOLE);
    expect(sumOf(chain.standing("v2")?.bonds ?? [])).toBe(100n);
  });
});

describe("a forger whose proof is damaged as well", () => {
  it("is not caught by that proof: its path shows nothing", () => {
    const chain = new SpaceForgeChain();
    const bent = part(FALSE, chain.seed, 0, 1);
    bent[0] = (bent[0] ?? 0) ^ 1;
    expect(chain.show("v1", bent)).toBe("space.proof-path");
    chain.nextEpoch();
    expect(chain.standing("v1")).toMatchObject(WHOLE);
  });
});
