/** The files of a failure: scenario, report, whole timeline and picture, in a folder of their own. */
import { createHash } from "node:crypto";
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import {
  examine,
  type FailureReport,
  type Own,
  PictureCollector,
  picturePage,
  plainScenario,
  type ReportOptions,
  type RunResult,
  reportText,
  type Scenario,
  type ShrunkFrom,
  shellWord,
  withWords,
} from "../../../sim/index.ts";
import { TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { fileError, makeFolder, writeFileAtomic } from "../../node/folder.ts";
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
  /** Those that were written. */
  readonly files: Partial<FailureFiles> | undefined;
  /** Why one is missing that was to be written. */
  readonly unwritten: string | undefined;
};

export type ReportPlan = {
  readonly own: Own;
  /** What --with was given, for the command that replays. */
  readonly with: string | undefined;
  readonly commit: string;
  /** Where the files go; undefined for none. */
  readonly folder: string | undefined;
  readonly shrunkFrom: ShrunkFrom | undefined;
  /** How the scenario has failed: what the report is about where it does not fail again. */
  readonly found?: RunResult;
  /** The command that replays where there is no file. */
  readonly replay: string;
};

/** Throws what is wrong with a path. */
const reach = (path: string, ask: () => void): void => {
  try {
    ask();
  } catch (error) {
    throw fileError(path, error);
  }
};

const asFolder = (path: string): void => accessSync(`${path}/.`, constants.W_OK | constants.X_OK);

/**
 * Whether files could be put into a folder, or it be made: before a run, and not after hours of them. Throws the
 * codes of fileError.
 */
export const checkFolder = (path: string): void => {
  let there = path;
  while (!existsSync(there) && dirname(there) !== there) there = dirname(there);
  reach(path, () => asFolder(there));
};

/** The same for a file, in a folder that is there. */
export const checkFile = (path: string): void => {
  if (existsSync(path) && statSync(path).isDirectory()) {
    throw new TetradError("cli.usage", `${path} is a folder: name a file`);
  }
  reach(path, () => {
    if (existsSync(path)) accessSync(path, constants.W_OK);
    else asFolder(dirname(path));
  });
};

/** Writes a file that somebody has named: a pipe too. Throws the codes of fileError. */
export const writeNamed = (path: string, text: string): void =>
  reach(path, () => writeFileSync(path, text));

/**
 * Collects lines in pieces that are worth a write, up to a limit. It is called in the middle of a run, in which
 * whatever throws would be taken for a node that has: a file that cannot be written is only told at the end.
 */
export const lineWriter = (
  path: string,
  limit: number,
): { line(text: string): void /** What went wrong. */; close(): TetradError | undefined } => {
  let failure: TetradError | undefined;
  const tryTo = <T>(write: () => T): T | undefined => {
    if (failure !== undefined) return undefined;
    try {
      return write();
    } catch (error) {
      failure = fileError(path, error);
      return undefined;
    }
  };
  const file = tryTo(() => openSync(path, "w"));
  let piece: string[] = [];
  let lines = 0;
  const flush = (): void => {
    const text = `${piece.join("\n")}\n`;
    // Unlike writeSync it goes on until all is written.
    if (file !== undefined && piece.length > 0) tryTo(() => writeFileSync(file, text));
    piece = [];
  };
  return {
    line(text: string): void {
      lines += 1;
      if (lines > limit) return;
      piece.push(text);
      if (piece.length >= 1_000) flush();
    },
    close(): TetradError | undefined {
      if (lines > limit) piece.push(`... ${lines - limit} more events are left out`);
      flush();
      if (file !== undefined) closeSync(file);
      return failure;
    },
  };
};

/** Letters, digits, dots and dashes of a name, for a file or folder. */
export const fileName = (text: string): string =>
  text
    .replaceAll(/[^A-Za-z0-9.-]+/g, "-")
    .replaceAll(/^[-.]+|-+$/g, "")
    .slice(0, 80) || "scenario";

const FILES: FailureFiles = {
  scenario: "scenario.json",
  report: "report.txt",
  timeline: "timeline.txt",
  picture: "picture.html",
};

/**
 * The folder for a scenario: the one that is wanted, unless it has another scenario, which a command that was printed
 * earlier runs again. Then a part of the hash of this one is added.
 */
export const folderFor = (wanted: string, scenario: string): string => {
  const taken = join(wanted, FILES.scenario);
  if (!existsSync(taken) || readFileSync(taken, "utf8") === scenario) return wanted;
  return `${wanted}-${createHash("sha256").update(scenario).digest("hex").slice(0, 8)}`;
};

/** The folder of a failure, filled as far as that goes: what a run has found is not lost with its files. */
class FailureFolder {
  #path: string;
  readonly #cwd: string;
  readonly files: { -readonly [K in keyof FailureFiles]?: string } = {};
  problem: string | undefined;

  constructor(cwd: string, wanted: string, scenario: string) {
    this.#cwd = cwd;
    this.#path = resolve(cwd, wanted);
    this.#try(() => {
      this.#path = folderFor(this.#path, scenario);
      makeFolder(this.#path);
    });
    this.write("scenario", scenario);
  }

  #try(write: () => void): boolean {
    if (this.problem !== undefined) return false;
    try {
      write();
      return true;
    } catch (error) {
      this.problem = error instanceof Error ? error.message : String(error);
      return false;
    }
  }

  /** As it is shown: from where the command runs, if it is below. */
  #shown(name: string): string {
    const near = relative(this.#cwd, join(this.#path, name));
    return near.startsWith("..") ? join(this.#path, name) : near;
  }

  write(what: keyof FailureFiles, text: string): void {
    const name = FILES[what];
    if (this.#try(() => writeFileAtomic(join(this.#path, name), text)))
      this.files[what] = this.#shown(name);
  }

  /** Takes the timeline line by line. */
  timeline(): { line(text: string): void; close(): void } | undefined {
    if (this.problem !== undefined) return undefined;
    const writer = lineWriter(join(this.#path, FILES.timeline), LIMITS.simTimelineLinesMax);
    const close = (): void => {
      const failure = writer.close();
      this.problem ??= failure?.message;
      if (failure === undefined) this.files.timeline = this.#shown(FILES.timeline);
    };
    return { line: writer.line, close };
  }
}

/** Runs a failing scenario once more, writes its files, and gives the report; undefined if it passes. */
export const reportFailure = async (
  context: CliContext,
  scenario: Scenario,
  plan: ReportPlan,
): Promise<Reported | undefined> => {
  const text = formatJson(plainScenario(scenario));
  const folder =
    plan.folder === undefined ? undefined : new FailureFolder(context.cwd, plan.folder, text);
  const file = folder?.files.scenario;
  const replay =
    file === undefined ? plan.replay : `nexus sim run ${shellWord(file)}${withWords(plan.with)}`;
  const timeline = folder?.timeline();
  const picture =
    timeline === undefined
      ? undefined
      : new PictureCollector(scenario, {
          messagesMax: LIMITS.simPictureMessagesMax,
          eventsMax: LIMITS.simPictureEventsMax,
        });
  const { commit } = plan;
  const see: Pick<ReportOptions, "onLine" | "onMoment" | "onStatus"> = {
    ...(timeline === undefined ? {} : { onLine: timeline.line }),
    onMoment: (moment) => picture?.moment(moment),
    onStatus: (slot, status, atUs) => picture?.status(slot, status, atUs),
  };
  const shrunk = plan.shrunkFrom === undefined ? {} : { shrunkFrom: plan.shrunkFrom };
  const found = plan.found === undefined ? {} : { found: plan.found };
  const examined = ((): ReturnType<typeof examine> => {
    try {
      return examine(scenario, { commit, replay, ...shrunk, ...found, ...see }, plan.own);
    } finally {
      timeline?.close();
    }
  })();
  const { report, result } = examined;
  if (report === undefined) return undefined;
  folder?.write("report", `FAIL ${report.verdict}\n\n${reportText(report)}`);
  const caption = { title: scenario.name, verdict: report.verdict, commit, replay };
  if (picture !== undefined)
    folder?.write("picture", await picturePage(picture.finish(result, caption)));
  return { report, files: folder?.files, unwritten: folder?.problem };
};
