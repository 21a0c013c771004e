/** Forgeries of time: references and lanes of batches, times of blocks, and runs of validators. */
import { expect } from "vitest";
import { timeOkAt } from "../../../src/ledger/projections/power-inputs.ts";
import {
  timeRunCommitted,
  timeRunProven,
  timeRunShared,
} from "../../../src/ledger/projections/time-events.ts";
import type { Hash } from "../../../src/ledger/types.ts";
import { LIMITS } from "../../../src/limits.ts";
import type { TimeRun } from "../../../src/proofs/time/run.ts";
import { hasher, idOf } from "../../ledger/execution-support.ts";
import {
  answerOf,
  membersOf,
  type RunOf,
  runOf,
  skippedRun,
} from "../../ledger/projections/claims-support.ts";
import { Lab } from "../../ledger/replica/support.ts";
import { type Act, both, NOTHING, type Seen } from "./act.ts";
import { OTHER_CHAIN, otherHasher, putEvent, World } from "./world.ts";

const ELSE = new Uint8Array(32).fill(9);

/** A batch of the clerk's with another core: all that depends on the core is right for it. */
const cored = (world: World, change: Parameters<World["parts"]>[1]): Seen =>
  both(world, world.sealed(world.parts("clerk", change)));

/** As `cored`, where the reference is none whose beacon anybody knows. */
const unknown = (world: World, change: Parameters<World["parts"]>[1]): Seen => {
  const right = world.parts("clerk");
  const input = world.core("clerk", change);
  return both(world, world.sealed({ ...right, input, signature: world.signature(input, "clerk") }));
};

const onEvents: Readonly<Record<string, Act>> = {
  "time/event/missing": () => unknown(new World(), { refHeight: 33 }),
  "time/event/missing/lane": () => {
    const ahead = LIMITS.mempoolLaneAheadMax + 1;
    return cored(new World(), { laneSeq: ahead, prevBatchId: ELSE });
  },
  "time/event/stale": () => {
    const world = new World();
    const early = world.sealed(world.parts("clerk", { refHeight: 0 }));
    expect(both(world, early)).toEqual({ admission: "accepted", vote: "valid" });
    world.grow(210);
    return both(world, early);
  },
  "time/event/forged": () => cored(new World(), { refHash: ELSE }),
  "time/event/replayed": () => {
    const world = new World();
    const right = world.parts("clerk");
    return both(world, world.sealed(right, otherHasher));
  },
  "time/event/replayed/again": () => {
    const world = new World();
    const batch = world.sealed(world.parts("clerk"));
    expect(both(world, batch).vote).toBe("valid");
    world.include(batch);
    return both(world, batch);
  },
  "time/event/borrowed": () => {
    const world = new World();
    world.include(world.sealed(world.parts("clerk")));
    const others = world.sealed(world.parts("warden"));
    world.include(others);
    return cored(world, { prevBatchId: others.id });
  },
  "time/event/precomputed": () => unknown(new World(), { refHeight: 48 }),
  "time/event/ground": () => {
    const world = new World();
    const [one, other] = ["a", "b"].map((key) =>
      world.sealed(world.parts("clerk", { events: [putEvent(key)] })),
    );
    if (one === undefined || other === undefined) throw new Error("no batches");
    for (const batch of [one, other]) expect(both(world, batch).vote).toBe("valid");
    world.include(one);
    return both(world, other);
  },
  "time/event/ground/reference": () => {
    const world = new World(undefined, 300);
    const taken = Array.from({ length: 19 }, (_, i) => 16 * i).filter(
      (refHeight) => cored(world, { refHeight }).vote === "valid",
    );
    // Neither bound alone makes a reference too old: 60 s are 240 of these heights.
    expect(taken[0]).toBe(64);
    expect(taken).toHaveLength(15);
    return NOTHING;
  },
};

/** A block of a leader with this time, at a real replica that is at 60 s of its chain. */
const offered = (shiftMs: number): string => {
  const lab = new Lab();
  lab.finalize();
  lab.toForeignView();
  lab.time.wallOffsetMs = 60_000;
  lab.counts.clear();
  const block = lab.block([], { timeMs: lab.time.wallMs + shiftMs });
  lab.tell(block.header.proposer, lab.proposal(block));
  const [code = "voted"] = [...lab.counts.keys()].flatMap(
    (label) => /\b[a-z]+\.[a-z-]+$/.exec(label) ?? [],
  );
  return code;
};

const blockTimes: Readonly<Record<string, Act>> = {
  "time/validator/stale/block": () => {
    expect(offered(0)).toBe("voted");
    expect(offered(-2_500)).toBe("voted");
    return { vote: offered(-2_501) };
  },
  "time/validator/precomputed/block": () => {
    expect(offered(500)).toBe("voted");
    return { vote: offered(501) };
  },
  "time/validator/forged/block": () => {
    const world = new World();
    return { vote: world.vote([], "v0", { timeMs: world.timeAt(world.height) ?? 0 }) };
  },
};

type Changed = { readonly epoch?: number; readonly leaves?: number; readonly members?: Hash[] };

const commitRun = (world: World, run: TimeRun, more: Changed = {}) => {
  const { leaves, phi } = run.finish().commitment;
  const { epoch } = run.statement;
  return world.write("v0", timeRunCommitted.encode({ epoch, leaves, phi, members: [], ...more }));
};

const proveRun = (world: World, proof: Uint8Array, by = "v0", epoch = 0): string =>
  world.write(by, timeRunProven.encode({ epoch, part: 0, proof }));

/** Commits to a run, and gives what challenges it. */
const challenged = (world: World, run: TimeRun, members: Hash[] = []): Uint8Array => {
  const { number: epoch } = world.epoch;
  expect(commitRun(world, run, { epoch, leaves: 64, members })).toBe("accepted");
  const at = world.height;
  world.passChallenge();
  return world.beaconAt(at + LIMITS.challengeDelayHeights);
};

/** A run that was begun from something else, committed and answered. Whoever is refused has no time. */
const begun = (from: RunOf | ((world: World) => RunOf)): Seen => {
  const world = new World();
  const run = runOf(world, typeof from === "function" ? from(world) : from);
  const execution = proveRun(world, answerOf(run, challenged(world, run)));
  for (const epoch of [0, 1]) expect(timeOkAt(world.store.read, idOf("v0"), epoch)).toBe(false);
  return { execution };
};

/** What becomes of a run of 64 leaves of which so many were computed. */
const computing = (leaves: number): string => {
  const world = new World();
  const run = skippedRun(world, leaves);
  return proveRun(world, answerOf(run, challenged(world, run)));
};

const share = (world: World, by: string): string =>
  world.write(by, timeRunShared.encode({ timekeeper: idOf("v0"), epoch: 0 }));

/** A proven run of v0's that was begun for v1 and v2, of which v1 has taken its share. */
const shared = (): World => {
  const world = new World();
  const members = ["v1", "v2"];
  const run = runOf(world, { members });
  const challenge = challenged(world, run, membersOf(members));
  expect(proveRun(world, answerOf(run, challenge))).toBe("accepted");
  expect(share(world, "v1")).toBe("accepted");
  expect(timeOkAt(world.store.read, idOf("v1"), 0)).toBe(true);
  return world;
};

/** What becomes of a share that a validator takes; where it is refused it has no time of it. */
const taken = (world: World, by: string, epoch = 0): Seen => {
  const execution = share(world, by);
  expect(timeOkAt(world.store.read, idOf(by), epoch)).toBe(false);
  return { execution };
};

const shares: Readonly<Record<string, Act>> = {
  "time/validator/missing/shared": () => {
    const world = new World();
    const run = runOf(world, { members: ["v1"] });
    challenged(world, run, membersOf(["v1"]));
    return taken(world, "v1");
  },
  "time/validator/stale/shared": () => {
    const world = shared();
    world.nextEpoch();
    return taken(world, "v2", 1);
  },
  "time/validator/borrowed/shared": () => taken(shared(), "v3"),
  "time/validator/ground/shared": () => ({ execution: share(shared(), "v1") }),
};

const runs: Readonly<Record<string, Act>> = {
  "time/validator/missing": () => {
    const world = new World();
    const execution = proveRun(world, ELSE);
    world.nextEpoch();
    expect(timeOkAt(world.store.read, idOf("v0"), 0)).toBe(false);
    return { execution };
  },
  "time/validator/missing/leaves": () => {
    const world = new World();
    return { execution: commitRun(world, runOf(world, { leaves: 63 })) };
  },
  "time/validator/stale": () => {
    const world = new World();
    const run = runOf(world);
    world.nextEpoch();
    return { execution: commitRun(world, run) };
  },
  "time/validator/stale/answer": () => {
    const world = new World();
    const run = runOf(world);
    const challenge = challenged(world, run);
    world.nextEpoch();
    world.nextEpoch();
    return { execution: proveRun(world, answerOf(run, challenge)) };
  },
  "time/validator/stale/seed": () => begun({ seed: ELSE }),
  "time/validator/forged": () => {
    const world = new World();
    const run = runOf(world);
    const proof = answerOf(run, challenged(world, run));
    proof[proof.length - 1] = (proof.at(-1) ?? 0) ^ 1;
    return { execution: proveRun(world, proof) };
  },
  "time/validator/forged/skipped": () => {
    expect(computing(64)).toBe("accepted");
    return { execution: computing(32) };
  },
  "time/validator/replayed": () => begun({ chainId: OTHER_CHAIN }),
  "time/validator/borrowed": () => begun({ by: "v1" }),
  "time/validator/borrowed/answer": () => {
    const world = new World();
    const run = runOf(world);
    return { execution: proveRun(world, answerOf(run, challenged(world, run)), "v1") };
  },
  "time/validator/precomputed": () => begun((world) => ({ seed: world.roots.stateRoot })),
  "time/validator/precomputed/answer": () => {
    const world = new World();
    const run = runOf(world);
    expect(commitRun(world, run)).toBe("accepted");
    world.pass(LIMITS.challengeDelayHeights - 1);
    return { execution: proveRun(world, answerOf(run, ELSE)) };
  },
  "time/validator/ground": () => {
    const world = new World();
    expect(commitRun(world, runOf(world, { seed: ELSE }))).toBe("accepted");
    return { execution: commitRun(world, runOf(world)) };
  },
  "time/validator/ground/answer": () => {
    const world = new World();
    const run = runOf(world);
    const challenge = challenged(world, run);
    expect(proveRun(world, answerOf(run, ELSE))).not.toBe("accepted");
    return { execution: proveRun(world, answerOf(run, challenge)) };
  },
  "time/validator/ground/absorbed": () => {
    // What a run takes in is free, so there are many phi. None of it goes into a beacon.
    const [one, other] = [new World(), new World()];
    const run = runOf(one);
    const second = runOf(other, { leaves: 32 });
    second.append({ height: 1, hash: ELSE });
    while (second.leaves() < 64) second.append();
    expect(second.finish().commitment.phi).not.toEqual(run.finish().commitment.phi);
    for (const [world, made] of [
      [one, run],
      [other, second],
    ] as const) {
      expect(proveRun(world, answerOf(made, challenged(world, made)))).toBe("accepted");
    }
    expect(one.beaconAt(one.height)).toEqual(other.beaconAt(other.height));
    expect(hasher.chainId).toBe(one.genesis.chainId);
    return NOTHING;
  },
};

export const TIME_ACTS: Readonly<Record<string, Act>> = {
  ...onEvents,
  ...blockTimes,
  ...runs,
  ...shares,
};
