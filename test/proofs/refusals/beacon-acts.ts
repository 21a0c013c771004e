/** Forgeries of the beacon: events that register keys, and what proposers reveal. */
import { expect } from "vitest";
import { encodeEvent } from "../../../src/ledger/event.ts";
import { beaconKeyRegistered, beaconKeysAt } from "../../../src/ledger/projections/beacon.ts";
import { LIMITS } from "../../../src/limits.ts";
import { createIvrfKey, type IvrfKey, verifyReveal } from "../../../src/proofs/beacon/ivrf.ts";
import { hasher, idOf } from "../../ledger/execution-support.ts";
import { type Act, both, flipped, NOTHING, type Seen } from "./act.ts";
import { ivrfKeyOf, otherHasher, World } from "./world.ts";

const DEPTH = ivrfKeyOf("v0").depth;

const keyNamed = (fill: number): IvrfKey =>
  createIvrfKey(hasher, new Uint8Array(32).fill(fill), DEPTH);

const register = (world: World, key: IvrfKey, firstHeight: number, by = "v0"): string =>
  world.write(by, beaconKeyRegistered.encode({ root: key.root, firstHeight }));

const done = (execution: string): Seen => ({ execution });

const onEvents: Readonly<Record<string, Act>> = {
  "beacon/event/missing": () => {
    const world = new World();
    // v0's only key begins at height 1; where none covers a height nothing is due, and nothing is taken.
    world.grow(2 ** DEPTH - world.height);
    expect(world.vote([], "v0", { reveal: new Uint8Array(0) })).toBe("valid");
    return { vote: world.vote([], "v0", { reveal: ivrfKeyOf("v0").reveal(2 ** DEPTH - 1) }) };
  },
  "beacon/event/stale": () => {
    const world = new World();
    return done(register(world, keyNamed(1), world.height + 1));
  },
  "beacon/event/forged": () => {
    const world = new World();
    const bytes = encodeEvent("beacon.key.registered", 1, new Uint8Array(39));
    return both(world, world.sealed(world.parts("v0", { events: [bytes] })));
  },
  "beacon/event/replayed": () => {
    const world = new World();
    const abroad = createIvrfKey(otherHasher, new Uint8Array(32).fill(1), DEPTH);
    expect(register(world, abroad, world.height + 2)).toBe("accepted");
    const { height } = world;
    world.nextEpoch();
    world.nextEpoch();
    world.pass(1);
    const index = world.height + 1 - (height + 1);
    return { vote: world.vote([], "v0", { reveal: abroad.reveal(index) }) };
  },
  "beacon/event/borrowed": () => {
    const world = new World();
    const own = ivrfKeyOf("v0");
    const firstHeight = world.height + 60;
    expect(register(world, own, firstHeight, "v1")).toBe("accepted");
    // Value j of v0's is public from height 1 + j on; v1 would need it 60 heights and more later, and
    // it is the one value that opens there: foreseen by everybody, chosen by nobody.
    const [, borrowed] = beaconKeysAt(world.store.read, idOf("v1"));
    if (borrowed === undefined) throw new Error("not registered");
    for (let j = 0; j < 8; j++) {
      expect(verifyReveal(hasher, borrowed, j, own.reveal(j)).ok).toBe(true);
      expect(verifyReveal(hasher, borrowed, j, own.reveal(j + 1)).ok).toBe(false);
    }
    return NOTHING;
  },
  "beacon/event/precomputed": () => {
    const world = new World();
    const key = keyNamed(1);
    expect(register(world, key, world.height + 2)).toBe("accepted");
    const first = world.height + 1;
    world.nextEpoch();
    world.pass(1);
    // One epoch later it is not usable yet: the old one is due.
    expect(world.vote([], "v0")).toBe("valid");
    const early = world.vote([], "v0", { reveal: key.reveal(world.height + 1 - first) });
    world.nextEpoch();
    world.pass(1);
    expect(world.vote([], "v0", { reveal: key.reveal(world.height + 1 - first) })).toBe("valid");
    return { vote: early };
  },
  "beacon/event/ground": () => {
    const world = new World();
    for (let i = 1; i < LIMITS.beaconKeysMax; i++) {
      expect(register(world, keyNamed(i), world.height + 9)).toBe("accepted");
    }
    return done(register(world, keyNamed(9), world.height + 9));
  },
  "beacon/event/ground/again": () => {
    const world = new World();
    return done(register(world, ivrfKeyOf("v0"), world.height + 9));
  },
};

const reveals = (change: (right: Uint8Array, world: World) => Uint8Array): Seen => {
  const world = new World();
  expect(world.vote([])).toBe("valid");
  return { vote: world.vote([], "v0", { reveal: change(world.due("v0").reveal, world) }) };
};

const blocks: Readonly<Record<string, Act>> = {
  "beacon/validator/missing": () => reveals(() => new Uint8Array(0)),
  "beacon/validator/missing/shape": () => reveals((right) => right.slice(32)),
  "beacon/validator/stale": () => reveals((_, { height }) => ivrfKeyOf("v0").reveal(height - 1)),
  "beacon/validator/forged": () => reveals((right) => flipped(right, 3)),
  "beacon/validator/replayed": () =>
    reveals((_, { height }) => ivrfKeyOf("v0", otherHasher).reveal(height)),
  "beacon/validator/borrowed": () => reveals((_, world) => world.due("v1").reveal),
  "beacon/validator/precomputed": () =>
    reveals((_, { height }) => ivrfKeyOf("v0").reveal(height + 1)),
  "beacon/validator/ground": () => {
    const world = new World();
    const { reveal } = world.due("v0");
    // Another content, time or view of the block: the value stays, and no other one opens.
    const batch = world.sealed(world.parts("clerk"));
    const timeMs = (world.timeAt(world.height) ?? 0) + 99;
    expect(world.vote([batch], "v0", { reveal, timeMs })).toBe("valid");
    for (let index = 0; index < 60; index++) {
      const code = world.vote([], "v0", { reveal: ivrfKeyOf("v0").reveal(index) });
      expect(code).toBe(index === world.height ? "valid" : "beacon.reveal-invalid");
    }
    return NOTHING;
  },
};

export const BEACON_ACTS: Readonly<Record<string, Act>> = { ...onEvents, ...blocks };
