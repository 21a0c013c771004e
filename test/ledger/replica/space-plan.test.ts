/** What a validator says of its sectors next: which task comes first, when none is due, and where limits cut it. */
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import {
  proverAt,
  sectorAt,
  sectorCommitted,
  sectorDropped,
  sectorProven,
  windowProven,
} from "../../../src/ledger/projections/space/index.ts";
import {
  type LocalSector,
  nextTask,
  type SpaceTask,
  type SpaceView,
  taskKey,
} from "../../../src/ledger/replica/space-plan.ts";
import type { EncodedEvent, Hash } from "../../../src/ledger/types.ts";
import { LIMITS } from "../../../src/limits.ts";
import type { MemorySector } from "../../proofs/space/support.ts";
import { idOf } from "../execution-support.ts";
import {
  admissionPart,
  beaconOf,
  EPOCH_MS,
  genesisSector,
  laterSector,
  PARAMETERS,
  SpaceChain,
  windowOpenings,
} from "../projections/space-chain.ts";

const V0 = idOf("v0");
const V1 = idOf("v1");
const own = genesisSector(V0);
const later = laterSector(V0, 7, 96);

const localOf = ({ statement }: MemorySector, hasLayers = true): LocalSector => ({
  statement,
  hasLayers,
});

/** The state that the next event of v0 is written on: that after the height before the chain's. */
const viewOf = (chain: SpaceChain, changes: Partial<SpaceView> = {}): SpaceView => {
  const startMs = chain.genesis.timeMs + chain.epoch * EPOCH_MS;
  const height = chain.height - 1;
  return {
    ...{ parameters: PARAMETERS, self: V0, prover: proverAt(chain.read, V0), height },
    sector: (number) => sectorAt(chain.read, V0, number),
    timeMs: startMs + chain.sinceMs,
    epoch: {
      ...{ number: chain.epoch, firstHeight: chain.firstHeight, startMs },
      seed: beaconOf(chain.hasher, Math.max(0, chain.firstHeight - 16)),
    },
    beaconAt: (asked) => (asked <= height ? beaconOf(chain.hasher, asked) : undefined),
    ...changes,
  };
};

const planned = (
  chain: SpaceChain,
  local: readonly LocalSector[],
  isOpen: (task: SpaceTask) => boolean = () => true,
  changes: Partial<SpaceView> = {},
): SpaceTask | undefined => {
  const heightOf = (beacon: Hash): number | undefined =>
    Array.from({ length: 30 }, (_, i) => 16 * i).find(
      (height) => toHex(beaconOf(chain.hasher, height)) === toHex(beacon),
    );
  return nextTask(chain.hasher, viewOf(chain, changes), local, heightOf, isOpen);
};

const keyOf = (task: SpaceTask | undefined): string | undefined => task && taskKey(task);

/** The event that answers a task, as the keeper makes it. */
const eventOf = (task: SpaceTask, sector: MemorySector, seed: Hash): EncodedEvent => {
  if (task.kind === "commit") {
    const { sectorNo: number, commC, commRl } = task.sector;
    const { beaconHeight } = task;
    return sectorCommitted.encode({ number, beaconHeight, commC, commRl });
  }
  const { from } = task;
  if (task.kind === "window") {
    return windowProven.encode({
      epoch: task.epoch,
      from,
      openings: windowOpenings([sector], seed),
    });
  }
  const openings = admissionPart(sector, seed, from, from + task.nodes.length);
  return sectorProven.encode({ number: task.sector.sectorNo, from, openings });
};

/** A later sector of the first validator, whose commitment the chain has taken. */
const committed = (chain: SpaceChain, number: number) => {
  const sector = laterSector(V0, number, 80);
  const { commC, commRl } = sector.statement;
  const event = sectorCommitted.encode({ number, beaconHeight: 80, commC, commRl });
  expect(chain.write(V0, event)).toBe("accepted");
  return sector;
};

describe("the plan of a validator's sectors", () => {
  it("leads a new sector from its commitment to the answers of epochs, each accepted", () => {
    const chain = new SpaceChain();
    const local = [localOf(later)];
    chain.at(1, 0);
    const seen: (string | undefined)[] = [];
    const step = (): void => {
      const task = planned(chain, local);
      seen.push(keyOf(task));
      if (task === undefined) return;
      const seed =
        task.kind === "window"
          ? beaconOf(chain.hasher, chain.firstHeight)
          : beaconOf(chain.hasher, 101 + LIMITS.spaceAdmissionDelay);
      expect(chain.write(V0, eventOf(task, later, seed))).toBe("accepted");
    };
    step();
    step();
    chain.at(1, LIMITS.spaceAdmissionDelay);
    step();
    chain.at(1, LIMITS.spaceAdmissionDelay + 1);
    for (let i = 0; i < 3; i++) step();
    chain.at(2, 0);
    step();
    chain.at(2, 1);
    for (let i = 0; i < 2; i++) step();
    expect(seen).toEqual([
      "commit 7",
      // The seed is drawn ten heights later.
      ...[undefined, undefined],
      ...["admission 7 0", "admission 7 8", undefined],
      // The epoch's first block draws what it asks for.
      undefined,
      ...["window 2 0", undefined],
    ]);
  });

  it("answers the epoch before it admits, and admits before it commits", () => {
    const chain = new SpaceChain(undefined, [own]);
    const local = [localOf(later), localOf(own)];
    chain.at(1, 2);
    const done = new Set<string>();
    const next = (): string | undefined => {
      const key = keyOf(planned(chain, local, (task) => !done.has(taskKey(task))));
      if (key !== undefined) done.add(key);
      return key;
    };
    expect([next(), next(), next(), next()]).toEqual([
      ...["window 1 0", "admission 0 0", "commit 7", undefined],
    ]);
  });

  it("answers no epoch after the last moment, nor epoch 0, nor twice", () => {
    const chain = new SpaceChain(undefined, [own]);
    chain.at(0, 2);
    expect(keyOf(planned(chain, []))).toBeUndefined();
    chain.at(1, 2, PARAMETERS.responseMs - 1);
    expect(keyOf(planned(chain, []))).toBe("window 1 0");
    chain.at(1, 2, PARAMETERS.responseMs);
    expect(keyOf(planned(chain, []))).toBeUndefined();
    chain.at(1, 2);
    const openings = windowOpenings([own], beaconOf(chain.hasher, chain.firstHeight));
    expect(chain.write(V0, windowProven.encode({ epoch: 1, from: 0, openings }))).toBe("accepted");
    expect(keyOf(planned(chain, []))).toBeUndefined();
  });

  it("asks for as many openings as an event holds, and for the rest in the next one", () => {
    const chain = new SpaceChain(undefined, [own]);
    chain.at(1, 2);
    const parameters = { ...PARAMETERS, lgNodes: 30, epochOpenings: 200 };
    const first = planned(chain, [], undefined, { parameters });
    const bytes = first?.kind === "window" ? first.challenges.length * 32 * 31 : 0;
    expect(bytes).toBeLessThanOrEqual(LIMITS.spacePartBytesMax);
    expect(bytes + 32 * 31).toBeGreaterThan(LIMITS.spacePartBytesMax);
    const small = planned(chain, [], undefined, {
      parameters: { ...PARAMETERS, epochOpenings: 200 },
    });
    expect(small?.kind === "window" && small.challenges.length).toBe(LIMITS.spacePartOpeningsMax);
  });

  it("says nothing of others' sectors, of other shapes, or of what has no layers or no beacon", () => {
    const chain = new SpaceChain();
    chain.at(1, 2);
    const { statement } = later;
    const local: LocalSector[] = [
      { statement: { ...statement, validatorId: V1 }, hasLayers: true },
      { statement: { ...statement, lgNodes: 9 }, hasLayers: true },
      { statement: { ...statement, layers: 4 }, hasLayers: true },
      { statement: { ...statement, beacon: V1 }, hasLayers: true },
      localOf(later, false),
    ];
    expect(planned(chain, local)).toBeUndefined();
    expect(keyOf(planned(chain, [...local, localOf(later)]))).toBe("commit 7");
  });

  it("says nothing of a sector whose number the chain has given to another, or will not give again", () => {
    const chain = new SpaceChain();
    chain.at(1, 2);
    const other = committed(chain, 7);
    chain.at(1, 30);
    expect(planned(chain, [localOf(later)])).toBeUndefined();
    expect(keyOf(planned(chain, [localOf(other)]))).toBe("admission 7 0");
    // It lapses: its number is used up, and a lower one with it.
    chain.at(3, 2);
    const lower = laterSector(V0, 6, 96);
    const higher = laterSector(V0, 8, 96);
    expect(planned(chain, [localOf(later), localOf(other), localOf(lower)])).toBeUndefined();
    expect(keyOf(planned(chain, [localOf(later), localOf(higher)]))).toBe("commit 8");
  });

  it("proves no sector on that was given back before it was admitted", () => {
    const chain = new SpaceChain();
    chain.at(1, 2);
    const sector = committed(chain, 7);
    chain.at(2, 30);
    expect(keyOf(planned(chain, [localOf(sector)]))).toBe("admission 7 0");
    expect(chain.write(V0, sectorDropped.encode({ number: 7 }))).toBe("accepted");
    expect(planned(chain, [localOf(sector)])).toBeUndefined();
  });

  it("commits to no more than a validator may have", () => {
    const chain = new SpaceChain();
    chain.at(1, 2);
    for (let number = 100; number < 100 + LIMITS.spaceValidatorSectorsMax; number++) {
      const event = sectorCommitted.encode({ number, beaconHeight: 96, commC: V0, commRl: V1 });
      expect(chain.write(V0, event)).toBe("accepted");
    }
    expect(planned(chain, [localOf(later)])).toBeUndefined();
  });
});
