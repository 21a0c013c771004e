/**
 * Processes and sessions of the simulated network as they are kept: a session has two ends, and frames under way
 * from each (net.ts).
 */
import type { PeerId, TrafficClass, TransportHandler } from "../src/ledger/ports.ts";
import type { Task } from "./heap.ts";
import { HeldFrames } from "./held-frames.ts";
import type { Host } from "./host.ts";
import type { Hit } from "./links.ts";

export type HeldFrame = {
  readonly trafficClass: TrafficClass;
  readonly bytes: Uint8Array;
  /** What the trace takes in of them, when they leave and when they arrive. */
  readonly digest: number;
  /** What is told of it once it has arrived. */
  readonly hits?: readonly Hit[];
  /** The same of its newest flight, where it comes later for jitter, and has not waited longer before the far end. */
  readonly jittered?: Hit | undefined;
};

/** One end's view of a session. */
export type End = {
  readonly slot: number;
  /** The process incarnation that this end belongs to. */
  readonly incarnation: number;
  up: boolean;
  /** Frames from this end that wait behind a blocked or clogged link, and what they weigh by class. */
  readonly held: HeldFrames<HeldFrame>;
  /** When the next of them is looked at. */
  release: Task | undefined;
  readonly queuedBytes: Record<TrafficClass, number>;
  /** No frame of a class may arrive at the other end before this: order within a class. */
  readonly lastArrivalUs: Record<TrafficClass, number>;
  /** When the last of all frames that have left is to arrive: who comes before it overtakes. */
  readonly lastFrameUs: Record<TrafficClass, number>;
  /** The same of all classes, and of copies, too: no news of its death comes before. */
  lastUs: number;
  /** When its process has died; Infinity while it has not. */
  diedUs: number;
};

export type Session = {
  readonly serial: number;
  readonly ends: readonly [End, End];
  alive: boolean;
  blockedSinceUs: number;
};

/** What the network knows of a slot, and of the process in it. */
export type Endpoint = {
  readonly host: Host;
  readonly id: PeerId;
  incarnation: number;
  handler: TransportHandler | undefined;
  /** With whom a process has no sessions. The next one there begins without knowing of anybody. */
  shutOut: { readonly incarnation: number; readonly ids: ReadonlySet<PeerId> };
  /** With whom alone it may have some, once it was told who the members are. */
  members: { readonly incarnation: number; readonly ids: ReadonlySet<PeerId> } | undefined;
  /** Live sessions by the peer's id, in the order of their making. */
  readonly sessions: Map<PeerId, Session>;
  /** The most that waited for one peer, by class, since somebody has asked. */
  mostQueued: Record<TrafficClass, number>;
  /** Ends that this process has not heard of yet: it hears of one before the next session begins. */
  readonly ending: Map<PeerId, () => void>;
};

export const perClass = (): Record<TrafficClass, number> => ({
  consensus: 0,
  mempool: 0,
  sync: 0,
  control: 0,
  bulk: 0,
});

/** An end that is not up yet. */
export const createEnd = (slot: number, incarnation: number): End => ({
  slot,
  incarnation,
  up: false,
  held: new HeldFrames(),
  release: undefined,
  queuedBytes: perClass(),
  lastArrivalUs: perClass(),
  lastFrameUs: perClass(),
  lastUs: 0,
  diedUs: Number.POSITIVE_INFINITY,
});

/** A slot in which nothing has started yet. */
export const createEndpoint = (host: Host, id: PeerId): Endpoint => ({
  host,
  id,
  incarnation: 0,
  handler: undefined,
  shutOut: { incarnation: 0, ids: new Set() },
  members: undefined,
  sessions: new Map(),
  mostQueued: perClass(),
  ending: new Map(),
});
