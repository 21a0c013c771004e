/**
 * How fast this machine computes and checks proofs of elapsed time; for `nexus time bench` and bench/proofs.ts.
 * Seconds are those of the process's CPU, so that what else the machine does is not in them.
 */
import { createHasher, sha256 } from "../../crypto/hash.ts";
import { openRun } from "../../proofs/time/open.ts";
import type { TimeParameters } from "../../proofs/time/parameters.ts";
import { createTimeRun, type TimeRun } from "../../proofs/time/run.ts";
import { upTo } from "../../proofs/time/statement.ts";
import { verifyRun } from "../../proofs/time/verify.ts";

const STATEMENT = {
  epoch: 0,
  seed: new Uint8Array(32).fill(1),
  timekeeper: new Uint8Array(32).fill(2),
  members: new Uint8Array(32),
};

/** Milliseconds of CPU that this process has used. */
export const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/** Calls until so many milliseconds have passed; calls a second. */
export const rateOf = (ms: number, work: () => void): number => {
  work();
  const began = cpuMs();
  let calls = 0;
  let spent = 0;
  while (spent < ms) {
    work();
    calls += 1;
    spent = cpuMs() - began;
  }
  return (calls * 1000) / spent;
};

/** Compressions of SHA-256 a second in one native call over a long message: the most that this core gives. */
export const nativeRate = (ms: number): number => {
  const bytes = new Uint8Array(1024 * 1024);
  return rateOf(ms, () => sha256(bytes)) * (bytes.length / 64);
};

export type RunRate = {
  readonly leaves: number;
  readonly seconds: number;
  /** Compressions of leaves alone that follow one another: the steps of the claim. */
  readonly stepsPerSecond: number;
  readonly run: TimeRun;
};

/** Appends leaves for so long, to a run or a new one, in the code of the timekeeper's thread. */
export const runRate = (
  parameters: TimeParameters,
  ms: number,
  run: TimeRun = createTimeRun(createHasher("bench-time"), parameters, STATEMENT),
): RunRate => {
  const most = 2 ** parameters.leavesLog2Max;
  const before = run.leaves();
  const began = cpuMs();
  let spent = 0;
  while (spent < ms && run.leaves() < most) {
    for (let i = 0; i < 16 && run.leaves() < most; i++) run.append();
    spent = cpuMs() - began;
  }
  const leaves = run.leaves() - before;
  const seconds = spent / 1000;
  return { leaves, seconds, stepsPerSecond: (leaves * parameters.tailBlocks) / seconds, run };
};

export type VerifyCost = {
  readonly challenges: number;
  readonly proofBytes: number;
  readonly openMs: number;
  readonly verifyMs: number;
};

/** What opening and checking costs for so many challenges, for the run as it is. */
export const verifyCost = (run: TimeRun, challenges: number, ms: number): VerifyCost => {
  const { commitment } = run.finish();
  const seed = new Uint8Array(32).fill(3);
  const began = cpuMs();
  const steps = openRun(run, seed, upTo(challenges));
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  const openMs = cpuMs() - began;
  const proof = step.value;
  const input = {
    hasher: run.hasher,
    parameters: run.parameters,
    statement: run.statement,
    commitment,
  };
  const rate = rateOf(ms, () => {
    const verdict = verifyRun(input, seed, upTo(challenges), proof);
    if (!verdict.ok) throw new Error(verdict.detail);
  });
  return { challenges, proofBytes: proof.length, openMs, verifyMs: 1000 / rate };
};
