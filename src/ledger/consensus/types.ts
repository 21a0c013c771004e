/** Inputs and effects of the consensus core (core.ts). All plain data. */
import type { Block, Certificate, Hash, StatementKind, Vote } from "../types.ts";

/** The leader's offer for a view: the block, or a re-proposal of a block by hash, and its own N vote. */
export type Proposal = {
  readonly epoch: number;
  readonly view: number;
  readonly hash: Hash;
  /** View of the parent's notarization that the proposer built on (the re-proposed block's own for a re-proposal). */
  readonly parentView: number;
  /** Absent in a re-proposal. */
  readonly block: Block | undefined;
  readonly vote: Vote;
};

/** What a node tells its peers when it is stuck or has just connected (R7). */
export type Status = {
  readonly epoch: number;
  readonly view: number;
  readonly finalView: number;
  readonly finalHeight: number;
  readonly finalHash: Hash;
  /** Signers whose votes of the current view are held, by kind, as bitmaps over the set. */
  readonly held: Readonly<Record<StatementKind, Uint8Array>>;
};

export type CertificateQuery = {
  readonly epoch: number;
  readonly view: number;
  readonly kind: StatementKind;
};

export type { Block, Certificate, Hash, StatementKind, Vote };
