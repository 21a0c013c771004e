/** A chain with stake that asks for keys of epochs, and what its validators register. */
import { toHex } from "../../../src/crypto/bytes.ts";
import type { Hasher } from "../../../src/crypto/hash.ts";
import { evidenceWithKeyEvent } from "../../../src/detect/index.ts";
import type { Genesis } from "../../../src/ledger/genesis.ts";
import {
  type EpochKey,
  epochKeyMessage,
  epochKeysRegistered,
} from "../../../src/ledger/projections/epoch-keys.ts";
import {
  type Evidence,
  evidenceOf,
  notarize,
  statementBytes,
} from "../../../src/ledger/statement.ts";
import type { EncodedEvent } from "../../../src/ledger/types.ts";
import { hasher, idOf, keyOf, testSign } from "../execution-support.ts";
import { genesis as base, type StakeChain } from "./support.ts";

export const NAMES = ["v0", "v1", "v2", "v3"] as const;

export const keyFor = (name: string, epoch: number | string): Uint8Array =>
  keyOf(`${name} ${epoch}`);

export const keysGenesis: Genesis = {
  ...base,
  proofs: { ...base.proofs, epochKeys: true },
  provers: base.provers.map((prover, i) => {
    const id = toHex(base.validators[i]?.id ?? new Uint8Array(32));
    const name = NAMES.find((one) => toHex(idOf(one)) === id) ?? "";
    return { ...prover, epochKey: keyFor(name, 0) };
  }),
};

/** What possession is signed with, and for, where that is not what would be right. */
type Instead = { readonly signer?: Uint8Array; readonly by?: Hasher; readonly epoch?: number };

export const entryOf = (name: string, key: EpochKey, instead: Instead = {}) => {
  const { signer = key.publicKey, by = hasher, epoch = key.epoch } = instead;
  const message = epochKeyMessage(by, idOf(name), { ...key, epoch });
  return { ...key, possession: testSign(message, signer) };
};

export const keysOf = (name: string, ...epochs: readonly number[]): EncodedEvent =>
  epochKeysRegistered.encode({
    keys: epochs.map((epoch) => entryOf(name, { epoch, publicKey: keyFor(name, epoch) })),
  });

/** What stands for a validator in the set of an epoch. */
export const inSet = (chain: StakeChain, name: string, epoch: number): string =>
  toHex(
    chain.set(epoch).validators.find(({ id }) => toHex(id) === toHex(idOf(name)))?.publicKey ??
      new Uint8Array(1),
  );

/** Two proposals of one view, signed with a key. */
export const conflict = (epoch: number, publicKey: Uint8Array, view = 7): Evidence => {
  const sign = (fill: number) => {
    const statement = notarize(epoch, view, new Uint8Array(32).fill(fill));
    const signature = testSign(statementBytes(hasher, statement), publicKey);
    return { statement, signer: 0, signature };
  };
  const found = evidenceOf(sign(1), sign(2));
  if (found === undefined) throw new Error("no conflict");
  return found;
};

export const evidence = (name: string, epoch: number, publicKey: Uint8Array, view?: number) =>
  evidenceWithKeyEvent(conflict(epoch, publicKey, view), idOf(name), publicKey);
