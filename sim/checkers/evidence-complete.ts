/**
 * I12, the other half: whoever signed two conflicting statements, and had both halves delivered to one
 * honest node, is in the log by the end. The checker reads the frames that arrive itself. It counts only
 * what that node must have taken in, and errs on the side of not counting: a half must be a vote, or the
 * proposal of the view's leader, from it, in a view that is not left: the vote in any other proposal is
 * dropped with it, unchecked (R2, R8); the first half names a view that the node has not left by its next
 * status, the second one at most a few views old; both come in one life of the process, which then lives on
 * for a while. What a node has seen in certificates only is not counted.
 */
import { FINALIZE, NOTARIZE, NULLIFY, SIGNATURE_BYTES, statementBytes } from "./decode.ts";
import { CULPRIT_TAG, QUARANTINE } from "./evidence.ts";
import { Cursor, hex } from "./oracle.ts";
import { setsOf } from "./sets.ts";
import type { CheckContext, Checker, Member, ReadRows, Row, Status } from "./types.ts";

const PROPOSAL = 1;
const VOTE = 2;
/** A node keeps votes of 16 views below the final one, and is in the view above it at least. */
const VIEWS_BACK = 8;
/** A pair that the process outlived by this much is on its disk, however slow that is. */
const SETTLE_US = 2_000_000;

type Half = {
  readonly member: Member;
  readonly epoch: number;
  readonly view: number;
  readonly kind: number;
  /** A view into the frame, as the signature is. */
  readonly hash: Uint8Array;
  readonly signature: Uint8Array;
  /** It came in a proposal, which is of no use once its view is final. */
  readonly proposed: boolean;
  /** Checked when it matters: where it makes a pair. */
  isSigned: boolean | undefined;
};

type Life = {
  status: Status | undefined;
  /** Arrived since the last status. */
  fresh: Half[];
  /** By member and view: what the node holds. */
  readonly held: Map<string, Half[]>;
  /** By id of the culprit: when this node had both halves. */
  readonly pairs: Map<string, number>;
};

const newLife = (): Life => ({ status: undefined, fresh: [], held: new Map(), pairs: new Map() });

const excludes = (a: Half, b: Half): boolean => {
  const kinds = [a.kind, b.kind];
  if (kinds.includes(NULLIFY)) return kinds.includes(FINALIZE);
  return (
    Buffer.compare(a.hash, b.hash) !== 0 && (kinds.includes(NOTARIZE) || kinds.includes(FINALIZE))
  );
};

const isSigned = (context: CheckContext, half: Half): boolean => {
  if (half.isSigned === undefined) {
    const message = statementBytes(context.chainId, { ...half, hash: hex(half.hash) });
    half.isSigned = context.verify(half.member.publicKey, message, half.signature);
  }
  return half.isSigned;
};

/** Where the signer stands behind the start of a statement. */
const SIGNER_AT = 8 + 8 + 1 + 32;

/** The vote in a frame that says to be of a member that may have lied; its signature is not looked at. */
const readHalf = (suspects: Suspects, from: number, bytes: Uint8Array): Half | undefined => {
  const proposed = bytes[0] === PROPOSAL;
  // Of a proposal the vote is a field, so its length comes first.
  const at = proposed ? 5 : 1;
  const signer = ((bytes[at + SIGNER_AT] ?? 0) << 8) | (bytes[at + SIGNER_AT + 1] ?? 0);
  // Every vote that arrives anywhere is asked for; most are of nobody that lies.
  if (!suspects.mayBe(signer)) return undefined;
  const cursor = new Cursor(bytes, at);
  const [epoch, view, kind] = [cursor.u64(), cursor.u64(), cursor.u8()];
  const member = suspects.at(epoch, signer);
  if (member === undefined) return undefined;
  const hash = cursor.take(32);
  cursor.u16();
  const signature = cursor.take(SIGNATURE_BYTES);
  if (!cursor.ok) return undefined;
  if (proposed && (member.slot !== from || suspects.leaderOf(epoch, view) !== signer))
    return undefined;
  return { member, epoch, view, kind, hash, signature, proposed, isSigned: undefined };
};

/** Sorts what came since the status before, now that it is known where the node was all the while. */
const sortIn = (context: CheckContext, life: Life, status: Status): void => {
  const isPair = (half: Half, other: Half): boolean =>
    excludes(half, other) && isSigned(context, half) && isSigned(context, other);
  const before = life.status;
  life.status = status;
  const fresh = life.fresh;
  life.fresh = [];
  if (before === undefined || before.epoch !== status.epoch) return life.held.clear();
  for (const half of fresh) {
    if (half.epoch !== status.epoch || half.view > before.view + 1) continue;
    const key = `${half.member.slot}/${half.view}`;
    const held = life.held.get(key);
    const oldest = half.proposed ? status.view : status.view - VIEWS_BACK + 1;
    if (half.view >= oldest && held?.some((other) => isPair(half, other))) {
      const { idHex } = half.member;
      if (!life.pairs.has(idHex)) life.pairs.set(idHex, context.nowUs());
    }
    if (half.view < status.view) continue;
    if (held === undefined) life.held.set(key, [half]);
    else held.push(half);
  }
  for (const [key, [half]] of life.held) {
    if (half !== undefined && half.view <= status.view - VIEWS_BACK) life.held.delete(key);
  }
};

const culpritsOf = (rows: readonly Row[]): Set<string> => {
  const found = new Set<string>();
  for (const { key } of rows) {
    if (key[0] === CULPRIT_TAG && key.length === 33) found.add(hex(key.subarray(1)));
  }
  return found;
};

/** Members that may have lied, by their number in the set of an epoch. */
type Suspects = {
  readonly none: boolean;
  /** Whether the number can be one of theirs at all; of every number where sets change. */
  mayBe(signer: number): boolean;
  at(epoch: number, signer: number): Member | undefined;
  readonly leaderOf: (epoch: number, view: number) => number | undefined;
};

const suspectsOf = (context: CheckContext): Suspects => {
  const liars = context.members.filter(({ slot }) => !context.honest(slot));
  const fixed = new Set(liars.map(({ index }) => index));
  const sets = setsOf(context);
  return {
    none: liars.length === 0,
    mayBe: (signer) => context.stake !== undefined || fixed.has(signer),
    at: (epoch, signer) => {
      const member = sets.at(epoch)?.ofIndex(signer);
      return member === undefined || context.honest(member.slot) ? undefined : member;
    },
    leaderOf: sets.leaderOf,
  };
};

export const evidenceComplete = (context: CheckContext): Checker => {
  const suspects = suspectsOf(context);
  const lives = new Map<number, Life>();
  /** By slot: culprits whose pair is on this node's disk. */
  const owed = new Map<number, Set<string>>();

  const missing = (rows: ReadRows): string | undefined => {
    for (const [slot, culprits] of owed) {
      const shown = rows(slot, QUARANTINE);
      if (shown === undefined) continue;
      const known = culpritsOf(shown);
      for (const id of culprits) {
        if (!known.has(id)) return `n${slot} was given both halves against ${id.slice(0, 16)}`;
      }
    }
    return undefined;
  };

  return {
    id: "I12",
    title: "whoever an honest node can prove guilty is in the log by the end",
    booted: (slot) => {
      lives.set(slot, newLife());
    },
    diskLost: (slot, disk) => {
      if (disk === "data") owed.delete(slot);
    },
    delivered: (from, to, bytes) => {
      if (suspects.none || (bytes[0] !== VOTE && bytes[0] !== PROPOSAL)) return;
      const life = context.honest(to) ? lives.get(to) : undefined;
      if (life === undefined) return;
      const half = readHalf(suspects, from, bytes);
      if (half !== undefined) life.fresh.push(half);
    },
    status: (slot, status) => {
      const life = lives.get(slot);
      if (life === undefined || !context.honest(slot)) return;
      sortIn(context, life, status);
      const nowUs = context.nowUs();
      for (const [id, sinceUs] of life.pairs) {
        if (nowUs - sinceUs < SETTLE_US) continue;
        const ids = owed.get(slot) ?? new Set();
        if (!ids.has(id)) context.mark("culprit owed to the log");
        owed.set(slot, ids.add(id));
      }
    },
    settled: (rows) => missing(rows) === undefined,
    end: (dumps) => {
      const rows: ReadRows = (slot, projection) =>
        dumps.find((dump) => dump.slot === slot)?.rows.get(projection);
      const what = missing(rows);
      if (what !== undefined) context.report("I12", `${what}, and the log does not name it`);
    },
  };
};
