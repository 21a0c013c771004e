/** `nexus work shares` and `nexus work open`: a validator's memory-hard work of an epoch. */
import { toHex } from "../../crypto/bytes.ts";
import { createHasher } from "../../crypto/hash.ts";
import { TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { realClock } from "../../node/real-ports.ts";
import { searchShares } from "../../node/work/search.ts";
import {
  commitShares,
  encodeShareOpening,
  openShares,
  type WorkProfile,
  workUnits,
} from "../../proofs/work/index.ts";
import type { CliContext } from "../context.ts";
import { createProgress } from "../progress.ts";
import {
  type OpeningFile,
  readWorkFile,
  type SharesFile,
  workFileJson,
  writeWorkFile,
} from "../work/files.ts";
import { chainOf, hash32, profileOf } from "../work/subject.ts";

type SharesOptions = {
  readonly chainId?: string;
  readonly epochSeed: string;
  readonly validator: string;
  readonly profile: WorkProfile;
  readonly threads: number;
  readonly count?: number;
  readonly time?: number;
  readonly out: string;
};

export const workShares = async (context: CliContext, options: SharesOptions): Promise<void> => {
  const { count, time, threads } = options;
  if (count === undefined && time === undefined) {
    throw new TetradError("cli.usage", "give --count or --time: when is it enough?");
  }
  const chainId = chainOf(context, options.chainId);
  const subject = {
    epochSeed: hash32("--epoch-seed", options.epochSeed),
    validator: hash32("--validator", options.validator),
  };
  const { shares: parameters } = profileOf(options.profile);
  const { difficulty, scryptN } = parameters;
  context.note(`a share takes ${difficulty} tries on average, of ${scryptN / 8} KiB each`);
  const progress = createProgress(context.terminal, "filling", "tries", realClock.monotonicMs);
  const startedMs = realClock.monotonicMs();
  const found = await searchShares({
    chainId,
    parameters,
    subject,
    threads,
    count: count ?? LIMITS.workSharesMax,
    signal: context.signal,
    until: time === undefined ? undefined : AbortSignal.timeout(time),
    onProgress(_, tries) {
      // With a time there is no number to go for: the bar shows that it goes on.
      const total = count === undefined ? tries : count * difficulty;
      if (context.options.quiet !== true) progress.update(tries, total);
    },
  });
  progress.end();
  if (found.nonces.length === 0) {
    throw new TetradError("work.shares", "no share was found in that time: give it more");
  }
  const { nonces, tries } = found;
  const file: SharesFile = { format: "tetrad-shares-1", chainId, subject, parameters, nonces };
  const path = await writeWorkFile(context.cwd, options.out, file);
  const commitment = commitShares(createHasher(chainId), nonces);
  const ms = realClock.monotonicMs() - startedMs;
  const value = {
    file: path,
    root: toHex(commitment.root),
    count: commitment.count,
    units: workUnits(parameters, commitment.count),
    tries,
    seconds: Math.round(ms / 100) / 10,
  };
  context.print(value, [
    ["written", path],
    ["commitment", value.root],
    ["shares", `${value.count}, ${tries} tries in ${value.seconds} s`],
    ["units", value.units],
  ]);
  context.suggest(`nexus work open ${options.out} --seed HEX --out opening.json`);
};

type OpenOptions = { readonly seed: string; readonly out: string };

export const workOpen = async (
  context: CliContext,
  options: OpenOptions,
  name = "",
): Promise<void> => {
  const file = await readWorkFile(context.cwd, name);
  if (file.format !== "tetrad-shares-1") {
    throw new TetradError("work.malformed", `${name} is no list of shares but ${file.format}`);
  }
  const { chainId, subject, parameters, nonces } = file;
  const seed = hash32("--seed", options.seed);
  const opening = openShares(createHasher(chainId), nonces, seed);
  const encoded = encodeShareOpening(opening);
  const opened: OpeningFile = {
    format: "tetrad-share-opening-1",
    chainId,
    subject,
    parameters,
    seed,
    opening: encoded,
  };
  const path = await writeWorkFile(context.cwd, options.out, opened);
  context.print({ ...workFileJson(opened), file: path }, [
    ["written", path],
    ["commitment", `${toHex(opening.commitment.root)}, ${opening.commitment.count} shares`],
    ["opened", `${opening.opened.length} shares, ${encoded.length} bytes`],
  ]);
  context.suggest(`nexus work verify ${options.out}`);
};
