/** Orders that were followed are known for as long as they could be given again. */
import { appendFileSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { TetradError } from "../../../src/errors.ts";
import { LIMITS } from "../../../src/limits.ts";
import { type FollowedOrder, FollowedOrders } from "../../../src/node/objects/followed.ts";
import { removeFolder, tempFolder } from "./support.ts";

const RECORD_BYTES = 72;
let folder: string;
let nowMs: number;
beforeEach(() => {
  folder = tempFolder();
  nowMs = 1_000_000;
});
afterEach(() => removeFolder(folder));

const open = (ordersMax?: number): Promise<FollowedOrders> =>
  FollowedOrders.open({
    ...{ folder, wallMs: () => nowMs },
    ...(ordersMax === undefined ? {} : { ordersMax }),
  });

const order = (seed: number, change: Partial<FollowedOrder> = {}): FollowedOrder => ({
  ...{ action: "keep", root: new Uint8Array(32).fill(1), notAfterMs: nowMs + 1_000 },
  statement: new Uint8Array(32).fill(seed),
  ...change,
});
const drop = (seed: number): FollowedOrder => order(seed, { action: "drop" });

const codeOf = async (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "",
    (error: unknown) => (error instanceof TetradError ? error.code : String(error)),
  );

const size = (): number => statSync(join(folder, "orders")).size;

describe("an order that was followed", () => {
  it("may be repeated as long as it is the last one for its object, and one to drop may not", async () => {
    const followed = await open();
    await followed.follow(order(1));
    await followed.follow(order(1));
    await followed.follow(order(2, { root: new Uint8Array(32).fill(9) }));
    await followed.follow(order(1));
    await followed.follow(drop(3));
    expect(await codeOf(followed.follow(order(1)))).toBe("object.order");
    expect(await codeOf(followed.follow(drop(3)))).toBe("object.order");
    await followed.follow(order(4));
    for (const known of [await open(), followed]) {
      expect(await codeOf(known.follow(drop(3)))).toBe("object.order");
      expect(await codeOf(known.follow(order(1)))).toBe("object.order");
      expect(await codeOf(known.follow(order(4)))).toBe("");
    }
  });

  it("is not free again because the one after it is over sooner", async () => {
    const followed = await open();
    const long = order(1, { notAfterMs: nowMs + 5_000 });
    await followed.follow(long);
    await followed.follow(drop(2));
    nowMs += 1_001;
    expect(await codeOf(followed.follow(long))).toBe("object.order");
    expect(await codeOf((await open()).follow(long))).toBe("object.order");
  });

  it("is remembered with ordersMax others, past which none is taken until one is over", async () => {
    expect(LIMITS.objectOrdersMax).toBeGreaterThan(0);
    const followed = await open(3);
    for (const seed of [1, 2, 3]) await followed.follow(order(seed));
    expect(await codeOf(followed.follow(order(4)))).toBe("node.overloaded");
    expect(await codeOf(followed.follow(order(3)))).toBe("");
    nowMs += 1_001;
    // The file does not grow for ever either.
    for (let round = 0; round < 4; round++) {
      for (const seed of [1, 2, 3]) await followed.follow(order(seed));
      expect(size()).toBeLessThanOrEqual(7 * RECORD_BYTES);
      nowMs += 1_001;
    }
    await open(3);
    expect(size()).toBe(0);
  });

  it("is known after a crash, whatever is left of the next one", async () => {
    const followed = await open();
    await Promise.all([1, 2, 3].map((seed) => followed.follow(order(seed))));
    truncateSync(join(folder, "orders"), 3 * RECORD_BYTES - 1);
    writeFileSync(join(folder, "orders.8.new"), "half");
    const later = await open();
    expect(size()).toBe(2 * RECORD_BYTES);
    expect(await codeOf(later.follow(order(1)))).toBe("object.order");
    expect(await codeOf(later.follow(order(2)))).toBe("");
    expect(() => readFileSync(join(folder, "orders.8.new"))).toThrow();
    appendFileSync(join(folder, "orders"), new Uint8Array(RECORD_BYTES).fill(0xff));
    expect(await codeOf((await open()).follow(order(1)))).toBe("object.order");
  });
});
