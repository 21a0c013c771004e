/** Certificates that leave the window leave the store, whatever happened in their views. */
import { describe, expect, it } from "vitest";
import { fromHex, toHex, ZERO_HASH } from "../../../src/crypto/bytes.ts";
import { encodeBlock } from "../../../src/ledger/block.ts";
import {
  blockKey,
  certificateKey,
  finalizationKey,
  heightKey,
  rangeOfArea,
} from "../../../src/ledger/keys.ts";
import { BlockStore, finalizationOp } from "../../../src/ledger/replica/block-store.ts";
import { forgetOps } from "../../../src/ledger/replica/forget.ts";
import { kindNumber } from "../../../src/ledger/statement.ts";
import type { StatementKind } from "../../../src/ledger/types.ts";
import { LIMITS } from "../../../src/limits.ts";
import { createChain, Lab } from "./support.ts";

const WINDOW = LIMITS.certificateWindowHeights;
const { hasher } = createChain();
const TEMPLATE = new Lab().block();

/** A chain of certificates and nothing else; each height is appended as the replica would do it. */
class Bench {
  readonly rows = new Map<string, Uint8Array>();
  readonly store = new BlockStore((key) => this.rows.get(toHex(key)), hasher);
  epoch = 0;
  view = 0;
  height = 0;

  #put(key: Uint8Array, value: Uint8Array = new Uint8Array(1)): void {
    this.rows.set(toHex(key), value);
  }

  skip(views: number): void {
    for (let i = 0; i < views; i++) this.#certify("nullify", ++this.view);
  }

  #certify(kind: StatementKind, view: number): void {
    this.#put(certificateKey(this.epoch, view, kindNumber(kind)));
  }

  /** Notarizes that many blocks and makes the last final, and the others by it. */
  append(heights = 1, boundary = false): void {
    const first = this.height + 1;
    for (let i = 0; i < heights; i++) {
      this.#certify("notarize", ++this.view);
      this.height += 1;
      const nextSetHash = boundary && i === heights - 1 ? hasher.ht("set") : ZERO_HASH;
      const header = { ...TEMPLATE.header, height: this.height, nextSetHash };
      const block = encodeBlock(hasher, header, []);
      this.#put(heightKey(this.height), block.hash);
      this.#put(blockKey(block.hash), block.bytes);
    }
    this.#certify("finalize", this.view);
    const read = (key: Uint8Array): Uint8Array | undefined => this.rows.get(toHex(key));
    const ops = [
      finalizationOp(this.height, this.epoch, this.view),
      ...forgetOps(this.store, read, hasher, first, this.height),
    ];
    for (const op of ops) {
      if (op.type === "put") this.rows.set(toHex(op.key), op.value);
      else this.rows.delete(toHex(op.key));
    }
    if (!boundary) return;
    this.epoch += 1;
    this.view = 0;
  }

  /** Epoch, view and kind of every certificate that is left, up to a height's finalization. */
  left(epoch: number, view: number): string[] {
    const { gte, lt } = rangeOfArea("c");
    return [...this.rows.keys()]
      .filter((key) => key >= toHex(gte) && key < toHex(lt))
      .map((key) => {
        const bytes = new DataView(fromHex(key).buffer);
        return [Number(bytes.getBigUint64(2)), Number(bytes.getBigUint64(10)), bytes.getUint8(18)];
      })
      .filter(([e = 0, v = 0]) => e < epoch || (e === epoch && v <= view))
      .sort(([a = 0, b = 0], [c = 0, d = 0]) => a - c || b - d)
      .map((parts) => parts.join("/"));
  }
}

describe("what the window has left behind", () => {
  it("is all forgotten, though 40 views were skipped below one height", () => {
    const bench = new Bench();
    bench.append();
    bench.skip(40);
    bench.append();
    const { view } = bench;
    for (let i = 0; i < WINDOW - 1; i++) bench.append();
    expect(bench.left(0, view)).toHaveLength(40 + 2);
    bench.append();
    expect(bench.height).toBe(WINDOW + 2);
    expect(bench.left(0, view)).toEqual([]);
    expect(bench.rows.has(toHex(finalizationKey(1)))).toBe(false);
  });

  it("is all forgotten where heights were final by their descendants alone", () => {
    const bench = new Bench();
    for (let i = 0; i < 7; i++) {
      bench.append(8);
      bench.skip(3);
    }
    const { view } = bench;
    while (bench.height < WINDOW + 56) bench.append();
    expect(bench.left(0, view - 3)).toEqual([]);
  });

  it("is all forgotten when one append brings many heights", () => {
    const bench = new Bench();
    for (let i = 0; i < 60; i++) {
      bench.skip(i % 5);
      bench.append();
    }
    const { view } = bench;
    while (bench.height < WINDOW) bench.append();
    bench.append(60);
    expect(bench.left(0, view)).toEqual([]);
  });

  it("keeps one finalization in 64 heights: the first that there is in each", () => {
    const bench = new Bench();
    while (bench.height < 62) bench.append();
    // 64 and 128 are final by descendants: 66 and 130 have the finalizations.
    bench.append(4);
    while (bench.height < 126) bench.append();
    bench.append(4);
    while (bench.height < 200) bench.append();
    const { view } = bench;
    while (bench.height < WINDOW + 200) bench.append();
    expect(bench.left(0, view)).toEqual(["0/66/3", "0/130/3", "0/192/3"]);
    expect(bench.store.finalizationAt(66)).toEqual({ epoch: 0, view: 66 });
    expect(bench.store.finalizationAt(67)).toBeUndefined();
  });

  it("keeps a boundary's finalization, and forgets what its epoch opened beyond", () => {
    const bench = new Bench();
    bench.append();
    bench.append(2, true);
    // The first blocks of the next epoch are final by a descendant.
    bench.append(3);
    const { view } = bench;
    for (let past = 4; past < 10; past++) {
      bench.rows.set(toHex(certificateKey(0, past, 2)), new Uint8Array(1));
    }
    while (bench.height < WINDOW + 6) bench.append();
    expect(bench.left(1, view)).toEqual(["0/3/3"]);
    expect(bench.store.finalizationAt(3)).toEqual({ epoch: 0, view: 3 });
  });

  it("is nothing before the window is full", () => {
    const bench = new Bench();
    while (bench.height < WINDOW) bench.append();
    expect(bench.left(0, WINDOW)).toHaveLength(2 * WINDOW);
  });

  it("does not go on from a note that does not decode", () => {
    const store = new BlockStore(() => undefined, hasher);
    for (const note of [new Uint8Array(1), new Uint8Array(25), new Uint8Array(24).fill(255)]) {
      expect(() => forgetOps(store, () => note, hasher, WINDOW + 1, WINDOW + 1)).toThrow(
        expect.objectContaining({ code: "store.corrupt" }),
      );
    }
  });
});
