/** I25 is shown beacons that do not follow from the blocks, and blocks that reveal what is not due. */
import { describe, expect, it } from "vitest";
import { beaconFollows } from "../../sim/checkers/beacon.ts";
import type { Dump, Entry, Put } from "../../sim/checkers/types.ts";
import { SIM_BEACON_DEPTH, SimIvrfKeys } from "../../sim/ivrf-keys.ts";
import { concatBytes, ZERO_HASH } from "../../src/crypto/bytes.ts";
import { createHasher, sha256 } from "../../src/crypto/hash.ts";
import { encodeBlock, proofsHash } from "../../src/ledger/block.ts";
import { encodeBlockProofs } from "../../src/ledger/block-proofs.ts";
import {
  type ChainPoint,
  encodePoint,
  genesisPoint,
  pointAfter,
} from "../../src/ledger/chain-point.ts";
import { NO_PROOFS } from "../../src/ledger/genesis-proofs.ts";
import { blockKey, heightKey, pointKey } from "../../src/ledger/keys.ts";
import { beaconKeyRegistered } from "../../src/ledger/projections/beacon.ts";
import type { Block, Header } from "../../src/ledger/types.ts";
import { CHAIN, createRig, GENESIS, MEMBERS } from "./rig.ts";

const hasher = createHasher(CHAIN);
const ring = new SimIvrfKeys(hasher);
const proofs = { ...NO_PROOFS, beacon: { depth: SIM_BEACON_DEPTH } };
const NOTHING = new Uint8Array(0);

type Shown = {
  /** What a height reveals instead of what is due. */
  readonly reveal?: (height: number, due: Uint8Array) => Uint8Array;
  /** A point as a node keeps it instead of what follows. */
  readonly point?: (height: number, point: ChainPoint) => ChainPoint;
  readonly heights?: number;
  readonly entries?: readonly Entry[];
  readonly envelopes?: readonly Put[];
  readonly boundaries?: readonly number[];
};

const shown = ({ reveal, point, heights = 30, ...more }: Shown) => {
  const roots = MEMBERS.map(({ slot }) => ring.of(slot, 1).root);
  const rig = createRig(beaconFollows, { beacon: { depth: SIM_BEACON_DEPTH, roots } });
  const { checker } = rig;
  let before = genesisPoint(hasher, GENESIS, { proofs, timeMs: 0 });
  const beacons = [before.beacon];
  checker.durable?.(0, "data", more.envelopes ?? []);
  let epoch = 0;
  for (let height = 1; height <= heights; height++) {
    const proposer = height % 4;
    const isLast = more.boundaries?.includes(height) === true;
    const due = height <= 2 ** SIM_BEACON_DEPTH ? ring.of(proposer, 1).reveal(height - 1) : NOTHING;
    const section = encodeBlockProofs(proofs, {
      reveal: reveal?.(height, due) ?? due,
      openings: NOTHING,
    });
    const header: Header = {
      ...{ protocolVersion: 1, chainHash: hasher.chainHash, epoch, view: height, height },
      ...{ parentView: 0, parentHash: ZERO_HASH, timeMs: height, batchesRoot: ZERO_HASH },
      ...{ batchCount: 0, executedHeight: 0, logSize: 0, logRoot: ZERO_HASH, stateRoot: ZERO_HASH },
      proofsHash: proofsHash(hasher, section),
      nextSetHash: isLast ? sha256(Uint8Array.of(height)) : ZERO_HASH,
      proposer,
    };
    const block: Block = encodeBlock(hasher, header, [], section);
    before = pointAfter(hasher, proofs, before, block, (at) => beacons[at]);
    beacons.push(before.beacon);
    epoch = before.epoch.number;
    const kept = point?.(height, before) ?? before;
    checker.durable?.(0, "data", [
      { key: blockKey(block.hash), value: block.bytes },
      { key: heightKey(height), value: block.hash },
      { key: pointKey(height), value: encodePoint(kept) },
    ]);
  }
  const status = { executedHeight: heights } as Dump["status"];
  checker.end?.([{ slot: 0, status, entries: more.entries ?? [], timesMs: [], rows: new Map() }]);
  return rig;
};

describe("the beacon of final heights (I25)", () => {
  it("may be what the blocks give, over epochs and past the end of a key", () => {
    const rig = shown({ heights: 2 ** SIM_BEACON_DEPTH + 9, boundaries: [4, 40, 41] });
    expect(rig.details).toEqual([]);
    expect(rig.marks).toContain("beacon followed");
    expect(rig.marks).toContain("height without a key");
  });

  it("may not be another one, nor an epoch with another beginning or seed", () => {
    const wrong = (change: (point: ChainPoint) => ChainPoint) =>
      shown({ boundaries: [4], point: (height, one) => (height === 9 ? change(one) : one) })
        .details;
    const text = ["n0 has another beacon of height 9"];
    expect(wrong((one) => ({ ...one, beacon: sha256(one.beacon) }))).toEqual(text);
    const other = (part: Partial<ChainPoint["epoch"]>) => (one: ChainPoint) => ({
      ...one,
      epoch: { ...one.epoch, ...part },
    });
    expect(wrong(other({ seed: ZERO_HASH }))).toEqual(text);
    expect(wrong(other({ firstHeight: 6 }))).toEqual(text);
    expect(wrong(other({ startMs: 5 }))).toEqual(text);
    expect(wrong(other({ number: 2 }))).toEqual(text);
  });

  it.each<[string, (due: Uint8Array) => Uint8Array, string]>([
    ["none", () => NOTHING, "final block 8 reveals 0 bytes"],
    ["another height's", () => ring.of(0, 1).reveal(8), "is not the value"],
    ["another validator's", () => ring.of(1, 1).reveal(7), "is not the value"],
    ["a changed one", (due) => concatBytes(Uint8Array.of(1), due.slice(1)), "is not the value"],
  ])("may not come from a block that reveals %s", (_what, change, text) => {
    const rig = shown({ reveal: (height, due) => (height === 8 ? change(due) : due) });
    expect(rig.details).toEqual([expect.stringContaining(text)]);
    expect(rig.found).toEqual(["I25"]);
  });

  it("may not come from a value where no key covers the height, nor from a key too early", () => {
    const last = 2 ** SIM_BEACON_DEPTH;
    const next = ring.of(1, last + 1);
    const root = next.root;
    const event = beaconKeyRegistered.encode({ root, firstHeight: last + 1 });
    const actor = Buffer.from(MEMBERS[1]?.idHex ?? "", "hex");
    const envelope = concatBytes(new Uint8Array(34), actor, event.bytes);
    const key = concatBytes(Buffer.from("d/"), ZERO_HASH);
    const entry: Entry = {
      ...{ index: 0, height: 3, batchId: "", position: 0, refusedWith: "" },
      ...{ effectsHash: ZERO_HASH, eventType: event.type, eventBytes: event.bytes },
    };
    const parts = {
      heights: last + 5,
      envelopes: [{ key, value: envelope }],
      entries: [entry],
      reveal: (height: number, due: Uint8Array) =>
        height > last && height % 4 === 1 ? next.reveal(height - last - 1) : due,
    };
    expect(shown({ ...parts, boundaries: [20, 30] }).details).toEqual([]);
    const early = shown({ ...parts, boundaries: [20] });
    expect(new Set(early.found)).toEqual(new Set(["I25"]));
    expect(early.details[0]).toContain("no key covers it");
    expect(shown({ ...parts, entries: [], boundaries: [20, 30] }).found[0]).toBe("I25");
  });
});
