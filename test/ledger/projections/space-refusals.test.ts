/** What is refused of a proof of space, by the way in which it is wrong (docs/proofs.md has the table). */
import { describe, expect, it } from "vitest";
import {
  sectorCommitted,
  sectorProven,
  sectorUnitsAt,
  windowProven,
} from "../../../src/ledger/projections/space/index.ts";
import type { EncodedEvent, Hash } from "../../../src/ledger/types.ts";
import { LIMITS } from "../../../src/limits.ts";
import type { SectorStatement } from "../../../src/proofs/space/statement.ts";
import { type MemorySector, memorySector } from "../../proofs/space/support.ts";
import { idOf } from "../execution-support.ts";
import {
  admissionPart,
  beaconOf,
  CHAIN,
  genesisSector,
  laterSector,
  SpaceChain,
  windowOpenings,
} from "./space-chain.ts";

const V0 = idOf("v0");
const V1 = idOf("v1");
const OTHER_CHAIN = "execution-test-2";

/** v0 and v1 have a sector each; v0's later one, number 7, is committed to in height 101 of epoch 1. */
const own = genesisSector(V0);
const others = genesisSector(V1);
const later = laterSector(V0, 7, 96);

const chainWith = (sector = later, actor = V0): SpaceChain => {
  const chain = new SpaceChain(undefined, [own, others]);
  chain.at(1, 0);
  const { commC, commRl } = sector.statement;
  const event = sectorCommitted.encode({ number: 7, beaconHeight: 96, commC, commRl });
  expect(chain.write(actor, event)).toBe("accepted");
  chain.at(1, 20);
  return chain;
};

const seedOf = (chain: SpaceChain): Hash =>
  beaconOf(chain.hasher, 101 + LIMITS.spaceAdmissionDelay);

const admission = (openings: Uint8Array, from = 0): EncodedEvent =>
  sectorProven.encode({ number: 7, from, openings });

const window = (openings: Uint8Array, epoch = 1): EncodedEvent =>
  windowProven.encode({ epoch, from: 0, openings });

const epochSeed = (chain: SpaceChain): Hash => beaconOf(chain.hasher, chain.firstHeight);

const changed = (bytes: Uint8Array, at: number): Uint8Array => {
  const copy = bytes.slice();
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
};

const as = (sector: MemorySector, statement: Partial<SectorStatement>): MemorySector => ({
  ...sector,
  statement: { ...sector.statement, ...statement },
});

type Row = {
  readonly wrong: string;
  readonly code: string;
  /** What comes of it. */
  readonly tried: () => string;
};

const ADMISSIONS: readonly Row[] = [
  {
    wrong: "missing: no openings",
    code: "space.proof-shape",
    tried: () => chainWith().write(V0, admission(new Uint8Array(0))),
  },
  {
    wrong: "missing: the beginning",
    code: "space.part",
    tried: () => {
      const chain = chainWith();
      return chain.write(V0, admission(admissionPart(later, seedOf(chain), 8, 12), 8));
    },
  },
  {
    wrong: "stale: after the epoch that follows the commitment",
    code: "space.sector-unknown",
    tried: () => {
      const chain = chainWith();
      chain.at(3);
      return chain.write(V0, admission(admissionPart(later, seedOf(chain), 0, 8)));
    },
  },
  {
    wrong: "stale: the seed is out of the chain's memory",
    code: "space.stale",
    tried: () => {
      const chain = chainWith();
      chain.height += LIMITS.beaconHistory;
      return chain.write(V0, admission(admissionPart(later, seedOf(chain), 0, 8)));
    },
  },
  {
    wrong: "forged: a changed label",
    code: "space.proof-path",
    tried: () => {
      const chain = chainWith();
      return chain.write(V0, admission(changed(admissionPart(later, seedOf(chain), 0, 8), 40)));
    },
  },
  {
    wrong: "forged: labels that do not follow from each other",
    code: "space.proof-label",
    tried: () => {
      const fake = memorySector(CHAIN, later.statement, (labels) => {
        for (const layer of labels) layer.fill(5);
      });
      const chain = chainWith(fake);
      return chain.write(V0, admission(admissionPart(fake, seedOf(chain), 0, 8)));
    },
  },
  {
    wrong: "replayed: a sector of another chain",
    code: "space.proof-path",
    tried: () => {
      const foreign = memorySector(OTHER_CHAIN, later.statement);
      const chain = chainWith(foreign);
      return chain.write(V0, admission(admissionPart(foreign, seedOf(chain), 0, 8)));
    },
  },
  {
    wrong: "borrowed: another validator's sector",
    code: "space.proof-label",
    tried: () => {
      const chain = chainWith(later, V1);
      const asOwn = as(later, { validatorId: V1 });
      return chain.write(V1, admission(admissionPart(asOwn, seedOf(chain), 0, 8)));
    },
  },
  {
    wrong: "borrowed: sent by who has not committed to it",
    code: "space.sector-unknown",
    tried: () => {
      const chain = chainWith();
      return chain.write(V1, admission(admissionPart(later, seedOf(chain), 0, 8)));
    },
  },
  {
    wrong: "precomputed: begun before its beacon",
    code: "space.proof-label",
    tried: () => {
      const early = laterSector(V0, 7, 80);
      const chain = chainWith(early);
      const claimed = as(early, { beacon: later.statement.beacon });
      return chain.write(V0, admission(admissionPart(claimed, seedOf(chain), 0, 8)));
    },
  },
  {
    wrong: "precomputed: before the seed is drawn",
    code: "space.seed-pending",
    tried: () => {
      const chain = chainWith();
      chain.at(1, LIMITS.spaceAdmissionDelay);
      return chain.write(V0, admission(admissionPart(later, seedOf(chain), 0, 8)));
    },
  },
  {
    wrong: "precomputed: for a seed of its own",
    code: "space.proof-path",
    tried: () => chainWith().write(V0, admission(admissionPart(later, V0, 0, 8))),
  },
  {
    wrong: "ground: committed to again, for another seed",
    code: "space.sector-known",
    tried: () => {
      const { commC, commRl } = later.statement;
      const event = sectorCommitted.encode({ number: 7, beaconHeight: 96, commC, commRl });
      return chainWith().write(V0, event);
    },
  },
];

const WINDOWS: readonly Row[] = [
  {
    wrong: "missing: no openings",
    code: "space.proof-shape",
    tried: () => chainWith().write(V0, window(new Uint8Array(0))),
  },
  {
    wrong: "stale: after the last moment",
    code: "space.stale",
    tried: () => {
      const chain = chainWith();
      chain.sinceMs = 5_001;
      return chain.write(V0, window(windowOpenings([own], epochSeed(chain))));
    },
  },
  {
    wrong: "stale: of the epoch before",
    code: "space.stale",
    tried: () => {
      const chain = chainWith();
      const before = windowOpenings([own], epochSeed(chain));
      chain.at(2);
      return chain.write(V0, window(before));
    },
  },
  {
    wrong: "stale: those of the epoch before, said to be of this one",
    code: "space.proof-path",
    tried: () => {
      const chain = chainWith();
      const before = windowOpenings([own], beaconOf(chain.hasher, 1));
      return chain.write(V0, window(before));
    },
  },
  {
    wrong: "forged: a changed node",
    code: "space.proof-path",
    tried: () => {
      const chain = chainWith();
      return chain.write(V0, window(changed(windowOpenings([own], epochSeed(chain)), 0)));
    },
  },
  {
    wrong: "replayed: from another chain",
    code: "space.proof-path",
    tried: () => {
      const foreign = genesisSector(V0, 0, OTHER_CHAIN);
      const chain = chainWith();
      return chain.write(V0, window(windowOpenings([foreign], epochSeed(chain))));
    },
  },
  {
    wrong: "borrowed: another validator's answer",
    code: "space.proof-path",
    tried: () => {
      const chain = chainWith();
      return chain.write(V1, window(windowOpenings([own], epochSeed(chain))));
    },
  },
  {
    wrong: "borrowed: who has no sector",
    code: "space.sector-unknown",
    tried: () => {
      const chain = chainWith();
      return chain.write(idOf("v2"), window(windowOpenings([own], epochSeed(chain))));
    },
  },
  {
    wrong: "precomputed: for a seed of its own",
    code: "space.proof-path",
    tried: () => chainWith().write(V0, window(windowOpenings([own], V1))),
  },
  {
    wrong: "precomputed: in the first block of the epoch",
    code: "space.seed-pending",
    tried: () => {
      const chain = chainWith();
      chain.at(1, 0);
      return chain.write(V0, window(windowOpenings([own], epochSeed(chain))));
    },
  },
];

const COMMITMENTS: readonly (readonly [wrong: string, beaconHeight: number, code: string])[] = [
  ["a beacon that is no grid height's", 97, "space.beacon"],
  ["precomputed: a beacon that is not drawn yet", 112, "space.beacon"],
];

describe("an admission", () => {
  it("that is right is taken", () => {
    const chain = chainWith();
    const openings = admissionPart(later, seedOf(chain), 0, 8);
    expect(chain.write(V0, admission(openings))).toBe("accepted");
  });
  it.each(ADMISSIONS)("$wrong: $code", ({ code, tried }) => {
    expect(tried()).toBe(code);
  });
});

describe("the openings of an epoch", () => {
  it("that are right are taken", () => {
    const chain = chainWith();
    expect(chain.write(V0, window(windowOpenings([own], epochSeed(chain))))).toBe("accepted");
  });
  it.each(WINDOWS)("$wrong: $code", ({ code, tried }) => {
    expect(tried()).toBe(code);
  });
  it("that never come leave no units after the second epoch", () => {
    const chain = chainWith();
    for (const epoch of [2, 3]) expect(sectorUnitsAt(chain.read, V1, epoch)).toBe(0n);
  });
});

describe("a commitment", () => {
  it.each(COMMITMENTS)("%s", (_, beaconHeight, code) => {
    const chain = new SpaceChain();
    chain.at(1, 0);
    const event = sectorCommitted.encode({ number: 1, beaconHeight, commC: V0, commRl: V1 });
    expect(chain.write(V0, event)).toBe(code);
  });
});

describe("limits of an event", () => {
  it("stands in the first places of its batch", () => {
    const chain = chainWith();
    const event = window(windowOpenings([own], epochSeed(chain)));
    chain.position = LIMITS.spacePartPositionsMax;
    expect(chain.write(V0, event)).toBe("event.invalid");
    chain.position -= 1;
    expect(chain.write(V0, event)).toBe("accepted");
  });

  it("answers 8 challenges of an admission at most", () => {
    const chain = chainWith();
    const part = (to: number): string =>
      chain.write(V0, admission(admissionPart(later, seedOf(chain), 0, to)));
    expect(LIMITS.spacePartAdmissionsMax).toBe(8);
    expect(part(9)).toBe("space.proof-shape");
    expect(part(8)).toBe("accepted");
  });
});
