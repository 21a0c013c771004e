/** The nouns of the ledger. Encodings are in batch.ts, block.ts, statement.ts and wire.ts. */

/** A 32-byte hash or id. */
export type Hash = Uint8Array;

/** One event as it was encoded by its author: the bytes are what is hashed, never a re-encoding. */
export type EncodedEvent = {
  readonly type: string;
  readonly version: number;
  readonly payload: Uint8Array;
  /** The whole encoding: type, version, payload. */
  readonly bytes: Uint8Array;
};

/** A proof in a batch (batch-proofs.ts): kind 1 is work, kind 2 space. */
export type ProofSlot = {
  readonly kind: number;
  readonly version: number;
  readonly bytes: Uint8Array;
};

export type Batch = {
  /** SHA256(chainId). */
  readonly chainHash: Hash;
  /** The author: Ht("id", FALCON public key). */
  readonly actor: Hash;
  /** 1, 2, 3… within the actor's lane. */
  readonly laneSeq: number;
  /** Id of the lane's previous batch; zero for laneSeq 1. */
  readonly prevBatchId: Hash;
  /** A multiple of 16: the batch is not older than this block. */
  readonly refHeight: number;
  readonly refHash: Hash;
  readonly eventsRoot: Hash;
  readonly events: readonly EncodedEvent[];
  readonly signature: Uint8Array;
  readonly proofs: readonly ProofSlot[];
  /** H(unsigned core): identity, idempotence, lane order. Does not cover the randomised signature. */
  readonly id: Hash;
  /** H(whole envelope): what blocks, gossip and the verdict cache name. */
  readonly digest: Hash;
  /** The whole envelope as received. */
  readonly bytes: Uint8Array;
};

export type Header = {
  readonly protocolVersion: number;
  readonly chainHash: Hash;
  readonly epoch: number;
  /** View in which the block was first proposed; a certificate's view may exceed it (re-proposal). */
  readonly view: number;
  readonly height: number;
  /** View of the notarization of the parent that the proposer built on; 0 at the start of an epoch. */
  readonly parentView: number;
  readonly parentHash: Hash;
  /** Ledger time, milliseconds since the Unix epoch, strictly growing. */
  readonly timeMs: number;
  readonly batchesRoot: Hash;
  readonly batchCount: number;
  /** The finalized ancestor whose execution results the next four fields state. */
  readonly executedHeight: number;
  readonly logSize: number;
  readonly logRoot: Hash;
  readonly stateRoot: Hash;
  /** Hash of the body's proof section (beacon reveal, space openings). */
  readonly proofsHash: Hash;
  /** Hash of the next epoch's validator set; zero except in an epoch's boundary block. */
  readonly nextSetHash: Hash;
  /** Index of the proposer in the epoch's validator set. */
  readonly proposer: number;
};

/** A block's proof section (block-proofs.ts). */
export type BlockProofs = {
  /** The proposer's iVRF value and path; empty where none is due. */
  readonly reveal: Uint8Array;
  /** Openings of the proposer's sectors; empty where none are due. */
  readonly openings: Uint8Array;
  /** The encoding; empty on a chain that asks for neither. */
  readonly bytes: Uint8Array;
};

export type Block = {
  readonly header: Header;
  readonly batchDigests: readonly Hash[];
  readonly proofs: BlockProofs;
  /** Ht("header", header bytes). */
  readonly hash: Hash;
  /** Encoded header and body. */
  readonly bytes: Uint8Array;
};

export type StatementKind = "notarize" | "nullify" | "finalize";

/** What a validator signs. `hash` is the header hash; zero for nullify. */
export type Statement = {
  readonly epoch: number;
  readonly view: number;
  readonly kind: StatementKind;
  readonly hash: Hash;
};

export type Vote = {
  readonly statement: Statement;
  /** Index in the epoch's validator set. */
  readonly signer: number;
  readonly signature: Uint8Array;
};

export type Certificate = {
  readonly statement: Statement;
  /** Ascending, distinct. Encoded as a bitmap. */
  readonly signers: readonly number[];
  /** One per signer, in the same order. */
  readonly signatures: readonly Uint8Array[];
};

export type Validator = {
  /** Ht("id", publicKey), unless the chain has keys of epochs: of the long-lived key then. */
  readonly id: Hash;
  readonly name: string;
  /** What it signs votes with in the set's epoch. */
  readonly publicKey: Uint8Array;
  readonly weight: bigint;
  /** SHA-256 of the SubjectPublicKeyInfo of the node's TLS certificate. */
  readonly tlsPin: Hash;
  /** "[ipv6]:port". */
  readonly address: string;
};

/** What a validator signs checkpoints with beside its FALCON key (docs/protocol.md, Checkpoints). */
export type CheckpointKeys = {
  /** Ed25519, RFC 8032. */
  readonly ed25519Key: Uint8Array;
  /** ML-DSA-44, FIPS 204. */
  readonly mlDsa44Key: Uint8Array;
};

export type ValidatorSet = {
  readonly epoch: number;
  /** In ascending order of id. */
  readonly validators: readonly Validator[];
  /** Hash of the ordered ids, keys and weights. */
  readonly hash: Hash;
  readonly totalWeight: bigint;
  /** floor(2W/3) + 1. */
  readonly quorum: bigint;
};

/** What execution of one event decided. Both kinds stay in the log. */
export type Outcome =
  | { readonly kind: "accepted" }
  | { readonly kind: "refused"; readonly code: string };

/** One entry of the log, as leaves commit to it. */
export type LogEntry = {
  readonly index: number;
  readonly height: number;
  readonly batchId: Hash;
  readonly position: number;
  readonly outcome: Outcome;
  readonly effectsHash: Hash;
  readonly event: EncodedEvent;
};

/** The result of executing one block: what a later header states about it. */
export type ExecutionRoots = {
  readonly height: number;
  readonly logSize: number;
  readonly logRoot: Hash;
  readonly stateRoot: Hash;
  /** Root by projection name, in the order of registration. */
  readonly projections: readonly { readonly name: string; readonly root: Hash }[];
};

/** A checkpoint of the log that a quorum of validators has signed. */
export type ServedCheckpoint = {
  readonly size: number;
  readonly root: Hash;
  /** Ledger time, seconds since 1970: the latest that one honest signer at least stated or passed. */
  readonly timeS: number;
  /** The signed note. */
  readonly note: string;
};
