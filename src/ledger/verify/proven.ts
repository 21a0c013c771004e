/**
 * What a verification of a proof bundle gives: values that were proven, and nothing else. Only
 * verify-bundle.ts makes them. Pure and browser-safe.
 */
import type { Hash, LogEntry } from "../types.ts";
import type { Checkpoint, Trust } from "./trust.ts";

/** Who signed an event's batch. */
export type ProvenAuthor = {
  /** Ht("id", publicKey): which name belongs to it is a row of the projection `actors`. */
  readonly actor: Hash;
  readonly publicKey: Uint8Array;
  readonly laneSeq: number;
  /** The batch was signed when this height was final already: not before its time. */
  readonly refHeight: number;
};

export type ProvenEvent = LogEntry & { readonly author: ProvenAuthor | undefined };

export type ProvenRow = {
  readonly key: Uint8Array;
  /** Undefined: the projection has no row under this key. */
  readonly value: Uint8Array | undefined;
  /** Index of the event that last changed the row; undefined for a row of the genesis, and for none. */
  readonly origin: number | undefined;
};

export type ProvenClaim =
  | { readonly kind: "events"; readonly events: readonly ProvenEvent[] }
  /** All events of the log from the first one's index to the last one's, in order. Authorship is not claimed. */
  | { readonly kind: "range"; readonly events: readonly ProvenEvent[] }
  | { readonly kind: "no-event"; readonly index: number; readonly logSize: number }
  | {
      readonly kind: "rows";
      readonly projection: string;
      readonly schemaVersion: number;
      readonly rows: readonly ProvenRow[];
    };

export type ProvenHeader = {
  readonly height: number;
  readonly hash: Hash;
  readonly epoch: number;
  /** Ledger time, milliseconds since the Unix epoch. */
  readonly timeMs: number;
  /** The next three are of the state after this height. */
  readonly executedHeight: number;
  readonly logSize: number;
  readonly logRoot: Hash;
  readonly stateRoot: Hash;
  /** Who signed that the header is final: id, name where the genesis was given, weight. */
  readonly signers: readonly {
    readonly id: Hash;
    readonly name: string | undefined;
    readonly weight: bigint;
  }[];
  readonly weight: bigint;
  readonly quorum: bigint;
  readonly totalWeight: bigint;
};

export type Proven = {
  readonly chainId: string;
  readonly genesisHash: Hash;
  readonly trust: Trust;
  readonly header: ProvenHeader;
  readonly claim: ProvenClaim;
  /** What may be trusted from now on: keep the newest, so that later proofs may begin there. */
  readonly checkpoint: Checkpoint;
  /** Sentences: exactly what was proven. */
  readonly statements: readonly string[];
  /** Sentences: what that rests on, and what was not proven. */
  readonly assumptions: readonly string[];
};
