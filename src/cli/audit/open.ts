/** What every audit needs opened: the verifier with its threads, the rules, the state. */
import { availableParallelism } from "node:os";
import { TetradError } from "../../errors.ts";
import type { AuditRules } from "../../ledger/audit/chain.ts";
import type { Logger } from "../../ledger/ports.ts";
import { auditRules } from "../../node/audit/rules.ts";
import { type AuditState, openState, type Wanted } from "../../node/audit/state.ts";
import { createLogger } from "../../node/real-ports.ts";
import { selectVerifier } from "../../node/signing/select-verifier.ts";
import type { NodeVerifier } from "../../node/signing/types.ts";
import { createVerifier } from "../../node/signing/verifier.ts";
import { nextStep } from "../output.ts";
import type { AuditTarget } from "./target.ts";

export type OpenAudit = AsyncDisposable & {
  readonly rules: AuditRules;
  readonly verifier: NodeVerifier;
  readonly state: AuditState;
  readonly logger: Logger;
};

/** Threads that check signatures: one core is for executing events. */
export const workersOf = (given: number | undefined): number =>
  given ?? Math.max(0, availableParallelism() - 1);

export const openAudit = async (
  target: AuditTarget,
  wanted: Wanted,
  workers: number | undefined,
): Promise<OpenAudit> => {
  await using closing = new AsyncDisposableStack();
  const logger = createLogger("human", "error", "audit");
  const verifier = await createVerifier({ logger, workers: workersOf(workers) });
  closing.defer(() => verifier.close());
  const selection = await selectVerifier();
  const rules = auditRules(target.chain, selection.verifier.verify);
  const state = await openState(target.state, rules, wanted, logger);
  closing.defer(() => state.close());
  const owned = closing.move();
  return { rules, verifier, state, logger, [Symbol.asyncDispose]: () => owned.disposeAsync() };
};

/** Wrong usage and a wrong genesis are told as they are; all else means that nothing was shown. */
const PASSED: ReadonlySet<string> = new Set([
  "cli.usage",
  "config.genesis",
  "config.invalid",
  "audit.mismatch",
  "audit.unverified",
  "internal",
]);

/** Why an audit could not be finished, with exit code 3. */
export const unverified = (error: unknown): unknown => {
  if (!(error instanceof TetradError) || PASSED.has(error.code)) return error;
  // What to do about a node that does not answer is the same for an audit; about a locked folder it is not.
  const next = error.code === "cli.unreachable" ? nextStep(error.code) : undefined;
  const data = { ...(next === undefined ? {} : { next }), ...error.data };
  return new TetradError("audit.unverified", `${error.code}: ${error.message}`, data);
};
