/**
 * I22: an honest validator votes N for a new block only where its proposer leads that view and its parent is
 * what a quorum notarized in the parent's view, and for an old one only where that was notarized before. The
 * schedule of leaders is computed here from docs/protocol.md, "Validator set and leaders".
 */
import { beaconsOf } from "./beacons.ts";
import { decodeStatement, NOTARIZE, type Statement } from "./decode.ts";
import { headersOf } from "./headers.ts";
import { hex, isQuorum, taggedHash } from "./oracle.ts";
import { Recent } from "./recent.ts";
import type { CheckContext, Checker } from "./types.ts";

/** Sets whose period is longer than this are not asked for their leaders: none that is simulated is. */
const PERIOD_MAX = 65_536;

const gcd = (a: bigint, b: bigint): bigint => (b === 0n ? a : gcd(b, a % b));

/** Whose turn it is in each view of a period: smooth weighted round robin, ties to the lower rank. */
export const turnsOf = (
  context: Pick<CheckContext, "chainId" | "genesisHash" | "members">,
  epoch: number,
  source: Uint8Array = context.genesisHash,
): readonly number[] => {
  const number = Buffer.alloc(8);
  number.writeBigUInt64BE(BigInt(epoch));
  const seed = taggedHash(context.chainId, "seed", source, number);
  const divisor = context.members.reduce((all, { weight }) => gcd(all, weight), 0n);
  const ranked = context.members.map(({ index, idHex, weight }) => ({
    index,
    weight: weight / divisor,
    rank: hex(taggedHash(context.chainId, "seed/rank", seed, Buffer.from(idHex, "hex"))),
    priority: 0n,
  }));
  ranked.sort((a, b) => (a.rank < b.rank ? -1 : 1));
  const period = ranked.reduce((sum, { weight }) => sum + weight, 0n);
  if (period > BigInt(PERIOD_MAX)) return [];
  return Array.from({ length: Number(period) }, () => {
    for (const one of ranked) one.priority += one.weight;
    const best = ranked.reduce((a, b) => (b.priority > a.priority ? b : a));
    best.priority -= period;
    return best.index;
  });
};

/** Index of who leads a view; undefined where the period is too long, or the seed not known. Views begin at 1. */
export const createLeaders = (
  context: CheckContext,
): ((epoch: number, view: number) => number | undefined) => {
  const schedules = new Map<number, readonly number[]>();
  const beacons = beaconsOf(context);
  return (epoch, view) => {
    const source = beacons === undefined ? context.genesisHash : beacons.seedOf(epoch);
    if (source === undefined) return undefined;
    const turns = schedules.get(epoch) ?? turnsOf(context, epoch, source);
    schedules.set(epoch, turns);
    return turns[(view - 1) % turns.length];
  };
};

export const votesGrounded = (context: CheckContext): Checker => {
  const headers = headersOf(context);
  const behind = new Recent<string, { readonly signers: Set<number>; weight: bigint }>();
  /** What a quorum has signed N for: by epoch, view and hash, and by epoch and hash. */
  const notarized = new Recent<string, true>();
  const ever = new Recent<string, true>();
  const leaderOf = createLeaders(context);
  const total = context.members.reduce((sum, { weight }) => sum + weight, 0n);
  const weights = new Map(context.members.map(({ index, weight }) => [index, weight]));

  const count = ({ epoch, view, hash }: Statement, index: number): void => {
    const key = `${epoch}/${view}/${hash}`;
    const found = behind.get(key) ?? { signers: new Set(), weight: 0n };
    if (found.signers.has(index)) return;
    found.signers.add(index);
    found.weight += weights.get(index) ?? 0n;
    behind.set(key, found);
    if (!isQuorum(found.weight, total)) return;
    notarized.set(key, true);
    ever.set(`${epoch}/${hash}`, true);
  };

  /** Why this vote stands on nothing, or undefined. */
  const faultOf = ({ epoch, view, hash }: Statement): string | undefined => {
    const header = headers.get(hash);
    if (header === undefined || header.epoch !== epoch) return undefined;
    if (header.view !== view) {
      return ever.has(`${epoch}/${hash}`) ? undefined : "an old block that no quorum has notarized";
    }
    const leader = leaderOf(epoch, view);
    if (leader !== undefined && leader !== header.proposer) {
      return `a block by ${header.proposer}, where ${leader} leads`;
    }
    // The parent of an epoch's first block is final by the epoch before.
    if (header.parentView === 0) return undefined;
    return notarized.has(`${epoch}/${header.parentView}/${header.parentHash}`)
      ? undefined
      : `a block on what no quorum has notarized in view ${header.parentView}`;
  };

  return {
    id: "I22",
    title: "honest validators vote for blocks of the view's leader, on what a quorum notarized",
    sent: (_from, _to, _class, bytes) => headers.note(bytes),
    released: (slot, message) => {
      const statement = decodeStatement(message);
      const member = context.memberOf(slot);
      if (statement?.kind !== NOTARIZE || member === undefined) return;
      const fault = context.honest(slot) ? faultOf(statement) : undefined;
      if (fault !== undefined) {
        const { epoch, view } = statement;
        context.report(
          "I22",
          `validator ${member.index} voted in view ${epoch}/${view} for ${fault}`,
        );
      }
      count(statement, member.index);
    },
  };
};
