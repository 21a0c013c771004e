/**
 * Proofs of elapsed time written down as the page defines them, and nothing else: the whole graph in memory,
 * every parent looked up, hashes of node:crypto. It shares no code with what it is compared with.
 */
import { createHash } from "node:crypto";

export const sha = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

export const u8 = (value: number): Buffer => Buffer.of(value);
export const u16 = (value: number): Buffer => Buffer.of(value >> 8, value & 255);
export const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
export const u64 = (value: number | bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
};

export const tagged = (chain: string, tag: string, ...parts: readonly Uint8Array[]): Buffer =>
  sha(sha(Buffer.from(`hm/v1/${tag}`)), sha(Buffer.from(chain)), ...parts);

export type Block = { readonly height: number; readonly hash: Uint8Array };

export type ReferenceInput = {
  readonly chain: string;
  readonly tailBlocks: number;
  readonly epoch: number;
  readonly seed: Uint8Array;
  readonly timekeeper: Uint8Array;
  readonly members: Uint8Array;
  readonly leaves: number;
  /** By leaf. */
  readonly blocks?: ReadonlyMap<number, Block>;
  /** Labels that a cheater writes down in place of computing them. */
  readonly skipped?: (leaf: number) => Uint8Array | undefined;
};

export type Reference = {
  readonly depth: number;
  readonly chi: Buffer;
  readonly phi: Buffer;
  readonly listRoot: Buffer;
  label(level: number, index: number): Buffer;
};

const ZERO = Buffer.alloc(32);

/** RFC 6962's shape by its definition: the left part is the largest power of two below the size. */
export const listRootOf = (chain: string, hashes: readonly Buffer[]): Buffer => {
  const [only] = hashes;
  if (only === undefined) return ZERO;
  if (hashes.length === 1) return only;
  let left = 1;
  while (left * 2 < hashes.length) left *= 2;
  const [a, b] = [hashes.slice(0, left), hashes.slice(left)];
  return tagged(chain, "time/absorbed/node", listRootOf(chain, a), listRootOf(chain, b));
};

export const reference = (input: ReferenceInput): Reference => {
  const { chain, leaves, blocks = new Map<number, Block>() } = input;
  const depth = Math.ceil(Math.log2(leaves));
  const chi = tagged(
    chain,
    "time/posw",
    u64(input.epoch),
    input.seed,
    input.timekeeper,
    input.members,
  );
  const known = new Map<string, Buffer>();
  const label = (level: number, index: number): Buffer => {
    const first = index * 2 ** level;
    if (first >= leaves) return ZERO;
    const key = `${level}/${index}`;
    let found = known.get(key);
    if (found === undefined) {
      found =
        level === 0
          ? leafLabel(index)
          : tagged(
              chain,
              "time/node",
              ...[chi, u8(level), u64(index), label(level - 1, 2 * index)],
              label(level - 1, 2 * index + 1),
            );
      known.set(key, found);
    }
    return found;
  };
  const leafLabel = (leaf: number): Buffer => {
    const given = input.skipped?.(leaf);
    if (given !== undefined) return Buffer.from(given);
    const parents: Buffer[] = [];
    for (let level = depth - 1; level >= 0; level--) {
      const ancestor = Math.floor(leaf / 2 ** level);
      if (ancestor % 2 === 1) parents.push(label(level, ancestor - 1));
    }
    const taken = blocks.get(leaf)?.hash ?? ZERO;
    const tail = Buffer.alloc(64 * input.tailBlocks);
    return tagged(chain, "time/leaf", chi, u64(leaf), taken, ...parents, tail);
  };
  const entries = [...blocks].sort(([a], [b]) => a - b);
  const listRoot = listRootOf(
    chain,
    entries.map(([leaf, { height, hash }]) =>
      tagged(chain, "time/absorbed", u64(height), u64(leaf), hash),
    ),
  );
  const phi = tagged(chain, "time/root", label(depth, 0), u64(leaves), u32(blocks.size), listRoot);
  return { depth, chi, phi, listRoot, label };
};

export const referenceChallenges = (
  chain: string,
  phi: Uint8Array,
  leaves: number,
  seed: Uint8Array,
  challenges: number,
): number[] => {
  const all = Array.from({ length: challenges }, (_, j) => {
    const digest = tagged(chain, "time/chal", seed, phi, u32(j));
    return Number(digest.readBigUInt64BE() % BigInt(leaves));
  });
  return [...new Set(all)].sort((a, b) => a - b);
};

/** The walk, by asking of every node whether an opened leaf is in it. */
export const referenceWalk = (
  input: ReferenceInput,
  graph: Reference,
  opened: readonly number[],
): Buffer => {
  const walk = (level: number, index: number): Buffer[] => {
    const [first, end] = [index * 2 ** level, (index + 1) * 2 ** level];
    if (first >= input.leaves) return [];
    if (!opened.some((leaf) => leaf >= first && leaf < end)) return [graph.label(level, index)];
    if (level > 0) return [...walk(level - 1, 2 * index), ...walk(level - 1, 2 * index + 1)];
    const block = input.blocks?.get(index);
    return block === undefined ? [u8(0)] : [u8(1), Buffer.from(block.hash)];
  };
  return Buffer.concat(walk(graph.depth, 0));
};

export const referenceProof = (
  input: ReferenceInput,
  graph: Reference,
  seed: Uint8Array,
  challenges: number,
): Buffer => {
  const opened = referenceChallenges(input.chain, graph.phi, input.leaves, seed, challenges);
  return Buffer.concat([
    u16(1),
    u32(input.blocks?.size ?? 0),
    graph.listRoot,
    referenceWalk(input, graph, opened),
  ]);
};
