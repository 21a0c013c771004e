/** What a set that is over may still vouch for. */
import { describe, expect, it } from "vitest";
import { holdCheckpoint } from "../../src/client/past-sets.ts";
import type { PolicyOfEpoch } from "../../src/client/validator-sets.ts";
import { sha256 } from "../../src/crypto/hash.ts";
import { checkpointPolicyOf } from "../../src/ledger/verify/checkpoint.ts";

const rootOf = (size: number) => sha256(Uint8Array.of(size));

/** The set of an epoch, proven by a header whose log ends at `size`; its last block, if it is over. */
const setOf = (
  epoch: number,
  height: number,
  executedHeight: number,
  size: number,
  endHeight?: number,
): PolicyOfEpoch => ({
  epoch,
  policy: checkpointPolicyOf({ chainId: "sets", validators: [] }),
  header: {
    ...{ height, executedHeight, epoch, timeMs: 1, weight: 1n, quorum: 1n, totalWeight: 1n },
    ...{ hash: rootOf(0), stateRoot: rootOf(0), signers: [] },
    logSize: size,
    logRoot: rootOf(size),
  },
  ...(endHeight === undefined ? {} : { endHeight }),
});

const verdict = (
  policies: readonly PolicyOfEpoch[],
  epoch: number,
  size: number,
  root = rootOf(size),
) => {
  const held = holdCheckpoint(policies, epoch, { size, root });
  return held.ok ? (held.value?.height ?? "not held") : held.code;
};

describe("a checkpoint of a set that was followed", () => {
  const policies = [setOf(3, 80, 78, 50), setOf(2, 60, 58, 40, 70), setOf(0, 20, 18, 10, 30)];

  it("is of no larger log than when the set was over", () => {
    expect(verdict(policies, 0, 39)).toBe("not held");
    expect(verdict(policies, 0, 40)).toBe(60);
    expect(verdict(policies, 0, 41)).toBe("checkpoint.quorum");
    expect(verdict(policies, 2, 49)).toBe("not held");
    expect(verdict(policies, 2, 51)).toBe("checkpoint.quorum");
    // The newest one's set is not over.
    expect(verdict(policies, 3, 1_000)).toBe("not held");
  });

  it("has the root of every header that states its size", () => {
    for (const epoch of [0, 2, 3]) {
      expect(verdict(policies, epoch, 10, rootOf(11))).toBe("checkpoint.inconsistent");
      expect(verdict(policies, epoch, 10)).toBe(20);
    }
    expect(verdict(policies, 3, 50, rootOf(11))).toBe("checkpoint.inconsistent");
  });

  it("may be of the last blocks of its epoch, which the first headers of the next have not executed", () => {
    const lagging = [setOf(5, 99, 97, 60), setOf(4, 82, 79, 50), setOf(3, 76, 74, 45, 80)];
    expect(verdict(lagging, 3, 55)).toBe("not held");
    expect(verdict(lagging, 3, 61)).toBe("checkpoint.quorum");
    // Where no later header has, only what the newest has passes.
    expect(verdict(lagging.slice(1), 3, 50)).toBe(82);
    expect(verdict(lagging.slice(1), 3, 51)).toBe("checkpoint.quorum");
  });
});
