/** A chain with stake and without consensus: blocks of events, and boundaries where a test says so. */
import { ZERO_HASH } from "../../../src/crypto/bytes.ts";
import { utf8 } from "../../../src/crypto/codec.ts";
import { sha256 } from "../../../src/crypto/hash.ts";
import { evidenceEvent } from "../../../src/detect/index.ts";
import { encodeBlock } from "../../../src/ledger/block.ts";
import type { Execution } from "../../../src/ledger/execution.ts";
import type { Genesis } from "../../../src/ledger/genesis.ts";
import { NO_PROOFS, NO_PROVER } from "../../../src/ledger/genesis-proofs.ts";
import { blockKey, heightKey } from "../../../src/ledger/keys.ts";
import {
  possessionMessage,
  stakeBonded,
  stakeDelegated,
  stakeGranted,
  stakeUnbonded,
  stakeWithdrawn,
  validatorJailed,
  validatorLeft,
  validatorRegistered,
  validatorRejoined,
} from "../../../src/ledger/projections/stake/events.ts";
import { stakedValidatorSet } from "../../../src/ledger/projections/stake/next-set.ts";
import {
  candidatesAt,
  epochRowAt,
  standingAt,
  storedRows,
  sumOf,
  totalsOf,
} from "../../../src/ledger/projections/stake/rows.ts";
import {
  type Evidence,
  evidenceOf,
  notarize,
  statementBytes,
} from "../../../src/ledger/statement.ts";
import type { EncodedEvent, Hash, Header, Validator } from "../../../src/ledger/types.ts";
import { LIMITS } from "../../../src/limits.ts";
import { boundaryOf, projectionsOf } from "../../../src/node/product.ts";
import { STAKE_PROFILES, type StakeParameters } from "../../../src/proofs/stake/parameters.ts";
import {
  genesis as base,
  codesOf,
  hasher,
  idOf,
  keyOf,
  runnerOptions,
  type TestBatch,
  TestChain,
  testSign,
} from "../execution-support.ts";

export const PARAMETERS = STAKE_PROFILES.dev;
export const EPOCH_MS = 10_000;

/** v0 to v3 with weights 1,000 to 4,000; root may do all, the others own validators and hold stake. */
export const genesis: Genesis = {
  ...base,
  format: 2,
  proofs: { ...NO_PROOFS, stake: PARAMETERS },
  provers: base.validators.map(() => NO_PROVER),
  validators: base.validators.map((validator, i) => ({
    ...validator,
    weight: BigInt(i + 1) * 1_000n,
    address: `[::1]:${4_000 + i}`,
  })),
  actors: ["root", "ann", "bob", "cat"].map((name) => ({
    id: idOf(name),
    name,
    publicKey: keyOf(name),
    permissions:
      name === "root"
        ? ["*"]
        : [
            "stake.bonded",
            "stake.delegated",
            "stake.unbonded",
            "stake.withdrawn",
            "validator.left",
            "validator.registered",
            "validator.rejoined",
          ],
  })),
};

/** The same chain with other parameters of stake. */
export const genesisWith = (changes: Partial<StakeParameters>): Genesis => ({
  ...genesis,
  proofs: { ...genesis.proofs, stake: { ...PARAMETERS, ...changes } },
});

export const stakeOptions = (from: Genesis = genesis) => ({
  ...runnerOptions(projectionsOf(from), from.proofs),
  boundary: boundaryOf(hasher, from),
});

export class StakeChain extends TestChain {
  epoch = 0;
  timeMs = genesis.timeMs;
  /** Of the newest block. */
  view = 0;

  readonly #from: Genesis;

  constructor(from: Genesis = genesis) {
    super(stakeOptions(from), from);
    this.#from = from;
  }

  /** The next block; the last of its epoch where `boundary` says so; so many views after the one before. */
  next(
    batches: readonly TestBatch[],
    boundary = false,
    stepMs = 1_000,
    passed: { readonly views?: number; readonly again?: number } = {},
  ): Execution {
    const input = this.input(batches);
    this.timeMs += stepMs;
    const nextSetHash = boundary ? sha256(utf8(`set ${this.epoch + 1}`)) : ZERO_HASH;
    // The block before was proposed again in so many views.
    const parentView = this.view + (passed.again ?? 0);
    const view = parentView + (passed.views ?? 0) + 1;
    const header = { ...input.header, timeMs: this.timeMs, nextSetHash, view, parentView };
    this.#appendBlock(header);
    const execution = this.run({ ...input, header }, { boundary });
    this.view = boundary ? 0 : view;
    if (boundary) this.epoch += 1;
    return execution;
  }

  /** What append writes of the block, as far as a rebuild reads it. */
  #appendBlock(header: Pick<Header, "height" | "timeMs" | "nextSetHash" | "view" | "parentView">) {
    const { hash, bytes } = encodeBlock(
      hasher,
      {
        ...{ protocolVersion: 1, chainHash: hasher.chainHash, epoch: this.epoch, proposer: 0 },
        ...{ parentHash: ZERO_HASH, batchesRoot: ZERO_HASH, batchCount: 0, logRoot: ZERO_HASH },
        ...{ executedHeight: 0, logSize: 0, stateRoot: ZERO_HASH, proofsHash: ZERO_HASH },
        ...header,
      },
      [],
    );
    this.store.apply([
      { type: "put", key: heightKey(header.height), value: hash },
      { type: "put", key: blockKey(hash), value: bytes },
    ]);
  }

  /** Codes of single events, each in a batch of its own, in one block. */
  codes(...events: readonly (readonly [string, EncodedEvent])[]): readonly string[] {
    return codesOf(this.next(events.map(([by, event]) => ({ by, events: [event] }))));
  }

  /** Ends the running epoch with an empty block. */
  end(epochs = 1, stepMs = EPOCH_MS): void {
    for (let left = epochs; left > 0; left--) this.next([], true, stepMs);
  }

  /** The set that the rows have for an epoch. */
  set(epoch: number) {
    return stakedValidatorSet(hasher, this.#from.proofs, epoch, this.store.read);
  }

  /** Powers of an epoch by the names that the test uses. */
  powers(epoch: number): Record<string, bigint> {
    return Object.fromEntries(
      this.set(epoch).validators.map(({ name, weight }: Validator) => [name, weight]),
    );
  }

  row(epoch: number) {
    return epochRowAt(this.store.read, epoch);
  }

  standing(name: string) {
    return standingAt(this.store.read, idOf(name));
  }

  free(name: string): bigint {
    const bytes = storedRows(this.store.read).get(Uint8Array.of(2, ...idOf(name)));
    return bytes === undefined ? 0n : new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0);
  }

  /** Everything that was granted, and where it is now. */
  books(holders: readonly string[]) {
    const { granted, slashed } = totalsOf(storedRows(this.store.read));
    let [bonded, leaving, free] = [0n, 0n, 0n];
    for (const id of candidatesAt(this.store.read)) {
      const standing = standingAt(this.store.read, id);
      bonded += sumOf(standing?.bonds ?? []);
      leaving += sumOf(standing?.leaving ?? []);
    }
    for (const name of holders) free += this.free(name);
    return { granted, slashed, bonded, leaving, free };
  }
}

const ofValidator = (name: string): Hash => idOf(name);

export const grant = (to: string, amount: bigint) => stakeGranted.encode({ to: idOf(to), amount });
export const bond = (name: string, amount: bigint) =>
  stakeBonded.encode({ validator: ofValidator(name), amount });
export const delegate = (name: string, amount: bigint) =>
  stakeDelegated.encode({ validator: ofValidator(name), amount });
export const unbond = (name: string, amount: bigint) =>
  stakeUnbonded.encode({ validator: ofValidator(name), amount });
export const withdraw = (name: string) => stakeWithdrawn.encode({ validator: ofValidator(name) });
export const leave = (name: string) => validatorLeft.encode({ validator: ofValidator(name) });
export const rejoin = (name: string) => validatorRejoined.encode({ validator: ofValidator(name) });
export const jail = (name: string, reason = "silent") =>
  validatorJailed.encode({ validator: ofValidator(name), reason });

const mlDsa44KeyOf = (name: string): Uint8Array => {
  const key = new Uint8Array(LIMITS.mlDsa44PublicKeyBytes);
  key.set(sha256(utf8(`ml-dsa-44 ${name}`)));
  return key;
};

export const identityOf = (name: string) => {
  const pin = sha256(utf8(`pin ${name}`));
  const groups = [...pin.subarray(0, 4)].map((byte) => (byte + 256).toString(16));
  return {
    name,
    publicKey: keyOf(name),
    tlsPin: pin,
    address: `[2001:db8:1:1:${groups.join(":")}]:4000`,
    ed25519Key: sha256(utf8(`ed25519 ${name}`)),
    mlDsa44Key: mlDsa44KeyOf(name),
  };
};

/** A registration that `owner` writes and the new key has signed for. */
export const register = (
  name: string,
  owner: string,
  changes: Partial<ReturnType<typeof identityOf>> = {},
): EncodedEvent => {
  const identity = { ...identityOf(name), ...changes };
  const message = possessionMessage(hasher, idOf(owner), identity);
  return validatorRegistered.encode({
    ...identity,
    possession: testSign(message, identity.publicKey),
  });
};

/** Two proposals of one view, signed by the same validator. */
export const conflictOf = (name: string, epoch: number, view = 7): Evidence => {
  const sign = (hash: Hash) => {
    const statement = notarize(epoch, view, hash);
    const signature = testSign(statementBytes(hasher, statement), keyOf(name));
    return { statement, signer: 0, signature };
  };
  const found = evidenceOf(sign(sha256(utf8("a"))), sign(sha256(utf8("b"))));
  if (found === undefined) throw new Error("no conflict");
  return found;
};

export const equivocation = (name: string, epoch: number, view = 7): EncodedEvent =>
  evidenceEvent(conflictOf(name, epoch, view), idOf(name));
