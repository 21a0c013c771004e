/** I16 for the mempool: a node says that it holds what cannot be there, and one that holds what may. */
import { describe, expect, it } from "vitest";
import { mempoolFollows } from "../../sim/checkers/mempool.ts";
import { hex, taggedHash } from "../../sim/checkers/oracle.ts";
import type { CheckContext, Put } from "../../sim/checkers/types.ts";
import { scenario } from "../../sim/scenario.ts";
import { simulate } from "../../sim/simulate.ts";
import { SYSTEM } from "../../sim/system.ts";
import { bytesOf, CHAIN, createRig, headerOf, MEMBERS, type Rig } from "./rig.ts";
import { statusWith } from "./support.ts";

const ANNA = "a1".repeat(32);
const SIZE = 2_000;

/** As much of a batch as is read: behind version and chain its actor and place. */
const batch = (laneSeq: number, size = SIZE): Uint8Array => {
  const core = bytesOf("0001", "00".repeat(32), ANNA, laneSeq);
  return Buffer.concat([core, Buffer.alloc(size - core.length)]);
};

const digestOf = (bytes: Uint8Array): Uint8Array => taggedHash(CHAIN, "digest", bytes);

/** What a node writes when a block is final: block, batches, height. */
const finalPuts = (height: number, batches: readonly Uint8Array[]): Put[] => {
  const header = headerOf({ view: height, height });
  header.writeUInt32BE(batches.length, 138);
  const hash = taggedHash(CHAIN, "header", header);
  return [
    ...batches.map((value) => ({ key: bytesOf(Buffer.from("d/"), digestOf(value)), value })),
    {
      key: bytesOf(Buffer.from("b/"), hash),
      value: Buffer.concat([header, ...batches.map(digestOf)]),
    },
    { key: bytesOf(Buffer.from("h/"), height), value: hash },
  ];
};

const rigOf = (part: Partial<CheckContext> = {}): Rig =>
  createRig(mempoolFollows, { honest: () => true, ...part });

const holds = (rig: Rig, mempoolBatches: number, mempoolBytes: number, finalHeight = 0): void =>
  rig.checker.status?.(0, statusWith({ mempoolBatches, mempoolBytes, finalHeight }));

const write = (rig: Rig, ...places: readonly number[]): void => {
  for (const laneSeq of places) {
    const batchIdHex = hex(digestOf(batch(laneSeq)));
    const submission = { actorHex: ANNA, laneSeq, batchIdHex, eventCount: 1, bytes: SIZE };
    rig.checker.submitted?.(0, submission);
  }
};

describe("a mempool", () => {
  it("may hold all that was written and is not final, and no byte or batch more", () => {
    const rig = rigOf();
    write(rig, 1, 2, 3);
    holds(rig, 3, 3 * SIZE);
    expect([rig.found, rig.marks]).toEqual([[], ["mempool held against what is open"]]);
    holds(rig, 3, 3 * SIZE + 1);
    holds(rig, 4, 3 * SIZE);
    expect(rig.details).toEqual([
      "n0 says that it holds 3 batches of 6001 bytes, and at most 3 of 6000 bytes are not final",
      "n0 says that it holds 4 batches of 6000 bytes, and at most 3 of 6000 bytes are not final",
    ]);
  });

  it("is not asked of a node that has stopped: it says what it had in the turn that failed", () => {
    const rig = rigOf();
    const status = { mempoolBatches: 3, mempoolBytes: 3 * SIZE, finalHeight: 0 };
    rig.checker.status?.(0, statusWith({ ...status, voting: "halted" }));
    expect(rig.found).toEqual([]);
    rig.checker.status?.(0, statusWith(status));
    expect(rig.found).toEqual(["I16"]);
  });

  it("may not hold what is final at its height, with what went before it in its lane", () => {
    const rig = rigOf();
    write(rig, 1, 2, 3);
    rig.checker.durable?.(1, "data", finalPuts(1, [batch(1)]));
    rig.checker.durable?.(1, "data", finalPuts(2, [batch(2)]));
    holds(rig, 3, 3 * SIZE, 0);
    holds(rig, 2, 2 * SIZE, 1);
    holds(rig, 1, SIZE, 2);
    expect(rig.found).toEqual([]);
    holds(rig, 3, SIZE, 1);
    holds(rig, 1, 2 * SIZE, 2);
    holds(rig, 1, SIZE + 1, 3);
    expect(rig.found).toEqual(["I16", "I16", "I16"]);
  });

  it("may hold what a peer sent that no client wrote, counted once, and the larger of two in one place", () => {
    const rig = rigOf();
    const own = Buffer.concat([Buffer.of(10), batch(1, 2_500)]);
    for (const to of [1, 2, 3]) rig.checker.sent?.(0, to, "mempool", own);
    rig.checker.sent?.(1, 2, "mempool", Buffer.from(own));
    write(rig, 1);
    holds(rig, 1, 2_500);
    expect(rig.found).toEqual([]);
    holds(rig, 1, 2_501);
    holds(rig, 2, 2_500);
    expect(rig.found).toEqual(["I16", "I16"]);
  });

  it("may hold at a node behind what came late, once its place is taken elsewhere", () => {
    const rig = rigOf();
    rig.checker.durable?.(1, "data", finalPuts(1, [batch(2)]));
    write(rig, 1);
    holds(rig, 2, 2 * SIZE, 0);
    expect(rig.found).toEqual([]);
    holds(rig, 1, SIZE, 1);
    expect(rig.found).toEqual(["I16"]);
  });

  it("may hold what came late once, however often it is seen again and by whom", () => {
    const rig = rigOf();
    write(rig, 1);
    rig.checker.durable?.(1, "data", finalPuts(1, [batch(1)]));
    rig.checker.durable?.(1, "data", finalPuts(2, [batch(3)]));
    const frameOf = (laneSeq: number): Buffer => Buffer.concat([Buffer.of(10), batch(laneSeq)]);
    for (let i = 0; i < 5; i++) {
      for (const laneSeq of [1, 2, 3]) rig.checker.sent?.(0, 1, "mempool", frameOf(laneSeq));
      rig.checker.durable?.(2, "data", finalPuts(2, [batch(1), batch(2), batch(3)]));
    }
    holds(rig, 3, 3 * SIZE, 0);
    holds(rig, 2, 2 * SIZE, 1);
    expect(rig.found).toEqual([]);
    holds(rig, 4, 3 * SIZE, 0);
    holds(rig, 3, 2 * SIZE, 1);
    holds(rig, 2, 2 * SIZE + 1, 1);
    expect(rig.found).toEqual(["I16", "I16", "I16"]);
  });

  it("may hold one batch of its own that no link has taken, where the chain asks validators to write", () => {
    const own = 64 * 1024;
    const shares = { scryptN: 2, difficulty: 1, triesPerUnit: 1 };
    const withKeys = MEMBERS.map((member) => ({ ...member, epochKey: Uint8Array.of(9) }));
    const asking: Partial<CheckContext>[] = [
      { claims: { shares } },
      { beacon: { depth: 4, roots: [] } },
      { location: { rounds: 1, zones: new Map() } },
      { members: withKeys },
    ];
    for (const part of asking) {
      const rig = rigOf(part);
      holds(rig, 1, own);
      expect(rig.found).toEqual([]);
      holds(rig, 2, own);
      holds(rig, 1, own + 1);
      expect(rig.found).toEqual(["I16", "I16"]);
    }
    const plain = rigOf({});
    holds(plain, 1, SIZE);
    expect(plain.found).toEqual(["I16"]);
  });

  it("is not accused where a lone validator says once an epoch what it has done", () => {
    const parts = { seed: 2, n: 1, epochMs: 6_000, healMs: 8_000 };
    const run = scenario("alone", { ...parts, proofs: ["time", "shares"] });
    const { marks, violation } = simulate(run, { ...SYSTEM, checkers: [mempoolFollows] });
    expect(violation).toBeUndefined();
    expect(marks.get("mempool held against what is open")).toBeGreaterThan(0);
  });

  it("is not judged far behind, among liars, and where nodes add to batches", () => {
    const rig = rigOf();
    for (let height = 1; height <= 600; height++) {
      rig.checker.durable?.(1, "data", finalPuts(height, [batch(height)]));
    }
    holds(rig, 700, 700 * SIZE, 87);
    expect(rig.found).toEqual([]);
    holds(rig, 513, 513 * SIZE, 88);
    expect(rig.found).toEqual(["I16"]);
    const among = rigOf({ honest: (slot) => slot < 3 });
    holds(among, 1, SIZE);
    expect(among.found).toEqual([]);
  });

  it("leaves a mark where it is nearly full", () => {
    const rig = rigOf();
    for (let laneSeq = 1; laneSeq <= 52; laneSeq++) {
      rig.checker.sent?.(0, 1, "mempool", Buffer.concat([Buffer.of(10), batch(laneSeq, 2 ** 20)]));
    }
    holds(rig, 51, 51 * 2 ** 20);
    expect(rig.marks).not.toContain("mempool full");
    holds(rig, 52, 51 * 2 ** 20 + 1);
    expect([rig.found, rig.marks.at(-1)]).toEqual([[], "mempool full"]);
  });
});
