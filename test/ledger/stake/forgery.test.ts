/** False commitments: whose stake they cost, and what is no more than a damaged file. */
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import type { Genesis } from "../../../src/ledger/genesis.ts";
import type { GenesisProofs } from "../../../src/ledger/genesis-proofs.ts";
import { forgedKey } from "../../../src/ledger/projections/forgeries.ts";
import { epochRowAt, standingAt, sumOf } from "../../../src/ledger/projections/stake/rows.ts";
import { work } from "../../../src/ledger/projections/work.ts";
import {
  workSharesCommitted,
  workSharesProven,
} from "../../../src/ledger/projections/work-events.ts";
import { rebuildProjections } from "../../../src/ledger/rebuild.ts";
import { readRow } from "../../../src/ledger/row.ts";
import { LIMITS } from "../../../src/limits.ts";
import { boundaryOf, projectionsOf } from "../../../src/node/product.ts";
import type { StakeParameters } from "../../../src/proofs/stake/parameters.ts";
import { hasher, idOf, runnerOptions, type TestBatch } from "../execution-support.ts";
import {
  asking,
  ClaimChain,
  noncesOf,
  openedOf,
  PROOFS,
  rootOf,
} from "../projections/claims-support.ts";
import { answer as answerRebuild } from "../rebuild-support.ts";
import { bond, PARAMETERS, unbond } from "./support.ts";

const proofsWith = (changes: Partial<StakeParameters>): GenesisProofs => ({
  ...PROOFS,
  time: null,
  stake: { ...PARAMETERS, votedBpsMin: 0n, ...changes },
});

const optionsOf = (from: Genesis) => ({
  ...runnerOptions(projectionsOf(from), from.proofs),
  boundary: boundaryOf(hasher, from),
});

/** v0 to v3, of 100 each. */
class ForgeChain extends ClaimChain {
  readonly from: Genesis;

  constructor(changes: Partial<StakeParameters> = {}) {
    const proofs = proofsWith(changes);
    const plain = asking(proofs);
    const validators = plain.validators.map((one) => ({ ...one, weight: 100n }));
    const from = { ...plain, validators };
    super(proofs, from, optionsOf(from));
    this.from = from;
  }

  override input(batches: readonly TestBatch[], height = this.height + 1) {
    const input = super.input(batches, height);
    return { ...input, header: { ...input.header, view: height, parentView: height - 1 } };
  }

  standing(name: string) {
    return standingAt(this.store.read, idOf(name));
  }

  powers(epoch: number): string[] {
    const members = epochRowAt(this.store.read, epoch)?.members ?? [];
    return members.map(({ id }) => toHex(id));
  }
}

/** Commits to shares, of which the first is none, and opens them as they are, or with something changed. */
const lie = (chain: ForgeChain, change: (opened: Uint8Array) => void = () => undefined): string => {
  const nonces = noncesOf(chain, { by: "v1", count: 1, empty: [0] });
  const { number: epoch } = chain.epoch;
  expect(chain.write("v1", workSharesCommitted.encode({ epoch, ...rootOf(nonces) }))).toBe(
    "accepted",
  );
  const at = chain.height;
  chain.passChallenge();
  const shares = openedOf(nonces, chain.beaconAt(at + LIMITS.challengeDelayHeights));
  change(shares);
  return chain.write("v1", workSharesProven.encode({ epoch, part: 0, shares }));
};

describe("a commitment that its author has shown to be false", () => {
  it("costs everything and ends the validator when the epoch is over", () => {
    const chain = new ForgeChain();
    expect(lie(chain)).toBe("work.shares");
    expect(chain.standing("v1")).toMatchObject({ tombstoned: false });
    chain.nextEpoch();
    expect(chain.standing("v1")).toMatchObject({ tombstoned: true, slashedBps: 10_000, bonds: [] });
    expect(sumOf(chain.standing("v0")?.bonds ?? [])).toBe(100n);
    // Decided just before.
    expect(chain.powers(2)).toContain(toHex(idOf("v1")));
    chain.nextEpoch();
    expect(chain.powers(3)).not.toContain(toHex(idOf("v1")));
  });

  it("costs the part that the chain says, of what is leaving too, and once", () => {
    const chain = new ForgeChain({ forgeryBps: 2_500n });
    expect(chain.write("v1", unbond("v1", 40n))).toBe("accepted");
    expect(lie(chain)).toBe("work.shares");
    for (let left = 3; left > 0; left--) chain.nextEpoch();
    const standing = chain.standing("v1");
    expect(standing).toMatchObject({ tombstoned: true, slashedBps: 2_500, faultEpoch: 0 });
    expect([sumOf(standing?.bonds ?? []), sumOf(standing?.leaving ?? [])]).toEqual([45n, 30n]);
    expect(chain.write("v1", bond("v1", 1n))).toBe("event.conflict");
  });

  it("is not what a damaged file makes: an opening that leads elsewhere, or that does not read", () => {
    for (const change of [
      (opened: Uint8Array) => void opened.set([255], 7),
      (opened: Uint8Array) => void opened.set([9], 8),
    ]) {
      const chain = new ForgeChain();
      expect(["work.shares", "work.malformed"]).toContain(lie(chain, change));
      chain.nextEpoch();
      expect(chain.standing("v1")).toMatchObject({ tombstoned: false, slashedBps: 0 });
      expect(readRow(chain.store.read, "work", forgedKey(idOf("v1")))).toBeUndefined();
    }
  });

  it("costs nothing where the chain takes nothing for it, of which no row speaks then", () => {
    const chain = new ForgeChain({ forgeryBps: 0n });
    expect(lie(chain)).toBe("work.shares");
    chain.nextEpoch();
    expect(chain.standing("v1")).toMatchObject({ tombstoned: false, slashedBps: 0 });
    expect(readRow(chain.store.read, "work", forgedKey(idOf("v1")))).toBeUndefined();
  });

  it("is in rows that a rebuild makes again, and that can be shown", () => {
    const chain = new ForgeChain({ forgeryBps: 1n });
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
