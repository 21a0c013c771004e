/** `nexus audit`: checks a log from its genesis, trusting no node. */
import { toHex } from "../../crypto/bytes.ts";
import { forgetOld } from "../../node/audit/forget.ts";
import type { AuditReport } from "../../node/audit/report.ts";
import { auditFolder } from "../../node/audit/run-folder.ts";
import { realClock } from "../../node/real-ports.ts";
import { openApiSource } from "../audit/api-source.ts";
import { type OpenAudit, openAudit, unverified } from "../audit/open.ts";
import { mismatchError, printReport } from "../audit/print.ts";
import { auditApi } from "../audit/run-api.ts";
import { type AuditOptions, type AuditTarget, auditTarget, statesFolder } from "../audit/target.ts";
import type { CliContext } from "../context.ts";
import { createProgress } from "../progress.ts";

/** Exit codes: 0 clean, 2 mismatch, 3 could not verify. */
export const audit = async (context: CliContext, options: AuditOptions): Promise<void> => {
  if (options.forget === true) {
    const { forget } = await import("../audit/forget.ts");
    return forget(context, options.state);
  }
  const target = await auditTarget(context, options);
  // Those of one's own choice are one's own to remove.
  if (options.state === undefined) {
    await forgetOld(statesFolder(context), target.state, realClock.wallMs());
  }
  noteGenesis(context, target);
  if (options.follow === true) {
    const { follow } = await import("../audit/follow.ts");
    return follow(context, options, target);
  }
  let report: AuditReport;
  try {
    report = await runAudit(context, options, target);
  } catch (error) {
    throw unverified(error);
  }
  printReport(context, report);
  if (report.result === "mismatch") throw mismatchError(report);
};

const noteGenesis = (context: CliContext, target: AuditTarget): void => {
  if (target.genesisNamed) return;
  const hash = toHex(target.chain.hash);
  context.note(
    `the genesis is ${target.genesisPath}, hash ${hash}: compare it with the one that you were given, ` +
      "or name that with --genesis",
  );
};

/** What an audit begins from. Height 0 and 1 are the same: the genesis is computed, not checked. */
export const signaturesFromOf = (from: number): number => Math.max(1, from);

const runAudit = async (
  context: CliContext,
  options: AuditOptions,
  target: AuditTarget,
): Promise<AuditReport> => {
  const { signal } = context;
  const signaturesFrom = signaturesFromOf(options.from);
  const wanted = {
    resume: options.rebuild !== true,
    finished: options.from > 0,
    signaturesFrom,
  };
  await using open = await openAudit(target, wanted, options.workers);
  const begun = open.state.saved?.position.parent.height ?? 0;
  noteState(context, open, begun, signaturesFrom);
  const progress = createProgress(
    context.terminal,
    "auditing",
    "heights",
    realClock.monotonicMs,
    begun,
  );
  let height = begun;
  const onProgress = (done: number, total: number): void => {
    height = done;
    progress.update(done, total);
  };
  const common = { signaturesFrom, signal, nowMs: realClock.monotonicMs, onProgress };
  try {
    if (target.kind === "api") return await auditApi(open, openApiSource(target.place), common);
    const { rules, verifier, logger, state } = open;
    const { scratch, saved, work } = state;
    const place = { rules, db: target.place, name: target.place, work };
    return await auditFolder({ ...place, scratch, saved, verifier, logger, ...common });
  } catch (error) {
    if (height > begun) {
      context.note(`\nended at height ${height}: the same command goes on from there`);
    }
    throw error;
  } finally {
    progress.end();
  }
};

const noteState = (
  context: CliContext,
  open: OpenAudit,
  begun: number,
  signaturesFrom: number,
): void => {
  const { saved, dropped } = open.state;
  if (dropped !== undefined) {
    context.note(`an earlier audit is not gone on from: ${dropped}; beginning at the genesis`);
  }
  if (saved !== undefined) context.note(`going on from height ${begun} of an earlier audit`);
  if (saved === undefined && signaturesFrom > 1) {
    context.note(
      `there is no earlier audit to go on from: heights below ${signaturesFrom} are executed and their ` +
        "hashes and roots compared, and their signatures are not checked",
    );
  }
};
