/** Inputs and effects of the consensus core (core.ts). All plain data. */
import type { ErrorCode, Failure } from "../../errors.ts";
import type { Block, Certificate, Hash, Statement, StatementKind, Vote } from "../types.ts";

/** The leader's offer for a view: the block, or a re-proposal of a block by hash, and its own N vote. */
export type Proposal = {
  readonly epoch: number;
  readonly view: number;
  readonly hash: Hash;
  /** View of the notarization built on: the parent's, or the re-proposed block's own. */
  readonly parentView: number;
  /** Absent in a re-proposal. */
  readonly block: Block | undefined;
  /** The leader's N(v, h): one signature is the proposal's and the vote's. */
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

export type CoreMessage =
  /** The replica attaches the block, unless it is a re-proposal. */
  | {
      readonly type: "proposal";
      readonly vote: Vote;
      readonly parentView: number;
      readonly reproposal: boolean;
    }
  | { readonly type: "vote"; readonly vote: Vote }
  | { readonly type: "certificate"; readonly certificate: Certificate }
  | { readonly type: "status"; readonly status: Status }
  | { readonly type: "certificate-request"; readonly query: CertificateQuery };

/** A statement of this node with the signature that was made for it, once. */
export type OwnVote = {
  readonly vote: Vote;
  /** For an own N as leader: what the proposal said, so that it can be sent again after a restart. */
  readonly proposed: { readonly parentView: number; readonly reproposal: boolean } | undefined;
};

/** What the replica knows of a block once it and all its ancestors are held and checked. */
export type BlockFacts = {
  readonly hash: Hash;
  readonly height: number;
  readonly parentHash: Hash;
  readonly parentView: number;
  readonly boundary: boolean;
};

/**
 * valid: held, ancestors valid, predicate holds. invalid: the predicate fails for everybody.
 * wrong-root: all holds but the stated roots, which differ from what this node executed.
 */
export type Verdict = "valid" | "invalid" | "wrong-root";

export type FinalTip = {
  readonly view: number;
  readonly height: number;
  readonly hash: Hash;
};

/** What survives a restart: certificates and own statements above the last final view. */
export type Recovered = {
  readonly final: FinalTip;
  readonly finalization: Certificate | undefined;
  readonly certificates: readonly Certificate[];
  readonly ownVotes: readonly OwnVote[];
  /** At or below this view nothing may be signed: what was signed there has been forgotten. */
  readonly floorView: number;
};

export type CoreParameters = {
  /** D0: the delay bound that timers start from. */
  readonly delayMs: number;
  /** Upper bound of D_k. */
  readonly delayMsMax: number;
  /** t_idle: pace of empty blocks. */
  readonly idleMs: number;
  /** t_skip: a leader unheard for this long, while a quorum was heard, is skipped at once. */
  readonly skipMs: number;
  /** t_r: pause between retries when stuck. */
  readonly retryMs: number;
  readonly unfinalizedGapMax: number;
  readonly executionLagMax: number;
  /** Views above the final one in which a leader re-proposes at once; beyond, it is paced (R1). */
  readonly quickViewsMax: number;
};

export type CoreInput =
  | { readonly kind: "start" }
  /** The signatures in these three are verified before they come here (see `wants`). */
  | {
      readonly kind: "proposal";
      readonly proposal: Proposal;
      readonly timely: boolean;
    }
  | { readonly kind: "vote"; readonly vote: Vote }
  | { readonly kind: "certificate"; readonly certificate: Certificate }
  | { readonly kind: "status"; readonly from: number; readonly status: Status }
  /** A session to this validator has come up. */
  | { readonly kind: "peer"; readonly peer: number }
  /** This validator talks about views beyond what may be accepted: we may be behind. */
  | { readonly kind: "behind"; readonly peer: number }
  | { readonly kind: "timer"; readonly name: TimerName }
  | { readonly kind: "validated"; readonly facts: BlockFacts; readonly verdict: Verdict }
  | { readonly kind: "built"; readonly view: number; readonly block: Block | undefined }
  | { readonly kind: "signed"; readonly statement: Statement; readonly signature: Uint8Array }
  | { readonly kind: "durable"; readonly writeId: number }
  | { readonly kind: "executed"; readonly height: number }
  /** A newer final block became known by sync, with its certificate already checked. */
  | { readonly kind: "synced"; readonly final: FinalTip; readonly certificate: Certificate }
  /** Whether there is anything to propose: a batch, or roots that no header states yet. */
  | { readonly kind: "work"; readonly pending: boolean }
  /** Whether this node may sign (the watermark has been confirmed). */
  | { readonly kind: "voting"; readonly allowed: boolean }
  | { readonly kind: "quarantined"; readonly signers: readonly number[] };

export type TimerName = "view" | "idle" | "retry";

export type Effect =
  | { readonly kind: "sign"; readonly statement: Statement }
  /** One atomic synced write; answered by `durable` with the same id. */
  | {
      readonly kind: "persist";
      readonly writeId: number;
      readonly votes: readonly OwnVote[];
      readonly certificates: readonly Certificate[];
      /** Blocks (with all their batches) that must be durable too. */
      readonly blocks: readonly Hash[];
    }
  /** Certificates worth keeping, without a promise. */
  | { readonly kind: "keep"; readonly certificate: Certificate }
  | { readonly kind: "send"; readonly to: number | "all"; readonly message: CoreMessage }
  /** Replaces the timer of that name; undefined stops it. */
  | { readonly kind: "timer"; readonly name: TimerName; readonly delayMs: number | undefined }
  /** Bring this block and its ancestors to a verdict; `sources` are validators that should have it. */
  | {
      readonly kind: "need";
      readonly hash: Hash;
      readonly block: Block | undefined;
      readonly sources: readonly number[];
    }
  | {
      readonly kind: "build";
      readonly view: number;
      readonly parentHash: Hash;
      readonly parentView: number;
    }
  | { readonly kind: "finalized"; readonly certificate: Certificate }
  | { readonly kind: "evidence"; readonly first: Vote; readonly second: Vote }
  /** A quorum notarized roots that differ from ours: we are the odd one out (R2). */
  | { readonly kind: "diverged"; readonly hash: Hash }
  | { readonly kind: "entered"; readonly view: number; readonly leader: number }
  /** A statement of our own that we do not know of, met while we may not sign: we must not begin to. */
  | { readonly kind: "forgotten"; readonly statement: Statement }
  | { readonly kind: "halt"; readonly failure: Failure };

/** What to do with a message before its signatures are checked. */
export type Wanted =
  | { readonly want: "verify" }
  | { readonly want: "drop"; readonly code: ErrorCode | undefined; readonly behind: boolean };

export type { Block, Certificate, Hash, Statement, StatementKind, Vote };
