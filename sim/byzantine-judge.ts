/** What a run of the Byzantine matrix has shown, and whether that is what it must show. */
import { conflict } from "../src/ledger/statement.ts";
import type { Statement } from "../src/ledger/types.ts";
import { type ByzantineCase, drawnKinds } from "./byzantine.ts";
import { agreement } from "./checkers/agreement.ts";
import { createProsecutor, type Prosecutor } from "./checkers/culprits.ts";
import { decodeStatement } from "./checkers/decode.ts";
import { CHECKERS } from "./checkers/index.ts";
import type { Scenario } from "./scenario.ts";
import { type RunOptions, type RunResult, simulate } from "./simulate.ts";

const KINDS = [undefined, "notarize", "nullify", "finalize"] as const;

/** A signed statement as production reads it. */
const statementOf = (message: Uint8Array): Statement | undefined => {
  const read = decodeStatement(message);
  const kind = read === undefined ? undefined : KINDS[read.kind];
  if (read === undefined || kind === undefined) return undefined;
  return { epoch: read.epoch, view: read.view, kind, hash: Buffer.from(read.hash, "hex") };
};

export type OverThirdVerdict = "halted" | "forked" | "went on" | { readonly wrong: string };

/** Violations that a fork shows itself by, most of them before anybody honest can have noticed. */
const FORK_IDS = ["I1", "I3", "I4", "I5", "I6", "I10", "I13"];

/**
 * Runs a scenario with a third and more of the weight adversarial. It may halt. If it can fork, it is run again
 * until two honest nodes do have other blocks at one height, or it ends without. Then the culprits that the oracle
 * extracts from what honest nodes were given must weigh more than a third, be guilty by production's own rule too,
 * and all be liars.
 */
export const runOverThird = (
  one: Scenario,
  options: RunOptions,
): { readonly verdict: OverThirdVerdict; readonly result: RunResult } => {
  const result = simulate(one, {
    ...options,
    explains: false,
    checkers: options.checkers ?? CHECKERS,
  });
  const { violation } = result;
  if (violation === undefined || !FORK_IDS.includes(violation.id)) {
    return { verdict: unseenIn(one, result) ?? verdictOf(result), result };
  }
  // The first run ends as soon as liars could fork: they may not have said any of it by then.
  const prosecutor = createProsecutor();
  const checkers = [prosecutor.checker, agreement];
  const on = simulate(one, { ...options, explains: false, checkers });
  const verdict = on.violation?.id === "I1" ? (faultOf(prosecutor) ?? "forked") : verdictOf(on);
  return { verdict: unseenIn(one, on) ?? verdict, result: on };
};

/** A run that ends in a fork or a halt never comes to where a scenario's marks are asked for. */
const unseenIn = (
  { expect }: Scenario,
  { marks }: RunResult,
): { readonly wrong: string } | undefined => {
  const unseen = expect.marks?.find((mark) => !marks.has(mark));
  if (unseen === undefined) return undefined;
  return { wrong: `"${unseen}" never happened: the run shows nothing` };
};

/** What nobody gets to without a quorum. To spin (L0), to wait too long (L6) or not to answer (L9) is no halt. */
const HALT_IDS = ["L1", "L2", "L3", "L4", "L5", "L7"];

const verdictOf = ({ outcome, violation }: RunResult): OverThirdVerdict => {
  if (outcome === "ok") return "went on";
  if (outcome === "liveness" && HALT_IDS.includes(violation?.id ?? "")) return "halted";
  return { wrong: `${violation?.id ?? outcome}: ${violation?.detail ?? ""}` };
};

/** What is wrong with the culprits of a fork. */
const faultOf = (prosecutor: Prosecutor): { readonly wrong: string } | undefined => {
  const fault = prosecutor.faultAfterFork();
  if (fault !== undefined) return { wrong: `I13: ${fault}` };
  for (const { slot, pair } of prosecutor.culprits()) {
    const [first, second] = pair.map(statementOf);
    if (first === undefined || second === undefined || conflict(first, second) === undefined) {
      return { wrong: `I13: what n${slot} signed is no evidence by the rule of production` };
    }
  }
  return undefined;
};

export const judgeOverThird = (one: Scenario, options: RunOptions): OverThirdVerdict =>
  runOverThird(one, options).verdict;

/** "holds" is asked of less than a third, the three others are what a third and more may do. */
export type CaseVerdict = "holds" | "halted" | "forked" | "went on" | "FAILED";

export type CaseResult = {
  readonly verdict: CaseVerdict;
  /** What has failed. */
  readonly why: string;
  readonly result: RunResult;
};

/** Of a mix no kind but those that its scenario demands is sure to find an occasion: one of all of them must have. */
const idleIn = ({ kind, scenario }: ByzantineCase, { marks }: RunResult): string => {
  const kinds = drawnKinds(scenario.adversaries);
  if (kind !== "mix" || kinds.some((one) => marks.has(`adversary ${one}`))) return "";
  return `none of ${kinds.join(", ")} ever acted: the run shows nothing`;
};

const verdictOn = ({ share, scenario }: ByzantineCase, options: RunOptions): CaseResult => {
  if (share === "over") {
    const { verdict, result } = runOverThird(scenario, options);
    if (typeof verdict === "string") return { verdict, why: "", result };
    return { verdict: "FAILED", why: verdict.wrong, result };
  }
  const result = simulate(scenario, options);
  if (result.outcome === "ok") return { verdict: "holds", why: "", result };
  const { violation } = result;
  const why = `${result.outcome} ${violation?.id ?? ""}: ${violation?.detail ?? ""}`;
  return { verdict: "FAILED", why, result };
};

/** Runs one case of the matrix. */
export const runCase = (one: ByzantineCase, options: RunOptions): CaseResult => {
  const found = verdictOn(one, options);
  const idle = idleIn(one, found.result);
  if (found.verdict === "FAILED" || idle === "") return found;
  return { ...found, verdict: "FAILED", why: idle };
};
