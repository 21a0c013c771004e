/** Proofs of elapsed time: the rate beside native SHA-256, what checking takes, and the AES delay. */
import { cpuMs, nativeRate, runRate, verifyCost } from "../../src/cli/time/measure.ts";
import { createHasher } from "../../src/crypto/hash.ts";
import { computeDelay, verifyDelay } from "../../src/proofs/time/delay.ts";
import { TIME_PROFILES, type TimeParameters } from "../../src/proofs/time/parameters.ts";
import type { TimeRun } from "../../src/proofs/time/run.ts";
import { percentile, type Report } from "../report.ts";

/**
 * The native rate and the timekeeper's in short turns of CPU time, one after the other: the mood of the machine
 * is then in both. The best turn of each is what the core gives when nothing is in between.
 */
const TURN_MS = 25;

type Shares = {
  readonly native: number[];
  readonly own: number[];
  readonly run: TimeRun;
};

const takeTurns = (parameters: TimeParameters, ms: number): Shares => {
  const native: number[] = [];
  const own: number[] = [];
  let run = runRate(parameters, 1);
  const began = cpuMs();
  while (cpuMs() - began < ms) {
    native.push(nativeRate(TURN_MS) / 1e6);
    run = runRate(parameters, TURN_MS, run.run);
    own.push(run.stepsPerSecond / 1e6);
  }
  return { native, own, run: run.run };
};

const delayFigures = (report: Report, ms: number): void => {
  const hasher = createHasher("bench-time");
  const seed = new Uint8Array(32).fill(5);
  for (const checkpoints of [8, 64, 512, 4096]) {
    // Two million encryptions, cut into so many segments.
    const parameters = { checkpoints, iterations: Math.floor(2_000_000 / checkpoints) };
    const total = checkpoints * parameters.iterations;
    let provedMs = Number.POSITIVE_INFINITY;
    let checkedMs = Number.POSITIVE_INFINITY;
    const began = cpuMs();
    for (let round = 0; round < 3 || cpuMs() - began < ms / 4; round++) {
      let at = cpuMs();
      const proof = Buffer.concat([...computeDelay(hasher, seed, parameters)]);
      provedMs = Math.min(provedMs, cpuMs() - at);
      at = cpuMs();
      const verdict = verifyDelay(hasher, seed, parameters, proof);
      checkedMs = Math.min(checkedMs, cpuMs() - at);
      if (!verdict.ok) throw new Error(verdict.detail);
    }
    const what = `${checkpoints} checkpoints`;
    report.row("delay", `${what}: proving`, total / provedMs / 1000, "M AES/s", total);
    report.row("delay", `${what}: checking`, total / checkedMs / 1000, "M AES/s", total);
    report.row("delay", `${what}: proving / checking`, provedMs / checkedMs, "times", total);
  }
};

const runFigures = (report: Report, name: string, parameters: TimeParameters, ms: number): void => {
  const { native, own, run } = takeTurns(parameters, 2 * ms);
  const turns = own.length;
  const [bestNative, bestOwn] = [Math.max(...native), Math.max(...own)];
  const pairs = own.map((rate, i) => (100 * rate) / (native[i] ?? Number.NaN));
  report.row("posw", `${name}: SHA-256 natively, best`, bestNative, "M steps/s", turns);
  report.row("posw", `${name}: timekeeper, best`, bestOwn, "M steps/s", turns);
  const leaves = (bestOwn * 1e6) / parameters.tailBlocks;
  report.row("posw", `${name}: timekeeper, best`, leaves, "leaves/s", turns);
  report.row("posw", `${name}: share of native, best`, (100 * bestOwn) / bestNative, "%", turns);
  report.row("posw", `${name}: share of native, median`, percentile(pairs, 0.5), "%", turns);
  for (const challenges of [parameters.challenges, parameters.selfChallenges]) {
    const { proofBytes, openMs, verifyMs } = verifyCost(run, challenges, ms / 3);
    const what = `${name}, t=${challenges}, ${run.leaves()} leaves`;
    report.row("posw", `${what}: checking`, verifyMs, "ms", challenges);
    report.row("posw", `${what}: proof`, proofBytes, "bytes", challenges);
    report.row("posw", `${what}: opening`, openMs, "ms", challenges);
  }
};

/** How long one figure may take. */
const MS = 2_000;

export const benchTime = (report: Report): void => {
  for (const [name, parameters] of Object.entries(TIME_PROFILES)) {
    runFigures(report, name, parameters, MS);
  }
  delayFigures(report, MS);
};
