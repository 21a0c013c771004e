/** What serving runs of final blocks may cost this node, whatever its peers ask. */
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { certificateKey, finalizationKey } from "../../../src/ledger/keys.ts";
import { kindNumber } from "../../../src/ledger/statement.ts";
import { LIMITS } from "../../../src/limits.ts";
import { Lab, putEvent } from "./support.ts";

const { syncSliceLookupsMax, syncSlicePauseMs, syncResponseBlocksMax } = LIMITS;

/** Reads of the main store from now on. */
const countReads = (lab: Lab): { reads: number; bytes: number } => {
  const counted = { reads: 0, bytes: 0 };
  const get = lab.data.get.bind(lab.data);
  lab.data.get = (key) => {
    const value = get(key);
    counted.reads += 1;
    counted.bytes += value?.length ?? 0;
    return value;
  };
  return counted;
};

const withEmptyBlocks = (heights: number): Lab => {
  const lab = new Lab();
  for (let i = 0; i < heights; i++) lab.finalize();
  lab.time.advance(syncSlicePauseMs);
  lab.clearSent();
  return lab;
};

/** Blocks of 3.9 MB, of which only the last has a certificate of its own, as after a re-proposal. */
const withLargeRun = (heights: number): Lab => {
  const lab = new Lab();
  const big = Array.from({ length: 19 }, (_, i) => putEvent(`k${i}`, 50 * 1024));
  for (let height = 1; height <= heights; height++) {
    lab.finalize(Array.from({ length: 4 }, () => lab.nextBatch(lab.chain.alice, big)));
    const view = lab.finals.at(-1)?.certificate.statement.view ?? 0;
    if (height === heights) break;
    lab.data.rows.delete(toHex(finalizationKey(height)));
    lab.data.rows.delete(toHex(certificateKey(0, view, kindNumber("finalize"))));
  }
  expect(lab.status.executedHeight).toBe(heights);
  lab.time.advance(syncSlicePauseMs);
  lab.clearSent();
  return lab;
};

describe("sync requests of nine bytes", () => {
  it("two hundred at once make one slice of reading, and the last one asked is answered", () => {
    const lab = withEmptyBlocks(syncResponseBlocksMax + 40);
    const counted = countReads(lab);
    for (let i = 0; i < 200; i++) lab.tell(1, { type: "sync-request", from: 1 + (i % 40) });
    expect(counted.reads).toBeLessThanOrEqual(syncSliceLookupsMax + 2);
    for (let i = 0; i < 20; i++) {
      const before = counted.reads;
      lab.time.advance(syncSlicePauseMs);
      expect(counted.reads - before).toBeLessThanOrEqual(syncSliceLookupsMax + 2);
    }
    const answers = lab.sent("sync-response");
    expect(answers.map(({ message }) => message.from)).toEqual([40]);
    expect(answers[0]?.message.blocks).toHaveLength(syncResponseBlocksMax);
    expect(counted.reads).toBeLessThan(3 * syncResponseBlocksMax + syncSliceLookupsMax + 4);
  });

  it("repeated do not start the run that is under way again", () => {
    const lab = withEmptyBlocks(200);
    for (let i = 0; i < 20; i++) {
      lab.tell(1, { type: "sync-request", from: 1 });
      lab.time.advance(syncSlicePauseMs);
      if (lab.sent("sync-response").length > 0) break;
    }
    expect(lab.sent("sync-response")).toHaveLength(1);
    expect(lab.sent("sync-none")).toEqual([]);
  });

  it("of one peer keep no other waiting for longer than its turn", () => {
    const lab = withEmptyBlocks(400);
    lab.tell(1, { type: "sync-request", from: 1 });
    lab.tell(2, { type: "sync-request", from: 390 });
    lab.time.advance(2 * syncSlicePauseMs);
    expect(lab.sent("sync-response").map(({ message }) => message.from)).toEqual([390]);
    lab.time.advance(10 * syncSlicePauseMs);
    expect(lab.sent("sync-response").map(({ message }) => message.from)).toEqual([390, 1]);
  });

  it("are charged for what was read: a second's rate of empty blocks is used up", () => {
    const lab = withEmptyBlocks(300);
    const counted = countReads(lab);
    let asked = 0;
    while (lab.sent("sync-none").length === 0) {
      // Time for all slices of a run, and none for the budget to fill up again.
      const nowMs = lab.time.nowMs;
      lab.tell(1, { type: "sync-request", from: 1 });
      lab.time.advance(6 * syncSlicePauseMs);
      lab.time.nowMs = nowMs;
      if (++asked > 100) throw new Error("served without end");
    }
    const rate = LIMITS.syncServeBytesPerSecond / LIMITS.syncLookupCostBytes;
    expect(counted.reads).toBeLessThanOrEqual(rate);
    expect(counted.reads).toBeGreaterThan(rate / 2);
  });

  it("end with the peer's session, which gets no new rate by coming back", () => {
    const lab = withEmptyBlocks(400);
    const counted = countReads(lab);
    for (let i = 0; i < 100; i++) {
      lab.tell(1, { type: "sync-request", from: 1 });
      lab.transport.disconnect(lab.peer(1), { code: "closed", detail: "test" });
      lab.connect(1);
      lab.time.nowMs += syncSlicePauseMs;
    }
    lab.time.advance(100);
    expect(lab.sent("sync-response")).toEqual([]);
    const rate = LIMITS.syncServeBytesPerSecond / LIMITS.syncLookupCostBytes;
    expect(counted.reads).toBeLessThan(2 * rate);
  });
});

describe("a run that is too large for one answer before any certificate", () => {
  it("is read up to the limit, charged, and answered with the certificate to fetch by", () => {
    const lab = withLargeRun(4);
    const counted = countReads(lab);
    lab.tell(1, { type: "sync-request", from: 1 });
    lab.time.advance(20 * syncSlicePauseMs);
    expect(lab.sent("certificate").map(({ message }) => message.certificate.statement)).toEqual([
      lab.finals[3]?.certificate.statement,
    ]);
    expect(lab.sent("sync-none")).toHaveLength(1);
    expect(counted.bytes).toBeLessThan(LIMITS.syncResponseBytesMax + 2 * LIMITS.batchBytesMax);
  });

  it("uses up a second's rate as any other does", () => {
    const lab = withLargeRun(3);
    const counted = countReads(lab);
    for (let i = 0; i < 100; i++) {
      const nowMs = lab.time.nowMs;
      lab.tell(1, { type: "sync-request", from: 1 });
      lab.time.advance(20 * syncSlicePauseMs);
      lab.time.nowMs = nowMs;
    }
    expect(lab.sent("certificate").length).toBeGreaterThan(3);
    expect(counted.bytes).toBeLessThan(LIMITS.syncServeBytesPerSecond);
  });
});
