/** Elapsed time on the chain: what counts, when, and what is refused of everything else. */
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { timeOkAt } from "../../../src/ledger/projections/power-inputs.ts";
import { time, timeRunsAt } from "../../../src/ledger/projections/time.ts";
import {
  timeRunCommitted,
  timeRunProven,
  timeRunShared,
} from "../../../src/ledger/projections/time-events.ts";
import { LIMITS } from "../../../src/limits.ts";
import type { TimeRun } from "../../../src/proofs/time/run.ts";
import { idOf } from "../execution-support.ts";
import {
  answerOf,
  ClaimChain,
  membersOf,
  PROOFS,
  runOf,
  TIME_PARAMETERS,
} from "./claims-support.ts";

const commit = (chain: ClaimChain, run: TimeRun, by = "v0", members: readonly string[] = []) => {
  const { leaves, phi } = run.finish().commitment;
  const { epoch } = run.statement;
  return chain.write(
    by,
    timeRunCommitted.encode({ epoch, leaves, phi, members: membersOf(members) }),
  );
};

const answer = (chain: ClaimChain, run: TimeRun, at: number, by = "v0", part = 0): string => {
  const challenge = chain.beaconAt(at + LIMITS.challengeDelayHeights);
  const proof = answerOf(run, challenge, part);
  const { epoch } = run.statement;
  return chain.write(by, timeRunProven.encode({ epoch, part, proof }));
};

/** Commits and waits for the challenge; the height of the commitment. */
const committed = (chain: ClaimChain, run: TimeRun, by = "v0", members: readonly string[] = []) => {
  expect(commit(chain, run, by, members)).toBe("accepted");
  const at = chain.height;
  chain.passChallenge();
  return at;
};

const isOk = (chain: ClaimChain, epoch: number, by = "v0"): boolean =>
  timeOkAt(chain.store.read, idOf(by), epoch);

describe("a run on the chain", () => {
  it("counts for the epoch in which it is proven, and for no other", () => {
    const chain = new ClaimChain();
    const run = runOf(chain);
    const at = committed(chain, run);
    expect(isOk(chain, 0)).toBe(false);
    expect(answer(chain, run, at)).toBe("accepted");
    expect([0, 1, 2].map((epoch) => isOk(chain, epoch))).toEqual([true, false, false]);
    expect(isOk(chain, 0, "v1")).toBe(false);
    const [row] = timeRunsAt(chain.store.read, idOf("v0"));
    expect(row).toMatchObject({ epoch: 0, leaves: 64, state: 1, settledEpoch: 0, fault: "" });
  });

  it("may be answered in the epoch after its own, and then counts there, once", () => {
    const chain = new ClaimChain();
    const late = runOf(chain);
    expect(commit(chain, late)).toBe("accepted");
    const at = chain.height;
    chain.nextEpoch();
    const next = runOf(chain);
    expect(commit(chain, next)).toBe("accepted");
    const nextAt = chain.height;
    chain.passChallenge();
    expect(answer(chain, late, at)).toBe("accepted");
    expect([0, 1, 2].map((epoch) => isOk(chain, epoch))).toEqual([false, true, false]);
    chain.nextEpoch();
    expect(answer(chain, next, nextAt)).toBe("accepted");
    expect(isOk(chain, 2)).toBe(true);
  });

  it("comes back after an epoch without one", () => {
    const chain = new ClaimChain();
    for (const epoch of [0, 1, 2]) {
      if (epoch !== 1) {
        const run = runOf(chain);
        expect(answer(chain, run, committed(chain, run))).toBe("accepted");
      }
      expect(isOk(chain, epoch)).toBe(epoch !== 1);
      chain.nextEpoch();
    }
  });

  it("is proven when every part is there, in whatever order", () => {
    const parameters = { ...TIME_PARAMETERS, tailBlocks: LIMITS.timeTailBlocks[1], challenges: 20 };
    const chain = new ClaimChain({ ...PROOFS, time: parameters });
    const run = runOf(chain, { parameters });
    const at = committed(chain, run);
    expect(answer(chain, run, at, "v0", 2)).toBe("accepted");
    expect(answer(chain, run, at, "v0", 0)).toBe("accepted");
    expect(answer(chain, run, at, "v0", 2)).toBe("time.repeated");
    expect(isOk(chain, 0)).toBe(false);
    expect(answer(chain, run, at, "v0", 1)).toBe("accepted");
    expect(isOk(chain, 0)).toBe(true);
  });

  it("of others is shared by the members that it was begun for, when they say so", () => {
    const chain = new ClaimChain();
    const members = ["v1", "v2"];
    const run = runOf(chain, { members });
    const at = committed(chain, run, "v0", members);
    const share = (by: string, epoch = 0) =>
      chain.write(by, timeRunShared.encode({ timekeeper: idOf("v0"), epoch }));
    expect(share("v1")).toBe("time.unknown");
    expect(answer(chain, run, at)).toBe("accepted");
    expect(isOk(chain, 0, "v1")).toBe(false);
    expect(share("v1")).toBe("accepted");
    expect(share("v1")).toBe("time.repeated");
    expect(share("v3")).toBe("time.not-member");
    expect(["v0", "v1", "v2", "v3"].map((by) => isOk(chain, 0, by))).toEqual([
      true,
      true,
      false,
      false,
    ]);
    chain.nextEpoch();
    expect(share("v2")).toBe("time.stale");
    expect(share("v2", 1)).toBe("time.unknown");
  });

  it("is shown readably", () => {
    const chain = new ClaimChain();
    const run = runOf(chain);
    committed(chain, run);
    const rows = new Map(chain.store.dump());
    const shown = [...rows].flatMap(([key, value]) => {
      const text = Buffer.from(key, "hex").toString("latin1");
      const at = text.indexOf("time");
      if (!text.startsWith("r") || at < 0) return [];
      const row = Buffer.from(key, "hex").subarray(at + 5);
      return [time.format?.(row, Buffer.from(value, "hex").subarray(8))];
    });
    expect(shown).toContainEqual({ ...TIME_PARAMETERS, epochMs: 1 });
    expect(shown).toContainEqual({
      timekeeper: toHex(idOf("v0")),
      runs: [
        {
          epoch: 0,
          state: "open",
          leaves: 64,
          phi: toHex(run.finish().commitment.phi),
          members: [],
          committedHeight: 1,
          challengeHeight: 11,
          partsAccepted: 0,
          countsForEpoch: null,
          fault: null,
        },
      ],
    });
  });
});

describe("a chain that does not ask for time", () => {
  it("knows no such event, and gives nobody the right to write one", () => {
    const chain = new ClaimChain({ ...PROOFS, time: null });
    const event = timeRunCommitted.encode({
      epoch: 0,
      leaves: 64,
      phi: chain.epoch.seed,
      members: [],
    });
    expect(chain.write("v0", event)).toBe("event.forbidden");
  });
});
