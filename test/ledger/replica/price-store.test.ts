import { describe, expect, it } from "vitest";
import { Reader } from "../../../src/crypto/codec.ts";
import { priceKey } from "../../../src/ledger/keys.ts";
import { priceOps, readPrice } from "../../../src/ledger/replica/price-store.ts";
import type { Batch } from "../../../src/ledger/types.ts";
import { nextPrice, WORK_PROFILES } from "../../../src/proofs/work/index.ts";
import { batchOf, hashOf, headerOf, putOf } from "../../golden/fixtures.ts";

const work = {
  ...WORK_PROFILES.test,
  price: { ...WORK_PROFILES.test.price, priceStart: 1000n, priceMin: 1n, targetUnits: 2000n },
};
const none = (): undefined => undefined;

const blockOf = (height: number, events: number) => ({
  block: { header: headerOf({ height }) },
  batches:
    events === 0
      ? []
      : ([batchOf({ actor: hashOf(1), events: new Array(events).fill(putOf(1)) })] as Batch[]),
});

const unitsOf = ({ batches }: { readonly batches: readonly Batch[] }): bigint =>
  batches
    .flatMap(({ events }) => events)
    .reduce((sum, { bytes }) => sum + BigInt(bytes.length) + 512n, 0n);

describe("prices beside the blocks", () => {
  it("begin with that of the genesis", () => {
    expect(readPrice(none, work, 0)).toBe(1000n);
    expect(readPrice(none, work, 1)).toBeUndefined();
  });

  it("follow the rule along a run, and go on in the next", () => {
    const rows = new Map<string, Uint8Array>();
    const read = (key: Uint8Array): Uint8Array | undefined => rows.get(key.join());
    const append = (run: ReturnType<typeof blockOf>[]): void => {
      for (const op of priceOps(read, work, run)) {
        if (op.type === "put") rows.set(op.key.join(), op.value);
      }
    };
    const first = [blockOf(1, 9), blockOf(2, 0)];
    const second = [blockOf(3, 4), blockOf(4, 5)];
    append(first);
    append(second);
    let price = 1000n;
    for (const block of [...first, ...second]) {
      price = nextPrice(work.price, price, unitsOf(block));
      const { height } = block.block.header;
      expect(readPrice(read, work, height)).toBe(price);
      expect(new Reader(read(priceKey(height)) ?? new Uint8Array()).u64big()).toBe(price);
    }
    // Another cut of the same blocks gives the same rows.
    const before = new Map(rows);
    rows.clear();
    append([...first, ...second]);
    expect(rows).toEqual(before);
  });

  it("are not there where the chain asks for no work, and not made up where one is missing", () => {
    expect(priceOps(none, null, [blockOf(1, 3)])).toEqual([]);
    expect(priceOps(none, work, [])).toEqual([]);
    expect(() => priceOps(none, work, [blockOf(2, 3)])).toThrow("no price of height 1");
  });
});
