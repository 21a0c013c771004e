/**
 * What validators of a simulated chain say once an epoch of their time and their shares: by the plan of the
 * product (answersDue), with runs so short that they are computed at once. An adversary says what
 * is false, in another way each epoch. What it keeps it can compute again, so that a crash loses nothing.
 */
import { equalBytes } from "../src/crypto/bytes.ts";
import type { Hasher } from "../src/crypto/hash.ts";
import type { LedgerHandle } from "../src/ledger/handle.ts";
import {
  answersDue,
  type Claim,
  challengeHeight,
  claimOf,
} from "../src/ledger/projections/claims.ts";
import { timeRunsOf, timeRunsRowKey } from "../src/ledger/projections/time.ts";
import { timeRunCommitted, timeRunProven } from "../src/ledger/projections/time-events.ts";
import { workSharesOf, workSharesRowKey } from "../src/ledger/projections/work.ts";
import { workSharesCommitted, workSharesProven } from "../src/ledger/projections/work-events.ts";
import type { EncodedEvent, Hash } from "../src/ledger/types.ts";
import { createLabels } from "../src/proofs/time/labels.ts";
import { openRun } from "../src/proofs/time/open.ts";
import type { TimeParameters } from "../src/proofs/time/parameters.ts";
import { createTimeRun, type TimeRun } from "../src/proofs/time/run.ts";
import { challengedLeaves, timePhi, upTo } from "../src/proofs/time/statement.ts";
import {
  commitShares,
  createShareTest,
  encodeSharePart,
  openShares,
  type ShareParameters,
} from "../src/proofs/work/index.ts";

/** What an adversary does in an epoch, one after another. */
export const FALSE_WAYS = [
  "skipped",
  /** What was done is committed to, and never shown. */
  "unanswered",
  /** Nothing is said. */
  "omitted",
  "replayed",
  "borrowed",
  "ground",
  "delayed",
] as const;
type Way = (typeof FALSE_WAYS)[number] | "honest";

/** Ways that are false in what is committed to already, or in that nothing is; the others are so in the answer. */
const AT_COMMITMENT: ReadonlySet<Way> = new Set<Way>([
  "skipped",
  "omitted",
  "replayed",
  "borrowed",
]);

/** Ways in which nothing is answered in time. */
const SILENT: ReadonlySet<Way> = new Set<Way>(["delayed", "omitted", "unanswered"]);

const SHARES = 16;
const NOBODY = new Uint8Array(32);

/** What a claim is of, as it ought to be. */
type Of = { readonly epoch: number; readonly seed: Hash; readonly id: Hash };

type Kind = {
  readonly name: "time" | "shares";
  claims(): readonly Claim[];
  commit(of: Of, way: Way): EncodedEvent;
  /** Undefined where what is false would be taken by chance: that is no lie that anybody could refuse. */
  answer(of: Of, way: Way, challenge: Hash): EncodedEvent | undefined;
};

export type ClaimsWiring = {
  readonly handle: LedgerHandle;
  readonly hasher: Hasher;
  readonly self: Hash;
  readonly other: Hash;
  readonly slot: number;
  readonly epochMs: number;
  readonly time: TimeParameters | null;
  readonly shares: ShareParameters | null;
  /** Whether the claims of an epoch are false. */
  falsely(): boolean;
  mark(name: string): void;
};

const fullRun = (hasher: Hasher, parameters: TimeParameters, { epoch, seed, id }: Of): TimeRun => {
  const statement = { epoch, seed, timekeeper: id, members: NOBODY };
  const run = createTimeRun(hasher, parameters, statement);
  while (run.leaves() < 2 ** parameters.leavesLog2Max) run.append();
  run.finish();
  return run;
};

/** Whether who computes the first half of a run has computed a leaf. */
const isComputed = (run: TimeRun, leaf: number): boolean => 2 * leaf < run.leaves();

/** A run whose second half was never computed: made-up labels, and a tree that fits them. */
const skippingRun = (run: TimeRun): TimeRun => {
  const { hasher, parameters } = run;
  const depth = parameters.leavesLog2Max;
  const labels = createLabels(hasher, run.chi, parameters.tailBlocks);
  const rows: Uint8Array[][] = [
    Array.from({ length: run.leaves() }, (_, leaf) =>
      isComputed(run, leaf) ? run.label(0, leaf) : hasher.ht("sim/made-up", Uint8Array.of(leaf)),
    ),
  ];
  for (let level = 1; level <= depth; level++) {
    const below = rows[level - 1] ?? [];
    const at = (index: number): Uint8Array => below[index] ?? NOBODY;
    const row = Array.from({ length: below.length / 2 }, (_, i) =>
      labels.node(level, i, at(2 * i), at(2 * i + 1)),
    );
    rows.push(row);
  }
  const label = (level: number, index: number): Uint8Array => rows[level]?.[index] ?? NOBODY;
  const { absorbed, commitment } = run.finish();
  const { leaves } = commitment;
  const phi = timePhi(hasher, label(depth, 0), leaves, absorbed);
  return { ...run, label, finish: () => ({ absorbed, commitment: { leaves, phi } }) };
};

const end = <T>(steps: Generator<unknown, T, void>): T => {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
};

/** What is really worked on in place of what ought to be. */
const workedOn = (of: Of, way: Way, { hasher, other }: ClaimsWiring): Of => {
  if (way === "replayed") return { ...of, seed: hasher.ht("sim/old", of.seed) };
  return way === "borrowed" ? { ...of, id: other } : of;
};

const timeKind = (wiring: ClaimsWiring, parameters: TimeParameters): Kind => {
  const { handle, hasher, self } = wiring;
  const key = timeRunsRowKey(self);
  const runOf = (of: Of, way: Way): TimeRun => {
    const run = fullRun(hasher, parameters, workedOn(of, way, wiring));
    return way === "skipped" ? skippingRun(run) : run;
  };
  return {
    name: "time",
    claims: () => {
      const row = handle.row("time", key);
      return row === undefined ? [] : timeRunsOf(row);
    },
    commit: (of, way) => {
      const { leaves, phi } = runOf(of, way).finish().commitment;
      return timeRunCommitted.encode({ epoch: of.epoch, leaves, phi, members: [] });
    },
    answer: (of, way, challenge) => {
      const seed = way === "ground" ? hasher.ht("sim/chosen", challenge) : challenge;
      const run = runOf(of, way);
      const asked = upTo(parameters.challenges);
      const { commitment } = run.finish();
      // Eight leaves of which none is made up are asked for once in 256 times.
      const opened = challengedLeaves(hasher, commitment, seed, asked);
      const isLucky = way === "skipped" && opened.every((leaf) => isComputed(run, leaf));
      if (isLucky) return undefined;
      const proof = end(openRun(run, seed, asked));
      return timeRunProven.encode({ epoch: of.epoch, part: 0, proof });
    },
  };
};

const sharesKind = (wiring: ClaimsWiring, parameters: ShareParameters): Kind => {
  const { handle, hasher, self } = wiring;
  const key = workSharesRowKey(self);
  const noncesOf = (of: Of, way: Way): number[] => {
    const { seed, id } = workedOn(of, way, wiring);
    const test = createShareTest(hasher, parameters, { epochSeed: seed, validator: id });
    return Array.from({ length: SHARES }, (_, slot) => {
      const isEmpty = way === "skipped" && slot % 2 === 1;
      let nonce = 0;
      while (test(slot, nonce) === isEmpty) nonce += 1;
      return nonce;
    });
  };
  return {
    name: "shares",
    claims: () => {
      const row = handle.row("work", key);
      return row === undefined ? [] : workSharesOf(row);
    },
    commit: (of, way) =>
      workSharesCommitted.encode({
        epoch: of.epoch,
        ...commitShares(hasher, noncesOf(of, way)),
      }),
    answer: (of, way, challenge) => {
      const seed = way === "ground" ? hasher.ht("sim/chosen", challenge) : challenge;
      const opening = openShares(hasher, noncesOf(of, way), seed);
      // Where there are no more shares than openings, all are open, and only their order is the challenge's.
      const shares = encodeSharePart(parameters, opening, 0);
      return workSharesProven.encode({ epoch: of.epoch, part: 0, shares });
    },
  };
};

class Claims {
  readonly #wiring: ClaimsWiring;
  readonly #kinds: readonly Kind[];
  /** What was said in this life. */
  readonly #said = new Set<string>();

  constructor(wiring: ClaimsWiring) {
    this.#wiring = wiring;
    const { time, shares } = wiring;
    this.#kinds = [
      ...(time === null ? [] : [timeKind(wiring, time)]),
      ...(shares === null ? [] : [sharesKind(wiring, shares)]),
    ];
    wiring.handle.onExecuted((height) => this.#turn(height));
  }

  #way(epoch: number): Way {
    if (!this.#wiring.falsely()) return "honest";
    return FALSE_WAYS[epoch % FALSE_WAYS.length] ?? "skipped";
  }

  #turn(height: number): void {
    const { handle, epochMs, slot } = this.#wiring;
    const epoch = handle.point(height)?.epoch;
    const timeMs = handle.timeOf(height);
    if (epoch === undefined || timeMs === undefined) return;
    // One after another, as machines of different speed come to their end.
    const isOver = timeMs - epoch.startMs >= (epochMs * (1 + (slot % 8))) / 32;
    for (const kind of this.#kinds) {
      if (isOver) this.#commit(kind, { epoch: epoch.number, seed: epoch.seed });
      this.#answer(kind, epoch.number, height);
    }
  }

  #once(name: string, make: () => EncodedEvent | undefined): void {
    if (this.#said.has(name)) return;
    this.#said.add(name);
    this.#wiring.handle.write(make);
  }

  #acted(way: Way): void {
    this.#wiring.mark("adversary false-claims");
    this.#wiring.mark(`claim ${way}`);
  }

  #commit(kind: Kind, { epoch, seed }: Omit<Of, "id">): void {
    const name = `${kind.name} ${epoch}`;
    if (this.#said.has(name) || claimOf(kind.claims(), epoch) !== undefined) return;
    const way = this.#way(epoch);
    const acted = (): void => {
      if (AT_COMMITMENT.has(way)) this.#acted(way);
    };
    if (way === "omitted") {
      this.#said.add(name);
      return acted();
    }
    const event = kind.commit({ epoch, seed, id: this.#wiring.self }, way);
    this.#once(name, () => {
      if (claimOf(kind.claims(), epoch) !== undefined) return undefined;
      acted();
      return event;
    });
  }

  #answer(kind: Kind, epoch: number, height: number): void {
    const { handle, self } = this.#wiring;
    const beaconAt = (asked: number): Hash | undefined => handle.point(asked)?.beacon;
    const answer = (claim: Claim, challenge: Hash): void => {
      const { epoch: number, seed } = claim;
      const name = `${kind.name} ${number}/0`;
      if (this.#said.has(name)) return;
      const way = this.#way(number);
      const event = kind.answer({ epoch: number, seed, id: self }, way, challenge);
      if (event === undefined) return void this.#said.add(name);
      const isWanted = (): boolean => {
        const now = claimOf(kind.claims(), number);
        return now !== undefined && now.state === 0 && equalBytes(now.seed, seed);
      };
      this.#once(name, () => {
        if (!isWanted()) return undefined;
        if (way === "ground" || way === "delayed") this.#acted(way);
        return event;
      });
    };
    const due = answersDue(kind.claims(), () => 1, { epoch, height }, beaconAt);
    for (const { claim, challenge } of due) {
      const way = this.#way(claim.epoch);
      if (!SILENT.has(way)) answer(claim, challenge);
      const name = `${kind.name} ${claim.epoch} withheld`;
      if (way !== "unanswered" || this.#said.has(name)) continue;
      this.#said.add(name);
      this.#acted(way);
    }
    for (const claim of kind.claims()) {
      const challenge = beaconAt(challengeHeight(claim));
      const isLate = this.#way(claim.epoch) === "delayed" && claim.epoch + 1 < epoch;
      if (isLate && challenge !== undefined) answer(claim, challenge);
    }
  }
}

/** Makes the claims of a validator in one life of its process. */
export const startClaims = (wiring: ClaimsWiring): void => void new Claims(wiring);
