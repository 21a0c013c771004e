/** `nexus time delay` and `nexus time delay-verify`: a seed that takes its time to become another one. */
import { resolve } from "node:path";
import { equalBytes, toHex } from "../../crypto/bytes.ts";
import { createHasher } from "../../crypto/hash.ts";
import { TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { writeFileAtomic } from "../../node/folder.ts";
import { realClock } from "../../node/real-ports.ts";
import { runDelay } from "../../node/timekeeper/delay.ts";
import { delayedSeed, verifyDelay } from "../../proofs/time/delay.ts";
import type { CliContext } from "../context.ts";
import { createProgress } from "../progress.ts";
import { type DelayFile, formatDelayFile, parseDelayFile } from "../time/delay-file.ts";
import { chainIdOf, hashOption } from "../time/options.ts";
import { readProofText } from "../time/read.ts";

type DelayOptions = {
  readonly seed: string;
  readonly steps: number;
  readonly checkpoints: number;
  readonly duty: number;
  readonly chainId?: string;
  readonly out: string;
};

const print = (
  context: CliContext,
  file: DelayFile,
  more: Record<string, string | number>,
): void => {
  const { checkpoints, iterations } = file.parameters;
  const value = {
    chainId: file.chainId,
    seed: toHex(file.seed),
    steps: checkpoints * iterations,
    checkpoints,
    output: toHex(delayedSeed(createHasher(file.chainId), file.seed, file.checkpoints)),
    ...more,
  };
  context.print(
    value,
    Object.entries(value).map(([name, field]) => [name === "chainId" ? "chain" : name, field]),
  );
};

export const timeDelay = async (context: CliContext, options: DelayOptions): Promise<void> => {
  const seed = hashOption("--seed", options.seed);
  const { checkpoints } = options;
  const iterations = Math.ceil(options.steps / checkpoints);
  if (iterations > LIMITS.delaySegmentIterationsMax) {
    const most = checkpoints * LIMITS.delaySegmentIterationsMax;
    throw new TetradError("cli.usage", `${checkpoints} checkpoints allow at most ${most} steps`);
  }
  const chainId = await chainIdOf(context, options.chainId);
  const parameters = { checkpoints, iterations };
  const now = realClock.monotonicMs;
  const progress = createProgress(context.terminal, "delaying", "checkpoints", now);
  const began = now();
  let file: DelayFile;
  try {
    const start = { chainId, seed, parameters, duty: options.duty };
    const computed = await runDelay(start, context.signal, (done) => {
      if (context.options.quiet !== true) progress.update(done, checkpoints);
    });
    file = { chainId, seed, parameters, checkpoints: computed };
  } finally {
    progress.end();
  }
  writeFileAtomic(resolve(context.cwd, options.out), formatDelayFile(file));
  print(context, file, { seconds: Math.round(now() - began) / 1000, file: options.out });
};

/** Checks all segments side by side. Throws time.foreign for another seed or chain than was named. */
export const timeDelayVerify = async (
  context: CliContext,
  options: { readonly seed?: string; readonly chainId?: string },
  path = "-",
): Promise<void> => {
  const parsed = parseDelayFile(await readProofText(context, path));
  if (!parsed.ok) throw TetradError.from(parsed);
  const file = parsed.value;
  if (options.seed !== undefined && !equalBytes(hashOption("--seed", options.seed), file.seed)) {
    throw new TetradError("time.foreign", "the delay is of another seed");
  }
  if (options.chainId !== undefined && options.chainId !== file.chainId) {
    throw new TetradError("time.foreign", "the delay is of another chain");
  }
  const began = realClock.monotonicMs();
  const verdict = verifyDelay(
    createHasher(file.chainId),
    file.seed,
    file.parameters,
    file.checkpoints,
  );
  if (!verdict.ok) throw TetradError.from(verdict);
  const seconds = Math.round(realClock.monotonicMs() - began) / 1000;
  print(context, file, { result: "valid", seconds });
};
