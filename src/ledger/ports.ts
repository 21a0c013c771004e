/**
 * Ports: everything the ledger asks of the outside world. Given at construction; the core and the
 * replica reach nothing else. Each port has at least two implementations (real, simulated with faults)
 * and one contract suite that runs on all of them (test/contract).
 *
 * All ports complete by callback, never by promise: the simulator then decides exactly when each
 * completion runs, and a replica's turn is one synchronous call.
 */

import type { OpeningTask } from "../proofs/space/challenges.ts";
import type { WorkCheck } from "./batch-work.ts";
import type { CheckpointKeys, ServedCheckpoint } from "./types.ts";

export type Clock = {
  /** Milliseconds, never decreasing, origin arbitrary. For timers and rates. */
  monotonicMs(): number;
  /** The same in microseconds, as fine as the machine tells it; absent where monotonicMs may be rounded. */
  monotonicUs?(): number;
  /** Milliseconds since the Unix epoch. Only proposals and their timeliness check read it. */
  wallMs(): number;
};

export type Timers = {
  /** Calls back once after delayMs; the returned function cancels and may be called twice. */
  set(delayMs: number, callback: () => void): () => void;
};

export type Random = {
  /** Uniform 32-bit integer that nobody can foresee: for jitter, ids, challenges. Never for anything replicated. */
  u32(): number;
};

/** 64 lower-case hex digits of a node id; strings so that they key maps. */
export type PeerId = string;

export type StoreOp =
  | { readonly type: "put"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: "del"; readonly key: Uint8Array };

export type StoreRange = {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
  readonly limit: number;
  readonly reverse?: boolean;
  /**
   * Ends before the row with which keys and values come to more bytes than this, but gives at least one row
   * where there is one: for ranges whose rows may be large and many. A store may end earlier, by what it keeps
   * beside a value: on LevelDB a row counts with its checksum. Unbounded when left out.
   */
  readonly bytesMax?: number;
};

export type StoreEntry = readonly [key: Uint8Array, value: Uint8Array];

export type StoreFailure = {
  /**
   * full: no room, may pass when there is; corrupt: stored bytes fail their checksum; gone: only of a snapshot,
   * which is not held any more; io: all else.
   */
  readonly code: "full" | "corrupt" | "io" | "closed" | "gone";
  readonly detail: string;
};

/**
 * A store as it was at one moment: whatever is written later, its reads give the same. It sees every write
 * whose `done` had been called, and may see others that were submitted. What it sees costs memory with every
 * write after it, so it must be released, few may be held at a time, and a store may give up the oldest.
 */
export type StoreSnapshot = Pick<Store, "get" | "range"> & {
  /** The store has given it up: `get` throws http.height-gone, `range` fails with `gone`. */
  isGone(): boolean;
  /** May be called twice, and while a range is read, which is then given. No read may begin after it. */
  release(): void;
};

/**
 * Ordered key-value store.
 * - `write` is atomic. Writes take effect in the order they were submitted. With sync, `done` without a
 *   failure means that the batch and all before it survive a power cut; without sync it survives a crash
 *   of the process only.
 * - After a failed write the store refuses every later write with the same failure until it is
 *   reopened: a gap in the order of writes never becomes durable.
 * - What a store shows when it is opened is durable: what a killed process left in the page cache is synced
 *   by opening, so that a vote found after a restart may be sent again.
 * - `get` and `range` see a write from the moment its `done` has been called, and may see it earlier.
 */
export type Store = {
  get(key: Uint8Array): Uint8Array | undefined;
  write(
    ops: readonly StoreOp[],
    options: { readonly sync: boolean },
    done: (failure?: StoreFailure) => void,
  ): void;
  range(
    range: StoreRange,
    done: (failure: StoreFailure | undefined, entries: readonly StoreEntry[]) => void,
  ): void;
  /**
   * Snapshots end with the store: reading one after `close` fails as reading the store does. There always is one
   * in the `done` of a write; while another write is under way there may be none yet: throws store.io then.
   */
  snapshot(): StoreSnapshot;
  close(done: () => void): void;
};

/** One stream per class, so that bulk never stands before a vote. Order is kept within a class only. */
export type TrafficClass = "consensus" | "mempool" | "sync" | "control" | "bulk";
export const TRAFFIC_CLASSES: readonly TrafficClass[] = [
  "consensus",
  "mempool",
  "sync",
  "control",
  "bulk",
];

export type PeerClose = {
  readonly code: "closed" | "unreachable" | "protocol" | "rate" | "identity" | "shutdown" | "idle";
  readonly detail: string;
};

export type TransportHandler = {
  /** A session to an authenticated peer is open; frames may be sent. At most one session a peer is live. */
  peerUp(peer: PeerId): void;
  peerDown(peer: PeerId, reason: PeerClose): void;
  /** The bytes belong to the callee. Their length is at most LIMITS.frameBytesMax of the class. */
  frame(peer: PeerId, trafficClass: TrafficClass, bytes: Uint8Array): void;
};

/**
 * Authenticated sessions to the other validators. Delivery is at most once, in order within a class and
 * session; a lost session loses what was queued. The replica re-sends by its own rules (R7).
 */
export type Transport = {
  /** Registers the one handler and starts dialling and accepting. */
  start(handler: TransportHandler): void;
  /** False when there is no session or the class's queue is full: the frame was dropped, nothing was queued. */
  send(peer: PeerId, trafficClass: TrafficClass, bytes: Uint8Array): boolean;
  /** Closes the session of a peer that broke the protocol; redialled after a back-off. */
  disconnect(peer: PeerId, reason: PeerClose): void;
  peers(): readonly PeerId[];
  /** Whether a peer has shown its node's key in the post-quantum handshake. Absent where that is never asked. */
  isSecured?(peer: PeerId): boolean;
  /** Whom sessions may be with from now on; others end. Absent where the list is given for good. */
  know?(members: readonly TransportMember[]): void;
  close(done: () => void): void;
};

/** Who may be at the other end of a session, and where. */
export type TransportMember = {
  readonly id: PeerId;
  /** SHA-256 of the SubjectPublicKeyInfo of its TLS certificate. */
  readonly tlsPin: Uint8Array;
  /** "[ipv6]:port". */
  readonly address: string;
};

/** Bytes of streams, without what QUIC adds and without what it sent twice; and what waits to be sent. */
export type ClassBytes = {
  readonly sent: number;
  readonly received: number;
  readonly queued: number;
};

/** Of a session whose post-quantum handshake is complete. */
export type SealedFigures = {
  readonly handshakeMs: number;
  /** Of a sealed question and its answer, from process to process; undefined before the first answer. */
  readonly roundTripMs: number | undefined;
  /** The software's version that the peer told under the seal; empty before it has. */
  readonly version: string;
  /** Records that this node has sealed. */
  readonly records: number;
};

export type SessionFigures = {
  readonly rttMs: number | undefined;
  /** Of QUIC, counted by this end. */
  readonly packets: {
    readonly sent: number;
    readonly received: number;
    readonly lost: number | undefined;
  };
  /** Of the handshake of QUIC and TLS, from the first packet. */
  readonly tlsMs: number;
  /** Undefined until the post-quantum handshake is complete. */
  readonly sealed: SealedFigures | undefined;
  readonly upMs: number;
  readonly queuedBytes: number;
  readonly bytes: Readonly<Record<TrafficClass, ClassBytes>>;
};

/** Why the transport gave the endpoint of its sessions up: its library, the socket under it, or a loop that stalled. */
export type DriverFault = {
  readonly cause: "library" | "socket" | "stall";
  readonly detail: string;
};

/** The driver that sessions are on. */
export type DriverFigures = {
  readonly driver: string;
  /** "down": its endpoint has failed, and another one will be opened after a pause. */
  readonly state: "up" | "down";
  /** Endpoints that were replaced since the start. */
  readonly restarts: number;
  readonly lastFault: (DriverFault & { readonly agoMs: number }) | undefined;
};

export type PeerFigures = {
  readonly id: PeerId;
  /** As the genesis has it. */
  readonly address: string;
  /** "dialling": an attempt is on its way. "waiting": until the next attempt. "refused": it broke the protocol. */
  readonly state: "up" | "dialling" | "waiting" | "refused";
  /** "[ipv6]:port" of the session, and who dialled it. */
  readonly remote: string | undefined;
  readonly dialledBy: "us" | "peer" | undefined;
  /** The relay that the session goes through; undefined for a direct one, which alone has a `remote`. */
  readonly via: PeerId | undefined;
  /** Of QUIC, that carries the session. */
  readonly driver: string | undefined;
  readonly session: SessionFigures | undefined;
  /** How bulk goes to it now: over connections of this QUIC driver, or over the session. */
  readonly bulk?: "reactor" | "quiche" | "session" | undefined;
};

/** Signs as this node. Bytes differ from call to call for one message (FALCON is randomised). */
export type Signer = {
  readonly publicKey: Uint8Array;
  sign(message: Uint8Array, done: (signature: Uint8Array) => void): void;
};

/** A key of this node, and the first epoch that it is for. */
export type HeldEpochKey = { readonly epoch: number; readonly publicKey: Uint8Array };

/**
 * Holds this node's keys of epochs, which nothing else has a copy of: at most one for each first epoch. What is
 * erased is gone for good.
 */
export type EpochKeyring = {
  /** In ascending order of epoch. */
  held(): readonly HeldEpochKey[];
  /** Makes the key of an epoch, unless it is there, and calls back once it is durable. */
  make(epoch: number, done: (publicKey: Uint8Array) => void): void;
  /** As Signer, with a key that is held; with any other nothing is called. */
  sign(publicKey: Uint8Array, message: Uint8Array, done: (signature: Uint8Array) => void): void;
  /** From this call on nothing is signed with it. Its bytes are overwritten and removed soon after. */
  erase(epoch: number): void;
};

/** Holds this node's iVRF keys, which all follow from one secret. A key is named by its first height. */
export type Revealer = {
  /** Makes a key, unless it is there, and calls back with its root when it can reveal. */
  make(firstHeight: number, done: (root: Uint8Array) => void): void;
  /** The reveal of an index below 2^depth, at once; undefined for a key that is not held here. */
  reveal(root: Uint8Array, index: number): Uint8Array | undefined;
  /** Forgets a key that has run out. */
  forget(firstHeight: number): void;
};

export type CheckpointSignatures = {
  readonly ed25519: Uint8Array;
  readonly mlDsa44: Uint8Array;
};

/**
 * Signs and checks checkpoints with Ed25519 and ML-DSA-44 (docs/protocol.md, Checkpoints); FALCON lines come
 * from Signer and Verifier. Malformed input is invalid, never a throw. The callbacks come later, in any order.
 */
export type CheckpointSigner = {
  sign(messages: CheckpointSignatures, done: (signatures: CheckpointSignatures) => void): void;
  verify(
    keys: CheckpointKeys,
    messages: CheckpointSignatures,
    signatures: CheckpointSignatures,
    done: (valid: boolean) => void,
  ): void;
};

export type VerifyJob = {
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
  readonly publicKey: Uint8Array;
};

/** Checks signatures; the answer has one boolean a job, in order. Malformed input is false, never a throw. */
export type Verifier = {
  verify(
    jobs: readonly VerifyJob[],
    priority: "consensus" | "batch" | "sync",
    done: (valid: readonly boolean[]) => void,
  ): void;
  /**
   * Checks the work of batches of one chain, which has passed `precheckWork`: one boolean a check, in order.
   * Absent: it is checked in the caller's turn, for puzzles that cost next to nothing.
   */
  verifyWork?(
    chainId: string,
    checks: readonly WorkCheck[],
    priority: "consensus" | "batch" | "sync",
    done: (valid: readonly boolean[]) => void,
  ): void;
};

/** What has to be found for a batch that this node writes itself. */
export type WorkTask = Omit<WorkCheck, "proof">;

/** Searches for the work of this node's own batches. */
export type WorkProver = {
  /** Calls back once with the proof; the returned function gives up, and then nothing is called. */
  prove(chainId: string, task: WorkTask, done: (proof: Uint8Array) => void): () => void;
};

export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export type Logger = {
  log(level: LogLevel, message: string, fields?: LogFields): void;
};

export type Metrics = {
  count(name: string, by?: number, labels?: Readonly<Record<string, string>>): void;
  gauge(name: string, value: number, labels?: Readonly<Record<string, string>>): void;
  observe(name: string, value: number, labels?: Readonly<Record<string, string>>): void;
};

/** Opens nodes of this node's own sectors, at once: a few reads. */
export type SectorOpener = {
  /** Openings that verify; undefined where a sector is not here or is damaged. */
  open(task: OpeningTask): Uint8Array | undefined;
};

export type Ports = {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** The ledger's data. May be wiped and fetched again from peers. */
  readonly store: Store;
  /** Own statements; lives beside the key and is never wiped with the data (consensus.md, watermark). */
  readonly voteStore: Store;
  readonly transport: Transport;
  readonly signer: Signer;
  readonly verifier: Verifier;
  /** Absent: searched for in the caller's turn, for puzzles that cost next to nothing. */
  readonly workProver?: WorkProver;
  /** Absent on a chain that asks for no space, and where there are no sectors. */
  readonly sectors?: SectorOpener;
  /** Absent on a chain without a beacon, and where this node never leads. */
  readonly revealer?: Revealer;
  /** Absent on a chain without keys of epochs. */
  readonly epochKeys?: EpochKeyring;
  /** Absent where no checkpoints are signed or collected. */
  readonly checkpointSigner?: CheckpointSigner;
  /** What an earlier run has served; its signatures are checked. Served until there is a newer one. */
  readonly keptCheckpoint?: ServedCheckpoint;
  readonly logger: Logger;
  readonly metrics: Metrics;
};
