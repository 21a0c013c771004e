/** I16 and I20: nodes that keep too much, ask for too much, and send more than they are asked for. */
import { describe, expect, it } from "vitest";
import { framesBounded, waitingBounded } from "../../sim/checkers/caps.ts";
import { FINALIZE, NOTARIZE } from "../../sim/checkers/decode.ts";
import { egressBounded } from "../../sim/checkers/egress.ts";
import { turnsOf } from "../../sim/checkers/leaders.ts";
import type { Waiting } from "../../sim/checkers/types.ts";
import { Peak } from "../../sim/peak.ts";
import { DEFAULT_WORKLOAD, scenario } from "../../sim/scenario.ts";
import { simulate } from "../../sim/simulate.ts";
import { SYSTEM } from "../../sim/system.ts";
import {
  CHAIN,
  certificateFrame,
  createRig,
  GENESIS,
  MEMBERS,
  proposalFrame,
  type Rig,
  say,
  voteFrame,
} from "./rig.ts";
import { HASH_A } from "./support.ts";

describe("what waits at a node", () => {
  const waits = (part: Partial<Waiting>, slot = 0): string[] => {
    const rig = createRig(waitingBounded);
    const none = { checks: 0, writeBytes: 0, voteBytes: 0, timers: 0, queueBytes: {} };
    rig.checker.waits?.(slot, { ...none, ...part });
    return rig.found;
  };
  const checks = 3 * 2_048 + 4 * 64;
  const writeBytes = 32 * 1024 * 1024;

  it("may be as much as its caps, and no more", () => {
    expect(waits({ checks, writeBytes, timers: 256 })).toEqual([]);
    expect(waits({ checks: checks + 1 })).toEqual(["I16"]);
    expect(waits({ writeBytes: writeBytes + 1 })).toEqual(["I16"]);
    expect(waits({ voteBytes: 64 * 1024 })).toEqual([]);
    expect(waits({ voteBytes: 64 * 1024 + 1 })).toEqual(["I16"]);
    expect(waits({ timers: 257 })).toEqual(["I16"]);
    expect(waits({ timers: 257 }, 3)).toEqual([]);
  });
});

describe("the most that waits", () => {
  it("is seen once, though it was over before anybody looked, or was gone with its process", () => {
    const peak = new Peak();
    peak.add(5);
    peak.add(-4);
    expect([peak.now, peak.take(), peak.take()]).toEqual([1, 5, 1]);
    peak.add(2);
    peak.clear();
    expect([peak.now, peak.take(), peak.take()]).toEqual([0, 3, 0]);
  });

  it("reaches the checkers in a run: what is written and sent is done before they look", () => {
    const most = { writeBytes: 0, voteBytes: 0, consensus: 0 };
    simulate(scenario("calm", { healMs: 400 }), {
      ...SYSTEM,
      checkers: [
        () => ({
          id: "I16",
          title: "keeps what it is shown",
          waits: (_slot, { writeBytes, voteBytes, queueBytes }) => {
            most.writeBytes = Math.max(most.writeBytes, writeBytes);
            most.voteBytes = Math.max(most.voteBytes, voteBytes);
            most.consensus = Math.max(most.consensus, queueBytes["consensus"] ?? 0);
          },
        }),
      ],
    });
    expect(Math.min(most.writeBytes, most.voteBytes, most.consensus)).toBeGreaterThan(1_280);
  });
});

describe("send queues", () => {
  const MIB = 1024 * 1024;
  const waits = (name: string, bytes: number): string[] => {
    const rig = createRig(waitingBounded);
    const none = { checks: 0, writeBytes: 0, voteBytes: 0, timers: 0 };
    rig.checker.waits?.(0, { ...none, queueBytes: { [name]: bytes } });
    return rig.details;
  };

  it("of one peer hold as much as their class may, and no more", () => {
    for (const [name, most] of [
      ["consensus", 16 * MIB],
      ["mempool", 16 * MIB],
      ["sync", 32 * MIB],
      ["control", MIB],
      ["bulk", 8 * MIB],
      ["other", 0],
    ] as const) {
      expect(waits(name, most)).toEqual([]);
      const over = `n0: ${most + 1} bytes of ${name} wait for one peer, at most ${most}`;
      expect(waits(name, most + 1)).toEqual([over]);
    }
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
  const send = (rig: Rig, bytes: Uint8Array, times = 1, to = 1): string[] => {
    for (let i = 0; i < times; i++) rig.checker.sent?.(0, to, "consensus", bytes);
    return [...new Set(rig.found)];
  };
  const vote = voteFrame({ view: 9, kind: FINALIZE, hash: HASH_A }, 0);
  /** What is kept of STATUS that was due. */
  const STATUSES = 16;
  /** Two retries, of which the first has had no STATUS behind it. */
  const free = 2 * 27;
  /** The node says something every 40 ms for so long, and sends it so often. */
  const move = (rig: Rig, seconds: number, copies: number): string[] => {
    for (let view = 1; view <= 25 * seconds; view++) {
      rig.nowUs += 40_000;
      say(rig, 0, { view, kind: NOTARIZE, hash: HASH_A });
      send(rig, voteFrame({ view, kind: NOTARIZE, hash: HASH_A }, 0), copies);
    }
    return [...new Set(rig.found)];
  };

  it("is each of its statements once to each peer", () => {
    expect(move(rigOf(true), 60, 1)).toEqual([]);
    expect(move(rigOf(true), 3, 2)).toEqual(["I20"]);
    // A liar among them makes nothing free.
    expect(move(rigOf(false), 3, 2)).toEqual(["I20"]);
    const rig = rigOf(true);
    for (const view of [1, 2, 3]) say(rig, 0, { view, kind: NOTARIZE, hash: HASH_A });
    expect(send(rig, proposalFrame({ view: 4, height: 4 }), 3 + free)).toEqual([]);
    expect(send(rig, vote)).toEqual(["I20"]);
  });

  it("is more with each STATUS that is due, and STATUS is while the node says nothing", () => {
    const rig = rigOf(true);
    for (let i = 0; i < 100; i++) {
      rig.nowUs += 500_000;
      send(rig, vote, 27);
      expect(send(rig, status)).toEqual([]);
    }
    expect(send(rig, vote, free)).toEqual([]);
    expect(send(rig, vote)).toEqual(["I20"]);
  });

  it("is more with each STATUS that a full queue refused behind it, which costs no STATUS that is due", () => {
    const rig = rigOf(true);
    const refuse = (bytes: Uint8Array, trafficClass = "consensus", to = 1): void =>
      rig.checker.refused?.(0, to, trafficClass, bytes);
    const certificate = certificateFrame({ view: 3, kind: FINALIZE, hash: HASH_A });
    for (let i = 0; i < 100; i++) {
      send(rig, vote, 27);
      expect(send(rig, certificate, 2)).toEqual([]);
      refuse(status);
    }
    expect(send(rig, status, STATUSES)).toEqual([]);
    send(rig, vote, free);
    refuse(vote);
    refuse(status, "mempool");
    refuse(status, "consensus", 2);
    expect(rig.found).toEqual([]);
    expect(send(rig, vote)).toEqual(["I20"]);
  });

  it("is no more in a run where a short queue takes two votes and never the STATUS behind them", () => {
    const window = { atMs: 1_000, untilMs: 45_000 };
    const crash = { kind: "crash", atMs: 3_000, downMs: 40_000, power: false } as const;
    const parts = scenario("short queue", {
      faults: [
        { kind: "queue-overflow", node: 0, bytes: 2_700, ...window },
        { kind: "drop-type", type: 4, to: 0, ppm: 1_000_000, ...window },
        { ...crash, node: 2 },
        { ...crash, node: 3 },
      ],
      workload: { ...DEFAULT_WORKLOAD, clients: 1, batchesPerSecond: 1, untilMs: 3_000 },
      healMs: 46_000,
    });
    const { marks, violation } = simulate(parts, { ...SYSTEM, checkers: [egressBounded] });
    expect(violation).toBeUndefined();
    expect(marks.get("send queue overflow")).toBeGreaterThan(54 / 2);
  }, 120_000);

  it("is no more for time in which the node went on", () => {
    const rig = rigOf(true);
    expect(move(rig, 60, 1)).toEqual([]);
    expect(send(rig, vote, free)).toEqual([]);
    expect(send(rig, vote)).toEqual(["I20"]);
  });

  it("is what a peer lacks, where it has said so, and soon", () => {
    const asked = (): Rig => {
      const rig = rigOf(true);
      expect(send(rig, vote, free)).toEqual([]);
      rig.checker.delivered?.(1, 0, status);
      return rig;
    };
    const rig = asked();
    expect(send(rig, vote, 12)).toEqual([]);
    expect(send(rig, vote)).toEqual(["I20"]);
    const late = asked();
    late.nowUs = 1_000_001;
    expect(send(late, vote)).toEqual(["I20"]);
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

  it("is STATUS to who has just connected, and at a slow rate while the node goes on", () => {
    const rig = rigOf(true);
    expect(send(rig, status, STATUSES)).toEqual([]);
    expect(move(rig, 4, 1)).toEqual([]);
    // Two in four seconds, and one for its first epoch.
    expect(send(rig, status, 3)).toEqual([]);
    expect(send(rig, status)).toEqual(["I20"]);
  });

  it("is STATUS whenever it likes to who may connect anew as often: a liar, or two processes with one key", () => {
    const rig = createRig(egressBounded, { honest: (slot) => slot !== 3 });
    expect(send(rig, status, 20 * STATUSES, 3)).toEqual([]);
    expect(send(rig, status, STATUSES + 1)).toEqual(["I20"]);
  });

  it("is STATUS to all at the start of an epoch", () => {
    const rig = rigOf(true);
    expect(send(rig, status, STATUSES)).toEqual([]);
    for (let epoch = 0; epoch < 20; epoch++) {
      say(rig, 0, { epoch, view: 1, kind: NOTARIZE, hash: HASH_A });
      say(rig, 0, { epoch, view: 1, kind: FINALIZE, hash: HASH_A });
      expect(send(rig, status)).toEqual([]);
    }
    expect(send(rig, status)).toEqual(["I20"]);
  });

  it("is STATUS for who is ahead, in another epoch, or has sent it, and to nobody else", () => {
    const spent = (): Rig => {
      const rig = rigOf(true);
      say(rig, 0, { view: 5, kind: NOTARIZE, hash: HASH_A });
      expect(send(rig, status, STATUSES)).toEqual([]);
      rig.nowUs = 200_000;
      return rig;
    };
    const heard = (view: number, epoch = 0): string[] =>
      hears(voteFrame({ epoch, view, kind: FINALIZE, hash: HASH_A }, 1));
    const hears = (frame: Uint8Array): string[] => {
      const rig = spent();
      for (let i = 0; i < 2; i++) rig.checker.delivered?.(1, 0, frame);
      expect(send(rig, status, 1, 2)).toEqual([]);
      const found = send(rig, status);
      expect(send(rig, status)).toEqual(["I20"]);
      return found;
    };
    expect(heard(7)).toEqual([]);
    expect(heard(1, 1)).toEqual([]);
    expect(heard(6)).toEqual(["I20"]);
    expect(hears(proposalFrame({ view: 7, height: 7 }))).toEqual([]);
    expect(hears(proposalFrame({ view: 6, height: 6 }))).toEqual(["I20"]);
    expect(hears(status)).toEqual([]);
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

  it("is the leader's vote too, once a view, where the leader or who gets it lies", () => {
    const turns = turnsOf({ chainId: CHAIN, genesisHash: GENESIS, members: MEMBERS }, 0);
    const shows = (leader: number, to: number, isPure = false, from = leader): string[] => {
      const view = turns.indexOf(leader) + 1;
      const rig = rigOf(isPure);
      const shown = voteFrame({ view, kind: NOTARIZE, hash: HASH_A }, from);
      send(rig, shown, free + 1, to);
      const found = [...new Set(rig.found)];
      expect(send(rig, shown, 1, to)).toEqual(["I20"]);
      return found;
    };
    expect(shows(3, 1)).toEqual([]);
    expect(shows(2, 3)).toEqual([]);
    expect(shows(2, 1)).toEqual(["I20"]);
    expect(shows(3, 1, true)).toEqual(["I20"]);
    // What it has proposed itself too, but no vote of anybody else.
    expect(shows(0, 3)).toEqual([]);
    expect(shows(3, 1, false, 2)).toEqual(["I20"]);
  });
});
