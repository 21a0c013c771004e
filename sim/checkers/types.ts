/**
 * What the simulator shows to its checkers, in plain data of their own: nothing here comes from src, so
 * that an error there cannot hide itself (the linter forbids the import).
 */

export type Member = {
  /**
   * Index in the validator set (ascending id): the signer number on the wire. In `CheckContext.members` that
   * of the genesis, and -1 for who is not in it; in the set of an epoch (sets.ts) that of the epoch.
   */
  readonly index: number;
  /** Slot of the process that runs it. */
  readonly slot: number;
  readonly idHex: string;
  readonly publicKey: Uint8Array;
  /** Of a member of the genesis on a chain with keys of epochs: the one of epoch 0. */
  readonly epochKey?: Uint8Array | undefined;
  readonly weight: bigint;
};

export type Status = {
  readonly epoch: number;
  readonly view: number;
  readonly finalHeight: number;
  readonly finalHash: string;
  readonly finalTimeMs: number;
  readonly executedHeight: number;
  readonly logSize: number;
  readonly logRoot: string;
  readonly stateRoot: string;
  readonly voting: string;
  readonly mempoolBytes: number;
  readonly mempoolBatches: number;
};

export type Row = { readonly key: Uint8Array; readonly value: Uint8Array };

/** One entry of a node's log as its handle gives it. */
export type Entry = {
  readonly index: number;
  readonly height: number;
  readonly batchId: string;
  readonly position: number;
  readonly refusedWith: string;
  readonly effectsHash: Uint8Array;
  readonly eventType: string;
  readonly eventBytes: Uint8Array;
};

/** What lies on a node's disk of its state, of one moment; docs/protocol.md has what the bytes are. */
export type StoredState = {
  /** Of the newest height that is executed there. */
  readonly record: Uint8Array;
  /** Keys and values of all projections: "r/", name, "/", row key; u64 origin, value. */
  readonly rows: readonly (readonly [key: Uint8Array, stored: Uint8Array])[];
};

/** What a node shows at the end of a run, read through its own handle. */
export type Dump = {
  readonly slot: number;
  readonly status: Status;
  readonly entries: readonly Entry[];
  readonly timesMs: readonly (number | undefined)[];
  /** All rows of the projections that checkers read, in key order. */
  readonly rows: ReadonlyMap<string, readonly Row[]>;
  /** Of the moment of `status`; absent where the disk is damaged. */
  readonly state?: StoredState | undefined;
};

export type Submission = {
  readonly actorHex: string;
  readonly laneSeq: number;
  readonly batchIdHex: string;
  readonly eventCount: number;
  /** Of all of it, as it is submitted. */
  readonly bytes: number;
};

/** The most that has waited at a node's ports since it was told last, each at a moment of its own. */
export type Waiting = {
  /** Signatures of consensus that are to be checked. */
  readonly checks: number;
  /** Bytes that the disk of its data has not written yet. */
  readonly writeBytes: number;
  /** The same of the disk of its votes. */
  readonly voteBytes: number;
  /** By class of traffic: bytes in the send queue of one peer, the fullest one. */
  readonly queueBytes: Readonly<Record<string, number>>;
  /** Timers that are set. */
  readonly timers: number;
};

/** What one reader saw at a node. A session goes on at other nodes, and never asks for less than it has seen. */
export type Reading = {
  readonly session: number;
  readonly slot: number;
  /** The height that the answer is said not to be older than, and what was final there. */
  readonly height: number;
  readonly finalHeight: number;
  /** Heights below this one are older than what the session has seen or was told of its own writes. */
  readonly floor: number;
  readonly key: Uint8Array;
  /** The row of the records projection; undefined where there is none. */
  readonly value: Uint8Array | undefined;
};

/** Whether a node goes on, and what it says is wrong with it. */
export type Health = {
  readonly voting: string;
  readonly problems: readonly { readonly code: string; readonly detail: string }[];
};

export type Put = { readonly key: Uint8Array; readonly value: Uint8Array };

/** Rows of a projection as a node has them now; undefined for a node that is not asked to converge. */
export type ReadRows = (slot: number, projection: string) => readonly Row[] | undefined;

export type Checker = {
  /** I1..I29 and L0..L9 of docs/simulation.md, where the table names the file of each. */
  readonly id: string;
  readonly title: string;
  /** A process began. `lost` is true when its data was wiped or rolled back before. */
  booted?(slot: number, incarnation: number, lost: boolean): void;
  /** Any signature made by a member's key, by whatever process, adversaries included. */
  signed?(slot: number, message: Uint8Array, signature: Uint8Array): void;
  /** A signature of a statement that others may see from now on (release.ts). */
  released?(slot: number, message: Uint8Array, signature: Uint8Array): void;
  /** A node has checked a signature, as one of so many that it checks together. */
  verified?(slot: number, message: Uint8Array, together: number): void;
  /** A process is told that a session with this one begins: nothing has been sent in it. */
  connected?(slot: number, peer: number): void;
  sent?(from: number, to: number, trafficClass: string, bytes: Uint8Array): void;
  /** A send queue had no room for a frame: nothing has left. */
  refused?(from: number, to: number, trafficClass: string, bytes: Uint8Array): void;
  /** A frame has reached a live process. */
  delivered?(from: number, to: number, bytes: Uint8Array): void;
  /** These puts of one atomic write survive a power cut from now on. */
  durable?(slot: number, disk: string, puts: readonly Put[]): void;
  /** The disk lost something of what it had; what is left is told as durable right after. */
  diskLost?(slot: number, disk: string): void;
  /** After each executed block, and now and then. */
  status?(slot: number, status: Status): void;
  /** As `status`, on a chain with keys of epochs: the first epochs of those on the machine's disk. */
  keysHeld?(slot: number, epoch: number, held: readonly number[]): void;
  /** The node serves a new checkpoint: a signed note. */
  served?(slot: number, note: string): void;
  submitted?(slot: number, submission: Submission): void;
  /** A client has handed the batch, maybe not for the first time, to this node. */
  offered?(slot: number, submission: Submission): void;
  /** The node has not taken it. */
  declined?(slot: number, submission: Submission, code: string): void;
  /** The node said that this batch is committed, and at which height. */
  acknowledged?(slot: number, submission: Submission, height: number | undefined): void;
  /** A client no longer waits for this batch: its lane went another way, or it may not write any more. */
  gaveUp?(submission: Submission): void;
  /** All faults have ended; these slots must go on and end up level. */
  healed?(atUs: number, asked: readonly number[]): void;
  /** Only these have been healed: everybody else is gone for good. */
  coreHealed?(slots: readonly number[]): void;
  /** A block above this height must be final by then. */
  mustPass?(height: number, byUs: number): void;
  /** All that clients wait for must be answered by then. */
  mustAnswer?(byUs: number, waiting: () => number): void;
  /** All that are asked must have executed this height by then. */
  mustReach?(height: number, byUs: number): void;
  /** Now and then, of a node that is up and whose disk nobody has just had to replace. */
  health?(slot: number, health: Health): void;
  /** Every node that is up has been shown. */
  looked?(): void;
  /** A run that may take so many steps has taken so many. */
  worked?(steps: number, stepsMax: number): void;
  /** What was read at this node from then on has had no answer, and gets none before that. */
  unanswered?(slot: number, fromUs: number, untilUs: number): void;
  /** The node has set a timer. */
  timer?(slot: number, delayMs: number): void;
  /** Now and then, and at the end; nothing in between is left out. */
  waits?(slot: number, waiting: Waiting): void;
  read?(reading: Reading): void;
  /** False while something must still come about by the end: the run goes on for it, up to its limit. */
  settled?(rows: ReadRows): boolean;
  /**
   * Until when a run that is not settled goes on for this checker to judge it, in virtual microseconds; where that is
   * more than fifteen seconds after the heal, which each has.
   */
  settlesByUs?(): number;
  end?(dumps: readonly Dump[]): void;
};

/** What the chain asks of batches: Argon2id of so much memory, and the rule of its price. */
export type WorkTerms = {
  readonly memoryKiB: number;
  readonly priceMin: bigint;
  readonly priceMax: bigint;
  readonly priceStart: bigint;
  readonly pricedUnits: bigint;
  readonly targetUnits: bigint;
};

/** What the chain asks of validators once an epoch, where it asks for it. */
export type ClaimTerms = {
  readonly time?: { readonly tailBlocks: number; readonly leavesLog2: number };
  readonly shares?: {
    readonly scryptN: number;
    readonly difficulty: number;
    readonly triesPerUnit: number;
  };
};

/** What a chain with a beacon begins with. */
export type BeaconFacts = {
  readonly depth: number;
  /** Roots of the keys of the genesis, by index in the set. */
  readonly roots: readonly Uint8Array[];
};

/** What a chain that asks for space begins with. */
export type SpaceTerms = {
  readonly lgNodes: number;
  readonly layers: number;
  readonly admissionChallenges: number;
  readonly sectorOpenings: number;
  readonly epochOpenings: number;
  readonly blockOpenings: number;
  readonly eventOpenings: number;
  readonly responseMs: number;
  /** Bytes of one challenge of an admission. */
  readonly admissionBytes: number;
  /** Of each validator with a sector, in hex: the root of what is stored, and of columns; and what names the sector. */
  readonly roots: ReadonlyMap<string, string>;
  readonly columns: ReadonlyMap<string, string>;
  readonly sectorIds: ReadonlyMap<string, Uint8Array>;
};

/** What a chain that asks validators where they are goes by. */
export type LocationTerms = {
  /** Challenges of a measurement. */
  readonly rounds: number;
  /** Bound of each zone, microseconds. */
  readonly zones: ReadonlyMap<string, number>;
};

/** What a chain on which stake decides asks for. */
export type StakeTerms = {
  /** So many turns to lead are judged together; fewer than so many of 10,000 led is down, 0 judges nobody. */
  readonly windowTurns: number;
  readonly votedBpsMin: number;
  /** Stake that a unit of shares carries. */
  readonly stakePerUnit: bigint;
  /** What bounds power beside stake. */
  readonly claims?: ClaimTerms | undefined;
};

/** An actor that the genesis lists. */
export type ListedActor = {
  readonly idHex: string;
  readonly publicKey: Uint8Array;
  readonly name: string;
  readonly permissions: readonly string[];
};

export type CheckContext = {
  readonly chainId: string;
  readonly genesisHash: Uint8Array;
  readonly genesisTimeMs: number;
  readonly epochMs: number;
  readonly members: readonly Member[];
  /** Those of the genesis that are not there as validators. */
  readonly actors?: readonly ListedActor[];
  /** Absent where batches need no work. */
  readonly work?: WorkTerms;
  readonly claims?: ClaimTerms | undefined;
  /** Of a chain with a beacon. */
  readonly beacon?: BeaconFacts | undefined;
  /** Of a chain that asks for space. */
  readonly space?: SpaceTerms | undefined;
  /** Of a chain that asks where validators are. */
  readonly location?: LocationTerms | undefined;
  /** Of a chain that asks for stake, whose sets change: `setsOf` has them. */
  readonly stake?: StakeTerms | undefined;
  /** Slots of the members that follow the protocol for the whole run. */
  honest(slot: number): boolean;
  /** Whether this slot has to go on, and to end up with what all have. */
  asked(slot: number): boolean;
  /** Spans in which less than a quorum is up. */
  readonly haltedMs: readonly (readonly [fromMs: number, untilMs: number])[];
  memberOf(slot: number): Member | undefined;
  /** Where a node is now; undefined where it is down, or still reads its folder and takes no frame of consensus. */
  standing(slot: number): { readonly epoch: number; readonly view: number } | undefined;
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  nowUs(): number;
  wallMs(): number;
  report(id: string, detail: string): void;
  /** Something worth having seen: the run's coverage. */
  mark(name: string): void;
};

export type CheckerFactory = (context: CheckContext) => Checker;
