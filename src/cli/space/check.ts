/** `nexus space check`: finds what of a sector is damaged or gone. */
import { resolve } from "node:path";
import { TetradError } from "../../errors.ts";
import { realClock } from "../../node/real-ports.ts";
import { type CheckReport, checkSector, isDamaged } from "../../node/space/check-sector.ts";
import { openSector } from "../../node/space/open-sector.ts";
import type { NodeRange } from "../../proofs/space/damage.ts";
import { nodesOf } from "../../proofs/space/parameters.ts";
import type { CliContext } from "../context.ts";
import { createProgress } from "../progress.ts";
import { sectorFacts } from "./facts.ts";
import { type OnChain, onChain, onChainText } from "./on-chain.ts";

/** Ranges that people are shown; JSON has them all. */
const SHOWN_MAX = 16;

const countOf = (ranges: readonly NodeRange[]): number =>
  ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0);

const rangesText = (ranges: readonly NodeRange[]): string => {
  if (ranges.length === 0) return "none";
  const shown = ranges.slice(0, SHOWN_MAX).map(({ from, to }) => `${from}..${to}`);
  const more = ranges.length - shown.length;
  return shown.join(", ") + (more > 0 ? `, and ${more} more ranges (-o json)` : "");
};

const printReport = (
  context: CliContext,
  facts: { readonly file: string; readonly sector: number; readonly nodes: number },
  report: CheckReport,
  said: OnChain | null,
): void => {
  const { nodes: damaged, unprovable, treeNodes, missingBytes } = report;
  const damagedNodes = countOf(damaged);
  const found = { damagedNodes, damaged, unprovable, treeNodes, missingBytes };
  context.print({ ...facts, ...found, onChain: said }, [
    ["file", facts.file],
    ["nodes", facts.nodes],
    ["damaged nodes", damagedNodes],
    ["which", rangesText(damaged)],
    ["cannot be told", rangesText(unprovable)],
    ["damaged nodes of the tree", treeNodes],
    ["bytes missing at the end", missingBytes],
    ["the chain says", onChainText(said)],
    ["verdict", isDamaged(report) ? "damaged: not what was sealed" : "whole: what was sealed"],
  ]);
};

export const check = async (
  context: CliContext,
  _options: Readonly<Record<string, never>>,
  path: string,
): Promise<void> => {
  const file = resolve(context.cwd, path);
  const sector = openSector(file);
  const { statement } = sector.header;
  const progress = createProgress(context.terminal, "checking", "KiB", realClock.monotonicMs);
  let report: CheckReport;
  try {
    report = await checkSector(sector, context.signal, (done, total) => {
      progress.update(done / 1024, total / 1024);
    });
  } finally {
    progress.end();
    sector.close();
  }
  const facts = { file, sector: statement.sectorNo, nodes: nodesOf(statement.lgNodes) };
  const said = await onChain(context.client(), sectorFacts(file, sector.header), context.signal);
  printReport(context, facts, report, said);
  if (!isDamaged(report)) return;
  throw new TetradError("space.damaged", `${path} is not what was sealed`, {
    path: file,
    next: "what is lost cannot be made again but by sealing; a damaged tree alone too",
  });
};
