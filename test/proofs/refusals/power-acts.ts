/** Validators that show nothing of one proof while others do: what power each has two epochs later. */
import { expect } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { timeOkAt, workUnitsAt } from "../../../src/ledger/projections/power-inputs.ts";
import { timeRunCommitted, timeRunProven } from "../../../src/ledger/projections/time-events.ts";
import { workSharesCommitted } from "../../../src/ledger/projections/work-events.ts";
import { LIMITS } from "../../../src/limits.ts";
import { idOf } from "../../ledger/execution-support.ts";
import { answerOf, noncesOf, rootOf, runOf } from "../../ledger/projections/claims-support.ts";
import { bond, grant, register, StakeChain } from "../../ledger/stake/support.ts";
import { showShares, WorkChain } from "../../ledger/stake/work-chain.ts";
import { type Act, NOTHING } from "./act.ts";

const OK = "accepted";

/** Three of four, with three quarters of all power: the floor rule keeps nothing for the others. */
const PROVERS = ["v0", "v1", "v2"];

/** The sets of epochs 2 and 3 are those who have proven epochs 0 and 1. */
const onlyProvers = (chain: WorkChain, prove: (by: string) => void): void => {
  for (const epoch of [2, 3]) {
    for (const by of PROVERS) prove(by);
    chain.nextEpoch();
    expect(chain.powers(epoch)).toEqual(PROVERS.map((name) => toHex(idOf(name))).sort());
  }
};

const commitRun = (chain: WorkChain, by: string) => {
  const run = runOf(chain, { by });
  const { number: epoch } = chain.epoch;
  const claim = { epoch, ...run.finish().commitment, members: [] };
  expect(chain.write(by, timeRunCommitted.encode(claim))).toBe(OK);
  return { run, epoch, challengedAt: chain.height + LIMITS.challengeDelayHeights };
};

export const POWER_ACTS: Readonly<Record<string, Act>> = {
  "stake/validator/missing/power": () => {
    const chain = new StakeChain();
    const codes = chain.codes(
      ["root", grant("ann", 900n)],
      ["ann", register("w0", "ann")],
      ["ann", register("w1", "ann")],
      ["ann", bond("w1", 900n)],
    );
    expect(codes).toEqual([OK, OK, OK, OK]);
    chain.end(4);
    for (const epoch of [2, 3, 4, 5]) {
      expect(chain.powers(epoch)).toMatchObject({ v0: 1_000n, w1: 900n });
      expect(chain.powers(epoch)).not.toHaveProperty("w0");
    }
    return NOTHING;
  },
  "work/validator/missing/power": () => {
    const chain = new WorkChain();
    onlyProvers(chain, (by) => {
      expect(showShares(chain, by)).toBe(OK);
      if (by !== "v2") return;
      // One that commits, and opens nothing, has shown no more than one that does neither.
      const { number: epoch } = chain.epoch;
      const claim = { epoch, ...rootOf(noncesOf(chain, { by: "v3" })) };
      expect(chain.write("v3", workSharesCommitted.encode(claim))).toBe(OK);
    });
    for (const epoch of [0, 1]) expect(workUnitsAt(chain.store.read, idOf("v3"), epoch)).toBe(0n);
    return NOTHING;
  },
  "time/validator/missing/power": () => {
    const chain = new WorkChain({}, { work: null });
    onlyProvers(chain, (by) => {
      const { run, epoch, challengedAt } = commitRun(chain, by);
      if (by === "v2") commitRun(chain, "v3");
      chain.passChallenge();
      const proof = answerOf(run, chain.beaconAt(challengedAt));
      expect(chain.write(by, timeRunProven.encode({ epoch, part: 0, proof }))).toBe(OK);
    });
    for (const epoch of [0, 1]) expect(timeOkAt(chain.store.read, idOf("v3"), epoch)).toBe(false);
    return NOTHING;
  },
};
