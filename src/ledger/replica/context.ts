/** What every part of a replica is given: ports, the chain, and the ways to report trouble. */
import type { Hasher } from "../../crypto/hash.ts";
import type { Failure } from "../../errors.ts";
import type { CoreParameters } from "../consensus/types.ts";
import type { Executor } from "../execution.ts";
import type { Genesis } from "../genesis.ts";
import type { LogFields, LogLevel, Ports } from "../ports.ts";
import type { EventRegistry } from "../registry.ts";
import type { EncodedEvent, Hash, ValidatorSet, Vote } from "../types.ts";

export type ReadStore = (key: Uint8Array) => Uint8Array | undefined;

export type ReplicaOptions = {
  readonly name: string;
  readonly genesis: Genesis;
  readonly hasher: Hasher;
  readonly registry: EventRegistry;
  readonly executor: Executor;
  /** Local timing; the replicated parameters are in the genesis. */
  readonly timing?: Partial<ReplicaTiming>;
  /** Whether it asks witnesses where it is, on a chain that asks for that; absent: yes. */
  readonly provesLocation?: boolean;
  /** The event that reports two conflicting votes; undefined where the log needs no more of their epoch. */
  readonly evidenceEvent: (
    read: ReadStore,
    culprit: Hash,
    first: Vote,
    second: Vote,
  ) => EncodedEvent | undefined;
  /** Ids of the validators that the state has quarantined. */
  readonly quarantined: (read: ReadStore, set: ValidatorSet) => readonly Hash[];
  /** The set of a later epoch, from the state as it is now. */
  readonly nextSet: (read: ReadStore, epoch: number) => ValidatorSet;
};

export type ReplicaTiming = Pick<
  CoreParameters,
  "delayMs" | "delayMsMax" | "idleMs" | "skipMs" | "retryMs"
> & {
  /** Pause between two tries to fetch a block or its batches. */
  readonly fetchMs: number;
  /** Under load a leader waits this long since the last block, so that blocks are fuller and fewer. */
  readonly paceMs: number;
  /** Waiting bytes from which a leader paces. */
  readonly paceBytes: number;
};

/** As NodeStatus.voting. */
export type VotingState = "yes" | "asking" | "refused" | "halted" | "observer" | "keyless";

export type Context = {
  readonly options: ReplicaOptions;
  readonly ports: Ports;
  readonly hasher: Hasher;
  readonly timing: ReplicaTiming;
  readonly read: ReadStore;
  log(level: LogLevel, message: string, fields?: LogFields): void;
  /** The node stops itself: nothing is signed, written or sent after this. */
  fatal(failure: Failure): void;
  /** A part stops and people are told; the rest goes on. */
  problem(failure: Failure): void;
  stopped(): boolean;
};

/** Milliseconds. D0 comes from the genesis; the rest follows from it unless given. */
export const timingOf = (options: ReplicaOptions): ReplicaTiming => {
  const { t0Ms: delayMs, idleMs } = options.genesis.parameters;
  return {
    delayMs,
    delayMsMax: 60_000,
    idleMs,
    skipMs: Math.max(10 * delayMs, 3 * idleMs),
    retryMs: 2 * delayMs,
    fetchMs: Math.max(50, delayMs),
    paceMs: 80,
    paceBytes: 64 * 1024,
    ...options.timing,
  };
};
