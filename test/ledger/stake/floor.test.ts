/** The floor rule on a chain whose validators have to show something: who has lost its proofs, and who has gone. */
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { epochRowAt } from "../../../src/ledger/projections/stake/rows.ts";
import { idOf } from "../execution-support.ts";
import { bond, grant, leave, register, unbond } from "./support.ts";
import { showShares, WorkChain } from "./work-chain.ts";

const OK = "accepted";
const NAMES = ["v0", "v1", "v2", "v3", "w0"];

const powersOf = (chain: WorkChain, epoch: number): Record<string, bigint> => {
  const members = epochRowAt(chain.store.read, epoch)?.members ?? [];
  const name = (hex: string) => NAMES.find((one) => toHex(idOf(one)) === hex) ?? hex;
  return Object.fromEntries(members.map(({ id, power }) => [name(toHex(id)), power]));
};

const isDegraded = (chain: WorkChain, epoch: number): boolean | undefined =>
  epochRowAt(chain.store.read, epoch)?.degraded;

/** v0 to v3 of 100 each; w0 of root has joined with 190, and has shown its share. */
const joined = (): WorkChain => {
  const chain = new WorkChain();
  expect(chain.write("root", grant("root", 190n))).toBe(OK);
  expect(chain.write("root", register("w0", "root"))).toBe(OK);
  expect(chain.write("root", bond("w0", 190n))).toBe(OK);
  expect(showShares(chain, "w0")).toBe(OK);
  return chain;
};

describe("the floor rule, where validators lose proofs and leave", () => {
  it("keeps who has lost its proof and drops nobody who has one, whoever has left", () => {
    const chain = joined();
    for (const name of ["v0", "v1"]) expect(chain.write(name, leave(name))).toBe(OK);
    expect(chain.write("v2", unbond("v2", 60n))).toBe(OK);
    chain.nextEpoch();
    // Of 140 that v2 and v3 could keep nothing was earned again.
    expect(isDegraded(chain, 2)).toBe(true);
    expect(powersOf(chain, 2)).toEqual({ v2: 40n, v3: 100n, w0: 190n });
    expect(epochRowAt(chain.store.read, 2)?.total).toBe(330n);
  });

  it("has no part in it where all who stay have their proofs", () => {
    const chain = joined();
    for (const name of ["v0", "v1"]) expect(chain.write(name, leave(name))).toBe(OK);
    for (const name of ["v2", "v3"]) expect(showShares(chain, name)).toBe(OK);
    chain.nextEpoch();
    expect(isDegraded(chain, 2)).toBe(false);
    expect(powersOf(chain, 2)).toEqual({ v2: 100n, v3: 100n, w0: 190n });
  });

  it("takes the power of who lacks a proof where two thirds have theirs, and not for what others earn", () => {
    const chain = joined();
    for (const name of ["v0", "v1", "v2"]) expect(showShares(chain, name)).toBe(OK);
    chain.nextEpoch();
    expect(isDegraded(chain, 2)).toBe(false);
    expect(powersOf(chain, 2)).toEqual({ v0: 100n, v1: 100n, v2: 100n, w0: 190n });
    // Only w0, with less than two thirds of 490, shows one again.
    expect(showShares(chain, "w0")).toBe(OK);
    chain.nextEpoch();
    expect(isDegraded(chain, 3)).toBe(true);
    // The last set for it was that of epoch 2, in which v3 had nothing.
    expect(powersOf(chain, 3)).toEqual({ v0: 100n, v1: 100n, v2: 100n, w0: 190n });
  });
});
