import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../../src/limits.ts";
import { Forwarder } from "../../../src/transport/relay/forwarder.ts";
import { idOf } from "../support.ts";

const limits = LIMITS.relay;
const [A, B, C, STRANGER] = [idOf(0), idOf(1), idOf(2), idOf(200)] as const;
const packet = new Uint8Array(limits.packetBytesMax);

type Sent = { readonly to: string; readonly from: string; readonly packet: Uint8Array };

const make = (options: Partial<ConstructorParameters<typeof Forwarder>[0]> = {}) => {
  const sent: Sent[] = [];
  const forwarder = new Forwarder({
    offers: true,
    limits,
    nowMs: 0,
    isMember: (id) => id !== STRANGER,
    send: (to, from, bytes) => sent.push({ to, from, packet: bytes }) > 0,
    ...options,
  });
  return { forwarder, sent };
};

/** So many members other than A, B and C. */
const others = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, i) => (1000 + i).toString(16).padStart(64, "0"));

describe("a relay", () => {
  it("passes a packet to the addressee with the sender that its session is of", () => {
    const { forwarder, sent } = make();
    expect(forwarder.forward(A, B, packet, 0)).toBe("sent");
    expect(sent).toEqual([{ to: B, from: A, packet }]);
    expect(forwarder.figures()).toMatchObject({ pairs: 1, packets: 1, bytes: packet.length });
  });

  it("refuses everything where it is none", () => {
    const { forwarder, sent } = make({ offers: false });
    expect(forwarder.forward(A, B, packet, 0)).toBe("relay.not-offered");
    expect(sent).toEqual([]);
  });

  it("refuses who is no member, to whom is none, and from a member to itself", () => {
    const { forwarder, sent } = make();
    expect(forwarder.forward(A, STRANGER, packet, 0)).toBe("relay.not-member");
    expect(forwarder.forward(STRANGER, A, packet, 0)).toBe("relay.not-member");
    expect(forwarder.forward(A, A, packet, 0)).toBe("relay.not-member");
    expect(sent).toEqual([]);
    expect(forwarder.figures().pairs).toBe(0);
  });

  it("says when the addressee is not here, and keeps no pair of it", () => {
    const { forwarder } = make({ send: () => "absent" });
    expect(forwarder.forward(A, B, packet, 0)).toBe("relay.not-here");
    expect(forwarder.figures().pairs).toBe(0);
  });

  it("drops what a full queue does not take", () => {
    const { forwarder } = make({ send: () => false });
    expect(forwarder.forward(A, B, packet, 0)).toBe("dropped");
    expect(forwarder.figures()).toMatchObject({ packets: 0, dropped: 1 });
  });

  it("lets a member open opensBurst pairs at once, not one more, and opensPerSecond later on", () => {
    const { forwarder } = make();
    const targets = others(limits.opensBurst + limits.opensPerSecond + 2);
    const outcomes = targets.map((to, i) =>
      forwarder.forward(A, to, packet, i > limits.opensBurst ? 1_000 : 0),
    );
    expect(outcomes.slice(0, limits.opensBurst)).toEqual(
      Array.from({ length: limits.opensBurst }, () => "sent"),
    );
    expect(outcomes[limits.opensBurst]).toBe("relay.rate");
    expect(outcomes.slice(limits.opensBurst + 1)).toEqual([
      ...Array.from({ length: limits.opensPerSecond }, () => "sent"),
      "relay.rate",
    ]);
    // Pairs that are there cost nothing more.
    expect(forwarder.forward(A, targets[0] ?? "", packet, 1_000)).toBe("sent");
  });

  it("has pairsPerPeerMax pairs with one member, whoever opens them, and not one more", () => {
    const { forwarder } = make();
    const openers = others(limits.pairsPerPeerMax + 1);
    const outcomes = openers.map((from) => forwarder.forward(from, A, packet, 0));
    expect(outcomes.pop()).toBe("relay.full");
    expect(new Set(outcomes)).toEqual(new Set(["sent"]));
    expect(forwarder.forward(A, B, packet, 0)).toBe("relay.full");
  });

  it("has pairsMax pairs in all, and room again when some were silent for pairIdleMs", () => {
    const { forwarder } = make();
    const members = others(2 * limits.pairsMax);
    for (let i = 0; i < limits.pairsMax; i++) {
      expect(forwarder.forward(members[2 * i] ?? "", members[2 * i + 1] ?? "", packet, 0)).toBe(
        "sent",
      );
    }
    expect(forwarder.forward(A, B, packet, 0)).toBe("relay.full");
    forwarder.expire(limits.pairIdleMs - 1);
    expect(forwarder.figures().pairs).toBe(limits.pairsMax);
    forwarder.expire(limits.pairIdleMs);
    expect(forwarder.figures().pairs).toBe(0);
    expect(forwarder.forward(A, B, packet, limits.pairIdleMs)).toBe("sent");
  });

  it("passes on peerBytesPerSecond of one sender at once and no more, while others go on", () => {
    const { forwarder } = make();
    const whole = Math.floor(limits.peerBytesPerSecond / packet.length);
    for (let i = 0; i < whole; i++) expect(forwarder.forward(A, B, packet, 0)).toBe("sent");
    expect(forwarder.forward(A, B, packet, 0)).toBe("dropped");
    expect(forwarder.forward(C, B, packet, 0)).toBe("sent");
    expect(forwarder.forward(A, B, packet, 1_000)).toBe("sent");
  });

  it("passes on bytesPerSecond in all", () => {
    const small = { ...limits, bytesPerSecond: 3 * packet.length };
    const { forwarder } = make({ limits: small });
    const outcomes = others(4).map((from) => forwarder.forward(from, B, packet, 0));
    expect(outcomes).toEqual(["sent", "sent", "sent", "dropped"]);
  });

  it("never sends more of a sender than its rate allows, whatever the pattern", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ gap: fc.nat(300), bytes: fc.integer({ min: 1, max: 1200 }) }), {
          maxLength: 300,
        }),
        (tries) => {
          const rate = 10_000;
          const { forwarder, sent } = make({ limits: { ...limits, peerBytesPerSecond: rate } });
          let now = 0;
          for (const { gap, bytes } of tries) {
            now += gap;
            forwarder.forward(A, B, packet.subarray(0, bytes), now);
          }
          const total = sent.reduce((sum, one) => sum + one.packet.length, 0);
          expect(total).toBeLessThanOrEqual(rate + (rate * now) / 1000);
        },
      ),
    );
  });
});
