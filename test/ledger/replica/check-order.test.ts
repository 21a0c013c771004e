/**
 * In which order a batch is checked, where it is admitted and where a block with it is voted on: what costs much is
 * not reached where something cheap is wrong, nothing is checked twice, and what is kept of verdicts is bounded.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { ERRORS } from "../../../src/errors.ts";
import { encodeEvent } from "../../../src/ledger/event.ts";
import { actorRevoked } from "../../../src/ledger/projections/events.ts";
import { workSharesProven } from "../../../src/ledger/projections/work-events.ts";
import { Verdicts } from "../../../src/ledger/replica/verdicts.ts";
import type { Batch } from "../../../src/ledger/types.ts";
import { LIMITS } from "../../../src/limits.ts";
import { PRICE_ONE, type WorkParameters } from "../../../src/proofs/work/index.ts";
import { flipped } from "../../proofs/refusals/act.ts";
import {
  ARGON_WORK,
  EQUIHASH_WORK,
  otherHasher,
  type Parts,
  putEvent,
  World,
} from "../../proofs/refusals/world.ts";
import { hasher, idOf } from "../execution-support.ts";

const ELSE = new Uint8Array(32).fill(9);

/** What was asked of verifiers since. */
const counting = (world: World): (() => { work: number; signatures: number }) => {
  const { work, signatures } = world.asked;
  return () => ({ work: world.asked.work - work, signatures: world.asked.signatures - signatures });
};

const NOTHING = { work: 0, signatures: 0 };

/** A batch of the clerk's of which all is right but this. */
const bent = (world: World, bend: (right: Parts) => Partial<Parts>): Batch => {
  const right = world.parts("clerk");
  return world.sealed({ ...right, ...bend(right) });
};

const cored = (change: Parameters<World["core"]>[1]) => (world: World) =>
  bent(world, () => {
    const input = world.core("clerk", change);
    return { input, signature: world.signature(input, "clerk") };
  });

/** The envelope with another byte in its last event: its events do not hash to the root that is signed. */
const spoiled = ({ bytes }: Pick<Batch, "bytes">): Pick<Batch, "bytes"> => ({
  bytes: flipped(bytes, 186 + 4 + 30),
});

type Cheap = readonly [code: string, made: (world: World) => Pick<Batch, "bytes">];

/** Equihash at an effort of 5, which one solution in five has: a hash tells. */
const PRICED: WorkParameters = {
  ...EQUIHASH_WORK,
  price: {
    ...EQUIHASH_WORK.price,
    ...{ priceMin: 8n * PRICE_ONE, priceStart: 8n * PRICE_ONE, pricedUnits: 1_024n },
  },
};

/** What is found before any event is hashed: `spoiled` shows it, whose events would be found wrong. */
const CHEAP: readonly Cheap[] = [
  ["batch.wrong-chain", (world) => world.sealed(world.parts("clerk"), otherHasher)],
  ["batch.unknown-actor", (world) => world.sealed(world.parts("nobody"))],
  ["batch.lane-fork", cored({ prevBatchId: ELSE })],
  ["batch.ref-not-grid", cored({ refHeight: 33 })],
  ["batch.ref-future", cored({ refHeight: 48 })],
  ["batch.ref-mismatch", cored({ refHash: ELSE })],
  ["work.missing", (world) => bent(world, () => ({ work: undefined }))],
  [
    "work.malformed",
    (world) =>
      bent(world, ({ work }) => ({ work: work && { ...work, bytes: work.bytes.slice(1) } })),
  ],
  [
    "work.insufficient",
    (world) => bent(world, ({ input }) => ({ work: world.work(input, { effort: 2 }) })),
  ],
];

describe("admission", () => {
  it.each(CHEAP)("finds %s before it hashes events or asks a verifier", (code, made) => {
    const world = new World();
    const batch = made(world);
    const asked = counting(world);
    expect(world.admit(batch)).toBe(code);
    expect(world.admit(spoiled(batch))).toBe(code);
    expect(asked()).toEqual(NOTHING);
  });

  it("finds work.effort of Equihash by one hash, before it hashes events or asks a verifier", () => {
    const world = new World(PRICED);
    // One solution in five for another beacon would do for this one too: one that does not is looked for.
    const batch = [9, 10, 11, 12, 13, 14]
      .map((fill) => new Uint8Array(32).fill(fill))
      .map((beacon) => bent(world, ({ input }) => ({ work: world.work(input, { beacon }) })))
      .find((one) => world.admit(one) === "work.effort");
    if (batch === undefined) throw new Error("six solutions, and all would do");
    const asked = counting(world);
    expect(world.admit(spoiled(batch))).toBe("work.effort");
    expect(world.vote([batch])).toBe("work.effort");
    expect(asked()).toEqual(NOTHING);
  });

  it("finds batch.events-root in what has passed all that, and asks no verifier", () => {
    const world = new World();
    const right = world.sealed(world.parts("clerk"));
    const asked = counting(world);
    expect(world.admit(spoiled(right))).toBe("batch.events-root");
    expect(asked()).toEqual(NOTHING);
  });

  it("finds a revoked author before it asks a verifier", () => {
    const world = new World();
    const batch = world.sealed(world.parts("clerk"));
    world.write("root", actorRevoked.encode({ actor: idOf("clerk") }));
    const asked = counting(world);
    expect(world.admit(spoiled(batch))).toBe("event.forbidden");
    expect(asked()).toEqual(NOTHING);
  });

  it("checks the solution before the opening, and both before the signature", () => {
    const world = new World(EQUIHASH_WORK);
    const spoil = (slot: Parts["work"]) =>
      slot && { ...slot, bytes: flipped(slot.bytes, slot.bytes.length - 1) };
    const right = world.parts("clerk");
    const signature = new Uint8Array(right.signature.length);
    const all = { ...right, signature, work: spoil(right.work), space: spoil(right.space) };
    const stages = [
      [all, "work.solution", { work: 1, signatures: 0 }],
      [{ ...all, work: right.work }, "space.proof-path", { work: 1, signatures: 0 }],
      [{ ...right, signature }, "batch.signature", { work: 1, signatures: 1 }],
      [right, "accepted", { work: 1, signatures: 1 }],
    ] as const;
    for (const [parts, code, checks] of stages) {
      const asked = counting(world);
      expect(world.admit(world.sealed(parts))).toBe(code);
      expect(asked()).toEqual(checks);
    }
  });

  it("reads its disk for a batch without a host when work and signature are good, and not before", () => {
    const world = new World(EQUIHASH_WORK);
    let reads = 0;
    const pool = world.pool("v0", () => {
      reads += 1;
      return reads > 1;
    });
    const right = { ...world.parts("clerk"), space: undefined };
    const work = right.work && { ...right.work, bytes: flipped(right.work.bytes, 87) };
    const signature = new Uint8Array(right.signature.length);
    expect(world.admit(world.sealed({ ...right, work }), "v0", pool)).toBe("work.solution");
    expect(world.admit(world.sealed({ ...right, signature }), "v0", pool)).toBe("batch.signature");
    expect(reads).toBe(0);
    const asked = counting(world);
    expect(world.admit(world.sealed(right), "v0", pool)).toBe("accepted");
    // The first of its sectors cannot be read.
    expect(reads).toBe(2);
    // What is hosted has the verdicts of what was handed in: a vote on it asks for nothing more.
    const [hosted] = world.gossiped;
    expect(hosted?.proofs.map(({ kind }) => kind)).toEqual([1, 2]);
    expect(hosted && world.vote([hosted], "v0", {}, pool)).toBe("valid");
    // Its solution is known from the batch that nobody had signed.
    expect(asked()).toEqual({ work: 0, signatures: 1 });
  });

  it("checks nothing twice: not what was refused, and not what was admitted", () => {
    const world = new World(EQUIHASH_WORK);
    const right = world.parts("clerk");
    const work = right.work && { ...right.work, bytes: flipped(right.work.bytes, 87) };
    const unsolved = world.sealed({ ...right, work });
    const forged = world.sealed({ ...right, signature: new Uint8Array(right.signature.length) });
    const pool = world.pool();
    const asked = counting(world);
    for (let i = 0; i < 3; i++) {
      expect(world.admit(unsolved, "v0", pool)).toBe("work.solution");
      expect(world.admit(forged, "v0", pool)).toBe("batch.signature");
    }
    expect(asked()).toEqual({ work: 2, signatures: 1 });
    for (let i = 0; i < 3; i++) {
      expect(world.admit(world.sealed(right), "v0", pool)).toBe("accepted");
    }
    // The one solution under both signatures.
    expect(asked()).toEqual({ work: 2, signatures: 2 });
    // A vote on what was admitted asks for nothing more.
    expect(world.vote([world.sealed(right)], "v0", {}, pool)).toBe("valid");
    expect(asked()).toEqual({ work: 2, signatures: 2 });
  });
});

describe("a wrong opening of a host", () => {
  const wrong = (world: World): Batch =>
    bent(world, ({ space }) => ({
      space: space && { ...space, bytes: flipped(space.bytes, 50) },
    }));

  it("is refused by its digest before its events are hashed again, whoever brings it", () => {
    // The work of so many events would take as many tries as chance wants, at the price of the others.
    const { price } = ARGON_WORK;
    const cheap = { ...price, priceMin: PRICE_ONE, priceStart: PRICE_ONE };
    const world = new World({ ...ARGON_WORK, price: cheap });
    const pool = world.pool("v3");
    const events = Array.from({ length: LIMITS.batchEventsMax }, (_, i) => putEvent(`k${i}`));
    const parts = world.parts("clerk", { events });
    const space = parts.space && { ...parts.space, bytes: flipped(parts.space.bytes, 50) };
    const batch = world.sealed({ ...parts, space });
    expect(pool.space.refused(batch.digest)).toBeUndefined();
    expect(world.admit(batch, "v3", pool, "peer")).toBe("space.proof-path");
    expect(pool.space.refused(batch.digest)).toMatchObject({ code: "space.proof-path" });
    // Events that are hashed cost of what a peer may have decoded: these would be more than a second's.
    const codes = new Set<string>();
    const tries =
      LIMITS.peerDecodeBytesPerSecond / (LIMITS.batchEventsMax * LIMITS.decodeEventCostBytes);
    for (let i = 0; i < 2 * tries; i++) codes.add(world.admit(batch, "v3", pool, "peer"));
    expect([...codes]).toEqual(["space.proof-path"]);
    // Nor is it opened again in a block.
    expect(world.vote([batch], "v0", {}, pool)).toBe("space.proof-path");
  });

  it("says nothing of the same batch with a right one, or of another number of the same host", () => {
    const world = new World();
    const pool = world.pool("v3");
    const right = world.parts("clerk");
    const space = right.space && { ...right.space, bytes: flipped(right.space.bytes, 50) };
    expect(world.admit(world.sealed({ ...right, space }), "v3", pool, "peer")).toBe(
      "space.proof-path",
    );
    expect(world.admit(world.sealed(right), "v3", pool, "peer")).toBe("accepted");
  });

  it("that a vote has found is refused at admission without work for a verifier", () => {
    const world = new World();
    const pool = world.pool("v3");
    const batch = wrong(world);
    expect(world.vote([batch], "v0", {}, pool)).toBe("space.proof-path");
    const asked = counting(world);
    expect(world.admit(batch, "v3", pool, "peer")).toBe("space.proof-path");
    expect(asked()).toEqual(NOTHING);
  });

  it("is kept for a sector that counts only: one that is unknown today may be known tomorrow", () => {
    const world = new World();
    const pool = world.pool("v3");
    const batch = bent(world, ({ space }) => ({
      space: space && { ...space, bytes: flipped(space.bytes, 3) },
    }));
    expect(world.admit(batch, "v3", pool, "peer")).toBe("space.sector-unknown");
    expect(pool.space.refused(batch.digest)).toBeUndefined();
  });

  it("ends the session of who pushes it; what may be true elsewhere does not", () => {
    const action = (code: keyof typeof ERRORS) => ERRORS[code].peer;
    expect([action("space.proof-path"), action("space.proof-shape")]).toEqual([
      "disconnect",
      "disconnect",
    ]);
    expect([action("space.sector-unknown"), action("space.missing")]).toEqual(["ignore", "ignore"]);
    expect(action("space.no-host")).toBe("none");
  });
});

describe("a vote", () => {
  it.each(CHEAP.filter(([code]) => code !== "batch.wrong-chain"))(
    "finds %s without a check of work or signature",
    (code, made) => {
      const world = new World();
      const batch = made(world) as Batch;
      const asked = counting(world);
      expect(world.vote([batch])).toBe(code);
      expect(asked()).toEqual(NOTHING);
    },
  );

  it.each([
    ["batch.unknown-event-type", encodeEvent("record.burn", 1, new Uint8Array(3))],
    ["batch.bad-payload", encodeEvent("record.put", 1, new Uint8Array(3))],
  ])("finds %s without a check of work or signature, as admission does", (code, event) => {
    const world = new World();
    const batch = world.sealed(world.parts("clerk", { events: [event] }));
    const asked = counting(world);
    expect(world.vote([batch])).toBe(code);
    expect(world.admit(batch)).toBe(code);
    expect(asked()).toEqual(NOTHING);
  });

  it("finds what is wrong with the block before it looks at the batches", () => {
    const world = new World();
    const batch = world.sealed(world.parts("clerk"));
    const asked = counting(world);
    const { reveal, openings } = world.due("v0");
    const wrong = [
      ["block.header", { parentView: 0 }],
      ["block.next-set", { nextSetHash: ELSE }],
      ["beacon.reveal-invalid", { reveal: flipped(reveal, 3) }],
      ["space.proof-path", { openings: flipped(openings, 3) }],
      ["block.batches-root", { batchesRoot: ELSE }],
    ] as const;
    for (const [code, change] of wrong) expect(world.vote([batch], "v0", change)).toBe(code);
    expect(asked()).toEqual(NOTHING);
    expect(world.vote([batch])).toBe("valid");
    expect(asked()).toEqual({ work: 1, signatures: 1 });
  });

  it("checks the header before the reveal, and the reveal before the openings", () => {
    const world = new World();
    const { reveal, openings } = world.due("v0");
    const bad = { reveal: flipped(reveal, 3), openings: flipped(openings, 3) };
    expect(world.vote([], "v0", { ...bad, parentView: 0 })).toBe("block.header");
    expect(world.vote([], "v0", bad)).toBe("beacon.reveal-invalid");
    expect(world.vote([], "v0", { ...bad, reveal })).toBe("space.proof-path");
  });

  /** What is wrong with the second batch of a lane, of which the first is right and was never tried either. */
  type Second = readonly [
    code: string,
    bend: (right: Parts, world: World) => Partial<Parts>,
    asked: { readonly work: number; readonly signatures: number },
  ];

  const flippedSlot = (slot: Parts["space"], at: number): Parts["space"] =>
    slot && { ...slot, bytes: flipped(slot.bytes, at) };

  const resigned = (world: World, input: Parts["input"]): Partial<Parts> => ({
    ...{ input, signature: world.signature(input, "clerk") },
  });

  it.each<Second>([
    [
      "batch.lane-fork",
      ({ input }, world) => resigned(world, { ...input, prevBatchId: ELSE }),
      NOTHING,
    ],
    [
      "batch.bad-payload",
      ({ input }, world) =>
        resigned(world, {
          ...{ ...input, events: [encodeEvent("record.put", 1, new Uint8Array(3))] },
        }),
      NOTHING,
    ],
    ["work.missing", () => ({ work: undefined }), NOTHING],
    ["space.missing", () => ({ space: undefined }), NOTHING],
    ["space.proof-path", ({ space }) => ({ space: flippedSlot(space, 50) }), NOTHING],
    [
      "work.insufficient",
      ({ input }, world) => ({ work: world.work(input, { effort: 2 }) }),
      NOTHING,
    ],
    [
      "work.effort",
      ({ input }, world) => ({ work: world.work(input, { beacon: ELSE }) }),
      { work: 2, signatures: 0 },
    ],
    [
      "batch.signature",
      ({ signature }) => ({ signature: new Uint8Array(signature.length) }),
      { work: 2, signatures: 2 },
    ],
  ])("finds %s in one batch before anything dearer is checked of another", (code, bend, dear) => {
    const world = new World();
    const first = world.sealed(world.parts("clerk"));
    const right = world.parts("clerk", { laneSeq: 2, prevBatchId: first.id });
    const second = world.sealed({ ...right, ...bend(right, world) });
    const asked = counting(world);
    expect(world.vote([first, second])).toBe(code);
    expect(asked()).toEqual(dear);
  });

  it.each([
    ["work.insufficient", { effort: 2 }],
    ["work.effort", { beacon: ELSE }],
  ] as const)("finds %s before the opening of any host is checked", (code, instead) => {
    const world = new World(PRICED);
    const first = world.parts("clerk");
    const spoiled = world.sealed({ ...first, space: flippedSlot(first.space, 50) });
    const second = world.parts("clerk", { laneSeq: 2, prevBatchId: spoiled.id });
    const cheap = world.sealed({ ...second, work: world.work(second.input, instead) });
    const asked = counting(world);
    expect(world.vote([spoiled, cheap])).toBe(code);
    expect(asked()).toEqual(NOTHING);
    // The same block with good work: then the opening is what is wrong.
    expect(world.vote([spoiled, world.sealed(second)])).toBe("space.proof-path");
    expect(asked()).toEqual(NOTHING);
  });

  it("asks for no batch of a block that is wrong by itself", () => {
    const world = new World();
    const batch = world.sealed(world.parts("clerk"));
    const { reveal, openings } = world.due("v0");
    const wrong = [
      ["block.header", { parentView: 0 }],
      ["beacon.reveal-invalid", { reveal: flipped(reveal, 3) }],
      ["space.proof-path", { openings: flipped(openings, 3) }],
      ["block.batches-root", { batchesRoot: ELSE }],
    ] as const;
    for (const [code, change] of wrong) expect(world.vote([batch], "v0", change)).toBe(code);
    expect(world.asked.batches).toBe(0);
    expect(world.vote([batch])).toBe("valid");
    expect(world.asked.batches).toBe(1);
  });
});

describe("what the checks of proofs may take", () => {
  const part = workSharesProven.encode({ epoch: 0, part: 0, shares: new Uint8Array(8) });
  const parts = (world: World, by: string, count: number): Batch =>
    world.sealed(world.parts(by, { events: Array.from({ length: count }, () => part) }));
  const most = LIMITS.batchCheckUnitsMax / LIMITS.workPartCheckUnits;

  it("bounds a batch where it is admitted and where it is voted on, before a verifier is asked", () => {
    const world = new World();
    const asked = counting(world);
    const over = parts(world, "v1", most + 1);
    expect(world.admit(over)).toBe("batch.too-costly");
    expect(world.vote([over])).toBe("batch.too-costly");
    expect(asked()).toEqual(NOTHING);
    expect(world.admit(parts(world, "v1", most))).toBe("accepted");
  });

  it("bounds a block, which leaders obey and voters refuse before a verifier is asked", () => {
    const world = new World();
    const pool = world.pool();
    const full = ["v0", "v1", "v2"].map((by) => parts(world, by, most));
    const free = world.sealed(world.parts("clerk"));
    for (const batch of [...full, free]) expect(world.admit(batch, "v0", pool)).toBe("accepted");
    const built = world.built(pool);
    const units = built.flatMap(({ events }) => events).filter(({ type }) => type === part.type);
    expect(units.length * LIMITS.workPartCheckUnits).toBe(LIMITS.blockCheckUnitsMax);
    expect(built.map(({ id }) => id)).toContainEqual(free.id);
    expect(world.vote(built)).toBe("valid");
    const asked = counting(world);
    expect(world.vote(full)).toBe("block.too-costly");
    expect(asked()).toEqual(NOTHING);
  });
});

describe("verdicts that are kept", () => {
  let world: World;
  let right: Batch;
  beforeAll(() => {
    world = new World();
    right = world.sealed(world.parts("clerk"));
  });

  /** Batches without work that nobody has signed, each of another digest. */
  const others = (count: number): Batch[] =>
    Array.from({ length: count }, (_, i) => ({
      ...right,
      proofs: [],
      digest: hasher.ht("test/digest", Uint8Array.of(i >> 16, (i >> 8) & 255, i & 255)),
    }));

  it("are at most as many as the limit: the oldest of work goes first", () => {
    const pool = world.pool();
    const terms = pool.work.finalTerms(right.refHeight);
    if (terms === undefined) throw new Error("no terms");
    const look = (batches: readonly Batch[]): void => {
      pool.verifyWork(
        batches.map((batch) => ({ batch, terms })),
        () => undefined,
      );
    };
    const [first, ...rest] = others(LIMITS.verdictCacheMax + 1) as [Batch, ...Batch[]];
    look([first]);
    look(rest.slice(1));
    expect(pool.workVerdict(first.digest)).toMatchObject({ code: "work.missing" });
    look(rest.slice(0, 1));
    expect(pool.workVerdict(first.digest)).toBeUndefined();
    expect(pool.workVerdict(rest[1]?.digest ?? ELSE)).toMatchObject({ code: "work.missing" });
  });

  it("are at most as many as the limit: the oldest of an opening goes first", () => {
    const verdicts = new Verdicts<number>();
    const digests = others(LIMITS.verdictCacheMax + 1).map(({ digest }) => digest);
    for (const [i, digest] of digests.entries()) {
      if (i === LIMITS.verdictCacheMax) expect(verdicts.get(digests[0] ?? ELSE)).toBe(0);
      verdicts.keep(digest, i);
    }
    expect(verdicts.get(digests[0] ?? ELSE)).toBeUndefined();
    expect(verdicts.get(digests[1] ?? ELSE)).toBe(1);
  });

  it("are at most as many as the limit: the oldest of a signature goes first", () => {
    const pool = world.pool();
    const look = (batches: readonly Batch[]): void => {
      pool.verify(batches, "consensus", () => undefined);
      world.settle();
    };
    const [first, ...rest] = others(LIMITS.verdictCacheMax + 1) as [Batch, ...Batch[]];
    look([first]);
    look(rest.slice(1));
    expect(pool.verdict(first.digest)).toBe(true);
    look(rest.slice(0, 1));
    expect(pool.verdict(first.digest)).toBeUndefined();
    expect(pool.verdict(rest[1]?.digest ?? ELSE)).toBe(true);
  });
});
