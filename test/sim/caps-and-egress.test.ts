/** I16 and I20: nodes that keep too much, ask for too much, and send more than they are asked for. */
import { describe, expect, it } from "vitest";
import { framesBounded, waitingBounded } from "../../sim/checkers/caps.ts";
import { FINALIZE, NOTARIZE } from "../../sim/checkers/decode.ts";
import { egressBounded } from "../../sim/checkers/egress.ts";
import type { Waiting } from "../../sim/checkers/types.ts";
import { certificateFrame, createRig, proposalFrame, type Rig, say, voteFrame } from "./rig.ts";
import { HASH_A } from "./support.ts";

describe("what waits at a node", () => {
  const waits = (part: Partial<Waiting>, slot = 0): string[] => {
    const rig = createRig(waitingBounded);
    rig.checker.waits?.(slot, { checks: 0, writeBytes: 0, timers: 0, ...part });
    return rig.found;
  };
  const checks = 3 * 2_048 + 4 * 64;
  const writeBytes = 32 * 1024 * 1024;

  it("may be as much as its caps, and no more", () => {
    expect(waits({ checks, writeBytes, timers: 256 })).toEqual([]);
    expect(waits({ checks: checks + 1 })).toEqual(["I16"]);
    expect(waits({ writeBytes: writeBytes + 1 })).toEqual(["I16"]);
    expect(waits({ timers: 257 })).toEqual(["I16"]);
    expect(waits({ timers: 257 }, 3)).toEqual([]);
  });
});

describe("frames", () => {
  const send = (bytes: Uint8Array, from = 0): string[] => {
    const rig = createRig(framesBounded);
    rig.checker.sent?.(from, 1, "sync", bytes);
    return rig.found;
  };
  const u32 = (value: number): Buffer => {
    const out = Buffer.alloc(4);
    out.writeUInt32BE(value);
    return out;
  };
  const asks = (count: number): Uint8Array => Buffer.concat([Buffer.of(8), u32(count)]);
  const serves = (count: number, length = 17): Uint8Array => {
    const head = Buffer.concat([Buffer.of(12), Buffer.alloc(8), u32(0), u32(count)]);
    return Buffer.concat([head, Buffer.alloc(length - head.length)]);
  };

  it("ask for and serve no more than they may at once", () => {
    const most = 8 * 1024 * 1024;
    expect([asks(512), serves(512), serves(1, most)].flatMap((bytes) => send(bytes))).toEqual([]);
    expect(send(asks(513))).toEqual(["I16"]);
    expect(send(serves(513))).toEqual(["I16"]);
    expect(send(serves(1, most + 1))).toEqual(["I16"]);
    expect(send(asks(513), 3)).toEqual([]);
  });
});

describe("what a node sends", () => {
  const status = Uint8Array.of(4);
  const rigOf = (isPure: boolean): Rig =>
    createRig(egressBounded, isPure ? { honest: () => true } : {});
  const send = (rig: Rig, bytes: Uint8Array, times = 1): string[] => {
    for (let i = 0; i < times; i++) rig.checker.sent?.(0, 1, "consensus", bytes);
    return [...new Set(rig.found)];
  };
  const vote = voteFrame({ view: 9, kind: FINALIZE, hash: HASH_A }, 0);
  /** Two retries are free, before any time has passed. */
  const free = 2 * 27;

  it("is each of its statements once to each peer, and some again", () => {
    const rig = rigOf(true);
    expect(send(rig, vote, free)).toEqual([]);
    for (const view of [1, 2, 3]) say(rig, 0, { view, kind: NOTARIZE, hash: HASH_A });
    expect(send(rig, proposalFrame({ view: 4, height: 4 }), 3)).toEqual([]);
    expect(send(rig, vote)).toEqual(["I20"]);
  });

  it("is more while time passes, and once more with each STATUS", () => {
    const rig = rigOf(true);
    rig.nowUs = 3_000_000;
    expect(send(rig, vote, free)).toEqual([]);
    rig.nowUs = 6_000_000;
    expect(send(rig, vote, 3 * free)).toEqual([]);
    expect(send(rig, status)).toEqual([]);
    expect(send(rig, vote, 27)).toEqual([]);
    expect(send(rig, vote)).toEqual(["I20"]);
  });

  it("is what a peer lacks, where it has said so", () => {
    const rig = rigOf(true);
    expect(send(rig, vote, free)).toEqual([]);
    rig.checker.delivered?.(1, 0, status);
    expect(send(rig, vote, 12)).toEqual([]);
    expect(send(rig, vote)).toEqual(["I20"]);
  });

  it("is a certificate or a block for each question, and not one more", () => {
    const rig = rigOf(true);
    const certificate = certificateFrame({ view: 3, kind: FINALIZE, hash: HASH_A });
    expect(send(rig, certificate, 4)).toEqual([]);
    rig.checker.delivered?.(1, 0, Uint8Array.of(5));
    rig.checker.delivered?.(1, 0, status);
    expect(send(rig, certificate, 1 + 3)).toEqual([]);
    expect(send(rig, certificate)).toEqual(["I20"]);
    const other = rigOf(true);
    rig.checker.delivered?.(2, 0, Uint8Array.of(6));
    other.checker.delivered?.(1, 0, Uint8Array.of(6));
    expect(send(other, Uint8Array.of(7))).toEqual([]);
    expect(send(other, Uint8Array.of(7))).toEqual(["I20"]);
  });

  it("is STATUS at a rate", () => {
    const rig = rigOf(true);
    expect(send(rig, status, 24)).toEqual([]);
    expect(send(rig, status)).toEqual(["I20"]);
  });

  it("begins anew with a process, and is nobody's business where it lies", () => {
    const rig = rigOf(false);
    expect(send(rig, vote, free)).toEqual([]);
    rig.checker.booted?.(0, 2, false);
    expect(send(rig, vote, free)).toEqual([]);
    for (let i = 0; i < 99; i++) rig.checker.sent?.(3, 1, "consensus", vote);
    for (let i = 0; i < 99; i++) rig.checker.sent?.(0, 1, "mempool", Uint8Array.of(10));
    expect(rig.found).toEqual([]);
  });

  it("is the leader's vote too, where somebody may have been given another one", () => {
    const rig = rigOf(false);
    say(rig, 0, { view: 1, kind: NOTARIZE, hash: HASH_A });
    expect(send(rig, vote, free + 3)).toEqual([]);
    expect(send(rig, vote)).toEqual(["I20"]);
  });
});
