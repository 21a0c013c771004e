/** What single kinds of fault do to a running network, as its trace shows. */
import { describe, expect, it } from "vitest";
import { scheduleFaults } from "../../sim/faults.ts";
import { createNetwork } from "../../sim/network.ts";
import type { SimNode } from "../../sim/node.ts";
import { type Fault, type Scenario, scenario } from "../../sim/scenario.ts";
import { createSimSigner, createSimVerifier } from "../../sim/signer.ts";
import { type RunResult, simulate } from "../../sim/simulate.ts";
import { SYSTEM } from "../../sim/system.ts";
import type { TraceEvent } from "../../sim/trace.ts";
import { WALL_START_MS } from "../../sim/world.ts";

type Seen = { readonly result: RunResult; readonly events: readonly TraceEvent[] };

const run = (faults: readonly Fault[], healMs: number): Seen => {
  const events: TraceEvent[] = [];
  const result = simulate(scenario("one-kind", { faults, healMs }), {
    ...SYSTEM,
    onEvent: (event) => events.push(event),
  });
  return { result, events };
};

const countOf = (
  { events }: Seen,
  [fromMs, untilMs]: readonly [number, number],
  fits: (event: TraceEvent) => boolean,
): number =>
  events.filter(
    (event) => event.atUs >= fromMs * 1000 && event.atUs < untilMs * 1000 && fits(event),
  ).length;

const isDelivery = ({ kind }: TraceEvent): boolean => kind === "deliver";

describe("a swizzle", () => {
  it("clogs nodes one by one and frees them in another order", () => {
    const times = { atMs: 2_000, untilMs: 6_000 };
    const seen = run(
      [{ kind: "swizzle", ...times, clogged: [0, 1, 2, 3], freed: [3, 1, 0, 2] }],
      6_500,
    );
    expect(seen.result.violation).toBeUndefined();
    const reach = (slot: number) => (event: TraceEvent) =>
      isDelivery(event) && (event.node === slot || event.other === slot);
    // Half a second between each; what was on its way has arrived after a tenth of that.
    expect(countOf(seen, [2_100, 4_500], reach(0))).toBe(0);
    expect(countOf(seen, [2_000, 2_500], isDelivery)).toBeGreaterThan(0);
    expect(countOf(seen, [3_100, 4_500], isDelivery)).toBe(0);
    // 3 and 1 are free from 5 s on, the last one from 6 s on.
    expect(countOf(seen, [5_000, 5_400], reach(3))).toBeGreaterThan(0);
    expect(countOf(seen, [5_000, 5_499], reach(0))).toBe(0);
    expect(countOf(seen, [3_100, 5_499], reach(2))).toBe(0);
    expect(countOf(seen, [6_000, 6_500], reach(2))).toBeGreaterThan(0);
  }, 30_000);
});

describe("short queues", () => {
  it("refuse what does not fit, and nothing once they are long again", () => {
    const seen = run(
      [{ kind: "queue-overflow", node: 0, bytes: 0, atMs: 2_000, untilMs: 4_000 }],
      5_000,
    );
    expect(seen.result.violation).toBeUndefined();
    const sends = ({ kind, node }: TraceEvent): boolean => kind === "send" && node === 0;
    expect(countOf(seen, [2_000, 4_000], sends)).toBe(0);
    expect(countOf(seen, [1_000, 2_000], sends)).toBeGreaterThan(0);
    expect(countOf(seen, [4_000, 5_000], sends)).toBeGreaterThan(0);
    expect(seen.result.marks.get("send queue overflow")).toBeGreaterThan(0);
  }, 30_000);
});

describe("a slow processor", () => {
  it("does less, in the same order", () => {
    const turns = (seen: Seen): number =>
      countOf(seen, [2_000, 4_000], (event) => isDelivery(event) && event.node === 1);
    const slow = run(
      [{ kind: "slow-cpu", node: 1, factor: 1_000, atMs: 2_000, untilMs: 4_000 }],
      5_000,
    );
    expect(slow.result.violation).toBeUndefined();
    // 20 ms a turn: at most a hundred turns in two seconds, deliveries among them.
    expect(turns(slow)).toBeLessThanOrEqual(100);
    expect(turns(slow)).toBeGreaterThan(20);
    expect(turns(run([], 5_000))).toBeGreaterThan(150);
  }, 30_000);
});

describe("narrow places", () => {
  it("bound what a node sends, or receives", () => {
    const span = { atMs: 2_000, untilMs: 6_000 } as const;
    const bytes = (seen: Seen, fits: (event: TraceEvent) => boolean): number =>
      seen.events
        .filter((event) => isDelivery(event) && event.atUs > 2_100_000 && event.atUs < 6_000_000)
        .filter(fits)
        .reduce((sum, event) => sum + event.length, 0);
    const up = run([{ kind: "uplink", node: 2, bytesPerMs: 10, ...span }], 6_000);
    expect(bytes(up, ({ other }) => other === 2)).toBeLessThanOrEqual(40_000);
    expect(bytes(up, ({ other }) => other === 2)).toBeGreaterThan(20_000);
    const down = run([{ kind: "downlink", node: 2, bytesPerMs: 10, ...span }], 6_000);
    expect(bytes(down, ({ node }) => node === 2)).toBeLessThanOrEqual(40_000);
    expect(bytes(down, ({ node }) => node === 2)).toBeGreaterThan(20_000);
  }, 30_000);
});

describe("a clog", () => {
  it("that is to last longer than the faults ends with them, for what it holds back too", () => {
    const clog = { kind: "clog", from: 0, to: 1, atMs: 2_000, untilMs: 60_000 } as const;
    const seen = run([clog], 4_000);
    expect(seen.result.violation).toBeUndefined();
    const clogged = (event: TraceEvent): boolean =>
      isDelivery(event) && event.node === 1 && event.other === 0;
    expect(countOf(seen, [1_000, 2_000], clogged)).toBeGreaterThan(0);
    expect(countOf(seen, [2_100, 4_000], clogged)).toBe(0);
    expect(countOf(seen, [4_000, 4_100], clogged)).toBeGreaterThan(0);
  }, 30_000);
});

describe("restores of one node", () => {
  it("put back the copy of their own moment each", () => {
    const restore = { kind: "restore", node: 2, votes: false, downMs: 100 } as const;
    const faults: readonly Fault[] = [
      { ...restore, takenMs: 2_000, atMs: 7_000 },
      { ...restore, takenMs: 6_500, atMs: 9_000 },
    ];
    const seen = run(faults, 11_000);
    expect(seen.result.violation).toBeUndefined();
    const executed = seen.events.filter(({ kind, node }) => kind === "executed" && node === 2);
    const lastBefore = (ms: number): number =>
      executed.findLast(({ atUs }) => atUs < ms * 1_000)?.other ?? -1;
    const firstAfter = (ms: number): number =>
      executed.find(({ atUs }) => atUs >= ms * 1_000)?.other ?? -1;
    expect(lastBefore(6_500)).toBeGreaterThan(lastBefore(2_000) + 2);
    expect(firstAfter(7_000)).toBe(lastBefore(2_000) + 1);
    expect(firstAfter(9_000)).toBe(lastBefore(6_500) + 1);
  }, 30_000);
});

describe("what changes nothing, of machines that are down", () => {
  const put = (key: number) =>
    ({ type: "put", key: Uint8Array.of(key), value: new Uint8Array(100) }) as const;
  /** Of node 0: `between` is called at one second, the fault is at two. */
  const afterDown = (
    fault: Fault,
    between: (node: SimNode) => void,
    part: Partial<Scenario> = {},
  ) => {
    const one = scenario("down", { faults: [fault], healMs: 9_000, atlas: "keep", ...part });
    const network = createNetwork(one, SYSTEM);
    const { world, nodes, atlas } = network;
    const [node] = nodes;
    if (node === undefined) throw new Error("no nodes");
    const marks: string[] = [];
    scheduleFaults({ ...network, leaderOf: () => undefined, mark: (name) => marks.push(name) });
    node.data.seed([put(1), put(2)]);
    world.runUntil(1_000_000);
    between(node);
    world.runUntil(3_000_000);
    return { marks, isGood: atlas.hasGoodCopy(0), node };
  };
  const restore = (votes: boolean): Fault => ({
    ...({ kind: "restore", node: 0, votes, takenMs: 500, atMs: 2_000, downMs: 100 } as const),
  });

  it("counts as a restore of what it changes, and as a loss of data only where that is another", () => {
    const changed = (disks: readonly ("data" | "votes")[], votes: boolean) => {
      const { marks, isGood } = afterDown(restore(votes), (node) => {
        for (const disk of disks) node[disk].seed([put(3)]);
      });
      return [marks, isGood];
    };
    expect(changed([], true)).toEqual([[], true]);
    expect(changed(["votes"], false)).toEqual([[], true]);
    expect(changed(["votes"], true)).toEqual([["fault restore"], true]);
    expect(changed(["data"], false)).toEqual([["fault restore"], false]);
    expect(changed(["data", "votes"], true)).toEqual([["fault restore"], false]);
  });

  it("is a restore where only keys of epochs are others, and no loss", () => {
    const makes = (epochs: readonly number[]) => {
      const part = { n: 7, proofs: ["stake", "epoch-keys"] } as const;
      const { marks, isGood, node } = afterDown(
        restore(true),
        ({ epochKeys, host }) => {
          const { signer } = scenario("keys", {}).knobs;
          const taps = { signed: () => undefined, erased: () => undefined };
          const port = epochKeys?.port(host, host.boot(), signer, taps);
          for (const epoch of epochs) port?.make(epoch, () => undefined);
          host.world.runUntil(1_500_000);
          host.kill("test");
        },
        part,
      );
      return [marks, isGood, node.epochKeys?.held];
    };
    expect(makes([])).toEqual([[], true, [0]]);
    expect(makes([1, 2])).toEqual([["fault restore"], true, [0]]);
  });

  it("is no wipe where there is nothing, and no rot of rows that are rotten", () => {
    const at = { node: 0, atMs: 2_000, disk: "data" } as const;
    const wipe = { kind: "wipe", ...at, votes: false, downMs: 100 } as const;
    const rot = { kind: "rot", ...at, bytes: 1_000 } as const;
    const spoil = ({ data }: SimNode): void => {
      while (data.spoil(1_000)) {
        // Until all of it is.
      }
    };
    const wiped = (node: SimNode): void => void node.wipe(false);
    expect(afterDown(wipe, () => undefined).marks).toEqual(["fault wipe"]);
    expect(afterDown(wipe, wiped).marks).toEqual([]);
    expect(afterDown({ ...wipe, votes: true }, wiped).marks).toEqual(["fault wipe"]);
    expect(afterDown(rot, () => undefined).marks).toEqual(["fault rot"]);
    expect(afterDown(rot, spoil).marks).toEqual([]);
    expect(afterDown(rot, wiped).marks).toEqual([]);
  });
});

describe("lasting faults of one node that overlap", () => {
  type Span = { readonly atMs: number; readonly untilMs: number };
  const all = (span: Span, size: number): Fault[] => [
    { kind: "pause", node: 0, ...span },
    { kind: "lost-writes", node: 0, disk: "votes", ...span },
    { kind: "disk-full", node: 0, ...span },
    { kind: "slow-cpu", node: 0, factor: size, ...span },
    { kind: "slow-disk", node: 0, factor: size, ...span },
    { kind: "queue-overflow", node: 0, bytes: size, ...span },
    { kind: "clock", node: 0, offsetMs: -size, ...span },
    { kind: "clock-periodic", node: 1, amplitudeMs: size, periodMs: 500, ...span },
  ];
  /** How a node is at these moments: which of the faults hold, and the size of those that have one. */
  const statesAt = (faults: readonly Fault[], momentsMs: readonly number[]) => {
    const network = createNetwork(scenario("overlap", { faults, healMs: 9_000 }), SYSTEM);
    const { world, nodes, net } = network;
    const [node, other] = nodes;
    if (node === undefined || other === undefined) throw new Error("no nodes");
    const endAll = scheduleFaults({
      ...network,
      mark: () => undefined,
      leaderOf: () => undefined,
    });
    node.start();
    const wallOff = ({ host }: typeof node): number =>
      host.clock().wallMs() - WALL_START_MS - world.nowMs;
    const state = () => ({
      is: [node.host.pausedUntilUs > world.nowUs, node.votes.lying, node.lacksRoom],
      full: [node.data, node.votes].map((disk) => disk.capacityBytes < Number.MAX_SAFE_INTEGER),
      cpu: node.host.slowness,
      disks: [node.data.slowness, node.votes.slowness],
      queue: net.queueBytes(0),
      clock: wallOff(node),
      swing: wallOff(other),
    });
    const states = momentsMs.map((ms) => {
      world.runUntil(ms * 1_000);
      return state();
    });
    endAll();
    return [...states, state()];
  };
  const calm = {
    ...{ is: [false, false, false], full: [false, false], cpu: 1, disks: [1, 1] },
    ...{ queue: undefined, clock: 0, swing: 0 },
  };
  const held = (size: number) => ({
    ...{ is: [true, true, true], full: [true, true], cpu: size, disks: [size, size] },
    ...{ queue: size, clock: -size, swing: size },
  });

  it("each last until their own end: the last to begin holds, then what is left", () => {
    const first = all({ atMs: 1_000, untilMs: 3_000 }, 50);
    const second = all({ atMs: 2_000, untilMs: 6_000 }, 70);
    const moments = [500, 1_500, 2_500, 3_500, 6_500];
    const expected = [calm, held(50), held(70), held(70), calm, calm];
    expect(statesAt([...first, ...second], moments)).toEqual(expected);
  });

  it("that lie within another leave it as it was", () => {
    const outer = all({ atMs: 1_000, untilMs: 60_000 }, 50);
    const inner = all({ atMs: 2_000, untilMs: 3_000 }, 70);
    const moments = [1_500, 2_500, 3_500, 8_500];
    const expected = [held(50), held(70), held(50), held(50), calm];
    expect(statesAt([...outer, ...inner], moments)).toEqual(expected);
  });

  it("are not ended by one that changes nothing", () => {
    const span = { atMs: 1_000, untilMs: 6_000 };
    const nothing = { atMs: 2_000, untilMs: 3_000 };
    const faults: readonly Fault[] = [
      ...all(span, 50),
      { kind: "clock", node: 0, offsetMs: 0, ...nothing },
      { kind: "slow-cpu", node: 0, factor: 1, ...nothing },
      { kind: "slow-disk", node: 0, factor: 1, ...nothing },
    ];
    expect(statesAt(faults, [2_500, 3_500])).toEqual([held(50), held(50), calm]);
  });

  it("do not hold a process that was started meanwhile", () => {
    const span = { atMs: 1_000, untilMs: 3_000 };
    const faults: readonly Fault[] = [
      { kind: "pause", node: 0, ...span },
      { kind: "crash", node: 0, atMs: 1_500, power: false, downMs: 100 },
      { kind: "pause", node: 0, atMs: 2_000, untilMs: 5_000 },
    ];
    const states = statesAt(faults, [1_250, 1_750, 2_500, 3_500, 5_500]);
    const isPaused = states.map(({ is }) => is[0]);
    expect(isPaused).toEqual([true, false, true, true, false, false]);
  });
});

describe("what is to last longer than the faults", () => {
  const HEAL_MS = 5_000;
  const span = { atMs: 1_000, untilMs: Number.MAX_SAFE_INTEGER } as const;

  /** Asks something of the first node shortly before the heal, and says when it was done. */
  const doneAt = (
    fault: Fault,
    ask: (network: ReturnType<typeof createNetwork>, done: () => void) => void,
  ): number | undefined => {
    const one = scenario("longer", { faults: [fault], healMs: HEAL_MS });
    const network = createNetwork(one, SYSTEM);
    const { world, nodes } = network;
    nodes[0]?.host.boot();
    scheduleFaults({
      ...network,
      mark: () => undefined,
      leaderOf: () => undefined,
    });
    world.runUntil((HEAL_MS - 100) * 1_000);
    let doneMs: number | undefined;
    ask(network, () => {
      doneMs = world.nowMs;
    });
    world.runUntil((HEAL_MS + 10) * 1_000);
    return doneMs;
  };
  const first = ({ nodes }: ReturnType<typeof createNetwork>) => {
    const [node] = nodes;
    if (node === undefined) throw new Error("no nodes");
    return { node, host: node.host, incarnation: node.host.incarnation };
  };
  const slowCpu = { kind: "slow-cpu", node: 0, factor: 100_000, ...span } as const;

  it("pauses no turn beyond the heal", () => {
    const doneMs = doneAt({ kind: "pause", node: 0, ...span }, (network, done) => {
      const { host, incarnation } = first(network);
      host.defer(incarnation, 0, done);
    });
    expect(doneMs).toBe(HEAL_MS);
  });

  it("lets no turn, signature or check of one take longer than to the heal", () => {
    const turn = doneAt(slowCpu, (network, done) => {
      const { host, incarnation } = first(network);
      host.defer(incarnation, 0, done);
    });
    const signature = doneAt(slowCpu, (network, done) => {
      const { node, host, incarnation } = first(network);
      const { signer } = network.scenario.knobs;
      const worker = createSimSigner(host, incarnation, network.scheme, node.key, signer);
      worker.sign(Uint8Array.of(1), done);
    });
    const check = doneAt(slowCpu, (network, done) => {
      const { node, host, incarnation } = first(network);
      const { signer } = network.scenario.knobs;
      const { publicKey } = node.key;
      const job = { message: Uint8Array.of(1), signature: Uint8Array.of(1), publicKey };
      const worker = createSimVerifier(host, incarnation, network.scheme, signer);
      worker.verify([job], "consensus", done);
    });
    // What is to be checked waits for a turn up to the heal, and takes no millisecond then.
    expect([turn, signature, check]).toEqual([HEAL_MS, HEAL_MS, HEAL_MS]);
  });

  it("lets no write take longer than to the heal", () => {
    const slowDisk = { kind: "slow-disk", node: 0, factor: 100_000, ...span } as const;
    const doneMs = doneAt(slowDisk, (network, done) => {
      const { node, incarnation } = first(network);
      const put = { type: "put", key: Uint8Array.of(1), value: Uint8Array.of(1) } as const;
      node.data.open(incarnation).write([put], { sync: true }, done);
    });
    expect(doneMs).toBe(HEAL_MS);
  });

  it("delays no frame beyond the heal, and none behind it", () => {
    const fault = { kind: "delay", node: 0, extraMs: 600_000, ...span, atMs: 2_000 } as const;
    const seen = run([fault], 4_000);
    expect(seen.result.violation).toBeUndefined();
    const touches = (event: TraceEvent): boolean =>
      isDelivery(event) && (event.node === 0 || event.other === 0);
    expect(countOf(seen, [1_000, 2_000], touches)).toBeGreaterThan(0);
    expect(countOf(seen, [2_100, 4_000], touches)).toBe(0);
    expect(countOf(seen, [4_000, 4_100], touches)).toBeGreaterThan(0);
  }, 30_000);

  it("arms no disk beyond the heal", () => {
    const armed = { node: 0, disk: "data", atMs: 1_900, nth: 200 } as const;
    const faults: readonly Fault[] = [
      { kind: "read-error", ...armed },
      { kind: "disk-error", ...armed, node: 1, nth: 50 },
    ];
    const marksOf = (healMs: number): (number | undefined)[] => {
      const { result } = run(faults, healMs);
      expect(result.violation).toBeUndefined();
      return ["read failed", "write failed"].map((mark) => result.marks.get(mark));
    };
    // Both would fire later: they do where there is time for it.
    expect(marksOf(10_000)).toEqual([1, 1]);
    expect(marksOf(2_000)).toEqual([undefined, undefined]);
  }, 30_000);

  it("fails no run of which all is over at the heal", () => {
    const each = (of: (node: number) => Fault): Fault[] => [0, 1, 2, 3].map(of);
    const runs: Fault[][] = [
      each((node) => ({ kind: "pause", node, ...span })),
      each((node) => ({ ...slowCpu, node })),
      each((node) => ({ kind: "slow-disk", node, factor: 100_000, ...span })),
      each((node) => ({ kind: "delay", node, extraMs: 600_000, ...span })),
    ];
    const found = runs.map((faults) => run(faults, 3_000).result.violation);
    expect(found).toEqual([undefined, undefined, undefined, undefined]);
  }, 60_000);
});
