/**
 * The graph of a sector, byte for byte that of Filecoin's stacked depth-robust graph (API versions 1.1 and
 * 1.2): in each layer every node has six parents of the same layer, the node before it and five of a bucket
 * sample (Alwen, Blocki and Harsha, "Practical Graphs for Optimal Side-Channel Resistant Memory-Hard
 * Functions"), and eight of the layer below, from a permutation of 8·N slots by three rounds of a Feistel
 * network (Chung's construction). Both follow from one 32-byte id of the graph.
 *
 * The graph is the same for all sectors of one shape on every chain, so that its parents can be kept; what
 * binds a sector to a chain and an owner is the replica id, which is in every label.
 */
import { blake2b } from "@noble/hashes/blake2.js";
import { concatBytes } from "../../crypto/bytes.ts";
import { utf8 } from "../../crypto/codec.ts";
import { sha256 } from "../../crypto/hash.ts";
import { chacha8, mod64 } from "./chacha8.ts";
import { BASE_PARENTS, EXPANDER_PARENTS, PARENTS } from "./parameters.ts";

export type Graph = {
  readonly lgNodes: number;
  /** Writes the 14 parents of node `v` into `out` from `at` on: six of the same layer, eight of the one below. */
  parents(v: number, out: Uint32Array, at: number): void;
};

/** The id of the graph of all sectors of one shape: SHA-256("hm/v1/space/graph" || u8 lgNodes || u8 layers). */
export const graphId = (lgNodes: number, layers: number): Uint8Array =>
  sha256(concatBytes(utf8("hm/v1/space/graph"), Uint8Array.of(lgNodes, layers)));

/** Draws of the bucket sample: all parents of the same layer but the node before. */
const DRAWN = BASE_PARENTS - 1;
const DRAW_WORDS = 32;

/** Writes five parents of node v >= 2, in the order in which they are drawn. */
export type DrawBase = (v: number, out: Uint32Array, at: number) => void;

/** The bucket sample of a graph. */
export const createDrawBase = (id: Uint8Array): DrawBase => {
  const seed = sha256(concatBytes(utf8("Filecoin_DRSample"), id));
  const view = new DataView(seed.buffer, seed.byteOffset);
  const key = Uint32Array.from({ length: 8 }, (_, i) => view.getUint32(4 * i, true));
  const words = new Uint32Array(DRAW_WORDS);
  const state = new Int32Array(16);
  return (v, out, at) => {
    key[7] = v;
    chacha8(key, words, state);
    // The sample is of a graph with five times the nodes and one drawn parent each, folded to five.
    const meta = DRAWN * v;
    // 5·v is no power of two, so its bit length is its logarithm, rounded up.
    const buckets = meta > 0xffff_ffff ? 33 : 32 - Math.clz32(meta);
    for (let i = 0; i < DRAWN; i++) {
      const word = (n: number): number => words[4 * i + n] ?? 0;
      const bucket = 1 + mod64(word(1), word(0), buckets);
      const largest = Math.min(meta, 2 ** bucket);
      const smallest = Math.max(2, Math.floor(largest / 2));
      const distance = smallest + mod64(word(3), word(2), largest - smallest + 1);
      const parent = Math.floor((meta - distance) / DRAWN);
      out[at + i] = parent === v ? v - 1 : parent;
    }
  };
};

/** Of a value that was not computed yet. */
const NONE = -1;
const ROUNDS = 3;

/**
 * The permutation of the slots 8·v + i: the parent in the layer below. Round functions are the low bits of
 * BLAKE2b-512(u64be right || u64be key); their tables fill as they are asked for, so that who checks a few
 * nodes computes a few entries.
 */
const createExpander = (id: Uint8Array, lgNodes: number): ((v: number, i: number) => number) => {
  const seed = sha256(concatBytes(utf8("Filecoin_Feistel"), id));
  const half = Math.ceil((lgNodes + 3) / 2);
  const mask = 2 ** half - 1;
  // With an odd number of bits the network permutes twice the slots: go on until the result is one.
  const leftEnd = 2 ** (lgNodes + 3 - half);
  const low = half - 3;
  const lowMask = 2 ** low - 1;
  const tables = Array.from({ length: ROUNDS }, (_, round) => {
    const input = new Uint8Array(16);
    // Keys are little-endian in the seed and big-endian where they are hashed.
    for (let i = 0; i < 8; i++) input[8 + i] = seed[8 * round + 7 - i] ?? 0;
    return {
      input,
      view: new DataView(input.buffer),
      values: new Int32Array(2 ** half).fill(NONE),
    };
  });
  const fill = (round: number, right: number): number => {
    const table = tables[round];
    if (table === undefined) throw new RangeError("no such round");
    table.view.setUint32(4, right);
    const digest = blake2b(table.input);
    const bits = ((digest[5] ?? 0) << 16) | ((digest[6] ?? 0) << 8) | (digest[7] ?? 0);
    const value = bits & mask;
    table.values[right] = value;
    return value;
  };
  const at = (round: number, right: number): number => {
    const value = tables[round]?.values[right] ?? NONE;
    return value === NONE ? fill(round, right) : value;
  };
  return (v, i) => {
    let left = v >>> low;
    let right = ((v & lowMask) << 3) | i;
    do {
      const first = left ^ at(0, right);
      const second = right ^ at(1, first);
      left = second;
      right = first ^ at(2, second);
    } while (left >= leftEnd);
    return (left << low) | (right >>> 3);
  };
};

/** The graph of 2^lgNodes nodes a layer with this id. */
export const createGraph = (id: Uint8Array, lgNodes: number): Graph => {
  const draw = createDrawBase(id);
  const expand = createExpander(id, lgNodes);
  return {
    lgNodes,
    parents(v, out, at) {
      if (v < 2) out.fill(0, at, at + BASE_PARENTS);
      else {
        out[at] = v - 1;
        draw(v, out, at + 1);
      }
      for (let i = 0; i < EXPANDER_PARENTS; i++) out[at + BASE_PARENTS + i] = expand(v, i);
    },
  };
};

/** The 14 parents of one node. */
export const parentsOf = (graph: Graph, v: number): Uint32Array => {
  const parents = new Uint32Array(PARENTS);
  graph.parents(v, parents, 0);
  return parents;
};
