/**
 * A proof of elapsed time as a file, for who checks it offline: JSON with exactly these keys, so that two
 * people cannot read it in two ways. Nothing in it is believed: whoever checks says what it is to be about.
 */

import { toHex } from "../../crypto/bytes.ts";
import type { Result } from "../../errors.ts";
import { CHAIN_ID } from "../../ledger/genesis.ts";
import { hexAt, integerAt, listAt, objectAt, textAt, Wrong } from "../../ledger/strict-json.ts";
import { bytesAt, toBase64url } from "../../ledger/verify/base64url.ts";
import { LIMITS } from "../../limits.ts";
import { checkTimeParameters, type TimeParameters } from "../../proofs/time/parameters.ts";
import type { TimeCommitment, TimeStatement } from "../../proofs/time/statement.ts";
import { readStrict } from "./read-strict.ts";

export const TIME_FILE_FORMAT = "tetrad-time-proof";
export const TIME_FILE_VERSION = 1;

export type TimeFile = {
  readonly chainId: string;
  readonly parameters: TimeParameters;
  readonly statement: TimeStatement;
  readonly commitment: TimeCommitment;
  /** `self`: the seed follows from the commitment; `given`: somebody drew it after the commitment. */
  readonly challenge: { readonly kind: "self" | "given"; readonly seed: Uint8Array };
  /** As open.ts has it. */
  readonly proof: Uint8Array;
  /** Proofs that blocks were taken in. */
  readonly blocks: readonly Uint8Array[];
};

/** How many leaves the challenge of a file opens. */
export const openedBy = (file: Pick<TimeFile, "challenge" | "parameters">): number =>
  file.challenge.kind === "self" ? file.parameters.selfChallenges : file.parameters.challenges;

export const formatTimeFile = (file: TimeFile): string => {
  const { statement, commitment, challenge } = file;
  const json = {
    format: TIME_FILE_FORMAT,
    version: TIME_FILE_VERSION,
    chainId: file.chainId,
    parameters: file.parameters,
    statement: {
      epoch: statement.epoch,
      seed: toHex(statement.seed),
      timekeeper: toHex(statement.timekeeper),
      members: toHex(statement.members),
    },
    commitment: { leaves: commitment.leaves, phi: toHex(commitment.phi) },
    challenge: { kind: challenge.kind, seed: toHex(challenge.seed) },
    proof: toBase64url(file.proof),
    blocks: file.blocks.map(toBase64url),
  };
  return `${JSON.stringify(json, null, 2)}\n`;
};

const PARAMETER_KEYS = ["tailBlocks", "leavesLog2Max", "challenges", "selfChallenges"] as const;

const parametersAt = (path: string, value: unknown): TimeParameters => {
  const json = objectAt(path, value, PARAMETER_KEYS);
  const of = (key: (typeof PARAMETER_KEYS)[number]): number =>
    integerAt(`${path}.${key}`, json[key], 0, 2 ** 31);
  const parameters = {
    tailBlocks: of("tailBlocks"),
    leavesLog2Max: of("leavesLog2Max"),
    challenges: of("challenges"),
    selfChallenges: of("selfChallenges"),
  };
  const checked = checkTimeParameters(parameters);
  if (!checked.ok) throw new Wrong(path, checked.detail);
  return parameters;
};

const statementAt = (path: string, value: unknown): TimeStatement => {
  const json = objectAt(path, value, ["epoch", "seed", "timekeeper", "members"]);
  return {
    epoch: integerAt(`${path}.epoch`, json.epoch, 0, Number.MAX_SAFE_INTEGER),
    seed: hexAt(`${path}.seed`, json.seed, 32),
    timekeeper: hexAt(`${path}.timekeeper`, json.timekeeper, 32),
    members: hexAt(`${path}.members`, json.members, 32),
  };
};

const FILE_KEYS = [
  "format",
  "version",
  "chainId",
  "parameters",
  "statement",
  "commitment",
  "challenge",
  "proof",
  "blocks",
] as const;

/** What a walk with its head takes at most: some 1 MiB, at the greatest parameters there may be. */
const PROOF_BYTES_MAX = 2 * 1024 * 1024;
const BLOCK_BYTES_MAX = 4 * 1024;

const fileAt = (value: unknown): TimeFile => {
  const json = objectAt("", value, FILE_KEYS);
  textAt("format", json.format, new RegExp(`^${TIME_FILE_FORMAT}$`), TIME_FILE_FORMAT.length);
  integerAt("version", json.version, TIME_FILE_VERSION, TIME_FILE_VERSION);
  const commitment = objectAt("commitment", json.commitment, ["leaves", "phi"]);
  const challenge = objectAt("challenge", json.challenge, ["kind", "seed"]);
  const kind = textAt("challenge.kind", challenge.kind, /^(self|given)$/, 5);
  return {
    chainId: textAt("chainId", json.chainId, CHAIN_ID, LIMITS.chainIdBytesMax),
    parameters: parametersAt("parameters", json.parameters),
    statement: statementAt("statement", json.statement),
    commitment: {
      leaves: integerAt("commitment.leaves", commitment.leaves, 1, 2 ** LIMITS.timeLeavesLog2Max),
      phi: hexAt("commitment.phi", commitment.phi, 32),
    },
    challenge: {
      kind: kind === "self" ? "self" : "given",
      seed: hexAt("challenge.seed", challenge.seed, 32),
    },
    proof: bytesAt("proof", json.proof, 1, PROOF_BYTES_MAX),
    blocks: listAt("blocks", json.blocks, 0, LIMITS.timeShownBlocksMax).map((block, i) =>
      bytesAt(`blocks[${i}]`, block, 1, BLOCK_BYTES_MAX),
    ),
  };
};

/** Reads a file. Code: time.proof-malformed; data.path says where. */
export const parseTimeFile = (text: string): Result<TimeFile> => readStrict(text, fileAt);
