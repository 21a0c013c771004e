/** `nexus time prove` and `nexus time open`: a timekeeper of one's own, and what it can show. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { equalBytes, toHex } from "../../crypto/bytes.ts";
import { TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { writeFileAtomic } from "../../node/folder.ts";
import { realClock } from "../../node/real-ports.ts";
import type { OpenedRun } from "../../node/timekeeper/messages.ts";
import {
  createStateFile,
  encodeHead,
  type RunHead,
  readStateFile,
} from "../../node/timekeeper/state-file.ts";
import { startTimekeeper, type Timekeeper } from "../../node/timekeeper/timekeeper.ts";
import { TIME_PROFILES, type TimeProfile } from "../../proofs/time/parameters.ts";
import { type TimeCommitment, upTo } from "../../proofs/time/statement.ts";
import type { CliContext } from "../context.ts";
import { createProgress, type Progress } from "../progress.ts";
import { formatTimeFile } from "../time/file.ts";
import { chainIdOf, hashOption } from "../time/options.ts";
import { endsEarly, leavesExpected } from "../time/span.ts";

type ProveOptions = {
  readonly seed?: string;
  readonly leaves?: number;
  readonly for?: number;
  readonly profile: TimeProfile;
  readonly duty: number;
  readonly absorb?: boolean;
  readonly timekeeper?: string;
  readonly epoch: number;
  readonly chainId?: string;
  readonly state: string;
  readonly commit?: boolean;
  readonly out: string;
};

type OpenOptions = {
  readonly challenge?: string;
  readonly block?: readonly string[];
  readonly duty: number;
  readonly state: string;
  readonly out: string;
};

const NOBODY = new Uint8Array(32);
const ABSORB_MS = 1_000;

type BlockHash = { readonly height: number; readonly hash: Uint8Array };

/** Hash of a final block of the node. */
const blockHash = async (context: CliContext, height: number): Promise<BlockHash> => {
  const { hash } = await context.client().get(`/v1/blocks/${height}`, {}, context.signal);
  return { height, hash: hashOption("the block's hash", String(hash)) };
};

const newestBlock = async (context: CliContext): Promise<BlockHash | undefined> => {
  const { finalHeight } = await context.client().status(context.signal);
  return finalHeight < 1 ? undefined : blockHash(context, finalHeight);
};

/** What a new run is about. Without --seed it begins from the newest block, which nobody knew before. */
const newHead = async (context: CliContext, options: ProveOptions): Promise<RunHead> => {
  const chainId = await chainIdOf(context, options.chainId);
  const timekeeper =
    options.timekeeper === undefined ? NOBODY : hashOption("--timekeeper", options.timekeeper);
  let seed: Uint8Array;
  if (options.seed !== undefined) seed = hashOption("--seed", options.seed);
  else {
    const block = await newestBlock(context);
    if (block === undefined)
      throw new TetradError("cli.usage", "no block is final yet: give --seed");
    context.note(`the seed is the hash of block ${block.height}: the run is younger than that`);
    seed = block.hash;
  }
  const statement = { epoch: options.epoch, seed, timekeeper, members: NOBODY };
  return { chainId, parameters: TIME_PROFILES[options.profile], statement };
};

/** The run in the state file is gone on with, if it is the one that is asked for; else one is begun. */
const prepare = async (
  context: CliContext,
  path: string,
  options: ProveOptions,
): Promise<RunHead> => {
  if (!existsSync(path)) {
    const head = await newHead(context, options);
    createStateFile(path, head);
    return head;
  }
  const state = readStateFile(path);
  const { chainId, parameters, statement } = state;
  const wanted = {
    chainId: options.chainId ?? chainId,
    parameters: TIME_PROFILES[options.profile],
    statement: {
      ...statement,
      epoch: options.epoch,
      seed: options.seed === undefined ? statement.seed : hashOption("--seed", options.seed),
      timekeeper:
        options.timekeeper === undefined
          ? statement.timekeeper
          : hashOption("--timekeeper", options.timekeeper),
    },
  };
  if (equalBytes(encodeHead({ chainId, parameters, statement }), encodeHead(wanted))) return state;
  throw new TetradError("time.state", `${path} is of another run than this one`, {
    next: "give the options of that run, name another file with --state, or remove this one",
  });
};

/** Tells the timekeeper of final blocks until it ends; what the node does not answer is asked again. */
const absorbBlocks = async (
  context: CliContext,
  keeper: Timekeeper,
  ended: AbortSignal,
): Promise<void> => {
  let last = 0;
  let failures = 0;
  while (!ended.aborted) {
    try {
      const block = await newestBlock(context);
      if (block !== undefined && block.height > last) {
        keeper.absorb(block.height, block.hash);
        last = block.height;
      }
      failures = 0;
    } catch (error) {
      failures += 1;
      if (!ended.aborted && failures === 1) {
        context.note(`no block hash: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    await pause(ABSORB_MS, undefined, { signal: ended }).catch(() => {});
  }
};

/** Leaves to compute: as many as asked for, or as there may be where the time decides. */
const targetOf = ({ leaves, for: span, profile }: ProveOptions): number => {
  const most = 2 ** TIME_PROFILES[profile].leavesLog2Max;
  if ((leaves === undefined) === (span === undefined)) {
    throw new TetradError("cli.usage", "give one of --leaves and --for");
  }
  if (leaves !== undefined && leaves > most) {
    throw new TetradError("cli.usage", `a run of profile ${profile} has at most ${most} leaves`);
  }
  return leaves ?? most;
};

type Finished = TimeCommitment & { readonly absorbed: number };

/** Runs until the leaves are there or the time is over. An interrupt keeps what there is. */
const finishRun = async (
  context: CliContext,
  keeper: Timekeeper,
  options: ProveOptions,
): Promise<Finished> => {
  const ended = new AbortController();
  const onAbort = (): void => void keeper.stop();
  context.signal.addEventListener("abort", onAbort, { once: true });
  if (context.signal.aborted) onAbort();
  const timer = setTimeout(
    () => keeper.finish(),
    Math.min(options.for ?? 2 ** 31 - 1, 2 ** 31 - 1),
  );
  const absorbing =
    options.absorb === true ? absorbBlocks(context, keeper, ended.signal) : Promise.resolve();
  try {
    return await keeper.finished;
  } catch (error) {
    if (!context.signal.aborted) throw error;
    const detail = `interrupted: the same command goes on from ${options.state}`;
    throw new TetradError("node.stopping", detail);
  } finally {
    clearTimeout(timer);
    ended.abort();
    context.signal.removeEventListener("abort", onAbort);
    await absorbing;
  }
};

const writeProof = (
  path: string,
  head: RunHead,
  commitment: TimeCommitment,
  kind: "self" | "given",
  opened: OpenedRun,
): void => {
  const { chainId, parameters, statement } = head;
  const challenge = { kind, seed: opened.seed };
  const { proof, blocks } = opened;
  const file = { chainId, parameters, statement, commitment, challenge, proof, blocks };
  writeFileAtomic(path, formatTimeFile(file));
};

type Keeping = {
  readonly keeper: Timekeeper;
  /** The leaves are there: ends their bar. */
  computed(leaves: number): void;
  opening(total: number): void;
  /** `whole`: all that was begun is done. */
  end(whole?: boolean): void;
};

/** Starts the thread, with progress on stderr in leaves, and in opened leaves after that. */
const startKeeper = (
  context: CliContext,
  path: string,
  total: number,
  duty: number,
  timed: number | undefined,
): Keeping => {
  const now = realClock.monotonicMs;
  let progress: Progress | undefined = createProgress(context.terminal, "computing", "leaves", now);
  let openings = 0;
  let from = 0;
  let computes = false;
  const began = now();
  const events = {
    onReady: (leaves: number, cutBytes: number) => {
      if (cutBytes > 0) context.note(`${cutBytes} bytes that a crash cut short are dropped`);
      if (leaves > 0) {
        context.note(`going on from leaf ${leaves}`);
        from = leaves;
        progress = createProgress(context.terminal, "computing", "leaves", now, from);
      }
    },
    onProgress: (leaves: number) => {
      computes = true;
      const span = { spentMs: now() - began, from, most: total };
      const expected =
        timed === undefined ? total : leavesExpected(leaves, { ...span, askedMs: timed });
      progress?.update(leaves, expected);
    },
    onOpening: (done: number) => progress?.update(Math.min(done, openings), openings),
  };
  const quiet = context.options.quiet === true;
  const nothing = { ...events, onProgress: () => {}, onOpening: () => {} };
  const keeper = startTimekeeper({ path, leaves: total, duty }, quiet ? nothing : events);
  return {
    keeper,
    end(whole) {
      progress?.end(whole);
      progress = undefined;
    },
    computed(leaves) {
      if (computes) progress?.update(leaves, leaves);
      progress?.end(true);
      progress = undefined;
    },
    opening(count) {
      openings = count;
      progress = createProgress(context.terminal, "opening", "parts", now);
    },
  };
};

type Field = readonly [string, string | number | null];

const printRun = (
  context: CliContext,
  head: RunHead,
  run: Finished,
  proof: { readonly file: string; readonly challenge: string; readonly bytes: number } | undefined,
): void => {
  const value = {
    chainId: head.chainId,
    epoch: head.statement.epoch,
    seed: toHex(head.statement.seed),
    timekeeper: toHex(head.statement.timekeeper),
    leaves: run.leaves,
    stepsPerLeaf: head.parameters.tailBlocks,
    absorbed: run.absorbed,
    phi: toHex(run.phi),
    proof: proof ?? null,
  };
  const fields: Field[] = [
    ["chain", value.chainId],
    ["seed", value.seed],
    ["leaves", value.leaves],
    ["steps a leaf", value.stepsPerLeaf],
    ["blocks taken in", value.absorbed],
    ["commitment", value.phi],
    [
      "proof",
      proof === undefined
        ? null
        : `${proof.file} (${proof.bytes} bytes, challenge: ${proof.challenge})`,
    ],
  ];
  context.print(value, fields);
};

export const timeProve = async (context: CliContext, options: ProveOptions): Promise<void> => {
  const target = targetOf(options);
  const path = resolve(context.cwd, options.state);
  const head = await prepare(context, path, options);
  const { duty, for: span } = options;
  const began = realClock.monotonicMs();
  const { keeper, end, opening, computed } = startKeeper(context, path, target, duty, span);
  try {
    const run = await finishRun(context, keeper, options);
    computed(run.leaves);
    if (span !== undefined) {
      const spentMs = realClock.monotonicMs() - began;
      const early = { askedMs: span, spentMs, most: target };
      const note = endsEarly(options.profile, run.leaves, early);
      if (note !== undefined) context.note(note);
    }
    if (options.commit === true) {
      printRun(context, head, run, undefined);
      context.note(
        "publish the commitment; when a seed is drawn: nexus time open --challenge SEED",
      );
      return;
    }
    opening(head.parameters.selfChallenges);
    const opened = await keeper.open(undefined, upTo(head.parameters.selfChallenges), "ends");
    writeProof(resolve(context.cwd, options.out), head, run, "self", opened);
    end(true);
    printRun(context, head, run, {
      file: options.out,
      challenge: "self",
      bytes: opened.proof.length,
    });
    context.suggest(`nexus time verify ${options.out}`);
  } finally {
    end();
    await keeper.stop();
  }
};

const heightsOf = (list: readonly string[] | undefined): readonly number[] | "ends" => {
  if (list === undefined) return "ends";
  if (list.length > LIMITS.timeShownBlocksMax) {
    throw new TetradError("cli.usage", `at most ${LIMITS.timeShownBlocksMax} blocks at a time`);
  }
  return list.map((text) => {
    if (/^[0-9]{1,15}$/.test(text)) return Number(text);
    throw new TetradError("cli.usage", `--block ${text} is not a height`);
  });
};

export const timeOpen = async (context: CliContext, options: OpenOptions): Promise<void> => {
  const seed =
    options.challenge === undefined ? undefined : hashOption("--challenge", options.challenge);
  const blocks = heightsOf(options.block);
  const path = resolve(context.cwd, options.state);
  const state = readStateFile(path);
  if (state.finished === 0) {
    throw new TetradError("time.state", `the run in ${path} is not finished`, {
      next: "`nexus time prove` with the options of that run goes on with it",
    });
  }
  const kind = seed === undefined ? "self" : "given";
  const { challenges, selfChallenges } = state.parameters;
  const count = seed === undefined ? selfChallenges : challenges;
  const keep = startKeeper(context, path, state.finished, options.duty, undefined);
  try {
    const run = await keep.keeper.finished;
    keep.computed(run.leaves);
    keep.opening(count);
    const opened = await keep.keeper.open(seed, upTo(count), blocks);
    writeProof(resolve(context.cwd, options.out), state, run, kind, opened);
    keep.end(true);
    const proof = { file: options.out, challenge: kind, bytes: opened.proof.length };
    printRun(context, state, run, proof);
    context.suggest(`nexus time verify ${options.out}`);
  } finally {
    keep.end();
    await keep.keeper.stop();
  }
};
