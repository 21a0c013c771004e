/** What a proposer must reveal, and what is refused: each way to cheat with an iVRF value, by its code. */
import { describe, expect, it } from "vitest";
import { equalBytes, ZERO_HASH } from "../../src/crypto/bytes.ts";
import { createHasher } from "../../src/crypto/hash.ts";
import { batchesRoot, encodeBlock, proofsHash } from "../../src/ledger/block.ts";
import { encodeBlockProofs } from "../../src/ledger/block-proofs.ts";
import { type GenesisProofs, NO_PROOFS } from "../../src/ledger/genesis-proofs.ts";
import { createRegistry } from "../../src/ledger/registry.ts";
import type { Batch, Hash } from "../../src/ledger/types.ts";
import { createLeaderSchedule, leaderOf } from "../../src/ledger/validator-set.ts";
import { orderBatches, type ParentBlock, validateBlock } from "../../src/ledger/validity.ts";
import { createIvrfKey, type IvrfRegistration } from "../../src/proofs/beacon/ivrf.ts";
import { batchOf, hasher, hashOf, headerOf, keyOf, recordPut, setOf } from "../golden/fixtures.ts";

const DEPTH = 6;
const proofs: GenesisProofs = { ...NO_PROOFS, beacon: { depth: DEPTH } };
const EPOCH = 3;
const HEIGHT = 1010;
const FIRST = 1000;
const VIEW = 41;
const set = setOf([1n, 1n, 1n, 1n], EPOCH);
const schedule = createLeaderSchedule(hasher, hashOf(7), set);
const proposer = leaderOf(schedule, VIEW);
const epoch = {
  set,
  schedule,
  epochStartMs: 1_000_000,
  epochMs: 60_000,
  nextSetHash: setOf([1n], 4).hash,
};
const parent: ParentBlock = {
  hash: hashOf(0x50),
  height: HEIGHT - 1,
  epoch: EPOCH,
  view: VIEW - 1,
  timeMs: 1_030_000,
  executedHeight: HEIGHT - 4,
  boundary: false,
};
const roots = {
  height: parent.executedHeight,
  logSize: 10,
  logRoot: hashOf(0x61),
  stateRoot: hashOf(0x62),
  projections: [],
};

const keyNamed = (fill: number, chain = hasher) => createIvrfKey(chain, hashOf(fill), DEPTH);
const own = keyNamed(1);
const registered = (
  key: { readonly root: Uint8Array },
  more: Partial<IvrfRegistration> = {},
): IvrfRegistration => ({
  root: key.root,
  depth: DEPTH,
  registeredEpoch: EPOCH - 2,
  firstHeight: FIRST,
  ...more,
});

const BEACON = hashOf(0x33);
const NOTHING = new Uint8Array(0);
const DUE = own.reveal(HEIGHT - FIRST);

const check = (
  reveal: Uint8Array,
  keys: readonly IvrfRegistration[] = [registered(own)],
  asking: GenesisProofs = proofs,
  given: readonly Batch[] = [],
  beacon: Hash | null = BEACON,
): string => {
  const shape = asking.beacon === null ? { ...NO_PROOFS, beacon: { depth: 1 } } : asking;
  const section = encodeBlockProofs(shape, { reveal, openings: NOTHING });
  const digests = given.map(({ digest }) => digest);
  const header = headerOf({
    epoch: EPOCH,
    view: VIEW,
    height: HEIGHT,
    parentView: VIEW - 1,
    parentHash: parent.hash,
    timeMs: parent.timeMs + 100,
    executedHeight: parent.executedHeight,
    logSize: roots.logSize,
    logRoot: roots.logRoot,
    stateRoot: roots.stateRoot,
    proofsHash: proofsHash(hasher, section),
    nextSetHash: ZERO_HASH,
    proposer,
    batchesRoot: batchesRoot(hasher, digests),
    batchCount: digests.length,
  });
  const failure = validateBlock({
    hasher,
    registry: createRegistry([recordPut]),
    block: encodeBlock(hasher, header, digests, section),
    parent,
    epoch,
    batches: given,
    laneHead: () => ({ seq: 0, id: ZERO_HASH }),
    proofs: asking,
    asked: NO_PROOFS,
    space: undefined,
    workVerdict: () => undefined,
    hashAt: () => hashOf(9),
    timeAt: () => parent.timeMs,
    beaconAt: () => beacon ?? undefined,
    ivrfKeys: (id) => (equalBytes(id, set.validators[proposer]?.id ?? ZERO_HASH) ? keys : []),
    actorKeyAt: () => ({ publicKey: keyOf(1), registeredHeight: 0 }),
    rootsAt: () => roots,
    sameBatchVerdict: () => true,
  });
  return failure?.code ?? "valid";
};

const bent = (at: number): Uint8Array => {
  const reveal = DUE.slice();
  reveal[at] = (reveal[at] ?? 0) ^ 1;
  return reveal;
};

describe("the reveal of a block", () => {
  it("is the value of the height, and of nothing else", () => {
    expect(check(DUE)).toBe("valid");
    for (let index = 0; index < 2 ** DEPTH; index++) {
      const code = index === HEIGHT - FIRST ? "valid" : "beacon.reveal-invalid";
      expect(check(own.reveal(index))).toBe(code);
    }
    for (let at = 0; at < DUE.length; at++) expect(check(bent(at))).toBe("beacon.reveal-invalid");
  });

  it.each<[string, string, Uint8Array]>([
    ["missing", "beacon.reveal-missing", NOTHING],
    ["stale: of the height before", "beacon.reveal-invalid", own.reveal(HEIGHT - FIRST - 1)],
    ["forged: a value of one's own", "beacon.reveal-invalid", bent(3)],
    [
      "replayed on another chain",
      "beacon.reveal-invalid",
      keyNamed(1, createHasher("other-1")).reveal(HEIGHT - FIRST),
    ],
    ["borrowed from another validator", "beacon.reveal-invalid", keyNamed(2).reveal(10)],
    ["cut short", "beacon.reveal-malformed", DUE.slice(0, -32)],
    ["made longer", "beacon.reveal-malformed", new Uint8Array(DUE.length + 32)],
  ])("%s", (_what, code, reveal) => {
    expect(check(reveal)).toBe(code);
  });

  it("follows from height and epoch where a validator has several keys: a leader chooses none", () => {
    const newer = keyNamed(3);
    const both = [registered(own), registered(newer, { firstHeight: HEIGHT - 1 })];
    expect(check(newer.reveal(1), both)).toBe("valid");
    expect(check(DUE, both)).toBe("beacon.reveal-invalid");
    // Ground: registered when the beacon before this height could be foreseen, so not usable yet.
    const early = [registered(own), registered(newer, { registeredEpoch: EPOCH - 1 })];
    expect(check(DUE, early)).toBe("valid");
    expect(check(newer.reveal(HEIGHT - FIRST), early)).toBe("beacon.reveal-invalid");
  });

  it.each<[string, readonly IvrfRegistration[]]>([
    ["no key", []],
    ["a key that has run out", [registered(own, { firstHeight: HEIGHT - 2 ** DEPTH })]],
    ["a key of later heights", [registered(own, { firstHeight: HEIGHT + 1 })]],
    ["a key that is not usable yet", [registered(own, { registeredEpoch: EPOCH - 1 })]],
  ])("must not be there with %s, and then nothing is due", (_what, keys) => {
    expect(check(NOTHING, keys)).toBe("valid");
    expect(check(DUE, keys)).toBe("beacon.reveal-superfluous");
  });

  it("covers exactly the heights of its key", () => {
    expect(check(own.reveal(0), [registered(own, { firstHeight: HEIGHT })])).toBe("valid");
    const last = [registered(own, { firstHeight: HEIGHT - 2 ** DEPTH + 1 })];
    expect(check(own.reveal(2 ** DEPTH - 1), last)).toBe("valid");
  });

  it("is not there on a chain without a beacon, and neither is its section", () => {
    expect(check(NOTHING, [], NO_PROOFS)).toBe("block.header");
    const space: GenesisProofs = { ...NO_PROOFS, space: { blockOpenings: 1 } as never };
    expect(check(DUE, [], space)).toBe("beacon.reveal-superfluous");
  });
});

describe("the order of lanes on a chain with a beacon", () => {
  const lanes = [1, 2, 3, 4, 5].map((fill) =>
    batchOf({ actor: hashOf(fill), refHeight: 992, refHash: hashOf(9) }),
  );
  const orderedBy = (seed: Hash): readonly Batch[] => orderBatches(hasher, seed, lanes);

  it("is drawn from the parent's beacon, not from its hash, and waits for it", () => {
    expect(check(DUE, undefined, proofs, orderedBy(BEACON))).toBe("valid");
    expect(check(DUE, undefined, proofs, orderedBy(parent.hash))).toBe("block.batch-order");
    expect(check(DUE, undefined, proofs, orderedBy(BEACON), null)).toBe("node.not-ready");
  });
});
