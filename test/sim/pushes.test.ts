/** I20 of batches and cosignatures: a node that pushes them oftener than it may, or answers what nobody asked. */
import { describe, expect, it } from "vitest";
import { pushesBounded } from "../../sim/checkers/pushes.ts";
import { DEFAULT_WORKLOAD, type Fault, scenario } from "../../sim/scenario.ts";
import { simulate } from "../../sim/simulate.ts";
import { SYSTEM } from "../../sim/system.ts";
import { createHasher } from "../../src/crypto/hash.ts";
import { batchDigest } from "../../src/ledger/batch.ts";
import { encodeMessage } from "../../src/ledger/wire.ts";
import { LIMITS } from "../../src/limits.ts";
import { CHAIN, createRig, type Rig } from "./rig.ts";

const SECOND_US = 1_000_000;
const hasher = createHasher(CHAIN);

const batchOf = (name: number): Uint8Array => new Uint8Array(1_500).fill(name);
const digestOf = (name: number): Uint8Array => batchDigest(hasher, batchOf(name));
const pushed = (name: number): Uint8Array => encodeMessage({ type: "batch", batch: batchOf(name) });
const asked = (...names: readonly number[]): Uint8Array =>
  encodeMessage({ type: "batch-request", digests: names.map(digestOf) });
const answered = (...names: readonly number[]): Uint8Array =>
  encodeMessage({ type: "batches", batches: names.map(batchOf) });

const cosigned = (size: number, timeS: number, signature = 0): Uint8Array =>
  encodeMessage({
    type: "cosignature",
    ...{ size, root: new Uint8Array(32).fill(size), timeS },
    ed25519: new Uint8Array(LIMITS.ed25519SignatureBytes).fill(signature),
    mlDsa44: new Uint8Array(LIMITS.mlDsa44SignatureBytes),
    falcon: new Uint8Array(LIMITS.falconSignatureBytes).fill(signature),
  });

/** Slots 0 to 2 are honest, and slot 0 has a session with each since the beginning. */
const rigOf = (): Rig => {
  const rig = createRig(pushesBounded);
  for (const peer of [1, 2, 3]) rig.checker.connected?.(0, peer);
  rig.nowUs = SECOND_US;
  return rig;
};

const push = (rig: Rig, name: number, to = 1, from = 0): string[] => {
  rig.checker.sent?.(from, to, "mempool", pushed(name));
  return rig.found;
};

describe("batches that a node pushes", () => {
  it("go to each peer once", () => {
    const rig = rigOf();
    for (const to of [1, 2, 3]) for (const name of [1, 2, 3]) push(rig, name, to);
    expect(rig.found).toEqual([]);
    expect(push(rig, 2, 2)).toEqual(["I20"]);
    expect(rig.details[0]).toMatch(/^n0 sent n2 a batch again after 0 us$/);
    // Who lies may say what it likes.
    const liar = rigOf();
    push(liar, 1, 1, 3);
    expect(push(liar, 1, 1, 3)).toEqual([]);
  });

  it("go out again after a second, as often as that passes", () => {
    const rig = rigOf();
    for (let i = 0; i < 20; i++) {
      push(rig, 1);
      rig.nowUs += SECOND_US;
    }
    expect(rig.found).toEqual([]);
    push(rig, 1);
    rig.nowUs += SECOND_US - 110_000;
    expect(push(rig, 1)).toEqual(["I20"]);
  });

  it("go out once more in the moment in which a session begins", () => {
    const rig = rigOf();
    push(rig, 1);
    push(rig, 2);
    rig.nowUs += 1_000;
    rig.checker.connected?.(0, 1);
    expect([push(rig, 1), push(rig, 2)]).toEqual([[], []]);
    // No other session has begun, and of this one each batch is told once.
    const other = rigOf();
    push(other, 1, 2);
    other.checker.connected?.(0, 1);
    expect(push(other, 1, 2)).toEqual(["I20"]);
    // By then a client has asked again, and a second was over.
    rig.nowUs += SECOND_US;
    rig.checker.connected?.(0, 1);
    expect([push(rig, 1), push(rig, 1)]).toEqual([[], []]);
    expect(push(rig, 1)).toEqual(["I20"]);
  });

  it("are new to a process that begins", () => {
    const rig = rigOf();
    push(rig, 1);
    rig.checker.booted?.(0, 1, false);
    rig.checker.connected?.(0, 1);
    rig.nowUs += 1_000;
    expect(push(rig, 1)).toEqual([]);
    expect(push(rig, 1)).toEqual(["I20"]);
  });
});

describe("batches that a node is asked for", () => {
  const answer = (rig: Rig, names: readonly number[], to = 1): string[] => {
    rig.checker.sent?.(0, to, "mempool", answered(...names));
    return rig.found;
  };

  it("are sent once for each time that they were asked for, by that peer", () => {
    const rig = rigOf();
    rig.checker.delivered?.(1, 0, asked(1, 2));
    rig.checker.delivered?.(1, 0, asked(1));
    expect(answer(rig, [2, 1])).toEqual([]);
    rig.nowUs += 60 * SECOND_US;
    expect(answer(rig, [1])).toEqual([]);
    expect(answer(rig, [1])).toEqual(["I20"]);
    const other = rigOf();
    other.checker.delivered?.(1, 0, asked(1));
    expect(answer(other, [1], 2)).toEqual(["I20"]);
    const wrong = rigOf();
    wrong.checker.delivered?.(1, 0, asked(1));
    expect(answer(wrong, [2])).toEqual(["I20"]);
  });

  it("may all come where more was asked than is remembered, and no more than that", () => {
    const rig = rigOf();
    // 4,097 different digests, of which the first has no place any more.
    rig.checker.delivered?.(1, 0, asked(0));
    const made = Array.from({ length: 4_096 }, (_, i) =>
      hasher.ht("test", Uint8Array.of(i >> 8, i & 255)),
    );
    rig.checker.delivered?.(1, 0, encodeMessage({ type: "batch-request", digests: made }));
    expect(answer(rig, [0])).toEqual([]);
    expect(answer(rig, [0])).toEqual(["I20"]);
  });
});

describe("cosignatures", () => {
  const say = (rig: Rig, frame: Uint8Array, to = 1): string[] => {
    rig.checker.sent?.(0, to, "control", frame);
    return rig.found;
  };

  it("go to each peer once in a session, whatever bytes the signature has", () => {
    const rig = rigOf();
    for (const to of [1, 2]) for (const size of [5, 9]) say(rig, cosigned(size, 100), to);
    expect(say(rig, cosigned(9, 160))).toEqual([]);
    rig.checker.connected?.(0, 1);
    expect(say(rig, cosigned(9, 160))).toEqual([]);
    rig.nowUs += 60 * SECOND_US;
    expect(say(rig, cosigned(9, 160, 1))).toEqual(["I20"]);
  });
});

/** Clients ask again all the time, sessions break, and one process begins anew. */
const broken: readonly Fault[] = [
  ...[1_000, 1_700, 2_900].map((atMs, i): Fault => ({ kind: "reset", atMs, a: i, b: i + 1 })),
  { kind: "crash", atMs: 2_000, node: 2, downMs: 700, power: true },
  {
    kind: "partition",
    ...{ atMs: 3_000, untilMs: 11_000 },
    groups: [
      [0, 1],
      [2, 3],
    ],
  },
];

describe("a run", () => {
  it("with resubmissions, broken sessions and a restart has each as often as it may be", () => {
    let pushes = 0;
    const sessions = new Set<string>();
    const parts = scenario("pushes", {
      healMs: 12_000,
      faults: broken,
      workload: { ...DEFAULT_WORKLOAD, batchesPerSecond: 12 },
    });
    const { violation } = simulate(parts, {
      ...SYSTEM,
      checkers: [
        pushesBounded,
        ({ nowUs }) => ({
          ...{ id: "own", title: "counts" },
          connected: (slot, peer) => void sessions.add(`${slot} ${peer} ${nowUs()}`),
          sent: (_from, _to, _class, bytes) => {
            if (bytes[0] === pushed(1)[0]) pushes += 1;
          },
        }),
      ],
    });
    expect(violation).toBeUndefined();
    expect(pushes).toBeGreaterThan(100);
    // Both ends of six sessions, and of those that began again.
    expect(sessions.size).toBeGreaterThan(12 + 6);
  }, 60_000);
});
