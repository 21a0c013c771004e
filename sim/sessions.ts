/** Sessions of the simulated network as they are kept: each has two ends, and frames under way from each (net.ts). */
import type { TrafficClass } from "../src/ledger/ports.ts";
import type { Task } from "./heap.ts";
import { HeldFrames } from "./held-frames.ts";
import type { Hit } from "./links.ts";

export type HeldFrame = {
  readonly trafficClass: TrafficClass;
  readonly bytes: Uint8Array;
  /** What the trace takes in of them, when they leave and when they arrive. */
  readonly digest: number;
  /** What is told of it once it has arrived. */
  readonly hits?: readonly Hit[];
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
};

export type Session = {
  readonly serial: number;
  readonly ends: readonly [End, End];
  alive: boolean;
  blockedSinceUs: number;
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
});
