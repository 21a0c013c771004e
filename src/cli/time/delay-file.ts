/** A computed delay as a file, for who checks it offline: JSON with exactly these keys. */
import { toHex } from "../../crypto/bytes.ts";
import type { Result } from "../../errors.ts";
import { CHAIN_ID } from "../../ledger/genesis.ts";
import { hexAt, integerAt, objectAt, textAt } from "../../ledger/strict-json.ts";
import { bytesAt, toBase64url } from "../../ledger/verify/base64url.ts";
import { LIMITS } from "../../limits.ts";
import type { DelayParameters } from "../../proofs/time/delay.ts";
import { readStrict } from "./read-strict.ts";

const FORMAT = "tetrad-time-delay";
const VERSION = 1;

export type DelayFile = {
  readonly chainId: string;
  readonly seed: Uint8Array;
  readonly parameters: DelayParameters;
  /** 16 bytes each, in one piece. */
  readonly checkpoints: Uint8Array;
};

export const formatDelayFile = ({ chainId, seed, parameters, checkpoints }: DelayFile): string =>
  `${JSON.stringify(
    {
      format: FORMAT,
      version: VERSION,
      chainId,
      seed: toHex(seed),
      checkpoints: parameters.checkpoints,
      iterations: parameters.iterations,
      proof: toBase64url(checkpoints),
    },
    null,
    2,
  )}\n`;

const KEYS = [
  "format",
  "version",
  "chainId",
  "seed",
  "checkpoints",
  "iterations",
  "proof",
] as const;

const fileAt = (value: unknown): DelayFile => {
  const json = objectAt("", value, KEYS);
  textAt("format", json.format, new RegExp(`^${FORMAT}$`), FORMAT.length);
  integerAt("version", json.version, VERSION, VERSION);
  const checkpoints = integerAt("checkpoints", json.checkpoints, 1, LIMITS.delayCheckpointsMax);
  const most = LIMITS.delaySegmentIterationsMax;
  return {
    chainId: textAt("chainId", json.chainId, CHAIN_ID, LIMITS.chainIdBytesMax),
    seed: hexAt("seed", json.seed, 32),
    parameters: { checkpoints, iterations: integerAt("iterations", json.iterations, 1, most) },
    checkpoints: bytesAt("proof", json.proof, 16 * checkpoints),
  };
};

/** Reads a file. Code: time.proof-malformed; data.path says where. */
export const parseDelayFile = (text: string): Result<DelayFile> => readStrict(text, fileAt);
