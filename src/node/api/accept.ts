/** What a client would rather have: the media types of its Accept header, weighed (RFC 9110, 12.4.2 and 12.5.1). */

const QVALUE = /^\s*q\s*=\s*(0(\.\d{0,3})?|1(\.0{0,3})?)\s*$/i;

type Range = { readonly type: string; readonly q: number; readonly at: number };

/** A range whose weight is none is as good as any: what it names is wanted. */
const rangesOf = (accept: string): readonly Range[] =>
  accept.split(",").map((part, at) => {
    const [type = "", ...parameters] = part.split(";");
    const weight = parameters.flatMap((one) => QVALUE.exec(one)?.[1] ?? [])[0];
    return { type: type.trim().toLowerCase(), q: weight === undefined ? 1 : Number(weight), at };
  });

type Rank = { readonly q: number; readonly isNamed: boolean; readonly at: number };

/** By the range that names the type most closely, which alone counts; undefined where none does. */
const rankOf = (ranges: readonly Range[], type: string): Rank | undefined => {
  const closest = [type, `${type.split("/", 1)[0]}/*`, "*/*"]
    .map((name) => ranges.find((range) => range.type === name))
    .find((range) => range !== undefined);
  return closest === undefined
    ? undefined
    : { q: closest.q, isNamed: closest.type === type, at: closest.at };
};

const isBetter = (one: Rank, other: Rank): boolean => {
  if (one.q !== other.q) return one.q > other.q;
  if (one.isNamed !== other.isNamed) return one.isNamed;
  return one.at < other.at;
};

/**
 * The one of `types` with the greatest weight; among equals one that is named before one that a wildcard
 * covers, and then the order of the header. The first of `types` where the header wants none of them: an
 * answer in a form that was not asked for is more use than none.
 */
export const preferred = <T extends string>(
  accept: string | undefined,
  types: readonly [T, ...T[]],
): T => {
  const ranges = rangesOf(accept ?? "");
  let best: { readonly type: T; readonly rank: Rank } | undefined;
  for (const type of types) {
    const rank = rankOf(ranges, type);
    if (rank === undefined || rank.q === 0) continue;
    if (best === undefined || isBetter(rank, best.rank)) best = { type, rank };
  }
  return best?.type ?? types[0];
};
