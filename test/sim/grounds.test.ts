/** I22 is shown votes for blocks of the wrong leader and on the wrong parent, and its leaders are the ledger's. */
import { describe, expect, it } from "vitest";
import { HEADER_BYTES, NOTARIZE, statementBytes } from "../../sim/checkers/decode.ts";
import { votesGrounded } from "../../sim/checkers/grounds.ts";
import { turnsOf } from "../../sim/checkers/leaders.ts";
import { hex, taggedHash } from "../../sim/checkers/oracle.ts";
import type { CheckContext, Member } from "../../sim/checkers/types.ts";
import { createChain } from "../../sim/genesis.ts";
import { scenario } from "../../sim/scenario.ts";
import { KeyRing } from "../../sim/signer.ts";
import { toHex } from "../../src/crypto/bytes.ts";
import { createLeaderSchedule, leaderOf } from "../../src/ledger/validator-set.ts";

const GENESIS = new Uint8Array(32).fill(7);
const PARENT = "cc".repeat(32);

/** A chain of these weights, as the simulator makes it; the last slot is an adversary. */
const createRig = (weights: readonly number[]) => {
  const ring = new KeyRing(1);
  const chain = createChain(scenario("test", { n: weights.length, weights }), ring);
  const members: Member[] = weights.map((weight, slot) => ({
    index: chain.indexOfSlot[slot] ?? -1,
    slot,
    idHex: toHex(chain.ids[slot] ?? GENESIS),
    publicKey: chain.keys[slot]?.publicKey ?? GENESIS,
    weight: BigInt(weight),
  }));
  const found: string[] = [];
  const context: CheckContext = {
    chainId: chain.genesis.chainId,
    genesisHash: chain.hash,
    genesisTimeMs: 0,
    epochMs: 3_600_000,
    members,
    honest: (slot) => slot < weights.length - 1,
    asked: () => true,
    haltedMs: [],
    memberOf: (slot) => members[slot],
    standing: () => undefined,
    verify: () => true,
    nowUs: () => 0,
    wallMs: () => 0,
    report: (_id, detail) => found.push(detail),
    mark: () => undefined,
  };
  return { chain, context, found, checker: votesGrounded(context) };
};

type Rig = ReturnType<typeof createRig>;

/** Shows the proposal of a block; its hash. */
const propose = (
  { checker, context }: Rig,
  view: number,
  proposer: number,
  parent: { readonly view: number; readonly hash: string },
): string => {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeBigUInt64BE(BigInt(view), 42);
  header.writeBigUInt64BE(BigInt(parent.view), 58);
  header.write(parent.hash, 66, "hex");
  header.writeUInt16BE(proposer, HEADER_BYTES - 2);
  const hash = taggedHash(context.chainId, "header", header);
  const frame = Buffer.alloc(1 + 4 + 49 + 8 + 4 + HEADER_BYTES);
  frame[0] = 1;
  frame.writeUInt32BE(49, 1);
  frame.set(hash, 5 + 17);
  frame.writeUInt32BE(HEADER_BYTES, 5 + 49 + 8);
  frame.set(header, 5 + 49 + 8 + 4);
  checker.sent?.(0, 1, "consensus", frame);
  return hex(hash);
};

const vote = ({ checker, context }: Rig, slot: number, view: number, hash: string): void => {
  const message = statementBytes(context.chainId, { epoch: 0, view, kind: NOTARIZE, hash });
  checker.released?.(slot, message, new Uint8Array(0));
};

describe("turns of leaders", () => {
  it.each([[[1, 1, 1, 1]], [[3, 1, 2, 1, 5]], [[20, 40, 60, 80]], [[1, 9, 9, 9, 9, 9, 9]]])(
    "are those of the ledger for weights %j",
    (weights) => {
      const { chain, context } = createRig(weights);
      for (const epoch of [0, 3]) {
        const schedule = createLeaderSchedule(chain.hasher, chain.hash, { ...chain.set, epoch });
        const turns = turnsOf(context, epoch);
        for (let view = 1; view <= 2 * turns.length; view++) {
          expect(turns[(view - 1) % turns.length]).toBe(leaderOf(schedule, view));
        }
      }
    },
  );
});

describe("what honest votes stand on (I22)", () => {
  const first = { view: 0, hash: PARENT };

  it("allows a block of the leader on the start of the epoch, and on what a quorum notarized", () => {
    const rig = createRig([1, 1, 1, 1]);
    const turns = turnsOf(rig.context, 0);
    const parent = propose(rig, 1, turns[0] ?? -1, first);
    for (const slot of [0, 1, 3]) vote(rig, slot, 1, parent);
    const child = propose(rig, 2, turns[1] ?? -1, { view: 1, hash: parent });
    vote(rig, 0, 2, child);
    vote(rig, 2, 2, parent);
    expect(rig.found).toEqual([]);
  });

  it("finds a vote for a block of who does not lead, but not one by an adversary", () => {
    const rig = createRig([1, 1, 1, 1]);
    const turns = turnsOf(rig.context, 0);
    const block = propose(rig, 1, turns[1] ?? -1, first);
    vote(rig, 3, 1, block);
    expect(rig.found).toEqual([]);
    vote(rig, 0, 1, block);
    expect(rig.found).toEqual([expect.stringContaining(`where ${turns[0]} leads`)]);
  });

  it("finds a vote for a block on what less than a quorum notarized, or another view's block", () => {
    const rig = createRig([1, 1, 1, 1]);
    const turns = turnsOf(rig.context, 0);
    const parent = propose(rig, 1, turns[0] ?? -1, first);
    for (const slot of [0, 3]) vote(rig, slot, 1, parent);
    const child = propose(rig, 2, turns[1] ?? -1, { view: 1, hash: parent });
    vote(rig, 0, 2, child);
    expect(rig.found).toEqual([expect.stringContaining("no quorum has notarized in view 1")]);
    vote(rig, 1, 1, parent);
    const wrong = propose(rig, 3, turns[2] ?? -1, { view: 2, hash: parent });
    vote(rig, 0, 3, wrong);
    expect(rig.found[1]).toContain("no quorum has notarized in view 2");
    expect(rig.found.length).toBe(2);
  });

  it("finds a vote for an old block that was never notarized", () => {
    const rig = createRig([1, 1, 1, 1]);
    const turns = turnsOf(rig.context, 0);
    const old = propose(rig, 1, turns[0] ?? -1, first);
    vote(rig, 0, 2, old);
    expect(rig.found).toEqual([expect.stringContaining("an old block")]);
  });
});
