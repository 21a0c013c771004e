/** Small runs, made by the product and by the reference from the same description. */
import { createHasher } from "../../../src/crypto/hash.ts";
import { openRun } from "../../../src/proofs/time/open.ts";
import type { TimeParameters } from "../../../src/proofs/time/parameters.ts";
import { createTimeRun, type TimeRun } from "../../../src/proofs/time/run.ts";
import { upTo } from "../../../src/proofs/time/statement.ts";
import type { TimeProofInput } from "../../../src/proofs/time/verify.ts";
import type { ReferenceInput } from "./reference.ts";

export const filled = (value: number): Uint8Array => new Uint8Array(32).fill(value);

/** Nodes of height `keptFrom` and more are kept. */
export const parametersOf = (keptFrom: number, challenges = 8): TimeParameters => ({
  tailBlocks: 2,
  leavesLog2Max: 17 + keptFrom,
  challenges,
  selfChallenges: 16,
});

export const described = (leaves: number, more: Partial<ReferenceInput> = {}): ReferenceInput => ({
  chain: "time-test",
  tailBlocks: 2,
  epoch: 7,
  seed: filled(1),
  timekeeper: filled(2),
  members: filled(3),
  leaves,
  ...more,
});

export const beginRun = (input: ReferenceInput, parameters: TimeParameters): TimeRun => {
  const { epoch, seed, timekeeper, members } = input;
  return createTimeRun(createHasher(input.chain), parameters, { epoch, seed, timekeeper, members });
};

export const fullRun = (input: ReferenceInput, parameters: TimeParameters): TimeRun => {
  const run = beginRun(input, parameters);
  for (let leaf = 0; leaf < input.leaves; leaf++) run.append(input.blocks?.get(leaf));
  return run;
};

/** The end of a generator. */
export const returned = <T>(steps: Generator<unknown, T, void>): T => {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
};

export const proofOf = (run: TimeRun, seed: Uint8Array, challenges: number): Uint8Array =>
  returned(openRun(run, seed, upTo(challenges)));

export const inputOf = (run: TimeRun): TimeProofInput => ({
  hasher: run.hasher,
  parameters: run.parameters,
  statement: run.statement,
  commitment: run.finish().commitment,
});
