/** What a batch that refers to an old block costs those who check it. */
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { TetradError } from "../../../src/errors.ts";
import { blockKey, heightKey } from "../../../src/ledger/keys.ts";
import type { Batch } from "../../../src/ledger/types.ts";
import { LIMITS } from "../../../src/limits.ts";
import { answerOf, Lab, putEvent } from "./support.ts";

/** A lab whose block 16 is more than 150 heights ago, and batches of one lane that refer to it. */
const withOldReference = (count: number): { lab: Lab; old: Batch[] } => {
  const lab = new Lab();
  for (let i = 0; i < 16 + LIMITS.batchAgeBlocksMax + 10; i++) lab.finalize();
  const refHash = lab.finals[15]?.block.hash ?? lab.chain.hash;
  const old: Batch[] = [];
  for (let i = 0; i < count; i++) {
    const before = old.at(-1);
    const place =
      before === undefined ? {} : { laneSeq: before.laneSeq + 1, prevBatchId: before.id };
    old.push(lab.batch(lab.chain.alice, [putEvent(`k${i}`)], { refHeight: 16, refHash, ...place }));
  }
  return { lab, old };
};

/** Counts reads of the block of a height, and of its place in the chain. */
const countReads = (lab: Lab, height: number): { block: number; height: number } => {
  const counted = { block: 0, height: 0 };
  const get = lab.data.get.bind(lab.data);
  const atHeight = toHex(heightKey(height));
  const ofBlock = toHex(blockKey(lab.finals[height - 1]?.block.hash ?? lab.chain.hash));
  lab.data.get = (key) => {
    if (toHex(key) === ofBlock) counted.block += 1;
    if (toHex(key) === atHeight) counted.height += 1;
    return get(key);
  };
  return counted;
};

describe("a reference older than 150 blocks", () => {
  it("is looked up once for all batches of a block that share it", () => {
    const { lab, old } = withOldReference(300);
    const counted = countReads(lab, 16);
    lab.finalize(old);
    expect(lab.status.logSize).toBe(300);
    expect(counted.block).toBeLessThanOrEqual(1);
    expect(counted.height).toBeLessThanOrEqual(2);
  });

  it("is looked up without its block at each admission", () => {
    const { lab, old } = withOldReference(100);
    const counted = countReads(lab, 16);
    for (const batch of old) expect(answerOf(lab.submit(batch.bytes))).toEqual(["accepted"]);
    expect(counted.block).toBeLessThanOrEqual(1);
  });

  it("decides by the block's own time, also after a restart", () => {
    const { lab, old } = withOldReference(1);
    const again = new Lab({ chain: lab.chain, ...lab.disks(), nowMs: lab.time.nowMs });
    const [batch] = old;
    expect(answerOf(again.submit(batch?.bytes ?? new Uint8Array(0)))).toEqual(["accepted"]);
    const ofBlock16 = lab.finals[15]?.block.header.timeMs ?? 0;
    const boundMs = ofBlock16 + LIMITS.batchAgeMsMax;
    for (const [timeMs, answer] of [
      [boundMs - 1, "accepted"],
      [boundMs, "batch.expired"],
    ] as const) {
      const late = new Lab({ chain: lab.chain, ...lab.disks(), nowMs: lab.time.nowMs });
      late.time.wallOffsetMs = timeMs - late.time.wallMs;
      // A batch of the next block is later than the tip by a millisecond at least.
      late.finalize([], { parentView: lab.finals.at(-1)?.certificate.statement.view ?? 0 });
      expect(late.status.finalTimeMs).toBe(timeMs);
      expect(answerOf(late.submit(batch?.bytes ?? new Uint8Array(0)))).toEqual([answer]);
    }
  });
});

describe("the reference that the status names", () => {
  it("stops the node when its row is damaged, and the status is still given", () => {
    const before = new Lab();
    for (let i = 0; i < LIMITS.gridHeights; i++) before.finalize();
    // A start remembers no reference yet.
    const lab = new Lab({ chain: before.chain, ...before.disks(), nowMs: before.time.nowMs });
    const get = lab.data.get.bind(lab.data);
    lab.data.get = (key) => {
      if (toHex(key) !== toHex(heightKey(LIMITS.gridHeights))) return get(key);
      throw new TetradError("store.corrupt", "a row fails its checksum");
    };
    const { problems, voting, refHeight, finalHeight } = lab.status;
    expect(problems.map(({ code }) => code)).toContain("store.corrupt");
    expect([voting, refHeight, finalHeight]).toEqual(["halted", 0, LIMITS.gridHeights]);
    expect(lab.status.problems).toHaveLength(problems.length);
  });
});
