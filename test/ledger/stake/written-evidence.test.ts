/** Which evidence a node writes: on a chain with stake of each epoch, whatever the culprit was caught for before. */
import { describe, expect, it } from "vitest";
import type { Genesis } from "../../../src/ledger/genesis.ts";
import { productOptions, projectionsOf } from "../../../src/node/product.ts";
import {
  hasher,
  idOf,
  genesis as plain,
  runnerOptions,
  TestChain,
  testVerify,
} from "../execution-support.ts";
import { conflictOf, equivocation, genesis, PARAMETERS, StakeChain, unbond } from "./support.ts";

const OK = "accepted";

/** Whether a node that has found two statements of v0 writes an event of them, in the state that a chain has. */
const writes = (
  chain: TestChain,
  epoch: number,
  view?: number,
  from: Genesis = genesis,
): boolean => {
  const { first, second } = conflictOf("v0", epoch, view);
  const { evidenceEvent } = productOptions({
    name: "node",
    genesis: from,
    hasher,
    verifySignature: testVerify,
  });
  return evidenceEvent(chain.store.read, idOf("v0"), first, second) !== undefined;
};

describe("the evidence that a node writes", () => {
  it("is one piece an epoch", () => {
    const chain = new StakeChain();
    expect(writes(chain, 0)).toBe(true);
    expect(chain.codes(["v1", equivocation("v0", 0)])).toEqual([OK]);
    expect([writes(chain, 0), writes(chain, 0, 8)]).toEqual([false, false]);
    expect(writes(chain, 1)).toBe(true);
    expect(chain.codes(["v1", equivocation("v0", 1)])).toEqual([OK]);
    expect(writes(chain, 1, 8)).toBe(false);
  });

  it("is of the dear fault too where the culprit has shown a cheap one of itself", () => {
    const chain = new StakeChain();
    chain.codes(["v0", unbond("v0", 999n)]);
    chain.end(2);
    // In epoch 2 it had next to nothing behind it; of an epoch in which nobody has power nothing is to be had.
    expect(chain.codes(["v0", equivocation("v0", 2)])).toEqual([OK]);
    expect(chain.codes(["v0", equivocation("v0", 77)])).toEqual([OK]);
    expect(chain.books([]).slashed).toBe(1n);
    expect(writes(chain, 0)).toBe(true);
    expect(chain.codes(["v1", equivocation("v0", 0)])).toEqual([OK]);
    expect(chain.books([]).slashed).toBe(301n);
  });

  it("is none of what would cost nothing any more, once the culprit is in quarantine", () => {
    const chain = new StakeChain();
    chain.end(2);
    chain.next([], false, PARAMETERS.evidenceMs);
    expect(writes(chain, 0)).toBe(true);
    expect(chain.codes(["v1", equivocation("v0", 0)])).toEqual([OK]);
    // It came too late and has cost nothing: said once is enough.
    expect(chain.books([]).slashed).toBe(0n);
    expect(writes(chain, 0)).toBe(false);
    expect(writes(chain, 77)).toBe(false);
  });

  it("is one for good on a chain without stake", () => {
    const chain = new TestChain(runnerOptions(projectionsOf(plain)));
    expect(writes(chain, 0, 7, plain)).toBe(true);
    chain.block({ by: "root", events: [equivocation("v0", 0)] });
    expect(writes(chain, 1, 7, plain)).toBe(false);
  });
});
