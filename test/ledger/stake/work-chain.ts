/** A chain with stake that asks for work: who shows no shares has no power but what the floor rule keeps. */
import { expect } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import type { Genesis } from "../../../src/ledger/genesis.ts";
import type { GenesisProofs } from "../../../src/ledger/genesis-proofs.ts";
import { epochRowAt, standingAt } from "../../../src/ledger/projections/stake/rows.ts";
import {
  workSharesCommitted,
  workSharesProven,
} from "../../../src/ledger/projections/work-events.ts";
import { LIMITS } from "../../../src/limits.ts";
import { boundaryOf, projectionsOf } from "../../../src/node/product.ts";
import type { StakeParameters } from "../../../src/proofs/stake/parameters.ts";
import { shareParts } from "../../../src/proofs/work/index.ts";
import { hasher, idOf, runnerOptions, type TestBatch } from "../execution-support.ts";
import {
  asking,
  ClaimChain,
  noncesOf,
  openedOf,
  PROOFS,
  rootOf,
  SHARE_PARAMETERS,
} from "../projections/claims-support.ts";
import { PARAMETERS } from "./support.ts";

const proofsWith = (
  changes: Partial<StakeParameters>,
  asked: Partial<GenesisProofs>,
): GenesisProofs => ({
  ...PROOFS,
  ...asked,
  stake: { ...PARAMETERS, votedBpsMin: 0n, ...changes },
});

export const optionsOf = (from: Genesis) => ({
  ...runnerOptions(projectionsOf(from), from.proofs),
  boundary: boundaryOf(hasher, from),
});

/** v0 to v3, of 100 each, of which nobody has shown shares yet; or runs, where it asks for time instead. */
export class WorkChain extends ClaimChain {
  readonly from: Genesis;

  constructor(
    changes: Partial<StakeParameters> = {},
    asked: Partial<GenesisProofs> = { time: null },
  ) {
    const proofs = proofsWith(changes, asked);
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

type Shown = {
  readonly count?: number;
  /** Slots of which the share is none. */
  readonly empty?: readonly number[];
  readonly change?: (opened: Uint8Array) => void;
};

/** As many as make a unit of work, which carries more than anybody has at stake here. */
const SHARES = 8;

/** Commits to shares and opens them part by part; the code that the last part ends with, or the first wrong one. */
export const showShares = (
  chain: WorkChain,
  by: string,
  { count = SHARES, empty = [], change = () => undefined }: Shown = {},
): string => {
  const nonces = noncesOf(chain, { by, count, empty });
  const { number: epoch } = chain.epoch;
  expect(chain.write(by, workSharesCommitted.encode({ epoch, ...rootOf(nonces) }))).toBe(
    "accepted",
  );
  const at = chain.height;
  chain.passChallenge();
  const challenge = chain.beaconAt(at + LIMITS.challengeDelayHeights);
  let code = "";
  for (let part = 0; part < shareParts(SHARE_PARAMETERS, count); part++) {
    const shares = openedOf(nonces, challenge, part);
    change(shares);
    code = chain.write(by, workSharesProven.encode({ epoch, part, shares }));
    if (code !== "accepted") break;
  }
  return code;
};
