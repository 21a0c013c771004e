/** The oracle's own schedule of leaders, from docs/protocol.md, "Validator set and leaders". */
import { hex, taggedHash } from "./oracle.ts";

/** Sets whose period is longer than this are not asked for their leaders: none that is simulated is. */
const PERIOD_MAX = 65_536;

const gcd = (a: bigint, b: bigint): bigint => (b === 0n ? a : gcd(b, a % b));

/** A member of a set: its place there, and what it weighs. */
export type Leading = { readonly index: number; readonly idHex: string; readonly weight: bigint };

/** Whose turn it is in each view of a period: smooth weighted round robin, ties to the lower rank. */
export const turnsOf = (
  context: {
    readonly chainId: string;
    readonly genesisHash: Uint8Array;
    readonly members: readonly Leading[];
  },
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
