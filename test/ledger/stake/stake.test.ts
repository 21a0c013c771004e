import { describe, expect, it } from "vitest";
import { isQuarantined } from "../../../src/detect/index.ts";
import { actorAt } from "../../../src/ledger/projections/actors.ts";
import { actorRegistered } from "../../../src/ledger/projections/events.ts";
import { LIMITS } from "../../../src/limits.ts";
import { codesOf, idOf, keyOf } from "../execution-support.ts";
import {
  bond,
  delegate,
  equivocation,
  grant,
  jail,
  leave,
  PARAMETERS,
  register,
  rejoin,
  StakeChain,
  unbond,
  withdraw,
} from "./support.ts";

const OK = "accepted";

/** A chain on which bob owns w0 with 2,000 bonded, in the sets from epoch 2 on. */
const joined = (): StakeChain => {
  const chain = new StakeChain();
  const codes = chain.codes(
    ["root", grant("bob", 5_000n)],
    ["bob", register("w0", "bob")],
    ["bob", bond("w0", 2_000n)],
  );
  expect(codes).toEqual([OK, OK, OK]);
  return chain;
};

/** A new actor that may hold stake. */
const actorOf = (name: string) =>
  actorRegistered.encode({
    publicKey: keyOf(name),
    name,
    permissions: ["stake.delegated", "stake.unbonded", "stake.withdrawn"],
  });

describe("joining", () => {
  it("takes effect two epochs after the one in which it happened, and not before", () => {
    const chain = joined();
    expect(Object.keys(chain.powers(1))).not.toContain("w0");
    chain.end();
    expect(chain.powers(2)).toEqual({ v0: 1_000n, v1: 2_000n, v2: 3_000n, v3: 4_000n, w0: 2_000n });
    expect(chain.row(1)?.total).toBe(10_000n);
    expect(chain.row(2)?.degraded).toBe(false);
  });

  it("does not count what happens in the boundary block itself", () => {
    const chain = joined();
    chain.next([{ by: "bob", events: [bond("w0", 500n)] }], true);
    chain.end();
    expect(chain.powers(2)["w0"]).toBe(2_000n);
    expect(chain.powers(3)["w0"]).toBe(2_500n);
  });

  it("makes the node key an actor that may write evidence, and one against which it counts", () => {
    const chain = joined();
    expect(actorAt(chain.store.read, idOf("w0"))?.permissions).toContain("detect.evidence.*");
    chain.end(2);
    expect(chain.codes(["w0", equivocation("v0", 1)])).toEqual([OK]);
    expect(chain.codes(["v1", equivocation("w0", 2)])).toEqual([OK]);
    expect(isQuarantined(chain.store.read, idOf("w0"))).toBe(true);
  });

  it("needs the signature of the new key, for this owner and this identity", () => {
    const chain = new StakeChain();
    const codes = chain.codes(
      ["ann", register("w0", "bob")],
      ["bob", register("w0", "bob", { address: "[2001:db8::0]:1" })],
      ["bob", register("v0", "bob")],
      ["bob", register("w0", "bob", { name: "v1" })],
      ["bob", register("w0", "bob", { address: "[::1]:4001" })],
    );
    const wrong = "event.conflict";
    expect(codes).toEqual(["stake.possession", "event.invalid", wrong, wrong, wrong]);
  });

  it("is refused behind the first places of a batch", () => {
    const chain = new StakeChain();
    const names = Array.from({ length: LIMITS.registrationPositionsMax + 1 }, (_, i) => `a${i}`);
    const events = names.map((name) => register(name, "bob"));
    const codes = codesOf(chain.next([{ by: "bob", events }]));
    expect(codes).toEqual([...events.slice(1).map(() => OK), "event.invalid"]);
  });

  it("is refused where there is no room for candidates", () => {
    const chain = new StakeChain();
    let left = LIMITS.stakeCandidatesMax - 4;
    for (; left > 0; left -= 4) {
      const events = [0, 1, 2, 3].slice(0, left).map((i) => register(`c${left - i}`, "bob"));
      const codes = codesOf(chain.next([{ by: "bob", events }]));
      expect(new Set(codes)).toEqual(new Set([OK]));
    }
    expect(chain.codes(["bob", register("zz9", "bob")])).toEqual(["stake.full"]);
  });
});

describe("moving stake", () => {
  it("refuses what is not there, and what is another's", () => {
    const chain = joined();
    const codes = chain.codes(
      ["bob", bond("w0", 3_001n)],
      ["bob", bond("w0", 0n)],
      ["ann", bond("w0", 1n)],
      ["bob", delegate("w0", 1n)],
      ["ann", delegate("w0", 1n)],
      ["ann", unbond("w0", 1n)],
      ["bob", unbond("w0", 2_001n)],
      ["bob", bond("w9", 1n)],
      ["ann", grant("ann", 1n)],
      ["ann", leave("w0")],
      ["root", grant("ann", 2n ** 63n - 1n)],
    );
    expect(codes).toEqual([
      "stake.insufficient",
      "event.invalid",
      "event.forbidden",
      "event.forbidden",
      "stake.insufficient",
      "stake.insufficient",
      "stake.insufficient",
      "event.conflict",
      "event.forbidden",
      "event.forbidden",
      "stake.full",
    ]);
  });

  it("counts what others delegate", () => {
    const chain = joined();
    expect(chain.codes(["root", grant("cat", 700n)], ["cat", delegate("w0", 700n)])).toEqual([
      OK,
      OK,
    ]);
    chain.end();
    expect(chain.powers(2)["w0"]).toBe(2_700n);
  });

  it("lets stake go when the last set that counts it has ended and the time is over", () => {
    const chain = joined();
    chain.end();
    expect(chain.codes(["bob", unbond("w0", 2_000n)])).toEqual([OK]);
    // Epochs 1 and 2 have it in their sets, 3 has not: unbonding runs from the end of epoch 2.
    chain.end(1);
    expect(Object.keys(chain.powers(2))).toContain("w0");
    expect(Object.keys(chain.powers(3))).not.toContain("w0");
    chain.end(1, PARAMETERS.unbondingMs);
    expect(chain.codes(["bob", withdraw("w0")])).toEqual(["stake.locked"]);
    chain.next([], false, PARAMETERS.unbondingMs - 2_001);
    expect(chain.codes(["bob", withdraw("w0")])).toEqual(["stake.locked"]);
    expect(chain.codes(["bob", withdraw("w0")])).toEqual([OK]);
    expect(chain.free("bob")).toBe(5_000n);
  });

  it("holds parts on their way out, and holders, to their limits", () => {
    const chain = joined();
    const parts = LIMITS.stakeLeavingPerHolderMax + 1;
    const events = Array.from({ length: parts }, () => ["bob", unbond("w0", 1n)] as const);
    const codes = chain.codes(...events);
    expect(codes.slice(0, -1)).toEqual(events.slice(1).map(() => OK));
    expect(codes.at(-1)).toBe("stake.full");
  });
});

describe("limits of one validator", () => {
  /** Other holders than the owner, each with some free stake. */
  const holders = (chain: StakeChain, count: number): string[] => {
    const names = Array.from({ length: count }, (_, i) => `h${i}`);
    for (let at = 0; at < count; at += 32) {
      const some = names.slice(at, at + 32);
      const register = some.map((name) => actorOf(name));
      chain.next([{ by: "root", events: [...register, ...some.map((name) => grant(name, 100n))] }]);
    }
    return names;
  };

  it("has so many holders beside the owner and no more, whose stake is slashed together", () => {
    const chain = joined();
    const names = holders(chain, LIMITS.stakeHoldersMax + 1);
    const codes = chain.codes(...names.map((name) => [name, delegate("w0", 10n)] as const));
    expect(new Set(codes.slice(0, -1))).toEqual(new Set([OK]));
    expect(codes.at(-1)).toBe("stake.full");
    // Who holds some already, and the owner, may add to it.
    expect(chain.codes(["h0", delegate("w0", 1n)], ["bob", bond("w0", 1n)])).toEqual([OK, OK]);
    chain.end(2);
    chain.codes(["v1", equivocation("w0", 2)]);
    const bonds = chain.standing("w0")?.bonds ?? [];
    expect(bonds).toHaveLength(LIMITS.stakeHoldersMax + 1);
    // Each part is rounded up for itself.
    expect(bonds.find(({ amount }) => amount < 10n)).toBeDefined();
  });

  it("has so many parts of others on their way out and no more; the owner has room of its own", () => {
    const chain = joined();
    const each = LIMITS.stakeLeavingPerHolderMax;
    const names = holders(chain, LIMITS.stakeLeavingMax / each + 1);
    expect(names.length).toBeLessThanOrEqual(LIMITS.stakeHoldersMax + 1);
    // One after the other: a holder that has unbonded everything makes room for the next.
    for (const name of names.slice(0, -1)) {
      const events = Array.from({ length: each }, () => unbond("w0", 1n));
      const codes = codesOf(
        chain.next([{ by: name, events: [delegate("w0", BigInt(each)), ...events] }]),
      );
      expect(new Set(codes)).toEqual(new Set([OK]));
    }
    const last = names.at(-1) ?? "";
    expect(chain.codes([last, delegate("w0", 1n)], [last, unbond("w0", 1n)])).toEqual([
      OK,
      "stake.full",
    ]);
    expect(chain.codes(["bob", unbond("w0", 1n)])).toEqual([OK]);
  });
});

describe("a jail's reason", () => {
  it("is a line of so many bytes", () => {
    const long = "x".repeat(LIMITS.jailReasonBytesMax);
    expect(new StakeChain().codes(["root", jail("v3", long)])).toEqual([OK]);
    expect(() => jail("v3", `${long}x`)).toThrow(RangeError);
    expect(() => jail("v3", "two\nlines")).toThrow(RangeError);
  });
});

describe("leaving and jail", () => {
  it("leaves the next but one set, and comes back by saying so", () => {
    const chain = new StakeChain();
    expect(chain.codes(["v0", leave("v0")], ["v0", leave("v0")])).toEqual([OK, "event.conflict"]);
    chain.end();
    expect(chain.powers(2)).toEqual({ v1: 2_000n, v2: 3_000n, v3: 4_000n });
    expect(chain.codes(["v0", bond("v0", 1n)], ["v0", rejoin("v0")])).toEqual([
      "event.conflict",
      OK,
    ]);
    chain.end();
    expect(chain.powers(3)["v0"]).toBe(1_000n);
  });

  it("jails until its time is over and the owner says so", () => {
    const chain = new StakeChain();
    expect(chain.codes(["ann", jail("v3")], ["root", jail("v3")])).toEqual(["event.forbidden", OK]);
    expect(chain.codes(["v3", rejoin("v3")])).toEqual(["stake.jailed"]);
    chain.end(1);
    // The jail time is over and nobody has rejoined.
    expect("v3" in chain.powers(2)).toBe(false);
    expect(chain.codes(["v3", rejoin("v3")])).toEqual([OK]);
    chain.end(1);
    expect(chain.powers(3)["v3"]).toBe(4_000n);
  });

  it("forgets who has left with everything, for good", () => {
    const chain = joined();
    expect(chain.codes(["bob", leave("w0")], ["bob", unbond("w0", 2_000n)])).toEqual([OK, OK]);
    chain.end(4, PARAMETERS.unbondingMs);
    expect(chain.codes(["bob", withdraw("w0")], ["bob", rejoin("w0")])).toEqual([
      OK,
      "event.conflict",
    ]);
    expect(chain.codes(["bob", register("w0", "bob")])).toEqual(["event.conflict"]);
  });
});

describe("the floor rule", () => {
  it("takes no leaving for a lost proof, however many leave: who is new has its power", () => {
    const chain = new StakeChain();
    chain.codes(["v3", leave("v3")], ["v2", leave("v2")], ["root", grant("bob", 900n)]);
    chain.codes(["bob", register("w0", "bob")], ["bob", bond("w0", 300n)]);
    chain.codes(["v1", unbond("v1", 1_500n)]);
    chain.end();
    expect(chain.row(2)).toMatchObject({ degraded: false, total: 1_800n, stake: 1_800n });
    expect(chain.powers(2)).toEqual({ v0: 1_000n, v1: 500n, w0: 300n });
  });

  it("keeps the last set where nobody may go on", () => {
    const chain = new StakeChain();
    chain.codes(...["v0", "v1", "v2", "v3"].map((name) => [name, leave(name)] as const));
    chain.end();
    expect(chain.row(2)).toMatchObject({ degraded: true, total: 10_000n, stake: 0n });
  });
});

describe("equivocation", () => {
  it("takes the share, ends the validator, and is out of the next set that is decided", () => {
    const chain = new StakeChain();
    expect(chain.codes(["v1", equivocation("v0", 0)])).toEqual([OK]);
    // 3 × 1,000 of 10,000 is 30 %.
    expect(chain.standing("v0")).toMatchObject({ tombstoned: true, slashedBps: 3_000 });
    expect(chain.books([])).toMatchObject({ slashed: 300n, bonded: 9_700n });
    chain.end();
    expect("v0" in chain.powers(2)).toBe(false);
    expect(chain.codes(["v0", rejoin("v0")], ["v0", bond("v0", 1n)])).toEqual([
      "event.conflict",
      "event.conflict",
    ]);
  });

  it("costs everybody everything where more than a third did it together", () => {
    const chain = new StakeChain();
    chain.codes(["v1", equivocation("v0", 0)]);
    chain.codes(["v1", equivocation("v2", 0)]);
    expect(chain.standing("v0")).toMatchObject({ slashedBps: 10_000, bonds: [] });
    expect(chain.standing("v2")).toMatchObject({ slashedBps: 10_000, bonds: [] });
    expect(chain.books([])).toMatchObject({ slashed: 4_000n, bonded: 6_000n });
  });

  it("counts for an epoch that is over, as long as evidence is taken, and is liable who left since", () => {
    const chain = new StakeChain();
    chain.codes(["v0", unbond("v0", 1_000n)]);
    chain.end(2);
    chain.next([], false, PARAMETERS.evidenceMs - 10_000 - 1_000);
    // Epoch 0 is over for evidenceMs at the most; all of v0's stake is leaving, and stood behind it.
    expect(chain.codes(["v1", equivocation("v0", 0)])).toEqual([OK]);
    expect(chain.standing("v0")).toMatchObject({ slashedBps: 3_000, leaving: [{ amount: 700n }] });
  });

  it("costs nothing when it comes too late, but ends the validator all the same", () => {
    const chain = new StakeChain();
    chain.end(2);
    chain.next([], false, PARAMETERS.evidenceMs);
    chain.codes(["v1", equivocation("v0", 0)]);
    expect(chain.standing("v0")).toMatchObject({ slashedBps: 0, tombstoned: true });
  });

  it("spares stake that no set of the fault's epoch counted", () => {
    const chain = new StakeChain();
    chain.codes(["v0", unbond("v0", 400n)]);
    chain.end(3);
    // Sets 0 and 1 counted the 400, set 2 does not.
    chain.codes(["v1", equivocation("v0", 2)]);
    const standing = chain.standing("v0");
    expect(standing?.leaving).toMatchObject([{ amount: 400n }]);
    expect(standing?.bonds).toMatchObject([
      { amount: 600n - BigInt(Math.ceil((600 * Number(standing?.slashedBps)) / 10_000)) },
    ]);
  });

  it("settles as many as one event may write of, the others when their stake is touched", () => {
    const chain = new StakeChain();
    const names = Array.from({ length: LIMITS.stakeSettledMax + 2 }, (_, i) => `w${i}`);
    for (let at = 0; at < names.length; at += 4) {
      const some = names.slice(at, at + 4);
      const registered = some.map((name) => register(name, "bob"));
      const codes = codesOf(chain.next([{ by: "bob", events: registered }]));
      expect(new Set(codes)).toEqual(new Set([OK]));
    }
    chain.codes(["root", grant("bob", 1_000_000n)]);
    chain.next([{ by: "bob", events: names.map((name) => bond(name, 100n)) }]);
    chain.end(2);
    for (const name of names) {
      expect(chain.codes(["v1", equivocation(name, 2)])).toEqual([OK]);
    }
    // 3 × 3,400 of 13,400 together; of the first two no event has written since the thirty-third.
    expect(chain.standing("w33")?.slashedBps).toBe(7_612);
    const late = names.filter((name) => chain.standing(name)?.slashedBps !== 7_612);
    expect(late).toEqual(["w0", "w1"]);
    const held = chain.standing("w0")?.bonds[0]?.amount ?? 0n;
    // What it has by the rate of all is less, and that is what counts as soon as it moves.
    expect(chain.codes(["bob", unbond("w0", held)])).toEqual(["stake.insufficient"]);
    expect(chain.codes(["bob", unbond("w0", 1n)])).toEqual([OK]);
    expect(chain.standing("w0")).toMatchObject({ slashedBps: 7_612 });
  });

  it("settles who was not settled before anything is withdrawn", () => {
    const chain = joined();
    chain.end(2);
    chain.codes(["bob", unbond("w0", 2_000n)]);
    chain.codes(["v1", equivocation("w0", 2)]);
    const first = chain.standing("w0")?.leaving[0]?.amount ?? 0n;
    expect(first).toBe(1_000n);
    chain.codes(["v1", equivocation("v3", 2)]);
    expect(chain.standing("w0")?.leaving).toEqual([]);
  });
});
