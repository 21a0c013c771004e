/**
 * What of a sector is damaged, from the root that its owner has stated: the roots of all groups of 64 nodes
 * are computed from what is stored and held against the rows of the tree. A row counts only where it is
 * itself under the root, so damage of the rows is not taken for damage of the nodes below.
 */
import { NODE_BYTES } from "./parameters.ts";
import { fillRows, GROUP_LG, GROUP_NODES, groupRoot, keptNodes, type SpaceHashes } from "./tree.ts";

/** Nodes from..to, both included. */
export type NodeRange = { readonly from: number; readonly to: number };

export type Damage = {
  /** Nodes that are not what was committed to, in whole groups. */
  readonly nodes: readonly NodeRange[];
  /** Other groups, of which it cannot be told: something below a damaged row is wrong, or the row alone. */
  readonly unprovable: readonly NodeRange[];
  /** Nodes of the kept rows that are wrong, at least. */
  readonly treeNodes: number;
};

export type DamageCheck = {
  /** The 64 nodes of a group; all groups, in any order. */
  group(index: number, leaves: Uint8Array): void;
  /** `rows`: the kept rows as they are stored. */
  finish(rows: Uint8Array): Damage;
};

const sameAt = (a: Uint8Array, aAt: number, b: Uint8Array, bAt: number): boolean => {
  for (let i = 0; i < NODE_BYTES; i++) if (a[aAt + i] !== b[bAt + i]) return false;
  return true;
};

/** Groups in ascending order as ranges of nodes. */
const rangesOf = (groups: readonly number[]): NodeRange[] => {
  const ranges: { from: number; to: number }[] = [];
  for (const group of groups) {
    const from = group * GROUP_NODES;
    const last = ranges.at(-1);
    if (last !== undefined && last.to + 1 === from) last.to = from + GROUP_NODES - 1;
    else ranges.push({ from, to: from + GROUP_NODES - 1 });
  }
  return ranges;
};

/** Memory: a thirty-second part of the sector, and as much again for the rows that are given. */
export const createDamageCheck = (
  hashes: SpaceHashes,
  lgNodes: number,
  root: Uint8Array,
): DamageCheck => {
  const made = new Uint8Array(keptNodes(lgNodes) * NODE_BYTES);
  return {
    group: (index, leaves) => groupRoot(hashes, leaves, made, index * NODE_BYTES),
    finish(rows) {
      fillRows(hashes, lgNodes, made);
      return compareRows(hashes, lgNodes, root, made, rows);
    },
  };
};

type Node = { readonly height: number; readonly index: number };
type Expected = Node & { readonly bytes: Uint8Array; readonly at: number };

const compareRows = (
  hashes: SpaceHashes,
  lgNodes: number,
  root: Uint8Array,
  made: Uint8Array,
  rows: Uint8Array,
): Damage => {
  const top = lgNodes - GROUP_LG;
  const damaged: number[] = [];
  const unprovable: number[] = [];
  let treeNodes = sameAt(rows, rows.length - NODE_BYTES, root, 0) ? 0 : 1;
  /** Where a node `height` rows above the groups stands. */
  const place = ({ height, index }: Node): number =>
    (2 ** (top + 1) - 2 ** (top - height + 1) + index) * NODE_BYTES;
  /** Of the rows below a node whose leaves are all right, those that are not what the leaves give. */
  const wrongBelow = ({ height, index }: Node): number => {
    let wrong = 0;
    for (let below = height - 1; below >= 0; below--) {
      const from = place({ height: below, index: index * 2 ** (height - below) });
      for (let i = 0; i < 2 ** (height - below); i++) {
        const at = from + i * NODE_BYTES;
        if (!sameAt(rows, at, made, at)) wrong += 1;
      }
    }
    return wrong;
  };
  const pair = new Uint8Array(2 * NODE_BYTES);
  const hash = new Uint8Array(NODE_BYTES);
  /** What the children of a node must be; undefined where neither rows nor leaves say it. */
  const childrenOf = (node: Expected): readonly Expected[] | undefined => {
    const { height, index } = node;
    const at = place({ height: height - 1, index: 2 * index });
    // Both as stored; and where one of them is damaged, that one as its leaves give it.
    for (const [left, right] of [
      [rows, rows],
      [made, rows],
      [rows, made],
    ] as const) {
      pair.set(left.subarray(at, at + NODE_BYTES));
      pair.set(right.subarray(at + NODE_BYTES, at + 2 * NODE_BYTES), NODE_BYTES);
      hashes.node(pair, 0, hash, 0);
      if (!sameAt(hash, 0, node.bytes, node.at)) continue;
      return [left, right].map((bytes, side) => {
        const child = { height: height - 1, index: 2 * index + side };
        return { ...child, bytes, at: at + side * NODE_BYTES };
      });
    }
    return undefined;
  };
  // Depth first and left to right, from the root down.
  const stack: Expected[] = [{ height: top, index: 0, bytes: root, at: 0 }];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    const { height, index } = node;
    if (sameAt(made, place(node), node.bytes, node.at)) {
      treeNodes += wrongBelow(node);
      continue;
    }
    const children = height === 0 ? [] : childrenOf(node);
    if (height === 0) damaged.push(index);
    else if (children === undefined) {
      treeNodes += 1;
      const first = index * 2 ** height;
      for (let group = first; group < first + 2 ** height; group++) unprovable.push(group);
    } else {
      for (const child of children) {
        if (child.bytes === made && !sameAt(rows, child.at, made, child.at)) treeNodes += 1;
      }
      stack.push(...children.toReversed());
    }
  }
  return { nodes: rangesOf(damaged), unprovable: rangesOf(unprovable), treeNodes };
};
