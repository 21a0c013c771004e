/** Forgeries of work: on batches, and in the shares of validators. */
import { expect } from "vitest";
import { workUnitsAt } from "../../../src/ledger/projections/power-inputs.ts";
import {
  workSharesCommitted,
  workSharesProven,
} from "../../../src/ledger/projections/work-events.ts";
import type { ProofSlot } from "../../../src/ledger/types.ts";
import { LIMITS } from "../../../src/limits.ts";
import { verifyWork } from "../../../src/proofs/work/index.ts";
import { hasher, idOf } from "../../ledger/execution-support.ts";
import {
  noncesOf,
  openedOf,
  rootOf,
  type SharesOf,
} from "../../ledger/projections/claims-support.ts";
import { type Act, bent, flipped, NOTHING, type Seen } from "./act.ts";
import { EQUIHASH_WORK, OTHER_CHAIN, otherHasher, World } from "./world.ts";

const ELSE = new Uint8Array(32).fill(9);

const slotWith = (slot: ProofSlot | undefined, change: (bytes: Uint8Array) => Uint8Array) => {
  if (slot === undefined) throw new Error("no slot");
  return { ...slot, bytes: change(slot.bytes) };
};

const onEvents: Readonly<Record<string, Act>> = {
  "work/event/missing": () => bent(new World(), () => ({ work: undefined })),
  "work/event/missing/shape": () =>
    bent(new World(), ({ work }) => ({ work: slotWith(work, (bytes) => bytes.slice(1)) })),
  "work/event/missing/effort": () => {
    const world = new World();
    return bent(world, ({ input }) => ({ work: world.work(input, { effort: 2 }) }));
  },
  "work/event/stale": () => {
    const world = new World();
    const beacon = world.beaconAt(16);
    return bent(world, ({ input }) => ({ work: world.work(input, { beacon }) }));
  },
  "work/event/forged": () =>
    bent(new World(), ({ work }) => ({ work: slotWith(work, (bytes) => flipped(bytes, 8)) })),
  "work/event/forged/solution": () =>
    bent(new World(EQUIHASH_WORK), ({ work }) => ({
      work: slotWith(work, (bytes) => flipped(bytes, bytes.length - 1)),
    })),
  "work/event/replayed": () => {
    const world = new World();
    return bent(world, ({ input }) => ({ work: world.work(input, { hasher: otherHasher }) }));
  },
  "work/event/borrowed": () => {
    const world = new World();
    return bent(world, ({ input }) => ({ work: world.work(input, { by: "warden" }) }));
  },
  "work/event/precomputed": () => {
    const world = new World();
    return bent(world, ({ input }) => ({ work: world.work(input, { beacon: ELSE }) }));
  },
  "work/event/ground": () => {
    const world = new World();
    const [effort, tries] = [16, 400];
    const { puzzle } = world.workParameters;
    const { bytes } = world.work(world.core("clerk"), { effort });
    const subject = { beacon: world.beaconAt(32), actor: idOf("clerk") };
    // The same nonce and another content each time.
    const found = Array.from({ length: tries }, (_, i) => {
      const batchId = hasher.ht("test/content", Uint8Array.of(i >> 8, i & 255));
      return verifyWork(hasher, puzzle, { ...subject, batchId }, bytes, effort).ok;
    }).filter(Boolean);
    expect(found.length).toBeGreaterThan(tries / effort / 3);
    expect(found.length).toBeLessThan((3 * tries) / effort);
    return NOTHING;
  },
};

const commit = (world: World, nonces: readonly number[], epoch = 0): string =>
  world.write("v0", workSharesCommitted.encode({ epoch, ...rootOf(nonces) }));

const open = (world: World, shares: Uint8Array, by = "v0"): string =>
  world.write(by, workSharesProven.encode({ epoch: 0, part: 0, shares }));

const challenged = (world: World, nonces: readonly number[]): Uint8Array => {
  expect(commit(world, nonces)).toBe("accepted");
  const at = world.height;
  world.passChallenge();
  return world.beaconAt(at + LIMITS.challengeDelayHeights);
};

/** Shares for something else, committed and opened. Whoever is refused has no units. */
const worked = (from: SharesOf | ((world: World) => SharesOf)): Seen => {
  const world = new World();
  const nonces = noncesOf(world, typeof from === "function" ? from(world) : from);
  const execution = open(world, openedOf(nonces, challenged(world, nonces)));
  for (const epoch of [0, 1]) expect(workUnitsAt(world.store.read, idOf("v0"), epoch)).toBe(0n);
  return { execution };
};

const shares: Readonly<Record<string, Act>> = {
  "work/validator/missing": () => {
    const world = new World();
    const execution = open(world, ELSE);
    expect(workUnitsAt(world.store.read, idOf("v0"), 0)).toBe(0n);
    return { execution };
  },
  "work/validator/missing/shape": () => {
    const world = new World();
    challenged(world, noncesOf(world));
    return { execution: open(world, ELSE) };
  },
  "work/validator/stale": () => {
    const world = new World();
    const nonces = noncesOf(world);
    world.nextEpoch();
    return { execution: commit(world, nonces) };
  },
  "work/validator/stale/answer": () => {
    const world = new World();
    const nonces = noncesOf(world);
    const challenge = challenged(world, nonces);
    world.nextEpoch();
    world.nextEpoch();
    return { execution: open(world, openedOf(nonces, challenge)) };
  },
  "work/validator/stale/seed": () => worked({ seed: ELSE }),
  "work/validator/forged": () => worked({ empty: [7] }),
  "work/validator/forged/twice": () => {
    const world = new World();
    const half = noncesOf(world, { count: 8 });
    const twice = [...half, ...half];
    return { execution: open(world, openedOf(twice, challenged(world, twice))) };
  },
  "work/validator/replayed": () => worked({ chainId: OTHER_CHAIN }),
  "work/validator/borrowed": () => worked({ by: "v1" }),
  "work/validator/borrowed/answer": () => {
    const world = new World();
    const nonces = noncesOf(world);
    return { execution: open(world, openedOf(nonces, challenged(world, nonces)), "v1") };
  },
  "work/validator/precomputed": () => worked((world) => ({ seed: world.roots.stateRoot })),
  "work/validator/precomputed/answer": () => {
    const world = new World();
    const nonces = noncesOf(world);
    expect(commit(world, nonces)).toBe("accepted");
    world.pass(LIMITS.challengeDelayHeights - 1);
    return { execution: open(world, openedOf(nonces, ELSE)) };
  },
  "work/validator/ground": () => {
    const world = new World();
    expect(commit(world, noncesOf(world, { empty: [1] }))).toBe("accepted");
    return { execution: commit(world, noncesOf(world)) };
  },
  "work/validator/ground/answer": () => {
    const world = new World();
    const nonces = noncesOf(world);
    const challenge = challenged(world, nonces);
    const [first = 0, ...rest] = nonces;
    expect(open(world, openedOf([...rest, first], challenge))).toBe("work.shares");
    return { execution: open(world, openedOf(nonces, challenge)) };
  },
};

export const WORK_ACTS: Readonly<Record<string, Act>> = { ...onEvents, ...shares };
