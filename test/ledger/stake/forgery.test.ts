/** False commitments: whose stake they cost, and what is no more than a damaged file. */
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { forgedKey } from "../../../src/ledger/projections/forgeries.ts";
import { epochRowAt, sumOf } from "../../../src/ledger/projections/stake/rows.ts";
import { work } from "../../../src/ledger/projections/work.ts";
import { rebuildProjections } from "../../../src/ledger/rebuild.ts";
import { readRow } from "../../../src/ledger/row.ts";
import { idOf } from "../execution-support.ts";
import { answer as answerRebuild } from "../rebuild-support.ts";
import { bond, unbond } from "./support.ts";
import { optionsOf, showShares, WorkChain } from "./work-chain.ts";

/** Commits to shares, of which the first is none, and opens them as they are, or with something changed. */
const lie = (chain: WorkChain, change: (opened: Uint8Array) => void = () => undefined): string =>
  showShares(chain, "v1", { count: 1, empty: [0], change });

describe("a commitment that its author has shown to be false", () => {
  it("costs everything and ends the validator when the epoch is over", () => {
    const chain = new WorkChain();
    expect(lie(chain)).toBe("work.shares");
    expect(chain.standing("v1")).toMatchObject({ tombstoned: false });
    chain.nextEpoch();
    expect(chain.standing("v1")).toMatchObject({ tombstoned: true, slashedBps: 10_000, bonds: [] });
    expect(sumOf(chain.standing("v0")?.bonds ?? [])).toBe(100n);
  });

  it("takes it out of the first set that is decided after it, as evidence does, and its stake out of the sum", () => {
    const chain = new WorkChain({ forgeryBps: 1n });
    expect(lie(chain)).toBe("work.shares");
    const others = ["v0", "v2", "v3"].map((name) => toHex(idOf(name))).sort();
    for (const epoch of [2, 3]) {
      chain.nextEpoch();
      expect(chain.powers(epoch)).toEqual(others);
      expect(epochRowAt(chain.store.read, epoch)?.stake).toBe(300n);
    }
  });

  it("costs the part that the chain says, of what is leaving too, and once", () => {
    const chain = new WorkChain({ forgeryBps: 2_500n });
    expect(chain.write("v1", unbond("v1", 40n))).toBe("accepted");
    expect(lie(chain)).toBe("work.shares");
    for (let left = 3; left > 0; left--) chain.nextEpoch();
    const standing = chain.standing("v1");
    expect(standing).toMatchObject({ tombstoned: true, slashedBps: 2_500, faultEpochs: [] });
    expect([sumOf(standing?.bonds ?? []), sumOf(standing?.leaving ?? [])]).toEqual([45n, 30n]);
    expect(chain.write("v1", bond("v1", 1n))).toBe("event.conflict");
  });

  it("is not what a damaged file makes: an opening that leads elsewhere, or that does not read", () => {
    for (const change of [
      (opened: Uint8Array) => void opened.set([255], 7),
      (opened: Uint8Array) => void opened.set([9], 8),
    ]) {
      const chain = new WorkChain();
      expect(["work.shares", "work.malformed"]).toContain(lie(chain, change));
      chain.nextEpoch();
      expect(chain.standing("v1")).toMatchObject({ tombstoned: false, slashedBps: 0 });
      expect(readRow(chain.store.read, "work", forgedKey(idOf("v1")))).toBeUndefined();
    }
  });

  it("costs nothing where the chain takes nothing for it, of which no row speaks then", () => {
    const chain = new WorkChain({ forgeryBps: 0n });
    expect(lie(chain)).toBe("work.shares");
    chain.nextEpoch();
    expect(chain.standing("v1")).toMatchObject({ tombstoned: false, slashedBps: 0 });
    expect(chain.powers(2)).toContain(toHex(idOf("v1")));
    expect(readRow(chain.store.read, "work", forgedKey(idOf("v1")))).toBeUndefined();
  });

  it("is in rows that a rebuild makes again, and that can be shown", () => {
    const chain = new WorkChain({ forgeryBps: 1n });
    lie(chain);
    const key = forgedKey(idOf("v1"));
    const row = readRow(chain.store.read, "work", key)?.value ?? key;
    expect(work.format?.(key, row)).toEqual({ validator: toHex(idOf("v1")), forgedInEpoch: 0 });
    const before = chain.store.dump();
    const options = { runner: optionsOf(chain.from), genesis: chain.from, read: chain.store.read };
    // No epoch has ended, and this chain keeps no blocks that a rebuild could read the views of.
    const runner = { ...options.runner, boundary: undefined };
    expect(answerRebuild(chain.store, rebuildProjections({ ...options, runner }))?.ok).toBe(true);
    expect(chain.store.dump()).toEqual(before);
  });
});
