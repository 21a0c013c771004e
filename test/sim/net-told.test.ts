/** The simulated network: what clogs hold, and what is told of frames. */
import { describe, expect, it } from "vitest";
import { createRig, peerAt, received, run, send } from "./net-rig.ts";

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
});
