import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../../src/limits.ts";
import { RelayBudgets } from "../../../src/transport/relay/budgets.ts";

const limits = LIMITS.relay;

describe("what one relay may cause", () => {
  it("is less than all may together, so that one leaves room for others", () => {
    expect(limits.handshakesPerRelayPerSecond).toBeLessThan(limits.handshakesPerSecond);
    expect(limits.connectionsPerRelayMax).toBeLessThan(limits.connectionsMax);
    // Those that use up the handshakes of all leave connections for our own dials.
    const relays = limits.handshakesPerSecond / limits.handshakesPerRelayPerSecond;
    expect(relays).toBe(4);
    const left = limits.connectionsMax - relays * limits.connectionsPerRelayMax;
    expect(left).toBeGreaterThanOrEqual(64);
    // A relay passes no more pairs of one member on.
    expect(limits.connectionsPerRelayMax).toBeGreaterThanOrEqual(limits.pairsPerPeerMax);
  });

  it("is connectionsPerRelayMax connections, of which those that ended are none", () => {
    const budgets = new RelayBudgets({ ...limits, handshakesPerRelayPerSecond: 1_000 });
    for (let i = 0; i < limits.connectionsPerRelayMax; i++) {
      expect(budgets.mayBegin("r", 0).ok).toBe(true);
      budgets.count("r", 1);
    }
    expect(budgets.mayBegin("r", 0)).toMatchObject({ code: "node.overloaded" });
    expect(budgets.mayBegin("s", 0).ok).toBe(true);
    budgets.count("r", -1);
    expect(budgets.mayBegin("r", 0).ok).toBe(true);
  });

  it("is within its rates whatever it does, and never less for what others do", () => {
    const events = fc.array(
      fc.record({ relay: fc.constantFrom("r", "s"), answer: fc.boolean(), gapMs: fc.nat(200) }),
      { maxLength: 400 },
    );
    fc.assert(
      fc.property(events, (tries) => {
        const [together, alone] = [new RelayBudgets(limits), new RelayBudgets(limits)];
        let nowMs = 0;
        let [begun, answered] = [0, 0];
        for (const { relay, answer, gapMs } of tries) {
          nowMs += gapMs;
          const got = answer
            ? together.mayAnswer(relay, nowMs)
            : together.mayBegin(relay, nowMs).ok;
          if (relay !== "r") continue;
          expect(answer ? alone.mayAnswer("r", nowMs) : alone.mayBegin("r", nowMs).ok).toBe(got);
          if (got && answer) answered += 1;
          else if (got) begun += 1;
        }
        const most = (perSecond: number): number => perSecond * (1 + nowMs / 1000);
        expect(begun).toBeLessThanOrEqual(most(limits.handshakesPerRelayPerSecond));
        expect(answered).toBeLessThanOrEqual(most(limits.answersPerRelayPerSecond));
      }),
    );
  });
});
