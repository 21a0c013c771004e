/** The simulated network: what blocks hold, once and again, and what of it is told. */
import { describe, expect, it } from "vitest";
import { createRig, peerAt, type Rig, received, run, send, startPeer } from "./net-rig.ts";

const dies = (rig: Rig, slot = 0): void => {
  peerAt(rig, slot).host.kill("test");
  rig.net.crashed(slot);
};

/** What the process in slot 1 has heard since it had a session with the one in slot 0. */
const heard = (rig: Rig): readonly string[] => peerAt(rig, 1).events.slice(1);

const ways = {
  "one way": [[0, 1]],
  "both ways": [
    [0, 1],
    [1, 0],
  ],
} as const;

const block = (rig: Rig, way: keyof typeof ways): void => {
  for (const [from, to] of ways[way]) rig.net.block(from, to);
};

const unblock = (rig: Rig, way: keyof typeof ways): void => {
  for (const [from, to] of ways[way]) rig.net.unblock(from, to);
};

describe.each(["one way", "both ways"] as const)("news that meets a link blocked %s", (way) => {
  it("of a death waits for the path to heal", () => {
    let soon = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const rig = createRig({ latencyMinUs: 20_000, latencyMeanUs: 0 }, ["a", "b"], seed);
      block(rig, way);
      run(rig, 100);
      dies(rig);
      run(rig, 10_000);
      expect(heard(rig), `seed ${seed}`).toEqual([]);
      unblock(rig, way);
      run(rig, 19);
      expect(heard(rig), `seed ${seed}`).toEqual([]);
      run(rig, 2);
      if (heard(rig).length > 0) soon += 1;
      run(rig, 15_000);
      expect(heard(rig), `seed ${seed}`).toEqual(["-a unreachable"]);
    }
    // The others notice by silence only, as without the block.
    expect(soon).toBeGreaterThan(4);
    expect(soon).toBeLessThan(16);
  });

  it("of a death is that of silence where the path does not heal", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const rig = createRig({ idleTimeoutMs: 2_000, latencyMeanUs: 0 }, ["a", "b"], seed);
      block(rig, way);
      run(rig, 1_000);
      dies(rig);
      run(rig, 999);
      expect(heard(rig), `seed ${seed}`).toEqual([]);
      run(rig, 2);
      expect(heard(rig), `seed ${seed}`).toEqual(["-a idle"]);
    }
  });

  it("of a death before the block is that of silence since the death", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const rig = createRig(
        { idleTimeoutMs: 2_000, latencyMinUs: 20_000, latencyMeanUs: 0 },
        ["a", "b"],
        seed,
      );
      dies(rig);
      // It dies, and has the news of it on its way or not, as the path breaks.
      run(rig, seed % 2 === 0 ? 10 : 30);
      block(rig, way);
      run(rig, 1_960);
      expect(heard(rig), `seed ${seed}`).toEqual([]);
      run(rig, 100);
      expect(heard(rig), `seed ${seed}`).toEqual(["-a idle"]);
    }
  });

  it("of a close waits for the path to heal, and then takes a flight", () => {
    const rig = createRig({ latencyMinUs: 20_000 }, ["a", "b"]);
    block(rig, way);
    run(rig, 100);
    peerAt(rig, 0).transport.disconnect("b", { code: "closed", detail: "test" });
    run(rig, 10_000);
    expect(peerAt(rig, 0).events).toEqual(["+b", "-b closed"]);
    expect(heard(rig)).toEqual([]);
    unblock(rig, way);
    run(rig, 19);
    expect(heard(rig)).toEqual([]);
    run(rig, 2_000);
    expect(heard(rig)).toEqual(["-a closed", "+a"]);
  });

  it("of a close waits where the path breaks while it is on its way", () => {
    const rig = createRig({ latencyMinUs: 20_000, latencyMeanUs: 0 }, ["a", "b"]);
    peerAt(rig, 0).transport.disconnect("b", { code: "closed", detail: "test" });
    run(rig, 10);
    block(rig, way);
    run(rig, 10_000);
    expect(heard(rig)).toEqual([]);
    unblock(rig, way);
    run(rig, 10);
    // Once more: the flight that it takes then is no better.
    block(rig, way);
    run(rig, 4_000);
    expect(heard(rig)).toEqual([]);
    unblock(rig, way);
    run(rig, 2_000);
    expect(heard(rig)).toEqual(["-a closed", "+a"]);
  });

  it("of a close is that of silence where the path does not heal", () => {
    const rig = createRig({ idleTimeoutMs: 2_000, latencyMeanUs: 0 }, ["a", "b"]);
    block(rig, way);
    run(rig, 1_000);
    peerAt(rig, 0).transport.close(() => undefined);
    run(rig, 999);
    expect(heard(rig)).toEqual([]);
    run(rig, 2);
    expect(heard(rig)).toEqual(["-a idle"]);
    run(rig, 20_000);
    unblock(rig, way);
    run(rig, 20_000);
    expect(heard(rig)).toEqual(["-a idle"]);
  });

  it("is for the process that had the session, and for none after it", () => {
    for (const ends of ["dies", "closes"] as const) {
      const rig = createRig({ idleTimeoutMs: 2_000 }, ["a", "b"]);
      block(rig, way);
      if (ends === "dies") dies(rig);
      else peerAt(rig, 0).transport.disconnect("b", { code: "closed", detail: "test" });
      run(rig, 500);
      dies(rig, 1);
      startPeer(rig.net, peerAt(rig, 1));
      run(rig, 5_000);
      unblock(rig, way);
      if (ends === "dies") startPeer(rig.net, peerAt(rig, 0));
      run(rig, 5_000);
      expect(heard(rig), ends).toEqual(["+a"]);
    }
  });
});

describe("news that meets a blocked link", () => {
  it("of a death leaves the session to the other end until it has heard", () => {
    const rig = createRig({ idleTimeoutMs: 5_000 }, ["a", "b"]);
    rig.net.block(0, 1);
    dies(rig);
    run(rig, 4_900);
    expect(peerAt(rig, 1).transport.peers()).toEqual(["a"]);
    expect(send(rig, 1, "a", 1)).toBe(true);
    run(rig, 200);
    expect(peerAt(rig, 1).transport.peers()).toEqual([]);
    expect(send(rig, 1, "a", 1)).toBe(false);
  });

  it("comes before the next session begins", () => {
    const rig = createRig({}, ["a", "b"]);
    rig.net.block(0, 1);
    dies(rig);
    run(rig, 1_000);
    startPeer(rig.net, peerAt(rig, 0));
    run(rig, 1_000);
    expect(heard(rig)).toEqual([]);
    rig.net.unblock(0, 1);
    run(rig, 20_000);
    expect(heard(rig).slice(1)).toEqual(["+a"]);
    expect(heard(rig)[0]).toMatch(/^-a /);
  });

  it("passes the other way, which is open", () => {
    const rig = createRig({}, ["a", "b"]);
    rig.net.block(1, 0);
    peerAt(rig, 0).transport.disconnect("b", { code: "closed", detail: "test" });
    run(rig, 50);
    expect(heard(rig)).toEqual(["-a closed"]);
  });

  it("is not silence where a block is over and a clog holds after it", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const rig = createRig({ idleTimeoutMs: 2_000 }, ["a", "b"], seed);
      rig.net.block(0, 1);
      run(rig, 100);
      dies(rig);
      rig.net.links.clog(0, 1, rig.world.nowUs + 5_000_000);
      run(rig, 500);
      rig.net.unblock(0, 1);
      run(rig, 4_499);
      expect(heard(rig), `seed ${seed}`).toEqual([]);
      run(rig, 5_000);
      expect(heard(rig), `seed ${seed}`).toEqual(["-a unreachable"]);
    }
  });
});

describe("what a block holds when its sender has died", () => {
  it("is lost, also where something comes behind it after the block", () => {
    const rig = createRig({ latencyMinUs: 20_000, latencyMeanUs: 0 }, ["a", "b"]);
    rig.net.block(0, 1);
    send(rig, 0, "b", 1);
    run(rig, 100);
    rig.net.links.addDelay(0, 1, 200_000);
    send(rig, 0, "b", 2);
    dies(rig);
    run(rig, 50);
    rig.net.unblock(0, 1);
    run(rig, 20_000);
    expect([received(rig, 1), heard(rig)]).toEqual([[2], ["-a unreachable"]]);
  });
});

describe("a second block", () => {
  const twice = (seed: number): { rig: Rig; stopped: number[] } => {
    const rig = createRig({ latencyMinUs: 20_000, latencyMeanUs: 20_000 }, ["a", "b"], seed);
    const stopped: number[] = [];
    rig.net.watch({ stopped: (_from, _to, bytes) => stopped.push(bytes[0] ?? -1) });
    rig.net.block(0, 1);
    const { transport } = peerAt(rig, 0);
    transport.send("b", "consensus", Uint8Array.of(1));
    transport.send("b", "consensus", Uint8Array.of(2));
    transport.send("b", "mempool", Uint8Array.of(3));
    run(rig, 1_000);
    expect([...stopped].sort(), `seed ${seed}`).toEqual([1, 2, 3]);
    rig.net.unblock(0, 1);
    // They fly again, and none is there yet.
    run(rig, 5);
    rig.net.block(0, 1);
    run(rig, 2_000);
    return { rig, stopped };
  };

  it("stops each that comes to it, and tells of each once", () => {
    for (let seed = 1; seed <= 40; seed++) {
      const { rig, stopped } = twice(seed);
      expect([...stopped].sort(), `seed ${seed}`).toEqual([1, 1, 2, 2, 3, 3]);
      rig.net.unblock(0, 1);
      run(rig, 2_000);
      expect([...stopped].sort(), `seed ${seed}`).toEqual([1, 1, 2, 2, 3, 3]);
      expect([...received(rig, 1)].sort(), `seed ${seed}`).toEqual([1, 2, 3]);
    }
  });

  it("lets each fly anew at its end", () => {
    for (let seed = 1; seed <= 40; seed++) {
      const { rig } = twice(seed);
      rig.net.unblock(0, 1);
      run(rig, 19);
      expect(received(rig, 1), `seed ${seed}`).toEqual([]);
    }
  });
});

describe("jitter", () => {
  const jittery = (rig: Rig): { readonly felt: number } => {
    const told = { felt: 0 };
    rig.net.links.addJitter({ from: 0, to: 1, upToUs: 50_000, felt: () => (told.felt += 1) });
    return told;
  };

  it("has done nothing to a frame that a clog held for longer", () => {
    const rig = createRig({ latencyMinUs: 20_000 });
    const told = jittery(rig);
    rig.net.links.clog(0, 1, rig.world.nowUs + 1_000_000);
    for (let i = 0; i < 5; i++) {
      send(rig, 0, "b", i);
      run(rig, 100);
    }
    run(rig, 1_000);
    expect(received(rig, 1)).toEqual([0, 1, 2, 3, 4]);
    expect([new Set(rig.marks), told.felt]).toEqual([new Set(["frame clogged"]), 0]);
  });

  it("has done to a frame that flew again what it did to its last flight", () => {
    for (const still of [true, false]) {
      const rig = createRig({ latencyMinUs: 20_000 });
      const told = jittery(rig);
      rig.net.block(0, 1);
      send(rig, 0, "b", 1);
      run(rig, 200);
      if (!still) rig.net.links.calm();
      rig.net.unblock(0, 1);
      run(rig, 500);
      expect(received(rig, 1)).toEqual([1]);
      const marks = still ? ["frame blocked", "frame jittered"] : ["frame blocked"];
      expect([rig.marks, told.felt]).toEqual([marks, still ? 1 : 0]);
    }
  });

  it("has done nothing to a frame that flew again and met a clog", () => {
    const rig = createRig({ latencyMinUs: 20_000 });
    const told = jittery(rig);
    rig.net.block(0, 1);
    send(rig, 0, "b", 1);
    run(rig, 200);
    rig.net.links.clog(0, 1, rig.world.nowUs + 500_000);
    rig.net.unblock(0, 1);
    run(rig, 1_000);
    expect(received(rig, 1)).toEqual([1]);
    expect([rig.marks, told.felt]).toEqual([["frame blocked"], 0]);
  });

  it("has done nothing to a frame that waited for one that flies again", () => {
    let jittered = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const rig = createRig({ latencyMinUs: 20_000, latencyMeanUs: 0 }, ["a", "b"], seed);
      rig.net.block(0, 1);
      send(rig, 0, "b", 1);
      run(rig, 200);
      rig.net.links.addDelay(0, 1, 500_000);
      rig.net.unblock(0, 1);
      rig.net.links.addDelay(0, 1, -500_000);
      const told = jittery(rig);
      send(rig, 0, "b", 2);
      run(rig, 1_000);
      expect(received(rig, 1), `seed ${seed}`).toEqual([1, 2]);
      jittered += told.felt;
    }
    expect(jittered).toBe(0);
  });

  it("has done nothing to a frame that flies again behind a later one", () => {
    const rig = createRig({ latencyMinUs: 20_000, latencyMeanUs: 0 });
    rig.net.block(0, 1);
    for (let i = 0; i < 20; i++) send(rig, 0, "b", i);
    run(rig, 200);
    const told = jittery(rig);
    rig.net.unblock(0, 1);
    const moments = new Set<number>();
    for (let step = 0; step < 1_000; step++) {
      const before = received(rig, 1).length;
      rig.world.runUntil(rig.world.nowUs + 100);
      if (received(rig, 1).length > before) moments.add(step);
    }
    expect(received(rig, 1)).toHaveLength(20);
    // Only who comes later than all before it was late for its own jitter.
    expect(told.felt).toBe(moments.size);
  });
});
