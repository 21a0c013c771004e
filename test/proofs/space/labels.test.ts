/** The graph and the labels against published vectors, and against what they must be by construction. */
import { readFileSync } from "node:fs";
import { chacha8 as nobleChacha8 } from "@noble/ciphers/chacha.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes, fromHex, toHex } from "../../../src/crypto/bytes.ts";
import { chacha8, mod64 } from "../../../src/proofs/space/chacha8.ts";
import { createGraph, type Graph, graphId, parentsOf } from "../../../src/proofs/space/graph.ts";
import {
  createLabeller,
  createLayer,
  labelOf,
  layerBytes,
} from "../../../src/proofs/space/labels.ts";
import { BASE_PARENTS, NODE_BYTES, PARENTS } from "../../../src/proofs/space/parameters.ts";
import { bytes, labelsOf } from "./support.ts";

type Vectors = {
  readonly porepId: string;
  readonly sectors: readonly { readonly nodes: number; readonly lastLabel: readonly string[] }[];
};
const file = JSON.parse(
  readFileSync(new URL("vectors/sdr-labels.json", import.meta.url), "utf8"),
) as { layers: number; replicaId: string; current: Vectors; legacy: Vectors };

/** Words are little-endian in the label. */
const labelHex = (words: readonly string[]): string =>
  words.map((word) => toHex(fromHex(word).reverse())).join("");

const lastLabel = (graph: Graph): string => {
  const labels = labelsOf(graph, fromHex(file.replicaId), file.layers).at(-1);
  return toHex(labels?.subarray(-NODE_BYTES) ?? bytes(0));
};

/** The older order of parents, which no sector of ours has. */
const legacy = (graph: Graph): Graph => ({
  lgNodes: graph.lgNodes,
  parents(v, out, at) {
    graph.parents(v, out, at);
    const base = out.slice(at, at + BASE_PARENTS);
    out.set([...base.subarray(1), base[0] ?? 0], at);
  },
});

describe("ChaCha8", () => {
  it("gives the published stream of the zero key", () => {
    const out = new Uint32Array(32);
    chacha8(new Uint32Array(8), out, new Int32Array(16));
    const view = new DataView(new ArrayBuffer(128));
    out.forEach((word, i) => {
      view.setUint32(4 * i, word, true);
    });
    expect(toHex(new Uint8Array(view.buffer, 0, 64))).toBe(
      "3e00ef2f895f40d67f5bb8e81f09a5a12c840ec3ce9a7f3b181be188ef711a1e" +
        "984ce172b9216f419f445367456d5619314a42a3da86b001387bfdb80e0cfe42",
    );
  });

  it("is that of another implementation, over two blocks", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (seed) => {
        const view = new DataView(seed.buffer, seed.byteOffset);
        const key = Uint32Array.from({ length: 8 }, (_, i) => view.getUint32(4 * i, true));
        const out = new Uint32Array(32);
        chacha8(key, out, new Int32Array(16));
        const wanted = nobleChacha8(seed, new Uint8Array(12), new Uint8Array(128));
        const words = new DataView(wanted.buffer, wanted.byteOffset);
        expect([...out]).toEqual(
          Array.from({ length: 32 }, (_, i) => words.getUint32(4 * i, true)),
        );
      }),
    );
  });

  it("reduces 64-bit numbers as big integers do", () => {
    const word = fc.integer({ min: 0, max: 0xffff_ffff });
    fc.assert(
      fc.property(word, word, fc.integer({ min: 1, max: 2 ** 34 }), (high, low, n) => {
        const wanted = ((BigInt(high) << 32n) | BigInt(low)) % BigInt(n);
        expect(mod64(high, low, n)).toBe(Number(wanted));
      }),
      { numRuns: 2000 },
    );
  });
});

describe("labels", () => {
  const cases = file.current.sectors.map(({ nodes, lastLabel: words }) => [nodes, words] as const);
  it.each(cases)("of %d nodes are Filecoin's", (nodes, words) => {
    const graph = createGraph(fromHex(file.current.porepId), Math.log2(nodes));
    expect(lastLabel(graph)).toBe(labelHex(words));
  });

  const old = file.legacy.sectors.map(({ nodes, lastLabel: words }) => [nodes, words] as const);
  it.each(old)(
    "of %d nodes are also those of its first version, with its order",
    (nodes, words) => {
      const graph = legacy(createGraph(fromHex(file.legacy.porepId), Math.log2(nodes)));
      expect(lastLabel(graph)).toBe(labelHex(words));
    },
  );

  it("are the same one by one, as who verifies computes them", () => {
    const graph = createGraph(graphId(7, 3), 7);
    const labels = labelsOf(graph, bytes(5), 3);
    const at = (layer: number, v: number): Uint8Array =>
      labels[layer - 1]?.subarray(v * NODE_BYTES, (v + 1) * NODE_BYTES) ?? bytes(0);
    for (let layer = 1; layer <= 3; layer++) {
      for (let v = 0; v < 128; v++) {
        const parents = [...parentsOf(graph, v)].slice(0, layer === 1 ? BASE_PARENTS : PARENTS);
        const of = parents.map((p, i) => at(i < BASE_PARENTS ? layer : layer - 1, p));
        expect(labelOf(bytes(5), layer, v, v === 0 ? [] : of)).toEqual(at(layer, v));
      }
    }
  });
});

describe("a layer in several parts, as those of the largest sectors", () => {
  const graph = createGraph(graphId(7, 3), 7);
  const parents = new Uint32Array(128 * PARENTS);
  for (let v = 0; v < 128; v++) graph.parents(v, parents, v * PARENTS);

  it("has the same labels as in one", () => {
    const label = createLabeller(bytes(5));
    const made = [1, 2, 3].map(() => createLayer(7, 4));
    for (const [i, current] of made.entries()) {
      label({ layer: i + 1, from: 0, to: 128, parents, current, below: made[i - 1] });
    }
    for (const [i, whole] of labelsOf(graph, bytes(5), 3).entries()) {
      const layer = made[i] ?? createLayer(7);
      const parts = [0, 1, 2, 3, 4, 5, 6, 7].map((n) => layerBytes(layer, 16 * n, 16));
      expect(toHex(concatBytes(...parts))).toBe(toHex(whole));
    }
  });

  it("gives no bytes across parts, and has no node past its end", () => {
    const layer = createLayer(7, 4);
    expect(() => layerBytes(layer, 8, 16)).toThrow(RangeError);
    expect(() => layerBytes(layer, 128, 16)).toThrow(RangeError);
    const wrong = parents.slice(0, PARENTS).fill(128);
    const label = createLabeller(bytes(5));
    const range = { layer: 1, from: 5, to: 6, parents: wrong, current: layer, below: undefined };
    expect(() => label(range)).toThrow("no node 128");
  });
});

describe("a label of a parent that is no node", () => {
  const graph = createGraph(graphId(7, 3), 7);
  const parents = new Uint32Array(PARENTS);
  graph.parents(5, parents, 0);
  const label = createLabeller(bytes(5));
  const range = { layer: 2, from: 5, to: 6, parents };

  it.each([
    ["one part", 25],
    ["several", 4],
  ])("is not made, in a layer of %s", (_, lgPartMax) => {
    const [current, below] = [createLayer(7, lgPartMax), createLayer(7, lgPartMax)];
    expect(() => label({ ...range, current, below })).not.toThrow();
    for (const at of [0, BASE_PARENTS - 1, BASE_PARENTS, PARENTS - 1]) {
      const wrong = parents.with(at, 127);
      expect(() => label({ ...range, parents: wrong, current, below })).not.toThrow();
      wrong[at] = 128;
      const made = () => label({ ...range, parents: wrong, current, below });
      expect(made).toThrow("no node 128");
    }
  });

  it("is not made on a shorter layer below", () => {
    const wrong = new Uint32Array(PARENTS).with(PARENTS - 1, 64);
    const layers = { current: createLayer(7), below: createLayer(6) };
    expect(() => label({ ...range, parents: wrong, ...layers })).toThrow("no node 64");
  });
});

describe("the graph", () => {
  it("is another one for every shape", () => {
    const ids = [graphId(12, 4), graphId(12, 5), graphId(16, 4)].map(toHex);
    expect(new Set(ids).size).toBe(3);
  });

  it("has the node before, and only earlier nodes, as parents in the same layer", () => {
    for (const lgNodes of [6, 9, 16]) {
      const graph = createGraph(graphId(lgNodes, 2), lgNodes);
      for (let v = 2; v < Math.min(2 ** lgNodes, 5000); v++) {
        const base = parentsOf(graph, v).subarray(0, BASE_PARENTS);
        expect(base[0]).toBe(v - 1);
        expect(Math.max(...base)).toBeLessThan(v);
      }
    }
  });

  it.each([6, 7, 9, 10])("expands 2^%d nodes by a permutation: each is a parent 8 times", (lg) => {
    const graph = createGraph(graphId(lg, 2), lg);
    const counts = new Uint32Array(2 ** lg);
    for (let v = 0; v < 2 ** lg; v++) {
      for (const p of parentsOf(graph, v).subarray(BASE_PARENTS)) counts[p] = (counts[p] ?? 0) + 1;
    }
    expect(new Set(counts)).toEqual(new Set([8]));
  });

  it("reaches the upper half of the largest sector, and never past its end", () => {
    const graph = createGraph(graphId(30, 11), 30);
    const all = Array.from({ length: 200 }, (_, i) => 2 ** 30 - 1 - i * 5_368_709).flatMap((v) => {
      const parents = [...parentsOf(graph, v)];
      expect(Math.max(...parents.slice(0, BASE_PARENTS))).toBeLessThan(v);
      return parents;
    });
    expect(Math.max(...all)).toBeGreaterThan(2 ** 29);
    expect(Math.max(...all)).toBeLessThan(2 ** 30);
  });
});
