import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { CALM_NET, type NetKnobs } from "../../sim/links.ts";
import { Talker } from "../transport/quic-support.ts";
import { QuicNetwork } from "./quic-network.ts";

const ROUGH: NetKnobs = {
  ...CALM_NET,
  lossPpm: 30_000,
  duplicatePpm: 20_000,
  reorderPpm: 20_000,
  corruptPpm: 10_000,
};

const up = async (network: QuicNetwork): Promise<{ near: Talker; far: Talker }> => {
  const near = network.dial();
  await network.until(() => near.established && network.accepted.length > 0, "the session is up");
  const far = new Talker(network.accepted[0] as never);
  await network.until(() => far.established, "the server is up");
  return { near, far };
};

describe("real QUIC packets over the simulated network", () => {
  it.each([1, 2, 3])(
    "arrive whole and in order over links that lose, repeat, reorder and corrupt (seed %i)",
    async (seed) => {
      const network = new QuicNetwork(seed, ROUGH);
      const { near, far } = await up(network);
      const there = randomBytes(200_000);
      const back = randomBytes(100_000);
      const id = near.session.openStream("bi");
      near.send(id, there, true);
      await network.until(() => far.received.get(id)?.fin === true, "all is there");
      far.send(id, back, true);
      await network.until(() => near.received.get(id)?.fin === true, "the answer is back");
      expect(Buffer.compare(far.bytes(id), there)).toBe(0);
      expect(Buffer.compare(near.bytes(id), back)).toBe(0);
      // The links did what they were told to.
      expect([...network.hits.keys()].sort()).toEqual([
        "frame corrupted",
        "frame duplicated",
        "frame lost",
        "packet held back",
      ]);
      expect(near.session.figures().packetsLost).toBeGreaterThan(0);
    },
    60_000,
  );

  it("outlive a clog that is shorter than the idle timeout", async () => {
    const network = new QuicNetwork(4, CALM_NET);
    const { near, far } = await up(network);
    const untilUs = (performance.now() + 600) * 1_000;
    network.links.clog(0, 1, untilUs);
    const id = near.session.openStream("bi");
    near.send(id, "late", true);
    await network.until(() => far.text(id) === "late", "it arrives");
    expect(performance.now() * 1_000).toBeGreaterThanOrEqual(untilUs);
    expect([near.end, far.end]).toEqual([undefined, undefined]);
  });

  it("end by silence at both ends of a cut link", async () => {
    const network = new QuicNetwork(5, CALM_NET, 500);
    const { near, far } = await up(network);
    network.links.block(0, 1);
    network.links.block(1, 0);
    await network.until(() => near.end !== undefined && far.end !== undefined, "both end");
    expect([near.end?.by, far.end?.by]).toEqual(["timeout", "timeout"]);
    expect(network.machines.map(({ connectionCount }) => connectionCount)).toEqual([0, 0]);
    expect(network.machines.map(({ deadlineMs }) => deadlineMs)).toEqual([
      Number.POSITIVE_INFINITY,
      Number.POSITIVE_INFINITY,
    ]);
  });
});
