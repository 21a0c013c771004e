/** What stood behind a fault pays for it, whatever else its validator does before or after. */
import { describe, expect, it } from "vitest";
import { sumOf } from "../../../src/ledger/projections/stake/rows.ts";
import { LIMITS } from "../../../src/limits.ts";
import { bond, equivocation, grant, PARAMETERS, register, StakeChain, unbond } from "./support.ts";
import { showShares, WorkChain } from "./work-chain.ts";

const OK = "accepted";
/** v1 has 100 of 400: three times its share. */
const RATE = 7_500;

const forge = (chain: WorkChain): void => {
  expect(showShares(chain, "v1", { count: 1, empty: [0] })).toBe("work.shares");
};

const epochs = (chain: WorkChain, count: number): void => {
  for (let left = count; left > 0; left--) chain.nextEpoch();
};

describe("a dear fault beside a false commitment", () => {
  it("takes stake that left before its validator forged, though the forgery took all that was bonded", () => {
    const chain = new WorkChain();
    expect(chain.write("v1", unbond("v1", 100n))).toBe(OK);
    epochs(chain, 2);
    forge(chain);
    epochs(chain, 1);
    expect(chain.standing("v1")).toMatchObject({
      ...{ tombstoned: true, slashedBps: 10_000 },
      leaving: [{ amount: 100n, lastEpoch: 1, slashedBps: 0 }],
    });
    expect(chain.write("v2", equivocation("v1", 0))).toBe(OK);
    expect(chain.standing("v1")).toMatchObject({
      leaving: [{ amount: 25n, slashedBps: RATE }],
      slashedBps: 10_000,
    });
  });

  it("is no way out of the forgery: who accuses itself first loses the rest when the epoch ends", () => {
    const chain = new WorkChain();
    forge(chain);
    expect(chain.write("v1", equivocation("v1", 0))).toBe(OK);
    expect(sumOf(chain.standing("v1")?.bonds ?? [])).toBe(25n);
    epochs(chain, 1);
    expect(chain.standing("v1")).toMatchObject({ slashedBps: 10_000, bonds: [] });
  });

  it("is no way out either for who was ended without a cost, by evidence of an epoch that nobody knows", () => {
    const chain = new WorkChain();
    forge(chain);
    expect(chain.write("v1", equivocation("v1", 77))).toBe(OK);
    expect(chain.standing("v1")).toMatchObject({ tombstoned: true, slashedBps: 0 });
    epochs(chain, 1);
    expect(chain.standing("v1")).toMatchObject({ slashedBps: 10_000, bonds: [] });
  });

  it("costs once where both cost everything, and leaves a part that is liable for neither", () => {
    const chain = new WorkChain();
    expect(chain.write("v1", unbond("v1", 30n))).toBe(OK);
    epochs(chain, 2);
    forge(chain);
    epochs(chain, 3);
    expect(chain.write("v2", equivocation("v1", 2))).toBe(OK);
    expect(chain.standing("v1")).toMatchObject({ bonds: [], leaving: [{ amount: 30n }] });
  });
});

describe("faults of several epochs", () => {
  it("each cost what stood behind them, in whatever order they are found", () => {
    const chain = new StakeChain();
    chain.codes(["v0", unbond("v0", 600n)]);
    chain.end(2);
    expect(chain.powers(2)["v0"]).toBe(400n);
    chain.codes(["v1", equivocation("v0", 2)]);
    // 3 × 400 of 9,400, of what is bonded alone.
    expect(chain.standing("v0")).toMatchObject({
      ...{ slashedBps: 1_277, faultEpochs: [2] },
      leaving: [{ amount: 600n, slashedBps: 0 }],
    });
    chain.codes(["v1", equivocation("v0", 0)]);
    expect(chain.standing("v0")).toMatchObject({
      ...{ slashedBps: 3_000, faultEpochs: [2, 0] },
      leaving: [{ amount: 420n, slashedBps: 3_000 }],
    });
    expect(sumOf(chain.standing("v0")?.bonds ?? [])).toBe(279n);
  });

  it("take no more for a smaller fault of an epoch that the same stake stood behind", () => {
    const chain = new StakeChain();
    chain.codes(["v1", equivocation("v0", 0)]);
    const before = chain.standing("v0");
    chain.codes(["v1", equivocation("v0", 1)]);
    expect(chain.standing("v0")).toEqual({ ...before, faultEpochs: [0, 1] });
  });

  it("are over for the others too, where the row of an epoch stays for its culprits", () => {
    const chain = new StakeChain();
    chain.codes(["v1", equivocation("v0", 0)]);
    chain.end(4);
    chain.next([], true, PARAMETERS.unbondingMs);
    chain.end(1);
    expect(chain.row(0)?.culprits).toHaveLength(1);
    expect(chain.row(2)).toBeUndefined();
    expect(chain.codes(["v1", equivocation("v2", 0)])).toEqual([OK]);
    expect(chain.standing("v2")).toMatchObject({ tombstoned: true, slashedBps: 0 });
    expect(chain.standing("v0")?.slashedBps).toBe(3_000);
  });

  it("go with a part that leaves afterwards", () => {
    const chain = new StakeChain();
    chain.codes(["v1", equivocation("v0", 0)], ["v0", unbond("v0", 100n)]);
    expect(chain.standing("v0")?.leaving).toMatchObject([{ amount: 100n, slashedBps: 3_000 }]);
    chain.codes(["v1", equivocation("v2", 0)]);
    expect(chain.standing("v0")).toMatchObject({ bonds: [], leaving: [] });
  });

  it("are settled of each epoch, also where the later one is the one that was not settled", () => {
    const chain = new StakeChain();
    const names = Array.from({ length: LIMITS.stakeSettledMax + 2 }, (_, i) => `w${i}`);
    for (let at = 0; at < names.length; at += 4) {
      const registered = names.slice(at, at + 4).map((name) => register(name, "bob"));
      chain.next([{ by: "bob", events: registered }]);
    }
    chain.codes(["root", grant("bob", 1_000_000n)]);
    chain.next([{ by: "bob", events: names.map((name) => bond(name, 100n)) }]);
    chain.end(2);
    chain.next([], true, PARAMETERS.evidenceMs);
    // In epoch 2 it was alone; in epoch 3 with all the others, of which the last do not settle it.
    chain.codes(["v1", equivocation("w0", 2)]);
    for (const name of names) expect(chain.codes(["v1", equivocation(name, 3)])).toEqual([OK]);
    expect(chain.standing("w0")?.slashedBps).toBeLessThan(7_612);
    expect(chain.codes(["bob", unbond("w0", 1n)])).toEqual([OK]);
    expect(chain.standing("w0")).toMatchObject({ slashedBps: 7_612, faultEpochs: [2, 3] });
  });

  it("cost everything that stood behind the one that is too many to be remembered", () => {
    const chain = new StakeChain();
    chain.codes(["v0", unbond("v0", 100n)]);
    const max = LIMITS.stakeFaultEpochsMax;
    chain.end(max, 1_000);
    // As the evidence comes last, it is in all of these sets.
    for (let epoch = 1; epoch <= max; epoch++) {
      expect(chain.codes(["v1", equivocation("v0", epoch)])).toEqual([OK]);
    }
    expect(chain.standing("v0")?.faultEpochs).toHaveLength(max);
    expect(chain.standing("v0")?.slashedBps).toBe(3_000);
    expect(chain.codes(["v1", equivocation("v0", max + 1)])).toEqual([OK]);
    expect(chain.standing("v0")).toMatchObject({ slashedBps: 10_000, bonds: [] });
    expect(chain.standing("v0")?.faultEpochs).toHaveLength(max);
    // What left early stood behind the first of them alone.
    expect(chain.standing("v0")?.leaving).toMatchObject([{ amount: 70n, slashedBps: 3_000 }]);
    expect(chain.books([])).toMatchObject({ slashed: 930n });
  });
});
