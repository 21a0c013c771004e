/** A chain that asks where validators are, witnesses that sign receipts, and certificates of them. */
import { compareBytes } from "../../../src/crypto/bytes.ts";
import { createHasher, sha256 } from "../../../src/crypto/hash.ts";
import { type GenesisProofs, NO_PROOFS } from "../../../src/ledger/genesis-proofs.ts";
import { space } from "../../../src/ledger/projections/space/index.ts";
import {
  type ShownReceipt,
  type ZoneCertified,
  zoneCertified,
} from "../../../src/ledger/projections/zone-events.ts";
import { zones } from "../../../src/ledger/projections/zones.ts";
import type { RunnerOptions } from "../../../src/ledger/runner.ts";
import type { EncodedEvent, ValidatorSet } from "../../../src/ledger/types.ts";
import { createValidatorSet } from "../../../src/ledger/validator-set.ts";
import type { LocationParameters } from "../../../src/proofs/location/parameters.ts";
import { receiptMessage } from "../../../src/proofs/location/receipt.ts";
import {
  ALL_PROJECTIONS,
  hasher,
  idOf,
  keyOf,
  runnerOptions,
  testSign,
  testVerify,
  VALIDATOR_NAMES,
} from "../execution-support.ts";
import { asking, ClaimChain } from "./claims-support.ts";
import { genesisSector, PARAMETERS as SPACE } from "./space-chain.ts";

export const LOCATION: LocationParameters = {
  ...{ rounds: 4, labels: 2 },
  zones: [
    { name: "near", rttMaxUs: 5_000 },
    { name: "far", rttMaxUs: 50_000 },
  ],
};

export const PLACE_PROOFS: GenesisProofs = {
  ...NO_PROOFS,
  ...{ beacon: { depth: 4 }, space: SPACE, location: LOCATION },
};

const PROJECTIONS = [...ALL_PROJECTIONS, space, zones];

/** Weights 1, 2, 3 and 4: more than a third is 4 of 10. */
export const WEIGHTS: Readonly<Record<string, bigint>> = { v0: 1n, v1: 2n, v2: 3n, v3: 4n };

export const setOf = (weights: Readonly<Record<string, bigint>>, epoch: number): ValidatorSet =>
  createValidatorSet(
    hasher,
    epoch,
    Object.entries(weights).map(([name, weight], i) => ({
      ...{ id: idOf(name), name, publicKey: keyOf(name), weight },
      ...{ tlsPin: sha256(Buffer.from(name)), address: `[::1]:${4_000 + i}` },
    })),
  );

export class PlaceChain extends ClaimChain {
  /** Signatures that replicas have checked. */
  static checked = 0;

  constructor(weights = WEIGHTS) {
    const options: RunnerOptions = {
      ...runnerOptions(PROJECTIONS, PLACE_PROOFS),
      setOf: (_read, epoch) => setOf(weights, epoch),
      verifySignature: (...args) => {
        PlaceChain.checked += 1;
        return testVerify(...args);
      },
    };
    const from = asking(PLACE_PROOFS);
    const provers = VALIDATOR_NAMES.map((name, i) => {
      const { commC, commRl } = genesisSector(idOf(name)).statement;
      const ivrfRoot = from.provers[i]?.ivrfRoot ?? new Uint8Array(32);
      return { ivrfRoot, sectors: [{ number: 0, commC, commRl }] };
    });
    super(PLACE_PROOFS, { ...from, provers }, options);
  }
}

export type ReceiptOf = {
  readonly epoch?: number;
  readonly prover?: string;
  readonly sector?: number;
  readonly rttUs?: number;
  readonly chainId?: string;
  /** Whose key it is signed with, where that is not the witness's. */
  readonly by?: string;
};

/** A receipt as its witness gives it to v3 in epoch 0, or one of something else. */
export const receiptOf = (witness: string, from: ReceiptOf = {}): ShownReceipt => {
  const { epoch = 0, prover = "v3", sector = 0, rttUs = 4_000, chainId, by = witness } = from;
  const its = chainId === undefined ? hasher : createHasher(chainId);
  const rounds = sha256(Buffer.from(`rounds of ${witness}`));
  const claim = { epoch, prover: idOf(prover), witness: idOf(witness), sector, rttUs, rounds };
  const signature = testSign(receiptMessage(its, claim), keyOf(by));
  return { witness: idOf(witness), rttUs, rounds, signature };
};

export const inOrder = (receipts: readonly ShownReceipt[]): ShownReceipt[] =>
  receipts.toSorted((a, b) => compareBytes(a.witness, b.witness));

export const certificate = (
  receipts: readonly ShownReceipt[],
  change: Partial<ZoneCertified> = {},
): EncodedEvent =>
  zoneCertified.encode({
    ...{ epoch: 0, sector: 0, zone: "near", from: 0, receipts: inOrder(receipts) },
    ...change,
  });
