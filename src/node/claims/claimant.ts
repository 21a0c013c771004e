/**
 * Makes a validator's claim of every epoch: begins the work when the epoch begins, ends it in time, commits,
 * answers the challenge. What is on the chain decides what is done next, so a restart goes on where the log and
 * the kept work are; an epoch that was missed is missed, and the next one is begun like any other.
 */
import { TetradError } from "../../errors.ts";
import type { LedgerEpoch } from "../../ledger/chain-point.ts";
import type { LedgerHandle } from "../../ledger/handle.ts";
import type { Clock, Logger, Metrics } from "../../ledger/ports.ts";
import {
  type Answer,
  answersDue,
  type Claim,
  claimOf,
  OPEN,
} from "../../ledger/projections/claims.ts";
import type { EncodedEvent, Hash } from "../../ledger/types.ts";
import { isLate, workEndsMs } from "./plan.ts";

/** The epoch that work is for. */
export type WorkEpoch = Pick<LedgerEpoch, "number" | "seed">;

/** The work of one epoch. */
export type ClaimWork<C extends Claim> = {
  /** The commitment, once the work is over; undefined where there is nothing worth to be claimed. */
  readonly finished: Promise<EncodedEvent | undefined>;
  /** Ends the work where it is. */
  finish(): void;
  /** Takes what the operator gives, where it was paced. */
  hurry(): void;
  /** A final block, for work that takes blocks in. */
  absorb(height: number, hash: Hash): void;
  /** The event that answers; undefined where what is committed is not what is kept here. */
  answer(answer: Answer<C>): Promise<EncodedEvent | undefined>;
  /** Keeps what there is. */
  close(): Promise<void>;
};

/** What time and shares differ in. */
export type ClaimKind<C extends Claim> = {
  readonly name: "time" | "work";
  /** Own claims as the chain has them. */
  claims(): readonly C[];
  partsOf(claim: C): number;
  /** How long it takes to answer, milliseconds. */
  readonly answerMs: number;
  /**
   * Goes on with the work of an epoch; begins it only if `fresh`, else undefined where nothing is kept. Throws where
   * what is kept can be neither gone on with nor begun anew.
   */
  open(epoch: WorkEpoch, fresh: boolean): ClaimWork<C> | undefined;
  /** Removes what is kept of epochs before this one. */
  forget(before: number): void;
};

export type ClaimantOptions<C extends Claim> = {
  readonly kind: ClaimKind<C>;
  readonly handle: LedgerHandle;
  readonly epochMs: number;
  /** The least that the chain lets pass between two blocks without work. */
  readonly idleMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
};

export type Claimant = { close(): Promise<void> };

/** Who is further behind than this has no epoch of now to work for. */
const BEHIND_MS_MAX = 60_000;
const PACE_HEIGHTS = 16;

class EpochClaimant<C extends Claim> implements Claimant {
  readonly #options: ClaimantOptions<C>;
  readonly #works = new Map<number, ClaimWork<C>>();
  /** What was given to the log in this life, by epoch and part: each is said once. */
  readonly #said = new Set<string>();
  readonly #unsubscribe: () => void;
  #answering = false;
  #closed = false;

  constructor(options: ClaimantOptions<C>) {
    this.#options = options;
    // Not at once: before the first block of this life the replica may not take events yet.
    this.#unsubscribe = options.handle.onExecuted(() => this.#turn());
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#unsubscribe();
    await Promise.all([...this.#works.values()].map((work) => work.close()));
  }

  #failed(error: unknown, epoch: number): void {
    if (this.#closed) return;
    const { kind, logger, metrics } = this.#options;
    const code = error instanceof TetradError ? error.code : "internal";
    const cause = error instanceof Error ? error.message : String(error);
    metrics.count("tetrad_claim_failures_total", 1, { proof: kind.name, code });
    logger.log("warn", `no ${kind.name} proof of this epoch`, { epoch, code, cause });
  }

  #turn(): void {
    if (this.#closed) return;
    const { handle, kind } = this.#options;
    const height = handle.status().executedHeight;
    const epoch = handle.point(height)?.epoch;
    if (epoch === undefined) return;
    try {
      const claims = kind.claims();
      this.#drop(claims, epoch.number);
      this.#work(claims, epoch, height);
      this.#answerNext(claims, epoch.number, height);
    } catch (error) {
      this.#failed(error, epoch.number);
    }
  }

  /** Closes work that nobody will ask for any more. */
  #drop(claims: readonly C[], now: number): void {
    for (const [epoch, work] of this.#works) {
      const claim = claimOf(claims, epoch);
      const isOver = epoch + 1 < now || (epoch < now && claim === undefined);
      if (!isOver && (claim === undefined || claim.state === OPEN)) continue;
      this.#works.delete(epoch);
      void work.close().then(() => this.#options.kind.forget(now - 1));
    }
  }

  /** Begins, goes on with, and ends the work of the running epoch. */
  #work(claims: readonly C[], epoch: LedgerEpoch, height: number): void {
    const { handle, clock, kind, epochMs } = this.#options;
    const { number } = epoch;
    const timeMs = handle.timeOf(height) ?? epoch.startMs;
    const endsMs = workEndsMs(epoch, {
      epochMs,
      blockMs: this.#blockMs(height),
      answerMs: kind.answerMs,
    });
    const begun = this.#works.get(number);
    if (begun !== undefined) {
      const { finalHeight, finalHash } = handle.status();
      begun.absorb(finalHeight, finalHash);
      if (isLate(epoch, epochMs, timeMs)) begun.hurry();
      if (timeMs >= endsMs) begun.finish();
      return;
    }
    if (claimOf(claims, number) !== undefined || this.#said.has(`${number}`)) return;
    // A node that catches up does not know yet which epoch is now.
    if (clock.wallMs() - timeMs > BEHIND_MS_MAX) return;
    // What is past its end is not begun, but what was begun before a restart is claimed.
    const isOver = timeMs >= endsMs;
    const work = this.#open(epoch, !isOver);
    if (isOver) work?.finish();
  }

  #open(epoch: WorkEpoch, fresh: boolean): ClaimWork<C> | undefined {
    const { kind } = this.#options;
    const { number } = epoch;
    let work: ClaimWork<C> | undefined;
    try {
      work = kind.open(epoch, fresh);
    } catch (error) {
      // A folder that cannot be written, or work that cannot be claimed, is not tried again with every block.
      this.#said.add(`${number}`);
      this.#failed(error, number);
    }
    if (work === undefined) return undefined;
    this.#works.set(number, work);
    const commit = (event: EncodedEvent | undefined): void => {
      if (event === undefined || this.#closed || this.#said.has(`${number}`)) return;
      if (claimOf(kind.claims(), number) !== undefined) return;
      this.#said.add(`${number}`);
      this.#write(number, event, () => claimOf(kind.claims(), number) === undefined);
    };
    work.finished.then(commit, (error: unknown) => this.#failed(error, number));
    return work;
  }

  /** Between two blocks, of late. */
  #blockMs(height: number): number {
    const { handle, idleMs } = this.#options;
    const from = Math.max(0, height - PACE_HEIGHTS);
    const [first, last] = [handle.timeOf(from), handle.timeOf(height)];
    const lately =
      first === undefined || last === undefined ? 0 : (last - first) / Math.max(1, height - from);
    return Math.max(idleMs, lately);
  }

  #write(epoch: number, event: EncodedEvent, isWanted: () => boolean): void {
    const { handle } = this.#options;
    handle.write(() => {
      const now = handle.point(handle.status().executedHeight)?.epoch.number;
      return !this.#closed && now === epoch && isWanted() ? event : undefined;
    });
  }

  /** One answer is made at a time; the next turn makes the next one. */
  #answerNext(claims: readonly C[], epoch: number, height: number): void {
    if (this.#answering) return;
    const { handle, kind } = this.#options;
    const partsOf = (claim: C): number => kind.partsOf(claim);
    const beaconAt = (asked: number): Hash | undefined => handle.point(asked)?.beacon;
    const due = answersDue(claims, partsOf, { epoch, height }, beaconAt).find(
      ({ claim, part }) => !this.#said.has(`${claim.epoch}/${part}`),
    );
    if (due === undefined) return;
    const { claim, part } = due;
    this.#said.add(`${claim.epoch}/${part}`);
    const { seed } = claim;
    const work = this.#works.get(claim.epoch) ?? this.#open({ number: claim.epoch, seed }, false);
    // What is committed is not added to.
    work?.finish();
    if (work === undefined) {
      this.#failed(new TetradError("time.state", "what was committed is not kept here"), epoch);
      return;
    }
    this.#answering = true;
    work
      .answer(due)
      .then(
        (event) => {
          if (event !== undefined) this.#say(due, event);
        },
        (error: unknown) => this.#failed(error, claim.epoch),
      )
      .finally(() => {
        this.#answering = false;
        this.#turn();
      });
  }

  #say({ claim, part }: Answer<C>, event: EncodedEvent): void {
    const { handle, kind } = this.#options;
    handle.write(() => {
      const now = claimOf(kind.claims(), claim.epoch);
      const isWanted = now?.state === OPEN && ((now.parts >>> part) & 1) === 0;
      return isWanted && !this.#closed ? event : undefined;
    });
  }
}

/** Starts to claim on a running replica. Close it before the replica. */
export const startClaimant = <C extends Claim>(options: ClaimantOptions<C>): Claimant =>
  new EpochClaimant(options);
