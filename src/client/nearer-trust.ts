/**
 * Chains that are too long for one bundle to lead from what is trusted to the newest header: who trusts a set of long
 * ago follows the sets in steps until it trusts one that is near enough (docs/protocol.md, "Following the sets"). Of
 * each step nothing is kept here but the set that it leads to, so that neither memory nor an answer grows with the
 * chain.
 */
import type { FalconVerifier } from "../crypto/falcon.ts";
import { ok, type Result, TetradError } from "../errors.ts";
import { type Bundle, decodeBundle, parseBundle } from "../ledger/verify/bundle.ts";
import type { Proven } from "../ledger/verify/proven.ts";
import type { Trust } from "../ledger/verify/trust.ts";
import { verifyBundle } from "../ledger/verify/verify-bundle.ts";
import { LIMITS } from "../limits.ts";
import { linesOfSets } from "./kept-steps.ts";
import {
  type AsksNode,
  endEpochOf,
  stepFailure,
  type TakenStep,
  takeStep,
  tooManySteps,
} from "./set-step.ts";

export type NearerOptions = {
  readonly verify: FalconVerifier["verify"];
  readonly signal?: AbortSignal;
  /** LIMITS.setStepsMax if not given. */
  readonly answersMax?: number;
  /** Told of every step that was verified, with what was trusted before it. */
  readonly onStep?: (bundle: Bundle, from: Trust, taken: TakenStep) => void;
};

/**
 * Follows the sets as a node tells them, to the newest that it proves. Throws what a step is refused with, what the
 * node answers with, and proof.too-long past `answersMax` steps.
 */
export const nearerTrust = async (
  client: AsksNode,
  trust: Trust,
  { verify, signal, answersMax = LIMITS.setStepsMax, onStep }: NearerOptions,
): Promise<Trust> => {
  let reached = trust;
  for (let number = 1; number <= answersMax; number++) {
    signal?.throwIfAborted();
    const query = { proof: "true", trustedEpoch: reached.epoch };
    const bundle = decodeBundle(await client.get("/v1/validators", query, signal));
    if (!bundle.ok) throw TetradError.from(bundle);
    const taken = takeStep(bundle.value, reached, verify, number);
    if (!taken.ok) throw TetradError.from(taken);
    onStep?.(bundle.value, reached, taken.value);
    reached = taken.value.trust;
    if (taken.value.isEnd) return reached;
  }
  throw tooManySteps(answersMax);
};

/** Whether a step leads past a set. What does not is no use to who trusts that set. */
const leadsPast = (bundle: Bundle, epoch: number): boolean => {
  const end = endEpochOf(bundle);
  // What cannot be read is for the verifier to refuse.
  return end === undefined || end > epoch;
};

/**
 * Follows the sets as a file of steps has them (`formatSets`), which may be anybody's. Steps to what is trusted already
 * are passed over: whoever keeps trust with each verification has the same file still. Codes: those of a step,
 * proof.malformed with the line that is none, proof.too-long.
 */
export const nearerByFile = (
  text: string,
  trust: Trust,
  verify: FalconVerifier["verify"],
): Result<Trust> => {
  const lines = linesOfSets(text);
  if (!lines.ok) return lines;
  let reached = trust;
  for (const [i, line] of lines.value.entries()) {
    const bundle = parseBundle(line);
    if (!bundle.ok) return stepFailure(i + 1, reached.epoch, bundle);
    if (!leadsPast(bundle.value, trust.epoch)) continue;
    const taken = takeStep(bundle.value, reached, verify, i + 1);
    if (!taken.ok) return taken;
    reached = taken.value.trust;
  }
  return ok(reached);
};

/**
 * What `ask` gives for the trust, or, where a node says that one bundle cannot lead on from there, for what `nearer`
 * makes of it. Asks twice at most: a node that says so of the newest set is not asked again.
 */
export const fromNearEnough = async <T>(
  trust: Trust,
  ask: (from: Trust) => Promise<T>,
  nearer: (trust: Trust) => Promise<Trust>,
): Promise<T> => {
  try {
    return await ask(trust);
  } catch (error) {
    if (!(error instanceof TetradError) || error.code !== "proof.too-long") throw error;
    return ask(await nearer(trust));
  }
};

/** What was asked for, and what it was verified with: not what was given, where that was too far away. */
export type ProofFrom = {
  readonly bundle: Bundle;
  readonly proven: Proven;
  readonly trust: Trust;
};

/**
 * A node's bundle at a path, verified against the trust, or against one that steps lead to from it. Throws what a step
 * or the bundle is refused with, and what the node answers with.
 */
export const proofFrom = (
  client: AsksNode,
  { path, query }: { readonly path: string; readonly query?: Parameters<AsksNode["get"]>[1] },
  trust: Trust,
  options: NearerOptions,
): Promise<ProofFrom> =>
  fromNearEnough(
    trust,
    async (from) => {
      const asked = { ...query, proof: "true", trustedEpoch: from.epoch };
      const bundle = decodeBundle(await client.get(path, asked, options.signal));
      if (!bundle.ok) throw TetradError.from(bundle);
      const { result } = verifyBundle(bundle.value, from, options.verify);
      if (!result.ok) throw TetradError.from(result);
      return { bundle: bundle.value, proven: result.value, trust: from };
    },
    (from) => nearerTrust(client, from, options),
  );
