/** The genesis of a simulated chain: validators by slot, and the actors whose lanes the workload uses. */

import { compareBytes } from "../src/crypto/bytes.ts";
import { createHasher, type Hasher } from "../src/crypto/hash.ts";
import { type Genesis, genesisHash } from "../src/ledger/genesis.ts";
import type { Hash, Validator, ValidatorSet } from "../src/ledger/types.ts";
import { createValidatorSet } from "../src/ledger/validator-set.ts";
import { SimIvrfKeys } from "./ivrf-keys.ts";
import { genesisParts } from "./proofs.ts";
import type { Scenario } from "./scenario.ts";
import { checkpointKeysOf, type KeyPair, type SignatureScheme } from "./signer.ts";
import { SimSpace } from "./space.ts";
import { WALL_START_MS } from "./world.ts";

export type SimChain = {
  readonly genesis: Genesis;
  readonly hasher: Hasher;
  readonly hash: Hash;
  readonly set: ValidatorSet;
  /** By slot. */
  readonly keys: readonly KeyPair[];
  readonly ids: readonly Hash[];
  /** Index in the set, by slot. */
  readonly indexOfSlot: readonly number[];
  /** By client number. */
  readonly clientKeys: readonly KeyPair[];
  readonly clientIds: readonly Hash[];
  /** By slot, of epoch 0; empty on a chain without keys of epochs. */
  readonly epochKeys: readonly KeyPair[];
  readonly ivrfKeys: SimIvrfKeys;
  readonly space: SimSpace;
};

const CHAIN_ID = "tetrad-sim";

/** A chain on which validators change: so many of the last slots are not in its genesis. */
export type StakeRun = { readonly joining: number };

export const createChain = (
  scenario: Scenario,
  scheme: SignatureScheme,
  stake?: StakeRun,
): SimChain => {
  const hasher = createHasher(CHAIN_ID);
  const keys = scenario.weights.map((_, slot) => scheme.createKey(`validator ${slot}`));
  const ids = keys.map((key) => hasher.ht("id", key.publicKey));
  const validators = keys.map(
    (key, slot): Validator => ({
      id: ids[slot] ?? new Uint8Array(32),
      name: `v${slot}`,
      publicKey: key.publicKey,
      weight: BigInt(scenario.weights[slot] ?? 1),
      tlsPin: hasher.ht("sim/pin", key.publicKey),
      address: `[::1]:${10_000 + slot}`,
    }),
  );
  const clientKeys = Array.from({ length: scenario.workload.clients }, (_, i) =>
    scheme.createKey(`client ${i}`),
  );
  const clientIds = clientKeys.map((key) => hasher.ht("id", key.publicKey));
  const first = validators.slice(0, validators.length - (stake?.joining ?? 0));
  const rotates = scenario.proofs?.includes("epoch-keys") === true;
  const epochKeys = rotates ? keys.map((_, slot) => scheme.createKey(`first ${slot}`)) : [];
  const keyOf = (id: Hash): Uint8Array | undefined =>
    epochKeys[ids.findIndex((one) => compareBytes(one, id) === 0)]?.publicKey;
  const members = createValidatorSet(hasher, 0, first).validators;
  const set = createValidatorSet(
    hasher,
    0,
    members.map((one) => ({ ...one, publicKey: keyOf(one.id) ?? one.publicKey })),
    { rotates },
  );
  const ivrfKeys = new SimIvrfKeys(hasher);
  const rootOf = (id: Hash): Hash => {
    const slot = ids.findIndex((one) => compareBytes(one, id) === 0);
    return ivrfKeys.of(slot, 1).root;
  };
  const begun = { chainId: CHAIN_ID, timeMs: WALL_START_MS };
  const space = new SimSpace(hasher, begun, ids, scenario);
  const sectorsOf = (id: Hash) => space.genesisSectors(id);
  const genesis: Genesis = {
    ...genesisParts(set, {
      parts: scenario.proofs,
      epochKeyOf: keyOf,
      withStake: stake !== undefined,
      rootOf,
      sectorsOf,
    }),
    chainId: CHAIN_ID,
    timeMs: WALL_START_MS,
    insecure: true,
    parameters: {
      epochMs: scenario.epochMs,
      idleMs: 1_000,
      t0Ms: 250,
      precisionMs: 500,
      messageDelayMs: 2_000,
    },
    validators: members.map((one) => ({
      ...one,
      ...checkpointKeysOf(one.publicKey),
    })),
    actors: clientKeys
      .map((key, i) => ({
        id: clientIds[i] ?? new Uint8Array(32),
        name: `client${i}`,
        publicKey: key.publicKey,
        permissions: ["*"],
      }))
      .sort((a, b) => compareBytes(a.id, b.id)),
  };
  return {
    genesis,
    hasher,
    hash: genesisHash(hasher, genesis),
    set,
    keys,
    ids,
    indexOfSlot: ids.map((id) => set.validators.findIndex((v) => compareBytes(v.id, id) === 0)),
    clientKeys,
    clientIds,
    epochKeys,
    ivrfKeys,
    space,
  };
};
