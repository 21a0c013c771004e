/** The check of an opened list of shares. */
import { equalBytes, toHex } from "../../crypto/bytes.ts";
import { createHasher } from "../../crypto/hash.ts";
import { TetradError } from "../../errors.ts";
import { realClock } from "../../node/real-ports.ts";
import {
  decodeShareOpening,
  type ShareParameters,
  verifyShares,
  WORK_PROFILES,
  type WorkProfile,
} from "../../proofs/work/index.ts";
import type { OpeningFile } from "./files.ts";
import type { Report } from "./report.ts";
import { hash32 } from "./subject.ts";

export type OpeningOptions = {
  readonly chainId?: string;
  readonly profile?: WorkProfile;
  readonly validator?: string;
  readonly epochSeed?: string;
  readonly seed?: string;
};

const foreign = (what: string): TetradError =>
  new TetradError("work.foreign", `the file is for another ${what} than the one that was named`);

const sameParameters = (a: ShareParameters, b: ShareParameters): boolean =>
  a.scryptN === b.scryptN && a.difficulty === b.difficulty && a.triesPerUnit === b.triesPerUnit;

/** Compares the file with what the caller knows; returns what it was not compared with. */
const compare = (options: OpeningOptions, file: OpeningFile): string[] => {
  const unknown: string[] = [];
  if (options.chainId === undefined) unknown.push("--chain-id");
  else if (options.chainId !== file.chainId) throw foreign("chain");
  if (options.profile === undefined) unknown.push("--profile");
  else if (!sameParameters(WORK_PROFILES[options.profile].shares, file.parameters)) {
    throw foreign("profile");
  }
  const hashes = [
    ["--validator", options.validator, file.subject.validator, "validator"],
    ["--epoch-seed", options.epochSeed, file.subject.epochSeed, "epoch"],
    ["--seed", options.seed, file.seed, "seed"],
  ] as const;
  for (const [flag, given, own, what] of hashes) {
    if (given === undefined) unknown.push(flag);
    else if (!equalBytes(hash32(flag, given), own)) throw foreign(what);
  }
  return unknown;
};

/** Codes: work.foreign by throwing; work.malformed and work.shares in the report. */
export const checkOpening = (options: OpeningOptions, file: OpeningFile): Report => {
  const unknown = compare(options, file);
  const { chainId, subject, parameters, seed } = file;
  const startedMs = realClock.monotonicMs();
  const opening = decodeShareOpening(file.opening);
  if (!opening.ok) {
    return { kind: "shares", result: opening, fields: [], shows: [], not: [], unknown, ms: 0 };
  }
  const { commitment, opened } = opening.value;
  const hasher = createHasher(chainId);
  const result = verifyShares(hasher, parameters, subject, opening.value, seed);
  const ms = realClock.monotonicMs() - startedMs;
  if (!result.ok) return { kind: "shares", result, fields: [], shows: [], not: [], unknown, ms };
  const { scryptN, difficulty } = parameters;
  const tries = commitment.count * difficulty;
  return {
    kind: "shares",
    result,
    ms,
    fields: [
      ["chain", chainId],
      ["validator", toHex(subject.validator)],
      ["epoch seed", toHex(subject.epochSeed)],
      ["commitment", `${toHex(commitment.root)}, ${commitment.count} shares`],
      ["opened", `${opened.length} shares, named by ${toHex(seed).slice(0, 16)}…`],
      ["a share", `one in ${difficulty} of scrypt(N=${scryptN}, r=1, p=1), ${scryptN / 8} KiB`],
      ["units", result.value.units],
    ],
    shows: [
      `all opened shares are true; of ${commitment.count} they would be about ${tries} tries`,
      opened.length === commitment.count
        ? "none of the others is empty: there are no others"
        : "a tenth of all missing would have passed with odds of 3.4 %, a fifth with 0.08 %",
    ],
    not: [
      "on whose machine: rented work is work for its epoch",
      "that the seed was unknown when the commitment was made: that is for the log to show",
      "anything to a node of this version, whose voting power is its bond alone",
    ],
    unknown,
  };
};
