/** The files of a failure: scenario, report, whole timeline and picture, in a folder of their own. */
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import {
  examine,
  type FailureReport,
  type Own,
  PictureCollector,
  picturePage,
  plainScenario,
  type ReportOptions,
  reportText,
  type Scenario,
  type ShrunkFrom,
  shellWord,
  withWords,
} from "../../../sim/index.ts";
import { LIMITS } from "../../limits.ts";
import type { CliContext } from "../context.ts";
import { formatJson } from "../output.ts";

export type FailureFiles = {
  readonly scenario: string;
  readonly report: string;
  readonly timeline: string;
  readonly picture: string;
};

export type Reported = {
  readonly report: FailureReport;
  readonly files: FailureFiles | undefined;
};

export type ReportPlan = {
  readonly own: Own;
  /** What --with was given, for the command that replays. */
  readonly with: string | undefined;
  readonly commit: string;
  /** Where the files go; undefined for none. */
  readonly folder: string | undefined;
  readonly shrunkFrom: ShrunkFrom | undefined;
  /** The command that replays where there is no file. */
  readonly replay: string;
};

/** Collects lines in pieces that are worth a write, up to a limit. */
export const lineWriter = (
  path: string,
  limit: number,
): { line(text: string): void; close(): void } => {
  const file = openSync(path, "w");
  let piece: string[] = [];
  let lines = 0;
  const flush = (): void => {
    if (piece.length > 0) writeSync(file, `${piece.join("\n")}\n`);
    piece = [];
  };
  return {
    line(text: string): void {
      lines += 1;
      if (lines > limit) return;
      piece.push(text);
      if (piece.length >= 1_000) flush();
    },
    close(): void {
      if (lines > limit) piece.push(`... ${lines - limit} more events are left out`);
      flush();
      closeSync(file);
    },
  };
};

/** Letters, digits, dots and dashes of a name, for a file or folder. */
export const fileName = (text: string): string =>
  text
    .replaceAll(/[^A-Za-z0-9.-]+/g, "-")
    .replaceAll(/^[-.]+|-+$/g, "")
    .slice(0, 80) || "scenario";

/** Runs a failing scenario once more, writes its files, and gives the report; undefined if it passes. */
export const reportFailure = async (
  context: CliContext,
  scenario: Scenario,
  plan: ReportPlan,
): Promise<Reported | undefined> => {
  const { folder } = plan;
  const common = {
    commit: plan.commit,
    ...(plan.shrunkFrom === undefined ? {} : { shrunkFrom: plan.shrunkFrom }),
  };
  if (folder === undefined) {
    const { report } = examine(scenario, { ...common, replay: plan.replay }, plan.own);
    return report === undefined ? undefined : { report, files: undefined };
  }
  const path = resolve(context.cwd, folder);
  mkdirSync(path, { recursive: true });
  const shown = (name: string): string => {
    const near = relative(context.cwd, join(path, name));
    return near.startsWith("..") ? join(path, name) : near;
  };
  const files = {
    scenario: shown("scenario.json"),
    report: shown("report.txt"),
    timeline: shown("timeline.txt"),
    picture: shown("picture.html"),
  };
  const replay = `nexus sim run ${shellWord(files.scenario)}${withWords(plan.with)}`;
  const timeline = lineWriter(join(path, "timeline.txt"), LIMITS.simTimelineLinesMax);
  const picture = new PictureCollector(scenario, {
    messagesMax: LIMITS.simPictureMessagesMax,
    eventsMax: LIMITS.simPictureEventsMax,
  });
  const examined = (() => {
    try {
      const see: Pick<ReportOptions, "onLine" | "onMoment" | "onStatus"> = {
        onLine: timeline.line,
        onMoment: (moment) => picture.moment(moment),
        onStatus: (slot, status, atUs) => picture.status(slot, status, atUs),
      };
      return examine(scenario, { ...common, replay, ...see }, plan.own);
    } finally {
      timeline.close();
    }
  })();
  const { report, result } = examined;
  if (report === undefined) return undefined;
  const caption = { title: scenario.name, verdict: report.verdict, commit: plan.commit, replay };
  writeFileSync(join(path, "scenario.json"), formatJson(plainScenario(scenario)));
  writeFileSync(join(path, "report.txt"), `FAIL ${report.verdict}\n\n${reportText(report)}`);
  const page = await picturePage(picture.finish(result, caption));
  writeFileSync(join(path, "picture.html"), page);
  return { report, files };
};
