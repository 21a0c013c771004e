/** `nexus checkpoint show|keys`: the cosigned checkpoint of a node, checked, and whose keys sign it. */
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fetchCheckpoint, fetchConsistency } from "../../client/tlog.ts";
import { toHex } from "../../crypto/bytes.ts";
import { TetradError } from "../../errors.ts";
import { firstValidators } from "../../ledger/genesis.ts";
import {
  type CheckpointAlgorithm,
  type CheckpointPolicy,
  checkpointPolicyOf,
  formatPolicy,
  type VerifiedCheckpoint,
  verifyCheckpoint,
} from "../../ledger/verify/checkpoint.ts";
import { isoTime } from "../../ledger/verify/iso-time.ts";
import { formatVkey } from "../../ledger/verify/note.ts";
import { LIMITS } from "../../limits.ts";
import { writeFileAtomic } from "../../node/folder.ts";
import { readGenesis } from "../../node/read-genesis.ts";
import type { CliContext } from "../context.ts";

type TrustOptions = { readonly genesis?: string };

/** What is trusted: the genesis that was named, or that of the network in the folder. */
const policyOf = (context: CliContext, { genesis }: TrustOptions): CheckpointPolicy => {
  const path =
    genesis === undefined ? join(context.dir, "genesis.json") : resolve(context.cwd, genesis);
  if (genesis === undefined && !existsSync(path)) {
    throw new TetradError("cli.usage", "say which genesis to trust with --genesis FILE");
  }
  const { genesis: named } = readGenesis(path);
  return checkpointPolicyOf({ chainId: named.chainId, validators: firstValidators(named) });
};

export const checkpointKeys = async (context: CliContext, options: TrustOptions): Promise<void> => {
  const policy = policyOf(context, options);
  if (context.format === "table") return context.terminal.out(formatPolicy(policy));
  const items = policy.members.map(({ name, weight, keys }) => ({
    name,
    weight: weight.toString(),
    ed25519: formatVkey(keys.ed25519),
    mlDsa44: formatVkey(keys.mlDsa44),
    falcon: formatVkey(keys.falcon),
  }));
  context.printList(items, [], []);
};

type ShowOptions = TrustOptions & {
  readonly algorithm: CheckpointAlgorithm;
  readonly since?: string;
  readonly save?: string;
};

export const checkpointShow = async (context: CliContext, options: ShowOptions): Promise<void> => {
  const policy = policyOf(context, options);
  const tlog = { base: context.apiUrl(), signal: context.signal };
  const bytes = await fetchCheckpoint(tlog);
  const checkpoint = verified(policy, bytes, options.algorithm);
  const keptAt = (path: string): VerifiedCheckpoint =>
    verified(policy, readNote(path), options.algorithm);
  const save = options.save === undefined ? undefined : resolve(context.cwd, options.save);
  // What is kept already is not replaced by one that is older, or of another history.
  const kept = save !== undefined && existsSync(save) ? keptAt(save) : undefined;
  const named = options.since === undefined ? undefined : resolve(context.cwd, options.since);
  const since = named === undefined || named === save ? kept : keptAt(named);
  for (const older of new Set([kept, since])) {
    if (older !== undefined) await fetchConsistency(tlog, older, checkpoint);
  }
  if (save !== undefined) writeFileAtomic(save, bytes);
  print(context, checkpoint, options, since);
};

const verified = (
  policy: CheckpointPolicy,
  bytes: Uint8Array,
  algorithm: CheckpointAlgorithm,
): VerifiedCheckpoint => {
  const checkpoint = verifyCheckpoint(policy, bytes, algorithm);
  if (!checkpoint.ok) throw TetradError.from(checkpoint);
  return checkpoint.value;
};

const readNote = (path: string): Uint8Array => {
  try {
    return readFileSync(path).subarray(0, LIMITS.noteBytesMax + 1);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "?";
    throw new TetradError("cli.usage", `${path} cannot be read (${code})`);
  }
};

const print = (
  context: CliContext,
  { origin, size, root, timeS, signers }: VerifiedCheckpoint,
  { algorithm }: ShowOptions,
  since: VerifiedCheckpoint | undefined,
): void => {
  // A note of Ed25519 lines has no time in it.
  const time = timeS === 0 ? null : isoTime(timeS * 1000);
  const grown = since === undefined ? {} : { since: since.size };
  context.print({ origin, size, root: toHex(root), time, algorithm, signers, ...grown }, [
    ["origin", origin],
    ["size", size],
    ["root", toHex(root)],
    ["time", time ?? "not stated"],
    ["signed by", `${signers.join(", ")} (${algorithm})`],
    ...(since === undefined ? [] : [["continues", since.size] as const]),
  ]);
};
