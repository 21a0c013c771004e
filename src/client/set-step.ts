/**
 * One step along the sets of validators (docs/protocol.md, "Following the sets"): a proof bundle that leads from a set
 * that is trusted to a later one. Pure: who makes or keeps steps is not trusted.
 */
import type { FalconVerifier } from "../crypto/falcon.ts";
import { createHasher } from "../crypto/hash.ts";
import { type Failure, fail, ok, type Result, TetradError } from "../errors.ts";
import { decodeHeader } from "../ledger/block.ts";
import type { Bundle } from "../ledger/verify/bundle.ts";
import type { Proven } from "../ledger/verify/proven.ts";
import { type Trust, trustCheckpoint } from "../ledger/verify/trust.ts";
import { verifyBundle } from "../ledger/verify/verify-bundle.ts";
import type { JsonObject } from "./http.ts";

/** The part of an API client that is needed. */
export type AsksNode = {
  get(
    path: string,
    query: Readonly<Record<string, string | number>>,
    signal: AbortSignal | undefined,
  ): Promise<JsonObject>;
};

export type TakenStep = {
  readonly proven: Proven;
  /** What may be trusted from now on. */
  readonly trust: Trust;
  /** The step leads to the newest header, and not to a boundary where there was no room for more. */
  readonly isEnd: boolean;
};

/** The failure of a step, with which it was. */
export const stepFailure = (
  number: number,
  epoch: number,
  { code, detail, data }: Failure,
): Failure => fail(code, `step ${number}, from the set of epoch ${epoch}: ${detail}`, data);

/**
 * Verifies a step against what is trusted; `number` is for the words of a failure. Codes: those of verifyBundle, and
 * proof.invalid for a step that only leads on and leads nowhere.
 */
export const takeStep = (
  bundle: Bundle,
  trust: Trust,
  verify: FalconVerifier["verify"],
  number: number,
): Result<TakenStep> => {
  const wrong = (failure: Failure): Failure => stepFailure(number, trust.epoch, failure);
  const { result, checks } = verifyBundle(bundle, trust, verify);
  if (!result.ok) {
    const check = checks.find((one) => one.result === "failed")?.id ?? "chain";
    return wrong({ ...result, detail: `${check}: ${result.detail}` });
  }
  const { checkpoint, header } = result.value;
  const isEnd = bundle.claim.kind !== "no-event";
  // A step that only leads on has to lead to somewhere, or a walk has no end.
  if (!isEnd && header.epoch <= trust.epoch) {
    return wrong(fail("proof.invalid", "epochs: it leads to no later set"));
  }
  const next: Trust = { ...trustCheckpoint(checkpoint), names: trust.names };
  return ok({ proven: result.value, trust: next, isEnd });
};

/** The epoch that a step leads to, as it says itself; undefined for what is no step. */
export const endEpochOf = ({ chainId, links }: Bundle): number | undefined => {
  const header = decodeHeader(createHasher(chainId), links.at(-1)?.header ?? new Uint8Array(0));
  return header.ok ? header.value.epoch : undefined;
};

/** A walk that has not ended after so many steps. */
export const tooManySteps = (answersMax: number): TetradError =>
  new TetradError(
    "proof.too-long",
    `the node leads on in over ${answersMax} steps: begin at a newer checkpoint`,
  );
