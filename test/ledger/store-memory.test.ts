/** The store in memory: the contract, and many rows. */
import { describe, expect, it } from "vitest";
import { toHex } from "../../src/crypto/bytes.ts";
import type { StoreEntry, StoreOp } from "../../src/ledger/ports.ts";
import { createMemoryStore } from "../../src/ledger/store/memory.ts";
import { storeContract } from "../contract/store-contract.ts";

storeContract(
  "memory",
  () => Promise.resolve({ store: createMemoryStore(), dispose: () => Promise.resolve() }),
  { fails: false, reopens: false },
);

const keyOf = (n: number): Uint8Array => {
  const key = new Uint8Array(4);
  new DataView(key.buffer).setUint32(0, n);
  return key;
};

describe("many rows", () => {
  it("stay sorted through splits and removals", async () => {
    const store = createMemoryStore();
    const count = 20_000;
    const write = (ops: readonly StoreOp[]): void => store.write(ops, { sync: false }, () => {});
    // A multiplier without a common factor visits every number once, out of order.
    for (let i = 0; i < count; i++) {
      const key = keyOf((i * 7919) % count);
      write([{ type: "put", key, value: key }]);
    }
    for (let i = 0; i < count; i++) {
      if (i % 1000 !== 0) write([{ type: "del", key: keyOf(i) }]);
    }
    const entries = await new Promise<readonly StoreEntry[]>((resolve) => {
      const range = { gte: keyOf(0), lt: keyOf(count), limit: count };
      store.range(range, (_failure, found) => resolve(found));
    });
    const expected = Array.from({ length: 20 }, (_, i) => toHex(keyOf(i * 1000)));
    expect(entries.map(([key]) => toHex(key))).toEqual(expected);
    expect(store.get(keyOf(3000))).toEqual(keyOf(3000));
    expect(store.get(keyOf(3001))).toBeUndefined();
  });

  it("cannot be read after closing", async () => {
    const store = createMemoryStore();
    await new Promise<void>((resolve) => store.close(resolve));
    expect(() => store.get(keyOf(1))).toThrow(/closed/);
  });
});
