/** Bandwidth is shared by max-min fairness. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Caps, FairShare } from "../../sim/bandwidth.ts";
import { World } from "../../sim/world.ts";

const capped = (caps: { link?: number; up?: number; down?: number }): Caps => ({
  link: () => caps.link ?? 0,
  uplink: () => caps.up ?? 0,
  downlink: () => caps.down ?? 0,
});

type Sent = { readonly what: string; readonly atMs: number };

const create = (caps: Caps): { world: World; share: FairShare; sent: Sent[] } => {
  const world = new World(1);
  return { world, share: new FairShare(world, caps), sent: [] };
};

const send = (
  rig: ReturnType<typeof create>,
  [from, to]: readonly [number, number],
  bytes: number,
  stream = "consensus",
): void => {
  rig.share.send(from, to, stream, bytes, () => {
    rig.sent.push({ what: `${from}${to}`, atMs: Math.round(rig.world.nowUs / 1000) });
  });
};

describe("shares of bandwidth", () => {
  it("give one flow all of the narrowest place on its way", () => {
    const rig = create(capped({ link: 100, up: 50, down: 80 }));
    send(rig, [0, 1], 1_000);
    rig.world.runUntil(1_000_000);
    expect(rig.sent).toEqual([{ what: "01", atMs: 20 }]);
  });

  it("split an uplink among those who use it, and a freed part goes to the rest", () => {
    const rig = create(capped({ up: 100 }));
    send(rig, [0, 1], 1_000);
    send(rig, [0, 2], 2_000);
    rig.world.runUntil(1_000_000);
    // 50 a millisecond each until 20 ms; then the second has 1000 left and all of the uplink.
    expect(rig.sent).toEqual([
      { what: "01", atMs: 20 },
      { what: "02", atMs: 30 },
    ]);
  });

  it("give what a narrow receiver leaves to other receivers: max-min, not equal parts", () => {
    const caps: Caps = { ...capped({ up: 100 }), downlink: (slot) => (slot === 1 ? 20 : 0) };
    const rig = create(caps);
    send(rig, [0, 1], 1_000);
    send(rig, [0, 2], 4_000);
    rig.world.runUntil(1_000_000);
    expect(rig.sent).toEqual([
      { what: "01", atMs: 50 },
      { what: "02", atMs: 50 },
    ]);
  });

  it("keep the order within a stream, and bulk of another stream does not stand before a vote", () => {
    const rig = create(capped({ link: 100 }));
    send(rig, [0, 1], 100_000, "sync");
    send(rig, [0, 1], 1_000, "consensus");
    rig.world.runUntil(30_000);
    expect(rig.sent).toEqual([{ what: "01", atMs: 20 }]);
  });

  it("drop what waits for a session that is gone, and retune when a cap changes", () => {
    let link = 1;
    const rig = create({ ...capped({}), link: () => link });
    send(rig, [0, 1], 1_000);
    send(rig, [2, 3], 1_000);
    rig.share.drop(1, 0);
    rig.world.runUntil(500_000);
    link = 0;
    rig.share.retune();
    rig.world.runUntil(501_000);
    expect(rig.sent).toEqual([{ what: "23", atMs: 500 }]);
    expect(rig.share.isFree(0, 1)).toBe(true);
  });

  it("never send faster than a cap, and send everything in the end", () => {
    const message = fc.record({
      from: fc.nat(3),
      to: fc.integer({ min: 4, max: 7 }),
      bytes: fc.integer({ min: 1, max: 5_000 }),
      atMs: fc.nat(50),
    });
    fc.assert(
      fc.property(
        fc.array(message, { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 500 }),
        fc.integer({ min: 1, max: 500 }),
        (messages, up, down) => {
          const { world, share } = create(capped({ up, down }));
          let sent = 0;
          const byUplink = new Map<number, number>();
          for (const { from, to, bytes, atMs } of messages) {
            world.at(atMs * 1000, () => {
              share.send(from, to, `${to}`, bytes, () => {
                sent += 1;
                const total = (byUplink.get(from) ?? 0) + bytes;
                byUplink.set(from, total);
                expect(total).toBeLessThanOrEqual((up * world.nowUs) / 1000 + 1);
              });
            });
          }
          world.runUntil(3_600_000_000);
          expect(sent).toBe(messages.length);
        },
      ),
    );
  });
});
