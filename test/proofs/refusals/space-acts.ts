/** Forgeries of space: on batches, in blocks, and by validators about their sectors. */
import { expect } from "vitest";
import {
  sectorCommitted,
  sectorProven,
  sectorUnitsAt,
  windowProven,
} from "../../../src/ledger/projections/space/index.ts";
import { hostOpeningTask } from "../../../src/ledger/space-openings.ts";
import type { ProofSlot } from "../../../src/ledger/types.ts";
import { LIMITS } from "../../../src/limits.ts";
import { hasher, idOf } from "../../ledger/execution-support.ts";
import {
  admissionPart,
  genesisSector,
  PARAMETERS,
  windowOpenings,
} from "../../ledger/projections/space-chain.ts";
import { type MemorySector, memorySector } from "../space/support.ts";
import { type Act, bent, both, flipped, NOTHING, type Seen } from "./act.ts";
import { OTHER_CHAIN, putEvent, SECTORS, World } from "./world.ts";

const V0 = idOf("v0");
const V1 = idOf("v1");
const [OWN, SECOND] = SECTORS["v0"] as [MemorySector, MemorySector];
const [OTHERS] = SECTORS["v1"] as [MemorySector];
const FOREIGN = genesisSector(V0, 0, OTHER_CHAIN);

const slotWith = (slot: ProofSlot | undefined, change: (bytes: Uint8Array) => Uint8Array) => {
  if (slot === undefined) throw new Error("no slot");
  return { ...slot, bytes: change(slot.bytes) };
};

/** The host that a slot names is another one. */
const saidToBe = (id: Uint8Array) => (bytes: Uint8Array) =>
  Uint8Array.from([...id, ...bytes.subarray(32)]);

const onEvents: Readonly<Record<string, Act>> = {
  "space/event/missing": () => {
    const world = new World();
    const { space: _, ...bare } = world.parts("clerk");
    return both(world, world.sealed({ ...bare, space: undefined }), "v2");
  },
  "space/event/missing/shape": () =>
    bent(new World(), ({ space }) => ({ space: slotWith(space, (bytes) => bytes.slice(1)) })),
  "space/event/stale": () => {
    const world = new World();
    return bent(world, ({ input }) => ({
      space: world.space(input, { input: { refHeight: 16 }, beacon: world.beaconAt(16) }),
    }));
  },
  "space/event/stale/sector": () => {
    const world = new World();
    const others = world.parts("clerk");
    const space = world.space(others.input, { sector: OTHERS });
    expect(both(world, world.sealed({ ...others, space })).vote).toBe("valid");
    admit(world, OWN, world.beaconAt(0), 0);
    world.nextEpoch();
    world.nextEpoch();
    world.pass(1);
    expect(both(world, world.sealed(others)).vote).toBe("valid");
    return both(world, world.sealed({ ...others, space }));
  },
  "space/event/forged": () =>
    bent(new World(), ({ space }) => ({ space: slotWith(space, (bytes) => flipped(bytes, 50)) })),
  "space/event/replayed": () => {
    const world = new World();
    return bent(world, ({ input }) => ({ space: world.space(input, { from: FOREIGN }) }));
  },
  "space/event/borrowed": () =>
    bent(new World(), ({ space }) => ({ space: slotWith(space, saidToBe(V1)) })),
  "space/event/borrowed/nobody": () =>
    bent(new World(), ({ space }) => ({ space: slotWith(space, saidToBe(idOf("v2"))) })),
  "space/event/precomputed": () => {
    const world = new World();
    return bent(world, ({ input }) => ({ space: world.space(input, { beacon: V1 }) }));
  },
  "space/event/ground": () => {
    const world = new World();
    return bent(world, ({ input }) => ({ space: world.space(input, { input: { laneSeq: 2 } }) }));
  },
  "space/event/ground/content": () => {
    const world = new World();
    const nodes = ["a", "b", "c"].map((key) => {
      const input = world.core("clerk", { events: [putEvent(key)] });
      const seed = world.beaconAt(input.refHeight);
      return hostOpeningTask(hasher, world.facts, OWN.statement, input, seed).challenges;
    });
    expect(nodes[1]).toEqual(nodes[0]);
    expect(nodes[2]).toEqual(nodes[0]);
    // What is left: a host's sectors, and the references that are not expired.
    const right = world.parts("clerk");
    const second = world.space(right.input, { sector: SECOND });
    expect(world.vote([world.sealed({ ...right, space: second })])).toBe("valid");
    expect(world.vote([world.sealed(world.parts("clerk", { refHeight: 16 }))])).toBe("valid");
    return NOTHING;
  },
};

/** A sector that v0 begins from the beacon of a grid height. */
const later = (
  world: World,
  beaconHeight = 32,
  change?: Parameters<typeof memorySector>[2],
  sectorNo = 7,
) =>
  memorySector(
    hasher.chainId,
    {
      ...{ validatorId: V0, sectorNo, lgNodes: PARAMETERS.lgNodes, layers: PARAMETERS.layers },
      beacon: world.beaconAt(beaconHeight),
    },
    change,
  );

const commit = (
  world: World,
  { statement }: MemorySector,
  by = "v0",
  beaconHeight = 32,
): string => {
  const { sectorNo: number, commC, commRl } = statement;
  return world.write(by, sectorCommitted.encode({ number, beaconHeight, commC, commRl }));
};

/** Commits, and waits until the seed is drawn. */
const committed = (world: World, sector: MemorySector, by = "v0"): Uint8Array => {
  expect(commit(world, sector, by)).toBe("accepted");
  const at = world.height;
  world.pass(LIMITS.spaceAdmissionDelay);
  return world.beaconAt(at + LIMITS.spaceAdmissionDelay);
};

const prove = (world: World, openings: Uint8Array, by = "v0", from = 0, number = 7): string =>
  world.write(by, sectorProven.encode({ number, from, openings }));

/** All of an admission. */
const admit = (
  world: World,
  sector: MemorySector,
  seed: Uint8Array,
  number = 7,
  by = "v0",
): void => {
  for (const [from, to] of [
    [0, 8],
    [8, 12],
  ] as const) {
    expect(prove(world, admissionPart(sector, seed, from, to), by, from, number)).toBe("accepted");
  }
};

const execution = (code: string): Seen => ({ execution: code });

/** A world in the first blocks of epoch 1, whose first block is final. */
const inEpoch = (): World => {
  const world = new World();
  world.nextEpoch();
  world.pass(1);
  return world;
};

const seedOf = (world: World): Uint8Array => world.beaconAt(world.epoch.firstHeight);

const answer = (world: World, openings: Uint8Array, by = "v0"): string =>
  world.write(by, windowProven.encode({ epoch: world.epoch.number, from: 0, openings }));

const windowOf = (world: World, sectors = [OWN, SECOND], seed = seedOf(world)): Uint8Array =>
  windowOpenings(sectors, seed);

const admissions: Readonly<Record<string, Act>> = {
  "space/validator/missing/power": () => {
    const world = new World();
    for (let epochs = 0; epochs < 2; epochs++) world.nextEpoch();
    for (const epoch of [2, 3]) expect(sectorUnitsAt(world.store.read, V0, epoch)).toBe(0n);
    return NOTHING;
  },
  "space/validator/missing/admission": () => {
    const world = new World();
    committed(world, later(world));
    return execution(prove(world, new Uint8Array(0)));
  },
  "space/validator/stale/admission": () => {
    const world = new World();
    const sector = later(world);
    const seed = committed(world, sector);
    world.nextEpoch();
    world.nextEpoch();
    return execution(prove(world, admissionPart(sector, seed, 0, 8)));
  },
  "space/validator/forged/admission": () => {
    const world = new World();
    const fake = later(world, 32, (labels) => {
      for (const layer of labels) layer.fill(5);
    });
    return execution(prove(world, admissionPart(fake, committed(world, fake), 0, 8)));
  },
  "space/validator/forged/admission-bytes": () => {
    const world = new World();
    const sector = later(world);
    const seed = committed(world, sector);
    return execution(prove(world, flipped(admissionPart(sector, seed, 0, 8), 40)));
  },
  "space/validator/replayed/admission": () => {
    const world = new World();
    const foreign = memorySector(OTHER_CHAIN, later(world).statement);
    return execution(prove(world, admissionPart(foreign, committed(world, foreign), 0, 8)));
  },
  "space/validator/borrowed/admission": () => {
    const world = new World();
    const sector = later(world);
    const seed = committed(world, sector, "v1");
    const asOwn = { ...sector, statement: { ...sector.statement, validatorId: V1 } };
    return execution(prove(world, admissionPart(asOwn, seed, 0, 8), "v1"));
  },
  "space/validator/precomputed/beacon": () => {
    const world = new World();
    return execution(commit(world, later(world), "v0", 64));
  },
  "space/validator/precomputed/admission": () => {
    const world = new World();
    const sector = later(world);
    expect(commit(world, sector)).toBe("accepted");
    world.pass(LIMITS.spaceAdmissionDelay - 1);
    return execution(prove(world, admissionPart(sector, V1, 0, 8)));
  },
  "space/validator/precomputed/begun": () => {
    const world = new World();
    const early = later(world, 16);
    const seed = committed(world, early);
    const claimed = { ...early, statement: { ...early.statement, beacon: world.beaconAt(32) } };
    return execution(prove(world, admissionPart(claimed, seed, 0, 8)));
  },
  "space/validator/ground/admission": () => {
    const world = new World();
    const sector = later(world);
    committed(world, sector);
    return execution(commit(world, sector));
  },
  "space/validator/ground/again": () => {
    const world = new World();
    const sector = later(world);
    committed(world, sector);
    // Not proven: it leaves the list after the next epoch.
    world.nextEpoch();
    expect(commit(world, sector)).toBe("space.sector-known");
    world.nextEpoch();
    expect(commit(world, sector)).toBe("space.sector-known");
    // What is over leaves the list when something else is written of the validator.
    expect(commit(world, later(world, 16, undefined, 8), "v0", 16)).toBe("accepted");
    return execution(commit(world, sector));
  },
};

const windows: Readonly<Record<string, Act>> = {
  "space/validator/missing/epoch": () => execution(answer(inEpoch(), new Uint8Array(0))),
  "space/validator/stale/epoch": () => {
    const world = inEpoch();
    world.pass(Math.ceil(PARAMETERS.responseMs / 250));
    return execution(answer(world, windowOf(world)));
  },
  "space/validator/stale/seed": () => {
    const world = inEpoch();
    return execution(answer(world, windowOf(world, undefined, world.beaconAt(1))));
  },
  "space/validator/forged/epoch": () => {
    const world = inEpoch();
    expect(answer(inEpoch(), windowOf(world))).toBe("accepted");
    return execution(answer(world, flipped(windowOf(world), 0)));
  },
  "space/validator/replayed/epoch": () => {
    const world = inEpoch();
    return execution(answer(world, windowOf(world, [FOREIGN, genesisSector(V0, 4, OTHER_CHAIN)])));
  },
  "space/validator/borrowed/epoch": () => {
    const world = inEpoch();
    return execution(answer(world, windowOf(world, [OWN]), "v1"));
  },
  "space/validator/borrowed/nobody": () => {
    const world = inEpoch();
    return execution(answer(world, windowOf(world), "v2"));
  },
  "space/validator/precomputed/epoch": () => {
    const world = new World();
    world.nextEpoch();
    return execution(answer(world, windowOf(world, undefined, V1)));
  },
};

const vote = (world: World, openings: (right: Uint8Array) => Uint8Array, proposer = "v0"): Seen => {
  const { openings: right } = world.due(proposer);
  expect(world.vote([], proposer)).toBe("valid");
  return { vote: world.vote([], proposer, { openings: openings(right) }) };
};

const blocks: Readonly<Record<string, Act>> = {
  "space/validator/missing/block": () => vote(new World(), () => new Uint8Array(0)),
  "space/validator/stale/block": () => {
    const world = new World();
    const { openings } = world.due("v0");
    world.pass(1);
    return vote(world, () => openings);
  },
  "space/validator/forged/block": () => vote(new World(), (right) => flipped(right, 9)),
  "space/validator/replayed/block": () => {
    const world = new World();
    return vote(world, (right) => {
      const foreign = genesisSector(V0, 4, OTHER_CHAIN);
      const fake = world.openedFrom("v0", [FOREIGN, foreign]);
      expect(fake.length).toBe(right.length);
      return fake;
    });
  },
  "space/validator/borrowed/block": () => {
    const world = new World();
    const { openings } = world.due("v0");
    return vote(world, () => openings, "v1");
  },
  "space/validator/borrowed/block-nobody": () => {
    const world = new World();
    const { openings } = world.due("v0");
    return vote(world, () => openings, "v2");
  },
  "space/validator/ground/block": () => {
    const world = new World();
    const before = world.due("v0").openings;
    // What is in the block, and whether one is proposed again, asks for no other nodes.
    expect(world.vote([world.sealed(world.parts("clerk"))], "v0", { openings: before })).toBe(
      "valid",
    );
    expect(world.vote([], "v0", { openings: before })).toBe("valid");
    return NOTHING;
  },
};

export const SPACE_ACTS: Readonly<Record<string, Act>> = {
  ...onEvents,
  ...admissions,
  ...windows,
  ...blocks,
};
