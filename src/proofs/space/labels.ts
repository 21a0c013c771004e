/**
 * Labels, byte for byte as Filecoin computes them:
 *
 *     L_l(v) = SHA-256(replica id || u32be l || u64be v || 0^20 || 37 labels of parents), last byte & 0x3f
 *
 * In layer 1 the 37 are the six parents of the same layer, over and over; above it those six and the eight
 * of the layer below. Node 0 has no parents. The cut of the last byte makes a label an element of the field
 * of Filecoin's SNARKs; it costs two bits here and keeps the published vectors right.
 */
import { concatBytes } from "../../crypto/bytes.ts";
import { Writer } from "../../crypto/codec.ts";
import { sha256, sha256Into } from "../../crypto/hash.ts";
import { BASE_PARENTS, NODE_BYTES, nodesOf, PARENTS } from "./parameters.ts";

const NODE_WORDS = NODE_BYTES / 4;
const HEAD_BYTES = 64;
const HEAD_WORDS = HEAD_BYTES / 4;
/** Labels of parents in one hash. */
const REPEATED = 37;
const INPUT_BYTES = HEAD_BYTES + REPEATED * NODE_BYTES;
const LAST_BYTE_MASK = 0x3f;

/** A layer of labels in memory, in parts: an array of one part could not be as long as a large sector. */
export type Layer = {
  readonly words: readonly Uint32Array[];
  readonly bytes: readonly Uint8Array[];
};

const PART_LG = 25;
const PART_MASK = 2 ** PART_LG - 1;

/** Room for the labels of one layer: 32 bytes a node. */
export const createLayer = (lgNodes: number): Layer => {
  const parts = Math.max(1, 2 ** (lgNodes - PART_LG));
  const words = Array.from(
    { length: parts },
    () => new Uint32Array(NODE_WORDS * Math.min(nodesOf(lgNodes), 2 ** PART_LG)),
  );
  return { words, bytes: words.map((part) => new Uint8Array(part.buffer)) };
};

/** The bytes of count labels from `from` on, which lie in one part when count divides it; a view. */
export const layerBytes = (layer: Layer, from: number, count: number): Uint8Array => {
  const part = layer.bytes[from >>> PART_LG];
  const at = (from & PART_MASK) * NODE_BYTES;
  if (part === undefined || at + count * NODE_BYTES > part.length) {
    throw new RangeError(`no ${count} nodes at ${from}`);
  }
  return part.subarray(at, at + count * NODE_BYTES);
};

export type LabelRange = {
  /** 1 is the lowest. */
  readonly layer: number;
  readonly from: number;
  readonly to: number;
  /** 14 parents of each node of the range. */
  readonly parents: Uint32Array;
  readonly current: Layer;
  /** The layer below; undefined for layer 1. */
  readonly below: Layer | undefined;
};

/** Makes the labels of a range of nodes, in order; those before it must be there. */
export type Labeller = (range: LabelRange) => void;

export const createLabeller = (replicaId: Uint8Array): Labeller => {
  const input = new Uint8Array(INPUT_BYTES);
  const words = new Uint32Array(input.buffer);
  const view = new DataView(input.buffer);
  input.set(replicaId);
  const noParents = input.subarray(0, HEAD_BYTES);
  const copy = (layer: Layer, node: number, to: number): void => {
    const part = layer.words[node >>> PART_LG];
    if (part === undefined) throw new RangeError(`no node ${node}`);
    const from = (node & PART_MASK) * NODE_WORDS;
    words[to] = part[from] ?? 0;
    words[to + 1] = part[from + 1] ?? 0;
    words[to + 2] = part[from + 2] ?? 0;
    words[to + 3] = part[from + 3] ?? 0;
    words[to + 4] = part[from + 4] ?? 0;
    words[to + 5] = part[from + 5] ?? 0;
    words[to + 6] = part[from + 6] ?? 0;
    words[to + 7] = part[from + 7] ?? 0;
  };
  return ({ layer, from, to, parents, current, below }) => {
    view.setUint32(NODE_BYTES, layer);
    const distinct = below === undefined ? BASE_PARENTS : PARENTS;
    const period = distinct * NODE_WORDS;
    for (let v = from; v < to; v++) {
      view.setUint32(NODE_BYTES + 8, v);
      const at = (v - from) * PARENTS;
      for (let i = 0; i < BASE_PARENTS; i++) {
        copy(current, parents[at + i] ?? 0, HEAD_WORDS + i * NODE_WORDS);
      }
      if (below !== undefined) {
        for (let i = BASE_PARENTS; i < PARENTS; i++) {
          copy(below, parents[at + i] ?? 0, HEAD_WORDS + i * NODE_WORDS);
        }
      }
      for (let end = HEAD_WORDS + period; end < words.length; end += period) {
        words.copyWithin(end, HEAD_WORDS, HEAD_WORDS + Math.min(period, words.length - end));
      }
      const part = current.bytes[v >>> PART_LG];
      if (part === undefined) throw new RangeError(`no node ${v}`);
      const target = (v & PART_MASK) * NODE_BYTES;
      sha256Into(v === 0 ? noParents : input, part, target);
      part[target + NODE_BYTES - 1] = (part[target + NODE_BYTES - 1] ?? 0) & LAST_BYTE_MASK;
    }
  };
};

/**
 * One label from the labels of its parents, as who verifies has them: six of the same layer, and above layer
 * 1 eight of the layer below; none for node 0.
 */
export const labelOf = (
  replicaId: Uint8Array,
  layer: number,
  v: number,
  parents: readonly Uint8Array[],
): Uint8Array => {
  const head = new Writer(HEAD_BYTES).hash(replicaId).u32(layer).u64(v).raw(new Uint8Array(20));
  const labels = Array.from({ length: parents.length === 0 ? 0 : REPEATED }, (_, i) => {
    const label = parents[i % parents.length];
    if (label === undefined) throw new RangeError("a parent is missing");
    return label;
  });
  const label = sha256(concatBytes(head.finish(), ...labels));
  label[NODE_BYTES - 1] = (label[NODE_BYTES - 1] ?? 0) & LAST_BYTE_MASK;
  return label;
};
