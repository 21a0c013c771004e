/**
 * The states that rows can be read and proven from. Rows and tree nodes are updated in place, and a header
 * commits to the state of an earlier height, so a node holds a snapshot of its store at each height that it
 * executes; once a header with its own certificate commits to one of them, proofs are read from that one.
 * States are held as long as there is room, LIMITS.proofSnapshotsMax in all, so that a reader can stay at a
 * height for some blocks. A store keeps for its snapshots what was written over since, so under load fewer
 * states are held, and none while nobody asks: who asks then waits for a block or two. What the store has given up,
 * because too much was written while nothing was executed or somebody read on, is not held any more. Not every
 * height is committed to: the others can be read and never be proven.
 *
 * After a start nothing is held that a known header commits to: the first state can be proven a block or two
 * later. A node that is far behind holds nothing new, because nobody will commit to what it passes through.
 */
import { LIMITS } from "../../limits.ts";
import type { StoreSnapshot } from "../ports.ts";
import { type ExecutionRecord, readExecution } from "../records.ts";
import type { CertifiedHeader, ProofChain } from "./proof-chain.ts";

/** A snapshot that is released when nobody reads it any more. */
export type Readable = {
  readonly snapshot: StoreSnapshot;
  /** Keeps the state for the time of a read; the function ends that. */
  hold(): () => void;
};

export type HeldState = Readable & {
  readonly record: ExecutionRecord;
  /** Commits to the state. */
  readonly target: CertifiedHeader;
};

type Kept = Readable & {
  /** Events in the log at this height. */
  readonly logSize: number;
  /** Set once a certified header commits to the state. */
  readonly proof: Pick<HeldState, "record" | "target"> | undefined;
  retire(): void;
};

/** Events of a block from which on a state is only held if somebody has asked for one lately. */
const BUSY_EVENTS = 256;
/** Heights for which states are held after somebody has asked; a block counts once for each BUSY_EVENTS in it. */
const WANTED_HEIGHTS = 64;
/** Heights that execution may be behind what is final for its states to be worth holding. */
const BEHIND_MAX = LIMITS.proofSnapshotsMax;

export class HeldStates {
  readonly #snapshot: () => StoreSnapshot;
  readonly #chain: Pick<ProofChain, "certified">;
  readonly #tipHeight: () => number;
  /** By height, ascending. */
  readonly #held = new Map<number, Kept>();
  #newest: HeldState | undefined;
  #closed = false;
  /** Heights for which states are held yet, whatever it costs. */
  #wanted = 0;
  #logSize = 0;

  constructor(
    snapshot: () => StoreSnapshot,
    chain: Pick<ProofChain, "certified">,
    tipHeight: () => number,
  ) {
    this.#snapshot = snapshot;
    this.#chain = chain;
    this.#tipHeight = tipHeight;
  }

  /** The newest state that can be proven. */
  get newest(): HeldState | undefined {
    this.#dropGone();
    return this.#newest;
  }

  /** Snapshots held now. */
  get count(): number {
    return this.#held.size;
  }

  /** The state after a height, where it is held. */
  at(height: number): Readable | undefined {
    this.#dropGone();
    return this.#held.get(height);
  }

  /** The state after a height, where it is held and can be proven. */
  provableAt(height: number): HeldState | undefined {
    this.#dropGone();
    const state = this.#held.get(height);
    return state?.proof === undefined ? undefined : { ...state, ...state.proof };
  }

  /** Whether the state after a height is held, and a header may commit to it yet. */
  isWaiting(height: number): boolean {
    this.#dropGone();
    return this.#held.has(height) && height > (this.#newest?.record.height ?? -1);
  }

  /** Somebody reads at a height, or waits for a state that can be proven. */
  want(): void {
    this.#wanted = WANTED_HEIGHTS;
  }

  /** The store has just now come to the state after this height, and shows it. Throws store.*. */
  executed(height: number, logSize: number): void {
    this.#dropGone();
    const tip = this.#tipHeight();
    const events = logSize - this.#logSize;
    this.#logSize = logSize;
    if (this.#closed) return;
    const idle = this.#wanted === 0;
    this.#wanted = Math.max(0, this.#wanted - Math.max(1, Math.floor(events / BUSY_EVENTS)));
    if (idle && events > BUSY_EVENTS) return this.#releaseAll();
    if (tip - height > BEHIND_MAX) return;
    this.#held.get(height)?.retire();
    this.#held.delete(height);
    this.#held.set(height, kept(this.#snapshot(), logSize));
    // The tip commits to an earlier height, or headers that were final before this height was executed to
    // this one.
    this.#promote(tip);
    const last = Math.min(tip, height + LIMITS.executionLagMax);
    for (let above = height + 1; above <= last; above++) this.#promote(above);
    this.#dropOldest(logSize);
  }

  /** Down to the limits, the oldest first; the newest that can be proven, and those that wait for it, stay. */
  #dropOldest(logSize: number): void {
    for (const [height, state] of this.#held) {
      const passed = height < (this.#newest?.record.height ?? 0);
      const costly = passed && logSize - state.logSize > LIMITS.proofSnapshotEventsMax;
      if (!costly && this.#held.size <= LIMITS.proofSnapshotsMax) return;
      if (height === this.#newest?.record.height) continue;
      this.#held.delete(height);
      state.retire();
    }
  }

  /** The store gives up the oldest first: nothing older than one that is held is gone. */
  #dropGone(): void {
    for (const [height, state] of this.#held) {
      if (!state.snapshot.isGone()) return;
      this.#held.delete(height);
      state.retire();
      if (height === this.#newest?.record.height) this.#newest = undefined;
    }
  }

  /** Makes the state that the header of this height commits to the newest, if it is held. */
  #promote(height: number): void {
    const target = this.#chain.certified(height);
    if (target === undefined) return;
    const { executedHeight } = target.header;
    const state = this.#held.get(executedHeight);
    if (state === undefined || !this.isWaiting(executedHeight)) return;
    const record = readExecution((key) => state.snapshot.get(key), executedHeight);
    if (record === undefined) return;
    this.#held.set(executedHeight, { ...state, proof: { record, target } });
    this.#newest = { ...state, record, target };
  }

  /** Releases everything; nothing is held any more. */
  close(): void {
    this.#closed = true;
    this.#releaseAll();
  }

  #releaseAll(): void {
    for (const state of this.#held.values()) state.retire();
    this.#held.clear();
    this.#newest = undefined;
  }
}

const kept = (snapshot: StoreSnapshot, logSize: number): Kept => {
  let readers = 0;
  let retired = false;
  const releaseIfUnused = (): void => {
    if (retired && readers === 0) snapshot.release();
  };
  return {
    snapshot,
    logSize,
    proof: undefined,
    hold: () => {
      readers += 1;
      let held = true;
      return () => {
        if (!held) return;
        held = false;
        readers -= 1;
        releaseIfUnused();
      };
    },
    retire: () => {
      retired = true;
      releaseIfUnused();
    },
  };
};
