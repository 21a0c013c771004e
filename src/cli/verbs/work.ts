/** `nexus work effort`, `solve` and `verify`: proofs of work for batches, made and checked offline. */
import { equalBytes, toHex } from "../../crypto/bytes.ts";
import { createHasher } from "../../crypto/hash.ts";
import { type Result, TetradError } from "../../errors.ts";
import { realClock } from "../../node/real-ports.ts";
import { searchProof } from "../../node/work/search.ts";
import {
  batchUnits,
  expectedRuns,
  requiredEffort,
  verifyWork,
  type WorkProfile,
  type WorkSubject,
} from "../../proofs/work/index.ts";
import type { CliContext } from "../context.ts";
import { formatJson, formatNdjson } from "../output.ts";
import { createProgress } from "../progress.ts";
import {
  type AnyWorkFile,
  puzzleText,
  readWorkFile,
  type WorkFile,
  workFileJson,
  writeWorkFile,
} from "../work/files.ts";
import { checkOpening } from "../work/opening.ts";
import { type Report, report } from "../work/report.ts";
import {
  chainOf,
  hash32,
  profileOf,
  puzzleOf,
  readBatch,
  type SubjectOptions,
  subjectFields,
  subjectOf,
} from "../work/subject.ts";

type EffortOptions = {
  readonly profile: WorkProfile;
  readonly batch?: string;
  readonly chainId?: string;
  readonly events: number;
  readonly bytes: number;
  readonly price?: number;
};

const round = (value: number): number => Math.round(value * 100) / 100;

const timeText = (ms: number): string =>
  ms < 10_000 ? `${Math.round(ms)} ms` : `${Math.round(ms / 1000)} s`;

/** Runs that are timed for an estimate. */
const SAMPLE_RUNS = 5;

/** Milliseconds of a run here and now, on one thread: efforts that no hash meets keep it running. */
const measureRun = async (context: CliContext, profile: WorkProfile): Promise<number> => {
  const { puzzle } = profileOf(profile);
  const zero = new Uint8Array(32);
  const enough = new AbortController();
  let first = Number.NaN;
  let firstMs = 0;
  let ms = Number.NaN;
  const search = searchProof({
    chainId: "measure",
    puzzle,
    subject: { beacon: zero, actor: zero, batchId: zero },
    effort: 2 ** 20,
    threads: 1,
    signal: AbortSignal.any([context.signal, enough.signal]),
    onProgress(runs) {
      const now = realClock.monotonicMs();
      // The first report has the start of the thread in it.
      if (Number.isNaN(first)) [first, firstMs] = [runs, now];
      else if (runs - first >= SAMPLE_RUNS) {
        ms = (now - firstMs) / (runs - first);
        enough.abort();
      }
    },
  });
  await search.catch((error: unknown) => {
    if (context.signal.aborted || !enough.signal.aborted) throw error;
  });
  return ms;
};

export const workEffort = async (context: CliContext, options: EffortOptions): Promise<void> => {
  const { profile, batch, events, bytes } = options;
  const { price: rule, puzzle } = profileOf(profile);
  const units =
    batch === undefined
      ? batchUnits(events, bytes)
      : (await readBatch(context, chainOf(context, options.chainId), batch)).units;
  const price = options.price === undefined ? rule.priceStart : BigInt(options.price);
  if (price < rule.priceMin || price > rule.priceMax) {
    const detail = `--price of this profile is ${rule.priceMin} to ${rule.priceMax}`;
    throw new TetradError("cli.usage", detail);
  }
  const effort = requiredEffort(rule, price, units);
  const runs = expectedRuns(puzzle, effort);
  const msPerRun = await measureRun(context, profile);
  const value = {
    profile,
    puzzle: puzzleText(puzzle),
    units: Number(units),
    price: Number(price),
    effort,
    expectedRuns: runs,
    msPerRun: round(msPerRun),
    expectedMs: Math.round(runs * msPerRun),
  };
  context.print(value, [
    ["profile", profile],
    ["puzzle", value.puzzle],
    ["units", `${value.units} (bytes of the events, and 512 for each)`],
    ["price", `${value.price} (65536 is an effort of 1 for ${rule.pricedUnits} units)`],
    ["effort", effort],
    ["runs expected", runs],
    ["a run takes", `${value.msPerRun} ms on one thread of this machine, just now`],
    ["expected time", `${timeText(value.expectedMs)}, in one of three cases longer`],
  ]);
};

type SolveOptions = SubjectOptions & {
  readonly effort?: number;
  readonly profile: WorkProfile;
  readonly puzzle?: string;
  readonly threads: number;
  readonly out?: string;
};

export const workSolve = async (context: CliContext, options: SolveOptions): Promise<void> => {
  const chainId = chainOf(context, options.chainId);
  const profile = profileOf(options.profile);
  const puzzle = puzzleOf(profile, options.puzzle);
  const { subject, units } = await subjectOf(context, chainId, options);
  const { price } = profile;
  const needed = units === undefined ? 1 : requiredEffort(price, price.priceStart, units);
  const effort = options.effort ?? needed;
  const expected = Math.ceil(expectedRuns(puzzle, effort));
  context.note(
    `effort ${effort}: ${expected} run(s) expected; it may take fewer, or several times as many`,
  );
  const progress = createProgress(context.terminal, "solving", "runs", realClock.monotonicMs);
  const startedMs = realClock.monotonicMs();
  const found = await searchProof({
    chainId,
    puzzle,
    subject,
    effort,
    threads: options.threads,
    signal: context.signal,
    onProgress(runs) {
      if (context.options.quiet !== true) progress.update(runs, expected);
    },
  });
  progress.end();
  const ms = realClock.monotonicMs() - startedMs;
  const file: WorkFile = { format: "tetrad-work-1", chainId, puzzle, subject, proof: found.proof };
  context.note(`found after ${found.runs} of ${expected} expected run(s), ${timeText(ms)}`);
  await give(context, file, options.out);
};

/** Writes the file to --out and prints what it is; without --out prints the file. */
const give = async (
  context: CliContext,
  file: WorkFile,
  out: string | undefined,
): Promise<void> => {
  const json = workFileJson(file);
  if (out === undefined) {
    const { terminal, format } = context;
    terminal.out(format === "json" ? formatJson(json) : formatNdjson(json));
    return;
  }
  const path = await writeWorkFile(context.cwd, out, file);
  context.print(json, [
    ["written", path],
    ["chain", file.chainId],
    ...subjectFields(file.subject),
    ["puzzle", puzzleText(file.puzzle)],
    ["proof", `${file.proof.length} bytes`],
  ]);
  context.suggest(`nexus work verify ${out}`);
};

type VerifyOptions = {
  readonly batch?: string;
  readonly chainId?: string;
  readonly beacon?: string;
  readonly effort?: number;
  readonly profile?: WorkProfile;
  readonly validator?: string;
  readonly epochSeed?: string;
  readonly seed?: string;
};

export const workVerify = async (
  context: CliContext,
  options: VerifyOptions,
  name = "",
): Promise<void> => {
  const file = await readWorkFile(context.cwd, name);
  const checked = await check(context, options, file);
  report(context, checked);
};

const check = async (
  context: CliContext,
  options: VerifyOptions,
  file: AnyWorkFile,
): Promise<Report> => {
  if (file.format === "tetrad-work-1") return checkProof(context, options, file);
  if (file.format === "tetrad-share-opening-1") return checkOpening(options, file);
  throw new TetradError("cli.usage", "shares are shown by opening them: `nexus work open` first");
};

const foreign = (what: string): TetradError =>
  new TetradError("work.foreign", `the file is for another ${what} than the one that was named`);

/** Compares the file with what the caller knows, and says what it was not compared with. */
const compare = async (
  context: CliContext,
  options: VerifyOptions,
  file: WorkFile,
): Promise<{ readonly unknown: string[]; readonly required: number }> => {
  const { chainId, subject, puzzle } = file;
  const unknown: string[] = [];
  if (options.chainId !== undefined && options.chainId !== chainId) throw foreign("chain");
  if (options.profile !== undefined) {
    const wanted = puzzleText(profileOf(options.profile).puzzle);
    if (wanted !== puzzleText(puzzle)) throw foreign("puzzle");
  }
  if (options.chainId === undefined) unknown.push("--chain-id");
  let required = options.effort ?? 1;
  let beacon: Uint8Array | undefined;
  if (options.batch === undefined) unknown.push("--batch");
  else {
    const { subject: wanted, units } = await readBatch(context, chainId, options.batch);
    if (!equalBytes(wanted.batchId, subject.batchId)) throw foreign("batch");
    if (!equalBytes(wanted.actor, subject.actor)) throw foreign("actor");
    beacon = wanted.beacon;
    if (options.profile !== undefined) {
      const { price } = profileOf(options.profile);
      required = Math.max(required, requiredEffort(price, price.priceStart, units));
    }
  }
  if (options.beacon !== undefined) beacon = hash32("--beacon", options.beacon);
  if (beacon === undefined) unknown.push("--beacon");
  else if (!equalBytes(beacon, subject.beacon)) throw foreign("beacon");
  return { unknown, required };
};

const checkProof = async (
  context: CliContext,
  options: VerifyOptions,
  file: WorkFile,
): Promise<Report> => {
  const { unknown, required } = await compare(context, options, file);
  const { chainId, puzzle, subject, proof } = file;
  const startedMs = realClock.monotonicMs();
  const result = verifyWork(createHasher(chainId), puzzle, subject, proof, required);
  const ms = realClock.monotonicMs() - startedMs;
  if (!result.ok) return { kind: "proof", result, fields: [], shows: [], not: [], unknown, ms };
  const { effort } = result.value;
  const runs = Math.ceil(expectedRuns(puzzle, effort));
  return {
    kind: "proof",
    result: result satisfies Result<unknown>,
    ms,
    fields: [
      ["chain", chainId],
      ...subjectFields(subject),
      ["puzzle", puzzleText(puzzle)],
      ["effort", `${effort}, required ${required}`],
    ],
    shows: shows(subject, effort, runs),
    not: [
      "who did the work, or on what: solvers in C or on graphics cards are many times faster",
      "when, but for: not before the beacon's value was known",
      "that the batch is valid, signed or in the log: nodes of this version ask for no work",
    ],
    unknown,
  };
};

const shows = (subject: WorkSubject, effort: number, runs: number): string[] => [
  `somebody has found a solution of which one in ${effort} exists: about ${runs} run(s) of the solver`,
  `for this batch of this actor on this chain, and for no other (${toHex(subject.batchId).slice(0, 16)}…)`,
];
