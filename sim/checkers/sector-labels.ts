/**
 * The oracle's own reading of an admission, from docs/proofs.md and Filecoin's published construction and not from
 * the code that it judges: graph, labels and paths, each written the plain way. Sectors are those of the genesis,
 * and small.
 */
import { createHash } from "node:crypto";
import { Cursor, hex, sha256, taggedHash } from "./oracle.ts";
import type { SpaceTerms } from "./types.ts";

const NODE = 32;
const PARENTS = 14;
const BASE = 6;
const WORD = 2n ** 64n;
/** How often parents go into a label. */
const REPEATED = 37;

const u32 = (value: number): Uint8Array => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

const u64 = (value: bigint | number): Uint8Array => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
};

const le64 = (bytes: Uint8Array, at: number): bigint => Buffer.from(bytes).readBigUInt64LE(at);

const turned = (value: number, by: number): number => ((value << by) | (value >>> (32 - by))) >>> 0;

/** The columns of ChaCha's state, then its diagonals. */
const QUARTERS: readonly (readonly [number, number, number, number])[] = [
  ...[0, 1, 2, 3].map((i) => [i, 4 + i, 8 + i, 12 + i] as const),
  ...[0, 1, 2, 3].map(
    (i) => [i, 4 + ((i + 1) % 4), 8 + ((i + 2) % 4), 12 + ((i + 3) % 4)] as const,
  ),
];

/** One block of ChaCha with eight rounds, as eight numbers of 64 bits. */
const chachaBlock = (key: Uint8Array, counter: number): bigint[] => {
  const head = Buffer.concat([Buffer.from("expand 32-byte k"), key]);
  const begun = Array.from({ length: 16 }, (_, i) => (i < 12 ? head.readUInt32LE(4 * i) : 0));
  begun[12] = counter;
  const state = Uint32Array.from(begun);
  const get = (i: number): number => state[i] ?? 0;
  const step = (a: number, b: number, c: number, by: number): void => {
    state[a] = get(a) + get(b);
    state[c] = turned(get(c) ^ get(a), by);
  };
  for (let round = 0; round < 4; round++) {
    for (const [a, b, c, d] of QUARTERS) {
      step(a, b, d, 16);
      step(c, d, b, 12);
      step(a, b, d, 8);
      step(c, d, b, 7);
    }
  }
  const out = Buffer.alloc(64);
  begun.forEach((word, i) => {
    out.writeUInt32LE((get(i) + word) >>> 0, 4 * i);
  });
  return Array.from({ length: 8 }, (_, i) => out.readBigUInt64LE(8 * i));
};

/** The six parents in a node's own layer. */
const baseParents = (graph: Uint8Array, v: number): number[] => {
  if (v < 2) return new Array(BASE).fill(0);
  const seed = sha256(Buffer.from("Filecoin_DRSample"), graph);
  const key = Buffer.concat([seed.subarray(0, 28), Buffer.alloc(4)]);
  key.writeUInt32LE(v, 28);
  const drawn = [...chachaBlock(key, 0), ...chachaBlock(key, 1)];
  const meta = 5n * BigInt(v);
  const buckets = BigInt((meta - 1n).toString(2).length);
  const parents = [v - 1];
  for (let i = 0; i < BASE - 1; i++) {
    const bucket = ((drawn[2 * i] ?? 0n) % buckets) + 1n;
    const most = meta < 2n ** bucket ? meta : 2n ** bucket;
    const least = most / 2n > 2n ? most / 2n : 2n;
    const distance = least + ((drawn[2 * i + 1] ?? 0n) % (most - least + 1n));
    const parent = Number((meta - distance) / 5n);
    parents.push(parent === v ? v - 1 : parent);
  }
  return parents;
};

/** The eight parents in the layer below. */
const expanderParents = (graph: Uint8Array, v: number, lgNodes: number): number[] => {
  const seed = sha256(Buffer.from("Filecoin_Feistel"), graph);
  const half = BigInt(Math.ceil((lgNodes + 3) / 2));
  const mask = 2n ** half - 1n;
  const permuted = (slot: bigint): bigint => {
    let [left, right] = [slot >> half, slot & mask];
    for (let round = 0; round < 3; round++) {
      const bytes = [u64(right), u64(le64(seed, 8 * round))];
      const digest = createHash("blake2b512").update(Buffer.concat(bytes)).digest();
      [left, right] = [right, left ^ ((digest.readBigUInt64BE(0) % WORD) & mask)];
    }
    return (left << half) | right;
  };
  return Array.from({ length: PARENTS - BASE }, (_, i) => {
    let slot = BigInt(8 * v + i);
    do slot = permuted(slot);
    while (slot >= 8n * 2n ** BigInt(lgNodes));
    return Number(slot / 8n);
  });
};

const label = (rho: Uint8Array, layer: number, v: number, parents: readonly Uint8Array[]) => {
  const repeated = Array.from({ length: REPEATED }, (_, i) => parents[i % parents.length] ?? rho);
  const made = sha256(rho, u32(layer), u64(v), new Uint8Array(20), ...repeated).slice();
  made[NODE - 1] = (made[NODE - 1] ?? 0) & 0x3f;
  return made;
};

/** What a part of an admission shows: all as it must be, labels that do not follow, or a path to another root. */
export type Shown = "right" | "false label" | "wrong path";

export class SectorLabels {
  readonly #chainId: string;
  readonly #terms: SpaceTerms;
  readonly #beacon: Uint8Array;
  readonly #seed: Uint8Array;
  readonly #graph: Uint8Array;

  constructor(
    {
      chainId,
      genesisHash,
      genesisTimeMs,
    }: {
      readonly chainId: string;
      readonly genesisHash: Uint8Array;
      readonly genesisTimeMs: number;
    },
    terms: SpaceTerms,
  ) {
    this.#chainId = chainId;
    this.#terms = terms;
    this.#beacon = taggedHash(chainId, "space/genesis", u64(genesisTimeMs));
    this.#seed = taggedHash(chainId, "beacon/0", genesisHash);
    const shape = Uint8Array.of(terms.lgNodes, terms.layers);
    this.#graph = sha256(Buffer.from("hm/v1/space/graph"), shape);
  }

  #rho(author: string): Uint8Array {
    const { lgNodes, layers } = this.#terms;
    const parts = [Buffer.from(author, "hex"), u64(0), this.#beacon, new Uint8Array(NODE)];
    return taggedHash(
      ...([this.#chainId, "space/replica", ...parts, Uint8Array.of(lgNodes, layers)] as const),
    );
  }

  #leads(leaf: Uint8Array, path: Uint8Array, node: number, root: string | undefined): boolean {
    let hash = leaf;
    for (let level = 0; level < this.#terms.lgNodes; level++) {
      const sibling = path.subarray(NODE * level, NODE * (level + 1));
      const isLeft = Math.floor(node / 2 ** level) % 2 === 0;
      const pair = isLeft ? [hash, sibling] : [sibling, hash];
      hash = taggedHash(this.#chainId, "space/node", ...pair);
    }
    return hex(hash) === root;
  }

  #node(author: string, node: number, cursor: Cursor): Shown {
    const { lgNodes, layers, columns: roots, roots: stored } = this.#terms;
    const rho = this.#rho(author);
    const parents = [
      ...baseParents(this.#graph, node),
      ...expanderParents(this.#graph, node, lgNodes),
    ];
    const columns: Uint8Array[] = [];
    for (const v of [node, ...parents]) {
      const column = cursor.take(NODE * layers);
      const path = cursor.take(NODE * lgNodes);
      const leaf = taggedHash(this.#chainId, "space/col", column);
      if (!this.#leads(leaf, path, v, roots.get(author))) return "wrong path";
      columns.push(column);
    }
    const at = (column: number, layer: number): Uint8Array =>
      (columns[column] ?? rho).subarray(NODE * (layer - 1), NODE * layer);
    for (let layer = 1; layer <= layers; layer++) {
      const count = layer === 1 ? BASE : PARENTS;
      const used = Array.from({ length: count }, (_, i) => at(1 + i, i < BASE ? layer : layer - 1));
      if (hex(label(rho, layer, node, used)) !== hex(at(0, layer))) return "false label";
    }
    const last = cursor.take(NODE * lgNodes);
    return this.#leads(at(0, layers), last, node, stored.get(author)) ? "right" : "wrong path";
  }

  /** What the openings of a part show, of the first node of which they show something wrong. */
  part(author: string, from: number, openings: Uint8Array): Shown {
    const { lgNodes, admissionBytes, sectorIds } = this.#terms;
    const cursor = new Cursor(openings);
    for (let j = from; cursor.left >= admissionBytes; j++) {
      const named = [sectorIds.get(author) ?? new Uint8Array(0), u32(j)];
      const digest = taggedHash(this.#chainId, "space/porep", this.#seed, ...named);
      const node = 1 + Number(le64(digest, 0) % (2n ** BigInt(lgNodes) - 1n));
      const shown = this.#node(author, node, cursor);
      if (shown !== "right" || !cursor.ok) return shown;
    }
    return cursor.left === 0 ? "right" : "wrong path";
  }
}
