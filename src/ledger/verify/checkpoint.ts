/**
 * Checkpoints of the log (c2sp.org/tlog-checkpoint): the root at a size, signed by the validators. Each
 * validator has three lines in a note:
 *
 *     <origin>         0x01   Ed25519 over the note text: what every tlog client reads
 *     <origin>/<name>  0x06   ML-DSA-44 cosignature (c2sp.org/tlog-cosignature), with a time
 *     <origin>/<name>  0xff   "tetrad/falcon-1024/v1": FALCON-1024 over the same structure as 0x06, under
 *                             the label "tetrad/falcon-1024/v1\n\0", which no other statement begins with
 *
 * The origin is "<chain id>/tlog". A checkpoint counts when validators with a quorum of weight have signed
 * it. Pure and browser-safe: nodes, the command and clients use the same code.
 */
import { concatBytes, equalBytes } from "../../crypto/bytes.ts";
import { utf8, Writer } from "../../crypto/codec.ts";
import { falconVerify } from "../../crypto/falcon.ts";
import { rfc6962Node, verifyConsistency } from "../../crypto/merkle.ts";
import { type VerifyBytes, verifyEd25519, verifyMlDsa44 } from "../../crypto/note-signatures.ts";
import { type Failure, fail, ok, type Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import type { CheckpointKeys, Hash, Validator } from "../types.ts";
import {
  formatVkey,
  fromBase64,
  type NoteKey,
  type NoteSignature,
  noteKeyId,
  parseNote,
  toBase64,
} from "./note.ts";

export type Checkpoint = {
  readonly origin: string;
  /** Leaves of the log. */
  readonly size: number;
  /** RFC 6962 root at that size. */
  readonly root: Hash;
};

export type CheckpointAlgorithm = "ed25519" | "mlDsa44" | "falcon";
export const CHECKPOINT_ALGORITHMS: readonly CheckpointAlgorithm[] = [
  "ed25519",
  "mlDsa44",
  "falcon",
];

export type CheckpointMember = {
  readonly name: string;
  readonly weight: bigint;
  readonly keys: Readonly<Record<CheckpointAlgorithm, NoteKey>>;
};

/** Who may sign, and how much of it counts. */
export type CheckpointPolicy = {
  readonly origin: string;
  readonly members: readonly CheckpointMember[];
  /** floor(2W/3) + 1. */
  readonly quorum: bigint;
};

export type VerifiedCheckpoint = Checkpoint & {
  /** Names of the validators whose signatures of the demanded algorithm hold. */
  readonly signers: readonly string[];
  /**
   * Seconds since 1970: the latest time that signers with more weight than may be faulty stated or passed,
   * so that an honest one is among them; 0 where the note has no such times.
   */
  readonly timeS: number;
};

const FALCON_ID = utf8("tetrad/falcon-1024/v1");
const TYPES: Readonly<Record<CheckpointAlgorithm, Uint8Array>> = {
  ed25519: Uint8Array.of(0x01),
  mlDsa44: Uint8Array.of(0x06),
  falcon: concatBytes(Uint8Array.of(0xff), FALCON_ID),
};
const LABELS = {
  mlDsa44: utf8("subtree/v1\n\0"),
  falcon: utf8("tetrad/falcon-1024/v1\n\0"),
} as const;
const TIME_BYTES = 8;

/** The first line of every checkpoint of a chain, and the name of its Ed25519 keys. */
export const originOf = (chainId: string): string => `${chainId}/tlog`;

/** Whose keys sign the checkpoints of a chain: a genesis has it. */
export type CheckpointChain = {
  readonly chainId: string;
  readonly validators: readonly (Pick<Validator, "name" | "weight" | "publicKey"> &
    CheckpointKeys)[];
};

const memberOf = (
  origin: string,
  validator: CheckpointChain["validators"][number],
): CheckpointMember => {
  const { name, weight, publicKey, ed25519Key, mlDsa44Key } = validator;
  const cosigner = `${origin}/${name}`;
  return {
    name,
    weight,
    keys: {
      ed25519: { name: origin, type: TYPES.ed25519, publicKey: ed25519Key },
      mlDsa44: { name: cosigner, type: TYPES.mlDsa44, publicKey: mlDsa44Key },
      falcon: { name: cosigner, type: TYPES.falcon, publicKey },
    },
  };
};

/** In the order of the genesis. */
export const checkpointPolicyOf = (genesis: CheckpointChain): CheckpointPolicy => {
  const origin = originOf(genesis.chainId);
  const members = genesis.validators.map((validator) => memberOf(origin, validator));
  const total = members.reduce((sum, { weight }) => sum + weight, 0n);
  return { origin, members, quorum: (2n * total) / 3n + 1n };
};

/** The note text of a checkpoint. We write no extension lines. */
export const checkpointText = ({ origin, size, root }: Checkpoint): string =>
  `${origin}\n${size}\n${toBase64(root)}\n`;

const malformed = (detail: string): Failure => fail("checkpoint.malformed", detail);

/** Reads a note text. Extension lines are refused: no validator of ours signs any. */
export const parseCheckpointText = (text: string): Result<Checkpoint> => {
  const [origin = "", size = "", root = "", end, ...more] = text.split("\n");
  if (end !== "" || more.length > 0) return malformed("a checkpoint has three lines");
  if (origin === "") return malformed("no origin");
  const count = /^(0|[1-9][0-9]{0,15})$/.test(size) ? Number(size) : Number.NaN;
  if (!Number.isSafeInteger(count)) return malformed("the size is no number");
  const bytes = fromBase64(root);
  if (bytes?.length !== 32) return malformed("the root is no hash");
  return ok({ origin, size: count, root: bytes });
};

/**
 * `cosigned_message` of c2sp.org/tlog-cosignature for a whole tree: label, cosigner, time, origin, start 0,
 * end, hash.
 */
const cosignedMessage = (
  label: Uint8Array,
  cosigner: string,
  timeS: number,
  { origin, size, root }: Checkpoint,
): Uint8Array => {
  const [name, log] = [utf8(cosigner), utf8(origin)];
  const writer = new Writer(label.length + name.length + log.length + 66);
  writer.raw(label).u8(name.length).raw(name).u64(timeS).u8(log.length).raw(log);
  return writer.u64(0).u64(size).hash(root).finish();
};

/** The bytes that a member signs, by algorithm. `timeS` is in the timestamped ones. */
export const checkpointMessages = (
  member: CheckpointMember,
  checkpoint: Checkpoint,
  timeS: number,
): Readonly<Record<CheckpointAlgorithm, Uint8Array>> => {
  const cosigner = member.keys.mlDsa44.name;
  return {
    ed25519: utf8(checkpointText(checkpoint)),
    mlDsa44: cosignedMessage(LABELS.mlDsa44, cosigner, timeS, checkpoint),
    falcon: cosignedMessage(LABELS.falcon, cosigner, timeS, checkpoint),
  };
};

const timestamped = (timeS: number, signature: Uint8Array): Uint8Array =>
  new Writer(TIME_BYTES + signature.length).u64(timeS).raw(signature).finish();

/** The three lines of a member. */
export const checkpointLines = (
  member: CheckpointMember,
  timeS: number,
  signatures: Readonly<Record<CheckpointAlgorithm, Uint8Array>>,
): NoteSignature[] =>
  CHECKPOINT_ALGORITHMS.map((algorithm) => {
    const key = member.keys[algorithm];
    const bare = signatures[algorithm];
    const signature = algorithm === "ed25519" ? bare : timestamped(timeS, bare);
    return { name: key.name, keyId: noteKeyId(key), signature };
  });

export type CheckpointVerifiers = Readonly<Record<CheckpointAlgorithm, VerifyBytes>>;
export const PORTABLE_VERIFIERS: CheckpointVerifiers = {
  ed25519: verifyEd25519,
  mlDsa44: verifyMlDsa44,
  falcon: falconVerify,
};

/** What a member states beside a root. */
export type StatedTime = { readonly weight: bigint; readonly timeS: number };

/**
 * The latest time that members with more weight than may be faulty (all but a quorum) stated or passed; 0
 * where there is none. One faulty member states any time that it likes, so the latest one means nothing.
 */
export const agreedTime = (
  { members, quorum }: CheckpointPolicy,
  stated: readonly StatedTime[],
): number => {
  const total = members.reduce((sum, { weight }) => sum + weight, 0n);
  let sum = 0n;
  for (const { weight, timeS } of stated.toSorted((a, b) => b.timeS - a.timeS)) {
    sum += weight;
    if (sum > total - quorum) return timeS;
  }
  return 0;
};

type Line = { readonly timeS: number; readonly valid: boolean };

const checkLine = (
  member: CheckpointMember,
  algorithm: CheckpointAlgorithm,
  checkpoint: Checkpoint,
  signature: Uint8Array,
  verify: VerifyBytes,
): Line => {
  let timeS = 0;
  let bare = signature;
  if (algorithm !== "ed25519") {
    if (signature.length < TIME_BYTES) return { timeS, valid: false };
    const view = new DataView(signature.buffer, signature.byteOffset);
    const seconds = view.getBigUint64(0);
    if (seconds > BigInt(LIMITS.checkpointTimeSMax)) return { timeS, valid: false };
    timeS = Number(seconds);
    bare = signature.subarray(TIME_BYTES);
  }
  const message = checkpointMessages(member, checkpoint, timeS)[algorithm];
  return { timeS, valid: verify(bare, message, member.keys[algorithm].publicKey) };
};

/**
 * Checks a checkpoint against a policy: origin, every line by a key of the policy, and a quorum of weight
 * among signatures of `algorithm`. Lines by other keys are ignored. Codes: checkpoint.malformed,
 * checkpoint.foreign (another log), checkpoint.signature, checkpoint.quorum.
 */
export const verifyCheckpoint = (
  policy: CheckpointPolicy,
  bytes: Uint8Array,
  algorithm: CheckpointAlgorithm = "mlDsa44",
  verifiers: CheckpointVerifiers = PORTABLE_VERIFIERS,
): Result<VerifiedCheckpoint> => {
  const note = parseNote(bytes);
  if (!note.ok) return note;
  const checkpoint = parseCheckpointText(note.value.text);
  if (!checkpoint.ok) return checkpoint;
  const { origin } = checkpoint.value;
  if (origin !== policy.origin) {
    return fail("checkpoint.foreign", `of the log ${origin}, not of ${policy.origin}`);
  }
  const known = new Map<string, readonly [CheckpointMember, CheckpointAlgorithm]>();
  for (const member of policy.members) {
    for (const kind of CHECKPOINT_ALGORITHMS) {
      const key = member.keys[kind];
      known.set(`${noteKeyId(key)} ${key.name}`, [member, kind]);
    }
  }
  const seen = new Set<string>();
  const signers: CheckpointMember[] = [];
  const times = new Map<CheckpointMember, number>();
  for (const { name, keyId, signature } of note.value.signatures) {
    const id = `${keyId} ${name}`;
    const key = known.get(id);
    if (key === undefined) continue;
    if (seen.has(id)) return malformed(`two signatures by one key of ${name}`);
    seen.add(id);
    const [member, kind] = key;
    const line = checkLine(member, kind, checkpoint.value, signature, verifiers[kind]);
    if (!line.valid) return fail("checkpoint.signature", `a signature by ${name} does not verify`);
    times.set(member, Math.max(times.get(member) ?? 0, line.timeS));
    if (kind === algorithm) signers.push(member);
  }
  const weight = signers.reduce((sum, member) => sum + member.weight, 0n);
  if (weight < policy.quorum) {
    return fail("checkpoint.quorum", `weight ${weight} has signed, a quorum is ${policy.quorum}`);
  }
  const stated = [...times].map(([member, at]) => ({ weight: member.weight, timeS: at }));
  const timeS = agreedTime(policy, stated);
  return ok({ ...checkpoint.value, signers: signers.map((member) => member.name), timeS });
};

/**
 * Whether the log grew from one checkpoint to the other by appending only (RFC 6962, 2.1.2); undefined when
 * the proof shows it. Codes: checkpoint.foreign, checkpoint.inconsistent.
 */
export const checkConsistency = (
  older: Checkpoint,
  newer: Checkpoint,
  proof: readonly Uint8Array[],
): Failure | undefined => {
  if (older.origin !== newer.origin) {
    return fail("checkpoint.foreign", `of the logs ${older.origin} and ${newer.origin}`);
  }
  const same = older.size === newer.size && equalBytes(older.root, newer.root);
  const grows =
    older.size < newer.size &&
    verifyConsistency(older.size, newer.size, older.root, newer.root, proof, rfc6962Node);
  if (same || grows) return undefined;
  return fail(
    "checkpoint.inconsistent",
    `the log of ${newer.size} entries does not continue the one of ${older.size}`,
  );
};

/**
 * The policy as a file for other programs (c2sp.org/tlog-policy). A group counts heads and not weight: it
 * asks for as many validators as make a quorum however light they are, which with equal weights is the
 * chain's own rule and otherwise asks for more.
 */
export const formatPolicy = (policy: CheckpointPolicy): string => {
  const { origin, members, quorum } = policy;
  const lines = [
    `# Checkpoints of ${origin}: Ed25519 keys of the log, ML-DSA-44 keys of its cosigners.`,
    ...members.map(({ keys }) => `log ${formatVkey(keys.ed25519)}`),
    ...members.map(({ name, keys }) => `witness ${name} ${formatVkey(keys.mlDsa44)}`),
  ];
  const ascending = members.map(({ weight }) => weight).sort((a, b) => (a < b ? -1 : 1));
  let heads = 0;
  for (let sum = 0n; sum < quorum; heads++) sum += ascending[heads] ?? quorum;
  // Names of validators are lower case, so that none is "Validators".
  lines.push(`group Validators ${heads} ${members.map(({ name }) => name).join(" ")}`);
  lines.push("quorum Validators");
  const falcon = members.map(({ keys }) => `# falcon-1024 ${formatVkey(keys.falcon)}`);
  return `${[...lines, ...falcon].join("\n")}\n`;
};
