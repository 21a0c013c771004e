import { describe, expect, it } from "vitest";
import { SessionGate } from "../../src/transport/session-gate.ts";
import { silentMetrics } from "./support.ts";

const LIMITS = {
  sessionHandshakesPerSecond: 10,
  sessionHandshakesPerPeerPerSecond: 2,
  sessionHandshakesPerPeerBurst: 4,
};

const gateAt = (time: { ms: number }): SessionGate =>
  new SessionGate({ monotonicMs: () => time.ms, wallMs: () => time.ms }, silentMetrics, LIMITS);

const admitted = (gate: SessionGate, peer: string, tries: number): number => {
  let count = 0;
  for (let i = 0; i < tries; i++) count += gate.admit(peer) ? 1 : 0;
  return count;
};

describe("the budget of handshakes", () => {
  it("lets one peer have its burst, then its rate", () => {
    const time = { ms: 0 };
    const gate = gateAt(time);
    expect(admitted(gate, "a", 20)).toBe(4);
    time.ms += 1_000;
    expect(admitted(gate, "a", 20)).toBe(2);
  });

  it("lets all have no more than theirs together, and a greedy one takes nothing of the others", () => {
    const gate = gateAt({ ms: 0 });
    expect(admitted(gate, "a", 1_000)).toBe(4);
    expect(admitted(gate, "b", 4)).toBe(4);
    expect(admitted(gate, "c", 4)).toBe(2);
    expect(admitted(gate, "d", 4)).toBe(0);
  });

  it("says whether the list of who is shut out has changed", () => {
    const gate = gateAt({ ms: 0 });
    expect(gate.quarantine(new Set())).toBe(false);
    expect(gate.quarantine(new Set(["a"]))).toBe(true);
    expect(gate.quarantine(new Set(["a"]))).toBe(false);
    expect([gate.isQuarantined("a"), gate.isQuarantined("b")]).toEqual([true, false]);
  });
});
