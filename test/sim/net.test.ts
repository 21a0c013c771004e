/** The simulated network: the promises of the Transport port, and each fault. */
import { describe, expect, it } from "vitest";
import { NOTARIZE } from "../../sim/checkers/decode.ts";
import { Host } from "../../sim/host.ts";
import { CALM_NET } from "../../sim/links.ts";
import { SimNet } from "../../sim/net.ts";
import { World } from "../../sim/world.ts";
import type { PeerId, TrafficClass } from "../../src/ledger/ports.ts";
import { LIMITS } from "../../src/limits.ts";
import { type ContractNetwork, transportContract } from "../contract/transport-contract.ts";
import {
  armVote,
  createRig,
  type Peer,
  peerAt,
  type Rig,
  received,
  run,
  send,
  startPeer,
} from "./net-rig.ts";
import { voteFrame } from "./rig.ts";

const contractNetwork = (count: number): Promise<ContractNetwork> => {
  const world = new World(1);
  const net = new SimNet(world, count, { ...CALM_NET, linkBytesPerMs: 100_000 });
  const ids = Array.from({ length: count }, (_, i) => `${i}`.repeat(64));
  const transports = ids.map((id, slot) => {
    const host = new Host(world, slot);
    net.addSlot(host, id);
    return net.transport(slot, host.boot());
  });
  return Promise.resolve({
    ids,
    members: ids.map((id) => ({ id, tlsPin: new Uint8Array(32), address: "[::1]:1" })),
    transports,
    until: (condition, what) => {
      const limitUs = world.nowUs + 600_000_000;
      while (!condition()) {
        if (!world.step(limitUs)) return Promise.reject(new Error(`never: ${what}`));
      }
      return Promise.resolve();
    },
    run: (ms) => {
      world.runUntil(world.nowUs + ms * 1000);
      return Promise.resolve();
    },
    dispose: () => Promise.resolve(),
  });
};

transportContract("simulated network", contractNetwork);

describe("sessions", () => {
  it("come up once at both ends", () => {
    const rig = createRig();
    expect([...peerAt(rig, 0).events].sort()).toEqual(["+b", "+c"]);
    expect([...peerAt(rig, 1).transport.peers()].sort()).toEqual(["a", "c"]);
  });

  it("end at both ends when one disconnects, and come back", () => {
    const rig = createRig();
    peerAt(rig, 0).transport.disconnect("b", { code: "protocol", detail: "test" });
    expect(send(rig, 0, "b", 1)).toBe(false);
    run(rig, 100);
    expect(peerAt(rig, 0).events).toContain("-b protocol");
    expect(peerAt(rig, 1).events).toContain("-a protocol");
    run(rig, 2_000);
    expect(send(rig, 0, "b", 2)).toBe(true);
    run(rig, 100);
    expect(received(rig, 1)).toEqual([2]);
  });

  it("never come up twice without going down between", () => {
    const rig = createRig();
    for (let i = 0; i < 20; i++) {
      rig.net.reset(0, 1);
      if (i % 3 === 0) rig.net.block(0, 1);
      run(rig, 150);
      if (i % 3 === 0) rig.net.unblock(0, 1);
      run(rig, 400);
    }
    for (const slot of [0, 1]) {
      const other = slot === 0 ? "b" : "a";
      const ups = peerAt(rig, slot).events.filter((event) => event.slice(1).startsWith(other));
      ups.forEach((event, i) => {
        expect(event[0]).toBe(i % 2 === 0 ? "+" : "-");
      });
    }
  });

  it("of a process that is another at once end before the next one begins", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const rig = createRig({ latencyMeanUs: 40_000 }, ["a", "b", "c"], seed);
      for (let i = 0; i < 10; i++) {
        peerAt(rig, 1).host.kill("test");
        rig.net.crashed(1);
        startPeer(rig.net, peerAt(rig, 1));
        run(rig, 700);
      }
      run(rig, 5_000);
      for (const slot of [0, 2]) {
        const heard = peerAt(rig, slot).events.filter((event) => event.slice(1).startsWith("b"));
        const signs = heard.map((event) => event[0]).join("");
        expect(signs, `seed ${seed}, peer ${slot}`).toMatch(/^(\+-)*\+$/);
        // Who has heard that the other is there reaches it.
        expect(send(rig, slot, "b", 7)).toBe(true);
      }
      run(rig, 1_000);
      expect(received(rig, 1).filter((byte) => byte === 7)).toEqual([7, 7]);
    }
  });

  it("with whom one end shuts out end, and none begins until its process is another", () => {
    const rig = createRig();
    const incarnationOf = (slot: number): number => peerAt(rig, slot).host.incarnation;
    const shutOut = new Set(["b"]);
    rig.net.shutOut(0, incarnationOf(0), shutOut);
    // What the caller does with its set later is no news.
    shutOut.add("c");
    expect(send(rig, 0, "b", 1)).toBe(false);
    run(rig, 100);
    expect(peerAt(rig, 0).events).toContain("-b identity");
    expect(peerAt(rig, 1).events).toContain("-a identity");
    rig.net.redial(1);
    run(rig, 20_000);
    expect(peerAt(rig, 0).transport.peers()).toEqual(["c"]);
    expect(peerAt(rig, 1).transport.peers()).toEqual(["c"]);
    const before = incarnationOf(0);
    peerAt(rig, 0).host.kill("test");
    rig.net.crashed(0);
    startPeer(rig.net, peerAt(rig, 0));
    // Told too late by the process that is gone.
    rig.net.shutOut(0, before, new Set(["b", "c"]));
    run(rig, 20_000);
    expect([...peerAt(rig, 0).transport.peers()].sort()).toEqual(["b", "c"]);
  });

  it("do not begin with whom a process has shut out before it listened", () => {
    const world = new World(1);
    const net = new SimNet(world, 2, CALM_NET);
    const [a, b] = ["a", "b"].map((id, slot): Peer => {
      const host = new Host(world, slot);
      net.addSlot(host, id);
      return { host, transport: net.transport(slot, 0), got: [], events: [] };
    });
    if (a === undefined || b === undefined) throw new RangeError("two peers");
    startPeer(net, b);
    const incarnation = a.host.boot();
    net.shutOut(0, incarnation, new Set(["b"]));
    a.transport = net.transport(0, incarnation);
    a.transport.start({
      peerUp: (id) => a.events.push(`+${id}`),
      peerDown: () => undefined,
      frame: () => undefined,
    });
    world.runUntil(5_000_000);
    expect([...a.events, ...b.events]).toEqual([]);
  });

  it("of a crashed process are gone; its next incarnation gets new ones and no old frames", () => {
    const rig = createRig();
    send(rig, 0, "b", 1);
    peerAt(rig, 1).host.kill("test");
    rig.net.crashed(1);
    startPeer(rig.net, peerAt(rig, 1));
    run(rig, 20_000);
    expect(received(rig, 1)).toEqual([]);
    expect(send(rig, 0, "b", 2)).toBe(true);
    run(rig, 100);
    expect(received(rig, 1)).toEqual([2]);
  });

  it("of a crashed process bring nothing that had not left yet, and what had", () => {
    // Some peers notice soon, some by silence only.
    for (let seed = 1; seed <= 8; seed++) {
      // A byte a millisecond, and a second on the way.
      const knobs = { latencyMinUs: 1_000_000, uplinkBytesPerMs: 1 };
      const rig = createRig(knobs, ["a", "b", "c"], seed);
      run(rig, 5_000);
      for (const value of [1, 2, 3, 4]) send(rig, 0, "b", ...new Array<number>(100).fill(value));
      send(rig, 2, "b", 9);
      run(rig, 250);
      peerAt(rig, 0).host.kill("test");
      rig.net.crashed(0);
      run(rig, 20_000);
      expect(received(rig, 1)).toEqual([9, 1, 2]);
    }
  });

  it.each([
    ["no bound", {}],
    ["a narrow uplink", { uplinkBytesPerMs: 50 }],
    ["narrow links", { linkBytesPerMs: 50 }],
    ["a narrow downlink", { downlinkBytesPerMs: 50 }],
  ] as const)("of a process that dies of its vote bring it to everybody: %s", (_, knobs) => {
    for (let seed = 1; seed <= 20; seed++) {
      const rig = createRig({ ...knobs, latencyMeanUs: 50_000 }, ["a", "b", "c"], seed);
      run(rig, 5_000);
      const { host, transport } = peerAt(rig, 0);
      armVote(host, () => {
        host.kill("test");
        rig.net.crashed(0);
      });
      const vote = voteFrame({ view: 5, kind: NOTARIZE }, 0);
      for (const to of ["b", "c"]) expect(transport.send(to, "consensus", vote)).toBe(true);
      // In a queue it is behind the vote, and the process is dead before its turn comes.
      expect(transport.send("c", "consensus", Uint8Array.of(9))).toBe(host.alive);
      run(rig, 3_000);
      expect(host.alive).toBe(false);
      expect(
        [1, 2].map((slot) => received(rig, slot)),
        `seed ${seed}`,
      ).toEqual([[2], [2]]);
    }
  });

  it("of a process that dies bring all that had left before the news of it", () => {
    let heardSoon = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const rig = createRig({}, ["a", "b", "c", "d"], seed);
      const { host, transport } = peerAt(rig, 0);
      for (const to of ["b", "c", "d"]) {
        transport.send(to, "consensus", Uint8Array.of(1));
        transport.send(to, "sync", Uint8Array.of(2));
      }
      host.kill("test");
      rig.net.crashed(0);
      run(rig, 1_000);
      for (const slot of [1, 2, 3]) {
        expect(received(rig, slot).sort(), `seed ${seed}`).toEqual([1, 2]);
        if (peerAt(rig, slot).events.includes("-a unreachable")) heardSoon += 1;
      }
    }
    expect(heardSoon).toBeGreaterThan(30);
    expect(heardSoon).toBeLessThan(90);
  });

  it("of a process that is to die of its vote count what is lost of it as gone", () => {
    const rig = createRig({ linkBytesPerMs: 50 });
    run(rig, 5_000);
    const { host, transport } = peerAt(rig, 0);
    let died = 0;
    armVote(host, () => {
      died += 1;
      host.kill("test");
    });
    rig.net.links.addRule({ type: 2, from: 0, to: 1, ppm: 1_000_000 });
    const vote = voteFrame({ view: 5, kind: NOTARIZE }, 0);
    for (const to of ["b", "c"]) transport.send(to, "consensus", vote);
    expect(died).toBe(0);
    run(rig, 1_000);
    expect(died).toBe(1);
    expect([1, 2].map((slot) => received(rig, slot))).toEqual([[], [2]]);
  });

  it("of a process that is to die of its vote wait for nobody whose copy never leaves", () => {
    const vote = voteFrame({ view: 5, kind: NOTARIZE }, 0);
    const dies = (hinder: (rig: Rig, sendTo: (to: PeerId) => boolean) => void): string => {
      const rig = createRig({ linkBytesPerMs: 50 });
      run(rig, 5_000);
      const { host, transport } = peerAt(rig, 0);
      let died = 0;
      armVote(host, () => {
        died += 1;
        host.kill("test");
        rig.net.crashed(0);
      });
      hinder(rig, (to) => transport.send(to, "consensus", vote));
      const soon = died;
      run(rig, 100);
      return `${soon}, ${died}`;
    };
    // A session ends while the copy waits in a narrow link.
    const reset = dies((rig, sendTo) => {
      expect([sendTo("b"), sendTo("c")]).toEqual([true, true]);
      rig.net.reset(0, 1);
    });
    const withoutSession = dies((rig, sendTo) => {
      peerAt(rig, 0).transport.disconnect("b", { code: "closed", detail: "test" });
      expect([sendTo("b"), sendTo("c")]).toEqual([false, true]);
    });
    const refused = dies((rig, sendTo) => {
      const lengthen = rig.net.shortenQueues(0, 1_000);
      expect(sendTo("b")).toBe(false);
      lengthen();
      expect(sendTo("c")).toBe(true);
    });
    expect([reset, withoutSession, refused]).toEqual(["0, 1", "0, 1", "0, 1"]);
  });

  it("of a process that is to die of its vote are all sent a copy, and none a second one for another", () => {
    const rig = createRig({ uplinkBytesPerMs: 50 });
    run(rig, 5_000);
    const { host, transport } = peerAt(rig, 0);
    armVote(host, () => host.kill("test"));
    const vote = voteFrame({ view: 5, kind: NOTARIZE }, 0);
    for (const _ of [1, 2, 3]) transport.send("b", "consensus", vote);
    run(rig, 500);
    expect(host.alive).toBe(true);
    transport.send("c", "consensus", vote);
    run(rig, 500);
    expect(host.alive).toBe(false);
  });

  it("of a process that dies before all have its vote owe it to nobody in its next life", () => {
    const rig = createRig({ linkBytesPerMs: 50 });
    run(rig, 5_000);
    const { host } = peerAt(rig, 0);
    let died = 0;
    armVote(host, () => {
      died += 1;
      host.kill("test");
    });
    const vote = voteFrame({ view: 5, kind: NOTARIZE }, 0);
    const sendTo = (...all: PeerId[]): void => {
      for (const to of all) peerAt(rig, 0).transport.send(to, "consensus", vote);
    };
    sendTo("b");
    run(rig, 100);
    host.kill("test");
    rig.net.crashed(0);
    startPeer(rig.net, peerAt(rig, 0));
    run(rig, 20_000);
    sendTo("c");
    run(rig, 500);
    expect(died).toBe(0);
    sendTo("b");
    run(rig, 500);
    expect(died).toBe(1);
  });

  it("of twins replace each other", () => {
    const rig = createRig({}, ["a", "b", "b"]);
    run(rig, 5_000);
    const ups = peerAt(rig, 0).events.filter((event) => event === "+b").length;
    expect(ups).toBeGreaterThan(2);
    expect(
      peerAt(rig, 0)
        .transport.peers()
        .filter((peer) => peer === "b").length,
    ).toBeLessThan(2);
    expect(peerAt(rig, 1).events).not.toContain("+b");
  });
});

describe("frames", () => {
  it("arrive once, in order within a class, and as a copy", () => {
    const rig = createRig({ latencyMeanUs: 50_000 });
    const bytes = Uint8Array.of(0);
    for (let i = 0; i < 50; i++) {
      bytes[0] = i;
      peerAt(rig, 0).transport.send("b", "consensus", bytes);
    }
    run(rig, 10_000);
    expect(received(rig, 1)).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(peerAt(rig, 1).got[0]?.from).toBe("a");
  });

  it("are refused over the queue's limit, and not at it", () => {
    const rig = createRig({ linkBytesPerMs: 1 });
    const size = LIMITS.frameBytesMax.control;
    const frame = new Uint8Array(size);
    const room = Math.floor(LIMITS.sendQueueBytesMax.control / size);
    const answers = Array.from({ length: room + 1 }, () =>
      peerAt(rig, 0).transport.send("b", "control", frame),
    );
    expect(answers.filter((answer) => answer)).toHaveLength(room);
    expect(answers[room]).toBe(false);
    expect(rig.refused).toEqual([`0 to 1, control, ${size} bytes`]);
  });

  it("take their time on narrow links", () => {
    const rig = createRig({ linkBytesPerMs: 10, latencyMinUs: 0, latencyMeanUs: 0 });
    peerAt(rig, 0).transport.send("b", "sync", new Uint8Array(1_000));
    run(rig, 99);
    expect(peerAt(rig, 1).got).toHaveLength(0);
    run(rig, 2);
    expect(peerAt(rig, 1).got).toHaveLength(1);
  });
});

describe("faults", () => {
  it("hold frames back on a blocked link until it heals", () => {
    const rig = createRig();
    rig.net.block(0, 1);
    send(rig, 0, "b", 1);
    send(rig, 1, "a", 9);
    run(rig, 1_000);
    expect(received(rig, 1)).toEqual([]);
    expect(received(rig, 0)).toEqual([9]);
    rig.net.unblock(0, 1);
    send(rig, 0, "b", 2);
    run(rig, 1_000);
    expect(received(rig, 1)).toEqual([1, 2]);
  });

  it("lose frames on a blocked link where the scenario says so", () => {
    const rig = createRig({ blockedDrops: true });
    rig.net.block(0, 1);
    send(rig, 0, "b", 1);
    run(rig, 1_000);
    rig.net.unblock(0, 1);
    run(rig, 1_000);
    expect(received(rig, 1)).toEqual([]);
  });

  it("end a session that is blocked for the idle time, and heal afterwards", () => {
    const rig = createRig({ idleTimeoutMs: 2_000 });
    rig.net.block(0, 1);
    send(rig, 0, "b", 1);
    run(rig, 2_500);
    expect(peerAt(rig, 0).events).toContain("-b idle");
    expect(peerAt(rig, 1).events).toContain("-a idle");
    rig.net.unblock(0, 1);
    run(rig, 1_500);
    expect(received(rig, 1)).toEqual([]);
    expect(send(rig, 0, "b", 2)).toBe(true);
  });

  it("count blocks, so that one fault's end does not heal another", () => {
    const rig = createRig();
    rig.net.block(0, 1);
    rig.net.block(0, 1);
    rig.net.unblock(0, 1);
    send(rig, 0, "b", 1);
    run(rig, 500);
    expect(received(rig, 1)).toEqual([]);
    rig.net.unblock(0, 1);
    run(rig, 500);
    expect(received(rig, 1)).toEqual([1]);
  });

  it("lose, repeat, reorder and damage frames at the rates asked for", () => {
    const count = 400;
    const sendAll = (rig: Rig): void => {
      for (let i = 0; i < count; i++) send(rig, 0, "b", i & 0xff, 7);
      run(rig, 20_000);
    };
    const lossy = createRig({ lossPpm: 250_000 });
    sendAll(lossy);
    expect(Math.abs(received(lossy, 1).length - 300)).toBeLessThan(50);
    const doubled = createRig({ duplicatePpm: 250_000 });
    sendAll(doubled);
    expect(Math.abs(received(doubled, 1).length - 500)).toBeLessThan(50);
    const mixed = createRig({ reorderPpm: 500_000, latencyMeanUs: 50_000 });
    sendAll(mixed);
    expect(received(mixed, 1)).toHaveLength(count);
    expect(received(mixed, 1)).not.toEqual(Array.from({ length: count }, (_, i) => i & 0xff));
    const damaged = createRig({ corruptPpm: 1_000_000 });
    sendAll(damaged);
    const whole = peerAt(damaged, 1).got.filter(
      (got, i) => got.bytes[0] === (i & 0xff) && got.bytes[1] === 7,
    );
    expect(whole).toHaveLength(0);
  });

  it("turn knobs back in whatever order they end", () => {
    const { net } = createRig({ linkBytesPerMs: 500 });
    const endFirst = net.links.override("linkBytesPerMs", 20);
    const endSecond = net.links.override("linkBytesPerMs", 100);
    expect(net.links.knobs.linkBytesPerMs).toBe(100);
    endFirst();
    expect(net.links.knobs.linkBytesPerMs).toBe(100);
    endSecond();
    endSecond();
    expect(net.links.knobs.linkBytesPerMs).toBe(500);
    net.links.override("lossPpm", 9);
    net.links.calm();
    expect(net.links.knobs.lossPpm).toBe(0);
  });

  it("drop by message type and link", () => {
    const rig = createRig();
    rig.net.links.addRule({ type: 2, from: undefined, to: 1, ppm: 1_000_000 });
    send(rig, 0, "b", 1);
    send(rig, 0, "b", 2);
    send(rig, 0, "c", 2);
    run(rig, 500);
    expect(received(rig, 1)).toEqual([1]);
    expect(received(rig, 2)).toEqual([2]);
  });

  it("clog a link and let everything through afterwards, in order", () => {
    const rig = createRig();
    rig.net.links.clog(0, 1, rig.world.nowUs + 1_000_000);
    for (const value of [1, 2, 3]) send(rig, 0, "b", value);
    run(rig, 900);
    expect(received(rig, 1)).toEqual([]);
    run(rig, 200);
    expect(received(rig, 1)).toEqual([1, 2, 3]);
  });

  it("clog what is under way too, and what a blocked link has held back", () => {
    const rig = createRig({ latencyMinUs: 20_000 });
    rig.net.block(0, 1);
    for (const value of [1, 2]) send(rig, 0, "b", value);
    run(rig, 200);
    send(rig, 0, "b", 3);
    rig.net.links.clog(0, 1, rig.world.nowUs + 1_000_000);
    rig.net.unblock(0, 1);
    run(rig, 900);
    // It is under way when the clog ends, and behind the others.
    send(rig, 0, "b", 4);
    expect(received(rig, 1)).toEqual([]);
    run(rig, 99);
    expect(received(rig, 1)).toEqual([]);
    run(rig, 1);
    expect(received(rig, 1)).toEqual([1, 2, 3, 4]);
    expect(rig.marks).toContain("frame clogged");
  });

  it("hold what was clogged back for longer where the link is blocked or clogged when that ends", () => {
    const rig = createRig();
    rig.net.links.clog(0, 1, rig.world.nowUs + 500_000);
    send(rig, 0, "b", 1);
    run(rig, 400);
    rig.net.block(0, 1);
    rig.net.links.clog(0, 1, rig.world.nowUs + 500_000);
    run(rig, 1_000);
    expect(received(rig, 1)).toEqual([]);
    rig.net.unblock(0, 1);
    run(rig, 100);
    expect(received(rig, 1)).toEqual([1]);
  });

  it("lose what was clogged where the link is blocked when that ends, if the scenario says so", () => {
    const rig = createRig({ blockedDrops: true });
    rig.net.links.clog(0, 1, rig.world.nowUs + 500_000);
    send(rig, 0, "b", 1);
    run(rig, 400);
    rig.net.block(0, 1);
    run(rig, 200);
    rig.net.unblock(0, 1);
    send(rig, 0, "b", 2);
    run(rig, 100);
    expect(received(rig, 1)).toEqual([2]);
  });

  it("leave the order of a class as it was when a block ends", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const rig = createRig({ latencyMeanUs: 50_000 }, ["a", "b", "c"], seed);
      rig.net.block(0, 1);
      const values = Array.from({ length: 40 }, (_, i) => i);
      for (const value of values) {
        send(rig, 0, "b", value);
        if (value === 20) rig.net.unblock(0, 1);
        run(rig, 10);
      }
      run(rig, 2_000);
      expect(received(rig, 1), `seed ${seed}`).toEqual(values);
    }
  });

  it("let each frame that a block held back come at a moment of its own, and classes overtake each other", () => {
    let overtaken = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const world = createRig({ latencyMeanUs: 50_000 }, ["a", "b", "c"], seed);
      const { transport } = peerAt(world, 0);
      world.net.block(0, 1);
      for (let i = 0; i < 5; i++) {
        for (const trafficClass of ["consensus", "mempool"] as const) {
          transport.send("b", trafficClass, Uint8Array.of(i));
        }
      }
      run(world, 2_000);
      world.net.unblock(0, 1);
      const { got } = peerAt(world, 1);
      const moments = new Set<number>();
      for (let ms = 0; ms < 1_000; ms++) {
        const before = got.length;
        run(world, 1);
        if (got.length > before) moments.add(ms);
      }
      expect(moments.size, `seed ${seed}`).toBeGreaterThan(2);
      const of = (trafficClass: TrafficClass): (number | undefined)[] =>
        got.filter((one) => one.trafficClass === trafficClass).map(({ bytes }) => bytes[0]);
      for (const each of ["consensus", "mempool"] as const) {
        expect(of(each), `seed ${seed}`).toEqual([0, 1, 2, 3, 4]);
      }
      const order = got.map(({ bytes }) => bytes[0] ?? -1);
      if (order.some((value, at) => value < (order[at - 1] ?? 0))) overtaken += 1;
    }
    expect(overtaken).toBeGreaterThan(15);
  });

  it("end between two microseconds as well", () => {
    const rig = createRig();
    rig.net.links.clog(0, 1, rig.world.nowUs + 100_000.3);
    send(rig, 0, "b", 1);
    run(rig, 50);
    rig.net.block(0, 1);
    rig.net.unblock(0, 1);
    rig.net.links.addDelay(0, 1, 60_000.3);
    send(rig, 0, "b", 2);
    rig.net.block(0, 1);
    rig.net.unblock(0, 1);
    run(rig, 200);
    expect(received(rig, 1)).toEqual([1, 2]);
  });

  it("hold for longer what comes to a link that is blocked or clogged again by then", () => {
    for (const again of ["blocked", "clogged"] as const) {
      const rig = createRig({ latencyMeanUs: 100_000 });
      rig.net.block(0, 1);
      const values = Array.from({ length: 20 }, (_, i) => i);
      for (const value of values) {
        peerAt(rig, 0).transport.send(
          "b",
          value % 2 === 0 ? "consensus" : "mempool",
          Uint8Array.of(value),
        );
      }
      run(rig, 3_000);
      rig.net.unblock(0, 1);
      run(rig, 300);
      if (again === "blocked") rig.net.block(0, 1);
      else rig.net.links.clog(0, 1, rig.world.nowUs + 2_000_000);
      const before = received(rig, 1);
      run(rig, 1_999);
      expect(received(rig, 1), again).toEqual(before);
      expect(before.length, again).toBeGreaterThan(0);
      expect(before.length, again).toBeLessThan(20);
      run(rig, 1);
      if (again === "blocked") rig.net.unblock(0, 1);
      run(rig, 2_000);
      const got = received(rig, 1);
      for (const rest of [0, 1]) {
        const ofClass = (value: number): boolean => value % 2 === rest;
        expect(got.filter(ofClass), again).toEqual(values.filter(ofClass));
      }
    }
  });
});
