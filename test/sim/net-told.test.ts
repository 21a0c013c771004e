/** The simulated network: what clogs hold, and what is told of frames. */
import { describe, expect, it } from "vitest";
import { createRig, peerAt, type Rig, received, run, send } from "./net-rig.ts";

describe("a clog", () => {
  it("lets what it alone holds come at its end, also where a block has ended meanwhile", () => {
    const rig = createRig({ latencyMinUs: 20_000 });
    rig.net.links.clog(0, 1, rig.world.nowUs + 500_000);
    const { transport } = peerAt(rig, 0);
    for (const value of [1, 2]) send(rig, 0, "b", value);
    run(rig, 100);
    rig.net.block(0, 1);
    transport.send("b", "sync", Uint8Array.of(3));
    run(rig, 395);
    rig.net.unblock(0, 1);
    run(rig, 5);
    expect(received(rig, 1)).toEqual([1, 2]);
    // What has met the block too is sent again, and is under way when the clog ends.
    run(rig, 30);
    expect(received(rig, 1)).toEqual([1, 2, 3]);
  });

  it("lets what it held fly anew where a block holds it after the clog", () => {
    const rig = createRig({ latencyMinUs: 20_000 });
    rig.net.links.clog(0, 1, rig.world.nowUs + 500_000);
    send(rig, 0, "b", 1);
    run(rig, 400);
    rig.net.block(0, 1);
    run(rig, 200);
    rig.net.unblock(0, 1);
    run(rig, 19);
    expect(received(rig, 1)).toEqual([]);
    run(rig, 30);
    expect(received(rig, 1)).toEqual([1]);
  });

  it("lets no session begin before its end", () => {
    for (const [from, to] of [
      [0, 1],
      [1, 0],
    ] as const) {
      const rig = createRig();
      rig.net.links.clog(from, to, rig.world.nowUs + 3_000_000);
      expect(rig.net.reset(0, 1)).toBe(true);
      const ups = (): number =>
        [0, 1].flatMap((slot) => peerAt(rig, slot).events).filter((event) => /^\+[ab]$/.test(event))
          .length;
      const before = ups();
      run(rig, 2_999);
      expect(ups()).toBe(before);
      run(rig, 100);
      expect(ups()).toBe(before + 2);
    }
  });
});

describe("what had left when a process died", () => {
  const dies = (rig: Rig): void => {
    peerAt(rig, 0).host.kill("test");
    rig.net.crashed(0);
  };
  const isGone = (rig: Rig): boolean => peerAt(rig, 1).events.includes("-a unreachable");

  it("comes after the clog that holds it, and the news of the death behind it", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const rig = createRig({ latencyMinUs: 20_000 }, ["a", "b"], seed);
      const fromUs = rig.world.nowUs;
      rig.net.links.clog(0, 1, fromUs + 3_000_000);
      send(rig, 0, "b", 1);
      run(rig, 100);
      dies(rig);
      run(rig, 1_900);
      // Longer than it was to be: what waits for its end waits for this one.
      rig.net.links.clog(0, 1, fromUs + 4_000_000);
      run(rig, 1_999);
      expect([received(rig, 1), isGone(rig)], `seed ${seed}`).toEqual([[], false]);
      run(rig, 20_000);
      expect([received(rig, 1), isGone(rig)], `seed ${seed}`).toEqual([[1], true]);
    }
  });

  it("comes where the news is due at the very end of the clog", () => {
    const rig = createRig({ idleTimeoutMs: 500 }, ["a", "b"]);
    rig.net.links.clog(0, 1, rig.world.nowUs + 500_000);
    send(rig, 0, "b", 1);
    // Either way the news is due before the clog ends, or in the moment when it does.
    dies(rig);
    run(rig, 600);
    expect([received(rig, 1), isGone(rig)]).toEqual([[1], true]);
  });

  it("comes where the heal has ended the clog before its time", () => {
    const rig = createRig({ latencyMinUs: 20_000 }, ["a", "b"]);
    rig.net.links.clog(0, 1, rig.world.nowUs + 3_000_000);
    send(rig, 0, "b", 1);
    run(rig, 100);
    dies(rig);
    rig.net.links.calm();
    run(rig, 20_000);
    expect([received(rig, 1), isGone(rig)]).toEqual([[1], true]);
  });

  it("comes when it was sent again after a block, or copied", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const rig = createRig({ latencyMeanUs: 50_000 }, ["a", "b"], seed);
      rig.net.block(0, 1);
      for (const trafficClass of ["consensus", "mempool"] as const) {
        for (const value of [1, 2, 3]) {
          peerAt(rig, 0).transport.send("b", trafficClass, Uint8Array.of(value));
        }
      }
      run(rig, 1_000);
      rig.net.unblock(0, 1);
      dies(rig);
      run(rig, 20_000);
      expect(received(rig, 1).sort(), `seed ${seed}`).toEqual([1, 1, 2, 2, 3, 3]);

      const copying = createRig(
        { duplicatePpm: 1_000_000, latencyMeanUs: 50_000 },
        ["a", "b"],
        seed,
      );
      send(copying, 0, "b", 1);
      dies(copying);
      run(copying, 20_000);
      expect(received(copying, 1), `seed ${seed}`).toEqual([1, 1]);
    }
  });
});

describe("the news that a peer has closed", () => {
  it("passes no clog, and does not come too late for the next session", () => {
    const rig = createRig({}, ["a", "b"]);
    const fromUs = rig.world.nowUs;
    rig.net.links.clog(0, 1, fromUs + 1_000_000);
    peerAt(rig, 0).transport.disconnect("b", { code: "closed", detail: "test" });
    run(rig, 500);
    rig.net.links.clog(0, 1, fromUs + 2_000_000);
    run(rig, 1_499);
    expect(peerAt(rig, 0).events).toEqual(["+b", "-b closed"]);
    expect(peerAt(rig, 1).events).toEqual(["+a"]);
    run(rig, 2_000);
    expect(peerAt(rig, 1).events).toEqual(["+a", "-a closed", "+a"]);
  });
});

describe("what is said of a frame", () => {
  it("is nothing where a blocked link has lost it", () => {
    const all = { duplicatePpm: 1_000_000, corruptPpm: 1_000_000, reorderPpm: 1_000_000 };
    const rig = createRig({ ...all, latencyMeanUs: 50_000, blockedDrops: true });
    const calls: string[] = [];
    for (const knob of ["duplicatePpm", "corruptPpm", "reorderPpm"] as const) {
      rig.net.links.override(knob, 1_000_000, () => calls.push(knob));
    }
    rig.net.links.addDelay(0, 1, 1_000);
    rig.net.block(0, 1);
    for (let i = 0; i < 10; i++) send(rig, 0, "b", i);
    run(rig, 2_000);
    expect(new Set(rig.marks)).toEqual(new Set(["frame blocked"]));
    expect(calls).toEqual([]);
    rig.net.unblock(0, 1);
    for (let i = 0; i < 10; i++) send(rig, 0, "b", i);
    run(rig, 2_000);
    const happened = ["blocked", "corrupted", "delayed", "duplicated", "reordered"];
    expect([...new Set(rig.marks)].sort()).toEqual(happened.map((what) => `frame ${what}`));
    expect(new Set(calls)).toEqual(new Set(["duplicatePpm", "corruptPpm", "reorderPpm"]));
  });

  it("is nothing but that it is lost, where it is", () => {
    const all = { duplicatePpm: 1_000_000, reorderPpm: 1_000_000, corruptPpm: 1_000_000 };
    const rig = createRig({ lossPpm: 1_000_000, ...all });
    const calls: string[] = [];
    for (const knob of ["lossPpm", "duplicatePpm", "reorderPpm", "corruptPpm"] as const) {
      rig.net.links.override(knob, 1_000_000, () => calls.push(knob));
    }
    rig.net.links.clog(0, 1, rig.world.nowUs + 1_000_000);
    for (let i = 0; i < 5; i++) send(rig, 0, "b", i);
    run(rig, 2_000);
    expect(rig.marks).toEqual(new Array(5).fill("frame lost"));
    expect(calls).toEqual(new Array(5).fill("lossPpm"));
  });

  it("is that it was reordered when it has come before an earlier one, and not when it might have", () => {
    const rig = createRig({ reorderPpm: 1_000_000, latencyMeanUs: 50_000 });
    let felt = 0;
    rig.net.links.override("reorderPpm", 1_000_000, () => {
      felt += 1;
    });
    // Each alone on its way: there is nothing to overtake.
    for (let i = 0; i < 20; i++) {
      send(rig, 0, "b", i);
      run(rig, 5_000);
    }
    expect(rig.marks).toEqual([]);
    for (let i = 20; i < 60; i++) send(rig, 0, "b", i);
    run(rig, 5_000);
    const got = received(rig, 1).slice(20);
    const overtaking = got.filter((value, at) => got.slice(at).some((later) => later < value));
    expect(overtaking.length).toBeGreaterThan(10);
    expect(rig.marks).toEqual(new Array(overtaking.length).fill("frame reordered"));
    expect(felt).toBe(overtaking.length);
  });

  it("is that it was clogged when it came later for it", () => {
    const rig = createRig({ latencyMinUs: 20_000 });
    rig.net.links.clog(0, 1, rig.world.nowUs + 10_000);
    send(rig, 0, "b", 1);
    run(rig, 1_000);
    expect(rig.marks).toEqual([]);
    rig.net.links.clog(0, 1, rig.world.nowUs + 100_000);
    send(rig, 0, "b", 2);
    run(rig, 1_000);
    expect(rig.marks).toEqual(["frame clogged"]);
  });

  it("is that it was jittered when it has come later for it", () => {
    const rig = createRig({ latencyMinUs: 20_000, blockedDrops: true });
    let felt = 0;
    rig.net.links.addJitter({ from: 0, to: 1, upToUs: 50_000, felt: () => (felt += 1) });
    rig.net.block(0, 1);
    for (let i = 0; i < 10; i++) send(rig, 0, "b", i);
    run(rig, 1_000);
    expect([new Set(rig.marks), felt]).toEqual([new Set(["frame blocked"]), 0]);
    rig.net.unblock(0, 1);
    send(rig, 0, "b", 1);
    expect(felt).toBe(0);
    run(rig, 1_000);
    expect([rig.marks.filter((mark) => mark === "frame jittered").length, felt]).toEqual([1, 1]);
  });

  it("is not that it was jittered when it waited for one before it all the same", () => {
    const rig = createRig({ latencyMeanUs: 0 });
    rig.net.links.addDelay(0, 1, 100_000);
    send(rig, 0, "b", 1);
    rig.net.links.addDelay(0, 1, -100_000);
    let felt = 0;
    rig.net.links.addJitter({ from: 0, to: 1, upToUs: 50_000, felt: () => (felt += 1) });
    for (let i = 0; i < 10; i++) send(rig, 0, "b", i);
    run(rig, 1_000);
    expect([rig.marks, felt]).toEqual([["frame delayed"], 0]);
  });

  it("is that it was jittered when it was sent again after a block", () => {
    const rig = createRig({ latencyMinUs: 20_000 });
    rig.net.block(0, 1);
    send(rig, 0, "b", 1);
    run(rig, 1_000);
    let felt = 0;
    rig.net.links.addJitter({ from: 0, to: 1, upToUs: 50_000, felt: () => (felt += 1) });
    rig.net.unblock(0, 1);
    expect(felt).toBe(0);
    run(rig, 1_000);
    expect([rig.marks, felt]).toEqual([["frame blocked", "frame jittered"], 1]);
  });

  it("is once that it was stopped when a block holds it, also where a clog has held it before", () => {
    for (const blockedDrops of [false, true]) {
      const rig = createRig({ latencyMinUs: 20_000, blockedDrops });
      const stopped: number[] = [];
      rig.net.watch({ stopped: (_from, _to, bytes) => stopped.push(bytes[0] ?? -1) });
      rig.net.links.clog(0, 1, rig.world.nowUs + 500_000);
      send(rig, 0, "b", 1);
      run(rig, 100);
      rig.net.block(0, 1);
      send(rig, 0, "b", 2);
      run(rig, 300);
      // Nothing but the clog has held them so far.
      expect(stopped).toEqual([]);
      run(rig, 200);
      send(rig, 0, "b", 3);
      run(rig, 100);
      expect(stopped).toEqual([1, 2, 3]);
      rig.net.unblock(0, 1);
      run(rig, 100);
      expect(received(rig, 1)).toEqual(blockedDrops ? [] : [1, 2, 3]);
      expect(stopped).toEqual([1, 2, 3]);
    }
  });
});
