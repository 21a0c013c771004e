/** A chain of format 2 that asks for time and shares at small parameters, and validators that prove both. */
import { ZERO_HASH } from "../../../src/crypto/bytes.ts";
import { createHasher, sha256 } from "../../../src/crypto/hash.ts";
import { type LedgerEpoch, readPoint } from "../../../src/ledger/chain-point.ts";
import type { Execution } from "../../../src/ledger/execution.ts";
import type { Genesis } from "../../../src/ledger/genesis.ts";
import { type GenesisProofs, NO_PROOFS } from "../../../src/ledger/genesis-proofs.ts";
import type { Projection } from "../../../src/ledger/projection.ts";
import { time } from "../../../src/ledger/projections/time.ts";
import { work } from "../../../src/ledger/projections/work.ts";
import type { RunnerOptions } from "../../../src/ledger/runner.ts";
import type { EncodedEvent, Hash } from "../../../src/ledger/types.ts";
import { LIMITS } from "../../../src/limits.ts";
import { membersRoot } from "../../../src/proofs/time/members.ts";
import { openRun } from "../../../src/proofs/time/open.ts";
import type { TimeParameters } from "../../../src/proofs/time/parameters.ts";
import { timePart } from "../../../src/proofs/time/parts.ts";
import { createTimeRun, type TimeRun } from "../../../src/proofs/time/run.ts";
import {
  commitShares,
  createShareTest,
  encodeSharePart,
  openShares,
  type ShareParameters,
  WORK_PROFILES,
} from "../../../src/proofs/work/index.ts";
import {
  ALL_PROJECTIONS,
  codesOf,
  hasher,
  idOf,
  genesis as plain,
  runnerOptions,
  TestChain,
  VALIDATOR_NAMES,
} from "../execution-support.ts";

/** A run of an epoch has all of 64 leaves, whatever the epoch's length. */
export const TIME_PARAMETERS: TimeParameters = {
  tailBlocks: 1,
  leavesLog2Max: 6,
  challenges: 8,
  selfChallenges: 8,
};

/** One try in two is a share; 32 openings come in 16 parts. */
export const SHARE_PARAMETERS: ShareParameters = WORK_PROFILES.test.shares;

export const PROOFS: GenesisProofs = {
  ...NO_PROOFS,
  beacon: { depth: 4 },
  time: TIME_PARAMETERS,
  work: WORK_PROFILES.test,
};

export const CLAIM_PROJECTIONS: readonly Projection[] = [...ALL_PROJECTIONS, time, work];

export const asking = (proofs: GenesisProofs): Genesis => ({
  ...plain,
  format: 2,
  proofs,
  provers: VALIDATOR_NAMES.map((name) => ({ ivrfRoot: sha256(Buffer.from(name)), sectors: [] })),
});

/** Blocks of at most one event, by one validator. */
export class ClaimChain extends TestChain {
  constructor(
    proofs: GenesisProofs = PROOFS,
    from: Genesis = asking(proofs),
    options: RunnerOptions = runnerOptions(CLAIM_PROJECTIONS, proofs),
  ) {
    super(options, from);
  }

  get epoch(): LedgerEpoch {
    const point = readPoint(this.store.read, this.height);
    if (point === undefined) throw new Error("no point");
    return point.epoch;
  }

  beaconAt(height: number): Hash {
    return readPoint(this.store.read, height)?.beacon ?? ZERO_HASH;
  }

  /** What became of one event of a validator, alone in the next block. */
  write(by: string, event: EncodedEvent): string {
    return codesOf(this.block({ by, events: [event] }))[0] ?? "nothing";
  }

  /** Blocks without events; the last one may end the epoch. */
  pass(blocks: number, boundary = false): Execution | undefined {
    let last: Execution | undefined;
    for (let i = 1; i <= blocks; i++) {
      last = this.run(this.input([]), { boundary: boundary && i === blocks });
    }
    return last;
  }

  /** So many that a challenge of what the last block committed is drawn. */
  passChallenge(): void {
    this.pass(LIMITS.challengeDelayHeights);
  }

  nextEpoch(): void {
    this.pass(1, true);
  }
}

export type RunOf = {
  readonly by?: string;
  readonly epoch?: number;
  readonly seed?: Uint8Array;
  readonly chainId?: string;
  readonly leaves?: number;
  readonly members?: readonly string[];
  readonly parameters?: TimeParameters;
};

/** A run as its validator makes it, or somebody else, of something else. */
export const runOf = (chain: Pick<ClaimChain, "epoch">, from: RunOf = {}): TimeRun => {
  const { by = "v0", chainId, leaves = 64, members = [] } = from;
  const its = chainId === undefined ? hasher : createHasher(chainId);
  const run = createTimeRun(its, from.parameters ?? TIME_PARAMETERS, {
    epoch: from.epoch ?? chain.epoch.number,
    seed: from.seed ?? chain.epoch.seed,
    timekeeper: idOf(by),
    members: membersRoot(its, membersOf(members)),
  });
  while (run.leaves() < leaves) run.append();
  return run;
};

/**
 * A run of 64 leaves of which only the first ones are computed. Labels that are made up stand for the others, and
 * everything above them follows as it should, so that it is refused where one of those is opened and for nothing else.
 */
export const skippedRun = (chain: Pick<ClaimChain, "epoch">, computed: number): TimeRun => {
  const first = runOf(chain, { leaves: computed });
  const madeUp = Array.from({ length: 64 - computed }, (_, i) => sha256(Uint8Array.of(i)));
  const run = runOf(chain, { leaves: 0 });
  run.restore(Buffer.concat([first.keptLabels(0), ...madeUp]), []);
  return run;
};

/** Ids in the order in which an event has them. */
export const membersOf = (names: readonly string[]): Hash[] =>
  names.map(idOf).sort((a, b) => Buffer.compare(a, b));

export const answerOf = (run: TimeRun, challenge: Uint8Array, part = 0): Uint8Array => {
  const steps = openRun(run, challenge, timePart(run.parameters, part));
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
};

export type SharesOf = {
  readonly by?: string;
  readonly seed?: Uint8Array;
  readonly chainId?: string;
  readonly count?: number;
  /** Slots that hold no share. */
  readonly empty?: readonly number[];
};

export const noncesOf = (chain: ClaimChain, from: SharesOf = {}): number[] => {
  const { by = "v0", chainId, count = 16, empty = [] } = from;
  const its = chainId === undefined ? hasher : createHasher(chainId);
  const subject = { epochSeed: from.seed ?? chain.epoch.seed, validator: idOf(by) };
  const test = createShareTest(its, SHARE_PARAMETERS, subject);
  return Array.from({ length: count }, (_, slot) => {
    let nonce = 0;
    while (test(slot, nonce) === empty.includes(slot)) nonce += 1;
    return nonce;
  });
};

export const rootOf = (nonces: readonly number[]): { count: number; root: Uint8Array } =>
  commitShares(hasher, nonces);

export const openedOf = (nonces: readonly number[], challenge: Uint8Array, part = 0): Uint8Array =>
  encodeSharePart(SHARE_PARAMETERS, openShares(hasher, nonces, challenge), part);
