/**
 * Cosigned checkpoints (docs/protocol.md, Checkpoints): this validator's signatures on roots of the log, and
 * those of its peers, put together to the newest checkpoint that a quorum of weight has signed.
 *
 * All of it happens beside consensus: nothing waits for it. What is signed is a root that was executed here,
 * at a header where the second of ledger time changes, so that all validators sign the same sizes. The
 * largest size signed and its root are synced beside the key before the first signature leaves, so that no
 * restart and no data that was wiped makes this key sign two roots of one size.
 */
import { equalBytes, toHex, ZERO_HASH } from "../../crypto/bytes.ts";
import { DecodeError, Reader, utf8, Writer } from "../../crypto/codec.ts";
import { fail, ok, type Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { firstValidators } from "../genesis.ts";
import { logRoot } from "../log-tree.ts";
import type { PeerId } from "../ports.ts";
import type {
  CheckpointKeys,
  ExecutionRoots,
  Hash,
  Header,
  ServedCheckpoint,
  Validator,
} from "../types.ts";
import {
  agreedTime,
  CHECKPOINT_ALGORITHMS,
  type Checkpoint,
  type CheckpointAlgorithm,
  type CheckpointMember,
  type CheckpointPolicy,
  checkpointLines,
  checkpointMessages,
  checkpointPolicyOf,
  checkpointText,
} from "../verify/checkpoint.ts";
import { formatNote, type NoteSignature } from "../verify/note.ts";
import type { Cosignature, Message } from "../wire.ts";
import { type Committer, storeFailure } from "./committer.ts";
import type { Context, VotingState } from "./context.ts";

/** Beside the votes: u64 size, root(32) of the largest log that this key has signed. */
export const SIGNED_KEY: Uint8Array = utf8("c");

type Signed = { readonly size: number; readonly root: Hash };

export type CosignerParts = {
  /** What is final and executed here; undefined until everything is loaded. */
  committer(): Pick<Committer, "tip" | "executed"> | undefined;
  syncing(): boolean;
  voting(): VotingState;
  /** Signs with the key that this node has in the running epoch's set. */
  sign(message: Uint8Array, done: (signature: Uint8Array) => void): void;
  /** Ledger time of a final height, milliseconds. */
  timeAt(height: number): number | undefined;
  connected(): readonly PeerId[];
  send(peer: PeerId, message: Message): boolean;
  misbehaved(peer: PeerId, failure: ReturnType<typeof fail>): void;
};

/** What is kept of one validator. */
type Member = {
  readonly member: CheckpointMember;
  readonly id: PeerId;
  /** Newest size first, at most LIMITS.cosignaturesKept. */
  kept: readonly Cosignature[];
  pending: number;
  /** Cosignatures that it may still send now, and when that was counted. */
  allowance: number;
  countedMs: number;
};

/** A validator with the keys that it signs checkpoints with. */
export type CosigningValidator = Validator & CheckpointKeys;

type Candidate = Signed & { readonly timeS: number };

const secondOf = (timeMs: number): number => Math.floor(timeMs / 1000);

const readSigned = (bytes: Uint8Array | undefined): Result<Signed | undefined> => {
  if (bytes === undefined) return ok(undefined);
  try {
    const reader = new Reader(bytes.slice());
    const signed = { size: reader.u64(), root: reader.hash() };
    reader.end();
    return ok(signed);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return fail("store.corrupt", `vote store: ${error.message}`);
  }
};

/** What stays of a validator when an epoch begins: signatures of a key that it has no more do not. */
const keptOf = (before: Member | undefined, member: CheckpointMember): Partial<Member> => {
  if (before === undefined) return {};
  const { allowance, countedMs, kept } = before;
  // Checks under way count on for what is left behind here.
  const same = isSameMember(before.member, member, CHECKPOINT_ALGORITHMS);
  return { allowance, countedMs, kept: same ? kept : [] };
};

const isSameMember = (
  a: CheckpointMember,
  b: CheckpointMember | undefined,
  algorithms: readonly CheckpointAlgorithm[],
): boolean =>
  b !== undefined &&
  a.name === b.name &&
  algorithms.every((name) => equalBytes(a.keys[name].publicKey, b.keys[name].publicKey));

/** Whether the same validators sign, with the same weights and keys of these algorithms. */
const isAlike = (
  a: CheckpointPolicy,
  b: CheckpointPolicy,
  algorithms: readonly CheckpointAlgorithm[],
): boolean =>
  a.members.length === b.members.length &&
  a.members.every((one, i) => {
    const other = b.members[i];
    return one.weight === other?.weight && isSameMember(one, other, algorithms);
  });

export class Cosigner {
  readonly #context: Context;
  readonly #parts: CosignerParts;
  #policy: CheckpointPolicy;
  #members = new Map<PeerId, Member>();
  #self: Member | undefined;
  readonly #selfId: PeerId;
  #signed: Signed | undefined;
  /** Whether this run has signed anything: what an earlier one signed is gone from memory. */
  #fresh = true;
  #busy = false;
  #next: Candidate | undefined;
  readonly #roots = new Map<number, Hash>();
  #served: (ServedCheckpoint & { readonly lines: number }) | undefined;

  constructor(context: Context, selfId: Hash, parts: CosignerParts) {
    this.#context = context;
    this.#parts = parts;
    this.#selfId = toHex(selfId);
    const { genesis } = context.options;
    const validators = firstValidators(genesis);
    this.#policy = checkpointPolicyOf({ chainId: genesis.chainId, validators });
    this.begin(validators);
  }

  /** Whose signatures count. */
  get policy(): CheckpointPolicy {
    return this.#policy;
  }

  get #rotates(): boolean {
    return this.#context.options.genesis.proofs.epochKeys === true;
  }

  /**
   * An epoch runs, with these validators. What is kept of those who stay, stays; a checkpoint that was served
   * need not have a quorum among them, so that the next one is put together anew.
   */
  begin(validators: readonly CosigningValidator[]): void {
    const { chainId } = this.#context.options.genesis;
    const policy = checkpointPolicyOf({ chainId, validators });
    const last = this.#policy;
    if (isAlike(policy, last, CHECKPOINT_ALGORITHMS) && this.#members.size > 0) return;
    this.#policy = policy;
    const before = this.#members;
    this.#members = new Map();
    for (const [i, member] of policy.members.entries()) {
      const id = toHex(validators[i]?.id ?? ZERO_HASH);
      const fresh = { kept: [], pending: 0, allowance: LIMITS.cosignaturesPerSecond, countedMs: 0 };
      this.#members.set(id, { ...fresh, ...keptOf(before.get(id), member), member, id });
    }
    // What is due again is signed with the new key as soon as there is a block.
    if (this.#self !== undefined && this.#members.get(this.#selfId)?.kept.length === 0) {
      this.#fresh = true;
    }
    this.#self = this.#members.get(this.#selfId);
    // Where FALCON keys alone have changed, others than they hold for what was signed with the last ones.
    if (!isAlike(policy, last, ["ed25519", "mlDsa44"])) this.#served = undefined;
  }

  get served(): ServedCheckpoint | undefined {
    return this.#served ?? this.#kept();
  }

  /** That of an earlier run, once the log is executed so far again, and with the root that it has here. */
  #kept(): ServedCheckpoint | undefined {
    const kept = this.#context.ports.keptCheckpoint;
    const root = kept === undefined ? undefined : this.#rootAt(kept.size);
    return kept !== undefined && root !== undefined && equalBytes(root, kept.root)
      ? kept
      : undefined;
  }

  /** Reads what this key has signed. A failure stops the node: without it nothing may be signed. */
  load(): ReturnType<typeof fail> | undefined {
    const signed = readSigned(this.#context.ports.voteStore.get(SIGNED_KEY));
    if (!signed.ok) return signed;
    this.#signed = signed.value;
    return undefined;
  }

  /** A peer is there: it may lack our newest signature. */
  greet(peer: PeerId): void {
    const newest = this.#self?.kept[0];
    if (newest !== undefined) this.#parts.send(peer, { type: "cosignature", ...newest });
  }

  /** A height was executed and is durable. */
  onExecuted(header: Header): void {
    const roots = this.#parts.committer()?.executed;
    const port = this.#context.ports.checkpointSigner;
    if (roots?.height !== header.height) return;
    this.#refresh();
    if (this.#self === undefined || port === undefined || roots.logSize === 0) return;
    const before = this.#parts.timeAt(header.height - 1);
    const timeS = secondOf(header.timeMs);
    if (before === undefined || secondOf(before) === timeS) return;
    if (!this.#isCurrent(header.height) || this.#parts.voting() !== "yes") return;
    if (!this.#isDue(roots, before, header.timeMs)) return;
    this.#next = { size: roots.logSize, root: roots.logRoot, timeS };
    this.#signNext();
  }

  /** Whether a height is so near the final one that the others sign it too. */
  #isCurrent(height: number): boolean {
    const tip = this.#parts.committer()?.tip.height ?? 0;
    return !this.#parts.syncing() && tip - height <= LIMITS.executionLagMax;
  }

  /** Whether there is something new to sign, or a time to state anew; never another root of one size. */
  #isDue({ logSize, logRoot: root }: ExecutionRoots, beforeMs: number, nowMs: number): boolean {
    const signed = this.#signed;
    if (signed === undefined || logSize > signed.size) return true;
    if (logSize < signed.size) return false;
    if (!equalBytes(root, signed.root)) {
      this.#conflict(logSize, "by this key");
      return false;
    }
    const period = LIMITS.checkpointRefreshMs;
    return this.#fresh || Math.floor(beforeMs / period) !== Math.floor(nowMs / period);
  }

  #conflict(size: number, by: string): void {
    const detail = `another root than the one executed here is signed ${by} for ${size} entries`;
    this.#context.problem(fail("checkpoint.conflict", detail, { size }));
  }

  #signNext(): void {
    const candidate = this.#next;
    if (candidate === undefined || this.#busy || this.#context.stopped()) return;
    this.#next = undefined;
    this.#busy = true;
    const { size, root } = candidate;
    if (this.#signed !== undefined && this.#signed.size >= size) return this.#sign(candidate);
    const value = new Writer(40).u64(size).hash(root).finish();
    const { voteStore } = this.#context.ports;
    voteStore.write([{ type: "put", key: SIGNED_KEY, value }], { sync: true }, (failure) => {
      if (this.#context.stopped()) return;
      if (failure !== undefined) {
        return this.#context.fatal(storeFailure(failure, "signed checkpoint"));
      }
      this.#signed = { size, root };
      this.#sign(candidate);
    });
  }

  #sign({ size, root, timeS }: Candidate): void {
    const { checkpointSigner } = this.#context.ports;
    const self = this.#self;
    if (checkpointSigner === undefined || self === undefined) return;
    const messages = checkpointMessages(self.member, this.#checkpoint(size, root), timeS);
    checkpointSigner.sign(messages, ({ ed25519, mlDsa44 }) => {
      // An epoch may have ended in between: the key of this signature is then not that of the new one.
      if (self !== this.#self) return this.#startAnew();
      this.#parts.sign(messages.falcon, (falcon) => {
        this.#busy = false;
        if (this.#context.stopped()) return;
        this.#fresh = false;
        const cosignature = { size, root, timeS, ed25519, mlDsa44, falcon };
        if (self !== this.#self) return this.#signNext();
        this.#keep(self, cosignature);
        for (const peer of this.#parts.connected()) this.greet(peer);
        this.#signNext();
      });
    });
  }

  #startAnew(): void {
    this.#busy = false;
    if (!this.#context.stopped()) this.#signNext();
  }

  #checkpoint(size: number, root: Hash): Checkpoint {
    return { origin: this.#policy.origin, size, root };
  }

  /** A peer's signatures: counted, then checked, then kept. Only what is newer than what it sent before. */
  onCosignature(peer: PeerId, cosignature: Cosignature): void {
    const member = this.#members.get(peer);
    const { checkpointSigner, verifier, metrics } = this.#context.ports;
    if (member === undefined || member === this.#self || checkpointSigner === undefined) return;
    if (!this.#admits(member, cosignature)) {
      metrics.count("tetrad_cosignatures_dropped_total");
      return;
    }
    const { size, root, timeS, ed25519, mlDsa44, falcon } = cosignature;
    const messages = checkpointMessages(member.member, this.#checkpoint(size, root), timeS);
    const { keys } = member.member;
    const [ed25519Key, mlDsa44Key] = [keys.ed25519.publicKey, keys.mlDsa44.publicKey];
    member.pending += 1;
    const answer = (valid: boolean): void => {
      member.pending -= 1;
      if (this.#context.stopped()) return;
      if (valid) return this.#keep(member, cosignature);
      const failure = fail("checkpoint.signature", `a cosignature of size ${size} does not verify`);
      this.#parts.misbehaved(peer, failure);
    };
    const bare = { ed25519, mlDsa44 };
    checkpointSigner.verify({ ed25519Key, mlDsa44Key }, messages, bare, (valid) => {
      if (!valid) return answer(false);
      const publicKey = keys.falcon.publicKey;
      const job = { message: messages.falcon, signature: falcon, publicKey };
      verifier.verify([job], "sync", ([holds]) => {
        // With keys of epochs it may be one of the epoch before or after: of no use, and no fault.
        if (holds !== true && this.#rotates) {
          member.pending -= 1;
          return metrics.count("tetrad_cosignatures_dropped_total");
        }
        answer(holds === true);
      });
    });
  }

  #admits(member: Member, { size, timeS }: Cosignature): boolean {
    const nowMs = this.#context.ports.clock.monotonicMs();
    const rate = LIMITS.cosignaturesPerSecond;
    const earned = ((nowMs - member.countedMs) / 1000) * rate;
    member.allowance = Math.min(rate, member.allowance + earned);
    member.countedMs = nowMs;
    if (member.allowance < 1 || member.pending >= LIMITS.cosignaturesPendingMax) return false;
    member.allowance -= 1;
    const newest = member.kept[0];
    if (size === 0 || newest === undefined) return size > 0;
    return size > newest.size || (size === newest.size && timeS > newest.timeS);
  }

  #keep(member: Member, cosignature: Cosignature): void {
    const others = member.kept.filter(({ size }) => size !== cosignature.size);
    const sorted = [cosignature, ...others].sort((a, b) => b.size - a.size);
    member.kept = sorted.slice(0, LIMITS.cosignaturesKept);
    // Of no other size have there come to be more: with n validators this is asked n times a checkpoint.
    this.#refresh([cosignature.size]);
  }

  /** The root of the log at a size that is executed here. */
  #rootAt(size: number): Hash | undefined {
    const executed = this.#parts.committer()?.executed;
    if (executed === undefined || size > executed.logSize) return undefined;
    const known = this.#roots.get(size);
    if (known !== undefined) return known;
    const root = logRoot(this.#context.read, executed.logSize, size);
    this.#roots.set(size, root);
    for (const oldest of this.#roots.keys()) {
      if (this.#roots.size <= 2 * LIMITS.cosignaturesKept) break;
      this.#roots.delete(oldest);
    }
    return root;
  }

  /** The sizes that are kept. */
  #sizes(): Iterable<number> {
    const sizes = new Set<number>();
    for (const { kept } of this.#members.values()) for (const { size } of kept) sizes.add(size);
    return sizes;
  }

  /** Looks for a newer checkpoint with a quorum among these sizes. */
  #refresh(sizes: Iterable<number> = this.#sizes()): void {
    const least = this.served?.size ?? 0;
    const newer = [...sizes].filter((size) => size >= least);
    for (const size of newer.sort((a, b) => b - a)) {
      const signers = this.#signersOf(size);
      const weight = signers.reduce((sum, [{ member }]) => sum + member.weight, 0n);
      if (weight < this.#policy.quorum) continue;
      return this.#serve(size, signers);
    }
  }

  #signersOf(size: number): (readonly [Member, Cosignature])[] {
    // Adversaries may send many sizes; what no quorum can have signed is not worth reading the tree.
    let weight = 0n;
    const found: (readonly [Member, Cosignature])[] = [];
    for (const one of this.#members.values()) {
      const cosignature = one.kept.find((kept) => kept.size === size);
      if (cosignature === undefined) continue;
      weight += one.member.weight;
      found.push([one, cosignature]);
    }
    if (weight < this.#policy.quorum) return [];
    const root = this.#rootAt(size);
    if (root === undefined) return [];
    // An honest time is that of a final header, so what lies beyond what is executed here is either of a
    // peer that is further, and counts once we are there, or false.
    const nowS = this.#executedTimeS();
    return found.filter(([, { root: signed, timeS }]) => timeS <= nowS && equalBytes(signed, root));
  }

  #executedTimeS(): number {
    const executed = this.#parts.committer()?.executed;
    const timeMs = executed === undefined ? undefined : this.#parts.timeAt(executed.height);
    return timeMs === undefined ? 0 : secondOf(timeMs);
  }

  #serve(size: number, signers: readonly (readonly [Member, Cosignature])[]): void {
    const root = this.#rootAt(size);
    if (root === undefined) return;
    const timeS = agreedTime(
      this.#policy,
      signers.map(([{ member }, stated]) => ({ weight: member.weight, timeS: stated.timeS })),
    );
    const served = this.served;
    const isNews =
      served === undefined ||
      size > served.size ||
      timeS > served.timeS ||
      (timeS === served.timeS && linesOf(signers.length) > (this.#served?.lines ?? 0));
    if (!isNews) return;
    const text = checkpointText(this.#checkpoint(size, root));
    // Every signature beyond the quorum is news, and a note of hundreds of lines is read by few.
    const makeNote = (): string => formatNote({ text, signatures: noteLines(signers) });
    this.#served = withNote({ size, root, timeS, lines: linesOf(signers.length) }, makeNote);
  }
}

/** Makes the note when it is asked for, once. */
const withNote = <T extends object>(
  rest: T,
  makeNote: () => string,
): T & { readonly note: string } => {
  let made: string | undefined;
  return Object.defineProperty(rest, "note", {
    enumerable: true,
    get: () => {
      made ??= makeNote();
      return made;
    },
  }) as T & { readonly note: string };
};

/** How many lines the note of so many signers has. */
const linesOf = (signers: number): number =>
  Math.min(CHECKPOINT_ALGORITHMS.length * signers, LIMITS.noteSignaturesMax);

/**
 * All lines where they fit into what clients read; in a larger network Ed25519 first, then ML-DSA-44, then
 * FALCON, by weight.
 */
function noteLines(signers: readonly (readonly [Member, Cosignature])[]): NoteSignature[] {
  const heaviest = [...signers].sort(([a], [b]) =>
    a.member.weight === b.member.weight ? 0 : a.member.weight > b.member.weight ? -1 : 1,
  );
  const all = heaviest.map(([{ member }, cosignature]) =>
    checkpointLines(member, cosignature.timeS, cosignature),
  );
  const byAlgorithm = [0, 1, 2].flatMap((place) =>
    all.flatMap((lines) => lines.slice(place, place + 1)),
  );
  return byAlgorithm.slice(0, LIMITS.noteSignaturesMax);
}
