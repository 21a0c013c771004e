import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes, toHex, ZERO_HASH } from "../../src/crypto/bytes.ts";
import { utf8, Writer } from "../../src/crypto/codec.ts";
import { sha256 } from "../../src/crypto/hash.ts";
import {
  type ChainPoint,
  decodePoint,
  encodePoint,
  genesisPoint,
  pointAfter,
  pointOp,
  pointsOfRun,
  readPoint,
} from "../../src/ledger/chain-point.ts";
import { defineEvent, field } from "../../src/ledger/event-schema.ts";
import { type Genesis, genesisHash } from "../../src/ledger/genesis.ts";
import { type GenesisProofs, NO_PROOFS } from "../../src/ledger/genesis-proofs.ts";
import { pointKey } from "../../src/ledger/keys.ts";
import { defineProjection, own } from "../../src/ledger/projection.ts";
import { rebuildProjections } from "../../src/ledger/rebuild.ts";
import type { Block, Hash } from "../../src/ledger/types.ts";
import { LIMITS } from "../../src/limits.ts";
import {
  ALL_PROJECTIONS,
  genesis,
  hasher,
  MapStore,
  runnerOptions,
  TestChain,
} from "./execution-support.ts";
import { answer } from "./rebuild-support.ts";

const proofs: GenesisProofs = { ...NO_PROOFS, beacon: { depth: 8 } };
const second: Genesis = { ...genesis, format: 2, proofs };
const hash = genesisHash(hasher, second);
const u64 = (value: number): Uint8Array => new Writer(8).u64(value).finish();

type Made = Pick<Block, "header" | "proofs">;
const blockAt = (height: number, boundary: boolean, reveal: Uint8Array): Made =>
  ({
    header: {
      height,
      timeMs: second.timeMs + height * 100,
      nextSetHash: boundary ? sha256(utf8("set")) : ZERO_HASH,
    },
    proofs: { reveal, openings: ZERO_HASH, bytes: ZERO_HASH },
  }) as Made;

/** The same arithmetic, written down once more from the definition. */
const beaconsOf = (blocks: readonly Made[]): Hash[] => {
  const beacons = [hasher.ht("beacon/0", hash)];
  for (const { header, proofs: shown } of blocks) {
    const before = beacons.at(-1) ?? ZERO_HASH;
    const value = shown.reveal.subarray(0, 32);
    const y = value.length === 0 ? ZERO_HASH : hasher.ht("ivrf/y", value, before);
    beacons.push(hasher.ht("beacon", concatBytes(before, u64(header.height), y)));
  }
  return beacons;
};

const run = fc
  .array(fc.record({ boundary: fc.boolean(), covered: fc.boolean(), seed: fc.nat() }), {
    minLength: 1,
    maxLength: 60,
  })
  .map((all) =>
    all.map(({ boundary, covered, seed }, i) =>
      blockAt(
        i + 1,
        boundary,
        covered ? concatBytes(sha256(u64(seed)), ZERO_HASH) : u64(0).slice(8),
      ),
    ),
  );

describe("points of a chain", () => {
  it("follow from the blocks, in one run or in several", () => {
    fc.assert(
      fc.property(run, fc.nat(), (blocks, cut) => {
        const beacons = beaconsOf(blocks);
        const store = new MapStore();
        store.apply([pointOp(0, genesisPoint(hasher, hash, second))]);
        const at = cut % (blocks.length + 1);
        const points: ChainPoint[] = [];
        for (const part of [blocks.slice(0, at), blocks.slice(at)]) {
          const made = pointsOfRun(hasher, proofs, store.read, part);
          store.apply(made.map((point, i) => pointOp(points.length + 1 + i, point)));
          points.push(...made);
        }
        expect(points.map(({ beacon }) => toHex(beacon))).toEqual(beacons.slice(1).map(toHex));
        let [number, firstHeight] = [0, 1];
        for (const [i, { epoch }] of points.entries()) {
          const height = i + 1;
          if (toHex(blocks[i]?.header.nextSetHash ?? ZERO_HASH) !== toHex(ZERO_HASH)) {
            number += 1;
            firstHeight = height + 1;
          }
          const startMs = second.timeMs + (firstHeight - 1) * 100;
          const seed = beacons[Math.max(0, firstHeight - 16)];
          expect(epoch).toEqual({ number, firstHeight, startMs, seed });
        }
      }),
    );
  });

  it("have no beacon where the chain asks for none, but epochs", () => {
    const without = { ...second, proofs: NO_PROOFS };
    const first = genesisPoint(hasher, hash, without);
    expect(first.beacon).toEqual(ZERO_HASH);
    const block = blockAt(1, true, new Uint8Array(0));
    const point = pointAfter(hasher, NO_PROOFS, first, block, () => undefined);
    expect(point.beacon).toEqual(ZERO_HASH);
    expect(point.epoch).toMatchObject({ number: 1, firstHeight: 2, seed: ZERO_HASH });
  });

  it("are one row each, and any other bytes are none", () => {
    const point = genesisPoint(hasher, hash, second);
    expect(decodePoint(encodePoint(point))).toEqual(point);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const read = decodePoint(bytes);
        if (read !== undefined) expect(encodePoint(read)).toEqual(bytes);
      }),
    );
    const store = new MapStore();
    expect(readPoint(store.read, 4)).toBeUndefined();
    store.apply([{ type: "put", key: pointKey(4), value: Uint8Array.of(1) }]);
    expect(() => readPoint(store.read, 4)).toThrow("does not decode");
    expect(() => pointsOfRun(hasher, proofs, store.read, [blockAt(9, false, hash)])).toThrow(
      "the point of height 8 is missing",
    );
  });
});

const asked = defineEvent({
  type: "test.asked",
  version: 1,
  fields: [field.u64("height")],
});

/** Writes down what an event is told, so that it is part of the state. */
const asker = defineProjection({
  name: "asker",
  schemaVersion: 1,
  owns: [
    own(asked, {
      apply: (tx, { height }, context) => {
        const { number, firstHeight, startMs, seed } = context.epoch;
        const row = concatBytes(u64(number), u64(firstHeight), u64(startMs), seed);
        tx.put(u64(context.index), concatBytes(row, context.beaconAt(height) ?? u64(0)));
      },
    }),
  ],
});

describe("what events are told", () => {
  const projections = [...ALL_PROJECTIONS, asker];
  const ask = (height: number) => ({ by: "root", events: [asked.encode({ height })] });

  it("is the epoch of their block and the beacons below it, also when rebuilt", () => {
    const options = runnerOptions(projections, proofs);
    const chain = new TestChain(options, second);
    for (let height = 1; height <= 40; height++) {
      const input = chain.input([ask(height), ask(height - 1), ask(0)]);
      chain.run(input, { boundary: height % 20 === 19 });
    }
    const before = chain.store.dump();
    const rows = [...chain.store.rows].filter(([key]) => key.startsWith(toHex(utf8("r/asker/"))));
    expect(rows.length).toBe(120);
    for (const [key, value] of rows) {
      const index = Number(BigInt(`0x${key.slice(-16)}`));
      const height = Math.floor(index / 3) + 1;
      const parent = readPoint(chain.store.read, height - 1);
      const beacon = [undefined, parent?.beacon, hasher.ht("beacon/0", hash)][index % 3];
      const epoch = parent?.epoch;
      const told = concatBytes(
        u64(epoch?.number ?? 9),
        u64(epoch?.firstHeight ?? 9),
        u64(epoch?.startMs ?? 9),
        epoch?.seed ?? ZERO_HASH,
        beacon ?? u64(0),
      );
      // A row begins with the index of the event that wrote it.
      expect(toHex(value.subarray(8))).toBe(toHex(told));
    }
    const rebuild = rebuildProjections({
      runner: options,
      genesis: second,
      read: chain.store.read,
    });
    expect(answer(chain.store, rebuild)?.ok).toBe(true);
    expect(chain.store.dump()).toEqual(before);
  });

  it("goes no further back than the limit", () => {
    const chain = new TestChain(runnerOptions(projections, proofs), second);
    const point = genesisPoint(hasher, hash, second);
    const height = LIMITS.beaconHistory + 2;
    chain.store.apply([0, 1, 2, height - 1].map((at) => pointOp(at, point)));
    const roots = { ...chain.roots, height: height - 1 };
    const input = chain.input([ask(2), ask(1)], height);
    const told = chain.executor.executeBlock(input, chain.store.read, roots);
    const values = told.ops.flatMap((op) =>
      op.type === "put" && toHex(op.key).startsWith(toHex(utf8("r/asker/")))
        ? [op.value.length]
        : [],
    );
    expect(values).toEqual([8 + 56 + 32, 8 + 56 + 8]);
  });

  it("cannot be asked on a chain of format 1, and must be there on one of format 2", () => {
    const first = new TestChain(runnerOptions(projections), genesis);
    expect(() => first.block(ask(0))).toThrow("format 1");
    const lost = new TestChain(runnerOptions(projections, proofs), second);
    lost.store.apply([{ type: "del", key: pointKey(0) }]);
    const input = lost.input([ask(0)]);
    expect(() => lost.executor.executeBlock(input, lost.store.read, lost.roots)).toThrow(
      "the point of height 0 is missing",
    );
  });
});
