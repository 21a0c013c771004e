/**
 * Runs of a chain whose validators change: nodes that are not in the genesis register, bond, leave and come
 * back, stake is delegated and taken away, and whoever is caught is slashed, all over boundaries of epochs
 * and under the faults of the scenario. The first client owns the validators that join.
 */
import {
  possessionMessage,
  stakeBonded,
  stakeDelegated,
  stakeGranted,
  stakeUnbonded,
  validatorJailed,
  validatorLeft,
  validatorRegistered,
  validatorRejoined,
} from "../src/ledger/projections/stake/events.ts";
import type { SimChain } from "./genesis.ts";
import type { Prng } from "./prng.ts";
import type { RunOptions } from "./run-options.ts";
import { JOINING, type Scenario } from "./scenario.ts";
import { checkpointKeysOf, type SignatureScheme } from "./signer.ts";
import { SYSTEM } from "./system.ts";
import type { EncodedEvent } from "./workload.ts";

type Wiring = {
  readonly chain: SimChain;
  readonly scheme: SignatureScheme;
  /** Slots that have been told to join: their bonds grow by little then, so that no joiner outweighs the rest. */
  readonly told: Set<number>;
};

const NOBODY = new Uint8Array(32);

/** Everything that a node needs to be a candidate: stake of its owner, a registration, a bond. */
const join = ({ chain, scheme }: Wiring, slot: number, amount: bigint): EncodedEvent[] => {
  const { hasher } = chain;
  const key = chain.keys[slot];
  const owner = chain.clientIds[0] ?? NOBODY;
  const validator = chain.ids[slot] ?? NOBODY;
  if (key === undefined) return [];
  const identity = {
    name: `v${slot}`,
    publicKey: key.publicKey,
    tlsPin: hasher.ht("sim/pin", key.publicKey),
    address: `[::1]:${10_000 + slot}`,
    ...checkpointKeysOf(key.publicKey),
  };
  const possession = scheme.sign(key, possessionMessage(hasher, owner, identity));
  return [
    validatorRegistered.encode({ ...identity, possession }),
    stakeGranted.encode({ to: owner, amount: 2n * amount }),
    stakeBonded.encode({ validator, amount }),
  ];
};

const joinOrGrow = (wiring: Wiring, slot: number): EncodedEvent[] => {
  const isNew = !wiring.told.has(slot);
  wiring.told.add(slot);
  return join(wiring, slot, isNew ? 10n : 1n);
};

/** One thing that the owner does, chosen by chance. Much of it is refused: too early, or done already. */
const change = (wiring: Wiring, random: Prng, joining: number): EncodedEvent[] => {
  const { chain } = wiring;
  const n = chain.ids.length;
  const validator = chain.ids[n - 1 - random.below(joining)] ?? NOBODY;
  const drawn = chain.ids[random.below(n)] ?? NOBODY;
  const amount = BigInt(1 + random.below(3));
  switch (random.below(8)) {
    case 0:
      return [validatorLeft.encode({ validator })];
    case 1:
      return [validatorJailed.encode({ validator, reason: "by chance" })];
    case 2:
    case 3:
      return [validatorRejoined.encode({ validator })];
    case 4:
      return [stakeUnbonded.encode({ validator: drawn, amount })];
    case 5:
      return [stakeDelegated.encode({ validator: drawn, amount })];
    default:
      return joinOrGrow(wiring, n - 1 - random.below(joining));
  }
};

/** The options of a run as its scenario needs them: one that asks for stake has checkers and events of its own. */
export const runOptionsOf = ({ proofs }: Scenario, options: RunOptions): RunOptions => {
  if (proofs?.includes("stake") !== true || options.stake !== undefined) return options;
  return stakeRun(JOINING, options);
};

/** Options of a run in which the last `joining` nodes are not in the genesis. */
export const stakeRun = (joining: number, given: RunOptions = SYSTEM): RunOptions => {
  let wiring: Wiring | undefined;
  return {
    ...given,
    createSystem: (chain, used) => {
      wiring = { chain, scheme: used, told: new Set() };
      return given.createSystem(chain, used);
    },
    stake: { joining },
    rowsOf: [...(given.rowsOf ?? []), "stake"],
    events: (random, client) => {
      const moved =
        client === 0 && wiring !== undefined && random.below(2) === 0
          ? change(wiring, random, joining)
          : [];
      // Where no stake is moved, clients write what they would on any chain.
      return moved.length > 0 ? moved : (given.events?.(random, client) ?? []);
    },
  };
};
