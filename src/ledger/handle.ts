/**
 * What a running replica offers to the node's API and to tests: the facade between src/ledger (which
 * knows no HTTP) and src/node (which knows no consensus).
 */
import type { Failure, Result } from "../errors.ts";
import type { WorkParameters } from "../proofs/work/index.ts";
import type { AuditItem } from "./audit/item.ts";
import type { WorkTerms } from "./batch-work.ts";
import type { ChainPoint } from "./chain-point.ts";
import type { PeerId } from "./ports.ts";
import type { ExecutionRecord } from "./records.ts";
import type { SizedCertificate } from "./statement.ts";
import type {
  Block,
  EncodedEvent,
  Hash,
  LogEntry,
  Outcome,
  ServedCheckpoint,
  ValidatorSet,
} from "./types.ts";
import type { Bundle } from "./verify/bundle.ts";

export type EpochPower = {
  /** The floor rule has kept powers of an earlier set: proofs or validators were missing. */
  readonly degraded: boolean;
  /** What the powers add up to, and the stake of all who might have held some. */
  readonly power: bigint;
  readonly stake: bigint;
};

export type NodeStatus = {
  readonly chainId: string;
  readonly genesisHash: Hash;
  readonly nodeId: PeerId;
  readonly name: string;
  readonly validatorIndex: number | undefined;
  readonly epoch: number;
  readonly view: number;
  /** Id of the validator that leads the current view. */
  readonly leader: PeerId;
  /** Last height that is final and appended durably here. */
  readonly finalHeight: number;
  /** The genesis hash where nothing is final; zero where what is final cannot be read. */
  readonly finalHash: Hash;
  /** Ledger time of the final block, milliseconds. */
  readonly finalTimeMs: number;
  /** Last height that is executed and durable here: what reads see. */
  readonly executedHeight: number;
  readonly logSize: number;
  readonly logRoot: Hash;
  readonly stateRoot: Hash;
  /** The newest executed grid height and its hash: what a batch should reference. */
  readonly refHeight: number;
  readonly refHash: Hash;
  /** What the work of a batch with this reference is held against; absent where the chain asks for none. */
  readonly work?: WorkTerms & {
    readonly parameters: WorkParameters;
    /** How many times the effort asked for this node takes now: 1, and more the fuller its mempool is. */
    readonly times: number;
  };
  /** The beacon of finalHeight and the seed of the epoch that the next height is of; absent without a beacon. */
  readonly beacon?: { readonly value: Hash; readonly epochSeed: Hash };
  readonly peers: readonly PeerId[];
  readonly voting: "yes" | "asking" | "refused" | "halted" | "observer" | "keyless";
  /** Why the node does not vote or has stopped; empty when all is well. */
  readonly problems: readonly Failure[];
  readonly mempoolBytes: number;
  readonly mempoolBatches: number;
  /** Milliseconds between the last two finalized views, as this node saw them. */
  readonly viewTimeMs: number;
  /** Of the running epoch's set, on a chain whose validators change. */
  readonly stake?: EpochPower | undefined;
  /** The newest checkpoint with a quorum of signatures. */
  readonly checkpoint: Pick<ServedCheckpoint, "size" | "timeS"> | undefined;
};

export type WaitLevel = "accepted" | "committed" | "projected";

export type BatchReceipt = {
  readonly batchId: Hash;
  /** accepted: in the mempool; committed: its block is synced on this node; projected: executed too. */
  readonly level: WaitLevel;
  readonly height?: number;
  /** From `projected` on: global index of the first event and one outcome an event. */
  readonly firstIndex?: number;
  readonly outcomes?: readonly Outcome[];
};

export type LaneState = {
  readonly actor: Hash;
  /** Seq and id of the last finalized batch; 0 and zero for a fresh lane. */
  readonly laneSeq: number;
  readonly batchId: Hash;
  /** The highest laneSeq waiting in this node's mempool behind it, and its id; equal to the above if none. */
  readonly pendingSeq: number;
  readonly pendingId: Hash;
};

export type EventPage = { readonly entries: readonly LogEntry[]; readonly next: number };

/** A finalization certificate and the height of the block that it is of. */
export type Finalization = { readonly height: number; readonly certificate: SizedCertificate };

/** The set of the running epoch, and who leads the views from the current one on, by index. */
export type Network = {
  readonly set: ValidatorSet;
  readonly view: number;
  readonly leaders: readonly number[];
};

export type ProjectionRow = { readonly key: Uint8Array; readonly value: Uint8Array };

/** What a proof is asked with. */
export type ProofOptions = {
  /** The bundle's chain of trust begins at this epoch: what the asker trusts already. */
  readonly trustedEpoch: number;
  /**
   * Of an event: by the newest certified header, so that its log can be compared with one that was seen
   * before. Else by the first that commits to the event, which is the same for ever.
   */
  readonly newest?: boolean;
  /**
   * Of rows: a state at least as new as this one, or one that is equal. Absent: the newest there is. What
   * a plain read sees is a block or two ahead of what can be proven.
   */
  readonly notBefore?: Pick<NodeStatus, "executedHeight" | "stateRoot">;
  /** Of rows: the state after exactly this height; http.height-gone where it is not held. */
  readonly atHeight?: number;
};

/** The rows as they were after a height, for as long as it takes to read them. */
export type StateView = Pick<LedgerHandle, "rows" | "row"> & {
  readonly stateRoot: Hash;
  /** Ends the reading: nothing may be read after it. */
  release(): void;
};

export type ProvenPage = { readonly bundle: Bundle; readonly more: boolean };

/**
 * Proof bundles (verify/bundle.ts). Codes of all: proof.pending when no certified header commits to it yet
 * (a block or two later one does), proof.too-long, http.bad-parameter, and the disk's.
 */
export type ProofSource = {
  /** That event `index` is in the log, with who signed it; or that the log ends before it. */
  event(index: number, options: ProofOptions, done: (result: Result<Bundle>) => void): void;
  /** Of each key its row, or that there is none. At least one key, at most LIMITS.proofItemsMax. */
  rows(
    projection: string,
    keys: readonly Uint8Array[],
    options: ProofOptions,
    done: (result: Result<Bundle>) => void,
  ): void;
  /**
   * One step along the sets of validators: who is in the set of the newest provable header, as rows (of `stake`,
   * or of `validators` where sets do not change) of all of its members; or, where the links to there are more than
   * one answer holds, the last boundary that they reach, as a header alone.
   */
  set(options: ProofOptions, done: (result: Result<Bundle>) => void): void;
  /** The state after a height, where it is still held; release it when it is read. */
  stateAt(height: number): StateView | undefined;
  /**
   * The log from `from` on without a gap, as the newest certified header has it: at most `limit` and about
   * `bytesMax` of events. That the log ends before `from`, where it does.
   */
  range(
    query: {
      readonly from: number;
      readonly limit: number;
      readonly bytesMax: number;
      readonly slice?: (resume: (goesOn: boolean) => void) => void;
    },
    options: ProofOptions,
    done: (result: Result<ProvenPage>) => void,
  ): void;
  /** Rows in key order, after `after` (exclusive), at most `limit` and about `bytesMax` of them. */
  page(
    projection: string,
    query: {
      readonly after?: Uint8Array;
      readonly prefix?: Uint8Array;
      readonly limit: number;
      readonly bytesMax: number;
      /**
       * Called between slices of the work, of some rows each; the work goes on when `resume` is called, or
       * ends with http.timeout where nobody waits for it any more. All at once without it.
       */
      readonly slice?: (resume: (goesOn: boolean) => void) => void;
    },
    options: ProofOptions,
    done: (result: Result<ProvenPage>) => void,
  ): void;
};

export type LedgerHandle = {
  status(): NodeStatus;
  /**
   * Admits an encoded batch. Calls `done` once, with the receipt when `level` is reached or with why not.
   * Submitting a batch that is known is answered as if it were new (idempotent by batch id).
   * Returns a function that gives up waiting; the batch itself stays admitted.
   */
  submit(
    bytes: Uint8Array,
    level: WaitLevel,
    done: (result: Result<BatchReceipt>) => void,
  ): () => void;
  /** What became of a batch that is executed here; undefined otherwise. */
  receipt(batchId: Hash): BatchReceipt | undefined;
  lane(actor: Hash): LaneState;
  /** Entries from..from+limit of executed blocks; stops early at the end of the log. */
  events(from: number, limit: number, done: (result: Result<EventPage>) => void): void;
  /** A final block above the genesis; undefined past the last final height. */
  block(height: number): Block | undefined;
  /**
   * The finalization of the lowest height from `height` on that has one of its own here: a block is final
   * by a descendant's too, and old ones are forgotten but for one in LIMITS.certificateKeepEvery heights.
   */
  finalization(height: number): Finalization | undefined;
  /** What execution made of a height; undefined above the last executed one. */
  execution(height: number): ExecutionRecord | undefined;
  /** The beacon of a final height, the genesis counted; undefined past the last, and without a beacon. */
  beacon(height: number): Hash | undefined;
  /** What work costs who refers to a final height, from the genesis on; undefined past the last or where it is free. */
  workPrice(height: number): bigint | undefined;
  /** The set of an epoch that this node knows. */
  validatorSet(epoch: number): ValidatorSet | undefined;
  /** Undefined before consensus has started. `views` says how many leaders to tell. */
  network(views: number): Network | undefined;
  /** Ledger time of an executed height, milliseconds. */
  timeOf(height: number): number | undefined;
  /** Beacon of a final height and the epoch of the next one; undefined on a chain of format 1. */
  point(height: number): ChainPoint | undefined;
  /** Rows of a projection in key order, after `after` (exclusive). */
  rows(
    projection: string,
    options: { readonly after?: Uint8Array; readonly prefix?: Uint8Array; readonly limit: number },
    done: (result: Result<readonly ProjectionRow[]>) => void,
  ): void;
  row(projection: string, key: Uint8Array): Uint8Array | undefined;
  /**
   * Final heights from `from` on, at least 1, with batches and certificates: as many as one answer may hold,
   * none above the final tip. Throws TetradError store.corrupt where the first of them is damaged.
   */
  finalBlocks(from: number): readonly AuditItem[];
  /** The newest checkpoint of the log that a quorum has signed; undefined before the first. */
  checkpoint(): ServedCheckpoint | undefined;
  /** Whose signatures on checkpoints count, as a file (c2sp.org/tlog-policy). */
  checkpointPolicy(): string;
  /** The first `width` hashes of a tile of the log as it is executed here; undefined beyond its end. */
  tile(level: number, index: number, width: number): Uint8Array | undefined;
  /**
   * Proofs of what is final here. From the first call on the node keeps the states that rows can be proven
   * from, until it stops.
   */
  proofs(): ProofSource;
  /**
   * Writes to the log in the node's own lane, one event at a time: `make` is called for its event when its turn
   * comes, and again when a batch was lost; undefined means that there is nothing to say any more. What comes
   * of the event is in the state. What is urgent goes before what is not. Dropped before the replica has loaded,
   * and past LIMITS.evidencePending.
   */
  write(make: () => EncodedEvent | undefined, isUrgent?: boolean): void;
  /** Called after each executed block is durable; returns the unsubscribe function. */
  onExecuted(listener: (height: number, logSize: number) => void): () => void;
  /** Called once when the node stops itself (a failed disk, a foreign signature); reads still work. */
  onHalt(listener: (failure: Failure) => void): () => void;
  ready(): { readonly ready: boolean; readonly reasons: readonly string[] };
  /** Stops taking work, lets writes finish, closes the stores. */
  stop(done: () => void): void;
};
