/** `nexus checkpoint show|verify|keys`: cosigned checkpoints, checked, and whose keys sign them. */
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { holdCheckpoint } from "../../client/past-sets.ts";
import { fetchCheckpoint, fetchConsistency } from "../../client/tlog.ts";
import type { FollowedSet, PolicyOfEpoch } from "../../client/validator-sets.ts";
import { toHex } from "../../crypto/bytes.ts";
import { TetradError } from "../../errors.ts";
import { firstValidators } from "../../ledger/genesis.ts";
import {
  type Checkpoint,
  type CheckpointAlgorithm,
  checkpointPolicyOf,
  formatPolicy,
  parseCheckpointText,
  type VerifiedCheckpoint,
  verifyCheckpoint,
} from "../../ledger/verify/checkpoint.ts";
import { isoTime } from "../../ledger/verify/iso-time.ts";
import { formatVkey, parseNote } from "../../ledger/verify/note.ts";
import { LIMITS } from "../../limits.ts";
import { writeFileAtomic } from "../../node/folder.ts";
import { sleep } from "../../node/real-ports.ts";
import {
  type SetsOptions,
  type Signers,
  signersOffline,
  signersOnline,
  type TrustOptions,
  trustedBy,
} from "../checkpoint/followed.ts";
import { prepareToKeep } from "../checkpoint/keep.ts";
import type { CliContext } from "../context.ts";

type KeysOptions = TrustOptions & { readonly sets?: string };

export const checkpointKeys = async (context: CliContext, options: KeysOptions): Promise<void> => {
  const { policy } =
    options.sets === undefined ? ofGenesis(context, options) : signersOffline(context, options);
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

/** The first set's keys, which are all that a genesis has. */
const ofGenesis = (context: CliContext, options: TrustOptions): Signers => {
  const { genesis } = trustedBy(context, options);
  if (genesis === undefined) {
    throw new TetradError("cli.usage", "a checkpoint has no keys: name the steps with --sets FILE");
  }
  const validators = firstValidators(genesis);
  if (genesis.proofs.stake !== null) {
    context.note("the keys of the first set: --sets FILE gives those of the set that it leads to");
  }
  return { policy: checkpointPolicyOf({ chainId: genesis.chainId, validators }) };
};

type VerifyOptions = SetsOptions & { readonly algorithm: CheckpointAlgorithm };
type ShowOptions = VerifyOptions & { readonly since?: string; readonly save?: string };

export const checkpointShow = async (context: CliContext, options: ShowOptions): Promise<void> => {
  const { signers, bytes, checkpoint } = await newest(context, options);
  const tlog = { base: context.apiUrl(), signal: context.signal };
  const save = options.save === undefined ? undefined : resolve(context.cwd, options.save);
  // What is kept already is not replaced by one that is older, or of another history.
  const kept = save !== undefined && existsSync(save) ? olderOf(signers, save, options) : undefined;
  const named = options.since === undefined ? undefined : resolve(context.cwd, options.since);
  const since = named === undefined || named === save ? kept : olderOf(signers, named, options);
  for (const older of new Set([kept, since])) {
    if (older !== undefined) await fetchConsistency(tlog, older, checkpoint);
  }
  const { followed } = signers;
  if (followed !== undefined) await sameLog(tlog, followed, checkpoint);
  const keep = prepareToKeep(context, options, followed);
  if (save !== undefined) writeFileAtomic(save, bytes);
  keep();
  print(context, { checkpoint, algorithm: options.algorithm, followed, since });
};

/** How often an epoch may begin between the set that was followed and the checkpoint that is fetched. */
const ROUNDS = 8;
const PAUSE_MS = 500;

type Newest = {
  readonly signers: Signers;
  readonly bytes: Uint8Array;
  readonly checkpoint: VerifiedCheckpoint;
};

/** The node's newest checkpoint, and the set that has signed it. */
const newest = async (context: CliContext, options: ShowOptions): Promise<Newest> => {
  const { first, again } = await signersOnline(context, options);
  let signers = first;
  for (let round = 1; ; round++) {
    try {
      const bytes = await fetchCheckpoint({ base: context.apiUrl(), signal: context.signal });
      const checkpoint = verified(signers, bytes, options.algorithm);
      return { signers, bytes, checkpoint };
    } catch (error) {
      // A node has none for a moment when a set begins, and what it has may be of the next one.
      const isOfOther =
        error instanceof TetradError && /^checkpoint\.(quorum|pending)$/.test(error.code);
      if (!isOfOther || signers.followed === undefined || round === ROUNDS) throw error;
      await sleep(PAUSE_MS);
      context.signal.throwIfAborted();
      signers = await again();
    }
  }
};

/** Throws checkpoint.inconsistent where the header that the set was proven with is of another log. */
const sameLog = async (
  tlog: Parameters<typeof fetchConsistency>[0],
  { header }: FollowedSet,
  checkpoint: VerifiedCheckpoint,
): Promise<void> => {
  const { origin } = checkpoint;
  const certified = { origin, size: header.logSize, root: header.logRoot };
  const [older, newer] =
    certified.size < checkpoint.size ? [certified, checkpoint] : [checkpoint, certified];
  if (older.size > 0) await fetchConsistency(tlog, older, newer);
};

export const checkpointVerify = async (
  context: CliContext,
  options: VerifyOptions,
  file = "",
): Promise<void> => {
  const bytes = readNote(resolve(context.cwd, file));
  const { policy, followed } = signersOffline(context, options);
  const { algorithm } = options;
  if (followed === undefined) {
    const checkpoint = verifyCheckpoint(policy, bytes, algorithm);
    if (!checkpoint.ok) throw TetradError.from(checkpoint);
    return print(context, { checkpoint: checkpoint.value, algorithm });
  }
  const { checkpoint, epoch } = signedByOne(followed.policies, bytes, algorithm);
  const held = holdCheckpoint(followed.policies, epoch, checkpoint);
  if (!held.ok) throw TetradError.from(held);
  // The file of steps is read here and not written: it is what was asked about.
  const { checkpoint: trust } = options;
  prepareToKeep(context, trust === undefined ? {} : { checkpoint: trust }, followed)();
  print(context, { checkpoint, algorithm, followed, epoch, heldAt: held.value?.height });
};

/** By whom a checkpoint is signed that was kept: the last set that its steps lead to, or one on the way. */
const signedByOne = (
  policies: readonly PolicyOfEpoch[],
  bytes: Uint8Array,
  algorithm: CheckpointAlgorithm,
): { readonly checkpoint: VerifiedCheckpoint; readonly epoch: number } => {
  let newestFailure: TetradError | undefined;
  for (const { epoch, policy } of policies) {
    const checkpoint = verifyCheckpoint(policy, bytes, algorithm);
    if (checkpoint.ok) return { checkpoint: checkpoint.value, epoch };
    newestFailure ??= TetradError.from(checkpoint);
    if (checkpoint.code !== "checkpoint.quorum") break;
  }
  throw newestFailure ?? new TetradError("internal", "no policy to check by");
};

const verified = (
  { policy, followed }: Signers,
  bytes: Uint8Array,
  algorithm: CheckpointAlgorithm,
): VerifiedCheckpoint => {
  const checkpoint = verifyCheckpoint(policy, bytes, algorithm);
  if (checkpoint.ok) return checkpoint.value;
  const of = followed === undefined ? "" : ` (by the set of epoch ${followed.set.epoch})`;
  throw new TetradError(checkpoint.code, `${checkpoint.detail}${of}`, checkpoint.data);
};

/**
 * A checkpoint of before. Where validators change it may be of a set that signs no more: then what it says is
 * compared with the log all the same, and only a log that contains it passes.
 */
const olderOf = (signers: Signers, path: string, { algorithm }: ShowOptions): Checkpoint => {
  const bytes = readNote(path);
  const checkpoint = verifyCheckpoint(signers.policy, bytes, algorithm);
  if (checkpoint.ok) return checkpoint.value;
  if (signers.followed === undefined || checkpoint.code !== "checkpoint.quorum") {
    throw TetradError.from(checkpoint);
  }
  const note = parseNote(bytes);
  const older = note.ok ? parseCheckpointText(note.value.text) : note;
  if (!older.ok) throw TetradError.from(older);
  return older.value;
};

const readNote = (path: string): Uint8Array => {
  try {
    return readFileSync(path).subarray(0, LIMITS.noteBytesMax + 1);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "?";
    throw new TetradError("cli.usage", `${path} cannot be read (${code})`);
  }
};

type Printed = {
  readonly checkpoint: VerifiedCheckpoint;
  readonly algorithm: CheckpointAlgorithm;
  readonly followed?: FollowedSet | undefined;
  /** Of the set that has signed; the last one that was followed. */
  readonly epoch?: number;
  /** Height of a header that was followed and states the same log. */
  readonly heldAt?: number | undefined;
  readonly since?: Checkpoint | undefined;
};

/** What is said of the set that has signed; nothing where sets do not change. */
const setRows = ({ followed, epoch, heldAt }: Printed): [string, string][] => {
  if (followed === undefined) return [];
  const { set, steps } = followed;
  const by = epoch ?? set.epoch;
  const from = steps[0]?.from ?? 0;
  const way = `of epoch ${by}, followed from epoch ${from} in ${steps.length} steps`;
  if (by === set.epoch) return [["set", way]];
  const log =
    heldAt === undefined
      ? "signed by a past set, not held against the log"
      : `signed by a past set; the header of height ${heldAt} states the same`;
  return [
    ["set", way],
    ["log", log],
  ];
};

const print = (context: CliContext, printed: Printed): void => {
  const { checkpoint, algorithm, followed, since } = printed;
  const { origin, size, root, timeS, signers } = checkpoint;
  // A note of Ed25519 lines has no time in it.
  const time = timeS === 0 ? null : isoTime(timeS * 1000);
  const grown = since === undefined ? {} : { since: since.size };
  const steps = followed?.steps ?? [];
  const epoch = printed.epoch ?? followed?.set.epoch ?? null;
  const pastSet = followed !== undefined && epoch !== followed.set.epoch;
  context.print(
    { origin, size, root: toHex(root), time, algorithm, signers, epoch, pastSet, steps, ...grown },
    [
      ["origin", origin],
      ["size", size],
      ["root", toHex(root)],
      ["time", time ?? "not stated"],
      ["signed by", `${signers.join(", ")} (${algorithm})`],
      ...setRows(printed),
      ...(since === undefined ? [] : [["continues", since.size] as const]),
    ],
  );
};
