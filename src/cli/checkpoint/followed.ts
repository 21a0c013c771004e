/**
 * Whose signatures on checkpoints count for `nexus checkpoint`: the validators of the genesis, or, on a chain whose
 * validators change, those of the set that proofs lead to from what is trusted.
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { rememberVerified } from "../../client/prover.ts";
import { type FollowedSet, followFile, followSets, SetWalk } from "../../client/validator-sets.ts";
import { falconVerify } from "../../crypto/falcon.ts";
import { TetradError } from "../../errors.ts";
import { firstValidators, type Genesis, parseGenesis } from "../../ledger/genesis.ts";
import { type CheckpointPolicy, checkpointPolicyOf } from "../../ledger/verify/checkpoint.ts";
import { CHECKPOINT_FORMAT, parseTrust, type Trust } from "../../ledger/verify/trust.ts";
import { LIMITS } from "../../limits.ts";
import type { CliContext } from "../context.ts";
import type { KeepOptions } from "./keep.ts";
import { readText } from "./read-text.ts";

export type TrustOptions = { readonly trust?: string; readonly genesis?: string };
export type SetsOptions = TrustOptions & KeepOptions;

export type Signers = {
  readonly policy: CheckpointPolicy;
  /** Absent where the validators are those of the genesis for good. */
  readonly followed?: FollowedSet;
};

/** What is trusted, and the genesis where that is one. */
export type Trusted = { readonly trust: Trust; readonly genesis?: Genesis };

/** What was named, or the genesis of the network in the folder. */
export const trustedBy = (context: CliContext, options: TrustOptions): Trusted => {
  const { trust: named = options.genesis } = options;
  if (options.trust !== undefined && options.genesis !== undefined) {
    throw new TetradError("cli.usage", "--trust and --genesis say the same: give one of them");
  }
  const path =
    named === undefined ? join(context.dir, "genesis.json") : resolve(context.cwd, named);
  if (named === undefined && !existsSync(path)) {
    throw new TetradError(
      "cli.usage",
      "say which genesis or checkpoint to trust with --trust FILE",
    );
  }
  const text = readText(path, LIMITS.genesisBytesMax);
  const trust = parseTrust(text);
  if (!trust.ok) throw new TetradError(trust.code, `${path}: ${trust.detail}`);
  if (text.includes(`"${CHECKPOINT_FORMAT}"`)) return { trust: trust.value };
  const genesis = parseGenesis(text);
  if (!genesis.ok) throw new TetradError(genesis.code, `${path}: ${genesis.detail}`);
  return { trust: trust.value, genesis: genesis.value.genesis };
};

/** The policy of a chain whose validators are those of its genesis for good. */
const fixedPolicy = (
  { genesis }: Trusted,
  { sets, checkpoint }: SetsOptions,
): CheckpointPolicy | undefined => {
  if (genesis === undefined || genesis.proofs.stake !== null) return undefined;
  if (sets !== undefined || checkpoint !== undefined) {
    const detail = "the validators of this chain are those of its genesis for good";
    throw new TetradError("cli.usage", `${detail}: there is nothing to follow`);
  }
  return checkpointPolicyOf({ chainId: genesis.chainId, validators: firstValidators(genesis) });
};

const walkFrom = (context: CliContext, { trust }: Trusted, sets: string | undefined): SetWalk => {
  const walk = new SetWalk(trust, rememberVerified(falconVerify), sets !== undefined);
  if (sets === undefined || !existsSync(resolve(context.cwd, sets))) return walk;
  const path = resolve(context.cwd, sets);
  const followed = followFile(readText(path, LIMITS.setsFileMax), walk);
  if (!followed.ok) {
    throw new TetradError(followed.code, `${path}: ${followed.detail}`, followed.data);
  }
  return walk;
};

/** Offline: by the genesis, or by the steps in the file of --sets. */
export const signersOffline = (context: CliContext, options: SetsOptions): Signers => {
  const trusted = trustedBy(context, options);
  const policy = fixedPolicy(trusted, options);
  if (policy !== undefined) return { policy };
  const { sets } = options;
  if (sets === undefined || !existsSync(resolve(context.cwd, sets))) {
    const detail =
      sets === undefined
        ? "the validators of this chain change: name the steps from set to set with --sets FILE"
        : `${resolve(context.cwd, sets)} is not there`;
    throw new TetradError("cli.usage", detail, {
      next: "`nexus checkpoint show --sets FILE` asks a node for them and keeps them",
    });
  }
  const { reached } = walkFrom(context, trusted, sets);
  if (reached === undefined) throw new TetradError("internal", "a walk without an end");
  return { policy: reached.policy, followed: reached };
};

/**
 * Online: by the genesis, or by the set that the node leads to with proofs. `again` walks on from there, for when
 * an epoch has begun meanwhile.
 */
export const signersOnline = async (
  context: CliContext,
  options: SetsOptions,
): Promise<{ readonly first: Signers; again(): Promise<Signers> }> => {
  const trusted = trustedBy(context, options);
  const policy = fixedPolicy(trusted, options);
  if (policy !== undefined) {
    const first = { policy };
    return { first, again: async () => first };
  }
  const walk = walkFrom(context, trusted, options.sets);
  const client = context.client();
  const again = async (): Promise<Signers> => {
    const followed = await followSets(client, walk, context.signal);
    return { policy: followed.policy, followed };
  };
  return { first: await again(), again };
};
