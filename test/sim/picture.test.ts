/** What a picture is made of: bounds that are kept, messages with their fates, and scales that can be undone. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PictureCollector, type PictureOptions } from "../../sim/picture/collect.ts";
import { inLanes, layoutOf, ticksOf, timeText } from "../../sim/picture/layout.ts";
import type { PictureData } from "../../sim/picture/model.ts";
import { picturePage } from "../../sim/picture/page.ts";
import { squeezedScale, straightScale } from "../../sim/picture/scale.ts";
import { record } from "../../sim/recorder.ts";
import { type Scenario, scenario } from "../../sim/scenario.ts";
import { SYSTEM } from "../../sim/system.ts";

const rough = scenario("rough </script><b>", {
  seed: 6,
  healMs: 1_500,
  faults: [
    { kind: "crash", atMs: 500, node: 1, power: true, downMs: 300 },
    { kind: "loss", atMs: 100, untilMs: 1_400, ppm: 100_000 },
    { kind: "duplicate", atMs: 100, untilMs: 1_400, ppm: 100_000 },
    { kind: "corrupt", atMs: 100, untilMs: 1_400, ppm: 50_000 },
  ],
  adversaries: [{ node: 3, strategy: "stale", fromMs: 0, untilMs: 1_000 }],
});
const WIDE: PictureOptions = { messagesMax: 100_000, eventsMax: 100_000 };

const draw = (of: Scenario, options: PictureOptions): PictureData => {
  const collector = new PictureCollector(of, options);
  const result = record(of, SYSTEM, {
    moment: (moment) => collector.moment(moment),
    status: (slot, status, atUs) => collector.status(slot, status, atUs),
  });
  const caption = { title: of.name, verdict: "", commit: "abc", replay: "again" };
  return collector.finish(result, caption);
};
const whole = draw(rough, WIDE);

describe("what is collected", () => {
  it("has every message with what became of it", () => {
    const fates = new Map<number, number>();
    for (const [, , , sentUs, arrivedUs, , , fate] of whole.messages) {
      fates.set(fate, (fates.get(fate) ?? 0) + 1);
      if (fate === 0) expect(arrivedUs).toBeGreaterThanOrEqual(sentUs);
      if (fate === 1) expect(arrivedUs).toBe(-1);
    }
    expect([...fates.keys()].sort()).toEqual(expect.arrayContaining([0, 1, 2, 3]));
    expect(fates.get(0)).toBeGreaterThan(whole.messages.length / 2);
    expect(whole.leftOut).toEqual({ messages: 0, events: 0 });
  });

  it("has nodes, views, blocks, faults and the time without a process", () => {
    expect(whole.nodes.map(({ adversary }) => adversary)).toEqual(["", "", "", "stale"]);
    expect(whole.faults).toHaveLength(4);
    expect(whole.down).toMatchObject([{ fromUs: 500_000, untilUs: 800_000, nodes: [[1, 0]] }]);
    const heights = whole.marks.filter(([, , kind]) => kind === "executed");
    expect(heights.length).toBeGreaterThan(10);
    expect(heights.some(([, , , text]) => /^h\d+ \+\d+$/.test(text))).toBe(true);
    for (const [i, [node, , view]] of whole.views.entries()) {
      const before = whole.views.slice(0, i).filter(([other]) => other === node);
      expect(before.every(([, , earlier]) => earlier < view)).toBe(true);
    }
    expect(whole.healUs).toBe(1_500_000);
    expect(whole.failure).toBeUndefined();
  });

  it("names whom twins copy, those of faults before those of adversaries", () => {
    const twins = scenario("twins", {
      ...{ weights: [1, 2, 3, 4, 5, 6, 7], n: 7, healMs: 1_000 },
      faults: [{ kind: "twin", atMs: 300, node: 1 }],
      adversaries: [{ node: 3, strategy: "twins", fromMs: 200, untilMs: 5_000 }],
    });
    expect(draw(twins, WIDE).nodes.slice(6)).toEqual([
      { name: "n6", weight: 7, adversary: "" },
      { name: "n7", weight: 2, adversary: "twin of n1" },
      { name: "n8", weight: 4, adversary: "twin of n3" },
    ]);
  });

  it("keeps the newest up to its bounds, and counts what it leaves out", () => {
    const { length } = whole.messages;
    const some = draw(rough, { messagesMax: 50, eventsMax: 10 });
    expect(some.messages).toEqual(whole.messages.slice(-50).map((one) => renamed(one, some)));
    expect(some.marks).toEqual(whole.marks.slice(-10));
    expect(some.leftOut.messages).toBe(length - 50);
    expect(some.leftOut.events).toBe(whole.marks.length + whole.views.length - 20);
    expect(draw(rough, { ...WIDE, messagesMax: length }).leftOut.messages).toBe(0);
  });

  it("keeps to the span that was asked for", () => {
    const { messages, fromUs, untilUs } = draw(rough, { ...WIDE, fromMs: 600, toMs: 900 });
    expect([fromUs, untilUs]).toEqual([600_000, 900_000]);
    expect(messages.length).toBeGreaterThan(10);
    for (const [, , , sentUs] of messages) {
      expect(sentUs).toBeGreaterThanOrEqual(600_000);
      expect(sentUs).toBeLessThanOrEqual(900_000);
    }
  });

  it("is of one run also where a stuck one is run again to say why", () => {
    const adversaries = [0, 1].map((node) => ({
      ...{ node, strategy: "silent" as const, fromMs: 800, untilMs: 1e9 },
    }));
    const expected = { finalWithinMs: 1_000 };
    const stuck = scenario("stuck", { seed: 1, healMs: 900, adversaries, expect: expected });
    const { marks, failure } = draw(stuck, WIDE);
    expect(failure?.invariant).toBe("L1");
    const executed = marks.filter(([, , kind]) => kind === "executed");
    const blocks = executed.map(([node, , , text]) => `n${node} ${text.split(" ")[0]}`);
    expect(blocks.length).toBeGreaterThan(4);
    expect(new Set(blocks).size).toBe(blocks.length);
    const times = marks.map(([, atUs]) => atUs);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  /** Kinds are numbered as they come: by name they are the same. */
  const renamed = (one: PictureData["messages"][number], of: PictureData) => {
    const copy = [...one] as unknown[];
    copy[2] = of.kinds.indexOf(whole.kinds[one[2]] ?? "");
    return copy;
  };
});

describe("scales", () => {
  it("go there and back, never backwards, and shorten rests only", () => {
    for (const scale of [straightScale(whole), squeezedScale(whole, () => true)]) {
      fc.assert(
        fc.property(fc.nat(whole.endUs), fc.nat(whole.endUs), (a, b) => {
          expect(scale.us(scale.at(a))).toBeCloseTo(a, 1);
          if (a < b) expect(scale.at(a)).toBeLessThan(scale.at(b));
          expect(scale.at(b) - scale.at(a)).toBeLessThanOrEqual(Math.max(0, b - a) + 1e-6);
        }),
      );
      expect(scale.end).toBeLessThanOrEqual(whole.endUs);
    }
    expect(squeezedScale(whole, () => true).end).toBeLessThan(whole.endUs);
    expect(squeezedScale(whole, () => true).gaps.length).toBeGreaterThan(3);
  });

  it("have marks that do not run into each other", () => {
    const layout = layoutOf(whole, 1_200, 600);
    for (const scale of [straightScale(whole), squeezedScale(whole, () => true)]) {
      for (const part of [1, 0.1, 0.001]) {
        const ticks = ticksOf(layout, { scale, from: 0, to: scale.end * part });
        for (const [i, { x }] of ticks.entries()) {
          if (i > 0) expect(x - (ticks[i - 1]?.x ?? 0)).toBeGreaterThan(100);
        }
        expect(ticks.length).toBeLessThan(14);
      }
    }
    expect(timeText(1_234_567, 1_000)).toBe("1.235 s");
    expect(timeText(2_000_000, 1_000_000)).toBe("2 s");
  });
});

describe("lanes", () => {
  it("hold spans that do not overlap", () => {
    const span = (fromUs: number, untilUs: number) => ({
      ...{ kind: "loss", text: "", fromUs, untilUs, nodes: [] },
    });
    const lanes = inLanes([span(0, 10), span(5, 20), span(12, 30), span(40, 50)], 1);
    expect(lanes.map(({ lane }) => lane)).toEqual([0, 1, 0, 0]);
  });
});

describe("the page", () => {
  it("holds its data as text that cannot end it, and names no other place", async () => {
    const page = await picturePage(whole);
    expect(page).not.toContain("</script><b>");
    expect(page.match(/<script/g)).toHaveLength(2);
    expect(page).toMatch(/default-src 'none'; script-src 'sha256-/);
    expect(page).not.toMatch(/https?:\/\/|src=|@import|url\(/);
  });
});
