/**
 * The thread of a timekeeper: computes leaves in slices of some milliseconds, rests between them as the duty
 * cycle says, and keeps what it has in the state file, so that a crash costs a second.
 */
import { performance } from "node:perf_hooks";
import { parentPort, workerData } from "node:worker_threads";
import { createHasher } from "../../crypto/hash.ts";
import { isErrorCode, TetradError } from "../../errors.ts";
import { whyNotNext } from "../../proofs/time/absorbed.ts";
import { openBlock, openRun } from "../../proofs/time/open.ts";
import { createTimeRun, type TimeRun } from "../../proofs/time/run.ts";
import { selfSeed } from "../../proofs/time/statement.ts";
import { verifyRun } from "../../proofs/time/verify.ts";
import type { FromWorker, ToWorker, WorkerStart } from "./messages.ts";
import { openStateFile, type RunState, type StateFile } from "./state-file.ts";

const SLICE_MS = 20;
const SAVE_MS = 1_000;
/** Blocks that wait for a leaf; the newest is the one that says most. */
const WAITING_MAX = 64;

const port = parentPort;
if (port === null) throw new Error("this file is the entry of a worker thread");
const send = (message: FromWorker): void => port.postMessage(message);

type Block = { readonly height: number; readonly hash: Uint8Array };

const start = workerData as WorkerStart;
const waiting: Block[] = [];
const orders: (ToWorker & { kind: "open" })[] = [];
let { duty } = start;
let stopping = false;
let finishing = false;
/** Ends the pause that the thread is in. */
let wake = (): void => {};

/** Waits for so long, or until a message comes; messages are read meanwhile. */
const pause = (ms: number | undefined): Promise<void> =>
  new Promise((resolve) => {
    const timer = ms === undefined || ms < 1 ? undefined : setTimeout(resolve, ms);
    if (ms !== undefined && ms < 1) setImmediate(resolve);
    wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });

/** Goes on where the state is: whole subtrees from their labels, the rest of a finished run computed again. */
const resume = (state: RunState): TimeRun => {
  const run = createTimeRun(createHasher(state.chainId), state.parameters, state.statement);
  run.restore(state.labels, state.absorbed);
  if (state.finished === 0) return run;
  const blocks = new Map(state.absorbed.map((entry) => [entry.leaf, entry]));
  while (run.leaves() < state.finished) run.append(blocks.get(run.leaves()));
  return run;
};

/** Writes what is new since the last time. */
const createSaver = (run: TimeRun, file: StateFile, state: RunState): ((last: boolean) => void) => {
  let labels = state.labels.length / 32;
  // Of blocks behind the last whole subtree nothing is kept: their leaves are computed anew, with other ones.
  let absorbed = run.absorbed().length;
  let isFinished = state.finished > 0;
  return (last) => {
    if (isFinished) return;
    const fresh = run.keptLabels(labels);
    const whole = (labels + fresh.length / 32) * 2 ** run.keptFrom;
    const entries = run
      .absorbed()
      .slice(absorbed)
      .filter(({ leaf }) => last || leaf < whole);
    if (fresh.length === 0 && !last) return;
    file.append({ labels: fresh, absorbed: entries, finished: last ? run.leaves() : 0 });
    labels += fresh.length / 32;
    absorbed += entries.length;
    isFinished = last;
  };
};

/** The next block that can follow what the run has taken in. */
const nextBlock = (run: TimeRun): Block | undefined => {
  for (let block = waiting.shift(); block !== undefined; block = waiting.shift()) {
    const list = run.absorbed();
    if (whyNotNext(list.at(-1), list.length, block.height, block.hash) === undefined) return block;
  }
  return undefined;
};

/** Computes for one slice; how long it took, milliseconds. */
const computeSlice = (run: TimeRun): number => {
  const began = performance.now();
  let spent = 0;
  while (spent < SLICE_MS && run.leaves() < start.leaves) {
    for (let i = 0; i < 16 && run.leaves() < start.leaves; i++) run.append(nextBlock(run));
    spent = performance.now() - began;
  }
  return spent;
};

/** Rests so long that what was spent is the duty's share. */
const rest = async (spentMs: number): Promise<void> => {
  const until = performance.now() + spentMs * (100 / duty - 1);
  do await pause(Math.max(0, until - performance.now()));
  while (!stopping && performance.now() < until);
};

const open = async (run: TimeRun, order: ToWorker & { kind: "open" }): Promise<void> => {
  const { commitment } = run.finish();
  const seed = order.seed ?? selfSeed(run.hasher, run.chi, commitment.phi);
  const steps = openRun(run, seed, order.challenges);
  let began = performance.now();
  for (let done = 1; ; done++) {
    const step = steps.next();
    if (step.done === true) {
      const input = { ...run, commitment };
      const verdict = verifyRun(input, seed, order.challenges, step.value);
      // A label that memory or disk has changed would make a proof that nobody takes.
      if (!verdict.ok) throw new TetradError("time.state", `the run is damaged: ${verdict.detail}`);
      const list = run.absorbed();
      const ends = [list[0], list.length > 1 ? list.at(-1) : undefined];
      const heights =
        order.blocks === "ends" ? ends.flatMap((end) => end?.height ?? []) : order.blocks;
      const blocks = heights.map((height) => {
        const opened = openBlock(run, height);
        if (!opened.ok) throw TetradError.from(opened);
        return opened.value;
      });
      send({ kind: "opened", seed, proof: step.value, blocks });
      return;
    }
    send({ kind: "opening", done });
    await rest(performance.now() - began);
    if (stopping) return;
    began = performance.now();
  }
};

const work = async (): Promise<void> => {
  const { state, file, cutBytes } = openStateFile(start.path);
  try {
    const run = resume(state);
    const save = createSaver(run, file, state);
    const absorbed = (): number => run.absorbed().length;
    send({ kind: "ready", leaves: run.leaves(), absorbed: absorbed(), cutBytes });
    let savedAt = performance.now();
    finishing ||= state.finished > 0;
    while (!stopping && !finishing && run.leaves() < start.leaves) {
      await rest(computeSlice(run));
      send({ kind: "progress", leaves: run.leaves(), absorbed: absorbed() });
      if (performance.now() - savedAt < SAVE_MS) continue;
      save(false);
      savedAt = performance.now();
    }
    if (stopping) save(false);
    else {
      const { leaves, phi } = run.finish().commitment;
      save(true);
      send({ kind: "finished", leaves, phi, absorbed: absorbed() });
    }
    while (!stopping) {
      const order = orders.shift();
      if (order === undefined) await pause(undefined);
      else await open(run, order);
    }
    send({ kind: "stopped", leaves: run.leaves() });
  } finally {
    file.close();
  }
};

port.on("message", (message: ToWorker) => {
  if (message.kind === "stop") stopping = true;
  else if (message.kind === "finish") finishing = true;
  else if (message.kind === "duty") duty = message.duty;
  else if (message.kind === "open") orders.push(message);
  else {
    if (waiting.length >= WAITING_MAX) waiting.shift();
    waiting.push({ height: message.height, hash: message.hash });
  }
  wake();
});

try {
  await work();
} catch (error) {
  const code = error instanceof TetradError && isErrorCode(error.code) ? error.code : "internal";
  send({ kind: "failed", code, detail: error instanceof Error ? error.message : String(error) });
}
port.close();
