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
import { BASE_PARENTS, NODE_BYTES, PARENTS } from "./parameters.ts";

const NODE_WORDS = NODE_BYTES / 4;
const HEAD_BYTES = 64;
const NODE_QUADS = NODE_BYTES / 8;
const HEAD_QUADS = HEAD_BYTES / 8;
const BELOW_QUADS = HEAD_QUADS + BASE_PARENTS * NODE_QUADS;
/** Labels of parents in one hash. */
const REPEATED = 37;
const INPUT_BYTES = HEAD_BYTES + REPEATED * NODE_BYTES;
const LAST_BYTE_MASK = 0x3f;

/** A part of a layer: its memory as words, as eight bytes each, and as bytes. */
type LayerPart = {
  readonly words: Uint32Array;
  readonly quads: BigUint64Array;
  readonly bytes: Uint8Array;
};

/** A layer of labels in memory, in parts: an array of one part could not be as long as a large sector. */
export type Layer = {
  /** A part has 2^lgPart nodes. */
  readonly lgPart: number;
  readonly parts: readonly LayerPart[];
  /** Its part, where it has one. */
  readonly only: LayerPart | undefined;
};

const LG_PART_MAX = 25;

/** Room for the labels of one layer: 32 bytes a node. Parts are of 1 GiB; smaller ones are for trying out. */
export const createLayer = (lgNodes: number, lgPartMax: number = LG_PART_MAX): Layer => {
  const lgPart = Math.min(lgNodes, lgPartMax);
  const parts = Array.from({ length: 2 ** (lgNodes - lgPart) }, () => {
    const memory = new ArrayBuffer(NODE_BYTES * 2 ** lgPart);
    return {
      words: new Uint32Array(memory),
      quads: new BigUint64Array(memory),
      bytes: new Uint8Array(memory),
    };
  });
  return { lgPart, parts, only: parts.length === 1 ? parts[0] : undefined };
};

const nodesOf = ({ lgPart, parts }: Layer): number => parts.length * 2 ** lgPart;

/** The bytes of count labels from `from` on, which lie in one part when count divides it; a view. */
export const layerBytes = (layer: Layer, from: number, count: number): Uint8Array => {
  const { lgPart, parts } = layer;
  const part = parts[from >>> lgPart]?.bytes;
  const at = (from & (2 ** lgPart - 1)) * NODE_BYTES;
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

/** In no hash: where the sums of words go that are read ahead, so that they are read. */
const readAhead = new Uint32Array(1);

/**
 * Copies the labels of nodes[from..to) into `target` from `at` on, in their order. First a word of each is
 * read: they lie all over a layer that fits no cache, and reads for which nothing waits overlap in the
 * processor, where reads between copies wait one for another. With layers of 1 GiB that takes a quarter off
 * the whole label; where a layer is one part, not to look for the part takes as much again.
 */
const gather = (
  { lgPart, parts, only }: Layer,
  nodes: Uint32Array,
  from: number,
  to: number,
  target: BigUint64Array,
  at: number,
): void => {
  const mask = 2 ** lgPart - 1;
  let sum = 0;
  for (let i = from; i < to; i++) {
    const node = nodes[i] ?? 0;
    const part = only ?? parts[node >>> lgPart];
    sum ^= part?.words[(node & mask) * NODE_WORDS] ?? 0;
  }
  readAhead[0] = sum;
  for (let i = from, next = at; i < to; i++, next += NODE_QUADS) {
    const node = nodes[i] ?? 0;
    const part = only ?? parts[node >>> lgPart];
    if (part === undefined) throw new RangeError(`no node ${node}`);
    const { quads } = part;
    const first = (node & mask) * NODE_QUADS;
    target[next] = quads[first] ?? 0n;
    target[next + 1] = quads[first + 1] ?? 0n;
    target[next + 2] = quads[first + 2] ?? 0n;
    target[next + 3] = quads[first + 3] ?? 0n;
  }
};

/** A layer of one part is not asked for a node's part, and its mask would make another node of one past the end. */
const checkParents = ({ from, to, parents, current, below }: LabelRange): void => {
  const nodes = Math.min(nodesOf(current), nodesOf(below ?? current));
  let last = 0;
  for (const parent of parents.subarray(0, (to - from) * PARENTS)) {
    if (parent > last) last = parent;
  }
  if (last >= nodes) throw new RangeError(`no node ${last}`);
};

export const createLabeller = (replicaId: Uint8Array): Labeller => {
  const input = new Uint8Array(INPUT_BYTES);
  const quads = new BigUint64Array(input.buffer);
  const view = new DataView(input.buffer);
  input.set(replicaId);
  const noParents = input.subarray(0, HEAD_BYTES);
  return (range) => {
    const { layer, from, to, parents, current, below } = range;
    checkParents(range);
    view.setUint32(NODE_BYTES, layer);
    const distinct = below === undefined ? BASE_PARENTS : PARENTS;
    const period = distinct * NODE_QUADS;
    for (let v = from; v < to; v++) {
      view.setUint32(NODE_BYTES + 8, v);
      const at = (v - from) * PARENTS;
      gather(current, parents, at, at + BASE_PARENTS, quads, HEAD_QUADS);
      if (below !== undefined) {
        gather(below, parents, at + BASE_PARENTS, at + PARENTS, quads, BELOW_QUADS);
      }
      for (let end = HEAD_QUADS + period; end < quads.length; end += period) {
        quads.copyWithin(end, HEAD_QUADS, HEAD_QUADS + Math.min(period, quads.length - end));
      }
      const part = current.parts[v >>> current.lgPart]?.bytes;
      if (part === undefined) throw new RangeError(`no node ${v}`);
      const target = (v & (2 ** current.lgPart - 1)) * NODE_BYTES;
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
