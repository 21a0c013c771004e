/** Openings in blocks and on batches: what is due, and every way in which it can be wrong. */
import { describe, expect, it } from "vitest";
import { createHasher } from "../../src/crypto/hash.ts";
import {
  batchSigningMessage,
  buildBatch,
  decodeBatch,
  readSealed,
  sealBatch,
  withProof,
} from "../../src/ledger/batch.ts";
import { SPACE_SLOT } from "../../src/ledger/batch-proofs.ts";
import { sectorDropped } from "../../src/ledger/projections/space/index.ts";
import {
  blockOpeningTask,
  checkBlockOpenings,
  checkHost,
  hostOpeningTask,
  hostSlot,
  type SpaceFacts,
  spaceFacts,
} from "../../src/ledger/space-openings.ts";
import type { Batch, Hash, ProofSlot } from "../../src/ledger/types.ts";
import { createValidatorSet } from "../../src/ledger/validator-set.ts";
import { LIMITS } from "../../src/limits.ts";
import type { OpeningTask } from "../../src/proofs/space/challenges.ts";
import { makeOpenings } from "../../src/proofs/space/openings.ts";
import type { MemorySector } from "../proofs/space/support.ts";
import { idOf, keyOf, testSign } from "./execution-support.ts";
import {
  beaconOf,
  CHAIN,
  genesisSector,
  PARAMETERS,
  SpaceChain,
} from "./projections/space-chain.ts";

const V0 = idOf("v0");
const V1 = idOf("v1");
const V2 = idOf("v2");
const ACTOR = idOf("clerk");
const hasher = createHasher(CHAIN);
const own = [genesisSector(V0, 0), genesisSector(V0, 4)];
const other = genesisSector(V1, 0);
const OTHER_CHAIN = "execution-test-2";
const PARENT = beaconOf(hasher, 40);

const factsOf = (chain: SpaceChain, epoch: number): SpaceFacts => {
  const set = createValidatorSet(hasher, epoch, [...chain.genesis.validators]);
  const facts = spaceFacts(PARAMETERS, chain.read, set);
  if (facts === undefined) throw new Error("no facts");
  return facts;
};

const chain = new SpaceChain(undefined, [...own, other]);
const facts = factsOf(chain, 0);

const open = (sectors: readonly MemorySector[], task: OpeningTask | undefined): Uint8Array => {
  if (task === undefined) throw new Error("nothing is due");
  const [first] = sectors as [MemorySector];
  return makeOpenings(
    first.hashes,
    sectors.map(({ reader }) => reader.stored),
    task.challenges,
  );
};

describe("a block", () => {
  const right = open(own, blockOpeningTask(hasher, facts, V0, PARENT));
  const check = (openings: Uint8Array, proposer = V0, beacon: Hash | undefined = PARENT) =>
    checkBlockOpenings(hasher, facts, proposer, beacon, openings)?.code;

  it("opens sectors of its proposer for the beacon of its parent", () => {
    expect(check(right)).toBeUndefined();
  });

  it.each<readonly [string, string, () => string | undefined]>([
    ["missing", "space.missing", () => check(new Uint8Array(0))],
    ["missing: a part", "space.proof-shape", () => check(right.subarray(0, right.length - 32))],
    ["stale: for another parent", "space.proof-path", () => check(right, V0, beaconOf(hasher, 39))],
    [
      "forged",
      "space.proof-path",
      () => check(right.map((byte, i) => (i === 9 ? byte ^ 1 : byte))),
    ],
    ["borrowed: another proposer's", "space.proof-path", () => check(right, V1)],
    ["superfluous: of who has no sector", "space.superfluous", () => check(right, V2)],
    [
      "replayed: of a sector of another chain",
      "space.proof-path",
      () => {
        const foreign = [genesisSector(V0, 0, OTHER_CHAIN), genesisSector(V0, 4, OTHER_CHAIN)];
        return check(open(foreign, blockOpeningTask(hasher, facts, V0, PARENT)));
      },
    ],
  ])("%s: %s", (_, code, checked) => {
    expect(checked()).toBe(code);
  });

  it("opens nothing where its proposer has nothing, or the chain does not ask", () => {
    expect(check(new Uint8Array(0), V2)).toBeUndefined();
    expect(checkBlockOpenings(hasher, undefined, V0, PARENT, new Uint8Array(0))).toBeUndefined();
    expect(checkBlockOpenings(hasher, undefined, V0, PARENT, right)?.code).toBe(
      "space.superfluous",
    );
  });

  it("cannot be judged where the parent's beacon is not known", () => {
    expect(checkBlockOpenings(hasher, facts, V0, undefined, right)?.code).toBe("node.not-ready");
  });
});

const batchOf = (laneSeq: number, slots: readonly ProofSlot[] = [], refHeight = 32): Batch => {
  const event = sectorDropped.encode({ number: laneSeq });
  const input = { actor: ACTOR, laneSeq, prevBatchId: V1, refHeight, refHash: V2, events: [event] };
  const unsigned = buildBatch(hasher, input);
  const signature = testSign(batchSigningMessage(hasher, unsigned.id), keyOf("clerk"));
  return sealBatch(hasher, unsigned, signature, slots);
};

const beaconAt = (height: number): Hash => beaconOf(hasher, height);

const hostedBy = (sector: MemorySector, batch: Batch, refHeight = batch.refHeight): ProofSlot => {
  const { statement } = sector;
  const task = hostOpeningTask(hasher, facts, statement, batch, beaconAt(refHeight));
  return hostSlot(statement, open([sector], task));
};

describe("a batch", () => {
  const [first] = own as [MemorySector];
  const bare = batchOf(1);
  const slot = hostedBy(first, bare);
  const check = (batch: Batch, at = facts) => checkHost(hasher, at, batch, beaconAt)?.code;

  it("carries an opening of its host's", () => {
    const sealed = readSealed(hasher, bare.bytes);
    if (!sealed.ok) throw new Error(sealed.detail);
    const hosted = withProof(sealed.value, slot);
    const batch = decodeBatch(hasher, hosted.ok ? hosted.value : bare.bytes);
    if (!batch.ok) throw new Error(batch.detail);
    expect(batch.value.id).toEqual(bare.id);
    expect(batch.value.digest).not.toEqual(bare.digest);
    expect(batch.value.bytes).toEqual(batchOf(1, [slot]).bytes);
    expect(check(batch.value)).toBeUndefined();
    const again = readSealed(hasher, batch.value.bytes);
    expect(again.ok && withProof(again.value, slot)).toMatchObject({ code: "encoding.malformed" });
  });

  it.each<readonly [string, string, () => Batch]>([
    ["missing", "space.missing", () => bare],
    [
      "missing: a part",
      "space.proof-shape",
      () => batchOf(1, [{ ...slot, bytes: slot.bytes.subarray(1) }]),
    ],
    [
      "stale: for another reference",
      "space.proof-path",
      () => batchOf(1, [hostedBy(first, bare, 16)]),
    ],
    [
      "forged",
      "space.proof-path",
      () => batchOf(1, [{ ...slot, bytes: slot.bytes.map((b, i) => (i === 50 ? b ^ 1 : b)) }]),
    ],
    ["ground: for another place in the lane", "space.proof-path", () => batchOf(2, [slot])],
    [
      "borrowed: said to be another host's",
      "space.proof-path",
      () => batchOf(1, [{ ...slot, bytes: Uint8Array.from([...V1, ...slot.bytes.subarray(32)]) }]),
    ],
    [
      "borrowed: of who has no sector",
      "space.sector-unknown",
      () => batchOf(1, [{ ...slot, bytes: Uint8Array.from([...V2, ...slot.bytes.subarray(32)]) }]),
    ],
    [
      "replayed: of another chain's sector",
      "space.proof-path",
      () => {
        const foreign = genesisSector(V0, 0, OTHER_CHAIN);
        const task = hostOpeningTask(hasher, facts, first.statement, bare, beaconAt(32));
        return batchOf(1, [hostSlot(first.statement, open([foreign], task))]);
      },
    ],
  ])("%s: %s", (_, code, batch) => {
    expect(check(batch())).toBe(code);
  });

  it("needs a host whose sector counts in the epoch", () => {
    // Nothing of the genesis was admitted here, so in epoch 2 nobody has a sector, and nobody can host.
    const later = factsOf(chain, 2);
    expect(check(batchOf(1, [slot]), later)).toBe("space.sector-unknown");
    expect(check(bare, later)).toBeUndefined();
    expect(checkHost(hasher, undefined, bare, beaconAt)).toBeUndefined();
  });

  it("cannot be judged where the beacon of its reference is not known", () => {
    const wrong = checkHost(hasher, facts, batchOf(1, [slot]), () => undefined);
    expect(wrong?.code).toBe("node.not-ready");
  });

  it("with a slot has a place in the lists of an envelope", () => {
    expect(slot.kind).toBe(SPACE_SLOT);
    expect(slot.bytes.length).toBeLessThanOrEqual(LIMITS.batchProofBytesMax);
  });
});
