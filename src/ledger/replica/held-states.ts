/**
 * The states that rows can be proven from. Rows and tree nodes are updated in place, and a header commits to
 * the state of an earlier height, so a node holds a snapshot of its store at each height that it executes
 * until a header with its own certificate commits to one of them; proofs are then read from that one.
 *
 * After a start nothing is held that a known header commits to: the first state can be proven a block or two
 * later. A node that is far behind holds nothing new, because nobody will commit to what it passes through.
 */
import { LIMITS } from "../../limits.ts";
import type { StoreSnapshot } from "../ports.ts";
import { type ExecutionRecord, readExecution } from "../records.ts";
import type { CertifiedHeader, ProofChain } from "./proof-chain.ts";

/** A snapshot that is released when nobody reads it any more. */
export type HeldState = {
  readonly snapshot: StoreSnapshot;
  readonly record: ExecutionRecord;
  /** Commits to the state. */
  readonly target: CertifiedHeader;
  /** Keeps the state for the time of a read; the function ends that. */
  hold(): () => void;
};

type Provable = HeldState & { retire(): void };

/** Heights that execution may be behind what is final for its states to be worth holding. */
const BEHIND_MAX = LIMITS.proofSnapshotsMax;

export class HeldStates {
  readonly #snapshot: () => StoreSnapshot;
  readonly #chain: Pick<ProofChain, "certified">;
  readonly #tipHeight: () => number;
  /** By height, ascending: no certified header commits to them yet. */
  readonly #waiting = new Map<number, StoreSnapshot>();
  #newest: Provable | undefined;
  #closed = false;

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
    return this.#newest;
  }

  /** Snapshots held now. */
  get count(): number {
    return this.#waiting.size + (this.#newest === undefined ? 0 : 1);
  }

  /** The store has just now come to the state after this height, and shows it. Throws store.*. */
  executed(height: number): void {
    const tip = this.#tipHeight();
    if (this.#closed || tip - height > BEHIND_MAX) return;
    this.#waiting.set(height, this.#snapshot());
    for (const [oldest, snapshot] of this.#waiting) {
      if (this.#waiting.size < LIMITS.proofSnapshotsMax) break;
      this.#waiting.delete(oldest);
      snapshot.release();
    }
    // The tip commits to an earlier height, or headers that were final before this height was executed to
    // this one.
    this.#promote(tip);
    const last = Math.min(tip, height + LIMITS.executionLagMax);
    for (let above = height + 1; above <= last; above++) this.#promote(above);
  }

  /** Makes the state that the header of this height commits to the newest, if it is held. */
  #promote(height: number): void {
    if (this.#waiting.size === 0) return;
    const target = this.#chain.certified(height);
    if (target === undefined) return;
    const { executedHeight } = target.header;
    const snapshot = this.#waiting.get(executedHeight);
    if (snapshot === undefined) return;
    const record = readExecution((key) => snapshot.get(key), executedHeight);
    if (record === undefined) return;
    for (const [older, passed] of this.#waiting) {
      if (older > executedHeight) continue;
      this.#waiting.delete(older);
      if (older < executedHeight) passed.release();
    }
    this.#newest?.retire();
    this.#newest = provable(snapshot, record, target);
  }

  /** Releases everything; nothing is held any more. */
  close(): void {
    this.#closed = true;
    for (const snapshot of this.#waiting.values()) snapshot.release();
    this.#waiting.clear();
    this.#newest?.retire();
    this.#newest = undefined;
  }
}

const provable = (
  snapshot: StoreSnapshot,
  record: ExecutionRecord,
  target: CertifiedHeader,
): Provable => {
  let readers = 0;
  let retired = false;
  const releaseIfUnused = (): void => {
    if (retired && readers === 0) snapshot.release();
  };
  return {
    snapshot,
    record,
    target,
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
