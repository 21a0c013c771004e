/**
 * Places of tiles in the log tree and their paths (c2sp.org/tlog-tiles): the index in groups of three
 * digits, all but the last behind an x, and `.p/W` for a tile of W hashes that is not full.
 */
import { TILE_WIDTH } from "./log-tree.ts";

export type TilePlace = {
  readonly index: number;
  /** Hashes, or entries: 256 in a full tile. */
  readonly width: number;
};

/** Six groups would reach beyond 2^53 entries. */
const PATH = /^((?:x[0-9]{3}\/){0,4})([0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/;

/** Undefined for everything but the one path of a place. */
export const parseTilePath = (path: string): TilePlace | undefined => {
  const match = PATH.exec(path);
  if (match === null) return undefined;
  const [, groups = "", last = "", width] = match;
  // One spelling: an index has no more groups than it needs.
  if (groups.startsWith("x000")) return undefined;
  const index = Number(groups.replaceAll(/[x/]/g, "") + last);
  if (width === undefined) return { index, width: TILE_WIDTH };
  const count = Number(width);
  return count < TILE_WIDTH ? { index, width: count } : undefined;
};

export const formatTilePath = ({ index, width }: TilePlace): string => {
  const digits = String(index);
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, "0");
  const groups = padded.match(/[0-9]{3}/g) ?? [];
  const path = groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join("/");
  return width === TILE_WIDTH ? path : `${path}.p/${width}`;
};
