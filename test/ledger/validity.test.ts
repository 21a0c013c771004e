import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { compareBytes, equalBytes, toHex, ZERO_HASH } from "../../src/crypto/bytes.ts";
import { falconSign, falconVerify } from "../../src/crypto/falcon.ts";
import { createHasher } from "../../src/crypto/hash.ts";
import type { ErrorCode, Failure } from "../../src/errors.ts";
import { actorId, buildBatch, type LaneHead, sealBatch } from "../../src/ledger/batch.ts";
import type { AskedProofs, WorkVerdict } from "../../src/ledger/batch-work.ts";
import { batchesRoot, encodeBlock } from "../../src/ledger/block.ts";
import { encodeEvent } from "../../src/ledger/event.ts";
import { NO_PROOFS } from "../../src/ledger/genesis-proofs.ts";
import { timeRunProven } from "../../src/ledger/projections/time-events.ts";
import { workSharesProven } from "../../src/ledger/projections/work-events.ts";
import { createRegistry } from "../../src/ledger/registry.ts";
import type {
  Batch,
  Block,
  EncodedEvent,
  ExecutionRoots,
  Hash,
  Header,
} from "../../src/ledger/types.ts";
import { createLeaderSchedule, leaderOf } from "../../src/ledger/validator-set.ts";
import {
  type ActorKey,
  checkEvents,
  checkLane,
  checkReference,
  type EpochSnapshot,
  genesisParent,
  type InclusionPoint,
  isExpired,
  isTimely,
  orderBatches,
  type ParentBlock,
  parentOf,
  validateBlock,
} from "../../src/ledger/validity.ts";
import { LIMITS } from "../../src/limits.ts";
import { keptKeys } from "../crypto/kept-keys.ts";
import {
  batchOf,
  hasher,
  hashOf,
  headerOf,
  keyOf,
  laneOf,
  putOf,
  recordPut,
  setOf,
} from "../golden/fixtures.ts";

const registry = createRegistry([recordPut, workSharesProven, timeRunProven]);
const set = setOf([1n, 1n, 1n, 1n], 3);
const schedule = createLeaderSchedule(hasher, hashOf(7), set);
const START = 1_000_000;
const nextSetHash = setOf([1n, 1n, 1n, 1n], 4).hash;
const epoch: EpochSnapshot = { set, schedule, epochStartMs: START, epochMs: 60_000, nextSetHash };

const HEIGHT = 1000;
const parent: ParentBlock = {
  hash: hashOf(0x50),
  height: HEIGHT - 1,
  epoch: 3,
  view: 40,
  timeMs: START + 30_000,
  executedHeight: HEIGHT - 4,
  boundary: false,
};

/** The chain behind the block: a height's hash holds the height, and blocks are 100 ms apart. */
const chainHash = (height: number): Hash => {
  const hash = new Uint8Array(32);
  new DataView(hash.buffer).setUint32(0, height + 1);
  return hash;
};
const timeAt = (height: number): number => parent.timeMs - (parent.height - height) * 100;

const roots = (height: number): ExecutionRoots => ({
  height,
  logSize: height * 10,
  logRoot: hashOf(0x61),
  stateRoot: hashOf(0x62),
  projections: [],
});

const REF = 992;
const batchAt = (actor: Hash, rest: Partial<Parameters<typeof batchOf>[0]> = {}): Batch =>
  batchOf({ refHeight: REF, refHash: chainHash(REF), ...rest, actor });

type World = {
  readonly batches?: readonly Batch[];
  readonly header?: Partial<Header>;
  readonly heads?: Readonly<Record<string, LaneHead>>;
  readonly actorKeyAt?: (actor: Hash) => ActorKey | undefined;
  readonly verdict?: (digest: Hash) => boolean | undefined;
  readonly asked?: AskedProofs;
  readonly workVerdict?: (digest: Hash) => WorkVerdict | undefined;
  readonly parent?: ParentBlock;
  readonly epoch?: EpochSnapshot;
  readonly hashAt?: (height: number) => Hash | undefined;
  readonly timeAt?: (height: number) => number | undefined;
  readonly rootsAt?: (height: number) => ExecutionRoots | undefined;
  /** Leave the batches in the order given. */
  readonly unordered?: boolean;
  readonly block?: (header: Header, digests: readonly Hash[]) => Block;
};

const build = (world: World) => {
  const above = world.parent ?? parent;
  const given = world.batches ?? [];
  const batches = world.unordered === true ? given : orderBatches(hasher, above.hash, given);
  const digests = batches.map((batch) => batch.digest);
  const view = world.header?.view ?? above.view + 1;
  const header = headerOf({
    epoch: above.boundary ? above.epoch + 1 : above.epoch,
    view,
    height: above.height + 1,
    parentView: above.boundary ? 0 : above.view,
    parentHash: above.hash,
    timeMs: above.timeMs + 100,
    batchesRoot: batchesRoot(hasher, digests),
    batchCount: digests.length,
    executedHeight: above.executedHeight,
    logSize: above.executedHeight * 10,
    logRoot: hashOf(0x61),
    stateRoot: hashOf(0x62),
    nextSetHash: ZERO_HASH,
    proposer: view < 1 ? 0 : leaderOf(schedule, view),
    ...world.header,
  });
  const block = world.block?.(header, digests) ?? encodeBlock(hasher, header, digests);
  return { block, batches, above };
};

const check = (world: World = {}): Failure | undefined => {
  const { block, batches, above } = build(world);
  return validateBlock({
    hasher,
    registry,
    block,
    parent: above,
    epoch: world.epoch ?? epoch,
    batches,
    laneHead: (actor) => world.heads?.[toHex(actor)] ?? { seq: 0, id: ZERO_HASH },
    proofs: NO_PROOFS,
    hashAt: world.hashAt ?? chainHash,
    beaconAt: () => undefined,
    ivrfKeys: () => [],
    timeAt: world.timeAt ?? timeAt,
    actorKeyAt: world.actorKeyAt ?? (() => ({ publicKey: keyOf(1), registeredHeight: 0 })),
    rootsAt: world.rootsAt ?? roots,
    sameBatchVerdict: world.verdict ?? (() => true),
    asked: world.asked ?? NO_PROOFS,
    workVerdict: world.workVerdict ?? (() => undefined),
    space: undefined,
  });
};

/** The code of the batch that made the block invalid. */
const batchCode = (world: World): unknown => {
  const failure = check(world);
  expect(failure?.code).toBe("block.batch-invalid");
  return failure?.data?.["code"];
};

const [ann, bob] = [hashOf(0xa1), hashOf(0xb2)];

describe("valid blocks", () => {
  it("pass empty, with one batch, and with lanes of several", () => {
    expect(check()).toBeUndefined();
    expect(check({ batches: [batchAt(ann)] })).toBeUndefined();
    const lane = (actor: Hash) => laneOf(actor, 3, { refHeight: REF, refHash: chainHash(REF) });
    expect(check({ batches: [...lane(ann), ...lane(bob)] })).toBeUndefined();
  });

  it("continue lanes from the ancestor chain", () => {
    const [first, second] = laneOf(ann, 2, { refHeight: REF, refHash: chainHash(REF) });
    if (first === undefined || second === undefined) throw new Error("no lane");
    const heads = { [toHex(ann)]: { seq: 1, id: first.id } };
    expect(check({ batches: [second], heads })).toBeUndefined();
    expect(batchCode({ batches: [first], heads })).toBe("batch.lane-replay");
  });

  it("follow genesis", () => {
    const genesis = genesisParent(hashOf(1), START, 3);
    const atStart = { ...epoch, epochStartMs: START };
    const world = { parent: genesis, epoch: atStart };
    expect(check({ ...world, header: { logSize: 0 } })).toBeUndefined();
    expect(check({ ...world, header: { parentView: 1 } })?.data).toEqual({ field: "parentView" });
  });

  it("may state any executed height from the parent's to one below their own", () => {
    for (const executedHeight of [HEIGHT - 4, HEIGHT - 2, HEIGHT - 1]) {
      const header = { executedHeight, logSize: executedHeight * 10 };
      expect(check({ header })).toBeUndefined();
    }
  });

  it("may build on a re-proposed parent, whose notarization has a later view", () => {
    expect(check({ header: { view: 90, parentView: 89 } })).toBeUndefined();
  });
});

describe("header rules", () => {
  it.each<[string, Partial<Header>]>([
    ["protocolVersion", { protocolVersion: 2 }],
    ["epoch", { epoch: 4 }],
    ["height", { height: HEIGHT + 1 }],
    ["height", { height: HEIGHT - 1 }],
    ["parentHash", { parentHash: hashOf(0x51) }],
    ["view", { view: 0, parentView: 0 }],
    ["parentView", { parentView: 39 }],
    ["parentView", { parentView: 41 }],
    ["proposer", { proposer: (leaderOf(schedule, 41) + 1) % 4 }],
    ["proposer", { proposer: 65_535 }],
    ["timeMs", { timeMs: parent.timeMs }],
    ["timeMs", { timeMs: parent.timeMs - 1 }],
    ["executedHeight", { executedHeight: HEIGHT }],
    ["executedHeight", { executedHeight: HEIGHT - 5 }],
    ["proofsHash", { proofsHash: hashOf(1) }],
    ["batchCount", { batchCount: 0 }],
  ])("block.header names %s", (field, header) => {
    const batches = field === "batchCount" ? [batchAt(ann)] : [];
    const force = (fields: Header, digests: readonly Hash[]): Block => ({
      ...encodeBlock(hasher, { ...fields, batchCount: digests.length }, digests),
      header: fields,
    });
    const failure = check({ batches, header, block: force });
    expect(failure).toMatchObject({ code: "block.header", data: { field } });
  });

  it("refuses another chain", () => {
    const header = { chainHash: createHasher("other").chainHash };
    expect(check({ header })?.code).toBe("block.wrong-chain");
  });

  it("lets execution lag by 16 and no more", () => {
    const slow = (executedHeight: number) => ({
      parent: { ...parent, executedHeight },
      header: { executedHeight, logSize: executedHeight * 10 },
    });
    expect(check(slow(HEIGHT - LIMITS.executionLagMax))).toBeUndefined();
    const failure = check(slow(HEIGHT - LIMITS.executionLagMax - 1));
    expect(failure).toMatchObject({ code: "block.header", data: { field: "executedHeight" } });
  });

  it("refuses an epoch other than the snapshot's", () => {
    const boundary = { ...parent, boundary: true };
    expect(check({ parent: boundary })).toMatchObject({ data: { field: "epoch" } });
    expect(check({ parent: boundary, header: { epoch: 3 } })).toMatchObject({
      data: { field: "epoch" },
    });
  });
});

describe("boundary", () => {
  const end = START + epoch.epochMs;
  const near: ParentBlock = { ...parent, timeMs: end - 1000 };

  it.each<[number, Hash, ErrorCode | undefined]>([
    [end - 1, ZERO_HASH, undefined],
    [end - 1, nextSetHash, "block.next-set"],
    [end, nextSetHash, undefined],
    [end, ZERO_HASH, "block.next-set"],
    [end, hashOf(1), "block.next-set"],
    [end + 50_000, nextSetHash, undefined],
    [end + 50_000, ZERO_HASH, "block.next-set"],
  ])("at %d", (timeMs, hash, code) => {
    expect(check({ parent: near, header: { timeMs, nextSetHash: hash } })?.code).toBe(code);
  });

  it("ends the epoch: the next block is of the next epoch, on parent view 0", () => {
    const { block } = build({ parent: near, header: { timeMs: end, nextSetHash } });
    const boundary = parentOf(block);
    expect(boundary).toEqual({
      hash: block.hash,
      height: HEIGHT,
      epoch: 3,
      view: 41,
      timeMs: end,
      executedHeight: HEIGHT - 4,
      boundary: true,
    });
    const next = setOf([1n, 1n, 1n, 1n], 4);
    const turns = createLeaderSchedule(hasher, hashOf(7), next);
    const snapshot = { ...epoch, set: next, schedule: turns, epochStartMs: end };
    const header = { view: 1, proposer: leaderOf(turns, 1) };
    const world = { parent: boundary, epoch: snapshot, header };
    expect(check(world)).toBeUndefined();
    expect(check({ ...world, header: { ...header, epoch: 3 } })?.code).toBe("block.header");
    expect(check({ ...world, header: { ...header, parentView: 41 } })?.code).toBe("block.header");
  });
});

describe("roots", () => {
  it.each<[string, Partial<Header>]>([
    ["logSize", { logSize: 1 }],
    ["logRoot", { logRoot: hashOf(9) }],
    ["stateRoot", { stateRoot: hashOf(9) }],
  ])("block.wrong-root names %s", (field, header) => {
    expect(check({ header })).toMatchObject({ code: "block.wrong-root", data: { field } });
  });

  it("are no verdict where this node has not executed, whatever it knows of actors", () => {
    const world = { batches: [batchAt(ann)], actorKeyAt: () => undefined };
    expect(check({ ...world, rootsAt: () => undefined })).toMatchObject({
      code: "node.not-ready",
      data: { field: "executedHeight" },
    });
  });

  it("are compared last: a wrong root means that all else is valid", () => {
    const header = { stateRoot: hashOf(9) };
    expect(batchCode({ batches: [batchAt(ann, { laneSeq: 2 })], header })).toBe("batch.lane-gap");
  });
});

describe("batches of a block", () => {
  const two = [batchAt(ann), batchAt(bob)];

  it("refuses digests that the root does not cover, or batches that are not those", () => {
    const header = { batchesRoot: hashOf(1) };
    expect(check({ batches: two, header })?.code).toBe("block.batches-root");
    const swap = (fields: Header) => encodeBlock(hasher, fields, [hashOf(1), hashOf(2)]);
    const root = batchesRoot(hasher, [hashOf(1), hashOf(2)]);
    const other = { batches: two, header: { batchesRoot: root }, block: swap };
    expect(check(other)?.code).toBe("block.batches-root");
    const fewer = (fields: Header) =>
      encodeBlock(hasher, { ...fields, batchCount: 1 }, [hashOf(1)]);
    const one = { batchesRoot: batchesRoot(hasher, [hashOf(1)]) };
    expect(check({ batches: two, header: one, block: fewer })?.code).toBe("block.batches-root");
  });

  it("refuses any order but the canonical one", () => {
    const lane = laneOf(ann, 2, { refHeight: REF, refHash: chainHash(REF) });
    const right = orderBatches(hasher, parent.hash, [...lane, ...two.slice(1)]);
    expect(check({ batches: right, unordered: true })).toBeUndefined();
    expect(check({ batches: right.toReversed(), unordered: true })?.code).toBe("block.batch-order");
    expect(check({ batches: lane.toReversed(), unordered: true })?.code).toBe("block.batch-order");
    const lanes = orderBatches(hasher, parent.hash, two);
    expect(check({ batches: lanes, unordered: true })).toBeUndefined();
    expect(check({ batches: lanes.toReversed(), unordered: true })?.code).toBe("block.batch-order");
    const [first, second] = lane;
    if (first === undefined || second === undefined) throw new Error("no lane");
    const split = [first, batchAt(bob), second];
    expect(check({ batches: split, unordered: true })?.code).toBe("block.batch-order");
    expect(check({ batches: [first, first], unordered: true })?.code).toBe("block.batch-order");
  });

  it("refuses more than 4 MiB, and takes exactly that", () => {
    const big = (actor: Hash, missing: number) => {
      const head = putOf(1).bytes.length - 4;
      const full = putOf(1, 56 * 1024);
      const events = new Array<typeof full>(18).fill(full);
      const used = batchAt(actor, { events }).bytes.length;
      const last = putOf(1, LIMITS.batchBytesMax - used - 4 - head - missing);
      return batchAt(actor, { events: [...events, last] });
    };
    const four = [1, 2, 3, 4].map((byte) => big(hashOf(byte), 0));
    expect(four.reduce((sum, batch) => sum + batch.bytes.length, 0)).toBe(LIMITS.blockBytesMax);
    expect(check({ batches: four })).toBeUndefined();
    const small = batchAt(ann);
    const past = [...four.slice(1), big(hashOf(1), small.bytes.length - 1), small];
    expect(check({ batches: past })?.code).toBe("block.too-large");
  });

  it("refuses more than 4096 batches", () => {
    const many = Array.from({ length: 4097 }, (_, i) => chainHash(i));
    const crowd = (fields: Header): Block => {
      const header = { ...fields, batchCount: 4097, batchesRoot: batchesRoot(hasher, many) };
      return encodeBlock(hasher, header, many);
    };
    expect(check({ block: crowd })?.code).toBe("block.too-many-batches");
  });

  it("refuses more than 8192 events, and takes exactly that", () => {
    const event = putOf(1, 0);
    const of = (actor: number, count: number) =>
      batchAt(hashOf(actor), { events: new Array<typeof event>(count).fill(event) });
    const full = LIMITS.blockEventsMax / LIMITS.batchEventsMax;
    const most = Array.from({ length: full }, (_, i) => of(i + 1, LIMITS.batchEventsMax));
    expect(check({ batches: most })).toBeUndefined();
    expect(check({ batches: [...most, of(full + 1, 1)] })?.code).toBe("block.too-many-events");
  });

  const shares = workSharesProven.encode({ epoch: 3, part: 0, shares: new Uint8Array(8) });
  const run = timeRunProven.encode({ epoch: 3, part: 0, proof: new Uint8Array(8) });
  const parts = (actor: number, event: EncodedEvent, count: number) =>
    batchAt(hashOf(actor), { events: new Array<EncodedEvent>(count).fill(event) });

  it("refuses more parts of shares or of runs than one turn can check, and takes exactly that many", () => {
    const most = LIMITS.batchCheckUnitsMax / LIMITS.workPartCheckUnits;
    expect([most, LIMITS.blockCheckUnitsMax / LIMITS.batchCheckUnitsMax]).toEqual([4, 2]);
    const full = [parts(1, shares, most), parts(2, shares, most)];
    expect(check({ batches: full })).toBeUndefined();
    expect(check({ batches: [...full, parts(3, run, 1)] })?.code).toBe("block.too-costly");
    expect(check({ batches: [...full, batchAt(ann)] })).toBeUndefined();
    const runs = Math.floor(LIMITS.batchCheckUnitsMax / LIMITS.timePartCheckUnits);
    const many = [1, 2].map((actor) => parts(actor, run, runs));
    expect(check({ batches: [...many, parts(3, run, 1)] })).toBeUndefined();
    expect(check({ batches: [...many, parts(3, run, 2)] })?.code).toBe("block.too-costly");
  });

  it("refuses more of them in one batch than half a block may have, and takes exactly that many", () => {
    expect(check({ batches: [parts(1, shares, 4)] })).toBeUndefined();
    expect(batchCode({ batches: [parts(1, shares, 5)] })).toBe("batch.too-costly");
    expect(check({ batches: [parts(1, run, 12)] })).toBeUndefined();
    expect(batchCode({ batches: [parts(1, run, 13)] })).toBe("batch.too-costly");
  });

  it("counts what checks may take before it looks into a payload", () => {
    const empty = encodeEvent("work.shares.proven", 1, new Uint8Array(0));
    expect(batchCode({ batches: [parts(1, empty, 4)] })).toBe("batch.bad-payload");
    expect(batchCode({ batches: [parts(1, empty, 5)] })).toBe("batch.too-costly");
  });

  it("names the batch and its code", () => {
    const bad = batchAt(bob, { refHash: hashOf(1) });
    const failure = check({ batches: [batchAt(ann), bad] });
    const position = orderBatches(hasher, parent.hash, [batchAt(ann), bad]).indexOf(bad);
    expect(failure).toMatchObject({
      code: "block.batch-invalid",
      data: { code: "batch.ref-mismatch", batch: toHex(bad.digest), position },
    });
  });

  it.each<[ErrorCode, string, Partial<Parameters<typeof batchOf>[0]>]>([
    ["batch.ref-not-grid", "off the grid", { refHeight: 991, refHash: chainHash(991) }],
    ["batch.ref-future", "a future height", { refHeight: 1008, refHash: chainHash(1008) }],
    ["batch.ref-mismatch", "another chain's block", { refHash: hashOf(1) }],
    ["batch.lane-gap", "place 2 of a fresh lane", { laneSeq: 2 }],
    ["batch.lane-fork", "place 1 with a predecessor", { prevBatchId: hashOf(1) }],
    [
      "batch.unknown-event-type",
      "an unknown event",
      { events: [putOf(1), encodeEvent("record.got", 1, new Uint8Array(0))] },
    ],
    [
      "batch.unknown-event-type",
      "an unknown version",
      { events: [encodeEvent("record.put", 2, putOf(1).payload)] },
    ],
    [
      "batch.bad-payload",
      "a payload with trailing bytes",
      { events: [encodeEvent("record.put", 1, Uint8Array.of(...putOf(1).payload, 0))] },
    ],
  ])("%s: %s", (code, _what, rest) => {
    expect(batchCode({ batches: [batchAt(ann, rest)] })).toBe(code);
  });

  it("refuses lane forks, gaps and replays along the ancestor chain", () => {
    const lane = laneOf(ann, 4, { refHeight: REF, refHash: chainHash(REF) });
    const fork = laneOf(ann, 4, { refHeight: REF, refHash: chainHash(REF), salt: 1 });
    const at = (i: number, from = lane) => from[i] as Batch;
    const heads = { [toHex(ann)]: { seq: 2, id: at(1).id } };
    expect(batchCode({ batches: [at(2, fork)], heads })).toBe("batch.lane-fork");
    expect(batchCode({ batches: [at(3)], heads })).toBe("batch.lane-gap");
    expect(batchCode({ batches: [at(1)], heads })).toBe("batch.lane-replay");
    expect(batchCode({ batches: [at(0), at(2)] })).toBe("batch.lane-gap");
    expect(batchCode({ batches: [at(0), at(1, fork)] })).toBe("batch.lane-fork");
    expect(check({ batches: [at(2), at(3)], heads })).toBeUndefined();
  });

  it("refuses a batch of another chain", () => {
    const batch = { ...batchAt(ann), chainHash: createHasher("other").chainHash };
    expect(batchCode({ batches: [batch] })).toBe("batch.wrong-chain");
  });

  it("refuses an actor that was not registered at the executed height", () => {
    const batches = [batchAt(ann)];
    expect(batchCode({ batches, actorKeyAt: () => undefined })).toBe("batch.unknown-actor");
    const at = (registeredHeight: number): World => ({
      batches,
      actorKeyAt: () => ({ publicKey: keyOf(1), registeredHeight }),
    });
    expect(check(at(parent.executedHeight))).toBeUndefined();
    expect(batchCode(at(parent.executedHeight + 1))).toBe("batch.unknown-actor");
  });

  it("gives no verdict where a referenced height is not known", () => {
    const batches = [batchAt(ann)];
    expect(check({ batches, hashAt: () => undefined })).toMatchObject({
      code: "node.not-ready",
      data: { field: "refHeight" },
    });
  });

  it("gives no verdict where a signature was not tried", () => {
    expect(check({ batches: [batchAt(ann)], verdict: () => undefined })).toMatchObject({
      code: "node.not-ready",
      data: { field: "signature" },
    });
  });
});

describe("signatures", () => {
  let own: { publicKey: Uint8Array; secretKey: Uint8Array };
  let other: typeof own;

  beforeAll(() => {
    own = keptKeys(1);
    other = keptKeys(2);
  });

  it("pass by the actor's key and fail by another", () => {
    const actor = actorId(hasher, own.publicKey);
    const unsigned = buildBatch(hasher, { ...batchAt(actor), actor });
    const signBy = (key: typeof own): Batch => {
      const signature = falconSign(unsigned.signingMessage, key.secretKey, new Uint8Array(48));
      return sealBatch(hasher, unsigned, signature);
    };
    const world = (batch: Batch): World => ({
      batches: [batch],
      verdict: (digest) =>
        equalBytes(digest, batch.digest) &&
        falconVerify(batch.signature, unsigned.signingMessage, own.publicKey),
    });
    expect(check(world(signBy(own)))).toBeUndefined();
    expect(batchCode(world(signBy(other)))).toBe("batch.signature");
  });
});

describe("reference and expiry", () => {
  const blocks = LIMITS.batchAgeBlocksMax;
  const ms = LIMITS.batchAgeMsMax;
  const point = (height: number, timeMs: number): InclusionPoint => ({
    height,
    timeMs,
    hashAt: chainHash,
    timeAt: (h) => (h === 0 ? 0 : undefined),
  });
  const batch = { refHeight: 0, refHash: chainHash(0) };

  it.each<[number, number, boolean]>([
    [blocks, ms, false],
    [blocks + 1, ms, false],
    [blocks, ms + 1, false],
    [blocks + 1, ms + 1, true],
    [blocks, ms * 1000, false],
    [LIMITS.batchAgeBlocksCap, ms, false],
    [LIMITS.batchAgeBlocksCap + 1, 1, true],
  ])("at height %d and %d ms expired is %s", (height, timeMs, expired) => {
    expect(isExpired(0, point(height, timeMs))).toBe(expired);
    const code = checkReference(batch, point(height, timeMs))?.code;
    expect(code).toBe(expired ? "batch.expired" : undefined);
  });

  it("is never taken back: what is expired stays so at later heights and times", () => {
    const n = fc.nat({ max: 200_000 });
    fc.assert(
      fc.property(n, n, n, n, (height, timeMs, moreBlocks, moreMs) => {
        if (isExpired(0, point(height, timeMs)) !== true) return;
        expect(isExpired(0, point(height + moreBlocks, timeMs + moreMs))).toBe(true);
      }),
    );
  });

  it("is no verdict without the time or the hash of the height", () => {
    const unknown = { ...point(5000, 1e9), timeAt: () => undefined };
    expect(isExpired(0, unknown)).toBeUndefined();
    expect(checkReference(batch, unknown)?.code).toBe("node.not-ready");
    expect(isExpired(0, { ...unknown, height: 70_000 })).toBe(true);
  });

  it("refers below the block", () => {
    const at = { refHeight: 16, refHash: chainHash(16) };
    expect(checkReference(at, point(16, 1))?.code).toBe("batch.ref-future");
    expect(checkReference(at, point(17, 1))).toBeUndefined();
  });
});

describe("lane continuity", () => {
  it("allows exactly the next place after the head's id", () => {
    const head = { seq: 5, id: hashOf(5) };
    const code = (laneSeq: number, prevBatchId: Hash) =>
      checkLane({ laneSeq, prevBatchId }, head)?.code;
    expect(code(6, hashOf(5))).toBeUndefined();
    expect(code(6, hashOf(4))).toBe("batch.lane-fork");
    expect(code(7, hashOf(5))).toBe("batch.lane-gap");
    expect(code(5, hashOf(5))).toBe("batch.lane-replay");
    expect(code(1, ZERO_HASH)).toBe("batch.lane-replay");
  });
});

describe("canonical order", () => {
  it("does not depend on the order given, and keeps lanes whole and ascending", () => {
    const lanes = [1, 2, 3, 4].flatMap((byte) => laneOf(hashOf(byte), 3));
    const shuffled = fc.shuffledSubarray(lanes, { minLength: lanes.length });
    fc.assert(
      fc.property(shuffled, (given) => {
        const order = orderBatches(hasher, parent.hash, given);
        expect(order).toEqual(orderBatches(hasher, parent.hash, lanes));
        for (const [i, batch] of order.entries()) {
          const before = order[i - 1];
          if (before === undefined) continue;
          const key = (one: Batch) => hasher.ht("order", parent.hash, one.actor);
          const byLane = compareBytes(key(before), key(batch));
          expect(byLane < 0 || (byLane === 0 && before.laneSeq < batch.laneSeq)).toBe(true);
        }
      }),
    );
  });

  it("puts no lane first on every parent", () => {
    const lanes = [1, 2, 3, 4].map((byte) => batchAt(hashOf(byte)));
    const first = new Set<number>();
    for (let i = 0; i < 64; i++) {
      first.add(orderBatches(hasher, hashOf(i), lanes)[0]?.actor[0] ?? 0);
    }
    expect(first.size).toBe(4);
  });
});

describe("events", () => {
  it("are checked against the registry that is asked, again and again with one answer", () => {
    const batch = batchAt(ann);
    const empty = createRegistry([]);
    for (let i = 0; i < 2; i++) {
      expect(checkEvents(registry, batch)).toBeUndefined();
      expect(checkEvents(empty, batch)?.code).toBe("batch.unknown-event-type");
    }
  });
});

describe("timeliness (PBTS)", () => {
  it.each<[number, boolean]>([
    [7400, true],
    [7399, false],
    [10_500, true],
    [10_501, false],
    [10_000, true],
  ])("a time of %d received at 10,000 with precision 500 and delay 2,100 is %s", (time, timely) => {
    expect(isTimely(time, 10_000, 500, 2100)).toBe(timely);
  });
});
