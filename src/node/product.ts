/**
 * The product as a set of projections: which events there are, who decides on them, in which order the
 * state root commits to them. Node, simulator and audit compose the ledger from this one list.
 */

import { assets } from "../assets/index.ts";
import { certificates, ct } from "../ca/index.ts";
import { equalBytes } from "../crypto/bytes.ts";
import type { Hasher } from "../crypto/hash.ts";
import {
  evidenceEvent,
  evidenceWithKey,
  evidenceWithKeyEvent,
  formatWithKeys,
  isFaultKnown,
  isQuarantined,
  quarantine,
  quarantineOfEpochKeys,
  quarantineOfStake,
} from "../detect/index.ts";
import type { AnyEventDefinition } from "../ledger/event-schema.ts";
import { createExecutor } from "../ledger/execution.ts";
import { type Genesis, genesisHash } from "../ledger/genesis.ts";
import type { GenesisProofs } from "../ledger/genesis-proofs.ts";
import { ownedDefinitions, type Projection, type VerifySignature } from "../ledger/projection.ts";
import {
  actorPermissions,
  actors,
  actorsOfJoining,
  actorsOfStake,
} from "../ledger/projections/actors.ts";
import { beacon } from "../ledger/projections/beacon.ts";
import { capabilities } from "../ledger/projections/capabilities.ts";
import { epochKeys } from "../ledger/projections/epoch-keys.ts";
import { records } from "../ledger/projections/records.ts";
import { space } from "../ledger/projections/space/index.ts";
import { countTurns, createScheduleOf } from "../ledger/projections/stake/downtime.ts";
import { slashForgers } from "../ledger/projections/stake/forgery.ts";
import { stakedValidatorSet, writeNextEpoch } from "../ledger/projections/stake/next-set.ts";
import { stake } from "../ledger/projections/stake/projection.ts";
import { evidenceWouldCost } from "../ledger/projections/stake/slashing.ts";
import { time } from "../ledger/projections/time.ts";
import { nextValidatorSet, validators } from "../ledger/projections/validators.ts";
import { work } from "../ledger/projections/work.ts";
import { zones } from "../ledger/projections/zones.ts";
import type { ReadStore } from "../ledger/records.ts";
import { createRegistry } from "../ledger/registry.ts";
import type { ReplicaOptions, ReplicaTiming } from "../ledger/replica/replica.ts";
import { storedValidatorSet } from "../ledger/replica/set-codec.ts";
import type { BoundaryRule, RunnerOptions } from "../ledger/runner.ts";
import { type Evidence, evidenceOf } from "../ledger/statement.ts";
import type { Hash } from "../ledger/types.ts";

/** In the order of the state root: a new one is added at the end. */
const OF_EVERY_CHAIN: readonly Projection[] = [
  actors,
  validators,
  records,
  assets,
  quarantine,
  certificates,
  ct,
];

/** Those of a proof, which only chains have that ask for it: the state root of others stays as it was. */
const OF_PROOFS: readonly (readonly [keyof GenesisProofs, Projection])[] = [
  ["beacon", beacon],
  ["space", space],
  ["stake", stake],
  ["time", time],
  ["work", work],
  ["stake", capabilities],
  ["epochKeys", epochKeys],
  ["location", zones],
];

/** Where validators join, these hear of it; their rows are the same as long as nobody does. */
const WHERE_VALIDATORS_JOIN: ReadonlyMap<Projection, Projection> = new Map([
  [actors, actorsOfStake],
  [quarantine, quarantineOfStake],
]);

const joined = (one: Projection): Projection => WHERE_VALIDATORS_JOIN.get(one) ?? one;

const everyChain = (proofs: GenesisProofs): readonly Projection[] => {
  if (proofs.stake === null) return OF_EVERY_CHAIN;
  // Where they sign with keys of epochs, or are asked where they are, they may write more.
  const others = new Map(WHERE_VALIDATORS_JOIN).set(actors, actorsOfJoining(proofs));
  if (proofs.epochKeys === true) others.set(quarantine, quarantineOfEpochKeys);
  return OF_EVERY_CHAIN.map((one) => others.get(one) ?? one);
};

/** All that there are, for who reads events and rows of any chain. */
export const PROJECTIONS: readonly Projection[] = [
  ...OF_EVERY_CHAIN.map(joined).map((one) =>
    // Its rows are the same but for one kind, which only chains with keys of epochs have.
    one === quarantineOfStake ? { ...one, format: formatWithKeys } : one,
  ),
  ...OF_PROOFS.map(([, projection]) => projection),
];

/** What is on some chains only and not in `PROJECTIONS`: newer versions of an event. */
export const FURTHER_DEFINITIONS: readonly AnyEventDefinition[] = [evidenceWithKey];

/** Those of one chain, in the order of its state root. */
export const projectionsOf = ({ proofs }: Pick<Genesis, "proofs">): readonly Projection[] => [
  ...everyChain(proofs),
  ...OF_PROOFS.flatMap(([part, projection]) =>
    (proofs[part] ?? null) === null ? [] : [projection],
  ),
];

/**
 * What happens to stake without an event: turns to lead are counted, and where an epoch ends the set of the next
 * but one is decided.
 */
export const boundaryOf = (hasher: Hasher, genesis: Genesis): BoundaryRule | undefined => {
  const { proofs } = genesis;
  if (proofs.stake === null) return undefined;
  const drawnFrom = proofs.beacon === null ? genesisHash(hasher, genesis) : undefined;
  const scheduleOf = createScheduleOf(hasher, drawnFrom);
  return {
    projection: stake.name,
    apply: (tx, read, end) => {
      writeNextEpoch(tx, read, proofs, end);
      slashForgers(tx, read, proofs, end.timeMs);
    },
    passed: (tx, block) => countTurns(tx, block, scheduleOf),
  };
};

/** How the events of a chain are executed: by a node, an audit, a rebuild. */
export const runnerOf = (args: {
  readonly genesis: Genesis;
  readonly hasher: Hasher;
  readonly verifySignature: VerifySignature;
  readonly further?: readonly Projection[];
}): RunnerOptions => {
  const { genesis, hasher, verifySignature, further = [] } = args;
  const projections = [...projectionsOf(genesis), ...further];
  return {
    hasher,
    registry: createRegistry(ownedDefinitions(projections)),
    projections,
    permissions: actorPermissions,
    verifySignature,
    proofs: genesis.format === 2 ? genesis.proofs : undefined,
    setOf: (read, epoch) => storedValidatorSet(hasher, read, epoch),
    boundary: boundaryOf(hasher, genesis),
  };
};

/**
 * Whether the log needs no evidence of these statements any more. Quarantine is for good, and one proof is enough
 * for it. Where faults cost stake, whoever is in quarantine owes for each further epoch: a cheap fault that
 * somebody shows of itself hides no dear one.
 */
const isSaid = (genesis: Genesis, read: ReadStore, culprit: Hash, evidence: Evidence): boolean => {
  if (!isQuarantined(read, culprit)) return false;
  const { epoch } = evidence.first.statement;
  if (genesis.proofs.stake === null || !evidenceWouldCost(read, culprit, epoch)) return true;
  // What came too late is in the log and has made nobody a culprit.
  return isFaultKnown(read, culprit, evidence);
};

/** Everything that a replica of this product needs besides its ports. */
export const productOptions = (args: {
  readonly name: string;
  readonly genesis: Genesis;
  readonly hasher: Hasher;
  readonly verifySignature: VerifySignature;
  /** Further projections, after those of the product: for simulations of what is not in it yet. */
  readonly further?: readonly Projection[];
  readonly timing?: Partial<ReplicaTiming>;
  /** Whether it asks witnesses where it is; absent: yes. */
  readonly provesLocation?: boolean;
}): ReplicaOptions => {
  const { name, genesis, hasher, verifySignature, further = [], timing, provesLocation } = args;
  const runner = runnerOf({ genesis, hasher, verifySignature, further });
  const { registry } = runner;
  const executor = createExecutor(runner);
  const { proofs } = genesis;
  return {
    name,
    genesis,
    hasher,
    registry,
    executor,
    ...(timing === undefined ? {} : { timing }),
    ...(provesLocation === undefined ? {} : { provesLocation }),
    evidenceEvent: (read, culprit, first, second) => {
      const evidence = evidenceOf(first, second);
      if (evidence === undefined || isSaid(genesis, read, culprit, evidence)) return undefined;
      if (proofs.epochKeys !== true) return evidenceEvent(evidence, culprit);
      const { epoch } = first.statement;
      const key = storedValidatorSet(hasher, read, epoch)?.validators.find(({ id }) =>
        equalBytes(id, culprit),
      );
      return key && evidenceWithKeyEvent(evidence, culprit, key.publicKey);
    },
    quarantined: (read, set) =>
      set.validators.map((validator) => validator.id).filter((id) => isQuarantined(read, id)),
    nextSet: (read, epoch) =>
      proofs.stake === null
        ? nextValidatorSet(hasher, epoch, read)
        : stakedValidatorSet(hasher, proofs, epoch, read),
  };
};
