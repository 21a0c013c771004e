/** `nexus time bench`: this machine as a timekeeper, and as one who checks. */
import { TIME_PROFILES, TIME_REFERENCE, type TimeProfile } from "../../proofs/time/parameters.ts";
import type { CliContext } from "../context.ts";
import { nativeRate, runRate, verifyCost } from "../time/measure.ts";

const round = (value: number, digits: number): number => Number(value.toFixed(digits));

export const timeBench = async (
  context: CliContext,
  options: { readonly profile: TimeProfile; readonly seconds: number },
): Promise<void> => {
  const parameters = TIME_PROFILES[options.profile];
  const ms = options.seconds * 1000;
  context.note(`measuring for ${4 * options.seconds} s of CPU on one core`);
  const native = nativeRate(ms);
  const { leaves, seconds, stepsPerSecond, run } = runRate(parameters, ms);
  const checks = [parameters.challenges, parameters.selfChallenges].map((challenges) =>
    verifyCost(run, challenges, ms),
  );
  const value = {
    profile: options.profile,
    nativeStepsPerSecond: Math.round(native),
    stepsPerSecond: Math.round(stepsPerSecond),
    shareOfNative: round(stepsPerSecond / native, 3),
    leavesPerSecond: Math.round(leaves / seconds),
    stepNs: round(1e9 / stepsPerSecond, 1),
    referenceStepNs: TIME_REFERENCE.stepNs,
    checks: checks.map((check) => ({
      challenges: check.challenges,
      proofBytes: check.proofBytes,
      openMs: round(check.openMs, 2),
      verifyMs: round(check.verifyMs, 3),
    })),
  };
  context.print(value, [
    ["profile", value.profile],
    ["SHA-256, native", `${round(native / 1e6, 2)} million steps/s`],
    [
      "timekeeper",
      `${round(stepsPerSecond / 1e6, 2)} million steps/s (${round(100 * value.shareOfNative, 1)} %)`,
    ],
    ["leaves", `${value.leavesPerSecond}/s of ${parameters.tailBlocks} steps`],
    ["one step", `${value.stepNs} ns (reference ${TIME_REFERENCE.stepNs} ns)`],
    ...value.checks.map(({ challenges, proofBytes, verifyMs }): readonly [string, string] => [
      `check, ${challenges} leaves`,
      `${verifyMs} ms, ${proofBytes} bytes of ${run.leaves()} leaves`,
    ]),
  ]);
};
