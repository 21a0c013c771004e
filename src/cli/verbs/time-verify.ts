/** `nexus time verify`: checks a proof of elapsed time and says in words what follows from it. */
import { equalBytes, isZero, toHex } from "../../crypto/bytes.ts";
import { createHasher } from "../../crypto/hash.ts";
import { TetradError } from "../../errors.ts";
import type { Absorbed } from "../../proofs/time/absorbed.ts";
import { TIME_PROFILES, TIME_REFERENCE, type TimeProfile } from "../../proofs/time/parameters.ts";
import { selfSeed, timeChi, upTo } from "../../proofs/time/statement.ts";
import { verifyBlock, verifyRun } from "../../proofs/time/verify.ts";
import type { CliContext } from "../context.ts";
import { ageOf, type Claim, claimOf, countText, spanText } from "../time/claim.ts";
import { openedBy, parseTimeFile, type TimeFile } from "../time/file.ts";
import { hashOption } from "../time/options.ts";
import { readProofText } from "../time/read.ts";

type VerifyOptions = {
  readonly chainId?: string;
  readonly seed?: string;
  readonly challenge?: string;
  readonly phi?: string;
  readonly timekeeper?: string;
  readonly epoch?: number;
  readonly profile?: TimeProfile;
};

const readProof = async (context: CliContext, path: string): Promise<TimeFile> => {
  const file = parseTimeFile(await readProofText(context, path));
  if (!file.ok) throw TetradError.from(file);
  return file.value;
};

const sameParameters = (a: TimeFile["parameters"], b: TimeFile["parameters"]): boolean =>
  a.tailBlocks === b.tailBlocks &&
  a.leavesLog2Max === b.leavesLog2Max &&
  a.challenges === b.challenges &&
  a.selfChallenges === b.selfChallenges;

const profileOf = (file: TimeFile): TimeProfile | undefined =>
  (Object.keys(TIME_PROFILES) as TimeProfile[]).find((name) =>
    sameParameters(TIME_PROFILES[name], file.parameters),
  );

/** What is believed of the file because nobody has said what it must be. Throws time.foreign. */
const compare = (file: TimeFile, options: VerifyOptions): string[] => {
  const taken: string[] = [];
  const check = (name: string, flag: string | number | undefined, isSame: () => boolean): void => {
    if (flag === undefined) taken.push(name);
    else if (!isSame()) throw new TetradError("time.foreign", `the proof has another ${name}`);
  };
  const { statement, challenge, commitment } = file;
  const isHash = (flag: string, text: string | undefined, found: Uint8Array): boolean =>
    equalBytes(hashOption(flag, text ?? ""), found);
  check("chain", options.chainId, () => options.chainId === file.chainId);
  check("seed", options.seed, () => isHash("--seed", options.seed, statement.seed));
  check("timekeeper", options.timekeeper, () =>
    isHash("--timekeeper", options.timekeeper, statement.timekeeper),
  );
  check("epoch", options.epoch, () => options.epoch === statement.epoch);
  check("profile", options.profile, () => options.profile === profileOf(file));
  check("commitment", options.phi, () => isHash("--phi", options.phi, commitment.phi));
  if (challenge.kind === "given" || options.challenge !== undefined) {
    check("challenge", options.challenge, () =>
      isHash("--challenge", options.challenge, challenge.seed),
    );
  }
  return taken;
};

type Checked = {
  readonly opened: number;
  readonly absorbed: number;
  readonly blocks: readonly Absorbed[];
};

const checkProof = (file: TimeFile): Checked => {
  const { parameters, statement, commitment, challenge } = file;
  const hasher = createHasher(file.chainId);
  if (challenge.kind === "self") {
    const seed = selfSeed(hasher, timeChi(hasher, statement), commitment.phi);
    if (!equalBytes(seed, challenge.seed)) {
      throw new TetradError(
        "time.proof-invalid",
        "the challenge does not follow from the commitment",
      );
    }
  }
  const input = { hasher, parameters, statement, commitment };
  const verdict = verifyRun(input, challenge.seed, upTo(openedBy(file)), file.proof);
  if (!verdict.ok) throw TetradError.from(verdict);
  const blocks = file.blocks.map((bytes) => {
    const block = verifyBlock(input, bytes);
    if (!block.ok) throw TetradError.from(block);
    return block.value;
  });
  return { ...verdict.value, blocks };
};

const percent = (part: number): string => `${Number((100 * part).toPrecision(3))} %`;

/** The claim in words, with what it rests on. */
const wordsOf = (file: TimeFile, claim: Claim, taken: readonly string[]): string[] => {
  const { challenge, statement } = file;
  const words = [
    `at least ${percent(1 - claim.skipped)} of the leaves, ${countText(claim.steps)} steps of SHA-256, were ` +
      "computed one after another, after the seed was known",
    `that takes at least ${spanText(claim.leastSeconds)}, if nobody is more than ${TIME_REFERENCE.fasterMax} times ` +
      `as fast as ${TIME_REFERENCE.stepNs} ns a step`,
    challenge.kind === "given"
      ? `this fails with a chance of at most 2^-${claim.bits}, if the challenge was drawn after the commitment`
      : `this fails with a chance of at most 2^-${claim.bits} for each commitment that its maker has tried`,
    "it says nothing about the time of day, and nothing about who did it but whose name is in it",
  ];
  if (isZero(statement.timekeeper))
    words.push("it names no timekeeper: whoever has it can show it as their own");
  if (taken.length > 0) words.push(`taken from the file, for you to compare: ${taken.join(", ")}`);
  return words;
};

const resultOf = (file: TimeFile, checked: Checked, taken: readonly string[]) => {
  const { commitment, statement, challenge, parameters } = file;
  const claim = claimOf(commitment.leaves, parameters.tailBlocks, openedBy(file), challenge.kind);
  return {
    ok: true,
    chainId: file.chainId,
    profile: profileOf(file) ?? null,
    epoch: statement.epoch,
    seed: toHex(statement.seed),
    timekeeper: toHex(statement.timekeeper),
    phi: toHex(commitment.phi),
    challenge: { kind: challenge.kind, seed: toHex(challenge.seed) },
    leaves: commitment.leaves,
    stepsPerLeaf: parameters.tailBlocks,
    opened: checked.opened,
    absorbed: checked.absorbed,
    claim,
    blocks: checked.blocks.map(({ height, leaf, hash }) => ({
      height,
      hash: toHex(hash),
      leaf,
      ...ageOf(leaf, commitment.leaves, parameters.tailBlocks, claim.skipped),
    })),
    taken,
    words: wordsOf(file, claim, taken),
  };
};

export const timeVerify = async (
  context: CliContext,
  options: VerifyOptions,
  path = "-",
): Promise<void> => {
  const file = await readProof(context, path);
  const taken = compare(file, options);
  const result = resultOf(file, checkProof(file), taken);
  context.print(result, [
    ["result", "valid"],
    ["chain", result.chainId],
    ["profile", result.profile ?? `none of the known ones (${result.stepsPerLeaf} steps a leaf)`],
    ["seed", result.seed],
    ["commitment", result.phi],
    ["leaves", result.leaves],
    ["opened", `${result.opened}, challenge: ${result.challenge.kind}`],
    ["blocks taken in", result.absorbed],
    ...result.words.map((words, i): readonly [string, string] => [i === 0 ? "shows" : "", words]),
    ...result.blocks.map((block): readonly [string, string] => [
      `block ${block.height}`,
      `was known when at least ${block.leaves} leaves were yet to be computed: ` +
        `it is at least ${spanText(block.leastSeconds)} older than the commitment`,
    ]),
  ]);
};
