/**
 * The simulator with real FALCON-1024 signatures: production's signer and verifier under the same faults,
 * checkers and determinism as the stub. A few virtual seconds: a signature costs a millisecond here.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { CALM, type Scenario, scenario } from "../../sim/scenario.ts";
import { simulate } from "../../sim/simulate.ts";
import { SYSTEM } from "../../sim/system.ts";
import { simulateTwice } from "../../sim/twice.ts";
import type { FalconVerifier } from "../../src/crypto/falcon.ts";
import { selectVerifier } from "../../src/node/signing/select-verifier.ts";
import { createFalconRing, type FalconRing } from "./falcon-ring.ts";
import { verdict } from "./support.ts";

const TIMEOUT_MS = 300_000;
const SECONDS = 1_000;

let verifier: FalconVerifier;
beforeAll(async () => {
  verifier = (await selectVerifier()).verifier;
});

const base = {
  knobs: { ...CALM, signer: { ...CALM.signer, checkpoints: true } },
  workload: {
    clients: 2,
    batchesPerSecond: 4,
    eventsPerBatch: 2,
    bodyBytes: 32,
    untilMs: 6 * SECONDS,
  },
  healMs: 2 * SECONDS,
};

const CASES: readonly Scenario[] = [
  scenario("falcon-calm", base),
  scenario("falcon-unequal-weights", { ...base, seed: 2, weights: [3, 2, 2, 1] }),
  scenario("falcon-restarts", {
    ...base,
    seed: 3,
    faults: [
      // Everybody, as soon as it has signed twice and before that is written: they decide again.
      ...[0, 1, 2, 3].map((node) => ({
        kind: "crash-at" as const,
        atMs: 400,
        node,
        point: "signed" as const,
        nth: 2,
        power: true,
        downMs: 50,
      })),
      { kind: "crash-at", atMs: 900, node: 2, point: "send", nth: 3, power: true, downMs: 200 },
      { kind: "crash-all", atMs: 1_400, downMs: 100, power: true },
    ],
  }),
  scenario("falcon-equivocation", {
    ...base,
    seed: 4,
    adversaries: [{ node: 3, strategy: "equivocate-vote", fromMs: 0, untilMs: 60 * SECONDS }],
  }),
  scenario("falcon-forged-certificates", {
    ...base,
    seed: 5,
    adversaries: [{ node: 3, strategy: "forge-certificates", fromMs: 0, untilMs: 60 * SECONDS }],
  }),
];

const ringsOf = (rings: FalconRing[]) => ({
  ...SYSTEM,
  createScheme: ({ seed }: Scenario): FalconRing => {
    const ring = createFalconRing(seed, verifier);
    rings.push(ring);
    return ring;
  },
});

describe("with FALCON", () => {
  it.each(CASES.map((entry) => [entry.name, entry] as const))(
    "%s: blocks become final, nothing breaks, and two runs are one",
    (_name, entry) => {
      const rings: FalconRing[] = [];
      const result = simulateTwice(entry, ringsOf(rings));
      expect(verdict(result)).toBe("ok");
      expect(result.finalHeight).toBeGreaterThan(5);
      expect(rings).toHaveLength(2);
      for (const ring of rings) {
        expect(ring.signed).toBeGreaterThan(50);
        expect(ring.verified).toBeGreaterThan(ring.signed);
      }
    },
    TIMEOUT_MS,
  );

  it(
    "and one statement that is signed again has other bytes, and is the same statement",
    () => {
      const rings: FalconRing[] = [];
      const entry = CASES.find(({ name }) => name === "falcon-restarts");
      if (entry === undefined) throw new RangeError("no such case");
      expect(verdict(simulate(entry, ringsOf(rings)))).toBe("ok");
      expect(rings[0]?.signedAgain.times).toBeGreaterThan(0);
      expect(rings[0]?.signedAgain.equal).toBe(0);
    },
    TIMEOUT_MS,
  );
});

describe("with the stub", () => {
  it.each([true, false])(
    "whose signatures are randomised: %s, restarts break nothing",
    (randomised) => {
      const entry = CASES.find(({ name }) => name === "falcon-restarts");
      if (entry === undefined) throw new RangeError("no such case");
      const signer = { ...entry.knobs.signer, randomised };
      const result = simulateTwice({ ...entry, knobs: { ...entry.knobs, signer } }, SYSTEM);
      expect(verdict(result)).toBe("ok");
    },
  );
});
